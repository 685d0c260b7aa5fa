// SPDX-License-Identifier: GPL-2.0
/*
 * Moves the folios that hold given page frames.
 *
 * Whoever names page frames knows hardware: a driver that counts accesses, an
 * administrator. It does not know whose they are, so the cpusets and mempolicies
 * of everybody who maps a folio are asked, by its reverse map.
 *
 * A frame is looked at as memory hotplug and compaction do: it must be online,
 * a reference must be had, and the folio must be the same before and after.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/hugetlb.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/rmap.h>

#include "../internal.h"
#include "internal.h"
#include "migrate.h"

struct mappers {
	struct cdm_run *run;
	enum cdm_move_status status;
};

/*
 * One mapping has all of an anon_vma's folios, and has one policy for them: who
 * was asked for one folio need not be asked for the next. Its rmap lock is held.
 */
static bool is_only_mapping(struct anon_vma *anon_vma,
			    struct vm_area_struct *vma)
{
	struct rb_node *top = anon_vma->rb_root.rb_root.rb_node;

	return !top->rb_left && !top->rb_right &&
	       !(vma->vm_ops && vma->vm_ops->get_policy);
}

/*
 * From rmap_walk(): true goes on to the next mapping. The reverse map's locks
 * keep the VMA, but not its mempolicy; mmap_lock does, and may only be tried for
 * here, as it comes before them.
 */
static bool mapping_allows(struct folio *folio, struct vm_area_struct *vma,
			   unsigned long addr, void *arg)
{
	struct mappers *m = arg;
	struct cdm_run *run = m->run;

	if (!mmap_read_trylock(vma->vm_mm)) {
		m->status = CDM_MOVE_BUSY;
		return false;
	}
	if (!cdm_vma_allows(vma, addr, run->mv->nid))
		m->status = CDM_MOVE_NOT_PERMITTED;
	mmap_read_unlock(vma->vm_mm);
	if (m->status != CDM_MOVE_MOVED)
		return false;

	if (!run->anon_vma && folio_test_anon(folio) && !folio_test_ksm(folio) &&
	    is_only_mapping(folio_anon_vma(folio), vma)) {
		run->anon_vma = folio_anon_vma(folio);
		get_anon_vma(run->anon_vma);
	}
	return true;
}

/* True if those who map the folio said yes in this batch. */
static bool mappers_allowed(struct cdm_run *run, struct folio *folio)
{
	return run->anon_vma && (unsigned long)READ_ONCE(folio->mapping) ==
	       (unsigned long)run->anon_vma + PAGE_MAPPING_ANON;
}

/*
 * Does everybody who maps the folio take it on that node? The folio is locked
 * for the walk, as KSM's reverse map needs it to be. hugetlb takes its reverse
 * map's lock before the folio's, so there it may only be tried for.
 */
static enum cdm_move_status mappers_allow(struct cdm_run *run,
					  struct folio *folio)
{
	struct mappers m = { .run = run, .status = CDM_MOVE_MOVED };
	bool async = run->mv->flags & CDM_MOVE_ASYNC;
	struct rmap_walk_control rwc = {
		.rmap_one = mapping_allows,
		.arg = &m,
		.anon_lock = folio_lock_anon_vma_read,
		.try_lock = async || folio_test_hugetlb(folio),
	};

	if (run->mv->flags & CDM_MOVE_ANY_POLICY || !folio_mapped(folio) ||
	    mappers_allowed(run, folio))
		return CDM_MOVE_MOVED;
	if (!folio_trylock(folio)) {
		if (async)
			return CDM_MOVE_BUSY;
		folio_lock(folio);
	}
	rmap_walk(folio, &rwc);
	folio_unlock(folio);
	return rwc.contended ? CDM_MOVE_BUSY : m.status;
}

/* What cannot move, whoever asks; @folio is referenced. */
static enum cdm_move_status pfn_status(struct cdm_run *run, struct folio *folio)
{
	enum cdm_move_status status;

