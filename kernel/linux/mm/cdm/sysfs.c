// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/mm/cdm: policies, and an operator's switches. What a node shows is in
 * sysfs_node.c. Documented in Documentation/ABI/testing/sysfs-kernel-mm-cdm.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "internal.h"
#include "node.h"

static struct kobject *cdm_kobj;
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

/* Milliseconds, a minute at most: what is remembered of a folio that left. */
static ssize_t cdm_ms_store(const char *what, const char *buf, size_t count,
			    unsigned int *ms)
{
	unsigned int val;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (kstrtouint(buf, 0, &val) || val > 60000)
		return cdm_refuse(-EINVAL, "%s: want milliseconds, 0 to 60000", what);
	WRITE_ONCE(*ms, val);
	return count;
}

static ssize_t pingpong_ms_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(cdm_pingpong_ms));
}

static ssize_t pingpong_ms_store(struct kobject *kobj, struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	return cdm_ms_store("pingpong_ms", buf, count, &cdm_pingpong_ms);
}
CDM_ATTR_RW(pingpong_ms);

static ssize_t pingpong_keep_ms_show(struct kobject *kobj, struct kobj_attribute *attr,
				     char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(cdm_pingpong_keep_ms));
}

static ssize_t pingpong_keep_ms_store(struct kobject *kobj, struct kobj_attribute *attr,
				      const char *buf, size_t count)
{
	return cdm_ms_store("pingpong_keep_ms", buf, count, &cdm_pingpong_keep_ms);
}
CDM_ATTR_RW(pingpong_keep_ms);

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

static ssize_t online_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	return cdm_nid_store("online", buf, count, cdm_online_nid);
}
CDM_ATTR_WO(online);

static ssize_t cdm_text_store(const char *what, const char *buf, size_t count,
			      int (*fn)(char *text))
{
	char text[96];
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (strscpy(text, buf) < 0)
		return cdm_refuse(-EINVAL, "%s: too long", what);
	err = fn(strim(text));
	return err ?: count;
}

/* Nodes that shall take what leaves: "1,2". */
static int drain_to(char *list, struct cdm_drain *how)
{
	char *word;

	while ((word = strsep(&list, ","))) {
		if (how->nr_to == ARRAY_SIZE(how->to))
			return cdm_refuse(-E2BIG, "drain: to: at most %zu nodes can be named",
					  ARRAY_SIZE(how->to));
		if (kstrtoint(word, 10, &how->to[how->nr_to++]))
			return cdm_refuse(-EINVAL, "drain: to: '%s' is not the number of a node",
					  word);
	}
	return 0;
}

static int drain_write(char *text)
{
	struct cdm_drain how = {};
	char *word;
	int nid, err;

	if (kstrtoint(strsep(&text, " "), 10, &nid))
		return cdm_refuse(-EINVAL, "drain: want 'N [timeout=MS] [to=N,N...]'");
	while ((word = strsep(&text, " "))) {
		if (!*word)
			continue;
		if (!strncmp(word, "to=", 3)) {
			err = drain_to(word + 3, &how);
			if (err)
				return err;
		} else if (strncmp(word, "timeout=", 8) ||
			   kstrtouint(word + 8, 10, &how.timeout_ms) ||
			   how.timeout_ms > INT_MAX) {
			return cdm_refuse(-EINVAL, "drain: '%s' is not 'timeout=MS' and not 'to=N,N...'",
					  word);
		}
	}
	return cdm_drain_nid(nid, &how);
}

static ssize_t drain_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	return cdm_text_store("drain", buf, count, drain_write);
}
CDM_ATTR_WO(drain);

static ssize_t claim_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	return cdm_text_store("claim", buf, count, cdm_claim_write);
}
CDM_ATTR_WO(claim);

static ssize_t unclaim_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	return cdm_text_store("unclaim", buf, count, cdm_unclaim_write);
}
CDM_ATTR_WO(unclaim);

static ssize_t claims_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return cdm_claims_show(buf);
}
CDM_ATTR_RO(claims);

static struct attribute *cdm_attrs[] = {
	&version_attr.attr,
	&enabled_attr.attr,
	&enable_seq_attr.attr,
	&last_error_attr.attr,
	&exits_attr.attr,
	&adopt_attr.attr,
	&release_attr.attr,
	&drain_attr.attr,
	&online_attr.attr,
	&claim_attr.attr,
	&unclaim_attr.attr,
	&claims_attr.attr,
	&pingpong_ms_attr.attr,
	&pingpong_keep_ms_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(cdm);

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
	len += sysfs_emit_at(buf, len, "throttled %llu\n",
			     cdm_policy_stat(p, CDM_PSTAT_THROTTLED));
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

	for (int i = 0; i < CDM_NR_DIRECT; i++)
		if (p->prog[i])
			bpf_prog_put(p->prog[i]);
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
	ret = cdm_sysfs_nodes_init(cdm_kobj);
	if (ret)
		return ret;
	cdm_policies_kset = kset_create_and_add("policies", NULL, cdm_kobj);
	if (!cdm_policies_kset)
		return -ENOMEM;
	debugfs_create_file("dump", 0400, debugfs_create_dir("cdm", NULL), NULL,
			    &cdm_dump_fops);
	return 0;
}
subsys_initcall_sync(cdm_sysfs_init);
