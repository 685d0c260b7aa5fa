// SPDX-License-Identifier: GPL-2.0
/*
 * Managed nodes: how they come, what state they are in, how they go.
 *
 * A driver brings its memory (cdm_node_register()), or an administrator hands
 * over a node that another driver, dax/kmem say, brought online
 * (cdm_node_adopt()). Both end in the same registry, cdm_nodes[].
 *
 *	    cdm_node_register()		       cdm_node_adopt()
 *		    |				      |
 *	       REGISTERED --- vetoed ---> (gone)      |	  vetoed: as if never asked
 *		    | policies agree		      |
 *	      GOING_ONLINE -- failed --> FAILED ----> (gone)
 *		    | every block is in ZONE_MOVABLE  |
 *		    v				      v
 *		 +------------------ ONLINE <---------+---- register of the same
 *		 |		      | ^		    range ----------+
 *		 | others take its    | | others bring			    |
 *		 | last block offline v | it back			    |
 *		 |		     OFFLINE				    |
 *		 |		      |					    |
 *		 |   cdm_node_unregister(): policies agree		    |
 *		 +-----> DRAINING ----+					    |
 *			  |	      |					    |
 *			  |	      +-- cannot leave: back to ONLINE, or  |
 *			  |		  ORPHANED if the driver's module   |
 *			  |		  goes regardless ------------------+
 *			  +-- memory removed --> (gone)
 *
 *	cdm_node_lost() of a driver's node, whatever it does: FAILED, until its memory
 *	is removed (node_lost.c), then OFFLINE until the driver goes, or (gone).
 *
 *	cdm_node_release() takes an adopted node that is ONLINE or OFFLINE out
 *	of the registry and leaves its memory alone.
 *
 * DRAINING goes back to where it came from when a policy vetoes. FAILED is
 * seen by policies (CDM_CANCELLED) and in the log, never for long: nothing of
 * a node that failed to come stays. An orphan goes on as any online node, policies and
 * ticks included; it only has no device that could fault.
 *
 * All or nothing: a node is online with every block in ZONE_MOVABLE, or not at
 * all (node_memory.c). The managed bit is set before its memory is added, so that no zonelist
 * ever held it, and cleared after the memory was removed, since a failed
 * removal brings the blocks back online.
 *
 * Locks: cdm_node_lock is held over the whole of each operation, callbacks and
 * hotplug included; device_hotplug_lock and mem_hotplug_lock nest in it. It is
 * not taken in faults, reclaim or the memory notifier. The notifier therefore
 * changes state by cmpxchg, ONLINE to OFFLINE and back, and touches no other
 * transition.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cpumask.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <trace/events/cdm.h>

#include "internal.h"
#include "node.h"

/* Whether a node comes, goes or changes, and cdm_nodes[]; see "Locks" above. */
DEFINE_MUTEX(cdm_node_lock);
struct cdm_node __rcu *cdm_nodes[MAX_NUMNODES];
DEFINE_SRCU(cdm_node_srcu);

const char *const cdm_node_state_names[CDM_NR_NODE_STATES] = {
	[CDM_NODE_REGISTERED]	= "registered",
	[CDM_NODE_GOING_ONLINE]	= "going-online",
	[CDM_NODE_ONLINE]	= "online",
	[CDM_NODE_DRAINING]	= "draining",
	[CDM_NODE_OFFLINE]	= "offline",
	[CDM_NODE_FAILED]	= "failed",
	[CDM_NODE_ORPHANED]	= "orphaned",
};

const char *const cdm_mode_names[CDM_NR_MODES] = {
	[CDM_MODE_CLOSED]	= "closed",
	[CDM_MODE_LAST_RESORT]	= "last-resort",
	[CDM_MODE_OPEN]		= "open",
};

