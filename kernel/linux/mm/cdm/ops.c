// SPDX-License-Identifier: GPL-2.0
/*
 * Policies come, go, and replace each other: struct cdm_ops as a struct_ops.
 *
 * Life of a policy:
 *
 *	          reg(), update()            published
 *	(none) ------------------> INIT ------------------> ENABLED
 *	                            | init() refused           | unreg(), ejection,
 *	                            v                          v update() by another
 *	                          (freed)     DEAD <------- EJECTING
 *	                                        exit() done
 *
 * Who answers for what is one table, published by RCU. A change builds a new
 * table beside the old and stores one pointer, so that a fault sees either the
 * old policy or the new one and never none: this is what makes a swap gapless.
 * After the store the old readers are waited for, RCU for atomic callbacks and
 * cdm_srcu for sleepable ones, before the loser's exit() runs. BPF drops the
 * old map as soon as update() returns and waits for no sleepable program, so
 * all of that happens inside update().
 *
 * reg() and update() run under BPF's update mutex; unreg() does not when the
 * last reference to a link goes. cdm_mutex therefore protects every state here.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/btf.h>
#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/slab.h>

#define CREATE_TRACE_POINTS
#include <trace/events/cdm.h>

#include "internal.h"

/* The table, policies' states, exit records: a leaf, see internal.h. */
DEFINE_MUTEX(cdm_mutex);
DEFINE_SRCU(cdm_srcu);
struct cdm_table __rcu *cdm_table;
bool cdm_ext_off;

const char *const cdm_cb_names[CDM_NR_CB] = {
	[CDM_CB_PLACE]		= "place",
	[CDM_CB_ACCESS]		= "access",
	[CDM_CB_MIGRATE]	= "migrate",
	[CDM_CB_RECLAIM]	= "reclaim",
	[CDM_CB_PLACED]		= "placed",
	[CDM_CB_MIGRATED]	= "migrated",
	[CDM_CB_NODE_ONLINE]	= "node_online",
	[CDM_CB_NODE_OFFLINE]	= "node_offline",
	[CDM_CB_TICK]		= "tick",
	[CDM_CB_INIT]		= "init",
	[CDM_CB_EXIT]		= "exit",
	[CDM_CB_DUMP]		= "dump",
};

const char *const cdm_policy_state_names[CDM_NR_POLICY_STATES] = {
	[CDM_POLICY_INIT]	= "init",
	[CDM_POLICY_ENABLED]	= "enabled",
	[CDM_POLICY_EJECTING]	= "ejecting",
	[CDM_POLICY_DEAD]	= "dead",
};

static int __init cdm_ext_setup(char *str)
{
	if (!strcmp(str, "off"))
		cdm_ext_off = true;
	else if (strcmp(str, "on"))
		pr_warn("cdm_ext=%s: want on or off; staying on\n", str);
	return 1;
}
__setup("cdm_ext=", cdm_ext_setup);

/* ---- the table ------------------------------------------------------------ */

static bool cdm_ops_has(const struct cdm_ops *ops, u32 cb)
{
	return ((void *const *)ops)[cb];
}

static struct cdm_table *cdm_table_alloc(int nr)
{
	struct cdm_table *t = kvzalloc(struct_size(t, policies, nr), GFP_KERNEL);

	if (t)
		t->nr = nr;
	return t;
}

static bool cdm_policy_may_keep(const struct cdm_policy *p)
{
	return p->ops->migrate || p->ops->access || p->ops->reclaim;
}

static void cdm_table_add(struct cdm_table *t, int i, struct cdm_policy *p)
{
	u32 cb;
	int nid;

	t->policies[i] = p;
	if (p->ops->placed)
		t->has_placed = true;
	if (p->ops->access)
		t->has_access = true;
	if (cdm_policy_may_keep(p))
		t->has_keep = true;
	if (p->ops->migrated)
		t->has_migrated = true;
	for (cb = 0; cb < CDM_NR_OWNED; cb++) {
		if (!cdm_ops_has(p->ops, cb))
			continue;
		if (p->node == CDM_NODE_ALL)
			t->all[cb] = p;
		for (nid = 0; nid < MAX_NUMNODES; nid++)
			if (cdm_policy_of_node(p, nid))
				t->owner[cb][nid] = p;
	}
}

/* Sleepable readers first, then atomic ones. */
static void cdm_table_free(struct rcu_head *rcu)
{
	struct cdm_table *t = container_of(rcu, struct cdm_table, rcu);

	kfree_rcu(t, rcu);
}

/*
 * Puts a table without @del and with @add in place. Never fails when @add is
 * NULL: shrinking reuses the memory that the caller cannot do without.
 */
