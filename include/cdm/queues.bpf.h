/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues of a node's folios, for policies with an order of their own.
 *
 * Each folio of the node has a place in the array cdm_places, found by its frame, and
 * is in one of a few doubly linked lists or in none. New ones enter at the head; the
 * tail is the oldest. What is known of its folio is there as well: the sequence that
 * names it, and the access count when the policy looked last.
 *
 * Memory: 32 bytes a page, CDM_PLACES pages of one node. Frames beyond that are in no
 * list: what they hold leaves when the kernel chooses.
 *
 * Locking: one bpf_spin_lock for all lists. No kfunc and no map may be called under it,
 * which is why the places are a global array.
 */
#ifndef _CDM_QUEUES_BPF_H
#define _CDM_QUEUES_BPF_H

#include <cdm/common.bpf.h>

/* 4 GiB of small pages. */
#define CDM_PLACES	(1U << 20)
#define CDM_NR_QUEUES	16
#define CDM_NOWHERE	(~0U)

struct cdm_place {
	__u32 prev, next;	/* towards the head, towards the tail */
	__u32 seq;
	__u32 queue;		/* + 1; 0: in none */
	__u32 access;		/* of the folio, when it was looked at last */
	__u32 freq, mark;	/* the policy's */
	__u32 pad;
};

struct cdm_queue_ends {
	__u32 head, tail, nr, pad;
};

struct cdm_place cdm_places[CDM_PLACES] SEC(".bss.places");
struct cdm_queue_ends cdm_queues[CDM_NR_QUEUES];
/* Static: a map that user space can map cannot have a lock. */
static struct bpf_spin_lock cdm_queue_lock SEC(".bss.lock") __attribute__((aligned(8)));

/* The frame of place 0: the node's first. */
__u64 places_base;

/* CDM_NOWHERE has a place as well, that of another; ask before. */
static __always_inline struct cdm_place *cdm_place_at(__u32 i)
{
	return &cdm_places[i & (CDM_PLACES - 1)];
}

static __always_inline struct cdm_queue_ends *cdm_queue_at(__u32 queue)
{
	return &cdm_queues[queue & (CDM_NR_QUEUES - 1)];
}

/* Frame to place and back. */
static __always_inline __u32 cdm_place_of(__u64 pfn)
{
	__u64 i = pfn - places_base;

	return places_base && i < CDM_PLACES ? i : CDM_NOWHERE;
}

/* Under the lock. */
static __always_inline void __cdm_queue_push(__u32 queue, __u32 i)
{
	struct cdm_queue_ends *q = cdm_queue_at(queue);
	struct cdm_place *me = cdm_place_at(i);

	me->prev = CDM_NOWHERE;
	me->next = q->nr ? q->head : CDM_NOWHERE;
	me->queue = queue + 1;
	if (q->nr)
		cdm_place_at(q->head)->prev = i;
	else
		q->tail = i;
	q->head = i;
	q->nr++;
}

/* Under the lock; the place is in a queue. */
static __always_inline void __cdm_queue_remove(__u32 i)
{
	struct cdm_place *me = cdm_place_at(i);
	struct cdm_queue_ends *q = cdm_queue_at(me->queue - 1);

	if (me->prev != CDM_NOWHERE)
		cdm_place_at(me->prev)->next = me->next;
	else
		q->head = me->next;
	if (me->next != CDM_NOWHERE)
		cdm_place_at(me->next)->prev = me->prev;
	else
		q->tail = me->prev;
	q->nr--;
	me->queue = 0;
}

/* Puts a place at the head of a queue, from whichever it is in. */
static __always_inline void cdm_queue_push(__u32 queue, __u32 i)
{
	bpf_spin_lock(&cdm_queue_lock);
	if (cdm_place_at(i)->queue)
		__cdm_queue_remove(i);
	__cdm_queue_push(queue, i);
	bpf_spin_unlock(&cdm_queue_lock);
}

/* Takes a place off the queue that it is in, if any. */
static __always_inline void cdm_queue_remove(__u32 i)
{
	bpf_spin_lock(&cdm_queue_lock);
	if (cdm_place_at(i)->queue)
		__cdm_queue_remove(i);
	bpf_spin_unlock(&cdm_queue_lock);
}

static __always_inline __u32 cdm_queue_len(__u32 queue)
{
	return cdm_queue_at(queue)->nr;
}

/* The oldest of a queue, CDM_NOWHERE if it is empty. */
static __always_inline __u32 cdm_queue_tail(__u32 queue)
{
	struct cdm_queue_ends *q = cdm_queue_at(queue);

	return q->nr ? q->tail : CDM_NOWHERE;
}

