// SPDX-License-Identifier: GPL-2.0
/*
 * The tests' policy: it counts every event and answers what it is told to.
 *
 * Answers are given raw, so that a test can give bad ones. What a callback has
 * seen is kept in global variables, which attach -d prints.
 */
#include <cdm/counts.bpf.h>

char LICENSE[] SEC("license") = "GPL";

/* Raw answers, to a CPU's and a device's fault. */
const volatile __u64 cpu_answer;
const volatile __u64 dev_answer;

/* ... and to movers; of one of them, if it is not 0: enum cdm_mover + 1. */
const volatile __u64 migrate_answer;
const volatile __u32 migrate_mover;
/* Only so many times, then 0; 0: always. */
const volatile __u64 migrate_times;

/* ... and to accesses; only so many times, then 0; 0: always. */
const volatile __u64 access_answer;
const volatile __u64 access_times;

/* Only faults of this process are answered and counted below; 0: all. */
__u32 target;

/* Non-zero: what node_online and node_offline answer at CDM_PREPARE. */
const volatile __s32 veto_online;
const volatile __s32 veto_offline;

/* How long node_online takes at CDM_PREPARE. */
const volatile __u64 slow_ms;

/* enum cdm_cb + 1 of the callback that gives up with CDM_ERROR(), 0: none. */
const volatile __u32 error_in;

__u64 n_place, n_placed, n_placed_pages, n_tick, n_init, n_exit, n_dump;
__u64 n_online[4], n_offline[4];	/* by enum cdm_node_phase */

/* By enum cdm_alloc_kind and order, of faults that were answered. */
__u64 n_kind[4];
__u64 n_order[16];

/* By enum cdm_mover: folios and pages asked about, folios that moved and not. */
__u64 n_migrate[16], n_migrate_pages[16];
__u64 n_moved[16], n_unmoved[16];
/* Folios that moved to each node, of all movers. */
__u64 n_moved_to[16];
/* The last move: asked about, made, and not made. */
__s32 ask_src, ask_dst, ask_from, moved_src, moved_dst, unmoved_src, unmoved_dst;
__s32 moved_status;
__u32 ask_order, ask_anon, ask_ms, moved_order;
__u64 n_answered;
/* Events with a frame that does not fit, and folios that the kfunc saw fit. */
__u64 n_pfn_wrong, n_ask_info_same;
/* By enum cdm_access_kind; writes, and of memory of each kind. What the last one said. */
__u64 n_access[4], n_access_events[4], n_access_write, n_access_anon, n_access_shared, n_access_order[16];
__s32 access_src, access_acc, access_def;
/* Accesses whose facts are not those of the folio. */
__u64 n_access_wrong, n_access_answered;
/* Events that know when their page was armed, and the shortest of these times. */
__u64 n_access_armed, access_armed_min;
/* page_id of all that moved, xored: of the first @half, and of all. */
const volatile __u64 half;
__u64 ids, ids_of_half, n_ids, n_no_id;

/* What the last event of its kind looked like. */
__s32 last_dev, last_cpu, last_node, last_init_node;
__u32 last_tgid, last_exit_kind;
__u64 last_cgroup, last_addr, last_start, last_end, last_seq, last_vm_flags;
__u64 last_total, last_free, last_replaces;
__s64 last_exit_code;

/* What the kfuncs said in the last place: pages, and errnos as they came. */
__s64 node_total, node_free, node_mode, memcg_pages, bad_node, bad_item;
__s64 bad_cgroup;
const volatile __s32 ask_nid = 1;

/* Of the last folio that was placed. */
struct cdm_folio_info placed_info;
__s64 placed_ret, bad_pfn;
__u64 n_info_same;	/* folio_info agreed with the context */

#define ADD(var, n)	__sync_fetch_and_add(&(var), (n))
#define GIVE_UP(ctx, cb)						\
do {									\
	if (error_in == (cb) + 1)					\
		CDM_ERROR(ctx, 1000 + (cb), "told to give up in %d",	\
			  (__u64)(cb));					\
} while (0)

