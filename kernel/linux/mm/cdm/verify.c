// SPDX-License-Identifier: GPL-2.0
/*
 * What may be loaded and attached as a policy, and why not.
 *
 * The verifier knows types; it does not know which callbacks run where a fault
 * holds locks. This file does: it refuses sleepable programs on atomic
 * callbacks, helpers and iterators whose loops the verifier does not unroll,
 * tail calls (which would carry a program past these checks) and timers armed
 * from sleepable programs (whose callbacks run in softirq with the rights of a
 * sleepable member). Each refusal leaves one line of text in last_error, since
 * struct_ops has no log that reaches user space at attach.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/filter.h>
#include <linux/nodemask.h>
#include <linux/topology.h>

#include "internal.h"

#define CDM_CB_BIT(cb)	BIT(CDM_CB_##cb)

/* Members whose programs may sleep; all others run in atomic context. */
#define CDM_SLEEPABLE	(CDM_CB_BIT(NODE_ONLINE) | CDM_CB_BIT(NODE_OFFLINE) | \
			 CDM_CB_BIT(TICK) | CDM_CB_BIT(INIT) | CDM_CB_BIT(EXIT))

u32 cdm_ops_btf_id;

static DEFINE_SPINLOCK(last_error_lock);
static char last_error[256];

/**
 * cdm_refuse - remember in words why something was refused
 * @err: negative errno to return
 * @fmt: what was wrong, where, and what to do next
 *
 * Context: any but NMI.
 * Return: @err.
 */
int cdm_refuse(int err, const char *fmt, ...)
{
	char line[sizeof(last_error)];
	va_list args;

	va_start(args, fmt);
	vscnprintf(line, sizeof(line), fmt, args);
	va_end(args);

	scoped_guard(spinlock_irqsave, &last_error_lock)
		strscpy(last_error, line, sizeof(last_error));
	pr_info_ratelimited("refused (%d): %s\n", err, line);
	return err;
}

ssize_t cdm_last_error(char *buf, size_t size)
{
	unsigned long flags;
	ssize_t len;

	spin_lock_irqsave(&last_error_lock, flags);
	len = scnprintf(buf, size, "%s\n", last_error);
	spin_unlock_irqrestore(&last_error_lock, flags);
	return len;
}

int cdm_ops_init(struct btf *btf)
{
	s32 id = btf_find_by_name_kind(btf, "cdm_ops", BTF_KIND_STRUCT);

	if (id < 0)
		return id;
	cdm_ops_btf_id = id;
	return 0;
}

BTF_SET_START(cdm_loop_kfuncs)
BTF_ID(func, bpf_iter_num_new)
BTF_ID(func, bpf_iter_bits_new)
BTF_ID(func, bpf_iter_task_new)
BTF_ID(func, bpf_iter_task_vma_new)
#ifdef CONFIG_CGROUPS
BTF_ID(func, bpf_iter_css_new)
BTF_ID(func, bpf_iter_css_task_new)
#endif
#ifdef CONFIG_SCHED_CLASS_EXT
BTF_ID(func, bpf_iter_scx_dsq_new)
#endif
BTF_SET_END(cdm_loop_kfuncs)

BTF_ID_LIST_SINGLE(cdm_user_kfunc, func, bpf_copy_from_user_str)

/*
 * Loops that the verifier checks once and the CPU runs many times. A bounded
 * loop that the verifier walks is limited by its instruction budget; these are
 * limited by 2^23 turns or by a map's size, too long under a fault's locks.
 * Seen here and not in get_func_proto() because may_goto is no call at all.
 *
 * A global function is verified once and for itself, so that what calls cost is
 * added and not multiplied: a few levels of them loop as long as they like. It
 * could also be replaced (freplace) after the look was taken.
 */
