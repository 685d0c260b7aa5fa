// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that waits for its driver.
 *
 * Firmware lists a device's memory long before the device's driver is loaded, and
 * whoever comes first has it: dax/kmem, auto_online_blocks, a udev rule. A claim keeps
 * it offline until then. It is made on the command line (cdm_claim=), by an
 * administrator, or by a driver that has begun to probe, for a node or for a range, and
 * may say which driver it is for:
 *
 *	claimed --- the driver registers the node ----> fulfilled
 *	    |------ that fails ----------------------> ended, if it was for this driver
 *	    |------ unclaim, or its time is up ------> ended
 *
 * so that nothing stays claimed for ever by somebody who is gone.
 *
 * The notifier vetoes each memory block that would come online meanwhile, and says for
 * whom. It vetoes nobody's going offline, so a rollback is never stopped. What mm/cdm
 * brings online itself is let pass.
 *
 * Locks: claim_lock is a leaf. The notifier holds hotplug's locks.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/ctype.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "node.h"

/* More would not fit into the file that lists them. */
#define CDM_CLAIMS	48

/**
 * struct claim - memory that waits for its driver
 * @list: of all claims
 * @nid: the node, NUMA_NO_NODE if it is a range
 * @start: first byte of the range
 * @end: first byte after it
 * @expires: jiffies, if it is @timed
 * @timed: it ends by itself
 * @owner: the driver that it is for, as struct cdm_node_desc names it; "" for any
 */
struct claim {
	struct list_head list;
	int nid;
	u64 start, end;
	unsigned long expires;
	bool timed;
	char owner[CDM_NAME_LEN];
};

static LIST_HEAD(claims);
static unsigned int nr_claims;
static DEFINE_SPINLOCK(claim_lock);

/*
 * Who brings memory online for cdm itself; written under cdm_node_lock, or by whom its
 * holder waits for.
 */
static struct task_struct *onliner;

void cdm_claim_bypass(bool on)
{
	WRITE_ONCE(onliner, on ? current : NULL);
}

/* It is cdm itself that is at it. */
bool cdm_claim_bypassed(void)
{
	return READ_ONCE(onliner) == current;
}

static bool covers(const struct claim *c, int nid, u64 start, u64 end)
{
	if (c->nid != NUMA_NO_NODE)
		return c->nid == nid;
	return c->start < end && start < c->end;
}

static bool expired(const struct claim *c)
{
	return c->timed && time_after_eq(jiffies, c->expires);
}

/* Under claim_lock. */
static void claim_del(struct claim *c)
{
	list_del(&c->list);
	nr_claims--;
	kfree(c);
}

/* "node 1" or the range. */
static const char *what(const struct claim *c, char *buf, size_t size)
{
	if (c->nid != NUMA_NO_NODE)
		snprintf(buf, size, "node %d", c->nid);
	else
		snprintf(buf, size, "%#llx+%#llx", c->start, c->end - c->start);
	return buf;
}

/* ---- time-outs -------------------------------------------------------------- */

static void claims_expire(struct work_struct *work);
static DECLARE_DELAYED_WORK(expire_work, claims_expire);

static void claims_expire(struct work_struct *work)
{
	unsigned long next = 0;
	struct claim *c, *n;
	char buf[48];

	spin_lock(&claim_lock);
	list_for_each_entry_safe(c, n, &claims, list) {
		if (!c->timed)
			continue;
		if (expired(c)) {
			pr_warn("the claim of %s for %s timed out: whoever wants may bring it online\n",
				what(c, buf, sizeof(buf)), *c->owner ? c->owner : "a driver");
			claim_del(c);
		} else if (!next || time_before(c->expires, next)) {
			next = c->expires ?: 1;
		}
	}
	spin_unlock(&claim_lock);
	if (next)
		mod_delayed_work(system_wq, &expire_work,
				 max_t(long, next - jiffies, 0) + 1);
}

/* ---- making and ending ------------------------------------------------------- */

static int claim_add(const struct claim *want, unsigned int seconds)
{
	struct claim *c = kmemdup(want, sizeof(*c), GFP_KERNEL), *other;
	char buf[48], owner[CDM_NAME_LEN] = "";
	int err = 0;

	if (!c)
		return -ENOMEM;
	c->timed = seconds;
	c->expires = jiffies + seconds * HZ;
	spin_lock(&claim_lock);
	list_for_each_entry(other, &claims, list) {
		if (expired(other) || c->nid != other->nid ||
		    !covers(other, c->nid, c->start, c->end))
			continue;
		err = -EEXIST;
		strscpy(owner, *other->owner ? other->owner : "a driver");
	}
	if (!err && nr_claims == CDM_CLAIMS)
		err = -ENOSPC;
	if (!err) {
		list_add_tail(&c->list, &claims);
		nr_claims++;
	}
	spin_unlock(&claim_lock);
	what(c, buf, sizeof(buf));
	if (err) {
		kfree(c);
		if (err == -EEXIST)
			return cdm_refuse(err, "claim: %s is claimed already, for %s",
					  buf, owner);
		return cdm_refuse(err, "claim: there are %d claims already, the most that there can be",
				  CDM_CLAIMS);
	}
	pr_info("%s is claimed for %s\n", buf, *want->owner ? want->owner : "a driver");
	if (seconds)
		mod_delayed_work(system_wq, &expire_work, 0);
	return 0;
}

