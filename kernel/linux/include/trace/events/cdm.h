/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What cdm_ext decided, for observers that do not trust its counters.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cdm

#if !defined(_TRACE_CDM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_CDM_H

#include <linux/tracepoint.h>
#include <linux/cdm.h>
#include <linux/cdm_evict.h>

/*
 * Programs that read the binary events have no header with these numbers: with this the
 * format files have them in place of the names.
 */
TRACE_DEFINE_ENUM(CDM_ALLOC_ANON);
TRACE_DEFINE_ENUM(CDM_ALLOC_SHMEM);
TRACE_DEFINE_ENUM(CDM_ALLOC_SWAPIN);

TRACE_DEFINE_ENUM(CDM_PREPARE);
TRACE_DEFINE_ENUM(CDM_DONE);
TRACE_DEFINE_ENUM(CDM_CANCELLED);
TRACE_DEFINE_ENUM(CDM_REPLAY);

TRACE_DEFINE_ENUM(CDM_MOVER_CDM);
TRACE_DEFINE_ENUM(CDM_MOVER_NUMA_BALANCING);
TRACE_DEFINE_ENUM(CDM_MOVER_DEMOTION);
TRACE_DEFINE_ENUM(CDM_MOVER_MOVE_PAGES);
TRACE_DEFINE_ENUM(CDM_MOVER_MBIND);
TRACE_DEFINE_ENUM(CDM_MOVER_DAMON);
TRACE_DEFINE_ENUM(CDM_MOVER_COLLAPSE);
TRACE_DEFINE_ENUM(CDM_MOVER_EVICT);
TRACE_DEFINE_ENUM(CDM_MOVER_HOTPLUG);
TRACE_DEFINE_ENUM(CDM_MOVER_MEMORY_FAILURE);
TRACE_DEFINE_ENUM(CDM_MOVER_LONGTERM_PIN);
TRACE_DEFINE_ENUM(CDM_MOVER_CONTIG);
TRACE_DEFINE_ENUM(CDM_MOVER_COMPACTION);

TRACE_DEFINE_ENUM(CDM_EVICT_BACKGROUND);
TRACE_DEFINE_ENUM(CDM_EVICT_KSWAPD);
TRACE_DEFINE_ENUM(CDM_EVICT_DIRECT);
TRACE_DEFINE_ENUM(CDM_EVICT_ADMIN);

TRACE_DEFINE_ENUM(CDM_ACCESS_HINT);
TRACE_DEFINE_ENUM(CDM_ACCESS_DEVICE);
TRACE_DEFINE_ENUM(CDM_ACCESS_COUNTER);

#define show_cdm_kind(kind)			\
	__print_symbolic(kind,			\
		{ CDM_ALLOC_ANON, "anon" },	\
		{ CDM_ALLOC_SHMEM, "shmem" },	\
		{ CDM_ALLOC_SWAPIN, "swapin" })

#define show_cdm_phase(phase)			\
	__print_symbolic(phase,			\
		{ CDM_PREPARE, "prepare" },	\
		{ CDM_DONE, "done" },		\
		{ CDM_CANCELLED, "cancelled" },	\
		{ CDM_REPLAY, "replay" })

#define show_cdm_mover(mover)				\
	__print_symbolic(mover,				\
		{ CDM_MOVER_CDM, "cdm" },		\
		{ CDM_MOVER_NUMA_BALANCING, "numa_balancing" }, \
		{ CDM_MOVER_DEMOTION, "demotion" },	\
		{ CDM_MOVER_MOVE_PAGES, "move_pages" },	\
		{ CDM_MOVER_MBIND, "mbind" },		\
		{ CDM_MOVER_DAMON, "damon" },		\
		{ CDM_MOVER_COLLAPSE, "collapse" },	\
		{ CDM_MOVER_EVICT, "evict" },			\
		{ CDM_MOVER_HOTPLUG, "hotplug" },	\
		{ CDM_MOVER_MEMORY_FAILURE, "memory_failure" }, \
		{ CDM_MOVER_LONGTERM_PIN, "longterm_pin" }, \
		{ CDM_MOVER_CONTIG, "contig" },		\
		{ CDM_MOVER_COMPACTION, "compaction" })

