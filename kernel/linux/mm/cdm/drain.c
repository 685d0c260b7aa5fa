// SPDX-License-Identifier: GPL-2.0
/*
 * A node's memory leaves: all of it, or none, and then it is said what was in the way.
 *
 * Memory hotplug takes blocks offline one by one, tries for ever, and says which page it
 * hangs on in the log, if at all. Whoever wants a device's memory back needs to know
 * within a time that he chooses, and who holds it. So the node is emptied first:
 *
 *	no folio is placed on, moved to or evicted to the node any more
 *	    |
 *	+-> every folio is moved, to the nodes named or to where eviction would go
 *	|   |
 *	|   | is anything left? it is noted, by reason, with those who map it
 *	+---+ a while later again, until the time is up, or a signal
 *	|   |
 *	|   | nothing is left
 *	|   v
 *	+-- every block is taken offline; whoever named the node may have come to have
 *	    pages there again, and hotplug moves them, but no longer than CDM_HOTPLUG_SLICE
 *	    |
 *	    v
 *	a driver's memory is removed; an adopted node's is for its driver to remove
 *
 * Those who have no other node than this (MPOL_BIND) can allocate from it until its
 * blocks are taken offline; before that they would only be killed.
 *
 * A poisoned page is in nobody's way: hotplug leaves it where it is. But if somebody
 * refers to it still, the page cache say, its memory is not removed: he would be left
 * with a struct page that is gone.
 *
 * If the device is lost nothing can be moved: the pages are taken from whoever has them
 * (lost.c). A block of which nothing is left goes offline at once, so that those who are
 * bound to the node have no more of it, and does not come back.
 *
 * cdm_node_lock is let go of while folios move, since that may last for ever: the state
 * DRAINING keeps others off, and cdm_drain_stop() waits for its end.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/bitmap.h>
#include <linux/hugetlb.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include "../internal.h"
#include "internal.h"
#include "migrate.h"
#include "node.h"

/* Frames between two looks at the time and at signals. */
#define CDM_DRAIN_CHUNK		2048
/* What is left is noted one by one, as far as sysfs has room for it. */
#define CDM_DRAIN_NOTED		48
#define CDM_DRAIN_MAPPERS	4
#define CDM_DRAIN_PAUSE		(HZ / 20)
#define CDM_DRAIN_PAUSE_MAX	HZ

/* Besides those of enum cdm_move_status. */
#define LEFT_POISONED_USED	CDM_NR_MOVE_STATUS
#define NR_REASONS		(CDM_NR_MOVE_STATUS + 1)

static const char *const reasons[NR_REASONS] = {
	[CDM_MOVE_BUSY]		= "busy",
	[CDM_MOVE_PINNED]	= "pinned",
	[CDM_MOVE_UNMOVABLE]	= "unmovable",
	[CDM_MOVE_FULL]		= "no-room",
	[CDM_MOVE_POISONED]	= "poisoned",
	[CDM_MOVE_UNTRIED]	= "untried",
	[LEFT_POISONED_USED]	= "poisoned-in-use",
};

struct noted {
	unsigned long pfn;
	unsigned long nr;
	u8 status;
};

struct drain {
	struct cdm_node *node;
	bool timed;
	unsigned long *held;			/* its device is lost: bit by block */
	unsigned long deadline;			/* jiffies */
	unsigned int nr_to;
	int to[2 * CDM_EVICT_NAMED];
	/* Of the round: */
	unsigned long left[NR_REASONS];		/* pages */
	unsigned int nr_noted;
	struct noted noted[CDM_DRAIN_NOTED];
	/* Of the chunk: */
	unsigned int nr;
	unsigned long pfns[CDM_DRAIN_CHUNK];
	unsigned int pages[CDM_DRAIN_CHUNK];	/* of the folios; a guess */
	u8 status[CDM_DRAIN_CHUNK];
	u8 second[CDM_DRAIN_CHUNK];
	unsigned long again[CDM_DRAIN_CHUNK];
	unsigned int again_pages[CDM_DRAIN_CHUNK];
	unsigned int from[CDM_DRAIN_CHUNK];
	struct cdm_rmap_entry mappers[CDM_DRAIN_MAPPERS];
};

