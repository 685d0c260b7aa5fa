/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A batch of folios that may leave a node, between evict.c, which moves them, and
 * kfuncs_evict.c, through which a policy says where to.
 */
#ifndef _MM_CDM_EVICT_H
#define _MM_CDM_EVICT_H

#include <linux/cdm_evict.h>
#include <linux/list.h>

#include "internal.h"

/* Verdicts besides the number of a node + 1; 0 is the kernel's own choice. */
#define CDM_VERDICT_KEEP	U16_MAX
#define CDM_VERDICT_SWAP	(U16_MAX - 1)
static_assert(CDM_VERDICT_SWAP - 1 > MAX_NUMNODES);

/*
 * Enough for a few walks over a full batch, and for a policy to pass over many folios of
 * its own order before it finds one: of 16 MiB, in a millisecond or so.
 */
#define CDM_EVICT_STEPS		(64 * CDM_EVICT_FOLIOS)

/* The most pages that a policy may propose at a time, if no folio is larger. */
#define CDM_EVICT_PROPOSALS	(8 * CDM_EVICT_FOLIOS)

/**
 * struct cdm_evict_batch - folios that reclaim has isolated on one node
 * @call: the policy's call about them
 * @folios: the candidates, the coldest last; isolated and referenced by reclaim,
 *	not locked
 * @proposed: folios that the policy named besides; ours, counted as isolated
 * @current_folio: the candidate of @candidate
 * @nr: candidates
 * @memcg: theirs, which reclaim holds; NULL without cgroups
 * @nr_pages: pages of the candidates
 * @nr_wanted: pages that shall leave, which may be more
 * @nr_proposed: pages of @proposed
 * @nr_chosen: pages of candidates that the policy proposed
 * @nr_refused: proposals that could not be used
 * @node_answer: a verdict that names a node, and is good for every candidate
 * @steps: of walks and loops, of which there may be CDM_EVICT_STEPS: they can be nested
 * @why: enum cdm_evict_why
 * @verdict: of each candidate
 * @candidate: the one that the policy looks at
 */
struct cdm_evict_batch {
	struct cdm_call call;
	struct list_head folios;
	struct list_head proposed;
	struct folio *current_folio;
	struct mem_cgroup *memcg;
	unsigned int nr;
	unsigned int nr_pages;
	unsigned int nr_wanted;
	unsigned int nr_proposed;
	unsigned int nr_chosen;
	unsigned int nr_refused;
	u16 node_answer;
	unsigned int steps;
	enum cdm_evict_why why;
	u16 verdict[CDM_EVICT_FOLIOS];
	struct cdm_candidate candidate;
};

static inline struct cdm_evict_batch *cdm_evict_batch_of(struct cdm_call *call)
{
	return container_of(call, struct cdm_evict_batch, call);
}

/* The most that a policy may propose: what is wanted, or what stock reclaim asks for. */
static inline unsigned int cdm_evict_quota(const struct cdm_evict_batch *b)
{
	return max(b->nr_wanted, 32U);
}

enum cdm_evict_why cdm_evict_why(const struct cdm_node *node);
unsigned long cdm_evict_wanted(const struct cdm_node *node, enum cdm_evict_why why,
			       unsigned long min, unsigned long max);

bool cdm_evict_target_ok(struct folio *folio, int nid);

#endif /* _MM_CDM_EVICT_H */
