// SPDX-License-Identifier: GPL-2.0
/*
 * What the owner of reclaim may call: see the candidates, say where each goes,
 * and name folios of its own.
 *
 *	struct cdm_candidate *cand;
 *
 *	bpf_for_each(cdm_candidate, cand, &ctx->common)
 *		if (cand->access > hot)
 *			cdm_bpf_evict_verdict(&ctx->common, cand->index,
 *					      cdm_deny());
 *
 * The loop ends with the batch, at CDM_EVICT_FOLIOS turns, and nested ones at
 * CDM_EVICT_STEPS in all, so it needs no bound of its own. A loop over what the policy
 * knows, bpf_for_each(cdm_step, ...), has what is left of those. Verdicts are checked as
 * they are given, so that a policy is told what is wrong with one, and proposals are
 * isolated as they are made, so that it can go on to its next choice when one cannot
 * be had.
 *
 * Context of all of this: within reclaim(), under RCU; nothing sleeps.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/btf.h>
#include <linux/memcontrol.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>

#include "../internal.h"
#include "evict.h"
#include "internal.h"

struct cdm_candidate_iter {
	struct cdm_evict_batch *batch;
	struct folio *next;
	u32 index;
};

static_assert(sizeof(struct cdm_candidate_iter) <=
	      sizeof(struct bpf_iter_cdm_candidate));

struct cdm_step_iter {
	struct cdm_evict_batch *batch;
};

static_assert(sizeof(struct cdm_step_iter) <= sizeof(struct bpf_iter_cdm_step));

/* The candidates are walked from the list's end, where the coldest are. */
static struct folio *batch_next(struct cdm_evict_batch *b, struct folio *folio)
{
	struct list_head *prev = folio->lru.prev;

	return prev == &b->folios ? NULL : list_entry(prev, struct folio, lru);
}

static struct folio *batch_first(struct cdm_evict_batch *b)
{
	return list_empty(&b->folios) ? NULL :
		list_last_entry(&b->folios, struct folio, lru);
}

static struct folio *batch_folio(struct cdm_evict_batch *b, u32 index)
{
	struct folio *folio = b->current_folio;

	if (folio && b->candidate.index == index)
		return folio;
	for (folio = batch_first(b); folio && index; index--)
		folio = batch_next(b, folio);
	return folio;
}

static u64 verdict_answer(u16 verdict)
{
	if (verdict == CDM_VERDICT_KEEP)
		return CDM_ANS_DENY;
	if (verdict == CDM_VERDICT_SWAP)
		return CDM_ANS_SWAP;
	return verdict;
}

static void candidate_state(struct cdm_candidate *cand, struct folio *folio)
{
	struct cdm_folio_state *st = cdm_fstate_of(folio);

	if (!st)
		return;
	cand->seq = READ_ONCE(st->seq);
	cand->access = READ_ONCE(st->access);
	if (cdm_fstate_kept(st))
		cand->flags |= CDM_CAND_KEPT;
	if (READ_ONCE(st->last_move)) {
		cand->moved_ms = cdm_fstate_ms_since(READ_ONCE(st->last_move));
		cand->from_nid = (READ_ONCE(st->from_nid) &
				  ~CDM_FSTATE_CAME_BY_MOVE) - 1;
	}
}

static void candidate_fill(struct cdm_candidate *cand, struct folio *folio,
			   u32 index, u16 verdict)
{
	*cand = (struct cdm_candidate) {
		.pfn = folio_pfn(folio),
		.cgroup_id = cdm_memcg_id(folio_memcg(folio)),
		.pgoff = folio->index,
		.index = index,
		.flags = cdm_folio_flags(folio),
		.order = folio_order(folio),
		.mapcount = folio_mapcount(folio),
		.from_nid = NUMA_NO_NODE,
		.verdict = verdict_answer(verdict),
	};
	candidate_state(cand, folio);
}

__bpf_kfunc_start_defs();

/**
 * bpf_iter_cdm_candidate_new - begin a walk over the candidates, the coldest first
 * @it: the walk, on the program's stack
 * @c: first member of reclaim()'s context
 *
 * Context: reclaim only.
 * Return: 0.
 */
__bpf_kfunc int bpf_iter_cdm_candidate_new(struct bpf_iter_cdm_candidate *it,
					   const struct cdm_common *c)
{
	struct cdm_candidate_iter *iter = (void *)it;

	iter->batch = cdm_evict_batch_of(c->call);
	iter->next = batch_first(iter->batch);
	iter->index = 0;
	return 0;
}

/**
 * bpf_iter_cdm_candidate_next - the next candidate
 * @it: the walk
 *
 * What was returned before is overwritten. All walks of one call of reclaim() together
 * have CDM_EVICT_STEPS steps, so that walks within walks end, too.
 *
 * Context: reclaim only.
 * Return: the candidate, NULL after the last or if there were too many steps.
 */
