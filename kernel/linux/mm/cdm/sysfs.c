// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/mm/cdm: what there is, who owns it, and an operator's switches.
 *
 * Documented in Documentation/ABI/testing/sysfs-kernel-mm-cdm. A reader never
 * takes cdm_node_lock: a node's files are removed under it, and removal waits
 * for readers. The one writer that needs it (a node's mode) tries and restarts.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "internal.h"

static struct kobject *cdm_kobj, *cdm_nodes_kobj;
static struct kset *cdm_policies_kset;

/* Counts attaches and everything else that changes the table. */
static atomic64_t cdm_enable_seq;
static atomic64_t cdm_policy_ids;

u64 cdm_sysfs_policy_id(void)
{
	return atomic64_inc_return(&cdm_policy_ids);
}

void cdm_sysfs_changed(void)
{
	atomic64_inc(&cdm_enable_seq);
	if (cdm_kobj)
		sysfs_notify(cdm_kobj, NULL, "enable_seq");
}

/* ---- the top --------------------------------------------------------------- */

#define CDM_ATTR_RO(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_RO(_name)
#define CDM_ATTR_RW(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_RW(_name)
#define CDM_ATTR_WO(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_WO(_name)

static ssize_t version_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "1\n");
}
CDM_ATTR_RO(version);

static ssize_t enable_seq_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld\n", atomic64_read(&cdm_enable_seq));
}
CDM_ATTR_RO(enable_seq);

static ssize_t last_error_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return cdm_last_error(buf, PAGE_SIZE);
}
CDM_ATTR_RO(last_error);

static ssize_t exits_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return cdm_exits_show(buf);
}
CDM_ATTR_RO(exits);

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n", !READ_ONCE(cdm_ext_off));
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	bool on;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (kstrtobool(buf, &on))
		return cdm_refuse(-EINVAL, "enabled: want 0 or 1");
	scoped_guard(mutex, &cdm_mutex)
		WRITE_ONCE(cdm_ext_off, !on);
	if (!on)
		cdm_eject_all(CDM_EXIT_DISABLED, "cdm_ext was switched off through sysfs");
	return count;
}
CDM_ATTR_RW(enabled);

static ssize_t cdm_nid_store(const char *what, const char *buf, size_t count,
			     int (*fn)(int nid))
{
	int nid, ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (kstrtoint(buf, 0, &nid))
		return cdm_refuse(-EINVAL, "%s: want the number of a node", what);
	ret = fn(nid);
	return ret ?: count;
}

static ssize_t adopt_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	return cdm_nid_store("adopt", buf, count, cdm_node_adopt);
}
CDM_ATTR_WO(adopt);

static ssize_t release_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	return cdm_nid_store("release", buf, count, cdm_node_release);
}
CDM_ATTR_WO(release);

static struct attribute *cdm_attrs[] = {
	&version_attr.attr,
	&enabled_attr.attr,
	&enable_seq_attr.attr,
	&last_error_attr.attr,
	&exits_attr.attr,
	&adopt_attr.attr,
	&release_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(cdm);

/* ---- nodes/N --------------------------------------------------------------- */

/* The node that a kobject named N stands for; under RCU. */
static struct cdm_node *cdm_kobj_node(struct kobject *kobj)
{
	int nid;

