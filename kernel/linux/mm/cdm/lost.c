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
 *	hugetlb			as memory failure says, a line a page
 *
 * What somebody refers to, for DMA say, is unmapped as well, and waited for. A page is
 * marked as poisoned, so that it is not handed out when the last reference goes.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/backing-dev.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>

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

/* Can what it holds be read again? Locked; dirty by the page tables is dirty from now on. */
static bool has_copy(struct folio *folio)
{
	struct address_space *mapping = folio_mapping(folio);

	if (folio_test_swapcache(folio) || !mapping || !mapping_can_writeback(mapping))
		return false;
	if (folio_mkclean(folio))
		folio_set_dirty(folio);
	return !folio_test_dirty(folio);
}

/* True if nobody maps it now. */
static bool unmap(struct folio *folio)
{
	enum ttu_flags ttu = TTU_IGNORE_MLOCK | TTU_SYNC;

	if (!folio_mapped(folio))
		return true;
	/* In the swap cache it is found by the swap entry, poisoned. */
	if (!folio_test_swapcache(folio) && !has_copy(folio))
		ttu |= TTU_HWPOISON;
	if (folio_test_pmd_mappable(folio))
		ttu |= TTU_SPLIT_HUGE_PMD;
	try_to_unmap(folio, ttu);
	return !folio_mapped(folio);
}

/* Small. The page cache gives it up, or remembers that it is no good. */
static void forget(struct folio *folio)
{
	struct address_space *mapping = folio_mapping(folio);

	if (!folio_isolate_lru(folio))
		return;
	folio_clear_active(folio);
	folio_clear_unevictable(folio);
	/* The charge would stay as long as somebody refers to it. */
	mem_cgroup_uncharge(folio);
	folio_put(folio);
	if (folio_test_swapcache(folio)) {
		if (folio_test_dirty(folio)) {
			folio_clear_dirty(folio);
			folio_clear_uptodate(folio);
		} else {
			delete_from_swap_cache(folio);
		}
		return;
	}
	if (folio_test_anon(folio) || !mapping)
		return;
	if (folio_test_dirty(folio) && !shmem_mapping(mapping))
		mapping_set_error(mapping, -EIO);
	if (mapping->a_ops->error_remove_folio)
		mapping->a_ops->error_remove_folio(mapping, folio);
	else
		mapping_evict_folio(mapping, folio);
}

/* Locked, referenced by the caller. */
static enum cdm_move_status lose(struct folio *folio)
{
	/* Isolated at the moment, by reclaim say. */
	if (!folio_test_lru(folio) && !folio_test_hwpoison(folio))
		return CDM_MOVE_BUSY;
	/* What a device has pinned cannot be split, and goes as a whole with the pin. */
	if (folio_test_large(folio) &&
	    !(folio_test_anon(folio) && folio_maybe_dma_pinned(folio)))
		return CDM_MOVE_BUSY;
	mark(folio);
	if (!unmap(folio))
		return CDM_MOVE_BUSY;
	if (!folio_test_large(folio))
		forget(folio);
	return folio_ref_count(folio) > 1 ? CDM_MOVE_POISONED : CDM_MOVE_MOVED;
}

static enum cdm_move_status lose_hugetlb(struct folio *folio, unsigned long pfn)
{
	bool known = folio_test_hwpoison(folio);

	folio_put(folio);
	if (known)
		return CDM_MOVE_POISONED;
	return memory_failure(pfn, 0) ? CDM_MOVE_BUSY : CDM_MOVE_MOVED;
}

/**
 * cdm_lose_pfn() - take a page of a lost node from whoever has it
 * @pfn: a page frame of the node
 *
 * A large folio becomes small ones first, of which the others are for other calls.
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
	if (folio_test_hugetlb(folio))
		return lose_hugetlb(folio, folio_pfn(folio));
	/* Not one of ours, a balloon's say. */
	if (folio_test_slab(folio) || __folio_test_movable(folio)) {
		folio_put(folio);
		return CDM_MOVE_UNMOVABLE;
	}
	folio_lock(folio);
	folio_wait_writeback(folio);
	if (folio_test_large(folio) && !split_folio(folio)) {
		folio_unlock(folio);
		folio_put(folio);
		goto again;
	}
	status = lose(folio);
	folio_unlock(folio);
	folio_put(folio);
	return status;
}