#define show_cdm_why(why)					\
	__print_symbolic(why,					\
		{ CDM_EVICT_BACKGROUND, "background" },		\
		{ CDM_EVICT_KSWAPD, "kswapd" },			\
		{ CDM_EVICT_DIRECT, "direct" },			\
		{ CDM_EVICT_ADMIN, "admin" })

TRACE_EVENT(cdm_place,
	TP_PROTO(const struct cdm_place_ctx *ctx, u64 policy, u64 answer,
		 int answer_nid, int got_nid),
	TP_ARGS(ctx, policy, answer, answer_nid, got_nid),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, policy)
		__field(u64, answer)
		__field(u32, tgid)
		__field(int, cpu_nid)
		__field(int, dev_nid)
		__field(u32, order)
		__field(u32, kind)
		__field(int, answer_nid)
		__field(int, got_nid)
	),
	TP_fast_assign(
		__entry->addr = ctx->addr;
		__entry->policy = policy;
		__entry->answer = answer;
		__entry->tgid = ctx->tgid;
		__entry->cpu_nid = ctx->cpu_nid;
		__entry->dev_nid = ctx->dev_nid;
		__entry->order = ctx->order;
		__entry->kind = ctx->kind;
		__entry->answer_nid = answer_nid;
		__entry->got_nid = got_nid;
	),
	TP_printk("tgid=%u addr=%#llx order=%u kind=%s cpu_nid=%d dev_nid=%d policy=%llu answer=%#llx answer_nid=%d got_nid=%d",
		  __entry->tgid, __entry->addr, __entry->order,
		  show_cdm_kind(__entry->kind), __entry->cpu_nid,
		  __entry->dev_nid, __entry->policy, __entry->answer,
		  __entry->answer_nid, __entry->got_nid)
);

TRACE_EVENT(cdm_access,
	TP_PROTO(const struct cdm_access_ctx *ctx, u64 policy, u64 answer),
	TP_ARGS(ctx, policy, answer),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, pfn)
		__field(u64, policy)
		__field(u64, answer)
		__field(u32, tgid)
		__field(int, src_nid)
		__field(int, acc_nid)
		__field(int, def_nid)
		__field(u32, order)
		__field(u32, kind)
		__field(u32, nr_pages)
		__field(u32, count)
	),
	TP_fast_assign(
		__entry->addr = ctx->addr;
		__entry->pfn = ctx->pfn;
		__entry->policy = policy;
		__entry->answer = answer;
		__entry->tgid = ctx->tgid;
		__entry->src_nid = ctx->src_nid;
		__entry->acc_nid = ctx->acc_nid;
		__entry->def_nid = ctx->def_nid;
		__entry->order = ctx->order;
		__entry->kind = ctx->kind;
		__entry->nr_pages = ctx->nr_pages;
		__entry->count = ctx->count;
	),
	TP_printk("tgid=%u addr=%#llx pfn=%#llx order=%u kind=%s src_nid=%d acc_nid=%d def_nid=%d nr_pages=%u count=%u policy=%llu answer=%#llx",
		  __entry->tgid, __entry->addr, __entry->pfn, __entry->order,
		  __print_symbolic(__entry->kind,
				   { CDM_ACCESS_HINT, "hint" },
				   { CDM_ACCESS_DEVICE, "device" },
				   { CDM_ACCESS_COUNTER, "counter" }),
		  __entry->src_nid, __entry->acc_nid, __entry->def_nid,
		  __entry->nr_pages, __entry->count, __entry->policy, __entry->answer)
);

TRACE_EVENT(cdm_pingpong,
	TP_PROTO(unsigned long pfn, unsigned int order, int nid, int from_nid, u32 away_ms),
	TP_ARGS(pfn, order, nid, from_nid, away_ms),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(u32, order)
		__field(int, nid)
		__field(int, from_nid)
		__field(u32, away_ms)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->order = order;
		__entry->nid = nid;
		__entry->from_nid = from_nid;
		__entry->away_ms = away_ms;
	),
	TP_printk("pfn=%#lx order=%u nid=%d from_nid=%d away_ms=%u",
		  __entry->pfn, __entry->order, __entry->nid, __entry->from_nid,
		  __entry->away_ms)
);

