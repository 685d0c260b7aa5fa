// SPDX-License-Identifier: GPL-2.0
/*
 * A device's page fault, served as if the process had faulted itself.
 *
 * A coherent device translates through the page tables of a process and faults
 * like a CPU does, but it has no task: its driver's thread comes here instead.
 * Three things that the kernel takes from the faulting task must then come from
 * the task that owns the address space, or the device would be a way around
 * them:
 *
 *	mempolicy	current->mempolicy is a copy of the owner's. A copy: a
 *			change of cpuset rebinds the policy of each of a cpuset's
 *			tasks in place, and would rebind the owner's by ours.
 *	cpuset		current->mems_allowed is the owner's
 *	memcg		user pages are charged to the mm's memcg by themselves;
 *			page tables go to the active memcg, which is set
 *
 * A policy of the VMA (mbind) needs nothing. mm->owner exists with CONFIG_MEMCG
 * only; without it a device's fault obeys VMA policies alone.
 *
 * current->cdm_scope tells the place hooks (dispatch.c) that this is a device's
 * fault, and whose. It is saved and restored, so that scopes nest.
 *
 * Locks: takes mmap_lock for reading, and what handle_mm_fault() takes. The
 * fault may allocate, reclaim and migrate, hence call the mmu notifiers of this
 * very driver: the caller must hold nothing that they take. It waits for no
 * thread of ours.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cpuset.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../internal.h"
#include "internal.h"

/**
 * struct borrowed - what the running task was before it took an owner's place
 * @scope: this fault's
 * @outer_scope: current->cdm_scope before
 * @outer_memcg: active memcg before
 * @memcg: active memcg now, referenced
 * @outer_policy: current->mempolicy before, if @policy_set
 * @policy_set: current->mempolicy is a copy of the owner's
 * @mems_set: current->mems_allowed is the owner's
 */
struct borrowed {
	struct cdm_scope scope;
	struct cdm_scope *outer_scope;
	struct mem_cgroup *outer_memcg;
	struct mem_cgroup *memcg;
	struct mempolicy *outer_policy;
	bool policy_set;
	bool mems_set;
};

/* The task that owns an address space, referenced; NULL if nobody does. */
static struct task_struct *mm_owner_get(struct mm_struct *mm)
{
	struct task_struct *owner = NULL;

#ifdef CONFIG_MEMCG
	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		get_task_struct(owner);
	rcu_read_unlock();
#endif
	return owner;
}

#ifdef CONFIG_CPUSETS
static void borrow_mems(struct borrowed *b, struct task_struct *owner)
{
	nodemask_t mems;
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&owner->mems_allowed_seq);
		mems = owner->mems_allowed;
	} while (read_seqcount_retry(&owner->mems_allowed_seq, seq));

	/* Almost always both are in a cpuset that allows everything. */
	if (nodes_equal(mems, current->mems_allowed))
		return;
	set_mems_allowed(mems);
	b->mems_set = true;
}

/*
 * What was saved may be out of date: memory came or went, and our own cpuset
 * was updated meanwhile. So ask the cpuset, and ask again if it is updated
 * between the question and the store.
 */
static void return_mems(struct borrowed *b)
{
	struct task_struct *self = current;
	unsigned long flags;
	unsigned int seq;
	nodemask_t mems;
	bool stale;

	if (!b->mems_set)
		return;
	do {
		seq = read_seqcount_begin(&self->mems_allowed_seq);
		mems = cpuset_mems_allowed(self);

		task_lock(self);
		stale = read_seqcount_retry(&self->mems_allowed_seq, seq);
		if (!stale) {
			local_irq_save(flags);
			write_seqcount_begin(&self->mems_allowed_seq);
			self->mems_allowed = mems;
			write_seqcount_end(&self->mems_allowed_seq);
			local_irq_restore(flags);
		}
		task_unlock(self);
	} while (stale);
}
#else
static void borrow_mems(struct borrowed *b, struct task_struct *owner)
{
}

static void return_mems(struct borrowed *b)
{
}
#endif /* CONFIG_CPUSETS */

static int borrow_policy(struct borrowed *b, struct task_struct *owner)
{
	struct mempolicy *policy, *copy = NULL;

	task_lock(owner);
	policy = owner->mempolicy;
	mpol_get(policy);
	task_unlock(owner);

	if (policy) {
		copy = mpol_dup(policy);
		mpol_put(policy);
		if (IS_ERR(copy))
			return PTR_ERR(copy);
	} else if (!current->mempolicy) {
		return 0;
	}

	task_lock(current);
	b->outer_policy = current->mempolicy;
	current->mempolicy = copy;
	task_unlock(current);
	b->policy_set = true;
	return 0;
}

static void return_policy(struct borrowed *b)
{
	struct mempolicy *copy;

	if (!b->policy_set)
		return;
	task_lock(current);
	copy = current->mempolicy;
	current->mempolicy = b->outer_policy;
	task_unlock(current);
	mpol_put(copy);
}

static int borrow(struct borrowed *b, struct cdm_node *node,
		  struct mm_struct *mm)
{
	struct task_struct *owner = NULL;
	int err = 0;

