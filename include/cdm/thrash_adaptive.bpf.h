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
 *	 |            *  moves                   bar = 2 x cost x 2^level of the target
 *	 |---------*--|----------------------
 *	 |  *   *     |             *
 *	 |*   *       |*  *  *   *     *
 *	 +------------+--------------------- accesses
 *	   near takes off, afar adds
 *
 * A stay has paid for itself if accesses from near have saved more than those from afar have
 * cost, by the price of the way there and back, had it begun with the turn in which the bar
 * was reached: what that turn has paid before is the bar's doing. If not, the bar for moves
 * to that node goes up fourfold, to 2^max_doublings at most. If so, it goes down fourfold,
 * and is halved once more for each time that the gain is twice the price again, down to
 * 2^-max_halvings; what has never been tried begins at the half. Each decay_ms that goes by
 * without a move takes a level a step back to 0. So what does not pay is done ever more
 * rarely, and what pays ever sooner: phases that are longer than the price are followed, and
 * those much longer at once; and where one of several nodes is not worth it, the block does
 * not follow that one.
 *
 * Blocks of an address space are used alike: one tries a node where none of them was. The
 * others wait until its stay is judged, or the bar is reached eight times over, and begin at
 * half or twice that. If the turn before was long enough to pay for a move, so may be this.
 *
 * Where there is no room, what comes makes other memory go. If that is missed, a stay pays
 * for itself at the cost of another's: each block that is missed makes the least bar for
 * moves to that node four times as high, to 2^CDM_RENT_CROWD at most, so that of memory that
 * is used alike what is there stays, and what is used so much more still comes. That takes
 * four times as long as levels to go back, as each search for room costs moves of others.
 *
 * A CPU's accesses are seen where a page was armed, once. How many there were is reckoned
 * from how soon it came: of N pages of which first A and, since some were armed, B were armed,
 * one access was seen in a time in which so many of them could have been that there were
 *
 *	seen           armed    seen
 *	 |   A pages    | B pages |		N * (seen - seen) / (A * (armed - seen) +
 *						     B * (seen - armed))
 *
 * but no more than there is time for. When others come, who was near and was not to be seen
 * again before may have gone on until then. That needs arming again some time after an
 * access was seen: an eighth of the time for which somebody has accessed the block already,
 * so that he pays for a fault ever more rarely, 8 times while that time becomes e-fold.
 *
 * Of what there is to know about a block the state has little: the pages that were
 * touched from afar are taken to be all from the first to the last of them, and it is
 * these that move; where that has paid, those that moved the last time. Two or more nodes
 * that want it are rivals, one at a time: what another than the present one pays is taken
 * off, and who pays when nothing is left is the next.
 */
#ifndef _CDM_THRASH_ADAPTIVE_BPF_H
#define _CDM_THRASH_ADAPTIVE_BPF_H

#include <cdm/common.bpf.h>

/*
 * What it takes to move a page of 4 KiB, and what an access from afar takes longer than
 * one from near, in nanoseconds. Only their ratio matters. Range 1..10000000.
 */
const volatile __u32 page_move_ns = 10000;
const volatile __u32 remote_ns = 400;

/* What an access takes that is near: no more of them fit into a time. Range 1..10000000. */
const volatile __u32 near_ns = 100;

/*
 * Accesses that a fault stands for; of a device that counts accesses only where it is afar.
 * Range 1..1000000.
 */
const volatile __u32 fault_accesses = 16;

/* The bar is 2^this times the price at most, and the price by 2^this at least. Range 0..16. */
const volatile __u32 max_doublings = 8;
const volatile __u32 max_halvings = 6;

/*
 * Without a move for so long, a level is a step nearer to 0, and that of a node without room
 * in four times that; milliseconds. Range 1..3600000.
 */
const volatile __u32 decay_ms = 4000;

/* A block is 2 MiB, what one request moves. */
#define CDM_RENT_ORDER	9
#define CDM_RENT_PAGES	(1U << CDM_RENT_ORDER)

/* Pages around an access that are armed again to see more. */
#define CDM_RENT_SAMPLE	16U

/* A page has 64. */
#define CDM_RENT_LINES	64

