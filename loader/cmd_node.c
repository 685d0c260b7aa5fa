// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl node: which nodes are managed, and how closed they are.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

/* As many as a kernel can have (CONFIG_NODES_SHIFT is at most 10). */
#define MAX_NODES	1024

static const char *const modes[] = { "closed", "last-resort", "open" };

struct node_args {
	bool all;
	int nid;
	const char *mode;
	int nr;			/* arguments seen */
	int want;
};

static error_t node_parse(int key, char *arg, struct argp_state *state)
{
	struct node_args *a = state->input;
	size_t i;

	switch (key) {
	case 'a':
		a->all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->nr >= a->want)
			return ARGP_ERR_UNKNOWN;
		if (!a->nr++)
			return parse_nid(arg, &a->nid) ? EINVAL : 0;
		for (i = 0; i < ARRAY_SIZE(modes); i++)
			if (!strcmp(arg, modes[i]))
				a->mode = modes[i];
		if (!a->mode) {
			err_set(-EINVAL, "'%s' is not a mode; there are closed, last-resort and open",
				arg);
			return EINVAL;
		}
		return 0;
	case ARGP_KEY_END:
		if (a->nr < a->want) {
			err_set(-EINVAL, "%s", a->want == 2 ?
				"a node and a mode are needed" : "a node is needed");
			return EINVAL;
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- list ------------------------------------------------------------------- */

/* The owners file has lines "CALLBACK POLICY-ID NAME". */
static struct json_object *owners_json(const char *text)
{
	struct json_object *list = json_object_new_array(), *o;
	char buf[4096], cb[24], name[CDM_NAME_LEN], *line, *save = NULL;
	unsigned int id;

	snprintf(buf, sizeof(buf), "%s", text);
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%23s %u %31s", cb, &id, name) != 3)
			continue;
		o = json_object_new_object();
		json_add_str(o, "callback", cb);
		json_add_int(o, "policy", id);
		json_add_str(o, "name", name);
		json_object_array_add(list, o);
	}
	return list;
}

static void attr_json(struct json_object *o, int nid, const char *name)
{
	char buf[256];

	json_add_str(o, name, node_attr(nid, name, buf, sizeof(buf)) ? NULL : buf);
}

static struct json_object *node_json(int nid)
{
	struct json_object *o = json_object_new_object();
	char buf[4096], path[128];
	struct json_object *stats;
	long total, avail;

	json_add_int(o, "node", nid);
	switch (node_kind(nid)) {
	case NODE_MANAGED:
		json_add_bool(o, "managed", true);
		attr_json(o, nid, "state");
		attr_json(o, nid, "mode");
		attr_json(o, nid, "driver");
		if (!node_attr(nid, "adopted", buf, sizeof(buf)))
			json_add_bool(o, "adopted", atoi(buf));
		attr_json(o, nid, "start");
		attr_json(o, nid, "size");
		if (!node_attr(nid, "owners", buf, sizeof(buf)))
			json_object_object_add(o, "owners", owners_json(buf));
		snprintf(path, sizeof(path), "%s/nodes/%d/stats", CDM_SYSFS, nid);
		stats = counters_json(path, NULL);
		json_object_object_add(o, "stats", stats ?: json_object_new_object());
		break;
	case NODE_CPU:
		json_add_bool(o, "managed", false);
		json_add_str(o, "state", "cpu");
		break;
	default:
		/* Without memory it is a name in the firmware's tables. */
		json_add_bool(o, "managed", false);
		json_add_str(o, "state", node_kb(nid, "MemTotal") > 0 ? "unmanaged" : "known");
		break;
	}
	total = node_kb(nid, "MemTotal");
	avail = node_kb(nid, "MemFree");
	if (total >= 0) {
		json_add_int(o, "total_kb", total);
		json_add_int(o, "free_kb", avail);
	}
	return o;
}

static const char *field(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !v)
		return "-";
	return json_object_get_string(v);
}