__u64 CDM_CALLBACK(place, ev_place, const struct cdm_place_ctx *c)
{
	/* Read once: what the verifier has seen bounded must be what indexes. */
	__u32 kind = c->kind & 3, order = c->order & 15;

	barrier_var(kind);
	barrier_var(order);
	if (target && c->tgid != target)
		return 0;

	ADD(n_place, 1);
	ADD(n_kind[kind & 3], 1);
	ADD(n_order[order & 15], 1);
	last_dev = c->dev_nid;
	last_cpu = c->cpu_nid;
	last_tgid = c->tgid;
	last_cgroup = c->cgroup_id;
	last_addr = c->addr;
	last_start = c->vm_start;
	last_end = c->vm_end;
	last_vm_flags = c->vm_flags;

	node_total = cdm_bpf_node_stat(&c->common, ask_nid, CDM_ITEM_TOTAL);
	node_free = cdm_bpf_node_stat(&c->common, ask_nid, CDM_ITEM_FREE);
	node_mode = cdm_bpf_node_stat(&c->common, ask_nid, CDM_ITEM_MODE);
	bad_node = cdm_bpf_node_stat(&c->common, 4095, CDM_ITEM_TOTAL);
	bad_item = cdm_bpf_node_stat(&c->common, ask_nid, 4095);
	memcg_pages = cdm_bpf_memcg_usage(&c->common, c->cgroup_id, ask_nid);
	bad_cgroup = cdm_bpf_memcg_usage(&c->common, ~0ULL, ask_nid);

	GIVE_UP(c, CDM_CB_PLACE);
	return cdm_count(c->dev_nid >= 0 ? dev_answer : cpu_answer);
}

void CDM_CALLBACK(placed, ev_placed, const struct cdm_placed_ctx *c)
{
	struct cdm_folio_info info = {};

	ADD(n_placed, 1);
	ADD(n_placed_pages, 1ULL << (c->order & 31));
	last_node = c->nid;
	last_seq = c->seq;
	placed_ret = cdm_bpf_folio_info(&c->common, c->pfn, &info, sizeof(info));
	bad_pfn = cdm_bpf_folio_info(&c->common, ~0ULL, &info, sizeof(info));
	if (cdm_bpf_folio_info(&c->common, c->pfn, &info, sizeof(info)) == 0 &&
	    info.pfn == c->pfn && info.nid == c->nid && info.order == c->order)
		ADD(n_info_same, 1);
	placed_info = info;
	GIVE_UP(c, CDM_CB_PLACED);
}

__u64 CDM_CALLBACK(access, ev_access, const struct cdm_access_ctx *c)
{
	struct cdm_folio_info info = {};
	__u32 kind = c->kind & 3, order = c->order & 15;

	barrier_var(kind);
	barrier_var(order);
	if (target && c->tgid != target)
		return 0;
	ADD(n_access[kind], c->count);
	ADD(n_access_events[kind], 1);
	ADD(n_access_order[order & 15], 1);
	if (c->flags & CDM_ACCESS_WRITE)
		ADD(n_access_write, 1);
	if (c->flags & CDM_ACCESS_ANON)
		ADD(n_access_anon, 1);
	if (c->flags & CDM_ACCESS_SHARED)
		ADD(n_access_shared, 1);
	access_src = c->src_nid;
	access_acc = c->acc_nid;
	access_def = c->def_nid;
	if (c->armed_ns) {
		ADD(n_access_armed, 1);
		if (!access_armed_min || c->armed_ns < access_armed_min)
			access_armed_min = c->armed_ns;
	}
	/* Its page table is locked, so that it is what it is. */
	if (cdm_bpf_folio_info(&c->common, c->pfn, &info, sizeof(info)) ||
	    info.nid != c->src_nid || info.order != c->order ||
	    info.cgroup_id != c->cgroup_id || info.pfn != c->pfn || !c->mm_cookie ||
	    !(info.flags & CDM_FOLIO_ANON) != !(c->flags & CDM_ACCESS_ANON))
		ADD(n_access_wrong, 1);
	GIVE_UP(c, CDM_CB_ACCESS);
	if (access_times && ADD(n_access_answered, 1) >= access_times)
		return 0;
	return access_answer;
}

__u64 CDM_CALLBACK(migrate, ev_migrate, const struct cdm_migrate_ctx *c)
{
	struct cdm_folio_info info = {};
	__u32 mover = c->mover;

	barrier_var(mover);
	ADD(n_migrate[mover & 15], 1);
	ADD(n_migrate_pages[mover & 15], c->nr_pages);
	ask_src = c->src_nid;
	ask_dst = c->dst_nid;
	ask_from = c->from_nid;
	ask_order = c->order;
	ask_anon = c->anon;
	ask_ms = c->moved_ms;
	if (c->mover == CDM_MOVER_COLLAPSE ? c->pfn : !c->pfn)
		ADD(n_pfn_wrong, 1);
	if (c->pfn && !cdm_bpf_folio_info(&c->common, c->pfn, &info, sizeof(info)) &&
	    info.pfn == c->pfn && info.nid == c->src_nid && info.order == c->order &&
	    info.cgroup_id == c->cgroup_id)
		ADD(n_ask_info_same, 1);
	GIVE_UP(c, CDM_CB_MIGRATE);
	if (migrate_mover && c->mover + 1 != migrate_mover)
		return 0;
	if (migrate_times && ADD(n_answered, 1) >= migrate_times)
		return 0;
	return migrate_answer;
}