/* Of so many nodes in turn each has a level of its own. */
#define CDM_RENT_LEVELS	8
/* A level that is not known. */
#define CDM_RENT_NEW	127

/* So much that nothing overflows. */
#define CDM_RENT_MAX	(1LL << 60)

/* What has no room is no dearer than 2^this times the price. */
#define CDM_RENT_CROWD	4

/* Who has not accessed a block for so long begins anew, in ns. */
#define CDM_RENT_PAUSE	1000000000ULL

/* What follows from an access. */
enum {
	CDM_RENT_STAY,
	CDM_RENT_SINGLY,	/* what was accessed moves at once */
	CDM_RENT_MOVE,		/* a part of the block moves */
};

struct cdm_rent_event {
	__u64 now;		/* ns */
	__u64 accesses;
	__u64 gap;		/* ns since it was armed; 0: not known, or exact */
	__u64 page_ns;		/* ns that the move of a page takes */
	bool sampled;		/* a CPU's fault at an armed page: others went unseen */
	bool fault;		/* who accesses it waits, so that it can move at once */
	bool apart;		/* and does, by itself */
	bool room;		/* there is some at his node, whatever there was once */
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
	__u64 began;		/* first event of those of user, one after the other */
	__u64 turn;		/* ns that these cost at least, or would have from afar */
	__u64 turn_before;	/* and those of the user before */
	__u64 seen;		/* last one of user at an armed page, 0: none */
	__u64 armed;		/* all of it, by the policy */
	__u64 due;		/* some of it, likewise, or 0 */
	__u64 near_seen;	/* last event of who had it near before others, 0: none */
	__u64 near_due;		/* some of it was armed for him then */
	__u64 others_ns;	/* that their accesses took since */
	__u32 far;		/* what is due was afar */
	__u64 known;		/* last time that anything was */
	__s32 who;		/* wants it */
	__s32 user;		/* of the last event */
	__s32 to;		/* has it */
	__s8 level[CDM_RENT_LEVELS];	/* of the bar, by node moved to */
	__u64 level_at[CDM_RENT_LEVELS];	/* since when */
	__u16 arrived;		/* was seen on @to since */
	__u16 missed;		/* and then elsewhere, for lack of room */
	__u32 alone;		/* page that was to move by itself, plus 1 */
	__u32 pages;		/* that were sent after the first, some twice */
	__u32 sent;		/* that moved in this stay */
	__u16 low, high;	/* pages that anybody has touched */
	__u16 first, last;	/* pages that who touched, or will */
	__u16 sent_first, sent_last;	/* pages that came to @to, all together */
	__u32 left;		/* pages that are still armed, more or less */
	__u32 tgid;
	__u32 moves;
};

/* What is known of moves of other blocks of an address space, by node. */
enum {
	CDM_RENT_UNTRIED,
	CDM_RENT_TRYING,	/* one has moved, and it is not known whether that pays */
	CDM_RENT_TRIED,
};

struct cdm_rent_space {
	__u64 trying[CDM_RENT_LEVELS];	/* since when */
	__u8 state[CDM_RENT_LEVELS];
	__s8 level[CDM_RENT_LEVELS];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);		/* cookie */
	__type(value, struct cdm_rent_space);
} rent_spaces SEC(".maps");

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

/* Nodes that have more to hold than room, modulo CDM_RENT_LEVELS. */
static struct {
	__u64 left;		/* when pages went for lack of room, 0: never */
	__u64 missed;		/* when such pages were wanted again */
	__u32 level;		/* then */
	__u64 filled;		/* when a block was sent to what room there is */
} rent_nodes[CDM_RENT_LEVELS];

/* The block of that key, which may be new; NULL if there is no room. */
static __always_inline struct cdm_rent_block *cdm_rent_find(__u64 mm, __u64 block)
{
	struct cdm_rent_key key = { .mm = mm, .block = block };
	struct cdm_rent_block *b, new = {
		.who = NUMA_NO_NODE, .user = NUMA_NO_NODE,
		.to = NUMA_NO_NODE,
	};

	b = bpf_map_lookup_elem(&rent_blocks, &key);
	if (b)
		return b;
	for (int i = 0; i < CDM_RENT_LEVELS; i++)
		new.level[i] = CDM_RENT_NEW;
	bpf_map_update_elem(&rent_blocks, &key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&rent_blocks, &key);
}

