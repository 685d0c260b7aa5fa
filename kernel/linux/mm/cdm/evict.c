// SPDX-License-Identifier: GPL-2.0
/*
 * A full node gives up what is cold, instead of sending new pages elsewhere.
 *
 * Which folios are cold is for the LRU to say, classic or MGLRU, memcg by memcg,
 * with memory.low, second chances and all. So nothing here walks a list: stock
 * reclaim of the node does, and where it would demote a folio to a lower tier it
 * hands over what it has isolated.
 *
 *	who              how                        where
 *	kcdmd            below the low watermark    cdm_evict_background()
 *	an allocation    finds the node full        cdm_evict_alloc()
 *	a move           finds its target full      cdm_evict_room(), if it says so
 *	administrator    through sysfs              cdm_evict_pages()
 *	kswapd           below the kernel's own     stock
 *	                      |
 *	                shrink_folio_list()
 *	                      |
 *	                __cdm_evict_folios()  asks the owner of reclaim, a batch at a time
 *	                      |
 *	   +------------------+---------------------+
 *	 moved to a node   stay (kept list)    go on in reclaim: swapped or dropped
 *
 * Nothing is swapped or dropped that another node can hold, unless the policy says
 * so. Where it goes is for the policy to say, else for the administrator (evict_targets),
 * else it is the nearest node with CPUs' memory. When no node has room the folio stays,
 * and the CPU nodes' kswapd is awake by then. Only after CDM_EVICT_FULL_MAX such batches
 * in a row, and not for kcdmd, which can wait, does reclaim go on with them as it does on
 * any node.
 *
 * A policy that keeps everything, and one that has no say in time, must not stop
 * the system. A batch of which nothing leaves by the policy's will is let pass
 * CDM_EVICT_IDLE_MAX times in a row, then the kernel takes the batch itself,
 * which counts as overridden.
 *
 * Two full nodes do not feed each other: eviction to a managed node neither
 * reclaims there, nor brings a folio back to the node that it left within the last
 * CDM_EVICT_RETURN_MS; and one that the administrator named is passed over while it is
 * below its own watermarks, and for what has just moved.
 *
 * Like demotion it looks at no cpuset or mempolicy of those who map a folio; their masks
 * say where to allocate.
 *
 * Reclaim because of a memcg's limit does not come here: a page that moves is still
 * charged.
 *
 * Context: PF_MEMALLOC, may sleep, no folio locked. Allocations of targets do not
 * reclaim, so nothing recurses.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/memcontrol.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <trace/events/cdm.h>

#include "../internal.h"
#include "call.h"
#include "evict.h"
#include "internal.h"
#include "migrate.h"

#define CDM_EVICT_FULL_MAX	8
#define CDM_EVICT_IDLE_MAX	8
#define CDM_EVICT_RETURN_MS	10000

/* Nodes that the verdicts on one batch may name; the kernel chooses for others. */
#define CDM_EVICT_TARGETS	3

/* ---- where to --------------------------------------------------------------- */

/**
 * cdm_evict_target_ok() - can a folio be evicted to that node?
 * @folio: a candidate
 * @nid: a possible node
 *
 * Context: any, under RCU.
 * Return: true if it can be tried.
 */
bool cdm_evict_target_ok(struct folio *folio, int nid)
{
	struct cdm_folio_state st;

	if (nid == folio_nid(folio) || !node_state(nid, N_MEMORY) || cdm_node_leaves(nid))
		return false;
	if (!cdm_node_of(nid))
		return true;
	return !cdm_fstate_get(folio_pfn(folio), folio_nid(folio), &st) ||
	       st.from_nid != nid + 1 ||
	       cdm_fstate_ms_since(st.last_move) > CDM_EVICT_RETURN_MS;
}

/* A managed node that is below its watermarks, or drained, would pass on what comes. */
static bool about_to_evict(int nid)
{
	const struct cdm_node *node;

	guard(rcu)();
	node = cdm_node_of(nid);
	return node && (cdm_node_leaves(nid) ||
			cdm_node_free_pages(nid) <= cdm_evict_high(node));
}

/**
 * cdm_evict_next_target() - where to send what leaves a node
 * @node: the node
 * @tried: nodes that are out of the question; the next one is added
 *
 * Those that the administrator named, in his order, then the nearest node with CPUs'
 * memory.
 *
 * Context: any.
 * Return: a node, NUMA_NO_NODE if there is no other.
 */
