// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/mm/cdm/nodes/N: what a managed node is and does, and its administrator's
 * settings. Documented in Documentation/ABI/testing/sysfs-kernel-mm-cdm.
 *
 * A reader never takes cdm_node_lock: a node's files are removed under it, and removal
 * waits for readers. The one writer that needs it (mode) tries and restarts; what takes
 * a node away is therefore written to files beside nodes/.
 *
 * A change of state is a uevent of subsystem "cdm": CDM_NODE=N, CDM_STATE=state. What
 * others' hotplug changes is told a little later, and what changes back at once may be
 * told as one.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/ctype.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "internal.h"

static struct kset *cdm_nodes_kset;

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

static ssize_t node_left_show(struct kobject *kobj, struct kobj_attribute *attr,
			      char *buf)
{
	struct cdm_node *node;
	ssize_t len;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	if (!node)
		return -ENODEV;
	spin_lock(&node->left_lock);
	len = sysfs_emit(buf, "%s", node->left ?: "");
	spin_unlock(&node->left_lock);
	return len;
}

static struct kobj_attribute node_left_attr = __ATTR(left, 0444, node_left_show, NULL);

static ssize_t node_broken_show(struct kobject *kobj, struct kobj_attribute *attr,
				char *buf)
{
	struct cdm_node *node;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	return node ? cdm_broken_show(node, buf) : -ENODEV;
}

static struct kobj_attribute node_broken_attr =
	__ATTR(broken, 0444, node_broken_show, NULL);

static ssize_t node_pingpong_show(struct kobject *kobj, struct kobj_attribute *attr,
				  char *buf)
{
	struct cdm_node *node;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	return node ? cdm_pingpong_show(node, buf) : -ENODEV;
}

static struct kobj_attribute node_pingpong_attr =
	__ATTR(pingpong, 0444, node_pingpong_show, NULL);

static ssize_t node_stay_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct cdm_node *node;

	guard(rcu)();
	node = cdm_kobj_node(kobj);
	return node ? cdm_stay_show(node, buf) : -ENODEV;
}

static struct kobj_attribute node_stay_attr = __ATTR(stay, 0444, node_stay_show, NULL);

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
	&node_left_attr.attr,
	&node_broken_attr.attr,
	&node_pingpong_attr.attr,
	&node_stay_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(cdm_node);

static void node_kobj_release(struct kobject *kobj)
{
	kfree(kobj);
}

static const struct kobj_type cdm_node_ktype = {
	.release	= node_kobj_release,
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= cdm_node_groups,
};

static const char *node_uevent_name(const struct kobject *kobj)
{
	return "cdm";
}

static const struct kset_uevent_ops cdm_nodes_uevent_ops = {
	.name	= node_uevent_name,
};

/**
 * cdm_sysfs_node_add() - show a node
 * @node: the node; published
 *
 * Context: under cdm_node_lock.
 * Return: 0 or a negative errno.
 */
int cdm_sysfs_node_add(struct cdm_node *node)
{
	struct kobject *kobj = kzalloc(sizeof(*kobj), GFP_KERNEL);
	int ret;

	if (!kobj)
		return -ENOMEM;
	kobj->kset = cdm_nodes_kset;
	ret = kobject_init_and_add(kobj, &cdm_node_ktype, NULL, "%d", node->nid);
	if (ret) {
		kobject_put(kobj);
		return ret;
	}
	node->kobj = kobj;
	kobject_uevent(kobj, KOBJ_ADD);
	cdm_sysfs_changed();
	return 0;
}

/**
 * cdm_sysfs_node_state() - tell who listens to uevents that a node's state changed
 * @node: the node
 *
 * Context: may sleep; the node is shown, and stays so meanwhile.
 */
void cdm_sysfs_node_state(struct cdm_node *node)
{
	char nid[24], state[32];
	char *env[3] = { nid, state };

	if (!node->kobj)
		return;
	snprintf(nid, sizeof(nid), "CDM_NODE=%d", node->nid);
	snprintf(state, sizeof(state), "CDM_STATE=%s",
		 cdm_node_state_names[READ_ONCE(node->state)]);
	kobject_uevent_env(node->kobj, KOBJ_CHANGE, env);
	sysfs_notify(node->kobj, NULL, "state");
}

void cdm_sysfs_node_del(struct cdm_node *node)
{
	if (!node->kobj)
		return;
	kobject_del(node->kobj);
	kobject_put(node->kobj);
	node->kobj = NULL;
	cdm_sysfs_changed();
}

int __init cdm_sysfs_nodes_init(struct kobject *parent)
{
	cdm_nodes_kset = kset_create_and_add("nodes", &cdm_nodes_uevent_ops, parent);
	return cdm_nodes_kset ? 0 : -ENOMEM;
}
