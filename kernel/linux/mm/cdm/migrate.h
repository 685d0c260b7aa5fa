/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The engine that moves folios, as those who feed it see it.
 *
 * migrate_range.c finds folios by address, migrate_pfn.c by page frame. Both
 * put them into a run, which migrate.c isolates and moves a batch at a time:
 *
 *	for each batch
 *		look, reference, cdm_run_add()		under a PTL or none
 *		cdm_run_flush()				no lock held
 *
 * A run is one call of one task. It needs no lock.
 */
#ifndef _MM_CDM_MIGRATE_H
#define _MM_CDM_MIGRATE_H

#include <linux/cdm_move.h>
#include <linux/list.h>
#include <linux/migrate_mode.h>
#include <linux/mm.h>

struct anon_vma;

/*
 * A batch: one walk and at most one drain of the LRU batches. Of small folios it
 * has as many as migrate_pages() works on at once, so that it is no cause for more
 * TLB flushes; of large ones a few more pages, or a THP would be a batch.
 */
#define CDM_BATCH_PAGES		512
#define CDM_BATCH_LARGE		4096
#define CDM_BATCH_FOLIOS	512

/**
 * struct cdm_run_entry - a folio of the batch
 * @folio: referenced until cdm_run_flush() has isolated it; a name after that
 * @pfn: first page of it that was asked for
 * @folio_pfn: its first page
 * @folio_nr: its pages
 * @index: what @pfn is called in &cdm_move.status
 * @nr: pages that were asked for
 * @status: enum cdm_move_status; MOVED while it is isolated
 * @same: it is in the batch twice, and the first time is entry @same - 1
 */
struct cdm_run_entry {
	struct folio *folio;
	unsigned long pfn;
	unsigned long folio_pfn;
	unsigned long index;
	u32 folio_nr;
	u32 nr;
	u16 same;
	u8 status;
};

static_assert(CDM_BATCH_FOLIOS < U16_MAX);

/**
 * struct cdm_alloc - what cdm_alloc_dst() is told, and what it tells
 * @nid: where to allocate
 * @failed: the smallest order that could not be had, CDM_NO_ORDER if all could
 */
struct cdm_alloc {
	int nid;
	unsigned int failed;
};

#define CDM_NO_ORDER	UINT_MAX

/**
 * struct cdm_run - one call of the engine
 * @mv: who asked, what for, and the results
 * @total: pages asked for
 * @nr: entries of the batch
 * @nr_pages: pages of the batch's folios
 * @leaving: the node that they are on goes: no policy and no limit is asked. Set
 *	after cdm_run_begin()
 * @drain: may wait for other CPUs to drain their LRU batches
 * @drained: LRU batches were drained for this batch
 * @anon_vma: all whose folios are allowed to move in this batch; referenced
 * @v: the batch
 */
struct cdm_run {
	struct cdm_move *mv;
	unsigned long total;
	unsigned int nr;
	unsigned int nr_pages;
	bool leaving;
	bool drain;
	bool drained;
	struct anon_vma *anon_vma;
	struct cdm_run_entry *v;
};

int cdm_run_begin(struct cdm_run *run, struct cdm_move *mv, unsigned long total);
void cdm_run_note(struct cdm_run *run, unsigned long index, unsigned long nr,
		  enum cdm_move_status status);
void cdm_run_add(struct cdm_run *run, struct folio *folio, unsigned long pfn,
		 unsigned long index, unsigned long nr);
void cdm_run_flush(struct cdm_run *run);
void cdm_run_end(struct cdm_run *run);

/* lost.c */
#ifdef CONFIG_MEMORY_FAILURE
enum cdm_move_status cdm_lose_pfn(unsigned long pfn);
#else
/* Nothing can mark a page as gone: it is waited for. */
static inline enum cdm_move_status cdm_lose_pfn(unsigned long pfn)
{
	return CDM_MOVE_BUSY;
}
#endif

static inline bool cdm_run_full(const struct cdm_run *run)
{
	return run->nr == CDM_BATCH_FOLIOS || run->nr_pages >= CDM_BATCH_LARGE;
}

/* Is this the next page of the folio that came last? It needs no room. */
static inline bool cdm_run_continues(const struct cdm_run *run,
				     const struct folio *folio,
				     unsigned long pfn, unsigned long index)
{
	const struct cdm_run_entry *e = &run->v[run->nr - 1];

	return run->nr && e->folio == folio && e->pfn + e->nr == pfn &&
	       e->index + e->nr == index;
}

static inline bool cdm_move_arms_only(const struct cdm_move *mv)
{
	return mv->nid == NUMA_NO_NODE && mv->flags & CDM_MOVE_ARM &&
	       !(mv->flags & ~(CDM_MOVE_ARM | CDM_MOVE_ASYNC));
}

bool cdm_run_splits(const struct cdm_run *run, struct folio *folio);
bool cdm_run_split(struct cdm_run *run, struct folio *folio);
bool cdm_run_stops(void);
enum cdm_move_status cdm_folio_movable(struct folio *folio, int nid);
struct folio *cdm_alloc_dst(struct folio *src, unsigned long private);
int cdm_move_check(const struct cdm_move *mv);
void cdm_migrate_list(struct list_head *list, struct cdm_alloc *to,
		      enum migrate_mode mode, int reason, unsigned int *moved);

/* migrate_pfn.c */
void cdm_run_pfn(struct cdm_run *run, unsigned long pfn, unsigned long index);

/* migrate_range.c */
int cdm_run_range(struct cdm_run *run, struct mm_struct *mm,
		  unsigned long start, unsigned long end, unsigned long index);
struct mm_struct *cdm_task_mm(struct task_struct *task);
struct mm_struct *cdm_mm_get(u32 tgid, u64 cookie);
bool cdm_vma_allows(struct vm_area_struct *vma, unsigned long addr, int nid);

#endif /* _MM_CDM_MIGRATE_H */
