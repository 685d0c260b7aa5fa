// SPDX-License-Identifier: GPL-2.0
/*
 * Moves folios to a node, and says of every page what became of it.
 *
 * migrate_pages() does the work and reports a number; what a driver or a policy
 * needs is an answer per page, a target that is kept to, and a limit on what
 * movement may cost others. So a batch is noted down before it is moved. What
 * migrate_pages() leaves on the list is what failed, the rest was moved.
 *
 * Strict: destination folios come from the target node or not at all. A large
 * folio moves as one; if the target has no folio of that order, or if parts of it
 * are not mapped any more, migrate_pages() splits it and moves what it can.
 *
 * Context of all of this: may sleep, holds no lock and no RCU. Folio locks are
 * taken by migrate_pages(), one at a time unless they are trylocked. A folio is
 * off the LRU from cdm_run_flush()'s isolation to its end and counted as
 * NR_ISOLATED meanwhile, so memory offline and compaction wait for it or go on
 * without it as they do for others' isolated folios.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/migrate.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/secretmem.h>
#include <linux/sort.h>
#include <linux/swap.h>
#include <trace/events/cdm.h>

#include "../internal.h"
#include "internal.h"
#include "migrate.h"

/* ---- the limit of a node --------------------------------------------------- */

/* Tokens that came since the last look. Under limit->lock. */
static void limit_refill(struct cdm_limit *limit)
{
	u64 now = ktime_get_ns(), passed = now - limit->stamp, got;

	/* Whole tokens only: what is left of the time counts next time. */
	if (passed > 10ULL * NSEC_PER_SEC) {
		got = limit->rate * 10;
		limit->stamp = now;
	} else {
		got = mul_u64_u64_div_u64(passed, limit->rate, NSEC_PER_SEC);
		if (got)
			limit->stamp += mul_u64_u64_div_u64(got, NSEC_PER_SEC,
							    limit->rate);
	}
	limit->tokens = min_t(s64, limit->tokens + (s64)got, limit->burst);
}

/**
 * cdm_limit_tokens() - pages that may move now
 * @limit: a node's
 *
 * Context: any but NMI and hard interrupts.
 * Return: pages, S64_MAX without a limit; 0 as well after a large folio that was
 * let through on credit and is not paid for yet.
 */
s64 cdm_limit_tokens(struct cdm_limit *limit)
{
	s64 tokens = S64_MAX;

	spin_lock_bh(&limit->lock);
	if (limit->rate) {
		limit_refill(limit);
		tokens = max(limit->tokens, 0);
	}
	spin_unlock_bh(&limit->lock);
	return tokens;
}

/**
 * cdm_limit_set() - limit the moves of a node
 * @limit: the node's
 * @rate: pages per second, 0 for no limit
 * @burst: pages that may move at once after a pause
 *
 * Context: any but NMI and hard interrupts.
 */
void cdm_limit_set(struct cdm_limit *limit, u64 rate, u64 burst)
{
	spin_lock_bh(&limit->lock);
	limit->burst = burst;
	limit->tokens = burst;
	limit->stamp = ktime_get_ns();
	WRITE_ONCE(limit->rate, rate);
	spin_unlock_bh(&limit->lock);
}

/* The limit of the target if it is managed, else that of the source. Under RCU. */
static struct cdm_limit *limit_of(int from, int to)
{
	struct cdm_node *node = cdm_node_of(to) ?: cdm_node_of(from);

	return node && READ_ONCE(node->limit.rate) ? &node->limit : NULL;
}

/**
 * cdm_limit_take() - may pages move, as far as the limit goes?
 * @from: node that they are on
 * @to: node that they would go to
 * @nr: how many
 *
 * A folio larger than what is left is let through while anything is left, and
 * paid for later; else one that is larger than the burst would never move.
 *
 * Context: any but interrupts.
 * Return: true if so; they count, also if they do not arrive, unless limit_give() is told.
 */
