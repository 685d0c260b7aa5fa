// SPDX-License-Identifier: GPL-2.0
/*
 * Moves what a range of addresses maps.
 *
 * The page tables are walked under mmap_lock, a batch of folios is referenced
 * under the PTL, and with all of these locks dropped again it is moved. Between
 * the two a page may be unmapped, remapped or freed; it is then moved for
 * nothing or found busy, as with move_pages(2).
 *
 * Whose wishes count is the owner's of the address space, not those of the task
 * that moves: its cpuset, the mempolicy of the mapping, and that of the task
 * where the mapping has none. Only what they forbid is looked at, MPOL_BIND:
 * the other modes say where a page shall be rather than where it must not.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cpuset.h>
#include <linux/hugetlb.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/pagewalk.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/swapops.h>

#include "../internal.h"
#include "internal.h"
#include "migrate.h"

/**
 * struct range_walk - where a walk is
 * @run: what it feeds
 * @start: first address of the range
 * @index: of the page there
 * @next: first address that was not looked at
 * @large: a folio that has to be split before the walk goes on; referenced
 * @large_end: first address after what its entry maps
 * @allowed: the VMA takes pages of the target
 * @per_page: its policy is one of pages
 */
struct range_walk {
	struct cdm_run *run;
	unsigned long start;
	unsigned long index;
	unsigned long next;
	struct folio *large;
	unsigned long large_end;
	bool allowed;
	bool per_page;
};

/* ---- what the owner allows --------------------------------------------------- */

static bool pol_allows(const struct mempolicy *pol, int nid)
{
	return !pol || pol->mode != MPOL_BIND || node_isset(nid, pol->nodes);
}

/* The owner's cpuset, and its mempolicy if the mapping has none. */
static bool owner_allows(struct mm_struct *mm, bool has_pol, int nid)
{
	bool ok = true;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	guard(rcu)();
	owner = rcu_dereference(mm->owner);
	if (!owner)
		return true;
#ifdef CONFIG_CPUSETS
	/* One bit of a mask that may change at any time: as good as a lock. */
	if (!node_isset(nid, owner->mems_allowed))
		return false;
#endif
	if (has_pol)
		return true;
	task_lock(owner);
	ok = pol_allows(owner->mempolicy, nid);
	task_unlock(owner);
#endif
	return ok;
}

/**
 * cdm_vma_allows() - may a page of this mapping be on a node?
 * @vma: the mapping
 * @addr: where in it
 * @nid: the node
 *
 * Context: mmap_lock is held, for the mempolicy's sake. Spinlocks may be. Does not
 * sleep.
 * Return: false if the cpuset of the address space's owner or an MPOL_BIND
 * leaves the node out.
 */
bool cdm_vma_allows(struct vm_area_struct *vma, unsigned long addr, int nid)
{
	struct mempolicy *pol;
	bool has_pol, ok;
	pgoff_t ilx;

	pol = __get_vma_policy(vma, addr, &ilx);
	has_pol = pol;
	ok = pol_allows(pol, nid);
	mpol_cond_put(pol);
	return ok && owner_allows(vma->vm_mm, has_pol, nid);
}

/* ---- the walk ------------------------------------------------------------------ */

static unsigned long walk_index(const struct range_walk *w, unsigned long addr)
{
	return w->index + ((addr - w->start) >> PAGE_SHIFT);
}

static void walk_note(struct range_walk *w, unsigned long addr,
		      unsigned long end, enum cdm_move_status status)
{
	cdm_run_note(w->run, walk_index(w, addr), (end - addr) >> PAGE_SHIFT,
		     status);
	w->next = end;
}

/*
 * A mapped folio, under the PTL. False if the walk has to stop before it, for
 * the batch to be moved or the folio to be split.
 */
static bool walk_folio(struct range_walk *w, struct vm_area_struct *vma,
		       struct folio *folio, unsigned long pfn,
		       unsigned long addr, unsigned long end)
{
	unsigned int flags = w->run->mv->flags;
	int nid = w->run->mv->nid;

	if (folio_nid(folio) == nid) {
		walk_note(w, addr, end, CDM_MOVE_ALREADY);
		return true;
	}
	if (!w->allowed || (w->per_page && !cdm_vma_allows(vma, addr, nid)) ||
	    (!(flags & CDM_MOVE_SHARED) && folio_likely_mapped_shared(folio))) {
		walk_note(w, addr, end, CDM_MOVE_NOT_PERMITTED);
		return true;
	}
	if (cdm_run_full(w->run) &&
	    !cdm_run_continues(w->run, folio, pfn, walk_index(w, addr)))
		return false;

	folio_get(folio);
	if (cdm_run_splits(w->run, folio)) {
		w->large = folio;
		w->large_end = end;
		return false;
	}
	cdm_run_add(w->run, folio, pfn, walk_index(w, addr),
		    (end - addr) >> PAGE_SHIFT);
	w->next = end;
	return true;
}

