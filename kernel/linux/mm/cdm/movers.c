// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever moves folios asks the owner of migrate first, and tells afterwards.
 *
 *	migrate_pages()                     khugepaged
 *	 | ask: each folio of the list       | ask: each node it takes from
 *	 |   denied     back to the caller   |   denied: this range stays as it is
 *	 |   elsewhere  migrate_pages()      |
 *	 |   allowed                         |
 *	 | unmap, copy                       | copy
 *	 |   tell: moved                     |   tell: moved, each folio
 *	 | remap                             v
 *	 v tell: failed, what is left
 *
 * Only folios that leave, reach or stay on a managed node by the move are asked
 * about and told of. Movers that cannot do without the move (memory goes offline
 * or bad, a pin, a contiguous range, compaction) are told and not asked. Those of
 * cdm_ext itself ask before they isolate: cdm_may_move().
 *
 * Of a node whose device is lost nothing is copied, whoever wants to.
 *
 * A denied folio is returned as one that could not be moved, which every caller
 * copes with: it puts the folio back where it was. What reclaim could not demote
 * it may still swap out.
 *
 * Context: migrate_pages() sleeps, and is called from reclaim. Callbacks run
 * under RCU, which is left every so often, since a list may be a whole process.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/cpuset.h>
#include <linux/hugetlb.h>
#include <linux/mempolicy.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/once.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <trace/events/cdm.h>

#include "../internal.h"
#include "call.h"
#include "internal.h"
#include "migrate.h"

unsigned long cdm_migrate_asked __read_mostly;
bool cdm_migrated_heard __read_mostly;

/* Folios between two rests. */
#define CDM_ASK_BATCH	64

/* Verdicts besides the number of a node to move to instead. */
#define CDM_AS_WANTED	NUMA_NO_NODE
#define CDM_STAYS	(-2)

const char *const cdm_mover_names[CDM_NR_MOVERS] = {
	[CDM_MOVER_CDM]			= "cdm",
	[CDM_MOVER_NUMA_BALANCING]	= "numa_balancing",
	[CDM_MOVER_DEMOTION]		= "demotion",
	[CDM_MOVER_MOVE_PAGES]		= "move_pages",
	[CDM_MOVER_MBIND]		= "mbind",
	[CDM_MOVER_DAMON]		= "damon",
	[CDM_MOVER_COLLAPSE]		= "collapse",
	[CDM_MOVER_EVICT]		= "evict",
	[CDM_MOVER_HOTPLUG]		= "hotplug",
	[CDM_MOVER_MEMORY_FAILURE]	= "memory_failure",
	[CDM_MOVER_LONGTERM_PIN]	= "longterm_pin",
	[CDM_MOVER_CONTIG]		= "contig",
	[CDM_MOVER_COMPACTION]		= "compaction",
};

static const u8 cdm_mover_of[MR_TYPES] = {
	[MR_COMPACTION]		= CDM_MOVER_COMPACTION,
	[MR_MEMORY_FAILURE]	= CDM_MOVER_MEMORY_FAILURE,
	[MR_MEMORY_HOTPLUG]	= CDM_MOVER_HOTPLUG,
	[MR_SYSCALL]		= CDM_MOVER_MOVE_PAGES,
	[MR_MEMPOLICY_MBIND]	= CDM_MOVER_MBIND,
	[MR_NUMA_MISPLACED]	= CDM_MOVER_NUMA_BALANCING,
	[MR_CONTIG_RANGE]	= CDM_MOVER_CONTIG,
	[MR_LONGTERM_PIN]	= CDM_MOVER_LONGTERM_PIN,
	[MR_DEMOTION]		= CDM_MOVER_DEMOTION,
	[MR_CDM]		= CDM_MOVER_CDM,
	[MR_CDM_EVICT]		= CDM_MOVER_EVICT,
	[MR_DAMON]		= CDM_MOVER_DAMON,
};

#define MOVER(name)	BIT(CDM_MOVER_##name)

/* Asked from within migrate_pages(). */
#define CDM_ASKED	(MOVER(NUMA_BALANCING) | MOVER(DEMOTION) | \
			 MOVER(MOVE_PAGES) | MOVER(MBIND) | MOVER(DAMON))