bool cdm_limit_take(int from, int to, unsigned long nr)
{
	struct cdm_limit *limit;
	bool ok = true;

	guard(rcu)();
	limit = limit_of(from, to);
	if (!limit)
		return true;
	spin_lock_bh(&limit->lock);
	if (limit->rate) {
		limit_refill(limit);
		ok = limit->tokens > 0;
		if (ok)
			limit->tokens -= nr;
	}
	spin_unlock_bh(&limit->lock);
	return ok;
}

/* What was taken for pages that did not move. */
static void limit_give(int from, int to, unsigned long nr)
{
	struct cdm_limit *limit;

	guard(rcu)();
	limit = limit_of(from, to);
	if (!limit)
		return;
	spin_lock_bh(&limit->lock);
	limit->tokens = min(limit->tokens + (s64)nr, limit->burst);
	spin_unlock_bh(&limit->lock);
}

static bool limit_reached(int from, int to)
{
	struct cdm_limit *limit;

	guard(rcu)();
	limit = limit_of(from, to);
	return limit && cdm_limit_tokens(limit) <= 0;
}

/* ---- a run ------------------------------------------------------------------ */

/**
 * cdm_move_check() - is this a move that can be tried?
 * @mv: what is asked for
 *
 * Context: any.
 * Return: 0; -EINVAL for unknown flags or a node that does not exist, -ENODEV
 * for one that has no memory now, or whose memory is about to go.
 */
int cdm_move_check(const struct cdm_move *mv)
{
	if (mv->flags & ~CDM_MOVE_FLAGS || mv->nid < 0 ||
	    mv->nid >= MAX_NUMNODES || !node_possible(mv->nid))
		return -EINVAL;
	guard(rcu)();
	if (cdm_node_leaves(mv->nid))
		return -ENODEV;
	return node_state(mv->nid, N_MEMORY) ? 0 : -ENODEV;
}

/**
 * cdm_run_stops() - shall a run end early?
 *
 * Return: true after a fatal signal, and in a kernel thread that is to stop.
 */
bool cdm_run_stops(void)
{
	if (current->flags & PF_KTHREAD && kthread_should_stop())
		return true;
	return fatal_signal_pending(current);
}

/**
 * cdm_run_begin() - prepare a run
 * @run: filled
 * @mv: checked by cdm_move_check()
 * @total: pages that are asked for; elements of @mv->status if that is set
 *
 * Return: 0 or -ENOMEM.
 */
int cdm_run_begin(struct cdm_run *run, struct cdm_move *mv, unsigned long total)
{
	struct cdm_run_entry *v;

	v = kvmalloc_array(CDM_BATCH_FOLIOS, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	*run = (struct cdm_run) {
		.mv = mv,
		.total = total,
		.drain = !(mv->flags & CDM_MOVE_ASYNC),
		.v = v,
	};
	memset(mv->nr, 0, sizeof(mv->nr));
	if (mv->status)
		memset(mv->status, CDM_MOVE_UNTRIED, total);
	return 0;
}

/**
 * cdm_run_note() - pages that need no move
 * @run: the run
 * @index: of the first page
 * @nr: pages
 * @status: what they are
 *
 * Context: any.
 */
void cdm_run_note(struct cdm_run *run, unsigned long index, unsigned long nr,
		  enum cdm_move_status status)
{
	run->mv->nr[status] += nr;
	if (run->mv->status)
		memset(run->mv->status + index, status, nr);
}

/**
 * cdm_run_add() - a folio to move
 * @run: the run; not cdm_run_full(), unless cdm_run_continues()
 * @folio: referenced by the caller, taken over
 * @pfn: first page that is asked for
 * @index: of that page
 * @nr: pages that are asked for, one after the other
 *
 * Context: any; may be called under a PTL.
 */
void cdm_run_add(struct cdm_run *run, struct folio *folio, unsigned long pfn,
		 unsigned long index, unsigned long nr)
{
	struct cdm_run_entry *e;

	if (cdm_run_continues(run, folio, pfn, index)) {
		run->v[run->nr - 1].nr += nr;
		folio_put(folio);
		return;
	}

	e = &run->v[run->nr++];
	e->folio = folio;
	e->pfn = pfn;
	e->index = index;
	e->nr = nr;
	e->folio_nr = folio_nr_pages(folio);
	e->folio_pfn = folio_pfn(folio);
	e->same = 0;
	run->nr_pages += e->folio_nr;
}

/**
 * cdm_run_end() - account for what was not tried, and free
 * @run: a run that cdm_run_begin() made and whose batch is empty
 */
void cdm_run_end(struct cdm_run *run)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < CDM_MOVE_UNTRIED; i++)
		sum += run->mv->nr[i];
	if (run->total > sum)
		run->mv->nr[CDM_MOVE_UNTRIED] = run->total - sum;
	kvfree(run->v);
}

