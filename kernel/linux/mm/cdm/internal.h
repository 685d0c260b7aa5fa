/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of mm/cdm/ share.
 *
 * Lock order, outermost first:
 *
 *	BPF's struct_ops update mutex (held by reg, update, detach)
 *	  cdm_node_lock		nodes come and go, change mode; a policy attaches
 *	    device_hotplug_lock, mem_hotplug_lock
 *	      cdm_mutex		a leaf: the table, policies' states, exit records
 *
 * cdm_mutex is never held across a callback or a wait for readers, and neither
 * mutex is taken in a memory notifier, a fault, or reclaim. Readers of the
 * table use RCU (atomic callbacks) or cdm_srcu (sleepable ones).
 */
#ifndef _MM_CDM_INTERNAL_H
#define _MM_CDM_INTERNAL_H

#include <linux/bpf.h>
#include <linux/cdm.h>
#include <linux/cdm_evict.h>
#include <linux/cdm_hooks.h>
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/kobject.h>
#include <linux/memcontrol.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/refcount.h>
#include <linux/seq_buf.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* ---- nodes ---------------------------------------------------------------- */

/*
 * enum cdm_node_state - life of a managed node, drawn in node.c
 */
enum cdm_node_state {
	CDM_NODE_REGISTERED,
	CDM_NODE_GOING_ONLINE,
	CDM_NODE_ONLINE,
	CDM_NODE_DRAINING,
	CDM_NODE_OFFLINE,
	CDM_NODE_FAILED,
	CDM_NODE_ORPHANED,
	CDM_NR_NODE_STATES,
};

/*
 * enum cdm_node_mode - how closed a node is to those who did not name it
 */
enum cdm_node_mode {
	CDM_MODE_CLOSED,
	CDM_MODE_LAST_RESORT,
	CDM_MODE_OPEN,
	CDM_NR_MODES,
};

enum cdm_node_stat {
	CDM_STAT_PLACED,	/* folios that became resident */
	CDM_STAT_PLACED_PAGES,
	CDM_STAT_DEV_FAULTS,	/* device faults served */
	CDM_STAT_DEV_REPORTS,	/* access counters that the device's driver told of */
	CDM_STAT_PLACE_HIT,	/* place named this node and it had room */
	CDM_STAT_PLACE_FULL,	/* place named this node and it had none */
	CDM_STAT_MOVED_IN,	/* folios that came from another node */
	CDM_STAT_MOVED_OUT,
	CDM_STAT_RETURNED,	/* of those moved in: were here lately */
	CDM_STAT_PINGPONG,	/* pages that came back, here or there, within the window */
	CDM_STAT_PINGPONG_KEPT,	/* ... and were kept here by the kernel itself */
	CDM_STAT_KEEP_FULL,	/* folios not kept, as half of the node is */
	CDM_STAT_LAST_RESORT,	/* pages moved here to save a task from OOM */
	CDM_STAT_QUEUED,	/* moves that kcdmd was asked for */
	CDM_STAT_QUEUE_SAME,	/* ... for pages it had been asked for */
	CDM_STAT_QUEUE_FULL,	/* ... and refused, for want of room */
	CDM_STAT_QUEUE_DROPPED,	/* ... and dropped, as the policy or node went */
	CDM_STAT_QUEUE_MOVED,	/* pages that kcdmd moved */
	CDM_STAT_QUEUE_LEFT,	/* pages that it could or need not move */
	CDM_STAT_EVICTED,	/* pages that left, + enum cdm_evict_why */
	CDM_STAT_EVICT_PROPOSED = CDM_STAT_EVICTED + CDM_NR_EVICT_WHY,
				/* ... of them the policy's own choice */
	CDM_STAT_EVICT_REFUSED,	/* folios that it chose and that could not be had */
	CDM_STAT_EVICT_KEPT,	/* pages that stayed by its verdict, or under keep */
	CDM_STAT_EVICT_OVERRIDDEN, /* ... and left: nothing else could */
	CDM_STAT_EVICT_SWAP,	/* pages left to swap, by verdict or for want of room */
	CDM_STAT_EVICT_FULL,	/* pages that stayed, as no node had room */
	CDM_STAT_SPILLED,	/* small folios that had to go elsewhere */
	CDM_STAT_BROKEN,	/* pages that memory failure took out of use */
	CDM_NR_NODE_STATS,
};

