/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every policy includes.
 *
 * The kernel's types (struct cdm_ops, the contexts, the enums) come from
 * vmlinux.h, which is generated from the kernel that the policy is built for.
 * BTF carries no macros and, before pahole 1.26, no kfunc prototypes, so those
 * are here: the encoding of answers with typed builders, the kfuncs, the error
 * and dump macros over them, and the VM_* flags of a mapping.
 *
 * A policy in full, for all managed nodes:
 *
 *	#include <cdm/common.bpf.h>
 *
 *	__u64 CDM_CALLBACK(place, my_place, const struct cdm_place_ctx *c)
 *	{
 *		return c->dev_nid >= 0 ? cdm_node(c->dev_nid) : cdm_default();
 *	}
 *
 *	CDM_OPS_DEFINE(my_ops,
 *		.place	= (void *)my_place,
 *		.node	= CDM_NODE_ALL,
 *		.name	= "mine");
 */
#ifndef _CDM_COMMON_BPF_H
#define _CDM_COMMON_BPF_H

/* Ours are complete; a vmlinux.h made with a newer pahole has others. */
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

/* cdm_ops.node: every node that is or will be managed. */
#define CDM_NODE_ALL	(-1)

/* "No node", as in the kernel: cpu_nid of a device's fault and the reverse. */
#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE	(-1)
#endif

/*
 * Nodes that the tables of the policies here have room for. The kernel may have
 * more (CONFIG_NODES_SHIFT); such a node gets the kernel's default.
 */
#define CDM_MAX_NODES	64

#define CDM_PAGE_SHIFT	12

/* What kfuncs say, as the kernel numbers it; BPF has no errno.h. */
#define EPERM		1
#define ENOENT		2
#define ENXIO		6
#define EBUSY		16
#define EEXIST		17
#define ENODEV		19
#define EINVAL		22
#define ENOSPC		28
#define ESTALE		116

/* ---- answers -------------------------------------------------------------- */

/* The encoding, from include/linux/cdm.h, where it is explained. */
#define CDM_ANS_NODE_MASK	0xffffULL
#define CDM_ANS_THROTTLE_SHIFT	16
#define CDM_ANS_THROTTLE_MAX	0xffffULL
#define CDM_ANS_KEEP_SHIFT	32
#define CDM_ANS_KEEP_MAX	0xffffffULL
#define CDM_ANS_QUEUED		(1ULL << 56)
#define CDM_ANS_DENY		(1ULL << 57)
#define CDM_ANS_SWAP		(1ULL << 58)
#define CDM_ANS_RESERVED	(~0ULL << 59)

/*
 * Answers are built by these and combined with |:
 *
 *	return cdm_node(1) | cdm_keep_ms(500);
 *
 * They take the type that the kernel has for the thing, so that an errno or a
 * pointer does not become an answer unseen.
 */

/* Do what the kernel would do. */
static __always_inline __u64 cdm_default(void)
{
	return 0;
}

/* This node. NUMA_NO_NODE, or any other negative number, is the default. */
static __always_inline __u64 cdm_node(__s32 nid)
{
	return nid < 0 ? 0 : ((__u64)nid + 1) & CDM_ANS_NODE_MASK;
}

/* The accessor waits so many microseconds; more than 65535 is 65535. */
static __always_inline __u64 cdm_throttle_us(__u32 us)
{
	__u64 v = us;

	return (v > CDM_ANS_THROTTLE_MAX ? CDM_ANS_THROTTLE_MAX : v)
		<< CDM_ANS_THROTTLE_SHIFT;
}

/* Other movers are denied for so long; more than 4.6 hours is 4.6 hours. */
static __always_inline __u64 cdm_keep_ms(__u32 ms)
{
	__u64 v = ms;

	return (v > CDM_ANS_KEEP_MAX ? CDM_ANS_KEEP_MAX : v)
		<< CDM_ANS_KEEP_SHIFT;
}

/* migrate: refuse; access, eviction: the folio stays. */
static __always_inline __u64 cdm_deny(void)
{
	return CDM_ANS_DENY;
}