/* Those that are the same; how many there were. */
static int claim_end(int nid, u64 start, u64 end)
{
	struct claim *c, *n;
	int nr = 0;

	spin_lock(&claim_lock);
	list_for_each_entry_safe(c, n, &claims, list) {
		if (c->nid != nid || c->start != start || c->end != end)
			continue;
		claim_del(c);
		nr++;
	}
	spin_unlock(&claim_lock);
	return nr;
}

/**
 * cdm_claim() - keep memory offline until its driver is ready
 * @start: first byte
 * @size: bytes
 * @owner: as the driver will name itself in &struct cdm_node_desc
 * @seconds: the claim ends after that long, 0 for never
 *
 * Ends when @owner registers memory in it as a node, whether that succeeds or not.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL for a range or name that cannot be, -EEXIST if a part of it is
 * claimed, -ENOSPC, -ENOMEM.
 */
int cdm_claim(u64 start, u64 size, const char *owner, unsigned int seconds)
{
	struct claim c = { .nid = NUMA_NO_NODE, .start = start, .end = start + size };

	if (!size || c.end <= start || strscpy(c.owner, owner) < 0)
		return cdm_refuse(-EINVAL, "claim: %#llx+%#llx for %s is no range, or the name is too long",
				  start, size, owner);
	return claim_add(&c, seconds);
}
EXPORT_SYMBOL_GPL(cdm_claim);

/**
 * cdm_unclaim() - end a claim
 * @start: as it was claimed
 * @size: likewise
 *
 * Context: any.
 */
void cdm_unclaim(u64 start, u64 size)
{
	claim_end(NUMA_NO_NODE, start, start + size);
}
EXPORT_SYMBOL_GPL(cdm_unclaim);

/**
 * cdm_claim_check() - may this driver register that memory?
 * @desc: what it registers
 *
 * Context: any.
 * Return: 0, or -EBUSY if it is claimed for another driver.
 */
int cdm_claim_check(const struct cdm_node_desc *desc)
{
	char owner[CDM_NAME_LEN] = "";
	struct claim *c;

	spin_lock(&claim_lock);
	list_for_each_entry(c, &claims, list)
		if (!expired(c) && *c->owner && strcmp(c->owner, desc->name) &&
		    covers(c, desc->nid, desc->start, desc->start + desc->size))
			strscpy(owner, c->owner);
	spin_unlock(&claim_lock);
	if (!*owner)
		return 0;
	return cdm_refuse(-EBUSY, "%s: node %d or a part of its memory is claimed for %s (cdmctl node unclaim)",
			  desc->name, desc->nid, owner);
}

/**
 * cdm_claim_done() - a driver has tried to register its node
 * @desc: what it registered
 * @failed: in vain: then only what is claimed for this very driver is so no more
 *
 * Context: any.
 */
void cdm_claim_done(const struct cdm_node_desc *desc, bool failed)
{
	struct claim *c, *n;

	if (!desc->name)
		return;
	spin_lock(&claim_lock);
	list_for_each_entry_safe(c, n, &claims, list) {
		if (!covers(c, desc->nid, desc->start, desc->start + desc->size) ||
		    (failed && strcmp(c->owner, desc->name)))
			continue;
		if (failed)
			pr_warn("%s failed to bring its memory: the claim for it has ended\n",
				c->owner);
		claim_del(c);
	}
	spin_unlock(&claim_lock);
}

/* ---- in words: "N" or "SIZE@START", "for=NAME", "timeout=SECONDS" -------------- */

static int parse_what(const char *word, struct claim *c)
{
	char *end;
	u64 size;

	if (!kstrtoint(word, 10, &c->nid)) {
		if (c->nid < 0 || c->nid >= MAX_NUMNODES || !node_possible(c->nid))
			return cdm_refuse(-EINVAL, "claim: node %d is not possible on this machine",
					  c->nid);
		if (cdm_node_has_cpus(c->nid))
			return cdm_refuse(-EINVAL, "claim: node %d has CPUs", c->nid);
		return 0;
	}
	c->nid = NUMA_NO_NODE;
	size = memparse(word, &end);
	if (*end != '@' || !size || !isdigit(end[1]))
		goto bad;
	c->start = memparse(end + 1, &end);
	c->end = c->start + size;
	if (*end || c->end <= c->start)
		goto bad;
	return 0;
bad:
	return cdm_refuse(-EINVAL, "claim: '%s' is not the number of a node, nor SIZE@START", word);
}

