// SPDX-License-Identifier: GPL-2.0
/*
 * A full node gives up what is cold, instead of sending new pages elsewhere.
 *
 * Which folios are cold is for the LRU to say, classic or MGLRU, memcg by memcg,
 * with memory.low, second chances and all. So nothing here walks a list: stock
 * reclaim of the node does, and where it would demote a folio to a lower tier it
 * hands over what it has isolated.
 *
 *	who              how                        where
 *	kcdmd            below the low watermark    cdm_evict_background()
 *	an allocation    finds the node full        cdm_evict_alloc()
 *	a move           finds its target full      cdm_evict_room(), if it says so
 *	administrator    through sysfs              cdm_evict_pages()
 *	kswapd           below the kernel's own     stock
 *	                      |
 *	                shrink_folio_list()
 *	                      |
 *	                __cdm_evict_folios()  asks the owner of reclaim, a batch at a time
 *	                      |
 *	   +------------------+---------------------+
 *	 moved to a node   stay (kept list)    go on in reclaim: swapped or dropped
 *
 * Nothing is swapped or dropped that another node can hold, unless the policy says
 * so. When no node has room the folio stays, and the CPU nodes' kswapd is awake by
 * then. Only after CDM_EVICT_FULL_MAX such batches in a row, and not for kcdmd,
 * which can wait, does reclaim go on with them as it does on any node.
 *
 * A policy that keeps everything, and one that has no say in time, must not stop
 * the system. A batch of which nothing leaves by the policy's will is let pass
 * CDM_EVICT_IDLE_MAX times in a row, then the kernel takes the batch itself,
 * which counts as overridden.
 *
 * Two full nodes do not feed each other: eviction to a managed node neither
 * reclaims there, nor brings a folio back to the node that it left within the last
 * CDM_EVICT_RETURN_MS. Like demotion it looks at no cpuset or mempolicy of those
 * who map a folio; their masks say where to allocate.
 *
 * Reclaim because of a memcg's limit does not come here: a page that moves is still
 * charged.
 *
 * Context: PF_MEMALLOC, may sleep, no folio locked. Allocations of targets do not
 * reclaim, so nothing recurses.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/compaction.h>	/* needs mm.h */
#include <linux/pagemap.h>
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <trace/events/cdm.h>

#include "../internal.h"
#include "call.h"
#include "evict.h"
#include "internal.h"
#include "migrate.h"

#define CDM_EVICT_FULL_MAX	8
#define CDM_EVICT_IDLE_MAX	8
#define CDM_EVICT_RETURN_MS	10000

/* Nodes that the verdicts on one batch may name; the kernel chooses for others. */
#define CDM_EVICT_TARGETS	3

/* Calls of reclaim in a row that free nothing, until it is believed. */
#define CDM_EVICT_IDLE_TRIES	4

/* An allocation: calls of reclaim, of 32 pages or more each. */
#define CDM_EVICT_TRIES		32

/*
 * After a look at all of a node in vain, allocations do not look for so long, and for
 * so many times as long as the look took: pinned folios are looked at one by one.
 */
#define CDM_EVICT_REST		(HZ / 10UL)
#define CDM_EVICT_REST_TIMES	8
#define CDM_EVICT_REST_MAX	(5UL * HZ)

/* kcdmd: calls of reclaim in one turn, and pages after which it ends. */
#define CDM_EVICT_TURN		16
#define CDM_EVICT_TURN_PAGES	1024

/* Pages in one call of reclaim where nobody waits for the first of them. */
#define CDM_EVICT_GOAL		512UL

/* ---- where to --------------------------------------------------------------- */

/**
 * cdm_evict_target_ok() - can a folio be evicted to that node?
 * @folio: a candidate
 * @nid: a possible node
 *
 * Context: any, under RCU.
 * Return: true if it can be tried.
 */