/* Move later, from kcdmd, rather than now. */
static __always_inline __u64 cdm_queued(void)
{
	return CDM_ANS_QUEUED;
}

/* Eviction: to swap, or dropped if it is clean and of a file. */
static __always_inline __u64 cdm_swap(void)
{
	return CDM_ANS_SWAP;
}

/* The node that an answer names, NUMA_NO_NODE if none. */
static __always_inline __s32 cdm_answer_node(__u64 answer)
{
	return (__s32)(answer & CDM_ANS_NODE_MASK) - 1;
}

/* ---- kfuncs --------------------------------------------------------------- */

/*
 * Every one takes the first member of the running callback's context. In any
 * callback, except that cdm_bpf_dump_bstr() is for dump only, and as is said below.
 */

/* Pages, or the value of @item; -ENOENT if @nid is not a node that has it. */
extern __s64 cdm_bpf_node_stat(const struct cdm_common *c, __s32 nid,
			       __u32 item) __ksym;

/*
 * LRU pages of that cgroup itself, without its descendants, on @nid; -ENOENT
 * for an unknown cgroup, -EINVAL for an impossible node. Pages that wait in a
 * CPU's LRU batch are not in it yet.
 */
extern __s64 cdm_bpf_memcg_usage(const struct cdm_common *c, __u64 cgroup_id,
				 __s32 nid) __ksym;

/* Facts of the folio at @pfn into @out, as much as fits; -ENOENT if none. */
extern int cdm_bpf_folio_info(const struct cdm_common *c, __u64 pfn, void *out,
			      __u32 out__sz) __ksym;

/* Use CDM_ERROR() and CDM_DUMP(). */
extern void cdm_bpf_error_bstr(const struct cdm_common *c, __s64 code,
			       const char *fmt__str, unsigned long long *data,
			       __u32 data__sz) __ksym;
extern void cdm_bpf_dump_bstr(const struct cdm_common *c, const char *fmt__str,
			      unsigned long long *data, __u32 data__sz) __ksym;

/*
 * Moves, from tick and from syscall programs, which pass NULL for @c. A byte of
 * @status for each page, as far as it goes; see include/linux/cdm_move.h.
 */
extern int cdm_bpf_move_range(const struct cdm_common *c__nullable, void *req,
			      __u32 req__sz, void *status,
			      __u32 status__sz) __ksym;
extern int cdm_bpf_move_pfns(const struct cdm_common *c__nullable, void *req,
			     __u32 req__sz, void *pages,
			     __u32 pages__sz) __ksym;

/* The same later, by kcdmd, from any callback about pages and from tick. */
extern int cdm_bpf_enqueue_range(const struct cdm_common *c, void *req,
				 __u32 req__sz) __ksym;
extern int cdm_bpf_enqueue_pfn(const struct cdm_common *c, __u64 pfn, __s32 nid,
			       __u32 flags) __ksym;

/* Folios of a node and whether they were used; from tick and syscall programs. */
extern int cdm_bpf_scan_node(const struct cdm_common *c__nullable, void *scan,
			     __u32 scan__sz, void *out, __u32 out__sz) __ksym;

#define CDM_MOVE_SHARED		(1U << 0)
#define CDM_MOVE_ANY_POLICY	(1U << 1)
#define CDM_MOVE_SPLIT		(1U << 2)
#define CDM_MOVE_ASYNC		(1U << 3)
#define CDM_MOVE_EVICT		(1U << 4)
#define CDM_MOVE_ARM		(1U << 5)

/*
 * Who maps the folio at @pfn; from tick and syscall programs. A struct
 * cdm_rmap_head and as many struct cdm_rmap_entry behind it as fit into @buf, of
 * which @buf__sz must be a whole number. Its flags say if there are more (CDM_RMAP_TRUNCATED), and if a lock was
 * busy (CDM_RMAP_CONTENDED), so that one has to ask again. -ENXIO: not memory,
 * -ENOENT: free or the kernel's.
 */
extern int cdm_bpf_rmap_snapshot(const struct cdm_common *c__nullable, __u64 pfn,
				 void *buf, __u32 buf__sz) __ksym;

