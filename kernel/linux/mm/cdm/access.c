// SPDX-License-Identifier: GPL-2.0
/*
 * A processor touched a folio that lives elsewhere: what shall be done about it?
 *
 * A CPU tells by a NUMA hint fault: automatic NUMA balancing takes the access rights
 * from page table entries now and then, to see who uses what. It would then pull the
 * page to that CPU's node, by the second fault at the latest, which a device that uses
 * the same page undoes. Whoever owns access says what to do instead:
 *
 *	hint fault, page table locked
 *	 | the kernel has made up its mind: a node, or stay
 *	 v ask: owner of the node that the folio is on, or else would go to
 *	 |   0		as the kernel wants
 *	 |   node	there, now, by the kernel's own way, which asks migrate
 *	 |   queued	... later, by kcdmd: this access does not wait for it
 *	 |   deny	stay
 *	 |   keep	... and for so long no mover that can do without takes it
 *	 v   throttle	the accessor sleeps, once it has let go of all locks
 *
 * A device is asked about where its driver knows of an access (access_device.c), and where
 * it meets such an entry. It has no node that the kernel would pull the page to: the page
 * stays by default.
 *
 * Context: a page table is locked, so callbacks are atomic, and nothing here waits. They are
 * called with preemption off (call.h), which lasts until the answer is carried out.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cdm_move.h>
#include <linux/mm.h>
#include <linux/sched/sysctl.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/task_work.h>
#include <linux/topology.h>
#include <trace/events/cdm.h>

#include "call.h"
#include "internal.h"
#include "migrate.h"

unsigned long cdm_access_asked __read_mostly;

/* ---- throttle -------------------------------------------------------------- */

/*
 * On its way back to user space a task holds nothing that anybody waits for. It has one
 * sleep before it at most, the longest that was asked for, whatever it touched meanwhile;
 * 65 ms then, as the answer has no room for more. A signal ends it.
 */
struct throttled {
	struct callback_head work;
	unsigned int us;
};

static void throttle_sleep(struct callback_head *work)
{
	struct throttled *t = container_of(work, struct throttled, work);
	ktime_t left = ns_to_ktime(t->us * (u64)NSEC_PER_USEC);

	kfree(t);
	if (current->flags & PF_EXITING)
		return;
	set_current_state(TASK_INTERRUPTIBLE);
	schedule_hrtimeout(&left, HRTIMER_MODE_REL);
}

static bool is_throttle(struct callback_head *work, void *data)
{
	return work->func == throttle_sleep;
}

/* False if the accessor cannot be made to wait. */
static bool throttle(unsigned int us)
{
	struct callback_head *work;
	struct throttled *t;

	/* Threads of the kernel never go back, or run such work under their locks. */
	if (current->flags & (PF_KTHREAD | PF_USER_WORKER))
		return false;
	work = task_work_cancel_match(current, is_throttle, NULL);
	if (work) {
		t = container_of(work, struct throttled, work);
		t->us = max(t->us, us);
	} else {
		t = kmalloc(sizeof(*t), GFP_NOWAIT | __GFP_NOWARN);
		if (!t)
			return false;
		t->us = us;
	}
	init_task_work(&t->work, throttle_sleep);
	if (!task_work_add(current, &t->work, TWA_RESUME))
		return true;
	kfree(t);
	return false;
}

/* ---- answers --------------------------------------------------------------- */

static int bad_access(struct cdm_policy *p, u64 ans, const char *why, int def_nid)
{
	cdm_bad_answer(p, CDM_CB_ACCESS, ans, why);
	return def_nid;
}

