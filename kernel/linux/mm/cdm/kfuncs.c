// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy may call, and from which callback.
 *
 * One table says both: it feeds the verifier's filter here and the matrix test
 * in the selftests. Every kfunc takes the running context's first member, which
 * cannot be forged and leads to the policy that is to blame.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/cgroup.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/vmstat.h>

#include "internal.h"

#define CDM_FMT_ARGS	12

__bpf_kfunc_start_defs();

/**
 * cdm_bpf_node_stat - a number about a node
 * @c: first member of the running callback's context
 * @nid: any possible node
 * @item: enum cdm_node_item
 *
 * Context: every callback. Counts may be off by what CPUs hold back, up to 125
 * pages each.
 * Return: pages, or the item's value; -EINVAL for a node or item that does not
 * exist, -ENODEV for an item of managed nodes on another node.
 */
__bpf_kfunc s64 cdm_bpf_node_stat(const struct cdm_common *c, s32 nid, u32 item)
{
	struct cdm_node *node;

	if (nid < 0 || nid >= MAX_NUMNODES || !node_possible(nid))
		return -EINVAL;

	switch (item) {
	case CDM_ITEM_TOTAL:
		return node_present_pages(nid);
	case CDM_ITEM_FREE:
		return sum_zone_node_page_state(nid, NR_FREE_PAGES);
	}

	guard(rcu)();
	node = cdm_node_of(nid);
	if (!node)
		return -ENODEV;
	switch (item) {
	case CDM_ITEM_MODE:
		return READ_ONCE(node->mode);
	case CDM_ITEM_STATE:
		return READ_ONCE(node->state);
	case CDM_ITEM_SEQ:
		return atomic64_read(&node->seq);
	case CDM_ITEM_MOVE_RATE:
		return READ_ONCE(node->limit.rate);
	case CDM_ITEM_MOVE_TOKENS:
		return cdm_limit_tokens(&node->limit);
	case CDM_ITEM_BASE:
		return node->base_pfn;
	}
	return -EINVAL;
}

#ifdef CONFIG_MEMCG
static s64 cdm_memcg_lru_pages(struct mem_cgroup *memcg, int nid)
{
	struct lruvec *lruvec = mem_cgroup_lruvec(memcg, NODE_DATA(nid));
	enum lru_list lru;
	s64 sum = 0;
	int zid;

	for_each_lru(lru)
		for (zid = 0; zid < MAX_NR_ZONES; zid++)
			sum += mem_cgroup_get_zone_lru_size(lruvec, lru, zid);
	return sum;
}
#endif

/**
 * cdm_bpf_memcg_usage - pages that a cgroup has on a node
 * @c: first member of the running callback's context
 * @cgroup_id: id of the cgroup, as contexts give it
 * @nid: any possible node
 *
 * Counts the cgroup's own LRU pages, not those of its children. The slack: what
 * waits in a CPU's batch for the LRU is not seen, up to 31 folios for each CPU.
 *
 * Context: every callback. A cgroup other than the event's own must be visible
 * from the cgroup namespace of the current task.
 * Return: pages; -EINVAL for a node that does not exist, -ENOENT for a cgroup
 * that does not exist or has no memory controller, -EOPNOTSUPP without the
 * memory controller.
 */
__bpf_kfunc s64 cdm_bpf_memcg_usage(const struct cdm_common *c, u64 cgroup_id,
				    s32 nid)
{
#ifdef CONFIG_MEMCG
	struct mem_cgroup *memcg = c->call->memcg;
	struct cgroup *cgrp;
	s64 ret = -ENOENT;

	if (nid < 0 || nid >= MAX_NUMNODES || !node_possible(nid))
		return -EINVAL;
	if (mem_cgroup_disabled())
		return -EOPNOTSUPP;

	if (memcg && cdm_memcg_id(memcg) == cgroup_id)
		return cdm_memcg_lru_pages(memcg, nid);

	cgrp = cgroup_get_from_id(cgroup_id);
	if (IS_ERR(cgrp))
		return -ENOENT;
	scoped_guard(rcu) {
		struct cgroup_subsys_state *css;

		css = rcu_dereference(cgrp->subsys[memory_cgrp_id]);
		if (css)
			ret = cdm_memcg_lru_pages(mem_cgroup_from_css(css), nid);
	}
	cgroup_put(cgrp);
	return ret;
#else
	return -EOPNOTSUPP;
#endif
}