bool cdm_evict_target_ok(struct folio *folio, int nid)
{
	struct cdm_folio_state st;
	struct cdm_node *node;

	if (nid == folio_nid(folio) || !node_state(nid, N_MEMORY))
		return false;
	node = cdm_node_of(nid);
	if (!node)
		return true;
	if (READ_ONCE(node->state) == CDM_NODE_DRAINING)
		return false;
	return !cdm_fstate_get(folio_pfn(folio), folio_nid(folio), &st) ||
	       st.from_nid != nid + 1 ||
	       cdm_fstate_ms_since(st.last_move) > CDM_EVICT_RETURN_MS;
}

/* The nearest node with CPUs' memory that is not in @tried; NUMA_NO_NODE if none. */
static int next_target(int from, nodemask_t *tried)
{
	int nid, best = NUMA_NO_NODE;

	for_each_node_state(nid, N_MEMORY) {
		if (cdm_node_managed(nid) || node_isset(nid, *tried))
			continue;
		if (best == NUMA_NO_NODE ||
		    node_distance(from, nid) < node_distance(from, best))
			best = nid;
	}
	if (best != NUMA_NO_NODE)
		node_set(best, *tried);
	return best;
}

static void count_isolated(struct list_head *folios, int sign)
{
	struct folio *folio;

	list_for_each_entry(folio, folios, lru)
		node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
				    sign * folio_nr_pages(folio));
}

static unsigned int list_pages(struct list_head *folios)
{
	struct folio *folio;
	unsigned int nr = 0;

	list_for_each_entry(folio, folios, lru)
		nr += folio_nr_pages(folio);
	return nr;
}

/* Moves folios that are counted as isolated; what is left stays on the list. */
static unsigned int evict_to(struct list_head *folios, int nid,
			     unsigned int *failed)
{
	struct cdm_alloc to = { .nid = nid, .failed = CDM_NO_ORDER };
	unsigned int moved = 0;

	if (list_empty(folios))
		return 0;
	cdm_migrate_list(folios, &to, MIGRATE_ASYNC, MR_CDM_EVICT, &moved);
	*failed = to.failed;
	return moved;
}

/*
 * Moves folios to the nearest node that has room. Those for which no node had any
 * are on @full afterwards, others that could not move are still on @folios.
 */
static noinline_for_stack unsigned int
evict_anywhere(struct list_head *folios, int from, struct list_head *full)
{
	nodemask_t tried = NODE_MASK_NONE;
	struct folio *folio, *next;
	unsigned int moved = 0, failed;
	int nid;

	list_splice_init(folios, full);
	while (!list_empty(full)) {
		nid = next_target(from, &tried);
		if (nid == NUMA_NO_NODE)
			break;
		moved += evict_to(full, nid, &failed);
		list_for_each_entry_safe(folio, next, full, lru)
			if (folio_order(folio) < failed)
				list_move_tail(&folio->lru, folios);
	}
	return moved;
}

/* ---- the policy ------------------------------------------------------------- */

/* Asks the owner of reclaim about a batch; its id, or 0 if there is none. */
static noinline_for_stack u64 ask(struct cdm_evict_batch *b,
				  struct cdm_node *node)
{
	const struct cdm_table *t;
	struct cdm_sample sample;
	struct cdm_reclaim_ctx ctx;
	struct cdm_policy *p;
	bool sampled;

	guard(rcu)();
	t = rcu_dereference(cdm_table);
	p = t ? t->owner[CDM_CB_RECLAIM][node->nid] : NULL;
	if (!p || atomic_read(&p->ejected))
		return 0;

	b->call.policy = p;
	b->call.cb = CDM_CB_RECLAIM;
	b->call.nid = node->nid;
	ctx = (struct cdm_reclaim_ctx) {
		.common.call = &b->call,
		.nr_pages = b->nr_pages,
		.nr_candidates = b->nr,
		.nid = node->nid,
		.why = b->why,
	};
	sampled = cdm_sample_due(p, CDM_CB_RECLAIM);
	if (sampled)
		cdm_sample_begin(&sample);
	p->ops->reclaim(&ctx);
	if (sampled)
		cdm_sample_end(p, CDM_CB_RECLAIM, &sample);
	return p->id;
}