static const char *cdm_unbounded_loop(const struct bpf_prog *prog)
{
	const struct bpf_insn *insn = prog->insnsi;
	u32 i;

	for (i = 0; i < prog->len; i++, insn++) {
		if (insn->code == (BPF_JMP | BPF_JCOND))
			return "may_goto";
		if (insn->code != (BPF_JMP | BPF_CALL))
			continue;
		if (insn->src_reg == BPF_PSEUDO_KFUNC_CALL && !insn->off &&
		    btf_id_set_contains(&cdm_loop_kfuncs, insn->imm))
			return "an open-coded iterator";
		if (insn->src_reg)
			continue;
		if (insn->imm == BPF_FUNC_loop)
			return "bpf_loop()";
		if (insn->imm == BPF_FUNC_for_each_map_elem)
			return "bpf_for_each_map_elem()";
		if (insn->imm == BPF_FUNC_user_ringbuf_drain)
			return "bpf_user_ringbuf_drain()";
	}
	for (i = 1; prog->aux->func_info_aux && i < prog->aux->func_info_cnt; i++)
		if (prog->aux->func_info_aux[i].linkage == BTF_FUNC_GLOBAL)
			return "a global function (make it static)";
	return NULL;
}

/*
 * Sleepable callbacks run under cdm_node_lock and, init() and exit(), under
 * BPF's update mutex. A page of user memory may take as long as a user wants.
 */
static bool cdm_reads_user(const struct bpf_prog *prog)
{
	const struct bpf_insn *insn = prog->insnsi;
	u32 i;

	for (i = 0; i < prog->len; i++, insn++)
		if (insn->code == (BPF_JMP | BPF_CALL) && !insn->off &&
		    insn->src_reg == BPF_PSEUDO_KFUNC_CALL &&
		    insn->imm == cdm_user_kfunc[0])
			return true;
	return false;
}

int cdm_ops_check_member(const struct btf_type *t,
			 const struct btf_member *member,
			 const struct bpf_prog *prog)
{
	u32 cb = __btf_member_bit_offset(t, member) / 8 / sizeof(void *);
	const char *loop;

	if (cb >= CDM_NR_CB)
		return cdm_refuse(-EINVAL, "member %u of struct cdm_ops is not a callback", cb);

	if (BIT(cb) & CDM_SLEEPABLE) {
		if (cdm_reads_user(prog))
			return cdm_refuse(-EINVAL,
					  "callback %s holds locks that others wait for and must not read user memory (bpf_copy_from_user_str)",
					  cdm_cb_names[cb]);
		return 0;
	}

	if (prog->sleepable)
		return cdm_refuse(-EINVAL,
				  "callback %s runs in atomic context: use SEC(\"struct_ops/%s\"), not struct_ops.s",
				  cdm_cb_names[cb], cdm_cb_names[cb]);

	loop = cdm_unbounded_loop(prog);
	if (loop)
		return cdm_refuse(-EINVAL,
				  "callback %s runs in atomic context and must not use %s: use a loop that the verifier unrolls",
				  cdm_cb_names[cb], loop);
	return 0;
}

static int cdm_check_ops_scalars(const struct cdm_ops *u)
{
	if (u->flags)
		return cdm_refuse(-EINVAL, "flags %#llx: no flag is defined, must be 0",
				  u->flags);
	if (u->cgroup_id)
		return cdm_refuse(-EINVAL, "cgroup_id %llu: policies of a cgroup do not exist yet, must be 0",
				  u->cgroup_id);
	if (u->tick_ms && (u->tick_ms < 10 || u->tick_ms > 60000))
		return cdm_refuse(-EINVAL, "tick_ms %u: must be 10..60000, or 0 for 1000",
				  u->tick_ms);
	if (u->timeout_ms && (u->timeout_ms < 100 || u->timeout_ms > 300000))
		return cdm_refuse(-EINVAL, "timeout_ms %u: must be 100..300000, or 0 for 30000",
				  u->timeout_ms);
	if (u->exit_dump_len > 32768)
		return cdm_refuse(-EINVAL, "exit_dump_len %u: must be at most 32768",
				  u->exit_dump_len);
	if (u->priv || memchr_inv(u->prog_id, 0, sizeof(u->prog_id)))
		return cdm_refuse(-EINVAL, "priv and prog_id are the kernel's and must be 0");
	return 0;
}