static const char *unusable(const struct cdm_access_ctx *ctx, u64 ans)
{
	int nid = (int)(ans & CDM_ANS_NODE_MASK) - 1;

	if (ans & (CDM_ANS_SWAP | CDM_ANS_RESERVED))
		return "access() takes a node, throttle, keep, queued and deny, and nothing else";
	if (nid >= MAX_NUMNODES || (nid >= 0 && !node_possible(nid)))
		return "no such node";
	if (nid >= 0 && (ans & CDM_ANS_DENY))
		return "access() denies, or names a node";
	if (nid < 0 && (ans & CDM_ANS_QUEUED))
		return "access() queues a move to a node that it names";
	/* It would be kept where it is. */
	if ((ans & CDM_ANS_KEEP_MASK) && nid >= 0 && nid != ctx->src_nid &&
	    !(ans & CDM_ANS_QUEUED))
		return "access() keeps what stays or is queued; migrate() keeps what moves";
	return NULL;
}

/* Shared by several processes or not, as NUMA balancing does. */
static bool queue_move(const struct cdm_access_ctx *ctx, int nid)
{
	struct cdm_request want = {
		.where = ctx->addr, .nr = ctx->nr_pages, .mm_cookie = ctx->mm_cookie,
		.tgid = ctx->tgid, .nid = nid, .flags = CDM_MOVE_SHARED,
		.policy = ctx->common.call->policy->id,
	};
	struct cdm_node *node = cdm_queue_node(nid, ctx->common.call->nid);
	int err;

	/* Nobody owns the address space, so that none can be found by a process. */
	if (!want.tgid) {
		want.where = ctx->pfn;
		want.nr = 1;
		want.mm_cookie = 0;
	}
	err = node ? cdm_queue_add(node, &want) : -ENODEV;
	return !err || err == -EEXIST;
}

/* A counter is read by a driver's thread, whose own masks say nothing. */
static bool allowed(const struct cdm_access_ctx *ctx, struct vm_area_struct *vma, int nid)
{
	if (ctx->kind != CDM_ACCESS_COUNTER)
		return cdm_node_allowed(nid, vma, ctx->addr, ctx->order);
	return node_state(nid, N_MEMORY) && !cdm_node_leaves(nid) &&
	       cdm_vma_allows(vma, ctx->addr, nid);
}

/* Where the folio shall go at once, NUMA_NO_NODE if it stays. Within the direct call. */
static noinline int access_answer(const struct cdm_access_ctx *ctx, struct folio *folio,
				  struct vm_area_struct *vma, u64 ans,
				  struct cdm_access_dev *dev, bool hint)
{
	unsigned int us = (ans & CDM_ANS_THROTTLE_MASK) >> CDM_ANS_THROTTLE_SHIFT;
	unsigned int ms = (ans & CDM_ANS_KEEP_MASK) >> CDM_ANS_KEEP_SHIFT;
	int nid = (int)(ans & CDM_ANS_NODE_MASK) - 1, def_nid = ctx->def_nid;
	struct cdm_policy *p = ctx->common.call->policy;
	const char *why = unusable(ctx, ans);
	bool overridden = false;

	if (why)
		return bad_access(p, ans, why, def_nid);
	/* What a device waits for is its driver's. */
	if (us && dev)
		dev->wait_us = max(dev->wait_us, us);
	if (us && (dev || throttle(us)))
		cdm_policy_count(p, CDM_PSTAT_THROTTLED);
	if (nid >= 0 && nid != ctx->src_nid && !allowed(ctx, vma, nid)) {
		cdm_policy_count(p, CDM_PSTAT_OVERRIDDEN);
		return def_nid;
	}
	/* kcdmd and cdm_move_range() see to it themselves; the kernel's own way does not. */
	if (hint && nid >= 0 && nid != ctx->src_nid && !(ans & CDM_ANS_QUEUED) &&
	    !cdm_limit_take(ctx->src_nid, nid, folio_nr_pages(folio))) {
		cdm_policy_count(p, CDM_PSTAT_OVERRIDDEN);
		return NUMA_NO_NODE;
	}
	if ((ans & CDM_ANS_QUEUED) && nid != ctx->src_nid && !queue_move(ctx, nid)) {
		cdm_policy_count(p, CDM_PSTAT_FULL);
		return NUMA_NO_NODE;
	}
	if (ctx->kind == CDM_ACCESS_COUNTER)
		dev->keep_ms = ms;
	else if (ms && !cdm_fstate_keep(folio, ms))
		overridden = true;
	if (overridden)
		cdm_policy_count(p, CDM_PSTAT_OVERRIDDEN);
	else
		cdm_policy_count(p, CDM_PSTAT_USED);
	/* What is kept stays, also where nothing else was said. */
	if (ms || nid == ctx->src_nid || (ans & (CDM_ANS_DENY | CDM_ANS_QUEUED)))
		return NUMA_NO_NODE;
	if (nid < 0)
		return def_nid;
	/* What came just now is in a batch still, and could not go. */
	if (hint && !folio_test_lru(folio))
		lru_add_drain();
	return nid;
}

