// SPDX-License-Identifier: GPL-2.0
/*
 * What cdm_ext remembers of a folio.
 *
 * Two stores, both of a size that is fixed when their node comes:
 *
 *	fstate[]	one struct cdm_folio_state for each base page of a managed
 *			node, found by pfn; a folio uses that of its first page.
 *			16 bytes of 4096, 0.4 % of the node, in CPU memory: what a
 *			page's struct page costs is four times that.
 *	departed[]	a hash of folios that left the node for one that is not
 *			managed, found by the pfn they went to, so that a folio
 *			which comes back is seen to come back.
 *
 *	managed node A                        node that is not managed
 *	 fstate[pfn] ---- moved ----> departed_A{new pfn} ---- moved again ----+
 *	      ^                            |         ^                         |
 *	      +------- moved back ---------+         +--- rekeyed to new pfn --+
 *
 * departed[] has one entry of 16 bytes for every 16 base pages of the node
 * (0.025 % of it), at least 1024 and at most a million. It need not hold all
 * that ever left: a folio that is bounced comes back soon or it was no bounce,
 * and a sixteenth of the node is already more than one reclaim of it moves. An
 * entry is forgotten when the four of its bucket are newer, or after
 * CDM_DEPARTED_SECS. A folio that is freed and whose pfn is used again within
 * that time is taken for the old one if it also holds the same page of the same
 * file, or of an anon_vma at the same address: this is a hint to policies, and
 * nothing here decides whether memory is valid.
 *
 * Locking: none. Hooks run in faults and in migration, so they neither sleep
 * nor spin. Stores and loads are whole words (READ_ONCE, WRITE_ONCE); two
 * writers of one folio (a move against a late access report) may mix fields of
 * both, which costs a policy one wrong hint. RCU keeps the arrays: a node is
 * unpublished, and a grace period waited for, before they are freed.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/migrate.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>

#include "internal.h"

#define CDM_DEPARTED_WAYS	4
#define CDM_DEPARTED_MIN	1024U
#define CDM_DEPARTED_MAX	1048576U
#define CDM_DEPARTED_RATIO	16
#define CDM_DEPARTED_SECS	60

/**
 * struct cdm_departed - a folio that left its node
 * @key: pfn it went to, + 1; 0 for an empty entry
 * @left: when it left, as cdm_folio_state.last_move
 * @access: cdm_folio_state.access when it left
 * @tag: what it holds, folio_tag()
 */
struct cdm_departed {
	u64 key;
	u32 left;
	u16 access;
	u16 tag;
};

/* The same number whichever frame it is in, while it is mapped or in a file. */
static u16 folio_tag(const struct folio *folio)
{
	return hash_64((unsigned long)folio->mapping + folio->index * GOLDEN_RATIO_64, 16);
}

/* jiffies / 4 in 32 bits: wraps after 190 days at HZ=1000; 0 says "never". */
u32 cdm_fstate_now(void)
{
	u64 now = get_jiffies_64();

	return lower_32_bits(now >> 2) ?: 1;
}

static void fstate_load(struct cdm_folio_state *to,
			const struct cdm_folio_state *from)
{
	to->seq = READ_ONCE(from->seq);
	to->last_move = READ_ONCE(from->last_move);
	to->keep_until = READ_ONCE(from->keep_until);
	to->access = READ_ONCE(from->access);
	to->from_nid = READ_ONCE(from->from_nid);
}

static void fstate_store(struct cdm_folio_state *to,
			 const struct cdm_folio_state *from)
{
	WRITE_ONCE(to->seq, from->seq);
	WRITE_ONCE(to->last_move, from->last_move);
	WRITE_ONCE(to->keep_until, from->keep_until);
	WRITE_ONCE(to->access, from->access);
	WRITE_ONCE(to->from_nid, from->from_nid);
}

/* ---- folios that left ----------------------------------------------------- */

static bool departed_fresh(u32 left)
{
	return cdm_fstate_now() - left <= CDM_DEPARTED_SECS * HZ / 4;
}