struct cdm_node_stats {
	u64 v[CDM_NR_NODE_STATS];
};

/**
 * struct cdm_folio_state - what cdm_ext remembers of a folio
 * @seq: low bits of the node's population sequence when it arrived
 * @last_move: jiffies / 4 when it last moved, 0 if it never did
 * @keep_until: jiffies / 4 until when it is kept, 0 if it is not
 * @access: accesses reported since it arrived; 65535 is followed by 32768
 * @from_nid: node it left at the last move + 1, 0 if it never moved; the top
 *	bit (CDM_FSTATE_CAME_BY_MOVE) is set from a move to the LRU add after it
 *
 * 16 bytes for each base page of a managed node, 0.4 % of it, in CPU memory.
 * Only a folio's first page is used. An array by pfn rather than page_ext, so
 * that memory which no device owns pays nothing.
 */
struct cdm_folio_state {
	u32 seq;
	u32 last_move;
	u32 keep_until;
	u16 access;
	u16 from_nid;
};

#define CDM_FSTATE_CAME_BY_MOVE	0x8000
static_assert(MAX_NUMNODES < CDM_FSTATE_CAME_BY_MOVE);

/**
 * struct cdm_limit - how many pages may move to or from a node (migrate.c)
 * @lock: for the rest
 * @rate: pages per second, 0 for no limit
 * @burst: the most that @tokens can be
 * @tokens: pages that may move now
 * @stamp: ktime_get_ns() up to which @tokens is right
 */
struct cdm_limit {
	spinlock_t lock;	/* a leaf; bottom halves off */
	u64 rate;
	s64 burst;
	s64 tokens;
	u64 stamp;
};

#define CDM_KEEP_SLOTS	128U

/**
 * struct cdm_keeps - how much of a node is under keep (keep.c)
 * @lock: for the rest
 * @first: number of the slot that ends next
 * @total: pages
 * @slot: of them, pages whose keep ends in that slot's time
 */
struct cdm_keeps {
	spinlock_t lock;	/* a leaf */
	u64 first;
	u64 total;
	u64 slot[CDM_KEEP_SLOTS];
};

/* A folio that left this node for one that is not managed (fstate.c). */
struct cdm_departed;

struct cdm_travel;		/* pingpong.c */

struct cdm_queue;

/* Nodes that the administrator may name as targets of eviction. */
#define CDM_EVICT_NAMED		8

struct cdm_node {
	int nid;
	enum cdm_node_state state;	/* written under cdm_node_lock */
	enum cdm_node_mode mode;	/* likewise */
	bool adopted;
	char name[CDM_NAME_LEN];
	char resname[48];		/* "System RAM (...)", not copied by mm */
	u64 start, size;		/* bytes; of an adopted node its span */
	u64 added;			/* bytes from @start that cdm added */
	atomic64_t seq;			/* population sequence */
	struct cdm_node_stats __percpu *stats;
	unsigned long base_pfn, nr_pfns;
	struct cdm_folio_state *fstate;	/* [nr_pfns], vmalloc */
	struct cdm_departed *departed;	/* [departed_mask + 1], vmalloc */
	unsigned int departed_mask;
	struct cdm_limit limit;
	struct cdm_keeps keeps;
	struct cdm_travel *travel;
	/* Free pages; kcdmd's watermarks if @evict_set, else see cdm_evict_low(). */
	unsigned long evict_low, evict_high;
	bool evict_set;
	u16 evict_named[CDM_EVICT_NAMED];	/* targets + 1, best first; or 0 */
	unsigned long direct_next;	/* jiffies, or 0 */
	struct mutex evict_admin_lock;		/* outermost; for the next two */
	struct task_struct *evict_admin;	/* writes to sysfs; a name only */
	unsigned long evict_admin_left;		/* pages that it still wants */
	atomic_t evict_idle, evict_full;	/* batches in a row, see evict.c */
	bool evicting;			/* kcdmd's own, as the next two are */
	unsigned long evict_next;	/* jiffies */
	long evict_pause;
	struct cdm_queue *queue;
	struct task_struct *kcdmd;
	wait_queue_head_t kcdmd_wait;
	bool kcdmd_runs;		/* its node is online, or was */
	bool kcdmd_kick;		/* somebody woke kcdmd; it takes the kick */
	struct kobject *kobj;		/* /sys/kernel/mm/cdm/nodes/N */
	struct work_struct state_work;	/* tells of what the notifier changed */
	/* broken.c: the driver's, see struct cdm_node_desc */
	void (*broken)(void *priv, unsigned long pfn);
	void *broken_priv;
	/* drain.c */
	bool drained;			/* policies know that it is offline */
	bool drain_stop;		/* its driver goes and waits for the drain */
	wait_queue_head_t drain_wait;
	spinlock_t left_lock;		/* a leaf */
	char *left;			/* what is in the way, in words, or NULL */
	/* node_lost.c */
	bool lost;			/* its device is; for good */
	bool lost_alone;		/* ... and its driver, too */
	unsigned long lost_pause;	/* jiffies to the next try */
	struct delayed_work lost_work;
	struct rcu_head rcu;
};

