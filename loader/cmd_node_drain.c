// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl node drain, online: a node's memory leaves as a whole, and comes back. When it
 * cannot leave the kernel says which pages are in the way (nodes/N/left); here those who
 * map them get names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdmctl.h"

#define MAX_TIMEOUT_S	(2147483647 / 1000)

struct drain_args {
	int nid, nr;
	unsigned long long timeout_s;
	char to[64];
};

static int drain_to(const char *list, struct drain_args *a)
{
	char buf[sizeof(a->to)], *rest = buf, *word;
	size_t len = 0;
	int nid;

	if (snprintf(buf, sizeof(buf), "%s", list) >= (int)sizeof(buf))
		return err_set(-E2BIG, "--to: too many nodes are named");
	while ((word = strsep(&rest, ","))) {
		if (parse_nid(word, &nid))
			return -EINVAL;
		len += snprintf(a->to + len, sizeof(a->to) - len, "%s%d", len ? "," : "", nid);
	}
	return 0;
}

static error_t drain_parse(int key, char *arg, struct argp_state *state)
{
	struct drain_args *a = state->input;

	switch (key) {
	case 't':
		if (parse_ulong(arg, MAX_TIMEOUT_S, "--timeout", &a->timeout_s))
			return EINVAL;
		if (a->timeout_s)
			return 0;
		err_set(-EINVAL, "--timeout: at least one second; without it there is no limit");
		return EINVAL;
	case 'T':
		return drain_to(arg, a) ? EINVAL : 0;
	case ARGP_KEY_ARG:
		if (a->nr++)
			return ARGP_ERR_UNKNOWN;
		return parse_nid(arg, &a->nid) ? EINVAL : 0;
	case ARGP_KEY_END:
		if (a->nr)
			return 0;
		err_set(-EINVAL, "a node is needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- what is left -------------------------------------------------------------- */

static void process_name(const char *pid, char *name, size_t size)
{
	char path[64], *end;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	if (read_text(path, name, size))
		snprintf(name, size, "?");
	end = strchr(name, '\n');
	if (end)
		*end = 0;
}

/* "4711,4712,..." as a list, or nothing if nobody is known. */
static struct json_object *mappers_json(char *mappers)
{
	struct json_object *list = json_object_new_array(), *o;
	char name[64], *pid;

	while ((pid = strsep(&mappers, ","))) {
		if (atoi(pid) <= 0)
			continue;
		o = json_object_new_object();
		process_name(pid, name, sizeof(name));
		json_add_int(o, "pid", atoi(pid));
		json_add_str(o, "name", name);
		json_object_array_add(list, o);
	}
	return list;
}

/* Lines "total REASON PAGES" and "page PFN+PAGES REASON MAPPERS". */
static void left_json(int nid, struct json_object *o)
{
	struct json_object *totals = json_object_new_object(), *page;
	struct json_object *pages = json_object_new_array();
	char buf[8192], reason[24], mappers[96], *line, *save = NULL;
	unsigned long long pfn, nr;

	if (node_attr(nid, "left", buf, sizeof(buf)))
		*buf = 0;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "total %23s %llu", reason, &nr) == 2) {
			json_add_u64(totals, reason, nr);
		} else if (sscanf(line, "page %llx+%llu %23s %95s", &pfn, &nr, reason,
				  mappers) == 4) {
			page = json_object_new_object();
			json_add_u64(page, "pfn", pfn);
			json_add_u64(page, "pages", nr);
			json_add_str(page, "reason", reason);
			json_object_object_add(page, "mapped_by", mappers_json(mappers));
			json_object_array_add(pages, page);
		}
	}
	json_object_object_add(o, "left", totals);
	json_object_object_add(o, "pages", pages);
}

static void left_print(struct json_object *o)
{
	struct json_object *pages, *p, *by, *m;
	size_t i, j;

	json_object_object_get_ex(o, "pages", &pages);
	if (!json_object_array_length(pages))
		return;
	printf("%-16s %6s %-10s %s\n", "PFN", "PAGES", "REASON", "MAPPED BY");
	for (i = 0; i < json_object_array_length(pages); i++) {
		p = json_object_array_get_idx(pages, i);
		printf("%#-16llx %6lld %-10s",
		       (unsigned long long)json_object_get_int64(json_object_object_get(p, "pfn")),
		       (long long)json_object_get_int64(json_object_object_get(p, "pages")),
		       json_object_get_string(json_object_object_get(p, "reason")));
		by = json_object_object_get(p, "mapped_by");
		for (j = 0; j < json_object_array_length(by); j++) {
			m = json_object_array_get_idx(by, j);
			printf(" %d (%s)", json_object_get_int(json_object_object_get(m, "pid")),
			       json_object_get_string(json_object_object_get(m, "name")));
		}
		puts(j ? "" : " holder unknown");
	}
}

static int left_show(int nid, bool drained)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "node", nid);
	json_add_bool(o, "drained", drained);
	left_json(nid, o);
	if (env.json) {
		out_json(o);
		return 0;
	}
	if (drained)
		printf("node %d is drained: its memory is offline\n", nid);
	left_print(o);
	json_object_put(o);
	return 0;
}

/* ---- the verbs ------------------------------------------------------------------- */

static int change(const char *file, int nid, const char *text, const char *doing)
{
	int err = node_write(file, nid, text, doing);

	if (err == -EINTR)
		err_set(err, "interrupted: node %d is as it was", nid);
	return err;
}

int node_drain(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "timeout", 't', "SECONDS", 0, "Give up after that long", 0 },
		{ "to", 'T', "NODES", 0, "Where the pages go, the first choice first", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = drain_parse,
		.args_doc = "N",
		.doc = "Take all of node N's memory offline, or none of it."
		       "\vNothing new is placed there and every page moves away: to the nodes that --to "
		       "names, a list like 2,0, else to where eviction would go. What cannot move is tried again until it "
		       "can; when the time is up, or after ^C, the node is as it was and the pages that "
		       "were in the way are listed. Poisoned pages stay and are in nobody's way. 'cdmctl node "
		       "online' is the way back.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl node drain 1\n"
		       "  cdmctl node drain 1 --timeout 30 --to 2,0",
	};
	struct drain_args a = {};
	char text[128];
	int err, len;

	err = node_parse_managed(&argp, argc, argv, &a, &a.nid);
	if (err)
		return err == CMD_DONE ? 0 : err;
	len = snprintf(text, sizeof(text), "%d", a.nid);
	if (a.timeout_s)
		len += snprintf(text + len, sizeof(text) - len, " timeout=%llu",
				a.timeout_s * 1000);
	if (*a.to)
		snprintf(text + len, sizeof(text) - len, " to=%s", a.to);
	err = change(CDM_SYSFS "/drain", a.nid, text, "drain");
	/* What a refused drain left behind is not this one's. */
	if (!err || ((err == -EBUSY || err == -EINTR) && node_kind(a.nid) == NODE_MANAGED))
		left_show(a.nid, !err);
	return err;
}

int node_online(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = drain_parse,
		.args_doc = "N",
		.doc = "Bring node N online again that was drained."
		       "\vEXAMPLES:\n"
		       "  cdmctl node online 1",
	};
	struct drain_args a = {};
	char text[16];
	int err;

	err = node_parse_managed(&argp, argc, argv, &a, &a.nid);
	if (err)
		return err == CMD_DONE ? 0 : err;
	snprintf(text, sizeof(text), "%d", a.nid);
	err = change(CDM_SYSFS "/online", a.nid, text, "bring online");
	return err ?: node_done(a.nid, "is online again");
}
