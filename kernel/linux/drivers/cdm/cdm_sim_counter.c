// SPDX-License-Identifier: GPL-2.0
/*
 * A device's access counters: which memory it uses, and how much.
 *
 * Hardware has a counter for each aligned piece of memory that it uses, counts accesses to
 * other nodes, and raises a notification when a counter reaches a threshold. The driver
 * reads notifications when enough have come, or when the device is done, and tells the
 * kernel of all of them by one call of cdm_access_report(). It may be told to have the
 * device wait; then the device waits.
 *
 * Context: the run's thread, which holds nothing.
 */
#define pr_fmt(fmt) "cdm_sim: " fmt

#include <linux/delay.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "cdm_sim.h"

struct counter {
	u32 count;
	u32 flags;
};

struct cdm_sim_counters {
	struct cdm_sim *sim;
	struct mm_struct *mm;
	struct cdm_sim_run *req;	/* results go here */
	u64 base;			/* of the first counter */
	unsigned int shift;
	unsigned int batch, nr_pending;
	struct cdm_access_report pending[CDM_SIM_BATCH];
	struct counter v[];
};

/**
 * cdm_sim_counters_create() - counters for one run
 * @sim: the device
 * @mm: the run's address space
 * @req: the run's request, with a grain
 *
 * Return: the counters, or -EINVAL, -ENOMEM.
 */
struct cdm_sim_counters *cdm_sim_counters_create(struct cdm_sim *sim, struct mm_struct *mm,
						 struct cdm_sim_run *req)
{
	u64 grain = req->counter_grain, base, nr;
	struct cdm_sim_counters *c;

	if (!is_power_of_2(grain) || grain < PAGE_SIZE || grain > SZ_2M ||
	    !req->counter_threshold || req->counter_threshold > U32_MAX - CDM_SIM_WEIGHT ||
	    req->counter_batch > CDM_SIM_BATCH)
		return ERR_PTR(-EINVAL);
	base = ALIGN_DOWN(req->addr, grain);
	nr = DIV_ROUND_UP_ULL(req->addr + req->len - base, grain);
	if (nr > CDM_SIM_COUNTERS)
		return ERR_PTR(-EINVAL);
	c = kvzalloc(struct_size(c, v, nr), GFP_KERNEL);
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->sim = sim;
	c->mm = mm;
	c->req = req;
	c->base = base;
	c->shift = ilog2(grain);
	c->batch = req->counter_batch ?: 1;
	return c;
}

void cdm_sim_counters_destroy(struct cdm_sim_counters *c)
{
	kvfree(c);
}

/**
 * cdm_sim_wait() - the device waits, as the kernel told its driver
 * @req: gets the counts
 * @us: how long
 *
 * Return: 0, or -EINTR if the run is to end.
 */
int cdm_sim_wait(struct cdm_sim_run *req, unsigned int us)
{
	req->waits++;
	req->wait_us += us;
	fsleep(us);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/**
 * cdm_sim_counters_read() - tell the kernel of what has been notified
 * @c: the counters
 *
 * Return: 0, or a negative errno with which the run ends.
 */
int cdm_sim_counters_read(struct cdm_sim_counters *c)
{
	int ret;

	if (!c->nr_pending)
		return 0;
	ret = cdm_access_report(c->sim->node, c->mm, c->pending, c->nr_pending);
	c->nr_pending = 0;
	return ret > 0 ? cdm_sim_wait(c->req, ret) : ret;
}

/**
 * cdm_sim_count() - an access happened
 * @c: the counters
 * @addr: where
 * @write: it wrote
 * @nid: who served it
 *
 * Return: 0, or a negative errno with which the run ends.
 */
int cdm_sim_count(struct cdm_sim_counters *c, unsigned long addr, bool write, int nid)
{
	struct counter *v = &c->v[(addr - c->base) >> c->shift];

	if (nid == NUMA_NO_NODE ||
	    (nid == c->sim->nid && !(c->req->flags & CDM_SIM_RUN_COUNT_LOCAL)))
		return 0;
	if (write)
		v->flags = CDM_ACCESS_WRITE;
	v->count += c->req->weight ?: 1;
	if (v->count < c->req->counter_threshold)
		return 0;
	c->pending[c->nr_pending++] = (struct cdm_access_report) {
		.addr = c->base + ((u64)(v - c->v) << c->shift),
		.nr_pages = 1U << (c->shift - PAGE_SHIFT),
		.count = v->count,
		.flags = v->flags,
	};
	*v = (struct counter) {};
	c->req->counters++;
	return c->nr_pending == c->batch ? cdm_sim_counters_read(c) : 0;
}
