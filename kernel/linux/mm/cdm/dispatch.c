// SPDX-License-Identifier: GPL-2.0
/*
 * Events to callbacks, and what the kernel does with the answers.
 *
 * A callback gives advice. Whatever it says is checked here: an answer that
 * means nothing is counted as bad and, beyond a limit, ejects the policy; one
 * that means something which the caller may not have (a node outside its
 * cpuset or its MPOL_BIND mask) is counted as overridden. In both cases, and
 * when nobody owns the event, the kernel does what it would have done.
 *
 * Placement is one attempt on the answered node before the stock path. A managed
 * node that is full makes room for it (evict.c) and is tried once more; on others
 * nothing is reclaimed, swap-in excepted. Large folios that find no room are
 * reported as failed, so that the caller drops an order and asks again for the
 * same node; only order 0 goes on to the mempolicy.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cpuset.h>
#include <linux/filter.h>
#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <trace/events/cdm.h>

#include "../internal.h"
#include "../swap.h"
#include "call.h"
#include "internal.h"

DEFINE_STATIC_KEY_FALSE(cdm_place_key);
bool cdm_place_all __read_mostly;

static atomic64_t cdm_cookies;

void cdm_place_key_get(void)
{
	static_branch_inc(&cdm_place_key);
}

void cdm_place_key_put(void)
{
	static_branch_dec(&cdm_place_key);
}

/**
 * cdm_mm_cookie() - the name of an address space
 * @mm: the address space
 *
 * Whoever asks first gives it. It is never reused, so a driver may keep it
 * without a reference and compare it with that of a &struct cdm_rmap_entry.
 *
 * Context: any.
 * Return: a number that is not 0.
 */
u64 cdm_mm_cookie(struct mm_struct *mm)
{
	u64 cookie = atomic64_read(&mm->cdm_cookie);

	if (likely(cookie))
		return cookie;
	cookie = atomic64_inc_return(&cdm_cookies);
	return atomic64_cmpxchg(&mm->cdm_cookie, 0, cookie) ?: cookie;
}
EXPORT_SYMBOL_GPL(cdm_mm_cookie);

/* ---- place ----------------------------------------------------------------- */

/* The node that @ans names, or NUMA_NO_NODE after counting why not. */
static int cdm_place_answer(struct cdm_policy *p, u64 ans)
{
	u64 nid = ans & CDM_ANS_NODE_MASK;

	if (ans & ~CDM_ANS_NODE_MASK) {
		cdm_bad_answer(p, CDM_CB_PLACE, ans, "place() takes a node and nothing else");
		return NUMA_NO_NODE;
	}
	nid--;
	if (nid >= MAX_NUMNODES || !node_possible(nid)) {
		cdm_bad_answer(p, CDM_CB_PLACE, ans, "no such node");
		return NUMA_NO_NODE;
	}
	return nid;
}

/* May the faulting task have memory of @nid at @addr? */
bool cdm_node_allowed(int nid, struct vm_area_struct *vma, unsigned long addr, int order)
{
	struct mempolicy *pol;
	pgoff_t ilx;
	bool ok = true;

	if (!node_state(nid, N_MEMORY) || cdm_node_leaves(nid))
		return false;
	/* A device's fault runs under its owner's mask: see fault.c. */
	if (!node_isset(nid, cpuset_current_mems_allowed))
		return false;
	pol = get_vma_policy(vma, addr, order, &ilx);
	if (pol->mode == MPOL_BIND && !node_isset(nid, pol->nodes))
		ok = false;
	mpol_cond_put(pol);
	return ok;
}

/* Has the form of a program's code, for policies whose code is not called. */
u64 cdm_by_trampoline(const u64 *args)
{
	const void *ctx = (void *)(unsigned long)args[0];
	const struct cdm_call *call = ((const struct cdm_common *)ctx)->call;
	const struct cdm_ops *ops = call->policy->ops;

	switch (call->cb) {
	case CDM_CB_PLACE:	return ops->place(ctx);
	case CDM_CB_ACCESS:	return ops->access(ctx);
	default:		return ops->migrate(ctx);
	}
}