extern struct mutex cdm_node_lock;
/* Keeps a node for those who sleep; RCU does for the others. */
extern struct srcu_struct cdm_node_srcu;
extern struct cdm_node __rcu *cdm_nodes[MAX_NUMNODES];

/* Under RCU or cdm_node_lock. */
static inline struct cdm_node *cdm_node_of(int nid)
{
	return rcu_dereference_check(cdm_nodes[nid],
				     lockdep_is_held(&cdm_node_lock));
}

static inline bool cdm_node_leaving(const struct cdm_node *node)
{
	enum cdm_node_state state = READ_ONCE(node->state);

	return state == CDM_NODE_DRAINING || state == CDM_NODE_FAILED ||
	       READ_ONCE(node->lost);
}

/* Nothing more shall come to it. Under RCU or cdm_node_lock. */
static inline bool cdm_node_leaves(int nid)
{
	const struct cdm_node *node = cdm_node_managed(nid) ? cdm_node_of(nid) : NULL;

	return node && cdm_node_leaving(node);
}

/* Its device is gone: what it holds cannot be read any more. Under RCU or cdm_node_lock. */
static inline bool cdm_node_lost_nid(int nid)
{
	const struct cdm_node *node = cdm_node_managed(nid) ? cdm_node_of(nid) : NULL;

	return node && READ_ONCE(node->lost);
}

static inline void cdm_node_count(struct cdm_node *node,
				  enum cdm_node_stat stat, u64 n)
{
	this_cpu_add(node->stats->v[stat], n);
}

static inline struct cdm_folio_state *cdm_fstate_at(struct cdm_node *node,
						    unsigned long pfn)
{
	/* Below base_pfn wraps around; NULL while a node is being set up. */
	unsigned long i = pfn - node->base_pfn;
	struct cdm_folio_state *array = READ_ONCE(node->fstate);

	return array && i < node->nr_pfns ? &array[i] : NULL;
}

/* What is remembered of a folio; NULL if its node is not managed. Under RCU. */
static inline struct cdm_folio_state *cdm_fstate_of(struct folio *folio)
{
	struct cdm_node *node = cdm_node_of(folio_nid(folio));

	return node ? cdm_fstate_at(node, folio_pfn(folio)) : NULL;
}

u64 cdm_node_stat(struct cdm_node *node, enum cdm_node_stat stat);

/* CDM_FOLIO_* of a folio; nothing is locked. */
static inline u32 cdm_folio_flags(const struct folio *folio)
{
	u32 flags = 0;

	if (folio_test_anon(folio))
		flags |= CDM_FOLIO_ANON;
	if (folio_test_dirty(folio))
		flags |= CDM_FOLIO_DIRTY;
	if (folio_test_referenced(folio))
		flags |= CDM_FOLIO_REFERENCED;
	if (folio_test_active(folio))
		flags |= CDM_FOLIO_ACTIVE;
	if (folio_test_unevictable(folio))
		flags |= CDM_FOLIO_UNEVICTABLE;
	if (folio_test_lru(folio))
		flags |= CDM_FOLIO_LRU;
	return flags;
}

