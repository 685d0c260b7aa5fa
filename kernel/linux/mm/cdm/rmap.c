// SPDX-License-Identifier: GPL-2.0
/*
 * Who maps a page: the kernel's reverse map as a list.
 *
 * The walk is the kernel's own, rmap_walk(), and its locks are those of the
 * folio's anon_vma or of its file's i_mmap, and the page tables':
 *
 *	the folio's lock (here, or the driver's by cdm_folio_run())
 *	  anon_vma->rwsem or i_mmap_rwsem, for reading
 *	    page table lock
 *
 * Under them nothing is called but what is in this file, and nothing is written
 * but the caller's array, which is kernel memory and cannot fault. Programs and
 * drivers get the list after the locks were dropped. A driver's function may run
 * under the folio's lock and no other one of ours; that is checked by lockdep.
 *
 * What an entry is worth: it was read from the page table under its lock, with
 * the folio locked. So it was true at that moment. Without the rmap locks a
 * mapping may go, but only with the mmu notifiers of its address space called
 * before; a driver that looks there knows (Documentation/mm/cdm_ext.rst). A
 * folio that stays locked is not migrated, swapped out or truncated.
 *
 * A mapping that moves (mremap()) during the walk is seen at the old address, at
 * the new one, or at both. The kernel keeps the order of VMAs in its trees such
 * that it is not missed. One that is made by a fork or a fault during the walk
 * may be missed.
 *
 * How long it takes: the locks are held for reading while up to
 * CDM_RMAP_MAX_VMAS VMAs are looked at. They are sleeping locks: the walk
 * reschedules before each VMA, and a fatal signal ends it. Reclaim, which walks
 * the same trees, has no such limit.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cdm_rmap.h>
#include <linux/hugetlb.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/pagemap.h>
#include <linux/pid_namespace.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>

#include "internal.h"

struct walk {
	struct cdm_rmap_entry *entries;
	unsigned int room;
	struct cdm_rmap_head *head;
	struct pid_namespace *ns;
	unsigned int vmas;
	bool killed;
};

static u32 owner_tgid(struct mm_struct *mm, struct pid_namespace *ns)
{
	u32 tgid = 0;

#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		tgid = task_tgid_nr_ns(owner, ns);
	rcu_read_unlock();
#endif
	return tgid;
}

/* A run of pages is complete. */
static void store(struct walk *w, struct vm_area_struct *vma,
		  struct cdm_rmap_entry *e)
{
	w->head->nr++;
	if (w->head->nr_entries == w->room) {
		w->head->flags |= CDM_RMAP_TRUNCATED;
		return;
	}
	e->mm_cookie = cdm_mm_cookie(vma->vm_mm);
	e->tgid = owner_tgid(vma->vm_mm, w->ns);
	if (vma->vm_flags & VM_LOCKED)
		e->flags |= CDM_RMAP_MLOCKED;
	memcpy(&w->entries[w->head->nr_entries++], e, sizeof(*e));
}

/*
 * Under the page table lock: what the entry that the walk stands at maps is
 * added to the run of pages @e, or begins another one.
 */
static void look_at(struct walk *w, struct page_vma_mapped_walk *pvmw,
		    struct folio *folio, struct cdm_rmap_entry *e)
{
	struct cdm_rmap_entry now = {
		.addr = pvmw->address,
		.pfn = folio_pfn(folio),
		.nr_pages = 1,
	};
	bool writable;

	if (folio_test_hugetlb(folio)) {
		pte_t pte = huge_ptep_get(pvmw->vma->vm_mm, pvmw->address,
					  pvmw->pte);

		writable = pte_write(pte);
		now.nr_pages = folio_nr_pages(folio);
		now.flags |= CDM_RMAP_HUGE;
	} else if (pvmw->pte) {
		pte_t pte = ptep_get(pvmw->pte);

		/* A device has it for itself; the CPU would fault. */
		if (!pte_present(pte))
			return;
		writable = pte_write(pte);
		now.pfn = pte_pfn(pte);
	} else {
		writable = pmd_write(pmdp_get(pvmw->pmd));
		now.nr_pages = folio_nr_pages(folio);
		now.flags |= CDM_RMAP_HUGE;
	}
	if (writable)
		now.flags |= CDM_RMAP_WRITABLE;

