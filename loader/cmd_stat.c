// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl stat: what happened, by node and by policy.
 *
 * The kernel's counters only grow, each for as long as its node or policy is there. So a
 * sample is all of them as JSON, and a round is the difference of two samples. Their names
 * are the kernel's: one that is new there appears here by itself.
 *
 *	sample -- of what is now --+
 *	  |                        +-- totals, without -i
 *	  wait                     |
 *	  |                        |
 *	sample -- minus the last --+-- a round: changes, per second, who came, who went
 *
 * A node that went and came again is another one: its counters began again at zero.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cdmctl.h"

#define MIN_INTERVAL	0.1
#define MAX_INTERVAL	86400.0

/* Files of counters. Those that this kernel does not have are not there. */
struct section {
	const char *file;
	/* Of a line with two numbers; NULL: it has one. */
	const char *columns[2];
};

static const struct section node_sections[] = {
	{ "stats", {} },
	{ "pingpong", {} },
	{ "stay", { "here", "away" } },
	{}
};

static const struct section policy_sections[] = {
	{ "stats", {} },
	{ "denied", {} },
	{}
};

/* A word of the command line: a node, or all policies that are called so. */
struct want {
	const char *word;
	int nid;		/* -1: no node */
	unsigned int link_id;	/* of the pin that is called so, else 0 */
};

struct stat_args {
	bool all;
	double interval;	/* 0: totals, once */
	unsigned long long count;
	struct want *wants;
	int nr_wants;
};

struct thing {
	bool policy;
	unsigned int id;
	ino_t ino;		/* of its directory: another one when it is another thing */
	struct json_object *o;	/* what it is, without counters */
	struct json_object *counters;
};

struct sample {
	struct timespec at;
	struct thing *v;
	int nr;
};

/* ---- samples ------------------------------------------------------------------ */

static void sample_free(struct sample *s)
{
	int i;

	for (i = 0; i < s->nr; i++) {
		json_object_put(s->v[i].o);
		json_object_put(s->v[i].counters);
	}
	free(s->v);
	memset(s, 0, sizeof(*s));
}

static struct json_object *node_facts(unsigned int nid)
{
	static const char *const names[] = { "state", "mode", "driver" };
	struct json_object *o = json_object_new_object();
	char buf[256];
	size_t i;
	long kb;

	json_add_int(o, "node", nid);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		json_add_str(o, names[i],
			     node_attr(nid, names[i], buf, sizeof(buf)) ? NULL : buf);
	kb = node_kb(nid, "MemTotal");
	if (kb >= 0) {
		json_add_int(o, "total_kb", kb);
		json_add_int(o, "free_kb", node_kb(nid, "MemFree"));
	}
	return o;
}

static struct json_object *policy_facts(const struct policy_info *info)
{
	struct json_object *o = json_object_new_object();
	char node[16];

	json_add_int(o, "id", info->id);
	json_add_str(o, "name", info->name);
	json_add_str(o, "node", node_text(info->node, node, sizeof(node)));
	json_add_str(o, "state", info->state);
	json_add_int(o, "link_id", info->link_id);
	return o;
}

/* Adds a thing, unless it goes while it is looked at. */
static int sample_add(struct sample *s, const char *dir, const struct section *sections,
		      struct thing t)
{
	struct json_object *c;
	char path[192];
	struct stat st;
	void *tmp;

	t.counters = json_object_new_object();
	if (stat(dir, &st))
		goto gone;
	t.ino = st.st_ino;
	for (; sections->file; sections++) {
		snprintf(path, sizeof(path), "%s/%s", dir, sections->file);
		c = counters_json(path, sections->columns);
		if (c)
			json_object_object_add(t.counters, sections->file, c);
		else if (!strcmp(sections->file, "stats"))
			goto gone;
	}
	/* Had it been replaced meanwhile, these were counters of two. */
	if (stat(dir, &st) || st.st_ino != t.ino)
		goto gone;
	tmp = realloc(s->v, (s->nr + 1) * sizeof(*s->v));
	if (!tmp) {
		json_object_put(t.o);
		json_object_put(t.counters);
		return err_set(-ENOMEM, "out of memory");
	}
	s->v = tmp;
	s->v[s->nr++] = t;
	return 0;
gone:
	json_object_put(t.o);
	json_object_put(t.counters);
	return 0;
}

