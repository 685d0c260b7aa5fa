/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Coherent device memory whose policy is a BPF program.
 *
 * Two readers meet here. A policy's author finds struct cdm_ops, the contexts
 * that its callbacks read, and the encoding of answers. A driver's author finds
 * how to bring a device's memory online as a managed node and how to serve a
 * device's fault. Hooks in existing mm files are in cdm_hooks.h, and what only
 * mm/cdm/ may see is in mm/cdm/internal.h.
 */
#ifndef _LINUX_CDM_H
#define _LINUX_CDM_H

#include <linux/bits.h>
#include <linux/cdm_move.h>
#include <linux/cdm_rmap.h>
#include <linux/types.h>
#include <linux/numa.h>

struct cdm_call;
struct cdm_node;
struct folio;
struct mm_struct;

#define CDM_NAME_LEN	32

/* cdm_ops.node: every node that is or will be managed. */
#define CDM_NODE_ALL	(-1)

/**
 * DOC: answers
 *
 * place(), access() and migrate() return one u64. Zero is "do what the kernel
 * would do", which a bare node id could not say, because node 0 exists. The
 * fields are:
 *
 *	 bits	field		unit
 *	 0..15	node		node id + 1; 0 names no node
 *	16..31	throttle	microseconds the accessor waits, 0 for none
 *	32..55	keep		milliseconds other movers are denied, 0 for none
 *	56	queued		move later, from kcdmd, rather than now
 *	57	deny		migrate: refuse; access, eviction: stay
 *	58	swap		eviction: to swap rather than to a node
 *	59..63	reserved	must be zero
 *
 * A field that the callback has no use for must be zero; place() takes only a
 * node. An int that was returned through u64, -22 say, has a node out of range
 * and is a bad answer, not a request.
 *
 * place() takes a node; access() a node, throttle, keep, queued and deny; migrate() a
 * node, keep and deny. What becomes of a folio
 * that reclaim() is asked about is said in the same encoding, one by one
 * (cdm_bpf_evict_verdict()).
 *
 * A folio under keep is evicted last, not never: keep is advice about movers,
 * and a full node must still be able to make room. It is denied, without asking
 * anybody, to NUMA balancing, move_pages(), mbind() and DAMON; not to demotion
 * and cdm_ext's own moves.
 */
#define CDM_ANS_NODE_MASK	0xffffULL
#define CDM_ANS_THROTTLE_SHIFT	16
#define CDM_ANS_THROTTLE_MASK	(0xffffULL << CDM_ANS_THROTTLE_SHIFT)
#define CDM_ANS_KEEP_SHIFT	32
#define CDM_ANS_KEEP_MASK	(0xffffffULL << CDM_ANS_KEEP_SHIFT)
#define CDM_ANS_QUEUED		BIT_ULL(56)
#define CDM_ANS_DENY		BIT_ULL(57)
#define CDM_ANS_SWAP		BIT_ULL(58)
#define CDM_ANS_RESERVED	(~0ULL << 59)

/**
 * enum cdm_cb - callbacks by number
 * @CDM_CB_PLACE: &cdm_ops.place
 * @CDM_CB_ACCESS: &cdm_ops.access
 * @CDM_CB_MIGRATE: &cdm_ops.migrate
 * @CDM_CB_RECLAIM: &cdm_ops.reclaim
 * @CDM_CB_PLACED: &cdm_ops.placed
 * @CDM_CB_MIGRATED: &cdm_ops.migrated
 * @CDM_CB_NODE_ONLINE: &cdm_ops.node_online
 * @CDM_CB_NODE_OFFLINE: &cdm_ops.node_offline
 * @CDM_CB_TICK: &cdm_ops.tick
 * @CDM_CB_INIT: &cdm_ops.init
 * @CDM_CB_EXIT: &cdm_ops.exit
 * @CDM_CB_DUMP: &cdm_ops.dump
 * @CDM_NR_CB: how many there are
 *
 * The numbers are the members' order in struct cdm_ops, so a kfunc filter may
 * compare them with a program's expected_attach_type.
 */