int cdm_evict_next_target(const struct cdm_node *node, nodemask_t *tried)
{
	int nid, i, best = NUMA_NO_NODE;

	for (i = 0; i < CDM_EVICT_NAMED && best == NUMA_NO_NODE; i++) {
		nid = READ_ONCE(node->evict_named[i]) - 1;
		if (nid >= 0 && node_state(nid, N_MEMORY) && !node_isset(nid, *tried) &&
		    !about_to_evict(nid))
			best = nid;
	}
	if (best != NUMA_NO_NODE)
		goto out;
	for_each_node_state(nid, N_MEMORY) {
		if (cdm_node_managed(nid) || node_isset(nid, *tried))
			continue;
		if (best == NUMA_NO_NODE ||
		    node_distance(node->nid, nid) < node_distance(node->nid, best))
			best = nid;
	}
out:
	if (best != NUMA_NO_NODE)
		node_set(best, *tried);
	return best;
}

/* Is there a free folio of that order, by and large? */
static bool node_fits(int nid, unsigned int order)
{
	struct zone *zone;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		zone = &NODE_DATA(nid)->node_zones[i];
		if (managed_zone(zone) &&
		    zone_watermark_ok(zone, order, low_wmark_pages(zone), ZONE_MOVABLE, 0))
			return true;
	}
	return false;
}

/* Between managed nodes: what has just moved rests, wherever it came from. */
static bool may_rest_there(struct folio *folio, int nid)
{
	struct cdm_folio_state *st = cdm_fstate_of(folio);
	u32 moved = st ? READ_ONCE(st->last_move) : 0;

	return cdm_evict_target_ok(folio, nid) &&
	       (!moved || cdm_fstate_ms_since(moved) > CDM_EVICT_RETURN_MS);
}

/*
 * Those that must not go to that node go to @others; and, if it is not the @last to be
 * tried, large ones that would be split there for want of a large free one.
 */
static void set_apart(struct list_head *folios, int nid, bool last,
		      struct list_head *others)
{
	bool managed = cdm_node_managed(nid);
	struct folio *folio, *next;

	/* As a rule: one node with CPUs' memory, and no folio to be looked at again. */
	if (!managed && last)
		return;
	guard(rcu)();
	list_for_each_entry_safe(folio, next, folios, lru)
		if ((managed && !may_rest_there(folio, nid)) ||
		    (!last && folio_test_large(folio) && !node_fits(nid, folio_order(folio))))
			list_move_tail(&folio->lru, others);
}

static unsigned int list_pages(struct list_head *folios)
{
	struct folio *folio;
	unsigned int nr = 0;

	list_for_each_entry(folio, folios, lru)
		nr += folio_nr_pages(folio);
	return nr;
}

/* What is left stays on the list. Who isolated the folios counts them (migrate.c). */
static unsigned int evict_to(struct list_head *folios, int nid,
			     unsigned int *failed)
{
	struct cdm_alloc to = { .nid = nid, .failed = CDM_NO_ORDER };
	unsigned int moved = 0;

	*failed = CDM_NO_ORDER;
	if (list_empty(folios))
		return 0;
	cdm_migrate_list(folios, &to, MIGRATE_ASYNC, MR_CDM_EVICT, &moved);
	*failed = to.failed;
	return moved;
}

/*
 * Moves folios to the nearest node that has room. Those for which no node had any
 * are on @full afterwards, others that could not move are still on @folios.
 */
static noinline_for_stack unsigned int
evict_anywhere(struct list_head *folios, const struct cdm_node *node,
	       struct list_head *full)
{
	nodemask_t tried = NODE_MASK_NONE;
	struct folio *folio, *next;
	unsigned int moved = 0, failed;
	LIST_HEAD(others);
	int nid, then;

	list_splice_init(folios, full);
	for (nid = cdm_evict_next_target(node, &tried);
	     nid != NUMA_NO_NODE && !list_empty(full); nid = then) {
		then = cdm_evict_next_target(node, &tried);
		set_apart(full, nid, then == NUMA_NO_NODE, &others);
		moved += evict_to(full, nid, &failed);
		list_for_each_entry_safe(folio, next, full, lru)
			if (folio_order(folio) < failed)
				list_move_tail(&folio->lru, folios);
		list_splice_tail_init(&others, full);
	}
	return moved;
}

/* ---- cgroups' counters -------------------------------------------------------- */

static void count_event(struct mem_cgroup *memcg, enum vm_event_item item,
			unsigned int nr)
{
	if (!nr)
		return;
	count_vm_events(item, nr);
	if (memcg)
		count_memcg_events(memcg, item, nr);
}

/*
 * Pages by cgroup and by kind. Noted before they move, as what moved is on no list
 * any more.
 */
#define CDM_TALLY	16

