// SPDX-License-Identifier: GPL-2.0
/*
 * thrash_adaptive: memory moves to a processor that has paid for the move already.
 *
 * What it does: for each block of 2 MiB it adds up what accesses from afar have cost, less
 * what those from near would have. When that is what it takes to move the touched pages
 * there and back, they move. A stay that ends before it has paid for itself makes the next
 * at that node four times as dear, one that has makes it cheaper
 * (include/cdm/thrash_adaptive.bpf.h).
 * Where it is known that a move at once pays, each page moves by itself as it is touched.
 * Where there is no room, what comes must be used more than what leaves. What a page costs
 * to move is measured from the policy's own moves. Blocks in use are
 * armed about once a second, so that it sees who uses them; and 64 KiB around a CPU's
 * access again soon after it, so that it sees how much.
 *
 * When it suits: nobody knows which of the phases are long enough for a move to pay. At
 * worst as much again is spent on moves as on accesses from afar, and much less where
 * blocks go to and fro: nothing needs to be tuned for that.
 *
 * Where it fails: it is as good as what it is told. A CPU's accesses are reckoned from a
 * few of them, whose intervals may mislead; each is taken for a pass over a page's lines.
 * A device's counters are exact, but if they do not count what is near, near looks idle.
 * Where CPU and device use a block at the same time the CPU's share is taken for less than
 * it is. Two hot spots of different processors in one block are one to it, and it moves
 * neither. The first move comes late, by design. It knows three constants of the machine
 * by guess (page_move_ns, remote_ns, near_ns), of which one is then learnt.
 * Memory: 5 MiB for what is known of 16384 blocks.
 */
#include <cdm/arm.bpf.h>
#include <cdm/thrash_adaptive.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* 1: what a move takes is measured; page_move_ns is where it begins. Range 0..1. */
const volatile __u32 learn = 1;

/* A block in use is armed again after so long, in milliseconds; 0: never. Range 0..3600000. */
const volatile __u32 arm_ms = 1000;

/* So many in one tick, of which there are ten a second. Range 0..16384. */
const volatile __u32 arm_blocks = 64;

/* 1: what a CPU has accessed is armed again soon, to see how much it does. Range 0..1. */
const volatile __u32 sample = 1;

__u64 n_moves, n_pages, n_stays, n_near, n_arms, n_samples, n_failed;

/* ---- what the move of a page takes ------------------------------------------- */

/* A measurement lies within this factor of page_move_ns, or the clock was not ours. */
#define LEARN_FACTOR	8
/* What comes later than this is of another move. */
#define PROBE_NS	100000000ULL

/*
 * One move at a time is measured, from the request to its last page, which makes it more
 * than the move took if kcdmd had others to do. Pages that are not there, or that the
 * fault moved, never come: half of them are enough.
 */
static struct {
	__u64 asked, last;
	__u64 want, got;	/* pages; want 0: none is measured */
	__s32 from, to;
} probe;

/* What was measured, by and by; 0: nothing yet. */
__u64 learnt_ns;

static __always_inline __u64 page_ns(void)
{
	return learn && learnt_ns ? learnt_ns : page_move_ns;
}

static __always_inline void learn_from(__u64 ns)
{
	__u64 old = page_ns();

	if (ns > page_move_ns * (__u64)LEARN_FACTOR)
		ns = page_move_ns * (__u64)LEARN_FACTOR;
	if (ns < page_move_ns / LEARN_FACTOR)
		ns = page_move_ns / LEARN_FACTOR;
	if (ns > 2 * old)
		ns = 2 * old;
	/* Waiting only adds to it: what took less is nearer to the truth. */
	if (!learnt_ns)
		learnt_ns = (old + ns) / 2 ?: 1;
	else if (ns < old)
		learnt_ns = (old * 3 + ns) / 4 ?: 1;
	else
		learnt_ns = (old * 63 + ns + 63) / 64;
}

