// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl node evict, watermarks, targets: when a node makes room, and where to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

/*
 * Writes an attribute of a node. What the kernel refuses it explains better than we
 * could; @doing completes "cannot ...".
 */
static int evict_write(int nid, const char *attr, const char *text, const char *doing)
{
	char path[128], why[256];
	int err;

	snprintf(path, sizeof(path), "%s/nodes/%d/%s", CDM_SYSFS, nid, attr);
	err = write_text(path, text);
	if (err == -EACCES || err == -EPERM) {
		err_set(err, "cannot %s node %d: it needs CAP_SYS_ADMIN", doing, nid);
		err_hint("run it as root");
	} else if (err == -EAGAIN && kernel_last_error(why, sizeof(why))) {
		err_set(err, "not all of it could leave: %s", why);
	} else if (err == -ENOENT) {
		err_set(err, "cannot %s node %d: this kernel's cdm_ext has no %s", doing,
			nid, attr);
		err_hint("boot a kernel that was built with this cdmctl");
	} else if (err && err != -EINTR && err != -ENODEV &&
		   kernel_last_error(why, sizeof(why))) {
		err_set(err, "cannot %s node %d: %s", doing, nid, why);
	} else if (err) {
		err_set(err, "cannot %s node %d: %s", doing, nid, strerror(-err));
	}
	return err;
}

/* ---- evict ------------------------------------------------------------------ */

struct evict_args {
	int nid, nr;
	unsigned long long bytes;
};

