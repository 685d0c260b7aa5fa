// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a node make room, how much, and when to stop trying.
 *
 * Each of them is a loop around stock reclaim of that one node, which comes to evict.c
 * with what it has isolated. Here is only how often it is called and what for: a page
 * (an allocation, a move), as much as the administrator says, or up to a watermark
 * (kcdmd).
 *
 * A node of which nothing can leave must cost those who find it full little: for a while
 * after a look in vain nobody else looks.
 *
 * Context: may sleep; no folio locked, not PF_MEMALLOC on entry.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/compaction.h>	/* needs mm.h */
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include "../internal.h"
#include "evict.h"
#include "internal.h"

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
#define CDM_EVICT_TURN_PAGES	1024UL

/* Pages in one call of reclaim where nobody waits for the first of them. */
#define CDM_EVICT_GOAL		4096UL

/**
 * cdm_evict_why() - on whose behalf does current reclaim a node's memory?
 * @node: the node
 *
 * Context: any task.
 * Return: that.
 */
enum cdm_evict_why cdm_evict_why(const struct cdm_node *node)
{
	if (current_is_kswapd())
		return CDM_EVICT_KSWAPD;
	if (current == READ_ONCE(node->kcdmd))
		return CDM_EVICT_BACKGROUND;
	if (current == READ_ONCE(node->evict_admin))
		return CDM_EVICT_ADMIN;
	return CDM_EVICT_DIRECT;
}

/**
 * cdm_evict_wanted() - how many pages shall leave a node now?
 * @node: the node
 * @why: on whose behalf
 * @min: the least
 * @max: the most, unless that is less than @min
 *
 * An allocation wants one, and goes on as soon as it can. The others want many.
 *
 * Context: any.
 * Return: pages.
 */
unsigned long cdm_evict_wanted(const struct cdm_node *node, enum cdm_evict_why why,
			       unsigned long min, unsigned long max)
{
	unsigned long want = 0, high, free;

	if (why == CDM_EVICT_ADMIN) {
		want = READ_ONCE(node->evict_admin_left);
	} else if (why == CDM_EVICT_BACKGROUND) {
		high = cdm_evict_high(node);
		free = cdm_node_free_pages(node->nid);
		if (free < high)
			want = min(high - free, CDM_EVICT_TURN_PAGES);
	}
	return max(min(want, max), min);
}

/**
 * __cdm_reclaim_goal() - how much one call of direct reclaim shall free
 * @zonelist: where
 * @pages: what it is by default
 *
 * A call has its price, whatever it frees: it asks each memcg and each shrinker.
 *
 * Context: as direct reclaim.
 * Return: pages.
 */
unsigned long __cdm_reclaim_goal(const struct zonelist *zonelist, unsigned long pages)
{
	struct zone *zone = zonelist->_zonerefs[0].zone;
	struct cdm_node *node;

	guard(rcu)();
	node = zone ? cdm_node_of(zone_to_nid(zone)) : NULL;
	return node ? cdm_evict_wanted(node, cdm_evict_why(node), pages,
				       CDM_EVICT_GOAL) : pages;
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
	/* What is in a batch on its way to a list has one reference more. */
	lru_add_drain_all();
	return true;
}

/* What is free of the node's memory, and so much more than the kernel wants. */
static bool node_has_room(int nid, unsigned long nr)
{
	struct zone *zone = &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];

	return cdm_node_free_pages(nid) > high_wmark_pages(zone) + nr;
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
	if (!node || cdm_node_leaves(nid))
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

	/* Those of large folios come without, since stock would compact; they have FS. */
	if (order && (gfp & __GFP_FS))
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

	/* One at a time: who it is, and what he still wants, is the node's. */
	if (mutex_lock_interruptible(&node->evict_admin_lock))
		return 0;
	WRITE_ONCE(node->evict_admin, current);
	refresh_protection();
	nr = min(nr, node->nr_pfns);
	while (done < nr && !signal_pending(current) &&
	       !cdm_node_leaving(node)) {
		/* Less by what leaves, as it does. */
		WRITE_ONCE(node->evict_admin_left, nr - done);
		more = reclaim_node(node->nid, GFP_HIGHUSER_MOVABLE);
		done += more;
		if (!goes_on(more, &idle))
			break;
	}
	WRITE_ONCE(node->evict_admin, NULL);
	mutex_unlock(&node->evict_admin_lock);
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
	unsigned long free = cdm_node_free_pages(node->nid), high = cdm_evict_high(node);
	unsigned long done = 0, more;
	int i, idle = 0;
	long left;

	if (!node_state(node->nid, N_MEMORY) ||
	    cdm_node_leaving(node) ||
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
		if (cdm_node_free_pages(node->nid) >= high)
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