/* The address space of that cookie, which may be new; NULL if there is no room. */
static __always_inline struct cdm_rent_space *cdm_rent_find_space(__u64 mm)
{
	struct cdm_rent_space *s = bpf_map_lookup_elem(&rent_spaces, &mm), new = {};

	if (s)
		return s;
	bpf_map_update_elem(&rent_spaces, &mm, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&rent_spaces, &mm);
}

/* Nothing may come of it: it did not arrive, it is not told of near accesses, it has gone. */
static __always_inline __u32 cdm_rent_state(const struct cdm_rent_space *s, __u32 nid, __u64 now)
{
	__u32 i = nid % CDM_RENT_LEVELS;

	if (s->state[i] == CDM_RENT_TRYING &&
	    cdm_ns_since(s->trying[i], now) > decay_ms * 1000000ULL)
		return CDM_RENT_UNTRIED;
	return s->state[i];
}

/* One tries at the half, others wait for what comes of it. */
static __always_inline __s32 cdm_rent_start(const struct cdm_rent_space *s, __u32 nid, __u64 now)
{
	__u32 state = cdm_rent_state(s, nid, now);
	__s32 level = s->level[nid % CDM_RENT_LEVELS];

	if (state == CDM_RENT_TRYING)
		level = 3;
	if (state == CDM_RENT_UNTRIED)
		level = -1;
	if (level < 0)
		return max_halvings ? level : 0;
	return level < (__s32)max_doublings ? level : (__s32)max_doublings;
}

/* The stay of one at a node has paid for itself, or has not. */
static __always_inline void cdm_rent_tried(struct cdm_rent_space *s, __u32 nid, bool paid)
{
	s->level[nid % CDM_RENT_LEVELS] = paid ? -1 : 1;
	s->state[nid % CDM_RENT_LEVELS] = CDM_RENT_TRIED;
}

/* Pages from the first to the last; others may be changing these. */
static __always_inline __u32 cdm_rent_pages(__u32 first, __u32 last)
{
	return last >= first && last < CDM_RENT_PAGES ? last - first + 1 : 1;
}

/* There and back. */
static __always_inline __u64 cdm_rent_price(const struct cdm_rent_block *b, __u64 page_ns)
{
	return 2 * page_ns * cdm_rent_pages(b->first, b->last);
}

/*
 * Of moves to a node, before the present stay is judged. What there was once is less by now.
 */
static __always_inline __s32 cdm_rent_level(const struct cdm_rent_block *b,
					    const struct cdm_rent_space *s, __u32 nid,
					    __u64 page_ns, __u64 now)
{
	__s32 level = b->level[nid % CDM_RENT_LEVELS];
	__u64 gone;

	if (level == CDM_RENT_NEW) {
		if (max_halvings > 1 &&
		    b->turn_before >= 2 * page_ns * cdm_rent_pages(b->low, b->high))
			return -2;
		level = cdm_rent_start(s, nid, now);
		/* Who has left where it was first need not wait for others to go back. */
		return b->moved && level > 1 ? 0 : level;
	}
	gone = cdm_ns_since(b->level_at[nid % CDM_RENT_LEVELS], now) / (decay_ms * 1000000ULL);
	if (level < 0)
		return gone < (__u64)-level ? level + (__s32)gone : 0;
	return gone < (__u64)level ? level - (__s32)gone : 0;
}

static __always_inline void cdm_rent_set_level(struct cdm_rent_block *b, __u32 nid,
					       __s32 level, __u64 now)
{
	b->level[nid % CDM_RENT_LEVELS] = level;
	b->level_at[nid % CDM_RENT_LEVELS] = now;
}

/* The level of moves to where the block is, as its stay ends. */
static __always_inline __s32 cdm_rent_judged(const struct cdm_rent_block *b,
					     struct cdm_rent_space *s, __u64 page_ns, __u64 now)
{
	__u64 price = (b->moved ? b->price : cdm_rent_price(b, page_ns)) ?: 1;
	__s64 gain = b->earned + (__s64)b->debt;
	__u64 times = gain > 0 ? gain / price : 0;
	__s32 level = b->moved ? cdm_rent_level(b, s, b->to, page_ns, now) : 0;

