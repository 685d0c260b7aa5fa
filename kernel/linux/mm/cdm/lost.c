// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a device that is lost: nobody reads or writes them any more.
 *
 * As memory failure does with a page that broke, but for all pages of a node, which it
 * would announce one by one in the log and count as broken hardware:
 *
 *	anonymous		whoever maps it gets SIGBUS at his next access
 *	  in the swap cache	clean: is read from swap again; else as anonymous
 *	shared memory		likewise, and -EIO from read(); the page cache keeps the page
 *				until the file is truncated or gone, or it would be zeros
 *	file			clean: is read from the file again; dirty: SIGBUS, and what
 *				was written is lost, as fsync() says
 *	hugetlb			private: as anonymous; shared is waited for
 *
 * What is under writeback is not clean: what is being written is not what it held.
 *
 * Memory failure leaves the number of the page frame in the page table, and whoever
 * looks at that, smaps say, looks for the struct page. Here that is about to go, so a
 * marker takes its place that says no more than that the page is poisoned.
 *
 * What somebody refers to, for DMA say, is unmapped as well, and waited for. What stays
 * is marked as poisoned, for those who find it in a cache. Large folios are not split: to
 * do that is to look whether they are full of zeros, and they may be pinned.
 *
 * Locks: a folio's, if it is to be had at once: what others do with a page of a device
 * that is gone may take long.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/backing-dev.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/shmem_fs.h>
#include <linux/swapops.h>

#include "../internal.h"
#include "../swap.h"
#include "internal.h"
#include "migrate.h"

static void mark(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		SetPageHWPoison(folio_page(folio, i));
	if (folio_test_large(folio))
		folio_set_has_hwpoisoned(folio);
}

/* Can what it holds be read again? Dirty by the page tables is dirty from now on. */
static bool has_copy(struct folio *folio)
{
	struct address_space *mapping;

	/* If it is clean, which its page tables say as they are changed. */
	if (folio_test_swapcache(folio))
		return folio_test_uptodate(folio);
	/* Since an earlier try, when it was under writeback. */
	if (folio_test_hwpoison(folio))
		return false;
	mapping = folio_mapping(folio);
	if (!mapping || !mapping_can_writeback(mapping))
		return false;
	if (folio_mkclean(folio))
		folio_mark_dirty(folio);
	return !folio_test_dirty(folio);
}

/* ---- whoever maps it ---------------------------------------------------------- */

static void poison_pte(struct folio *folio, struct vm_area_struct *vma, unsigned long addr,
		       pte_t *pte)
{
	pte_t marker = swp_entry_to_pte(make_poisoned_swp_entry());
	unsigned long pfn = pte_pfn(ptep_get(pte));
	struct mm_struct *mm = vma->vm_mm;

	flush_cache_page(vma, addr, pfn);
	update_hiwater_rss(mm);
	if (folio_test_hugetlb(folio)) {
		huge_ptep_clear_flush(vma, addr, pte);
		set_huge_pte_at(mm, addr, pte, marker, huge_page_size(hstate_vma(vma)));
		hugetlb_count_sub(folio_nr_pages(folio), mm);
		hugetlb_remove_rmap(folio);
	} else {
		ptep_clear_flush(vma, addr, pte);
		set_pte_at(mm, addr, pte, marker);
		dec_mm_counter(mm, mm_counter(folio));
		folio_remove_rmap_pte(folio, folio_page(folio, pfn - folio_pfn(folio)), vma);
	}
	if (vma->vm_flags & VM_LOCKED)
		mlock_drain_local();
	folio_put(folio);
}

static bool poison_one(struct folio *folio, struct vm_area_struct *vma, unsigned long addr,
		       void *arg)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, folio, vma, addr, PVMW_SYNC);
	struct mmu_notifier_range range;

	if (folio_test_pmd_mappable(folio) && !folio_test_hugetlb(folio))
		split_huge_pmd_address(vma, addr, false, folio);
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, vma->vm_mm, addr,
				vma_address_end(&pvmw));
	mmu_notifier_invalidate_range_start(&range);
	/*
	 * Not present: a driver has it to itself, until it gives it back. If it is mapped as
	 * a whole again: the next try.
	 */
	while (page_vma_mapped_walk(&pvmw))
		if (pvmw.pte && pte_present(ptep_get(pvmw.pte)))
			poison_pte(folio, vma, pvmw.address, pvmw.pte);
	mmu_notifier_invalidate_range_end(&range);
	return true;
}

static void poison_all(struct folio *folio)
{
	struct rmap_walk_control rwc = {
		.rmap_one = poison_one,
		.anon_lock = folio_lock_anon_vma_read,
	};

	rmap_walk(folio, &rwc);
}