/* Out of line of cdm_direct_call(), since one call in many is timed. */
u64 cdm_timed_call(struct cdm_policy *p, u32 cb, const u64 *args)
{
	struct cdm_sample sample;
	u64 ans;

	cdm_sample_begin(&sample);
	ans = cdm_code_call(p, cb, args);
	cdm_sample_end(p, cb, &sample);
	return ans;
}

/* Who answers for this fault, NULL if nobody does. */
static __always_inline struct cdm_policy *cdm_place_owner(void)
{
	const struct cdm_table *t = rcu_dereference(cdm_table);
	const struct cdm_scope *scope = current->cdm_scope;
	struct cdm_policy *p;

	if (!t)
		return NULL;
	p = unlikely(scope) ? t->owner[CDM_CB_PLACE][scope->dev_nid] :
			      t->all[CDM_CB_PLACE];
	return p && likely(!atomic_read(&p->ejected)) ? p : NULL;
}

/*
 * Every field is set, so that nothing need be zeroed before; one by one, since
 * a struct assigned as a whole is put together beside it first.
 */
static __always_inline void cdm_fill_place(struct cdm_place_ctx *ctx,
					   struct cdm_call *call,
					   struct cdm_policy *p,
					   struct vm_area_struct *vma,
					   unsigned long addr, int order,
					   u32 kind)
{
	struct cdm_scope *scope = current->cdm_scope;
	struct mm_struct *mm = vma->vm_mm;

	call->policy = p;
	call->cb = CDM_CB_PLACE;
	call->memcg = NULL;
	call->dump = NULL;
	ctx->common.call = call;
	ctx->addr = addr & (PAGE_MASK << order);
	ctx->vm_start = vma->vm_start;
	ctx->vm_end = vma->vm_end;
	ctx->vm_flags = vma->vm_flags;
	ctx->cgroup_id = 0;
#ifdef CONFIG_MEMCG
	struct task_struct *owner = rcu_dereference(mm->owner);

	if (likely(owner)) {
		call->memcg = mem_cgroup_from_css(task_css(owner, memory_cgrp_id));
		ctx->cgroup_id = cgroup_id(call->memcg->css.cgroup);
	}
#endif
	ctx->mm_cookie = cdm_known_cookie(mm);
	ctx->tgid = cdm_mm_tgid(mm);
	if (unlikely(scope)) {
		ctx->cpu_nid = NUMA_NO_NODE;
		ctx->dev_nid = scope->dev_nid;
		ctx->def_nid = scope->dev_nid;
		scope->placed = true;
	} else {
		ctx->cpu_nid = numa_node_id();
		ctx->dev_nid = NUMA_NO_NODE;
		ctx->def_nid = ctx->cpu_nid;
	}
	call->nid = ctx->dev_nid;
	ctx->order = order;
	ctx->kind = kind;
}

/* Between cdm_direct_begin() and cdm_direct_end(). */
static __always_inline u64 cdm_ask_place(struct cdm_policy *p,
					 const struct cdm_place_ctx *ctx)
{
	u64 ans = cdm_direct_call(p, CDM_CB_PLACE, ctx);

	if (!ans)
		cdm_policy_count(p, CDM_PSTAT_DEFAULT);
	return ans;
}

/* Movable user memory only: anything else could pin the node's pages. */
static bool cdm_may_place(gfp_t gfp)
{
	const gfp_t movable = __GFP_HIGHMEM | __GFP_MOVABLE;

	return (gfp & movable) == movable &&
	       !(current->flags & (PF_MEMALLOC | PF_MEMALLOC_PIN));
}

/* @p answered with a node: its calls are default, used, full, overridden or bad. */
static void cdm_count_place(struct cdm_policy *p, struct mm_struct *mm, int nid,
			    unsigned int order, bool got)
{
	struct cdm_node *node;

	if (p)
		cdm_policy_count(p, got ? CDM_PSTAT_USED : CDM_PSTAT_FULL);
	if (!cdm_node_managed(nid))
		return;
	node = cdm_node_of(nid);
	if (!node)
		return;
	cdm_node_count(node, got ? CDM_STAT_PLACE_HIT : CDM_STAT_PLACE_FULL, 1);
	if (!got && !order) {
		cdm_node_count(node, CDM_STAT_SPILLED, 1);
		count_vm_event(CDM_SPILLED);
		count_memcg_event_mm(mm, CDM_SPILLED);
	}
}