/**
 * cdm_run_splits() - does a folio have to be split before it moves?
 * @run: the run
 * @folio: referenced by the caller
 *
 * Context: any; a PTL may be held.
 * Return: true if that was asked for, and it is not as small as its file system
 * has them.
 */
bool cdm_run_splits(const struct cdm_run *run, struct folio *folio)
{
	struct address_space *mapping;

	if (!(run->mv->flags & CDM_MOVE_SPLIT) || !folio_test_large(folio) ||
	    folio_test_hugetlb(folio))
		return false;
	if (folio_test_anon(folio))
		return true;
	/* Not locked; a mapping is not freed under RCU. */
	guard(rcu)();
	mapping = folio_mapping(folio);
	return !mapping || folio_order(folio) > mapping_min_folio_order(mapping);
}

/**
 * cdm_run_split() - split a folio of which only some pages shall move
 * @run: the run
 * @folio: cdm_run_splits() is true; referenced by the caller once
 *
 * Context: may sleep; no lock held but mmap_lock for reading.
 * Return: true if it was split.
 */
bool cdm_run_split(struct cdm_run *run, struct folio *folio)
{
	int ret;

	/* Not in vain. */
	if (limit_reached(folio_nid(folio), run->mv->nid))
		return false;
	if (run->mv->flags & CDM_MOVE_ASYNC) {
		if (!folio_trylock(folio))
			return false;
	} else {
		folio_lock(folio);
	}
	ret = split_folio(folio);
	folio_unlock(folio);
	return !ret;
}

/*
 * folio_maybe_dma_pinned() takes a small page that a thousand processes map for
 * one that is pinned; their references are not the pins.
 */
static bool folio_pinned(struct folio *folio)
{
	if (folio_test_large(folio))
		return folio_maybe_dma_pinned(folio);
	return folio_ref_count(folio) - folio_mapcount(folio) >=
	       GUP_PIN_COUNTING_BIAS;
}

/*
 * Not of an LRU now and nothing that comes to one: the kernel's own, mapped for
 * user space by a driver.
 */
static bool folio_no_user(struct folio *folio)
{
	return !folio_test_lru(folio) && !folio_test_swapbacked(folio) &&
	       !folio_test_anon(folio) && !folio_mapping(folio);
}

/* ---- a batch: isolate -------------------------------------------------------- */

/**
 * cdm_folio_movable() - why a folio cannot be tried, before it is isolated
 * @folio: referenced by the caller
 * @nid: where it shall go
 *
 * Context: any. What it finds may change at once; isolation decides.
 * Return: CDM_MOVE_MOVED if it can be tried.
 */
enum cdm_move_status cdm_folio_movable(struct folio *folio, int nid)
{
	if (folio_nid(folio) == nid)
		return CDM_MOVE_ALREADY;
	if (folio_contain_hwpoisoned_page(folio))
		return CDM_MOVE_POISONED;
	if (folio_test_hugetlb(folio)) {
		if (!hugepage_migration_supported(folio_hstate(folio)))
			return CDM_MOVE_UNMOVABLE;
	} else if (folio_is_zone_device(folio) || folio_test_slab(folio) ||
		   folio_no_user(folio)) {
		return CDM_MOVE_UNMOVABLE;
	}
	return folio_pinned(folio) ? CDM_MOVE_PINNED : CDM_MOVE_MOVED;
}

static void run_drain(struct cdm_run *run)
{
	if (run->drain)
		lru_add_drain_all();
	else
		lru_add_drain();
	run->drained = true;
}

