/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moving pages between nodes, for drivers and policies.
 *
 * Both ask mm/cdm/migrate.c to move pages, by address or by page frame, and are
 * told about every page what became of it.
 */
#ifndef _LINUX_CDM_MOVE_H
#define _LINUX_CDM_MOVE_H

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/types.h>

struct cdm_node;
struct mm_struct;

/**
 * enum cdm_move_status - what became of a page that was to move
 * @CDM_MOVE_MOVED: it is on the target node now
 * @CDM_MOVE_ALREADY: it was there before
 * @CDM_MOVE_BUSY: somebody is using it: locked, isolated, under writeback, or
 *	referenced for a moment. Asking again may help
 * @CDM_MOVE_PINNED: it is pinned for DMA, so asking again will not help
 * @CDM_MOVE_NOT_MAPPED: there is no page: nothing is mapped at the address, or
 *	the zero page is; what was there is swapped out; the frame is free, not
 *	online, or not memory
 * @CDM_MOVE_UNMOVABLE: it is no user page (the kernel's, reserved, a device's,
 *	VM_IO or VM_PFNMAP), or its file system cannot move it
 * @CDM_MOVE_FULL: the target has no room for it
 * @CDM_MOVE_POISONED: its memory is broken
 * @CDM_MOVE_NOT_PERMITTED: a cpuset, a mempolicy or a policy is against it; or
 *	it is shared, and only what one process maps was to move
 * @CDM_MOVE_LIMITED: not tried, the node's limit of pages per second is reached
 * @CDM_MOVE_UNTRIED: not tried, the call ended early and returned an error
 * @CDM_NR_MOVE_STATUS: how many there are
 *
 * A page that is not moved stays where it was. Its folio may have been split, if
 * CDM_MOVE_SPLIT asked for that, or if the target had no room for it as a whole. A
 * page that was freed meanwhile counts as moved.
 */
enum cdm_move_status {
	CDM_MOVE_MOVED,
	CDM_MOVE_ALREADY,
	CDM_MOVE_BUSY,
	CDM_MOVE_PINNED,
	CDM_MOVE_NOT_MAPPED,
	CDM_MOVE_UNMOVABLE,
	CDM_MOVE_FULL,
	CDM_MOVE_POISONED,
	CDM_MOVE_NOT_PERMITTED,
	CDM_MOVE_LIMITED,
	CDM_MOVE_UNTRIED,
	CDM_NR_MOVE_STATUS,
};

/* Move pages that more than one process maps, too. */
#define CDM_MOVE_SHARED		BIT(0)
/* Do not look at the cpusets and mempolicies of those who map the pages. */
#define CDM_MOVE_ANY_POLICY	BIT(1)
/* Split large folios, so that no page moves that was not named. */
#define CDM_MOVE_SPLIT		BIT(2)
/* Wait for no lock and no writeback. */
#define CDM_MOVE_ASYNC		BIT(3)
/* If the target is a managed node and full, evict what is cold there. */
#define CDM_MOVE_EVICT		BIT(4)
/*
 * Of a range of addresses: arm it, so that the next access to each of its pages is told to
 * who owns access. What moves is armed where it is then. With NUMA_NO_NODE for a target
 * nothing moves.
 */
#define CDM_MOVE_ARM		BIT(5)
#define CDM_MOVE_FLAGS		(CDM_MOVE_SHARED | CDM_MOVE_ANY_POLICY | \
				 CDM_MOVE_SPLIT | CDM_MOVE_ASYNC | CDM_MOVE_EVICT | \
				 CDM_MOVE_ARM)