/* Their caller did not name the target, so a policy may name another. */
#define CDM_FOLLOW	(MOVER(NUMA_BALANCING) | MOVER(DEMOTION) | MOVER(DAMON))
/* Denied what is under keep. */
#define CDM_KEPT_FROM	(MOVER(NUMA_BALANCING) | MOVER(MOVE_PAGES) | \
			 MOVER(MBIND) | MOVER(DAMON))

/* ... and where the kernel itself keeps: those who move unasked. */
#define CDM_KEPT_BY_DEFAULT	(MOVER(NUMA_BALANCING) | MOVER(DAMON))

/* A function of its own says in migrate_pages() that these were asked about. */
static struct folio *alloc_elsewhere(struct folio *src, unsigned long private)
{
	return cdm_alloc_dst(src, private);
}

/* Where a mover wants to go, NUMA_NO_NODE if it has no single node in mind. */
static int cdm_target(new_folio_t get_new_folio, unsigned long private,
		      int reason)
{
	const struct mempolicy *pol;

	if (get_new_folio == alloc_elsewhere || get_new_folio == cdm_alloc_dst)
		return ((struct cdm_alloc *)private)->nid;

	switch (reason) {
	case MR_SYSCALL:
	case MR_DEMOTION:
	case MR_DAMON:
		if (get_new_folio == alloc_migration_target ||
		    get_new_folio == alloc_migrate_folio)
			return ((struct migration_target_control *)private)->nid;
		break;
	case MR_NUMA_MISPLACED:
		return private;
	case MR_MEMPOLICY_MBIND:
		/* First member of struct migration_mpol, see mempolicy.c. */
		pol = *(struct mempolicy **)private;
		if (nodes_weight(pol->nodes) == 1)
			return first_node(pol->nodes);
		break;
	}
	return NUMA_NO_NODE;
}

/* ---- migrated -------------------------------------------------------------- */

static bool cdm_anybody_listens(void)
{
	return READ_ONCE(cdm_migrated_heard) || trace_cdm_migrated_enabled();
}

/* Under RCU. */
static void cdm_tell(struct cdm_migrated_ctx *ctx, struct mem_cgroup *memcg)
{
	const struct cdm_table *t = rcu_dereference(cdm_table);
	int i;

	ctx->cgroup_id = cdm_memcg_id(memcg);
	trace_cdm_migrated(ctx);
	for (i = 0; t && t->has_migrated && i < t->nr; i++) {
		struct cdm_policy *p = t->policies[i];
		struct cdm_call call = {
			.policy = p,
			.cb = CDM_CB_MIGRATED,
			.nid = cdm_node_managed(ctx->src_nid) ? ctx->src_nid :
								ctx->dst_nid,
			.memcg = memcg,
		};
		struct cdm_sample sample;
		bool sampled;

		if (!p->ops->migrated || atomic_read(&p->ejected) ||
		    !(cdm_policy_of_node(p, ctx->src_nid) ||
		      cdm_policy_of_node(p, ctx->dst_nid)))
			continue;
		ctx->common.call = &call;
		sampled = cdm_sample_due(p, CDM_CB_MIGRATED);
		if (sampled)
			cdm_sample_begin(&sample);
		p->ops->migrated(ctx);
		if (sampled)
			cdm_sample_end(p, CDM_CB_MIGRATED, &sample);
	}
}

static bool cdm_concerned(int src, int dst)
{
	return cdm_node_managed(src) ||
	       (dst != NUMA_NO_NODE && cdm_node_managed(dst));
}

/* Under RCU; the caller isolated the folio. */
static void cdm_tell_failed(struct folio *folio, int dst, u32 mover, int status)
{
	struct cdm_migrated_ctx ctx = {
		.old_pfn = folio_pfn(folio),
		.src_nid = folio_nid(folio),
		.dst_nid = dst,
		.order = folio_order(folio),
		.mover = mover,
		.status = status,
	};

	if (cdm_concerned(ctx.src_nid, dst) && cdm_anybody_listens())
		cdm_tell(&ctx, folio_memcg(folio));
}

/**
 * cdm_tell_broken() - tell policies that a page frame of a managed node is broken
 * @pfn: the page frame
 * @nid: its node
 *
 * Context: any but NMI; under RCU.
 */