/* True if nobody maps it now. */
static bool unmap(struct folio *folio, bool copy)
{
	if (folio_mapped(folio) && copy)
		try_to_unmap(folio, TTU_IGNORE_MLOCK | TTU_SYNC | TTU_SPLIT_HUGE_PMD);
	if (folio_mapped(folio))
		poison_all(folio);
	return !folio_mapped(folio);
}

/* ---- whoever else has it -------------------------------------------------------- */

/* The page cache gives it up, or remembers that it is no good. Unmapped. */
static void forget(struct folio *folio, bool copy)
{
	struct address_space *mapping = folio_mapping(folio);

	if (folio_test_swapcache(folio)) {
		if (copy && !folio_test_dirty(folio)) {
			delete_from_swap_cache(folio);
		} else {
			folio_clear_dirty(folio);
			folio_clear_uptodate(folio);
		}
		/* Not marked as poisoned: swapoff would put its frame into page tables. */
		return;
	}
	if (folio_test_anon(folio) || !mapping)
		return;
	/* As long as it is there, it is not to be written. */
	if (!shmem_mapping(mapping)) {
		if (!copy || folio_test_dirty(folio))
			mapping_set_error(mapping, -EIO);
		folio_cancel_dirty(folio);
	}
	if (mapping->a_ops->error_remove_folio)
		mapping->a_ops->error_remove_folio(mapping, folio);
	else
		mapping_evict_folio(mapping, folio);
}

/* Nor is what stays for reclaim. */
static void off_lru(struct folio *folio)
{
	if (!folio_isolate_lru(folio))
		return;
	folio_clear_active(folio);
	folio_clear_unevictable(folio);
	folio_put(folio);
}

/* ---- one folio ------------------------------------------------------------------- */

/* Locked, referenced by the caller. */
static enum cdm_move_status lose(struct folio *folio)
{
	bool copy;

	if (folio_test_writeback(folio)) {
		if (folio_test_swapcache(folio))
			folio_clear_uptodate(folio);
		else
			mark(folio);
		return CDM_MOVE_BUSY;
	}
	/* Isolated at the moment, by reclaim say; or taken from the list by us before. */
	if (!folio_test_lru(folio) && !folio_test_hwpoison(folio) &&
	    folio_test_uptodate(folio))
		return CDM_MOVE_BUSY;
	copy = has_copy(folio);
	/* Before anybody finds it in the page cache who would have found it mapped. */
	if (!copy && !folio_test_anon(folio))
		mark(folio);
	if (!unmap(folio, copy))
		return CDM_MOVE_BUSY;
	forget(folio, copy);
	if (folio_ref_count(folio) == 1)
		return CDM_MOVE_MOVED;
	if (!folio_test_swapcache(folio))
		mark(folio);
	/* Reclaim leaves a large one alone; who splits it wants it on the list. */
	if (!folio_test_large(folio) || folio_test_anon(folio))
		off_lru(folio);
	return CDM_MOVE_POISONED;
}

/* Back in its pool it is free; there it is given up when its memory goes offline. */
static enum cdm_move_status lose_hugetlb(struct folio *folio)
{
	if (!folio_test_anon(folio))
		return CDM_MOVE_BUSY;
	poison_all(folio);
	return folio_ref_count(folio) > 1 ? CDM_MOVE_BUSY : CDM_MOVE_MOVED;
}

/**
 * cdm_lose_pfn() - take a page of a lost node from whoever has it
 * @pfn: a page frame of the node
 *
 * And with it the rest of its folio.
 *
 * Context: sleeps; no locks held.
 * Return: MOVED if nobody has it any more, POISONED if it is gone for all who map it and
 * somebody refers to it, NOT_MAPPED if it was free, BUSY or UNMOVABLE.
 */
enum cdm_move_status cdm_lose_pfn(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	enum cdm_move_status status;
	struct folio *folio;

	if (!page)
		return CDM_MOVE_NOT_MAPPED;
	if (PageReserved(page))
		return CDM_MOVE_UNMOVABLE;
again:
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return CDM_MOVE_NOT_MAPPED;
	if (page_folio(page) != folio) {
		folio_put(folio);
		goto again;
	}
	if (folio_test_slab(folio) || __folio_test_movable(folio)) {
		/* Not one of ours, a balloon's say. */
		status = CDM_MOVE_UNMOVABLE;
	} else if (!folio_trylock(folio)) {
		status = CDM_MOVE_BUSY;
	} else {
		status = folio_test_hugetlb(folio) ? lose_hugetlb(folio) : lose(folio);
		folio_unlock(folio);
	}
	folio_put(folio);
	return status;
}
