// SPDX-License-Identifier: GPL-2.0
/*
 * A policy's object file: opened, checked, loaded, attached.
 *
 * A struct_ops map takes a value in the kernel's own layout, which is not that
 * of the object: members are matched by name and callbacks become program fds.
 * libbpf does this too but keeps the result to itself, and its call to swap
 * wants a link that it attached itself. So the value is built here, for load and
 * swap alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

#define OPS_NAME	"cdm_ops"
#define VALUE_NAME	"bpf_struct_ops_cdm_ops"

/* ---- BTF --------------------------------------------------------------------- */

/* The type behind typedefs and qualifiers. */
static const struct btf_type *resolve(const struct btf *btf, __u32 id)
{
	int real = btf__resolve_type(btf, id);

	return real < 0 ? NULL : btf__type_by_id(btf, real);
}

static const struct btf_member *find_member(const struct btf *btf,
					    const struct btf_type *t,
					    const char *name)
{
	const struct btf_member *m = btf_members(t);
	int i;

	for (i = 0; i < btf_vlen(t); i++, m++)
		if (!strcmp(btf__name_by_offset(btf, m->name_off), name))
			return m;
	return NULL;
}

static bool is_ops_type(const struct btf *btf, const struct btf_type *t)
{
	const char *name = t ? btf__name_by_offset(btf, t->name_off) : "";

	/* A flavour, cdm_ops___x, is the same type for CO-RE. */
	return !strcmp(name, OPS_NAME) || !strncmp(name, OPS_NAME "___", 10);
}

const struct btf_type *policy_ops_type(const struct policy *p)
{
	return btf__type_by_id(bpf_object__btf(p->obj),
			       bpf_map__btf_value_type_id(p->ops));
}

/* The object's own copy of a member of its cdm_ops, or NULL. */
static void *ops_member(const struct policy *p, const char *name, size_t size)
{
	const struct btf *btf = bpf_object__btf(p->obj);
	const struct btf_type *t = policy_ops_type(p);
	const struct btf_member *m = find_member(btf, t, name);
	char *data = bpf_map__initial_value(p->ops, NULL);

	if (!m || !data || m->offset % 8 || m->offset / 8 + size > t->size ||
	    btf__resolve_size(btf, m->type) != (__s64)size)
		return NULL;
	return data + m->offset / 8;
}

const char *policy_name(const struct policy *p)
{
	const char *name = ops_member(p, "name", CDM_NAME_LEN);

	return name && name[0] ? name : bpf_map__name(p->ops);
}

int policy_node(const struct policy *p)
{
	int *node = ops_member(p, "node", sizeof(int));

	return node ? *node : CDM_NODE_ALL;
}

int policy_set_node(struct policy *p, int nid)
{
	int *node = ops_member(p, "node", sizeof(int));

	if (!node)
		return err_set(-EINVAL, "%s: its struct cdm_ops has no member 'node'",
			       p->path);
	*node = nid;
	return 0;
}

struct bpf_program *policy_callback(const struct policy *p, const char *name)
{
	const struct btf *btf = bpf_object__btf(p->obj);
	const struct btf_member *m = find_member(btf, policy_ops_type(p), name);
	const struct btf_type *t = m ? resolve(btf, m->type) : NULL;
	void *data;

	if (!t || !btf_is_ptr(t))
		return NULL;
	data = ops_member(p, name, sizeof(void *));
	return data ? *(struct bpf_program **)data : NULL;
}

/* ---- open -------------------------------------------------------------------- */

