// SPDX-License-Identifier: GPL-2.0
/*
 * place_accessor: a page is born next to the processor that touches it first.
 *
 * What it does: a device's first touch lands on that device's node, a CPU's
 * stays on CPU memory.
 *
 * When it suits: each page has one main user, which is also the first: a kernel
 * that fills its own output, a CPU thread that builds its own tables. Nothing
 * has to move later, so it is the cheapest policy that does something.
 *
 * Where it fails: data that one side writes and the other side reads for ever
 * after. An input that the CPU prepares and a device then scans many times stays
 * on CPU memory. When the device's node is full, its first touches fall back to
 * what the mempolicy says; nothing here makes room.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/*
 * What a CPU's touch gets. 0: the default, so the task's mempolicy decides.
 * 1: the CPU's own node, before the mempolicy; for nodes in mode "open", where
 * a CPU's page could otherwise spill onto a device. Range 0..1.
 */
const volatile __u32 cpu_local = 0;

__u64 CDM_CALLBACK(place, accessor_place, const struct cdm_place_ctx *c)
{
	if (c->dev_nid >= 0)
		return cdm_count(cdm_node(c->dev_nid));
	if (cpu_local)
		return cdm_count(cdm_node(c->cpu_nid));
	return cdm_count(cdm_default());
}

CDM_OPS_DEFINE(accessor_ops,
	.place	= (void *)accessor_place,
	.node	= CDM_NODE_ALL,
	.name	= "place_accessor");