/* ---- a batch ---------------------------------------------------------------- */

/**
 * struct sorted - a batch by what shall become of it
 * @to: folios for the node @nid of the same index
 * @nid: NUMA_NO_NODE if that list is not in use
 * @any: folios for the node that the kernel chooses
 * @keep: folios that stay, because the policy or a keep time says so
 * @swap: folios that reclaim shall go on with
 * @nr_keep: pages on @keep
 */
struct sorted {
	struct list_head to[CDM_EVICT_TARGETS];
	int nid[CDM_EVICT_TARGETS];
	struct list_head any;
	struct list_head keep;
	struct list_head swap;
	unsigned int nr_keep;
};

static struct list_head *sorted_to(struct sorted *s, int nid)
{
	int i;

	for (i = 0; i < CDM_EVICT_TARGETS; i++) {
		if (s->nid[i] == NUMA_NO_NODE)
			s->nid[i] = nid;
		if (s->nid[i] == nid)
			return &s->to[i];
	}
	return &s->any;
}

/* Under keep and nobody to say otherwise: then it goes last. */
static bool kept(struct folio *folio)
{
	struct cdm_folio_state *st;

	guard(rcu)();
	st = cdm_fstate_of(folio);
	return st && cdm_fstate_kept(st);
}

static void sort_batch(struct cdm_evict_batch *b, struct sorted *s, bool asked)
{
	struct folio *folio, *next;
	unsigned int i;

	for (i = 0; i < CDM_EVICT_TARGETS; i++) {
		INIT_LIST_HEAD(&s->to[i]);
		s->nid[i] = NUMA_NO_NODE;
	}
	INIT_LIST_HEAD(&s->any);
	INIT_LIST_HEAD(&s->keep);
	INIT_LIST_HEAD(&s->swap);
	s->nr_keep = 0;

	i = 0;
	list_for_each_entry_safe_reverse(folio, next, &b->folios, lru) {
		u16 verdict = b->verdict[i++];

		if (verdict == CDM_VERDICT_KEEP || (!asked && kept(folio))) {
			list_move_tail(&folio->lru, &s->keep);
			s->nr_keep += folio_nr_pages(folio);
		} else if (verdict == CDM_VERDICT_SWAP &&
			   (!folio_test_anon(folio) || get_nr_swap_pages() > 0)) {
			list_move_tail(&folio->lru, &s->swap);
		} else if (verdict && verdict != CDM_VERDICT_SWAP) {
			list_move_tail(&folio->lru, sorted_to(s, verdict - 1));
		} else {
			list_move_tail(&folio->lru, &s->any);
		}
	}
}

/* Up to a batch of the coldest, from the end of @folios. */
static void take_batch(struct cdm_evict_batch *b, struct list_head *folios)
{
	b->nr = 0;
	b->nr_pages = 0;
	while (b->nr < CDM_EVICT_FOLIOS && !list_empty(folios)) {
		struct folio *folio = lru_to_folio(folios);

		list_move(&folio->lru, &b->folios);
		b->verdict[b->nr++] = 0;
		b->nr_pages += folio_nr_pages(folio);
	}
}

static enum cdm_evict_why evict_why(struct cdm_node *node)
{
	if (current_is_kswapd())
		return CDM_EVICT_KSWAPD;
	if (current == READ_ONCE(node->kcdmd))
		return CDM_EVICT_BACKGROUND;
	if (current == READ_ONCE(node->evict_admin))
		return CDM_EVICT_ADMIN;
	return CDM_EVICT_DIRECT;
}

/*
 * Nothing left by the policy's will, for the last few times: true if the kernel
 * decides now.
 */
