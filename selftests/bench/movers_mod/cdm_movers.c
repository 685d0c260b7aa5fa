// SPDX-License-Identifier: GPL-2.0
/*
 * What a call of migrate_pages() costs before anything moves.
 *
 * Moving a page takes thousands of instructions that depend on the state of the
 * allocator and of the LRU; a hook takes a few. So nothing is moved here: the
 * target's allocation fails at once, which ends the batch. What is left is what
 * is done for the call, and for each folio on its list before the first of them
 * moves, and is the same each time.
 *
 * The folios are those of the task that writes "ADDRESS NR TARGET" to debugfs
 * cdm_movers, isolated as NUMA balancing would. NR may be 0. A read gives
 * "INSTRUCTIONS", the smallest of many calls. Meant for -icount shift=0, where
 * rdtsc counts instructions.
 *
 * migrate_pages() and isolation are not exported; a kprobe finds them.
 */
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <asm/msr.h>

#define REPEATS	64
#define MAX_NR	512

static typeof(migrate_pages) *do_migrate_pages_;
static bool (*do_isolate)(struct folio *folio);
static void (*do_putback)(struct folio *folio);
static u64 result;

static void *find(const char *name)
{
	struct kprobe kp = { .symbol_name = name };
	void *addr;

	if (register_kprobe(&kp))
		return NULL;
	addr = kp.addr;
	unregister_kprobe(&kp);
	return addr;
}

static struct folio *no_folio(struct folio *src, unsigned long private)
{
	return NULL;
}

static u64 measure(struct list_head *list, int target)
{
	u64 best = U64_MAX, start, took;
	unsigned int moved;
	int i;

	for (i = 0; i < REPEATS; i++) {
		start = rdtsc();
		do_migrate_pages_(list, no_folio, NULL, target, MIGRATE_ASYNC,
				  MR_NUMA_MISPLACED, &moved);
		took = rdtsc() - start;
		best = min(best, took);
	}
	return best;
}

static ssize_t movers_write(struct file *file, const char __user *buf,
			    size_t len, loff_t *ppos)
{
	struct folio *folio, *next;
	unsigned long addr;
	struct page *page;
	char text[64] = "";
	LIST_HEAD(list);
	int nr, target, i;

	if (len >= sizeof(text) || copy_from_user(text, buf, len))
		return -EFAULT;
	if (sscanf(text, "%lx %d %d", &addr, &nr, &target) != 3 || nr > MAX_NR)
		return -EINVAL;

	for (i = 0; i < nr; i++) {
		if (get_user_pages_fast(addr + i * PAGE_SIZE, 1, 0, &page) != 1)
			break;
		folio = page_folio(page);
		if (folio_test_large(folio) || !do_isolate(folio)) {
			folio_put(folio);
			break;
		}
		list_add_tail(&folio->lru, &list);
		folio_put(folio);
	}
	if (i == nr)
		result = measure(&list, target);
	list_for_each_entry_safe(folio, next, &list, lru) {
		list_del(&folio->lru);
		do_putback(folio);
	}
	return i == nr ? len : -EBUSY;
}

static ssize_t movers_read(struct file *file, char __user *buf, size_t len,
			   loff_t *ppos)
{
	char text[32];

	return simple_read_from_buffer(buf, len, ppos, text,
				       scnprintf(text, sizeof(text), "%llu\n", result));
}

static const struct file_operations movers_fops = {
	.owner	= THIS_MODULE,
	.read	= movers_read,
	.write	= movers_write,
};

static struct dentry *movers_file;

static int __init movers_init(void)
{
	do_migrate_pages_ = find("migrate_pages");
	do_isolate = find("folio_isolate_lru");
	do_putback = find("folio_putback_lru");
	if (!do_migrate_pages_ || !do_isolate || !do_putback)
		return -ENOENT;
	movers_file = debugfs_create_file("cdm_movers", 0600, NULL, NULL,
					  &movers_fops);
	return 0;
}

static void __exit movers_exit(void)
{
	debugfs_remove(movers_file);
}

module_init(movers_init);
module_exit(movers_exit);
MODULE_DESCRIPTION("Measures what migrate_pages() does before it moves");
MODULE_LICENSE("GPL");