/* Finds the object's one cdm_ops and says what is wrong when there is not one. */
static int find_ops(struct policy *p)
{
	const struct btf *btf = bpf_object__btf(p->obj);
	const struct btf_type *t;
	struct bpf_map *map;
	int nr = 0;

	bpf_object__for_each_map(map, p->obj) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		t = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
		if (!is_ops_type(btf, t))
			return err_set(-EINVAL, "%s: map %s is a struct %s; cdmctl attaches struct cdm_ops only",
				       p->path, bpf_map__name(map),
				       t ? btf__name_by_offset(btf, t->name_off) : "?");
		/* SEC("?.struct_ops.link"): an alternative, not asked for. */
		if (!bpf_map__autocreate(map))
			continue;
		p->ops = map;
		nr++;
	}
	if (!nr) {
		err_set(-EINVAL, "%s: it has no struct cdm_ops, so it is not a policy",
			p->path);
		err_hint("define one with CDM_OPS_DEFINE() of cdm/common.bpf.h");
		return -EINVAL;
	}
	if (nr > 1) {
		err_set(-EINVAL, "%s: it has %d struct cdm_ops; a policy has one", p->path, nr);
		err_hint("put each into an object file of its own, or the alternatives into SEC(\"?.struct_ops.link\")");
		return -EINVAL;
	}
	if (!(bpf_map__map_flags(p->ops) & BPF_F_LINK)) {
		err_set(-EINVAL, "%s: cdm_ops %s is in section .struct_ops, whose maps have no link: it could be neither watched nor swapped",
			p->path, bpf_map__name(p->ops));
		err_hint("put it into SEC(\".struct_ops.link\"), as CDM_OPS_DEFINE() does");
		return -EINVAL;
	}
	return 0;
}

/*
 * The running kernel's BTF, or NULL with errno set; sets no error. As a BPF
 * object it comes with one system call, where sysfs gives a page at a time, but
 * only CAP_SYS_ADMIN may have it like that.
 */
struct btf *kernel_btf(void)
{
	struct bpf_btf_info info = {};
	char name[16] = "";
	__u32 id = 0, len = sizeof(info);
	struct btf *btf;
	int fd;

	/* The kernel's own is the first, or it is not there. */
	info.name = (unsigned long)name;
	info.name_len = sizeof(name);
	if (!bpf_btf_get_next_id(0, &id)) {
		fd = bpf_btf_get_fd_by_id(id);
		if (fd >= 0) {
			if (bpf_btf_get_info_by_fd(fd, &info, &len))
				name[0] = '\0';
			close(fd);
		}
		btf = strcmp(name, "vmlinux") ? NULL : btf__load_from_kernel_by_id(id);
		if (btf)
			return btf;
	}

	/* libbpf would look for a vmlinux on disk, which need not be this one. */
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return NULL;
	return btf__load_vmlinux_btf();
}

static int load_kernel_btf(struct policy *p)
{
	int err;

	p->kbtf = kernel_btf();
	if (!p->kbtf) {
		err = -errno;
		err_set(err, "cannot read the kernel's BTF (/sys/kernel/btf/vmlinux): %s",
			strerror(-err));
		err_hint("build the kernel with CONFIG_DEBUG_INFO_BTF=y");
		return err;
	}
	if (btf__find_by_name_kind(p->kbtf, OPS_NAME, BTF_KIND_STRUCT) < 0 ||
	    btf__find_by_name_kind(p->kbtf, VALUE_NAME, BTF_KIND_STRUCT) < 0) {
		err_set(-ENOSYS, "this kernel has no cdm_ext: its BTF has no struct cdm_ops");
		err_hint("build it with CONFIG_CDM_EXT=y and boot it, see README.md");
		return -ENOSYS;
	}
	return 0;
}

/* Opens and checks @path; nothing has reached the kernel yet. */
int policy_open(struct policy *p, const char *path)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts,
		    .kernel_log_level = env.verbose > 1 ? 2 : env.verbose);
	struct bpf_map *map;
	int err;

	p->path = path;
	if (access(path, R_OK)) {
		err = -errno;
		err_set(err, "cannot open %s: %s", path, strerror(-err));
		if (!strstr(path, ".bpf.o"))
			err_hint("a policy is an object file NAME.bpf.o; 'make' builds those of bpf-progs/ into build/bpf/");
		return err;
	}
	p->obj = bpf_object__open_file(path, &opts);
	if (!p->obj) {
		err = -errno;
		err_set(err, "%s is not a BPF object file: %s", path, strerror(-err));
		err_hint("compile it with clang -target bpf -g; -v shows libbpf's reason");
		return err;
	}
	if (!bpf_object__btf(p->obj)) {
		err_set(-EINVAL, "%s has no BTF", path);
		err_hint("compile it with -g");
		return -EINVAL;
	}
	/* Pins are the loader's, below the policy's own: see pin.c. */
	bpf_object__for_each_map(map, p->obj)
		bpf_map__set_pin_path(map, NULL);

	err = find_ops(p);
	return err ?: load_kernel_btf(p);
}

