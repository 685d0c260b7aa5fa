// SPDX-License-Identifier: GPL-2.0
/*
 * Mode last-resort: strangers' pages go to the device rather than a task dies.
 *
 * A node in this mode is isolated like a closed one until the OOM killer is
 * about to choose. Then a batch of movable pages leaves the CPUs' nodes for it,
 * the OOM killer is told that memory was freed, and the allocation tries again.
 * When the node is full too, nothing is moved and the kill happens.
 *
 *	allocation	out_of_memory()		last_resort()
 *	fails --------> notifier chain -------> short of CPU memory? room there?
 *						move a batch
 *	retries <------ "freed > 0" <---------- count it
 *
 * The allocation itself never gets a page of the node: what needs memory in the
 * end may be the kernel, and its pages could not leave the device again. Moving
 * the movable ones serves both.
 *
 * An OOM of somebody who named nodes is not ours: with MPOL_BIND to a device
 * node the CPUs' nodes have memory, and nothing is done.
 *
 * As in the kernel's demotion, a page is moved without a look at the mempolicy
 * or cpuset of those who map it. The alternative is a kill.
 *
 * Context of all of this: oom_lock is held, which also makes us the only one.
 * The failing allocation may be GFP_NOFS and hold locks of a file system or a
 * page, so folios are only trylocked (MIGRATE_ASYNC), and those whose migration
 * enters a file system are left alone. No allocation here may reclaim or wait.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/memory_hotplug.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>

#include "../internal.h"
#include "internal.h"
#include "migrate.h"

/* One call: enough to make progress, little enough not to be felt as a stall. */
#define BATCH_PAGES	(32UL << (20 - PAGE_SHIFT))
#define SCAN_PAGES	(4 * BATCH_PAGES)
#define ISOLATE_PAGES	512UL

/* Where the walk over a node goes on; under oom_lock. */
static unsigned long cursor[MAX_NUMNODES];

/**
 * struct pass - one walk over part of a node
 * @from: node that is short
 * @to: node that takes the pages
 * @spare_referenced: leave pages alone that were used since the last look
 * @moved: pages moved so far, over all passes
 */
struct pass {
	int from;
	int to;
	bool spare_referenced;
	unsigned long moved;
};

/* Every zone that user pages may come from is at its high watermark or below. */
static bool node_is_short(int nid)
{
	struct zone *zones = NODE_DATA(nid)->node_zones;
	int i;

	for (i = ZONE_NORMAL; i < ZONE_DEVICE; i++)
		if (populated_zone(&zones[i]) &&
		    zone_page_state(&zones[i], NR_FREE_PAGES) >
		    high_wmark_pages(&zones[i]))
			return false;
	return true;
}

/* Pages that a node can take and still be above its low watermarks. */
static unsigned long node_room(int nid)
{
	struct zone *zone = &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];
	unsigned long nr = zone_page_state(zone, NR_FREE_PAGES);
	unsigned long keep = low_wmark_pages(zone) + SWAP_CLUSTER_MAX;

	return populated_zone(zone) && nr > keep ? nr - keep : 0;
}

static bool may_move(struct folio *folio, const struct pass *pass)
{
	unsigned long vm_flags;

	if (folio_test_unevictable(folio) || folio_test_mlocked(folio) ||
	    folio_test_writeback(folio) || folio_maybe_dma_pinned(folio))
		return false;
	/* Buffers and dirty data are the file system's, with its locks. */
	if (!folio_test_swapbacked(folio) &&
	    (folio_test_private(folio) || folio_test_dirty(folio)))
		return false;
	if (pass->spare_referenced &&
	    (folio_test_referenced(folio) ||
	     folio_referenced(folio, 0, NULL, &vm_flags)))
		return false;
	return true;
}

