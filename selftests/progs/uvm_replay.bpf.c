// SPDX-License-Identifier: GPL-2.0
/*
 * What thrash_uvm would decide, for policy_replay.c: @a is the preferred location, -1 for
 * none, @b is CDM_UVM_PREFERRED_BY_ALL and CDM_UVM_FAST.
 */
#include <cdm/thrash_uvm.bpf.h>

#include "replay.h"

static __always_inline void judge(const struct replay_event *e, struct replay_verdict *v)
{
	struct cdm_uvm_event ev = {
		.now = e->time,
		.mm = e->mm,
		.page = e->page,
		.proc = e->proc,
		.where = e->where,
		.preferred = e->a,
		.facts = e->b,
	};
	struct cdm_uvm_verdict got;

	cdm_uvm_access(&ev, &got);
	v->at = got.action == CDM_UVM_NONE ? e->proc : got.at;
	v->until = got.until;
	v->what = got.action == CDM_UVM_NONE ? REPLAY_MOVE :
		  got.action == CDM_UVM_THROTTLE ? REPLAY_THROTTLE : REPLAY_PIN;
}

#include "replay.bpf.h"
