/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long an atomic callback takes.
 *
 * One call in 64 is timed, since reading a clock twice would cost more than a
 * small policy does, and after a slow one every call until one is not slow.
 * Atomic callbacks can be preempted: then the time that the task ran counts,
 * which is exact to a tick.
 */
#ifndef _MM_CDM_SAMPLE_H
#define _MM_CDM_SAMPLE_H

#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>

#include "internal.h"

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
	this_cpu_inc(p->stats->v[CDM_PSTAT_CALLS + cb]);
	return unlikely(!(this_cpu_read(p->stats->v[CDM_PSTAT_CALLS + cb]) &
			  READ_ONCE(p->sample_mask[cb])));
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

#endif /* _MM_CDM_SAMPLE_H */
