// SPDX-License-Identifier: GPL-2.0
/*
 * --set: a policy's variables by name, before it is loaded.
 *
 * What exists, of which type and range, is in the object's BTF, so a policy
 * needs no list of its options: a "const volatile" global is one. A value that
 * its type cannot hold is refused, never cut off.
 *
 *	NAME[=]          a global of .rodata, .data or .bss
 *	NAME[3]          an element, NAME.member a member, and so on
 *	ops.tick_ms      a scalar of the policy's struct cdm_ops
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdmctl.h"

/* A place in the object's data, with its type. */
struct place {
	const struct btf *btf;
	__u32 type;
	char *data;
	bool folded;	/* constant to the compiler: a change has no effect */
};

static const struct btf_type *resolve(const struct btf *btf, __u32 id)
{
	int real = btf__resolve_type(btf, id);

	return real < 0 ? NULL : btf__type_by_id(btf, real);
}

/* Looks through arrays: clang qualifies the elements of a qualified array. */
static bool is_volatile(const struct btf *btf, __u32 id)
{
	const struct btf_type *t;

	for (;;) {
		t = btf__type_by_id(btf, id);
		if (!t)
			return false;
		if (btf_is_volatile(t))
			return true;
		if (btf_is_array(t))
			id = btf_array(t)->type;
		else if (btf_is_mod(t) || btf_is_typedef(t))
			id = t->type;
		else
			return false;
	}
}

/* ---- types in words -------------------------------------------------------------- */

static bool is_char_array(const struct btf *btf, const struct btf_type *t)
{
	const struct btf_type *e;

	if (!btf_is_array(t))
		return false;
	e = resolve(btf, btf_array(t)->type);
	return e && btf_is_int(e) && e->size == 1 &&
	       !(btf_int_encoding(e) & BTF_INT_BOOL) &&
	       !strcmp(btf__name_by_offset(btf, e->name_off), "char");
}

static bool is_bool(const struct btf_type *t)
{
	return btf_is_int(t) && (btf_int_encoding(t) & BTF_INT_BOOL);
}

static bool is_signed(const struct btf_type *t)
{
	return btf_is_int(t) ? btf_int_encoding(t) & BTF_INT_SIGNED : btf_kflag(t);
}

static long long int_min(const struct btf_type *t)
{
	if (!is_signed(t))
		return 0;
	return t->size == 8 ? LLONG_MIN : -(1LL << (t->size * 8 - 1));
}

static unsigned long long int_max(const struct btf_type *t)
{
	int bits = t->size * 8 - is_signed(t);

	return bits == 64 ? ULLONG_MAX : (1ULL << bits) - 1;
}

static void enum_words(const struct btf *btf, const struct btf_type *t, char *buf,
		       size_t size)
{
	size_t len = 0;
	__u32 off;
	int i;

	buf[0] = '\0';
	for (i = 0; i < btf_vlen(t) && len < size; i++) {
		off = btf_is_enum(t) ? btf_enum(t)[i].name_off :
				       btf_enum64(t)[i].name_off;
		len += snprintf(buf + len, size - len, "%s%s", i ? ", " : "",
				btf__name_by_offset(btf, off));
	}
}

/* Type and range for people: "int 4 bytes, 0..4294967295". */
static const char *type_words(const struct btf *btf, __u32 id, char *buf, size_t size)
{
	const struct btf_type *t = resolve(btf, id);
	char inner[768];

	if (!t) {
		snprintf(buf, size, "?");
	} else if (is_bool(t)) {
		snprintf(buf, size, "bool, true or false");
	} else if (btf_is_int(t) && t->size <= 8) {
		snprintf(buf, size, "%s%u, %lld..%llu", is_signed(t) ? "s" : "u",
			 t->size * 8, int_min(t), int_max(t));
	} else if (btf_is_any_enum(t)) {
		enum_words(btf, t, inner, sizeof(inner));
		snprintf(buf, size, "enum, one of %s", inner);
	} else if (is_char_array(btf, t)) {
		snprintf(buf, size, "text, at most %u characters",
			 btf_array(t)->nelems - 1);
	} else if (btf_is_array(t)) {
		type_words(btf, btf_array(t)->type, inner, sizeof(inner));
		snprintf(buf, size, "array, [0..%u] of %s",
			 btf_array(t)->nelems - 1, inner);
	} else if (btf_is_composite(t)) {
		snprintf(buf, size, "struct%s%s", t->name_off ? " " : "",
			 btf__name_by_offset(btf, t->name_off));
	} else {
		snprintf(buf, size, "%s", btf_is_ptr(t) ? "pointer" : "not a number");
	}
	return buf;
}