const char *const cdm_node_stat_names[CDM_NR_NODE_STATS] = {
	[CDM_STAT_PLACED]	= "placed",
	[CDM_STAT_PLACED_PAGES]	= "placed_pages",
	[CDM_STAT_DEV_FAULTS]	= "dev_faults",
	[CDM_STAT_DEV_REPORTS]	= "dev_reports",
	[CDM_STAT_PLACE_HIT]	= "place_hit",
	[CDM_STAT_PLACE_FULL]	= "place_full",
	[CDM_STAT_MOVED_IN]	= "moved_in",
	[CDM_STAT_MOVED_OUT]	= "moved_out",
	[CDM_STAT_RETURNED]	= "returned",
	[CDM_STAT_PINGPONG]	= "pingpong",
	[CDM_STAT_PINGPONG_KEPT] = "pingpong_kept",
	[CDM_STAT_KEEP_FULL]	= "keep_full",
	[CDM_STAT_LAST_RESORT]	= "last_resort",
	[CDM_STAT_QUEUED]	= "queued",
	[CDM_STAT_QUEUE_SAME]	= "queue_same",
	[CDM_STAT_QUEUE_FULL]	= "queue_full",
	[CDM_STAT_QUEUE_DROPPED] = "queue_dropped",
	[CDM_STAT_QUEUE_MOVED]	= "queue_moved",
	[CDM_STAT_QUEUE_LEFT]	= "queue_left",
	[CDM_STAT_EVICTED + CDM_EVICT_BACKGROUND] = "evicted_background",
	[CDM_STAT_EVICTED + CDM_EVICT_KSWAPD] = "evicted_kswapd",
	[CDM_STAT_EVICTED + CDM_EVICT_DIRECT] = "evicted_direct",
	[CDM_STAT_EVICTED + CDM_EVICT_ADMIN] = "evicted_admin",
	[CDM_STAT_EVICT_PROPOSED] = "evict_proposed",
	[CDM_STAT_EVICT_REFUSED] = "evict_refused",
	[CDM_STAT_EVICT_KEPT]	= "evict_kept",
	[CDM_STAT_EVICT_OVERRIDDEN] = "evict_overridden",
	[CDM_STAT_EVICT_SWAP]	= "evict_swap",
	[CDM_STAT_EVICT_FULL]	= "evict_full",
	[CDM_STAT_SPILLED]	= "spilled",
	[CDM_STAT_BROKEN]	= "broken",
};

/**
 * cdm_node_stat() - read one counter of a node
 * @node: the node
 * @stat: the counter
 *
 * Context: any.
 * Return: its sum over CPUs, not a snapshot.
 */
u64 cdm_node_stat(struct cdm_node *node, enum cdm_node_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(node->stats, cpu)->v[stat]);
	return sum;
}

/**
 * cdm_node_enter() - a node's state changes
 * @node: the node
 * @state: from now on
 *
 * Context: under cdm_node_lock; may sleep.
 */
void cdm_node_enter(struct cdm_node *node, enum cdm_node_state state)
{
	enum cdm_node_state was = node->state;

	lockdep_assert_held(&cdm_node_lock);
	WRITE_ONCE(node->state, state);
	if (was == state)
		return;
	trace_cdm_node_state(node->nid, was, state);
	cdm_sysfs_node_state(node);
}

/* ONLINE or OFFLINE, as the node's memory is now; settled with the notifier. */
void cdm_node_settle_locked(struct cdm_node *node)
{
	cdm_node_enter(node, node_state(node->nid, N_MEMORY) ?
				 CDM_NODE_ONLINE : CDM_NODE_OFFLINE);
}

void cdm_node_settle(struct cdm_node *node)
{
	lock_device_hotplug();
	cdm_node_settle_locked(node);
	unlock_device_hotplug();
}

/* The memory notifier's locks are not for uevents. */
static void state_work(struct work_struct *work)
{
	cdm_sysfs_node_state(container_of(work, struct cdm_node, state_work));
}

/* ---- making and unmaking the object --------------------------------------- */

