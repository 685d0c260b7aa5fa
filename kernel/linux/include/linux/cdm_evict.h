/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making room on a managed node: what the owner of reclaim is shown and may say.
 *
 * Reclaim isolates folios that are cold by the LRU's judgement, and before they
 * leave the node the policy sees them, a batch at a time. mm/cdm/evict.c carries
 * out what it says, and says what happens when it says nothing useful.
 */
#ifndef _LINUX_CDM_EVICT_H
#define _LINUX_CDM_EVICT_H

#include <linux/bits.h>
#include <linux/types.h>

/**
 * enum cdm_evict_why - who makes room
 * @CDM_EVICT_BACKGROUND: kcdmd, between the node's watermarks
 * @CDM_EVICT_KSWAPD: kswapd, since the node is below the kernel's own watermarks
 * @CDM_EVICT_DIRECT: an allocation that found the node full and waits
 * @CDM_EVICT_ADMIN: the administrator, through sysfs
 * @CDM_NR_EVICT_WHY: how many there are
 */
enum cdm_evict_why {
	CDM_EVICT_BACKGROUND,
	CDM_EVICT_KSWAPD,
	CDM_EVICT_DIRECT,
	CDM_EVICT_ADMIN,
	CDM_NR_EVICT_WHY,
};

/* A batch has no more folios than this. */
#define CDM_EVICT_FOLIOS	64

/* struct cdm_candidate.flags, as in &cdm_folio_info.flags, and one more. */
#define CDM_CAND_KEPT		BIT(31)

/**
 * struct cdm_candidate - a folio that may leave its node
 * @pfn: its first page frame
 * @seq: population sequence when it arrived on the node, low 32 bits; 0 if it was
 *	there before the node was managed
 * @cgroup_id: cgroup charged for it, 0 if none
 * @pgoff: of file and shared memory its place in the file, in pages; of anonymous
 *	memory the page number of the address where it was mapped at first
 * @index: its number in the batch, from 0 on
 * @flags: CDM_FOLIO_*; CDM_CAND_KEPT if it is under keep
 * @order: it has 1 << @order pages
 * @mapcount: page table entries that map it
 * @access: accesses reported since it arrived; 65535 is followed by 32768
 * @moved_ms: milliseconds since it last moved between nodes, at least 1; 0 if it
 *	never did
 * @from_nid: node it left then, NUMA_NO_NODE likewise
 * @__pad: reserved
 * @verdict: what was said of it so far, in the encoding of answers
 */
struct cdm_candidate {
	__u64 pfn;
	__u64 seq;
	__u64 cgroup_id;
	__u64 pgoff;
	__u32 index;
	__u32 flags;
	__u32 order;
	__u32 mapcount;
	__u32 access;
	__u32 moved_ms;
	__s32 from_nid;
	__u32 __pad;
	__u64 verdict;
};

/**
 * struct bpf_iter_cdm_candidate - walks over the candidates of a batch
 * @__opaque: the kernel's
 */
struct bpf_iter_cdm_candidate {
	__u64 __opaque[3];
};

/**
 * struct bpf_iter_cdm_step - a loop with as many turns as a batch has steps left
 * @__opaque: the kernel's
 */
struct bpf_iter_cdm_step {
	__u64 __opaque;
};

#endif /* _LINUX_CDM_EVICT_H */
