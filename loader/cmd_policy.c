// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl policy: load, swap and unload policies, and see what is attached.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

#define MAX_SETS	64

enum { OPT_DRY_RUN = 256, OPT_KEEP_MAPS, OPT_MAPS, OPT_WAIT };

struct policy_args {
	const char *target;
	const char *file;
	const char *pin;
	const char *sets[MAX_SETS];
	int nr_sets;
	bool want_target, want_file;
	bool has_node;
	int node;
	bool dry_run;
	bool wait;
	struct handover maps;
};

static error_t policy_parse(int key, char *arg, struct argp_state *state)
{
	struct policy_args *a = state->input;

	switch (key) {
	case 'n':
		a->has_node = true;
		a->node = CDM_NODE_ALL;
		if (!strcmp(arg, "all"))
			return 0;
		return parse_nid(arg, &a->node) ? EINVAL : 0;
	case 's':
		if (a->nr_sets == MAX_SETS) {
			err_set(-E2BIG, "more than %d times --set", MAX_SETS);
			return EINVAL;
		}
		a->sets[a->nr_sets++] = arg;
		return 0;
	case 'p':
		a->pin = arg;
		return pin_check_name(arg) ? EINVAL : 0;
	case OPT_DRY_RUN:
		a->dry_run = true;
		return 0;
	case OPT_WAIT:
		a->wait = true;
		return 0;
	case OPT_KEEP_MAPS:
		a->maps.all = true;
		return 0;
	case OPT_MAPS:
		if (!strcmp(arg, "all"))
			a->maps.all = true;
		else
			a->maps.names = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->want_target && !a->target)
			a->target = arg;
		else if (a->want_file && !a->file)
			a->file = arg;
		else
			return ARGP_ERR_UNKNOWN;
		return 0;
	case ARGP_KEY_END:
		if (a->want_target && !a->target) {
			err_set(-EINVAL, "a policy is needed: its pin or the id of its link");
			return EINVAL;
		}
		if (a->want_file && !a->file) {
			err_set(-EINVAL, "an object file is needed: NAME.bpf.o");
			return EINVAL;
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- load --------------------------------------------------------------------------- */

/* Opens the object and applies what the command line says about it. */
static int prepare(struct policy *p, const struct policy_args *a)
{
	int i, err;

	err = policy_open(p, a->file);
	if (!err && a->has_node)
		err = policy_set_node(p, a->node);
	for (i = 0; !err && i < a->nr_sets; i++)
		err = tunable_set(p, a->sets[i]);
	if (err || policy_node(p) == CDM_NODE_ALL)
		return err;
	err = node_check_device(policy_node(p));
	if (err)
		err_hint("--node N or --node all says for which node the policy is");
	return err;
}

static unsigned int link_policy_id(int link_fd)
{
	struct bpf_link_info info = {};
	struct policy_info pi;
	__u32 len = sizeof(info);

	if (bpf_link_get_info_by_fd(link_fd, &info, &len) ||
	    policy_by_link(info.id, &pi))
		return 0;
	return pi.id;
}

/* Attaches a loaded policy; with a pin, see pin.c for what decides. */
static int attach(struct policy *p, const char *pin, int *link_fd)
{
	int lock, err;

	if (!pin) {
		err = policy_ready(p);
		return err ?: policy_attach(p, link_fd);
	}

	lock = pin_lock(true);
	if (lock < 0)
		return lock;
	pin_clean();
	err = pin_create(pin, p);
	if (err)
		goto unlock;
	err = policy_ready(p);
	err = err ?: policy_attach(p, link_fd);
	err = err ?: pin_commit(pin, *link_fd, link_policy_id(*link_fd));
	if (err)
		pin_abort(pin);
unlock:
	pin_unlock(lock);
	return err;
}

static int policy_load_cmd(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "node", 'n', "N|all", 0, "The node that the policy is for; as its source says if not given", 0 },
		{ "set", 's', "VAR=VALUE", 0, "Set a variable (or ops.MEMBER); may be repeated", 0 },
		{ "pin", 'p', "NAME", 0, "Keep it below " PIN_ROOT "/NAME and return at once", 0 },
		{ "wait", OPT_WAIT, NULL, 0, "With --pin too: stay and watch", 0 },
		{ "dry-run", OPT_DRY_RUN, NULL, 0, "Verify and report each step, attach nothing", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = policy_parse,
		.args_doc = "FILE.bpf.o",
		.doc = "Load a policy and attach it."
		       "\vWithout --pin the policy stays as long as this command, which watches it and says "
		       "why the kernel threw it out, if it does.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl policy load nop.bpf.o\n"
		       "  cdmctl policy load place_accessor.bpf.o --pin place\n"
		       "  cdmctl policy load place_weighted.bpf.o --set 'weights[1]=3' --set block_order=0\n"
		       "  cdmctl policy load place_quota.bpf.o --node 1 --set default_limit=16K --dry-run",
	};
	struct policy_args a = { .want_file = true };
	int err, link_fd = -1, sig_fd = -1;
	struct policy p = {};
	char name[CDM_NAME_LEN];
	unsigned int id;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check_enabled();
	err = err ?: prepare(&p, &a);
	err = err ?: policy_load(&p);
	if (err)
		goto cleanup;
	if (a.dry_run) {
		err = report_dry_run(&p, NULL, 0);
		goto cleanup;
	}

	if (!a.pin || a.wait) {
		err = watch_init(&sig_fd);
		if (err)
			goto cleanup;
	}
	err = attach(&p, a.pin, &link_fd);
	if (err)
		goto cleanup;
	id = link_policy_id(link_fd);
	report_attached("attached", &p, a.pin ?: "", link_fd, NULL, 0);
	if (a.pin && !a.wait)
		goto cleanup;

	snprintf(name, sizeof(name), "%s", policy_name(&p));
	if (!a.pin)
		note("without a pin it goes with this command; Ctrl-C ends it");
	/* The programs live by the link; nothing here is needed to watch. */
	policy_close(&p);
	err = watch_link(link_fd, sig_fd, id, name);
cleanup:
	if (link_fd >= 0)
		close(link_fd);
	if (sig_fd >= 0)
		close(sig_fd);
	policy_close(&p);
	return err;
}

/* ---- swap --------------------------------------------------------------------------- */

static int not_attached(const struct target *t)
{
	struct exit_record rec;

	if (t->id && exit_find(t->id, NULL, &rec))
		err_set(-ENOLINK, "%s is not attached any more: policy %s was ejected or detached (%s): %s",
			t->pin, rec.name, rec.kind, rec.msg);
	else
		err_set(-ENOLINK, "%s is not attached any more", t->pin);
	err_hint("'cdmctl policy unload %s', then load the new policy", t->pin);
	return -ENOLINK;
}

/*
 * Under the lock: nobody else swaps or unloads by cdmctl. Whoever does it by
 * other means is caught by the old map's id, which the kernel compares.
 */
static int swap_locked(struct policy *p, struct target *t, int old_map_fd)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts,
		    .flags = BPF_F_REPLACE,
		    .old_map_fd = old_map_fd);
	int err;

	if (t->pin[0]) {
		err = pin_swap_stage(t->pin, p, t->link_fd);
		if (err)
			return err;
	}
	err = policy_ready(p);
	if (!err) {
		err = bpf_link_update(t->link_fd, bpf_map__fd(p->ops), &opts);
		if (err)
			err = log_explain_attach(err, "swap in", policy_name(p));
	}
	if (!t->pin[0])
		return err;
	if (err) {
		pin_swap_abort(t->pin);
		return err;
	}
	return pin_swap_commit(t->pin, link_policy_id(t->link_fd));
}