	if (kstrtoint(kobject_name(kobj), 10, &nid) || nid < 0 ||
	    nid >= MAX_NUMNODES)
		return NULL;
	return cdm_node_of(nid);
}

#define CDM_NODE_ATTR(_name, _fmt, _value)				\
static ssize_t node_##_name##_show(struct kobject *kobj,		\
				   struct kobj_attribute *attr, char *buf) \
{									\
	struct cdm_node *node;						\
									\
	guard(rcu)();							\
	node = cdm_kobj_node(kobj);					\
	return node ? sysfs_emit(buf, _fmt "\n", _value) : -ENODEV;	\
}									\
static struct kobj_attribute node_##_name##_attr =			\
	__ATTR(_name, 0444, node_##_name##_show, NULL)

CDM_NODE_ATTR(state, "%s", cdm_node_state_names[READ_ONCE(node->state)]);
CDM_NODE_ATTR(driver, "%s", node->name);
CDM_NODE_ATTR(adopted, "%d", node->adopted);
CDM_NODE_ATTR(start, "%#llx", node->start);
CDM_NODE_ATTR(size, "%llu", node->size);

static ssize_t node_mode_show(struct kobject *kobj, struct kobj_attribute *attr,
			      char *buf)
{
	struct cdm_node *node;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	return node ? sysfs_emit(buf, "%s\n", cdm_mode_names[READ_ONCE(node->mode)]) :
		      -ENODEV;
}

static ssize_t node_mode_store(struct kobject *kobj, struct kobj_attribute *attr,
			       const char *buf, size_t count)
{
	struct cdm_node *node;
	int mode, ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mode = sysfs_match_string(cdm_mode_names, buf);
	if (mode < 0)
		return cdm_refuse(-EINVAL, "mode: want closed, last-resort or open");
	if (!mutex_trylock(&cdm_node_lock)) {
		msleep(20);
		return restart_syscall();
	}
	node = cdm_kobj_node(kobj);
	ret = node ? cdm_node_set_mode(node, mode) : -ENODEV;
	mutex_unlock(&cdm_node_lock);
	return ret ?: count;
}

static struct kobj_attribute node_mode_attr =
	__ATTR(mode, 0644, node_mode_show, node_mode_store);

static ssize_t node_move_limit_show(struct kobject *kobj,
				    struct kobj_attribute *attr, char *buf)
{
	struct cdm_node *node;
	u64 rate;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	rate = READ_ONCE(node->limit.rate);
	return rate ? sysfs_emit(buf, "%llu %lld\n", rate,
				 READ_ONCE(node->limit.burst)) :
		      sysfs_emit(buf, "max\n");
}

static ssize_t node_move_limit_store(struct kobject *kobj,
				     struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	struct cdm_node *node;
	u32 rate = 0, burst = 0;
	char text[32], *word;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	strscpy(text, buf);
	word = strim(text);
	if (!sysfs_streq(buf, "max") &&
	    (kstrtou32(strsep(&word, " "), 10, &rate) || !word ||
	     kstrtou32(skip_spaces(word), 10, &burst) || !rate || !burst))
		return cdm_refuse(-EINVAL, "move_limit: want 'PAGES-PER-SECOND BURST', both at least 1, or 'max'");

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	cdm_limit_set(&node->limit, rate, burst);
	return count;
}

static struct kobj_attribute node_move_limit_attr =
	__ATTR(move_limit, 0644, node_move_limit_show, node_move_limit_store);

static ssize_t node_watermarks_show(struct kobject *kobj,
				    struct kobj_attribute *attr, char *buf)
{
	struct cdm_node *node;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	return node ? sysfs_emit(buf, "%lu %lu\n", cdm_evict_low(node),
				 cdm_evict_high(node)) : -ENODEV;
}

static ssize_t node_watermarks_store(struct kobject *kobj,
				     struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	unsigned long low, high;
	struct cdm_node *node;
	char text[48], *word;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	strscpy(text, buf);
	word = strim(text);
	if (kstrtoul(strsep(&word, " "), 10, &low) || !word ||
	    kstrtoul(skip_spaces(word), 10, &high) || low > high)
		return cdm_refuse(-EINVAL, "watermarks: want 'LOW HIGH' in pages, the first not above the second; '0 0' for none");

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	if (high > cdm_node_managed_pages(node) / 2)
		return cdm_refuse(-EINVAL, "node %d: watermarks: at most half of its %lu pages can be kept free",
				  node->nid, cdm_node_managed_pages(node));
	WRITE_ONCE(node->evict_low, low);
	WRITE_ONCE(node->evict_high, high);
	WRITE_ONCE(node->evict_set, true);
	cdm_kcdmd_wake(node);
	return count;
}

static struct kobj_attribute node_watermarks_attr =
	__ATTR(watermarks, 0644, node_watermarks_show, node_watermarks_store);

static ssize_t node_evict_targets_show(struct kobject *kobj,
				       struct kobj_attribute *attr, char *buf)
{
	struct cdm_node *node;
	ssize_t len = 0;
	int i, nid;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	for (i = 0; i < CDM_EVICT_NAMED; i++) {
		nid = READ_ONCE(node->evict_named[i]) - 1;
		if (nid >= 0)
			len += sysfs_emit_at(buf, len, "%s%d", len ? " " : "", nid);
	}
	return len + sysfs_emit_at(buf, len, "%s\n", len ? "" : "default");
}

/* Refuses a target that cannot be one, now or ever. */
static int evict_target_check(const struct cdm_node *node, const u16 *named, int nr,
			      unsigned int nid)
{
	if (nr == CDM_EVICT_NAMED)
		return cdm_refuse(-E2BIG, "node %d: evict_targets: at most %d can be named",
				  node->nid, CDM_EVICT_NAMED);
	if (nid >= MAX_NUMNODES || !node_possible(nid))
		return cdm_refuse(-EINVAL, "node %d: evict_targets: there is no node %u",
				  node->nid, nid);
	if (nid == node->nid)
		return cdm_refuse(-EINVAL, "node %d: evict_targets: a node cannot evict to itself",
				  node->nid);
	while (nr--)
		if (named[nr] == nid + 1)
			return cdm_refuse(-EINVAL, "node %d: evict_targets: node %u is named twice",
					  node->nid, nid);
	return 0;
}

static ssize_t node_evict_targets_store(struct kobject *kobj,
					struct kobj_attribute *attr,
					const char *buf, size_t count)
{
	u16 named[CDM_EVICT_NAMED] = {};
	char text[64], *rest, *word;
	struct cdm_node *node;
	unsigned int nid;
	int i, err, nr = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (strscpy(text, buf) < 0)
		return cdm_refuse(-EINVAL, "evict_targets: too long; want up to %d nodes",
				  CDM_EVICT_NAMED);
	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	rest = strim(text);
	if (!*rest)
		return cdm_refuse(-EINVAL, "evict_targets: want nodes, the first choice first, or 'default'");
	if (!strcmp(rest, "default"))
		rest = NULL;
	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		if (kstrtouint(word, 10, &nid))
			return cdm_refuse(-EINVAL, "evict_targets: '%s' is not the number of a node",
					  word);
		err = evict_target_check(node, named, nr, nid);
		if (err)
			return err;
		named[nr++] = nid + 1;
	}
	/* Whoever evicts meanwhile may see some of the old ones. */
	for (i = 0; i < CDM_EVICT_NAMED; i++)
		WRITE_ONCE(node->evict_named[i], named[i]);
	return count;
}