static error_t evict_parse(int key, char *arg, struct argp_state *state)
{
	struct evict_args *a = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (a->nr == 2)
			return ARGP_ERR_UNKNOWN;
		if (!a->nr++)
			return parse_nid(arg, &a->nid) ? EINVAL : 0;
		if (parse_size(arg, "SIZE", &a->bytes))
			return EINVAL;
		if (!a->bytes) {
			err_set(-EINVAL, "SIZE: nothing is to be evicted");
			return EINVAL;
		}
		return 0;
	case ARGP_KEY_END:
		if (a->nr == 2)
			return 0;
		err_set(-EINVAL, "a node and a size are needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Pages that left the node because an administrator asked, so far. */
static unsigned long long evicted_admin(int nid)
{
	unsigned long long n = 0;
	char buf[4096], *at;

	if (!node_attr(nid, "stats", buf, sizeof(buf))) {
		at = strstr(buf, "evicted_admin ");
		if (at)
			n = strtoull(at + strlen("evicted_admin "), NULL, 10);
	}
	return n;
}

int node_evict(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = evict_parse,
		.args_doc = "N SIZE",
		.doc = "Have node N give up SIZE bytes of what is cold on it."
		       "\vThe owner of reclaim says what leaves and where to; without one it is what the "
		       "kernel's LRU finds cold, to the nodes that 'cdmctl node targets' says. SIZE takes K, M, G or T.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl node evict 1 256M",
	};
	struct evict_args a = {};
	char text[32];
	unsigned long long before;
	int err;

	err = node_parse_managed(&argp, argc, argv, &a, &a.nid);
	if (err)
		return err == CMD_DONE ? 0 : err;
	before = evicted_admin(a.nid);
	snprintf(text, sizeof(text), "%llu", a.bytes);
	err = evict_write(a.nid, "evict", text, "evict from");
	if (err)
		return err;
	snprintf(text, sizeof(text), "gave up %llu pages", evicted_admin(a.nid) - before);
	return node_done(a.nid, text);
}

/* ---- watermarks --------------------------------------------------------------- */

struct watermarks_args {
	int nid, nr;
	unsigned long long bytes[2];
};

static error_t watermarks_parse(int key, char *arg, struct argp_state *state)
{
	struct watermarks_args *a = state->input;
	const char *what = a->nr == 1 ? "LOW" : "HIGH";

	switch (key) {
	case ARGP_KEY_ARG:
		if (a->nr == 3)
			return ARGP_ERR_UNKNOWN;
		if (!a->nr++)
			return parse_nid(arg, &a->nid) ? EINVAL : 0;
		return parse_size(arg, what, &a->bytes[a->nr - 2]) ? EINVAL : 0;
	case ARGP_KEY_END:
		if (a->nr == 1 || a->nr == 3)
			return 0;
		err_set(-EINVAL, a->nr ? "LOW and HIGH go together" : "a node is needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static unsigned long long to_pages(unsigned long long bytes)
{
	return bytes / sysconf(_SC_PAGESIZE) + !!(bytes % sysconf(_SC_PAGESIZE));
}

int node_watermarks(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = watermarks_parse,
		.args_doc = "N [LOW HIGH]",
		.doc = "Show or set how much node N keeps free."
		       "\vBelow LOW bytes the node begins to give up what is cold in the background, and ends "
		       "at HIGH. '0 0': never in the background, only when an allocation finds it full. LOW and "
		       "HIGH take K, M, G or T.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl node watermarks 1 64M 128M",
	};
	unsigned long long low, high, page = sysconf(_SC_PAGESIZE);
	struct watermarks_args a = {};
	struct json_object *o;
	char text[64];
	int err;

	err = node_parse_managed(&argp, argc, argv, &a, &a.nid);
	if (err)
		return err == CMD_DONE ? 0 : err;
	if (a.nr == 3) {
		snprintf(text, sizeof(text), "%llu %llu", to_pages(a.bytes[0]),
			 to_pages(a.bytes[1]));
		err = evict_write(a.nid, "watermarks", text, "set the watermarks of");
	}
	if (err)
		return err;
	err = node_attr(a.nid, "watermarks", text, sizeof(text));
	if (err || sscanf(text, "%llu %llu", &low, &high) != 2)
		return err_set(err ?: -EIO, "cannot read the watermarks of node %d", a.nid);
	if (!env.json) {
		printf("node %d begins to give up pages below %llu KiB free and ends at %llu KiB\n",
		       a.nid, low * page / 1024, high * page / 1024);
		return 0;
	}
	o = json_object_new_object();
	json_add_int(o, "node", a.nid);
	json_add_u64(o, "low_bytes", low * page);
	json_add_u64(o, "high_bytes", high * page);
	out_json(o);
	return 0;
}

/* ---- targets ------------------------------------------------------------------ */

struct targets_args {
	int nid, nr;
	bool standard;
	char text[64];
};

static error_t targets_parse(int key, char *arg, struct argp_state *state)
{
	struct targets_args *a = state->input;
	size_t len = strlen(a->text);
	int nid;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!a->nr++)
			return parse_nid(arg, &a->nid) ? EINVAL : 0;
		if (a->nr == 2 && !strcmp(arg, "default")) {
			a->standard = true;
			strcpy(a->text, arg);
			return 0;
		}
		if (a->standard)
			return ARGP_ERR_UNKNOWN;
		if (parse_nid(arg, &nid))
			return EINVAL;
		if (snprintf(a->text + len, sizeof(a->text) - len, "%s%d", len ? " " : "",
			     nid) < (int)(sizeof(a->text) - len))
			return 0;
		err_set(-E2BIG, "too many nodes are named");
		return EINVAL;
	case ARGP_KEY_END:
		if (a->nr)
			return 0;
		err_set(-EINVAL, "a node is needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int node_targets(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = targets_parse,
		.args_doc = "N [NODE...|default]",
		.doc = "Show or set where what node N gives up goes."
		       "\vThe nodes that are named are tried in that order, then those with CPU memory, the "
		       "nearest first, which alone is the default. A policy that names a node for a page "
		       "goes before all of them. Named may be other managed nodes, too.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl node targets 1 2 0\n"
		       "  cdmctl node targets 1 default",
	};
	struct targets_args a = {};
	struct json_object *o, *list;
	char text[64], *word, *rest = text;
	int err;

	err = node_parse_managed(&argp, argc, argv, &a, &a.nid);
	if (err)
		return err == CMD_DONE ? 0 : err;
	if (a.nr > 1)
		err = evict_write(a.nid, "evict_targets", a.text, "set the targets of");
	if (err)
		return err;
	err = node_attr(a.nid, "evict_targets", text, sizeof(text));
	if (err)
		return err_set(err, "cannot read the targets of node %d", a.nid);
	if (!env.json) {
		if (!strcmp(text, "default"))
			printf("node %d gives up pages to the nearest node with CPU memory\n", a.nid);
		else
			printf("node %d gives up pages to %s, then to the nearest with CPU memory\n",
			       a.nid, text);
		return 0;
	}
	o = json_object_new_object();
	list = json_object_new_array();
	while ((word = strsep(&rest, " \n")))
		if (*word && strcmp(word, "default"))
			json_object_array_add(list, json_object_new_int(atoi(word)));
	json_add_int(o, "node", a.nid);
	json_object_object_add(o, "targets", list);
	out_json(o);
	return 0;
}