struct cdm_node *cdm_node_alloc(int nid, u64 start, u64 size)
{
	struct cdm_node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return NULL;
	node->nid = nid;
	node->start = start;
	node->size = size;
	node->state = CDM_NODE_REGISTERED;
	node->mode = CDM_MODE_CLOSED;
	atomic64_set(&node->seq, 0);
	spin_lock_init(&node->limit.lock);
	mutex_init(&node->evict_admin_lock);
	init_waitqueue_head(&node->kcdmd_wait);
	init_waitqueue_head(&node->drain_wait);
	spin_lock_init(&node->left_lock);
	INIT_WORK(&node->state_work, state_work);
	cdm_keeps_init(node);
	cdm_lost_init(node);
	node->stats = alloc_percpu(struct cdm_node_stats);
	node->queue = cdm_queue_alloc(node);
	node->travel = cdm_travel_alloc();
	if (!node->stats || !node->queue || !node->travel || cdm_fstate_alloc(node)) {
		kvfree(node->travel);
		cdm_queue_free(node->queue);
		free_percpu(node->stats);
		kfree(node);
		return NULL;
	}
	return node;
}

/* Of a node that is not in the registry, or not any more. */
void cdm_node_free(struct cdm_node *node)
{
	cdm_lost_free(node);
	kfree(node->left);
	cdm_fstate_free(node);
	kvfree(node->travel);
	cdm_queue_free(node->queue);
	free_percpu(node->stats);
	kfree(node);
}

int cdm_node_publish(struct cdm_node *node)
{
	int err;

	rcu_assign_pointer(cdm_nodes[node->nid], node);
	cdm_place_key_get();
	err = cdm_sysfs_node_add(node);
	if (err) {
		pr_err("node %d: cannot show it in sysfs (%d)\n", node->nid, err);
		cdm_node_unpublish(node);
	}
	return err;
}

/* After this no hook sees the node; the caller may free it. */
void cdm_node_unpublish(struct cdm_node *node)
{
	RCU_INIT_POINTER(cdm_nodes[node->nid], NULL);
	cdm_place_key_put();
	synchronize_rcu();
	synchronize_srcu(&cdm_node_srcu);
	/* The notifier does not find it any more. */
	cancel_work_sync(&node->state_work);
	cdm_sysfs_node_del(node);
}

/* ---- a driver's node ------------------------------------------------------ */

bool cdm_node_has_cpus(int nid)
{
	int cpu;

	for_each_possible_cpu(cpu)
		if (cpu_to_node(cpu) == nid)
			return true;
	return false;
}

