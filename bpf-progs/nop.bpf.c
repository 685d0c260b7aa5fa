// SPDX-License-Identifier: GPL-2.0
/*
 * nop: asks for nothing and counts how often it was asked.
 *
 * What it does: every place, access and migrate event of every managed node gets the
 * default answer, so pages go and stay where they would without a policy. Its
 * own count is of place; the kernel counts both.
 *
 * When it suits: to see whether events arrive at all, to measure what a call
 * costs, and as the beginning of a policy of one's own.
 *
 * Where it fails: it does nothing that anybody wants done.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

__u64 CDM_CALLBACK(place, nop_place, const struct cdm_place_ctx *c)
{
	return cdm_count(cdm_default());
}

__u64 CDM_CALLBACK(access, nop_access, const struct cdm_access_ctx *c)
{
	return cdm_default();
}

__u64 CDM_CALLBACK(migrate, nop_migrate, const struct cdm_migrate_ctx *c)
{
	return cdm_default();
}

CDM_OPS_DEFINE(nop_ops,
	.place	= (void *)nop_place,
	.access	= (void *)nop_access,
	.migrate = (void *)nop_migrate,
	.node	= CDM_NODE_ALL,
	.name	= "nop");
