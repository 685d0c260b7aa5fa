// SPDX-License-Identifier: GPL-2.0
/*
 * kcdmd/N, the thread that works for managed node N.
 *
 * What may sleep and belongs to one node is done here and not in somebody's
 * fault: the policies' ticks, the moves that were queued, and room for new pages. It
 * starts when the node's memory is online and stops before the node goes. Nobody
 * waits for it in a fault: a tick may fault itself, and reclaim may be what a fault
 * waits for.
 *
 * cdm_kcdmd_wake() may be called from anywhere that may wake a task. A kick
 * that comes while the thread works is kept, so none is lost:
 *
 *	kcdmd			waker
 *	kick = false		kick = true
 *	work			wake
 *	sleep unless kick
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "internal.h"

static int kcdmd(void *arg)
{
	struct cdm_node *node = arg;
	long timeout, work;

	set_freezable();
	wait_event_freezable(node->kcdmd_wait,
			     kthread_should_stop() || READ_ONCE(node->kcdmd_runs));
	while (!kthread_should_stop()) {
		/* Pairs with the wait's barrier: work sees what came before. */
		smp_store_mb(node->kcdmd_kick, false);
		timeout = max(cdm_call_ticks(node), 1L);
		work = min(cdm_queue_run(node), cdm_evict_background(node));
		if (!work) {
			cond_resched();
			try_to_freeze();
			continue;
		}
		timeout = min(timeout, work);
		wait_event_freezable_timeout(node->kcdmd_wait,
					     kthread_should_stop() ||
					     READ_ONCE(node->kcdmd_kick),
					     timeout);
	}
	return 0;
}

/**
 * cdm_kcdmd_create() - have a thread for a node, which does nothing yet
 * @node: the node; has no thread
 *
 * Context: under cdm_node_lock.
 * Return: 0; -EINTR if the caller is being killed, or another negative errno.
 */
int cdm_kcdmd_create(struct cdm_node *node)
{
	struct task_struct *task;

	/* Node N has no CPUs, and its memory is not for stacks: any node. */
	node->kcdmd_runs = false;
	task = kthread_run(kcdmd, node, "kcdmd/%d", node->nid);
	if (IS_ERR(task))
		return PTR_ERR(task);
	node->kcdmd = task;
	return 0;
}

/**
 * cdm_kcdmd_run() - the node is online: its thread begins
 * @node: the node, with a thread that does nothing yet
 *
 * Context: under cdm_node_lock.
 */
void cdm_kcdmd_run(struct cdm_node *node)
{
	cdm_queue_open(node);
	WRITE_ONCE(node->kcdmd_runs, true);
	wake_up(&node->kcdmd_wait);
}

/**
 * cdm_kcdmd_stop() - stop a node's thread and wait until it is gone
 * @node: the node; without a thread nothing is done
 *
 * Context: under cdm_node_lock, never in a fault. A tick that runs is waited
 * for, so no tick may take cdm_node_lock.
 */
void cdm_kcdmd_stop(struct cdm_node *node)
{
	struct task_struct *task = node->kcdmd;

	if (!task)
		return;
	node->kcdmd = NULL;
	kthread_stop(task);
	cdm_queue_close(node);
}

/**
 * cdm_kcdmd_wake() - have a node's thread look for work now
 * @node: the node, with a thread or without one
 *
 * Context: any in which a task may be woken; under RCU, cdm_node_lock, or in the queue's
 * timer, which is cancelled before the node goes.
 */
void cdm_kcdmd_wake(struct cdm_node *node)
{
	WRITE_ONCE(node->kcdmd_kick, true);
	wake_up(&node->kcdmd_wait);
}

/*
 * The same for those who come often: only once until kcdmd looks, and not while it
 * waits because nothing can be done.
 */
void cdm_kcdmd_nudge(struct cdm_node *node)
{
	if (READ_ONCE(node->kcdmd_kick) ||
	    (READ_ONCE(node->evict_pause) &&
	     time_before(jiffies, READ_ONCE(node->evict_next))))
		return;
	cdm_kcdmd_wake(node);
}