static __always_inline void probe_begin(const struct cdm_rent_event *e, __u64 pages)
{
	__u64 now = e->now;
	__u64 got = probe.got;

	/* Of a few it is kcdmd's answer that takes the time. */
	if (!learn || pages < 16 || (probe.want && cdm_ns_since(probe.asked, now) <= PROBE_NS))
		return;
	if (got && got * 2 >= probe.want)
		learn_from(cdm_ns_since(probe.asked, probe.last) / got);
	probe.want = 0;
	probe.asked = now;
	probe.got = 0;
	probe.from = e->src;
	probe.to = e->who;
	probe.want = pages;
}

/* One page moves while who touched it waits. Not static: a compiler splits it, not its BTF. */
struct {
	__u64 pfn, asked;
} single;

static __always_inline void single_begin(__u64 pfn, __u64 now)
{
	single.asked = now;
	single.pfn = pfn;
}

static __always_inline void single_end(__u64 pfn, __u64 now)
{
	if (!single.pfn || single.pfn != pfn)
		return;
	single.pfn = 0;
	/* It failed at first, if it took longer. */
	if (cdm_ns_since(single.asked, now) <= page_move_ns * (__u64)LEARN_FACTOR)
		learn_from(cdm_ns_since(single.asked, now));
}

static __always_inline void probe_pages(__u64 now, __u64 pages)
{
	if (probe.got >= probe.want || cdm_ns_since(probe.asked, now) > PROBE_NS)
		return;
	probe.last = now;
	__sync_fetch_and_add(&probe.got, pages);
}

void CDM_CALLBACK(migrated, adaptive_migrated, const struct cdm_migrated_ctx *c)
{
	__u64 now = bpf_ktime_get_ns();

	if (c->status)
		return;
	if (c->mover == CDM_MOVER_EVICT || c->mover == CDM_MOVER_DEMOTION)
		cdm_rent_evicted(c->src_nid, now);
	if (learn && !c->order)
		single_end(c->old_pfn, now);
	/* The latter, if the fault was faster than kcdmd. */
	if (learn && c->src_nid == probe.from && c->dst_nid == probe.to &&
	    (c->mover == CDM_MOVER_CDM || c->mover == CDM_MOVER_NUMA_BALANCING))
		probe_pages(now, 1ULL << (c->order & 31));
}

/* ---- accesses ------------------------------------------------------------------ */

#define BLOCK_SHIFT	(CDM_PAGE_SHIFT + CDM_RENT_ORDER)

/*
 * Nodes modulo CDM_RENT_LEVELS whose accesses are counted: faults do not count once more. From
 * afar they do, for those that are to come.
 */
static __u8 counted[CDM_RENT_LEVELS];

#define SAMPLE_BYTES	((__u64)CDM_RENT_SAMPLE << CDM_PAGE_SHIFT)

/* The CPU goes on, or does not: to be seen as soon as it is worth it. */
static __always_inline void sample_more(const struct cdm_access_ctx *c,
					struct cdm_rent_block *b,
					const struct cdm_rent_space *s,
					const struct cdm_rent_event *e)
{
	__u64 at = c->addr & ~(SAMPLE_BYTES - 1), pause = cdm_rent_pause(b, s, e);
	struct cdm_move_req req = {
		.start = at,
		.end = at + SAMPLE_BYTES,
		.mm_cookie = c->mm_cookie,
		.tgid = c->tgid,
		.nid = NUMA_NO_NODE,
		.flags = CDM_MOVE_ARM,
		.delay_us = pause / 1000,
	};
	int err;

	if (!cdm_rent_samples(b, e))
		return;
	err = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	if (err && err != -EEXIST) {
		__sync_fetch_and_add(&n_failed, 1);
		return;
	}
	cdm_rent_sampled(b, e, pause);
	__sync_fetch_and_add(&n_samples, 1);
}

