// SPDX-License-Identifier: GPL-2.0
/*
 * The base of the benchmark thrash: what anybody touches comes to him, always. So does
 * memory that a driver migrates on each fault, with nothing that looks for thrash.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

__u64 CDM_CALLBACK(access, none_access, const struct cdm_access_ctx *c)
{
	return c->src_nid == c->acc_nid ? 0 : cdm_node(c->acc_nid);
}

CDM_OPS_DEFINE(none_ops,
	.access	= (void *)none_access,
	.node	= CDM_NODE_ALL,
	.name	= "thrash_none");
