// SPDX-License-Identifier: GPL-2.0
/*
 * How a policy leaves: exit(), ejection for cause, and what is remembered.
 *
 * The first error wins. Whoever finds it, in whatever context, marks the
 * policy; from then on dispatch answers by the kernel's defaults. A worker does
 * what needs sleeping: it takes the policy out of the table, waits for readers,
 * asks for a dump, runs exit() with the reason, and detaches the link, so that
 * whoever polls it sees EPOLLHUP. A record stays for those who come later, since
 * a pinned policy has nobody who watches.
 *
 * The worker detaches through BPF's update mutex and so ends in our unreg().
 * unreg() therefore never flushes the worker; it waits for @exited, which the
 * worker completes before it touches the link.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/init.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/sysrq.h>
#include <trace/events/cdm.h>

#include "internal.h"

/* Answers that cannot be used until a policy is held to be broken. */
#define CDM_BAD_LIMIT		64

#define CDM_NR_EXITS		16

struct cdm_exit_record {
	u64 id;
	s64 code;
	u32 kind;
	u32 cb;
	char name[CDM_NAME_LEN];
	char msg[CDM_EXIT_MSG_LEN];
};

/* Under cdm_mutex; exits_next counts records ever made. */
static struct cdm_exit_record cdm_exits[CDM_NR_EXITS];
static unsigned int cdm_exits_next;

static struct workqueue_struct *cdm_eject_wq;

static const char *cdm_exit_kind_name(u32 kind)
{
	switch (kind) {
	case CDM_EXIT_UNREG:		return "unloaded";
	case CDM_EXIT_REPLACED:		return "replaced";
	case CDM_EXIT_SYSRQ:		return "sysrq";
	case CDM_EXIT_DISABLED:		return "disabled";
	case CDM_EXIT_ERROR_BPF:	return "error";
	case CDM_EXIT_ERROR_VERDICT:	return "bad-answers";
	case CDM_EXIT_ERROR_BUDGET:	return "overrun";
	case CDM_EXIT_ERROR_STALL:	return "stall";
	}
	return "unknown";
}

static const char *cdm_exit_reason(u32 kind)
{
	switch (kind) {
	case CDM_EXIT_UNREG:		return "unloaded by its owner";
	case CDM_EXIT_REPLACED:		return "replaced by a swap";
	case CDM_EXIT_SYSRQ:		return "ejected by SysRq-C";
	case CDM_EXIT_DISABLED:		return "cdm_ext was switched off";
	case CDM_EXIT_ERROR_BPF:	return "the policy reported an error";
	case CDM_EXIT_ERROR_VERDICT:	return "too many unusable answers";
	case CDM_EXIT_ERROR_BUDGET:	return "a callback took too long";
	case CDM_EXIT_ERROR_STALL:	return "a callback did not return";
	}
	return "unknown";
}

ssize_t cdm_exits_show(char *buf)
{
	unsigned int i, n;
	ssize_t len = 0;

	guard(mutex)(&cdm_mutex);
	n = min(cdm_exits_next, CDM_NR_EXITS);
	for (i = cdm_exits_next - n; i != cdm_exits_next; i++) {
		const struct cdm_exit_record *r = &cdm_exits[i % CDM_NR_EXITS];

		len += sysfs_emit_at(buf, len, "%llu %s %s %lld %s %.160s\n",
				     r->id, r->name, cdm_exit_kind_name(r->kind),
				     r->code,
				     r->cb < CDM_NR_CB ? cdm_cb_names[r->cb] : "-",
				     r->msg);
	}
	return len;
}

/**
 * cdm_policy_dump - let a policy print its state
 * @p: the policy; the caller keeps its map alive
 * @s: where to
 *
 * Context: process.
 */
void cdm_policy_dump(struct cdm_policy *p, struct seq_buf *s)
{
	struct cdm_call call = {
		.policy = p, .cb = CDM_CB_DUMP, .nid = NUMA_NO_NODE, .dump = s,
	};
	struct cdm_dump_ctx ctx = { .common.call = &call };

	seq_buf_printf(s, "policy %s id %llu node %d\n", p->name, p->id, p->node);
	if (!p->ops->dump)
		return;
	cdm_policy_count(p, CDM_PSTAT_CALLS + CDM_CB_DUMP);
	p->ops->dump(&ctx);
}

