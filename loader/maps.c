// SPDX-License-Identifier: GPL-2.0
/*
 * Handing an old policy's maps to the new one, so that what was learned lives on.
 *
 * The old maps are found through the kernel: link, struct_ops map, programs,
 * their maps. So it does not matter who loaded the old policy, and whether it
 * is pinned. The kernel keeps 15 characters of a map's name, so by those they
 * are compared, and names that they cannot tell apart are refused.
 *
 * That two maps have the same sizes does not mean that they have the same
 * layout, and nothing compares their BTF. A policy therefore states a version,
 *
 *	const volatile __u32 cdm_map_version = 2;
 *
 * and maps go to a policy of the same version only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

#define MAX_CALLBACKS	24
#define MAX_MAPS	64

static const char version_name[] = "cdm_map_version";

static bool have_map(const struct old_maps *maps, unsigned int id)
{
	int i;

	for (i = 0; i < maps->nr; i++)
		if (maps->v[i].info.id == id)
			return true;
	return false;
}

/* The version that stands in a policy's .rodata; the kernel has its BTF. */
static void read_version(struct old_maps *maps, const struct old_map *map)
{
	const struct btf_var_secinfo *vsi;
	const struct btf_type *sec, *var;
	struct btf *btf;
	__u32 zero = 0;
	char *value;
	int i;

	if (!map->info.btf_id || !map->info.btf_value_type_id)
		return;
	btf = btf__load_from_kernel_by_id(map->info.btf_id);
	value = malloc(map->info.value_size);
	if (!btf || !value)
		goto cleanup;
	sec = btf__type_by_id(btf, map->info.btf_value_type_id);
	if (!sec || !btf_is_datasec(sec) ||
	    bpf_map_lookup_elem(map->fd, &zero, value))
		goto cleanup;
	vsi = btf_var_secinfos(sec);
	for (i = 0; i < btf_vlen(sec); i++, vsi++) {
		var = btf__type_by_id(btf, vsi->type);
		if (!strcmp(btf__name_by_offset(btf, var->name_off), version_name) &&
		    vsi->size == sizeof(maps->version) &&
		    vsi->offset + vsi->size <= map->info.value_size)
			memcpy(&maps->version, value + vsi->offset, sizeof(maps->version));
	}
cleanup:
	free(value);
	btf__free(btf);
}

static int add_map(struct old_maps *maps, unsigned int id)
{
	struct old_map *m, *tmp;
	__u32 len = sizeof(m->info);

	if (have_map(maps, id))
		return 0;
	tmp = realloc(maps->v, (maps->nr + 1) * sizeof(*maps->v));
	if (!tmp)
		return err_set(-ENOMEM, "out of memory");
	maps->v = tmp;
	m = &maps->v[maps->nr];
	memset(m, 0, sizeof(*m));
	m->fd = bpf_map_get_fd_by_id(id);
	/* It went meanwhile: then the policy did. */
	if (m->fd < 0)
		return 0;
	maps->nr++;
	if (bpf_map_get_info_by_fd(m->fd, &m->info, &len))
		return err_set(-errno, "cannot read map %u: %s", id, strerror(errno));
	memcpy(m->name, m->info.name, sizeof(m->name));
	if (strstr(m->name, ".rodata"))
		read_version(maps, m);
	return 0;
}

static int add_maps_of(struct old_maps *maps, unsigned int prog_id)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info), ids[MAX_MAPS], i;
	int fd, err = 0;

	fd = bpf_prog_get_fd_by_id(prog_id);
	if (fd < 0)
		return 0;
	info.nr_map_ids = MAX_MAPS;
	info.map_ids = (__u64)(unsigned long)ids;
	if (bpf_prog_get_info_by_fd(fd, &info, &len))
		err = err_set(-errno, "cannot read program %u: %s", prog_id,
			      strerror(errno));
	close(fd);
	for (i = 0; !err && i < info.nr_map_ids && i < MAX_MAPS; i++)
		err = add_map(maps, ids[i]);
	return err;
}

/* All maps of an attached policy, .rodata and the like too. */
int old_maps_get(const struct target *t, const struct btf *kbtf,
		 struct old_maps *maps)
{
	unsigned int progs[MAX_CALLBACKS];
	const char *names[MAX_CALLBACKS];
	int i, nr, fd, err = 0;

	memset(maps, 0, sizeof(*maps));
	if (!t->map_id)
		return 0;
	fd = bpf_map_get_fd_by_id(t->map_id);
	if (fd < 0)
		return err_set(fd, "cannot open the struct_ops map of %s: %s",
			       t->name, strerror(-fd));
	nr = ops_callbacks(kbtf, fd, progs, names, MAX_CALLBACKS);
	close(fd);
	for (i = 0; i < nr && !err; i++)
		err = add_maps_of(maps, progs[i]);
	return err;
}

void old_maps_put(struct old_maps *maps)
{
	int i;

	for (i = 0; i < maps->nr; i++)
		close(maps->v[i].fd);
	free(maps->v);
	memset(maps, 0, sizeof(*maps));
}

/* ---- checks --------------------------------------------------------------------------- */

static bool is_internal(const struct old_map *m)
{
	return strchr(m->name, '.');
}

static bool same_name(const char *kernel, const char *full)
{
	return !strncmp(kernel, full, BPF_OBJ_NAME_LEN - 1);
}