/* Most policies know the struct as it is, and copies of a fixed size are cheap. */
static void folio_info_out(void *out, u32 size, const struct cdm_folio_info *info)
{
	if (likely(size == sizeof(*info))) {
		memcpy(out, info, sizeof(*info));
		return;
	}
	memset(out, 0, size);
	memcpy(out, info, min_t(u32, size, sizeof(*info)));
}

/**
 * cdm_bpf_folio_info - facts about the folio that holds a page frame
 * @c: first member of the running callback's context
 * @pfn: page frame number, of any page of the folio
 * @out: struct cdm_folio_info, as the policy knew it when it was built
 * @out__sz: its size; what the kernel knows beyond it is left out, and what
 *	the policy knows beyond the kernel's is zeroed
 *
 * The folio may change or go while the policy looks; nothing pins it.
 *
 * Context: every callback.
 * Return: 0; -EINVAL for an @out of less than 16 bytes, -ENXIO for a frame that
 * is not online memory, -ENOENT for one that is free or not user memory.
 */
__bpf_kfunc int cdm_bpf_folio_info(const struct cdm_common *c, u64 pfn,
				   void *out, u32 out__sz)
{
	struct cdm_folio_info info = {};
	struct folio *folio;
	struct page *page;
	int ret = 0;

	if (out__sz < 16)
		return -EINVAL;
	folio_info_out(out, out__sz, &info);

	page = pfn_to_online_page(pfn);
	if (!page)
		return -ENXIO;
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return -ENOENT;
	if (page_folio(page) != folio || folio_test_slab(folio) ||
	    folio_test_hugetlb(folio) || !(folio_test_anon(folio) || folio->mapping)) {
		ret = -ENOENT;
		goto put;
	}

	info.pfn = folio_pfn(folio);
	info.nid = folio_nid(folio);
	info.order = folio_order(folio);
	info.mapcount = folio_mapcount(folio);
	info.flags = cdm_folio_flags(folio);
	info.from_nid = NUMA_NO_NODE;

	scoped_guard(rcu) {
		struct cdm_node *node = cdm_node_of(info.nid);
		unsigned long i;

		info.cgroup_id = cdm_memcg_id(folio_memcg(folio));
		i = node ? info.pfn - node->base_pfn : 0;
		if (node && node->fstate && i < node->nr_pfns) {
			const struct cdm_folio_state *fs = &node->fstate[i];

			info.seq = READ_ONCE(fs->seq);
			info.access = READ_ONCE(fs->access);
			info.from_nid = (READ_ONCE(fs->from_nid) &
					 ~CDM_FSTATE_CAME_BY_MOVE) - 1;
		}
	}
	folio_info_out(out, out__sz, &info);
put:
	folio_put(folio);
	return ret;
}

/* Formats as bpf_trace_printk() would; @data is the program's own memory. */
static int cdm_bstr(char *buf, size_t size, const char *fmt,
		    unsigned long long *data, u32 data__sz)
{
	struct bpf_bprintf_data bd = { .get_bin_args = true };
	u64 args[CDM_FMT_ARGS];
	int ret;

	if (data__sz % 8 || data__sz > sizeof(args) || (data__sz && !data))
		return -EINVAL;
	ret = copy_from_kernel_nofault(args, data, data__sz);
	if (ret < 0)
		return ret;
	/* It only reads the format, whose end the verifier has seen. */
	ret = bpf_bprintf_prepare((char *)fmt, UINT_MAX, args, data__sz / 8, &bd);
	if (ret < 0)
		return ret;
	ret = bstr_printf(buf, size, fmt, bd.bin_args);
	bpf_bprintf_cleanup(&bd);
	return ret;
}