static bool is_wanted(const struct stat_args *a, int nid, const struct policy_info *info)
{
	const struct want *w;
	int i;

	for (i = 0; i < a->nr_wants; i++) {
		w = &a->wants[i];
		if (info ? w->nid < 0 && (!strcmp(w->word, info->name) ||
					  (w->link_id && w->link_id == info->link_id)) :
			   w->nid == nid)
			return true;
	}
	return !a->nr_wants;
}

static int sample_take(struct sample *s, const struct stat_args *a)
{
	struct policy_info info;
	unsigned int *ids;
	char dir[128];
	int i, nr, err = 0;

	memset(s, 0, sizeof(*s));
	clock_gettime(CLOCK_MONOTONIC, &s->at);
	nr = id_list(CDM_SYSFS "/nodes", &ids);
	for (i = 0; i < nr && !err; i++) {
		if (!is_wanted(a, ids[i], NULL))
			continue;
		snprintf(dir, sizeof(dir), "%s/nodes/%u", CDM_SYSFS, ids[i]);
		err = sample_add(s, dir, node_sections, (struct thing){
			.id = ids[i], .o = node_facts(ids[i]) });
	}
	free(ids);
	nr = id_list(CDM_SYSFS "/policies", &ids);
	for (i = 0; i < nr && !err; i++) {
		if (policy_info(ids[i], &info) || !is_wanted(a, -1, &info))
			continue;
		snprintf(dir, sizeof(dir), "%s/policies/%u", CDM_SYSFS, ids[i]);
		err = sample_add(s, dir, policy_sections, (struct thing){
			.policy = true, .id = ids[i], .o = policy_facts(&info) });
	}
	free(ids);
	if (err)
		sample_free(s);
	return err;
}

static const struct thing *sample_find(const struct sample *s, const struct thing *t)
{
	int i;

	for (i = 0; i < s->nr; i++)
		if (s->v[i].policy == t->policy && s->v[i].id == t->id &&
		    s->v[i].ino == t->ino)
			return &s->v[i];
	return NULL;
}

/* ---- rounds --------------------------------------------------------------------- */

/* What @now counts more than @last does; what is not in @last began at zero. */
static struct json_object *difference(struct json_object *now, struct json_object *last)
{
	struct json_object *o = json_object_new_object(), *was;

	json_object_object_foreach(now, key, val) {
		was = NULL;
		json_object_object_get_ex(last, key, &was);
		if (json_object_is_type(val, json_type_object))
			json_object_object_add(o, key, difference(val, was));
		else
			json_add_int(o, key, json_object_get_uint64(val) -
				     json_object_get_uint64(was));
	}
	return o;
}

static struct json_object *rates(struct json_object *diff, double seconds)
{
	struct json_object *o = json_object_new_object(), *v;
	char text[48];
	double rate;

	json_object_object_foreach(diff, key, val) {
		if (json_object_is_type(val, json_type_object)) {
			v = rates(val, seconds);
		} else {
			rate = json_object_get_int64(val) / seconds;
			snprintf(text, sizeof(text), "%.3f", rate);
			v = json_object_new_double_s(rate, text);
		}
		json_object_object_add(o, key, v);
	}
	return o;
}

/* @t as it is told: what it is, and each of its counters' files by name. */
static struct json_object *told(const struct thing *t, struct json_object *counters)
{
	struct json_object *o = json_object_new_object();