/* It matters to who is afar from a node that had too little room. */
static __always_inline bool has_room(const struct cdm_access_ctx *c, __u64 now)
{
	__s64 free, total;

	if (c->acc_nid == c->src_nid || !cdm_rent_crowd(c->acc_nid, now))
		return false;
	free = cdm_bpf_node_stat(&c->common, c->acc_nid, CDM_ITEM_FREE);
	total = cdm_bpf_node_stat(&c->common, c->acc_nid, CDM_ITEM_TOTAL);
	return free > 0 && total > 0 && cdm_rent_room(c->acc_nid, free, total, now);
}

__u64 CDM_CALLBACK(access, adaptive_access, const struct cdm_access_ctx *c)
{
	__u64 first = (c->addr >> CDM_PAGE_SHIFT) & (CDM_RENT_PAGES - 1);
	__u64 last = first + cdm_event_pages(c) - 1, nr, now = bpf_ktime_get_ns();
	__u32 begin, how;
	bool fault = c->kind != CDM_ACCESS_COUNTER;
	struct cdm_rent_event e = {
		.now = now,
		.accesses = fault && (c->acc_nid != c->src_nid ||
				      !counted[(__u32)c->acc_nid % CDM_RENT_LEVELS]) ?
			    (__u64)c->count * fault_accesses : c->count,
		.gap = c->armed_ns,
		.page_ns = page_ns(),
		.sampled = sample && c->kind == CDM_ACCESS_HINT,
		.fault = fault,
		/* A file's page may have to be written first, of a large folio all would move. */
		.apart = fault && cdm_event_pages(c) == 1U << (c->order & 31) &&
			 (c->kind != CDM_ACCESS_HINT || c->flags & CDM_ACCESS_ANON),
		.room = has_room(c, now),
		.who = c->acc_nid,
		.src = c->src_nid,
		.first = first,
		.last = last < CDM_RENT_PAGES ? last : CDM_RENT_PAGES - 1,
	};
	struct cdm_rent_block *b = cdm_rent_find(c->mm_cookie, c->addr >> BLOCK_SHIFT);
	struct cdm_rent_space *s = cdm_rent_find_space(c->mm_cookie);

	if (!fault)
		counted[(__u32)c->acc_nid % CDM_RENT_LEVELS] = 1;
	if (!b || !s)
		return cdm_node(c->src_nid);
	b->tgid = c->tgid;
	how = cdm_rent_access(b, s, &e);
	if (how == CDM_RENT_STAY) {
		__sync_fetch_and_add(e.who == e.src ? &n_near : &n_stays, 1);
		if (e.sampled)
			sample_more(c, b, s, &e);
		return cdm_node(c->src_nid);
	}
	begin = b->first % CDM_RENT_PAGES;
	nr = cdm_rent_pages(begin, b->last);
	if (how == CDM_RENT_MOVE &&
	    cdm_ask_range(c, (c->addr >> BLOCK_SHIFT << BLOCK_SHIFT) +
			  ((__u64)begin << CDM_PAGE_SHIFT), nr, e.who,
			  CDM_MOVE_ARM | CDM_MOVE_SHARED | CDM_MOVE_EVICT)) {
		__sync_fetch_and_add(&n_failed, 1);
		return cdm_node(c->src_nid);
	}
	cdm_rent_moved(b, s, &e, how);
	if (how == CDM_RENT_MOVE)
		probe_begin(&e, nr);
	else if (!c->order)
		single_begin(c->pfn, e.now);
	/* What moves at once is not armed by that. */
	if (e.sampled && how == CDM_RENT_SINGLY)
		sample_more(c, b, s, &e);
	__sync_fetch_and_add(&n_moves, 1);
	__sync_fetch_and_add(&n_pages, nr);
	/* What was touched now need not wait for kcdmd. */
	return cdm_node(e.who);
}

/* ---- arming -------------------------------------------------------------------- */

