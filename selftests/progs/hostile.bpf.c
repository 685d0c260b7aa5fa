// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that does all the harm that answers of access can: whatever is touched moves to
 * the next of three nodes, and is armed again for the next access.
 *
 * Each event may cost its user a fault and a move. It must cost nobody else anything, and
 * a limit that an administrator has set must hold.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";

/* 1: moves are left to kcdmd, which knows the limit of a node; 0: at once. */
const volatile __u32 queued;
/* 1: to the other node of two, and not in a circle. */
const volatile __u32 back_and_forth;

__u64 n_events, n_refused;

__u64 CDM_CALLBACK(access, hostile_access, const struct cdm_access_ctx *c)
{
	struct cdm_move_req req = {
		.start = c->addr,
		.end = c->addr + 4096,
		.mm_cookie = c->mm_cookie,
		.tgid = c->tgid,
		.nid = NUMA_NO_NODE,
		.flags = CDM_MOVE_ARM,
		/*
		 * When it has moved, which disarms: a move takes milliseconds where the
		 * guest is emulated on a busy machine.
		 */
		.delay_us = 5000,
	};
	__u64 to = cdm_node(0);
	int err;

	if (c->src_nid == 0)
		to = cdm_node(1);
	else if (c->src_nid == 1 && !back_and_forth)
		to = cdm_node(2);
	__sync_fetch_and_add(&n_events, 1);
	err = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	if (err && err != -EEXIST)
		__sync_fetch_and_add(&n_refused, 1);
	return cdm_count(to | (queued ? cdm_queued() : 0));
}

CDM_OPS_DEFINE(hostile_ops,
	.access	= (void *)hostile_access,
	.node	= CDM_NODE_ALL,
	.name	= "hostile");
