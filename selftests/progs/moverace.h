/* SPDX-License-Identifier: GPL-2.0 */
/* What moverace.c tells its observer, moverace.bpf.c, and is told. */
#ifndef _SELFTESTS_MOVERACE_H
#define _SELFTESTS_MOVERACE_H

struct race_state {
	/* set before anything runs */
	__u32 op;		/* system call of the opponent, or RACE_NO_OP */
	__u32 pad;

	/* who is at it now */
	__s32 movers[2];	/* tasks named mover0 and mover1 in migrate_pages() */
	__s32 ops;		/* tasks named racer in that system call */
	__s32 pad2;

	/* counted */
	__u64 nr_moves;		/* calls of migrate_pages() by movers */
	__u64 nr_pages;		/* that these moved */
	__u64 nr_failed;	/* that these failed to move */
	__u64 nr_ops;
	__u64 hits[2];		/* one began while mover 0, 1 was at it, or the reverse */
};

#define RACE_NO_OP	0xffffffffU

#endif /* _SELFTESTS_MOVERACE_H */