struct tally {
	unsigned int nr;
	struct mem_cgroup *memcg[CDM_TALLY];
	int pages[CDM_TALLY];
	int kind[2];
};

/* Adds a folio's pages to its cgroup's; false if there are too many cgroups. */
static bool tally_add(struct tally *t, struct folio *folio, int sign)
{
	struct mem_cgroup *memcg = folio_memcg(folio);
	int pages = sign * folio_nr_pages(folio);
	unsigned int i = t->nr;

	/* The last one first. */
	while (i && t->memcg[i - 1] != memcg)
		i--;
	if (!i) {
		if (t->nr == CDM_TALLY)
			return false;
		i = ++t->nr;
		t->memcg[i - 1] = memcg;
		t->pages[i - 1] = 0;
		/* It holds the folio's charge, so this cannot fail. */
		mem_cgroup_tryget(memcg);
	}
	t->pages[i - 1] += pages;
	t->kind[folio_is_file_lru(folio)] += pages;
	return true;
}

static void tally_done(struct tally *t, enum vm_event_item item)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		count_event(t->memcg[i], item, t->pages[i]);
		mem_cgroup_put(t->memcg[i]);
	}
}

/* ---- the policy ------------------------------------------------------------- */

/* Asks the owner of reclaim about a batch; its id, or 0 if there is none. */
static noinline_for_stack u64 ask(struct cdm_evict_batch *b,
				  struct cdm_node *node)
{
	const struct cdm_table *t;
	struct cdm_sample sample;
	struct cdm_reclaim_ctx ctx;
	struct cdm_policy *p;
	bool sampled;

	guard(rcu)();
	t = rcu_dereference(cdm_table);
	p = t ? t->owner[CDM_CB_RECLAIM][node->nid] : NULL;
	if (!p || atomic_read(&p->ejected))
		return 0;

	b->call.policy = p;
	b->call.cb = CDM_CB_RECLAIM;
	b->call.nid = node->nid;
	ctx = (struct cdm_reclaim_ctx) {
		.common.call = &b->call,
		.nr_pages = b->nr_wanted,
		.nr_candidates = b->nr,
		.nid = node->nid,
		.why = b->why,
	};
	sampled = cdm_sample_due(p, CDM_CB_RECLAIM);
	if (sampled)
		cdm_sample_begin(&sample);
	p->ops->reclaim(&ctx);
	if (sampled)
		cdm_sample_end(p, CDM_CB_RECLAIM, &sample);
	return p->id;
}

/* ---- a batch ---------------------------------------------------------------- */

/**
 * struct sorted - a batch by what shall become of it
 * @to: folios for the node @nid of the same index
 * @nid: NUMA_NO_NODE if that list is not in use
 * @any: folios for the node that the kernel chooses
 * @keep: folios that stay, because the policy or a keep time says so
 * @swap: folios that reclaim shall go on with
 * @nr_keep: pages on @keep
 */
struct sorted {
	struct list_head to[CDM_EVICT_TARGETS];
	int nid[CDM_EVICT_TARGETS];
	struct list_head any;
	struct list_head keep;
	struct list_head swap;
	unsigned int nr_keep;
};

static struct list_head *sorted_to(struct sorted *s, int nid)
{
	int i;

	for (i = 0; i < CDM_EVICT_TARGETS; i++) {
		if (s->nid[i] == NUMA_NO_NODE)
			s->nid[i] = nid;
		if (s->nid[i] == nid)
			return &s->to[i];
	}
	return &s->any;
}

/* Under keep and nobody to say otherwise: then it goes last. */
static bool kept(struct folio *folio)
{
	struct cdm_folio_state *st;

	guard(rcu)();
	st = cdm_fstate_of(folio);
	return st && cdm_fstate_kept(st);
}

static void sort_batch(struct cdm_evict_batch *b, struct sorted *s, bool asked)
{
	struct folio *folio, *next;
	unsigned int i;

	for (i = 0; i < CDM_EVICT_TARGETS; i++) {
		INIT_LIST_HEAD(&s->to[i]);
		s->nid[i] = NUMA_NO_NODE;
	}
	INIT_LIST_HEAD(&s->any);
	INIT_LIST_HEAD(&s->keep);
	INIT_LIST_HEAD(&s->swap);
	s->nr_keep = 0;

	i = 0;
	list_for_each_entry_safe_reverse(folio, next, &b->folios, lru) {
		u16 verdict = b->verdict[i++];

		if (verdict == CDM_VERDICT_KEEP || (!asked && kept(folio))) {
			list_move_tail(&folio->lru, &s->keep);
			s->nr_keep += folio_nr_pages(folio);
		} else if (verdict == CDM_VERDICT_SWAP &&
			   (!folio_test_anon(folio) || get_nr_swap_pages() > 0)) {
			list_move_tail(&folio->lru, &s->swap);
		} else if (verdict && verdict != CDM_VERDICT_SWAP) {
			list_move_tail(&folio->lru, sorted_to(s, verdict - 1));
		} else {
			list_move_tail(&folio->lru, &s->any);
		}
	}
}