/**
 * cdm_bpf_error_bstr - a policy gives up; use CDM_ERROR()
 * @c: first member of the running callback's context
 * @code: the policy's own code, shown to users
 * @fmt__str: what happened, a constant string
 * @data: arguments of @fmt__str
 * @data__sz: bytes of @data, at most 12 arguments of 8
 *
 * The policy is ejected: defaults apply at once, exit() runs soon after.
 *
 * Context: every callback.
 */
__bpf_kfunc void cdm_bpf_error_bstr(const struct cdm_common *c, s64 code,
				    const char *fmt__str,
				    unsigned long long *data, u32 data__sz)
{
	char msg[CDM_EXIT_MSG_LEN];

	if (cdm_bstr(msg, sizeof(msg), fmt__str, data, data__sz) < 0)
		strscpy(msg, "(the message could not be formatted)");
	cdm_eject(c->call->policy, CDM_EXIT_ERROR_BPF, c->call->cb, code,
		  "%s", msg);
}

/**
 * cdm_bpf_dump_bstr - print into a dump; use CDM_DUMP()
 * @c: first member of the running callback's context
 * @fmt__str: what to print, with its own newlines, a constant string
 * @data: arguments of @fmt__str
 * @data__sz: bytes of @data, at most 12 arguments of 8
 *
 * Context: dump only.
 */