/*
 * A folio came to the node: its place, named, with a clean slate and in no queue;
 * CDM_NOWHERE if there is none.
 */
static __always_inline __u32 cdm_place_enter(const struct cdm_common *c, __s32 nid,
					     __u64 pfn)
{
	struct cdm_folio_info info;
	struct cdm_place *me;
	__u32 i;

	if (!places_base)
		places_base = cdm_bpf_node_stat(c, nid, CDM_ITEM_BASE);
	i = cdm_place_of(pfn);
	if (i == CDM_NOWHERE || cdm_bpf_folio_info(c, pfn, &info, sizeof(info)))
		return CDM_NOWHERE;
	/* Whoever was there has gone, and did not say so. */
	cdm_queue_remove(i);
	me = cdm_place_at(i);
	me->seq = info.seq;
	me->access = info.access;
	me->freq = 0;
	me->mark = 0;
	return i;
}

/*
 * How often the folio was accessed since the last look, which this is; -1 if it is
 * not there any more.
 */
static __always_inline __s32 cdm_place_look(const struct cdm_common *c,
					    struct cdm_place *me, __u32 i)
{
	struct cdm_folio_info info;
	__u32 before = me->access;

	if (cdm_bpf_folio_info(c, places_base + i, &info, sizeof(info)) ||
	    (__u32)info.seq != me->seq)
		return -1;
	me->access = info.access;
	return (info.access - before) & 0xffff;
}

/*
 * Names the folio at a place, if it was not accessed since the last look or if @used does
 * not mind; what cdm_bpf_evict_propose() says. A positive answer was a look.
 */
static __always_inline int cdm_place_propose(const struct cdm_common *c,
					     struct cdm_place *me, __u32 i, bool used)
{
	int ret = cdm_bpf_evict_propose(c, places_base + i, me->seq,
					used ? -1 : (__s64)me->access);

	if (ret > 0)
		me->access = (me->access + ret) & 0xffff;
	return ret;
}

/* Nothing is there any more that has this name. */
static __always_inline bool cdm_place_stale(int err)
{
	return err == -ESTALE || err == -ENXIO;
}

/* Under the lock: @to is in the place of @from, in the list and in what is known. */
static __always_inline void __cdm_place_transfer(__u32 from, __u32 to)
{
	struct cdm_place *old = cdm_place_at(from), *new = cdm_place_at(to);
	struct cdm_queue_ends *q;

	if (new->queue)
		__cdm_queue_remove(to);
	*new = *old;
	old->queue = 0;
	old->mark = 0;
	if (!new->queue)
		return;
	q = cdm_queue_at(new->queue - 1);
	if (new->prev != CDM_NOWHERE)
		cdm_place_at(new->prev)->next = to;
	else
		q->head = to;
	if (new->next != CDM_NOWHERE)
		cdm_place_at(new->next)->prev = to;
	else
		q->tail = to;
}

/* What a move means to the queues of a node. */
enum cdm_queue_move {
	CDM_QUEUE_NOT_OURS,
	CDM_QUEUE_CAME,		/* cdm_place_enter() is for the policy */
	CDM_QUEUE_LEFT,		/* *place has become free */
	CDM_QUEUE_FAILED,	/* what is at *place was to leave, and did not */
	CDM_QUEUE_WITHIN,	/* compaction, say; it is at *place now, with all it had */
};

static __always_inline enum cdm_queue_move
cdm_queue_move(const struct cdm_migrated_ctx *c, __s32 nid, __u32 *place)
{
	__u32 to;

	if (c->src_nid != nid)
		return !c->status && c->dst_nid == nid ? CDM_QUEUE_CAME : CDM_QUEUE_NOT_OURS;
	*place = cdm_place_of(c->old_pfn);
	/* It had no place, and may get one. */
	if (*place == CDM_NOWHERE)
		return !c->status && c->dst_nid == nid ? CDM_QUEUE_CAME : CDM_QUEUE_NOT_OURS;
	if (c->status)
		return c->dst_nid == nid ? CDM_QUEUE_NOT_OURS : CDM_QUEUE_FAILED;
	if (c->dst_nid != nid)
		return CDM_QUEUE_LEFT;
	to = cdm_place_of(c->new_pfn);
	if (to == CDM_NOWHERE)
		return CDM_QUEUE_LEFT;
	if (to == *place)
		return CDM_QUEUE_NOT_OURS;
	bpf_spin_lock(&cdm_queue_lock);
	__cdm_place_transfer(*place, to);
	bpf_spin_unlock(&cdm_queue_lock);
	*place = to;
	return CDM_QUEUE_WITHIN;
}

#endif /* _CDM_QUEUES_BPF_H */