/* The node that an answer means for this fault, and whether it may be tried. */
static bool cdm_place_node(const struct cdm_place_ctx *ctx,
			   struct vm_area_struct *vma, u64 ans, int *nid)
{
	struct cdm_policy *p = ctx->common.call->policy;

	/* The default of a device's fault is its own node. */
	*nid = ans ? cdm_place_answer(p, ans) : ctx->dev_nid;
	if (*nid == NUMA_NO_NODE)
		return false;
	if (cdm_node_allowed(*nid, vma, ctx->addr, ctx->order))
		return true;
	if (ans)
		cdm_policy_count(p, CDM_PSTAT_OVERRIDDEN);
	return false;
}

static u64 cdm_asked_id(const struct cdm_place_ctx *ctx)
{
	struct cdm_policy *p = ctx->common.call->policy;

	return p ? p->id : 0;
}

static gfp_t cdm_place_gfp(gfp_t gfp)
{
	/* An allocation that may not reclaim would be let into the reserves. */
	return (gfp & ~__GFP_RECLAIM) | __GFP_NOMEMALLOC |
	       __GFP_THISNODE | __GFP_NORETRY | __GFP_NOWARN;
}

/* The policy that was asked, NULL if it has gone meanwhile. Under RCU. */
static struct cdm_policy *cdm_policy_of_id(u64 id)
{
	const struct cdm_table *t = rcu_dereference(cdm_table);
	int i;

	for (i = 0; id && t && i < t->nr; i++)
		if (t->policies[i]->id == id)
			return t->policies[i];
	return NULL;
}

/* There is an answer, or a device that needs none: one try, or two. */
static noinline struct folio *cdm_place_try(gfp_t gfp,
					    const struct cdm_place_ctx *ctx,
					    struct vm_area_struct *vma, u64 ans)
	__must_hold(RCU)
{
	gfp_t here = cdm_place_gfp(gfp) | __GFP_COMP;
	u64 id = cdm_asked_id(ctx);
	struct folio *folio;
	bool try;
	int nid;

	try = cdm_place_node(ctx, vma, ans, &nid);
	if (!try) {
		trace_cdm_place(ctx, id, ans, nid, NUMA_NO_NODE);
		return NULL;
	}

	folio = __folio_alloc(here, ctx->order, nid, NULL);
	if (unlikely(!folio) && cdm_node_managed(nid)) {
		rcu_read_unlock();
		folio = cdm_evict_alloc(here, ctx->order, nid, gfp);
		rcu_read_lock();
	}
	cdm_count_place(ans ? cdm_policy_of_id(id) : NULL, vma->vm_mm, nid, ctx->order,
			folio);
	trace_cdm_place(ctx, id, ans, nid,
			folio ? folio_nid(folio) : NUMA_NO_NODE);
	if (!folio && ctx->order)
		return ERR_PTR(-ENOMEM);
	return folio;
}

/* Nobody answers for this fault; a device's goes to its own node all the same. */
static noinline struct folio *cdm_place_unowned(gfp_t gfp, int order,
						struct vm_area_struct *vma,
						unsigned long addr, u32 kind)
{
	struct cdm_place_ctx ctx;
	struct cdm_call call;

	struct folio *folio;

	rcu_read_lock();
	cdm_fill_place(&ctx, &call, NULL, vma, addr, order, kind);
	folio = cdm_place_try(gfp, &ctx, vma, 0);
	rcu_read_unlock();
	return folio;
}

/*
 * The whole of a placement: asks, checks, tries once. NULL for the stock path,
 * ERR_PTR(-ENOMEM) if a large folio found no room and the caller shall drop an
 * order.
 */
