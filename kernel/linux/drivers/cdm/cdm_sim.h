/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the simulated device share.
 *
 *	cdm_sim_main.c		the module, its instances, /dev/cdm_simN
 *	cdm_sim_run.c		one run: the thread that accesses and faults
 *	cdm_sim_pattern.c	which address comes next
 */
#ifndef _CDM_SIM_H
#define _CDM_SIM_H

#include <linux/cdm.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <uapi/linux/cdm_sim.h>

struct mm_struct;

#define CDM_SIM_ZIPF_BLOCKS	1048576U
#define CDM_SIM_ZIPF_SKEW	4000
#define CDM_SIM_ACCESSES	BIT_ULL(40)

/**
 * struct cdm_sim - one simulated device
 * @list: in the module's list, which changes at load and unload only
 * @index: N of /dev/cdm_simN
 * @nid: node of its memory
 * @start: first byte of its memory
 * @size: bytes of its memory
 * @node: its managed node
 * @misc: its device node
 * @name: of the device node, the managed node and the threads
 * @lock: one run at a time; protects the counters below
 * @runs: runs that ended
 * @accesses: accesses in them
 * @dev_faults: device faults in them
 */
struct cdm_sim {
	struct list_head list;
	unsigned int index;
	int nid;
	u64 start, size;
	struct cdm_node *node;
	struct miscdevice misc;
	char name[16];

	/* One run at a time, and the counters. */
	struct mutex lock;
	u64 runs, accesses, dev_faults;
};

/**
 * struct cdm_sim_pat - where a run's accesses go
 * @kind: enum cdm_sim_pattern
 * @addr: first byte of the range
 * @stride: bytes of a block
 * @nr_blocks: blocks in the range
 * @words: 64-bit words in a block
 * @pos: next block (or word) of the patterns without chance
 * @rng: state of the random numbers, not 0
 * @write_pct: percentage of accesses that write
 * @cum: [nr_blocks], ZIPF: weight of the blocks of this rank and below
 */
struct cdm_sim_pat {
	u32 kind;
	u64 addr, stride, nr_blocks, words;
	u64 pos;
	u64 rng;
	u32 write_pct;
	u64 *cum;
};

int cdm_sim_pat_init(struct cdm_sim_pat *pat, const struct cdm_sim_run *req);
void cdm_sim_pat_free(struct cdm_sim_pat *pat);
unsigned long cdm_sim_pat_next(struct cdm_sim_pat *pat, bool *write);

int cdm_sim_run(struct cdm_sim *sim, struct mm_struct *mm,
		struct cdm_sim_run *req);

#endif /* _CDM_SIM_H */