	if (e->nr_pages && e->flags == now.flags &&
	    now.addr - e->addr == (u64)e->nr_pages << PAGE_SHIFT &&
	    now.pfn - e->pfn == e->nr_pages) {
		e->nr_pages += now.nr_pages;
		return;
	}
	if (e->nr_pages)
		store(w, pvmw->vma, e);
	memcpy(e, &now, sizeof(*e));
}

/* Called by rmap_walk() for each VMA that may map the folio; false ends it. */
static bool walk_one(struct folio *folio, struct vm_area_struct *vma,
		     unsigned long addr, void *arg)
{
	/* In sync: a PTE that somebody is changing is none for a moment. */
	DEFINE_FOLIO_VMA_WALK(pvmw, folio, vma, addr, PVMW_SYNC);
	struct walk *w = arg;
	struct cdm_rmap_entry e = {};

	if (w->vmas++ == CDM_RMAP_MAX_VMAS) {
		w->head->flags |= CDM_RMAP_LIMITED;
		return false;
	}
	if (fatal_signal_pending(current)) {
		w->killed = true;
		return false;
	}

	while (page_vma_mapped_walk(&pvmw))
		look_at(w, &pvmw, folio, &e);
	if (e.nr_pages)
		store(w, vma, &e);
	return true;
}

/* The population sequence in full, of which the folio's state has 32 bits. */
static u64 folio_seq(struct folio *folio)
{
	struct cdm_folio_state st;
	struct cdm_node *node;
	u64 now;

	if (folio_test_hugetlb(folio) ||
	    !cdm_fstate_get(folio_pfn(folio), folio_nid(folio), &st) || !st.seq)
		return 0;
	guard(rcu)();
	node = cdm_node_of(folio_nid(folio));
	if (!node)
		return 0;
	now = atomic64_read(&node->seq);
	return now - (u32)(now - st.seq);
}

/**
 * cdm_rmap_snapshot_locked() - list the mappings of a folio that is locked
 * @folio: the folio, locked and referenced by the caller
 * @entries: filled; NULL if @n is 0
 * @n: how many there is room for; 0 just counts
 * @head: filled
 * @flags: CDM_RMAP_TRY: do not wait for rmap locks
 *
 * Migration entries are no mappings. Of a page of a device that is special to
 * it (device exclusive) there is none either.
 *
 * Context: may sleep. Takes the rmap locks for reading, so the caller holds
 * none, nor a page table lock or one that its mmu notifiers take.
 * Return: 0, also if @head->flags says that entries are missing; -EINVAL for
 * unknown @flags; -EINTR if a fatal signal came.
 */
int cdm_rmap_snapshot_locked(struct folio *folio,
			     struct cdm_rmap_entry *entries, unsigned int n,
			     struct cdm_rmap_head *head, unsigned int flags)
{
	struct walk w = {
		.entries = entries,
		.room = n,
		.head = head,
		.ns = task_active_pid_ns(current),
	};
	struct rmap_walk_control rwc = {
		.arg = &w,
		.try_lock = flags & CDM_RMAP_TRY,
		.rmap_one = walk_one,
		.anon_lock = folio_lock_anon_vma_read,
	};

	int depth __maybe_unused = lockdep_depth(current);

	if (flags & ~CDM_RMAP_TRY)
		return -EINVAL;
	VM_WARN_ON_ONCE_FOLIO(!folio_test_locked(folio), folio);

	*head = (struct cdm_rmap_head) {
		.seq = folio_seq(folio),
		.pfn = folio_pfn(folio),
		.order = folio_order(folio),
	};
	rmap_walk(folio, &rwc);
	lockdep_assert(lockdep_depth(current) == depth);
	if (rwc.contended)
		head->flags |= CDM_RMAP_CONTENDED;
	return w.killed ? -EINTR : 0;
}
EXPORT_SYMBOL_GPL(cdm_rmap_snapshot_locked);

/* The folio of user memory that holds @pfn, referenced, or an error. */
static struct folio *folio_get_user(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page)
		return ERR_PTR(-ENXIO);
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return ERR_PTR(-ENOENT);
	/* With our reference it is neither split nor freed. */
	if (page_folio(page) != folio)
		goto put;
	if (folio_test_slab(folio) || __folio_test_movable(folio))
		goto put;
	if (folio_test_anon(folio) || folio_test_hugetlb(folio) ||
	    READ_ONCE(folio->mapping))
		return folio;