extern const char *const cdm_node_state_names[CDM_NR_NODE_STATES];
extern const char *const cdm_mode_names[CDM_NR_MODES];
extern const char *const cdm_node_stat_names[CDM_NR_NODE_STATS];

/* node.c, node_adopt.c: the driver's side and the administrator's. */
int cdm_node_adopt(int nid);
int cdm_node_release(int nid);
int cdm_node_set_mode(struct cdm_node *node, enum cdm_node_mode mode);

/*
 * fstate.c, never sleeps. cdm_fstate_arrive() returns the population sequence
 * that it gave. cdm_fstate_get() is false if the page is not of a managed node,
 * cdm_fstate_departed() if no folio that left @nid is known to be at @pfn.
 */
u64 cdm_fstate_arrive(struct cdm_node *node, struct folio *folio);
bool cdm_fstate_came_by_move(struct folio *folio);	/* tests and clears */
bool cdm_fstate_get(unsigned long pfn, int nid, struct cdm_folio_state *st);
bool cdm_fstate_departed(int nid, unsigned long pfn,
			 struct cdm_folio_state *st);
void cdm_fstate_move(struct cdm_node *from, struct cdm_node *to,
		     struct folio *src, struct folio *dst);
u32 cdm_fstate_now(void);
u32 cdm_fstate_ms_since(u32 then);
int cdm_fstate_alloc(struct cdm_node *node);
void cdm_fstate_free(struct cdm_node *node);

/* keep.c */
u32 cdm_keep_until(struct cdm_node *node, unsigned long nr, unsigned int ms, u32 old);
u32 cdm_keep_moved(struct cdm_node *to, unsigned long nr, u32 until);
bool cdm_fstate_keep(struct folio *folio, unsigned int ms);
bool cdm_fstate_kept(const struct cdm_folio_state *st);
struct cdm_policy;
void cdm_keeps_end(const struct cdm_policy *p);
void cdm_keeps_init(struct cdm_node *node);

/* pingpong.c */
extern unsigned int cdm_pingpong_ms, cdm_pingpong_keep_ms;
struct cdm_travel *cdm_travel_alloc(void);
unsigned int cdm_travelled(struct cdm_node *from, struct cdm_node *to, struct folio *src,
			   struct folio *dst, u32 here, u32 away);
bool cdm_keeps_by_default(int nid);
ssize_t cdm_pingpong_show(const struct cdm_node *node, char *buf);
ssize_t cdm_stay_show(const struct cdm_node *node, char *buf);

/* migrate.c: the limit of moves that have the node as target, or as source. */
void cdm_limit_set(struct cdm_limit *limit, u64 rate, u64 burst);
s64 cdm_limit_tokens(struct cdm_limit *limit);
bool cdm_limit_take(int from, int to, unsigned long nr);

/* queue.c */
struct cdm_queue *cdm_queue_alloc(struct cdm_node *node);
void cdm_queue_free(struct cdm_queue *q);
void cdm_queue_open(struct cdm_node *node);
void cdm_queue_close(struct cdm_node *node);
int cdm_queue_add(struct cdm_node *node, const struct cdm_request *want);
long cdm_queue_run(struct cdm_node *node);
void cdm_queue_forget(u64 policy);
struct cdm_node *cdm_queue_node(int to, int near);

/* kcdmd.c */
int cdm_kcdmd_create(struct cdm_node *node);
void cdm_kcdmd_run(struct cdm_node *node);
void cdm_kcdmd_stop(struct cdm_node *node);
void cdm_kcdmd_wake(struct cdm_node *node);
void cdm_kcdmd_nudge(struct cdm_node *node);

/* room.c */
struct folio *cdm_evict_alloc(gfp_t here, unsigned int order, int nid, gfp_t gfp);
unsigned long cdm_evict_room(int nid, unsigned long nr);
unsigned long cdm_evict_pages(struct cdm_node *node, unsigned long nr);
long cdm_evict_background(struct cdm_node *node);

