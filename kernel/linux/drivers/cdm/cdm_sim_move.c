// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that moves pages, in each of the three ways that it can.
 *
 * A device that knows which pages it uses would do the same: at once by address
 * or by page frame, or later from where it may not sleep, with a wait for the end.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "cdm_sim.h"

/* Pages that are looked up one by one. */
#define SIM_MOVE_PAGES	1024

static_assert(CDM_NR_MOVE_STATUS <= CDM_SIM_NR_STATUS);

static void add_counts(struct cdm_sim_move *req, const unsigned long *nr)
{
	int i;

	for (i = 0; i < CDM_NR_MOVE_STATUS; i++)
		req->nr[i] += nr[i];
}

/* The frames that the range has now; nothing keeps them, as with a device. */
static long look_up(struct mm_struct *mm, const struct cdm_sim_move *req,
		    unsigned long *pfns)
{
	unsigned long i, nr = req->len >> PAGE_SHIFT;
	struct page *page;
	int locked = 1;
	long got;

	for (i = 0; i < nr; i++) {
		if (!locked || !i) {
			if (mmap_read_lock_killable(mm))
				return -EINTR;
			locked = 1;
		}
		got = get_user_pages_remote(mm, req->addr + (i << PAGE_SHIFT), 1,
					    0, &page, &locked);
		if (got != 1)
			break;
		pfns[i] = page_to_pfn(page);
		put_page(page);
	}
	if (locked)
		mmap_read_unlock(mm);
	return i == nr ? (long)nr : -EFAULT;
}

static int move_later(struct cdm_sim *sim, struct cdm_sim_move *req,
		      const unsigned long *pfns, long nr)
{
	struct cdm_move_wait *wait = kvcalloc(nr, sizeof(*wait), GFP_KERNEL);
	int err = 0;
	long i, queued;

	if (!wait)
		return -ENOMEM;
	for (queued = 0; queued < nr && !err; queued++)
		err = cdm_move_later(sim->node, pfns[queued], req->nid,
				     req->flags, &wait[queued]);
	/* The one that was refused is not waited for. */
	if (err)
		queued--;
	for (i = 0; i < queued; i++) {
		wait_for_completion(&wait[i].done);
		add_counts(req, wait[i].nr);
		err = err ?: wait[i].err;
	}
	kvfree(wait);
	return err;
}

/**
 * cdm_sim_move() - move memory of an address space
 * @sim: the device
 * @mm: the address space; the caller has mmget() it
 * @req: sizes and reserved fields are checked; its results are filled
 *
 * Context: sleeps until the pages have moved.
 * Return: 0 or a negative errno.
 */
int cdm_sim_move(struct cdm_sim *sim, struct mm_struct *mm,
		 struct cdm_sim_move *req)
{
	struct cdm_move mv = { .nid = req->nid, .flags = req->flags };
	unsigned long *pfns;
	long nr;
	int err;

	memset(req->nr, 0, sizeof(req->nr));
	if (req->how == CDM_SIM_MOVE_RANGE) {
		err = cdm_move_range(mm, req->addr, req->addr + req->len, &mv);
		add_counts(req, mv.nr);
		return err;
	}
	if (!PAGE_ALIGNED(req->addr | req->len) ||
	    req->len >> PAGE_SHIFT > SIM_MOVE_PAGES)
		return -EINVAL;

	pfns = kvcalloc(SIM_MOVE_PAGES, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	nr = look_up(mm, req, pfns);
	if (nr < 0) {
		err = nr;
	} else if (req->how == CDM_SIM_MOVE_PFNS) {
		err = cdm_move_pfns(pfns, nr, &mv);
		add_counts(req, mv.nr);
	} else {
		err = move_later(sim, req, pfns, nr);
	}
	kvfree(pfns);
	return err;
}
