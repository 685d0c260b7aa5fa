// SPDX-License-Identifier: GPL-2.0
/*
 * evict_fifo: what came first leaves first, used or not.
 *
 * What it does: keeps the order in which folios became resident on one node, and
 * when the node must give up pages, names the oldest. This is the rule of NVIDIA's
 * UVM driver: the list is ordered by when a chunk was populated last.
 *
 * When it suits: memory of which the kernel cannot tell whether it is used, since
 * the device sets no accessed bits; and as something to measure others against.
 *
 * Where it fails: what is used all the time leaves as soon as what is never used.
 * Memory: see arrivals.bpf.h, 16 MiB.
 */
#include <cdm/arrivals.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* The node whose order is kept. Range 0..63; must be a managed node. */
const volatile __s32 nid = 1;

/* Folios that were named, and entries whose folio had gone; calls without any. */
__u64 n_named, n_stale, n_short;

void CDM_CALLBACK(placed, fifo_placed, const struct cdm_placed_ctx *c)
{
	if (c->nid == nid)
		cdm_arrived(c->pfn, c->seq);
}

void CDM_CALLBACK(migrated, fifo_migrated, const struct cdm_migrated_ctx *c)
{
	cdm_arrived_by_move(c, nid);
	cdm_arrived_again(c, nid);
}

void CDM_CALLBACK(reclaim, fifo_reclaim, const struct cdm_reclaim_ctx *c)
{
	struct cdm_arrival a;
	__u64 named = n_named, nr;
	__u32 *step;
	int err;

	if (c->nid != nid)
		return;
	cdm_say_of_all(c, cdm_deny());
	bpf_for_each(cdm_step, step, &c->common) {
		if (!cdm_arrival_peek(&a, &nr))
			break;
		err = cdm_bpf_evict_propose(&c->common, a.pfn, a.seq, -1);
		if (err == -ENOSPC)
			break;
		cdm_arrival_pass(nr);
		if (!err)
			__sync_fetch_and_add(&n_named, 1);
		else if (err == -ESTALE)
			__sync_fetch_and_add(&n_stale, 1);
		else if (err == -EBUSY || err == -EPERM)
			cdm_arrived(a.pfn, a.seq);	/* its turn comes again */
	}
	if (n_named == named) {
		__sync_fetch_and_add(&n_short, 1);
		/* If there are none, the kernel's choice; else it goes on next time. */
		if (arrivals_head >= arrivals_tail)
			cdm_say_of_all(c, cdm_default());
	}
}

CDM_OPS_DEFINE(fifo_ops,
	.placed	= (void *)fifo_placed,
	.migrated = (void *)fifo_migrated,
	.reclaim = (void *)fifo_reclaim,
	.node	= CDM_NODE_ALL,
	.name	= "evict_fifo");