	/* Nobody chose where it was first. */
	if (!b->moved && !times)
		return CDM_RENT_NEW;
	level -= 2 * (times >= 1) + (times >= 2) + (times >= 4) + (times >= 8);
	if (!times)
		level += 2;
	if (b->moved)
		cdm_rent_tried(s, b->to, times);
	if (level < -(__s32)max_halvings)
		level = -(__s32)max_halvings;
	return level < (__s32)max_doublings ? level : (__s32)max_doublings;
}

/* Pages had to leave @nid so that others had room. */
static __always_inline void cdm_rent_evicted(__u32 nid, __u64 now)
{
	rent_nodes[nid % CDM_RENT_LEVELS].left = now;
}

/* Where little is free one block comes after the other, in ns. */
#define CDM_RENT_FILL	100000000ULL

/*
 * There is room at a node that had too little, of whose @total pages @free are: nothing has to
 * go if a block comes. Whatever is kept free there, if pages had to leave lately it is less;
 * but no watermark asks for more than half (mm/cdm: cdm_evict_high()).
 */
static __always_inline bool cdm_rent_room(__u32 nid, __u64 free, __u64 total, __u64 now)
{
	__u32 i = nid % CDM_RENT_LEVELS;

	if (free * 2 > total)
		return true;
	if (cdm_ns_since(rent_nodes[i].left, now) < decay_ms * 1000000ULL)
		return false;
	if (free * 8 > total)
		return true;
	return free * 64 > total && cdm_ns_since(rent_nodes[i].filled, now) >= CDM_RENT_FILL;
}

/* Moves to a node without room. */
static __always_inline __s32 cdm_rent_crowd(__u32 nid, __u64 now)
{
	__u32 i = nid % CDM_RENT_LEVELS;
	__u64 gone = cdm_ns_since(rent_nodes[i].missed, now) / (decay_ms * 4000000ULL);

	return gone < rent_nodes[i].level ? rent_nodes[i].level - (__s32)gone : 0;
}

/* The block is accessed by whom it had moved to, and is not there. */
static __always_inline void cdm_rent_missed(struct cdm_rent_block *b,
					    const struct cdm_rent_event *e)
{
	__u32 i = (__u32)b->to % CDM_RENT_LEVELS;
	__u32 level = cdm_rent_crowd(b->to, e->now) + 2;

	if (!b->arrived || b->missed || !b->moved || rent_nodes[i].left <= b->moved ||
	    e->first < b->sent_first || e->last > b->sent_last)
		return;
	/* Of what moved singly it may be what never moved. */
	if (b->sent < cdm_rent_pages(b->sent_first, b->sent_last))
		return;
	b->missed = 1;
	rent_nodes[i].level = level < CDM_RENT_CROWD ? level : CDM_RENT_CROWD;
	rent_nodes[i].missed = e->now;
}

/* What whoever wants the block has to pay first. */
static __always_inline __u64 cdm_rent_bar(const struct cdm_rent_block *b, __s32 level,
					  __u64 page_ns)
{
	__u64 price = cdm_rent_price(b, page_ns);

	return level < 0 ? price >> (-level & 31) : price << (level & 31);
}

/*
 * When to look again: it is no use to do so more often than the decision takes, and each time
 * takes about as long as the move of a page, of kcdmd's time too.
 */
static __always_inline __u64 cdm_rent_pause(const struct cdm_rent_block *b,
					    const struct cdm_rent_space *s,
					    const struct cdm_rent_event *e)
{
	__s32 level = cdm_rent_level(b, s, b->who, e->page_ns, e->now);
	__u64 pause = cdm_rent_bar(b, level, e->page_ns) / 16;
	__u64 eighth = cdm_ns_since(b->began, e->now) / 8;

	if (pause < eighth)
		pause = eighth;
	if (pause < 4 * e->page_ns)
		pause = 4 * e->page_ns;
	return pause < CDM_RENT_PAUSE ? pause : CDM_RENT_PAUSE;
}

/* Somebody else armed it all, if it was so much later than what is known of. */
#define CDM_RENT_SLACK	2000000ULL

