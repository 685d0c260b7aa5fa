// SPDX-License-Identifier: GPL-2.0
/*
 * A driver's memory comes online: segment by segment, all of it or nothing.
 *
 * A device has tens of gigabytes. Hotplug's locks are let go of after each segment, so
 * that nobody waits for them for long, and a driver that is killed is heard there. What
 * came is taken back if a later segment fails.
 *
 * All of it under cdm_node_lock, and it may sleep.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/resume_user_mode.h>
#include <linux/task_work.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "node.h"

/* Or one memory block, if that is larger. Each takes hotplug's locks twice. */
#define CDM_SEGMENT	SZ_1G

static bool block_broken(struct memory_block *mem)
{
#ifdef CONFIG_MEMORY_FAILURE
	return mem->state == MEM_OFFLINE && atomic_long_read(&mem->nr_hwpoison);
#else
	return false;
#endif
}

static int block_online_movable(struct memory_block *mem, void *arg)
{
	const struct cdm_node *node = arg;
	int err;

	/* The span of an adopted node may have others' blocks in it. */
	if (mem->nid != node->nid)
		return 0;
	/* The kernel leaves it offline, as long as the block is there. */
	if (block_broken(mem)) {
		pr_warn("node %d: memory block %lu has broken pages and stays offline\n",
			mem->nid, mem->dev.id + 0UL);
		return 0;
	}
	mem->online_type = MMOP_ONLINE_MOVABLE;
	err = device_online(&mem->dev);		/* 1: it was online before */
	return err < 0 ? err : 0;
}

static int block_check_movable(struct memory_block *mem, void *arg)
{
	const struct cdm_node *node = arg;

	if (mem->nid != node->nid || block_broken(mem))
		return 0;
	if (mem->state == MEM_ONLINE && mem->zone &&
	    zone_idx(mem->zone) == ZONE_MOVABLE)
		return 0;
	pr_err("node %d: memory block %lu is not online in ZONE_MOVABLE\n",
	       mem->nid, mem->dev.id + 0UL);
	return -EADDRINUSE;
}

static int online_blocks(struct cdm_node *node, u64 start, u64 size)
{
	int err;

	cdm_claim_bypass(true);
	err = walk_memory_blocks(start, size, node, block_online_movable);
	cdm_claim_bypass(false);
	return err;
}

/**
 * cdm_node_online_blocks() - bring every block that a node has online
 * @node: the node; on success its state is ONLINE
 *
 * Whatever auto_online_blocks asks for is done by the time memory is added, and its zone
 * is ours to choose (zone_for_pfn_range()); what it left offline is brought online here.
 *
 * Return: 0; -EADDRINUSE if a block is in another zone, -ENODEV if there is none, or what
 * memory hotplug said.
 */
int cdm_node_online_blocks(struct cdm_node *node)
{
	int err;

	lock_device_hotplug();
	err = online_blocks(node, node->start, node->size);
	if (!err)
		err = walk_memory_blocks(node->start, node->size, node,
					 block_check_movable);
	/* An adopted node's driver may have removed it all. */
	if (!err && !node_state(node->nid, N_MEMORY))
		err = -ENODEV;
	if (!err)
		cdm_node_enter(node, CDM_NODE_ONLINE);
	unlock_device_hotplug();
	if (!err)
		cdm_broken_keep_out(node->start, node->size);
	return err;
}

/* ---- hotplug ends its tries at a signal: this is one that nobody sees but it ------- */

static void slice_over(struct timer_list *timer)
{
	struct cdm_slice *slice = from_timer(slice, timer, timer);

	WRITE_ONCE(slice->over, true);
	set_notify_signal(slice->task);
}

/**
 * cdm_slice_begin() - the caller's memory hotplug shall not try for ever
 * @slice: on the stack
 * @end: jiffies at which it gives up, with -EINTR
 *
 * Context: process; until cdm_slice_end() by the same task.
 */
void cdm_slice_begin(struct cdm_slice *slice, unsigned long end)
{
	slice->task = current;
	slice->over = false;
	timer_setup_on_stack(&slice->timer, slice_over, 0);
	mod_timer(&slice->timer, end);
}

/**
 * cdm_slice_end() - from now on a signal is a signal
 * @slice: of cdm_slice_begin()
 */