void cdm_tell_broken(unsigned long pfn, int nid)
{
	struct cdm_migrated_ctx ctx = {
		.old_pfn = pfn,
		.src_nid = nid,
		.dst_nid = NUMA_NO_NODE,
		.mover = CDM_MOVER_MEMORY_FAILURE,
		.status = -EHWPOISON,
	};

	if (cdm_anybody_listens())
		cdm_tell(&ctx, NULL);
}

/* By where it belongs, which a move does not change, and so that no address gets out. */
static u64 page_id(const struct folio *folio)
{
	static siphash_key_t key __read_mostly;
	/* Hugetlb's is not locked any more. */
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	if (!mapping)
		return 0;
	get_random_once(&key, sizeof(key));
	return siphash_2u64(mapping, folio->index, &key);
}

/*
 * Migration copied src to dst. Both are locked, and nobody sees dst yet; but
 * hugetlb's are mapped already, and its dst is not locked.
 */
void __cdm_folio_moved(struct folio *src, struct folio *dst, int reason)
{
	struct cdm_node *from, *to;

	guard(rcu)();
	from = cdm_node_of(folio_nid(src));
	to = cdm_node_of(folio_nid(dst));
	cdm_fstate_move(from, to, src, dst);
	if (to && to != from)
		cdm_evict_check(to);
	if ((from || to) && cdm_anybody_listens()) {
		struct cdm_migrated_ctx ctx = {
			.old_pfn = folio_pfn(src),
			.new_pfn = folio_pfn(dst),
			.page_id = page_id(dst),
			.src_nid = folio_nid(src),
			.dst_nid = folio_nid(dst),
			.order = folio_order(dst),
			.mover = cdm_mover_of[reason],
		};

		/* The charge has moved to dst. */
		cdm_tell(&ctx, folio_memcg(dst));
	}
}

static void cdm_rest(unsigned int *nr)
{
	if (++*nr % CDM_ASK_BATCH)
		return;
	rcu_read_unlock();
	cond_resched();
	rcu_read_lock();
}

/**
 * __cdm_migrate_failed() - migrate_pages() is done, and these did not move
 * @from: what is left, those first that __cdm_migrate_ask() refused
 * @nr_refused: how many it refused; they have been told of
 * @get_new_folio: migrate_pages()'s
 * @private: likewise
 * @reason: likewise
 * @rc: what it returns
 *
 * Context: sleeps.
 */
void __cdm_migrate_failed(struct list_head *from, unsigned int nr_refused,
			  new_folio_t get_new_folio, unsigned long private,
			  int reason, int rc)
{
	struct folio *folio;
	unsigned int nr = 0;
	int dst;

	if (!cdm_anybody_listens())
		return;

	dst = cdm_target(get_new_folio, private, reason);
	rcu_read_lock();
	list_for_each_entry(folio, from, lru) {
		cdm_rest(&nr);
		/* Compaction isolates pages of drivers, too. */
		if (nr > nr_refused && !__folio_test_movable(folio))
			cdm_tell_failed(folio, dst, cdm_mover_of[reason],
					rc < 0 ? rc : -EBUSY);
	}
	rcu_read_unlock();
}

/* ---- migrate --------------------------------------------------------------- */

static int cdm_bad_migrate(struct cdm_policy *p, u64 ans, const char *why)
{
	cdm_bad_answer(p, CDM_CB_MIGRATE, ans, why);
	return CDM_AS_WANTED;
}

/* Can a folio that shall go to ctx->dst_nid go to @nid instead? */
static bool cdm_may_follow(const struct cdm_migrate_ctx *ctx,
			   const struct folio *folio, int nid)
{
	if (!(BIT(ctx->mover) & CDM_FOLLOW) || !node_state(nid, N_MEMORY))
		return false;
	/* The task is the one that faulted; nobody else's cpuset is at hand. */
	if (ctx->mover == CDM_MOVER_NUMA_BALANCING &&
	    !node_isset(nid, cpuset_current_mems_allowed))
		return false;
	return !folio_test_hugetlb(folio);
}

/* What an answer other than 0 means; @folio is NULL for a collapse. */
static noinline int cdm_migrate_answer(const struct cdm_migrate_ctx *ctx,
				       struct folio *folio, u64 ans)
{
	struct cdm_policy *p = ctx->common.call->policy;
	int nid = (int)(ans & CDM_ANS_NODE_MASK) - 1;
	u64 keep = (ans & CDM_ANS_KEEP_MASK) >> CDM_ANS_KEEP_SHIFT;