/*
 * After a CPU's access: shall some pages be armed again? One time after the other, but what
 * is afar matters more: of a block in which somebody has code and data the code comes first.
 * One that was never heard of is lost.
 */
static __always_inline bool cdm_rent_samples(const struct cdm_rent_block *b,
					     const struct cdm_rent_event *e)
{
	return !b->due || e->now >= b->due + CDM_RENT_SLACK || (!b->far && e->src != e->who) ||
	       (b->alone && e->now >= b->due);
}

/* They will be, after @pause. */
static __always_inline void cdm_rent_sampled(struct cdm_rent_block *b,
					     const struct cdm_rent_event *e, __u64 pause)
{
	b->due = e->now + pause;
	b->far = e->src != e->who;
}

/*
 * Pages of the block that are armed, as far as is known, when @here of them are accessed: one,
 * or what one huge entry maps, which is armed as a whole.
 */
static __always_inline __u64 cdm_rent_left(struct cdm_rent_block *b, __u64 pages, __u64 here,
					   __u64 at)
{
	__u64 left = b->left;

	if (b->due && at >= b->due && at - b->due <= CDM_RENT_SLACK) {
		left += here > CDM_RENT_SAMPLE ? here : CDM_RENT_SAMPLE;
		b->due = 0;
	} else if (at > b->known + CDM_RENT_SLACK) {
		left = pages;
	}
	if (at > b->known)
		b->known = at;
	if (left < here)
		left = here;
	return left < pages ? left : pages;
}

/* Accesses that an event stands for. */
static __always_inline __u64 cdm_rent_accesses(struct cdm_rent_block *b,
					       const struct cdm_rent_event *e)
{
	__u64 pages = b->high - b->low + 1, left, before = b->left, seen = b->seen;
	__u64 armed = e->now - e->gap, here = e->last - e->first + 1, nr, could, most;

	if (!e->sampled)
		return e->accesses;
	left = before > here ? before : here;
	if (e->gap)
		left = cdm_rent_left(b, pages, here, armed);
	b->left = left > here ? left - here : 0;
	b->seen = e->now;
	if (!seen || seen >= e->now)
		return e->accesses;
	if (e->gap && armed > seen)
		could = before * (armed - seen) + left * e->gap;
	else
		could = left * (e->now - seen);
	/* Who goes on reads a page's lines, one after the other. */
	nr = CDM_RENT_LINES;
	if (could)
		nr = pages * CDM_RENT_LINES * (e->now - seen) / could;
	most = (e->now - seen) / ((e->who == e->src ? 0 : remote_ns) + near_ns);
	if (nr > most)
		nr = most;
	return nr > e->accesses ? nr : e->accesses;
}

/*
 * Whoever is afar owes so much less. What is reckoned of a CPU is too little where less was
 * armed than is thought, by a third say: who has it near has the benefit of the doubt.
 */
static __always_inline __u64 cdm_rent_take_off(struct cdm_rent_block *b, __u64 cost)
{
	__u64 taken = b->debt > cost ? cost : b->debt;

	b->debt -= taken;
	return taken;
}

/* Near has saved it. The first of an address space to have paid tells the others. */
static __always_inline void cdm_rent_earn(struct cdm_rent_block *b, struct cdm_rent_space *s,
					  __u64 cost)
{
	__s64 price = b->price;

	if (b->earned >= CDM_RENT_MAX)
		return;
	b->earned += cost;
	if (b->moved && b->earned >= price && b->earned - (__s64)cost < price)
		cdm_rent_tried(s, b->to, true);
}

/*
 * Others used the block in between. Who was near and went unseen may have gone on until
 * they began, if he was not to be seen again before; and would have paid for a move.
 */
static __always_inline void cdm_rent_unseen(struct cdm_rent_block *b, struct cdm_rent_space *s)
{
	__u64 began = cdm_ns_since(b->others_ns, b->touched), ns;

	if (b->near_seen && began > b->near_seen && b->near_due > began) {
		ns = (began - b->near_seen) / near_ns * remote_ns;
		if (b->to != b->who)
			cdm_rent_take_off(b, ns);
		cdm_rent_earn(b, s, ns);
	}
	b->near_seen = 0;
}