static __always_inline struct folio *cdm_place(gfp_t gfp, int order,
					       struct vm_area_struct *vma,
					       unsigned long addr, u32 kind)
{
	struct cdm_place_ctx ctx __uninitialized;
	struct cdm_call call __uninitialized;
	struct cdm_policy *p;
	struct folio *folio;
	u64 ans;

	cdm_direct_begin();
	p = cdm_place_owner();
	if (unlikely(!p)) {
		cdm_direct_end();
		return cdm_place_unowned(gfp, order, vma, addr, kind);
	}
	cdm_fill_place(&ctx, &call, p, vma, addr, order, kind);
	ans = cdm_ask_place(p, &ctx);
	if (!ans && ctx.dev_nid == NUMA_NO_NODE) {
		trace_cdm_place(&ctx, p->id, 0, NUMA_NO_NODE, NUMA_NO_NODE);
		cdm_direct_end();
		return NULL;
	}

	/* Counters need the policy; a large folio takes long to clear. */
	rcu_read_lock();
	cdm_direct_end();
	folio = cdm_place_try(gfp, &ctx, vma, ans);
	rcu_read_unlock();
	return folio;
}

/*
 * vma_alloc_folio() when somebody may want a say. Takes its place to the end:
 * had it a way back, every fault would save registers for it.
 */
struct folio *cdm_vma_alloc_folio(gfp_t gfp, int order,
				  struct vm_area_struct *vma,
				  unsigned long addr)
{
	struct mempolicy *pol;
	struct folio *folio;
	pgoff_t ilx;

	/* exec moves its temporary stack before the task has a policy. */
	if (cdm_may_place(gfp) && !vma_is_temporary_stack(vma)) {
		folio = cdm_place(gfp, order, vma, addr, CDM_ALLOC_ANON);
		if (folio)
			return IS_ERR(folio) ? NULL : folio;
	}

	pol = get_vma_policy(vma, addr, order, &ilx);
	folio = page_rmappable_folio(alloc_pages_mpol_noprof(gfp | __GFP_COMP,
							     order, pol, ilx,
							     numa_node_id()));
	mpol_cond_put(pol);
	return folio;
}

struct folio *__cdm_place_shmem(struct vm_fault *vmf, gfp_t gfp, int order,
				pgoff_t index)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address;

	if (!cdm_may_place(gfp))
		return NULL;
	/* A large folio may begin before the mapping does. */
	if (order && index >= vma->vm_pgoff)
		addr = vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT);
	return cdm_place(gfp, order, vma, addr, CDM_ALLOC_SHMEM);
}

/*
 * Swap-in through the swap cache allocates where no address is known, so the
 * faulting entry is read first, here, under a policy that names the answered
 * node; readahead then finds it in the cache. If it cannot be had on that node
 * nothing happens, and the stock path reads it.
 */
void __cdm_place_swapin(swp_entry_t entry, gfp_t gfp,
			struct vm_area_struct *vma, unsigned long addr)
{
	struct mempolicy pol = {
		.refcnt = ATOMIC_INIT(1),
		.mode = MPOL_PREFERRED,
	};
	struct cdm_place_ctx ctx;
	struct cdm_call call;
	struct cdm_policy *p;
	struct folio *folio;
	bool try, fresh = false;
	u64 ans = 0, id;
	int nid;

	if (!cdm_may_place(gfp))
		return;

	/* Do not ask about what is in the cache: nothing is allocated then. */
	folio = filemap_get_folio(swap_address_space(entry),
				  swap_cache_index(entry));
	if (!IS_ERR(folio)) {
		folio_put(folio);
		return;
	}

	scoped_guard(rcu) {
		p = cdm_place_owner();
		cdm_fill_place(&ctx, &call, p, vma, addr, 0, CDM_ALLOC_SWAPIN);
		if (p) {
			cdm_direct_begin();
			ans = cdm_ask_place(p, &ctx);
			cdm_direct_end();
		}
		try = cdm_place_node(&ctx, vma, ans, &nid);
		id = cdm_asked_id(&ctx);
	}
	if (!try) {
		trace_cdm_place(&ctx, id, ans, nid, NUMA_NO_NODE);
		return;
	}

	/*
	 * One mask serves the allocation and the memcg charge. Without reclaim a
	 * cgroup at its limit, whose pages were swapped out for that very reason,
	 * could not be charged.
	 */
	node_set(nid, pol.nodes);
	folio = __read_swap_cache_async(entry, cdm_place_gfp(gfp) |
					       (gfp & __GFP_RECLAIM), &pol,
					NO_INTERLEAVE_INDEX, &fresh, false);
	scoped_guard(rcu) {
		/* Read by somebody else meanwhile: neither used nor full. */
		if (fresh || !folio)
			cdm_count_place(ans ? cdm_policy_of_id(id) : NULL, vma->vm_mm, nid, 0,
					fresh);
	}
	trace_cdm_place(&ctx, id, ans, nid,
			fresh ? folio_nid(folio) : NUMA_NO_NODE);
	if (!folio)
		return;
	if (fresh)
		swap_read_folio(folio, NULL);
	folio_put(folio);
}