/* Is @name one of "a,b,c"? */
static bool in_words(const char *words, const char *name)
{
	size_t len = strlen(name), n;

	while (*words) {
		n = strcspn(words, ",");
		if (n == len && !strncmp(words, name, n))
			return true;
		words += n + (words[n] == ',');
	}
	return false;
}

static int differs(const char *name, const char *what, unsigned long long old,
		   unsigned long long new)
{
	err_set(-EINVAL, "map %s cannot be handed over: its %s is %llu in the old policy and %llu in the new one",
		name, what, old, new);
	err_hint("swap without it: name the maps to hand over with --maps");
	return -EINVAL;
}

static int check_same(const struct old_map *old, const struct bpf_map *new)
{
	const char *name = bpf_map__name(new);

	if (old->info.type != bpf_map__type(new))
		return differs(name, "type", old->info.type, bpf_map__type(new));
	if (old->info.key_size != bpf_map__key_size(new))
		return differs(name, "key size", old->info.key_size, bpf_map__key_size(new));
	if (old->info.value_size != bpf_map__value_size(new))
		return differs(name, "value size", old->info.value_size, bpf_map__value_size(new));
	if (bpf_map__max_entries(new) &&
	    old->info.max_entries != bpf_map__max_entries(new))
		return differs(name, "number of entries", old->info.max_entries,
			       bpf_map__max_entries(new));
	if (old->info.map_flags != bpf_map__map_flags(new))
		return differs(name, "set of flags", old->info.map_flags, bpf_map__map_flags(new));
	return 0;
}

/* Each name that was asked for must be a map of the new policy. */
static int check_words(struct policy *p, const char *words)
{
	char name[128];
	size_t n;

	while (*words) {
		n = strcspn(words, ",");
		snprintf(name, sizeof(name), "%.*s", (int)n, words);
		if (!bpf_object__find_map_by_name(p->obj, name))
			return err_set(-ENOENT, "--maps: %s has no map '%s'", p->path, name);
		words += n + (words[n] == ',');
	}
	return 0;
}

static int find_old(const struct old_maps *old, const char *name,
		    const struct old_map **found)
{
	int i;

	*found = NULL;
	for (i = 0; i < old->nr; i++) {
		if (is_internal(&old->v[i]) || !same_name(old->v[i].name, name))
			continue;
		if (*found)
			return err_set(-EEXIST, "map %s cannot be handed over: the old policy has two whose names begin like this",
				       name);
		*found = &old->v[i];
	}
	return 0;
}

static int check_version(const struct policy *p, const struct old_maps *old)
{
	unsigned int version;

	if (tunable_map_version(p, &version))
		version = 0;
	if (version == old->version)
		return 0;
	err_set(-EPROTO, "the maps cannot be handed over: the old policy's have layout version %u, the new policy wants %u (%s)",
		old->version, version, version_name);
	err_hint("swap without --keep-maps to begin with empty maps");
	return -EPROTO;
}

/*
 * Makes the new object, not yet loaded, use the old maps; their names go to
 * @list. To ask for maps and get none is an error.
 */
int maps_hand_over(struct policy *p, const struct old_maps *old,
		   const struct handover *how, struct json_object *list)
{
	const struct old_map *m;
	struct bpf_map *map;
	int err;

	if (!how->all && !how->names)
		return 0;
	if (how->names) {
		err = check_words(p, how->names);
		if (err)
			return err;
	}
	err = check_version(p, old);
	if (err)
		return err;

	bpf_object__for_each_map(map, p->obj) {
		const char *name = bpf_map__name(map);

		if (bpf_map__is_internal(map) ||
		    bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		if (!how->all && !in_words(how->names, name))
			continue;
		err = find_old(old, name, &m);
		if (err)
			return err;
		if (!m && how->all)
			continue;
		if (!m)
			return err_set(-ENOENT, "--maps: the old policy has no map '%s'", name);
		err = check_same(m, map);
		if (err)
			return err;
		/* This replaces the map's name: the old pointer is dead. */
		err = bpf_map__reuse_fd(map, m->fd);
		if (err)
			return err_set(err, "map %s cannot be handed over: %s",
				       bpf_map__name(map), strerror(-err));
		json_object_array_add(list, json_object_new_string(bpf_map__name(map)));
	}
	if (!json_object_array_length(list)) {
		err_set(-ENOENT, "the two policies have no map in common to hand over");
		err_hint("swap without --keep-maps");
		return -ENOENT;
	}
	return 0;
}

/* An attached policy's maps, for show. */
struct json_object *maps_json(const struct target *t, const struct btf *kbtf)
{
	struct json_object *list = json_object_new_array(), *o;
	struct old_maps maps;
	int i;

	if (old_maps_get(t, kbtf, &maps)) {
		err_clear();
		old_maps_put(&maps);
		return list;
	}
	for (i = 0; i < maps.nr; i++) {
		o = json_object_new_object();
		json_add_int(o, "id", maps.v[i].info.id);
		json_add_str(o, "name", maps.v[i].name);
		json_add_int(o, "key_size", maps.v[i].info.key_size);
		json_add_int(o, "value_size", maps.v[i].info.value_size);
		json_add_int(o, "max_entries", maps.v[i].info.max_entries);
		json_object_array_add(list, o);
	}
	old_maps_put(&maps);
	return list;
}