	json_object_object_foreach(t->o, key, val)
		json_object_object_add(o, key, json_object_get(val));
	if (counters) {
		json_object_object_foreach(counters, file, c)
			json_object_object_add(o, file, json_object_get(c));
	}
	return o;
}

static struct json_object *totals(const struct sample *now)
{
	struct json_object *o = json_object_new_object();
	struct json_object *nodes = json_object_new_array();
	struct json_object *policies = json_object_new_array();
	int i;

	for (i = 0; i < now->nr; i++)
		json_object_array_add(now->v[i].policy ? policies : nodes,
				      told(&now->v[i], now->v[i].counters));
	json_object_object_add(o, "nodes", nodes);
	json_object_object_add(o, "policies", policies);
	return o;
}

static struct json_object *gone_json(const struct thing *t)
{
	static const char *const keys[2][2] = { { "node" }, { "id", "name" } };
	struct json_object *o = json_object_new_object(), *v;
	struct exit_record rec;
	size_t i;

	for (i = 0; i < 2 && keys[t->policy][i]; i++)
		if (json_object_object_get_ex(t->o, keys[t->policy][i], &v))
			json_object_object_add(o, keys[t->policy][i], json_object_get(v));
	json_add_bool(o, "went", true);
	if (t->policy && exit_find(t->id, NULL, &rec))
		json_object_object_add(o, "exit", exit_json(&rec));
	return o;
}

static double seconds_between(const struct timespec *a, const struct timespec *b)
{
	return b->tv_sec - a->tv_sec + (b->tv_nsec - a->tv_nsec) / 1e9;
}

static struct json_object *round_json(const struct sample *last, const struct sample *now)
{
	double seconds = seconds_between(&last->at, &now->at);
	struct json_object *o = json_object_new_object(), *diff, *e;
	struct json_object *nodes = json_object_new_array();
	struct json_object *policies = json_object_new_array();
	const struct thing *was, *t;
	char text[32];
	int i;

	snprintf(text, sizeof(text), "%.3f", seconds);
	json_object_object_add(o, "seconds", json_object_new_double_s(seconds, text));
	for (i = 0; i < last->nr; i++) {
		t = &last->v[i];
		if (!sample_find(now, t))
			json_object_array_add(t->policy ? policies : nodes, gone_json(t));
	}
	for (i = 0; i < now->nr; i++) {
		t = &now->v[i];
		was = sample_find(last, t);
		diff = difference(t->counters, was ? was->counters : NULL);
		e = told(t, diff);
		if (!was)
			json_add_bool(e, "came", true);
		json_object_object_add(e, "per_second", rates(diff, seconds));
		json_object_put(diff);
		json_object_array_add(t->policy ? policies : nodes, e);
	}
	json_object_object_add(o, "nodes", nodes);
	json_object_object_add(o, "policies", policies);
	return o;
}

/* ---- text ------------------------------------------------------------------------- */

static bool is_zero(struct json_object *v)
{
	if (!json_object_is_type(v, json_type_object))
		return !json_object_get_int64(v);
	json_object_object_foreach(v, key, val) {
		(void)key;
		if (!is_zero(val))
			return false;
	}
	return true;
}

static void print_label(const char *file, const char *key, int width)
{
	char label[96];

	if (!strcmp(file, "pingpong"))
		snprintf(label, sizeof(label), "  with node %s:", key);
	else if (!strcmp(file, "stay"))
		snprintf(label, sizeof(label), isdigit((unsigned char)key[0]) ?
			 "  < %s ms:" : "  %s:", key);
	else
		snprintf(label, sizeof(label), "%s%s", strcmp(file, "stats") ? "  " : "", key);
	printf("  %-*s", width, label);
}

/* One line of a file of counters. */
static void print_counter(const char *file, const char *key, struct json_object *v,
			  struct json_object *rate, int width)
{
	struct json_object *r = NULL;