/* Of what is online now: blocks come and go. */
static inline unsigned long cdm_node_managed_pages(const struct cdm_node *node)
{
	return zone_managed_pages(&NODE_DATA(node->nid)->node_zones[ZONE_MOVABLE]);
}

static inline unsigned long cdm_node_free_pages(int nid)
{
	return zone_page_state(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE], NR_FREE_PAGES);
}

static inline unsigned long cdm_evict_low(const struct cdm_node *node)
{
	unsigned long pages = cdm_node_managed_pages(node);

	return READ_ONCE(node->evict_set) ?
	       min(READ_ONCE(node->evict_low), pages / 2) : pages / 100;
}

static inline unsigned long cdm_evict_high(const struct cdm_node *node)
{
	unsigned long pages = cdm_node_managed_pages(node);

	return READ_ONCE(node->evict_set) ?
	       min(READ_ONCE(node->evict_high), pages / 2) : pages / 50;
}

/* A folio came to the node: is there room for more? Under RCU. */
static inline void cdm_evict_check(struct cdm_node *node)
{
	if (unlikely(cdm_node_free_pages(node->nid) < cdm_evict_low(node)))
		cdm_kcdmd_nudge(node);
}

/* broken.c */
#ifdef CONFIG_MEMORY_FAILURE
void cdm_broken_keep_out(u64 start, u64 size);
bool cdm_broken_next(const struct cdm_node *node, unsigned long *pfn, bool *used);
bool cdm_broken_known(unsigned long pfn);
ssize_t cdm_broken_show(const struct cdm_node *node, char *buf);
#else
static inline void cdm_broken_keep_out(u64 start, u64 size)
{
}

static inline bool cdm_broken_next(const struct cdm_node *node, unsigned long *pfn,
				   bool *used)
{
	return false;
}

static inline bool cdm_broken_known(unsigned long pfn)
{
	return false;
}

static inline ssize_t cdm_broken_show(const struct cdm_node *node, char *buf)
{
	return 0;
}
#endif

/* evict.c; NUMA_NO_NODE if there is none but those in @tried. */
int cdm_evict_next_target(const struct cdm_node *node, nodemask_t *tried);

/*
 * isolate.c: keep cdm_managed_nodes, cdm_isolated_nodes, the keys and the
 * zonelists as the node's mode says. Under cdm_node_lock, no hotplug lock held.
 */
void cdm_isolate_manage(int nid, enum cdm_node_mode mode);
void cdm_isolate_unmanage(int nid);
extern nodemask_t cdm_last_resort_nodes;	/* for lastresort.c */

/* ---- the scope of a device's fault (fault.c) ------------------------------ */

/**
 * struct cdm_access_dev - what comes of a device's access, besides a move
 * @wait_us: microseconds that the device shall wait
 * @keep_ms: milliseconds for which the pages of a counter shall be kept
 */
struct cdm_access_dev {
	unsigned int wait_us, keep_ms;
};

/**
 * struct cdm_scope - a task faults on behalf of a device
 * @dev_nid: the device's node
 * @mm: the faulting address space
 * @placed: a folio was allocated for it
 * @told: the owner of access was asked about it
 * @dev: what was answered
 *
 * Lives on the stack of cdm_device_fault(), which saves and restores
 * current->cdm_scope, so scopes nest; never set across a fork.
 */
struct cdm_scope {
	int dev_nid;
	struct mm_struct *mm;
	bool placed, told;
	struct cdm_access_dev dev;
};

/* ---- policies (ops.c, dispatch.c) ----------------------------------------- */

/* The callbacks that one policy owns per node; the first of enum cdm_cb. */
#define CDM_NR_OWNED	(CDM_CB_RECLAIM + 1)