	if (ans & ~(CDM_ANS_NODE_MASK | CDM_ANS_KEEP_MASK | CDM_ANS_DENY))
		return cdm_bad_migrate(p, ans, "migrate() takes a node, keep and deny, and nothing else");
	if (nid >= 0 && (ans & CDM_ANS_DENY))
		return cdm_bad_migrate(p, ans, "migrate() denies, or names a node");
	if (nid >= 0 && (nid >= MAX_NUMNODES || !node_possible(nid)))
		return cdm_bad_migrate(p, ans, "no such node");

	if (keep && folio)
		cdm_fstate_keep(folio, keep);
	if ((ans & CDM_ANS_DENY) ||
	    (nid == ctx->src_nid && nid != ctx->dst_nid)) {
		cdm_policy_count(p, CDM_PSTAT_DENIED + ctx->mover);
		return CDM_STAYS;
	}
	if (nid == NUMA_NO_NODE || nid == ctx->dst_nid) {
		cdm_policy_count(p, CDM_PSTAT_USED);
		return CDM_AS_WANTED;
	}
	if (!folio || !cdm_may_follow(ctx, folio, nid)) {
		cdm_policy_count(p, CDM_PSTAT_OVERRIDDEN);
		return CDM_AS_WANTED;
	}
	cdm_policy_count(p, CDM_PSTAT_USED);
	return nid;
}

/* Every field of the context is set but its call's. */
static __always_inline int cdm_ask(struct cdm_policy *p, int nid,
				   struct cdm_migrate_ctx *ctx,
				   struct folio *folio, struct mem_cgroup *memcg)
{
	struct cdm_call call __uninitialized;
	u64 ans;

	call.policy = p;
	call.cb = CDM_CB_MIGRATE;
	call.nid = nid;
	call.memcg = memcg;
	call.dump = NULL;
	ctx->common.call = &call;
	cdm_direct_begin();
	ans = cdm_direct_call(p, CDM_CB_MIGRATE, ctx);
	cdm_direct_end();
	trace_cdm_migrate(ctx, p->id, ans);
	if (unlikely(ans))
		return cdm_migrate_answer(ctx, folio, ans);
	cdm_policy_count(p, CDM_PSTAT_DEFAULT);
	return CDM_AS_WANTED;
}

/* Who answers for what happens on that node, NULL if nobody does. Under RCU. */
static __always_inline struct cdm_policy *cdm_migrate_owner(int nid)
{
	const struct cdm_table *t = rcu_dereference(cdm_table);
	struct cdm_policy *p = t ? t->owner[CDM_CB_MIGRATE][nid] : NULL;

	return p && likely(!atomic_read(&p->ejected)) ? p : NULL;
}

static noinline unsigned long kept_from(int nid)
{
	return cdm_keeps_by_default(nid) ? CDM_KEPT_BY_DEFAULT : CDM_KEPT_FROM;
}

/* The verdict on one folio. Under RCU. */
static __always_inline int cdm_ask_folio(struct folio *folio, int dst, u32 mover)
{
	struct cdm_migrate_ctx ctx __uninitialized;
	struct cdm_folio_state *st = NULL;
	struct mem_cgroup *memcg;
	struct cdm_policy *p;
	int nid;

	nid = folio_nid(folio);
	ctx.src_nid = nid;
	if (!node_isset(nid, cdm_managed_nodes)) {
		if (dst == NUMA_NO_NODE || !node_isset(dst, cdm_managed_nodes))
			return CDM_AS_WANTED;
		nid = dst;
	}
	p = cdm_migrate_owner(nid);
	ctx.pfn = folio_pfn(folio);
	ctx.access = 0;
	ctx.moved_ms = 0;
	ctx.from_nid = NUMA_NO_NODE;
	if (nid == ctx.src_nid) {
		struct cdm_node *node = cdm_node_of(nid);

		st = node ? cdm_fstate_at(node, ctx.pfn) : NULL;
	}
	if (st) {
		if (unlikely(READ_ONCE(st->keep_until)) &&
		    (BIT(mover) & kept_from(nid)) && cdm_fstate_kept(st)) {
			if (p) {
				cdm_policy_count(p, CDM_PSTAT_KEPT);
				cdm_policy_count(p, CDM_PSTAT_DENIED + mover);
			}
			return CDM_STAYS;
		}
		ctx.access = READ_ONCE(st->access);
		if (unlikely(READ_ONCE(st->last_move))) {
			ctx.moved_ms = cdm_fstate_ms_since(READ_ONCE(st->last_move));
			ctx.from_nid = (READ_ONCE(st->from_nid) &
					~CDM_FSTATE_CAME_BY_MOVE) - 1;
		}
	}
	/* Whoever said keep may have answered another question. */
	if (!p)
		return CDM_AS_WANTED;
	memcg = folio_memcg(folio);
	ctx.cgroup_id = cdm_memcg_id(memcg);
	ctx.dst_nid = dst;
	ctx.order = folio_order(folio);
	ctx.mover = mover;
	ctx.nr_pages = 1U << ctx.order;
	ctx.anon = folio_test_anon(folio);
	ctx.__pad = 0;
	return cdm_ask(p, nid, &ctx, folio, memcg);
}