static int cdm_check_ops_node(int nid)
{
	if (nid == CDM_NODE_ALL)
		return 0;
	if (nid < 0 || nid >= MAX_NUMNODES || !node_possible(nid))
		return cdm_refuse(-EINVAL, "node %d: the firmware describes no such node; see /sys/devices/system/node/possible",
				  nid);
	if (node_state(nid, N_CPU))
		return cdm_refuse(-EINVAL, "node %d has CPUs: set .node to a device's node, or to CDM_NODE_ALL",
				  nid);
	return 0;
}

int cdm_ops_init_member(const struct btf_type *t,
			const struct btf_member *member,
			void *kdata, const void *udata)
{
	const struct cdm_ops *u = udata;
	struct cdm_ops *k = kdata;
	u32 moff = __btf_member_bit_offset(t, member) / 8;
	int ret;

	switch (moff) {
	case offsetof(struct cdm_ops, flags):
		/* The first scalar stands for all of them. */
		return cdm_check_ops_scalars(u) ?: 1;
	case offsetof(struct cdm_ops, cgroup_id):
	case offsetof(struct cdm_ops, priv):
		return 1;
	case offsetof(struct cdm_ops, prog_id):
		/* For members that it has seen, BPF puts ids where fds were. */
		k->prog_id[CDM_CB_PLACE] = (unsigned long)u->place;
		k->prog_id[CDM_CB_ACCESS] = (unsigned long)u->access;
		k->prog_id[CDM_CB_MIGRATE] = (unsigned long)u->migrate;
		return 1;
	case offsetof(struct cdm_ops, node):
		k->node = u->node;
		return cdm_check_ops_node(u->node) ?: 1;
	case offsetof(struct cdm_ops, tick_ms):
		k->tick_ms = u->tick_ms ?: 1000;
		return 1;
	case offsetof(struct cdm_ops, timeout_ms):
		k->timeout_ms = u->timeout_ms ?: 30000;
		return 1;
	case offsetof(struct cdm_ops, exit_dump_len):
		k->exit_dump_len = u->exit_dump_len;
		return 1;
	case offsetof(struct cdm_ops, name):
		ret = bpf_obj_name_cpy(k->name, u->name, sizeof(k->name));
		if (ret < 0)
			return cdm_refuse(-EINVAL, "name: only letters, digits, '_' and '.', and at most %zu of them",
					  sizeof(k->name) - 1);
		if (!ret)
			return cdm_refuse(-EINVAL, "name is empty: set .name, so that sysfs and the log can tell policies apart");
		return 1;
	}
	return 0;
}

/* Trampolines are not executable yet: look, do not call. */
int cdm_ops_validate(void *kdata)
{
	return 0;
}

static const struct bpf_func_proto *
cdm_get_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	switch (func_id) {
	case BPF_FUNC_tail_call:
		cdm_refuse(-EINVAL, "bpf_tail_call() would carry a program past the checks of its callback: call a subprogram");
		return NULL;
	case BPF_FUNC_timer_init:
	case BPF_FUNC_timer_set_callback:
	case BPF_FUNC_timer_start:
		if (prog->sleepable) {
			cdm_refuse(-EINVAL, "bpf_timer in a sleepable program: its callback would run in softirq with a sleepable program's rights; use tick");
			return NULL;
		}
		break;
	default:
		break;
	}
	return bpf_base_func_proto(func_id, prog);
}

static bool cdm_is_valid_access(int off, int size, enum bpf_access_type type,
				const struct bpf_prog *prog,
				struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

const struct bpf_verifier_ops cdm_verifier_ops = {
	.get_func_proto = cdm_get_func_proto,
	.is_valid_access = cdm_is_valid_access,
};
