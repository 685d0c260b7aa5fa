// SPDX-License-Identifier: GPL-2.0
/*
 * thrash_hysteresis: a page moves at its second touch, and less readily each time that it
 * comes back.
 *
 * What it does: the first touch from afar marks a page, another by the same processor
 * within a second moves it to that one, be it a CPU or a device. A page that goes back to
 * where it came from within five seconds needs twice as many touches as the last time it
 * did, up to 128 (include/cdm/thrash_hysteresis.bpf.h). It does not demote: what is cold
 * leaves when the node is full, as an eviction policy says.
 *
 * When it suits: most memory is used by one side for a while, and what is touched once,
 * by a scan say, is not worth a move. The two touches are TPP's (Maruf et al., ASPLOS
 * 2023), the doubling is ours.
 *
 * Where it fails: it counts events, not accesses. A touch is one that is told: a device's
 * counter that speaks for a thousand accesses is one, and two pages that are told of
 * equally often are alike. With arm, the second touch may be of the same loop as the
 * first one. It does not know what a move costs. A page that is worth its moves, to and
 * fro in phases of less than five seconds, is moved late.
 * Memory: about 10 MiB for what is known of 131072 pages.
 */
#include <cdm/arm.bpf.h>
#include <cdm/thrash_hysteresis.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/*
 * 1: a marked page is armed, so that the next touch is told. 0: touches are those that
 * NUMA balancing and counters show. Range 0..1.
 */
const volatile __u32 arm = 1;

__u64 n_marks, n_moves, n_near, n_arm_failed;

__u64 CDM_CALLBACK(access, touch_access, const struct cdm_access_ctx *c)
{
	struct cdm_touch_event e = {
		.now = bpf_ktime_get_ns(),
		.mm = c->mm_cookie,
		.page = c->addr >> CDM_PAGE_SHIFT,
		.who = c->acc_nid,
		.from = c->from_nid,
		.moved_ms = c->moved_ms,
	};

	if (c->acc_nid == c->src_nid) {
		__sync_fetch_and_add(&n_near, 1);
		return cdm_node(c->src_nid);
	}
	if (cdm_touch_access(&e, c->src_nid) == CDM_TOUCH_MOVE) {
		__sync_fetch_and_add(&n_moves, 1);
		return cdm_node(c->acc_nid);
	}
	__sync_fetch_and_add(&n_marks, 1);
	if (arm && cdm_arm(c, NUMA_NO_NODE))
		__sync_fetch_and_add(&n_arm_failed, 1);
	return cdm_node(c->src_nid);
}

__s32 CDM_CALLBACK_S(init, touch_init, const struct cdm_init_ctx *c)
{
	if (!window_ms || window_ms > 3600000 || return_ms > 3600000 || max_doublings > 16) {
		CDM_ERROR(c, -22, "window_ms %u: want 1..3600000; return_ms %u: want 0..3600000; max_doublings %u: want 0..16",
			  window_ms, return_ms, max_doublings);
		return -22;
	}
	return 0;
}

void CDM_CALLBACK(dump, touch_dump, const struct cdm_dump_ctx *c)
{
	CDM_DUMP(c, "%llu marked, %llu moved, %llu accesses from near, %llu could not be armed\n",
		 n_marks, n_moves, n_near, n_arm_failed);
}

CDM_OPS_DEFINE(touch_ops,
	.access	= (void *)touch_access,
	.init	= (void *)touch_init,
	.dump	= (void *)touch_dump,
	.node	= CDM_NODE_ALL,
	.name	= "thrash_hysteresis");