__bpf_kfunc void cdm_bpf_dump_bstr(const struct cdm_common *c,
				   const char *fmt__str,
				   unsigned long long *data, u32 data__sz)
{
	char line[CDM_EXIT_MSG_LEN];

	if (cdm_bstr(line, sizeof(line), fmt__str, data, data__sz) < 0)
		strscpy(line, "(a line could not be formatted)\n");
	seq_buf_puts(c->call->dump, line);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(cdm_kfunc_ids)
BTF_ID_FLAGS(func, cdm_bpf_node_stat, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_memcg_usage, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_folio_info, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_error_bstr, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_dump_bstr, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_move_range, KF_TRUSTED_ARGS | KF_SLEEPABLE)
BTF_ID_FLAGS(func, cdm_bpf_move_pfns, KF_TRUSTED_ARGS | KF_SLEEPABLE)
BTF_ID_FLAGS(func, cdm_bpf_enqueue_range, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_enqueue_pfn, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_scan_node, KF_TRUSTED_ARGS | KF_SLEEPABLE)
BTF_ID_FLAGS(func, cdm_bpf_rmap_snapshot, KF_TRUSTED_ARGS | KF_SLEEPABLE)
BTF_ID_FLAGS(func, bpf_iter_cdm_candidate_new, KF_ITER_NEW | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_iter_cdm_candidate_next, KF_ITER_NEXT | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_iter_cdm_candidate_destroy, KF_ITER_DESTROY)
BTF_ID_FLAGS(func, bpf_iter_cdm_step_new, KF_ITER_NEW | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_iter_cdm_step_next, KF_ITER_NEXT | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_iter_cdm_step_destroy, KF_ITER_DESTROY)
BTF_ID_FLAGS(func, cdm_bpf_evict_verdict, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, cdm_bpf_evict_propose, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(cdm_kfunc_ids)

/* The rights of each kfunc, in the order of the ids below: bits of enum cdm_cb. */
#define CDM_EVERYWHERE	(BIT(CDM_NR_CB) - 1)
/* Those that see pages, or may look for them. */
#define CDM_EVENTS	(BIT(CDM_CB_PLACE) | BIT(CDM_CB_ACCESS) |		\
			 BIT(CDM_CB_MIGRATE) | BIT(CDM_CB_RECLAIM) |		\
			 BIT(CDM_CB_PLACED) | BIT(CDM_CB_MIGRATED) |		\
			 BIT(CDM_CB_TICK))
/* Programs of type BPF_PROG_TYPE_SYSCALL, which user space runs. */
#define CDM_SYSCALL	BIT(31)

BTF_ID_LIST(cdm_kfunc_list)
BTF_ID(func, cdm_bpf_node_stat)
BTF_ID(func, cdm_bpf_memcg_usage)
BTF_ID(func, cdm_bpf_folio_info)
BTF_ID(func, cdm_bpf_error_bstr)
BTF_ID(func, cdm_bpf_dump_bstr)
BTF_ID(func, cdm_bpf_move_range)
BTF_ID(func, cdm_bpf_move_pfns)
BTF_ID(func, cdm_bpf_enqueue_range)
BTF_ID(func, cdm_bpf_enqueue_pfn)
BTF_ID(func, cdm_bpf_scan_node)
BTF_ID(func, cdm_bpf_rmap_snapshot)
BTF_ID(func, bpf_iter_cdm_candidate_new)
BTF_ID(func, bpf_iter_cdm_candidate_next)
BTF_ID(func, bpf_iter_cdm_candidate_destroy)
BTF_ID(func, bpf_iter_cdm_step_new)
BTF_ID(func, bpf_iter_cdm_step_next)
BTF_ID(func, bpf_iter_cdm_step_destroy)
BTF_ID(func, cdm_bpf_evict_verdict)
BTF_ID(func, cdm_bpf_evict_propose)

static const u32 cdm_kfunc_rights[] = {
	CDM_EVERYWHERE,
	CDM_EVERYWHERE,
	CDM_EVERYWHERE,
	CDM_EVERYWHERE,
	BIT(CDM_CB_DUMP),
	BIT(CDM_CB_TICK) | CDM_SYSCALL,
	BIT(CDM_CB_TICK) | CDM_SYSCALL,
	CDM_EVENTS,
	CDM_EVENTS,
	BIT(CDM_CB_TICK) | CDM_SYSCALL,
	BIT(CDM_CB_TICK) | CDM_SYSCALL,
	BIT(CDM_CB_RECLAIM),
	BIT(CDM_CB_RECLAIM),
	BIT(CDM_CB_RECLAIM),
	BIT(CDM_CB_RECLAIM),
	BIT(CDM_CB_RECLAIM),
	BIT(CDM_CB_RECLAIM),
	BIT(CDM_CB_RECLAIM),
	BIT(CDM_CB_RECLAIM),
};

/*
 * Asked for every kfunc of every struct_ops program, before the verifier has
 * looked at the member's index: others' kfuncs are none of our business, and
 * the index is not to be trusted.
 */
static int cdm_kfunc_filter(const struct bpf_prog *prog, u32 kfunc_id)
{
	u32 cb = prog->expected_attach_type, right;
	int i;

	if (!btf_id_set8_contains(&cdm_kfunc_ids, kfunc_id))
		return 0;
	if (prog->type == BPF_PROG_TYPE_SYSCALL)
		right = CDM_SYSCALL;
	else if (prog->type == BPF_PROG_TYPE_STRUCT_OPS &&
		 prog->aux->attach_btf_id == cdm_ops_btf_id && cb < CDM_NR_CB)
		right = BIT(cb);
	else
		return -EACCES;

	for (i = 0; i < ARRAY_SIZE(cdm_kfunc_rights); i++) {
		if (cdm_kfunc_list[i] != kfunc_id)
			continue;
		if (cdm_kfunc_rights[i] & right)
			return 0;
		return cdm_refuse(-EACCES, "%s %s may not call this kfunc: see the table in Documentation/mm/cdm_ext.rst",
				  right == CDM_SYSCALL ? "a program of type" : "callback",
				  right == CDM_SYSCALL ? "syscall" : cdm_cb_names[cb]);
	}
	return -EACCES;
}

static const struct btf_kfunc_id_set cdm_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &cdm_kfunc_ids,
	.filter	= cdm_kfunc_filter,
};

int __init cdm_kfuncs_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &cdm_kfunc_set) ?:
	       register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL, &cdm_kfunc_set);
}