/* ---- placed ---------------------------------------------------------------- */

static void cdm_placed(struct folio *folio)
{
	struct mm_struct *mm = current->cdm_scope ? current->cdm_scope->mm :
						    current->mm;
	int nid = folio_nid(folio), i;
	const struct cdm_table *t;
	struct cdm_node *node;
	u64 seq;

	guard(rcu)();
	node = cdm_node_of(nid);
	if (!node || cdm_fstate_came_by_move(folio))
		return;

	seq = cdm_fstate_arrive(node, folio);
	cdm_node_count(node, CDM_STAT_PLACED, 1);
	cdm_node_count(node, CDM_STAT_PLACED_PAGES, folio_nr_pages(folio));
	cdm_evict_check(node);
	trace_cdm_placed(folio_pfn(folio), nid, folio_order(folio), seq);

	t = rcu_dereference(cdm_table);
	if (!t || !t->has_placed)
		return;

	for (i = 0; i < t->nr; i++) {
		struct cdm_policy *p = t->policies[i];
		struct cdm_call call = { .policy = p, .cb = CDM_CB_PLACED, .nid = nid };
		struct cdm_placed_ctx ctx;
		struct cdm_sample sample;
		bool sampled;

		if (!p->ops->placed || !cdm_policy_of_node(p, nid) ||
		    atomic_read(&p->ejected))
			continue;

#ifdef CONFIG_MEMCG
		call.memcg = folio_memcg(folio);
#endif
		ctx = (struct cdm_placed_ctx) {
			.common.call = &call,
			.pfn = folio_pfn(folio),
			.seq = seq,
			.cgroup_id = cdm_memcg_id(call.memcg),
			.mm_cookie = mm ? cdm_mm_cookie(mm) : 0,
			.nid = nid,
			.order = folio_order(folio),
			.anon = folio_test_anon(folio),
		};
		sampled = cdm_sample_due(p, CDM_CB_PLACED);
		if (sampled)
			cdm_sample_begin(&sample);
		p->ops->placed(&ctx);
		if (sampled)
			cdm_sample_end(p, CDM_CB_PLACED, &sample);
	}
}

struct folio *__cdm_folio_placed(struct folio *folio)
{
	cdm_placed(folio);
	return folio;
}

/* ---- nodes ----------------------------------------------------------------- */

static int cdm_call_node(struct cdm_policy *p, struct cdm_node *node,
			 enum cdm_cb cb, enum cdm_node_phase phase)
{
	struct cdm_call call = { .policy = p, .cb = cb, .nid = node->nid };
	struct cdm_node_ctx ctx = {
		.common.call = &call,
		.start = node->start,
		.size = node->size,
		.nid = node->nid,
		.phase = phase,
		.adopted = node->adopted,
	};
	s32 (*fn)(const struct cdm_node_ctx *ctx);

	fn = cb == CDM_CB_NODE_ONLINE ? p->ops->node_online : p->ops->node_offline;
	if (!fn || !cdm_policy_of_node(p, node->nid) || atomic_read(&p->ejected))
		return 0;
	cdm_policy_count(p, CDM_PSTAT_CALLS + cb);
	return fn(&ctx);
}

/**
 * cdm_call_node_prepare - ask every policy whether a node may come or go
 * @node: the node
 * @cb: CDM_CB_NODE_ONLINE or CDM_CB_NODE_OFFLINE
 *
 * Those asked before one that vetoes are told CDM_CANCELLED here, so that the
 * caller has nothing to undo in policies when this fails.
 *
 * Context: sleeps; cdm_node_lock is held.
 * Return: 0, or -EPERM if a policy vetoed.
 */
