// SPDX-License-Identifier: GPL-2.0
/*
 * Moves that programs ask for: tick() of a policy, and user space, at once; any
 * callback that sees an event, later.
 *
 * A policy was attached by an administrator and may move anything. A program of
 * type BPF_PROG_TYPE_SYSCALL runs for the process that started it, whoever
 * loaded it, and may move what that process could move with move_pages(2), page
 * frames only with CAP_SYS_ADMIN. The two are told apart by @c, which a callback
 * has and a syscall program has not; kcdmd may not pretend to be the latter.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/btf.h>
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/security.h>

#include "internal.h"
#include "migrate.h"

/* One call: 256 MiB of small pages; more would only make it harder to stop. */
#define CDM_CALL_PAGES		BIT(16)

/* The size of a request that has a result. */
#define CDM_REQ_MIN		offsetofend(struct cdm_move_req, delay_us)

/* The address space of a process, as move_pages(2) finds it for current. */
static struct mm_struct *syscall_mm(const struct cdm_move_req *req)
{
	struct task_struct *task;
	struct mm_struct *mm;
	int err = -EPERM;

	/* move_pages(2) keeps to the cpuset whatever rights its caller has. */
	if ((req->flags & CDM_MOVE_SHARED && !capable(CAP_SYS_NICE)) ||
	    (req->flags & CDM_MOVE_ANY_POLICY && !capable(CAP_SYS_ADMIN)))
		return ERR_PTR(-EPERM);
	task = find_get_task_by_vpid(req->tgid);
	if (!task)
		return ERR_PTR(-ESRCH);
	if (ptrace_may_access(task, PTRACE_MODE_READ_REALCREDS))
		err = security_task_movememory(task);
	mm = err ? ERR_PTR(err) : cdm_task_mm(task);
	put_task_struct(task);
	if (IS_ERR(mm))
		return mm;
	if (mm && (!req->mm_cookie ||
		   atomic64_read(&mm->cdm_cookie) == req->mm_cookie))
		return mm;
	if (mm)
		mmput(mm);
	return ERR_PTR(-ESRCH);
}

/* A callback that passes no context would be taken for a syscall program. */
static bool no_caller(const struct cdm_common *c)
{
	return !in_task() || (!c && current->flags & PF_KTHREAD);
}

/* @delay_us: the longest that it may want to wait. */
static int request_read(struct cdm_move_req *req, const void *from, u32 size, u32 delay_us)
{
	if (size < CDM_REQ_MIN)
		return -EINVAL;
	memset(req, 0, sizeof(*req));
	memcpy(req, from, min_t(u32, size, CDM_REQ_MIN));
	return req->delay_us > delay_us ? -EINVAL : 0;
}

static struct cdm_move move_of(const struct cdm_common *c,
			       const struct cdm_move_req *r)
{
	return (struct cdm_move) {
		.nid = r->nid,
		.flags = c ? r->flags | CDM_MOVE_ASYNC : r->flags,
	};
}

static void request_write(const struct cdm_move *mv, void *to, u32 size)
{
	struct cdm_move_req *req = to;
	int i;

	for (i = 0; i < CDM_NR_MOVE_STATUS; i++)
		if (size >= offsetofend(struct cdm_move_req, nr[i]))
			req->nr[i] = mv->nr[i];
}

__bpf_kfunc_start_defs();

/**
 * cdm_bpf_move_range - move what a range of addresses maps to a node
 * @c__nullable: first member of tick's context; NULL in a syscall program
 * @req: struct cdm_move_req, as the program knew it when it was built
 * @req__sz: its size; results that it has no room for are left out
 * @status: filled: enum cdm_move_status of each page, a byte each
 * @status__sz: bytes of @status; pages beyond them are moved and not told of
 *
 * See cdm_move_range(). A syscall program needs what move_pages(2) needs:
 * CAP_SYS_NICE for CDM_MOVE_SHARED; and CAP_SYS_ADMIN for CDM_MOVE_ANY_POLICY. In
 * tick CDM_MOVE_ASYNC is implied: kcdmd waits for nothing that a process can hold.
 *
 * Context: tick, and programs of type syscall. Sleeps.
 * Return: as cdm_move_range(); -ESRCH if there is no such process, it has no
 * memory, or not that of &cdm_move_req.mm_cookie; -EPERM if it may not be moved;
 * -E2BIG for more than 2^16 pages.
 */
__bpf_kfunc int cdm_bpf_move_range(const struct cdm_common *c__nullable,
				   void *req, u32 req__sz, void *status,
				   u32 status__sz)
{
	struct cdm_move_req r;
	struct mm_struct *mm;
	struct cdm_move mv;
	unsigned long nr;
	int err;

	if (no_caller(c__nullable))
		return -EINVAL;
	err = request_read(&r, req, req__sz, 0);
	if (err)
		return err;
	if (r.start >= r.end)
		return -EINVAL;
	nr = (r.end - r.start) >> PAGE_SHIFT;
	if (nr > CDM_CALL_PAGES)
		return -E2BIG;

	mm = c__nullable ? cdm_mm_get(r.tgid, r.mm_cookie) : syscall_mm(&r);
	if (IS_ERR(mm))
		return PTR_ERR(mm);

	mv = move_of(c__nullable, &r);
	mv.status = kvmalloc(max(nr, 1UL), GFP_KERNEL);
	err = mv.status ? cdm_move_range(mm, r.start, r.end, &mv) : -ENOMEM;
	if (!err || err == -EINTR || err == -EAGAIN) {
		memcpy(status, mv.status, min_t(unsigned long, status__sz, nr));
		request_write(&mv, req, req__sz);
	}
	kvfree(mv.status);
	/* kcdmd is not the one to tear an address space down. */
	if (c__nullable)
		mmput_async(mm);
	else
		mmput(mm);
	return err;
}