enum cdm_policy_stat {
	CDM_PSTAT_CALLS,			/* + enum cdm_cb */
	CDM_PSTAT_DEFAULT = CDM_PSTAT_CALLS + CDM_NR_CB, /* answered 0 */
	CDM_PSTAT_USED,		/* as answered: the node was tried, the folio kept */
	CDM_PSTAT_FULL,		/* no room: on place's node, in access's queue */
	CDM_PSTAT_OVERRIDDEN,	/* usable, but not allowed: BIND, cpuset */
	CDM_PSTAT_BAD,		/* not usable */
	CDM_PSTAT_KEPT,		/* not asked, and denied: under keep */
	CDM_PSTAT_THROTTLED,	/* accesses that made their task wait */
	CDM_PSTAT_DENIED,	/* + enum cdm_mover; those under keep as well */
	CDM_NR_PSTATS = CDM_PSTAT_DENIED + CDM_NR_MOVERS,
};

struct cdm_policy_stats {
	u64 v[CDM_NR_PSTATS];
};

/*
 * enum cdm_policy_state - life of a policy, drawn in ops.c
 */
enum cdm_policy_state {
	CDM_POLICY_INIT,
	CDM_POLICY_ENABLED,
	CDM_POLICY_EJECTING,
	CDM_POLICY_DEAD,
	CDM_NR_POLICY_STATES,
};

#define CDM_EXIT_BT_LEN		16

/*
 * The code of a program after JIT: bpf_prog.bpf_func by its true type. That one
 * drops the upper half of what is returned, and its second argument is for the
 * interpreter.
 */
typedef u64 (*cdm_prog_fn)(const u64 *args);

/* Timed are the calls whose number has none of these bits. */
#define CDM_SAMPLE_MASK		63

/*
 * struct cdm_policy - an attached cdm_ops
 * @id: never reused
 * @ops: the map's copy; valid until unreg() or update() let go of it
 * @link: under cdm_mutex; NULL once unreg() ran
 * @prog: the programs of @ops->place, access and migrate, referenced; NULL if there is none
 * @code: their code, or a function that calls it through the trampoline
 * @state: under cdm_mutex
 * @ejected: enum cdm_exit_kind, set once; dispatch asks nothing more when set
 * @exit_claimed: under cdm_mutex; whoever sets it runs exit(), once
 * @exited: completed after exit() returned
 * @ref: attachment, and an ejection under way
 * @ei: filled by whoever set @ejected
 * @bt: kernel stack of whoever set @ejected, entries in @bt_len
 * @nr_bad: unusable answers so far
 * @nr_slow: timed calls in a row that overran the budget, by atomic callback
 * @sample_mask: CDM_SAMPLE_MASK, or 0 to time every call, likewise
 * @tick_start: jiffies | 1 while tick() runs on that node, else 0
 */
struct cdm_policy {
	u64 id;
	struct cdm_ops *ops;
	struct bpf_link *link;
	struct bpf_prog *prog[CDM_NR_DIRECT];
	cdm_prog_fn code[CDM_NR_DIRECT];
	enum cdm_policy_state state;
	int node;
	u32 tick_ms;
	unsigned long tick_period, timeout;
	char name[CDM_NAME_LEN];
	struct cdm_policy_stats __percpu *stats;

	atomic_t ejected;
	bool exit_claimed;
	struct completion exited;
	refcount_t ref;
	struct irq_work eject_irq_work;
	struct work_struct eject_work;
	struct cdm_exit_info ei;
	unsigned long bt[CDM_EXIT_BT_LEN];
	unsigned int bt_len;
	atomic_t nr_bad;
	atomic_t nr_slow[CDM_CB_MIGRATED + 1];
	unsigned long sample_mask[CDM_CB_MIGRATED + 1];

	unsigned long tick_next[MAX_NUMNODES];
	unsigned long tick_start[MAX_NUMNODES];
	u64 tick_seq[MAX_NUMNODES];

	struct kobject kobj;		/* /sys/kernel/mm/cdm/policies/ID */
};

struct cdm_table {
	struct rcu_head rcu;
	int nr;
	bool has_placed, has_access, has_migrated;
	bool has_keep;			/* a policy that can deny moves, or keep */
	/* [callback][nid]; an all-nodes policy fills the row, later nodes too. */
	struct cdm_policy *owner[CDM_NR_OWNED][MAX_NUMNODES];
	/* Owners for events that belong to no managed node. */
	struct cdm_policy *all[CDM_NR_OWNED];
	struct cdm_policy *policies[] __counted_by(nr);
};

