// SPDX-License-Identifier: GPL-2.0
/*
 * evict_s3fifo: a small queue in front keeps what is used once out of the main one.
 *
 * What it does: new folios of one node enter the small queue, which is to have a
 * tenth of the node. Its oldest goes on to the main queue if it was accessed at least
 * twice since, else it leaves and is remembered. The oldest of the main queue leaves if it
 * was not accessed, else it enters it again with one access less to its credit; three
 * count at most. A folio that is remembered when it comes back enters the main queue
 * at once (S3-FIFO; Yang et al., SOSP 2023).
 *
 * When it suits: skewed accesses with scans mixed in, for which it was made.
 *
 * Where it fails: as evict_sieve, it takes access counts that a device reports. A
 * cycle of reuse longer than the small queue is not seen before the second time around.
 * Memory: see queues.bpf.h, 32 MiB, and about 20 MiB for what left.
 */
#include <cdm/queues.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* The node. Range 0..63; must be a managed node. */
const volatile __s32 nid = 1;

/* Percent of the folios that the small queue is to have. Range 1..99. */
const volatile __u32 small_percent = 10;

/* Accesses in the small queue that make a folio go on. Range 1..3. */
const volatile __u32 promote_at = 2;

#define FREQ_MAX 3

enum { SMALL, MAIN };

/*
 * Folios of the small queue that left, by page_id: a queue in the order in which they
 * did, with holes for those that came back, and where in it each one is. As many are
 * remembered as the main queue is to have.
 */
#define GHOSTS	(1U << 18)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GHOSTS);
	__type(key, __u64);
	__type(value, __u64);
} ghosts SEC(".maps");

__u64 ghost_queue[GHOSTS] SEC(".bss.ghosts");
__u64 ghost_head, ghost_tail;
__s64 ghosts_live;

__u64 n_named, n_promoted, n_again, n_ghost_hits, n_stale, n_short;

/* True if it was remembered. */
static __always_inline bool forget(__u64 id)
{
	__u64 *nr = bpf_map_lookup_elem(&ghosts, &id), i;

	if (!nr)
		return false;
	i = *nr & (GHOSTS - 1);
	if (bpf_map_delete_elem(&ghosts, &id))
		return false;
	ghost_queue[i] = 0;
	__sync_fetch_and_sub(&ghosts_live, 1);
	return true;
}

static __always_inline void remember(__u64 id)
{
	__u64 all = cdm_queue_len(SMALL) + cdm_queue_len(MAIN), nr, old;
	__s64 limit = all * (100 - small_percent) / 100;
	int i;

	forget(id);
	nr = __sync_fetch_and_add(&ghost_tail, 1);
	if (bpf_map_update_elem(&ghosts, &id, &nr, BPF_ANY))
		return;
	ghost_queue[nr & (GHOSTS - 1)] = id;
	__sync_fetch_and_add(&ghosts_live, 1);
	/* One is to go for each that comes; the holes before it go as well. */
	for (i = 0; i < 8; i++) {
		if ((ghosts_live <= limit && ghost_tail - ghost_head < GHOSTS / 2) ||
		    ghost_head >= ghost_tail)
			break;
		old = ghost_queue[ghost_head & (GHOSTS - 1)];
		if (old)
			forget(old);
		ghost_head++;
	}
}

static __always_inline void arrive(const struct cdm_common *c, __u64 pfn, __u64 id)
{
	__u32 i = cdm_place_enter(c, nid, pfn);

	if (i == CDM_NOWHERE)
		return;
	if (id && forget(id)) {
		__sync_fetch_and_add(&n_ghost_hits, 1);
		cdm_queue_push(MAIN, i);
	} else {
		cdm_queue_push(SMALL, i);
	}
}

void CDM_CALLBACK(placed, s3_placed, const struct cdm_placed_ctx *c)
{
	if (c->nid == nid)
		arrive(&c->common, c->pfn, 0);
}