/* cdm_rmap_entry.flags */
#define CDM_RMAP_WRITABLE	1U
#define CDM_RMAP_MLOCKED	2U
#define CDM_RMAP_HUGE		4U
/* cdm_rmap_head.flags */
#define CDM_RMAP_TRUNCATED	1U
#define CDM_RMAP_CONTENDED	2U
#define CDM_RMAP_LIMITED	4U

/*
 * In reclaim only: the folios that may leave, the coldest first; what becomes of one
 * of them; and another folio that shall leave, by its frame and the sequence that
 * placed told (or, of a folio that came by a move, cdm_bpf_folio_info()).
 *
 *	struct cdm_candidate *cand;
 *
 *	bpf_for_each(cdm_candidate, cand, &c->common)
 *		cdm_bpf_evict_verdict(&c->common, cand->index, cdm_deny());
 *
 * A proposal that cannot be had is -ESTALE (another folio is there), -EBUSY, -EPERM
 * (memory.low) or -ENXIO; -ENOSPC says that there is enough.
 */
extern int bpf_iter_cdm_candidate_new(struct bpf_iter_cdm_candidate *it,
				      const struct cdm_common *c) __ksym;
extern struct cdm_candidate *
bpf_iter_cdm_candidate_next(struct bpf_iter_cdm_candidate *it) __ksym;
extern void
bpf_iter_cdm_candidate_destroy(struct bpf_iter_cdm_candidate *it) __ksym;
/*
 * A loop over what the policy itself knows: it ends when this call of reclaim has used up
 * its steps, 4096 with those of walks over the candidates.
 *
 *	__u32 *step;
 *
 *	bpf_for_each(cdm_step, step, &c->common)
 *		if (!look_at_the_next(c))
 *			break;
 */
extern int bpf_iter_cdm_step_new(struct bpf_iter_cdm_step *it,
				 const struct cdm_common *c) __ksym;
extern __u32 *bpf_iter_cdm_step_next(struct bpf_iter_cdm_step *it) __ksym;
extern void bpf_iter_cdm_step_destroy(struct bpf_iter_cdm_step *it) __ksym;
extern int cdm_bpf_evict_verdict(const struct cdm_common *c, __u32 index,
				 __u64 answer) __ksym;
extern int cdm_bpf_evict_propose(const struct cdm_common *c, __u64 pfn,
				 __u64 seq, __s64 access) __ksym;

#define CDM_CAND_KEPT	(1U << 31)

/*
 * The same of every candidate. A policy that has an order of its own says cdm_deny()
 * first, then proposes: what is both a candidate and proposed leaves.
 */
static __always_inline void cdm_say_of_all(const struct cdm_reclaim_ctx *c, __u64 answer)
{
	struct cdm_candidate *cand;

	bpf_for_each(cdm_candidate, cand, &c->common)
		cdm_bpf_evict_verdict(&c->common, cand->index, answer);
}

/* cdm_candidate.flags and cdm_folio_info.flags */
#define CDM_ACCESS_WRITE	(1U << 0)
#define CDM_ACCESS_ANON		(1U << 1)
#define CDM_ACCESS_SHARED	(1U << 2)

#define CDM_FOLIO_ANON		(1U << 0)
#define CDM_FOLIO_DIRTY		(1U << 1)
#define CDM_FOLIO_REFERENCED	(1U << 2)
#define CDM_FOLIO_ACTIVE	(1U << 3)
#define CDM_FOLIO_UNEVICTABLE	(1U << 4)
#define CDM_FOLIO_LRU		(1U << 5)

/*
 * The kernel formats as bpf_snprintf() does: the format a constant in .rodata,
 * whose end the verifier has seen, its arguments as an array of u64. The array
 * has one element at least, because a kfunc's memory argument may not be empty.
 */
