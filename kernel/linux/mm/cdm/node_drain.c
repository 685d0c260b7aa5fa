// SPDX-License-Identifier: GPL-2.0
/*
 * Who drains a node, and brings it back: its driver, or an administrator.
 *
 * A drained node stays managed, without memory. How it is drained is in drain.c.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/mm.h>

#include "internal.h"
#include "migrate.h"
#include "node.h"

static int drain_check(struct cdm_node *node)
{
	if (node->state == CDM_NODE_DRAINING)
		return cdm_refuse(-EBUSY, "node %d: it is being drained already", node->nid);
	if (node->state == CDM_NODE_FAILED)
		return cdm_refuse(-ENODEV, "node %d: %s is lost, and its memory is removed when nobody holds it any more; see nodes/%d/left",
				  node->nid, node->name, node->nid);
	if (node->state == CDM_NODE_OFFLINE)
		return cdm_refuse(-EALREADY, "node %d: none of its memory is online; cdmctl node online %d brings it back",
				  node->nid, node->nid);
	return 0;
}

static int drain_check_to(const struct cdm_node *node, const struct cdm_drain *how)
{
	struct cdm_move mv = {};
	unsigned int i;
	int nid;

	for (i = 0; i < how->nr_to; i++) {
		nid = how->to[i];
		if (nid == node->nid)
			return cdm_refuse(-EINVAL, "node %d: cannot be drained to itself", nid);
		mv.nid = nid;
		if (cdm_move_check(&mv))
			return cdm_refuse(-EINVAL, "node %d: cannot be drained to node %d, which has no memory or is about to lose it",
					  node->nid, nid);
	}
	return 0;
}

/**
 * cdm_node_drain() - take a node's memory offline, if it can leave
 * @node: what cdm_node_register() returned
 * @timeout_ms: how long to try; 0 until a signal
 *
 * For drivers that can wait, or stay: unlike cdm_node_unregister() this leaves the node
 * as it was if its memory cannot leave. If it can, the memory is removed, but the node
 * stays the driver's, without memory: cdm_node_online() brings it back.
 *
 * Context: may sleep, for long; no locks held, not in a memory notifier.
 * Return: 0; -EALREADY if none is online; -EPERM if a policy vetoed, -EBUSY if the time
 * is up or somebody else drains it, -EINTR after a signal, -ENODEV if the device is
 * lost, -ENOMEM, or what memory hotplug said.
 */
int cdm_node_drain(struct cdm_node *node, unsigned int timeout_ms)
{
	struct cdm_drain how = { .timeout_ms = timeout_ms };
	int err;

	guard(mutex)(&cdm_node_lock);
	err = drain_check(node);
	return err ?: cdm_drain(node, &how);
}
EXPORT_SYMBOL_GPL(cdm_node_drain);

/* Managed, or a text says that it is not. Under cdm_node_lock. */
static struct cdm_node *managed_node(const char *what, int nid)
{
	struct cdm_node *node = NULL;

	if (nid >= 0 && nid < MAX_NUMNODES)
		node = cdm_node_of(nid);
	if (!node)
		cdm_refuse(-ENODEV, "cannot %s node %d: it is not managed", what, nid);
	return node;
}

/**
 * cdm_drain_nid() - an administrator takes a node's memory offline
 * @nid: the node
 * @how: not checked
 *
 * As cdm_node_drain(). An orphan is gone afterwards, as nobody would bring it back.
 *
 * Context: may sleep, for long; no locks held.
 * Return: as cdm_node_drain(); -ENODEV if the node is not managed, -EINVAL for a target
 * that cannot be one.
 */
int cdm_drain_nid(int nid, const struct cdm_drain *how)
{
	struct cdm_node *node;
	bool orphan;
	int err;

	guard(mutex)(&cdm_node_lock);
	node = managed_node("drain", nid);
	if (!node)
		return -ENODEV;
	err = drain_check(node) ?: drain_check_to(node, how);
	if (err)
		return err;
	orphan = node->state == CDM_NODE_ORPHANED;
	err = cdm_drain(node, how);
	if (err)
		return err;
	pr_info("node %d: drained\n", nid);
	if (orphan)
		cdm_node_retire(node);
	return 0;
}

/* Back online after a drain, or after blocks were taken offline by hand. */
static int drain_undo(struct cdm_node *node)
{
	bool removed = !node->adopted && node->added < node->size;
	void (*broken)(void *priv, unsigned long pfn);
	int err;

	if (READ_ONCE(node->lost))
		return cdm_refuse(-ENODEV, "node %d: %s is lost; the node comes back with its driver, once that is unloaded and loaded again",
				  node->nid, node->name);
	if (node->state != CDM_NODE_OFFLINE)
		return cdm_refuse(-EALREADY, "node %d: it is %s, not offline", node->nid,
				  cdm_node_state_names[node->state]);
	err = cdm_call_node_prepare(node, CDM_CB_NODE_ONLINE);
	if (err)
		return err;
	broken = node->broken;
	/* What the notifier sees is not for it to say. */
	cdm_node_enter(node, CDM_NODE_GOING_ONLINE);
	err = removed ? cdm_node_add_memory(node) : cdm_node_online_blocks(node);
	if (err) {
		cdm_refuse(err, "node %d: cannot bring its memory online again (%d); see the lines above in the log",
			   node->nid, err);
		cdm_call_node_phase(node, CDM_CB_NODE_ONLINE, CDM_CANCELLED);
		/*
		 * What could not be taken back is there, and the driver's; the rest comes
		 * with the next try, once none of it is online.
		 */
		cdm_node_settle(node);
		if (node->added || node->state == CDM_NODE_ONLINE) {
			node->drained = false;
			WRITE_ONCE(node->broken, broken);
			cdm_queue_open(node);
		}
		return err;
	}
	node->drained = false;
	cdm_queue_open(node);
	cdm_call_node_phase(node, CDM_CB_NODE_ONLINE, CDM_DONE);
	pr_info("node %d: online again\n", node->nid);
	return 0;
}

/**
 * cdm_node_online() - bring a node that was drained online again
 * @node: what cdm_node_register() returned
 *
 * Context: may sleep, for long; no locks held, not in a memory notifier.
 * Return: 0; -EALREADY if it is not offline, -EPERM if a policy vetoed, -ENODEV if its
 * device is lost, or what memory hotplug said.
 */
int cdm_node_online(struct cdm_node *node)
{
	guard(mutex)(&cdm_node_lock);
	return drain_undo(node);
}
EXPORT_SYMBOL_GPL(cdm_node_online);

/**
 * cdm_online_nid() - an administrator brings a node online that was drained
 * @nid: the node
 *
 * Context: may sleep, for long; no locks held.
 * Return: as cdm_node_online(), or -ENODEV if the node is not managed.
 */
int cdm_online_nid(int nid)
{
	struct cdm_node *node;

	guard(mutex)(&cdm_node_lock);
	node = managed_node("bring online", nid);
	return node ? drain_undo(node) : -ENODEV;
}
