// SPDX-License-Identifier: GPL-2.0
/*
 * What tier_hot would think of the unit that is accessed, for policy_replay.c: its count,
 * and from which bin on units are hot. @a is how many units there is room for, @b the
 * number of accesses.
 */
#include <cdm/tier_hot.bpf.h>

#include "replay.h"

static __always_inline void judge(const struct replay_event *e, struct replay_verdict *v)
{
	struct cdm_hot_unit *u = cdm_hot_access(e->mm, e->page >> (unit_order & 15), e->b, e->a);

	v->what = REPLAY_HOT;
	v->at = hot_from;
	v->until = u ? cdm_hot_count(u) : ~0ULL;
}

#include "replay.bpf.h"
