// SPDX-License-Identifier: GPL-2.0
/*
 * A coherent accelerator without hardware, to test cdm_ext with.
 *
 * Firmware that wants memory left to a driver marks it soft reserved. On load
 * this module takes every such range of a node without CPUs (or of those that
 * nodes= names), one instance for each, and registers it as a managed node. A
 * range that cannot be had, or that a policy vetoes, is logged and the others go
 * on; the module loads if one came. On unload the memory goes back. What cannot
 * leave stays as an orphan of the core until the module is loaded again.
 *
 * /dev/cdm_simN lets a process run access kernels in the address space that
 * opened it: whoever has the file works there, whoever they are. Opening needs
 * CAP_SYS_ADMIN.
 */
#define pr_fmt(fmt) "cdm_sim: " fmt

#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/numa.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include "cdm_sim.h"

static int nodes[MAX_NUMNODES];
static int nr_nodes;
module_param_array(nodes, int, &nr_nodes, 0444);
MODULE_PARM_DESC(nodes, "Nodes whose memory to take, default all that are soft reserved");

static unsigned int mib;
module_param(mib, uint, 0444);
MODULE_PARM_DESC(mib, "MiB to take of each range, default all of it");

static unsigned int bad_mib;
module_param(bad_mib, uint, 0644);
MODULE_PARM_DESC(bad_mib, "MiB from the start of each range: the memory block there fails to come online, 0 for none");

static unsigned int wait_mib;
module_param(wait_mib, uint, 0644);
MODULE_PARM_DESC(wait_mib, "MiB from the start of each range: the memory block there takes a minute to come online, or until this is 0");

static unsigned int lost_byte = 0xff;
module_param(lost_byte, uint, 0644);
MODULE_PARM_DESC(lost_byte, "What is read, byte for byte, of the memory of a device that is gone");

/* Its setter is below. */
static int lose = NUMA_NO_NODE;

/* It ends when the device's node is registered, or is not. */
#define CLAIM_SECONDS	60

/* Changes at load and unload; the lock is for who looks from elsewhere, and nests in hotplug's. */
static LIST_HEAD(sims);
static DEFINE_MUTEX(sims_lock);

/* ---- /dev/cdm_simN -------------------------------------------------------- */

struct sim_file {
	struct cdm_sim *sim;
	struct mm_struct *mm;		/* mmgrab(), not mmget(): it may exit */
};

static int sim_open(struct inode *inode, struct file *file)
{
	struct miscdevice *misc = file->private_data;
	struct sim_file *f;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	f->sim = container_of(misc, struct cdm_sim, misc);
	f->mm = current->mm;
	mmgrab(f->mm);
	file->private_data = f;
	return 0;
}

static int sim_release(struct inode *inode, struct file *file)
{
	struct sim_file *f = file->private_data;

	mmdrop(f->mm);
	kfree(f);
	return 0;
}

/*
 * Copies a struct that begins with its size and version. It has at least @min
 * bytes, and no more than that size go back to user space.
 */
static int copy_in(void *to, size_t ksize, size_t min, const void __user *from)
{
	u32 head[2];
	int err;

	if (copy_from_user(head, from, sizeof(head)))
		return -EFAULT;
	if (head[0] < min)
		return -EINVAL;
	if (head[0] > PAGE_SIZE)
		return -E2BIG;
	if (head[1] != CDM_SIM_VERSION)
		return -EPROTONOSUPPORT;
	err = copy_struct_from_user(to, ksize, from, head[0]);
	if (err)
		return err;
	/* It may have been changed since; what was checked counts. */
	memcpy(to, head, sizeof(head));
	return 0;
}