/*
 * References that are neither reclaim's nor those of who maps or caches it: a device's or
 * a pipe's, I/O. It is isolated, but not locked, so this may change at once.
 */
static bool held(struct folio *folio)
{
	int refs = folio_ref_count(folio) - folio_mapcount(folio) - 1;

	if (!folio_test_anon(folio) || folio_test_swapcache(folio))
		refs -= folio_nr_pages(folio) + folio_test_private(folio);
	return refs > 0;
}

/*
 * Up to a batch of the coldest, from the end of @folios. What others refer to cannot move,
 * and to find that out costs as much as a move: it stays.
 */
static void take_batch(struct cdm_evict_batch *b, struct list_head *folios,
		       struct list_head *stay)
{
	b->nr = 0;
	b->nr_pages = 0;
	while (b->nr < CDM_EVICT_FOLIOS && !list_empty(folios)) {
		struct folio *folio = lru_to_folio(folios);

		if (held(folio)) {
			list_move(&folio->lru, stay);
			continue;
		}
		list_move(&folio->lru, &b->folios);
		b->verdict[b->nr++] = 0;
		b->nr_pages += folio_nr_pages(folio);
	}
}

/*
 * Nothing left by the policy's will, for the last few times: true if the kernel
 * decides now.
 */
static bool overrule(struct cdm_node *node, bool idle)
{
	if (!idle) {
		atomic_set(&node->evict_idle, 0);
		return false;
	}
	if (atomic_inc_return(&node->evict_idle) <= CDM_EVICT_IDLE_MAX)
		return false;
	atomic_set(&node->evict_idle, 0);
	return true;
}

/*
 * No node had room, for the last few times: true if reclaim goes on as ever. kcdmd can
 * wait, and must not use up the patience of those who cannot.
 */
static bool give_up(struct cdm_node *node, enum cdm_evict_why why, bool full,
		    bool moved)
{
	if (moved)
		atomic_set(&node->evict_full, 0);
	else if (full && why != CDM_EVICT_BACKGROUND)
		return atomic_inc_return(&node->evict_full) > CDM_EVICT_FULL_MAX;
	return false;
}

/*
 * The policy's own choice of folios, which nobody else has isolated. As many at a time as
 * there is room to note their cgroups.
 */
static noinline_for_stack unsigned int
evict_proposed(struct cdm_evict_batch *b, const struct cdm_node *node)
{
	struct pglist_data *pgdat = NODE_DATA(node->nid);
	unsigned int moved = 0;

	while (!list_empty(&b->proposed)) {
		struct folio *folio, *next;
		struct tally t = {};
		LIST_HEAD(some);
		LIST_HEAD(full);

		list_for_each_entry_safe(folio, next, &b->proposed, lru) {
			if (!tally_add(&t, folio, 1))
				break;
			list_move_tail(&folio->lru, &some);
		}
		moved += evict_anywhere(&some, node, &full);
		list_splice(&full, &some);
		list_for_each_entry(folio, &some, lru)
			tally_add(&t, folio, -1);
		mod_node_page_state(pgdat, NR_ISOLATED_ANON, -t.kind[0]);
		mod_node_page_state(pgdat, NR_ISOLATED_FILE, -t.kind[1]);
		tally_done(&t, CDM_EVICTED_BACKGROUND + b->why);
		putback_movable_pages(&some);
	}
	return moved;
}

/* The candidates are of one cgroup: reclaim scans one at a time, and holds it. */
static void count_batch(struct cdm_evict_batch *b, struct cdm_node *node,
			unsigned int moved, unsigned int proposed,
			unsigned int kept, unsigned int over)
{
	cdm_node_count(node, CDM_STAT_EVICTED + b->why, moved + proposed);
	cdm_node_count(node, CDM_STAT_EVICT_PROPOSED, proposed + b->nr_chosen);
	cdm_node_count(node, CDM_STAT_EVICT_REFUSED, b->nr_refused);
	cdm_node_count(node, CDM_STAT_EVICT_OVERRIDDEN, over);
	cdm_node_count(node, CDM_STAT_EVICT_KEPT, kept);
	count_event(b->memcg, CDM_EVICTED_BACKGROUND + b->why, moved);
	count_event(b->memcg, CDM_EVICT_KEPT, kept);
	count_event(b->memcg, CDM_EVICT_OVERRIDDEN, over);
	if (b->why == CDM_EVICT_ADMIN)
		WRITE_ONCE(node->evict_admin_left, node->evict_admin_left -
			   min(node->evict_admin_left, moved + proposed));
}

