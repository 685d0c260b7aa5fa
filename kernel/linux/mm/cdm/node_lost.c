// SPDX-License-Identifier: GPL-2.0
/*
 * A device that is gone without leave, and its memory with it: surprise removal.
 *
 * Its driver learns of it first, and says so. From then on
 *
 *	its faults are errors, and nothing is placed on, moved to or from, or evicted from
 *	its node, as that would read what is not there;
 *	each page is taken from whoever has it, who gets an error and no garbage (lost.c);
 *	the memory is removed, as soon as nobody refers to a page of it.
 *
 * The state is FAILED all that time, and policies hear of the end: nobody is asked. What
 * somebody holds is waited for, without the driver if that goes; a node that nobody comes
 * back for is gone with its last page.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/mm.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "node.h"

/* Between two tries. */
#define CDM_LOST_PAUSE		(HZ / 20)
#define CDM_LOST_PAUSE_MAX	(5 * HZ)

/* Nodes whose device is lost, until they are freed: movers ask as long as there are any. */
static unsigned int nr_lost;
static DEFINE_SPINLOCK(nr_lost_lock);

static void count_lost(int n)
{
	unsigned long flags;

	spin_lock_irqsave(&nr_lost_lock, flags);
	nr_lost += n;
	assign_bit(CDM_ASKED_LOST, &cdm_migrate_asked, nr_lost);
	spin_unlock_irqrestore(&nr_lost_lock, flags);
}

static void lost_enter(struct cdm_node *node)
{
	/* One that another drain leaves is told that it shall end. */
	cdm_drain_stop(node);
	if (node->state == CDM_NODE_FAILED || node->drained)
		return;
	cdm_queue_close(node);
	/* Strangers' pages would come to it and be taken from them again. */
	cdm_node_set_mode(node, CDM_MODE_CLOSED);
	cdm_node_enter(node, CDM_NODE_FAILED);
}

static void lost_leave(struct cdm_node *node)
{
	node->drained = true;
	cdm_node_enter(node, CDM_NODE_OFFLINE);
	cdm_call_node_phase(node, CDM_CB_NODE_OFFLINE, CDM_DONE);
	pr_info("node %d: the memory of %s, which is lost, is removed\n", node->nid,
		node->name);
}

/* 0 if nothing is left. */
static int lost_try(struct cdm_node *node)
{
	int err;

	lost_enter(node);
	if (node->drained)
		return 0;
	err = cdm_drain_lost(node);
	if (!err)
		lost_leave(node);
	return err;
}

static void try_later(struct cdm_node *node)
{
	queue_delayed_work(system_unbound_wq, &node->lost_work, node->lost_pause);
	node->lost_pause = min(2 * node->lost_pause, CDM_LOST_PAUSE_MAX + 0UL);
}

/* Of cdm_node_lost(); again and again, until nothing is left. */
static void lost_work(struct work_struct *work)
{
	struct cdm_node *node = container_of(to_delayed_work(work), struct cdm_node,
					     lost_work);

	guard(mutex)(&cdm_node_lock);
	if (lost_try(node))
		try_later(node);
	else if (node->lost_alone)
		cdm_node_retire(node);
}

/**
 * cdm_node_lost() - a device is gone, and what its memory held with it
 * @node: what cdm_node_register() returned, and not given to cdm_node_unregister() yet
 *
 * Returns at once, and from then on cdm_device_fault() fails. Whoever maps a page of the
 * node gets SIGBUS at his next access, unless what it held can be read again from a file
 * or from swap. The memory is removed when nobody refers to it; the driver need not wait
 * for that with cdm_node_unregister(). There is no way back but to register again, which
 * is refused until the memory is removed.
 *
 * A driver whose device may go while it unregisters calls cdm_node_drain() before, with
 * a time-out.
 *
 * Context: any but NMI.
 */
void cdm_node_lost(struct cdm_node *node)
{
	if (WARN_ON_ONCE(node->adopted) || xchg(&node->lost, true))
		return;
	count_lost(1);
	pr_err("node %d: %s is lost, and %llu MiB of memory with it\n", node->nid,
	       node->name, node->size >> 20);
	queue_delayed_work(system_unbound_wq, &node->lost_work, 0);
}
EXPORT_SYMBOL_GPL(cdm_node_lost);

/**
 * cdm_lost_unregister() - a lost node's driver goes
 * @node: the node; freed, if its memory is removed
 *
 * Context: may sleep; under cdm_node_lock, which it lets go of meanwhile.
 * Return: 0, or -EBUSY: what is left of it goes with those who hold it.
 */
int cdm_lost_unregister(struct cdm_node *node)
{
	mutex_unlock(&cdm_node_lock);
	cancel_delayed_work_sync(&node->lost_work);
	mutex_lock(&cdm_node_lock);
	if (!lost_try(node)) {
		cdm_node_retire(node);
		return 0;
	}
	WRITE_ONCE(node->broken, NULL);
	synchronize_srcu(&cdm_node_srcu);
	node->lost_alone = true;
	try_later(node);
	pr_warn("node %d: %s goes, and somebody holds pages of its lost memory; see nodes/%d/left\n",
		node->nid, node->name, node->nid);
	return -EBUSY;
}

/**
 * cdm_lost_free() - part of freeing a node
 * @node: the node
 *
 * Context: any but NMI.
 */
void cdm_lost_free(struct cdm_node *node)
{
	if (node->lost)
		count_lost(-1);
}

/**
 * cdm_lost_init() - part of making a node
 * @node: the node
 *
 * Context: any.
 */
void cdm_lost_init(struct cdm_node *node)
{
	node->lost_pause = CDM_LOST_PAUSE;
	INIT_DELAYED_WORK(&node->lost_work, lost_work);
}
