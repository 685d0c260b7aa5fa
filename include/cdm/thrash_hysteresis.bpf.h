/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Touches before a page moves, for thrash_hysteresis and for a program that replays a
 * recorded stream of accesses.
 *
 *	             first touch               as many as are needed, each
 *	(nothing) ----------------> marked ----- within a window of the last ----> moves
 *	                             |  ^
 *	                             +--+  by another processor, or too late: it begins anew
 *
 * Two are needed. A page that comes back to the node that it left a short while ago needs
 * twice as many as when it came back last: 4, 8, 16 and so on, up to 2 << max_doublings.
 * That it does is known from the policy's own last move, or from the kernel where another
 * moved it. When it goes elsewhere, or after a longer while, two are enough again. A move
 * that was to be and was not is asked for again after as many touches.
 */
#ifndef _CDM_THRASH_HYSTERESIS_BPF_H
#define _CDM_THRASH_HYSTERESIS_BPF_H

#include <cdm/common.bpf.h>

/* Touches this far from each other count, in milliseconds. Range 1..3600000. */
const volatile __u32 window_ms = 1000;

/* A page that comes back within this time comes back, in milliseconds. Range 0..3600000. */
const volatile __u32 return_ms = 5000;

/* At most 2 << max_doublings touches are needed. Range 0..16. */
const volatile __u32 max_doublings = 6;

struct cdm_touch_event {
	__u64 now;		/* ns */
	__u64 mm;		/* cookie */
	__u64 page;		/* address >> CDM_PAGE_SHIFT */
	__s32 who;		/* node that asks */
	__s32 from;		/* node that it left last, as the kernel knows */
	__u32 moved_ms;		/* how long ago, 0: not known */
};

enum cdm_touch_action {
	CDM_TOUCH_MARK,		/* it stays */
	CDM_TOUCH_MOVE,		/* it moves to who asks */
};

struct cdm_touch_key {
	__u64 mm;
	__u64 page;
};

struct cdm_touch_page {
	__u64 last;		/* touch */
	__u64 moved;		/* by us, 0: never */
	__s32 who;		/* whose touches these are */
	__s32 from;		/* node that it left then */
	__u32 touches;
	__u32 returns;		/* in a row */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct cdm_touch_key);
	__type(value, struct cdm_touch_page);
} touch_pages SEC(".maps");

/* How often it came back in a row, if it moved from @src now. */
static __always_inline __u32 cdm_touch_level(const struct cdm_touch_event *e,
					     const struct cdm_touch_page *p, __s32 src)
{
	bool lately = p->moved &&
		      cdm_ns_since(p->moved, e->now) <= return_ms * 1000000ULL;

	if ((e->moved_ms && e->moved_ms <= return_ms && e->from == e->who) ||
	    (lately && p->from == e->who))
		return p->returns < max_doublings ? p->returns + 1 : max_doublings;
	/* It did not move when it should have. */
	return lately && p->from == src ? p->returns : 0;
}

/*
 * A touch from afar; @src is the node that has the page. If the answer is to move it, it
 * has moved for all that is known from now on.
 */
static __always_inline enum cdm_touch_action
cdm_touch_access(const struct cdm_touch_event *e, __s32 src)
{
	struct cdm_touch_key key = { .mm = e->mm, .page = e->page };
	struct cdm_touch_page *p, new = { .from = NUMA_NO_NODE };
	__u32 level;

	p = bpf_map_lookup_elem(&touch_pages, &key);
	if (!p) {
		new.last = e->now;
		new.who = e->who;
		new.touches = 1;
		bpf_map_update_elem(&touch_pages, &key, &new, BPF_NOEXIST);
		return CDM_TOUCH_MARK;
	}
	if (p->who == e->who &&
	    cdm_ns_since(p->last, e->now) <= window_ms * 1000000ULL)
		p->touches++;
	else
		p->touches = 1;
	p->who = e->who;
	p->last = e->now;
	level = cdm_touch_level(e, p, src);
	if (p->touches < 2U << (level & 31))
		return CDM_TOUCH_MARK;
	p->returns = level;
	p->touches = 0;
	p->moved = e->now;
	p->from = src;
	return CDM_TOUCH_MOVE;
}

#endif /* _CDM_THRASH_HYSTERESIS_BPF_H */