static struct cdm_departed *departed_bucket(struct cdm_node *node,
					    unsigned long pfn)
{
	unsigned int i;

	i = hash_64(pfn, 32) & node->departed_mask & ~(CDM_DEPARTED_WAYS - 1);
	return node->departed + i;
}

/* @holds: it holds the same as this folio; NULL for whatever it holds. */
static bool departed_find(struct cdm_node *node, unsigned long pfn,
			  const struct folio *holds, bool take, struct cdm_departed *found)
{
	struct cdm_departed *e = departed_bucket(node, pfn);
	int i;

	for (i = 0; i < CDM_DEPARTED_WAYS; i++, e++) {
		if (READ_ONCE(e->key) != pfn + 1)
			continue;
		found->key = pfn + 1;
		found->left = READ_ONCE(e->left);
		found->access = READ_ONCE(e->access);
		found->tag = READ_ONCE(e->tag);
		if (take)
			WRITE_ONCE(e->key, 0);
		return departed_fresh(found->left) &&
		       (!holds || found->tag == folio_tag(holds));
	}
	return false;
}

static void departed_insert(struct cdm_node *node, unsigned long pfn, u32 left,
			    u16 access, u16 tag)
{
	struct cdm_departed *e = departed_bucket(node, pfn), *victim = e;
	u32 now = cdm_fstate_now(), age, oldest = 0;
	int i;

	for (i = 0; i < CDM_DEPARTED_WAYS; i++, e++) {
		u64 key = READ_ONCE(e->key);

		if (!key || key == pfn + 1) {
			victim = e;
			break;
		}
		age = now - READ_ONCE(e->left);
		if (age >= oldest) {
			oldest = age;
			victim = e;
		}
	}
	WRITE_ONCE(victim->left, left);
	WRITE_ONCE(victim->access, access);
	WRITE_ONCE(victim->tag, tag);
	WRITE_ONCE(victim->key, pfn + 1);
}

/* A folio that no managed node holds moved on: those that it left follow. */
static void departed_rekey(unsigned long from, unsigned long to)
{
	struct cdm_departed d;
	struct cdm_node *node;
	int nid;

	for_each_node_mask(nid, cdm_managed_nodes) {
		node = cdm_node_of(nid);
		if (node && departed_find(node, from, NULL, true, &d))
			departed_insert(node, to, d.left, d.access, d.tag);
	}
}

static void departed_forget(unsigned long pfn)
{
	struct cdm_departed d;
	struct cdm_node *node;
	int nid;

	for_each_node_mask(nid, cdm_managed_nodes) {
		node = cdm_node_of(nid);
		if (node)
			departed_find(node, pfn, NULL, true, &d);
	}
}

/**
 * cdm_fstate_departed() - did a folio leave this node lately?
 * @nid: a managed node
 * @pfn: first page frame of the folio where it is now
 * @st: filled with what is remembered: when it left, and its access count
 *
 * Context: any.
 * Return: true if it did.
 */
bool cdm_fstate_departed(int nid, unsigned long pfn, struct cdm_folio_state *st)
{
	struct cdm_departed d;
	struct cdm_node *node;
	bool found;

	rcu_read_lock();
	node = cdm_node_of(nid);
	found = node && departed_find(node, pfn, NULL, false, &d);
	rcu_read_unlock();
	if (!found)
		return false;

	*st = (struct cdm_folio_state) {
		.last_move = d.left,
		.access = d.access,
		.from_nid = nid + 1,
	};
	return true;
}

/* ---- folios that are here ------------------------------------------------- */

/**
 * cdm_fstate_arrive() - a new folio became resident on a managed node
 * @node: the node
 * @folio: the folio; what is known of its page's last user is forgotten
 *
 * Context: any, under RCU.
 * Return: its population sequence.
 */
u64 cdm_fstate_arrive(struct cdm_node *node, struct folio *folio)
{
	struct cdm_folio_state *st = cdm_fstate_at(node, folio_pfn(folio));
	u64 seq = atomic64_inc_return(&node->seq);

	if (st)
		fstate_store(st, &(struct cdm_folio_state) { .seq = seq });
	return seq;
}

