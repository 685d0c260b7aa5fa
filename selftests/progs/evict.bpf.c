// SPDX-License-Identifier: GPL-2.0
/*
 * The tests' eviction policy: it says what it is told to of every candidate, and
 * proposes what it is told to, good or bad.
 *
 * It counts what it was shown, and what the kernel answered to it, by errno.
 */
#include <cdm/arrivals.bpf.h>

char LICENSE[] SEC("license") = "GPL";

/* Verdict on every candidate, raw; only if @give is set. */
const volatile __u64 verdict;
const volatile __u32 give;
/* ... and on one that is not there. */
const volatile __u32 give_beyond;

/*
 * What to propose: nothing, the oldest arrivals, frames at random, the candidates, the
 * oldest arrivals if they were accessed once.
 */
const volatile __u32 propose;
enum { PROPOSE_OLDEST = 1, PROPOSE_RANDOM, PROPOSE_CANDIDATES, PROPOSE_UNUSED };
/* Propose them with a sequence that is off by this. */
const volatile __u64 seq_off;

/*
 * 1: walks within walks within walks, until there are no more steps; 2: a walk, and a loop
 * with what it leaves of them.
 */
const volatile __u32 nest;
#define EVICT_STEPS	4096

/* The node that is counted. */
const volatile __s32 nid = 2;

/* Where place sends memory of @target; -1: not asked. */
const volatile __s32 place_nid = -1;
__u32 target;

__u64 n_reclaim, n_offered, n_shown, n_shown_pages;
__u64 n_why[4];			/* by enum cdm_evict_why */
__u64 n_anon, n_kept, n_access, n_moved_before, n_wrong;
/* What verdicts and proposals came to, by errno up to 127. */
__u64 n_verdict[128], n_propose[128];
__u64 n_evicted, n_evict_failed;	/* as migrated told */
__u64 max_order, last_cgroup, n_nested, n_stepped, n_steps_wrong;
__u64 n_used, n_used_wrong;

static __always_inline void count(__u64 *by_errno, int err)
{
	__sync_fetch_and_add(&by_errno[-err & 127], 1);
}

__u64 CDM_CALLBACK(place, evict_place, const struct cdm_place_ctx *c)
{
	if (place_nid < 0 || (target && c->tgid != target))
		return cdm_default();
	return cdm_node(place_nid);
}

void CDM_CALLBACK(placed, evict_placed, const struct cdm_placed_ctx *c)
{
	if (c->nid == nid)
		cdm_arrived(c->pfn, c->seq);
}

void CDM_CALLBACK(migrated, evict_migrated, const struct cdm_migrated_ctx *c)
{
	cdm_arrived_by_move(c, nid);
	if (c->mover != CDM_MOVER_EVICT || c->src_nid != nid)
		return;
	if (c->status)
		__sync_fetch_and_add(&n_evict_failed, 1ULL << (c->order & 31));
	else
		__sync_fetch_and_add(&n_evicted, 1ULL << (c->order & 31));
}

static __always_inline void look(const struct cdm_reclaim_ctx *c,
				 const struct cdm_candidate *cand, __u32 index)
{
	struct cdm_folio_info info;

	__sync_fetch_and_add(&n_shown, 1);
	__sync_fetch_and_add(&n_shown_pages, 1ULL << (cand->order & 31));
	if (cand->flags & CDM_FOLIO_ANON)
		__sync_fetch_and_add(&n_anon, 1);
	if (cand->flags & CDM_CAND_KEPT)
		__sync_fetch_and_add(&n_kept, 1);
	if (cand->moved_ms)
		__sync_fetch_and_add(&n_moved_before, 1);
	n_access += cand->access;
	if (cand->order > max_order)
		max_order = cand->order;
	last_cgroup = cand->cgroup_id;
	/* Two views of one folio. */
	if (cand->index != index ||
	    cdm_bpf_folio_info(&c->common, cand->pfn, &info, sizeof(info)) ||
	    info.pfn != cand->pfn || info.nid != c->nid ||
	    info.order != cand->order || info.seq != cand->seq ||
	    info.cgroup_id != cand->cgroup_id || (cand->flags & CDM_FOLIO_LRU))
		__sync_fetch_and_add(&n_wrong, 1);
}

