// SPDX-License-Identifier: GPL-2.0
/*
 * place_weighted: a mapping is dealt out over nodes, by weight.
 *
 * What it does: the address space is cut into blocks of 2^block_order pages, and
 * block after block goes to the nodes in proportion to weights[]: with 3 for
 * node 0 and 1 for node 1, three blocks lie on node 0, then one on node 1, and
 * so on. The block's address alone decides, so a page that was given back and
 * is touched again lands where it was.
 *
 * When it suits: a job that is bound by bandwidth and reads all its memory
 * alike. Weights in proportion to the nodes' bandwidths let all of them work at
 * once. Unlike MPOL_WEIGHTED_INTERLEAVE it needs nothing from the application,
 * and it deals by block, so that a huge page is not torn.
 *
 * Where it fails: what is hot is dealt out like what is cold, so latency-bound
 * jobs get the mean of the nodes' latencies. A stride that is a multiple of the
 * whole pattern sees one node only. A node that is full or offline takes no part:
 * its blocks go where the mempolicy says.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* Blocks that node N gets in each round. Range 0..1000, not all zero. */
const volatile __u32 weights[CDM_MAX_NODES] = { 1, 1 };

/* log2 of the pages in a block. Range 0..18; 9 is 2 MiB, a huge page on x86. */
const volatile __u32 block_order = 9;

/* 1: only a device's touch is dealt, a CPU's gets the default. Range 0..1. */
const volatile __u32 device_only = 0;

#define MAX_WEIGHT	1000
#define MAX_BLOCK_ORDER	18

/*
 * The nodes with a weight, in a row, and for each the sum of the weights up to
 * and with it, so that place() stops at the first whose sum is above the
 * block's number in its round. Written by init() only, before the first place().
 */
static __u32 nr_used;
static __u32 round_len;
static __u32 used_nid[CDM_MAX_NODES];
static __u32 used_end[CDM_MAX_NODES];

/* Nodes that are not there now; they may come later. */
static __u32 absent[CDM_MAX_NODES];

__s32 CDM_CALLBACK_S(init, weighted_init, const struct cdm_init_ctx *c)
{
	__u32 n = 0, sum = 0;

	/*
	 * From scratch: a policy that was replaced may be attached again. Nobody
	 * else can be in here, or in place().
	 */
	nr_used = 0;

	/* An error refuses the attach, and unlike an errno it carries a text. */
	if (block_order > MAX_BLOCK_ORDER) {
		CDM_ERROR(c, -22, "block_order is %u, of 0..%u", block_order,
			  MAX_BLOCK_ORDER);
		return 0;
	}

	for (__u32 i = 0; i < CDM_MAX_NODES; i++) {
		__u32 w = weights[i];

		if (!w)
			continue;
		if (w > MAX_WEIGHT) {
			CDM_ERROR(c, -22, "weights[%u] is %u, of 0..%u", i, w,
				  MAX_WEIGHT);
			return 0;
		}
		absent[i] = cdm_bpf_node_stat(&c->common, i, CDM_ITEM_TOTAL) <= 0;
		sum += w;
		if (n < CDM_MAX_NODES) {	/* for the verifier */
			used_nid[n] = i;
			used_end[n] = sum;
			n++;
		}
	}
	if (!n) {
		CDM_ERROR(c, -22, "all weights are 0: set weights[N] for a node at least");
		return 0;
	}
	round_len = sum;
	nr_used = n;
	return 0;
}

__u64 CDM_CALLBACK(place, weighted_place, const struct cdm_place_ctx *c)
{
	__u32 slot, len = round_len, n = nr_used;

	if (!len || (device_only && c->dev_nid < 0))
		return cdm_count(cdm_default());

	slot = (c->addr >> (CDM_PAGE_SHIFT + block_order)) % len;

	for (__u32 i = 0; i < CDM_MAX_NODES && i < n; i++) {
		__u32 nid;

		if (slot >= used_end[i])
			continue;
		nid = used_nid[i];
		if (nid >= CDM_MAX_NODES || absent[nid])
			break;
		return cdm_count(cdm_node(nid));
	}
	return cdm_count(cdm_default());
}

__s32 CDM_CALLBACK_S(node_online, weighted_online, const struct cdm_node_ctx *c)
{
	__u32 nid = c->nid;

	if (nid < CDM_MAX_NODES &&
	    (c->phase == CDM_DONE || c->phase == CDM_REPLAY))
		absent[nid] = 0;
	return 0;
}

__s32 CDM_CALLBACK_S(node_offline, weighted_offline, const struct cdm_node_ctx *c)
{
	__u32 nid = c->nid;

	if (nid >= CDM_MAX_NODES)
		return 0;
	/* From the question on: a page placed now would have to move at once. */
	if (c->phase == CDM_PREPARE)
		absent[nid] = 1;
	else if (c->phase == CDM_CANCELLED)
		absent[nid] = 0;
	return 0;
}

CDM_OPS_DEFINE(weighted_ops,
	.place		= (void *)weighted_place,
	.node_online	= (void *)weighted_online,
	.node_offline	= (void *)weighted_offline,
	.init		= (void *)weighted_init,
	.node		= CDM_NODE_ALL,
	.name		= "place_weighted");
