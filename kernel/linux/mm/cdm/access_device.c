// SPDX-License-Identifier: GPL-2.0
/*
 * What a device's driver knows of accesses, told to the owner of access.
 *
 * A CPU's accesses show at hint faults. A device shows its own in two ways:
 *
 *	fault		a page that was in memory before: page cache that the process had
 *			not mapped, an entry that was read-only
 *	counters	hardware counts accesses to some range, and notifies at a
 *			threshold. A driver reads many such notifications at a time
 *
 * A counter says nothing of the pages in its range, and these may live on several nodes.
 * Those that lie side by side on one node are one event, and the accesses are taken to be
 * spread evenly over all that is mapped:
 *
 *	range of the counter	|--- node 0 ---|  (hole)  |- node 0 -|---- node 1 ----|
 *	events			 1			   2	      3
 *
 * Context: the driver's thread. mmap_lock is taken for reading, and dropped for a move.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>

#include "../internal.h"
#include "internal.h"
#include "migrate.h"

/**
 * struct access_walk - pages side by side on one node, and where the walk is
 * @folio: that of the first page, referenced; NULL if none was found yet
 * @addr: of the first page
 * @nr: pages
 * @next: first address that was not looked at
 * @count: accesses to all that is mapped in the range
 * @total: pages that are; 0 while they are being counted
 * @keep_ms: all that is looked at is kept for so long; or 0
 */
struct access_walk {
	struct folio *folio;
	unsigned long addr;
	unsigned long nr;
	unsigned long next;
	u64 count;
	unsigned long total;
	unsigned int keep_ms;
};

/* A mapped folio, under the PTL. False if it does not belong to what was found. */
static bool walk_folio(struct access_walk *w, struct folio *folio, unsigned long addr,
		       unsigned long end)
{
	unsigned long nr = (end - addr) >> PAGE_SHIFT;

	if (w->keep_ms) {
		guard(rcu)();
		cdm_fstate_keep(folio, w->keep_ms);
	}
	if (!w->total) {
		w->nr += nr;
		w->next = end;
		return true;
	}
	if (!w->folio) {
		folio_get(folio);
		w->folio = folio;
		w->addr = addr;
	} else if (addr != w->addr + (w->nr << PAGE_SHIFT) ||
		   folio_nid(folio) != folio_nid(w->folio)) {
		return false;
	}
	w->nr += nr;
	w->next = end;
	if (w->count)
		cdm_folio_accessed(folio, max(w->count * nr / w->total, 1ULL));
	return true;
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/* Under the PTL that pmd_trans_huge_lock() took. */
static bool walk_huge_pmd(struct access_walk *w, struct vm_area_struct *vma, pmd_t pmd,
			  unsigned long addr, unsigned long end)
{
	struct folio *folio;

	w->next = end;
	if (!pmd_present(pmd) || is_huge_zero_pmd(pmd))
		return true;
	folio = vm_normal_folio_pmd(vma, addr, pmd);
	if (!folio || folio_is_zone_device(folio))
		return true;
	w->next = addr;
	return walk_folio(w, folio, addr, end);
}
#endif

/* False if the walk has to stop at @addr. */
static bool walk_pte(struct access_walk *w, struct vm_area_struct *vma, pte_t *ptep,
		     unsigned long addr, unsigned long end)
{
	pte_t pte = ptep_get(ptep);
	struct folio *folio = NULL;
	int nr = 1;

	if (pte_present(pte))
		folio = vm_normal_folio(vma, addr, pte);
	if (!folio || folio_is_zone_device(folio)) {
		w->next = addr + PAGE_SIZE;
		return true;
	}
	if (folio_test_large(folio))
		nr = folio_pte_batch(folio, addr, ptep, pte, (end - addr) >> PAGE_SHIFT,
				     FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY, NULL, NULL, NULL);
	return walk_folio(w, folio, addr, addr + nr * PAGE_SIZE);
}

static int walk_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct access_walk *w = walk->private;
	struct vm_area_struct *vma = walk->vma;
	pte_t *start, *pte;
	bool go_on = true;
	spinlock_t *ptl;	/* of the page table, or of the huge entry */

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	ptl = pmd_trans_huge_lock(pmd, vma);
	if (ptl) {
		/* Taken by pmd_trans_huge_lock(), which does not tell sparse. */
		__acquire(ptl);
		go_on = walk_huge_pmd(w, vma, *pmd, addr, end);
		spin_unlock(ptl);
		return !go_on;
	}
#endif
	start = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	if (!start) {
		walk->action = ACTION_AGAIN;
		return 0;
	}
	/* Taken by pte_offset_map_lock(), likewise. */
	__acquire(RCU);
	for (pte = start; addr < end && go_on; addr = w->next) {
		go_on = walk_pte(w, vma, pte, addr, end);
		pte += (w->next - addr) >> PAGE_SHIFT;
	}
	pte_unmap_unlock(start, ptl);
	return !go_on;
}

static const struct mm_walk_ops access_walk_ops = {
	.pmd_entry = walk_pmd,
	.walk_lock = PGWALK_RDLOCK,
};

/*
 * What is mapped from @start on, in the first mapping that has something; all of it
 * while it is being counted. Under mmap_lock. Returns that mapping, or NULL.
 */
static struct vm_area_struct *walk_range(struct access_walk *w, struct mm_struct *mm,
					 unsigned long start, unsigned long end)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;

	for_each_vma_range(vmi, vma, end) {
		unsigned long from = max(start, vma->vm_start), to = min(end, vma->vm_end);

		if (vma->vm_flags & (VM_IO | VM_PFNMAP) || is_vm_hugetlb_page(vma))
			continue;
		w->next = from;
		if (!walk_page_range_vma(vma, from, to, &access_walk_ops, w))
			w->next = to;
		if (w->folio)
			return vma;
	}
	return NULL;
}

