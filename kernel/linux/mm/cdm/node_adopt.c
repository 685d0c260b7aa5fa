// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes that another driver brought online, dax/kmem say, and that an administrator
 * has cdm_ext manage. The driver need not know.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>

#include "internal.h"
#include "node.h"

struct node_span {
	int nid;
	u64 start, end;
};

static int block_span(struct memory_block *mem, void *arg)
{
	struct node_span *span = arg;
	u64 start = PFN_PHYS(section_nr_to_pfn(mem->start_section_nr));

	if (mem->nid != span->nid)
		return 0;
	span->start = min(span->start, start);
	span->end = max(span->end, start + memory_block_size_bytes());
	return 0;
}

static int check_adopt(int nid, struct node_span *span)
{
	struct cdm_node *node;

	if (nid < 0 || nid >= MAX_NUMNODES || !node_possible(nid) ||
	    !node_online(nid))
		return cdm_refuse(-ENODEV,
				  "cannot adopt node %d: it does not exist; bring its memory online first (dax/kmem)",
				  nid);
	if (cdm_node_has_cpus(nid) || node_state(nid, N_CPU))
		return cdm_refuse(-EINVAL,
				  "cannot adopt node %d: it has CPUs, so its memory is the CPUs' and not a device's",
				  nid);
	node = cdm_node_of(nid);
	if (node)
		return cdm_refuse(-EEXIST,
				  "cannot adopt node %d: it is managed already (%s %s)",
				  nid, node->adopted ? "adopted" : "registered by",
				  node->adopted ? "before" : node->name);
	if (!node_state(nid, N_MEMORY))
		return cdm_refuse(-ENODEV,
				  "cannot adopt node %d: none of its memory is online; write online_movable to its blocks' state",
				  nid);
	if (node_state(nid, N_NORMAL_MEMORY))
		return cdm_refuse(-EBUSY,
				  "cannot adopt node %d: some of its memory is in a kernel zone; take it offline and write online_movable to its blocks' state",
				  nid);

	/* Offline blocks count: they may come online while it is managed. */
	*span = (struct node_span) { .nid = nid, .start = U64_MAX };
	lock_device_hotplug();
	for_each_memory_block(span, block_span);
	unlock_device_hotplug();
	return span->start < span->end ? 0 : -ENODEV;
}

/**
 * cdm_node_adopt() - manage a node that another driver brought online
 * @nid: a node without CPUs, with all of its online memory in ZONE_MOVABLE
 *
 * The driver need not know. Every attached policy is asked and may veto. What
 * others have on the node stays there; from now on it is closed. Memory that
 * the driver adds later, beyond the node's blocks of today, is managed too, but
 * its folios have no state (fstate.c).
 *
 * Context: may sleep; no locks held.
 * Return: 0, -ENODEV, -EINVAL, -EBUSY,
 * -EEXIST, -ENOMEM, or -EPERM if a policy vetoed.
 */
int cdm_node_adopt(int nid)
{
	struct cdm_node *node;
	struct node_span span;
	int err;

	mutex_lock(&cdm_node_lock);
	err = check_adopt(nid, &span);
	if (err)
		goto out;
	err = -ENOMEM;
	node = cdm_node_alloc(nid, span.start, span.end - span.start);
	if (!node)
		goto out;
	node->adopted = true;
	strscpy(node->name, "adopted");

	err = cdm_node_publish(node);
	if (err)
		goto free;
	err = cdm_call_node_prepare(node, CDM_CB_NODE_ONLINE);
	if (err)
		goto unpublish;
	err = cdm_kcdmd_create(node);
	if (err) {
		pr_err("cannot adopt node %d: cannot create its thread (%d)\n", nid, err);
		cdm_call_node_phase(node, CDM_CB_NODE_ONLINE, CDM_CANCELLED);
		goto unpublish;
	}
	cdm_isolate_manage(nid, node->mode);
	cdm_node_settle(node);
	cdm_broken_keep_out(node->start, node->size);
	cdm_kcdmd_run(node);
	cdm_call_node_phase(node, CDM_CB_NODE_ONLINE, CDM_DONE);
	pr_info("node %d: adopted, %llu MiB, %s\n", nid, node->size >> 20,
		cdm_mode_names[node->mode]);
out:
	mutex_unlock(&cdm_node_lock);
	return err;

unpublish:
	cdm_node_unpublish(node);
free:
	cdm_node_free(node);
	goto out;
}

/**
 * cdm_node_release() - return an adopted node to stock behaviour
 * @nid: an adopted node
 *
 * Its memory is not touched. Every attached policy is asked and may veto.
 *
 * Context: may sleep; no locks held.
 * Return: 0, -ENODEV if the node is not
 * managed, -EINVAL if a driver registered it, -EPERM if a policy
 * vetoed.
 */
int cdm_node_release(int nid)
{
	struct cdm_node *node = NULL;
	int err = 0;

	mutex_lock(&cdm_node_lock);
	if (nid >= 0 && nid < MAX_NUMNODES)
		node = cdm_node_of(nid);
	if (!node) {
		err = cdm_refuse(-ENODEV, "cannot release node %d: it is not managed",
				 nid);
		goto out;
	}
	if (!node->adopted) {
		err = cdm_refuse(-EINVAL,
				 "cannot release node %d: it was not adopted; it goes when its driver (%s) is unloaded",
				 nid, node->name);
		goto out;
	}
	if (node->state == CDM_NODE_DRAINING) {
		err = cdm_refuse(-EBUSY, "cannot release node %d: it is being drained; stop that first",
				 nid);
		goto out;
	}
	if (!node->drained)
		err = cdm_call_node_prepare(node, CDM_CB_NODE_OFFLINE);
	if (err)
		goto out;
	pr_info("node %d: released to stock behaviour\n", nid);
	cdm_node_retire(node);
out:
	mutex_unlock(&cdm_node_lock);
	return err;
}