/* ---- variables ---------------------------------------------------------------------- */

static bool is_data_sec(const char *name)
{
	return !strncmp(name, ".rodata", 7) || !strncmp(name, ".data", 5) ||
	       !strncmp(name, ".bss", 4);
}

/* What the compiler made up, and what belongs to one function, is nobody's. */
static bool is_public(const char *name)
{
	return name[0] && name[0] != '_' && !strchr(name, '.');
}

typedef bool (*var_fn)(const char *name, struct place *pl, void *arg);

/* Calls @fn for each variable until it returns true. */
static bool for_each_var(const struct policy *p, bool tunable, var_fn fn, void *arg)
{
	const struct btf *btf = bpf_object__btf(p->obj);
	const struct btf_var_secinfo *vsi;
	const struct btf_type *sec, *var;
	struct bpf_map *map;
	const char *name;
	struct place pl;
	size_t size;
	__u32 id;
	char *data;
	int i;

	for (id = 1; id < btf__type_cnt(btf); id++) {
		sec = btf__type_by_id(btf, id);
		if (!btf_is_datasec(sec))
			continue;
		name = btf__name_by_offset(btf, sec->name_off);
		if (!is_data_sec(name) || (tunable && !strncmp(name, ".bss", 4)))
			continue;
		map = bpf_object__find_map_by_name(p->obj, name);
		data = map ? bpf_map__initial_value(map, &size) : NULL;
		if (!data)
			continue;
		vsi = btf_var_secinfos(sec);
		for (i = 0; i < btf_vlen(sec); i++, vsi++) {
			var = btf__type_by_id(btf, vsi->type);
			if (!btf_is_var(var) || vsi->offset + vsi->size > size)
				continue;
			pl.btf = btf;
			pl.type = var->type;
			pl.data = data + vsi->offset;
			pl.folded = !strncmp(name, ".rodata", 7) &&
				    !is_volatile(btf, var->type);
			if (fn(btf__name_by_offset(btf, var->name_off), &pl, arg))
				return true;
		}
	}
	return false;
}

struct find {
	const char *name;
	size_t len;
	struct place place;
};

static bool find_var(const char *name, struct place *pl, void *arg)
{
	struct find *f = arg;

	if (strlen(name) != f->len || strncmp(name, f->name, f->len))
		return false;
	f->place = *pl;
	return true;
}

struct words {
	char buf[2048];
	size_t len;
};

static bool add_var_words(const char *name, struct place *pl, void *arg)
{
	char type[1024];
	struct words *w = arg;

	if (!is_public(name) || pl->folded || w->len >= sizeof(w->buf))
		return false;
	w->len += snprintf(w->buf + w->len, sizeof(w->buf) - w->len, "\n    %s: %s",
			   name, type_words(pl->btf, pl->type, type, sizeof(type)));
	return false;
}

static int no_such_var(const struct policy *p, const char *name, size_t len)
{
	struct words w = {};

	for_each_var(p, true, add_var_words, &w);
	err_set(-ENOENT, "%s has no variable '%.*s'%s%s", p->path, (int)len, name,
		w.len ? "; it has" : " to set", w.buf);
	err_hint("members of its cdm_ops are set as ops.MEMBER");
	return -ENOENT;
}

/* ---- values ---------------------------------------------------------------------------- */

