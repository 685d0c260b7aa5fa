// SPDX-License-Identifier: GPL-2.0
/*
 * The next access to a page is told of: arming.
 *
 * A CPU uses what lives on a device without anybody noticing. NUMA balancing takes the
 * access rights from page table entries now and then, to see who uses what; here it is
 * done to a range that somebody wants to know about, whether NUMA balancing runs or not.
 * The fault at the next access gives the rights back and asks the owner of access
 * (access.c), whose device's fault it may be as well: a page table is everybody's.
 *
 *	armed entry, PROT_NONE in an accessible mapping
 *	 | access	the event; no longer armed, nor are the others that map a large
 *	 |		folio with it
 *	 | mprotect()	stays armed, by the hook cdm_newprot(), but not in a child
 *	 | fork()	armed in both; of a file's shared mapping in the parent
 *	 | mremap()	goes with the entry
 *	 v unmapped, moved by others, split as any entry
 *
 * NUMA balancing's entries look the same. Arming what is armed changes nothing. A range
 * costs one flush of the TLB for each mapping and 64 MiB of it.
 *
 * When nobody owns access any more, address spaces that were armed are walked and their
 * entries are given back. What a child got by fork() is found by its next use instead;
 * nobody is told of that, and the page stays.
 *
 * How long it took to the next access tells how often there are any. So the address space
 * remembers when which part of it was armed, of the latest few.
 *
 * Locks: mmap_lock for reading, PTLs; mmu notifiers are called. armed_lock is a mutex
 * under which nothing else is taken. An address space's lock for its times is a leaf, taken
 * under a PTL.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pagewalk.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <asm/tlb.h>

#include "../internal.h"
#include "internal.h"
#include "migrate.h"

bool cdm_armed __read_mostly;

/* ---- address spaces -------------------------------------------------------------- */

#define BLOCK_SHIFT	21
/* That many, and it has 1024 bytes. */
#define NR_BLOCKS	60U

/* Grabbed, not got: it may exit. In a list for who disarms, in a hash for who looks. */
struct armed_mm {
	struct list_head list;
	struct hlist_node hash;
	struct rcu_head rcu;
	struct mm_struct *mm;
	spinlock_t lock;		/* for the rest */
	struct {
		unsigned long nr;	/* address >> BLOCK_SHIFT */
		u64 ns;			/* when it was armed, 0: never */
	} blocks[NR_BLOCKS];		/* that of a block is blocks[nr % NR_BLOCKS] */
};

static DEFINE_HASHTABLE(armed_hash, 8);

/* For the list and what is in it. */
static DEFINE_MUTEX(armed_lock);
static LIST_HEAD(armed_mms);
static unsigned int armed_nr, armed_prune = 64;

/* Under RCU, or armed_lock. */
static struct armed_mm *find_armed(const struct mm_struct *mm)
{
	struct armed_mm *a;

	hash_for_each_possible_rcu(armed_hash, a, hash, (unsigned long)mm,
				   lockdep_is_held(&armed_lock))
		if (a->mm == mm)
			return a;
	return NULL;
}

/**
 * cdm_mm_armed() - was something of this address space armed, and not all undone?
 * @mm: the address space
 *
 * Context: any.
 * Return: true if so. What it got by fork() does not count.
 */
bool cdm_mm_armed(const struct mm_struct *mm)
{
	guard(rcu)();
	return find_armed(mm);
}

/**
 * cdm_armed_ago() - when was the memory around an address armed?
 * @mm: the address space
 * @addr: the address
 *
 * Context: any but interrupts; the page table may be locked.
 * Return: nanoseconds since then, at least 1; 0 if it is not known.
 */
u64 cdm_armed_ago(const struct mm_struct *mm, unsigned long addr)
{
	unsigned long nr = addr >> BLOCK_SHIFT;
	struct armed_mm *a;
	u64 ns = 0;

	guard(rcu)();
	a = find_armed(mm);
	if (!a)
		return 0;
	spin_lock(&a->lock);
	if (a->blocks[nr % NR_BLOCKS].nr == nr)
		ns = a->blocks[nr % NR_BLOCKS].ns;
	spin_unlock(&a->lock);
	return ns ? max_t(s64, ktime_get_ns() - ns, 1) : 0;
}