static long sim_info(struct sim_file *f, void __user *arg)
{
	struct cdm_sim *sim = f->sim;
	struct cdm_sim_info info;
	int err = copy_in(&info, sizeof(info), sizeof(info), arg);

	if (err)
		return err;
	if (memchr_inv(info.reserved, 0, sizeof(info.reserved)))
		return -EINVAL;
	info.index = sim->index;
	info.nid = sim->nid;
	info.mem_start = sim->start;
	info.mem_size = sim->size;
	info.patterns = BIT_ULL(CDM_SIM_SEQUENTIAL) | BIT_ULL(CDM_SIM_STRIDED) |
			BIT_ULL(CDM_SIM_UNIFORM) | BIT_ULL(CDM_SIM_ZIPF) |
			BIT_ULL(CDM_SIM_CHASE) | BIT_ULL(CDM_SIM_REPLAY);
	/* Not under the lock, which a run holds: counters of a moment. */
	info.runs = READ_ONCE(sim->runs);
	info.accesses = READ_ONCE(sim->accesses);
	info.dev_faults = READ_ONCE(sim->dev_faults);
	info.broken = atomic64_read(&sim->broken);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int check_run(const struct cdm_sim_run *req)
{
	if (req->flags & ~(CDM_SIM_RUN_CACHE | CDM_SIM_RUN_CHECK |
			   CDM_SIM_RUN_DEAF | CDM_SIM_RUN_FETCH |
			   CDM_SIM_RUN_REPORT | CDM_SIM_RUN_COUNT_LOCAL |
			   CDM_SIM_RUN_ARM | CDM_SIM_RUN_CPU))
		return -EINVAL;
	if (req->weight > CDM_SIM_WEIGHT || req->near_ns > CDM_SIM_NS ||
	    req->far_ns > CDM_SIM_NS ||
	    (req->flags & CDM_SIM_RUN_CPU &&
	     (req->flags != CDM_SIM_RUN_CPU || req->counter_grain)))
		return -EINVAL;
	/* Each says what is done with the one before it. */
	if ((req->flags & CDM_SIM_RUN_CHECK && !(req->flags & CDM_SIM_RUN_CACHE)) ||
	    (req->flags & CDM_SIM_RUN_DEAF && !(req->flags & CDM_SIM_RUN_CHECK)) ||
	    (req->flags & CDM_SIM_RUN_REPORT && req->flags & CDM_SIM_RUN_CACHE))
		return -EINVAL;
	if (!req->counter_grain && (req->counter_threshold || req->counter_batch ||
				    req->flags & CDM_SIM_RUN_COUNT_LOCAL))
		return -EINVAL;
	if (req->pattern != CDM_SIM_REPLAY && (req->trace || req->trace_len))
		return -EINVAL;
	if (!req->len || (req->addr | req->len) % sizeof(u64))
		return -EINVAL;
	if (!req->accesses || req->accesses > CDM_SIM_ACCESSES ||
	    req->write_pct > 100)
		return -EINVAL;
	return access_ok(u64_to_user_ptr(req->addr), req->len) ? 0 : -EFAULT;
}

static_assert(offsetof(struct cdm_sim_run, cache_hits) == CDM_SIM_RUN_SIZE_1);

static long sim_run(struct sim_file *f, void __user *arg)
{
	struct cdm_sim_run *req;
	long err;

	req = kmalloc(sizeof(*req), GFP_KERNEL);
	if (!req)
		return -ENOMEM;
	err = copy_in(req, sizeof(*req), CDM_SIM_RUN_SIZE_1, arg);
	if (!err)
		err = check_run(req);
	if (err)
		goto free;

	err = -EINVAL;
	if (req->flags & CDM_SIM_RUN_CPU && f->mm != current->mm)
		goto free;
	/* The device has nowhere to work once the process is gone. */
	err = -ESRCH;
	if (!mmget_not_zero(f->mm))
		goto free;
	err = mutex_lock_interruptible(&f->sim->lock);
	if (!err) {
		err = cdm_sim_run(f->sim, f->mm, req);
		mutex_unlock(&f->sim->lock);
	}
	mmput(f->mm);
	if (copy_to_user(arg, req, min_t(size_t, req->size, sizeof(*req))))
		err = -EFAULT;
free:
	kfree(req);
	return err;
}

static long sim_move(struct sim_file *f, void __user *arg)
{
	struct cdm_sim_move req;
	long err = copy_in(&req, sizeof(req), sizeof(req), arg);

	if (err)
		return err;
	if (req.how > CDM_SIM_MOVE_LATER || req.pad || !req.len ||
	    memchr_inv(req.reserved, 0, sizeof(req.reserved)))
		return -EINVAL;
	if (!access_ok(u64_to_user_ptr(req.addr), req.len))
		return -EFAULT;
	if (!mmget_not_zero(f->mm))
		return -ESRCH;
	err = cdm_sim_move(f->sim, f->mm, &req);
	mmput(f->mm);
	return copy_to_user(arg, &req, sizeof(req)) ? -EFAULT : err;
}

static long sim_atomic(struct sim_file *f, void __user *arg)
{
	struct cdm_sim_atomic req;
	long err = copy_in(&req, sizeof(req), sizeof(req), arg);

	if (err)
		return err;
	if (!req.nr || req.nr > 65536 || req.pad ||
	    memchr_inv(req.reserved, 0, sizeof(req.reserved)))
		return -EINVAL;
	req.by_node = 0;
	req.by_vma = 0;
	req.elsewhere = 0;
	req.max_ns = 0;
	if (!mmget_not_zero(f->mm))
		return -ESRCH;
	err = cdm_sim_atomic(f->sim, f->mm, &req);
	mmput(f->mm);
	return copy_to_user(arg, &req, sizeof(req)) ? -EFAULT : err;
}

static long sim_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct sim_file *f = file->private_data;

	switch (cmd) {
	case CDM_SIM_IOC_VERSION:
		return CDM_SIM_VERSION;
	case CDM_SIM_IOC_INFO:
		return sim_info(f, (void __user *)arg);
	case CDM_SIM_IOC_RUN:
		return sim_run(f, (void __user *)arg);
	case CDM_SIM_IOC_MOVE:
		return sim_move(f, (void __user *)arg);
	case CDM_SIM_IOC_ATOMIC:
		return sim_atomic(f, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations sim_fops = {
	.owner		= THIS_MODULE,
	.open		= sim_open,
	.release	= sim_release,
	.unlocked_ioctl	= sim_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

/* ---- instances ------------------------------------------------------------ */

static bool wanted(int nid)
{
	int i;

	for (i = 0; i < nr_nodes; i++)
		if (nodes[i] == nid)
			return true;
	return !nr_nodes;
}

static struct cdm_sim *sim_alloc(int nid, u64 start, u64 size)
{
	struct cdm_sim *sim = kzalloc(sizeof(*sim), GFP_KERNEL);

	if (!sim)
		return NULL;
	sim->nid = nid;
	sim->start = start;
	sim->size = size;
	sim->index = list_empty(&sims) ? 0 :
		     list_last_entry(&sims, struct cdm_sim, list)->index + 1;
	snprintf(sim->name, sizeof(sim->name), "cdm_sim%u", sim->index);
	mutex_init(&sim->lock);
	mutex_lock(&sims_lock);
	list_add_tail(&sim->list, &sims);
	mutex_unlock(&sims_lock);
	return sim;
}

/*
 * Firmware may report the memory of two nodes as one range, and a range need
 * not begin or end with a memory block: cut it by node, in whole blocks.
 */
static int sim_add_range(struct resource *res, void *arg)
{
	u64 block = memory_block_size_bytes();
	u64 at = ALIGN(res->start, block);
	u64 end = ALIGN_DOWN(res->end + 1, block);
	u64 most = mib ? ALIGN_DOWN((u64)mib << 20, block) : U64_MAX;
	struct cdm_sim *sim = NULL;
	int nid;

	if (at != res->start || end != res->end + 1)
		pr_info("%pR: only whole memory blocks of %llu MiB are used\n",
			res, block >> 20);
	for (; most && at < end; at += block) {
		nid = phys_to_target_node(at);
		if (nid == NUMA_NO_NODE) {
			pr_info("%#llx: soft reserved, but of no node\n", at);
			sim = NULL;
		} else if (sim && sim->nid == nid) {
			sim->size = min(sim->size + block, most);
		} else {
			sim = sim_alloc(nid, at, block);
			if (!sim)
				return -ENOMEM;
		}
	}
	return 0;
}

static bool sim_mib_in(const struct cdm_sim *sim, unsigned int mib, u64 start, u64 end)
{
	u64 at = sim->start + ((u64)mib << 20);

	return mib && at < sim->start + sim->size && at >= start && at < end;
}

/* As if the hardware behind a block did not answer, or took its time. */
static int sim_memory_notify(struct notifier_block *nb, unsigned long action, void *arg)
{
	unsigned long give_up = jiffies + 60 * HZ;
	struct memory_notify *change = arg;
	u64 start = PFN_PHYS(change->start_pfn);
	u64 end = start + PFN_PHYS(change->nr_pages);
	struct cdm_sim *sim;

	if (action != MEM_GOING_ONLINE)
		return NOTIFY_DONE;
	guard(mutex)(&sims_lock);
	list_for_each_entry(sim, &sims, list) {
		while (sim_mib_in(sim, READ_ONCE(wait_mib), start, end) &&
		       !fatal_signal_pending(current) && time_before(jiffies, give_up))
			msleep(20);
		if (sim_mib_in(sim, READ_ONCE(bad_mib), start, end))
			return notifier_from_errno(-EIO);
	}
	return NOTIFY_OK;
}

static struct notifier_block sim_memory_nb = {
	.notifier_call	= sim_memory_notify,
};

/*
 * What a CPU reads of a device that is not there. Only what is in use: nobody expects to
 * read what is free. It may be freed meanwhile, which KASAN need not know.
 */
static __no_sanitize_address void wipe(const struct cdm_sim *sim)
{
	unsigned long pfn = PHYS_PFN(sim->start), end = PHYS_PFN(sim->start + sim->size), i;
	struct page *page;
	u64 *word;

	for (; pfn < end; pfn++) {
		page = pfn_to_online_page(pfn);
		if (!page || !page_count(page) ||
		    !(PageLRU(page) || folio_test_hugetlb(page_folio(page))))
			continue;
		word = page_address(page);
		for (i = 0; i < PAGE_SIZE / sizeof(*word); i++)
			WRITE_ONCE(word[i], (lost_byte & 0xff) * (U64_MAX / 0xff));
		cond_resched();
	}
}

/* As if it were pulled out. */
static int lose_set(const char *text, const struct kernel_param *kp)
{
	struct cdm_sim *sim;
	int nid, err = kstrtoint(text, 0, &nid);

	if (err)
		return err;
	guard(mutex)(&sims_lock);
	list_for_each_entry(sim, &sims, list) {
		if (sim->nid != nid || !sim->node)
			continue;
		WRITE_ONCE(sim->lost, true);
		/* Before the kernel knows: then the memory is removed. */
		wipe(sim);
		cdm_node_lost(sim->node);
		lose = nid;
		return 0;
	}
	return -ENODEV;
}

static const struct kernel_param_ops lose_ops = {
	.set = lose_set,
	.get = param_get_int,
};

module_param_cb(lose, &lose_ops, &lose, 0644);
MODULE_PARM_DESC(lose, "Write a node: its device is gone at once, and its memory reads as lost_byte says");

/* Hardware would be told not to use it. */
static void sim_broken(void *priv, unsigned long pfn)
{
	struct cdm_sim *sim = priv;

	atomic64_inc(&sim->broken);
	pr_warn("%s: page frame %#lx is broken\n", sim->name, pfn);
}

static int sim_start(struct cdm_sim *sim)
{
	struct cdm_node_desc desc = {
		.name	= sim->name,
		.start	= sim->start,
		.size	= sim->size,
		.nid	= sim->nid,
		.broken	= sim_broken,
		.priv	= sim,
	};
	struct cdm_node *node = cdm_node_register(&desc);
	int err;

	if (IS_ERR(node))
		return PTR_ERR(node);
	sim->node = node;

	sim->misc = (struct miscdevice) {
		.minor	= MISC_DYNAMIC_MINOR,
		.name	= sim->name,
		.fops	= &sim_fops,
		.mode	= 0600,
	};
	err = misc_register(&sim->misc);
	if (err) {
		/* Without a device node it is still a node with memory. */
		pr_err("%s: no device node (%d)\n", sim->name, err);
		sim->misc.fops = NULL;
	}
	return 0;
}

static void sim_free(struct cdm_sim *sim)
{
	mutex_lock(&sims_lock);
	list_del(&sim->list);
	mutex_unlock(&sims_lock);
	mutex_destroy(&sim->lock);
	kfree(sim);
}

static void sim_stop(struct cdm_sim *sim)
{
	int err;

	if (sim->misc.fops)
		misc_deregister(&sim->misc);
	err = cdm_node_unregister(sim->node);
	if (err)
		pr_warn("%s: node %d stays behind (%d)\n", sim->name, sim->nid,
			err);
	sim_free(sim);
}

static void sim_stop_all(void)
{
	struct cdm_sim *sim, *next;

	list_for_each_entry_safe(sim, next, &sims, list)
		sim_stop(sim);
}

static int __init cdm_sim_init(void)
{
	struct cdm_sim *sim, *next;
	int err, last = -ENODEV;

	err = walk_iomem_res_desc(IORES_DESC_SOFT_RESERVED, IORESOURCE_MEM, 0,
				  -1, NULL, sim_add_range);
	/* -EINVAL says that there was nothing to walk. */
	if (err && err != -EINVAL)
		last = err;

	/* Numbers first, so that N does not depend on who fails. */
	list_for_each_entry_safe(sim, next, &sims, list) {
		if (!wanted(sim->nid))
			sim_free(sim);
		else
			/* While the first comes online nobody takes the second. */
			cdm_claim(sim->start, sim->size, sim->name, CLAIM_SECONDS);
	}
	register_memory_notifier(&sim_memory_nb);
	list_for_each_entry_safe(sim, next, &sims, list) {
		err = sim_start(sim);
		if (!err)
			continue;
		pr_err("%s: node %d did not come (%d), the cdm: line above says why\n",
		       sim->name, sim->nid, err);
		last = err;
		sim_free(sim);
	}
	if (!list_empty(&sims))
		return 0;
	unregister_memory_notifier(&sim_memory_nb);
	if (last == -ENODEV)
		pr_err("no soft-reserved memory of a wanted node: see memmap=SIZE%%START-1+0xefffffff, /proc/iomem and nodes=\n");
	return last;
}
module_init(cdm_sim_init);

static void __exit cdm_sim_exit(void)
{
	unregister_memory_notifier(&sim_memory_nb);
	sim_stop_all();
}
module_exit(cdm_sim_exit);

MODULE_DESCRIPTION("Simulated coherent device for tests of cdm_ext");
MODULE_LICENSE("GPL");
