/* SPDX-License-Identifier: GPL-2.0 */
/* What watch_place.bpf.c and watch_place.c share. */
#ifndef WATCH_PLACE_H
#define WATCH_PLACE_H

#define WATCH_NODES	8
#define WATCH_ORDERS	12
#define WATCH_KINDS	3
#define WATCH_CELLS	(2 * WATCH_KINDS * WATCH_ORDERS)

/* enum cdm_alloc_kind */
#define WATCH_ANON	0
#define WATCH_SHMEM	1
#define WATCH_SWAPIN	2

/**
 * struct watch_cell - faults of one kind, order and asker
 * @asked: place was asked, or a device's default applied
 * @defaults: nobody named a node
 * @failed: the named node had no room, or was not allowed
 * @same: what was mapped is on the named node, and of the order asked for
 * @differ: it is not
 * @node: what was mapped, by node
 */
struct watch_cell {
	unsigned long long asked, defaults, failed, same, differ;
	unsigned long long node[WATCH_NODES];
};

struct watch_event {
	unsigned long long addr;
	unsigned int order, found_order, kind;
	int dev_nid, answer_nid, got_nid, nid;
};

static inline unsigned int watch_index(int dev, unsigned int kind,
				       unsigned int order)
{
	if (kind >= WATCH_KINDS || order >= WATCH_ORDERS)
		return WATCH_CELLS;
	return (!!dev * WATCH_KINDS + kind) * WATCH_ORDERS + order;
}

#endif