static bool overrule(struct cdm_node *node, bool idle)
{
	if (!idle) {
		atomic_set(&node->evict_idle, 0);
		return false;
	}
	if (atomic_inc_return(&node->evict_idle) <= CDM_EVICT_IDLE_MAX)
		return false;
	atomic_set(&node->evict_idle, 0);
	return true;
}

/*
 * No node had room, for the last few times: true if reclaim goes on as ever. kcdmd can
 * wait, and must not use up the patience of those who cannot.
 */
static bool give_up(struct cdm_node *node, enum cdm_evict_why why, bool full,
		    bool moved)
{
	if (moved)
		atomic_set(&node->evict_full, 0);
	else if (full && why != CDM_EVICT_BACKGROUND)
		return atomic_inc_return(&node->evict_full) > CDM_EVICT_FULL_MAX;
	return false;
}

/* The policy's own choice of folios, which nobody else has isolated. */
static unsigned int evict_proposed(struct cdm_evict_batch *b, int from)
{
	unsigned int moved;
	LIST_HEAD(full);

	if (list_empty(&b->proposed))
		return 0;
	moved = evict_anywhere(&b->proposed, from, &full);
	list_splice(&full, &b->proposed);
	putback_movable_pages(&b->proposed);
	return moved;
}

static unsigned int evict_batch(struct cdm_evict_batch *b, struct cdm_node *node,
				struct list_head *folios, struct list_head *stay)
{
	unsigned int moved = 0, proposed, failed, over = 0, nr_swap, instead, i;
	struct sorted s;
	LIST_HEAD(full);
	u64 policy;

	policy = ask(b, node);
	sort_batch(b, &s, policy);
	proposed = evict_proposed(b, node->nid);

	for (i = 0; i < CDM_EVICT_TARGETS; i++) {
		count_isolated(&s.to[i], 1);
		moved += evict_to(&s.to[i], s.nid[i], &failed);
	}
	count_isolated(&s.any, 1);
	for (i = 0; i < CDM_EVICT_TARGETS; i++)
		list_splice_tail(&s.to[i], &s.any);
	moved += evict_anywhere(&s.any, node->nid, &full);
	if (overrule(node, s.nr_keep && !moved && !proposed)) {
		/* What no node had room for has just been tried. */
		LIST_HEAD(keep_full);

		count_isolated(&s.keep, 1);
		over = evict_anywhere(&s.keep, node->nid, &keep_full);
		moved = over;
		list_splice(&keep_full, &full);
		list_splice_init(&s.keep, &s.any);
	}
	count_isolated(&s.any, -1);
	count_isolated(&full, -1);

	cdm_node_count(node, CDM_STAT_EVICTED + b->why, moved + proposed);
	cdm_node_count(node, CDM_STAT_EVICT_PROPOSED, proposed + b->nr_chosen);
	cdm_node_count(node, CDM_STAT_EVICT_REFUSED, b->nr_refused);
	cdm_node_count(node, CDM_STAT_EVICT_OVERRIDDEN, over);
	cdm_node_count(node, CDM_STAT_EVICT_KEPT, s.nr_keep - over);
	trace_cdm_evict(node->nid, b->why, policy, b->nr, b->nr_pages, moved,
			proposed, s.nr_keep - over, over);

	/* A page that finds room now and then does not make it a node with room. */
	if (give_up(node, b->why, !list_empty(&full),
		    2 * (moved + proposed) >= b->nr_pages))
		list_splice_init(&full, &s.swap);
	nr_swap = list_pages(&s.swap);
	cdm_node_count(node, CDM_STAT_EVICT_SWAP, nr_swap);
	cdm_node_count(node, CDM_STAT_EVICT_FULL, list_pages(&full));
	list_splice(&s.swap, folios);
	list_splice(&s.keep, stay);
	list_splice(&s.any, stay);
	list_splice(&full, stay);
	/*
	 * Reclaim is told at once, so that it knows when to stop. But classic LRU takes what
	 * it scanned and did not reclaim for a cost, so that it must not be more: of the
	 * rest it is told as of pages that it never saw, and learns of them at the end. Its
	 * counters of what was stolen have them with the cgroup that it scans.
	 */
	instead = proposed;
	if (!lru_gen_enabled())
		instead = min(proposed, b->nr_pages - min(b->nr_pages, moved + nr_swap));
	mm_account_reclaimed_pages(proposed - instead);
	return moved + instead;
}

