/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A policy's own count of what it answered.
 *
 * The kernel counts too; two counts of one thing that are made apart show a call
 * that was lost or made twice. Each policy here keeps its own in the map
 * "counts", one entry for each CPU. A callback can be preempted, and what runs
 * then on this CPU may be the same callback, so each sum is an atomic add; on a
 * CPU's own memory that costs little.
 */
#ifndef _CDM_COUNTS_BPF_H
#define _CDM_COUNTS_BPF_H

#include <cdm/common.bpf.h>

/* Answers that name a node beyond CDM_MAX_NODES. */
#define CDM_COUNT_OTHER	(CDM_MAX_NODES + 1)

/**
 * struct cdm_counts - value of the map "counts"
 * @calls: calls of place
 * @answers: [0] defaults, [n + 1] answers that named node n, and the last one
 *	all other nodes; their sum is @calls
 */
struct cdm_counts {
	__u64 calls;
	__u64 answers[CDM_MAX_NODES + 2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cdm_counts);
} counts SEC(".maps");

/* Counts one answer and gives it back: return cdm_count(cdm_node(1)); */
static __always_inline __u64 cdm_count(__u64 answer)
{
	__u32 key = 0, i = answer & CDM_ANS_NODE_MASK;
	struct cdm_counts *n;

	n = bpf_map_lookup_elem(&counts, &key);
	if (!n)
		return answer;
	if (i > CDM_COUNT_OTHER)
		i = CDM_COUNT_OTHER;
	__sync_fetch_and_add(&n->calls, 1);
	__sync_fetch_and_add(&n->answers[i], 1);
	return answer;
}

#endif /* _CDM_COUNTS_BPF_H */
