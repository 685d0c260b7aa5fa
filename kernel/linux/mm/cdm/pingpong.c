// SPDX-License-Identifier: GPL-2.0
/*
 * How folios travel between a managed node and others, and what comes back too soon.
 *
 * A folio that returns to a node which it left within a window has been moved for nothing,
 * twice: a ping-pong. The kernel counts page moves, and not these. Here are
 *
 *	ping-pongs	of each managed node, by the other node; a tracepoint for each
 *	here		how long folios stayed on the node, from one move to the next
 *	away		how long those that came back had been away
 *
 * and what is done about it where no policy owns access or migrate: the folio is kept on the
 * managed node for a while, so that NUMA balancing and DAMON do not take it off again. What
 * somebody asked for by a system call, or a driver, is done. (On a CPU's node nothing is
 * remembered of a folio but that it left, so it is not kept there.)
 *
 * Context: a move, under RCU; nothing here sleeps.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <trace/events/cdm.h>

#include "internal.h"

/* A move and its way back cost less than staying wrong for so long. */
unsigned int cdm_pingpong_ms __read_mostly = 1000;
unsigned int cdm_pingpong_keep_ms __read_mostly = 1000;

/* By milliseconds: those below 2^i, and not below half of that; the last has the rest. */
#define STAY_BINS	24

/**
 * struct cdm_travel - a managed node's folios, as they come and go
 * @here: folios that stayed so long before they moved on
 * @away: folios that had been away so long when they came back
 * @pingpongs: [nr_node_ids], pages that came back within the window, by the other node
 */
struct cdm_travel {
	atomic64_t here[STAY_BINS];
	atomic64_t away[STAY_BINS];
	atomic64_t pingpongs[];
};

struct cdm_travel *cdm_travel_alloc(void)
{
	return kvzalloc(struct_size_t(struct cdm_travel, pingpongs, nr_node_ids), GFP_KERNEL);
}

static void count_stay(atomic64_t *bins, u32 ms)
{
	atomic64_inc(&bins[min(fls(ms), STAY_BINS - 1)]);
}

/* Nobody else looks after where that node's folios go. */
static bool nobody_owns(int nid)
{
	const struct cdm_table *t = rcu_dereference(cdm_table);

	return !t || (!t->owner[CDM_CB_ACCESS][nid] && !t->owner[CDM_CB_MIGRATE][nid]);
}

static void pingpong(struct cdm_node *node, int other, unsigned long nr)
{
	if (!node)
		return;
	atomic64_add(nr, &node->travel->pingpongs[other]);
	cdm_node_count(node, CDM_STAT_PINGPONG, nr);
}

/**
 * cdm_travelled() - a folio moved to another node
 * @from: the node it left, NULL if that is not managed
 * @to: the node it is on, likewise
 * @src: the folio that migrated
 * @dst: its copy, which nobody sees yet
 * @here: milliseconds that it was on @src's node, 0 if that is not known
 * @away: milliseconds since it left @dst's node, 0 if it was not there
 *
 * Context: any, under RCU.
 * Return: for how many milliseconds it shall be kept, by default.
 */
unsigned int cdm_travelled(struct cdm_node *from, struct cdm_node *to, struct folio *src,
			   struct folio *dst, u32 here, u32 away)
{
	int src_nid = folio_nid(src), dst_nid = folio_nid(dst);
	unsigned int keep_ms = READ_ONCE(cdm_pingpong_keep_ms);

	if (from && here)
		count_stay(from->travel->here, here);
	if (to && away)
		count_stay(to->travel->away, away);
	if (!away || away > READ_ONCE(cdm_pingpong_ms))
		return 0;
	trace_cdm_pingpong(folio_pfn(dst), folio_order(dst), dst_nid, src_nid, away);
	pingpong(from, dst_nid, folio_nr_pages(dst));
	pingpong(to, src_nid, folio_nr_pages(dst));
	if (!to || !keep_ms || !nobody_owns(dst_nid))
		return 0;
	/* From now on movers are looked at. */
	if (!test_bit(CDM_ASKED_DEFAULT, &cdm_migrate_asked))
		set_bit(CDM_ASKED_DEFAULT, &cdm_migrate_asked);
	return keep_ms;
}

/* Is what is kept on that node kept by the kernel itself, as no policy can? Under RCU. */
bool cdm_keeps_by_default(int nid)
{
	const struct cdm_table *t = rcu_dereference(cdm_table);

	return nobody_owns(nid) && (!t || !t->owner[CDM_CB_RECLAIM][nid]);
}

ssize_t cdm_pingpong_show(const struct cdm_node *node, char *buf)
{
	ssize_t len = 0;
	s64 nr;
	int nid;

	for (nid = 0; nid < nr_node_ids; nid++) {
		nr = atomic64_read(&node->travel->pingpongs[nid]);
		if (nr)
			len += sysfs_emit_at(buf, len, "%d %lld\n", nid, nr);
	}
	return len;
}

ssize_t cdm_stay_show(const struct cdm_node *node, char *buf)
{
	s64 here, away;
	ssize_t len = 0;
	int i;

	for (i = 0; i < STAY_BINS; i++) {
		here = atomic64_read(&node->travel->here[i]);
		away = atomic64_read(&node->travel->away[i]);
		if (here || away)
			len += sysfs_emit_at(buf, len, "%lu %lld %lld\n", BIT(i), here, away);
	}
	return len;
}