/* Returns how many pages to step over; the folio is on @list if it is ours. */
static unsigned long take_folio(unsigned long pfn, const struct pass *pass,
				struct list_head *list, unsigned long *taken)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long step = 1;
	struct folio *folio;

	if (!page)
		return PAGES_PER_SECTION - (pfn & (PAGES_PER_SECTION - 1));
	/* Spans of nodes may overlap. */
	if (page_to_nid(page) != pass->from || PageTail(page))
		return 1;
	folio = page_folio(page);
	if (!folio_test_lru(folio) || !folio_try_get(folio))
		return 1;
	/* It may have become part of another folio before we had it. */
	if (page_folio(page) != folio || !folio_test_lru(folio))
		goto put;
	step = folio_nr_pages(folio);
	if (!may_move(folio, pass) || !folio_isolate_lru(folio))
		goto put;
	node_stat_add_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio));
	list_add_tail(&folio->lru, list);
	*taken += step;
put:
	folio_put(folio);
	return step;
}

static void move_list(struct list_head *list, struct pass *pass)
{
	struct cdm_alloc to = { .nid = pass->to, .failed = CDM_NO_ORDER };
	unsigned int moved = 0;

	if (list_empty(list))
		return;
	migrate_pages(list, cdm_alloc_dst, NULL, (unsigned long)&to,
		      MIGRATE_ASYNC, MR_CDM, &moved);
	/* What could not be moved; its NR_ISOLATED goes with it. */
	putback_movable_pages(list);
	pass->moved += moved;
}

static void move_some(struct pass *pass)
{
	unsigned long start = node_start_pfn(pass->from);
	unsigned long end = node_end_pfn(pass->from);
	unsigned long pfn = cursor[pass->from], scanned, step, taken = 0;
	unsigned long goal = min(BATCH_PAGES, node_room(pass->to));
	LIST_HEAD(list);

	for (scanned = 0; scanned < SCAN_PAGES; scanned += step, pfn += step) {
		if (pass->moved + taken >= goal)
			break;
		if (pfn < start || pfn >= end)
			pfn = start;
		step = take_folio(pfn, pass, &list, &taken);
		if (taken >= ISOLATE_PAGES) {
			move_list(&list, pass);
			taken = 0;
			cond_resched();
		}
	}
	move_list(&list, pass);
	/* Pages that were spared get their second look from where it began. */
	if (!pass->spare_referenced || pass->moved)
		cursor[pass->from] = pfn;
}

/* Moves a batch off one node; 0 if nothing on it can move or nobody has room. */
static unsigned long relieve(int nid)
{
	struct pass pass = { .from = nid, .to = NUMA_NO_NODE };
	struct cdm_node *node;
	unsigned long span;
	bool leaves;
	int to;

	for_each_node_mask(to, cdm_last_resort_nodes) {
		rcu_read_lock();
		leaves = cdm_node_leaves(to);
		rcu_read_unlock();
		if (leaves || !node_room(to))
			continue;
		if (pass.to == NUMA_NO_NODE ||
		    node_distance(nid, to) < node_distance(nid, pass.to))
			pass.to = to;
	}
	if (pass.to == NUMA_NO_NODE)
		return 0;

	pass.spare_referenced = true;
	move_some(&pass);
	pass.spare_referenced = false;
	for (span = 0; !pass.moved && span < node_spanned_pages(nid);
	     span += SCAN_PAGES)
		move_some(&pass);

	rcu_read_lock();
	node = cdm_node_of(pass.to);
	if (node)
		cdm_node_count(node, CDM_STAT_LAST_RESORT, pass.moved);
	rcu_read_unlock();
	return pass.moved;
}

static int last_resort(struct notifier_block *nb, unsigned long unused,
		       void *arg)
{
	unsigned long moved = 0, *freed = arg;
	unsigned int flags;
	int nid;

	if (nodes_empty(cdm_last_resort_nodes))
		return NOTIFY_DONE;

	/* Pages in the batches of other CPUs are left for the next time. */
	lru_add_drain();
	flags = memalloc_noreclaim_save();
	for_each_node_state(nid, N_MEMORY)
		if (!cdm_node_managed(nid) && node_is_short(nid))
			moved += relieve(nid);
	memalloc_noreclaim_restore(flags);

	*freed += moved;
	return NOTIFY_OK;
}

static struct notifier_block last_resort_nb = {
	.notifier_call = last_resort,
};

static int __init cdm_last_resort_init(void)
{
	return register_oom_notifier(&last_resort_nb);
}
subsys_initcall(cdm_last_resort_init);