enum cdm_cb {
	CDM_CB_PLACE,
	CDM_CB_ACCESS,
	CDM_CB_MIGRATE,
	CDM_CB_RECLAIM,
	CDM_CB_PLACED,
	CDM_CB_MIGRATED,
	CDM_CB_NODE_ONLINE,
	CDM_CB_NODE_OFFLINE,
	CDM_CB_TICK,
	CDM_CB_INIT,
	CDM_CB_EXIT,
	CDM_CB_DUMP,
	CDM_NR_CB,
};

/* Callbacks that are called for each folio, without a trampoline: the first ones. */
#define CDM_NR_DIRECT	(CDM_CB_MIGRATE + 1)

/**
 * struct cdm_common - first member of every context
 * @call: the running call. A struct of scalars could be forged from program
 *	memory even under KF_TRUSTED_ARGS; one that holds a pointer cannot, so
 *	every kfunc takes this struct.
 */
struct cdm_common {
	struct cdm_call *call;
};

/**
 * enum cdm_alloc_kind - what a folio is about to be allocated for
 * @CDM_ALLOC_ANON: anonymous memory: first touch, copy on write, or swap-in
 *	that bypasses the swap cache
 * @CDM_ALLOC_SHMEM: shared memory or a mapped tmpfs file
 * @CDM_ALLOC_SWAPIN: swap-in of the faulting entry through the swap cache
 */
enum cdm_alloc_kind {
	CDM_ALLOC_ANON,
	CDM_ALLOC_SHMEM,
	CDM_ALLOC_SWAPIN,
};

/**
 * struct cdm_place_ctx - a folio is about to be allocated for a user address
 * @common: see struct cdm_common
 * @addr: first address the folio will serve, aligned to its size
 * @vm_start: first address of the mapping
 * @vm_end: first address after the mapping
 * @vm_flags: VM_* of the mapping
 * @cgroup_id: cgroup that will be charged (id as in kernfs), 0 if unknown
 * @mm_cookie: names the address space, never reused
 * @tgid: process that owns the address space, in the initial pid namespace
 * @cpu_nid: node of the faulting CPU, NUMA_NO_NODE for a device's fault
 * @dev_nid: node of the faulting device, NUMA_NO_NODE for a CPU's fault
 * @order: the folio has 1 << @order pages
 * @kind: enum cdm_alloc_kind
 * @def_nid: where the kernel would try first if the answer is 0
 */
struct cdm_place_ctx {
	struct cdm_common common;
	__u64 addr;
	__u64 vm_start;
	__u64 vm_end;
	__u64 vm_flags;
	__u64 cgroup_id;
	__u64 mm_cookie;
	__u32 tgid;
	__s32 cpu_nid;
	__s32 dev_nid;
	__u32 order;
	__u32 kind;
	__s32 def_nid;
};

/**
 * struct cdm_placed_ctx - a folio became resident on a managed node
 * @common: see struct cdm_common
 * @pfn: first page frame of the folio
 * @seq: population sequence of the node: it rises by one for every folio that
 *	becomes resident, so it orders and names arrivals
 * @cgroup_id: cgroup charged for the folio, 0 if none
 * @mm_cookie: address space of the task that brought it, or of the device's
 *	fault; 0 if the task has none
 * @nid: the managed node
 * @order: the folio has 1 << @order pages
 * @anon: 1 for anonymous memory, 0 for file and shared memory
 * @__pad: reserved
 */
struct cdm_placed_ctx {
	struct cdm_common common;
	__u64 pfn;
	__u64 seq;
	__u64 cgroup_id;
	__u64 mm_cookie;
	__s32 nid;
	__u32 order;
	__u32 anon;
	__u32 __pad;
};