void CDM_CALLBACK(migrated, s3_migrated, const struct cdm_migrated_ctx *c)
{
	struct cdm_place *me;
	__u32 i;

	switch (cdm_queue_move(c, nid, &i)) {
	case CDM_QUEUE_CAME:
		arrive(&c->common, c->new_pfn, c->page_id);
		break;
	case CDM_QUEUE_LEFT:
		me = cdm_place_at(i);
		if (me->mark == SMALL + 1 && c->mover == CDM_MOVER_EVICT && c->page_id)
			remember(c->page_id);
		me->mark = 0;
		cdm_queue_remove(i);
		break;
	case CDM_QUEUE_FAILED:
		me = cdm_place_at(i);
		/* It was named, and could not leave; or it can, for another node. */
		if (me->mark && c->mover == CDM_MOVER_EVICT)
			cdm_queue_push(me->mark - 1, i);
		break;
	default:
		break;
	}
}

/* Was it accessed so often that its turn is not the last? */
static __always_inline bool stays(__u32 queue, __u32 freq)
{
	return queue == SMALL ? freq >= promote_at : freq > 0;
}

/* The oldest of the queue whose turn it is. */
static __always_inline __u32 next_place(__u32 *queue)
{
	__u64 small = cdm_queue_len(SMALL), all = small + cdm_queue_len(MAIN);

	*queue = small * 100 >= all * small_percent || small == all ? SMALL : MAIN;
	return cdm_queue_tail(*queue);
}

void CDM_CALLBACK(reclaim, s3_reclaim, const struct cdm_reclaim_ctx *c)
{
	__u64 named = n_named;
	struct cdm_place *me;
	__u32 at, queue;
	__s32 used;
	__u32 *step;
	int err;

	if (c->nid != nid)
		return;
	cdm_say_of_all(c, cdm_deny());
	bpf_for_each(cdm_step, step, &c->common) {
		at = next_place(&queue);
		if (at == CDM_NOWHERE)
			break;
		me = cdm_place_at(at);
		/* Whether it stays may be known, or be for the next look to say. */
		if (stays(queue, me->freq)) {
			used = cdm_place_look(&c->common, me, at);
			err = used < 0 ? -ESTALE : 0;
		} else {
			err = cdm_place_propose(&c->common, me, at, false);
			used = err > 0 ? err : 0;
		}
		if (err == -ENOSPC)
			break;
		if (cdm_place_stale(err)) {
			cdm_queue_remove(at);
			__sync_fetch_and_add(&n_stale, 1);
			continue;
		}
		used += me->freq;
		me->freq = used > FREQ_MAX ? FREQ_MAX : used;
		if (stays(queue, me->freq)) {
			me->mark = 0;
			if (queue == MAIN) {
				me->freq--;
				__sync_fetch_and_add(&n_again, 1);
			} else {
				me->freq = 0;
				__sync_fetch_and_add(&n_promoted, 1);
			}
			cdm_queue_push(MAIN, at);
			continue;
		}
		/* Once is not often enough. */
		if (err > 0)
			err = cdm_place_propose(&c->common, me, at, true);
		if (err == -ENOSPC)
			break;
		cdm_queue_remove(at);
		if (err) {
			/* Its turn comes again. */
			cdm_queue_push(queue, at);
			continue;
		}
		me->mark = queue + 1;
		__sync_fetch_and_add(&n_named, 1);
	}
	if (n_named == named) {
		__sync_fetch_and_add(&n_short, 1);
		/* If there are none, the kernel's choice; else it goes on next time. */
		if (!cdm_queue_len(SMALL) && !cdm_queue_len(MAIN))
			cdm_say_of_all(c, cdm_default());
	}
}

CDM_OPS_DEFINE(s3_ops,
	.placed	= (void *)s3_placed,
	.migrated = (void *)s3_migrated,
	.reclaim = (void *)s3_reclaim,
	.node	= CDM_NODE_ALL,
	.name	= "evict_s3fifo");