/**
 * cdm_bpf_move_pfns - move the folios that hold these page frames to a node
 * @c__nullable: first member of tick's context; NULL in a syscall program
 * @req: struct cdm_move_req; only the node and the flags are read
 * @req__sz: its size
 * @pages: array of struct cdm_move_pfn
 * @pages__sz: its size, a multiple of 16
 *
 * See cdm_move_pfns(). A syscall program needs CAP_SYS_ADMIN.
 *
 * Context: tick, and programs of type syscall. Sleeps.
 * Return: as cdm_move_pfns(); -EPERM, -E2BIG as cdm_bpf_move_range(); -EINVAL
 * for a range or a process in @req.
 */
__bpf_kfunc int cdm_bpf_move_pfns(const struct cdm_common *c__nullable,
				  void *req, u32 req__sz, void *pages,
				  u32 pages__sz)
{
	unsigned long nr = pages__sz / sizeof(struct cdm_move_pfn), i, *pfns;
	struct cdm_move_pfn *p = pages;
	struct cdm_move_req r;
	struct cdm_move mv;
	int err;

	if (no_caller(c__nullable))
		return -EINVAL;
	if (!c__nullable && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = request_read(&r, req, req__sz, 0);
	if (err)
		return err;
	if (pages__sz % sizeof(*p) || r.start || r.end || r.tgid || r.mm_cookie)
		return -EINVAL;
	if (nr > CDM_CALL_PAGES)
		return -E2BIG;

	mv = move_of(c__nullable, &r);
	pfns = kvmalloc_array(nr, sizeof(*pfns) + sizeof(*mv.status), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	mv.status = (u8 *)(pfns + nr);
	for (i = 0; i < nr; i++)
		pfns[i] = p[i].pfn;
	err = cdm_move_pfns(pfns, nr, &mv);
	if (!err || err == -EINTR) {
		for (i = 0; i < nr; i++)
			p[i].status = mv.status[i];
		request_write(&mv, req, req__sz);
	}
	kvfree(pfns);
	return err;
}

static int enqueue(const struct cdm_common *c, struct cdm_request *r)
{
	const struct cdm_move mv = { .nid = r->nid, .flags = r->flags };
	struct cdm_node *node;

	if (r->flags & ~CDM_MOVE_FLAGS || (!r->mm_cookie && r->flags & CDM_MOVE_ARM))
		return -EINVAL;
	if (!cdm_move_arms_only(&mv) &&
	    (r->nid < 0 || r->nid >= MAX_NUMNODES || !node_possible(r->nid)))
		return -EINVAL;
	r->policy = c->call->policy->id;
	guard(rcu)();
	node = cdm_queue_node(r->nid, c->call->nid);
	return node ? cdm_queue_add(node, r) : -ENODEV;
}

/**
 * cdm_bpf_enqueue_range - have kcdmd move what a range of addresses maps
 * @c: first member of the running callback's context
 * @req: struct cdm_move_req; the address space by both its names, as contexts
 *	have them
 * @req__sz: its size
 *
 * The move is made soon, or as soon as &cdm_move_req.delay_us have passed, as with
 * CDM_MOVE_ASYNC, by the kcdmd of the target or, if that is not managed, of the event's
 * node. What comes of it is told by migrated() and the node's counters. A second request
 * for the same range only changes the first one's target and flags; the earlier time is
 * that of both. With CDM_MOVE_ARM the next access to each of its pages is told of; if the node
 * is NUMA_NO_NODE then nothing moves.
 *
 * Context: place, access, migrate, reclaim, placed, migrated, tick; a page table
 * may be locked.
 * Return: 0; -EEXIST if it was queued before; -ENOSPC if the queue is full, or 256
 * requests wait for their time; -EINVAL for a bad node, flag, range or time; -E2BIG for
 * more than 512 pages; -ENODEV if there is no managed node to do it.
 */
__bpf_kfunc int cdm_bpf_enqueue_range(const struct cdm_common *c, void *req,
				      u32 req__sz)
{
	struct cdm_request want;
	struct cdm_move_req r;
	int err;

	err = request_read(&r, req, req__sz, USEC_PER_SEC);
	if (err)
		return err;
	if (!PAGE_ALIGNED(r.start | r.end) || r.start >= r.end ||
	    r.end > TASK_SIZE_MAX || !r.mm_cookie || !r.tgid)
		return -EINVAL;
	if ((r.end - r.start) >> PAGE_SHIFT > CDM_BATCH_PAGES)
		return -E2BIG;
	want = (struct cdm_request) {
		.where = r.start,
		.nr = (r.end - r.start) >> PAGE_SHIFT,
		.mm_cookie = r.mm_cookie,
		.tgid = r.tgid,
		.nid = r.nid,
		.flags = r.flags,
		.delay_us = r.delay_us,
	};
	return enqueue(c, &want);
}

/**
 * cdm_bpf_enqueue_pfn - have kcdmd move the folio that holds a page frame
 * @c: first member of the running callback's context
 * @pfn: any page of the folio
 * @nid: where to
 * @flags: CDM_MOVE_*
 *
 * See cdm_bpf_enqueue_range(). By the time it is moved the frame may hold
 * another folio.
 *
 * Context: as cdm_bpf_enqueue_range().
 * Return: as cdm_bpf_enqueue_range().
 */
__bpf_kfunc int cdm_bpf_enqueue_pfn(const struct cdm_common *c, u64 pfn, s32 nid,
				    u32 flags)
{
	struct cdm_request want = {
		.where = pfn, .nr = 1, .nid = nid, .flags = flags,
	};

	return enqueue(c, &want);
}

__bpf_kfunc_end_defs();