static int cdm_table_change(struct cdm_policy *add, struct cdm_policy *del)
{
	struct cdm_table *old, *new;
	int i, nr = 0;

	lockdep_assert_held(&cdm_mutex);
	old = rcu_dereference_protected(cdm_table, lockdep_is_held(&cdm_mutex));

	new = cdm_table_alloc((old ? old->nr : 0) + !!add);
	if (!new) {
		if (add)
			return -ENOMEM;
		/* Removal must not fail. */
		new = kvzalloc(struct_size(new, policies, old->nr),
			       GFP_KERNEL | __GFP_NOFAIL);
	}

	for (i = 0; old && i < old->nr; i++)
		if (old->policies[i] != del)
			cdm_table_add(new, nr++, old->policies[i]);
	if (add)
		cdm_table_add(new, nr++, add);
	new->nr = nr;

	WRITE_ONCE(cdm_place_all, new->all[CDM_CB_PLACE]);
	assign_bit(CDM_ASKED_POLICY, &cdm_access_asked, new->has_access);
	assign_bit(CDM_ASKED_POLICY, &cdm_migrate_asked, new->has_keep);
	WRITE_ONCE(cdm_migrated_heard, new->has_migrated);
	rcu_assign_pointer(cdm_table, new);
	if (!new->has_access)
		cdm_disarm_all();
	if (del && cdm_policy_may_keep(del))
		cdm_keeps_end(del);
	if (old)
		call_srcu(&cdm_srcu, &old->rcu, cdm_table_free);
	return 0;
}

static bool cdm_owns_place_all(const struct cdm_policy *p)
{
	return p->ops->place && p->node == CDM_NODE_ALL;
}

/* Readers that still hold the previous table are done after this. */
static void cdm_drain(void)
{
	synchronize_rcu_expedited();
	synchronize_srcu_expedited(&cdm_srcu);
}

/* Who, other than @except, owns a callback that @ops wants on that node? */
static int cdm_check_owners(const struct cdm_ops *ops,
			    const struct cdm_policy *except)
{
	const struct cdm_table *t;
	u32 cb;
	int nid;

	guard(mutex)(&cdm_mutex);
	t = rcu_dereference_protected(cdm_table, lockdep_is_held(&cdm_mutex));
	if (!t)
		return 0;

	for (cb = 0; cb < CDM_NR_OWNED; cb++) {
		if (!cdm_ops_has(ops, cb))
			continue;
		for (nid = 0; nid < MAX_NUMNODES; nid++) {
			const struct cdm_policy *p = t->owner[cb][nid];

			if (!p || p == except)
				continue;
			if (ops->node != CDM_NODE_ALL && ops->node != nid)
				continue;
			if (p->node == CDM_NODE_ALL)
				return cdm_refuse(-EBUSY, "%s: callback %s of all nodes is owned by policy %s (id %llu): swap or unload that one",
						  ops->name, cdm_cb_names[cb],
						  p->name, p->id);
			return cdm_refuse(-EBUSY, "%s: callback %s of node %d is owned by policy %s (id %llu): swap or unload that one",
					  ops->name, cdm_cb_names[cb], nid,
					  p->name, p->id);
		}
	}
	return 0;
}

/* ---- policies ------------------------------------------------------------- */

u64 cdm_policy_stat(struct cdm_policy *p, unsigned int stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(p->stats, cpu)->v[stat];
	return sum;
}

void cdm_policy_put(struct cdm_policy *p)
{
	if (!refcount_dec_and_test(&p->ref))
		return;
	/* The kobject's release frees it; sysfs may still be reading. */
	kobject_put(&p->kobj);
}

static int cdm_check_attach(struct cdm_ops *ops, struct bpf_link *link)
{
	if (!bpf_capable() || !perfmon_capable())
		return cdm_refuse(-EPERM, "%s: attaching a policy needs CAP_BPF and CAP_PERFMON in the initial user namespace",
				  ops->name);
	if (READ_ONCE(cdm_ext_off))
		return cdm_refuse(-ENODEV, "%s: cdm_ext is off (boot option, or /sys/kernel/mm/cdm/enabled)",
				  ops->name);
	if (!link)
		return cdm_refuse(-EOPNOTSUPP, "%s: only maps with a link can be attached: use SEC(\".struct_ops.link\")",
				  ops->name);
	/* A READY map may be attached again, or swapped with itself. */
	if (READ_ONCE(ops->priv))
		return cdm_refuse(-EBUSY, "%s: this map is attached already: load the object again for a second copy",
				  ops->name);
	return 0;
}