/* ---- the event ------------------------------------------------------------- */

/*
 * Who answers for what lives on no managed node, NULL if nobody does; @nid: the node that
 * it is theirs for, NUMA_NO_NODE if none.
 */
static struct cdm_policy *owner_elsewhere(const struct cdm_access_ctx *ctx,
					  const struct cdm_table *t,
					  const struct mm_struct *mm, int *nid)
{
	if (ctx->kind != CDM_ACCESS_HINT)
		*nid = ctx->acc_nid;
	else if (ctx->def_nid != NUMA_NO_NODE && cdm_node_managed(ctx->def_nid))
		*nid = ctx->def_nid;
	/* Far from any device, but somebody wants to know who uses what there. */
	else if (cdm_mm_armed(mm))
		*nid = NUMA_NO_NODE;
	else
		return NULL;
	return *nid == NUMA_NO_NODE ? t->all[CDM_CB_ACCESS] : t->owner[CDM_CB_ACCESS][*nid];
}

static __always_inline void fill_folio(struct cdm_access_ctx *ctx, struct folio *folio,
				       struct cdm_node *node)
{
	const struct cdm_folio_state *st;
	u32 last_move;

	ctx->pfn = folio_pfn(folio);
	if (folio_test_anon(folio))
		ctx->flags |= CDM_ACCESS_ANON;
	/* A look at the count does for what has no pages that are mapped apart. */
	if (likely(!folio_test_large(folio))) {
		ctx->order = 0;
		if (atomic_read(&folio->_mapcount) > 0)
			ctx->flags |= CDM_ACCESS_SHARED;
	} else {
		ctx->order = folio_order(folio);
		if (folio_likely_mapped_shared(folio))
			ctx->flags |= CDM_ACCESS_SHARED;
	}

	ctx->access = 0;
	ctx->moved_ms = 0;
	ctx->from_nid = NUMA_NO_NODE;
	st = node ? cdm_fstate_at(node, ctx->pfn) : NULL;
	if (!st)
		return;
	ctx->access = READ_ONCE(st->access);
	last_move = READ_ONCE(st->last_move);
	if (!last_move)
		return;
	ctx->moved_ms = cdm_fstate_ms_since(last_move);
	ctx->from_nid = (READ_ONCE(st->from_nid) & ~CDM_FSTATE_CAME_BY_MOVE) - 1;
}

/*
 * The whole of it, in line of both who ask. Of @ctx is known what @folio and @vma do not
 * say; the rest is set here, one by one, so that nothing need be zeroed before.
 */
static __always_inline int ask_access(struct cdm_access_ctx *ctx, struct folio *folio,
				      struct vm_area_struct *vma,
				      struct cdm_access_dev *dev, bool hint)
{
	struct cdm_call call __uninitialized;
	struct mm_struct *mm = vma->vm_mm;
	int owned = folio_nid(folio), nid = ctx->def_nid;
	const struct cdm_table *t;
	struct cdm_node *node;
	struct cdm_policy *p;
	u64 ans;