	print_label(file, key, width);
	if (json_object_is_type(v, json_type_object)) {
		json_object_object_foreach(v, column, val)
			printf(" %s %s", column, json_object_get_string(val));
	} else {
		printf(" %14s", json_object_get_string(v));
		if (rate && json_object_object_get_ex(rate, key, &r))
			printf(" %14.1f/s", json_object_get_double(r));
	}
	putchar('\n');
}

static void print_counters(struct json_object *o, const struct section *s, bool all)
{
	struct json_object *counters, *rate, *per_second = json_arr(o, "per_second");
	const int width = 22;
	bool none = true, head;

	for (; s->file; s++) {
		counters = json_arr(o, s->file);
		if (!counters)
			continue;
		rate = per_second ? json_arr(per_second, s->file) : NULL;
		head = !strcmp(s->file, "stats");
		json_object_object_foreach(counters, key, val) {
			if (!all && is_zero(val))
				continue;
			if (!head)
				printf("  %s\n", s->file);
			head = true;
			none = false;
			print_counter(s->file, key, val, rate, width);
		}
	}
	if (none)
		puts("  nothing");
}

static void print_mb(struct json_object *o, const char *key, const char *word)
{
	struct json_object *v;

	if (json_object_object_get_ex(o, key, &v))
		printf(", %lldM %s", (long long)json_object_get_int64(v) >> 10, word);
}

static void print_thing(struct json_object *o, bool policy, bool all)
{
	struct json_object *e;

	if (policy)
		printf("policy %s (id %s)", json_str(o, "name"), json_str(o, "id"));
	else
		printf("node %s", json_str(o, "node"));
	if (json_object_object_get_ex(o, "went", NULL)) {
		printf(" went");
		if (json_object_object_get_ex(o, "exit", &e))
			printf(" (%s)", json_str(e, "kind"));
		putchar('\n');
		return;
	}
	printf("%s: %s, ", json_object_object_get_ex(o, "came", NULL) ? " came" : "",
	       json_str(o, "state"));
	if (policy) {
		printf("node %s", json_str(o, "node"));
	} else {
		printf("%s, driver %s", json_str(o, "mode"), json_str(o, "driver"));
		print_mb(o, "total_kb", "in all");
		print_mb(o, "free_kb", "free");
	}
	putchar('\n');
	print_counters(o, policy ? policy_sections : node_sections, all);
}

static void print_text(struct json_object *o, bool all)
{
	struct json_object *nodes = json_arr(o, "nodes"), *policies = json_arr(o, "policies");
	struct json_object *e;
	size_t i;

	if (json_object_object_get_ex(o, "seconds", NULL))
		printf("-- %s s\n", json_str(o, "seconds"));
	for_each_json(e, nodes, i)
		print_thing(e, false, all);
	for_each_json(e, policies, i)
		print_thing(e, true, all);
	if (!json_object_array_length(nodes) && !json_object_array_length(policies))
		puts("no managed node and no policy; load a device's driver, or see 'cdmctl policy load --help'");
	fflush(stdout);
}

static int print_all(struct json_object *o, bool all)
{
	if (env.json) {
		out_json(o);
	} else {
		print_text(o, all);
		json_object_put(o);
	}
	if (ferror(stdout))
		return err_set(-EIO, "cannot write what happened: %s", strerror(errno));
	return 0;
}

/* ---- the command ---------------------------------------------------------------- */