/**
 * cdm_fstate_came_by_move() - is this folio's LRU add not an arrival?
 * @folio: a folio on a managed node
 *
 * A folio that was migrated or put back is added to the LRU like a new one, and
 * is not new. The mark is cleared, so that a later user of the page is.
 *
 * Context: any, under RCU.
 * Return: true if it is.
 */
bool cdm_fstate_came_by_move(struct folio *folio)
{
	struct cdm_folio_state *st = cdm_fstate_of(folio);
	u16 from;

	if (!st)
		return false;
	from = READ_ONCE(st->from_nid);
	if (!(from & CDM_FSTATE_CAME_BY_MOVE))
		return false;
	WRITE_ONCE(st->from_nid, from & ~CDM_FSTATE_CAME_BY_MOVE);
	return true;
}

/*
 * A folio that was isolated goes back to the LRU, where it came from: its LRU
 * add is no more an arrival than that of a folio that moved.
 */
void __cdm_folio_putback(struct folio *folio)
{
	struct cdm_folio_state *st;

	rcu_read_lock();
	st = cdm_fstate_of(folio);
	if (st)
		WRITE_ONCE(st->from_nid,
			   READ_ONCE(st->from_nid) | CDM_FSTATE_CAME_BY_MOVE);
	rcu_read_unlock();
}

/**
 * cdm_fstate_get() - read what is remembered of a page
 * @pfn: first page frame of a folio
 * @nid: its node
 * @st: filled
 *
 * Context: any.
 * Return: false if the node is not managed, or the page lies
 * outside of what was its memory when it came to be managed.
 */
bool cdm_fstate_get(unsigned long pfn, int nid, struct cdm_folio_state *st)
{
	struct cdm_folio_state *from = NULL;
	struct cdm_node *node;

	rcu_read_lock();
	node = cdm_node_of(nid);
	if (node)
		from = cdm_fstate_at(node, pfn);
	if (from) {
		fstate_load(st, from);
		st->from_nid &= ~CDM_FSTATE_CAME_BY_MOVE;
	}
	rcu_read_unlock();
	return from;
}

/* Between two nodes, of which at least one is managed. */
static void fstate_cross(struct cdm_node *from, struct cdm_node *to,
			 struct folio *src, struct folio *dst,
			 struct cdm_folio_state *st)
{
	bool returned = st->from_nid == folio_nid(dst) + 1 && departed_fresh(st->last_move);
	u32 here = cdm_fstate_ms_since(st->last_move), away = returned ? here : 0;
	struct cdm_departed d;
	unsigned int ms;

	st->last_move = cdm_fstate_now();
	st->from_nid = folio_nid(src) + 1;

	if (from) {
		cdm_node_count(from, CDM_STAT_MOVED_OUT, 1);
		if (!to)
			departed_insert(from, folio_pfn(dst), st->last_move, st->access,
					folio_tag(dst));
	}
	if (to) {
		/* A place in the order of arrivals, as for a new folio. */
		st->seq = atomic64_inc_return(&to->seq);
		cdm_node_count(to, CDM_STAT_MOVED_IN, 1);
		if (!from && departed_find(to, folio_pfn(src), dst, true, &d)) {
			st->access = d.access;
			away = cdm_fstate_ms_since(d.left);
			returned = true;
		}
		/* It is at that frame no longer, whoever else it had left. */
		if (!from)
			departed_forget(folio_pfn(src));
		if (returned) {
			cdm_node_count(to, CDM_STAT_RETURNED, 1);
			count_vm_events(CDM_RETURNED, folio_nr_pages(dst));
			count_memcg_folio_events(dst, CDM_RETURNED, folio_nr_pages(dst));
		}
	}
	if (st->keep_until)
		st->keep_until = cdm_keep_moved(to, folio_nr_pages(dst), st->keep_until);
	ms = cdm_travelled(from, to, src, dst, here, away);
	if (!ms)
		return;
	st->keep_until = cdm_keep_until(to, folio_nr_pages(dst), ms, st->keep_until);
	if (st->keep_until)
		cdm_node_count(to, CDM_STAT_PINGPONG_KEPT, folio_nr_pages(dst));
}