static enum cdm_move_status entry_status(swp_entry_t entry)
{
	if (is_migration_entry(entry))
		return CDM_MOVE_BUSY;
	if (is_hwpoison_entry(entry) || is_poisoned_swp_entry(entry))
		return CDM_MOVE_POISONED;
	if (is_device_private_entry(entry) || is_device_exclusive_entry(entry))
		return CDM_MOVE_UNMOVABLE;
	return CDM_MOVE_NOT_MAPPED;
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/* Under the PTL that pmd_trans_huge_lock() took. */
static bool walk_huge_pmd(struct range_walk *w, struct vm_area_struct *vma,
			  pmd_t pmd, unsigned long addr, unsigned long end)
{
	struct folio *folio;
	unsigned long pfn;

	if (!pmd_present(pmd)) {
		walk_note(w, addr, end, is_pmd_migration_entry(pmd) ?
			  CDM_MOVE_BUSY : CDM_MOVE_NOT_MAPPED);
		return true;
	}
	if (is_huge_zero_pmd(pmd)) {
		walk_note(w, addr, end, CDM_MOVE_NOT_MAPPED);
		return true;
	}
	folio = vm_normal_folio_pmd(vma, addr, pmd);
	if (!folio || folio_is_zone_device(folio)) {
		walk_note(w, addr, end, CDM_MOVE_UNMOVABLE);
		return true;
	}
	pfn = pmd_pfn(pmd) + ((addr & ~HPAGE_PMD_MASK) >> PAGE_SHIFT);
	return walk_folio(w, vma, folio, pfn, addr, end);
}
#endif

/* How many entries from @ptep on map the folio's next pages. */
static int walk_batch(struct range_walk *w, struct folio *folio,
		      unsigned long addr, unsigned long end, pte_t *ptep,
		      pte_t pte)
{
	/* Each may have a policy of its own. */
	if (!folio_test_large(folio) || w->per_page)
		return 1;
	return folio_pte_batch(folio, addr, ptep, pte,
			       (end - addr) >> PAGE_SHIFT,
			       FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY,
			       NULL, NULL, NULL);
}

/* Notes the page at @addr, and those of its folio that follow. */
static bool walk_one_pte(struct range_walk *w, struct vm_area_struct *vma,
			 pte_t *ptep, unsigned long addr, unsigned long end)
{
	unsigned long next = addr + PAGE_SIZE;
	pte_t pte = ptep_get(ptep);
	struct folio *folio;

	if (pte_none(pte)) {
		walk_note(w, addr, next, CDM_MOVE_NOT_MAPPED);
		return true;
	}
	if (!pte_present(pte)) {
		walk_note(w, addr, next, entry_status(pte_to_swp_entry(pte)));
		return true;
	}
	folio = vm_normal_folio(vma, addr, pte);
	if (!folio || folio_is_zone_device(folio)) {
		walk_note(w, addr, next, is_zero_pfn(pte_pfn(pte)) ?
			  CDM_MOVE_NOT_MAPPED : CDM_MOVE_UNMOVABLE);
		return true;
	}
	next = addr + walk_batch(w, folio, addr, end, ptep, pte) * PAGE_SIZE;
	return walk_folio(w, vma, folio, pte_pfn(pte), addr, next);
}

static int walk_pmd(pmd_t *pmd, unsigned long addr, unsigned long end,
		    struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct range_walk *w = walk->private;
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
		go_on = walk_one_pte(w, vma, pte, addr, end);
		pte += (w->next - addr) >> PAGE_SHIFT;
	}
	pte_unmap_unlock(start, ptl);
	cond_resched();
	return !go_on;
}