/* ---- entries --------------------------------------------------------------------- */

struct arm_walk {
	struct mmu_gather tlb;
	bool arm;
	bool changed;		/* in this page table */
	unsigned long nr;	/* pages that are armed now, or are no longer */
};

static bool may_arm(const struct folio *folio)
{
	return folio && !folio_is_zone_device(folio) && !folio_test_ksm(folio);
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/* Under the PTL. The entry is never cleared: see change_huge_pmd(). */
static void change_pmd(struct arm_walk *w, struct vm_area_struct *vma, pmd_t *pmd,
		       unsigned long addr)
{
	pmd_t old = *pmd, new;
	struct folio *folio;

	if (!pmd_present(old) || is_huge_zero_pmd(old))
		return;
	folio = vm_normal_folio_pmd(vma, addr, old);
	if (!may_arm(folio))
		return;
	if (!pmd_protnone(old) == !w->arm) {
		w->nr += w->arm ? HPAGE_PMD_NR : 0;
		return;
	}
	w->nr += HPAGE_PMD_NR;
	w->changed = true;
	if (!w->arm) {
		/* The next write finds out whether it may. */
		new = pmd_modify(old, vma->vm_page_prot);
		set_pmd_at(vma->vm_mm, addr, pmd, new);
		update_mmu_cache_pmd(vma, addr, pmd);
		return;
	}
	/* When it was looked at, for those tiers that want to know how soon it was used. */
	if (folio_use_access_time(folio))
		folio_xchg_access_time(folio, jiffies_to_msecs(jiffies));
	tlb_change_page_size(&w->tlb, HPAGE_PMD_SIZE);
	old = pmdp_invalidate_ad(vma, addr, pmd);
	new = pmd_modify(old, PAGE_NONE);
	set_pmd_at(vma->vm_mm, addr, pmd, new);
	tlb_flush_pmd_range(&w->tlb, addr, HPAGE_PMD_SIZE);
}
#endif

/* Under the PTL. */
static void change_pte(struct arm_walk *w, struct vm_area_struct *vma, pte_t *ptep,
		       unsigned long addr)
{
	pte_t old = ptep_get(ptep), new;
	struct folio *folio;

	if (!pte_present(old))
		return;
	folio = vm_normal_folio(vma, addr, old);
	if (!may_arm(folio))
		return;
	if (!pte_protnone(old) == !w->arm) {
		w->nr += w->arm;
		return;
	}
	w->nr++;
	w->changed = true;
	if (w->arm && folio_use_access_time(folio))
		folio_xchg_access_time(folio, jiffies_to_msecs(jiffies));
	old = ptep_modify_prot_start(vma, addr, ptep);
	new = pte_modify(old, w->arm ? PAGE_NONE : vma->vm_page_prot);
	if (!w->arm && vma_wants_manual_pte_write_upgrade(vma) && !pte_write(new) &&
	    can_change_pte_writable(vma, addr, new))
		new = pte_mkwrite(new, vma);
	ptep_modify_prot_commit(vma, addr, ptep, old, new);
	if (pte_needs_flush(old, new))
		tlb_flush_pte_range(&w->tlb, addr, PAGE_SIZE);
}

/*
 * A range was armed just now, if that changed anything. Under the PTL, so that who faults at
 * it finds the time.
 */
static void stamp(struct arm_walk *w, const struct mm_struct *mm, unsigned long start,
		  unsigned long end)
{
	unsigned long nr, last = (end - 1) >> BLOCK_SHIFT;
	bool armed = w->arm && w->changed;
	struct armed_mm *a;
	u64 now;

	w->changed = false;
	if (!armed)
		return;
	guard(rcu)();
	a = find_armed(mm);
	if (!a)
		return;
	now = ktime_get_ns();
	spin_lock(&a->lock);
	for (nr = start >> BLOCK_SHIFT; nr <= last; nr++) {
		a->blocks[nr % NR_BLOCKS].nr = nr;
		a->blocks[nr % NR_BLOCKS].ns = now;
	}
	spin_unlock(&a->lock);
}

static int walk_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct arm_walk *w = walk->private;
	struct vm_area_struct *vma = walk->vma;
	spinlock_t *ptl;	/* of the page table, or of the huge entry */
	pte_t *start, *pte;
	unsigned long at;

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	ptl = pmd_trans_huge_lock(pmd, vma);
	if (ptl) {
		/* Taken by pmd_trans_huge_lock(), which does not tell sparse. */
		__acquire(ptl);
		change_pmd(w, vma, pmd, addr & HPAGE_PMD_MASK);
		stamp(w, walk->mm, addr, end);
		spin_unlock(ptl);
		cond_resched();
		return 0;
	}
#endif
	start = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	if (!start) {
		walk->action = ACTION_AGAIN;
		return 0;
	}
	/* Taken by pte_offset_map_lock(), likewise. */
	__acquire(RCU);
	tlb_change_page_size(&w->tlb, PAGE_SIZE);
	flush_tlb_batched_pending(walk->mm);
	arch_enter_lazy_mmu_mode();
	for (pte = start, at = addr; at < end; at += PAGE_SIZE, pte++)
		change_pte(w, vma, pte, at);
	arch_leave_lazy_mmu_mode();
	stamp(w, walk->mm, addr, end);
	pte_unmap_unlock(start, ptl);
	cond_resched();
	return 0;
}