put:
	folio_put(folio);
	return ERR_PTR(-ENOENT);
}

/**
 * cdm_folio_run() - run a function with a page's folio locked and referenced
 * @pfn: page frame number, of any page of the folio
 * @seq: &cdm_rmap_head.seq of an earlier snapshot, and nothing is done if the
 *	frame holds another folio now; 0 for whatever it holds
 * @flags: CDM_RMAP_TRY: do not wait for the folio's lock
 * @fn: called once
 * @arg: for @fn
 *
 * While @fn runs the folio is not migrated, swapped out, split or truncated. It
 * may still be unmapped, by munmap() for one; what is mapped where is said by
 * cdm_rmap_snapshot_locked() and the driver's mmu_interval_notifier.
 *
 * Context: may sleep; the caller holds neither a folio's lock nor one that its
 * mmu notifiers take. @fn may take such a lock: invalidations that move the
 * folio have locked it as well.
 * Return: what @fn returned; -ENXIO if the frame is not online memory; -ENOENT
 * if it is free or not user memory; -ESTALE if it has another @seq; -EAGAIN if
 * the lock is busy and CDM_RMAP_TRY is set; -EINTR if a fatal signal came;
 * -EINVAL for unknown @flags.
 */
int cdm_folio_run(unsigned long pfn, u64 seq, unsigned int flags,
		  cdm_folio_fn fn, void *arg)
{
	int depth __maybe_unused = lockdep_depth(current);
	struct folio *folio;
	int err = 0;

	if (flags & ~CDM_RMAP_TRY)
		return -EINVAL;
	folio = folio_get_user(pfn);
	if (IS_ERR(folio))
		return PTR_ERR(folio);

	if (!folio_trylock(folio)) {
		if (flags & CDM_RMAP_TRY)
			err = -EAGAIN;
		else
			err = folio_lock_killable(folio);
		if (err)
			goto put;
	}
	if (seq && folio_seq(folio) != seq) {
		err = -ESTALE;
		goto unlock;
	}
	/* @fn is under no lock of ours but the folio's, which lockdep skips. */
	lockdep_assert(lockdep_depth(current) == depth);
	err = fn(folio, arg);
unlock:
	folio_unlock(folio);
put:
	folio_put(folio);
	return err;
}
EXPORT_SYMBOL_GPL(cdm_folio_run);

struct snapshot {
	struct cdm_rmap_entry *entries;
	unsigned int n;
	struct cdm_rmap_head *head;
	unsigned int flags;
};

static int snapshot_fn(struct folio *folio, void *arg)
{
	struct snapshot *s = arg;

	return cdm_rmap_snapshot_locked(folio, s->entries, s->n, s->head,
					s->flags);
}

/**
 * cdm_rmap_snapshot() - list the mappings of the folio that holds a page frame
 * @pfn: page frame number, of any page of the folio
 * @entries: filled; NULL if @n is 0
 * @n: how many there is room for; 0 just counts
 * @head: filled
 * @flags: CDM_RMAP_TRY: wait for no lock; if one is busy, @head->flags has
 *	CDM_RMAP_CONTENDED and entries are missing, possibly all
 *
 * @head->nr counts what there was no room for, too, so it says how much room the
 * next call needs.
 *
 * Context: may sleep. Takes the folio's lock, and the rmap locks for reading.
 * Return: 0, also if @head->flags says that entries are missing; -ENXIO if the
 * frame is not online memory; -ENOENT if it is free or not user memory; -EINTR
 * if a fatal signal came; -EINVAL for unknown @flags.
 */
int cdm_rmap_snapshot(unsigned long pfn, struct cdm_rmap_entry *entries,
		      unsigned int n, struct cdm_rmap_head *head,
		      unsigned int flags)
{
	struct snapshot s = {
		.entries = entries,
		.n = n,
		.head = head,
		.flags = flags,
	};
	int err;

	memset(head, 0, sizeof(*head));
	err = cdm_folio_run(pfn, 0, flags, snapshot_fn, &s);
	if (err != -EAGAIN)
		return err;
	head->flags = CDM_RMAP_CONTENDED;
	return 0;
}
EXPORT_SYMBOL_GPL(cdm_rmap_snapshot);