static __always_inline void walk_nested(const struct cdm_reclaim_ctx *c)
{
	struct cdm_candidate *cand;

	bpf_for_each(cdm_candidate, cand, &c->common)
		bpf_for_each(cdm_candidate, cand, &c->common)
			bpf_for_each(cdm_candidate, cand, &c->common)
				__sync_fetch_and_add(&n_nested, 1);
}

static __always_inline void loop(const struct cdm_reclaim_ctx *c)
{
	__u32 *step, last = 0;

	cdm_say_of_all(c, cdm_default());
	bpf_for_each(cdm_step, step, &c->common) {
		last = *step;
		__sync_fetch_and_add(&n_stepped, 1);
	}
	if (last != EVICT_STEPS)
		__sync_fetch_and_add(&n_steps_wrong, 1);
	bpf_for_each(cdm_step, step, &c->common)
		__sync_fetch_and_add(&n_steps_wrong, 1);
}

/* A folio that was accessed is told so, and comes again. */
static __always_inline int propose_unused(const struct cdm_reclaim_ctx *c,
					  const struct cdm_arrival *a)
{
	struct cdm_folio_info info = {};
	int err;

	cdm_bpf_folio_info(&c->common, a->pfn, &info, sizeof(info));
	err = cdm_bpf_evict_propose(&c->common, a->pfn, a->seq, 1);
	if (err == -ENOSPC)
		return err;
	if (err > 0) {
		__sync_fetch_and_add(&n_used, 1);
		cdm_arrived(a->pfn, a->seq);
	} else {
		count(n_propose, err);
	}
	/* A device may access it between the two. */
	if (err >= 0 && info.access > (__u32)err + 1)
		__sync_fetch_and_add(&n_used_wrong, 1);
	return 0;
}

static __always_inline void propose_others(const struct cdm_reclaim_ctx *c)
{
	struct cdm_arrival a = {};
	__u64 nr = 0;
	__u32 *step;
	int err;

	/* More than is ever wanted, so that there is enough at some time. */
	bpf_for_each(cdm_step, step, &c->common) {
		if (*step > (propose == PROPOSE_RANDOM ? 256 : 1024))
			return;
		if (propose == PROPOSE_RANDOM)
			a.pfn = bpf_get_prandom_u32();
		else if (!cdm_arrival_peek(&a, &nr))
			return;
		if (propose == PROPOSE_UNUSED) {
			err = propose_unused(c, &a);
			if (err)
				break;
			cdm_arrival_pass(nr);
			continue;
		}
		err = cdm_bpf_evict_propose(&c->common, a.pfn, a.seq + seq_off, -1);
		count(n_propose, err);
		if (err == -ENOSPC)
			return;
		if (propose == PROPOSE_OLDEST)
			cdm_arrival_pass(nr);
	}
}

void CDM_CALLBACK(reclaim, evict_reclaim, const struct cdm_reclaim_ctx *c)
{
	struct cdm_candidate *cand;
	__u32 i = 0;

	if (c->nid != nid)
		return;
	__sync_fetch_and_add(&n_reclaim, 1);
	if (nest == 1) {
		walk_nested(c);
		return;
	}
	if (nest == 2) {
		loop(c);
		return;
	}
	__sync_fetch_and_add(&n_offered, c->nr_candidates);
	__sync_fetch_and_add(&n_why[c->why & 3], 1);

	bpf_for_each(cdm_candidate, cand, &c->common) {
		look(c, cand, i++);
		if (propose == PROPOSE_CANDIDATES)
			count(n_propose, cdm_bpf_evict_propose(&c->common, cand->pfn,
							       cand->seq, -1));
		if (give)
			count(n_verdict, cdm_bpf_evict_verdict(&c->common,
							       cand->index,
							       verdict));
	}
	if (give_beyond)
		count(n_verdict, cdm_bpf_evict_verdict(&c->common,
						       c->nr_candidates, 0));
	if (propose && propose != PROPOSE_CANDIDATES)
		propose_others(c);
}

CDM_OPS_DEFINE(evict_ops,
	.place	= (void *)evict_place,
	.placed	= (void *)evict_placed,
	.migrated = (void *)evict_migrated,
	.reclaim = (void *)evict_reclaim,
	.node	= CDM_NODE_ALL,
	.name	= "evict_test");