/*
 * Finds the code behind a callback, for cdm_direct_call(). The map has the program;
 * init_member() noted its id, 0 if there is none.
 *
 * The trampoline stays the way where a program's code cannot be called with
 * preemption off (PREEMPT_RT), by a function type of our own (CFI), or for a
 * whole u64: not with an interpreter, and not with each JIT. Riscv's extends the
 * sign of 32 bits.
 */
static int cdm_policy_get_prog(struct cdm_policy *p, u32 cb)
{
	struct bpf_prog *prog;

	p->code[cb] = cdm_by_trampoline;
	if (!cdm_ops_has(p->ops, cb))
		return 0;
	prog = bpf_prog_by_id(p->ops->prog_id[cb]);
	if (WARN_ON_ONCE(IS_ERR(prog)))
		return cdm_refuse(PTR_ERR(prog), "%s: the program of %s() is gone: load the object again",
				  p->name, cdm_cb_names[cb]);
	p->prog[cb] = prog;
	if (prog->jited && !IS_ENABLED(CONFIG_PREEMPT_RT) &&
	    !IS_ENABLED(CONFIG_CFI_CLANG) &&
	    (IS_ENABLED(CONFIG_X86_64) || IS_ENABLED(CONFIG_ARM64)))
		p->code[cb] = (void *)prog->bpf_func;
	return 0;
}

static int cdm_policy_get_progs(struct cdm_policy *p)
{
	return cdm_policy_get_prog(p, CDM_CB_PLACE) ?:
	       cdm_policy_get_prog(p, CDM_CB_ACCESS) ?:
	       cdm_policy_get_prog(p, CDM_CB_MIGRATE);
}

static struct cdm_policy *cdm_policy_alloc(struct cdm_ops *ops,
					   struct bpf_link *link)
{
	struct cdm_policy *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->stats = alloc_percpu(struct cdm_policy_stats);
	if (!p->stats) {
		kfree(p);
		return NULL;
	}
	p->id = cdm_sysfs_policy_id();
	p->ops = ops;
	p->link = link;
	p->node = ops->node;
	p->tick_ms = ops->tick_ms;
	p->tick_period = msecs_to_jiffies(ops->tick_ms);
	p->timeout = msecs_to_jiffies(ops->timeout_ms);
	strscpy(p->name, ops->name);
	for (int i = 0; i < ARRAY_SIZE(p->sample_mask); i++)
		p->sample_mask[i] = CDM_SAMPLE_MASK;
	refcount_set(&p->ref, 1);
	init_completion(&p->exited);
	cdm_eject_init(p);
	return p;
}

static int cdm_policy_init(struct cdm_policy *p, u64 replaces)
{
	struct cdm_call call = { .policy = p, .cb = CDM_CB_INIT, .nid = NUMA_NO_NODE };
	struct cdm_init_ctx ctx = {
		.common.call = &call,
		.replaces = replaces,
		.node = p->node,
	};
	int ret, idx;

	if (!p->ops->init)
		return 0;

	idx = srcu_read_lock(&cdm_srcu);
	cdm_policy_count(p, CDM_PSTAT_CALLS + CDM_CB_INIT);
	ret = p->ops->init(&ctx);
	srcu_read_unlock(&cdm_srcu, idx);

	/* Its own words say more than a number. */
	if (atomic_read(&p->ejected))
		return cdm_refuse(ret < 0 && ret >= -MAX_ERRNO ? ret : -ECANCELED,
				  "%s: init() reported an error: %s",
				  p->name, p->ei.msg);
	if (ret > 0 || ret < -MAX_ERRNO)
		return cdm_refuse(-EINVAL, "%s: init() returned %d: must be 0 or a negative errno",
				  p->name, ret);
	if (ret)
		return cdm_refuse(ret, "%s: init() refused with %d", p->name, ret);
	return 0;
}

/* Takes the policy out of the table and waits until nobody can be inside it. */
void cdm_policy_disable(struct cdm_policy *p)
{
	bool put_key = false;

	scoped_guard(mutex, &cdm_mutex) {
		if (p->state == CDM_POLICY_ENABLED) {
			p->state = CDM_POLICY_EJECTING;
			/* After the wait @ops may be gone: another ran exit(). */
			put_key = cdm_owns_place_all(p);
			cdm_table_change(NULL, p);
		}
	}
	cdm_drain();
	cdm_queue_forget(p->id);
	if (put_key)
		cdm_place_key_put();
}

/*
 * Publishes @p instead of @old, which may be NULL. A swap takes its own
 * reference on the place key before the old policy's is dropped.
 */