/**
 * __cdm_evict_folios() - reclaim hands over what it would demote
 * @folios: isolated folios of a managed node, the coldest last; those that reclaim
 *	shall go on with are on it afterwards
 * @stay: gets those that shall stay
 * @nid: the node
 *
 * Context: as is said above.
 * Return: pages that left of @folios, or in their stead.
 */
unsigned int __cdm_evict_folios(struct list_head *folios, struct list_head *stay,
				int nid)
{
	struct cdm_evict_batch b;
	struct cdm_node *node;
	unsigned int moved = 0;
	LIST_HEAD(swap);
	int idx;

	if (list_empty(folios))
		return 0;
	idx = srcu_read_lock(&cdm_node_srcu);
	node = srcu_dereference(cdm_nodes[nid], &cdm_node_srcu);
	while (node && !list_empty(folios)) {
		INIT_LIST_HEAD(&b.folios);
		INIT_LIST_HEAD(&b.proposed);
		b.call.memcg = NULL;
		b.call.dump = NULL;
		b.candidate.index = U32_MAX;
		b.current_folio = NULL;
		b.nr_proposed = 0;
		b.nr_chosen = 0;
		b.nr_refused = 0;
		b.steps = 0;
		b.why = evict_why(node);
		take_batch(&b, folios);
		moved += evict_batch(&b, node, &swap, stay);
	}
	srcu_read_unlock(&cdm_node_srcu, idx);
	list_splice(&swap, folios);
	return moved;
}

/* ---- who makes room ---------------------------------------------------------- */

static unsigned long node_free(int nid)
{
	return zone_page_state(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE],
			       NR_FREE_PAGES);
}

/**
 * __cdm_reclaim_goal() - how much one call of direct reclaim shall free
 * @zonelist: where
 * @pages: what it is by default
 *
 * A call has its price, whatever it frees: it asks each memcg and each shrinker. An
 * allocation wants a page and goes on. kcdmd and the administrator want many.
 *
 * Context: as direct reclaim.
 * Return: pages.
 */
unsigned long __cdm_reclaim_goal(const struct zonelist *zonelist, unsigned long pages)
{
	struct zone *zone = zonelist->_zonerefs[0].zone;
	unsigned long high, free;
	struct cdm_node *node;

	guard(rcu)();
	node = zone ? cdm_node_of(zone_to_nid(zone)) : NULL;
	if (!node)
		return pages;
	if (current == READ_ONCE(node->evict_admin))
		return clamp(READ_ONCE(node->evict_admin_left), pages, CDM_EVICT_GOAL);
	if (current != READ_ONCE(node->kcdmd))
		return pages;
	high = cdm_evict_high(node);
	free = node_free(node->nid);
	return free < high ? clamp(high - free, pages, CDM_EVICT_GOAL) : pages;
}

/*
 * Stock reclaim of one node, 32 pages or more. A cpuset of current that leaves
 * the node out makes it do nothing.
 */
static unsigned long reclaim_node(int nid, gfp_t gfp)
{
	struct zonelist *only = &NODE_DATA(nid)->node_zonelists[ZONELIST_NOFALLBACK];
	unsigned long nr, psi;
	unsigned int flags;

	psi_memstall_enter(&psi);
	fs_reclaim_acquire(gfp);
	flags = memalloc_noreclaim_save();
	nr = try_to_free_pages(only, 0, gfp, NULL);
	memalloc_noreclaim_restore(flags);
	fs_reclaim_release(gfp);
	psi_memstall_leave(&psi);
	cond_resched();
	return nr;
}

