// SPDX-License-Identifier: GPL-2.0
/*
 * One run of a simulated device.
 *
 * A device with address translation services walks the page tables of a
 * process: an access to a page that is present just happens, any other is a
 * page fault that the driver serves, and then the device tries again. Here a
 * thread is the device. It borrows the process's mm and, for each access,
 *
 *	looks the page up as fast GUP does, to know its node,
 *	accesses it in user space with page faults disabled, which sets the
 *	accessed and dirty bits like a device that does so,
 *	if that fails, has cdm_device_fault() serve the fault, and tries again.
 *
 * The reference from the look-up is held across the access, so the page cannot
 * be migrated in between, and the count by node is of where the access went.
 *
 * What a policy makes the device wait, it waits after the access that was asked about.
 *
 * A run with CDM_SIM_RUN_CACHE asks the device's cache of translations first
 * (cdm_sim_cache.c), and fills it after an access that missed.
 *
 * A run is a thread of its own: signals that end it, and what a fault leaves in
 * a task, end with it. It holds no lock during a fault. Without the cache it has
 * no mmu notifier.
 */
#define pr_fmt(fmt) "cdm_sim: " fmt

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cdm_sim.h"

/* A page that is taken away as often as this before the access is an error. */
#define MAX_TRIES	10000

struct sim_run {
	struct cdm_sim *sim;
	struct mm_struct *mm;
	struct cdm_sim_run *req;	/* results go here */
	struct cdm_sim_pat pat;
	struct cdm_sim_cache *cache;	/* NULL without */
	struct cdm_sim_counters *counters;	/* likewise */
	u64 *counts;			/* likewise, of CDM_SIM_COUNT_BYTES each */
	u64 value;			/* of the last access, and who served it */
	int nid;
	int nid_here;			/* the accessor's own */
	s64 owed_ns;			/* that the accesses took, and nobody slept */
	struct completion done;
	bool stop;
};

static bool stopped(struct sim_run *run)
{
	return READ_ONCE(run->stop) || fatal_signal_pending(current);
}

/* With page faults disabled. A write returns what was there before it. */
static int touch(unsigned long addr, bool write, u64 *value)
{
	u64 __user *p = (u64 __user *)addr;
	int err;

	pagefault_disable();
	err = __get_user(*value, p);
	if (!err && write)
		err = __put_user(*value + 1, p);
	pagefault_enable();
	return err;
}

static struct page *look_up(unsigned long addr, bool write)
{
	struct page *page;

	if (get_user_pages_fast_only(addr, 1, write ? FOLL_WRITE : 0, &page) != 1)
		return NULL;
	return page;
}

/* The first try alone can hit: what a miss brings here is no hit. */
static void count(struct sim_run *run, int nid, bool write, u64 value, bool first)
{
	struct cdm_sim_run *req = run->req;
	u64 nr = req->weight ?: 1;

	if (first && nid == run->nid_here)
		req->hits += nr;
	else
		req->misses += nr;
	if (nid >= 0 && nid < CDM_SIM_NR_NODES)
		req->served[nid] += nr;
	else
		req->served_other += nr;
	req->done += nr;
	if (write)
		req->writes += nr;
	else
		req->checksum += value;
	run->nid = nid;
	run->value = value;
	run->owed_ns += nr * (nid == run->nid_here ? req->near_ns : req->far_ns);
}

/* Shorter sleeps would take longer than they shall; after longer ones it looks around. */
#define PACE_NS		(10 * NSEC_PER_USEC)
#define PACE_MAX_NS	(100 * NSEC_PER_MSEC)

/* An access takes its time, in which others run. What a sleep took too long is made up. */
static void pace(struct sim_run *run)
{
	u64 slept;
	ktime_t begin, end;

	while (run->owed_ns >= PACE_NS && !stopped(run) && !READ_ONCE(run->sim->lost)) {
		begin = ktime_get();
		end = ktime_add_ns(begin, min(run->owed_ns, PACE_MAX_NS));
		set_current_state(TASK_INTERRUPTIBLE);
		schedule_hrtimeout(&end, HRTIMER_MODE_ABS);
		if (signal_pending(current))
			return;
		slept = ktime_to_ns(ktime_sub(ktime_get(), begin));
		run->owed_ns -= min_t(s64, slept, run->owed_ns + PACE_NS);
	}
}