/**
 * struct cdm_call - the call that is running, opaque to policies
 * @policy: who is called
 * @cb: which callback
 * @nid: managed node of the event, NUMA_NO_NODE if none
 * @memcg: whom the folio of the event is charged to, NULL if unknown
 * @dump: where cdm_bpf_dump() prints, NULL outside dump()
 */
struct cdm_call {
	struct cdm_policy *policy;
	u32 cb;
	int nid;
	struct mem_cgroup *memcg;
	struct seq_buf *dump;
};

extern struct srcu_struct cdm_srcu;
extern struct mutex cdm_mutex;
extern struct cdm_table __rcu *cdm_table;

static inline bool cdm_policy_of_node(const struct cdm_policy *p, int nid)
{
	return p->node == CDM_NODE_ALL || p->node == nid;
}

static inline void cdm_policy_count(struct cdm_policy *p, unsigned int stat)
{
	this_cpu_inc(p->stats->v[stat]);
}

u64 cdm_policy_stat(struct cdm_policy *p, unsigned int stat);
extern const char *const cdm_cb_names[CDM_NR_CB];
extern const char *const cdm_policy_state_names[CDM_NR_POLICY_STATES];
extern const char *const cdm_mover_names[CDM_NR_MOVERS];

/* ops.c */
void cdm_policy_put(struct cdm_policy *p);
void cdm_policy_disable(struct cdm_policy *p);	/* out of the table, drained */

/* verify.c: what the verifier may let pass; last_error */
extern const struct bpf_verifier_ops cdm_verifier_ops;
int cdm_ops_init(struct btf *btf);
int cdm_ops_check_member(const struct btf_type *t,
			 const struct btf_member *member,
			 const struct bpf_prog *prog);
int cdm_ops_init_member(const struct btf_type *t,
			const struct btf_member *member,
			void *kdata, const void *udata);
int cdm_ops_validate(void *kdata);
extern u32 cdm_ops_btf_id;
__printf(2, 3) int cdm_refuse(int err, const char *fmt, ...);
ssize_t cdm_last_error(char *buf, size_t size);

/* eject.c */
__printf(5, 6) void cdm_eject(struct cdm_policy *p, enum cdm_exit_kind kind,
			      u32 cb, s64 code, const char *fmt, ...);
void cdm_eject_init(struct cdm_policy *p);
void cdm_eject_all(enum cdm_exit_kind kind, const char *why);
void cdm_policy_exit(struct cdm_policy *p, enum cdm_exit_kind kind,
		     const char *msg);
ssize_t cdm_exits_show(char *buf);
void cdm_policy_dump(struct cdm_policy *p, struct seq_buf *s);
void cdm_bad_answer(struct cdm_policy *p, u32 cb, u64 ans, const char *why);
void cdm_watchdog_kick(void);

/* kfuncs.c. BPF finds the kfuncs by BTF; they are declared for sparse. */
int cdm_kfuncs_init(void);
s64 cdm_bpf_node_stat(const struct cdm_common *c, s32 nid, u32 item);
s64 cdm_bpf_memcg_usage(const struct cdm_common *c, u64 cgroup_id, s32 nid);
int cdm_bpf_folio_info(const struct cdm_common *c, u64 pfn, void *out,
		       u32 out__sz);
void cdm_bpf_error_bstr(const struct cdm_common *c, s64 code,
			const char *fmt__str, unsigned long long *data,
			u32 data__sz);
void cdm_bpf_dump_bstr(const struct cdm_common *c, const char *fmt__str,
		       unsigned long long *data, u32 data__sz);

/* kfuncs_move.c */
int cdm_bpf_move_range(const struct cdm_common *c__nullable, void *req,
		       u32 req__sz, void *status, u32 status__sz);
int cdm_bpf_move_pfns(const struct cdm_common *c__nullable, void *req,
		      u32 req__sz, void *pages, u32 pages__sz);
int cdm_bpf_scan_node(const struct cdm_common *c__nullable, void *scan,
		      u32 scan__sz, void *out, u32 out__sz);	/* scan.c */