static error_t stat_parse(int key, char *arg, struct argp_state *state)
{
	struct stat_args *a = state->input;

	switch (key) {
	case 'a':
		a->all = true;
		return 0;
	case 'i':
		return parse_seconds(arg, "--interval", MIN_INTERVAL, MAX_INTERVAL,
				     &a->interval) ? EINVAL : 0;
	case 'c':
		if (parse_ulong(arg, UINT32_MAX, "--count", &a->count))
			return EINVAL;
		if (a->count)
			return 0;
		err_set(-EINVAL, "--count: no round is nothing to show");
		return EINVAL;
	case ARGP_KEY_ARG:
		/* At most as many as there are arguments; see stat_command(). */
		a->wants[a->nr_wants++] = (struct want){ .word = arg, .nid = -1 };
		return 0;
	case ARGP_KEY_END:
		if (a->count && !a->interval)
			a->interval = 1;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool policy_named(const char *name)
{
	struct policy_info info;
	unsigned int *ids;
	bool found = false;
	int i, nr;

	nr = id_list(CDM_SYSFS "/policies", &ids);
	for (i = 0; i < nr && !found; i++)
		found = !policy_info(ids[i], &info) && !strcmp(info.name, name);
	free(ids);
	return found;
}

/* What is a word of the command line? A number is a node. */
static int resolve(struct want *w)
{
	struct target t;

	if (isdigit((unsigned char)w->word[0]) && !w->word[strspn(w->word, "0123456789")])
		return parse_nid(w->word, &w->nid) ?: node_check_managed(w->nid);
	/* Its link stays when the pin's policy is swapped for another. */
	if (!target_open(w->word, &t)) {
		w->link_id = t.link_id;
		target_close(&t);
		return 0;
	}
	err_clear();
	if (policy_named(w->word))
		return 0;
	err_set(-ENOENT, "'%s' is neither a node's number nor a policy's name or pin", w->word);
	err_hint("see 'cdmctl node list' and 'cdmctl policy list'");
	return -ENOENT;
}

static int stat_rounds(const struct stat_args *a)
{
	struct sample last, now;
	unsigned long long n;
	struct timespec next;
	int err;

	err = sample_take(&last, a);
	if (err)
		return err;
	next = last.at;
	for (n = 0; !err && (!a->count || n < a->count); n++) {
		next.tv_sec += (time_t)a->interval;
		next.tv_nsec += (a->interval - (time_t)a->interval) * 1e9;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
		err = sample_take(&now, a);
		if (err)
			break;
		/* After a stop the rounds that were missed are not made up for. */
		if (seconds_between(&next, &now.at) > a->interval)
			next = now.at;
		err = print_all(round_json(&last, &now), a->all);
		sample_free(&last);
		last = now;
	}
	sample_free(&last);
	return err;
}

int stat_command(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "interval", 'i', "SECONDS", 0, "Repeat: what changed since the last round, and by how much a second; at least 0.1", 0 },
		{ "count", 'c', "COUNT", 0, "So many rounds, else for ever; every second without --interval", 0 },
		{ "all", 'a', NULL, 0, "Also counters that are zero", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = stat_parse,
		.args_doc = "[NODE|POLICY...]",
		.doc = "Show what happened on managed nodes and in policies: the kernel's counters since the node came or the policy was attached."
		       "\vNODE is a number, POLICY a policy's name or pin; without one, all are shown. What the counters "
		       "mean is in Documentation/ABI/testing/sysfs-kernel-mm-cdm of the kernel's source. With -j a round "
		       "is one line, with all counters.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl stat\n"
		       "  cdmctl stat 1 place --all\n"
		       "  cdmctl stat --interval 0.5 --count 10\n"
		       "  cdmctl -j stat -i 1",
	};
	struct stat_args a = {};
	struct sample now;
	int err, i;

	a.wants = calloc(argc, sizeof(*a.wants));
	if (!a.wants)
		return err_set(-ENOMEM, "out of memory");
	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		goto out;
	err = kernel_check();
	for (i = 0; i < a.nr_wants && !err; i++)
		err = resolve(&a.wants[i]);
	if (err)
		goto out;
	if (a.interval) {
		err = stat_rounds(&a);
		goto out;
	}
	err = sample_take(&now, &a);
	if (!err) {
		err = print_all(totals(&now), a.all);
		sample_free(&now);
	}
out:
	free(a.wants);
	return err == CMD_DONE ? 0 : err;
}
