// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that needs pages of its device where it must not wait for them.
 *
 * What an interrupt handler would do, with preemption disabled: a full node that evicts
 * to serve others must not have this one wait, and it gets a page or an answer at once.
 */
#include <linux/mempolicy.h>
#include <linux/mm.h>

#include "cdm_sim.h"

#define SIM_ATOMIC_GFP	(GFP_ATOMIC | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_NOWARN)

static struct folio *alloc_atomic(struct cdm_sim *sim, struct vm_area_struct *vma,
				  struct cdm_sim_atomic *req, bool by_vma)
{
	struct folio *folio;
	u64 start;

	preempt_disable();
	start = ktime_get_ns();
	if (by_vma)
		folio = vma_alloc_folio(SIM_ATOMIC_GFP, 0, vma, req->addr, false);
	else
		folio = __folio_alloc(SIM_ATOMIC_GFP | __GFP_THISNODE, 0, sim->nid, NULL);
	req->max_ns = max(req->max_ns, ktime_get_ns() - start);
	preempt_enable();
	return folio;
}

/**
 * cdm_sim_atomic() - allocate pages without waiting, and free them
 * @sim: the device
 * @mm: of the process that asks
 * @req: what it asks for; results are filled
 *
 * Context: may sleep between the allocations; no lock held.
 * Return: 0; -EFAULT if nothing is mapped there, -EINTR after a fatal signal.
 */
int cdm_sim_atomic(struct cdm_sim *sim, struct mm_struct *mm, struct cdm_sim_atomic *req)
{
	struct vm_area_struct *vma;
	struct folio *folio, *next;
	LIST_HEAD(got);
	int err = 0;
	u32 i;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, req->addr);
	for (i = 0; vma && i < req->nr; i++) {
		folio = alloc_atomic(sim, vma, req, i & 1);
		if (folio) {
			list_add(&folio->lru, &got);
			if (!(i & 1))
				req->by_node++;
			else if (folio_nid(folio) == sim->nid)
				req->by_vma++;
			else
				req->elsewhere++;
		}
		cond_resched();
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
	}
	if (!vma)
		err = -EFAULT;
	mmap_read_unlock(mm);
	list_for_each_entry_safe(folio, next, &got, lru) {
		list_del(&folio->lru);
		folio_put(folio);
	}
	return err;
}