struct arming {
	const struct cdm_common *common;
	__u64 now;
	__u32 left;
};

/* What was touched since it was armed last has lost some of it, if not all. */
static long arm_block(struct bpf_map *map, struct cdm_rent_key *key,
		      struct cdm_rent_block *b, struct arming *a)
{
	struct cdm_move_req req = {
		.start = key->block << BLOCK_SHIFT,
		.end = (key->block + 1) << BLOCK_SHIFT,
		.mm_cookie = key->mm,
		.tgid = b->tgid,
		.nid = NUMA_NO_NODE,
		.flags = CDM_MOVE_ARM,
	};
	bool lost;
	int err;

	/* Whoever was not seen again where he should have been may be elsewhere in the block. */
	lost = b->due && a->now > b->due + CDM_RENT_SLACK &&
	       cdm_ns_since(b->touched, a->now) < CDM_RENT_PAUSE;
	if (b->touched <= b->armed ||
	    (b->armed && !lost && cdm_ns_since(b->armed, a->now) < arm_ms * 1000000ULL))
		return 0;
	if (!a->left)
		return 1;
	a->left--;
	b->armed = a->now;
	err = cdm_bpf_enqueue_range(a->common, &req, sizeof(req));
	if (err && err != -EEXIST) {
		__sync_fetch_and_add(&n_failed, 1);
		return 1;
	}
	__sync_fetch_and_add(&n_arms, 1);
	return 0;
}

void CDM_CALLBACK_S(tick, adaptive_tick, const struct cdm_tick_ctx *c)
{
	struct arming a = {
		.common = &c->common,
		.now = bpf_ktime_get_ns(),
		.left = arm_blocks,
	};

	if (arm_ms)
		bpf_for_each_map_elem(&rent_blocks, arm_block, &a, 0);
}

__s32 CDM_CALLBACK_S(init, adaptive_init, const struct cdm_init_ctx *c)
{
	if (!page_move_ns || page_move_ns > 10000000 || !remote_ns || remote_ns > 10000000 ||
	    !near_ns || near_ns > 10000000 || !fault_accesses || fault_accesses > 1000000) {
		CDM_ERROR(c, -22, "page_move_ns %u, remote_ns %u and near_ns %u: want 1..10000000; fault_accesses %u: want 1..1000000",
			  page_move_ns, remote_ns, near_ns, fault_accesses);
		return -22;
	}
	if (max_halvings > 16) {
		CDM_ERROR(c, -22, "max_halvings %u: want 0..16", max_halvings);
		return -22;
	}
	if (max_doublings > 16 || !decay_ms || decay_ms > 3600000 || arm_ms > 3600000 ||
	    arm_blocks > 16384) {
		CDM_ERROR(c, -22, "max_doublings %u: want 0..16; decay_ms %u: want 1..3600000; arm_ms %u: want 0..3600000; arm_blocks %u: want 0..16384",
			  max_doublings, decay_ms, arm_ms, arm_blocks);
		return -22;
	}
	return 0;
}

void CDM_CALLBACK(dump, adaptive_dump, const struct cdm_dump_ctx *c)
{
	CDM_DUMP(c, "%llu moves of %llu pages, a page in %llu ns; %llu accesses from afar stayed, %llu from near\n",
		 n_moves, n_pages, page_ns(), n_stays, n_near);
	CDM_DUMP(c, "%llu blocks armed, %llu times 64 KiB of one, %llu requests failed\n", n_arms,
		 n_samples, n_failed);
}

CDM_OPS_DEFINE(adaptive_ops,
	.access	= (void *)adaptive_access,
	.migrated = (void *)adaptive_migrated,
	.tick	= (void *)adaptive_tick,
	.init	= (void *)adaptive_init,
	.dump	= (void *)adaptive_dump,
	.node	= CDM_NODE_ALL,
	.tick_ms = 100,
	.name	= "thrash_adaptive");
