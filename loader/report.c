// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy is, in JSON and in words: before it is attached, while it is,
 * and after the kernel has thrown it out.
 *
 * Everything is put together as JSON first; the text is printed from that, so
 * the two cannot tell different stories.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

/* ---- not attached yet ---------------------------------------------------------------- */

static struct json_object *callbacks_json(struct policy *p)
{
	struct json_object *list = json_object_new_array(), *o;
	const struct btf *btf = bpf_object__btf(p->obj);
	const struct btf_type *t = policy_ops_type(p);
	const struct btf_member *m = btf_members(t);
	struct bpf_prog_info info;
	struct bpf_program *prog;
	const char *name;
	__u32 len;
	int i;

	for (i = 0; i < btf_vlen(t); i++, m++) {
		name = btf__name_by_offset(btf, m->name_off);
		prog = policy_callback(p, name);
		if (!prog)
			continue;
		o = json_object_new_object();
		json_add_str(o, "callback", name);
		json_add_str(o, "program", bpf_program__name(prog));
		json_add_int(o, "insns", bpf_program__insn_cnt(prog));
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (!bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &len)) {
			json_add_int(o, "verified_insns", info.verified_insns);
			json_add_int(o, "jited_bytes", info.jited_prog_len);
		}
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *object_maps_json(struct policy *p, struct json_object *kept)
{
	struct json_object *list = json_object_new_array(), *o;
	struct bpf_map *map;
	const char *name;
	bool handed;
	size_t i;

	bpf_object__for_each_map(map, p->obj) {
		if (bpf_map__is_internal(map) ||
		    bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		name = bpf_map__name(map);
		handed = false;
		for (i = 0; kept && i < json_object_array_length(kept); i++)
			if (!strcmp(name, json_object_get_string(json_object_array_get_idx(kept, i))))
				handed = true;
		o = json_object_new_object();
		json_add_str(o, "name", name);
		json_add_int(o, "key_size", bpf_map__key_size(map));
		json_add_int(o, "value_size", bpf_map__value_size(map));
		json_add_int(o, "max_entries", bpf_map__max_entries(map));
		json_add_bool(o, "handed_over", handed);
		json_object_array_add(list, o);
	}
	return list;
}

const char *json_str(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !v)
		return "-";
	return json_object_get_string(v);
}

struct json_object *json_arr(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

/* Text of a dry run: one line a step, as the load would have gone. */
static void dry_run_print(struct json_object *o)
{
	struct json_object *e;
	size_t i;

	printf("opened    %s: policy %s\n", json_str(o, "file"), json_str(o, "name"));
	for_each_json(e, json_arr(o, "tunables"), i)
		printf("tunable   %s = %s (%s)\n", json_str(e, "name"), json_str(e, "value"),
		       json_str(e, "type"));
	printf("node      %s (%s)\n", json_str(o, "node"), json_str(o, "node_is"));
	for_each_json(e, json_arr(o, "maps"), i)
		printf("map       %s: %s x (%s + %s bytes)%s\n", json_str(e, "name"),
		       json_str(e, "max_entries"), json_str(e, "key_size"), json_str(e, "value_size"),
		       !strcmp(json_str(e, "handed_over"), "true") ? ", handed over" : "");
	for_each_json(e, json_arr(o, "callbacks"), i)
		printf("verified  %s (%s): %s instructions, %s visited by the verifier\n",
		       json_str(e, "callback"), json_str(e, "program"), json_str(e, "insns"),
		       json_str(e, "verified_insns"));
	for_each_json(e, json_arr(o, "owns"), i)
		printf("would own %s of node %s\n", json_object_get_string(e),
		       json_str(o, "node"));
	for_each_json(e, json_arr(o, "conflicts"), i)
		printf("conflict  %s of node %s is owned by policy %s (id %s)\n",
		       json_str(e, "callback"), json_str(e, "node"), json_str(e, "name"),
		       json_str(e, "policy"));
	printf("%s\n", json_object_array_length(json_arr(o, "conflicts")) ?
	       "the kernel would refuse it: swap or unload the owners first" :
	       "not attached: this was a dry run");
}

static const char *node_is(int node)
{
	if (node == CDM_NODE_ALL)
		return "every managed node, also those that come later";
	return node_kind(node) == NODE_MANAGED ? "managed" : "not managed yet";
}

int report_dry_run(struct policy *p, struct json_object *kept,
		   unsigned int except_link)
{
	struct json_object *o = json_object_new_object(), *owns, *conflicts;
	struct json_object *cbs, *e;
	char node[16];
	size_t i;
	int nr;

	json_add_str(o, "file", p->path);
	json_add_str(o, "name", policy_name(p));
	json_add_str(o, "node", node_text(policy_node(p), node, sizeof(node)));
	json_add_str(o, "node_is", node_is(policy_node(p)));
	json_object_object_add(o, "tunables", tunable_list(p));
	json_object_object_add(o, "maps", object_maps_json(p, kept));
	cbs = callbacks_json(p);
	json_object_object_add(o, "callbacks", cbs);
	owns = json_object_new_array();
	for_each_json(e, cbs, i)
		if (is_owned_callback(json_str(e, "callback")))
			json_object_array_add(owns, json_object_new_string(json_str(e, "callback")));
	json_object_object_add(o, "owns", owns);
	conflicts = json_object_new_array();
	nr = ops_conflicts(p, conflicts, except_link);
	json_object_object_add(o, "conflicts", conflicts);
	json_add_bool(o, "attached", false);
	if (env.json) {
		out_json(o);
	} else {
		dry_run_print(o);
		json_object_put(o);
	}
	return nr ? CMD_REFUSED : 0;
}

void report_attached(const char *what, struct policy *p, const char *pin,
		     int link_fd, struct json_object *kept, unsigned int replaces)
{
	struct bpf_link_info info = {};
	struct policy_info pi = {};
	__u32 len = sizeof(info);
	struct json_object *o;
	char node[16];

	bpf_link_get_info_by_fd(link_fd, &info, &len);
	policy_by_link(info.id, &pi);
	node_text(policy_node(p), node, sizeof(node));
	if (!env.json) {
		printf("policy %s (id %u) %s: node %s, link %u%s%s\n", policy_name(p),
		       pi.id, what, node, info.id, pin[0] ? ", pin " : "", pin);
		if (kept && json_object_array_length(kept))
			printf("maps handed over: %s\n", json_object_get_string(kept));
		fflush(stdout);
		return;
	}
	o = json_object_new_object();
	json_add_int(o, "id", pi.id);
	json_add_str(o, "name", policy_name(p));
	json_add_str(o, "node", node);
	json_add_int(o, "link_id", info.id);
	json_add_int(o, "map_id", info.struct_ops.map_id);
	json_add_str(o, "pin", pin[0] ? pin : NULL);
	json_object_object_add(o, "maps", object_maps_json(p, kept));
	if (replaces)
		json_add_int(o, "replaces", replaces);
	out_json(o);
}

/* ---- attached, or gone ------------------------------------------------------------- */

struct json_object *report_info(const struct policy_info *info, const char *pin)
{
	struct json_object *o = json_object_new_object();
	char node[16];

	json_add_int(o, "id", info->id);
	json_add_str(o, "name", info->name);
	json_add_str(o, "node", node_text(info->node, node, sizeof(node)));
	json_add_str(o, "state", info->state);
	json_add_int(o, "link_id", info->link_id);
	json_add_str(o, "pin", pin);
	return o;
}

/* A pinned policy that the kernel has thrown out, with the reason. */
struct json_object *report_gone(const struct target *t)
{
	struct json_object *o = json_object_new_object();
	struct exit_record rec;
	bool known = t->id && exit_find(t->id, NULL, &rec);

	if (t->id)
		json_add_int(o, "id", t->id);
	else
		json_add_str(o, "id", NULL);
	json_add_str(o, "name", t->name[0] ? t->name : NULL);
	json_add_str(o, "node", NULL);
	json_add_str(o, "state", known && exit_is_error(&rec) ? "ejected" : "detached");
	json_add_int(o, "link_id", t->link_id);
	json_add_str(o, "pin", t->pin);
	if (known)
		json_object_object_add(o, "exit", exit_json(&rec));
	return o;
}

struct json_object *report_callbacks(const struct target *t,
					      const struct btf *kbtf)
{
	struct json_object *list = json_object_new_array(), *o;
	unsigned int progs[24];
	const char *names[24];
	int i, fd, nr;

	fd = bpf_map_get_fd_by_id(t->map_id);
	if (fd < 0)
		return list;
	nr = ops_callbacks(kbtf, fd, progs, names, ARRAY_SIZE(names));
	close(fd);
	for (i = 0; i < nr; i++) {
		o = json_object_new_object();
		json_add_str(o, "callback", names[i]);
		json_add_int(o, "prog_id", progs[i]);
		json_object_array_add(list, o);
	}
	return list;
}

void report_print(struct json_object *o)
{
	struct json_object *e, *x;
	size_t i;

	printf("policy %s (id %s): %s\n", json_str(o, "name"), json_str(o, "id"), json_str(o, "state"));
	printf("  node %s, link %s, pin %s\n", json_str(o, "node"), json_str(o, "link_id"),
	       json_str(o, "pin"));
	for_each_json(e, json_arr(o, "callbacks"), i)
		printf("  callback %s: program %s\n", json_str(e, "callback"), json_str(e, "prog_id"));
	for_each_json(e, json_arr(o, "maps"), i)
		printf("  map %s: id %s\n", json_str(e, "name"), json_str(e, "id"));
	e = json_arr(o, "stats");
	if (e) {
		json_object_object_foreach(e, key, val)
			printf("  %s %s\n", key, json_object_get_string(val));
	}
	if (json_object_object_get_ex(o, "exit", &x)) {
		printf("  exit: %s, callback %s, code %s: %s\n", json_str(x, "kind"),
		       json_str(x, "callback"), json_str(x, "code"), json_str(x, "message"));
		if (strcmp(json_str(x, "next"), "-"))
			printf("  next: %s\n", json_str(x, "next"));
	}
}
