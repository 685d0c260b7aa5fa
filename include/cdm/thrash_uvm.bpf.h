/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Thrash detection and mitigation as NVIDIA's UVM driver does it, for thrash_uvm and for
 * a program that replays a recorded stream of accesses.
 *
 * Processors that take a page from each other are made to wait for one another for a
 * while, and when that does not help the page stays in one place:
 *
 *	 nobody else near      <= lapse, another processor      count reaches threshold
 *	block untracked ---------------> block tracked, page counts ----> page thrashes
 *	    ^                                 ^                            |   |
 *	    | quiet for an epoch,             | gap > lapse                |   | throttles
 *	    | at most max_resets times        +----------------------------+   v reach limit
 *	    +---- (from any state)            +------- pin is over -------- page pinned
 *
 * What the five rules that it is known by leave open is decided so:
 *
 *  - An event is a fault: each call counts first, and is then judged by the new count.
 *    (What is throttled therefore counts: it would have moved the page.)
 *  - An event says which processor; a page's count does not ask if it is another one
 *    than before. Only the block's first step does.
 *  - "Within a lapse" has the lapse itself in it: gap <= lapse. "Over" and "after" have
 *    their last moment in it: now >= deadline, now >= end of the pin, gap >= epoch.
 *    Clocks of two CPUs may disagree: time that runs backwards is a gap of 0.
 *  - The event that makes a block tracked is its page's first: it does not count.
 *    Neither does the event after which a page was reset, be it by a gap or by the end
 *    of a pin: the page is as new, and this is its first event.
 *  - Of what a gap does to a page that does not thrash nothing is said: its count stays.
 *  - A block is quiet when none of its pages has an event. It is looked at when the next
 *    comes, so a longer silence is one reset; and one that has no page state has nothing
 *    to reset. After the last of max_resets it is never reset again by silence.
 *  - When a period begins and the requester was the one not throttled in the last one,
 *    nobody is exempt in this one.
 *  - Rules 3 and 4 in this order: the period first, then the pin, then the throttle. So
 *    the fault that finds the limit reached pins, and the one that reaches it throttles.
 *  - Pinned at the processor that is not throttled in this period, where nobody is
 *    exempt at the one that has the page.
 *  - A pin lasts from the fault that made it. Faults meanwhile are told of it, whoever
 *    they are from; they do not count as throttled, and no period begins.
 *  - Counts stop at 65535.
 *
 * State: one entry for each block and one for each page of a tracked block, in maps of
 * least recently used ones: what is pushed out is as new. A page's entry is of its
 * block's life; a block that is reset begins another, which makes the old ones void.
 *
 * Without a lock: events of one block that run into each other (several devices, or one
 * and a CPU) may lose one of a count.
 */
#ifndef _CDM_THRASH_UVM_BPF_H
#define _CDM_THRASH_UVM_BPF_H

#include <cdm/common.bpf.h>

/* log2 of the pages of a block. Range 0..18; 9 is 2 MiB on x86. */
const volatile __u32 block_order = 9;

/* Counted events that make a page thrash. Range 1..65535. */
const volatile __u32 threshold = 3;

/* Throttled faults after which a page is pinned. Range 1..65535. */
const volatile __u32 pin_threshold = 10;

/* Events so close to each other, in microseconds, count. Range 1..1000000. */
const volatile __u32 lapse_us = 500;

/* How long a period of throttling, a block's silence, and a pin are. Range 1..1000000. */
const volatile __u32 nap_lapses = 1;
const volatile __u32 epoch_lapses = 2000;
const volatile __u32 pin_lapses = 300;

/* How often silence resets a block. Range 0..2^32-1. */
const volatile __u32 max_resets = 4;

/* No processor: of a preferred location, there is none; of a period, nobody is exempt. */
#define CDM_UVM_NOBODY		(-1)

#define CDM_UVM_COUNT_MAX	65535

/* What is known of the page besides, for rule 4. */
#define CDM_UVM_PREFERRED_BY_ALL (1U << 0)	/* all reach its preferred location */
#define CDM_UVM_FAST		(1U << 1)	/* a fast link goes to where it is */

struct cdm_uvm_event {
	__u64 now;		/* ns */
	__u64 mm;		/* cookie */
	__u64 page;		/* address >> CDM_PAGE_SHIFT */
	__s32 proc;		/* who asks */
	__s32 where;		/* who has the page */
	__s32 preferred;
	__u32 facts;
};

enum cdm_uvm_action {
	CDM_UVM_NONE,		/* no thrashing: it moves to who asks */
	CDM_UVM_THROTTLE,	/* who asks waits until then */
	CDM_UVM_PIN,		/* the page stays at a processor until then */
};

struct cdm_uvm_verdict {
	__u64 until;		/* ns */
	__u32 action;
	__s32 at;
	bool fresh;		/* the pin is made now */
};

struct cdm_uvm_key {
	__u64 mm;
	__u64 nr;		/* of the block, or of the page */
};

struct cdm_uvm_block {
	__u64 last;		/* event of any of its pages */
	__u32 life;
	__u32 resets;
	__s32 proc;		/* whose event that was */
	__u32 tracked;		/* its pages have state */
};

struct cdm_uvm_page {
	__u64 last;
	__u64 deadline;		/* of the period */
	__u64 pin_end;
	__u32 life;		/* of the block, when this began */
	__u16 count;
	__u16 throttles;
	__s32 exempt;		/* from throttling, in this period */
	__s32 pinned;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct cdm_uvm_key);
	__type(value, struct cdm_uvm_block);
} uvm_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct cdm_uvm_key);
	__type(value, struct cdm_uvm_page);
} uvm_pages SEC(".maps");

