// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl page move: pages to a node, and what became of each; page arm: the next access
 * to each page is told, which the kernel takes for a move that goes nowhere.
 *
 * The kernel moves for programs, so a small one is loaded and run for as many
 * pages at a time as its variables hold.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"
#include "page.h"
#include "page.skel.h"

/* The order of enum cdm_move_status. */
static const char *const statuses[PAGE_NR_STATUS] = {
	"moved", "already", "busy", "pinned", "not-mapped", "unmovable", "full",
	"poisoned", "not-permitted", "limited", "untried",
};

/* CDM_MOVE_*. */
enum { SHARED = 1, ANY_POLICY = 2, SPLIT = 4, ASYNC = 8, EVICT = 16, ARM = 32 };

enum { OPT_SHARED = 256, OPT_ANY, OPT_SPLIT, OPT_ASYNC, OPT_EVICT, OPT_ARM, OPT_EACH };

struct move_args {
	unsigned long long pid, start, end;
	const char *range, *pfns;
	bool has_pid, has_nid, each;
	unsigned int flags;
	int nid;
};

/* Totals, and with --each one object a page. */
struct result {
	unsigned long long nr[PAGE_NR_STATUS], total;
	struct json_object *each;
};

static const struct argp_option options[] = {
	{ "pid", 'p', "PID", 0, "The process whose pages move", 0 },
	{ "range", 'r', "A-B", 0, "Its addresses, B not included; 0x for hexadecimal", 0 },
	{ "pfn", 'f', "LIST", 0, "Page frames instead: N, N-M, separated by commas", 0 },
	{ "to", 't', "N", 0, "The node they move to", 0 },
	{ "shared", OPT_SHARED, NULL, 0, "Also what other processes map", 0 },
	{ "any-policy", OPT_ANY, NULL, 0, "Even against cpusets and mempolicies", 0 },
	{ "split", OPT_SPLIT, NULL, 0, "Split large folios, so that nothing else moves", 0 },
	{ "async", OPT_ASYNC, NULL, 0, "Wait for no lock and no writeback", 0 },
	{ "evict", OPT_EVICT, NULL, 0, "If the target is managed and full, evict what is cold there", 0 },
	{ "arm", OPT_ARM, NULL, 0, "Of a range: have the next access to each page told to the policy", 0 },
	{ "each", OPT_EACH, NULL, 0, "Say of every page what became of it", 0 },
	{}
};

/* Reads a number; @end is where it stops. */
static int number(const char *text, const char **end, unsigned long long *val)
{
	char *stop;

	errno = 0;
	*val = strtoull(text, &stop, 0);
	if (!isdigit((unsigned char)text[0]) || errno)
		return err_set(-EINVAL, "'%s' is not a number", text);
	*end = stop;
	return 0;
}

static int parse_range(struct move_args *a)
{
	long page = sysconf(_SC_PAGESIZE);
	const char *p = a->range;
	int err;

	err = number(p, &p, &a->start);
	if (!err && *p++ != '-')
		err = err_set(-EINVAL, "range: '%s' is not of the form A-B", a->range);
	err = err ?: number(p, &p, &a->end);
	if (!err && *p)
		err = err_set(-EINVAL, "range: '%s' is not of the form A-B", a->range);
	if (err)
		return err;
	if (a->start % page || a->end % page)
		return err_set(-EINVAL, "range: %s is not aligned to pages of %ld bytes",
			       a->range, page);
	if (a->start >= a->end)
		return err_set(-EINVAL, "range: %s is empty", a->range);
	return 0;
}

