// SPDX-License-Identifier: GPL-2.0
/*
 * evict_random: any folio leaves.
 *
 * What it does: when the node must give up pages, names folios at random from
 * among the last that became resident there, as many as the node holds.
 *
 * When it suits: as the floor under other policies. One that evicts no better than
 * chance is not worth its cost; on a loop that is larger than the node it beats
 * every policy of recency.
 *
 * Where it fails: it knows nothing. Memory: see arrivals.bpf.h, 16 MiB. What left
 * is still in the ring, so of a node that turns over fast it finds fewer and
 * fewer; then the kernel chooses.
 */
#include <cdm/arrivals.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* The node. Range 0..63; must be a managed node. */
const volatile __s32 nid = 1;

/* Tries for each page that shall leave, at most: entries may be stale. */
#define TRIES	4

/* Folios that were named, and entries whose folio had gone; calls without any. */
__u64 n_named, n_stale, n_short;

void CDM_CALLBACK(placed, random_placed, const struct cdm_placed_ctx *c)
{
	if (c->nid == nid)
		cdm_arrived(c->pfn, c->seq);
}

void CDM_CALLBACK(migrated, random_migrated, const struct cdm_migrated_ctx *c)
{
	cdm_arrived_by_move(c, nid);
}

void CDM_CALLBACK(reclaim, random_reclaim, const struct cdm_reclaim_ctx *c)
{
	__u64 tail = arrivals_tail, named = n_named, span;
	struct cdm_arrival a;
	__u32 *step;
	int err;

	if (c->nid != nid || !tail)
		return;
	span = cdm_bpf_node_stat(&c->common, nid, CDM_ITEM_TOTAL);
	if (span > tail)
		span = tail;
	if (span > CDM_ARRIVALS)
		span = CDM_ARRIVALS;
	if (!span)
		return;
	cdm_say_of_all(c, cdm_deny());
	bpf_for_each(cdm_step, step, &c->common) {
		if (*step > c->nr_candidates + TRIES * c->nr_pages)
			break;
		if (!cdm_arrival_at(tail - 1 - bpf_get_prandom_u32() % span, &a))
			break;
		err = cdm_bpf_evict_propose(&c->common, a.pfn, a.seq, -1);
		if (!err)
			__sync_fetch_and_add(&n_named, 1);
		if (err == -ENOSPC)
			break;
		if (err == -ESTALE)
			__sync_fetch_and_add(&n_stale, 1);
	}
	/* If none could be named, the kernel's choice. */
	if (n_named == named) {
		__sync_fetch_and_add(&n_short, 1);
		cdm_say_of_all(c, cdm_default());
	}
}

CDM_OPS_DEFINE(random_ops,
	.placed	= (void *)random_placed,
	.migrated = (void *)random_migrated,
	.reclaim = (void *)random_reclaim,
	.node	= CDM_NODE_ALL,
	.name	= "evict_random");
