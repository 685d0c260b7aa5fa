/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rent or buy: when does a block of memory move, for thrash_adaptive and for a program
 * that replays a recorded stream of accesses.
 *
 * Accesses from afar are rent, a move is a purchase. Whoever rents until he has paid what
 * the purchase would have cost, and then buys, pays at most twice what he would have paid
 * had he known the future. So a block counts what a processor on another node has paid
 * for accesses from afar since the last move; accesses by the one that has it near are
 * taken off, since these would have been from afar. When the rest has reached the cost of
 * a move there and back, the block moves:
 *
 *	debt
 *	 |            *  moves                   bar = 2 x cost x 2^level
 *	 |---------*--|----------------------
 *	 |  *   *     |             *
 *	 |*   *       |*  *  *   *     *
 *	 +------------+--------------------- accesses
 *	   near takes off, afar adds
 *
 * A return is a move to the node that the block left last. If near accesses have not saved
 * more meanwhile than those from afar have cost, by the price of the round trip, the move
 * that it undoes was for nothing: it doubles the bar for the next, 2^max_doublings times at
 * most. If they have, it halves it; so does each decay_ms that goes by without a move. So
 * what does not pay is done ever more rarely, and what pays goes on: phases that are longer
 * than the price are followed.
 *
 * Of what there is to know about a block the state has little: the pages that were
 * touched from afar are taken to be all from the first to the last of them, and it is
 * these that move. Two or more nodes that want it are rivals, one at a time: what another
 * than the present one pays is taken off, and who pays when nothing is left is the next.
 */
#ifndef _CDM_THRASH_ADAPTIVE_BPF_H
#define _CDM_THRASH_ADAPTIVE_BPF_H

#include <cdm/common.bpf.h>

/*
 * What it takes to move a page of 4 KiB, and what an access from afar takes longer than
 * one from near, in nanoseconds. Only their ratio matters. Range 1..10000000.
 */
const volatile __u32 page_move_ns = 20000;
const volatile __u32 remote_ns = 400;

/* Accesses that a fault, a CPU's or a device's, stands for. Range 1..1000000. */
const volatile __u32 fault_accesses = 64;

/* The bar doubles so often at most. Range 0..16. */
const volatile __u32 max_doublings = 8;

/* Without a move for so long, it halves; milliseconds. Range 1..3600000. */
const volatile __u32 decay_ms = 4000;

/* A block is 2 MiB, what one request moves. */
#define CDM_RENT_ORDER	9
#define CDM_RENT_PAGES	(1U << CDM_RENT_ORDER)

/* So much that nothing overflows. */
#define CDM_RENT_MAX	(1LL << 60)

struct cdm_rent_event {
	__u64 now;		/* ns */
	__u64 cost;		/* ns that the accesses take longer from afar */
	__u64 page_ns;		/* that the move of a page takes */
	__s32 who;		/* node of the processor */
	__s32 src;		/* node that has the pages */
	__u32 first, last;	/* pages of the block */
};

struct cdm_rent_block {
	__u64 debt;		/* of who, in ns */
	__s64 earned;		/* since it moved: saved by near, less paid from afar */
	__u64 price;		/* of that move, there and back */
	__u64 moved;		/* when, 0: never */
	__u64 touched;		/* last event */
	__u64 armed;		/* the policy's */
	__s32 who;		/* wants it */
	__s32 from, to;		/* of the last move */
	__u32 level;		/* of the bar */
	__u16 first, last;	/* pages that who touched */
	__u32 tgid;
	__u32 moves;
};

struct cdm_rent_key {
	__u64 mm;		/* cookie */
	__u64 block;		/* address >> (CDM_PAGE_SHIFT + CDM_RENT_ORDER) */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct cdm_rent_key);
	__type(value, struct cdm_rent_block);
} rent_blocks SEC(".maps");

/* The block of that key, which may be new; NULL if there is no room. */
static __always_inline struct cdm_rent_block *cdm_rent_find(__u64 mm, __u64 block)
{
	struct cdm_rent_key key = { .mm = mm, .block = block };
	struct cdm_rent_block *b, new = {
		.who = NUMA_NO_NODE, .from = NUMA_NO_NODE, .to = NUMA_NO_NODE,
	};

	b = bpf_map_lookup_elem(&rent_blocks, &key);
	if (b)
		return b;
	bpf_map_update_elem(&rent_blocks, &key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&rent_blocks, &key);
}

/* How often the bar is doubled by now. */
static __always_inline __u32 cdm_rent_level(const struct cdm_rent_block *b, __u64 now)
{
	__u64 gone = cdm_ns_since(b->moved, now) / (decay_ms * 1000000ULL);

	return gone < b->level ? b->level - gone : 0;
}

/* There and back. */
static __always_inline __u64 cdm_rent_price(const struct cdm_rent_block *b, __u64 page_ns)
{
	return 2 * page_ns * (b->last - b->first + 1);
}

static __always_inline void cdm_rent_begin(struct cdm_rent_block *b,
					   const struct cdm_rent_event *e)
{
	b->who = e->who;
	b->debt = 0;
	b->first = e->first;
	b->last = e->last;
}

static __always_inline void cdm_rent_take_off(struct cdm_rent_block *b, __u64 cost)
{
	b->debt = b->debt > cost ? b->debt - cost : 0;
}

/*
 * Accesses of one node to pages of a block. True: b->first to b->last should move to
 * e->who. Then it is to be told by cdm_rent_moved() if they do; if not, the next access
 * asks for it again.
 */
static __always_inline bool cdm_rent_access(struct cdm_rent_block *b,
					    const struct cdm_rent_event *e)
{
	__u64 paid = e->cost;

	b->touched = e->now;
	if (e->who == e->src) {
		if (e->who == b->to && b->earned < CDM_RENT_MAX)
			b->earned += e->cost;
		/* Who has a part of it, and wants the rest, loses nothing by a move. */
		if (e->who != b->who)
			cdm_rent_take_off(b, e->cost);
		return false;
	}
	if (e->src == b->to && b->earned > -CDM_RENT_MAX)
		b->earned -= e->cost;
	if (e->who != b->who) {
		if (b->debt > paid) {
			cdm_rent_take_off(b, paid);
			return false;
		}
		paid -= b->debt;
		cdm_rent_begin(b, e);
	}
	if (!b->debt) {
		b->first = e->first;
		b->last = e->last;
	}
	if (e->first < b->first)
		b->first = e->first;
	if (e->last > b->last)
		b->last = e->last;
	if (b->debt < CDM_RENT_MAX)
		b->debt += paid;
	return b->debt >= cdm_rent_price(b, e->page_ns) << cdm_rent_level(b, e->now);
}

/* The pages were sent to e->who. */
static __always_inline void cdm_rent_moved(struct cdm_rent_block *b,
					   const struct cdm_rent_event *e)
{
	__u32 level = cdm_rent_level(b, e->now);

	if (b->moved && e->who == b->from) {
		if (b->earned >= (__s64)b->price)
			level = level ? level - 1 : 0;
		else if (level < max_doublings)
			level++;
	}
	b->level = level;
	b->price = cdm_rent_price(b, e->page_ns);
	b->moved = e->now ?: 1;
	b->from = e->src;
	b->to = e->who;
	b->earned = 0;
	b->moves++;
	b->debt = 0;
}

#endif /* _CDM_THRASH_ADAPTIVE_BPF_H */