__bpf_kfunc struct cdm_candidate *
bpf_iter_cdm_candidate_next(struct bpf_iter_cdm_candidate *it)
{
	struct cdm_candidate_iter *iter = (void *)it;
	struct cdm_evict_batch *b = iter->batch;
	u32 i = iter->index++;

	if (!iter->next || b->steps++ >= CDM_EVICT_STEPS)
		return NULL;
	b->current_folio = iter->next;
	candidate_fill(&b->candidate, iter->next, i, b->verdict[i]);
	iter->next = batch_next(b, iter->next);
	return &b->candidate;
}

/**
 * bpf_iter_cdm_candidate_destroy - end a walk
 * @it: the walk
 *
 * Context: reclaim only.
 */
__bpf_kfunc void bpf_iter_cdm_candidate_destroy(struct bpf_iter_cdm_candidate *it)
{
}

/**
 * bpf_iter_cdm_step_new - begin a loop over what the policy itself knows
 * @it: the loop, on the program's stack
 * @c: first member of reclaim()'s context
 *
 * For a policy that looks through an order of its own for folios to propose. The
 * verifier checks such a loop once.
 *
 * Context: reclaim only.
 * Return: 0.
 */
__bpf_kfunc int bpf_iter_cdm_step_new(struct bpf_iter_cdm_step *it,
				      const struct cdm_common *c)
{
	struct cdm_step_iter *iter = (void *)it;

	iter->batch = cdm_evict_batch_of(c->call);
	return 0;
}

/**
 * bpf_iter_cdm_step_next - another turn
 * @it: the loop
 *
 * Walks over the candidates use up the same steps.
 *
 * Context: reclaim only.
 * Return: how many steps there were in this call of reclaim(), this one included; NULL
 * when CDM_EVICT_STEPS are used up.
 */
__bpf_kfunc u32 *bpf_iter_cdm_step_next(struct bpf_iter_cdm_step *it)
{
	struct cdm_step_iter *iter = (void *)it;
	struct cdm_evict_batch *b = iter->batch;

	if (b->steps >= CDM_EVICT_STEPS)
		return NULL;
	b->steps++;
	return &b->steps;
}

/**
 * bpf_iter_cdm_step_destroy - end a loop
 * @it: the loop
 *
 * Context: reclaim only.
 */
__bpf_kfunc void bpf_iter_cdm_step_destroy(struct bpf_iter_cdm_step *it)
{
}

/* The verdict that an answer means, in *@verdict. */
static int evict_answer(struct cdm_evict_batch *b, struct folio *folio,
			u64 ans, u16 *verdict)
{
	const u64 kinds = CDM_ANS_NODE_MASK | CDM_ANS_DENY | CDM_ANS_SWAP;
	struct cdm_policy *p = b->call.policy;
	u64 kind = ans & kinds;
	int nid = (int)(ans & CDM_ANS_NODE_MASK) - 1;

	if (ans & ~(kinds | CDM_ANS_KEEP_MASK)) {
		cdm_bad_answer(p, CDM_CB_RECLAIM, ans, "a verdict takes a node, swap, or deny and keep, and nothing else");
		return -EINVAL;
	}
	if (nid >= 0 ? kind & ~CDM_ANS_NODE_MASK : kind == (CDM_ANS_DENY | CDM_ANS_SWAP)) {
		cdm_bad_answer(p, CDM_CB_RECLAIM, ans, "a verdict is one of a node, swap and deny");
		return -EINVAL;
	}
	if ((ans & CDM_ANS_KEEP_MASK) && kind != CDM_ANS_DENY) {
		cdm_bad_answer(p, CDM_CB_RECLAIM, ans, "a folio that leaves cannot be under keep");
		return -EINVAL;
	}
	if (nid >= 0 && (nid >= MAX_NUMNODES || !node_possible(nid))) {
		cdm_bad_answer(p, CDM_CB_RECLAIM, ans, "no such node");
		return -EINVAL;
	}

	if (kind & CDM_ANS_DENY) {
		if (ans & CDM_ANS_KEEP_MASK)
			cdm_fstate_keep(folio, (ans & CDM_ANS_KEEP_MASK) >>
					       CDM_ANS_KEEP_SHIFT);
		*verdict = CDM_VERDICT_KEEP;
	} else if (kind & CDM_ANS_SWAP) {
		*verdict = CDM_VERDICT_SWAP;
	} else if (nid >= 0) {
		if (!cdm_evict_target_ok(folio, nid)) {
			cdm_policy_count(p, CDM_PSTAT_OVERRIDDEN);
			return -ENODEV;
		}
		*verdict = nid + 1;
		/* Of a managed node each folio is asked about, of others it holds for all. */
		if (!cdm_node_managed(nid))
			b->node_answer = ans;
	} else {
		*verdict = 0;
	}
	return 0;
}