static int swap(struct policy *p, struct target *t, int old_map_fd)
{
	unsigned int map_id;
	int lock, err;

	lock = pin_lock(true);
	if (lock < 0) {
		/* Without a BPF file system there are no pins to keep in step. */
		if (t->pin[0])
			return lock;
		err_clear();
		return swap_locked(p, t, old_map_fd);
	}
	pin_clean();
	if (link_map_id(t->link_fd, &map_id) || map_id != t->map_id)
		err = err_set(-EAGAIN, "%s was swapped or unloaded by somebody else meanwhile",
			      t->pin[0] ? t->pin : t->name);
	else
		err = swap_locked(p, t, old_map_fd);
	pin_unlock(lock);
	return err;
}

/* Leftovers are dealt with first, so that a target is seen as it is. */
static void clean_leftovers(bool wait)
{
	int lock = pin_lock(wait);

	if (lock >= 0) {
		pin_clean();
		pin_unlock(lock);
	}
	err_clear();
}

static int policy_swap_cmd(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "node", 'n', "N|all", 0, "The node that the policy is for; the old policy's if not given", 0 },
		{ "set", 's', "VAR=VALUE", 0, "Set a variable (or ops.MEMBER); may be repeated", 0 },
		{ "keep-maps", OPT_KEEP_MAPS, NULL, 0, "Hand over every map that both policies have; as --maps all", 0 },
		{ "maps", OPT_MAPS, "all|NAME,..", 0, "Hand over these maps of the old policy", 0 },
		{ "dry-run", OPT_DRY_RUN, NULL, 0, "Verify and report each step, swap nothing", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = policy_parse,
		.args_doc = "TARGET FILE.bpf.o",
		.doc = "Replace an attached policy by another, without a gap."
		       "\vTARGET is a pin's name or a link's id, as 'cdmctl policy list' shows them. Who loaded "
		       "the old policy does not matter. Maps are handed over by name; they must be alike, and of "
		       "the same 'const volatile __u32 cdm_map_version', which counts as 0 where it is missing.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl policy swap place place_weighted.bpf.o\n"
		       "  cdmctl policy swap place place_quota.bpf.o --maps limits\n"
		       "  cdmctl policy swap 17 nop.bpf.o --keep-maps",
	};
	struct policy_args a = { .want_target = true, .want_file = true };
	struct json_object *kept = json_object_new_array();
	struct target t = { .link_fd = -1 };
	struct old_maps old = {};
	struct policy_info pi;
	struct policy p = {};
	int err, old_map_fd = -1;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err) {
		json_object_put(kept);
		return err == CMD_DONE ? 0 : err;
	}
	err = kernel_check_enabled();
	if (err)
		goto cleanup;
	clean_leftovers(true);
	err = target_open(a.target, &t);
	if (err)
		goto cleanup;
	if (!t.map_id) {
		err = not_attached(&t);
		goto cleanup;
	}
	/* Held, so that its id stays its own while the new one is verified. */
	old_map_fd = bpf_map_get_fd_by_id(t.map_id);
	if (old_map_fd < 0) {
		err = err_set(old_map_fd, "cannot open the old policy's map: %s",
			      strerror(-old_map_fd));
		goto cleanup;
	}
	if (!a.has_node && !policy_by_link(t.link_id, &pi)) {
		a.has_node = true;
		a.node = pi.node;
	}

	err = prepare(&p, &a);
	err = err ?: old_maps_get(&t, p.kbtf, &old);
	err = err ?: maps_hand_over(&p, &old, &a.maps, kept);
	err = err ?: policy_load(&p);
	if (err)
		goto cleanup;
	if (a.dry_run) {
		err = report_dry_run(&p, kept, t.link_id);
		goto cleanup;
	}
	err = swap(&p, &t, old_map_fd);
	if (!err)
		report_attached("swapped in", &p, t.pin, t.link_fd, kept, t.id);
