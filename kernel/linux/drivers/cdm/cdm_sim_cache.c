// SPDX-License-Identifier: GPL-2.0
/*
 * A device's own cache of translations, which must never serve a stale page.
 *
 * This is the pattern for every driver that keeps what cdm_rmap_snapshot() or
 * the page tables told it. A line of the cache says that an address is a page
 * frame. It is believed without a look at the page tables and without a
 * reference to the page, so it has to go before the page does:
 *
 *	device					somebody who unmaps the page
 *
 *	seq = mmu_interval_read_begin()
 *	access by the page tables
 *	lock the folio, take a snapshot
 *	  lock the cache			invalidate():
 *	    if mmu_interval_read_retry(seq)	  lock the cache
 *	      forget it				    mmu_interval_set_seq()
 *	    else				    drop the lines
 *	      fill the line			  unlock
 *	  unlock				changes the page table, frees
 *
 * Whatever changed the page table after read_begin() has called invalidate()
 * before. If that came before the fill, read_retry() is true. If it comes after,
 * it finds the line. A hit holds the cache's lock until the access is over.
 *
 * Order of locks: the folio's lock, then the cache's spinlock, which is a leaf.
 * invalidate() is called with the folio locked (migration), under rmap locks and
 * mmap_lock, and waits for nothing but the spinlock. read_begin() waits for
 * invalidations that are under way and so is called before the folio is locked.
 *
 * A line allows writes only after a write through the page tables: that made
 * the entry there dirty, which the device's later writes do not do.
 */
#define pr_fmt(fmt) "cdm_sim: " fmt

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/processor.h>
#include <linux/slab.h>

#include "cdm_sim.h"

/* Reclaim tests and clears accessed bits by taking the entry out for a moment. */
#define LOOKS	10000

static struct cdm_sim_line *line_of(struct cdm_sim_cache *cache,
				    unsigned long vpn)
{
	return &cache->lines[vpn % CDM_SIM_LINES];
}

static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	struct cdm_sim_cache *cache = container_of(notifier,
						   struct cdm_sim_cache,
						   notifier);
	unsigned long first = range->start >> PAGE_SHIFT;
	unsigned long last = (range->end - 1) >> PAGE_SHIFT;
	unsigned int i;

	spin_lock(&cache->lock);
	mmu_interval_set_seq(notifier, cur_seq);
	for (i = 0; i < CDM_SIM_LINES && !cache->deaf; i++) {
		struct cdm_sim_line *line = &cache->lines[i];

		if (!line->valid || line->vpn < first || line->vpn > last)
			continue;
		line->valid = false;
		cache->invalidations++;
	}
	spin_unlock(&cache->lock);
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

/**
 * cdm_sim_cache_create() - a cache for one run
 * @mm: the run's address space; the caller has mmget() it
 * @req: the run's request, checked
 *
 * Context: may sleep; takes mmap_lock.
 * Return: the cache, or an error.
 */
struct cdm_sim_cache *cdm_sim_cache_create(struct mm_struct *mm,
					   const struct cdm_sim_run *req)
{
	unsigned long start = req->addr & PAGE_MASK;
	unsigned long end = PAGE_ALIGN(req->addr + req->len);
	struct cdm_sim_cache *cache;
	int err;

	cache = kvzalloc(sizeof(*cache), GFP_KERNEL);
	if (!cache)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&cache->lock);
	cache->cookie = cdm_mm_cookie(mm);
	cache->check = req->flags & CDM_SIM_RUN_CHECK;
	cache->deaf = req->flags & CDM_SIM_RUN_DEAF;
	err = mmu_interval_notifier_insert(&cache->notifier, mm, start,
					   end - start, &notifier_ops);
	if (!err)
		return cache;
	kvfree(cache);
	return ERR_PTR(err);
}

/**
 * cdm_sim_cache_destroy() - the run is over
 * @cache: the cache, not used any more
 * @req: gets the counters
 *
 * Context: sleeps until no invalidation is under way.
 */
void cdm_sim_cache_destroy(struct cdm_sim_cache *cache,
			   struct cdm_sim_run *req)
{
	mmu_interval_notifier_remove(&cache->notifier);
	req->cache_hits = cache->hits;
	req->cache_misses = cache->misses;
	req->cache_fills = cache->fills;
	req->cache_retries = cache->retries;
	req->cache_invalidations = cache->invalidations;
	req->cache_stale = cache->stale;
	kvfree(cache);
}

/*
 * The page that the page tables have at @addr, referenced, by the walk that
 * takes no locks: under the cache's lock no other one can be taken. What it
 * must find cannot go meanwhile, as invalidate() waits for us.
 */
static struct page *look(unsigned long addr, bool write)
{
	struct page *page;
	int i;