static bool run_isolate_lru(struct cdm_run *run, struct folio *folio)
{
	if (folio_isolate_lru(folio))
		return true;
	/* In some CPU's batch, most likely. Once, and only if one is missing. */
	if (run->drained || folio_test_lru(folio))
		return false;
	run_drain(run);
	return folio_isolate_lru(folio);
}

/* Takes a folio off its list; those of hugetlb are moved apart. */
static bool run_isolate_folio(struct cdm_run *run, struct folio *folio,
			      struct list_head *list, struct list_head *huge)
{
	if (folio_test_hugetlb(folio))
		return isolate_hugetlb(folio, huge);
	if (!run_isolate_lru(run, folio))
		return false;
	node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
			    folio_nr_pages(folio));
	list_add_tail(&folio->lru, list);
	return true;
}

static void run_isolate_one(struct cdm_run *run, struct cdm_run_entry *e,
			    struct list_head *list, struct list_head *huge)
{
	struct folio *folio = e->folio;
	int from = folio_nid(folio);
	unsigned long nr;

	e->status = cdm_folio_movable(folio, run->mv->nid);
	if (e->status != CDM_MOVE_MOVED)
		return;

	/* It may have been split, or have become a part of something else. */
	nr = folio_nr_pages(folio);
	if (nr != e->folio_nr || folio_pfn(folio) != e->folio_pfn) {
		e->status = CDM_MOVE_BUSY;
		return;
	}
	if (!run->leaving && !cdm_may_move(folio, run->mv->nid)) {
		e->status = CDM_MOVE_NOT_PERMITTED;
		return;
	}
	if (!run->leaving && !cdm_limit_take(from, run->mv->nid, nr)) {
		e->status = CDM_MOVE_LIMITED;
		return;
	}
	if (!run_isolate_folio(run, folio, list, huge)) {
		if (!run->leaving)
			limit_give(from, run->mv->nid, nr);
		e->status = CDM_MOVE_BUSY;
	}
}

/*
 * A folio that is mapped twice in the range comes twice, and cannot be isolated
 * twice. The second time it shares the fate of the first. (That it is mapped
 * more than once makes this rare.)
 */
static void run_find_same(struct cdm_run *run, unsigned int i)
{
	struct cdm_run_entry *e = &run->v[i];
	unsigned int j;

	for (j = 0; j < i; j++) {
		if (run->v[j].folio != e->folio || run->v[j].same)
			continue;
		e->same = j + 1;
		return;
	}
}

static void run_isolate(struct cdm_run *run, struct list_head *list,
			struct list_head *huge)
{
	unsigned int i;

	for (i = 0; i < run->nr; i++) {
		struct cdm_run_entry *e = &run->v[i];

		/* Off the LRU: perhaps it was us. */
		if (!folio_test_lru(e->folio))
			run_find_same(run, i);
		if (e->same)
			e->status = CDM_MOVE_BUSY;
		else
			run_isolate_one(run, e, list, huge);
		/* Isolation has its own reference. */
		folio_put(e->folio);
	}
}

/* ---- a batch: move ------------------------------------------------------------ */

/**
 * cdm_alloc_dst() - a new_folio_t that keeps to one node
 * @src: the folio that moves
 * @private: struct cdm_alloc
 *
 * Neither reclaims nor falls back, and does not ask the cpuset of current, who
 * may be anybody's thread, unless that is a hard wall of cpusets v1. On another
 * task's behalf its cpuset was asked before. CPU memory is everybody's: its
 * kswapd is woken before others have to reclaim.
 *
 * Context: any in which memory may be allocated.
 * Return: a folio of the node, or NULL.
 */
struct folio *cdm_alloc_dst(struct folio *src, unsigned long private)
{
	struct cdm_alloc *to = (struct cdm_alloc *)private;
	gfp_t gfp = __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_THISNODE |
		    __GFP_NOMEMALLOC | __GFP_NOWARN;
	struct folio *dst;

