// SPDX-License-Identifier: GPL-2.0
/*
 * What moving pages costs, with cdm_ext's engine and without.
 *
 * Counts the instructions of moving what a range of the caller's addresses maps:
 * by the engine's calls for drivers, and by the least that could be written in
 * their place, isolation and migrate_pages() with nothing around them. Counts
 * also what a copy takes, so that a move's cost can be told without it, and what
 * it takes to queue a move where a page table is locked.
 *
 * Meant for -icount shift=0, where rdtsc counts instructions. A command is
 * written to debugfs cdm_movecost, its result is read there:
 *
 *	raw|range|pfn START END NID	"move INSTRUCTIONS PAGES FOLIOS"
 *	copy ORDER			"copy INSTRUCTIONS REPEATS"
 *	later START END NID		"later FIRST NEW SAME REPEATS"
 *
 * Frames are looked up before the clock starts, one for each folio. Not all that
 * raw needs is exported; kallsyms_lookup_name(), found by a kprobe, finds it.
 */
#include <linux/cdm_move.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>
#include <asm/msr.h>

/* As the engine's, so that neither flushes the TLB more often. */
#define BATCH_FOLIOS	512
#define BATCH_PAGES	4096
#define COPIES		64
#define LATER		512

static int (*migrate_pages_p)(struct list_head *from, new_folio_t get_new,
			      free_folio_t put_new, unsigned long private,
			      enum migrate_mode mode, int reason,
			      unsigned int *succeeded);
static bool (*folio_isolate_lru_p)(struct folio *folio);
static void (*putback_movable_pages_p)(struct list_head *list);
static void (*lru_add_drain_all_p)(void);
static int (*folio_mc_copy_p)(struct folio *dst, struct folio *src);
static struct cdm_node **cdm_nodes_p;

static DEFINE_MUTEX(lock);		/* of all below */
static char result[128];
static unsigned long *pfns;
static unsigned long nr_pfns;
static u8 *status;			/* of all pages of the range */

/* ---- what is measured -------------------------------------------------------- */

static struct folio *raw_alloc(struct folio *src, unsigned long private)
{
	gfp_t gfp = __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_THISNODE |
		    __GFP_NOMEMALLOC | __GFP_NOWARN;

	if (folio_test_large(src))
		gfp |= __GFP_COMP | __GFP_NORETRY;
	return __folio_alloc_node(gfp, folio_order(src), private);
}

static unsigned int raw_flush(struct list_head *list, int nid)
{
	unsigned int moved = 0;

	migrate_pages_p(list, raw_alloc, NULL, nid, MIGRATE_SYNC, MR_CDM,
			&moved);
	if (!list_empty(list))
		putback_movable_pages_p(list);
	return moved;
}

static unsigned long raw(int nid)
{
	unsigned long i, moved = 0, nr, pages = 0, folios = 0;
	struct folio *folio;
	LIST_HEAD(list);

	for (i = 0; i < nr_pfns; i++) {
		folio = pfn_folio(pfns[i]);
		if (!folio_try_get(folio))
			continue;
		if (folio_isolate_lru_p(folio)) {
			nr = folio_nr_pages(folio);
			node_stat_mod_folio(folio, NR_ISOLATED_ANON +
					    folio_is_file_lru(folio), nr);
			list_add_tail(&folio->lru, &list);
			pages += nr;
			folios++;
		}
		folio_put(folio);
		if (folios == BATCH_FOLIOS || pages >= BATCH_PAGES) {
			moved += raw_flush(&list, nid);
			folios = 0;
			pages = 0;
		}
	}
	if (folios)
		moved += raw_flush(&list, nid);
	return moved;
}

/* ---- commands ---------------------------------------------------------------- */

/* The first frame of each folio in the range; returns how many pages there are. */
static long gather(unsigned long start, unsigned long end)
{
	unsigned long addr, pfn, last = -1, pages = (end - start) >> PAGE_SHIFT;
	struct page *page;

	pfns = kvmalloc_array(pages, sizeof(*pfns), GFP_KERNEL);
	status = kvmalloc(pages, GFP_KERNEL);
	if (!pfns || !status)
		return -ENOMEM;
	nr_pfns = 0;
	for (addr = start; addr < end; addr += PAGE_SIZE) {
		if (get_user_pages_fast(addr, 1, FOLL_WRITE, &page) != 1)
			return -EFAULT;
		pfn = folio_pfn(page_folio(page));
		put_page(page);
		if (pfn != last)
			pfns[nr_pfns++] = pfn;
		last = pfn;
	}
	return pages;
}

static int do_move(const char *how, unsigned long start, unsigned long end,
		   int nid)
{
	struct cdm_move mv = { .nid = nid, .status = status };
	unsigned long moved;
	u64 took;
	int err;

	lru_add_drain_all_p();
	took = rdtsc();
	if (!strcmp(how, "raw")) {
		moved = raw(nid);
		err = 0;
	} else if (!strcmp(how, "range")) {
		err = cdm_move_range(current->mm, start, end, &mv);
		moved = mv.nr[CDM_MOVE_MOVED];
	} else {
		err = cdm_move_pfns(pfns, nr_pfns, &mv);
		moved = mv.nr[CDM_MOVE_MOVED];
	}
	took = rdtsc() - took;
	snprintf(result, sizeof(result), "move %llu %lu %lu\n", took, moved,
		 nr_pfns);
	return err;
}