/*
 * After a call of reclaim: is another worth its while? If nothing left, classic LRU may
 * have gone by counts of the lists' lengths that are seconds old, and does not touch the
 * active one while they say that the inactive one is long: then it is, with exact
 * counts, a few times in a row, since what was referenced is passed over at first.
 */
static bool goes_on(unsigned long freed, int *idle)
{
	if (freed) {
		*idle = 0;
		return true;
	}
	if (++*idle > CDM_EVICT_IDLE_TRIES || fatal_signal_pending(current))
		return false;
	mem_cgroup_flush_stats(NULL);
	return true;
}

/* What is free of the node's memory, and so much more than the kernel wants. */
static bool node_has_room(int nid, unsigned long nr)
{
	return node_free(nid) > high_wmark_pages(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE]) + nr;
}

/*
 * A look at all of a large node that finds nothing takes long, and each fault would
 * take it again. Nor is room made on a node that is about to go.
 */
static bool may_make_room(int nid)
{
	struct cdm_node *node;
	unsigned long next;

	guard(rcu)();
	node = cdm_node_of(nid);
	if (!node || READ_ONCE(node->state) == CDM_NODE_DRAINING)
		return false;
	next = READ_ONCE(node->direct_next);
	return !next || time_after_eq(jiffies, next);
}

static void nothing_left(int nid, unsigned long took)
{
	unsigned long rest = clamp(CDM_EVICT_REST_TIMES * took, CDM_EVICT_REST,
				   CDM_EVICT_REST_MAX);
	struct cdm_node *node;

	guard(rcu)();
	node = cdm_node_of(nid);
	if (node)
		WRITE_ONCE(node->direct_next, (jiffies + rest) ?: 1);
}

/**
 * cdm_evict_alloc() - make room for an allocation that found a managed node full
 * @here: flags of an allocation from that node alone, which does not reclaim
 * @order: of what is allocated
 * @nid: the node
 * @gfp: flags of the allocation that is served, whose rights to wait count
 *
 * Others may be faster and take what was evicted, so there are CDM_EVICT_TRIES of
 * them; and what left may be on some CPU's list. Large folios that leave make room
 * for large ones, and what is left of the rest is for compaction to put together:
 * of small ones no more than twice the folio leaves.
 *
 * Context: may sleep, with the rights of @gfp; not PF_MEMALLOC.
 * Return: a folio, or NULL if nothing more can leave or it was of no use.
 */
struct folio *cdm_evict_alloc(gfp_t here, unsigned int order, int nid, gfp_t gfp)
{
	unsigned long goal = 2UL << order, done = 0, start = jiffies, nr;
	struct folio *folio;
	int tries, idle = 0;

	/* Those of large folios come without, since stock would compact. */
	if (order)
		gfp |= __GFP_DIRECT_RECLAIM;
	if (!gfpflags_allow_blocking(gfp) || !may_make_room(nid))
		return NULL;
	if (order && node_has_room(nid, goal)) {
		/* In pieces. */
		wakeup_kcompactd(NODE_DATA(nid), order, ZONE_MOVABLE);
		return NULL;
	}
	for (tries = 0; tries < CDM_EVICT_TRIES; tries++) {
		nr = reclaim_node(nid, gfp);
		folio = __folio_alloc(here, order, nid, NULL);
		if (folio)
			return folio;
		if (!goes_on(nr, &idle)) {
			if (!done)
				nothing_left(nid, jiffies - start);
			return NULL;
		}
		done += nr;
		if (order && (done >= goal || node_has_room(nid, goal)))
			break;
		drain_all_pages(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE]);
		folio = __folio_alloc(here, order, nid, NULL);
		if (folio)
			return folio;
	}
	return NULL;
}