void cdm_slice_end(struct cdm_slice *slice)
{
	timer_delete_sync(&slice->timer);
	destroy_timer_on_stack(&slice->timer);
	if (!slice->over)
		return;
	clear_notify_signal();
	/* It may have been somebody else's as well: on the way out is soon enough. */
	if (task_work_pending(current))
		set_notify_resume(current);
}

/* ---- all or nothing ------------------------------------------------------- */

struct removal {
	struct work_struct work;
	u64 start, size;
	int err;
};

static void remove_memory_work(struct work_struct *work)
{
	struct removal *r = container_of(work, struct removal, work);
	struct cdm_slice slice;

	cdm_slice_begin(&slice, jiffies + CDM_HOTPLUG_SLICE);
	/* Should it fail, it brings back what it has taken offline. */
	cdm_claim_bypass(true);
	r->err = offline_and_remove_memory(r->start, r->size);
	cdm_claim_bypass(false);
	cdm_slice_end(&slice);
}

/*
 * Takes back what was brought, as if it had never come. By somebody who gets no signals
 * but that one: hotplug would give up, as the driver may have been killed.
 */
static int node_undo(struct cdm_node *node, int err)
{
	struct removal r = { .start = node->start, .size = node->added };

	cdm_node_enter(node, CDM_NODE_FAILED);
	if (node->added) {
		INIT_WORK_ONSTACK(&r.work, remove_memory_work);
		queue_work(system_unbound_wq, &r.work);
		flush_work(&r.work);
		destroy_work_on_stack(&r.work);
	}
	if (!r.err) {
		node->added = 0;
		return err;
	}
	/*
	 * Somebody refers to a page of it already. Its resource has our name and its
	 * zone our nid: it stays, as much of it as there is, until the driver comes again
	 * for the rest or an administrator drains it.
	 */
	WRITE_ONCE(node->broken, NULL);
	synchronize_srcu(&cdm_node_srcu);
	cdm_node_enter(node, CDM_NODE_ORPHANED);
	pr_err("node %d: and cannot remove it again (%d): %llu of %llu MiB stay\n", node->nid,
	       r.err, node->added >> 20, node->size >> 20);
	return -EADDRINUSE;
}

static int add_segment(struct cdm_node *node)
{
	u64 start = node->start + node->added;
	u64 size = min(max_t(u64, CDM_SEGMENT, memory_block_size_bytes()),
		       node->size - node->added);
	int err;

	if (fatal_signal_pending(current)) {
		pr_err("node %d: %s was killed with %llu of %llu MiB online, taking the node back\n",
		       node->nid, node->name, node->added >> 20, node->size >> 20);
		return -EINTR;
	}
	/* It may come online here already, as auto_online_blocks says. */
	cdm_claim_bypass(true);
	err = add_memory_driver_managed(node->nid, start, size, node->resname,
					MHP_MERGE_RESOURCE);
	cdm_claim_bypass(false);
	if (err) {
		pr_err("node %d: cannot add memory %#llx+%#llx (%d)\n",
		       node->nid, start, size, err);
		return err;
	}
	node->added += size;
	lock_device_hotplug();
	err = online_blocks(node, start, size);
	unlock_device_hotplug();
	if (err)
		pr_err("node %d: cannot bring memory %#llx+%#llx online (%d), taking the node back\n",
		       node->nid, start, size, err);
	return err;
}

/**
 * cdm_node_add_memory() - bring a node's memory online, all of it or nothing
 * @node: the node, managed already, so that no zonelist ever has its memory
 *
 * Return: 0; a negative errno, and its state is FAILED, or ORPHANED if what came
 * could not be taken back.
 */
int cdm_node_add_memory(struct cdm_node *node)
{
	int err = 0;

	cdm_node_enter(node, CDM_NODE_GOING_ONLINE);
	while (!err && node->added < node->size) {
		err = add_segment(node);
		cond_resched();
	}
	if (!err) {
		/* The last look is at all of it at once. */
		err = cdm_node_online_blocks(node);
		if (!err)
			return 0;
		pr_err("node %d: cannot bring every block online (%d), taking the node back\n",
		       node->nid, err);
	}
	return node_undo(node, err);
}