static void store(char *data, unsigned int size, unsigned long long v)
{
	/* BPF objects for this host have its byte order: low bytes first. */
	switch (size) {
	case 1:
		*(__u8 *)data = v;
		break;
	case 2:
		*(__u16 *)data = v;
		break;
	case 4:
		*(__u32 *)data = v;
		break;
	case 8:
		*(__u64 *)data = v;
		break;
	}
}

static unsigned long long load(const char *data, const struct btf_type *t)
{
	switch (t->size) {
	case 1:
		return is_signed(t) ? (unsigned long long)*(__s8 *)data : *(__u8 *)data;
	case 2:
		return is_signed(t) ? (unsigned long long)*(__s16 *)data : *(__u16 *)data;
	case 4:
		return is_signed(t) ? (unsigned long long)*(__s32 *)data : *(__u32 *)data;
	default:
		return *(__u64 *)data;
	}
}

static int bad_value(const struct place *pl, const char *what, const char *val,
		     const char *why, int err)
{
	char type[1024];

	return err_set(err, "--set %s: '%s' %s (%s is %s)", what, val, why, what,
		       type_words(pl->btf, pl->type, type, sizeof(type)));
}

static int set_int(const struct place *pl, const struct btf_type *t,
		   const char *what, const char *val)
{
	static const char units[] = "KMGT";
	unsigned long long v;
	const char *digits = val, *u;
	bool neg = *val == '-';
	char *end;
	int shift = 0;

	if (is_bool(t)) {
		if (!strcmp(val, "true") || !strcmp(val, "1"))
			store(pl->data, t->size, 1);
		else if (!strcmp(val, "false") || !strcmp(val, "0"))
			store(pl->data, t->size, 0);
		else
			return bad_value(pl, what, val, "is neither true nor false", -EINVAL);
		return 0;
	}

	digits += neg;
	if (!isdigit((unsigned char)*digits))
		return bad_value(pl, what, val, "is not a number", -EINVAL);
	errno = 0;
	v = strtoull(digits, &end, 0);
	if (*end) {
		u = strchr(units, toupper((unsigned char)*end));
		if (!u || end[1])
			return bad_value(pl, what, val, "is not a number", -EINVAL);
		shift = 10 * (u - units + 1);
	}
	if (errno == ERANGE || v > (ULLONG_MAX >> shift))
		return bad_value(pl, what, val, "is out of range", -ERANGE);
	v <<= shift;
	if (neg ? v > 0ULL - (unsigned long long)int_min(t) : v > int_max(t))
		return bad_value(pl, what, val, "is out of range", -ERANGE);
	store(pl->data, t->size, neg ? 0 - v : v);
	return 0;
}

static int set_enum(const struct place *pl, const struct btf_type *t,
		    const char *what, const char *val)
{
	const struct btf *btf = pl->btf;
	unsigned long long v, have;
	const char *name;
	char *end;
	int i;

	v = strtoull(val, &end, 0);
	for (i = 0; i < btf_vlen(t); i++) {
		if (btf_is_enum(t)) {
			name = btf__name_by_offset(btf, btf_enum(t)[i].name_off);
			have = (__s64)btf_enum(t)[i].val;
		} else {
			name = btf__name_by_offset(btf, btf_enum64(t)[i].name_off);
			have = btf_enum64_value(&btf_enum64(t)[i]);
		}
		if (!strcmp(name, val) || (val[0] && !*end && v == have)) {
			store(pl->data, t->size, have);
			return 0;
		}
	}
	return bad_value(pl, what, val, "is not one of its values", -EINVAL);
}

static int set_scalar(const struct place *pl, const char *what, const char *val)
{
	const struct btf_type *t = resolve(pl->btf, pl->type);
	unsigned int n;

	if (t && btf_is_int(t) && t->size <= 8)
		return set_int(pl, t, what, val);
	if (t && btf_is_any_enum(t))
		return set_enum(pl, t, what, val);
	if (t && is_char_array(pl->btf, t)) {
		n = btf_array(t)->nelems;
		if (strlen(val) >= n)
			return bad_value(pl, what, val, "is too long", -ERANGE);
		memset(pl->data, 0, n);
		memcpy(pl->data, val, strlen(val));
		return 0;
	}
	if (t && btf_is_array(t))
		err_hint("name the element: %s[0]=...", what);
	return bad_value(pl, what, val, "cannot be set", -EINVAL);
}