/**
 * struct cdm_move_req - a policy's wish to move pages, and what came of it
 * @start: first byte of the range, a multiple of the page size
 * @end: first byte after it, likewise
 * @mm_cookie: address space, as contexts name it; 0: go by @tgid alone
 * @tgid: process that owns it: in the initial pid namespace from a callback, in
 *	the caller's from a syscall program
 * @nid: node to move to
 * @flags: CDM_MOVE_*
 * @delay_us: of a request that is queued, not before so many microseconds have passed, up
 *	to a second, unless one for the same range comes earlier; else 0
 * @nr: filled: pages by enum cdm_move_status
 *
 * Of a move by page frames only @nid and @flags are read, the rest must be 0.
 */
struct cdm_move_req {
	__u64 start;
	__u64 end;
	__u64 mm_cookie;
	__u32 tgid;
	__s32 nid;
	__u32 flags;
	__u32 delay_us;
	__u64 nr[CDM_NR_MOVE_STATUS];
};

/**
 * struct cdm_move_pfn - one page of a move by page frame
 * @pfn: any page frame; the folio that holds it moves as a whole
 * @status: filled: enum cdm_move_status
 * @__pad: reserved
 */
struct cdm_move_pfn {
	__u64 pfn;
	__u32 status;
	__u32 __pad;
};

/**
 * struct cdm_scan - where a scan of a node's folios is
 * @cursor: page frame to begin at, 0 for the beginning; moved on by the scan, to
 *	0 at the end of the node
 * @nid: the node
 * @__pad: must be 0
 */
struct cdm_scan {
	__u64 cursor;
	__s32 nid;
	__u32 __pad;
};

/**
 * struct cdm_scan_folio - a folio that a scan found
 * @pfn: its first page frame
 * @order: it has 1 << @order pages
 * @used: entries of page tables in which it was accessed since the last look;
 *	the largest number there is if the folio was locked and this is not known
 * @mapcount: entries of page tables that map it
 * @anon: 1 for anonymous memory, 0 for file and shared memory
 */
struct cdm_scan_folio {
	__u64 pfn;
	__u32 order;
	__u32 used;
	__u32 mapcount;
	__u32 anon;
};

/**
 * struct cdm_move - a driver's wish to move pages, and what came of it
 * @nid: node to move to
 * @flags: CDM_MOVE_*
 * @nr: filled: pages by enum cdm_move_status
 * @status: NULL, or filled: enum cdm_move_status of each page asked for
 */
struct cdm_move {
	int nid;
	unsigned int flags;
	unsigned long nr[CDM_NR_MOVE_STATUS];
	u8 *status;
};

/**
 * struct cdm_move_wait - what a driver that queued a move waits for
 * @done: completed when the move was made or given up
 * @err: 0, or why it was not tried: -ECANCELED if the node went, -ENODEV if the
 *	target did, -ENOMEM
 * @nr: pages by enum cdm_move_status
 */
struct cdm_move_wait {
	struct completion done;
	int err;
	unsigned long nr[CDM_NR_MOVE_STATUS];
};

/**
 * struct cdm_request - a move that kcdmd shall make (queue.c)
 * @where: address, or page frame
 * @mm_cookie: address space of the address, 0 for a page frame
 * @policy: id of the policy that asks, 0 for a driver
 * @wait: who waits for it, or NULL
 * @tgid: process that has the address space, in the initial pid namespace
 * @nr: pages from @where on
 * @nid: where to
 * @flags: CDM_MOVE_*
 * @delay_us: not before so long
 */
struct cdm_request {
	u64 where;
	u64 mm_cookie;
	u64 policy;
	struct cdm_move_wait *wait;
	u32 tgid;
	u32 nr;
	s32 nid;
	u32 flags;
	u32 delay_us;
};

#ifdef CONFIG_CDM_EXT
int cdm_move_range(struct mm_struct *mm, unsigned long start,
		   unsigned long end, struct cdm_move *mv);
int cdm_move_pfns(const unsigned long *pfns, unsigned long nr,
		  struct cdm_move *mv);
int cdm_move_later(struct cdm_node *node, unsigned long pfn, int nid,
		   unsigned int flags, struct cdm_move_wait *wait);
#endif

#endif /* _LINUX_CDM_MOVE_H */