	/* What else may be against it is looked at again, to isolate it. */
	if (mappers_allowed(run, folio) && !(run->mv->flags & CDM_MOVE_SPLIT))
		return CDM_MOVE_MOVED;
	status = cdm_folio_movable(folio, run->mv->nid);
	if (status == CDM_MOVE_MOVED)
		status = mappers_allow(run, folio);
	return status;
}

static enum cdm_move_status no_folio(struct page *page)
{
	if (PageHWPoison(page))
		return CDM_MOVE_POISONED;
	return PageReserved(page) ? CDM_MOVE_UNMOVABLE : CDM_MOVE_NOT_MAPPED;
}

/**
 * cdm_run_pfn() - put the folio that holds a page frame into a run
 * @run: the run; moved first if its batch is full
 * @pfn: any page of the folio
 * @index: of that page
 *
 * Context: as cdm_move_pfns().
 */
void cdm_run_pfn(struct cdm_run *run, unsigned long pfn, unsigned long index)
{
	struct page *page = pfn_to_online_page(pfn);
	enum cdm_move_status status;
	struct folio *folio;

	if (!page) {
		cdm_run_note(run, index, 1, CDM_MOVE_NOT_MAPPED);
		return;
	}
again:
	folio = page_folio(page);
	if (PageReserved(page) || !folio_try_get(folio)) {
		cdm_run_note(run, index, 1, no_folio(page));
		return;
	}
	if (page_folio(page) != folio) {
		folio_put(folio);
		goto again;
	}

	status = PageHWPoison(page) ? CDM_MOVE_POISONED : pfn_status(run, folio);
	if (status == CDM_MOVE_MOVED && cdm_run_splits(run, folio)) {
		if (cdm_run_split(run, folio)) {
			folio_put(folio);
			goto again;
		}
		status = CDM_MOVE_BUSY;
	}
	if (status != CDM_MOVE_MOVED) {
		folio_put(folio);
		cdm_run_note(run, index, 1, status);
		return;
	}
	if (cdm_run_full(run) && !cdm_run_continues(run, folio, pfn, index)) {
		/* Ours may be a folio of the batch, which no one else may hold. */
		folio_put(folio);
		cdm_run_flush(run);
		goto again;
	}
	cdm_run_add(run, folio, pfn, index, 1);
}

/**
 * cdm_move_pfns() - move the folios that hold these page frames to a node
 * @pfns: page frame numbers, any page of a folio
 * @nr: how many
 * @mv: where to, how, and the results
 *
 * A folio moves as a whole, and whole again is what is counted only for the
 * frames that were named. Those who map it are not looked for when
 * CDM_MOVE_ANY_POLICY is given; CDM_MOVE_SHARED means nothing here.
 *
 * Context: may sleep; takes folio locks, rmap locks, and calls mmu notifiers.
 * The caller holds nothing that they take.
 * Return: 0, and @mv says what became of each page; -EINVAL or -ENODEV as
 * cdm_move_check(), -EINVAL without frames, -ENOMEM; -EINTR if a fatal signal
 * came; pages that were not tried are CDM_MOVE_UNTRIED then.
 */
int cdm_move_pfns(const unsigned long *pfns, unsigned long nr,
		  struct cdm_move *mv)
{
	struct cdm_run run;
	unsigned long i;
	int err;

	err = cdm_move_check(mv);
	if (err)
		return err;
	if (!nr || mv->flags & CDM_MOVE_ARM)
		return -EINVAL;
	err = cdm_run_begin(&run, mv, nr);
	if (err)
		return err;

	for (i = 0; i < nr; i++) {
		if (cdm_run_stops()) {
			err = -EINTR;
			break;
		}
		cdm_run_pfn(&run, pfns[i], i);
		cond_resched();
	}
	cdm_run_flush(&run);
	cdm_run_end(&run);
	return err;
}
EXPORT_SYMBOL_GPL(cdm_move_pfns);