/**
 * enum cdm_mover - who moves a folio, and why
 * @CDM_MOVER_CDM: cdm_ext itself: a policy's or driver's move, or room made on
 *	the CPU's nodes (mode last-resort; told, not asked)
 * @CDM_MOVER_NUMA_BALANCING: automatic NUMA balancing
 * @CDM_MOVER_DEMOTION: reclaim, to a lower memory tier
 * @CDM_MOVER_MOVE_PAGES: move_pages(), migrate_pages(), or a cpuset that changed
 * @CDM_MOVER_MBIND: mbind()
 * @CDM_MOVER_DAMON: a DAMOS scheme that migrates
 * @CDM_MOVER_COLLAPSE: khugepaged or MADV_COLLAPSE copies pages into a large folio
 * @CDM_MOVER_EVICT: a managed node gives up what is cold; reclaim was asked
 * @CDM_MOVER_HOTPLUG: memory goes offline
 * @CDM_MOVER_MEMORY_FAILURE: a page that is about to fail is emptied; or it has
 *	failed (status -EHWPOISON)
 * @CDM_MOVER_LONGTERM_PIN: a page leaves movable memory before it is pinned
 * @CDM_MOVER_CONTIG: a range of frames is emptied for a contiguous allocation
 * @CDM_MOVER_COMPACTION: compaction, within a zone
 * @CDM_NR_MOVERS: how many there are
 *
 * The owner of migrate is asked for those up to @CDM_MOVER_COLLAPSE. The others
 * cannot do without the move: of these migrated tells, and nobody is asked.
 */
enum cdm_mover {
	CDM_MOVER_CDM,
	CDM_MOVER_NUMA_BALANCING,
	CDM_MOVER_DEMOTION,
	CDM_MOVER_MOVE_PAGES,
	CDM_MOVER_MBIND,
	CDM_MOVER_DAMON,
	CDM_MOVER_COLLAPSE,
	CDM_MOVER_EVICT,
	CDM_MOVER_HOTPLUG,
	CDM_MOVER_MEMORY_FAILURE,
	CDM_MOVER_LONGTERM_PIN,
	CDM_MOVER_CONTIG,
	CDM_MOVER_COMPACTION,
	CDM_NR_MOVERS,
};

/**
 * struct cdm_migrate_ctx - a folio is about to move
 * @common: see struct cdm_common
 * @pfn: first page frame of the folio; 0 of a collapse, which is asked about
 *	once for each node that it takes pages from
 * @cgroup_id: cgroup charged for the folio, 0 if none or not known
 * @src_nid: node it lives on
 * @dst_nid: node it would go to, as far as the mover has one in mind: demotion
 *	may take the next, and mbind() to several nodes has none (NUMA_NO_NODE)
 * @order: the folio has 1 << @order pages; of a collapse, the new one has
 * @mover: enum cdm_mover
 * @nr_pages: pages that would move
 * @anon: 1 for anonymous memory, 0 for file and shared memory and for a collapse
 * @access: accesses reported since it arrived on @src_nid
 * @moved_ms: milliseconds since it last moved between nodes, at least 1; 0 if it
 *	is not known to have moved. Known of folios on managed nodes
 * @from_nid: node it left then, NUMA_NO_NODE likewise
 * @__pad: reserved
 */
struct cdm_migrate_ctx {
	struct cdm_common common;
	__u64 pfn;
	__u64 cgroup_id;
	__s32 src_nid;
	__s32 dst_nid;
	__u32 order;
	__u32 mover;
	__u32 nr_pages;
	__u32 anon;
	__u32 access;
	__u32 moved_ms;
	__s32 from_nid;
	__u32 __pad;
};