/* ---- paths ---------------------------------------------------------------------------- */

/* Follows "[3].member" from *@pl; @s stands behind the variable's name. */
static int walk(struct place *pl, const char *what, const char *s)
{
	const struct btf_member *m;
	const struct btf_type *t;
	unsigned long long n;
	char type[1024], *end;
	size_t len;
	__s64 size;
	int i;

	while (*s) {
		t = resolve(pl->btf, pl->type);
		if (*s == '[') {
			if (!t || !btf_is_array(t))
				return err_set(-EINVAL, "--set %s: it is no array but %s",
					       what, type_words(pl->btf, pl->type, type, sizeof(type)));
			n = strtoull(s + 1, &end, 0);
			if (!isdigit((unsigned char)s[1]) || *end != ']')
				return err_set(-EINVAL, "--set %s: write an element as NAME[3]", what);
			if (n >= btf_array(t)->nelems)
				return err_set(-ERANGE, "--set %s: element %llu is out of range; it has [0..%u]",
					       what, n, btf_array(t)->nelems - 1);
			pl->type = btf_array(t)->type;
			size = btf__resolve_size(pl->btf, pl->type);
			if (size < 0)
				return err_set(size, "--set %s: its BTF gives no size", what);
			pl->data += n * size;
			s = end + 1;
			continue;
		}
		if (*s != '.' || !t || !btf_is_composite(t))
			return err_set(-EINVAL, "--set %s: '%s' makes no sense for %s",
				       what, s, type_words(pl->btf, pl->type, type, sizeof(type)));
		len = strcspn(++s, ".[");
		m = btf_members(t);
		for (i = 0; i < btf_vlen(t); i++, m++) {
			const char *name = btf__name_by_offset(pl->btf, m->name_off);

			if (strlen(name) == len && !strncmp(name, s, len))
				break;
		}
		if (i == btf_vlen(t))
			return err_set(-ENOENT, "--set %s: struct%s%s has no member '%.*s'",
				       what, t->name_off ? " " : "",
				       btf__name_by_offset(pl->btf, t->name_off),
				       (int)len, s);
		if (btf_member_bitfield_size(t, i) || btf_member_bit_offset(t, i) % 8)
			return err_set(-EINVAL, "--set %s: a bit field cannot be set", what);
		pl->type = m->type;
		pl->data += btf_member_bit_offset(t, i) / 8;
		s += len;
	}
	return 0;
}

/* A scalar of the policy's cdm_ops; callbacks are set in the source only. */
static int set_ops(struct policy *p, const char *what, const char *path,
		   const char *val)
{
	struct place pl = {
		.btf = bpf_object__btf(p->obj),
		.type = bpf_map__btf_value_type_id(p->ops),
		.data = bpf_map__initial_value(p->ops, NULL),
	};
	int err;

	err = walk(&pl, what, path);
	if (err)
		return err;
	if (btf_is_ptr(resolve(pl.btf, pl.type)))
		return err_set(-EINVAL, "--set %s: it is a callback or the kernel's own, not a number",
			       what);
	return set_scalar(&pl, what, val);
}

