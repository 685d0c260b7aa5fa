// SPDX-License-Identifier: GPL-2.0
/*
 * What thrash_adaptive would decide, for policy_replay.c: @a is the number of pages of the
 * event and @b the number of accesses that it stands for.
 *
 * Blocks are where they were moved to; @where is for those that never were.
 */
#include <cdm/thrash_adaptive.bpf.h>

#include "replay.h"

static __always_inline void judge(const struct replay_event *e, struct replay_verdict *v)
{
	struct cdm_rent_block *b = cdm_rent_find(e->mm, e->page >> CDM_RENT_ORDER);
	__u32 first = e->page & (CDM_RENT_PAGES - 1);
	struct cdm_rent_event ev = {
		.now = e->time,
		.accesses = e->b,
		.page_ns = page_move_ns,
		.who = e->proc,
		.first = first,
		.last = first + e->a - 1,
	};

	v->what = REPLAY_STAY;
	if (!b)
		return;
	ev.src = b->moves ? b->to : e->where;
	if (!cdm_rent_access(b, &ev))
		return;
	v->what = REPLAY_MOVE;
	v->at = ev.who;
	cdm_rent_moved(b, &ev);
}

#include "replay.bpf.h"