/* Who accesses the block, and since when. */
static __always_inline void cdm_rent_user(struct cdm_rent_block *b, struct cdm_rent_space *s,
					  const struct cdm_rent_event *e)
{
	if (b->user != e->who || cdm_ns_since(b->touched, e->now) > CDM_RENT_PAUSE) {
		if (e->who == b->to) {
			cdm_rent_unseen(b, s);
		} else if (b->user == b->to) {
			b->near_seen = b->seen;
			b->near_due = b->due;
			b->others_ns = 0;
		}
		b->turn_before = b->user == e->who ? 0 : b->turn;
		b->turn = 0;
		b->user = e->who;
		b->began = e->now;
		b->seen = 0;
		b->due = 0;
	}
	b->touched = e->now;
}

/*
 * Where a move at once has paid, what is touched moves by itself while who touches it waits:
 * so nobody goes on from afar until kcdmd has moved it all, and the rest need not move. Of a
 * few pages kcdmd makes short work, and arms them.
 */
static __always_inline bool cdm_rent_singly(const struct cdm_rent_block *b, __s32 level,
					    const struct cdm_rent_event *e)
{
	return e->apart && level <= -2 && b->high - b->low >= CDM_RENT_SAMPLE;
}

/*
 * What moves, if it does. Where a stay has paid for itself it is what moved the last time,
 * and not what was touched by now, which is little if it is done at once.
 */
static __always_inline void cdm_rent_extent(struct cdm_rent_block *b, __s32 level,
					    const struct cdm_rent_event *e)
{
	__u32 first = e->first, last = e->last;
	__s32 paid = b->level[(__u32)b->who % CDM_RENT_LEVELS] == CDM_RENT_NEW ? -2 : -1;

	if (cdm_rent_singly(b, level, e)) {
		b->first = first;
		b->last = last;
		return;
	}
	/* What was left behind is not all of it. */
	if (b->moved && b->who != b->to && level <= paid) {
		if (first > b->sent_first)
			first = b->sent_first;
		if (last < b->sent_last)
			last = b->sent_last;
	}
	if (!b->debt || b->first > first)
		b->first = first;
	if (!b->debt || b->last < last)
		b->last = last;
}

/*
 * Accesses of one node to pages of a block. If b->first to b->last should move to e->who, it
 * is to be told by cdm_rent_moved() if they do; if not, the next access asks for it again.
 */
static __always_inline __u32 cdm_rent_access(struct cdm_rent_block *b,
					    struct cdm_rent_space *s,
					    const struct cdm_rent_event *e)
{
	__u64 cost, paid, nr, taken = 0;
	__s32 level, crowd;

	cdm_rent_user(b, s, e);
	if (b->to == NUMA_NO_NODE) {
		b->to = e->src;
		b->low = e->first;
		b->high = e->last;
	}
	if (b->low > e->first)
		b->low = e->first;
	if (b->high < e->last)
		b->high = e->last;
	if (e->src == b->to)
		b->arrived = 1;
	nr = cdm_rent_accesses(b, e);
	if (e->who != b->to)
		b->others_ns += nr * (remote_ns + near_ns);
	paid = cost = nr * remote_ns;
	/* What is reckoned may be too much; where all is armed, by far. */
	if (b->turn < CDM_RENT_MAX)
		b->turn += e->fault ? remote_ns : cost;
	if (e->who == e->src) {
		/* Who has a part of it, and wants the rest, loses nothing by a move. */
		if (e->who != b->who)
			taken = cdm_rent_take_off(b, e->sampled ? cost + cost / 2 : cost);
		if (e->who == b->to)
			cdm_rent_earn(b, s, taken > cost ? taken : cost);
		return CDM_RENT_STAY;
	}
	if (e->who == b->to)
		cdm_rent_missed(b, e);
	if (e->src == b->to && b->earned > -CDM_RENT_MAX)
		b->earned -= cost;
	if (e->who != b->who) {
		if (b->debt > paid) {
			cdm_rent_take_off(b, paid);
			return CDM_RENT_STAY;
		}
		paid -= b->debt;
		b->who = e->who;
		b->debt = 0;
	}
	level = cdm_rent_level(b, s, e->who, e->page_ns, e->now);
	crowd = cdm_rent_crowd(e->who, e->now);
	if (crowd > (__s32)max_doublings)
		crowd = max_doublings;
	if (crowd && !e->room && level < crowd)
		level = crowd;
	cdm_rent_extent(b, level, e);
	if (b->debt < CDM_RENT_MAX)
		b->debt += paid;
	if (cdm_rent_singly(b, level, e)) {
		/* The first page of a stay has paid for those that follow it. */
		if (e->who != b->to)
			return b->debt < cdm_rent_bar(b, level, e->page_ns) ? CDM_RENT_STAY :
									      CDM_RENT_SINGLY;
		/* It has not come, or none of so many has been seen there. */
		if (b->alone == e->first + 1 || (!b->arrived && b->sent >= CDM_RENT_SAMPLE))
			return CDM_RENT_MOVE;
		/* It was afar for one access, and is near for the others. */
		if (e->sampled)
			cdm_rent_earn(b, s, cost);
		return CDM_RENT_SINGLY;
	}
	return b->debt >= cdm_rent_bar(b, level, e->page_ns) ? CDM_RENT_MOVE : CDM_RENT_STAY;
}

