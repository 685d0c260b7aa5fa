// SPDX-License-Identifier: GPL-2.0
/*
 * evict_lfu: what was used least often leaves, and old fame fades.
 *
 * What it does: each folio of one node has a key, its accesses plus the age of the node
 * when it was last looked at; a new one has one access. The lowest key leaves, and its
 * key is the node's age from then on, so that what was used much long ago falls behind
 * what is used now (LFU with dynamic aging; Arlitt et al., Performance Evaluation Review
 * 27(4), 2000). Among equals the one leaves that came to its key first.
 *
 * When it suits: skewed accesses whose favourites change slowly.
 *
 * Where it fails: as evict_sieve, it takes access counts that a device reports, and it
 * reads them when it looks: an access counts from the age at which it is seen. What is
 * new and used once leaves first, however soon it would be used again. Memory: see
 * queues.bpf.h, 32 MiB.
 */
#include <cdm/queues.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* The node. Range 0..63; must be a managed node. */
const volatile __s32 nid = 1;

/* Accesses that count, at most. Range 1..14. */
const volatile __u32 freq_max = 14;

/*
 * The lowest key that can be there, which is the age. A queue for each key, round a ring:
 * those in use are from here to freq_max further. Two CPUs at once can put a folio on a
 * queue that was just passed; it comes last then.
 */
__u32 age;

__u64 n_named, n_used, n_stale, n_short;

static __always_inline void enqueue(__u32 i, __u32 freq)
{
	struct cdm_place *me = cdm_place_at(i);

	me->freq = freq > freq_max ? freq_max : freq;
	cdm_queue_push((age + me->freq) % CDM_NR_QUEUES, i);
}

/*
 * It cannot leave now: as late as can be, so that many like it do not bring the walk to
 * a halt.
 */
static __always_inline void put_off(__u32 i)
{
	cdm_queue_push((age + freq_max) % CDM_NR_QUEUES, i);
}

static __always_inline void arrive(const struct cdm_common *c, __u64 pfn)
{
	__u32 i = cdm_place_enter(c, nid, pfn);

	if (i != CDM_NOWHERE)
		enqueue(i, 1);
}

void CDM_CALLBACK(placed, lfu_placed, const struct cdm_placed_ctx *c)
{
	if (c->nid == nid)
		arrive(&c->common, c->pfn);
}

void CDM_CALLBACK(migrated, lfu_migrated, const struct cdm_migrated_ctx *c)
{
	struct cdm_place *me;
	__u32 i;

	switch (cdm_queue_move(c, nid, &i)) {
	case CDM_QUEUE_CAME:
		arrive(&c->common, c->new_pfn);
		break;
	case CDM_QUEUE_LEFT:
		cdm_place_at(i)->mark = 0;
		cdm_queue_remove(i);
		break;
	case CDM_QUEUE_FAILED:
		me = cdm_place_at(i);
		/* It was named, and could not leave. */
		if (me->mark)
			put_off(i);
		me->mark = 0;
		break;
	default:
		break;
	}
}

/* The first of the lowest key that there is, which is the age from now on. */
static __always_inline __u32 next_place(void)
{
	__u32 at, seen;
	int i;

	for (i = 0; i < CDM_NR_QUEUES; i++) {
		seen = age;
		at = cdm_queue_tail(seen % CDM_NR_QUEUES);
		if (at != CDM_NOWHERE)
			return at;
		/* Only from where it was found empty: no CPU skips one that it did not see. */
		__sync_val_compare_and_swap(&age, seen, seen + 1);
	}
	return CDM_NOWHERE;
}

void CDM_CALLBACK(reclaim, lfu_reclaim, const struct cdm_reclaim_ctx *c)
{
	__u64 named = n_named;
	struct cdm_place *me;
	__u32 *step;
	__u32 at;
	int err;

	if (c->nid != nid)
		return;
	cdm_say_of_all(c, cdm_deny());
	bpf_for_each(cdm_step, step, &c->common) {
		at = next_place();
		if (at == CDM_NOWHERE)
			break;
		me = cdm_place_at(at);
		err = cdm_place_propose(&c->common, me, at, false);
		if (err == -ENOSPC)
			break;
		if (err > 0) {
			enqueue(at, me->freq + err);
			__sync_fetch_and_add(&n_used, 1);
			continue;
		}
		if (cdm_place_stale(err)) {
			cdm_queue_remove(at);
			__sync_fetch_and_add(&n_stale, 1);
			continue;
		}
		if (err) {
			put_off(at);
			continue;
		}
		cdm_queue_remove(at);
		me->mark = 1;
		__sync_fetch_and_add(&n_named, 1);
	}
	if (n_named == named) {
		__sync_fetch_and_add(&n_short, 1);
		/* If there are none, the kernel's choice; else it goes on next time. */
		if (next_place() == CDM_NOWHERE)
			cdm_say_of_all(c, cdm_default());
	}
}

CDM_OPS_DEFINE(lfu_ops,
	.placed	= (void *)lfu_placed,
	.migrated = (void *)lfu_migrated,
	.reclaim = (void *)lfu_reclaim,
	.node	= CDM_NODE_ALL,
	.name	= "evict_lfu");
