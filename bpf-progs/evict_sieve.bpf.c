// SPDX-License-Identifier: GPL-2.0
/*
 * evict_sieve: a hand sifts out what was not used since it came by last.
 *
 * What it does: folios of one node are in a queue in the order of their arrival. A
 * hand moves from the oldest to the newest, and begins again: a folio that was
 * accessed since it last came by is spared, and its mark cleared; another leaves. What
 * is used stays where it is in the queue (SIEVE; Zhang et al., NSDI 2024).
 *
 * When it suits: skewed accesses with many pages that are used once: they are sifted
 * out before they have aged.
 *
 * Where it fails: it needs to know what is used, and takes the access counts that a
 * device reports for that; where none are reported it is evict_fifo. A loop that is
 * larger than the node defeats it as it does LRU. Memory: see queues.bpf.h, 32 MiB.
 */
#include <cdm/queues.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* The node. Range 0..63; must be a managed node. */
const volatile __s32 nid = 1;

/* 1: what was used is spared. 0: it is not, which makes this evict_fifo. Range 0..1. */
const volatile __u32 spare = 1;

/* Where the hand is; CDM_NOWHERE: at the oldest. */
__u32 hand = CDM_NOWHERE;

__u64 n_named, n_spared, n_stale, n_short;

/* The next towards the newest. */
static __always_inline void hand_on(struct cdm_place *me)
{
	hand = me->prev;
}

/* A frame that is used again: the hand does not go with it. */
static __always_inline void hand_off(__u64 pfn)
{
	__u32 i = cdm_place_of(pfn);

	if (hand != CDM_NOWHERE && hand == i)
		hand_on(cdm_place_at(i));
}

static __always_inline void arrive(const struct cdm_common *c, __u64 pfn)
{
	__u32 i;

	hand_off(pfn);
	i = cdm_place_enter(c, nid, pfn);
	if (i != CDM_NOWHERE)
		cdm_queue_push(0, i);
}

void CDM_CALLBACK(placed, sieve_placed, const struct cdm_placed_ctx *c)
{
	if (c->nid == nid)
		arrive(&c->common, c->pfn);
}

void CDM_CALLBACK(migrated, sieve_migrated, const struct cdm_migrated_ctx *c)
{
	__u32 i;

	/* Whoever was there has gone, before another takes the place. */
	if (!c->status && c->dst_nid == nid)
		hand_off(c->new_pfn);
	switch (cdm_queue_move(c, nid, &i)) {
	case CDM_QUEUE_CAME:
		arrive(&c->common, c->new_pfn);
		break;
	case CDM_QUEUE_LEFT:
		if (hand == i)
			hand_on(cdm_place_at(i));
		cdm_queue_remove(i);
		break;
	case CDM_QUEUE_WITHIN:
		if (hand == cdm_place_of(c->old_pfn))
			hand = i;
		break;
	default:
		break;
	}
}

void CDM_CALLBACK(reclaim, sieve_reclaim, const struct cdm_reclaim_ctx *c)
{
	__u64 named = n_named;
	struct cdm_place *me;
	__u32 *step;
	int err;
	__u32 at;

	if (c->nid != nid)
		return;
	cdm_say_of_all(c, cdm_deny());
	bpf_for_each(cdm_step, step, &c->common) {
		at = hand;
		if (at == CDM_NOWHERE || !cdm_place_at(at)->queue)
			at = cdm_queue_tail(0);
		if (at == CDM_NOWHERE)
			break;
		me = cdm_place_at(at);
		err = cdm_place_propose(&c->common, me, at, !spare);
		if (err == -ENOSPC) {
			hand = at;
			break;
		}
		hand_on(me);
		if (!err) {
			__sync_fetch_and_add(&n_named, 1);
		} else if (err > 0) {
			__sync_fetch_and_add(&n_spared, 1);
		} else if (cdm_place_stale(err)) {
			cdm_queue_remove(at);
			__sync_fetch_and_add(&n_stale, 1);
		}
	}
	if (n_named == named) {
		__sync_fetch_and_add(&n_short, 1);
		/* If there are none, the kernel's choice; else it goes on next time. */
		if (!cdm_queue_len(0))
			cdm_say_of_all(c, cdm_default());
	}
}

CDM_OPS_DEFINE(sieve_ops,
	.placed	= (void *)sieve_placed,
	.migrated = (void *)sieve_migrated,
	.reclaim = (void *)sieve_reclaim,
	.node	= CDM_NODE_ALL,
	.name	= "evict_sieve");
