// SPDX-License-Identifier: GPL-2.0
/*
 * What thrash_adaptive would decide, for policy_replay.c: @a is the number of pages of the
 * event and @b the number of accesses that it stands for. If @b is 0, it is a CPU's fault
 * at an armed page; then there are pages in the lower 10 bits of @a, and above them is how
 * many microseconds ago it was armed. If both are, the block had to leave node @proc.
 *
 * With -s total_pages=N all nodes have so many, of which -s free_pages=N are.
 *
 * Blocks are where they were moved to; @where is for those that never were.
 */
#include <cdm/thrash_adaptive.bpf.h>

#include "replay.h"

const volatile __u64 free_pages, total_pages;

static __always_inline void judge(const struct replay_event *e, struct replay_verdict *v)
{
	struct cdm_rent_block *b = cdm_rent_find(e->mm, e->page >> CDM_RENT_ORDER);
	struct cdm_rent_space *s = cdm_rent_find_space(e->mm);
	__u32 first = e->page & (CDM_RENT_PAGES - 1), how;
	struct cdm_rent_event ev = {
		.now = e->time,
		.accesses = e->b ?: fault_accesses,
		.sampled = !e->b,
		.fault = !e->b,
		.apart = !e->b,
		.gap = e->b ? 0 : (e->a >> 10) * 1000ULL,
		.page_ns = page_move_ns,
		.who = e->proc,
		.first = first,
		.last = first + (e->b ? e->a : e->a & 1023) - 1,
	};

	v->what = REPLAY_STAY;
	if (!b || !s)
		return;
	if (!e->a && !e->b) {
		cdm_rent_evicted(e->proc, e->time);
		b->tgid = 1;	/* that it has */
		return;
	}
	ev.room = total_pages && cdm_rent_crowd(e->proc, e->time) &&
		  cdm_rent_room(e->proc, free_pages, total_pages, e->time);
	ev.src = b->moves && !b->tgid ? b->to : e->where;
	how = cdm_rent_access(b, s, &ev);
	if (how == CDM_RENT_STAY) {
		if (ev.sampled && cdm_rent_samples(b, &ev))
			cdm_rent_sampled(b, &ev, cdm_rent_pause(b, s, &ev));
		return;
	}
	v->what = REPLAY_MOVE;
	v->at = ev.who;
	cdm_rent_moved(b, s, &ev, how);
	b->tgid = 0;
}

#include "replay.bpf.h"