/* 0, or why it ends. */
static int drain_over(const struct drain *d)
{
	if (READ_ONCE(d->node->lost) && !d->held)
		return -ENODEV;
	if (READ_ONCE(d->node->drain_stop))
		return -ECANCELED;
	if (signal_pending(current))
		return -EINTR;
	if (d->timed && time_after_eq(jiffies, d->deadline))
		return -EBUSY;
	return 0;
}

/* What does not let the memory go offline. */
static unsigned long in_the_way(const struct drain *d)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < NR_REASONS; i++)
		if (i != CDM_MOVE_POISONED)
			sum += d->left[i];
	return sum;
}

/* ---- what is left, in words --------------------------------------------------- */

static void say_totals(const struct drain *d, struct seq_buf *s)
{
	int i;

	for (i = 0; i < NR_REASONS; i++)
		if (d->left[i] && reasons[i])
			seq_buf_printf(s, "%s%s %lu", seq_buf_used(s) ? ", " : "",
				       reasons[i], d->left[i]);
}

/* Each process once; those who cannot be seen are 0. */
static void say_mappers(struct drain *d, unsigned long pfn, struct seq_buf *s)
{
	struct cdm_rmap_head head = {};
	unsigned int i, j, said = 0;

	if (!cdm_rmap_snapshot(pfn, d->mappers, CDM_DRAIN_MAPPERS, &head, CDM_RMAP_TRY))
		for (i = 0; i < head.nr_entries; i++) {
			u32 tgid = d->mappers[i].tgid;

			for (j = 0; j < i && d->mappers[j].tgid != tgid; j++)
				;
			if (tgid && j == i)
				seq_buf_printf(s, "%s%u", said++ ? "," : "", tgid);
		}
	if (!said)
		seq_buf_puts(s, "unknown");
	else if (head.flags & CDM_RMAP_TRUNCATED)
		seq_buf_puts(s, ",...");
}

/* For nodes/N/left; documented in the ABI. */
static void drain_report(struct drain *d)
{
	char *text = kmalloc(PAGE_SIZE, GFP_KERNEL), *old;
	struct seq_buf s;
	unsigned int i;

	if (!text)
		return;
	seq_buf_init(&s, text, PAGE_SIZE - 1);
	for (i = 0; i < NR_REASONS; i++)
		if (d->left[i] && reasons[i])
			seq_buf_printf(&s, "total %s %lu\n", reasons[i], d->left[i]);
	for (i = 0; i < d->nr_noted; i++) {
		const struct noted *n = &d->noted[i];

		/* A line is there as a whole, or not. */
		if (PAGE_SIZE - seq_buf_used(&s) < 128)
			break;
		seq_buf_printf(&s, "page %#lx+%lu %s ", n->pfn, n->nr, reasons[n->status]);
		say_mappers(d, n->pfn, &s);
		seq_buf_putc(&s, '\n');
	}
	seq_buf_str(&s);
	spin_lock(&d->node->left_lock);
	old = d->node->left;
	d->node->left = text;
	spin_unlock(&d->node->left_lock);
	kfree(old);
}

static unsigned long pages_at(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;
	unsigned long nr;

	if (!page)
		return 0;
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return 0;
	nr = folio_nr_pages(folio);
	folio_put(folio);
	return nr;
}

static void note(struct drain *d, unsigned long pfn, unsigned long nr, u8 status)
{
	struct noted *n = d->nr_noted ? &d->noted[d->nr_noted - 1] : NULL;

	d->left[status] += nr;
	if (d->held && status != CDM_MOVE_POISONED)
		__set_bit((PFN_PHYS(pfn) - d->node->start) / memory_block_size_bytes(),
			  d->held);
	if (n && n->status == status && n->pfn + n->nr == pfn) {
		n->nr += nr;
	} else if (d->nr_noted < CDM_DRAIN_NOTED) {
		d->noted[d->nr_noted++] = (struct noted) {
			.pfn = pfn, .nr = nr, .status = status,
		};
	}
}