void policy_close(struct policy *p)
{
	bpf_object__close(p->obj);
	btf__free(p->kbtf);
	p->obj = NULL;
	p->kbtf = NULL;
}

/* ---- load -------------------------------------------------------------------- */

/* Everything goes into the kernel and is verified; nothing is attached. */
int policy_load(struct policy *p)
{
	int err;

	log_reset();
	err = bpf_object__load(p->obj);
	return err ? log_explain_load(p->obj, p->ops, err) : 0;
}

/* Writes one member of the object's cdm_ops into the kernel's value. */
static int copy_member(const struct policy *p, const struct btf_type *ktype,
		       const struct btf_member *m, char *kdata)
{
	const struct btf *btf = bpf_object__btf(p->obj);
	const char *name = btf__name_by_offset(btf, m->name_off);
	const struct btf_type *t = resolve(btf, m->type);
	const struct btf_member *km = find_member(p->kbtf, ktype, name);
	__s64 size = btf__resolve_size(btf, m->type);
	struct bpf_program *prog;
	const char *from;
	char *to;

	from = (char *)bpf_map__initial_value(p->ops, NULL) + m->offset / 8;
	/* Non-zero members that the kernel lacks were refused at load. */
	if (!km || !t)
		return 0;
	to = kdata + km->offset / 8;
	if (btf_is_ptr(t)) {
		prog = *(struct bpf_program *const *)from;
		*(unsigned long *)to = prog ? bpf_program__fd(prog) : 0;
		return 0;
	}
	if (size < 0 || size != btf__resolve_size(p->kbtf, km->type))
		return err_set(-EINVAL, "%s: cdm_ops.%s has another size than in this kernel",
			       p->path, name);
	memcpy(to, from, size);
	return 0;
}

/* Fills the loaded struct_ops map, so that it can be attached. */
int policy_ready(struct policy *p)
{
	const struct btf_type *t = policy_ops_type(p), *vtype, *ktype;
	const struct btf_member *m, *data;
	__u32 zero = 0;
	char *value;
	int i, err = 0;

	vtype = btf__type_by_id(p->kbtf, btf__find_by_name_kind(p->kbtf, VALUE_NAME,
								BTF_KIND_STRUCT));
	ktype = btf__type_by_id(p->kbtf, btf__find_by_name_kind(p->kbtf, OPS_NAME,
								BTF_KIND_STRUCT));
	data = find_member(p->kbtf, vtype, "data");
	if (!data)
		return err_set(-EINVAL, "the kernel's struct " VALUE_NAME " has no member 'data'");

	value = calloc(1, vtype->size);
	if (!value)
		return err_set(-ENOMEM, "out of memory");
	m = btf_members(t);
	for (i = 0; i < btf_vlen(t) && !err; i++, m++)
		err = copy_member(p, ktype, m, value + data->offset / 8);
	if (!err && bpf_map_update_elem(bpf_map__fd(p->ops), &zero, value, 0))
		err = log_explain_attach(-errno, "prepare", policy_name(p));
	free(value);
	return err;
}

int policy_attach(struct policy *p, int *link_fd)
{
	int fd;

	fd = bpf_link_create(bpf_map__fd(p->ops), 0, BPF_STRUCT_OPS, NULL);
	if (fd < 0)
		return log_explain_attach(fd, "attach", policy_name(p));
	*link_fd = fd;
	return 0;
}