/**
 * struct cdm_migrated_ctx - a folio moved, or was to move and did not
 * @common: see struct cdm_common
 * @old_pfn: first page frame of the folio where it was, or still is
 * @new_pfn: first page frame where it is now; 0 if it did not move. What a
 *	collapse copied becomes part of a larger folio
 * @cgroup_id: cgroup charged for it, 0 if none
 * @page_id: what it holds: the same number whichever frame the page is in; of a large
 *	folio, its first page's. A hint: a copy that fork() made is the same to it, and
 *	what belongs to another process by now is not. 0 if it did not move, and in a
 *	collapse
 * @src_nid: node it left, or is still on
 * @dst_nid: node it went to, or was to go to; NUMA_NO_NODE if that is not known
 * @order: the folio had 1 << @order pages
 * @mover: enum cdm_mover
 * @status: 0 if it moved, -EPERM if it was refused, -ENOMEM if @dst_nid ran out
 *	of memory, -EHWPOISON if the page frame is broken and out of use from now on,
 *	-EBUSY or another negative errno if it could not be moved
 * @__pad: reserved
 */
struct cdm_migrated_ctx {
	struct cdm_common common;
	__u64 old_pfn;
	__u64 new_pfn;
	__u64 cgroup_id;
	__u64 page_id;
	__s32 src_nid;
	__s32 dst_nid;
	__u32 order;
	__u32 mover;
	__s32 status;
	__u32 __pad;
};

/**
 * enum cdm_node_phase - how far a change of a node has come
 * @CDM_PREPARE: asked before anything is changed; a non-zero return vetoes
 * @CDM_DONE: it happened
 * @CDM_CANCELLED: it was prepared and then did not happen
 * @CDM_REPLAY: the node was online when this policy attached; no veto
 */
enum cdm_node_phase {
	CDM_PREPARE,
	CDM_DONE,
	CDM_CANCELLED,
	CDM_REPLAY,
};

/**
 * struct cdm_node_ctx - a managed node comes or goes
 * @common: see struct cdm_common
 * @start: first byte of its memory
 * @size: bytes of memory
 * @nid: the node
 * @phase: enum cdm_node_phase
 * @adopted: 1 if another driver brought the memory online
 * @__pad: reserved
 */
struct cdm_node_ctx {
	struct cdm_common common;
	__u64 start;
	__u64 size;
	__s32 nid;
	__u32 phase;
	__u32 adopted;
	__u32 __pad;
};

/**
 * struct cdm_tick_ctx - periodic call for one managed node, from kcdmd/N
 * @common: see struct cdm_common
 * @seq: ticks of this policy on this node so far
 * @nr_free: free pages of the node
 * @nr_total: present pages of the node
 * @nid: the node
 * @__pad: reserved
 */
struct cdm_tick_ctx {
	struct cdm_common common;
	__u64 seq;
	__u64 nr_free;
	__u64 nr_total;
	__s32 nid;
	__u32 __pad;
};

/**
 * struct cdm_init_ctx - a policy is about to be attached
 * @common: see struct cdm_common
 * @replaces: id of the policy that this one replaces by a swap, 0 at attach
 * @node: cdm_ops.node
 * @__pad: reserved
 */
struct cdm_init_ctx {
	struct cdm_common common;
	__u64 replaces;
	__s32 node;
	__u32 __pad;
};

/**
 * enum cdm_exit_kind - why a policy was detached
 * @CDM_EXIT_NONE: it was not
 * @CDM_EXIT_UNREG: its link was closed or detached
 * @CDM_EXIT_REPLACED: another policy took its place by a swap
 * @CDM_EXIT_SYSRQ: SysRq-C by an operator
 * @CDM_EXIT_DISABLED: cdm_ext was switched off at run time
 * @CDM_EXIT_ERROR: first of the kinds below that are the policy's fault
 * @CDM_EXIT_ERROR_BPF: the policy called cdm_bpf_error()
 * @CDM_EXIT_ERROR_VERDICT: too many answers that could not be used
 * @CDM_EXIT_ERROR_BUDGET: a callback overran its time budget too often
 * @CDM_EXIT_ERROR_STALL: no progress for timeout_ms
 */