/* VAR=VALUE, and for an array also VAR=A,B,C. */
int tunable_set(struct policy *p, const char *assignment)
{
	const struct btf_type *t;
	struct find f = {};
	struct place pl;
	const char *eq = strchr(assignment, '=');
	char what[128], one[256];
	const char *val;
	size_t len;
	__s64 size;
	__u32 i;
	int err;

	if (!eq || eq == assignment || eq - assignment >= (long)sizeof(what)) {
		err_set(-EINVAL, "--set %s: write VARIABLE=VALUE", assignment);
		return -EINVAL;
	}
	snprintf(what, sizeof(what), "%.*s", (int)(eq - assignment), assignment);
	val = eq + 1;
	len = strcspn(what, ".[");

	f.name = what;
	f.len = len;
	if (!for_each_var(p, false, find_var, &f)) {
		if (what[len] == '.' &&
		    ((len == 3 && !strncmp(what, "ops", 3)) ||
		     (len == strlen(bpf_map__name(p->ops)) &&
		      !strncmp(what, bpf_map__name(p->ops), len))))
			return set_ops(p, what, what + len, val);
		return no_such_var(p, what, len);
	}
	pl = f.place;
	if (pl.folded) {
		err_set(-EINVAL, "--set %s: it is const but not volatile, so the compiler has used its value already",
			what);
		err_hint("declare it 'const volatile' in the policy");
		return -EINVAL;
	}
	err = walk(&pl, what, what + len);
	if (err)
		return err;

	t = resolve(pl.btf, pl.type);
	if (!t || !btf_is_array(t) || is_char_array(pl.btf, t) || !strchr(val, ','))
		return set_scalar(&pl, what, val);

	pl.type = btf_array(t)->type;
	size = btf__resolve_size(pl.btf, pl.type);
	for (i = 0; ; i++, val += len + 1) {
		if (i == btf_array(t)->nelems)
			return err_set(-ERANGE, "--set %s: more than its %u elements", what, i);
		len = strcspn(val, ",");
		snprintf(one, sizeof(one), "%.*s", (int)len, val);
		err = set_scalar(&pl, what, one);
		if (err || !val[len])
			return err;
		pl.data += size;
	}
}

/* ---- listing --------------------------------------------------------------------------- */

static struct json_object *value_json(const struct btf *btf, __u32 id, const char *data)
{
	const struct btf_type *t = resolve(btf, id);
	struct json_object *a;
	const char *name;
	__u32 i;
	__s64 size;

	if (!t)
		return NULL;
	if (is_bool(t))
		return json_object_new_boolean(*data);
	if (btf_is_int(t) && t->size <= 8)
		return is_signed(t) ? json_object_new_int64(load(data, t)) :
				      json_object_new_uint64(load(data, t));
	if (btf_is_enum(t)) {
		for (i = 0; i < btf_vlen(t); i++) {
			name = btf__name_by_offset(btf, btf_enum(t)[i].name_off);
			if (btf_enum(t)[i].val == (__s32)load(data, t))
				return json_object_new_string(name);
		}
		return json_object_new_int64(load(data, t));
	}
	if (is_char_array(btf, t))
		return json_object_new_string_len(data, strnlen(data, btf_array(t)->nelems));
	if (btf_is_array(t)) {
		size = btf__resolve_size(btf, btf_array(t)->type);
		a = json_object_new_array();
		for (i = 0; size > 0 && i < btf_array(t)->nelems && i < 1024; i++)
			json_object_array_add(a, value_json(btf, btf_array(t)->type,
							    data + i * size));
		return a;
	}
	return NULL;
}

static bool add_var_json(const char *name, struct place *pl, void *arg)
{
	struct json_object *list = arg, *o;
	char type[1024];

	if (!is_public(name) || pl->folded)
		return false;
	o = json_object_new_object();
	json_add_str(o, "name", name);
	json_add_str(o, "type", type_words(pl->btf, pl->type, type, sizeof(type)));
	json_object_object_add(o, "value", value_json(pl->btf, pl->type, pl->data));
	json_object_array_add(list, o);
	return false;
}

struct json_object *tunable_list(struct policy *p)
{
	struct json_object *list = json_object_new_array();

	for_each_var(p, true, add_var_json, list);
	return list;
}

/* The version of the layout of a policy's maps; -ENOENT if it states none. */
int tunable_map_version(const struct policy *p, unsigned int *version)
{
	static const char name[] = "cdm_map_version";
	struct find f = { .name = name, .len = sizeof(name) - 1 };

	if (!for_each_var(p, false, find_var, &f) ||
	    btf__resolve_size(f.place.btf, f.place.type) != sizeof(*version))
		return -ENOENT;
	memcpy(version, f.place.data, sizeof(*version));
	return 0;
}
