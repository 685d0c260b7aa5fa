// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that owns access and nothing else, and answers what it is told to.
 *
 * What an answer brings about must not depend on who owns other callbacks.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";

/* Raw. */
const volatile __u64 access_answer;

__u64 CDM_CALLBACK(access, only_access, const struct cdm_access_ctx *c)
{
	return cdm_count(access_answer);
}

CDM_OPS_DEFINE(access_ops,
	.access	= (void *)only_access,
	.node	= CDM_NODE_ALL,
	.name	= "access");