static void node_print(struct json_object *o)
{
	struct json_object *v, *e;
	char kb[2][24];
	size_t i;
	static const char *const keys[] = { "total_kb", "free_kb" };

	for (i = 0; i < 2; i++) {
		if (json_object_object_get_ex(o, keys[i], &v))
			snprintf(kb[i], sizeof(kb[i]), "%lldM",
				 (long long)json_object_get_int64(v) >> 10);
		else
			strcpy(kb[i], "-");
	}
	printf("%-5s %-13s %-12s %-16s %8s %8s ",
	       json_object_object_get_ex(o, "range", NULL) ? field(o, "range") : field(o, "node"),
	       field(o, "state"), field(o, "mode"), field(o, "driver"), kb[0], kb[1]);
	if (json_object_object_get_ex(o, "owners", &v))
		for (i = 0; i < json_object_array_length(v); i++) {
			e = json_object_array_get_idx(v, i);
			printf(" %s=%s(%s)", field(e, "callback"),
			       field(e, "name"), field(e, "policy"));
		}
	putchar('\n');
}

static int node_list(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "all", 'a', NULL, 0, "CPU nodes and unmanaged nodes too", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = node_parse,
		.doc = "List managed nodes, and what is claimed: state, mode, driver, memory, and who owns their callbacks."
		       "\vEXAMPLES:\n"
		       "  cdmctl node list\n"
		       "  cdmctl -j node list --all",
	};
	struct node_args a = {};
	struct json_object *list, *o;
	unsigned int *ids = NULL;
	int err, i, nr;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;

	nr = id_list(CDM_SYSFS "/nodes", &ids);
	list = json_object_new_array();
	for (i = 0; i < nr; i++)
		json_object_array_add(list, node_json(ids[i]));
	claims_json(list);
	if (a.all)
		for (i = 0; i < MAX_NODES; i++)
			if (node_kind(i) == NODE_CPU || node_kind(i) == NODE_MEMORY)
				json_object_array_add(list, node_json(i));
	free(ids);

	if (env.json) {
		out_json(list);
		return 0;
	}
	nr = json_object_array_length(list);
	if (!nr)
		puts("no managed node; load a device's driver, or see 'cdmctl node adopt --help'");
	else
		printf("%-5s %-13s %-12s %-16s %8s %8s  %s\n", "NODE", "STATE",
		       "MODE", "DRIVER", "TOTAL", "FREE", "OWNERS");
	for (i = 0; i < nr; i++) {
		o = json_object_array_get_idx(list, i);
		node_print(o);
	}
	json_object_put(list);
	return 0;
}

/* ---- adopt, release, mode --------------------------------------------------- */

/* Prints the node as it is now: what a change has led to. */
int node_done(int nid, const char *what)
{
	if (env.json)
		out_json(node_json(nid));
	else
		printf("node %d %s\n", nid, what);
	return 0;
}

/*
 * Writes to a file that nodes are named in. What the kernel refuses it explains better
 * than we could; @doing completes "cannot ...".
 */
int node_write(const char *file, int nid, const char *text, const char *doing)
{
	char why[256];
	int err;

	err = write_text(file, text);
	if (!err)
		return 0;
	switch (err) {
	case -EACCES:
	case -EPERM:
		/* A policy's veto is -EPERM, too. */
		if (!geteuid() && kernel_last_error(why, sizeof(why))) {
			err_set(err, "cannot %s node %d: %s", doing, nid, why);
			break;
		}
		err_set(err, "cannot %s node %d: it needs CAP_SYS_ADMIN", doing, nid);
		err_hint("run it as root");
		break;
	case -EINTR:
		break;
	case -ENOENT:
		err_set(err, "cannot %s node %d: this kernel's cdm_ext has no %s", doing,
			nid, file);
		err_hint("boot a kernel that was built with this cdmctl");
		break;
	default:
		if (kernel_last_error(why, sizeof(why)))
			err_set(err, "cannot %s node %d: %s (the kernel: %s)",
				doing, nid, strerror(-err), why);
		else
			err_set(err, "cannot %s node %d: %s", doing, nid,
				strerror(-err));
		err_hint("see the kernel log");
	}
	return err;
}

int node_check_managed(int nid)
{
	int err = node_check_device(nid);

	if (err || node_kind(nid) == NODE_MANAGED)
		return err;
	err_set(-ENOENT, "node %d is not managed", nid);
	err_hint("load its driver, or 'cdmctl node adopt %d'", nid);
	return -ENOENT;
}

/*
 * The beginning of a verb that is about a managed node, which is in @nid after @args are
 * filled. CMD_DONE if help is all that was wanted.
 */
int node_parse_managed(const struct argp *argp, int argc, char **argv, void *args,
		       const int *nid)
{
	int err = cmd_parse(argp, argc, argv, args);

	err = err ?: kernel_check();
	return err ?: node_check_managed(*nid);
}