/* As a fault would, that holds a page table's lock. */
static int do_later(int nid)
{
	struct cdm_node *node = cdm_nodes_p[nid];
	static DEFINE_SPINLOCK(ptl);
	int i, err = 0;
	u64 t[4];

	if (!node || nr_pfns <= LATER)
		return -EINVAL;
	spin_lock(&ptl);
	t[0] = rdtsc();
	err |= cdm_move_later(node, pfns[LATER], nid, 0, NULL);
	t[1] = rdtsc();
	for (i = 0; i < LATER; i++)
		err |= cdm_move_later(node, pfns[i], nid, 0, NULL);
	t[2] = rdtsc();
	for (i = 0; i < LATER; i++)
		err |= cdm_move_later(node, pfns[i], nid, 0, NULL) + EEXIST;
	t[3] = rdtsc();
	spin_unlock(&ptl);
	snprintf(result, sizeof(result), "later %llu %llu %llu %d\n",
		 t[1] - t[0], t[2] - t[1], t[3] - t[2], LATER);
	/* The queue was not empty, or is too small. */
	return err ? -EBUSY : 0;
}

static int do_copy(unsigned int order)
{
	struct folio *src = folio_alloc(GFP_HIGHUSER_MOVABLE, order);
	struct folio *dst = folio_alloc(GFP_HIGHUSER_MOVABLE, order);
	int i, err = -ENOMEM;
	u64 took;

	if (src && dst) {
		err = 0;
		took = rdtsc();
		for (i = 0; i < COPIES; i++)
			err |= folio_mc_copy_p(dst, src);
		took = rdtsc() - took;
		snprintf(result, sizeof(result), "copy %llu %d\n", took, COPIES);
	}
	if (src)
		folio_put(src);
	if (dst)
		folio_put(dst);
	return err;
}

static int command(const char *cmd)
{
	unsigned long start, end;
	unsigned int order;
	char how[8];
	long err;
	int nid;

	if (sscanf(cmd, "copy %u", &order) == 1)
		return order <= MAX_PAGE_ORDER ? do_copy(order) : -EINVAL;
	if (sscanf(cmd, "%7s %lx %lx %d", how, &start, &end, &nid) != 4 ||
	    nid < 0 || nid >= MAX_NUMNODES || start >= end)
		return -EINVAL;

	err = gather(start, end);
	if (err > 0 && !strcmp(how, "later"))
		err = do_later(nid);
	else if (err > 0)
		err = do_move(how, start, end, nid);
	kvfree(pfns);
	kvfree(status);
	pfns = NULL;
	status = NULL;
	return err;
}

static ssize_t movecost_write(struct file *file, const char __user *ubuf,
			      size_t len, loff_t *pos)
{
	char buf[80] = {};
	int err;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	guard(mutex)(&lock);
	result[0] = 0;
	err = command(buf);
	return err ?: len;
}

static int movecost_show(struct seq_file *m, void *unused)
{
	guard(mutex)(&lock);
	seq_puts(m, result);
	return 0;
}

static int movecost_open(struct inode *inode, struct file *file)
{
	return single_open(file, movecost_show, NULL);
}

static const struct file_operations movecost_fops = {
	.owner		= THIS_MODULE,
	.open		= movecost_open,
	.read		= seq_read,
	.write		= movecost_write,
	.release	= single_release,
};

/* ---- module ------------------------------------------------------------------ */

static struct dentry *movecost_file;

static int __init movecost_init(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *name);
	int err = register_kprobe(&kp);

	if (err)
		return err;
	lookup = (void *)kp.addr;
	unregister_kprobe(&kp);

	migrate_pages_p = (void *)lookup("migrate_pages");
	folio_isolate_lru_p = (void *)lookup("folio_isolate_lru");
	putback_movable_pages_p = (void *)lookup("putback_movable_pages");
	lru_add_drain_all_p = (void *)lookup("lru_add_drain_all");
	folio_mc_copy_p = (void *)lookup("folio_mc_copy");
	cdm_nodes_p = (void *)lookup("cdm_nodes");
	if (!migrate_pages_p || !folio_isolate_lru_p ||
	    !putback_movable_pages_p || !lru_add_drain_all_p ||
	    !folio_mc_copy_p || !cdm_nodes_p) {
		pr_err("cdm_movecost: this kernel lacks a symbol that is called\n");
		return -ENOENT;
	}
	movecost_file = debugfs_create_file("cdm_movecost", 0600, NULL, NULL,
					    &movecost_fops);
	return 0;
}

static void __exit movecost_exit(void)
{
	debugfs_remove(movecost_file);
}

module_init(movecost_init);
module_exit(movecost_exit);
MODULE_DESCRIPTION("Counts the instructions of moving pages");
MODULE_LICENSE("GPL");