TRACE_EVENT(cdm_placed,
	TP_PROTO(u64 pfn, int nid, u32 order, u64 seq),
	TP_ARGS(pfn, nid, order, seq),
	TP_STRUCT__entry(
		__field(u64, pfn)
		__field(u64, seq)
		__field(int, nid)
		__field(u32, order)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->seq = seq;
		__entry->nid = nid;
		__entry->order = order;
	),
	TP_printk("pfn=%#llx nid=%d order=%u seq=%llu",
		  __entry->pfn, __entry->nid, __entry->order, __entry->seq)
);

TRACE_EVENT(cdm_migrate,
	TP_PROTO(const struct cdm_migrate_ctx *ctx, u64 policy, u64 answer),
	TP_ARGS(ctx, policy, answer),
	TP_STRUCT__entry(
		__field(u64, pfn)
		__field(u64, policy)
		__field(u64, answer)
		__field(int, src_nid)
		__field(int, dst_nid)
		__field(u32, nr_pages)
		__field(u32, mover)
	),
	TP_fast_assign(
		__entry->pfn = ctx->pfn;
		__entry->policy = policy;
		__entry->answer = answer;
		__entry->src_nid = ctx->src_nid;
		__entry->dst_nid = ctx->dst_nid;
		__entry->nr_pages = ctx->nr_pages;
		__entry->mover = ctx->mover;
	),
	TP_printk("pfn=%#llx nr_pages=%u mover=%s src_nid=%d dst_nid=%d policy=%llu answer=%#llx",
		  __entry->pfn, __entry->nr_pages,
		  show_cdm_mover(__entry->mover), __entry->src_nid,
		  __entry->dst_nid, __entry->policy, __entry->answer)
);

TRACE_EVENT(cdm_migrated,
	TP_PROTO(const struct cdm_migrated_ctx *ctx),
	TP_ARGS(ctx),
	TP_STRUCT__entry(
		__field(u64, old_pfn)
		__field(u64, new_pfn)
		__field(int, src_nid)
		__field(int, dst_nid)
		__field(u32, order)
		__field(u32, mover)
		__field(int, status)
	),
	TP_fast_assign(
		__entry->old_pfn = ctx->old_pfn;
		__entry->new_pfn = ctx->new_pfn;
		__entry->src_nid = ctx->src_nid;
		__entry->dst_nid = ctx->dst_nid;
		__entry->order = ctx->order;
		__entry->mover = ctx->mover;
		__entry->status = ctx->status;
	),
	TP_printk("old_pfn=%#llx new_pfn=%#llx order=%u mover=%s src_nid=%d dst_nid=%d status=%d",
		  __entry->old_pfn, __entry->new_pfn, __entry->order,
		  show_cdm_mover(__entry->mover), __entry->src_nid,
		  __entry->dst_nid, __entry->status)
);

TRACE_EVENT(cdm_node_phase,
	TP_PROTO(int nid, bool online, u32 phase, int ret),
	TP_ARGS(nid, online, phase, ret),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(bool, online)
		__field(u32, phase)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->online = online;
		__entry->phase = phase;
		__entry->ret = ret;
	),
	TP_printk("nid=%d %s phase=%s ret=%d", __entry->nid,
		  __entry->online ? "online" : "offline",
		  show_cdm_phase(__entry->phase), __entry->ret)
);

/* Numbers of enum cdm_node_state, which mm/cdm/ keeps to itself. */
#define show_cdm_node_state(state)		\
	__print_symbolic(state,			\
		{ 0, "registered" },		\
		{ 1, "going-online" },		\
		{ 2, "online" },		\
		{ 3, "draining" },		\
		{ 4, "offline" },		\
		{ 5, "failed" },		\
		{ 6, "orphaned" })

TRACE_EVENT(cdm_node_state,
	TP_PROTO(int nid, unsigned int was, unsigned int state),
	TP_ARGS(nid, was, state),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(unsigned int, was)
		__field(unsigned int, state)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->was = was;
		__entry->state = state;
	),
	TP_printk("nid=%d %s -> %s", __entry->nid,
		  show_cdm_node_state(__entry->was),
		  show_cdm_node_state(__entry->state))
);