static void note_left(struct drain *d, unsigned long pfn, u8 status)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long nr;

	/* Of pages that are on no LRU hotplug can move some, a balloon's say. */
	if (!reasons[status] || !page ||
	    (status == CDM_MOVE_UNMOVABLE && !d->held && __PageMovable(page)))
		return;
	/* See note_broken(). */
	if (status == CDM_MOVE_POISONED && cdm_broken_known(pfn))
		return;
	/* Freed meanwhile, perhaps. */
	nr = status == CDM_MOVE_POISONED && !d->held ? 1 : pages_at(pfn);
	if (status == CDM_MOVE_POISONED && d->held)
		status = LEFT_POISONED_USED;
	if (nr)
		note(d, pfn, nr, status);
}

/* Also those in blocks that are offline. */
static void note_broken(struct drain *d)
{
	unsigned long pfn = PHYS_PFN(d->node->start);
	bool used;

	for (; cdm_broken_next(d->node, &pfn, &used); pfn++)
		note(d, pfn, 1, used ? LEFT_POISONED_USED : CDM_MOVE_POISONED);
}

/* ---- moving it all -------------------------------------------------------------- */

/*
 * Pages that a node can take and still serve its own users. Where they would have to
 * reclaim, or be killed, kswapd goes first.
 */
static unsigned long room(int nid)
{
	pg_data_t *pgdat = NODE_DATA(nid);
	unsigned long sum = 0;
	struct zone *zone;
	long spare;
	bool leaves;
	int i;

	/* It may be drained by now, too. */
	rcu_read_lock();
	leaves = cdm_node_leaves(nid);
	rcu_read_unlock();
	if (leaves)
		return 0;
	for (i = 0; i < MAX_NR_ZONES; i++) {
		zone = &pgdat->node_zones[i];
		if (!managed_zone(zone))
			continue;
		spare = zone_page_state(zone, NR_FREE_PAGES) -
			(low_wmark_pages(zone) + high_wmark_pages(zone)) / 2 -
			zone->lowmem_reserve[ZONE_MOVABLE];
		if (spare > 0)
			sum += spare;
		else
			wakeup_kswapd(zone, GFP_HIGHUSER_MOVABLE, 0, ZONE_MOVABLE);
	}
	return sum;
}

/* As many of them, from the first on, as there is room for. */
static unsigned int fits(int nid, const unsigned int *pages, unsigned int nr)
{
	unsigned long left = room(nid);
	unsigned int i;

	for (i = 0; i < nr && pages[i] <= left; i++)
		left -= pages[i];
	return i;
}

static int move_to(const unsigned long *pfns, const unsigned int *pages,
		   unsigned int nr, int nid, u8 *status)
{
	unsigned int fit = fits(nid, pages, nr);
	struct cdm_move mv = {
		.nid = nid, .flags = CDM_MOVE_ANY_POLICY, .status = status,
	};
	struct cdm_run run;
	unsigned int i;
	int err;

	err = cdm_run_begin(&run, &mv, nr);
	if (err)
		return err;
	run.leaving = true;
	cdm_run_note(&run, fit, nr - fit, CDM_MOVE_FULL);
	for (i = 0; i < fit && !cdm_run_stops(); i++) {
		cdm_run_pfn(&run, pfns[i], i);
		cond_resched();
	}
	cdm_run_flush(&run);
	cdm_run_end(&run);
	return 0;
}

/* What found no room on the nodes before. */
static int move_rest(struct drain *d, int nid)
{
	unsigned int i, nr = 0;
	int err;

	for (i = 0; i < d->nr; i++) {
		if (d->status[i] != CDM_MOVE_FULL)
			continue;
		d->again[nr] = d->pfns[i];
		d->again_pages[nr] = d->pages[i];
		d->from[nr++] = i;
	}
	err = nr ? move_to(d->again, d->again_pages, nr, nid, d->second) : 0;
	for (i = 0; i < nr && !err; i++)
		d->status[d->from[i]] = d->second[i];
	return err;
}

static int move_chunk(struct drain *d)
{
	unsigned int i;
	int err;

	if (!d->nr)
		return 0;
	if (d->held) {
		for (i = 0; i < d->nr; i++) {
			note_left(d, d->pfns[i], cdm_lose_pfn(d->pfns[i]));
			cond_resched();
		}
		d->nr = 0;
		return 0;
	}
	err = move_to(d->pfns, d->pages, d->nr, d->to[0], d->status);
	for (i = 1; i < d->nr_to && !err; i++)
		err = move_rest(d, d->to[i]);
	for (i = 0; i < d->nr && !err; i++)
		note_left(d, d->pfns[i], d->status[i]);
	d->nr = 0;
	return err;
}

