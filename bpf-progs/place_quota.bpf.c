// SPDX-License-Identifier: GPL-2.0
/*
 * place_quota: each cgroup gets so many pages of a device's node, the rest of
 * its memory goes elsewhere.
 *
 * What it does: a page that would go to the device is placed there while the
 * cgroup that pays for it has less than its limit on that node, else on
 * overflow_node. A cgroup's limit is in the map "limits", key its id (the inode
 * number of its directory), value pages; a cgroup that is not there has
 * default_limit.
 *
 * When it suits: several tenants share one device, and none shall be able to
 * fill it.
 *
 * Where it fails: it is a gate for new pages, not a reservation. What is already
 * on the node stays when a limit is lowered. Memory is seen as the kernel
 * charges it, so a shared page counts for the cgroup that touched it first. And
 * a cgroup can go over its limit by what its usage does not show yet:
 *
 *   - pages in the CPUs' LRU batches: at most 31 on each CPU. Large folios do
 *     not wait there;
 *   - one folio for each task that is between asking and being counted.
 *
 * So with C CPUs and T faulting tasks it is over by at most 31 * C pages and T
 * folios. A limit holds for the cgroup itself: children have limits of their
 * own, and a parent's does not include them.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* The node with limits. Range 0..63; must be a managed node to have an effect. */
const volatile __s32 device_nid = 1;

/* Pages for a cgroup that is not in "limits". Range 0..2^52, ~0: no limit. */
const volatile __u64 default_limit = 0;

/* Where the rest goes. Range 0..63, -1: the default of a CPU's fault. */
const volatile __s32 overflow_node = 0;

/* 1: a CPU's first touch may go to the device as well. Range 0..1. */
const volatile __u32 cpu_too = 0;

/* Pinned, so that whoever runs the machine can set limits at any time. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limits SEC(".maps");

/* Pages that were sent elsewhere because of a limit, for all cgroups. */
__u64 over_limit;

static __always_inline __u64 elsewhere(const struct cdm_place_ctx *c)
{
	/* A device's default is its own node, so it must be told another. */
	if (overflow_node >= 0)
		return cdm_node(overflow_node);
	return cdm_node(c->def_nid != device_nid ? c->def_nid : 0);
}

__u64 CDM_CALLBACK(place, quota_place, const struct cdm_place_ctx *c)
{
	__u64 cgroup_id = c->cgroup_id, limit = default_limit, *l;
	__s64 used;

	if (c->dev_nid != device_nid && (c->dev_nid >= 0 || !cpu_too))
		return cdm_count(cdm_default());

	l = bpf_map_lookup_elem(&limits, &cgroup_id);
	if (l)
		limit = *l;
	if (limit == ~0ULL)
		return cdm_count(cdm_node(device_nid));

	/* An unknown cgroup has no usage, and gets nothing of the device. */
	used = limit ? cdm_bpf_memcg_usage(&c->common, cgroup_id, device_nid) : 0;
	if (used >= 0 && (__u64)used + (1ULL << (c->order & 31)) <= limit)
		return cdm_count(cdm_node(device_nid));

	__sync_fetch_and_add(&over_limit, 1ULL << (c->order & 31));
	return cdm_count(elsewhere(c));
}

CDM_OPS_DEFINE(quota_ops,
	.place	= (void *)quota_place,
	.node	= CDM_NODE_ALL,
	.name	= "place_quota");