static int cdm_policy_publish(struct cdm_policy *p, struct cdm_policy *old)
{
	int ret;

	if (cdm_owns_place_all(p))
		cdm_place_key_get();

	scoped_guard(mutex, &cdm_mutex) {
		if (old && old->state != CDM_POLICY_ENABLED) {
			ret = cdm_refuse(-ENOLINK, "%s: policy %s was ejected meanwhile: unload it and load this one",
					 p->name, old->name);
		} else if (READ_ONCE(cdm_ext_off)) {
			ret = cdm_refuse(-ENODEV, "%s: cdm_ext was switched off meanwhile",
					 p->name);
		} else {
			/* Before the table: the very first call may eject. */
			p->state = CDM_POLICY_ENABLED;
			ret = cdm_table_change(p, old);
			if (ret)
				p->state = CDM_POLICY_INIT;
		}
		if (!ret) {
			p->ops->priv = p;
			if (old) {
				old->state = CDM_POLICY_EJECTING;
				/* The link is the new policy's now. */
				old->link = NULL;
			}
		}
	}
	if (ret && cdm_owns_place_all(p))
		cdm_place_key_put();
	return ret;
}

static void cdm_replay_nodes(struct cdm_policy *p)
{
	int nid;

	lockdep_assert_held(&cdm_node_lock);
	for (nid = 0; nid < MAX_NUMNODES; nid++) {
		struct cdm_node *node = cdm_node_of(nid);

		/* All that have memory, and policies that know of it. */
		if (node && (node->state == CDM_NODE_ONLINE ||
			     node->state == CDM_NODE_DRAINING ||
			     node->state == CDM_NODE_ORPHANED))
			cdm_call_node_replay(p, node);
	}
}

/* Everything that may fail comes before publish; cdm_node_lock is held. */
static int __cdm_policy_attach(struct cdm_ops *ops, struct bpf_link *link,
			       struct cdm_policy *old)
{
	struct cdm_policy *p;
	int ret;

	ret = cdm_check_owners(ops, old);
	if (ret)
		return ret;

	p = cdm_policy_alloc(ops, link);
	if (!p)
		return cdm_refuse(-ENOMEM, "%s: no memory for the policy", ops->name);

	ret = cdm_sysfs_policy_add(p);
	if (ret)
		goto free;
	ret = cdm_policy_get_progs(p);
	if (ret)
		goto del;
	ret = cdm_policy_init(p, old ? old->id : 0);
	if (ret)
		goto del;
	ret = cdm_policy_publish(p, old);
	if (ret)
		goto exit;

	trace_cdm_policy(p->id, p->name, old ? "swapped in" : "attached");
	pr_info("policy %s (id %llu) %s\n", p->name, p->id,
		old ? "swapped in" : "attached");
	cdm_replay_nodes(p);
	cdm_sysfs_changed();
	cdm_watchdog_kick();
	for (int nid = 0; p->ops->tick && nid < MAX_NUMNODES; nid++) {
		struct cdm_node *node = cdm_node_of(nid);

		if (node && cdm_policy_of_node(p, nid))
			cdm_kcdmd_wake(node);
	}
	return 0;

exit:
	/* init() succeeded, so the policy is owed an exit(). */
	cdm_drain();
	cdm_policy_exit(p, CDM_EXIT_UNREG, "could not be published");
del:
	cdm_sysfs_policy_del(p);
free:
	cdm_policy_put(p);
	return ret;
}

#define CDM_ATTACH_TRIES	250	/* of 20 ms */

/* Common to attach and swap. */
static int cdm_policy_attach(struct cdm_ops *ops, struct bpf_link *link,
			     struct cdm_policy *old)
{
	int ret, tries;

	ret = cdm_check_attach(ops, link);
	if (ret)
		return ret;

	/*
	 * A drain may hold this for as long as a page is pinned, and whoever
	 * waits here keeps BPF's update mutex from every other struct_ops.
	 */
	for (tries = 0; !mutex_trylock(&cdm_node_lock); tries++) {
		if (tries == CDM_ATTACH_TRIES || msleep_interruptible(20))
			return cdm_refuse(-EAGAIN, "%s: a node is coming or going: try again when /sys/kernel/mm/cdm/nodes/*/state is settled",
					  ops->name);
	}
	ret = __cdm_policy_attach(ops, link, old);
	mutex_unlock(&cdm_node_lock);
	return ret;
}

/* The last of a policy, when its map is about to go. */
static void cdm_policy_forget(struct cdm_policy *p)
{
	scoped_guard(mutex, &cdm_mutex) {
		p->state = CDM_POLICY_DEAD;
		p->link = NULL;
		p->ops->priv = NULL;
	}
	cdm_sysfs_policy_del(p);
	cdm_sysfs_changed();
	cdm_policy_put(p);
}