/* ---- policies that are attached ------------------------------------------------ */

bool is_owned_callback(const char *name)
{
	static const char *const owned[] = { "place", "access", "migrate", "reclaim" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(owned); i++)
		if (!strcmp(owned[i], name))
			return true;
	return false;
}

/* The struct_ops map that a link runs now, 0 if none; sets no error. */
int link_map_id(int link_fd, unsigned int *map_id)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int err;

	err = bpf_link_get_info_by_fd(link_fd, &info, &len);
	*map_id = info.struct_ops.map_id;
	return err;
}

/* The same, as a file descriptor. */
static int link_map_open(unsigned int link_id)
{
	unsigned int map_id;
	int fd, err;

	fd = bpf_link_get_fd_by_id(link_id);
	if (fd < 0)
		return fd;
	err = link_map_id(fd, &map_id);
	close(fd);
	return err ?: bpf_map_get_fd_by_id(map_id);
}

/*
 * The callbacks of an attached policy, read back from its struct_ops map, where
 * the kernel has put program ids. Returns how many there are; sets no error.
 */
int ops_callbacks(const struct btf *kbtf, int map_fd, unsigned int *prog_ids,
		  const char **names, int max)
{
	const struct btf_type *vtype, *t, *m_type;
	const struct btf_member *m, *data;
	int i, id, nr = 0;
	__u32 zero = 0;
	char *value;
	unsigned long prog;

	vtype = btf__type_by_id(kbtf, btf__find_by_name_kind(kbtf, VALUE_NAME,
							     BTF_KIND_STRUCT));
	id = btf__find_by_name_kind(kbtf, OPS_NAME, BTF_KIND_STRUCT);
	t = btf__type_by_id(kbtf, id);
	data = vtype ? find_member(kbtf, vtype, "data") : NULL;
	if (!data || !t)
		return 0;
	value = calloc(1, vtype->size);
	if (!value)
		return 0;
	if (!bpf_map_lookup_elem(map_fd, &zero, value)) {
		m = btf_members(t);
		for (i = 0; i < btf_vlen(t) && nr < max; i++, m++) {
			m_type = resolve(kbtf, m->type);
			if (!m_type || !btf_is_ptr(m_type))
				continue;
			prog = *(unsigned long *)(value + data->offset / 8 +
						  m->offset / 8);
			if (!prog)
				continue;
			prog_ids[nr] = prog;
			names[nr++] = btf__name_by_offset(kbtf, m->name_off);
		}
	}
	free(value);
	return nr;
}

/*
 * Adds to @list who owns what this policy would own; the kernel decides, this
 * is to know before. Returns how many conflicts there are.
 */
int ops_conflicts(struct policy *p, struct json_object *list,
		  unsigned int except_link)
{
	unsigned int *ids, progs[24];
	const char *names[24];
	struct policy_info info;
	struct json_object *o;
	int i, j, fd, nr, nr_cb, node = policy_node(p), found = 0;
	char text[16];

	nr = id_list(CDM_SYSFS "/policies", &ids);
	for (i = 0; i < nr; i++) {
		if (policy_info(ids[i], &info) || info.link_id == except_link)
			continue;
		if (node != CDM_NODE_ALL && info.node != CDM_NODE_ALL &&
		    node != info.node)
			continue;
		fd = link_map_open(info.link_id);
		if (fd < 0)
			continue;
		nr_cb = ops_callbacks(p->kbtf, fd, progs, names, ARRAY_SIZE(names));
		close(fd);
		for (j = 0; j < nr_cb; j++) {
			if (!is_owned_callback(names[j]) ||
			    !policy_callback(p, names[j]))
				continue;
			found++;
			o = json_object_new_object();
			json_add_str(o, "callback", names[j]);
			json_add_str(o, "node", node_text(info.node, text, sizeof(text)));
			json_add_int(o, "policy", info.id);
			json_add_str(o, "name", info.name);
			json_object_array_add(list, o);
		}
	}
	free(ids);
	return found;
}