/* Whoever claims exit() runs it, and the map stays until it did. */
static bool cdm_policy_claim_exit(struct cdm_policy *p)
{
	guard(mutex)(&cdm_mutex);
	if (p->exit_claimed)
		return false;
	p->exit_claimed = true;
	return true;
}

static void cdm_policy_run_exit(struct cdm_policy *p, enum cdm_exit_kind kind,
				const char *msg)
{
	struct cdm_call call = { .policy = p, .cb = CDM_CB_EXIT, .nid = NUMA_NO_NODE };
	struct cdm_exit_record *r;

	if (!atomic_cmpxchg(&p->ejected, 0, kind)) {
		p->ei.kind = kind;
		p->ei.cb = CDM_NR_CB;
		strscpy(p->ei.reason, cdm_exit_reason(kind));
		strscpy(p->ei.msg, msg);
	}

	if (p->ops->exit) {
		p->ei.common.call = &call;
		cdm_policy_count(p, CDM_PSTAT_CALLS + CDM_CB_EXIT);
		p->ops->exit(&p->ei);
		p->ei.common.call = NULL;
	}

	scoped_guard(mutex, &cdm_mutex) {
		r = &cdm_exits[cdm_exits_next++ % CDM_NR_EXITS];
		r->id = p->id;
		r->code = p->ei.code;
		r->kind = p->ei.kind;
		r->cb = p->ei.cb;
		strscpy(r->name, p->name);
		strscpy(r->msg, p->ei.msg);
	}
	complete_all(&p->exited);
}

/*
 * Runs exit() and makes the record, once, whoever comes first; the policy is
 * out of the table and its readers are gone.
 */
void cdm_policy_exit(struct cdm_policy *p, enum cdm_exit_kind kind,
		     const char *msg)
{
	if (cdm_policy_claim_exit(p))
		cdm_policy_run_exit(p, kind, msg);
}

static void cdm_eject_report(struct cdm_policy *p)
{
	struct seq_buf s;
	char *buf, *line;
	unsigned int i;

	pr_warn("policy %s (id %llu) ejected: %s: %s%s%s (code %lld)\n",
		p->name, p->id, p->ei.reason,
		p->ei.cb < CDM_NR_CB ? cdm_cb_names[p->ei.cb] : "",
		p->ei.cb < CDM_NR_CB ? ": " : "", p->ei.msg, p->ei.code);
	for (i = 0; i < p->bt_len; i++)
		pr_warn("  at %pS\n", (void *)p->bt[i]);

	if (!p->ops->exit_dump_len)
		return;
	buf = kvzalloc(p->ops->exit_dump_len + 1, GFP_KERNEL);
	if (!buf)
		return;
	seq_buf_init(&s, buf, p->ops->exit_dump_len);
	cdm_policy_dump(p, &s);
	buf[seq_buf_used(&s)] = '\0';
	for (char *rest = buf; (line = strsep(&rest, "\n")); )
		if (*line)
			pr_warn("  dump: %s\n", line);
	kvfree(buf);
}

static void cdm_eject_workfn(struct work_struct *work)
{
	struct cdm_policy *p = container_of(work, struct cdm_policy, eject_work);
	struct bpf_link *link = NULL;

	cdm_policy_disable(p);
	if (cdm_policy_claim_exit(p)) {
		trace_cdm_policy(p->id, p->name, "ejected");
		cdm_eject_report(p);
		cdm_policy_run_exit(p, atomic_read(&p->ejected), "");
	}
	cdm_sysfs_changed();

	scoped_guard(mutex, &cdm_mutex) {
		if (p->link)
			link = bpf_link_inc_not_zero(p->link);
	}
	if (!IS_ERR_OR_NULL(link)) {
		link->ops->detach(link);
		bpf_link_put(link);
	}
	cdm_policy_put(p);
}

static void cdm_eject_irq_workfn(struct irq_work *work)
{
	struct cdm_policy *p = container_of(work, struct cdm_policy,
					    eject_irq_work);

	queue_work(cdm_eject_wq, &p->eject_work);
}

void cdm_eject_init(struct cdm_policy *p)
{
	init_irq_work(&p->eject_irq_work, cdm_eject_irq_workfn);
	INIT_WORK(&p->eject_work, cdm_eject_workfn);
}

/**
 * cdm_eject - mark a policy as broken and have it detached
 * @p: the policy
 * @kind: why
 * @cb: callback at fault, CDM_NR_CB if none
 * @code: the policy's own code, or an errno
 * @fmt: what happened
 *
 * The first caller wins, later ones are ignored. Defaults apply at once.
 *
 * Context: any but NMI; the caller runs inside the policy, or holds RCU or
 * cdm_mutex, so that @p exists.
 */