/* Asks about what the walk found; drops mmap_lock. */
static void ask(struct access_walk *w, struct vm_area_struct *vma, struct cdm_access_ctx *ctx,
		struct cdm_access_dev *dev)
{
	unsigned long end = w->addr + (w->nr << PAGE_SHIFT);
	struct cdm_move mv = { .flags = CDM_MOVE_SHARED };
	struct mm_struct *mm = vma->vm_mm;
	int idx;

	ctx->addr = w->addr;
	ctx->nr_pages = w->nr;
	ctx->def_nid = NUMA_NO_NODE;
	/* Waited for before what a policy kept is given back. */
	idx = srcu_read_lock(&cdm_srcu);
	mv.nid = cdm_access_ask(ctx, w->folio, vma, dev);
	folio_put(w->folio);
	if (dev->keep_ms) {
		struct access_walk keep = { .keep_ms = dev->keep_ms };

		dev->keep_ms = 0;
		walk_range(&keep, mm, w->addr, end);
	}
	srcu_read_unlock(&cdm_srcu, idx);
	mmap_read_unlock(mm);
	/* What cannot move stays, as everywhere. */
	if (mv.nid != NUMA_NO_NODE && mv.nid != ctx->src_nid)
		cdm_move_range(mm, w->addr, end, &mv);
}

/**
 * cdm_access_resident() - a device's fault found a folio that was in memory before
 * @mm: the address space
 * @addr: where the device faulted
 * @flags: CDM_FAULT_WRITE
 *
 * Asks if it lives elsewhere, and moves it. Nothing comes of it if it is gone by now.
 *
 * Context: may sleep; in the scope of the device's fault, mmap_lock is not held.
 */
void cdm_access_resident(struct mm_struct *mm, unsigned long addr, unsigned int flags)
{
	struct cdm_scope *scope = current->cdm_scope;
	struct access_walk w = { .total = 1 };
	struct cdm_access_ctx ctx = {
		.acc_nid = scope->dev_nid,
		.kind = CDM_ACCESS_DEVICE,
		.flags = flags & CDM_FAULT_WRITE ? CDM_ACCESS_WRITE : 0,
		.count = 1,
	};
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return;
	addr = PAGE_ALIGN_DOWN(untagged_addr_remote(mm, addr));
	vma = walk_range(&w, mm, addr, addr + PAGE_SIZE);
	if (vma && folio_nid(w.folio) != scope->dev_nid) {
		ask(&w, vma, &ctx, &scope->dev);
		return;
	}
	if (vma)
		folio_put(w.folio);
	mmap_read_unlock(mm);
}

static int report_one(struct cdm_node *node, struct mm_struct *mm,
		      const struct cdm_access_report *r, struct cdm_access_dev *dev)
{
	unsigned long at = 0, end = 1;
	unsigned long total = 0;

	if (!r->nr_pages || r->nr_pages > CDM_ACCESS_PAGES || !r->count ||
	    r->flags & ~CDM_ACCESS_WRITE)
		return -EINVAL;
	cdm_node_count(node, CDM_STAT_DEV_REPORTS, 1);
	while (at < end) {
		struct access_walk w = { .count = r->count };
		struct cdm_access_ctx ctx = {
			.acc_nid = node->nid,
			.kind = CDM_ACCESS_COUNTER,
			.flags = r->flags,
		};
		struct vm_area_struct *vma;

		if (mmap_read_lock_killable(mm))
			return -EINTR;
		if (!total) {
			at = PAGE_ALIGN_DOWN(untagged_addr_remote(mm, r->addr));
			end = at + ((unsigned long)r->nr_pages << PAGE_SHIFT);
			if (at >= TASK_SIZE_MAX) {
				mmap_read_unlock(mm);
				return -EINVAL;
			}
			walk_range(&w, mm, at, end);
			total = max(w.nr, 1UL);
			w.nr = 0;
		}
		w.total = total;
		vma = walk_range(&w, mm, at, end);
		if (!vma) {
			mmap_read_unlock(mm);
			break;
		}
		ctx.count = clamp(w.count * w.nr / total, 1ULL, (u64)U32_MAX);
		at = w.next;
		ask(&w, vma, &ctx, dev);
		cond_resched();
	}
	return 0;
}

/**
 * cdm_access_report() - tell of what a device's access counters have counted
 * @node: the node of the device's memory, registered by the caller
 * @mm: address space that was accessed; the caller has mmget() it
 * @reports: a batch of counters
 * @nr: how many
 *
 * Each folio that is mapped there counts as used, as by cdm_folio_accessed(), and the
 * policy that owns access is asked about those of each node. What it wants elsewhere at
 * once has moved when this returns. Accesses to the device's own node may be told of as
 * well, for policies that weigh both.
 *
 * Context: may sleep; the caller holds neither mmap_lock nor a lock that its mmu notifiers
 * take.
 * Return: 0; or how many microseconds the device shall wait before it goes on, at most
 * 65535; -EINVAL for a report that makes no sense, those before it were told of; -EINTR if
 * a fatal signal came; -ENODEV if the device is lost.
 */
int cdm_access_report(struct cdm_node *node, struct mm_struct *mm,
		      const struct cdm_access_report *reports, unsigned int nr)
{
	struct cdm_access_dev dev = {};
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		if (unlikely(READ_ONCE(node->lost)))
			return -ENODEV;
		err = report_one(node, mm, &reports[i], &dev);
	}
	return err ?: dev.wait_us;
}
EXPORT_SYMBOL_GPL(cdm_access_report);
