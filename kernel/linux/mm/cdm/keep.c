// SPDX-License-Identifier: GPL-2.0
/*
 * Folios under keep: for a while no mover that can do without takes them.
 *
 * A policy says keep where it has seen a folio travel for nothing, and the kernel by itself
 * where nobody else looks (pingpong.c). It is remembered with the folio until when; nothing
 * happens then, the time is over.
 *
 * At most half of a node is kept, so that whoever has to move something finds something.
 * How much is kept is counted by the time at which it ends:
 *
 *	total = sum of slots		|now|   |   | ... |   |
 *	slots of 16 s each		 ^ goes when its time is over
 *
 * A folio that is freed or leaves before its time is counted on: the bound is met sooner
 * then, never later.
 *
 * When a policy that could keep is detached, what is kept on its nodes is kept no longer,
 * whoever said so: a walk over the state of each page. A policy that is attached at that
 * moment may lose what it has kept so far.
 *
 * Locks: keeps->lock is a leaf, taken with a page table locked.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/workqueue.h>

#include "internal.h"

/* Of times in the unit of cdm_fstate_now(), jiffies / 4, but in 64 bits. */
#define SLOT_TICKS	(16U * HZ / 4)
#define MOST_TICKS	((CDM_KEEP_SLOTS - 2) * SLOT_TICKS)

static u64 *slot_of(struct cdm_keeps *k, u64 until)
{
	return &k->slot[div_u64(until, SLOT_TICKS) % CDM_KEEP_SLOTS];
}

/* Under the lock: what ended meanwhile is not kept any more. */
static void keeps_advance(struct cdm_keeps *k, u64 now)
{
	u64 first = div_u64(now, SLOT_TICKS), i;

	for (i = k->first; i < first && i < k->first + CDM_KEEP_SLOTS; i++) {
		u64 *slot = &k->slot[i % CDM_KEEP_SLOTS];

		k->total -= *slot;
		*slot = 0;
	}
	k->first = first;
}

/* How long a folio is still kept; 0 if it is not, also long after it was. */
static u32 ticks_left(u32 until, u32 now)
{
	u32 left = until - now;

	return until && left - 1 < MOST_TICKS ? left : 0;
}

/**
 * cdm_keep_until() - pages of a node are to be kept
 * @node: the node
 * @nr: pages
 * @ms: for how long; half an hour at most
 * @old: until when they are kept and counted already, or 0
 *
 * Context: any but interrupts, under RCU.
 * Return: until when, as &cdm_folio_state.keep_until; 0 if too much of the node is kept.
 */
u32 cdm_keep_until(struct cdm_node *node, unsigned long nr, unsigned int ms, u32 old)
{
	struct cdm_keeps *k = &node->keeps;
	u64 now, until, *slot;
	u32 ticks, left;
	bool ok;

	/* Not shorter than asked. */
	ticks = min_t(u64, DIV_ROUND_UP(msecs_to_jiffies(ms), 4) + 1, MOST_TICKS);
	spin_lock(&k->lock);
	now = get_jiffies_64() / 4;
	keeps_advance(k, now);
	left = ticks_left(old, now);
	if (left) {
		slot = slot_of(k, now + left);
		k->total -= min_t(u64, nr, *slot);
		*slot -= min_t(u64, nr, *slot);
	}
	ok = k->total + nr <= cdm_node_managed_pages(node) / 2;
	until = now + ticks;
	if (ok) {
		k->total += nr;
		*slot_of(k, until) += nr;
	}
	spin_unlock(&k->lock);
	if (ok)
		return (u32)until ?: 1;
	cdm_node_count(node, CDM_STAT_KEEP_FULL, 1);
	return 0;
}

/**
 * cdm_keep_moved() - a folio under keep has moved to another node
 * @to: the node, NULL if it is not managed
 * @nr: pages
 * @until: until when it was kept
 *
 * Context: any but interrupts, under RCU.
 * Return: until when it is kept there, 0 if it is not.
 */
u32 cdm_keep_moved(struct cdm_node *to, unsigned long nr, u32 until)
{
	u32 left = ticks_left(until, cdm_fstate_now());

	return to && left ? cdm_keep_until(to, nr, jiffies_to_msecs(left * 4UL), 0) : 0;
}

/**
 * cdm_fstate_keep() - movers that can do without are denied for a while
 * @folio: a folio; of a node that is not managed nothing is remembered
 * @ms: for how long
 *
 * Context: any but interrupts, under RCU.
 * Return: false if it is not kept, as too much of its node is.
 */
bool cdm_fstate_keep(struct folio *folio, unsigned int ms)
{
	struct cdm_node *node = cdm_node_of(folio_nid(folio));
	struct cdm_folio_state *st = cdm_fstate_of(folio);
	u32 until;

	if (!node || !st)
		return true;
	until = cdm_keep_until(node, folio_nr_pages(folio), ms, READ_ONCE(st->keep_until));
	WRITE_ONCE(st->keep_until, until);
	return until;
}

/* Is the folio under keep? */
bool cdm_fstate_kept(const struct cdm_folio_state *st)
{
	return ticks_left(READ_ONCE(st->keep_until), cdm_fstate_now());
}

/* ---- the end of it ---------------------------------------------------------------- */

static nodemask_t ending;
static DEFINE_SPINLOCK(ending_lock);

static void keeps_clear(struct cdm_node *node)
{
	unsigned long i;

	for (i = 0; i < node->nr_pfns; i++) {
		if (READ_ONCE(node->fstate[i].keep_until))
			WRITE_ONCE(node->fstate[i].keep_until, 0);
		if (!(i % 65536))
			cond_resched();
	}
	spin_lock(&node->keeps.lock);
	node->keeps.total = 0;
	memset(node->keeps.slot, 0, sizeof(node->keeps.slot));
	spin_unlock(&node->keeps.lock);
}

static void end_keeps(struct work_struct *work)
{
	struct cdm_node *node;
	nodemask_t nodes;
	int nid, idx;

	scoped_guard(spinlock, &ending_lock) {
		nodes = ending;
		nodes_clear(ending);
	}
	/* Who is being asked at this moment may still keep something: access_device.c. */
	synchronize_rcu_expedited();
	synchronize_srcu_expedited(&cdm_srcu);
	for_each_node_mask(nid, nodes) {
		idx = srcu_read_lock(&cdm_node_srcu);
		node = srcu_dereference(cdm_nodes[nid], &cdm_node_srcu);
		if (node && node->fstate)
			keeps_clear(node);
		srcu_read_unlock(&cdm_node_srcu, idx);
	}
}

static DECLARE_WORK(end_work, end_keeps);

/**
 * cdm_keeps_end() - a policy that could keep is asked nothing any more
 * @p: the policy; it is out of the table
 *
 * Context: any but interrupts. It is done soon, in a thread of the kernel.
 */
void cdm_keeps_end(const struct cdm_policy *p)
{
	scoped_guard(spinlock, &ending_lock) {
		if (p->node == CDM_NODE_ALL)
			nodes_or(ending, ending, cdm_managed_nodes);
		else
			node_set(p->node, ending);
	}
	queue_work(system_unbound_wq, &end_work);
}

void cdm_keeps_init(struct cdm_node *node)
{
	spin_lock_init(&node->keeps.lock);
	node->keeps.first = div_u64(get_jiffies_64() / 4, SLOT_TICKS);
}
