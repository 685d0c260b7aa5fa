// SPDX-License-Identifier: GPL-2.0
/*
 * Moves that cannot be made where they are wished for.
 *
 * A policy sees in a fault, with a page table locked, what should be elsewhere;
 * moving it there sleeps. So the wish is written down here, and kcdmd/N moves.
 *
 *	any context		kcdmd/N
 *	cdm_queue_add() ------> cdm_queue_run()
 *	  full: refused		  requests of one kind for one target, oldest first
 *	  known: -EEXIST	  mmap_lock taken: tried again later, a few times
 *
 * A request may say that it is too early yet. It is set aside then, and a timer puts it
 * into the queue: who samples accesses wants to arm again at a time of his choice, which
 * ticks are too coarse for.
 *
 * A queue has a fixed number of requests, so a policy that asks for too much
 * loses its own wishes and costs no memory. The address space of a request is
 * named by process and cookie and looked up when its turn comes: nothing keeps a
 * process that exits, and its requests lead nowhere then.
 *
 * Locks: queue->lock is a leaf, taken with interrupts off from any context but
 * NMI. A policy's requests are dropped when it is detached, a node's when it
 * goes.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>
#include <trace/events/cdm.h>

#include "internal.h"
#include "migrate.h"

/* Requests a node has room for, and chains to find equal ones in. */
#define QUEUE_REQUESTS	4096
#define QUEUE_HASH_BITS	9

/* Of these, so many can be set aside: the timer looks at them all. */
#define QUEUE_ASIDE	256

/* What kcdmd takes at a time. */
#define QUEUE_BATCH	64

/* A mapping that is being changed is tried again so often. */
#define QUEUE_TRIES	3

struct request {
	struct list_head list;
	struct hlist_node hash;
	struct cdm_request r;
	u64 since;
	u64 due;			/* set aside until then, or 0 */
	u32 tries;
};

struct cdm_queue {
	spinlock_t lock;		/* for all of it; interrupts off */
	bool open;
	unsigned int nr;		/* in the fifo */
	unsigned int nr_aside;
	u64 next_due;			/* when the timer comes, or U64_MAX */
	struct hrtimer timer;
	struct cdm_node *node;
	struct list_head fifo;
	struct list_head aside;
	struct list_head free;
	struct hlist_head hash[1 << QUEUE_HASH_BITS];
	struct request slots[QUEUE_REQUESTS];
};

/* Under q->lock. */
static void queue_ready(struct cdm_queue *q, struct request *req)
{
	req->since = req->due;
	req->due = 0;
	q->nr_aside--;
	list_move_tail(&req->list, &q->fifo);
	WRITE_ONCE(q->nr, q->nr + 1);
}

/* Under q->lock. Not for a timer that comes early enough. */
static void queue_set_timer(struct cdm_queue *q, u64 due)
{
	if (due >= q->next_due)
		return;
	q->next_due = due;
	hrtimer_start(&q->timer, ns_to_ktime(due), HRTIMER_MODE_ABS_SOFT);
}

static enum hrtimer_restart queue_timer(struct hrtimer *timer)
{
	struct cdm_queue *q = container_of(timer, struct cdm_queue, timer);
	u64 now = ktime_get_ns(), next = U64_MAX;
	struct request *req, *tmp;
	bool ready = false;

	scoped_guard(spinlock_irqsave, &q->lock) {
		list_for_each_entry_safe(req, tmp, &q->aside, list) {
			if (req->due <= now) {
				queue_ready(q, req);
				ready = true;
			} else {
				next = min(next, req->due);
			}
		}
		/* Started here and not by its result: somebody may have started it. */
		q->next_due = U64_MAX;
		queue_set_timer(q, next);
	}
	if (ready)
		cdm_kcdmd_wake(q->node);
	return HRTIMER_NORESTART;
}

/**
 * cdm_queue_alloc() - a queue for a node
 * @node: the node
 *
 * Context: may sleep.
 * Return: the queue, or NULL.
 */
struct cdm_queue *cdm_queue_alloc(struct cdm_node *node)
{
	struct cdm_queue *q = vzalloc(sizeof(*q));
	int i;

