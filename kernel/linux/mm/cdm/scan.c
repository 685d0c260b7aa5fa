// SPDX-License-Identifier: GPL-2.0
/*
 * Which folios of a node were used since somebody looked last.
 *
 * Coherent devices and CPUs set the same accessed bits, and nothing tells a
 * policy when. So it asks, in tick, a part of the node at a time: each folio of
 * an LRU is looked up in its reverse map, its accessed bits are tested and
 * cleared, by mmu notifiers those of devices with tables of their own too.
 *
 * The bits are also what reclaim goes by. What was cleared here is therefore
 * remembered in the folio's young flag, as idle page tracking does, so that a
 * policy that looks does not make hot pages look cold.
 *
 * Locks: the folio's if its reverse map needs it, trylocked; then rmap locks and
 * PTLs inside rmap_walk(). Nothing of a policy's runs under them.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/btf.h>
#include <linux/capability.h>
#include <linux/ksm.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmu_notifier.h>
#include <linux/page_idle.h>
#include <linux/rmap.h>

#include "../internal.h"
#include "internal.h"

/* Frames that one call looks at: at 4 KiB, 256 MiB. */
#define SCAN_FRAMES	65536UL

static bool clear_young_one(struct folio *folio, struct vm_area_struct *vma,
			    unsigned long addr, void *arg)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, folio, vma, addr, 0);
	u32 *used = arg;

	while (page_vma_mapped_walk(&pvmw)) {
		if (pvmw.pte)
			*used += ptep_clear_young_notify(vma, pvmw.address,
							 pvmw.pte);
		else if (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
			*used += pmdp_clear_young_notify(vma, pvmw.address,
							 pvmw.pmd);
	}
	return true;
}

/*
 * Entries of page tables in which the folio was accessed; they are not any more.
 * U32_MAX if it could not be found out.
 */
static u32 clear_young(struct folio *folio)
{
	struct rmap_walk_control rwc = {
		.rmap_one = clear_young_one,
		.anon_lock = folio_lock_anon_vma_read,
	};
	bool lock = !folio_test_anon(folio) || folio_test_ksm(folio);
	u32 used = 0;

	if (!folio_mapped(folio) || !folio_raw_mapping(folio))
		return 0;
	if (lock && !folio_trylock(folio))
		return U32_MAX;
	rwc.arg = &used;
	rmap_walk(folio, &rwc);
	if (lock)
		folio_unlock(folio);
	if (used) {
		folio_clear_idle(folio);
		folio_set_young(folio);
	}
	return used;
}

/* A folio of an LRU that begins at @pfn, referenced, or NULL. */
static struct folio *scan_get(unsigned long pfn, int nid)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page || page_to_nid(page) != nid || PageTail(page))
		return NULL;
	folio = page_folio(page);
	if (!folio_test_lru(folio) || !folio_try_get(folio))
		return NULL;
	if (page_folio(page) == folio && folio_test_lru(folio))
		return folio;
	folio_put(folio);
	return NULL;
}

/* Returns entries of @out that were filled. */
static u32 scan_frames(struct cdm_scan *scan, struct cdm_scan_folio *out, u32 max)
{
	unsigned long start = node_start_pfn(scan->nid);
	unsigned long end = node_end_pfn(scan->nid);
	unsigned long pfn = scan->cursor, stop, step;
	u32 nr = 0;

	if (pfn < start || pfn >= end)
		pfn = start;
	stop = min(end, pfn + SCAN_FRAMES);
	for (; pfn < stop && nr < max; pfn += step) {
		struct folio *folio = scan_get(pfn, scan->nid);
		u32 used;

		step = 1;
		if (!folio)
			continue;
		step = folio_nr_pages(folio);
		used = clear_young(folio);
		out[nr++] = (struct cdm_scan_folio) {
			.pfn = pfn,
			.order = folio_order(folio),
			.used = used,
			.mapcount = folio_mapcount(folio),
			.anon = folio_test_anon(folio),
		};
		folio_put(folio);
		cond_resched();
	}
	scan->cursor = pfn < end ? pfn : 0;
	return nr;
}

__bpf_kfunc_start_defs();

/**
 * cdm_bpf_scan_node - which folios of a node were used since the last look
 * @c__nullable: first member of tick's context; NULL in a syscall program
 * @scan: struct cdm_scan; node and cursor are read, the cursor is moved on
 * @scan__sz: its size
 * @out: array of struct cdm_scan_folio
 * @out__sz: its size, a multiple of 24
 *
 * Begins at the cursor and ends when @out is full or 65536 frames were looked
 * at; the cursor is 0 when the end of the node was reached. Folios that wait in a
 * CPU's batch for the LRU, are isolated, or are hugetlb are not seen. The
 * accessed bits of what is seen are cleared; reclaim learns of them all the same.
 *
 * Context: tick, and programs of type syscall, which need CAP_SYS_ADMIN. Sleeps.
 * Return: entries of @out that were filled; -EINVAL for a bad size or a node that
 * does not exist, -ENODEV for one without memory, -EPERM.
 */
__bpf_kfunc int cdm_bpf_scan_node(const struct cdm_common *c__nullable,
				  void *scan, u32 scan__sz, void *out,
				  u32 out__sz)
{
	struct cdm_scan s;
	int nr;

	if (!in_task() || (!c__nullable && current->flags & PF_KTHREAD))
		return -EINVAL;
	if (!c__nullable && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (scan__sz < sizeof(s) || out__sz % sizeof(struct cdm_scan_folio))
		return -EINVAL;
	memcpy(&s, scan, sizeof(s));
	if (s.nid < 0 || s.nid >= MAX_NUMNODES || !node_possible(s.nid) || s.__pad)
		return -EINVAL;
	if (!node_state(s.nid, N_MEMORY))
		return -ENODEV;
	nr = scan_frames(&s, out, out__sz / sizeof(struct cdm_scan_folio));
	memcpy(scan, &s, sizeof(s));
	return nr;
}

__bpf_kfunc_end_defs();
