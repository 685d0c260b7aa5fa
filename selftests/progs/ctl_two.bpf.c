// SPDX-License-Identifier: GPL-2.0
/* An object with two policies, where cdmctl cannot know which one is meant. */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

__u64 CDM_CALLBACK(place, two_place, const struct cdm_place_ctx *c)
{
	return 0;
}

CDM_OPS_DEFINE(first,
	.place	= (void *)two_place,
	.node	= CDM_NODE_ALL,
	.name	= "first");

CDM_OPS_DEFINE(second,
	.place	= (void *)two_place,
	.node	= CDM_NODE_ALL,
	.name	= "second");