/* Frames from @pfn on that need no look, or 0. They may change at once. */
static unsigned long uninteresting(const struct drain *d, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned int order;

	if (!page)
		return ALIGN(pfn + 1, PAGES_PER_SECTION) - pfn;
	if (page_to_nid(page) != d->node->nid)
		return pageblock_nr_pages - (pfn & (pageblock_nr_pages - 1));
	if (PageBuddy(page)) {
		order = buddy_order_unsafe(page);
		return order && order <= MAX_PAGE_ORDER ? 1UL << order : 1;
	}
	/* In a CPU's list, or not the first of its folio. */
	return !page_ref_count(page);
}

/* Nothing is referenced: the order may be anything. */
static unsigned int pages_guess(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	unsigned int order = PageHead(page) ? compound_order(page) : 0;

	/* Of a pool of its own, at the target as well. */
	if (PageHuge(page))
		return 0;
	return order <= PUD_SHIFT - PAGE_SHIFT ? 1U << order : 1;
}

/* One look at all of the node. */
static int drain_round(struct drain *d)
{
	unsigned long pfn = PHYS_PFN(d->node->start), skip;
	unsigned long end = PHYS_PFN(d->node->start + d->node->size), looked = 0;
	int err = 0;

	memset(d->left, 0, sizeof(d->left));
	d->nr_noted = 0;
	lru_add_drain_all();
	for (; pfn < end && !err; pfn += skip ?: 1) {
		skip = uninteresting(d, pfn);
		if (!skip) {
			d->pfns[d->nr] = pfn;
			d->pages[d->nr++] = pages_guess(pfn);
		}
		if (d->nr == CDM_DRAIN_CHUNK)
			err = move_chunk(d);
		if (!(++looked % CDM_DRAIN_CHUNK)) {
			cond_resched();
			err = err ?: drain_over(d);
		}
	}
	err = err ?: move_chunk(d);
	if (!err)
		note_broken(d);
	return err;
}

/* ---- taking it offline ----------------------------------------------------------- */

/* Broken, by now, and somebody refers to it. */
static bool broken_used(const struct cdm_node *node)
{
	unsigned long pfn = PHYS_PFN(node->start);
	bool used;

	for (; cdm_broken_next(node, &pfn, &used); pfn++)
		if (used)
			return true;
	return false;
}

struct offliner {
	struct cdm_node *node;
	unsigned long *was_online;	/* bit by block of the node */
	const unsigned long *held;	/* likewise; not these, and as many as go */
	bool broken;			/* now those with broken pages */
};

static bool has_broken(const struct memory_block *mem)
{
#ifdef CONFIG_MEMORY_FAILURE
	return atomic_long_read(&mem->nr_hwpoison);
#else
	return false;
#endif
}

static unsigned long *online_bit(struct offliner *o, struct memory_block *mem,
				 unsigned long *bit)
{
	u64 at = PFN_PHYS(section_nr_to_pfn(mem->start_section_nr));

	*bit = (at - o->node->start) / memory_block_size_bytes();
	return o->was_online;
}

static int block_offline(struct memory_block *mem, void *arg)
{
	struct offliner *o = arg;
	unsigned long bit, *map = online_bit(o, mem, &bit);
	int err;

	if (mem->nid != o->node->nid || mem->state != MEM_ONLINE)
		return 0;
	/* These would not come back online: last, when nothing else can go wrong. */
	if (has_broken(mem) && !o->broken)
		return 0;
	if (has_broken(mem) && broken_used(o->node))
		return -EBUSY;
	if (o->held && test_bit(bit, o->held))
		return 0;
	err = device_offline(&mem->dev);
	if (!err)
		__set_bit(bit, map);
	return err < 0 && !o->held ? err : 0;
}

static int block_back(struct memory_block *mem, void *arg)
{
	unsigned long bit, *map = online_bit(arg, mem, &bit);

	if (!test_bit(bit, map))
		return 0;
	mem->online_type = MMOP_ONLINE_MOVABLE;
	if (device_online(&mem->dev) < 0)
		pr_err("node %d: memory block %lu stays offline\n", mem->nid,
		       mem->dev.id + 0UL);
	return 0;
}

