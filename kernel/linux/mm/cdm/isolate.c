// SPDX-License-Identifier: GPL-2.0
/*
 * Who may use a managed node without having named it: nobody.
 *
 * Each node has two lists of where its allocations look for memory:
 *
 *	ZONELIST_FALLBACK	the nodes that are not isolated, and itself
 *	ZONELIST_ALL		every node, in the stock order
 *
 * One of them is picked once per allocation, in prepare_alloc_pages():
 *
 *	the caller					looks along
 *	has no nodemask, its cpuset is mixed		FALLBACK
 *	has no nodemask, its cpuset is isolated nodes	ALL
 *	has a nodemask with an isolated node in it	ALL
 *	has a nodemask without one			FALLBACK
 *	passes the isolated node as preferred one	FALLBACK of that node,
 *							which begins with it
 *	says __GFP_THISNODE				that node
 *
 * The third is MPOL_BIND and MPOL_PREFERRED_MANY, the fifth MPOL_PREFERRED and
 * the interleaving ones. A cpuset that allows other nodes as well is no choice,
 * because the root's allows every node there is. Whatever else builds a mask
 * that means "anywhere" drops the isolated nodes from it (cdm_drop_isolated()).
 *
 * Not covered, and stock: a task that may dip into the reserves (an OOM victim,
 * a reclaimer) loses its nodemask in the slow path, so one that named one
 * isolated node may then get a page of another.
 *
 * Locks: everything here is changed under cdm_node_lock, and read without a
 * lock. An allocation that runs while the lists change sees the old or the new
 * ones, as in memory hotplug.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cpuset.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/vmstat.h>
#include <linux/writeback.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(cdm_nodes_key);
DEFINE_STATIC_KEY_FALSE(cdm_isolated_key);

nodemask_t cdm_managed_nodes __read_mostly;
nodemask_t cdm_isolated_nodes __read_mostly;
nodemask_t cdm_last_resort_nodes __read_mostly;

/*
 * Nodes that open ZONELIST_ALL to those who name them: the isolated ones, and
 * for a moment longer those that stop to be. Who names a node must find it at
 * any time, and the other lists have it only once they are rebuilt.
 */
static nodemask_t on_all_only __read_mostly;

/*
 * Out of line of cdm_zonelist(), so that an idle kernel pays for a branch only.
 * cpuset_current_mems_allowed may change meanwhile: then the slow path finds no
 * zone, sees that the cpuset changed, and the fault is tried again.
 */
bool __cdm_names_isolated(gfp_t gfp, const nodemask_t *nodemask)
{
	if (gfp & __GFP_THISNODE)
		return false;
	if (nodemask)
		return nodes_intersects(*nodemask, on_all_only);
	return cpusets_enabled() && in_task() &&
	       nodes_subset(cpuset_current_mems_allowed, on_all_only);
}

bool __cdm_drop_isolated(nodemask_t *mask)
{
	nodes_andnot(*mask, *mask, cdm_isolated_nodes);
	return nodes_empty(*mask);
}

bool __cdm_node_unasked(int nid)
{
	/* A search that found nothing ends at MAX_NUMNODES. */
	return nid < MAX_NUMNODES && node_isset(nid, cdm_isolated_nodes) &&
	       !nodes_subset(cpuset_current_mems_allowed, cdm_isolated_nodes);
}

/*
 * File pages that are there stay counted: whoever named the node may dirty
 * them, and then they are counted as dirty.
 */
unsigned long __cdm_isolated_free(void)
{
	unsigned long nr = 0;
	int nid;

	for_each_node_mask(nid, cdm_isolated_nodes)
		nr += sum_zone_node_page_state(nid, NR_FREE_PAGES);
	return nr;
}

/* What was derived from the set of nodes that strangers may use. */
static void isolated_nodes_changed(void)
{
	mem_hotplug_begin();
	build_all_zonelists(NULL);
	mem_hotplug_done();

	cdm_refresh_demotion();
	writeback_set_ratelimit();
}

static void isolate(int nid)
{
	if (node_isset(nid, cdm_isolated_nodes))
		return;
	node_set(nid, on_all_only);
	static_branch_inc(&cdm_isolated_key);
	node_set(nid, cdm_isolated_nodes);
	isolated_nodes_changed();
}

static void deisolate(int nid)
{
	if (!node_isset(nid, cdm_isolated_nodes))
		return;
	node_clear(nid, cdm_isolated_nodes);
	isolated_nodes_changed();
	node_clear(nid, on_all_only);
	static_branch_dec(&cdm_isolated_key);
}

/**
 * cdm_isolate_manage() - from now on a node is managed, and closed as told
 * @nid: the node; it may be managed already, and need not have memory yet
 * @mode: how closed it is to those who do not name it
 *
 * To be called before the node gets its memory, so that no list ever has it
 * and every block of it goes to ZONE_MOVABLE. Pages that are on the node stay
 * where they are.
 *
 * Context: under cdm_node_lock, no hotplug lock held; sleeps.
 */
void cdm_isolate_manage(int nid, enum cdm_node_mode mode)
{
	lockdep_assert_held(&cdm_node_lock);

	if (!node_isset(nid, cdm_managed_nodes)) {
		node_set(nid, cdm_managed_nodes);
		static_branch_inc(&cdm_nodes_key);
	}
	if (mode == CDM_MODE_OPEN)
		deisolate(nid);
	else
		isolate(nid);

	if (mode == CDM_MODE_LAST_RESORT)
		node_set(nid, cdm_last_resort_nodes);
	else
		node_clear(nid, cdm_last_resort_nodes);
}

/**
 * cdm_isolate_unmanage() - a node is a node like any other again
 * @nid: the node
 *
 * To be called after its memory was removed: a removal that fails brings the
 * blocks back online, and they must find the node isolated.
 *
 * Context: under cdm_node_lock, no hotplug lock held; sleeps.
 */
void cdm_isolate_unmanage(int nid)
{
	lockdep_assert_held(&cdm_node_lock);

	if (!node_isset(nid, cdm_managed_nodes))
		return;
	node_clear(nid, cdm_last_resort_nodes);
	deisolate(nid);
	node_clear(nid, cdm_managed_nodes);
	static_branch_dec(&cdm_nodes_key);
}