	if (!q)
		return NULL;
	spin_lock_init(&q->lock);
	q->node = node;
	q->next_due = U64_MAX;
	hrtimer_init(&q->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	q->timer.function = queue_timer;
	INIT_LIST_HEAD(&q->fifo);
	INIT_LIST_HEAD(&q->aside);
	INIT_LIST_HEAD(&q->free);
	for (i = 0; i < QUEUE_REQUESTS; i++)
		list_add_tail(&q->slots[i].list, &q->free);
	return q;
}

/**
 * cdm_queue_free() - free a queue
 * @q: a queue that is closed, or was never open; or NULL
 *
 * Context: may sleep.
 */
void cdm_queue_free(struct cdm_queue *q)
{
	if (!q)
		return;
	hrtimer_cancel(&q->timer);
	vfree(q);
}

static struct hlist_head *queue_chain(struct cdm_queue *q,
				      const struct cdm_request *r)
{
	return &q->hash[hash_64(r->where ^ r->mm_cookie << 40, QUEUE_HASH_BITS)];
}

/* Under q->lock. Somebody who waits has a request of his own. */
static struct request *queue_find(struct cdm_queue *q,
				  const struct cdm_request *want)
{
	struct request *req;

	hlist_for_each_entry(req, queue_chain(q, want), hash)
		if (req->r.where == want->where && req->r.nr == want->nr &&
		    req->r.mm_cookie == want->mm_cookie && !req->r.wait)
			return req;
	return NULL;
}

/*
 * Two wishes for the same pages become one. The latest counts; but a driver's outlives a
 * policy, and who only arms does not take back a move, nor the other way round.
 */
static void queue_merge(struct cdm_request *to, const struct cdm_request *older,
			const struct cdm_request *newer)
{
	const struct cdm_request *move = newer->nid == NUMA_NO_NODE ? older : newer;
	u32 flags = move->flags | ((older->flags | newer->flags) & CDM_MOVE_ARM);
	u64 policy = older->policy ? newer->policy : 0;

	to->nid = move->nid;
	to->flags = flags;
	to->policy = policy;
}

/* Under q->lock. */
static int queue_insert(struct cdm_queue *q, const struct cdm_request *want)
{
	u64 now = ktime_get_ns(), due = now + want->delay_us * NSEC_PER_USEC;
	struct request *req;

	if (!q->open)
		return -ENODEV;
	req = want->wait ? NULL : queue_find(q, want);
	if (req) {
		queue_merge(&req->r, &req->r, want);
		/* Whoever is in more of a hurry. */
		if (req->due > due) {
			req->due = due;
			queue_set_timer(q, due);
		}
		return -EEXIST;
	}
	req = list_first_entry_or_null(&q->free, struct request, list);
	if (!req || (want->delay_us && q->nr_aside == QUEUE_ASIDE))
		return -ENOSPC;
	req->r = *want;
	req->since = now;
	req->due = 0;
	req->tries = 0;
	hlist_add_head(&req->hash, queue_chain(q, want));
	if (want->delay_us) {
		req->due = due;
		q->nr_aside++;
		list_move_tail(&req->list, &q->aside);
		queue_set_timer(q, due);
	} else {
		list_move_tail(&req->list, &q->fifo);
		WRITE_ONCE(q->nr, q->nr + 1);
	}
	return 0;
}

/**
 * cdm_queue_add() - have pages moved later
 * @node: whose kcdmd shall do it
 * @want: what to move; copied
 *
 * Context: any but NMI, on PREEMPT_RT any that may take a spinlock; under RCU or
 * cdm_node_lock.
 * Return: 0; -EEXIST if the same pages are in the queue, whose target and flags
 * are now these, and which comes no later; -ENOSPC if the queue is full, or 256 requests
 * wait for their time, -ENODEV if the node is going.
 */
int cdm_queue_add(struct cdm_node *node, const struct cdm_request *want)
{
	struct cdm_queue *q = node->queue;
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&q->lock, flags);
	ret = queue_insert(q, want);
	spin_unlock_irqrestore(&q->lock, flags);
	switch (ret) {
	case 0:
		cdm_node_count(node, CDM_STAT_QUEUED, 1);
		if (!want->delay_us)
			cdm_kcdmd_wake(node);
		break;
	case -EEXIST:
		cdm_node_count(node, CDM_STAT_QUEUE_SAME, 1);
		break;
	case -ENOSPC:
		cdm_node_count(node, CDM_STAT_QUEUE_FULL, 1);
		break;
	}
	return ret;
}

