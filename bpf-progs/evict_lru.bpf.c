// SPDX-License-Identifier: GPL-2.0
/*
 * evict_lru: what the kernel's LRU finds cold leaves, for the node of your choice.
 *
 * What it does: every candidate goes to node "to". Candidates are those that
 * classic LRU or MGLRU would reclaim next, memcg by memcg, with a second chance
 * for what was referenced.
 *
 * When it suits: the default, and hard to beat where accessed bits say what is
 * used. The policy itself is only of use to choose the node.
 *
 * Where it fails: a scan that is larger than the node pushes everything else out,
 * and memory that only a device uses looks cold unless the device sets accessed
 * bits.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* Where to. Any node with memory; -1: the nearest with CPU memory. Range -1..63. */
const volatile __s32 to = -1;

/* Folios that were offered, and pages that were to leave. */
__u64 n_folios, n_pages;

void CDM_CALLBACK(reclaim, lru_reclaim, const struct cdm_reclaim_ctx *c)
{
	struct cdm_candidate *cand;

	__sync_fetch_and_add(&n_folios, c->nr_candidates);
	__sync_fetch_and_add(&n_pages, c->nr_pages);
	if (to < 0)
		return;
	bpf_for_each(cdm_candidate, cand, &c->common)
		cdm_bpf_evict_verdict(&c->common, cand->index, cdm_node(to));
}

CDM_OPS_DEFINE(lru_ops,
	.reclaim = (void *)lru_reclaim,
	.node	= CDM_NODE_ALL,
	.name	= "evict_lru");
