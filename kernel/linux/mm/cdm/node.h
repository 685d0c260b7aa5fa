/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Managed nodes, as the files see them that bring, adopt and drain them.
 *
 * All of it under cdm_node_lock, and it may sleep, unless it says otherwise.
 */
#ifndef _MM_CDM_NODE_H
#define _MM_CDM_NODE_H

#include <linux/cdm.h>
#include <linux/timer.h>

#include "internal.h"

/* ---- node.c -------------------------------------------------------------- */

struct cdm_node *cdm_node_alloc(int nid, u64 start, u64 size);
void cdm_node_free(struct cdm_node *node);
int cdm_node_publish(struct cdm_node *node);
void cdm_node_unpublish(struct cdm_node *node);
void cdm_node_enter(struct cdm_node *node, enum cdm_node_state state);
void cdm_node_settle(struct cdm_node *node);
void cdm_node_settle_locked(struct cdm_node *node);	/* device_hotplug_lock held */
bool cdm_node_has_cpus(int nid);
void cdm_node_retire(struct cdm_node *node);

/* ---- node_memory.c ------------------------------------------------------- */

/* Offlining that does not succeed: so long it may hold hotplug's locks. */
#define CDM_HOTPLUG_SLICE	(10 * HZ)

struct cdm_slice {
	struct timer_list timer;
	struct task_struct *task;
	bool over;
};

void cdm_slice_begin(struct cdm_slice *slice, unsigned long end);
void cdm_slice_end(struct cdm_slice *slice);

int cdm_node_add_memory(struct cdm_node *node);
int cdm_node_online_blocks(struct cdm_node *node);

/* ---- claim.c; claims have their own lock --------------------------------- */

void cdm_claim_bypass(bool on);
bool cdm_claim_bypassed(void);
int cdm_claim_check(const struct cdm_node_desc *desc);
void cdm_claim_done(const struct cdm_node_desc *desc, bool failed);
int cdm_claim_write(char *text);
int cdm_unclaim_write(char *text);
ssize_t cdm_claims_show(char *buf);

/* ---- drain.c ------------------------------------------------------------- */

/**
 * struct cdm_drain - how a node is drained
 * @timeout_ms: give up after that long; 0: at a signal, or when the driver goes
 * @nr_to: nodes in @to; 0: where eviction would go
 * @to: nodes that take what leaves, the first choice first, and no others
 */
struct cdm_drain {
	unsigned int timeout_ms;
	unsigned int nr_to;
	int to[CDM_EVICT_NAMED];
};

int cdm_drain(struct cdm_node *node, const struct cdm_drain *how);
int cdm_drain_lost(struct cdm_node *node);
void cdm_drain_stop(struct cdm_node *node);
/* node_drain.c: the administrator's; not under cdm_node_lock. */
int cdm_drain_nid(int nid, const struct cdm_drain *how);
int cdm_online_nid(int nid);

/* ---- node_lost.c ---------------------------------------------------------- */

void cdm_lost_init(struct cdm_node *node);
void cdm_lost_free(struct cdm_node *node);
int cdm_lost_unregister(struct cdm_node *node);

#endif /* _MM_CDM_NODE_H */