static void request_done(const struct request *req, const struct cdm_move *mv,
			 int err)
{
	struct cdm_move_wait *wait = req->r.wait;

	if (!wait)
		return;
	wait->err = err;
	if (mv)
		memcpy(wait->nr, mv->nr, sizeof(wait->nr));
	complete(&wait->done);
}

/* Under q->lock: takes a request out of the order; it is in use till freed. */
static void queue_unlink(struct cdm_queue *q, struct request *req,
			 struct list_head *list)
{
	hlist_del(&req->hash);
	list_move_tail(&req->list, list);
	if (req->due)
		q->nr_aside--;
	else
		WRITE_ONCE(q->nr, q->nr - 1);
}

static void queue_free(struct cdm_queue *q, struct list_head *list)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	list_splice_init(list, &q->free);
	spin_unlock_irqrestore(&q->lock, flags);
}

/*
 * The oldest request, and those after it that have its target and flags; or, of those that
 * only arm, as @arms says.
 */
static struct cdm_move queue_take(struct cdm_queue *q, struct list_head *list, bool arms,
				  u32 *nr_pages)
{
	struct cdm_move mv = {};
	struct request *req, *next;
	int nr = 0, looked = 0;
	unsigned long flags;

	*nr_pages = 0;
	spin_lock_irqsave(&q->lock, flags);
	list_for_each_entry_safe(req, next, &q->fifo, list) {
		if (arms && req->r.nid != NUMA_NO_NODE)
			continue;
		if (!looked) {
			mv.nid = req->r.nid;
			mv.flags = req->r.flags;
		}
		if (req->r.nid == mv.nid && req->r.flags == mv.flags) {
			queue_unlink(q, req, list);
			*nr_pages += req->r.nr;
			nr++;
		}
		if (nr == QUEUE_BATCH || *nr_pages >= CDM_BATCH_PAGES ||
		    ++looked == 8 * QUEUE_BATCH)
			break;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	mv.flags |= CDM_MOVE_ASYNC;
	return mv;
}

/* Under RCU. */
static bool policy_there(u64 id)
{
	const struct cdm_table *t = rcu_dereference(cdm_table);
	int i;

	for (i = 0; t && i < t->nr; i++)
		if (t->policies[i]->id == id)
			return true;
	return false;
}

/*
 * The mapping was being changed: to the end of the queue, if it may be. Not if
 * the policy went meanwhile: cdm_queue_forget() comes a grace period after it
 * left the table, and does not see what kcdmd has in its hands.
 */
static bool queue_again(struct cdm_node *node, struct request *req)
{
	struct cdm_queue *q = node->queue;
	struct request *same;
	unsigned long flags;
	bool again;

	if (++req->tries == QUEUE_TRIES)
		return false;
	guard(rcu)();
	if (req->r.policy && !policy_there(req->r.policy))
		return false;
	spin_lock_irqsave(&q->lock, flags);
	same = req->r.wait ? NULL : queue_find(q, &req->r);
	again = q->open && !same;
	if (same) {
		queue_merge(&same->r, &req->r, &same->r);
		/* The time of this one has come. */
		if (same->due) {
			same->due = ktime_get_ns();
			queue_ready(q, same);
		}
	}
	if (again) {
		hlist_add_head(&req->hash, queue_chain(q, &req->r));
		list_move_tail(&req->list, &q->fifo);
		WRITE_ONCE(q->nr, q->nr + 1);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return again;
}

/* @tried: its pages are in the run's counts, whatever is returned. */
static int run_request(struct cdm_run *run, const struct cdm_request *r,
		       unsigned long index, bool *tried)
{
	struct mm_struct *mm;
	u64 end;
	int err;

	if (!r->mm_cookie) {
		cdm_run_pfn(run, r->where, index);
		return 0;
	}
	mm = cdm_mm_get(r->tgid, r->mm_cookie);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	end = r->where + ((u64)r->nr << PAGE_SHIFT);
	err = r->nid == NUMA_NO_NODE ? 0 : cdm_run_range(run, mm, r->where, end, index);
	*tried = r->nid != NUMA_NO_NODE && !err;
	if (!err && r->flags & CDM_MOVE_ARM) {
		/* Where they are then. */
		cdm_run_flush(run);
		err = min(cdm_arm_range(mm, r->where, end, true), 0L);
	}
	/* Not the one to tear it down, if it was the last. */
	mmput_async(mm);
	return err;
}

static void count_left(struct cdm_node *node, const struct cdm_move *mv)
{
	unsigned long left = 0;
	int i;

	for (i = CDM_MOVE_ALREADY; i < CDM_NR_MOVE_STATUS; i++)
		left += mv->nr[i];
	cdm_node_count(node, CDM_STAT_QUEUE_MOVED, mv->nr[CDM_MOVE_MOVED]);
	cdm_node_count(node, CDM_STAT_QUEUE_LEFT, left);
}

/*
 * Requests of one target and one set of flags. Leaves those on the list that have
 * come to an end; the result is true if others were put back for later.
 */
static bool run_list(struct cdm_node *node, struct list_head *list, u32 pages,
		     struct cdm_move *mv)
{
	struct request *req, *next;
	unsigned long index = 0;
	struct cdm_run run;
	bool later = false;
	int err;

	err = cdm_move_arms_only(mv) ? 0 : cdm_move_check(mv);
	err = err ?: cdm_run_begin(&run, mv, pages);
	if (err) {
		list_for_each_entry(req, list, list)
			request_done(req, NULL, err);
		cdm_node_count(node, CDM_STAT_QUEUE_LEFT, pages);
		return false;
	}
	run.drain = true;
	list_for_each_entry_safe(req, next, list, list) {
		u64 waited = ktime_get_ns() - req->since;
		bool moves = req->r.nid != NUMA_NO_NODE, tried = false;
		u32 nr = req->r.nr;

		err = run_request(&run, &req->r, index, &tried);
		index += nr;
		trace_cdm_request(node->nid, &req->r, waited, err);
		/* The move is made; what is tried again is to arm. */
		if (err == -EAGAIN && tried) {
			req->r.nid = NUMA_NO_NODE;
			req->r.flags = CDM_MOVE_ARM;
		}
		/* What is armed only is in no count of pages that were to move. */
		if (!moves)
			run.total -= nr;
		/* Put back, it is not ours any more. */
		if (err == -EAGAIN && queue_again(node, req)) {
			if (moves && !tried)
				run.total -= nr;
			later = true;
		}
	}
	cdm_run_flush(&run);
	cdm_run_end(&run);
	count_left(node, mv);
	/* Who waits wants a result of his own, and is alone in the list. */
	list_for_each_entry(req, list, list)
		request_done(req, mv, err);
	return later;
}

/* Requests that were put back, and the limit of the node, are looked at again. */
#define QUEUE_LATER	(HZ / 100 + 1)

/**
 * cdm_queue_run() - move a batch of what a node's queue holds
 * @node: the node; its kcdmd is the caller
 *
 * Bounded: up to 64 requests or 512 pages, but the folio of a page that was named
 * by its frame may be large. After that kcdmd looks at its other work.
 *
 * Context: kcdmd/N, no lock held. Waits for no lock that a fault may hold.
 * Return: jiffies until it shall be called again, 0 for at once, and
 * MAX_SCHEDULE_TIMEOUT if nothing is left to do.
 */
long cdm_queue_run(struct cdm_node *node)
{
	struct cdm_queue *q = node->queue;
	struct request *req, *next;
	struct cdm_move batch, mv;
	bool later = false, limited;
	LIST_HEAD(list);
	LIST_HEAD(one);
	u32 pages;

	if (!READ_ONCE(q->nr))
		return MAX_SCHEDULE_TIMEOUT;
	/* What cannot move now had better wait here than be thrown away. */
	limited = cdm_limit_tokens(&node->limit) <= 0;
	batch = queue_take(q, &list, limited, &pages);
	if (list_empty(&list))
		return QUEUE_LATER;
	list_for_each_entry_safe(req, next, &list, list) {
		if (!req->r.wait)
			continue;
		mv = batch;
		pages -= req->r.nr;
		list_move(&req->list, &one);
		later |= run_list(node, &one, req->r.nr, &mv);
		queue_free(q, &one);
	}
	if (!list_empty(&list)) {
		mv = batch;
		later |= run_list(node, &list, pages, &mv);
		queue_free(q, &list);
	}
	if (!READ_ONCE(q->nr))
		return MAX_SCHEDULE_TIMEOUT;
	return later ? QUEUE_LATER : 0;
}

static void queue_drop(struct cdm_node *node, u64 policy, bool all)
{
	struct cdm_queue *q = node->queue;
	struct request *req, *next;
	LIST_HEAD(list);
	u64 nr = 0;

	scoped_guard(spinlock_irqsave, &q->lock) {
		list_for_each_entry_safe(req, next, &q->fifo, list)
			if (all || req->r.policy == policy)
				queue_unlink(q, req, &list);
		list_for_each_entry_safe(req, next, &q->aside, list)
			if (all || req->r.policy == policy)
				queue_unlink(q, req, &list);
	}
	list_for_each_entry(req, &list, list) {
		request_done(req, NULL, -ECANCELED);
		nr++;
	}
	cdm_node_count(node, CDM_STAT_QUEUE_DROPPED, nr);
	queue_free(q, &list);
}

/**
 * cdm_queue_open() - take requests
 * @node: the node; its kcdmd is about to start, or its memory stays
 *
 * Context: under cdm_node_lock.
 */
void cdm_queue_open(struct cdm_node *node)
{
	scoped_guard(spinlock_irqsave, &node->queue->lock)
		node->queue->open = true;
}

/**
 * cdm_queue_close() - take no more requests and drop those that are there
 * @node: the node; its memory is about to go, or its kcdmd has stopped
 *
 * What kcdmd has in its hands comes to its end, and is not put back.
 *
 * Context: under cdm_node_lock.
 */
void cdm_queue_close(struct cdm_node *node)
{
	scoped_guard(spinlock_irqsave, &node->queue->lock)
		node->queue->open = false;
	queue_drop(node, 0, true);
}

/**
 * cdm_queue_forget() - drop what a policy asked for, from every queue
 * @policy: its id; it is asked nothing any more
 *
 * What kcdmd is moving at this moment is moved.
 *
 * Context: any but NMI.
 */
void cdm_queue_forget(u64 policy)
{
	struct cdm_node *node;
	int nid;

	guard(rcu)();
	for_each_node_mask(nid, cdm_managed_nodes) {
		node = cdm_node_of(nid);
		if (node)
			queue_drop(node, policy, false);
	}
}

/**
 * cdm_queue_node() - whose kcdmd does a move
 * @to: where the pages go, or NUMA_NO_NODE
 * @near: a node of the event, or NUMA_NO_NODE
 *
 * The target's, so that its moves are in one queue; if there is none or it is not managed,
 * the event's; else any.
 *
 * Context: under RCU.
 * Return: a managed node, or NULL if there is none.
 */
struct cdm_node *cdm_queue_node(int to, int near)
{
	struct cdm_node *node = to == NUMA_NO_NODE ? NULL : cdm_node_of(to);
	int nid;

	if (!node && near != NUMA_NO_NODE)
		node = cdm_node_of(near);
	for_each_node_mask(nid, cdm_managed_nodes)
		if (!node)
			node = cdm_node_of(nid);
	return node;
}

/* ---- for drivers ----------------------------------------------------------------- */

static int queue_wait(struct cdm_node *node, struct cdm_request *r,
		      struct cdm_move_wait *wait)
{
	init_completion(&wait->done);
	wait->err = -EINPROGRESS;
	memset(wait->nr, 0, sizeof(wait->nr));
	r->wait = wait;
	return cdm_queue_add(node, r);
}

/**
 * cdm_move_later() - have kcdmd move a page's folio
 * @node: the driver's node
 * @pfn: any page of the folio
 * @nid: where to
 * @flags: CDM_MOVE_*, as for cdm_move_pfns()
 * @wait: NULL, or filled and completed when the move was made or given up; the
 *	caller keeps it until then
 *
 * For interrupts and other places that may not sleep. Without @wait a page that
 * is in the queue is not queued twice.
 *
 * Context: any but NMI; on PREEMPT_RT any that may take a spinlock.
 * Return: 0; -EEXIST if it is in the queue; -ENOSPC if that is full; -EINVAL for
 * unknown flags or a node that does not exist, -ENODEV if @node is not online.
 */
int cdm_move_later(struct cdm_node *node, unsigned long pfn, int nid,
		   unsigned int flags, struct cdm_move_wait *wait)
{
	struct cdm_request r = {
		.where = pfn, .nr = 1, .nid = nid, .flags = flags,
	};

	if (flags & ~CDM_MOVE_FLAGS || flags & CDM_MOVE_ARM || nid < 0 ||
	    nid >= MAX_NUMNODES || !node_possible(nid))
		return -EINVAL;
	if (wait)
		return queue_wait(node, &r, wait);
	return cdm_queue_add(node, &r);
}
EXPORT_SYMBOL_GPL(cdm_move_later);
