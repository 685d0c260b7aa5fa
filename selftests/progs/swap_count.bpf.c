// SPDX-License-Identifier: GPL-2.0
/*
 * Two copies of this policy are swapped under load: each counts its own calls.
 *
 * Only addresses that the test owns are counted, so that the sum of both is the
 * number of faults that the test made. traced() counts the kernel's dispatches of
 * the same faults, as the tracepoint shows them.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(7);

/* The answer, as a node; -1: the default. */
const volatile __s32 answer = -1;

/* The test's addresses, and its process. */
const volatile __u64 lo, hi = ~0ULL;
const volatile __u32 tgid;

__u64 n_init, n_exit, n_traced, n_traced_nobody, last_exit_kind;

__u64 CDM_CALLBACK(place, sw_place, const struct cdm_place_ctx *c)
{
	if (c->addr < lo || c->addr >= hi || (tgid && c->tgid != tgid))
		return cdm_default();
	return cdm_count(cdm_node(answer));
}

__s32 CDM_CALLBACK_S(init, sw_init, const struct cdm_init_ctx *c)
{
	__sync_fetch_and_add(&n_init, 1);
	return 0;
}

void CDM_CALLBACK_S(exit, sw_exit, const struct cdm_exit_info *info)
{
	__sync_fetch_and_add(&n_exit, 1);
	last_exit_kind = info->kind;
}

SEC("?tp/cdm/cdm_place")
int traced(struct trace_event_raw_cdm_place *t)
{
	if (t->addr < lo || t->addr >= hi)
		return 0;
	if (!t->policy)
		__sync_fetch_and_add(&n_traced_nobody, 1);
	else if (!tgid || t->tgid == tgid)
		__sync_fetch_and_add(&n_traced, 1);
	return 0;
}

CDM_OPS_DEFINE(swap_ops,
	.place	= (void *)sw_place,
	.init	= (void *)sw_init,
	.exit	= (void *)sw_exit,
	.node	= CDM_NODE_ALL,
	.name	= "swap_count");
