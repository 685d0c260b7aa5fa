// SPDX-License-Identifier: GPL-2.0
/*
 * What thrash_hysteresis would decide, for policy_replay.c: @a is the node that the page
 * left last, as the kernel knows, and @b how many milliseconds ago, 0 for not known.
 */
#include <cdm/thrash_hysteresis.bpf.h>

#include "replay.h"

static __always_inline void judge(const struct replay_event *e, struct replay_verdict *v)
{
	struct cdm_touch_event ev = {
		.now = e->time,
		.mm = e->mm,
		.page = e->page,
		.who = e->proc,
		.from = e->a,
		.moved_ms = e->b,
	};

	v->what = REPLAY_STAY;
	if (cdm_touch_access(&ev, e->where) != CDM_TOUCH_MOVE)
		return;
	v->what = REPLAY_MOVE;
	v->at = e->proc;
}

#include "replay.bpf.h"