void CDM_CALLBACK(migrated, ev_migrated, const struct cdm_migrated_ctx *c)
{
	__u32 mover = c->mover, to = c->dst_nid;

	barrier_var(mover);
	barrier_var(to);
	moved_status = c->status;
	if (c->status) {
		unmoved_src = c->src_nid;
		unmoved_dst = c->dst_nid;
		ADD(n_unmoved[mover & 15], 1);
		if (c->new_pfn || !c->old_pfn)
			ADD(n_pfn_wrong, 1);
	} else {
		moved_src = c->src_nid;
		moved_dst = c->dst_nid;
		moved_order = c->order;
		ADD(n_moved[mover & 15], 1);
		ADD(n_moved_to[to & 15], 1);
		if (!c->new_pfn || !c->old_pfn || c->new_pfn == c->old_pfn)
			ADD(n_pfn_wrong, 1);
		if (!c->page_id)
			ADD(n_no_id, 1);
		ids ^= c->page_id;
		if (ADD(n_ids, 1) == half - 1)
			ids_of_half = ids;
	}
	GIVE_UP(c, CDM_CB_MIGRATED);
}

static long is_over(__u32 i, __u64 *end)
{
	return bpf_ktime_get_ns() >= *end;
}

static void linger(void)
{
	__u64 end = bpf_ktime_get_ns() + slow_ms * 1000000;
	int i;

	/* As often as bpf_loop() goes round at most, and a fast machine needs more. */
	for (i = 0; i < 64 && bpf_ktime_get_ns() < end; i++)
		bpf_loop(1 << 23, is_over, &end, 0);
}

__s32 CDM_CALLBACK_S(node_online, ev_online, const struct cdm_node_ctx *c)
{
	__u32 phase = c->phase;

	barrier_var(phase);
	ADD(n_online[phase & 3], 1);
	GIVE_UP(c, CDM_CB_NODE_ONLINE);
	if (c->phase != CDM_PREPARE)
		return 0;
	if (slow_ms)
		linger();
	return veto_online;
}

__s32 CDM_CALLBACK_S(node_offline, ev_offline, const struct cdm_node_ctx *c)
{
	__u32 phase = c->phase;

	barrier_var(phase);
	ADD(n_offline[phase & 3], 1);
	GIVE_UP(c, CDM_CB_NODE_OFFLINE);
	return c->phase == CDM_PREPARE ? veto_offline : 0;
}

void CDM_CALLBACK_S(tick, ev_tick, const struct cdm_tick_ctx *c)
{
	ADD(n_tick, 1);
	last_total = c->nr_total;
	last_free = c->nr_free;
	GIVE_UP(c, CDM_CB_TICK);
}

__s32 CDM_CALLBACK_S(init, ev_init, const struct cdm_init_ctx *c)
{
	ADD(n_init, 1);
	last_init_node = c->node;
	last_replaces = c->replaces;
	GIVE_UP(c, CDM_CB_INIT);
	return 0;
}

void CDM_CALLBACK_S(exit, ev_exit, const struct cdm_exit_info *info)
{
	ADD(n_exit, 1);
	last_exit_kind = info->kind;
	last_exit_code = info->code;
}

void CDM_CALLBACK(dump, ev_dump, const struct cdm_dump_ctx *c)
{
	ADD(n_dump, 1);
	CDM_DUMP(c, "events: %d placed, %s\n", n_placed, "and that is all");
	CDM_DUMP(c, "end\n");
}

CDM_OPS_DEFINE(events_ops,
	.place		= (void *)ev_place,
	.access		= (void *)ev_access,
	.migrate	= (void *)ev_migrate,
	.placed		= (void *)ev_placed,
	.migrated	= (void *)ev_migrated,
	.node_online	= (void *)ev_online,
	.node_offline	= (void *)ev_offline,
	.tick		= (void *)ev_tick,
	.init		= (void *)ev_init,
	.exit		= (void *)ev_exit,
	.dump		= (void *)ev_dump,
	.node		= CDM_NODE_ALL,
	.tick_ms	= 100,
	.exit_dump_len	= 4096,
	.name		= "events");