/**
 * cdm_bpf_evict_verdict - say what becomes of a candidate
 * @c: first member of reclaim()'s context
 * @index: the candidate's
 * @answer: 0: to the node that the kernel chooses; a node; CDM_ANS_SWAP: to swap or,
 *	if it is clean and of a file, dropped; CDM_ANS_DENY: it stays, with a keep time
 *	from now on or without
 *
 * The last verdict counts. A node that has no room is as if none was named.
 *
 * Context: reclaim only.
 * Return: 0; -ENOENT if there is no such candidate; -EINVAL for an answer that means
 * nothing, which counts as bad; -ENODEV if the node cannot be a target now: it has
 * no memory, is the folio's own, is about to go, or is a managed node that the
 * folio left lately.
 */
__bpf_kfunc int cdm_bpf_evict_verdict(const struct cdm_common *c, u32 index,
				      u64 answer)
{
	struct cdm_evict_batch *b = cdm_evict_batch_of(c->call);

	if (index >= b->nr)
		return -ENOENT;
	if (answer && answer == b->node_answer) {
		b->verdict[index] = answer;
		return 0;
	}
	return evict_answer(b, batch_folio(b, index), answer, &b->verdict[index]);
}

/* The policy chooses what is a candidate: it leaves, whatever was said of it before. */
static int choose(struct cdm_evict_batch *b, struct folio *folio)
{
	struct folio *cand = batch_first(b);
	unsigned int i;

	for (i = 0; cand && cand != folio; i++)
		cand = batch_next(b, cand);
	if (!cand || (b->verdict[i] != CDM_VERDICT_KEEP &&
		      b->verdict[i] != CDM_VERDICT_SWAP))
		return -EBUSY;
	b->verdict[i] = 0;
	b->nr_chosen += folio_nr_pages(folio);
	return 0;
}

/* Isolates a folio that is the one that the policy means, or says why not. */
static int propose(struct cdm_evict_batch *b, struct folio *folio,
		   struct page *page, u32 seq, s64 access)
{
	struct cdm_folio_state *st;
	u16 used;

	if (page_folio(page) != folio || folio_nid(folio) != b->call.nid)
		return -ESTALE;
	st = cdm_fstate_of(folio);
	if (!st || READ_ONCE(st->seq) != seq)
		return -ESTALE;
	if (b->nr_proposed + b->nr_chosen &&
	    b->nr_proposed + b->nr_chosen + folio_nr_pages(folio) > cdm_evict_quota(b))
		return -ENOSPC;
	used = access < 0 ? 0 : READ_ONCE(st->access) - (u16)access;
	if (used)
		return used;
	if (!folio_test_lru(folio))
		return choose(b, folio);
	if (folio_test_unevictable(folio) ||
	    folio_test_mlocked(folio) || folio_test_writeback(folio) ||
	    folio_maybe_dma_pinned(folio) || folio_contain_hwpoisoned_page(folio))
		return -EBUSY;
	if (mem_cgroup_below_min(NULL, folio_memcg(folio)) ||
	    mem_cgroup_below_low(NULL, folio_memcg(folio)))
		return -EPERM;
	if (!folio_isolate_lru(folio))
		return -EBUSY;
	node_stat_add_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio));
	list_add_tail(&folio->lru, &b->proposed);
	b->nr_proposed += folio_nr_pages(folio);
	return 0;
}

/**
 * cdm_bpf_evict_propose - name a folio that shall leave, of the policy's own order
 * @c: first member of reclaim()'s context
 * @pfn: any page frame of the folio
 * @seq: the population sequence that the policy knows it by, so that a frame which
 *	was used again meanwhile is not hit; the low 32 bits count
 * @access: the access count that the policy knows of, of which the low 16 bits count: a
 *	folio that was accessed since is not taken; -1 takes it all the same
 *
 * A folio that is taken leaves for the node that the kernel chooses. It may be a
 * candidate that was to stay or to be swapped. As many pages may be proposed as the
 * context's nr_pages, and 32 at least, or one folio.
 *
 * Context: reclaim only.
 * Return: 0 if it is taken; a positive number if it was not, since it was accessed so often
 * since @access; -ENXIO for a frame that is not memory, -ESTALE if
 * another folio is there, -EBUSY if it cannot be isolated (a candidate that leaves
 * anyway, mlocked, pinned, under writeback, in a CPU's LRU batch), -EPERM if its cgroup's
 * memory.low or memory.min protects it, -ENOSPC if there is enough.
 */
__bpf_kfunc int cdm_bpf_evict_propose(const struct cdm_common *c, u64 pfn, u64 seq,
				      s64 access)
{
	struct cdm_evict_batch *b = cdm_evict_batch_of(c->call);
	struct folio *folio;
	struct page *page;
	int ret = -ENXIO;

	page = pfn_to_online_page(pfn);
	if (page) {
		folio = page_folio(page);
		ret = -ESTALE;
		if (folio_try_get(folio)) {
			ret = propose(b, folio, page, lower_32_bits(seq), access);
			folio_put(folio);
		}
	}
	if (ret < 0 && ret != -ENOSPC)
		b->nr_refused++;
	return ret;
}

__bpf_kfunc_end_defs();
