// SPDX-License-Identifier: GPL-2.0
/*
 * Accesses at will, to count what it takes to tell of them.
 *
 * NUMA balancing takes access rights when it likes, and a device's driver is told by its
 * hardware. Here a task says when, by a line that it writes to debugfs cdm_accesscost:
 *
 *	hint START PAGES
 *		takes the access rights from those pages of its own; reads PAGES as far
 *		as they were there. The same in any kernel
 *	report START REPORTS PAGES BATCH NID
 *		is the driver of node NID, whose counters of PAGES each have counted
 *		accesses from START on, and tells of BATCH of them by one call; reads what
 *		the calls took, in instructions
 *
 * A read gives the result of what was written by the same open file. Meant for -icount
 * shift=0, where rdtsc counts instructions, and for one CPU.
 *
 * A driver has its node from cdm_node_register(). That of cdm_sim is borrowed from the
 * kernel's table; kallsyms_lookup_name(), found by a kprobe, finds it.
 */
#ifdef CONFIG_CDM_EXT
#include <linux/cdm.h>
#endif
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>

#define MAX_REPORTS	256
/* Of each counter: so few that no policy wants a page for that. */
#define COUNT		16

/* Under the PTL. */
static int take_rights(pte_t *ptep, unsigned long addr, void *data)
{
	pte_t pte = ptep_get(ptep);
	unsigned int *nr = data;

	if (!pte_present(pte))
		return 0;
	set_pte(ptep, pte_modify(pte, PAGE_NONE));
	(*nr)++;
	return 0;
}

static long do_hint(unsigned long start, unsigned int pages)
{
	struct mm_struct *mm = current->mm;
	unsigned int nr = 0;
	int err;

	mmap_read_lock(mm);
	err = apply_to_existing_page_range(mm, start, pages * PAGE_SIZE, take_rights, &nr);
	preempt_disable();
	__flush_tlb_all();
	preempt_enable();
	mmap_read_unlock(mm);
	return err ?: nr;
}

#ifdef CONFIG_CDM_EXT
static struct cdm_node **cdm_nodes_p;

static long do_report(unsigned long start, unsigned int nr, unsigned int pages,
		      unsigned int batch, unsigned int nid)
{
	struct cdm_access_report *reports;
	struct cdm_node *node;
	unsigned int i;
	u64 took;
	int err = 0;

	node = nid < MAX_NUMNODES ? cdm_nodes_p[nid] : NULL;
	if (!node || !nr || nr > MAX_REPORTS || !batch || nr % batch)
		return -EINVAL;
	reports = kcalloc(nr, sizeof(*reports), GFP_KERNEL);
	if (!reports)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		reports[i].addr = start + i * pages * PAGE_SIZE;
		reports[i].nr_pages = pages;
		reports[i].count = COUNT;
	}
	took = rdtsc();
	for (i = 0; i < nr && !err; i += batch)
		err = cdm_access_report(node, current->mm, &reports[i], batch);
	took = rdtsc() - took;
	kfree(reports);
	/* The driver would have to wait, and what it told of next is not told. */
	return err > 0 ? -EBUSY : err ?: took;
}

static int __init find_nodes(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *name);
	int err = register_kprobe(&kp);

	if (err)
		return err;
	lookup = (void *)kp.addr;
	unregister_kprobe(&kp);
	cdm_nodes_p = (void *)lookup("cdm_nodes");
	return cdm_nodes_p ? 0 : -ENOENT;
}
#else
static long do_report(unsigned long start, unsigned int nr, unsigned int pages,
		      unsigned int batch, unsigned int nid)
{
	return -EOPNOTSUPP;
}

static int __init find_nodes(void)
{
	return 0;
}
#endif

static ssize_t accesscost_write(struct file *file, const char __user *buf, size_t len,
				loff_t *ppos)
{
	unsigned int nr, pages, batch, nid;
	unsigned long start;
	char text[96] = "";
	long ret;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	if (sscanf(text, "hint %lx %u", &start, &pages) == 2)
		ret = do_hint(start, pages);
	else if (sscanf(text, "report %lx %u %u %u %u", &start, &nr, &pages, &batch, &nid) == 5)
		ret = do_report(start, nr, pages, batch, nid);
	else
		ret = -EINVAL;
	if (ret < 0)
		return ret;
	file->private_data = (void *)ret;
	return len;
}

static ssize_t accesscost_read(struct file *file, char __user *buf, size_t len, loff_t *ppos)
{
	char text[32];

	return simple_read_from_buffer(buf, len, ppos, text,
				       scnprintf(text, sizeof(text), "%ld\n",
						 (long)file->private_data));
}

static const struct file_operations accesscost_fops = {
	.owner	= THIS_MODULE,
	.read	= accesscost_read,
	.write	= accesscost_write,
};

static struct dentry *accesscost_file;

static int __init accesscost_init(void)
{
	int err = find_nodes();

	if (err)
		return err;
	accesscost_file = debugfs_create_file("cdm_accesscost", 0600, NULL, NULL,
					      &accesscost_fops);
	return 0;
}

static void __exit accesscost_exit(void)
{
	debugfs_remove(accesscost_file);
}

module_init(accesscost_init);
module_exit(accesscost_exit);
MODULE_DESCRIPTION("Makes accesses that are told of, and counts what it takes");
MODULE_LICENSE("GPL");