cleanup:
	if (old_map_fd >= 0)
		close(old_map_fd);
	old_maps_put(&old);
	target_close(&t);
	policy_close(&p);
	json_object_put(kept);
	return err;
}

/* ---- unload ------------------------------------------------------------------------- */

static int policy_unload_cmd(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = policy_parse,
		.args_doc = "TARGET",
		.doc = "Detach a policy and remove its pin."
		       "\vTARGET is a pin's name or a link's id. A pin whose policy was ejected is removed too; "
		       "look at it with 'cdmctl policy show' before.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl policy unload place\n"
		       "  cdmctl policy unload 17",
	};
	struct policy_args a = { .want_target = true };
	struct target t = { .link_fd = -1 };
	struct json_object *o;
	int err, lock;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;

	lock = pin_lock(true);
	if (lock >= 0)
		pin_clean();
	else
		err_clear();
	err = target_open(a.target, &t);
	if (err)
		goto cleanup;
	if (t.pin[0]) {
		err = pin_remove(t.pin, t.link_fd);
	} else {
		err = bpf_link_detach(t.link_fd);
		if (err)
			err_set(err, "cannot detach link %u: %s", t.link_id,
				strerror(-err));
	}
	if (err)
		goto cleanup;

	if (env.json) {
		o = json_object_new_object();
		json_add_int(o, "id", t.id);
		json_add_str(o, "name", t.name);
		json_add_str(o, "pin", t.pin[0] ? t.pin : NULL);
		json_add_int(o, "link_id", t.link_id);
		json_add_str(o, "state", "unloaded");
		out_json(o);
	} else if (t.map_id) {
		printf("policy %s (id %u) unloaded\n", t.name, t.id);
	} else {
		printf("pin %s removed; its policy was gone already\n", t.pin);
	}