/* False if the device would fault. */
static bool access_present(struct sim_run *run, unsigned long addr, bool write,
			   bool first)
{
	struct page *page;
	int nid = NUMA_NO_NODE;
	unsigned long pfn, seq = 0;
	u64 value;

	if (run->cache) {
		if (cdm_sim_cache_access(run->cache, addr, write, &value, &nid)) {
			count(run, nid, write, value, first);
			return true;
		}
		seq = cdm_sim_cache_begin(run->cache);
	}

	page = look_up(addr, write);

	if (touch(addr, write, &value)) {
		if (page)
			put_page(page);
		return false;
	}
	/* It came in between, or is nothing that GUP gives out. */
	if (!page)
		page = look_up(addr, write);
	if (page) {
		nid = page_to_nid(page);
		pfn = page_to_pfn(page);
		if (first && nid == run->sim->nid &&
		    run->req->flags & CDM_SIM_RUN_REPORT)
			cdm_folio_accessed(page_folio(page), 1);
		put_page(page);
		if (run->cache)
			cdm_sim_cache_fill(run->cache, addr, pfn, write, seq);
	}
	if (run->cache)
		run->cache->misses++;
	count(run, nid, write, value, first);
	return true;
}

/* The page is on another node: true if it was, and is here now or stays there. */
static bool fetch(struct sim_run *run, unsigned long addr)
{
	struct cdm_move mv = {
		.nid = run->sim->nid,
		.flags = CDM_MOVE_EVICT | CDM_MOVE_SHARED,
	};
	struct page *page = look_up(addr, false);
	int nid;

	if (!page)
		return false;
	nid = page_to_nid(page);
	put_page(page);
	if (nid == run->sim->nid)
		return false;
	addr = PAGE_ALIGN_DOWN(addr);
	if (!cdm_move_range(run->mm, addr, addr + PAGE_SIZE, &mv) &&
	    mv.nr[CDM_MOVE_MOVED])
		run->req->fetches++;
	else
		run->req->fetch_failed++;
	return true;
}

static int access_once(struct sim_run *run, unsigned long addr, bool write)
{
	struct cdm_sim_run *req = run->req;
	bool first = true;
	int tries, err;

	if (req->flags & CDM_SIM_RUN_FETCH)
		first = !fetch(run, addr);
	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (stopped(run))
			return -EINTR;
		if (READ_ONCE(run->sim->lost))
			return -ENODEV;
		if (access_present(run, addr, write, first))
			return 0;
		first = false;
		err = cdm_device_fault(run->sim->node, run->mm, addr,
				       write ? CDM_FAULT_WRITE : 0);
		if (err >= 0)
			req->dev_faults++;
		if (err > 0)
			cdm_sim_wait(req, err);
		else if (err == -EAGAIN)
			req->retries++;
		else if (err)
			return err;
		cond_resched();
	}
	return -EAGAIN;
}

/* As a driver does that wants to know who uses next what its device has used. */
static int arm(struct sim_run *run)
{
	unsigned long start = PAGE_ALIGN_DOWN(run->req->addr);
	unsigned long end = PAGE_ALIGN(run->req->addr + run->req->len);
	struct cdm_move mv = { .nid = NUMA_NO_NODE, .flags = CDM_MOVE_ARM };
	int err = cdm_move_range(run->mm, start, end, &mv);

	run->req->armed = mv.nr[CDM_MOVE_ALREADY];
	/* Nobody wants to know. */
	return err == -EOPNOTSUPP ? 0 : err;
}

/* The caller is a CPU: it faults as any task does. */
static int access_by_cpu(struct sim_run *run, unsigned long addr, bool write)
{
	u64 __user *p = (u64 __user *)addr;
	struct page *page;
	u64 value;

	if (signal_pending(current))
		return -EINTR;
	page = look_up(addr, write);
	if (__get_user(value, p) || (write && __put_user(value + 1, p))) {
		if (page)
			put_page(page);
		return -EFAULT;
	}
	if (!page)
		page = look_up(addr, write);
	count(run, page ? page_to_nid(page) : NUMA_NO_NODE, write, value, true);
	if (page)
		put_page(page);
	return 0;
}

static int sim_accesses(struct sim_run *run)
{
	struct cdm_sim_run *req = run->req;
	bool cpu = req->flags & CDM_SIM_RUN_CPU, write;
	unsigned long addr;
	int err = 0;
	u64 i;

	for (i = 0; i < req->accesses && !err; i++) {
		addr = cdm_sim_pat_next(&run->pat, &write);
		err = cpu ? access_by_cpu(run, addr, write) : access_once(run, addr, write);
		if (!err && run->counts)
			run->counts[(addr - req->addr) / CDM_SIM_COUNT_BYTES] += req->weight ?: 1;
		err = err ?: cdm_sim_pat_read(&run->pat, run->value);
		if (!err && run->counters)
			err = cdm_sim_count(run->counters, addr, write, run->nid);
		if (!err)
			pace(run);
		if (!(i & 255))
			cond_resched();
	}
	if (err && err != -EINTR) {
		req->errors++;
		req->error_addr = addr;
	}
	if (!err && run->counters)
		err = cdm_sim_counters_read(run->counters);
	if (!err && req->flags & CDM_SIM_RUN_ARM)
		err = arm(run);
	return err;
}

