/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Variables of a BPF object by name, from its BTF, for test programs that set them before
 * the load or print them.
 */
#ifndef _VARS_H
#define _VARS_H

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline const struct btf_type *skip_mods(const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

static inline int store(void *mem, const struct btf *btf, __u32 type,
			const char *text)
{
	const struct btf_type *t = skip_mods(btf, type);
	__s64 v;

	if (btf_is_array(t)) {
		/* Characters, or numbers with commas between them. */
		const struct btf_array *a = btf_array(t);
		__s64 size = btf__resolve_size(btf, a->type);
		__u32 i;

		if (size == 1) {
			memset(mem, 0, a->nelems);
			memcpy(mem, text, strnlen(text, a->nelems));
			return 0;
		}
		for (i = 0; i < a->nelems; i++) {
			v = 0;
			if (*text) {
				char *end;

				v = strtoll(text, &end, 0);
				text = *end ? end + 1 : end;
			}
			memcpy(mem + i * size, &v, size);
		}
		return 0;
	}
	v = text[0] == '-' ? strtoll(text, NULL, 0) : (__s64)strtoull(text, NULL, 0);
	memcpy(mem, &v, btf__resolve_size(btf, type));
	return 0;
}

/* Where a global variable lives, and its type; before and after the load. */
static inline void *find_var(struct bpf_object *obj, const char *name, size_t len,
			     __u32 *type)
{
	const struct btf *btf = bpf_object__btf(obj);
	static const char *const secs[] = { ".rodata", ".data", ".bss" };
	struct bpf_map *map;
	size_t i, size;

	for (i = 0; i < sizeof(secs) / sizeof(secs[0]); i++) {
		int j, id = btf__find_by_name_kind(btf, secs[i], BTF_KIND_DATASEC);
		const struct btf_type *sec;
		const struct btf_var_secinfo *v;
		char *data;

		if (id < 0)
			continue;
		sec = btf__type_by_id(btf, id);
		bpf_object__for_each_map(map, obj) {
			const char *m = bpf_map__name(map);
			size_t ml = strlen(m), sl = strlen(secs[i]);

			if (bpf_map__is_internal(map) && ml >= sl &&
			    !strcmp(m + ml - sl, secs[i]))
				break;
		}
		if (!map)
			continue;
		data = bpf_map__initial_value(map, &size);
		for (j = 0, v = btf_var_secinfos(sec); j < btf_vlen(sec); j++, v++) {
			const struct btf_type *t = btf__type_by_id(btf, v->type);
			const char *n = btf__name_by_offset(btf, t->name_off);

			if (strlen(n) == len && !strncmp(n, name, len)) {
				*type = t->type;
				return data + v->offset;
			}
		}
	}
	fprintf(stderr, "no variable %.*s\n", (int)len, name);
	return NULL;
}

static inline int set_var(struct bpf_object *obj, const char *s)
{
	const char *eq = strchr(s, '=');
	__u32 type;
	void *mem;

	if (!eq)
		return -EINVAL;
	mem = find_var(obj, s, eq - s, &type);
	return mem ? store(mem, bpf_object__btf(obj), type, eq + 1) : -ENOENT;
}

#endif /* _VARS_H */