static struct kobj_attribute node_evict_targets_attr =
	__ATTR(evict_targets, 0644, node_evict_targets_show, node_evict_targets_store);

/* The node stays while its attribute is written to: its removal waits for us. */
static ssize_t node_evict_store(struct kobject *kobj, struct kobj_attribute *attr,
				const char *buf, size_t count)
{
	unsigned long nr, gone;
	struct cdm_node *node;
	char *end;
	u64 bytes;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	bytes = memparse(buf, &end);
	if (!bytes || !isdigit(*buf) || *skip_spaces(end))
		return cdm_refuse(-EINVAL, "evict: want a number of bytes, or one with K, M, G or T");
	nr = min_t(u64, DIV_ROUND_UP_ULL(bytes, PAGE_SIZE), LONG_MAX);
	scoped_guard(rcu)
		node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	gone = cdm_evict_pages(node, nr);
	if (gone >= nr)
		return count;
	if (signal_pending(current))
		return -EINTR;
	return cdm_refuse(-EAGAIN, "node %d: %lu of %lu pages left; for the rest there is no room elsewhere, or it is mlocked, pinned or kept, or your cpuset lacks the node",
			  node->nid, gone, nr);
}

static struct kobj_attribute node_evict_attr =
	__ATTR(evict, 0200, NULL, node_evict_store);

static ssize_t node_owners_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	const struct cdm_table *t;
	struct cdm_node *node;
	ssize_t len = 0;
	u32 cb;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	t = rcu_dereference(cdm_table);
	for (cb = 0; t && cb < CDM_NR_OWNED; cb++) {
		const struct cdm_policy *p = t->owner[cb][node->nid];

		if (p)
			len += sysfs_emit_at(buf, len, "%s %llu %s\n",
					     cdm_cb_names[cb], p->id, p->name);
	}
	return len;
}

static struct kobj_attribute node_owners_attr =
	__ATTR(owners, 0444, node_owners_show, NULL);