enum cdm_exit_kind {
	CDM_EXIT_NONE,
	CDM_EXIT_UNREG,
	CDM_EXIT_REPLACED,
	CDM_EXIT_SYSRQ,
	CDM_EXIT_DISABLED,
	CDM_EXIT_ERROR = 64,
	CDM_EXIT_ERROR_BPF,
	CDM_EXIT_ERROR_VERDICT,
	CDM_EXIT_ERROR_BUDGET,
	CDM_EXIT_ERROR_STALL,
};

#define CDM_EXIT_REASON_LEN	64
#define CDM_EXIT_MSG_LEN	256

/**
 * struct cdm_exit_info - why a policy was detached, as told to it and to users
 * @common: see struct cdm_common
 * @code: the policy's own code (cdm_bpf_error()) or an errno, 0 if none
 * @kind: enum cdm_exit_kind
 * @cb: callback that was at fault, CDM_NR_CB if none
 * @reason: short text of @kind
 * @msg: what happened, in words
 */
struct cdm_exit_info {
	struct cdm_common common;
	__s64 code;
	__u32 kind;
	__u32 cb;
	char reason[CDM_EXIT_REASON_LEN];
	char msg[CDM_EXIT_MSG_LEN];
};

/**
 * struct cdm_dump_ctx - a policy is asked for its state in words
 * @common: see struct cdm_common
 */
struct cdm_dump_ctx {
	struct cdm_common common;
};

/**
 * enum cdm_node_item - what cdm_bpf_node_stat() can tell
 * @CDM_ITEM_TOTAL: present pages
 * @CDM_ITEM_FREE: free pages
 * @CDM_ITEM_MODE: 0 closed, 1 last-resort, 2 open; managed nodes only
 * @CDM_ITEM_STATE: enum cdm_node_state; managed nodes only
 * @CDM_ITEM_SEQ: population sequence; managed nodes only
 * @CDM_ITEM_MOVE_RATE: limit of moves in pages per second, 0 if there is none;
 *	managed nodes only
 * @CDM_ITEM_MOVE_TOKENS: pages that may move now; the largest number there is
 *	without a limit; managed nodes only
 * @CDM_ITEM_BASE: first page frame of its memory; managed nodes only
 */
enum cdm_node_item {
	CDM_ITEM_TOTAL,
	CDM_ITEM_FREE,
	CDM_ITEM_MODE,
	CDM_ITEM_STATE,
	CDM_ITEM_SEQ,
	CDM_ITEM_MOVE_RATE,
	CDM_ITEM_MOVE_TOKENS,
	CDM_ITEM_BASE,
};

#define CDM_FOLIO_ANON		BIT(0)
#define CDM_FOLIO_DIRTY		BIT(1)
#define CDM_FOLIO_REFERENCED	BIT(2)
#define CDM_FOLIO_ACTIVE	BIT(3)
#define CDM_FOLIO_UNEVICTABLE	BIT(4)
#define CDM_FOLIO_LRU		BIT(5)

/**
 * struct cdm_folio_info - facts about a folio, as cdm_bpf_folio_info() found them
 * @pfn: first page frame of the folio
 * @seq: population sequence when it arrived, 0 if its node is not managed
 * @cgroup_id: cgroup charged for it, 0 if none
 * @flags: CDM_FOLIO_*
 * @nid: node it lives on
 * @order: it has 1 << @order pages
 * @mapcount: page table entries that map it
 * @access: accesses reported since it arrived
 * @from_nid: node it left at its last move, NUMA_NO_NODE if it never moved
 */
struct cdm_folio_info {
	__u64 pfn;
	__u64 seq;
	__u64 cgroup_id;
	__u32 flags;
	__s32 nid;
	__u32 order;
	__u32 mapcount;
	__u32 access;
	__s32 from_nid;
};

/**
 * struct cdm_reclaim_ctx - a managed node must give up pages
 * @common: see struct cdm_common
 * @nr_pages: pages that shall leave: as many as the candidates have or, where nobody
 *	waits for the first of them, more
 * @nr_candidates: folios to choose from
 * @nid: the node
 * @why: enum cdm_evict_why
 * @__pad: reserved
 */
