/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The order in which folios came to a node, for policies that evict by it.
 *
 * A ring of (frame, population sequence). A folio is appended when it becomes
 * resident or comes by a move, and never taken out of the middle: one that was
 * freed or has left is found by its sequence when its turn comes, and passed over
 * (cdm_bpf_evict_propose() says -ESTALE).
 *
 * Memory: 16 bytes a folio, CDM_ARRIVALS entries, one node. When more folios than
 * that are on the node, or more stale entries have gathered, the oldest are
 * forgotten: their folios leave when the kernel chooses.
 *
 * Any CPU appends and any reclaimer passes over, without a lock: entries are numbered.
 * Who reads an entry before it is written finds the one of a lap ago, whose sequence
 * no folio has any more.
 */
#ifndef _CDM_ARRIVALS_BPF_H
#define _CDM_ARRIVALS_BPF_H

#include <cdm/common.bpf.h>

/* 4 GiB of small pages. */
#define CDM_ARRIVALS	(1U << 20)

struct cdm_arrival {
	__u64 pfn;
	__u64 seq;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CDM_ARRIVALS);
	__type(key, __u32);
	__type(value, struct cdm_arrival);
} arrivals SEC(".maps");

/* Numbers of the next to be taken and of the next to be written. */
__u64 arrivals_head, arrivals_tail;

static __always_inline void cdm_arrived(__u64 pfn, __u64 seq)
{
	__u32 i = __sync_fetch_and_add(&arrivals_tail, 1) & (CDM_ARRIVALS - 1);
	struct cdm_arrival *a = bpf_map_lookup_elem(&arrivals, &i);

	if (!a)
		return;
	a->pfn = pfn;
	a->seq = seq;
}

/* The entry of that number, which may be forgotten; false if there is none. */
static __always_inline bool cdm_arrival_at(__u64 nr, struct cdm_arrival *out)
{
	__u32 i = nr & (CDM_ARRIVALS - 1);
	struct cdm_arrival *a = bpf_map_lookup_elem(&arrivals, &i);

	if (!a)
		return false;
	*out = *a;
	return true;
}

/* The oldest and its number; false if there is none. */
static __always_inline bool cdm_arrival_peek(struct cdm_arrival *out, __u64 *nr)
{
	__u64 head = arrivals_head, tail = arrivals_tail;

	if (head >= tail)
		return false;
	/* Lapped: what was overwritten is not looked at. */
	if (tail - head > CDM_ARRIVALS) {
		__sync_val_compare_and_swap(&arrivals_head, head,
					    tail - CDM_ARRIVALS);
		head = tail - CDM_ARRIVALS;
	}
	*nr = head;
	return cdm_arrival_at(head, out);
}

/* Passes over it. If another reclaimer was faster, it has done so. */
static __always_inline void cdm_arrival_pass(__u64 nr)
{
	__sync_val_compare_and_swap(&arrivals_head, nr, nr + 1);
}

/*
 * From migrated: a folio that came to @nid by a move. One that moved within the node, by
 * compaction say, is as one that comes: its entry has gone stale.
 */
static __always_inline void cdm_arrived_by_move(const struct cdm_migrated_ctx *c,
						__s32 nid)
{
	struct cdm_folio_info info;

	if (c->status || c->dst_nid != nid)
		return;
	if (!cdm_bpf_folio_info(&c->common, c->new_pfn, &info, sizeof(info)))
		cdm_arrived(c->new_pfn, info.seq);
}

/* From migrated: a folio that was to leave @nid and did not; its turn comes again. */
static __always_inline void cdm_arrived_again(const struct cdm_migrated_ctx *c, __s32 nid)
{
	struct cdm_folio_info info;

	if (!c->status || c->src_nid != nid || c->mover != CDM_MOVER_EVICT)
		return;
	if (!cdm_bpf_folio_info(&c->common, c->old_pfn, &info, sizeof(info)))
		cdm_arrived(c->old_pfn, info.seq);
}

#endif /* _CDM_ARRIVALS_BPF_H */