static const struct mm_walk_ops arm_walk_ops = {
	.pmd_entry = walk_pmd,
	.walk_lock = PGWALK_RDLOCK,
};

/* What is done under one hold of mmap_lock, with one flush of the TLB. */
#define CHUNK	(64UL << 20)

/*
 * Under mmap_lock. Returns the pages that are armed in the range, or were and are not. A
 * huge page changes as a whole, and who has notifiers is told so.
 */
static unsigned long change_chunk(struct vm_area_struct *vma, unsigned long start,
				  unsigned long end, bool arm)
{
	struct arm_walk w = { .arm = arm };
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_PROTECTION_VMA, 0, vma->vm_mm,
				ALIGN_DOWN(start, PMD_SIZE), ALIGN(end, PMD_SIZE));
	mmu_notifier_invalidate_range_start(&range);
	/* Whoever moves a page meanwhile sees that a flush is due. */
	tlb_gather_mmu(&w.tlb, vma->vm_mm);
	tlb_start_vma(&w.tlb, vma);
	walk_page_range_vma(vma, start, end, &arm_walk_ops, &w);
	tlb_end_vma(&w.tlb, vma);
	tlb_finish_mmu(&w.tlb);
	mmu_notifier_invalidate_range_end(&range);
	return w.nr;
}

/* Does any policy own access? */
static bool anybody_asks(void)
{
	const struct cdm_table *t;

	guard(rcu)();
	t = rcu_dereference(cdm_table);
	return t && t->has_access;
}

static int lock_mm(struct mm_struct *mm, bool async)
{
	if (async)
		return mmap_read_trylock(mm) ? 0 : -EAGAIN;
	return mmap_read_lock_killable(mm);
}

/* Likewise, of all mappings in the range; or a negative errno. */
static long change_range(struct mm_struct *mm, unsigned long start, unsigned long end,
			 bool arm, bool async)
{
	unsigned long at = start, from, to;
	struct vm_area_struct *vma;
	long nr = 0;
	int err;

	while (at < end) {
		err = lock_mm(mm, async);
		if (err)
			return err;
		vma = find_vma(mm, at);
		if (!vma || vma->vm_start >= end) {
			mmap_read_unlock(mm);
			break;
		}
		from = max(at, vma->vm_start);
		to = min3(end, vma->vm_end, from + CHUNK);
		if (cdm_vma_arms(vma))
			nr += change_chunk(vma, from, to, arm);
		mmap_read_unlock(mm);
		at = to;
		if (arm ? cdm_run_stops() : anybody_asks())
			return -EINTR;
		cond_resched();
	}
	return nr;
}

/* ---- from the first armed page to the last owner of access ------------------------ */