/* Lives of all blocks so far. */
__u32 uvm_lives;

static __always_inline __u64 cdm_uvm_lapse(void)
{
	return lapse_us * 1000ULL;
}

static __always_inline __u32 cdm_uvm_new_life(void)
{
	return __sync_fetch_and_add(&uvm_lives, 1) + 1;
}

/* Rules 1 and the second half of 5: has its pages' state a life? 0 if not yet. */
static __always_inline __u32 cdm_uvm_block_event(const struct cdm_uvm_event *e)
{
	struct cdm_uvm_key key = { .mm = e->mm, .nr = e->page >> (block_order & 31) };
	struct cdm_uvm_block *b, new = { .last = e->now, .proc = e->proc };
	__u64 gap;

	b = bpf_map_lookup_elem(&uvm_blocks, &key);
	if (!b) {
		new.life = cdm_uvm_new_life();
		bpf_map_update_elem(&uvm_blocks, &key, &new, BPF_NOEXIST);
		return 0;
	}
	gap = cdm_ns_since(b->last, e->now);
	if (b->tracked && gap >= epoch_lapses * cdm_uvm_lapse() && b->resets < max_resets) {
		b->tracked = 0;
		b->resets++;
		b->life = cdm_uvm_new_life();
	}
	if (!b->tracked && b->proc != e->proc && gap <= cdm_uvm_lapse())
		b->tracked = 1;
	b->last = e->now;
	b->proc = e->proc;
	return b->tracked ? b->life : 0;
}

static __always_inline void cdm_uvm_page_init(struct cdm_uvm_page *p, __u64 now, __u32 life)
{
	__builtin_memset(p, 0, sizeof(*p));
	p->last = now;
	p->life = life;
	p->exempt = CDM_UVM_NOBODY;
	p->pinned = CDM_UVM_NOBODY;
}

/* Rules 2 and the first half of 5; NULL if there is no room for it. */
static __always_inline struct cdm_uvm_page *
cdm_uvm_page_event(const struct cdm_uvm_event *e, __u32 life)
{
	struct cdm_uvm_key key = { .mm = e->mm, .nr = e->page };
	struct cdm_uvm_page *p, new;

	p = bpf_map_lookup_elem(&uvm_pages, &key);
	if (!p) {
		cdm_uvm_page_init(&new, e->now, life);
		bpf_map_update_elem(&uvm_pages, &key, &new, BPF_NOEXIST);
		return bpf_map_lookup_elem(&uvm_pages, &key);
	}
	if (p->life != life ||
	    (p->pinned != CDM_UVM_NOBODY && e->now >= p->pin_end)) {
		cdm_uvm_page_init(p, e->now, life);
	} else if (cdm_ns_since(p->last, e->now) <= cdm_uvm_lapse()) {
		if (p->count < CDM_UVM_COUNT_MAX)
			p->count++;
	} else if (p->count >= threshold && p->pinned == CDM_UVM_NOBODY) {
		cdm_uvm_page_init(p, e->now, life);
	}
	p->last = e->now;
	return p;
}

/* Rule 4: the processor to pin it at, CDM_UVM_NOBODY if it is not to be. */
static __always_inline __s32 cdm_uvm_pin_at(const struct cdm_uvm_event *e,
					    const struct cdm_uvm_page *p)
{
	if (e->preferred != CDM_UVM_NOBODY && e->facts & CDM_UVM_PREFERRED_BY_ALL)
		return e->preferred;
	if (e->facts & CDM_UVM_FAST)
		return e->where;
	if (p->throttles < pin_threshold)
		return CDM_UVM_NOBODY;
	return p->exempt != CDM_UVM_NOBODY ? p->exempt : e->where;
}

/* What to do about an access from afar. */
static __always_inline void cdm_uvm_access(const struct cdm_uvm_event *e,
					   struct cdm_uvm_verdict *v)
{
	__u32 life = cdm_uvm_block_event(e);
	struct cdm_uvm_page *p;

	v->until = 0;
	v->action = CDM_UVM_NONE;
	v->at = CDM_UVM_NOBODY;
	v->fresh = false;
	if (!life)
		return;
	p = cdm_uvm_page_event(e, life);
	if (!p)
		return;
	if (p->pinned == CDM_UVM_NOBODY) {
		if (p->count < threshold)
			return;
		if (e->now >= p->deadline) {
			p->deadline = e->now + nap_lapses * cdm_uvm_lapse();
			p->exempt = p->exempt == e->proc ? CDM_UVM_NOBODY : e->proc;
		}
		p->pinned = cdm_uvm_pin_at(e, p);
		v->fresh = p->pinned != CDM_UVM_NOBODY;
		p->pin_end = e->now + pin_lapses * cdm_uvm_lapse();
	}
	if (p->pinned != CDM_UVM_NOBODY) {
		v->action = CDM_UVM_PIN;
		v->at = p->pinned;
		v->until = p->pin_end;
		return;
	}
	if (p->exempt == e->proc)
		return;
	if (p->throttles < CDM_UVM_COUNT_MAX)
		p->throttles++;
	v->action = CDM_UVM_THROTTLE;
	v->until = p->deadline;
}

/* Has it been taken from one another just now, and may be again? Nothing is counted. */
static __always_inline bool cdm_uvm_watched(__u64 mm, __u64 page, __u64 now)
{
	struct cdm_uvm_key key = { .mm = mm, .nr = page };
	struct cdm_uvm_page *p = bpf_map_lookup_elem(&uvm_pages, &key);

	return p && p->pinned == CDM_UVM_NOBODY &&
	       cdm_ns_since(p->last, now) <= cdm_uvm_lapse();
}

#endif /* _CDM_THRASH_UVM_BPF_H */