/**
 * cdm_fstate_move() - the state of a folio follows it
 * @from: node of @src, NULL if it is not managed
 * @to: node of @dst, likewise
 * @src: the folio that migrated
 * @dst: its copy, which nobody sees yet
 *
 * Context: any, under RCU; the caller has both folios to itself.
 */
void cdm_fstate_move(struct cdm_node *from, struct cdm_node *to,
		     struct folio *src, struct folio *dst)
{
	struct cdm_folio_state st = {}, *s = NULL, *d = NULL;

	if (!from && !to) {
		departed_rekey(folio_pfn(src), folio_pfn(dst));
		return;
	}

	if (from)
		s = cdm_fstate_at(from, folio_pfn(src));
	if (to)
		d = cdm_fstate_at(to, folio_pfn(dst));
	if (s) {
		fstate_load(&st, s);
		st.from_nid &= ~CDM_FSTATE_CAME_BY_MOVE;
		fstate_store(s, &(struct cdm_folio_state) {});
	}
	if (from != to)
		fstate_cross(from, to, src, dst, &st);
	if (d) {
		/* Pages of drivers and of hugetlb never go to an LRU. */
		if (!__folio_test_movable(src) && !folio_test_hugetlb(dst))
			st.from_nid |= CDM_FSTATE_CAME_BY_MOVE;
		fstate_store(d, &st);
	}
}

/*
 * Beyond the largest number it goes on from the middle, and not from 0: so it stays large,
 * and a folio that is accessed is seen to be.
 */
static u16 access_sum(u16 access, unsigned int count)
{
	u64 sum = (u64)access + count;

	return sum > U16_MAX ? 0x8000 | (sum & 0x7fff) : sum;
}

/**
 * cdm_folio_accessed() - a device has used a folio
 * @folio: the folio, referenced by the caller
 * @count: how often
 *
 * For devices that set no accessed bits, and for those that count. The count is
 * what policies see as access; for the LRU it is one reference, so that what a
 * device uses does not look cold. Of a folio that is not on a managed node only the
 * LRU is told.
 *
 * Context: task; no LRU lock held.
 */
void cdm_folio_accessed(struct folio *folio, unsigned int count)
{
	struct cdm_folio_state *st;

	rcu_read_lock();
	st = cdm_fstate_of(folio);
	if (st)
		WRITE_ONCE(st->access, access_sum(READ_ONCE(st->access), count));
	rcu_read_unlock();
	folio_mark_accessed(folio);
}
EXPORT_SYMBOL_GPL(cdm_folio_accessed);

/* Milliseconds since a time as in last_move, at least 1; 0 for "never". */
u32 cdm_fstate_ms_since(u32 then)
{
	if (!then)
		return 0;
	/* The largest number there is after 49 days. */
	return clamp(jiffies64_to_msecs((cdm_fstate_now() - then) * 4ULL), 1ULL, (u64)U32_MAX);
}

/**
 * cdm_fstate_alloc() - make the arrays for a node's memory
 * @node: its start and size are set; not published yet
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int cdm_fstate_alloc(struct cdm_node *node)
{
	unsigned long nr = node->size >> PAGE_SHIFT;
	unsigned int departed;

	departed = clamp_t(unsigned long, nr / CDM_DEPARTED_RATIO,
			   CDM_DEPARTED_MIN, CDM_DEPARTED_MAX);
	departed = rounddown_pow_of_two(departed);

	node->base_pfn = PFN_DOWN(node->start);
	node->nr_pfns = nr;
	node->departed_mask = departed - 1;
	node->fstate = vcalloc(nr, sizeof(*node->fstate));
	node->departed = vcalloc(departed, sizeof(*node->departed));
	if (!node->fstate || !node->departed) {
		cdm_fstate_free(node);
		return -ENOMEM;
	}
	return 0;
}

/* After the node was unpublished and a grace period went by; twice is fine. */
void cdm_fstate_free(struct cdm_node *node)
{
	vfree(node->fstate);
	vfree(node->departed);
	node->fstate = NULL;
	node->departed = NULL;
}