struct cdm_reclaim_ctx {
	struct cdm_common common;
	__u64 nr_pages;
	__u32 nr_candidates;
	__s32 nid;
	__u32 why;
	__u32 __pad;
};

/**
 * enum cdm_access_kind - how it is known that a folio was accessed
 * @CDM_ACCESS_HINT: a CPU's NUMA hint fault
 * @CDM_ACCESS_DEVICE: a device's fault at a folio that was in memory before it
 * @CDM_ACCESS_COUNTER: a device's access counters
 */
enum cdm_access_kind {
	CDM_ACCESS_HINT,
	CDM_ACCESS_DEVICE,
	CDM_ACCESS_COUNTER,
};

#define CDM_ACCESS_WRITE	BIT(0)
#define CDM_ACCESS_ANON		BIT(1)
#define CDM_ACCESS_SHARED	BIT(2)

/**
 * struct cdm_access_ctx - a processor touched a folio that lives elsewhere
 * @common: see struct cdm_common
 * @addr: the page that was touched; the first of the folio's mapping if a huge page is
 *	mapped as one. Of a counter, the first of @nr_pages
 * @pfn: first page frame of the folio
 * @cgroup_id: cgroup charged for the folio, 0 if none or not known
 * @mm_cookie: names the address space, never reused
 * @vm_flags: VM_* of the mapping
 * @tgid: process that owns the address space, in the initial pid namespace
 * @src_nid: node the folio lives on
 * @acc_nid: node of the CPU, or of the device, that touched it
 * @def_nid: where the kernel would move it if the answer is 0, NUMA_NO_NODE if it
 *	would stay
 * @kind: enum cdm_access_kind
 * @flags: CDM_ACCESS_WRITE it was a write, CDM_ACCESS_ANON anonymous memory,
 *	CDM_ACCESS_SHARED several processes map it, as far as that is seen at a glance
 * @order: the folio has 1 << @order pages
 * @count: accesses that this event stands for
 * @access: accesses reported since it arrived on @src_nid
 * @moved_ms: milliseconds since it last moved between nodes, at least 1; 0 if it
 *	is not known to have moved. Known of folios on managed nodes
 * @from_nid: node it left then, NUMA_NO_NODE likewise
 * @nr_pages: pages from @addr on that the event is about. Of a counter, all that are
 *	mapped there side by side and live on @src_nid: the facts above are those of the
 *	first folio
 * @armed_ns: of a fault at an entry without rights, nanoseconds since anything in the
 *	2 MiB around @addr was armed that had not been, at least 1; 0 if it never was, or
 *	60 other parts of the address space were since, more or less. mremap() and fork()
 *	leave it behind. If all of it was armed at once, a short time is one of many accesses
 */
struct cdm_access_ctx {
	struct cdm_common common;
	__u64 addr;
	__u64 pfn;
	__u64 cgroup_id;
	__u64 mm_cookie;
	__u64 vm_flags;
	__u32 tgid;
	__s32 src_nid;
	__s32 acc_nid;
	__s32 def_nid;
	__u32 kind;
	__u32 flags;
	__u32 order;
	__u32 count;
	__u32 access;
	__u32 moved_ms;
	__s32 from_nid;
	__u32 nr_pages;
	__u64 armed_ns;
};

/**
 * struct cdm_ops - a policy
 *
 * Every callback is optional. Those that return u64 answer as "DOC: answers"
 * says. A callback's context is read-only.
 */
struct cdm_ops {
	/**
	 * @place: where shall a user folio be allocated?
	 *
	 * Called before the allocation, for the device's node if a device
	 * faulted, else for the owner of all nodes. Not asked for memory that
	 * is not movable user memory. Default: a device's fault goes to the
	 * device's node, a CPU's as the mempolicy says.
	 *
	 * Context: atomic, preemption off but on PREEMPT_RT. Return: an answer
	 * that names a node, or 0.
	 */
	__u64 (*place)(const struct cdm_place_ctx *ctx);