static int parse_claim(char *text, const char *sep, struct claim *c, unsigned int *seconds)
{
	char *word = strsep(&text, sep);
	int err = parse_what(word, c);

	while (!err && (word = strsep(&text, sep))) {
		if (!*word)
			continue;
		if (!strncmp(word, "for=", 4)) {
			if (strscpy(c->owner, word + 4) <= 0)
				err = cdm_refuse(-EINVAL, "claim: a driver's name has 1 to %d characters",
						 CDM_NAME_LEN - 1);
		} else if (strncmp(word, "timeout=", 8) ||
			   kstrtouint(word + 8, 10, seconds) || !*seconds ||
			   *seconds > INT_MAX / HZ) {
			err = cdm_refuse(-EINVAL, "claim: '%s' is not 'timeout=SECONDS' and not 'for=NAME'",
					 word);
		}
	}
	return err;
}

/**
 * cdm_claim_write() - an administrator claims memory
 * @text: what, for whom, how long; changed
 *
 * Context: may sleep.
 * Return: 0 or a negative errno, with a text.
 */
int cdm_claim_write(char *text)
{
	struct claim c = {};
	unsigned int seconds = 0;
	int err = parse_claim(text, " ", &c, &seconds);

	return err ?: claim_add(&c, seconds);
}

/**
 * cdm_unclaim_write() - an administrator ends a claim
 * @text: what, as it was claimed; changed
 *
 * Context: may sleep.
 * Return: 0 or a negative errno, with a text.
 */
int cdm_unclaim_write(char *text)
{
	struct claim c = {};
	int err = parse_what(text, &c);

	if (err)
		return err;
	if (!claim_end(c.nid, c.start, c.end))
		return cdm_refuse(-ENOENT, "claim: '%s' is not claimed", text);
	return 0;
}

/**
 * cdm_claims_show() - the claims, a line each
 * @buf: a page
 *
 * Context: any.
 * Return: characters.
 */
ssize_t cdm_claims_show(char *buf)
{
	struct claim *c;
	ssize_t len = 0;

	spin_lock(&claim_lock);
	list_for_each_entry(c, &claims, list) {
		if (expired(c))
			continue;
		if (c->nid != NUMA_NO_NODE)
			len += sysfs_emit_at(buf, len, "%d", c->nid);
		else
			len += sysfs_emit_at(buf, len, "%#llx@%#llx", c->end - c->start,
					     c->start);
		len += sysfs_emit_at(buf, len, " %s ", *c->owner ? c->owner : "-");
		if (c->timed)
			len += sysfs_emit_at(buf, len, "%lu\n", (c->expires - jiffies) / HZ);
		else
			len += sysfs_emit_at(buf, len, "-\n");
	}
	spin_unlock(&claim_lock);
	return len;
}

/* ---- the veto ------------------------------------------------------------------ */

static int claim_notify(struct notifier_block *nb, unsigned long action, void *arg)
{
	struct memory_notify *change = arg;
	u64 start = PFN_PHYS(change->start_pfn);
	u64 end = start + PFN_PHYS(change->nr_pages);
	char owner[CDM_NAME_LEN] = "";
	bool veto = false;
	struct claim *c;
	int nid;

	if (action != MEM_GOING_ONLINE || cdm_claim_bypassed())
		return NOTIFY_DONE;
	/* The struct pages are there by now. */
	nid = pfn_to_nid(change->start_pfn);
	spin_lock(&claim_lock);
	list_for_each_entry(c, &claims, list) {
		if (expired(c) || !covers(c, nid, start, end))
			continue;
		veto = true;
		strscpy(owner, *c->owner ? c->owner : "a driver");
	}
	spin_unlock(&claim_lock);
	if (!veto)
		return NOTIFY_OK;
	pr_warn_ratelimited("memory block at %#llx of node %d is claimed for %s, %s (%d) must not bring it online; see /sys/kernel/mm/cdm/claims\n",
			    start, nid, owner, current->comm, task_pid_nr(current));
	return notifier_from_errno(-EPERM);
}

/* cdm_claim=WHAT[,for=NAME][,timeout=SECONDS][;...], counted from boot. */
static char boot_claims[256] __initdata;

static int __init cdm_claim_setup(char *text)
{
	if (strscpy(boot_claims, text) < 0)
		pr_err("cdm_claim= is too long and ignored\n");
	return 1;
}
__setup("cdm_claim=", cdm_claim_setup);

static int __init cdm_claim_init(void)
{
	char *rest = strlen(boot_claims) < sizeof(boot_claims) - 1 ? boot_claims : NULL, *one;

	while ((one = strsep(&rest, ";"))) {
		struct claim c = {};
		unsigned int seconds = 0;

		if (*one && !parse_claim(one, ",", &c, &seconds))
			claim_add(&c, seconds);
	}
	/* Before others, who would get ready for what does not come. */
	return hotplug_memory_notifier(claim_notify, DEFAULT_CALLBACK_PRI + 1);
}
subsys_initcall(cdm_claim_init);