/**
 * cdm_evict_room() - a move found its target full
 * @nid: the target; nothing is done if it is not managed
 * @nr: pages that shall have room there
 *
 * Context: may sleep; no folio locked, not PF_MEMALLOC.
 * Return: pages that left.
 */
unsigned long cdm_evict_room(int nid, unsigned long nr)
{
	unsigned long done = 0, more;
	int idle = 0;

	if (!may_make_room(nid))
		return 0;
	while (done < nr) {
		more = reclaim_node(nid, GFP_HIGHUSER_MOVABLE);
		done += more;
		if (!goes_on(more, &idle))
			break;
	}
	/* What left may be on the list of a CPU, where an allocation does not look. */
	if (done)
		drain_all_pages(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE]);
	return done;
}

/*
 * MGLRU goes by the memory.low and memory.min that kswapd worked out when it last ran
 * for the node, and ahead of kcdmd it does not run.
 */
static void refresh_protection(void)
{
	struct mem_cgroup *memcg;

	if (!lru_gen_enabled())
		return;
	memcg = mem_cgroup_iter(NULL, NULL, NULL);
	do {
		mem_cgroup_calculate_protection(NULL, memcg);
	} while ((memcg = mem_cgroup_iter(NULL, memcg, NULL)));
}

/**
 * cdm_evict_pages() - the administrator wants room
 * @node: the node
 * @nr: pages; no more than the node has, so that it ends
 *
 * Context: may sleep; holds no lock that a fault or reclaim may want.
 * Return: pages that left; fewer than @nr if a signal came or nothing more can leave.
 */
unsigned long cdm_evict_pages(struct cdm_node *node, unsigned long nr)
{
	unsigned long done = 0, more;
	int idle = 0;

	WRITE_ONCE(node->evict_admin, current);
	refresh_protection();
	nr = min(nr, node->nr_pfns);
	while (done < nr && !signal_pending(current)) {
		WRITE_ONCE(node->evict_admin_left, nr - done);
		more = reclaim_node(node->nid, GFP_HIGHUSER_MOVABLE);
		done += more;
		if (!goes_on(more, &idle))
			break;
	}
	WRITE_ONCE(node->evict_admin, NULL);
	return done;
}

/**
 * cdm_evict_background() - kcdmd keeps a node between its watermarks
 * @node: the node
 *
 * Below the low one it begins, at the high one it ends. Where nothing can leave it
 * waits longer and longer, five seconds at most.
 *
 * Context: kcdmd.
 * Return: jiffies until it wants to be called again, 0 for now.
 */
long cdm_evict_background(struct cdm_node *node)
{
	unsigned long free = node_free(node->nid), high = cdm_evict_high(node);
	unsigned long done = 0, more;
	int i, idle = 0;
	long left;

	if (!node_state(node->nid, N_MEMORY) ||
	    READ_ONCE(node->state) == CDM_NODE_DRAINING ||
	    free >= high || (!node->evicting && free >= cdm_evict_low(node))) {
		node->evicting = false;
		node->evict_pause = 0;
		return MAX_SCHEDULE_TIMEOUT;
	}
	left = node->evict_next - jiffies;
	if (node->evict_pause && left > 0)
		return left;

	node->evicting = true;
	refresh_protection();
	for (i = 0; i < CDM_EVICT_TURN; i++) {
		if (node_free(node->nid) >= high)
			return 0;
		more = reclaim_node(node->nid, GFP_HIGHUSER_MOVABLE);
		if (more)
			node->evict_pause = 0;
		if (!goes_on(more, &idle))
			break;
		done += more;
		if (done >= CDM_EVICT_TURN_PAGES || kthread_should_stop() ||
		    freezing(current))
			return 0;
	}
	if (i == CDM_EVICT_TURN)
		return 0;
	node->evict_pause = clamp(node->evict_pause * 2, HZ / 10, 5L * HZ);
	node->evict_next = jiffies + node->evict_pause;
	return node->evict_pause;
}