	ctx->src_nid = owned;
	cdm_direct_begin();
	t = rcu_dereference(cdm_table);
	node = cdm_node_of(owned);
	if (node && unlikely(READ_ONCE(node->lost))) {
		/* There is nothing to copy. */
		nid = NUMA_NO_NODE;
		goto out;
	}
	if (unlikely(!t))
		goto out;
	p = likely(node) ? t->owner[CDM_CB_ACCESS][owned] : owner_elsewhere(ctx, t, mm, &owned);
	if (!p || unlikely(atomic_read(&p->ejected)))
		goto out;

	call.policy = p;
	call.nid = owned;
	call.cb = CDM_CB_ACCESS;
	call.memcg = folio_memcg(folio);
	call.dump = NULL;
	ctx->common.call = &call;
	ctx->cgroup_id = cdm_memcg_id(call.memcg);
	ctx->mm_cookie = cdm_known_cookie(mm);
	ctx->tgid = cdm_mm_tgid(mm);
	ctx->vm_flags = vma->vm_flags;
	ctx->armed_ns = 0;
	if (hint && unlikely(READ_ONCE(cdm_armed)))
		ctx->armed_ns = cdm_armed_ago(mm, ctx->addr);
	fill_folio(ctx, folio, node);

	ans = cdm_direct_call(p, CDM_CB_ACCESS, ctx);
	if (trace_cdm_access_enabled())
		trace_cdm_access(ctx, p->id, ans);
	if (likely(!ans))
		cdm_policy_count(p, CDM_PSTAT_DEFAULT);
	else
		nid = access_answer(ctx, folio, vma, ans, dev, hint);
out:
	cdm_direct_end();
	return nid;
}

/**
 * cdm_access_ask() - a device accessed a folio: what shall be done?
 * @ctx: where, by whom, how often, and what the kernel would do; the rest is filled here
 * @folio: the folio, which cannot go meanwhile
 * @vma: the mapping
 * @dev: what its driver has to do
 *
 * A queued move is queued, and a folio under keep is kept when this returns.
 *
 * Context: the page table may be locked; mmap_lock is held, or the VMA's lock.
 * Return: the node to which it shall move at once, NUMA_NO_NODE if it stays.
 */
int cdm_access_ask(struct cdm_access_ctx *ctx, struct folio *folio,
		   struct vm_area_struct *vma, struct cdm_access_dev *dev)
{
	return ask_access(ctx, folio, vma, dev, false);
}

/*
 * Out of line of cdm_access_hint(): by a fault at an entry without rights, which then moves
 * the folio. Context: the page table is locked.
 */
int __cdm_access_hint(struct folio *folio, struct vm_fault *vmf, unsigned long addr,
		      int def_nid)
{
	struct cdm_scope *scope = current->cdm_scope;
	struct cdm_access_ctx ctx __uninitialized;
	struct cdm_access_dev *dev = NULL;

	ctx.addr = addr & PAGE_MASK;
	ctx.count = 1;
	ctx.nr_pages = vmf->pte ? 1 : HPAGE_PMD_NR;
	ctx.flags = vmf->flags & FAULT_FLAG_WRITE ? CDM_ACCESS_WRITE : 0;
	if (unlikely(scope)) {
		ctx.acc_nid = scope->dev_nid;
		ctx.def_nid = NUMA_NO_NODE;
		ctx.kind = CDM_ACCESS_DEVICE;
		scope->told = true;
		dev = &scope->dev;
	} else {
		ctx.acc_nid = numa_node_id();
		/* What is armed tells without NUMA balancing, which then moves nothing. */
		ctx.def_nid = sysctl_numa_balancing_mode ? def_nid : NUMA_NO_NODE;
		ctx.kind = CDM_ACCESS_HINT;
	}
	return ask_access(&ctx, folio, vmf->vma, dev, true);
}