cleanup:
	target_close(&t);
	pin_unlock(lock);
	return err;
}

/* ---- list, show --------------------------------------------------------------------- */

static int policy_list_cmd(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = policy_parse,
		.doc = "List policies: those that are attached, and pins whose policy was ejected."
		       "\vEXAMPLES:\n"
		       "  cdmctl policy list\n"
		       "  cdmctl -j policy list",
	};
	struct policy_args a = {};
	struct json_object *list, *o;
	struct policy_info info;
	struct target *pins;
	unsigned int *ids;
	const char *pin;
	int err, i, j, nr, nr_pins;
	size_t n;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;

	clean_leftovers(false);
	nr_pins = pin_targets(&pins);
	list = json_object_new_array();
	nr = id_list(CDM_SYSFS "/policies", &ids);
	for (i = 0; i < nr; i++) {
		if (policy_info(ids[i], &info))
			continue;
		pin = NULL;
		for (j = 0; j < nr_pins; j++)
			if (pins[j].link_id == info.link_id)
				pin = pins[j].pin;
		json_object_array_add(list, report_info(&info, pin));
	}
	for (j = 0; j < nr_pins; j++)
		if (!pins[j].map_id)
			json_object_array_add(list, report_gone(&pins[j]));
	free(ids);
	free(pins);

	if (env.json) {
		out_json(list);
		return 0;
	}
	if (!json_object_array_length(list))
		puts("no policy is attached");
	else
		printf("%-6s %-24s %-5s %-9s %-6s %s\n", "ID", "NAME", "NODE",
		       "STATE", "LINK", "PIN");
	for_each_json(o, list, n)
		printf("%-6s %-24s %-5s %-9s %-6s %s\n", json_str(o, "id"),
		       json_str(o, "name"), json_str(o, "node"), json_str(o, "state"),
		       json_str(o, "link_id"), json_str(o, "pin"));
	json_object_put(list);
	return 0;
}

static int policy_show_cmd(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = policy_parse,
		.args_doc = "TARGET",
		.doc = "Show one policy: callbacks, maps, counters, and why it was ejected if it was."
		       "\vTARGET is a pin's name or a link's id.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl policy show place\n"
		       "  cdmctl -j policy show 17",
	};
	struct policy_args a = { .want_target = true };
	struct target t = { .link_fd = -1 };
	struct btf *kbtf = NULL;
	struct json_object *o;
	struct policy_info info;
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;
	clean_leftovers(false);
	err = target_open(a.target, &t);
	if (err)
		return err;

	if (t.map_id && !policy_by_link(t.link_id, &info)) {
		o = report_info(&info, t.pin[0] ? t.pin : NULL);
		kbtf = kernel_btf();
		if (kbtf) {
			json_object_object_add(o, "callbacks", report_callbacks(&t, kbtf));
			json_object_object_add(o, "maps", maps_json(&t, kbtf));
		}
		json_object_object_add(o, "stats", policy_stats(info.id));
	} else {
		o = report_gone(&t);
	}
	if (env.json) {
		out_json(o);
	} else {
		report_print(o);
		json_object_put(o);
	}
	btf__free(kbtf);
	target_close(&t);
	return 0;
}

static const struct verb verbs[] = {
	{ "load", "FILE.bpf.o", "Load a policy and attach it", policy_load_cmd },
	{ "swap", "TARGET FILE.bpf.o", "Replace an attached policy without a gap", policy_swap_cmd },
	{ "unload", "TARGET", "Detach a policy and remove its pin", policy_unload_cmd },
	{ "list", "", "List policies and pins", policy_list_cmd },
	{ "show", "TARGET", "Show one policy in full", policy_show_cmd },
	{}
};

const struct noun noun_policy = {
	.name = "policy",
	.doc = "BPF policies.",
	.verbs = verbs,
};