#define CDM_BSTR(call, fmt, args...)					\
do {									\
	static const char ___cdm_fmt[] = fmt;				\
	unsigned long long ___cdm_arg[___bpf_narg(args) ?: 1] = {};	\
									\
	_Pragma("GCC diagnostic push")					\
	_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")		\
	___bpf_fill(___cdm_arg, ##args);	/* %s has a pointer */	\
	_Pragma("GCC diagnostic pop")					\
	call;								\
} while (0)

/**
 * CDM_ERROR - give up: the kernel ejects this policy and goes on with defaults
 * @ctx: the callback's context
 * @code: the policy's own code, or a negative errno; shown to the user
 * @fmt: what was wrong, where, and what to do next; a literal
 *
 * The first error wins. It does not return from the callback; do that next.
 */
#define CDM_ERROR(ctx, code, fmt, args...)				\
	CDM_BSTR(cdm_bpf_error_bstr(&(ctx)->common, (code),		\
				    ___cdm_fmt, ___cdm_arg,		\
				    sizeof(___cdm_arg)), fmt, ##args)

/**
 * CDM_DUMP - print into the policy's dump; in dump only
 * @ctx: the callback's context
 * @fmt: a literal; a line ends with \n
 */
#define CDM_DUMP(ctx, fmt, args...)					\
	CDM_BSTR(cdm_bpf_dump_bstr(&(ctx)->common, ___cdm_fmt,		\
				   ___cdm_arg, sizeof(___cdm_arg)),	\
		 fmt, ##args)

/* ---- callbacks and ops ---------------------------------------------------- */

/**
 * CDM_CALLBACK - define a callback; write its return type before it
 * @cb: member of struct cdm_ops
 * @fn: name of the program
 * @arg: its context, with a name other than "ctx", which is BPF_PROG's own
 *
 * place, placed and dump are atomic and take this one only.
 */
#define CDM_CALLBACK(cb, fn, arg)					\
	SEC("struct_ops/" #cb) BPF_PROG(fn, arg)

/**
 * CDM_CALLBACK_S - define a callback that may sleep
 *
 * For node_online, node_offline, tick, init and exit. The kernel refuses a
 * sleepable program on an atomic callback.
 */
#define CDM_CALLBACK_S(cb, fn, arg)					\
	SEC("struct_ops.s/" #cb) BPF_PROG(fn, arg)

/**
 * CDM_OPS_DEFINE - define the policy that an object holds
 * @ops: name of the variable and of its map
 *
 * .node and .name should always be there: without .node the policy asks for
 * node 0, which is CPU memory and refused, and a policy without a name is
 * refused too.
 */
#define CDM_OPS_DEFINE(ops, ...)					\
	SEC(".struct_ops.link")						\
	struct cdm_ops ops = { __VA_ARGS__ }

/**
 * CDM_MAP_VERSION - number of the layout of this policy's maps
 *
 * A swap can hand the old policy's maps to the new one, but nothing compares
 * what is in them: two layouts of one size look alike. So state a version, raise
 * it when a key or a value changes its meaning, and the loader refuses to hand
 * over between different ones.
 */
#define CDM_MAP_VERSION(version)					\
	const volatile __u32 cdm_map_version = (version)

/* ---- time ----------------------------------------------------------------- */

/* Nanoseconds from @last to @now; two CPUs' clocks may see it run backwards: 0. */
static __always_inline __u64 cdm_ns_since(__u64 last, __u64 now)
{
	return now > last ? now - last : 0;
}

/* ---- flags of a mapping, for cdm_place_ctx.vm_flags ----------------------- */

#define VM_READ		0x00000001UL
#define VM_WRITE	0x00000002UL
#define VM_EXEC		0x00000004UL
#define VM_SHARED	0x00000008UL
#define VM_GROWSDOWN	0x00000100UL
#define VM_LOCKED	0x00002000UL
#define VM_IO		0x00004000UL
#define VM_SEQ_READ	0x00008000UL
#define VM_RAND_READ	0x00010000UL
#define VM_DONTCOPY	0x00020000UL
#define VM_HUGETLB	0x00400000UL
#define VM_HUGEPAGE	0x20000000UL
#define VM_NOHUGEPAGE	0x40000000UL
#define VM_MERGEABLE	0x80000000UL

#endif /* _CDM_COMMON_BPF_H */