int cdm_bpf_enqueue_range(const struct cdm_common *c, void *req, u32 req__sz);
int cdm_bpf_enqueue_pfn(const struct cdm_common *c, u64 pfn, s32 nid, u32 flags);

/* kfuncs_evict.c */
int bpf_iter_cdm_candidate_new(struct bpf_iter_cdm_candidate *it,
			       const struct cdm_common *c);
struct cdm_candidate *
bpf_iter_cdm_candidate_next(struct bpf_iter_cdm_candidate *it);
void bpf_iter_cdm_candidate_destroy(struct bpf_iter_cdm_candidate *it);
int bpf_iter_cdm_step_new(struct bpf_iter_cdm_step *it, const struct cdm_common *c);
u32 *bpf_iter_cdm_step_next(struct bpf_iter_cdm_step *it);
void bpf_iter_cdm_step_destroy(struct bpf_iter_cdm_step *it);
int cdm_bpf_evict_verdict(const struct cdm_common *c, u32 index, u64 answer);
int cdm_bpf_evict_propose(const struct cdm_common *c, u64 pfn, u64 seq, s64 access);

/* kfuncs_rmap.c */
int cdm_bpf_rmap_snapshot(const struct cdm_common *c__nullable, u64 pfn,
			  void *buf, u32 buf__sz);

/* dispatch.c, for node.c and kcdmd.c; all may sleep. */
int cdm_call_node_prepare(struct cdm_node *node, enum cdm_cb cb);
void cdm_call_node_phase(struct cdm_node *node, enum cdm_cb cb,
			 enum cdm_node_phase phase);
/* Under cdm_node_lock: tells a policy of a node that was there before it. */
void cdm_call_node_replay(struct cdm_policy *p, struct cdm_node *node);
/* Calls the ticks that are due; returns jiffies until the next, MAX if none. */
long cdm_call_ticks(struct cdm_node *node);

/*
 * cdm_place_key is on while a node is managed (its device may fault) or a
 * policy owns place for all nodes.
 */
void cdm_place_key_get(void);
void cdm_place_key_put(void);

/* dispatch.c */
u64 cdm_by_trampoline(const u64 *args);
u64 cdm_timed_call(struct cdm_policy *p, u32 cb, const u64 *args);
bool cdm_node_allowed(int nid, struct vm_area_struct *vma, unsigned long addr, int order);

/* access.c */
int cdm_access_ask(struct cdm_access_ctx *ctx, struct folio *folio,
		   struct vm_area_struct *vma, struct cdm_access_dev *dev);

/* access_device.c, in a device's scope; mmap_lock is not held. */
void cdm_access_resident(struct mm_struct *mm, unsigned long addr, unsigned int flags);

/* arm.c */
long cdm_arm_range(struct mm_struct *mm, unsigned long start, unsigned long end, bool async);
void cdm_disarm_all(void);
u64 cdm_armed_ago(const struct mm_struct *mm, unsigned long addr);
int cdm_may_arm(void);

/* movers.c */
bool cdm_may_move(struct folio *folio, int nid);
void cdm_tell_broken(unsigned long pfn, int nid);
extern bool cdm_migrated_heard;		/* some policy has migrated */

/* Under RCU. */
static inline u64 cdm_memcg_id(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	return memcg ? cgroup_id(memcg->css.cgroup) : 0;
#else
	return 0;
#endif
}

/* sysfs.c */
int cdm_sysfs_policy_add(struct cdm_policy *p);
void cdm_sysfs_policy_del(struct cdm_policy *p);
u64 cdm_sysfs_policy_id(void);
void cdm_sysfs_changed(void);		/* bumps enable_seq and notifies */

/* sysfs_node.c */
int cdm_sysfs_nodes_init(struct kobject *parent);
int cdm_sysfs_node_add(struct cdm_node *node);
void cdm_sysfs_node_del(struct cdm_node *node);
void cdm_sysfs_node_state(struct cdm_node *node);

extern bool cdm_ext_off;		/* cdm_ext=off, or switched off */

#endif /* _MM_CDM_INTERNAL_H */
