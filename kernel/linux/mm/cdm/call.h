/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How atomic callbacks are called, and how long they take.
 *
 * place() and access() are called by faults and migrate() for every folio, so they
 * are called as a packet filter is: the program directly, with preemption off. The
 * trampoline that struct_ops puts before a program takes a hundred instructions
 * for the same. With preemption off the caller is an RCU reader, too, and only
 * lockdep has to be told. On PREEMPT_RT a program's locks may sleep: there RCU is
 * all, and the trampoline is called (see cdm_policy_get_prog()).
 *
 * One call in 64 is timed, since reading a clock twice would cost more than a
 * small policy does, and after a slow one every call until one is not slow.
 * Atomic callbacks can be preempted: then the time that the task ran counts,
 * which is exact to a tick.
 */
#ifndef _MM_CDM_CALL_H
#define _MM_CDM_CALL_H

#include <linux/filter.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>

#include "internal.h"

static __always_inline void cdm_direct_begin(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT) || IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC))
		rcu_read_lock();
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_disable();
}

static __always_inline void cdm_direct_end(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
	if (IS_ENABLED(CONFIG_PREEMPT_RT) || IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC))
		rcu_read_unlock();
}

/* cdm_mm_cookie() without a call, for all but the first who ask. */
static __always_inline u64 cdm_known_cookie(struct mm_struct *mm)
{
	u64 cookie = atomic64_read(&mm->cdm_cookie);

	return likely(cookie) ? cookie : cdm_mm_cookie(mm);
}

/* Whose address space it is; 0 if nobody's. Under RCU. */
static __always_inline u32 cdm_mm_tgid(struct mm_struct *mm)
{
	/* A device's thread that has borrowed it is nobody whom a policy could name. */
	if (likely(current->mm == mm && !(current->flags & PF_KTHREAD)))
		return current->tgid;
#ifdef CONFIG_MEMCG
	struct task_struct *owner = rcu_dereference(mm->owner);

	if (owner)
		return owner->tgid;
#endif
	return 0;
}

#define CDM_BUDGET_NS		(10 * NSEC_PER_MSEC)
#define CDM_SLOW_LIMIT		4

struct cdm_sample {
	u64 start;
	u64 ran;
	unsigned long switches;
};

/* Counts a call; true if it is to be timed. */
static __always_inline bool cdm_sample_due(struct cdm_policy *p, u32 cb)
{
	u64 __percpu *calls = &p->stats->v[CDM_PSTAT_CALLS + cb];

	this_cpu_inc(*calls);
	return unlikely(!(this_cpu_read(*calls) & READ_ONCE(p->sample_mask[cb])));
}

/* BPF's run time statistics are the trampoline's to keep. */
static __always_inline u64 cdm_code_call(const struct cdm_policy *p, u32 cb, const u64 *args)
{
	if (static_branch_unlikely(&bpf_stats_enabled_key))
		return cdm_by_trampoline(args);
	return p->code[cb](args);
}

/*
 * Between cdm_direct_begin() and cdm_direct_end(). The context's call says which policy
 * and which callback it is.
 */
static __always_inline u64 cdm_direct_call(struct cdm_policy *p, u32 cb, const void *ctx)
{
	const u64 args[] = { (unsigned long)ctx };

	if (cdm_sample_due(p, cb))
		return cdm_timed_call(p, cb, args);
	return cdm_code_call(p, cb, args);
}

static inline void cdm_sample_begin(struct cdm_sample *s)
{
	s->switches = current->nvcsw + current->nivcsw;
	s->ran = READ_ONCE(current->se.sum_exec_runtime);
	s->start = local_clock();
}

static inline void cdm_sample_end(struct cdm_policy *p, u32 cb,
				  struct cdm_sample *s)
{
	u64 took = local_clock() - s->start;

	if (s->switches != current->nvcsw + current->nivcsw)
		took = READ_ONCE(current->se.sum_exec_runtime) - s->ran;
	if (took <= CDM_BUDGET_NS) {
		if (READ_ONCE(p->sample_mask[cb]) != CDM_SAMPLE_MASK) {
			atomic_set(&p->nr_slow[cb], 0);
			WRITE_ONCE(p->sample_mask[cb], CDM_SAMPLE_MASK);
		}
		return;
	}
	WRITE_ONCE(p->sample_mask[cb], 0);
	if (atomic_inc_return(&p->nr_slow[cb]) == CDM_SLOW_LIMIT)
		cdm_eject(p, CDM_EXIT_ERROR_BUDGET, cb, -ETIME,
			  "took %llu us, the last of %d timed calls in a row over %llu us",
			  took / 1000, CDM_SLOW_LIMIT,
			  CDM_BUDGET_NS / 1000ULL);
}

#endif /* _MM_CDM_CALL_H */
