// SPDX-License-Identifier: GPL-2.0
/*
 * The base of the benchmark thrash: what anybody touches comes to him, always. So does
 * memory that a driver migrates on each fault, with nothing that looks for thrash.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

__u64 CDM_CALLBACK(access, none_access, const struct cdm_access_ctx *c)
{
	if (c->src_nid == c->acc_nid)
		return 0;
	/* NUMA balancing's way, at once, fails where a page is not on its LRU list yet. */
	return cdm_node(c->acc_nid) | (c->kind == CDM_ACCESS_HINT ? cdm_queued() : 0);
}

CDM_OPS_DEFINE(none_ops,
	.access	= (void *)none_access,
	.node	= CDM_NODE_ALL,
	.name	= "thrash_none");
