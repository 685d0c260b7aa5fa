// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl page rmap: who maps a page frame.
 *
 * The kernel answers programs only, so cdmctl brings a small one (rmap.bpf.c), runs
 * it once, and reads the answer from its map. How much room the answer needs is
 * known after the first try.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"
#include "rmap.skel.h"

/* As in include/linux/cdm_rmap.h, which user space cannot include. */
#define CDM_RMAP_WRITABLE	1
#define CDM_RMAP_MLOCKED	2
#define CDM_RMAP_HUGE		4
#define CDM_RMAP_TRUNCATED	1
#define CDM_RMAP_CONTENDED	2
#define CDM_RMAP_LIMITED	4

struct entry {
	__u64 mm_cookie, addr, pfn;
	__u32 nr_pages, tgid, flags, pad;
};

struct snapshot {
	__u64 seq, pfn;
	__u32 nr, nr_entries, order, flags;
	struct entry entries[];
};

#define FIRST_ROOM	256
#define TRIES		100		/* of 20 ms, while a lock is busy */

static int load_failed(int err)
{
	if (err == -EPERM || err == -EACCES) {
		err_set(err, "asking for a reverse map needs CAP_SYS_ADMIN");
		err_hint("run it as root");
		return err;
	}
	err_set(err, "cannot load the program that asks for reverse maps: %s",
		strerror(-err));
	err_hint("this kernel's cdm_ext may lack cdm_bpf_rmap_snapshot(): see 'cdmctl version', and -v for the verifier's log");
	return err;
}

static int run_failed(int err, unsigned long long pfn)
{
	switch (err) {
	case -ENXIO:
		err_set(err, "page frame %#llx is no online memory", pfn);
		err_hint("see /proc/iomem: addresses there, divided by %ld", sysconf(_SC_PAGESIZE));
		return err;
	case -ENOENT:
		return err_set(err, "page frame %#llx is free, or is the kernel's: nobody maps it",
			       pfn);
	case -EPERM:
		return load_failed(err);
	default:
		return err_set(err, "no reverse map of page frame %#llx: %s", pfn,
			       strerror(-err));
	}
}

/* Runs the program until no lock is busy; 0 or a negative errno. */
static int run(struct rmap_bpf *skel, unsigned long long pfn, struct snapshot *s)
{
	__u64 args[1] = { pfn };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args,
		    .ctx_size_in = sizeof(args));
	__u32 key = 0;
	int i, err;

	for (i = 0; i < TRIES; i++) {
		if (i)
			usleep(20000);
		err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.rmap), &opts);
		if (err)
			return load_failed(err);
		if ((int)opts.retval)
			return run_failed(opts.retval, pfn);
		err = bpf_map_lookup_elem(bpf_map__fd(skel->maps.snapshot), &key, s);
		if (err)
			return err_set(err, "cannot read the answer: %s", strerror(-err));
		if (!(s->flags & CDM_RMAP_CONTENDED))
			return 0;
	}
	err_set(-EAGAIN, "page frame %#llx: somebody held its locks for %d seconds", pfn,
		TRIES / 50);
	err_hint("try again");
	return -EAGAIN;
}

/* One snapshot with room for @room entries, to be freed. */
static int take(unsigned long long pfn, size_t room, struct snapshot **out)
{
	size_t size = sizeof(struct snapshot) + room * sizeof(struct entry);
	struct rmap_bpf *skel;
	struct snapshot *s;
	int err;

	s = calloc(1, size);
	skel = rmap_bpf__open();
	if (!s || !skel) {
		err = err_set(-ENOMEM, "out of memory");
		goto cleanup;
	}
	skel->rodata->bytes = size;
	err = bpf_map__set_value_size(skel->maps.snapshot, size);
	err = err ?: rmap_bpf__load(skel);
	err = err ? load_failed(err) : run(skel, pfn, s);
cleanup:
	rmap_bpf__destroy(skel);
	if (err)
		free(s);
	else
		*out = s;
	return err;
}

/* ---- output ------------------------------------------------------------------ */