static ssize_t node_stats_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	struct cdm_node *node;
	ssize_t len = 0;
	int i;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	for (i = 0; i < CDM_NR_NODE_STATS; i++)
		len += sysfs_emit_at(buf, len, "%s %llu\n",
				     cdm_node_stat_names[i],
				     cdm_node_stat(node, i));
	return len;
}

static struct kobj_attribute node_stats_attr =
	__ATTR(stats, 0444, node_stats_show, NULL);

static struct attribute *cdm_node_attrs[] = {
	&node_state_attr.attr,
	&node_mode_attr.attr,
	&node_driver_attr.attr,
	&node_adopted_attr.attr,
	&node_start_attr.attr,
	&node_size_attr.attr,
	&node_owners_attr.attr,
	&node_stats_attr.attr,
	&node_move_limit_attr.attr,
	&node_watermarks_attr.attr,
	&node_evict_targets_attr.attr,
	&node_evict_attr.attr,
	NULL,
};

static const struct attribute_group cdm_node_group = {
	.attrs = cdm_node_attrs,
};

int cdm_sysfs_node_add(struct cdm_node *node)
{
	char name[12];
	int ret;

	snprintf(name, sizeof(name), "%d", node->nid);
	node->kobj = kobject_create_and_add(name, cdm_nodes_kobj);
	if (!node->kobj)
		return -ENOMEM;
	ret = sysfs_create_group(node->kobj, &cdm_node_group);
	if (ret) {
		kobject_put(node->kobj);
		node->kobj = NULL;
		return ret;
	}
	cdm_sysfs_changed();
	return 0;
}

void cdm_sysfs_node_del(struct cdm_node *node)
{
	if (!node->kobj)
		return;
	sysfs_remove_group(node->kobj, &cdm_node_group);
	kobject_put(node->kobj);
	node->kobj = NULL;
	cdm_sysfs_changed();
}

/* ---- policies/ID ----------------------------------------------------------- */

#define to_policy(_kobj)	container_of(_kobj, struct cdm_policy, kobj)

#define CDM_POLICY_ATTR(_name, _fmt, _value)				\
static ssize_t policy_##_name##_show(struct kobject *kobj,		\
				     struct kobj_attribute *attr, char *buf) \
{									\
	struct cdm_policy *p = to_policy(kobj);				\
									\
	return sysfs_emit(buf, _fmt "\n", _value);			\
}									\
static struct kobj_attribute policy_##_name##_attr =			\
	__ATTR(_name, 0444, policy_##_name##_show, NULL)

CDM_POLICY_ATTR(name, "%s", p->name);
CDM_POLICY_ATTR(state, "%s", cdm_policy_state_names[READ_ONCE(p->state)]);
CDM_POLICY_ATTR(tick_ms, "%u", p->tick_ms);

static ssize_t policy_node_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	struct cdm_policy *p = to_policy(kobj);

	if (p->node == CDM_NODE_ALL)
		return sysfs_emit(buf, "all\n");
	return sysfs_emit(buf, "%d\n", p->node);
}

static struct kobj_attribute policy_node_attr =
	__ATTR(node, 0444, policy_node_show, NULL);

static ssize_t policy_link_id_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	struct cdm_policy *p = to_policy(kobj);

	/* The link exists as long as it stands here. */
	guard(mutex)(&cdm_mutex);
	return sysfs_emit(buf, "%u\n", p->link ? p->link->id : 0);
}

static struct kobj_attribute policy_link_id_attr =
	__ATTR(link_id, 0444, policy_link_id_show, NULL);

static u64 policy_denied(struct cdm_policy *p)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < CDM_NR_MOVERS; i++)
		sum += cdm_policy_stat(p, CDM_PSTAT_DENIED + i);
	return sum;
}