static error_t move_parse(int key, char *arg, struct argp_state *state)
{
	struct move_args *a = state->input;

	switch (key) {
	case 'p':
		a->has_pid = true;
		return parse_ulong(arg, 1 << 22, "pid", &a->pid) ? EINVAL : 0;
	case 'r':
		a->range = arg;
		return parse_range(a) ? EINVAL : 0;
	case 'f':
		a->pfns = arg;
		return 0;
	case 't':
		a->has_nid = true;
		return parse_nid(arg, &a->nid) ? EINVAL : 0;
	case OPT_SHARED:
		a->flags |= SHARED;
		return 0;
	case OPT_ANY:
		a->flags |= ANY_POLICY;
		return 0;
	case OPT_SPLIT:
		a->flags |= SPLIT;
		return 0;
	case OPT_ASYNC:
		a->flags |= ASYNC;
		return 0;
	case OPT_EVICT:
		a->flags |= EVICT;
		return 0;
	case OPT_ARM:
		a->flags |= ARM;
		return 0;
	case OPT_EACH:
		a->each = true;
		return 0;
	case ARGP_KEY_END:
		if (!a->has_nid)
			err_set(-EINVAL, "--to is needed: the node to move to");
		else if (!a->pfns && (!a->has_pid || !a->range))
			err_set(-EINVAL, "--pid and --range are needed, or --pfn");
		else if (a->pfns && (a->has_pid || a->range))
			err_set(-EINVAL, "--pfn does not go with --pid and --range");
		else if (a->pfns && a->flags & ARM)
			err_set(-EINVAL, "--pfn does not go with --arm, which takes a range of addresses");
		else
			return 0;
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t arm_parse(int key, char *arg, struct argp_state *state)
{
	struct move_args *a = state->input;

	switch (key) {
	case 'p':
	case 'r':
		return move_parse(key, arg, state);
	case ARGP_KEY_END:
		if (a->has_pid && a->range)
			return 0;
		err_set(-EINVAL, "--pid and --range are needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int explain(const struct move_args *a, int err)
{
	switch (err) {
	case -ESRCH:
		return err_set(err, "there is no process %llu with memory of its own",
			       a->pid);
	case -EPERM:
		if (a->pfns)
			err_set(err, "not permitted: moving page frames needs CAP_SYS_ADMIN");
		else if (a->flags & (SHARED | ANY_POLICY))
			err_set(err, "not permitted: --shared needs CAP_SYS_NICE, --any-policy CAP_SYS_ADMIN, and process %llu must be one that you may trace",
				a->pid);
		else
			err_set(err, "not permitted: process %llu is not one that you may trace",
				a->pid);
		err_hint("run it as root");
		return err;
	case -ENODEV:
		return err_set(err, "node %d has no memory online, or is going offline", a->nid);
	case -EINVAL:
		return err_set(err, "the kernel refused %s, node %d or an option", a->range ?: a->pfns,
			       a->nid);
	case -EOPNOTSUPP:
		err_set(err, "nobody would be told: no policy owns access, or the kernel has no NUMA balancing");
		err_hint("load a policy that has access() first, see 'cdmctl policy list'");
		return err;
	case -EAGAIN:
		return err_set(err, "process %llu is changing its mappings; try again, or without --async",
			       a->pid);
	}
	return err_set(err, "cannot move: %s", strerror(-err));
}

static int call(struct page_bpf *skel, const struct move_args *a)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct bpf_program *prog = a->pfns ? skel->progs.page_move_pfns :
					     skel->progs.page_move_range;
	int err;

	skel->bss->args.flags = a->flags;
	skel->bss->args.nid = a->nid;
	skel->bss->args.tgid = a->pid;
	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
	if (err)
		return err_set(err, "cannot run the program that moves: %s",
			       strerror(-err));
	err = skel->bss->args.ret;
	return err ? explain(a, err) : 0;
}

static void result_add(struct result *r, const char *key, unsigned long long where,
		       unsigned int status)
{
	const char *text = status < PAGE_NR_STATUS ? statuses[status] : "unknown";
	struct json_object *o;
	char buf[24];

	r->total++;
	if (status < PAGE_NR_STATUS)
		r->nr[status]++;
	if (!r->each)
		return;
	o = json_object_new_object();
	if (!strcmp(key, "addr")) {
		snprintf(buf, sizeof(buf), "%#llx", where);
		json_add_str(o, key, buf);
	} else {
		json_add_u64(o, key, where);
	}
	json_add_str(o, "status", text);
	json_object_array_add(r->each, o);
}

static int move_range(struct page_bpf *skel, const struct move_args *a,
		      struct result *r, unsigned long long *armed)
{
	unsigned long long addr, page = sysconf(_SC_PAGESIZE);
	unsigned int i, n;
	int err;

	for (addr = a->start; addr < a->end; addr += n * page) {
		/* Cut where no large folio is: it moves with its first page. */
		n = PAGE_CHUNK - addr / page % PAGE_CHUNK;
		if (a->end - addr < n * page)
			n = (a->end - addr) / page;
		skel->bss->args.start = addr;
		skel->bss->args.end = addr + n * page;
		err = call(skel, a);
		if (err)
			return err;
		*armed += skel->bss->args.armed;
		for (i = 0; i < n; i++)
			result_add(r, "addr", addr + i * page, skel->bss->status[i]);
	}
	return 0;
}

static int flush_pfns(struct page_bpf *skel, const struct move_args *a,
		      struct result *r)
{
	unsigned int i, n = skel->bss->args.nr_pfns;
	int err;

	if (!n)
		return 0;
	err = call(skel, a);
	for (i = 0; !err && i < n; i++)
		result_add(r, "pfn", skel->bss->pfns[i].pfn, skel->bss->pfns[i].status);
	skel->bss->args.nr_pfns = 0;
	return err;
}

static int move_pfns(struct page_bpf *skel, const struct move_args *a,
		     struct result *r)
{
	unsigned long long pfn, last;
	const char *p = a->pfns;
	int err;

	while (true) {
		err = number(p, &p, &pfn);
		last = pfn;
		if (!err && *p == '-')
			err = number(p + 1, &p, &last);
		if (!err && (last < pfn || (*p && *p != ',')))
			err = err_set(-EINVAL, "--pfn: '%s' is not a list of N or N-M", a->pfns);
		if (!err && last == ULLONG_MAX)
			err = err_set(-EINVAL, "--pfn: %llu is no page frame", last);
		for (; !err && pfn <= last; pfn++) {
			skel->bss->pfns[skel->bss->args.nr_pfns++].pfn = pfn;
			/* As in a range: not in the middle of a large folio. */
			if (skel->bss->args.nr_pfns == PAGE_CHUNK ||
			    !((pfn + 1) % PAGE_CHUNK))
				err = flush_pfns(skel, a, r);
		}
		if (err)
			return err;
		if (!*p++)
			return flush_pfns(skel, a, r);
	}
}

static void print_result(const struct move_args *a, struct result *r)
{
	struct json_object *o = json_object_new_object(), *pages, *e;
	size_t i;

	if (env.json) {
		json_add_int(o, "node", a->nid);
		pages = json_object_new_object();
		for (i = 0; i < PAGE_NR_STATUS; i++)
			json_add_u64(pages, statuses[i], r->nr[i]);
		json_object_object_add(o, "pages", pages);
		if (r->each)
			json_object_object_add(o, "each", r->each);
		out_json(o);
		return;
	}
	json_object_put(o);
	for_each_json(e, r->each, i) {
		if (a->pfns)
			printf("%llu %s\n", (unsigned long long)json_object_get_uint64(
				       json_object_object_get(e, "pfn")),
			       json_str(e, "status"));
		else
			printf("%s %s\n", json_str(e, "addr"), json_str(e, "status"));
	}
	printf("to node %d: %llu of %llu pages moved\n", a->nid, r->nr[0], r->total);
	for (i = 1; i < PAGE_NR_STATUS; i++)
		if (r->nr[i])
			printf("  %-14s %llu\n", statuses[i], r->nr[i]);
	json_object_put(r->each);
}

static int open_program(struct page_bpf **skel)
{
	int err;

	*skel = page_bpf__open_and_load();
	if (*skel)
		return 0;
	err = -errno;
	err_set(err, "cannot load the program that moves: %s", strerror(-err));
	err_hint(err == -EPERM ? "it needs CAP_BPF and CAP_PERFMON; run it as root" :
		 "cdmctl is for kernels whose cdm_ext has cdm_bpf_move_range; -v shows libbpf's log");
	return err;
}

int page_move(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = move_parse,
		.doc = "Move pages to node N: those of a range of a process's addresses, or page frames."
		       "\vA large folio moves as a whole. A page that does not move stays where it is, and the reason is told.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl page move --pid 4711 --range 0x7f0000000000-0x7f0000200000 --to 1\n"
		       "  cdmctl page move --pfn 1048576-1049087 --to 0 --each",
	};
	unsigned long long armed = 0;	/* said of each call; not of interest here */
	struct move_args a = {};
	struct result r = {};
	struct page_bpf *skel;
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;
	if (node_kind(a.nid) == NODE_ABSENT) {
		err_set(-ENODEV, "node %d does not exist, or has no memory online", a.nid);
		err_hint("see 'cdmctl node list --all'");
		return -ENODEV;
	}

	err = open_program(&skel);
	if (err)
		return err;
	if (a.each)
		r.each = json_object_new_array();
	err = a.pfns ? move_pfns(skel, &a, &r) : move_range(skel, &a, &r, &armed);
	page_bpf__destroy(skel);
	/* What was moved before an error is moved; in JSON there is one answer. */
	if (!err || (r.total && !env.json))
		print_result(&a, &r);
	else
		json_object_put(r.each);
	return err;
}

int page_arm(int argc, char **argv)
{
	static const struct argp_option arm_options[] = {
		{ "pid", 'p', "PID", 0, "The process", 0 },
		{ "range", 'r', "A-B", 0, "Its addresses, B not included; 0x for hexadecimal", 0 },
		{}
	};
	static const struct argp argp = {
		.options = arm_options,
		.parser = arm_parse,
		.doc = "Have the next access to each page of a range told to the policy that owns access."
		       "\vOnce, whoever accesses it; NUMA balancing need not run. It is undone when that policy goes.\n\n"
		       "EXAMPLE:\n"
		       "  cdmctl page arm --pid 4711 --range 0x7f0000000000-0x7f0000200000",
	};
	struct move_args a = { .flags = ARM, .nid = -1 };
	unsigned long long armed = 0, total;
	struct result r = {};
	struct page_bpf *skel;
	struct json_object *o;
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	total = (a.end - a.start) / sysconf(_SC_PAGESIZE);
	err = kernel_check() ?: open_program(&skel);
	if (err)
		return err;
	err = move_range(skel, &a, &r, &armed);
	page_bpf__destroy(skel);
	if (err)
		return err;
	if (!env.json) {
		printf("%llu of %llu pages armed\n", armed, total);
		return 0;
	}
	o = json_object_new_object();
	json_add_u64(o, "armed", armed);
	json_add_u64(o, "pages", total);
	out_json(o);
	return 0;
}