static int node_adopt(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = node_parse,
		.args_doc = "N",
		.doc = "Manage node N, which another driver brought online (dax/kmem, NVIDIA's)."
		       "\vThe node's memory stays where it is; only who may use it changes. It must be online, "
		       "movable and without CPUs.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl node adopt 1",
	};
	struct node_args a = { .want = 1 };
	char text[16];
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	err = err ?: node_check_device(a.nid);
	if (err)
		return err;
	if (node_kind(a.nid) == NODE_MANAGED)
		return err_set(-EEXIST, "node %d is managed already", a.nid);
	if (node_kb(a.nid, "MemTotal") <= 0) {
		err_set(-ENODEV, "node %d has no memory online", a.nid);
		err_hint("load the driver that brings it online, then adopt it");
		return -ENODEV;
	}
	snprintf(text, sizeof(text), "%d", a.nid);
	err = node_write(CDM_SYSFS "/adopt", a.nid, text, "adopt");
	return err ?: node_done(a.nid, "is managed now; mode: closed");
}

static int node_release(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = node_parse,
		.args_doc = "N",
		.doc = "Return adopted node N to stock behaviour."
		       "\vEXAMPLES:\n"
		       "  cdmctl node release 1",
	};
	struct node_args a = { .want = 1 };
	char buf[64], text[16];
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	err = err ?: node_check_device(a.nid);
	if (err)
		return err;
	if (node_kind(a.nid) != NODE_MANAGED)
		return err_set(-ENOENT, "node %d is not managed", a.nid);
	if (!node_attr(a.nid, "adopted", buf, sizeof(buf)) && !atoi(buf)) {
		if (node_attr(a.nid, "driver", buf, sizeof(buf)))
			strcpy(buf, "its driver");
		err_set(-EINVAL, "node %d was not adopted: it belongs to %s", a.nid, buf);
		err_hint("unload that driver to give the node back");
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "%d", a.nid);
	err = node_write(CDM_SYSFS "/release", a.nid, text, "release");
	return err ?: node_done(a.nid, "is stock again");
}

static int node_mode(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = node_parse,
		.args_doc = "N MODE",
		.doc = "Set how closed node N is to those who did not name it."
		       "\vMODE is one of:\n"
		       "  closed       strangers never, even where they would be OOM-killed\n"
		       "  last-resort  strangers' movable pages, just before an OOM kill\n"
		       "  open         as a stock kernel\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl node mode 1 last-resort",
	};
	struct node_args a = { .want = 2 };
	char path[128];
	int err;

	err = node_parse_managed(&argp, argc, argv, &a, &a.nid);
	if (err)
		return err == CMD_DONE ? 0 : err;
	snprintf(path, sizeof(path), "%s/nodes/%d/mode", CDM_SYSFS, a.nid);
	err = write_text(path, a.mode);
	if (err == -EACCES || err == -EPERM) {
		err_set(err, "cannot change node %d: it needs CAP_SYS_ADMIN", a.nid);
		err_hint("run it as root");
		return err;
	}
	if (err)
		return err_set(err, "cannot set node %d to %s: %s", a.nid, a.mode,
			       strerror(-err));
	return node_done(a.nid, a.mode);
}

static const struct verb verbs[] = {
	{ "list", "", "List managed nodes", node_list },
	{ "adopt", "N", "Manage a node that another driver brought online", node_adopt },
	{ "release", "N", "Return an adopted node to stock behaviour", node_release },
	{ "mode", "N MODE", "closed, last-resort or open", node_mode },
	{ "claim", "N|SIZE@START", "Keep memory offline until its driver brings it", node_claim },
	{ "unclaim", "N|SIZE@START", "End a claim", node_unclaim },
	{ "drain", "N", "Take all of a node's memory offline, or none", node_drain },
	{ "online", "N", "Bring a drained node online again", node_online },
	{ "evict", "N SIZE", "Have a node give up what is cold", node_evict },
	{ "watermarks", "N [LOW HIGH]", "How much a node keeps free", node_watermarks },
	{ "targets", "N [NODE...|default]", "Where what a node gives up goes", node_targets },
	{}
};

const struct noun noun_node = {
	.name = "node",
	.doc = "Nodes of coherent device memory.",
	.verbs = verbs,
};