	/* A thread of the process that faults for itself is its own owner. */
	if ((current->flags & PF_KTHREAD) || current->mm != mm)
		owner = mm_owner_get(mm);
	if (owner) {
		/* The policy first: its copy is ours to allocate. */
		err = borrow_policy(b, owner);
		if (!err)
			borrow_mems(b, owner);
		put_task_struct(owner);
		if (err)
			return err;
	}
	b->memcg = get_mem_cgroup_from_mm(mm);
	b->outer_memcg = set_active_memcg(b->memcg);

	b->scope = (struct cdm_scope) { .dev_nid = node->nid, .mm = mm };
	b->outer_scope = current->cdm_scope;
	current->cdm_scope = &b->scope;
	return 0;
}

static void give_back(struct borrowed *b)
{
	current->cdm_scope = b->outer_scope;
	set_active_memcg(b->outer_memcg);
	mem_cgroup_put(b->memcg);
	return_mems(b);
	return_policy(b);
}

/*
 * Would a read map the zero page? It would stay on the CPU's node, and the
 * write that follows would fault again. Only a page that is not there yet can
 * become the zero page; asking for more would copy pages that are shared.
 */
static bool reads_zero_page(struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmd, pmdval;
	pte_t *pte;
	bool none;

	if (!vma_is_anonymous(vma))
		return false;
	pmd = mm_find_pmd(vma->vm_mm, addr);
	if (!pmd)
		return true;
	pmdval = pmdp_get_lockless(pmd);
	if (pmd_none(pmdval))
		return true;
	if (!pmd_present(pmdval) || pmd_leaf(pmdval))
		return false;
	pte = pte_offset_map(pmd, addr);
	if (!pte)
		return false;
	/* Taken by pte_offset_map(), which does not tell sparse. */
	__acquire(RCU);
	none = pte_none(ptep_get_lockless(pte));
	pte_unmap(pte);
	return none;
}

/* One attempt; the lock is dropped when it returns. */
static int fault_in(struct mm_struct *mm, unsigned long addr, bool write)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY |
			     FAULT_FLAG_KILLABLE;
	struct vm_area_struct *vma;
	vm_fault_t ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	addr = untagged_addr_remote(mm, addr);
	/* Stacks do not grow for devices, nor for GUP. */
	vma = vma_lookup(mm, addr);
	if (!vma || !(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		goto refuse;
	if (!write && (vma->vm_flags & VM_WRITE))
		write = reads_zero_page(vma, addr);
	if (write)
		flags |= FAULT_FLAG_WRITE;
	if (!arch_vma_access_permitted(vma, write, false, true))
		goto refuse;

	ret = handle_mm_fault(vma, addr, flags, NULL);
	if (ret & VM_FAULT_COMPLETED)
		return 0;
	/*
	 * It waited, for a page lock, for user space (userfaultfd), for memory.
	 * The driver decides whether its device still wants the page.
	 */
	if (ret & VM_FAULT_RETRY)
		return fatal_signal_pending(current) ? -EINTR : -EAGAIN;
	mmap_read_unlock(mm);
	return ret & VM_FAULT_ERROR ? vm_fault_to_errno(ret, 0) : 0;

refuse:
	mmap_read_unlock(mm);
	return -EFAULT;
}

/**
 * cdm_device_fault() - serve one page fault of a device
 * @node: the node of the device's memory, registered by the caller
 * @mm: address space in which the device faulted; the caller has mmget() it
 * @addr: any address in the page
 * @flags: CDM_FAULT_WRITE if the device wants to write
 *
 * The page is where the policy that owns place says, by default on @node, as
 * far as the owner's mempolicy, cpuset and memcg allow. A device's first read
 * of private memory that may be written gets a page of its own and not the
 * zero page. A page that was in memory before, page cache for one, is where it is, unless
 * the policy that owns access has it moved. That the page is present when this returns is
 * not promised: it may be taken away again at any time, and the device faults again.
 *
 * Context: may sleep; the caller holds neither mmap_lock nor a lock that its
 * mmu notifiers take. A kernel thread that wants to be stopped while it waits
 * for a page has to allow_signal(SIGKILL).
 * Return: 0; or how many microseconds the device shall wait before it goes on, at most
 * 65535, if a policy throttles it; -EFAULT if the process may not access @addr either;
 * -EAGAIN if the page has to be asked for again; -EINTR if a fatal signal came; -ENODEV if the
 * device is lost (cdm_node_lost()); -ENOMEM.
 */
int cdm_device_fault(struct cdm_node *node, struct mm_struct *mm,
		     unsigned long addr, unsigned int flags)
{
	struct borrowed b = {};
	int err;

	if (flags & ~CDM_FAULT_WRITE)
		return -EINVAL;
	if (unlikely(READ_ONCE(node->lost)))
		return -ENODEV;
	err = borrow(&b, node, mm);
	if (err)
		return err;
	err = fault_in(mm, addr, flags & CDM_FAULT_WRITE);
	/* What was placed for it is where a policy wants it. */
	if (!err && test_bit(CDM_ASKED_POLICY, &cdm_access_asked) && !b.scope.placed &&
	    !b.scope.told)
		cdm_access_resident(mm, addr, flags);
	give_back(&b);
	if (err)
		return err;
	cdm_node_count(node, CDM_STAT_DEV_FAULTS, 1);
	return b.scope.dev.wait_us;
}
EXPORT_SYMBOL_GPL(cdm_device_fault);