#ifdef CONFIG_HUGETLB_PAGE
static int walk_hugetlb(pte_t *ptep, unsigned long hmask, unsigned long addr,
			unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct range_walk *w = walk->private;
	bool go_on = true;
	spinlock_t *ptl;	/* of the huge entry */
	pte_t pte;

	ptl = huge_pte_lock(hstate_vma(vma), walk->mm, ptep);
	pte = huge_ptep_get(walk->mm, addr, ptep);
	if (pte_present(pte) && hugetlb_pmd_shared(ptep) &&
	    !(w->run->mv->flags & CDM_MOVE_SHARED))
		walk_note(w, addr, end, CDM_MOVE_NOT_PERMITTED);
	else if (pte_present(pte))
		go_on = walk_folio(w, vma, page_folio(pte_page(pte)),
				   pte_pfn(pte) + ((addr & ~hmask) >> PAGE_SHIFT),
				   addr, end);
	else
		walk_note(w, addr, end, huge_pte_none(pte) ? CDM_MOVE_NOT_MAPPED :
			  entry_status(pte_to_swp_entry(pte)));
	spin_unlock(ptl);
	return !go_on;
}
#else
#define walk_hugetlb NULL
#endif

static int walk_hole(unsigned long addr, unsigned long end, int depth,
		     struct mm_walk *walk)
{
	walk_note(walk->private, addr, end, CDM_MOVE_NOT_MAPPED);
	return 0;
}

static int walk_test(unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct range_walk *w = walk->private;
	bool any = w->run->mv->flags & CDM_MOVE_ANY_POLICY;

	if (vma->vm_flags & (VM_IO | VM_PFNMAP)) {
		walk_note(w, addr, end, CDM_MOVE_UNMOVABLE);
		return 1;
	}
	w->per_page = !any && vma->vm_ops && vma->vm_ops->get_policy;
	w->allowed = any || w->per_page ||
		     cdm_vma_allows(vma, addr, w->run->mv->nid);
	return 0;
}

static const struct mm_walk_ops range_walk_ops = {
	.pmd_entry = walk_pmd,
	.hugetlb_entry = walk_hugetlb,
	.pte_hole = walk_hole,
	.test_walk = walk_test,
	.walk_lock = PGWALK_RDLOCK,
};

/* Splits what the walk stopped at; a folio that does not split is busy. */
static void walk_split(struct range_walk *w, unsigned long end)
{
	struct folio *folio = w->large;
	enum cdm_move_status status;

	w->large = NULL;
	status = cdm_folio_movable(folio, w->run->mv->nid);
	if (status != CDM_MOVE_MOVED || !cdm_run_split(w->run, folio)) {
		if (status == CDM_MOVE_MOVED)
			status = CDM_MOVE_BUSY;
		walk_note(w, w->next, min(w->large_end, end), status);
	}
	folio_put(folio);
}

static int range_lock(struct mm_struct *mm, unsigned int flags)
{
	if (flags & CDM_MOVE_ASYNC)
		return mmap_read_trylock(mm) ? 0 : -EAGAIN;
	return mmap_read_lock_killable(mm);
}

/**
 * cdm_run_range() - put what a range of addresses maps into a run
 * @run: the run; moved whenever its batch is full, not at the end
 * @mm: the address space; the caller has mmget() it
 * @start: first byte, a multiple of the page size
 * @end: first byte after the range, likewise
 * @index: of the first page
 *
 * Context: as cdm_move_range().
 * Return: 0, -EINTR or -EAGAIN as cdm_move_range().
 */
int cdm_run_range(struct cdm_run *run, struct mm_struct *mm,
		  unsigned long start, unsigned long end, unsigned long index)
{
	struct range_walk w = {
		.run = run, .start = start, .index = index, .next = start,
	};
	int err;

	while (w.next < end) {
		if (cdm_run_stops())
			return -EINTR;
		err = range_lock(mm, run->mv->flags);
		if (err)
			return err;
		err = walk_page_range(mm, w.next, end, &range_walk_ops, &w);
		mmap_read_unlock(mm);
		if (err < 0)
			return err;
		if (w.large)
			walk_split(&w, end);
		if (cdm_run_full(run))
			cdm_run_flush(run);
		cond_resched();
	}
	return 0;
}

/**
 * cdm_task_mm() - the address space of a process
 * @task: any of its threads
 *
 * As get_task_mm(), which sees none if @task has exited and others go on.
 *
 * Return: the address space, with mmget(), or NULL.
 */
struct mm_struct *cdm_task_mm(struct task_struct *task)
{
	struct mm_struct *mm = NULL;
	struct task_struct *t;