/* Under armed_lock. */
static void forget(struct armed_mm *a)
{
	list_del(&a->list);
	hash_del_rcu(&a->hash);
	armed_nr--;
	mmdrop(a->mm);
	kfree_rcu(a, rcu);
}

/* Under armed_lock: of those that have exited nothing is left. */
static void forget_exited(void)
{
	struct armed_mm *a, *next;

	list_for_each_entry_safe(a, next, &armed_mms, list)
		if (!atomic_read(&a->mm->mm_users))
			forget(a);
	armed_prune = max(64U, 2 * armed_nr);
}

static int remember(struct mm_struct *mm)
{
	struct armed_mm *a;

	guard(mutex)(&armed_lock);
	if (cdm_mm_armed(mm))
		return 0;
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	spin_lock_init(&a->lock);
	mmgrab(mm);
	a->mm = mm;
	list_add(&a->list, &armed_mms);
	hash_add_rcu(armed_hash, &a->hash, (unsigned long)mm);
	if (++armed_nr > armed_prune)
		forget_exited();
	/* From now on hint faults come by here, also when nobody is to be asked. */
	WRITE_ONCE(cdm_armed, true);
	set_bit(CDM_ASKED_ARMED, &cdm_access_asked);
	return 0;
}

/* An armed address space, with mmget(); NULL if there is none, or somebody asks again. */
static struct armed_mm *next_to_disarm(void)
{
	struct armed_mm *a, *next;

	guard(mutex)(&armed_lock);
	if (anybody_asks())
		return NULL;
	list_for_each_entry_safe(a, next, &armed_mms, list) {
		if (mmget_not_zero(a->mm))
			return a;
		forget(a);
	}
	/* What fork() has copied still comes by access.c, and stays there. */
	WRITE_ONCE(cdm_armed, false);
	return NULL;
}

/*
 * Ends early if somebody asks again: what is armed is his by then. Without the lock while
 * it walks, as kcdmd takes it and shall not wait for a process's mmap_lock.
 */
static void disarm(struct work_struct *work)
{
	struct armed_mm *a;
	struct mm_struct *mm;

	while ((a = next_to_disarm())) {
		mm = a->mm;
		change_range(mm, 0, TASK_SIZE_MAX, false, false);
		scoped_guard(mutex, &armed_lock)
			if (!anybody_asks())
				forget(a);
		mmput_async(mm);
	}
}

static DECLARE_WORK(disarm_work, disarm);

/**
 * cdm_disarm_all() - nobody asks any more
 *
 * Context: any. It is done soon, in a thread of the kernel.
 */
void cdm_disarm_all(void)
{
	if (READ_ONCE(cdm_armed))
		queue_work(system_unbound_wq, &disarm_work);
}

/**
 * cdm_may_arm() - is there anybody who would be told?
 *
 * Context: any.
 * Return: 0, or -EOPNOTSUPP.
 */
int cdm_may_arm(void)
{
	/* Without it an entry without rights would be an access that is an error. */
	return IS_ENABLED(CONFIG_NUMA_BALANCING) && anybody_asks() ? 0 : -EOPNOTSUPP;
}

/**
 * cdm_arm_range() - have the next access to each page of a range told
 * @mm: the address space; the caller has mmget() it
 * @start: first byte, a multiple of the page size
 * @end: first byte after the range, likewise
 * @async: do not wait for mmap_lock
 *
 * Not armed are hugetlb, registers of devices, pages that KSM has merged, and the zero
 * page; and what is not mapped.
 *
 * Context: may sleep; takes mmap_lock and calls mmu notifiers.
 * Return: pages that are armed now; -EOPNOTSUPP if no policy owns access, -EAGAIN or
 * -EINTR as cdm_move_range(), -ENOMEM.
 */
long cdm_arm_range(struct mm_struct *mm, unsigned long start, unsigned long end, bool async)
{
	long nr;
	int err;

	err = cdm_may_arm() ?: remember(mm);
	if (err)
		return err;
	nr = change_range(mm, start, end, true, async);
	/* The last owner may have gone meanwhile, and another come. */
	err = remember(mm);
	if (!anybody_asks())
		cdm_disarm_all();
	return err ?: nr;
}