	/**
	 * @access: a folio was touched from another node: what to do about it?
	 *
	 * The owner is that of the node the folio is on, if managed, else of the
	 * device that touched it, else of the node where the kernel would move it. In
	 * an address space where something was armed the owner of all nodes is asked
	 * of what a CPU uses on CPUs' nodes, too.
	 * Called at each NUMA hint fault of such a folio, at a device's fault on one
	 * that was in memory elsewhere, and for what a device's counters counted.
	 * Default: NUMA balancing's verdict for a CPU; for a device the folio stays.
	 *
	 * Context: atomic, preemption off but on PREEMPT_RT; a page table may be locked.
	 * Return: 0; a node, to which the folio, or all pages that a counter's event is
	 * about, move at once if they can, or later with CDM_ANS_QUEUED; CDM_ANS_DENY or
	 * the node that it is on: it stays. With these or alone, but not with a move at
	 * once, a keep time: it stays, too. With any, microseconds that a CPU's task sleeps
	 * before it goes on in user space, or that a device's driver is told to wait.
	 */
	__u64 (*access)(const struct cdm_access_ctx *ctx);

	/**
	 * @migrate: may a folio move, and where to?
	 *
	 * The owner is that of the node the folio is on, if managed, else of the
	 * node it goes to. Asked once a folio, before anything is done to it, for
	 * movers that can do without (enum cdm_mover). A refused mover goes on as
	 * if the folio could not be moved. Default: allow.
	 *
	 * Context: atomic; in reclaim, too. Return: 0 to allow; CDM_ANS_DENY; a
	 * node to allow it and name another target, which NUMA balancing,
	 * demotion and DAMON follow, and which is overridden where the mover's
	 * caller named the node; and with any of these a keep time,
	 * from now on, if the folio is on a managed node.
	 */
	__u64 (*migrate)(const struct cdm_migrate_ctx *ctx);

	/**
	 * @reclaim: which folios leave a node that must give up pages, and where to?
	 *
	 * The candidates are isolated, and cold by the LRU's judgement; a walk over
	 * them shows them one by one. What is said of none leaves for the nearest
	 * node with CPU memory that has room. When a policy lets nothing leave
	 * for several batches in a row, the kernel takes a batch itself.
	 *
	 * Context: atomic, in reclaim (PF_MEMALLOC): maps are to be preallocated.
	 */
	void (*reclaim)(const struct cdm_reclaim_ctx *ctx);

	/**
	 * @placed: a folio became resident on a managed node.
	 *
	 * Every policy is told, whoever chose the node; one of a single node
	 * hears of that node only. Context: atomic.
	 */
	void (*placed)(const struct cdm_placed_ctx *ctx);

	/**
	 * @migrated: a folio moved, or was to move and did not.
	 *
	 * Told by every mover, for each folio that leaves, reaches or stays on a
	 * managed node by this, to every policy of one of its two nodes. A folio
	 * that moved is not visible to others yet. Context: atomic.
	 */
	void (*migrated)(const struct cdm_migrated_ctx *ctx);

	/**
	 * @node_online: a managed node is about to come, came, or did not.
	 *
	 * Context: sleepable. Return: at CDM_PREPARE non-zero vetoes; ignored
	 * at other phases.
	 */
	__s32 (*node_online)(const struct cdm_node_ctx *ctx);

	/**
	 * @node_offline: a managed node is about to go, went, or stays.
	 *
	 * Context: sleepable. Return: at CDM_PREPARE non-zero vetoes; ignored
	 * at other phases.
	 */
	__s32 (*node_offline)(const struct cdm_node_ctx *ctx);