/*
 * All blocks or none. A page of a block that is offline does not break any more, as far
 * as the kernel is told. What an adopted node has is its driver's to remove.
 */
static int offline_blocks(struct drain *d)
{
	struct cdm_node *node = d->node;
	struct offliner o = { .node = node, .held = d->held };
	int err;

	o.was_online = bitmap_zalloc(node->size / memory_block_size_bytes(), GFP_KERNEL);
	if (!o.was_online)
		return -ENOMEM;
	cdm_claim_bypass(true);
	lock_device_hotplug();
	err = walk_memory_blocks(node->start, node->size, &o, block_offline);
	o.broken = true;
	if (!err)
		err = walk_memory_blocks(node->start, node->size, &o, block_offline);
	if (!err && (d->held ? in_the_way(d) : !node->adopted && broken_used(node)))
		err = -EBUSY;
	if (err && !d->held)
		walk_memory_blocks(node->start, node->size, &o, block_back);
	unlock_device_hotplug();
	/* Whoever brings a block online in between has it taken offline again. */
	if (!err && node->added) {
		err = offline_and_remove_memory(node->start, node->added);
		if (!err) {
			node->added = 0;
		} else if (!d->held) {
			lock_device_hotplug();
			walk_memory_blocks(node->start, node->size, &o, block_back);
			unlock_device_hotplug();
		}
	}
	cdm_claim_bypass(false);
	bitmap_free(o.was_online);
	return err;
}

static int drain_offline(struct drain *d)
{
	/* What came to a lost node meanwhile hotplug cannot move. */
	unsigned long end = jiffies + (d->held ? HZ : CDM_HOTPLUG_SLICE);
	struct cdm_slice slice;
	int err;

	if (d->timed && time_before(d->deadline, end))
		end = d->deadline;
	cdm_slice_begin(&slice, end);
	err = offline_blocks(d);
	cdm_slice_end(&slice);
	return err;
}

/* ---- the whole ------------------------------------------------------------------- */

/*
 * Empty it and take it offline, until that succeeds or it is over. A node that is empty
 * and does not go offline: somebody came to have pages there again, or hotplug is against
 * it; neither is to be tried without a pause.
 */
static int drain_empty(struct drain *d)
	__must_hold(&cdm_node_lock)
{
	struct cdm_node *node = d->node;
	unsigned long before = ULONG_MAX;
	long pause = CDM_DRAIN_PAUSE;
	int err, over;

	for (;;) {
		mutex_unlock(&cdm_node_lock);
		err = drain_round(d);
		drain_report(d);
		mutex_lock(&cdm_node_lock);
		if (err)
			return err;
		if (!in_the_way(d)) {
			err = drain_offline(d);
			if (!err || (err != -EBUSY && err != -EINTR))
				return err;
		} else if (in_the_way(d) < before) {
			pause = CDM_DRAIN_PAUSE;
		}
		before = in_the_way(d);
		mutex_unlock(&cdm_node_lock);
		wait_event_interruptible_timeout(node->drain_wait,
						 READ_ONCE(node->drain_stop), pause);
		pause = min(2 * pause, (long)CDM_DRAIN_PAUSE_MAX);
		mutex_lock(&cdm_node_lock);
		over = drain_over(d);
		if (over)
			return over;
	}
}

static void drain_targets(struct drain *d, const struct cdm_drain *how)
{
	nodemask_t tried = nodemask_of_node(d->node->nid);
	int nid;

	for (d->nr_to = 0; d->nr_to < how->nr_to; d->nr_to++)
		d->to[d->nr_to] = how->to[d->nr_to];
	while (!how->nr_to && d->nr_to < ARRAY_SIZE(d->to)) {
		nid = cdm_evict_next_target(d->node, &tried);
		if (nid == NUMA_NO_NODE)
			break;
		d->to[d->nr_to++] = nid;
	}
}