	if (folio_test_hugetlb(src)) {
		struct hstate *h = folio_hstate(src);
		nodemask_t mask = nodemask_of_node(to->nid);

		gfp = htlb_modify_alloc_mask(h, gfp) & ~__GFP_RECLAIM;
		dst = alloc_hugetlb_folio_nodemask(h, to->nid, &mask, gfp, false);
	} else {
		if (folio_test_large(src))
			gfp |= __GFP_COMP | __GFP_NORETRY;
		if (!cdm_node_managed(to->nid))
			gfp |= __GFP_KSWAPD_RECLAIM;
		dst = __folio_alloc_node(gfp, folio_order(src), to->nid);
	}
	if (!dst)
		to->failed = min(to->failed, folio_order(src));
	return dst;
}

/* Why a folio was left. It is isolated, so it does not go away. */
static enum cdm_move_status left_because(struct folio *folio,
					 unsigned int failed)
{
	enum cdm_move_status status = CDM_MOVE_BUSY;
	struct address_space *mapping;

	if (folio_contain_hwpoisoned_page(folio))
		return CDM_MOVE_POISONED;
	if (folio_pinned(folio))
		return CDM_MOVE_PINNED;
	if (folio_order(folio) >= failed)
		return CDM_MOVE_FULL;
	/* The mapping is there as long as the folio is locked. */
	if (!folio_trylock(folio))
		return CDM_MOVE_BUSY;
	mapping = folio_mapping(folio);
	if (mapping && (mapping_inaccessible(mapping) || secretmem_mapping(mapping)))
		status = CDM_MOVE_UNMOVABLE;
	folio_unlock(folio);
	return status;
}

/* Entries by folio; of one folio's, the one that was isolated comes first. */
static int cmp_entries(const void *a, const void *b)
{
	const struct cdm_run_entry *x = a, *y = b;

	if (x->folio_pfn != y->folio_pfn)
		return x->folio_pfn < y->folio_pfn ? -1 : 1;
	return (int)x->same - (int)y->same;
}