TRACE_EVENT(cdm_move,
	TP_PROTO(int nid, unsigned int flags, unsigned int folios,
		 unsigned int pages, unsigned int moved),
	TP_ARGS(nid, flags, folios, pages, moved),
	TP_STRUCT__entry(
		__field(int, nid)
		__field(unsigned int, flags)
		__field(unsigned int, folios)
		__field(unsigned int, pages)
		__field(unsigned int, moved)
	),
	TP_fast_assign(
		__entry->nid = nid;
		__entry->flags = flags;
		__entry->folios = folios;
		__entry->pages = pages;
		__entry->moved = moved;
	),
	TP_printk("nid=%d flags=%#x folios=%u pages=%u moved=%u",
		  __entry->nid, __entry->flags, __entry->folios,
		  __entry->pages, __entry->moved)
);

TRACE_EVENT(cdm_request,
	TP_PROTO(int kcdmd, const struct cdm_request *r, u64 waited_ns, int err),
	TP_ARGS(kcdmd, r, waited_ns, err),
	TP_STRUCT__entry(
		__field(u64, where)
		__field(u64, policy)
		__field(u64, waited_ns)
		__field(u32, tgid)
		__field(u32, nr)
		__field(int, nid)
		__field(int, kcdmd)
		__field(int, err)
		__field(bool, by_pfn)
	),
	TP_fast_assign(
		__entry->where = r->where;
		__entry->policy = r->policy;
		__entry->waited_ns = waited_ns;
		__entry->tgid = r->tgid;
		__entry->nr = r->nr;
		__entry->nid = r->nid;
		__entry->kcdmd = kcdmd;
		__entry->err = err;
		__entry->by_pfn = !r->mm_cookie;
	),
	TP_printk("kcdmd=%d nid=%d policy=%llu %s=%#llx tgid=%u pages=%u waited_us=%llu err=%d",
		  __entry->kcdmd, __entry->nid, __entry->policy,
		  __entry->by_pfn ? "pfn" : "addr", __entry->where,
		  __entry->tgid, __entry->nr, __entry->waited_ns / 1000,
		  __entry->err)
);

TRACE_EVENT(cdm_evict,
	TP_PROTO(int nid, unsigned int why, u64 policy, unsigned int folios,
		 unsigned int pages, unsigned int moved, unsigned int proposed,
		 unsigned int kept, unsigned int overridden),
	TP_ARGS(nid, why, policy, folios, pages, moved, proposed, kept, overridden),
	TP_STRUCT__entry(
		__field(u64, policy)
		__field(int, nid)
		__field(unsigned int, why)
		__field(unsigned int, folios)
		__field(unsigned int, pages)
		__field(unsigned int, moved)
		__field(unsigned int, proposed)
		__field(unsigned int, kept)
		__field(unsigned int, overridden)
	),
	TP_fast_assign(
		__entry->policy = policy;
		__entry->nid = nid;
		__entry->why = why;
		__entry->folios = folios;
		__entry->pages = pages;
		__entry->moved = moved;
		__entry->proposed = proposed;
		__entry->kept = kept;
		__entry->overridden = overridden;
	),
	TP_printk("nid=%d why=%s policy=%llu folios=%u pages=%u moved=%u proposed=%u kept=%u overridden=%u",
		  __entry->nid, show_cdm_why(__entry->why), __entry->policy,
		  __entry->folios, __entry->pages, __entry->moved,
		  __entry->proposed, __entry->kept, __entry->overridden)
);

TRACE_EVENT(cdm_policy,
	TP_PROTO(u64 id, const char *name, const char *what),
	TP_ARGS(id, name, what),
	TP_STRUCT__entry(
		__field(u64, id)
		__string(name, name)
		__string(what, what)
	),
	TP_fast_assign(
		__entry->id = id;
		__assign_str(name);
		__assign_str(what);
	),
	TP_printk("id=%llu name=%s %s", __entry->id, __get_str(name),
		  __get_str(what))
);

#endif /* _TRACE_CDM_H */

#include <trace/define_trace.h>
