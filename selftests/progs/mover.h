/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moves by a program of type syscall, from C: for tests that need many a second,
 * or to ask as somebody who may not load programs. mover.bpf.c is the other side.
 */
#ifndef _SELFTESTS_MOVER_H
#define _SELFTESTS_MOVER_H

#define MOVER_PAGES	1024	/* of one call by page frame, at most */

/* enum cdm_move_status */
#define MOVER_STATUS	11
#define MOVER_NAMES	"moved", "already", "busy", "pinned", "not_mapped", \
			"unmovable", "full", "poisoned", "not_permitted", \
			"limited", "untried"

/* CDM_MOVE_* */
#define MOVER_SHARED	1
#define MOVER_ANY	2
#define MOVER_SPLIT	4
#define MOVER_ASYNC	8

#ifndef __VMLINUX_H__
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* As include/linux/cdm_move.h has them, which is not for user space. */
struct cdm_move_req {
	__u64 start;
	__u64 end;
	__u64 mm_cookie;
	__u32 tgid;
	__s32 nid;
	__u32 flags;
	__u32 __pad;
	__u64 nr[MOVER_STATUS];
};

struct cdm_move_pfn {
	__u64 pfn;
	__u32 status;
	__u32 __pad;
};
#endif

/* One for each thread that moves. */
#define MOVER_CALLS	2

struct mover_call {
	struct cdm_move_req req;
	unsigned char status[8];	/* of the first pages of a range */
	struct cdm_move_pfn page[MOVER_PAGES];
};

struct mover_ctx {
	__u32 call;
};

#ifndef __VMLINUX_H__
static struct mover_call *mover_calls;
static int mover_range_fd, mover_pfns_fd;

static inline int mover_load(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	int map;

	if (!obj || bpf_object__load(obj))
		goto err;
	map = bpf_object__find_map_fd_by_name(obj, "calls");
	mover_calls = mmap(NULL, sizeof(*mover_calls) * MOVER_CALLS,
			   PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (mover_calls == MAP_FAILED)
		goto err;
	mover_range_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, "move_range"));
	mover_pfns_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, "move_pfns"));
	return 0;
err:
	fprintf(stderr, "mover: %s: %s\n", path, strerror(errno));
	return -1;
}

/* What the kfunc returned, or what kept it from being called. */
static inline int mover_run(int prog, unsigned int call)
{
	struct mover_ctx ctx = { .call = call };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	if (bpf_prog_test_run_opts(prog, &opts))
		return -errno;
	return (int)opts.retval;
}
#endif

#endif /* _SELFTESTS_MOVER_H */