static struct json_object *entry_json(const struct entry *e)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "tgid", e->tgid);
	json_add_u64(o, "mm_cookie", e->mm_cookie);
	json_add_u64(o, "addr", e->addr);
	json_add_u64(o, "pfn", e->pfn);
	json_add_int(o, "pages", e->nr_pages);
	json_add_bool(o, "writable", e->flags & CDM_RMAP_WRITABLE);
	json_add_bool(o, "mlocked", e->flags & CDM_RMAP_MLOCKED);
	json_add_bool(o, "huge", e->flags & CDM_RMAP_HUGE);
	return o;
}

static void print_json(const struct snapshot *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	unsigned int i;

	json_add_u64(o, "pfn", s->pfn);
	json_add_int(o, "order", s->order);
	json_add_u64(o, "seq", s->seq);
	json_add_int(o, "mappings", s->nr);
	json_add_bool(o, "truncated", s->flags & CDM_RMAP_TRUNCATED);
	json_add_bool(o, "limited", s->flags & CDM_RMAP_LIMITED);
	for (i = 0; i < s->nr_entries; i++)
		json_object_array_add(list, entry_json(&s->entries[i]));
	json_object_object_add(o, "entries", list);
	out_json(o);
}

static void print_text(const struct snapshot *s)
{
	const struct entry *e;

	printf("folio of %u page%s from frame %#" PRIx64 ", mapped %u time%s\n",
	       1U << s->order, s->order ? "s" : "", (uint64_t)s->pfn, s->nr,
	       s->nr == 1 ? "" : "s");
	if (s->flags & CDM_RMAP_LIMITED)
		puts("more processes may map it than the kernel looks at: what follows is not all");
	if (s->flags & CDM_RMAP_TRUNCATED)
		puts("mappings were added faster than they could be read: what follows is not all");
	if (s->nr_entries)
		printf("%-9s %-10s %-18s %-12s %6s  %s\n", "TGID", "MM", "ADDRESS",
		       "FRAME", "PAGES", "FLAGS");
	for (e = s->entries; e < s->entries + s->nr_entries; e++)
		printf("%-9u %-10" PRIu64 " %#-18" PRIx64 " %#-12" PRIx64 " %6u  %s%s%s\n",
		       e->tgid, (uint64_t)e->mm_cookie, (uint64_t)e->addr,
		       (uint64_t)e->pfn, e->nr_pages,
		       e->flags & CDM_RMAP_WRITABLE ? "writable " : "",
		       e->flags & CDM_RMAP_MLOCKED ? "mlocked " : "",
		       e->flags & CDM_RMAP_HUGE ? "huge" : "");
}

/* ---- the command ------------------------------------------------------------- */

struct rmap_args {
	unsigned long long pfn;
	bool given;
};

static error_t rmap_parse(int key, char *arg, struct argp_state *state)
{
	struct rmap_args *a = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (a->given)
			return ARGP_ERR_UNKNOWN;
		a->given = true;
		return parse_ulong(arg, UINT64_MAX, "page frame", &a->pfn) ? EINVAL : 0;
	case ARGP_KEY_END:
		if (a->given)
			return 0;
		err_set(-EINVAL, "a page frame number is needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int page_rmap(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = rmap_parse,
		.args_doc = "PFN",
		.doc = "List who maps the folio that holds a page frame: process, address, pages."
		       "\vTGID is the process in this pid namespace, 0 if it cannot be seen from "
		       "here. MM names an address space as policies see it. The frame of a page "
		       "is in /proc/PID/pagemap. The answer was true while it was taken.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl page rmap 0x12345\n"
		       "  cdmctl -j page rmap 74565",
	};
	struct rmap_args a = {};
	struct snapshot *s = NULL;
	size_t room = FIRST_ROOM;
	int err, tries;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;

	for (tries = 0; tries < 4; tries++) {
		err = take(a.pfn, room, &s);
		if (err)
			return err;
		if (!(s->flags & CDM_RMAP_TRUNCATED))
			break;
		room = s->nr + s->nr / 4;
		if (tries < 3)
			free(s);
	}
	if (env.json)
		print_json(s);
	else
		print_text(s);
	free(s);
	return 0;
}