	for (i = 0; i < LOOKS; i++) {
		if (get_user_pages_fast_only(addr, 1, write ? FOLL_WRITE : 0,
					     &page) == 1)
			return page;
		cpu_relax();
	}
	return NULL;
}

/* False if the line was stale. A device would not ask; it trusts its cache. */
static bool access_line(struct cdm_sim_cache *cache,
			const struct cdm_sim_line *line, unsigned long addr,
			bool write, u64 *value)
{
	struct page *page = pfn_to_page(line->pfn), *now = NULL;
	u64 *p;

	if (cache->check) {
		now = look(addr, write);
		if (now != page) {
			if (now)
				put_page(now);
			return false;
		}
	}
	p = kmap_local_page(page) + offset_in_page(addr);
	*value = READ_ONCE(*p);
	if (write)
		WRITE_ONCE(*p, *value + 1);
	kunmap_local(p);
	if (now)
		put_page(now);
	return true;
}

/**
 * cdm_sim_cache_access() - access memory by the cache alone
 * @cache: the cache
 * @addr: address of a 64-bit word
 * @write: add one to it
 * @value: set to what was there before
 * @nid: set to the node of the page
 *
 * Context: the thread that uses the run's mm.
 * Return: false if it was a miss, or a stale line, which is counted and dropped.
 */
bool cdm_sim_cache_access(struct cdm_sim_cache *cache, unsigned long addr,
			  bool write, u64 *value, int *nid)
{
	struct cdm_sim_line *line = line_of(cache, addr >> PAGE_SHIFT);
	bool hit;

	spin_lock(&cache->lock);
	if (!line->valid || line->vpn != addr >> PAGE_SHIFT ||
	    (write && !line->write)) {
		hit = false;
	} else if (access_line(cache, line, addr, write, value)) {
		*nid = page_to_nid(pfn_to_page(line->pfn));
		cache->hits++;
		hit = true;
	} else {
		line->valid = false;
		cache->stale++;
		hit = false;
	}
	spin_unlock(&cache->lock);
	return hit;
}

struct fill {
	struct cdm_sim_cache *cache;
	unsigned long addr, seq;
	bool write;
};

/* With the folio locked, so that what moves it has to wait for us. */
static int fill_locked(struct folio *folio, void *arg)
{
	const struct fill *f = arg;
	struct cdm_sim_cache *cache = f->cache;
	struct cdm_sim_line *line = line_of(cache, f->addr >> PAGE_SHIFT);
	const struct cdm_rmap_entry *e;
	struct cdm_rmap_head head;
	int err;

	err = cdm_rmap_snapshot_locked(folio, cache->entries,
				       ARRAY_SIZE(cache->entries), &head, 0);
	if (err)
		return err;
	for (e = cache->entries; e < cache->entries + head.nr_entries; e++)
		if (e->mm_cookie == cache->cookie && f->addr >= e->addr &&
		    f->addr - e->addr < (u64)e->nr_pages << PAGE_SHIFT)
			break;
	/* Unmapped meanwhile, or too many others map it. */
	if (e == cache->entries + head.nr_entries)
		return -ENOENT;

	spin_lock(&cache->lock);
	if (mmu_interval_read_retry(&cache->notifier, f->seq)) {
		cache->retries++;
		err = -EAGAIN;
	} else {
		line->vpn = f->addr >> PAGE_SHIFT;
		line->pfn = e->pfn + ((f->addr - e->addr) >> PAGE_SHIFT);
		line->write = f->write && e->flags & CDM_RMAP_WRITABLE;
		line->valid = true;
		cache->fills++;
	}
	spin_unlock(&cache->lock);
	return err;
}

/**
 * cdm_sim_cache_begin() - an access that missed is about to go by the page tables
 * @cache: the cache
 *
 * Context: sleeps while an invalidation is under way; no folio is locked.
 * Return: for cdm_sim_cache_fill().
 */
unsigned long cdm_sim_cache_begin(struct cdm_sim_cache *cache)
{
	return mmu_interval_read_begin(&cache->notifier);
}

/**
 * cdm_sim_cache_fill() - remember the translation of an access that missed
 * @cache: the cache
 * @addr: the address
 * @pfn: a page that was seen there
 * @write: it was written to
 * @seq: of cdm_sim_cache_begin(), called before the page was seen
 *
 * If that is not true any more, the cache stays as it is.
 *
 * Context: may sleep; locks the folio.
 */
void cdm_sim_cache_fill(struct cdm_sim_cache *cache, unsigned long addr,
			unsigned long pfn, bool write, unsigned long seq)
{
	struct fill f = {
		.cache = cache,
		.addr = addr,
		.seq = seq,
		.write = write,
	};

	/* Without a line the next access misses again, and that is all. */
	cdm_folio_run(pfn, 0, 0, fill_locked, &f);
}