static int sim_thread(void *arg)
{
	struct sim_run *run = arg;

	/* Lets whoever waits for this run end a wait in a fault of it. */
	allow_signal(SIGKILL);
	kthread_use_mm(run->mm);
	run->req->error = sim_accesses(run);
	kthread_unuse_mm(run->mm);
	/* The module may be gone before this thread is. */
	kthread_complete_and_exit(&run->done, 0);
}

/* Waits; a signal ends the run first. */
static void sim_wait(struct sim_run *run, struct task_struct *thread)
{
	if (!wait_for_completion_interruptible(&run->done))
		return;
	WRITE_ONCE(run->stop, true);
	send_sig(SIGKILL, thread, 1);
	wait_for_completion(&run->done);
}

/* 0 if it ran, whatever came of it. */
static int sim_run_thread(struct sim_run *run)
{
	struct task_struct *thread = kthread_create(sim_thread, run, "%s", run->sim->name);

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	get_task_struct(thread);
	wake_up_process(thread);
	sim_wait(run, thread);
	put_task_struct(thread);
	return 0;
}

static u64 nr_counts(const struct cdm_sim_run *req)
{
	return DIV_ROUND_UP_ULL(req->len, CDM_SIM_COUNT_BYTES);
}

static int counts_create(struct sim_run *run)
{
	if (nr_counts(run->req) > CDM_SIM_COUNTS)
		return -EINVAL;
	run->counts = kvcalloc(nr_counts(run->req), sizeof(*run->counts), GFP_KERNEL_ACCOUNT);
	return run->counts ? 0 : -ENOMEM;
}

/* They are the caller's, whose address space need not be the device's. */
static int counts_copy(const struct sim_run *run)
{
	return copy_to_user(u64_to_user_ptr(run->req->counts), run->counts,
			    nr_counts(run->req) * sizeof(*run->counts)) ? -EFAULT : 0;
}

static void clear_results(struct cdm_sim_run *req)
{
	memset(&req->done, 0, sizeof(*req) - offsetof(struct cdm_sim_run, done));
}

/**
 * cdm_sim_run() - run a request over an address space
 * @sim: the device
 * @mm: the address space; the caller has mmget() it
 * @req: checked but for its pattern and its counts; its results are zero if it did not
 *	begin
 *
 * Context: sleeps until the run ends or a signal comes. Under sim->lock.
 * Return: 0, -EINTR, what ended the run, or why it did not begin.
 */
int cdm_sim_run(struct cdm_sim *sim, struct mm_struct *mm,
		struct cdm_sim_run *req)
{
	struct sim_run *run;
	int err;

	lockdep_assert_held(&sim->lock);
	clear_results(req);
	run = kzalloc(sizeof(*run), GFP_KERNEL);
	if (!run)
		return -ENOMEM;
	run->sim = sim;
	run->mm = mm;
	run->req = req;
	init_completion(&run->done);
	err = cdm_sim_pat_init(&run->pat, req);
	if (err)
		goto free;
	if (req->flags & CDM_SIM_RUN_CACHE) {
		run->cache = cdm_sim_cache_create(mm, req);
		if (IS_ERR(run->cache)) {
			err = PTR_ERR(run->cache);
			run->cache = NULL;
			goto free;
		}
	}
	if (req->counter_grain) {
		run->counters = cdm_sim_counters_create(sim, mm, req);
		if (IS_ERR(run->counters)) {
			err = PTR_ERR(run->counters);
			run->counters = NULL;
			goto free;
		}
	}

	if (req->counts)
		err = counts_create(run);
	if (err)
		goto free;

	run->nid_here = req->flags & CDM_SIM_RUN_CPU ? numa_node_id() : sim->nid;
	if (req->flags & CDM_SIM_RUN_CPU)
		req->error = sim_accesses(run);
	else
		err = sim_run_thread(run);
	if (err)
		goto free;
	err = req->error;
	if (run->counts)
		err = counts_copy(run) ?: err;
	req->error = err;
	sim->runs++;
	sim->accesses += req->done;
	sim->dev_faults += req->dev_faults;
free:
	if (run->counters)
		cdm_sim_counters_destroy(run->counters);
	if (run->cache)
		cdm_sim_cache_destroy(run->cache, req);
	cdm_sim_pat_free(&run->pat);
	kvfree(run->counts);
	kfree(run);
	return err;
}