int cdm_call_node_prepare(struct cdm_node *node, enum cdm_cb cb)
{
	const struct cdm_table *t;
	int i, idx, ret = 0;

	lockdep_assert_held(&cdm_node_lock);
	idx = srcu_read_lock(&cdm_srcu);
	t = srcu_dereference(cdm_table, &cdm_srcu);
	for (i = 0; t && i < t->nr; i++) {
		ret = cdm_call_node(t->policies[i], node, cb, CDM_PREPARE);
		if (!ret)
			continue;
		cdm_refuse(-EPERM, "node %d: %s vetoed by policy %s (id %llu) with %d: unload or swap it, then try again",
			   node->nid, cdm_cb_names[cb], t->policies[i]->name,
			   t->policies[i]->id, ret);
		ret = -EPERM;
		while (--i >= 0)
			cdm_call_node(t->policies[i], node, cb, CDM_CANCELLED);
		break;
	}
	srcu_read_unlock(&cdm_srcu, idx);
	trace_cdm_node_phase(node->nid, cb == CDM_CB_NODE_ONLINE, CDM_PREPARE, ret);
	return ret;
}

void cdm_call_node_phase(struct cdm_node *node, enum cdm_cb cb,
			 enum cdm_node_phase phase)
{
	const struct cdm_table *t;
	int i, idx;

	lockdep_assert_held(&cdm_node_lock);
	idx = srcu_read_lock(&cdm_srcu);
	t = srcu_dereference(cdm_table, &cdm_srcu);
	for (i = 0; t && i < t->nr; i++)
		cdm_call_node(t->policies[i], node, cb, phase);
	srcu_read_unlock(&cdm_srcu, idx);
	trace_cdm_node_phase(node->nid, cb == CDM_CB_NODE_ONLINE, phase, 0);
}

void cdm_call_node_replay(struct cdm_policy *p, struct cdm_node *node)
{
	int idx;

	lockdep_assert_held(&cdm_node_lock);
	idx = srcu_read_lock(&cdm_srcu);
	cdm_call_node(p, node, CDM_CB_NODE_ONLINE, CDM_REPLAY);
	srcu_read_unlock(&cdm_srcu, idx);
	trace_cdm_node_phase(node->nid, true, CDM_REPLAY, 0);
}

/* ---- tick ------------------------------------------------------------------ */

static void cdm_call_tick(struct cdm_policy *p, struct cdm_node *node)
{
	struct cdm_call call = { .policy = p, .cb = CDM_CB_TICK, .nid = node->nid };
	struct cdm_tick_ctx ctx = {
		.common.call = &call,
		.seq = p->tick_seq[node->nid]++,
		.nr_free = sum_zone_node_page_state(node->nid, NR_FREE_PAGES),
		.nr_total = node_present_pages(node->nid),
		.nid = node->nid,
	};

	cdm_policy_count(p, CDM_PSTAT_CALLS + CDM_CB_TICK);
	WRITE_ONCE(p->tick_start[node->nid], jiffies | 1);
	p->ops->tick(&ctx);
	WRITE_ONCE(p->tick_start[node->nid], 0);
}

/*
 * From kcdmd/N alone, so tick state needs no lock. The first tick of a policy
 * on a node comes one period after the node or the policy, whichever is later.
 */
long cdm_call_ticks(struct cdm_node *node)
{
	long wait = MAX_SCHEDULE_TIMEOUT;
	const struct cdm_table *t;
	int i, idx, nid = node->nid;

	idx = srcu_read_lock(&cdm_srcu);
	t = srcu_dereference(cdm_table, &cdm_srcu);
	for (i = 0; t && i < t->nr; i++) {
		struct cdm_policy *p = t->policies[i];

		if (!p->ops->tick || !cdm_policy_of_node(p, nid) ||
		    atomic_read(&p->ejected))
			continue;
		if (!p->tick_next[nid]) {
			p->tick_next[nid] = jiffies + p->tick_period;
		} else if (time_after_eq(jiffies, p->tick_next[nid])) {
			cdm_call_tick(p, node);
			p->tick_next[nid] = jiffies + p->tick_period;
		}
		wait = min(wait, (long)(p->tick_next[nid] - jiffies));
	}
	srcu_read_unlock(&cdm_srcu, idx);
	return max(wait, 1L);
}