static int drain_failed(struct drain *d, int err)
{
	struct seq_buf s;
	char left[96];

	if (err == -ENODEV)
		return cdm_refuse(err, "node %d: %s was lost while it was drained; its memory is removed, see nodes/%d/left",
				  d->node->nid, d->node->name, d->node->nid);
	seq_buf_init(&s, left, sizeof(left));
	say_totals(d, &s);
	return cdm_refuse(err, "node %d: cannot take %s's memory offline (%d), it stays online: %s%s; see nodes/%d/left",
			  d->node->nid, d->node->name, err,
			  seq_buf_used(&s) ? "pages left: " : "no page is left, but hotplug failed",
			  seq_buf_str(&s), d->node->nid);
}

/**
 * cdm_drain() - take all of a node's memory offline, or none of it
 * @node: ONLINE, OFFLINE or ORPHANED
 * @how: checked
 *
 * Policies are asked, and told. On success the memory of a driver's node is removed.
 *
 * Context: under cdm_node_lock, which it lets go of meanwhile; may sleep, for long.
 * Return: 0; -EPERM if a policy vetoed, -EBUSY if the time is up, -EINTR after a signal,
 * -ECANCELED if its driver goes, -ENOMEM, or what memory hotplug said.
 */
int cdm_drain(struct cdm_node *node, const struct cdm_drain *how)
{
	enum cdm_node_state was = node->state;
	struct drain *d;
	int err;

	d = kvzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->node = node;
	d->timed = how->timeout_ms;
	d->deadline = jiffies + msecs_to_jiffies(how->timeout_ms);
	drain_targets(d, how);

	err = cdm_call_node_prepare(node, CDM_CB_NODE_OFFLINE);
	if (err)
		goto free;
	cdm_node_enter(node, CDM_NODE_DRAINING);
	/* Nothing moves in any more, and what waits for it need not wait. */
	cdm_queue_close(node);
	err = drain_empty(d);
	if (err) {
		err = drain_failed(d, err);
		cdm_call_node_phase(node, CDM_CB_NODE_OFFLINE, CDM_CANCELLED);
		/* If it is lost, node_lost.c goes on. */
		cdm_node_settle(node);
		if (was == CDM_NODE_ORPHANED)
			cdm_node_enter(node, was);
		if (node->kcdmd)
			cdm_queue_open(node);
	} else {
		/* Somebody may have brought a block of an adopted one online since. */
		lock_device_hotplug();
		cdm_node_settle_locked(node);
		WRITE_ONCE(node->drained, node->state == CDM_NODE_OFFLINE);
		unlock_device_hotplug();
		if (!node->drained)
			cdm_queue_open(node);
		cdm_call_node_phase(node, CDM_CB_NODE_OFFLINE, CDM_DONE);
	}
	wake_up_all(&node->drain_wait);
free:
	kvfree(d);
	return err;
}

/**
 * cdm_drain_lost() - take what is left of a lost node from whoever has it, and remove it
 * @node: FAILED
 *
 * One try. What could not be taken is in nodes/N/left.
 *
 * Context: under cdm_node_lock, which it lets go of meanwhile; may sleep, for long.
 * Return: 0 if all is removed, -EBUSY or -EINTR if something is left, -ENOMEM, or what
 * memory hotplug said.
 */
int cdm_drain_lost(struct cdm_node *node)
{
	struct drain *d = kvzalloc(sizeof(*d), GFP_KERNEL);
	int err = -ENOMEM;

	if (!d)
		return err;
	d->node = node;
	d->held = bitmap_zalloc(node->size / memory_block_size_bytes(), GFP_KERNEL);
	if (!d->held)
		goto free;
	mutex_unlock(&cdm_node_lock);
	err = drain_round(d);
	drain_report(d);
	mutex_lock(&cdm_node_lock);
	if (!err)
		err = drain_offline(d);
	bitmap_free(d->held);
free:
	kvfree(d);
	return err;
}

/**
 * cdm_drain_stop() - a node's driver goes: it needs no drain but its own
 * @node: the node
 *
 * Context: under cdm_node_lock, which it lets go of meanwhile.
 */
void cdm_drain_stop(struct cdm_node *node)
{
	WRITE_ONCE(node->drain_stop, true);
	while (node->state == CDM_NODE_DRAINING) {
		mutex_unlock(&cdm_node_lock);
		wake_up_all(&node->drain_wait);
		wait_event(node->drain_wait, READ_ONCE(node->state) != CDM_NODE_DRAINING);
		mutex_lock(&cdm_node_lock);
	}
	WRITE_ONCE(node->drain_stop, false);
}