	/**
	 * @tick: every tick_ms on each managed node, from kcdmd/N.
	 *
	 * Context: sleepable.
	 */
	void (*tick)(const struct cdm_tick_ctx *ctx);

	/**
	 * @init: the policy is about to be attached.
	 *
	 * Context: sleepable. Return: 0, or a negative errno that refuses.
	 */
	__s32 (*init)(const struct cdm_init_ctx *ctx);

	/** @exit: the policy was detached; last call. Context: sleepable. */
	void (*exit)(const struct cdm_exit_info *info);

	/**
	 * @dump: print state with cdm_bpf_dump(). Context: atomic.
	 */
	void (*dump)(const struct cdm_dump_ctx *ctx);

	/** @flags: must be 0, no bit is defined yet. */
	__u64 flags;
	/** @cgroup_id: reserved for policies of a cgroup, must be 0. */
	__u64 cgroup_id;
	/** @node: a node id, or CDM_NODE_ALL. */
	__s32 node;
	/** @tick_ms: period of @tick in ms, 10..60000; 0 for 1000. */
	__u32 tick_ms;
	/** @timeout_ms: eject if @tick does not return for that long; 0 for 30000. */
	__u32 timeout_ms;
	/** @exit_dump_len: bytes of dump kept at ejection, 0 for none, at most 32768. */
	__u32 exit_dump_len;
	/** @name: what sysfs and the log call the policy; [A-Za-z0-9_.], not empty. */
	char name[CDM_NAME_LEN];

	/** @priv: the kernel's; a policy leaves it zero. */
	void *priv;
	/** @prog_id: the kernel's, likewise: programs of @place, @access and @migrate. */
	__u32 prog_id[CDM_NR_DIRECT];
};

/* ---- for drivers ---------------------------------------------------------- */

/**
 * struct cdm_node_desc - a node that a driver brings
 * @name: what sysfs calls the driver's device; copied
 * @start: first byte of the memory, aligned to memory_block_size_bytes()
 * @size: bytes of memory, a multiple of memory_block_size_bytes()
 * @nid: node the memory becomes; must be possible and have no CPUs
 * @broken: NULL, or told of each page of the memory that memory failure gave up, or
 *	took out of use before it would. It may sleep, and must not unregister the node
 * @priv: passed to @broken
 */
struct cdm_node_desc {
	const char *name;
	__u64 start;
	__u64 size;
	int nid;
	void (*broken)(void *priv, unsigned long pfn);
	void *priv;
};

#define CDM_FAULT_WRITE		BIT(0)

/* The largest range of one access counter, in pages. */
#define CDM_ACCESS_PAGES	512

/**
 * struct cdm_access_report - what one access counter of a device has counted
 * @addr: first byte of its range
 * @nr_pages: pages of its range, 1 to CDM_ACCESS_PAGES
 * @count: accesses, at least 1
 * @flags: CDM_ACCESS_WRITE if some of them wrote
 * @__pad: reserved
 */
struct cdm_access_report {
	__u64 addr;
	__u32 nr_pages;
	__u32 count;
	__u32 flags;
	__u32 __pad;
};

#ifdef CONFIG_CDM_EXT
struct cdm_node *cdm_node_register(const struct cdm_node_desc *desc);
int cdm_node_unregister(struct cdm_node *node);
int cdm_node_drain(struct cdm_node *node, unsigned int timeout_ms);
int cdm_node_online(struct cdm_node *node);
void cdm_node_lost(struct cdm_node *node);
int cdm_claim(u64 start, u64 size, const char *owner, unsigned int seconds);
void cdm_unclaim(u64 start, u64 size);
int cdm_device_fault(struct cdm_node *node, struct mm_struct *mm,
		     unsigned long addr, unsigned int flags);
void cdm_folio_accessed(struct folio *folio, unsigned int count);
int cdm_access_report(struct cdm_node *node, struct mm_struct *mm,
		      const struct cdm_access_report *reports, unsigned int nr);
#endif

#endif /* _LINUX_CDM_H */