static ssize_t policy_stats_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	struct cdm_policy *p = to_policy(kobj);
	ssize_t len = 0;
	u32 cb;

	for (cb = 0; cb < CDM_NR_CB; cb++)
		len += sysfs_emit_at(buf, len, "calls_%s %llu\n",
				     cdm_cb_names[cb],
				     cdm_policy_stat(p, CDM_PSTAT_CALLS + cb));
	len += sysfs_emit_at(buf, len, "default %llu\n",
			     cdm_policy_stat(p, CDM_PSTAT_DEFAULT));
	len += sysfs_emit_at(buf, len, "used %llu\n",
			     cdm_policy_stat(p, CDM_PSTAT_USED));
	len += sysfs_emit_at(buf, len, "full %llu\n",
			     cdm_policy_stat(p, CDM_PSTAT_FULL));
	len += sysfs_emit_at(buf, len, "overridden %llu\n",
			     cdm_policy_stat(p, CDM_PSTAT_OVERRIDDEN));
	len += sysfs_emit_at(buf, len, "bad %llu\n",
			     cdm_policy_stat(p, CDM_PSTAT_BAD));
	len += sysfs_emit_at(buf, len, "denied %llu\n", policy_denied(p));
	len += sysfs_emit_at(buf, len, "kept %llu\n",
			     cdm_policy_stat(p, CDM_PSTAT_KEPT));
	return len;
}

static struct kobj_attribute policy_stats_attr =
	__ATTR(stats, 0444, policy_stats_show, NULL);

static ssize_t policy_denied_show(struct kobject *kobj,
				  struct kobj_attribute *attr, char *buf)
{
	struct cdm_policy *p = to_policy(kobj);
	ssize_t len = 0;
	int i;

	for (i = 0; i <= CDM_MOVER_COLLAPSE; i++)
		len += sysfs_emit_at(buf, len, "%s %llu\n", cdm_mover_names[i],
				     cdm_policy_stat(p, CDM_PSTAT_DENIED + i));
	return len;
}

static struct kobj_attribute policy_denied_attr =
	__ATTR(denied, 0444, policy_denied_show, NULL);

static struct attribute *cdm_policy_attrs[] = {
	&policy_name_attr.attr,
	&policy_node_attr.attr,
	&policy_state_attr.attr,
	&policy_link_id_attr.attr,
	&policy_tick_ms_attr.attr,
	&policy_stats_attr.attr,
	&policy_denied_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(cdm_policy);

static void cdm_policy_release(struct kobject *kobj)
{
	struct cdm_policy *p = to_policy(kobj);

	if (p->place_prog)
		bpf_prog_put(p->place_prog);
	if (p->migrate_prog)
		bpf_prog_put(p->migrate_prog);
	free_percpu(p->stats);
	kfree(p);
}

static const struct kobj_type cdm_policy_ktype = {
	.release	= cdm_policy_release,
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= cdm_policy_groups,
};

/* Whatever it returns, the policy's memory is the kobject's from here on. */
int cdm_sysfs_policy_add(struct cdm_policy *p)
{
	p->kobj.kset = cdm_policies_kset;
	return kobject_init_and_add(&p->kobj, &cdm_policy_ktype, NULL, "%llu",
				    p->id);
}

void cdm_sysfs_policy_del(struct cdm_policy *p)
{
	kobject_del(&p->kobj);
}

/* ---- debugfs: what policies say of themselves ------------------------------- */

#define CDM_DUMP_SIZE	32768

static int cdm_dump_show(struct seq_file *m, void *v)
{
	const struct cdm_table *t;
	struct seq_buf s;
	char *buf;
	int i, idx;

	buf = kvmalloc(CDM_DUMP_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	idx = srcu_read_lock(&cdm_srcu);
	t = srcu_dereference(cdm_table, &cdm_srcu);
	for (i = 0; t && i < t->nr; i++) {
		seq_buf_init(&s, buf, CDM_DUMP_SIZE);
		cdm_policy_dump(t->policies[i], &s);
		seq_write(m, buf, seq_buf_used(&s));
	}
	srcu_read_unlock(&cdm_srcu, idx);
	kvfree(buf);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cdm_dump);

static int __init cdm_sysfs_init(void)
{
	int ret;

	cdm_kobj = kobject_create_and_add("cdm", mm_kobj);
	if (!cdm_kobj)
		return -ENOMEM;
	ret = sysfs_create_groups(cdm_kobj, cdm_groups);
	if (ret)
		return ret;
	cdm_nodes_kobj = kobject_create_and_add("nodes", cdm_kobj);
	cdm_policies_kset = kset_create_and_add("policies", NULL, cdm_kobj);
	if (!cdm_nodes_kobj || !cdm_policies_kset)
		return -ENOMEM;
	debugfs_create_file("dump", 0400, debugfs_create_dir("cdm", NULL), NULL,
			    &cdm_dump_fops);
	return 0;
}
subsys_initcall_sync(cdm_sysfs_init);