static int cdm_reg(void *kdata, struct bpf_link *link)
{
	return cdm_policy_attach(kdata, link, NULL);
}

/*
 * Runs under BPF's update mutex (detach, ejection) or without it (last
 * reference to the link). If an ejection claimed exit(), it is waited for, but
 * never flushed: the ejecting work may be the caller.
 */
static void cdm_unreg(void *kdata, struct bpf_link *link)
{
	struct cdm_ops *ops = kdata;
	struct cdm_policy *p = ops->priv;

	if (WARN_ON_ONCE(!p))
		return;

	cdm_policy_disable(p);
	cdm_policy_exit(p, CDM_EXIT_UNREG, "unloaded");
	wait_for_completion(&p->exited);
	pr_info("policy %s (id %llu) detached\n", p->name, p->id);
	trace_cdm_policy(p->id, p->name, "detached");
	cdm_policy_forget(p);
}

static int cdm_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	struct cdm_ops *old_ops = old_kdata;
	struct cdm_policy *old = old_ops->priv;
	int ret;

	if (kdata == old_kdata)
		return cdm_refuse(-EBUSY, "%s: a policy cannot be swapped with itself: load the object again",
				  old_ops->name);
	if (WARN_ON_ONCE(!old))
		return -ENOLINK;

	ret = cdm_policy_attach(kdata, link, old);
	if (ret)
		return ret;

	cdm_drain();
	cdm_queue_forget(old->id);
	if (cdm_owns_place_all(old))
		cdm_place_key_put();
	cdm_policy_exit(old, CDM_EXIT_REPLACED, "replaced");
	wait_for_completion(&old->exited);
	cdm_policy_forget(old);
	return 0;
}

/* ---- stubs: their presence makes a member known to the verifier ------------ */

static u64 cdm_stub_place(const struct cdm_place_ctx *ctx) { return 0; }
static u64 cdm_stub_access(const struct cdm_access_ctx *ctx) { return 0; }
static u64 cdm_stub_migrate(const struct cdm_migrate_ctx *ctx) { return 0; }
static void cdm_stub_reclaim(const struct cdm_reclaim_ctx *ctx) { }
static void cdm_stub_placed(const struct cdm_placed_ctx *ctx) { }
static void cdm_stub_migrated(const struct cdm_migrated_ctx *ctx) { }
static s32 cdm_stub_node_online(const struct cdm_node_ctx *ctx) { return 0; }
static s32 cdm_stub_node_offline(const struct cdm_node_ctx *ctx) { return 0; }
static void cdm_stub_tick(const struct cdm_tick_ctx *ctx) { }
static s32 cdm_stub_init(const struct cdm_init_ctx *ctx) { return 0; }
static void cdm_stub_exit(const struct cdm_exit_info *info) { }
static void cdm_stub_dump(const struct cdm_dump_ctx *ctx) { }

static struct cdm_ops cdm_stubs = {
	.place		= cdm_stub_place,
	.access		= cdm_stub_access,
	.migrate	= cdm_stub_migrate,
	.reclaim	= cdm_stub_reclaim,
	.placed		= cdm_stub_placed,
	.migrated	= cdm_stub_migrated,
	.node_online	= cdm_stub_node_online,
	.node_offline	= cdm_stub_node_offline,
	.tick		= cdm_stub_tick,
	.init		= cdm_stub_init,
	.exit		= cdm_stub_exit,
	.dump		= cdm_stub_dump,
};

static struct bpf_struct_ops bpf_cdm_ops = {
	.verifier_ops	= &cdm_verifier_ops,
	.init		= cdm_ops_init,
	.check_member	= cdm_ops_check_member,
	.init_member	= cdm_ops_init_member,
	.validate	= cdm_ops_validate,
	.reg		= cdm_reg,
	.unreg		= cdm_unreg,
	.update		= cdm_update,
	.cfi_stubs	= &cdm_stubs,
	.name		= "cdm_ops",
	.owner		= THIS_MODULE,
};

static int __init cdm_ops_register(void)
{
	int ret;

	BUILD_BUG_ON(offsetof(struct cdm_ops, flags) != CDM_NR_CB * sizeof(void *));

	ret = cdm_kfuncs_init();
	if (!ret)
		ret = register_bpf_struct_ops(&bpf_cdm_ops, cdm_ops);
	if (ret)
		pr_err("struct cdm_ops cannot be registered (%d): no policy can be attached\n",
		       ret);
	return ret;
}
late_initcall(cdm_ops_register);