	t = find_lock_task_mm(task);
	if (!t)
		return NULL;
	/* Taken by find_lock_task_mm(), which does not tell sparse. */
	__acquire(&t->alloc_lock);
	if (!(t->flags & PF_KTHREAD)) {
		mm = t->mm;
		mmget(mm);
	}
	task_unlock(t);
	return mm;
}

/**
 * cdm_mm_get() - the address space of a process that a policy names
 * @tgid: the process, in the initial pid namespace
 * @cookie: its address space as contexts name it, 0 for whichever it has
 *
 * Context: may sleep in task_lock() on PREEMPT_RT only. Drop it by mmput_async()
 * where tearing the address space down would be in the wrong thread.
 * Return: the address space, with mmget(); or an error pointer, -ESRCH if the
 * process is gone or has another one by now.
 */
struct mm_struct *cdm_mm_get(u32 tgid, u64 cookie)
{
	struct task_struct *task;
	struct mm_struct *mm;

	rcu_read_lock();
	task = find_task_by_pid_ns(tgid, &init_pid_ns);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = cdm_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	if (!cookie || atomic64_read(&mm->cdm_cookie) == cookie)
		return mm;
	/* For kcdmd, which is not the one to tear it down. */
	mmput_async(mm);
	return ERR_PTR(-ESRCH);
}

static int arm_only(struct mm_struct *mm, unsigned long start, unsigned long end,
		    struct cdm_move *mv)
{
	unsigned long all = (end - start) >> PAGE_SHIFT;
	long nr;

	memset(mv->nr, 0, sizeof(mv->nr));
	if (mv->status)
		memset(mv->status, CDM_MOVE_UNTRIED, all);
	nr = cdm_arm_range(mm, start, end, mv->flags & CDM_MOVE_ASYNC);
	if (nr < 0)
		return nr;
	mv->nr[CDM_MOVE_ALREADY] = min_t(unsigned long, nr, all);
	mv->nr[CDM_MOVE_NOT_MAPPED] = all - mv->nr[CDM_MOVE_ALREADY];
	return 0;
}

/**
 * cdm_move_range() - move what a range of addresses maps to a node
 * @mm: the address space; the caller has mmget() it
 * @start: first byte, a multiple of the page size
 * @end: first byte after the range, likewise
 * @mv: where to, how, and the results
 *
 * Cpuset and mempolicies of the owner of @mm are respected unless
 * CDM_MOVE_ANY_POLICY says otherwise, and what other processes map too is left
 * unless CDM_MOVE_SHARED does. A large folio moves as a whole even if the range
 * has a part of it, unless CDM_MOVE_SPLIT is given. With CDM_MOVE_ARM the range is armed
 * then; if the target is NUMA_NO_NODE that is all, and CDM_MOVE_ALREADY counts the pages
 * that are armed now.
 *
 * Context: may sleep; takes mmap_lock for reading, PTLs, folio locks, and calls
 * mmu notifiers. The caller holds nothing that they take.
 * Return: 0, and @mv says what became of each page; -EINVAL or -ENODEV as
 * cdm_move_check(), -EINVAL for a range that is unaligned, empty or not user
 * space, -ENOMEM; -EINTR if a fatal signal came, -EAGAIN with CDM_MOVE_ASYNC if
 * mmap_lock was taken; pages that were not tried are CDM_MOVE_UNTRIED then;
 * -EOPNOTSUPP to arm if no policy owns access.
 */
int cdm_move_range(struct mm_struct *mm, unsigned long start,
		   unsigned long end, struct cdm_move *mv)
{
	unsigned long nr = (end - start) >> PAGE_SHIFT;
	struct cdm_run run;
	int err;

	if (!PAGE_ALIGNED(start | end) || start >= end || end > TASK_SIZE_MAX)
		return -EINVAL;
	if (cdm_move_arms_only(mv))
		return arm_only(mm, start, end, mv);
	err = cdm_move_check(mv);
	if (!err && mv->flags & CDM_MOVE_ARM)
		err = cdm_may_arm();
	if (err)
		return err;

	err = cdm_run_begin(&run, mv, nr);
	if (err)
		return err;
	err = cdm_run_range(&run, mm, start, end, 0);
	cdm_run_flush(&run);
	cdm_run_end(&run);
	/* They have moved: what is not armed any more, as the policy went, is no error. */
	if (!err && mv->flags & CDM_MOVE_ARM &&
	    cdm_arm_range(mm, start, end, mv->flags & CDM_MOVE_ASYNC) == -EINTR)
		err = -EINTR;
	return err;
}
EXPORT_SYMBOL_GPL(cdm_move_range);