static int check_range(const struct cdm_node_desc *desc)
{
	u64 block = memory_block_size_bytes();
	u64 start = desc->start, last = start + desc->size - 1;
	int nid = desc->nid;

	if (!desc->size || last < start ||
	    !IS_ALIGNED(start, block) || !IS_ALIGNED(desc->size, block))
		return cdm_refuse(-EINVAL,
				  "node %d: range %#llx+%#llx is not whole memory blocks of %#llx bytes; trim it to that",
				  nid, start, desc->size, block);
	if (region_intersects(start, desc->size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return cdm_refuse(-EBUSY,
				  "node %d: range %#llx-%#llx holds memory that is in use already; see System RAM in /proc/iomem",
				  nid, start, last);
	if (region_intersects(start, desc->size,
			      IORESOURCE_MEM | IORESOURCE_BUSY,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return cdm_refuse(-EBUSY,
				  "node %d: another driver claims part of %#llx-%#llx; see /proc/iomem, and unbind that driver (dax_hmem?) first",
				  nid, start, last);
	if (region_intersects(start, desc->size, IORESOURCE_MEM,
			      IORES_DESC_SOFT_RESERVED) == REGION_MIXED)
		return cdm_refuse(-EINVAL,
				  "node %d: range %#llx-%#llx is only partly soft reserved; see Soft Reserved in /proc/iomem",
				  nid, start, last);
	return 0;
}

static int check_desc(const struct cdm_node_desc *desc)
{
	int nid = desc->nid;
	struct cdm_node *node;

	if (!desc->name || !*desc->name ||
	    strnlen(desc->name, CDM_NAME_LEN) == CDM_NAME_LEN)
		return cdm_refuse(-EINVAL,
				  "node %d: a driver must name its device, in at most %d characters",
				  nid, CDM_NAME_LEN - 1);
	if (nid < 0 || nid >= MAX_NUMNODES || !node_possible(nid))
		return cdm_refuse(-EINVAL,
				  "%s: node %d is not possible on this machine; the firmware's SRAT must list it",
				  desc->name, nid);
	if (cdm_node_has_cpus(nid))
		return cdm_refuse(-EINVAL,
				  "%s: node %d has CPUs; its memory cannot be a device's",
				  desc->name, nid);
	node = cdm_node_of(nid);
	if (node && node->state == CDM_NODE_ORPHANED)
		return cdm_refuse(-EEXIST,
				  "%s: node %d has other memory (%#llx+%#llx) that %s left behind; drain it first (cdmctl node drain %d)",
				  desc->name, nid, node->start, node->added, node->name, nid);
	if (node && node->lost_alone)
		return cdm_refuse(-EEXIST,
				  "%s: somebody holds pages of node %d that %s lost; see nodes/%d/left, and load the driver when they are gone",
				  desc->name, nid, node->name, nid);
	if (node)
		return cdm_refuse(-EEXIST,
				  "%s: node %d is managed already, for %s",
				  desc->name, nid, node->name);
	if (node_state(nid, N_MEMORY))
		return cdm_refuse(-EBUSY,
				  "%s: node %d has memory that another driver brought online; adopt it instead (cdmctl node adopt %d)",
				  desc->name, nid, nid);
	return check_range(desc) ?: cdm_claim_check(desc);
}

/*
 * A driver that was unloaded too early is back for its memory. NULL if there
 * is no orphan of this range; a node or an ERR_PTR() decides the registration.
 */
static struct cdm_node *node_take_back(const struct cdm_node_desc *desc)
{
	struct cdm_node *node;
	int err;

	if (desc->nid < 0 || desc->nid >= MAX_NUMNODES || !desc->name)
		return NULL;
	node = cdm_node_of(desc->nid);
	if (!node || node->state != CDM_NODE_ORPHANED ||
	    node->start != desc->start || node->size != desc->size)
		return NULL;

	/* Its blocks were anybody's meanwhile, and it may never have lived as a whole. */
	err = node->added < node->size ? cdm_node_add_memory(node) :
					 cdm_node_online_blocks(node);
	if (err && !node->added) {
		/* Now it could leave. */
		node->drained = true;
		cdm_node_retire(node);
		return ERR_PTR(err);
	}
	if (!err && !node->kcdmd) {
		err = cdm_kcdmd_create(node);
		if (!err) {
			cdm_kcdmd_run(node);
			cdm_call_node_phase(node, CDM_CB_NODE_ONLINE, CDM_DONE);
		}
	}
	if (err) {
		cdm_node_enter(node, CDM_NODE_ORPHANED);
		pr_err("node %d: %s cannot take its orphaned memory back (%d)\n",
		       node->nid, desc->name, err);
		return ERR_PTR(err);
	}
	/* The resource keeps the name that it got; see resname. */
	strscpy(node->name, desc->name);
	node->broken_priv = desc->priv;
	/* Whoever calls it sees whose it is. */
	smp_store_release(&node->broken, desc->broken);
	pr_info("node %d: %s took its orphaned memory back\n",
		node->nid, node->name);
	return node;
}

static int node_bring_online(struct cdm_node *node)
{
	int err;

	/* First what can fail, or be killed, while there is nothing to take back. */
	err = cdm_kcdmd_create(node);
	if (err) {
		pr_err("node %d: %s (%d)\n", node->nid, err == -EINTR ?
		       "whoever brings it was killed" : "cannot create its thread", err);
		cdm_node_enter(node, CDM_NODE_FAILED);
		return err;
	}
	cdm_isolate_manage(node->nid, node->mode);
	err = cdm_node_add_memory(node);
	if (err) {
		cdm_kcdmd_stop(node);
		if (node->state != CDM_NODE_ORPHANED)
			cdm_isolate_unmanage(node->nid);
		return err;
	}
	cdm_kcdmd_run(node);
	cdm_call_node_phase(node, CDM_CB_NODE_ONLINE, CDM_DONE);
	return 0;
}

/**
 * cdm_node_register() - bring a device's memory online as a managed node
 * @desc: the device; copied
 *
 * Every attached policy is asked and may veto. On success all of the memory is
 * online in ZONE_MOVABLE, whatever auto_online_blocks says, closed to those who
 * do not name it, and the device may fault (cdm_device_fault()). On failure
 * nothing is left, and the log says why.
 *
 * Context: may sleep, for long; no locks held, not in a memory notifier.
 * Return: the node, the driver's until cdm_node_unregister(), or an ERR_PTR():
 * -EINVAL for a range or node that cannot be, -EBUSY for memory in other hands,
 * -EEXIST if the node is managed, -EPERM if a policy vetoed.
 */
struct cdm_node *cdm_node_register(const struct cdm_node_desc *desc)
{
	struct cdm_node *node;
	int err;

	mutex_lock(&cdm_node_lock);
	node = node_take_back(desc);
	if (node)
		goto out;

	err = check_desc(desc);
	if (err)
		goto fail;
	err = -ENOMEM;
	node = cdm_node_alloc(desc->nid, desc->start, desc->size);
	if (!node)
		goto fail;
	strscpy(node->name, desc->name);
	snprintf(node->resname, sizeof(node->resname), "System RAM (%s)",
		 node->name);
	node->broken = desc->broken;
	node->broken_priv = desc->priv;

	err = cdm_node_publish(node);
	if (err)
		goto free;
	err = cdm_call_node_prepare(node, CDM_CB_NODE_ONLINE);
	if (err)
		goto unpublish;
	err = node_bring_online(node);
	if (err) {
		cdm_call_node_phase(node, CDM_CB_NODE_ONLINE, CDM_CANCELLED);
		if (node->state == CDM_NODE_ORPHANED)
			goto fail;
		goto unpublish;
	}
	pr_info("node %d: %llu MiB of %s online in ZONE_MOVABLE, %s\n",
		node->nid, node->size >> 20, node->name,
		cdm_mode_names[node->mode]);
out:
	cdm_claim_done(desc, IS_ERR(node));
	mutex_unlock(&cdm_node_lock);
	return node;

unpublish:
	cdm_node_unpublish(node);
free:
	cdm_node_free(node);
fail:
	cdm_claim_done(desc, true);
	mutex_unlock(&cdm_node_lock);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(cdm_node_register);

/* Out of the registry and freed; what it had of memory is gone or stock. */
void cdm_node_retire(struct cdm_node *node)
{
	cdm_kcdmd_stop(node);
	cdm_isolate_unmanage(node->nid);
	cdm_node_enter(node, CDM_NODE_OFFLINE);
	if (!node->drained)
		cdm_call_node_phase(node, CDM_CB_NODE_OFFLINE, CDM_DONE);
	cdm_node_unpublish(node);
	cdm_node_free(node);
}

/**
 * cdm_node_unregister() - take a node's memory offline and give it back
 * @node: what cdm_node_register() returned; its device faults no more. Not to be used
 *	any more when this returns, whatever it returns
 *
 * Every attached policy is asked and may veto. Pages in use are migrated away; that
 * lasts until they fit elsewhere and nobody pins them, or until a signal (see
 * nodes/N/left). A driver that can stay if its memory cannot leave calls
 * cdm_node_drain() before. If the memory cannot leave, all of it is online again,
 * and the core keeps the node as an orphan, until a cdm_node_register() of the same
 * range takes it back or an administrator drains it.
 *
 * Context: may sleep, for long; no locks held, not in a memory notifier.
 * Return: 0; if the memory stayed, -EPERM if a policy vetoed, -EINTR after a signal, or
 * -EBUSY; that also if the device is lost and somebody holds pages of it.
 */
int cdm_node_unregister(struct cdm_node *node)
{
	static const struct cdm_drain for_ever;
	int err = 0;

	mutex_lock(&cdm_node_lock);
	if (WARN_ON_ONCE(node->adopted)) {
		mutex_unlock(&cdm_node_lock);
		return -EINVAL;
	}
	cdm_drain_stop(node);
	if (!node->drained && !READ_ONCE(node->lost))
		err = cdm_drain(node, &for_ever);
	if (READ_ONCE(node->lost)) {
		err = cdm_lost_unregister(node);
	} else if (err) {
		/* Nobody calls the driver any more. */
		WRITE_ONCE(node->broken, NULL);
		synchronize_srcu(&cdm_node_srcu);
		cdm_node_enter(node, CDM_NODE_ORPHANED);
		pr_warn("node %d: %s goes and leaves its memory behind; load it again to take it back\n",
			node->nid, node->name);
	} else {
		pr_info("node %d: memory of %s given back\n", node->nid, node->name);
		cdm_node_retire(node);
	}
	mutex_unlock(&cdm_node_lock);
	return err;
}
EXPORT_SYMBOL_GPL(cdm_node_unregister);

/* ---- how closed ----------------------------------------------------------- */

/**
 * cdm_node_set_mode() - say how closed a node is
 * @node: the node
 * @mode: from now on
 *
 * Context: may sleep; under cdm_node_lock, which a writer to sysfs may only try
 * to take: a node that goes waits for the writers of its attributes.
 * Return: 0, -EINVAL, or -ENODEV if its device is lost: that stays closed.
 */
int cdm_node_set_mode(struct cdm_node *node, enum cdm_node_mode mode)
{
	lockdep_assert_held(&cdm_node_lock);
	if ((unsigned int)mode >= CDM_NR_MODES)
		return -EINVAL;
	if (READ_ONCE(node->lost) && mode != CDM_MODE_CLOSED)
		return -ENODEV;
	if (node->mode == mode)
		return 0;
	WRITE_ONCE(node->mode, mode);
	cdm_isolate_manage(node->nid, mode);
	pr_info("node %d: %s\n", node->nid, cdm_mode_names[mode]);
	return 0;
}

/* ---- others' hotplug ------------------------------------------------------ */

/*
 * Blocks come and go through /sys/devices/system/memory or the driver of an
 * adopted node. Only the last to go and the first to come change a node, and
 * only between ONLINE and OFFLINE: in every other state one of the functions
 * above is at work and sets the state itself. Nothing is refused here, as a
 * refusal would not tell a policy's veto from a rollback, but for one: that
 * somebody holds pages of a lost node is seen only as long as they are online.
 *
 * Context: device_hotplug_lock and mem_hotplug_lock held, so no mutex of ours.
 */
static int cdm_memory_notify(struct notifier_block *nb, unsigned long action,
			     void *arg)
{
	enum cdm_node_state was = CDM_NODE_ONLINE, state = CDM_NODE_OFFLINE;
	struct memory_notify *change = arg;
	int nid = change->status_change_nid;
	struct cdm_node *node;

	if (action == MEM_GOING_OFFLINE && !cdm_claim_bypassed()) {
		guard(rcu)();
		return cdm_node_lost_nid(pfn_to_nid(change->start_pfn)) ?
		       notifier_from_errno(-EBUSY) : NOTIFY_DONE;
	}
	if (action != MEM_ONLINE && action != MEM_OFFLINE)
		return NOTIFY_DONE;
	if (nid == NUMA_NO_NODE)
		return NOTIFY_DONE;
	if (action == MEM_ONLINE)
		swap(was, state);

	rcu_read_lock();
	node = cdm_node_of(nid);
	if (node && cmpxchg(&node->state, was, state) == was) {
		if (state == CDM_NODE_ONLINE) {
			WRITE_ONCE(node->drained, false);
			/* A drain has closed it; a leaf's lock. */
			cdm_queue_open(node);
		}
		trace_cdm_node_state(nid, was, state);
		schedule_work(&node->state_work);
	}
	rcu_read_unlock();
	return NOTIFY_OK;
}

static int __init cdm_node_init(void)
{
	return hotplug_memory_notifier(cdm_memory_notify, DEFAULT_CALLBACK_PRI);
}
subsys_initcall(cdm_node_init);