/* Folios that a policy sends to another node than their mover would. */
struct cdm_detour {
	struct list_head folios;
	int nid;
};

/* Moves them; what cannot go there is added to @refused. Sleeps. */
static unsigned int cdm_take_detour(struct cdm_detour *d,
				    struct list_head *refused,
				    enum migrate_mode mode, int reason,
				    unsigned int *elsewhere)
{
	struct cdm_alloc to = { .nid = d->nid };
	unsigned int moved = 0, left;

	if (list_empty(&d->folios))
		return 0;
	migrate_pages(&d->folios, alloc_elsewhere, NULL, (unsigned long)&to,
		      mode, reason, &moved);
	*elsewhere += moved;
	left = list_count_nodes(&d->folios);
	list_splice_tail_init(&d->folios, refused);
	return left;
}

/* There is nothing to copy. */
static noinline unsigned int refuse_lost(struct list_head *from,
					 struct list_head *refused, int dst, u32 mover)
{
	unsigned int nr = 0, nr_refused = 0;
	struct folio *folio, *next;

	rcu_read_lock();
	list_for_each_entry_safe(folio, next, from, lru) {
		cdm_rest(&nr);
		if (!cdm_node_lost_nid(folio_nid(folio)))
			continue;
		list_move_tail(&folio->lru, refused);
		nr_refused++;
		if (!__folio_test_movable(folio))
			cdm_tell_failed(folio, dst, mover, -ENODEV);
	}
	rcu_read_unlock();
	return nr_refused;
}

/**
 * __cdm_migrate_ask() - ask about the folios that migrate_pages() shall move
 * @from: the folios; those that it shall move as its caller wants stay on it
 * @refused: gets those that shall not move, or could not go where they should
 * @get_new_folio: migrate_pages()'s
 * @private: likewise
 * @mode: likewise
 * @reason: likewise
 * @elsewhere: the pages of folios that went to another node are added to it
 *
 * Context: sleeps; the caller isolated the folios.
 * Return: how many folios are on @refused.
 */
unsigned int __cdm_migrate_ask(struct list_head *from,
			       struct list_head *refused,
			       new_folio_t get_new_folio, unsigned long private,
			       enum migrate_mode mode, int reason,
			       unsigned int *elsewhere)
{
	struct cdm_detour d = { .folios = LIST_HEAD_INIT(d.folios) };
	unsigned int nr = 0, nr_refused = 0;
	u32 mover = cdm_mover_of[reason];
	struct folio *folio, *next;
	int dst, to;

	/* What goes elsewhere has been asked about. */
	if (get_new_folio == alloc_elsewhere)
		return 0;
	dst = cdm_target(get_new_folio, private, reason);
	if (test_bit(CDM_ASKED_LOST, &cdm_migrate_asked))
		nr_refused = refuse_lost(from, refused, dst, mover);
	if (!(BIT(mover) & CDM_ASKED))
		return nr_refused;

	rcu_read_lock();
	list_for_each_entry_safe(folio, next, from, lru) {
		cdm_rest(&nr);
		to = cdm_ask_folio(folio, dst, mover);
		if (likely(to == CDM_AS_WANTED))
			continue;
		if (to == CDM_STAYS) {
			list_move_tail(&folio->lru, refused);
			nr_refused++;
			cdm_tell_failed(folio, dst, mover, -EPERM);
			continue;
		}
		if (to != d.nid && !list_empty(&d.folios)) {
			rcu_read_unlock();
			nr_refused += cdm_take_detour(&d, refused, mode, reason,
						      elsewhere);
			rcu_read_lock();
		}
		d.nid = to;
		list_move_tail(&folio->lru, &d.folios);
	}
	rcu_read_unlock();
	nr_refused += cdm_take_detour(&d, refused, mode, reason, elsewhere);
	return nr_refused;
}

