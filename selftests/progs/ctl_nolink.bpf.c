// SPDX-License-Identifier: GPL-2.0
/* A policy in .struct_ops, whose maps have no link: cdmctl says how to fix it. */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

__u64 CDM_CALLBACK(place, nolink_place, const struct cdm_place_ctx *c)
{
	return 0;
}

SEC(".struct_ops")
struct cdm_ops nolink_ops = {
	.place	= (void *)nolink_place,
	.node	= CDM_NODE_ALL,
	.name	= "nolink",
};