static unsigned int evict_batch(struct cdm_evict_batch *b, struct cdm_node *node,
				struct list_head *folios, struct list_head *stay)
{
	unsigned int moved = 0, proposed, failed, over = 0, nr_swap, instead, i;
	struct sorted s;
	LIST_HEAD(full);
	u64 policy;

	policy = ask(b, node);
	sort_batch(b, &s, policy);
	proposed = evict_proposed(b, node);

	for (i = 0; i < CDM_EVICT_TARGETS; i++) {
		moved += evict_to(&s.to[i], s.nid[i], &failed);
		list_splice_tail(&s.to[i], &s.any);
	}
	moved += evict_anywhere(&s.any, node, &full);
	if (overrule(node, s.nr_keep && !moved && !proposed)) {
		/* What no node had room for has just been tried. */
		LIST_HEAD(keep_full);

		over = evict_anywhere(&s.keep, node, &keep_full);
		moved = over;
		list_splice(&keep_full, &full);
		list_splice_init(&s.keep, &s.any);
	}

	count_batch(b, node, moved, proposed, s.nr_keep - over, over);
	trace_cdm_evict(node->nid, b->why, policy, b->nr, b->nr_pages, moved,
			proposed, s.nr_keep - over, over);

	/* A page that finds room now and then does not make it a node with room. */
	if (give_up(node, b->why, !list_empty(&full),
		    2 * (moved + proposed) >= b->nr_pages))
		list_splice_init(&full, &s.swap);
	nr_swap = list_pages(&s.swap);
	cdm_node_count(node, CDM_STAT_EVICT_SWAP, nr_swap);
	cdm_node_count(node, CDM_STAT_EVICT_FULL, list_pages(&full));
	list_splice(&s.swap, folios);
	list_splice(&s.keep, stay);
	list_splice(&s.any, stay);
	list_splice(&full, stay);
	/*
	 * Reclaim is told at once, so that it knows when to stop. But classic LRU takes what
	 * it scanned and did not reclaim for a cost, so that it must not be more: of the
	 * rest it is told as of pages that it never saw, and learns of them at the end. Its
	 * counters of what was stolen have them with the cgroup that it scans.
	 */
	instead = proposed;
	if (!lru_gen_enabled())
		instead = min(proposed, b->nr_pages - min(b->nr_pages, moved + nr_swap));
	mm_account_reclaimed_pages(proposed - instead);
	return moved + instead;
}

/**
 * __cdm_evict_folios() - reclaim hands over what it would demote
 * @folios: isolated folios of a managed node, the coldest last; those that reclaim
 *	shall go on with are on it afterwards
 * @stay: gets those that shall stay
 * @nid: the node
 *
 * Context: as is said above.
 * Return: pages that left of @folios, or in their stead.
 */
unsigned int __cdm_evict_folios(struct list_head *folios, struct list_head *stay,
				int nid)
{
	struct cdm_evict_batch b;
	struct cdm_node *node;
	unsigned int moved = 0;
	LIST_HEAD(swap);
	int idx;

	if (list_empty(folios))
		return 0;
	idx = srcu_read_lock(&cdm_node_srcu);
	node = srcu_dereference(cdm_nodes[nid], &cdm_node_srcu);
	/* Nor is it to be swapped out: there is nothing to read. */
	if (node && READ_ONCE(node->lost))
		list_splice_tail_init(folios, stay);
	while (node && !list_empty(folios)) {
		INIT_LIST_HEAD(&b.folios);
		INIT_LIST_HEAD(&b.proposed);
		b.call.memcg = NULL;
		b.call.dump = NULL;
		b.candidate.index = U32_MAX;
		b.current_folio = NULL;
		b.nr_proposed = 0;
		b.nr_chosen = 0;
		b.nr_refused = 0;
		b.node_answer = 0;
		b.steps = 0;
		b.why = cdm_evict_why(node);
		take_batch(&b, folios, stay);
		if (!b.nr)
			break;
		b.memcg = folio_memcg(lru_to_folio(&b.folios));
		b.nr_wanted = cdm_evict_wanted(node, b.why, b.nr_pages, CDM_EVICT_PROPOSALS);
		moved += evict_batch(&b, node, &swap, stay);
	}
	srcu_read_unlock(&cdm_node_srcu, idx);
	list_splice(&swap, folios);
	return moved;
}