/* First entry of the folio that held @pfn when the batch was isolated. */
static unsigned int find_entry(const struct cdm_run *run, unsigned long pfn)
{
	unsigned int lo = 0, hi = run->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (run->v[mid].folio_pfn + run->v[mid].folio_nr <= pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The pages of @e that are also in a folio that stayed. */
static void note_left(struct cdm_run *run, const struct cdm_run_entry *e,
		      unsigned long pfn, unsigned long nr,
		      enum cdm_move_status status)
{
	unsigned long from = max(e->pfn, pfn);
	unsigned long to = min(e->pfn + e->nr, pfn + nr);

	if (from >= to)
		return;
	run->mv->nr[CDM_MOVE_MOVED] -= to - from;
	cdm_run_note(run, e->index + from - e->pfn, to - from, status);
}

/* Not everything went well: look for each folio that stayed who asked for it. */
static void run_note_left(struct cdm_run *run, struct list_head *left,
			  unsigned int failed)
{
	struct folio *folio;
	unsigned int i;

	sort(run->v, run->nr, sizeof(*run->v), cmp_entries, NULL);
	list_for_each_entry(folio, left, lru) {
		enum cdm_move_status status = left_because(folio, failed);
		unsigned long pfn = folio_pfn(folio);
		unsigned long nr = folio_nr_pages(folio);

		if (!run->leaving)
			limit_give(folio_nid(folio), run->mv->nid, nr);
		for (i = find_entry(run, pfn); i < run->nr; i++) {
			const struct cdm_run_entry *e = &run->v[i];

			if (e->folio_pfn > pfn)
				break;
			if (e->status == CDM_MOVE_MOVED || e->same)
				note_left(run, e, pfn, nr, status);
		}
	}
}

static void run_note_all(struct cdm_run *run)
{
	unsigned int i;

	for (i = 0; i < run->nr; i++) {
		struct cdm_run_entry *e = &run->v[i];
		u8 status = e->status;

		if (e->same)
			status = run->v[e->same - 1].status;
		/* A twin of what was never isolated is no twin. */
		if (status != CDM_MOVE_MOVED)
			e->same = 0;
		cdm_run_note(run, e->index, e->nr, status);
	}
}

/**
 * cdm_migrate_list() - migrate_pages(), and smaller folios where large ones fail
 * @list: isolated folios; what could not move stays on it
 * @to: where to
 * @mode: as migrate_pages()
 * @reason: likewise
 * @moved: the pages that moved are added to it
 *
 * migrate_pages() gives up when a large folio finds no room and cannot be split.
 * There may be room for smaller ones.
 *
 * Context: may sleep, no folio locked.
 */
void cdm_migrate_list(struct list_head *list, struct cdm_alloc *to,
		      enum migrate_mode mode, int reason, unsigned int *moved)
{
	struct folio *folio, *next;
	LIST_HEAD(large);

	while (!list_empty(list)) {
		unsigned int before = to->failed, nr = 0;
		int ret;

		ret = migrate_pages(list, cdm_alloc_dst, NULL, (unsigned long)to,
				    mode, reason, &nr);
		*moved += nr;
		if (ret != -ENOMEM || !to->failed || to->failed >= before)
			break;
		list_for_each_entry_safe(folio, next, list, lru)
			if (folio_order(folio) >= to->failed)
				list_move_tail(&folio->lru, &large);
	}
	list_splice_tail(&large, list);
}

/* What is left stays on the list. */
static void run_migrate(struct cdm_run *run, struct list_head *list,
			struct cdm_alloc *to, unsigned int *moved)
{
	cdm_migrate_list(list, to, run->mv->flags & CDM_MOVE_ASYNC ?
				   MIGRATE_ASYNC : MIGRATE_SYNC,
			 run->leaving ? MR_MEMORY_HOTPLUG : MR_CDM, moved);
}

/* The target was full: what is cold there makes room, as far as it can. */
static void run_evict(struct cdm_run *run, struct list_head *list,
		      struct cdm_alloc *to, unsigned int *moved)
{
	unsigned int before = *moved + 1;	/* once in any case */
	struct folio *folio;
	unsigned long nr;

	while (!list_empty(list) && to->failed != CDM_NO_ORDER &&
	       before != *moved && !cdm_run_stops()) {
		before = *moved;
		nr = 0;
		list_for_each_entry(folio, list, lru)
			nr += folio_nr_pages(folio);
		if (!cdm_evict_room(to->nid, nr))
			return;
		to->failed = CDM_NO_ORDER;
		run_migrate(run, list, to, moved);
	}
}

/* Folios in other batches than that of new ones are on the LRU, but busy. */
static bool run_worth_a_drain(struct cdm_run *run, struct list_head *left)
{
	struct folio *folio;

	if (run->drained || !run->drain)
		return false;
	list_for_each_entry(folio, left, lru)
		if (!folio_pinned(folio) && !folio_test_locked(folio))
			return true;
	return false;
}

/**
 * cdm_run_flush() - move the batch
 * @run: the run; its batch is empty afterwards
 *
 * Context: may sleep; no lock held.
 */
void cdm_run_flush(struct cdm_run *run)
{
	struct cdm_alloc to = { .nid = run->mv->nid, .failed = CDM_NO_ORDER };
	struct cdm_alloc huge_to = to;
	unsigned int moved = 0;
	LIST_HEAD(list);
	LIST_HEAD(huge);

	/* What was allowed for this batch may be forbidden for the next. */
	if (run->anon_vma)
		put_anon_vma(run->anon_vma);
	run->anon_vma = NULL;
	if (!run->nr)
		return;

	run_isolate(run, &list, &huge);
	run_note_all(run);
	if (!list_empty(&huge))
		run_migrate(run, &huge, &huge_to, &moved);
	run_migrate(run, &list, &to, &moved);
	if (!list_empty(&list) && to.failed == CDM_NO_ORDER &&
	    run_worth_a_drain(run, &list)) {
		run_drain(run);
		run_migrate(run, &list, &to, &moved);
	}
	if (run->mv->flags & CDM_MOVE_EVICT)
		run_evict(run, &list, &to, &moved);
	if (!list_empty(&huge)) {
		run_note_left(run, &huge, huge_to.failed);
		putback_movable_pages(&huge);
	}
	if (!list_empty(&list)) {
		run_note_left(run, &list, to.failed);
		putback_movable_pages(&list);
	}
	trace_cdm_move(run->mv->nid, run->mv->flags, run->nr, run->nr_pages,
		       moved);
	run->nr = 0;
	run->nr_pages = 0;
	run->drained = false;
}
