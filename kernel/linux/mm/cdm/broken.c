// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of managed nodes that are broken, and stay out of use.
 *
 * Memory failure marks a broken page in its struct page, and counts it with its memory
 * block. Both are gone when a driver's memory is removed, and a driver that comes back
 * would bring the page into use again. So the page frames are kept here, for as long as
 * the system runs, whichever driver and node they belong to by then; when they come
 * online again they are taken out before the node is anybody's. (Who is bound to the
 * node may be faster: then soft offline moves what he has there.)
 *
 * The node's driver is told, and policies by migrated().
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "internal.h"

/* By page frame, the node it was on. Its lock is a leaf, taken under hugetlb's. */
static DEFINE_XARRAY_FLAGS(broken_pages, XA_FLAGS_LOCK_IRQ);
#define UNTOLD	XA_MARK_0
/* Somebody referred to it when its block went offline. */
#define USED	XA_MARK_1

static void tell_one(unsigned long pfn, int nid)
{
	void (*broken)(void *priv, unsigned long pfn);
	struct cdm_node *node;
	int idx;

	idx = srcu_read_lock(&cdm_node_srcu);
	node = srcu_dereference(cdm_nodes[nid], &cdm_node_srcu);
	if (node) {
		cdm_node_count(node, CDM_STAT_BROKEN, 1);
		/* Pairs with a driver that takes its node back. */
		broken = smp_load_acquire(&node->broken);
		if (broken)
			broken(node->broken_priv, pfn);
	}
	srcu_read_unlock(&cdm_node_srcu, idx);
	guard(rcu)();
	cdm_tell_broken(pfn, nid);
}

/* Memory failure may hold locks that a driver needs. */
static void tell(struct work_struct *work)
{
	unsigned long pfn;
	void *entry;

	xa_for_each_marked(&broken_pages, pfn, entry, UNTOLD) {
		xa_lock_irq(&broken_pages);
		__xa_clear_mark(&broken_pages, pfn, UNTOLD);
		xa_unlock_irq(&broken_pages);
		tell_one(pfn, xa_to_value(entry));
		cond_resched();
	}
}

static DECLARE_WORK(tell_work, tell);

/* Out of line of cdm_page_broken(). Context: any but NMI. */
void __cdm_page_broken(unsigned long pfn, bool broken)
{
	struct page *page;
	unsigned long flags;
	int err, nid;

	if (!broken) {
		xa_lock_irqsave(&broken_pages, flags);
		__xa_erase(&broken_pages, pfn);
		xa_unlock_irqrestore(&broken_pages, flags);
		return;
	}
	page = pfn_to_online_page(pfn);
	if (!page || !cdm_node_managed(page_to_nid(page)))
		return;
	nid = page_to_nid(page);
	xa_lock_irqsave(&broken_pages, flags);
	err = __xa_insert(&broken_pages, pfn, xa_mk_value(nid), GFP_ATOMIC | __GFP_NOWARN);
	if (!err)
		__xa_set_mark(&broken_pages, pfn, UNTOLD);
	xa_unlock_irqrestore(&broken_pages, flags);
	/* -EBUSY: known, and it came back with its driver. */
	if (!err)
		schedule_work(&tell_work);
	else if (err != -EBUSY)
		pr_err("node %d: no memory to remember that page frame %#lx is broken; do not unload its driver\n",
		       nid, pfn);
}

/**
 * cdm_broken_keep_out() - memory came online: take out what is broken
 * @start: first byte
 * @size: bytes
 *
 * By soft offline, as this is no new failure, for which the kernel may be told to panic.
 *
 * Context: may sleep; not under hotplug's locks.
 */
void cdm_broken_keep_out(u64 start, u64 size)
{
	unsigned long pfn, last = PHYS_PFN(start + size - 1);
	struct page *page;
	void *entry;

	xa_for_each_range(&broken_pages, pfn, entry, PHYS_PFN(start), last) {
		page = pfn_to_online_page(pfn);
		if (page && !PageHWPoison(page) && soft_offline_page(pfn, 0))
			pr_err("page frame %#lx is broken, and in use\n", pfn);
		cond_resched();
	}
}

static void keep_out_all(struct work_struct *work)
{
	cdm_broken_keep_out(0, PFN_PHYS(max_pfn));
}

static DECLARE_WORK(keep_out_work, keep_out_all);

/* The struct pages of what goes offline are as they were, but not for long. */
static void note_used(unsigned long first, unsigned long last)
{
	unsigned long pfn;
	void *entry;
	bool used;

	xa_for_each_range(&broken_pages, pfn, entry, first, last) {
		used = folio_ref_count(page_folio(pfn_to_page(pfn))) > 1;
		xa_lock_irq(&broken_pages);
		if (used)
			__xa_set_mark(&broken_pages, pfn, USED);
		else
			__xa_clear_mark(&broken_pages, pfn, USED);
		xa_unlock_irq(&broken_pages);
	}
}

/*
 * Whoever brings memory online, and whose it is: what is known to be broken stays out.
 * mm/cdm itself does not wait for this.
 */
static int broken_notify(struct notifier_block *nb, unsigned long action, void *arg)
{
	struct memory_notify *change = arg;

	if (action == MEM_ONLINE && !xa_empty(&broken_pages))
		schedule_work(&keep_out_work);
	else if (action == MEM_OFFLINE)
		note_used(change->start_pfn, change->start_pfn + change->nr_pages - 1);
	return NOTIFY_OK;
}

static int __init cdm_broken_init(void)
{
	return hotplug_memory_notifier(broken_notify, DEFAULT_CALLBACK_PRI);
}
subsys_initcall(cdm_broken_init);

/**
 * cdm_broken_next() - the next broken page frame of a node
 * @node: the node
 * @pfn: where to look on; the page frame that was found
 * @used: filled: somebody has a reference to the page still. Memory failure keeps one, and
 *	leaves a page of shared memory or hugetlb in the page cache, so that whoever reads
 *	the file gets an error: as long as that is so, the memory must not be removed
 *
 * Context: any in which the node's memory is not removed meanwhile.
 * Return: true if there is one.
 */
bool cdm_broken_next(const struct cdm_node *node, unsigned long *pfn, bool *used)
{
	unsigned long last = PHYS_PFN(node->start + node->size) - 1;
	struct page *page;

	if (!xa_find(&broken_pages, pfn, last, XA_PRESENT))
		return false;
	page = pfn_to_online_page(*pfn);
	*used = page ? folio_ref_count(page_folio(page)) > 1 :
		       xa_get_mark(&broken_pages, *pfn, USED);
	return true;
}

/**
 * cdm_broken_known() - is this page frame known to be broken?
 * @pfn: the page frame
 *
 * Context: any.
 * Return: true if it is.
 */
bool cdm_broken_known(unsigned long pfn)
{
	return xa_load(&broken_pages, pfn);
}

/**
 * cdm_broken_show() - the broken page frames of a node
 * @node: the node
 * @buf: a page; filled, as far as there is room
 *
 * Context: any.
 * Return: characters.
 */
ssize_t cdm_broken_show(const struct cdm_node *node, char *buf)
{
	unsigned long pfn, first = PHYS_PFN(node->start);
	unsigned long last = PHYS_PFN(node->start + node->size) - 1;
	ssize_t len = 0;
	void *entry;

	xa_for_each_range(&broken_pages, pfn, entry, first, last)
		len += sysfs_emit_at(buf, len, "%#lx\n", pfn);
	return len;
}