/**
 * cdm_may_move() - cdm_ext asks for leave to move a folio, before it isolates it
 * @folio: referenced by the caller
 * @nid: node that the caller named, which no answer changes
 *
 * Context: any that sleeps or not.
 * Return: false if the folio shall stay.
 */
bool cdm_may_move(struct folio *folio, int nid)
{
	if (!READ_ONCE(cdm_migrate_asked))
		return true;
	guard(rcu)();
	if (unlikely(cdm_node_lost_nid(folio_nid(folio))))
		return false;
	if (cdm_ask_folio(folio, nid, CDM_MOVER_CDM) != CDM_STAYS)
		return true;
	cdm_tell_failed(folio, nid, CDM_MOVER_CDM, -EPERM);
	return false;
}

/* ---- collapse -------------------------------------------------------------- */

#ifdef CONFIG_TRANSPARENT_HUGEPAGE

/*
 * khugepaged knows how many pages of each node there are in a range and, until
 * it has a large folio and locks, not which. So the owner of each of these nodes
 * is asked, once, and each can deny it. A keep time of pages is not looked at,
 * and none can be given. Context: may sleep, does not.
 */
bool __cdm_collapse_denied(const u32 *node_load, int target)
{
	int src, nid;

	guard(rcu)();
	for_each_online_node(src) {
		struct cdm_migrate_ctx ctx = {
			.src_nid = src,
			.dst_nid = target,
			.order = HPAGE_PMD_ORDER,
			.mover = CDM_MOVER_COLLAPSE,
			.nr_pages = node_load[src],
			.from_nid = NUMA_NO_NODE,
		};
		struct cdm_policy *p;

		if (!node_load[src] || !cdm_concerned(src, target))
			continue;
		if (cdm_node_lost_nid(src))
			return true;
		nid = cdm_node_managed(src) ? src : target;
		p = cdm_migrate_owner(nid);
		if (p && cdm_ask(p, nid, &ctx, NULL, NULL) == CDM_STAYS)
			return true;
	}
	return false;
}

/* Under RCU. */
static void cdm_tell_collapsed(struct folio *old, struct page *new)
{
	struct cdm_migrated_ctx ctx = {
		.old_pfn = folio_pfn(old),
		.new_pfn = page_to_pfn(new),
		.src_nid = folio_nid(old),
		.dst_nid = page_to_nid(new),
		.order = folio_order(old),
		.mover = CDM_MOVER_COLLAPSE,
	};

	if (cdm_concerned(ctx.src_nid, ctx.dst_nid))
		cdm_tell(&ctx, folio_memcg(old));
}

/* The old folios are isolated and locked; the page table is unlinked. */
void __cdm_collapsed_ptes(struct folio *new, pte_t *pte)
{
	struct folio *old, *last = NULL;
	int i;

	if (!cdm_anybody_listens())
		return;
	guard(rcu)();
	for (i = 0; i < HPAGE_PMD_NR; i++) {
		pte_t entry = ptep_get(pte + i);

		if (pte_none(entry) || is_zero_pfn(pte_pfn(entry)))
			continue;
		old = page_folio(pte_page(entry));
		if (old != last)
			cdm_tell_collapsed(old, folio_page(new, i));
		last = old;
	}
}

/* The old folios are isolated, locked, and out of the page cache. */
void __cdm_collapsed_list(struct folio *new, struct list_head *list)
{
	struct folio *old;

	if (!cdm_anybody_listens())
		return;
	guard(rcu)();
	list_for_each_entry(old, list, lru)
		cdm_tell_collapsed(old, folio_page(new, old->index - new->index));
}

#endif /* CONFIG_TRANSPARENT_HUGEPAGE */