void cdm_eject(struct cdm_policy *p, enum cdm_exit_kind kind, u32 cb, s64 code,
	       const char *fmt, ...)
{
	va_list args;

	if (atomic_cmpxchg(&p->ejected, 0, kind))
		return;

	p->ei.kind = kind;
	p->ei.cb = cb;
	p->ei.code = code;
	strscpy(p->ei.reason, cdm_exit_reason(kind));
	va_start(args, fmt);
	vscnprintf(p->ei.msg, sizeof(p->ei.msg), fmt, args);
	va_end(args);
	/* One record is one line, whatever the policy wrote. */
	strreplace(p->ei.msg, '\n', ' ');
	p->bt_len = stack_trace_save(p->bt, CDM_EXIT_BT_LEN, 1);

	/* In init() nothing is published: attach sees the mark and refuses. */
	if (READ_ONCE(p->state) == CDM_POLICY_INIT)
		return;
	if (refcount_inc_not_zero(&p->ref))
		irq_work_queue(&p->eject_irq_work);
}

void cdm_eject_all(enum cdm_exit_kind kind, const char *why)
{
	const struct cdm_table *t;
	int i;

	guard(rcu)();
	t = rcu_dereference(cdm_table);
	for (i = 0; t && i < t->nr; i++)
		cdm_eject(t->policies[i], kind, CDM_NR_CB, 0, "%s", why);
}

void cdm_bad_answer(struct cdm_policy *p, u32 cb, u64 ans, const char *why)
{
	cdm_policy_count(p, CDM_PSTAT_BAD);
	if (atomic_inc_return(&p->nr_bad) == CDM_BAD_LIMIT)
		cdm_eject(p, CDM_EXIT_ERROR_VERDICT, cb, -ERANGE,
			  "%d answers could not be used, the last was %#llx: %s",
			  CDM_BAD_LIMIT, ans, why);
}

/* ---- no progress ----------------------------------------------------------- */

static void cdm_watchdog_workfn(struct work_struct *work);
static DECLARE_DELAYED_WORK(cdm_watchdog, cdm_watchdog_workfn);

/*
 * A tick() that does not return cannot be stopped; its policy loses the node
 * all the same. exit() then waits until it does return.
 */
static void cdm_watchdog_workfn(struct work_struct *work)
{
	const struct cdm_table *t;
	bool again = false;
	int i, nid;

	scoped_guard(rcu) {
		t = rcu_dereference(cdm_table);
		for (i = 0; t && i < t->nr; i++) {
			struct cdm_policy *p = t->policies[i];

			if (!p->ops->tick)
				continue;
			again = true;
			for_each_node_mask(nid, cdm_managed_nodes) {
				unsigned long start = READ_ONCE(p->tick_start[nid]);

				if (start && time_after(jiffies, start + p->timeout))
					cdm_eject(p, CDM_EXIT_ERROR_STALL, CDM_CB_TICK,
						  -ETIMEDOUT,
						  "tick() of node %d did not return within %u ms",
						  nid, jiffies_to_msecs(p->timeout));
			}
		}
	}
	if (again)
		queue_delayed_work(cdm_eject_wq, &cdm_watchdog, HZ / 4);
}

void cdm_watchdog_kick(void)
{
	queue_delayed_work(cdm_eject_wq, &cdm_watchdog, HZ / 4);
}

/* ---- an operator's way out ------------------------------------------------- */

static void cdm_sysrq(u8 key)
{
	cdm_eject_all(CDM_EXIT_SYSRQ, "an operator pressed SysRq-C");
}

static const struct sysrq_key_op cdm_sysrq_op = {
	.handler	= cdm_sysrq,
	.help_msg	= "eject-cdm-policies(C)",
	.action_msg	= "Ejecting all cdm policies",
	.enable_mask	= SYSRQ_ENABLE_RTNICE,
};

static int __init cdm_eject_setup(void)
{
	/* Reclaim may wait for memory that a policy's node could give. */
	cdm_eject_wq = alloc_workqueue("cdm_eject", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!cdm_eject_wq)
		return -ENOMEM;
	if (IS_ENABLED(CONFIG_MAGIC_SYSRQ))
		register_sysrq_key('C', &cdm_sysrq_op);
	return 0;
}
core_initcall(cdm_eject_setup);