/*
 * The pages were sent to e->who: once more, if they have not arrived yet, or what was left
 * behind of the block, which prolongs the stay; unless it is too much for that.
 */
static __always_inline void cdm_rent_moved(struct cdm_rent_block *b,
					   struct cdm_rent_space *s,
					   const struct cdm_rent_event *e, __u32 how)
{
	__u32 first = how == CDM_RENT_SINGLY ? e->first : b->first;
	__u32 last = how == CDM_RENT_SINGLY ? e->last : b->last;
	__u32 pages = cdm_rent_pages(first, last), target = (__u32)e->who % CDM_RENT_LEVELS;
	__s32 judged, level;
	__u32 span;

	if (e->room)
		rent_nodes[target].filled = e->now;
	/* What kcdmd moves it arms, whoever was to be seen before. */
	if (how == CDM_RENT_MOVE) {
		b->left = pages;
		b->seen = 0;
		b->due = 0;
	}
	b->alone = how == CDM_RENT_SINGLY ? e->first + 1 : 0;
	if (b->moved && e->who == b->to && (!b->arrived || b->pages <= CDM_RENT_PAGES)) {
		if (b->sent_first > first)
			b->sent_first = first;
		if (b->sent_last < last)
			b->sent_last = last;
		span = cdm_rent_pages(b->sent_first, b->sent_last);
		if (b->arrived)
			b->pages += pages;
		b->sent += pages;
		/* What is on its way is asked for again, and moves once. */
		if (!b->missed && b->sent > span)
			b->sent = span;
		b->price = 2 * e->page_ns * b->sent;
		b->debt = 0;
		b->missed = 0;
		return;
	}
	judged = cdm_rent_judged(b, s, e->page_ns, e->now);
	level = cdm_rent_level(b, s, e->who, e->page_ns, e->now);
	/* It has waited for others, but not for itself. */
	if (b->level[target] == CDM_RENT_NEW && level > 0)
		level = 0;
	cdm_rent_set_level(b, b->to, judged, e->now);
	if ((__u32)b->to % CDM_RENT_LEVELS != target)
		cdm_rent_set_level(b, e->who, level, e->now);
	if (cdm_rent_state(s, target, e->now) == CDM_RENT_UNTRIED) {
		s->trying[target] = e->now;
		s->state[target] = CDM_RENT_TRYING;
	}
	b->price = 2 * pages * e->page_ns;
	b->sent = pages;
	b->sent_first = first;
	b->sent_last = last;
	b->moved = e->now ?: 1;
	b->to = e->who;
	/* What this turn has paid would have been saved. */
	b->earned = b->turn < b->debt ? b->turn : b->debt;
	if (b->earned >= (__s64)b->price)
		cdm_rent_tried(s, e->who, true);
	b->debt = 0;
	b->pages = 0;
	b->missed = 0;
	b->near_seen = 0;
	b->arrived = 0;
	b->moves++;
}

#endif /* _CDM_THRASH_ADAPTIVE_BPF_H */
