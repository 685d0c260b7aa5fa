/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the simulated device share.
 *
 *	cdm_sim_main.c		the module, its instances, /dev/cdm_simN
 *	cdm_sim_run.c		one run: the thread that accesses and faults
 *	cdm_sim_cache.c		the device's cache of translations
 *	cdm_sim_counter.c	the device's access counters
 *	cdm_sim_pattern.c	which address comes next
 *	cdm_sim_move.c		the driver moves pages
 */
#ifndef _CDM_SIM_H
#define _CDM_SIM_H

#include <linux/cdm.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <uapi/linux/cdm_sim.h>

struct mm_struct;

#define CDM_SIM_ZIPF_BLOCKS	1048576U
#define CDM_SIM_ZIPF_SKEW	4000
#define CDM_SIM_ACCESSES	BIT_ULL(40)
#define CDM_SIM_LINES		512
#define CDM_SIM_TRACE_LEN	BIT_ULL(28)
#define CDM_SIM_COUNTERS	BIT_ULL(20)
#define CDM_SIM_BATCH		256U
#define CDM_SIM_WEIGHT		BIT_ULL(20)
#define CDM_SIM_NS		BIT(20)
#define CDM_SIM_COUNTS		BIT_ULL(20)

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
 * @broken: pages that memory failure told of
 * @lost: it was pulled out: nothing is accessed any more
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
	atomic64_t broken;
	bool lost;
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
 * @ops: [nr_ops], REPLAY: the trace
 * @nr_ops: accesses of the trace
 * @len: CHASE: bytes of the range
 */
struct cdm_sim_pat {
	u32 kind;
	u64 addr, stride, nr_blocks, words;
	u64 pos;
	u64 rng;
	u32 write_pct;
	u64 *cum;
	struct cdm_sim_op *ops;
	u64 nr_ops;
	u64 len;
};

int cdm_sim_pat_init(struct cdm_sim_pat *pat, const struct cdm_sim_run *req);
void cdm_sim_pat_free(struct cdm_sim_pat *pat);
unsigned long cdm_sim_pat_next(struct cdm_sim_pat *pat, bool *write);
int cdm_sim_pat_read(struct cdm_sim_pat *pat, u64 value);

/**
 * struct cdm_sim_line - a translation that a device remembers
 * @vpn: page of the address space
 * @pfn: page frame
 * @valid: there is one
 * @write: writes are allowed
 */
struct cdm_sim_line {
	unsigned long vpn, pfn;
	bool valid, write;
};

/**
 * struct cdm_sim_cache - a device's cache of translations, for one run
 * @notifier: tells of changes in the run's range
 * @lock: protects what is below; a leaf, taken by invalidate()
 * @lines: by page modulo their number
 * @check: compare each hit with the page tables
 * @deaf: ignore invalidations, to see that the comparison finds it
 * @hits: accesses by a line
 * @misses: accesses by the page tables; the run's thread alone writes it
 * @fills: lines that were filled
 * @retries: lines that were not, as an invalidation came in between
 * @invalidations: lines that were dropped
 * @stale: hits at which the page tables had something else
 * @cookie: of the run's address space
 * @entries: of the last snapshot; the run's thread alone uses it
 */
struct cdm_sim_cache {
	struct mmu_interval_notifier notifier;
	/* Lines, counters, and with them the accesses that hit. */
	spinlock_t lock;
	struct cdm_sim_line lines[CDM_SIM_LINES];
	bool check, deaf;
	u64 hits, misses, fills, retries, invalidations, stale;

	u64 cookie;
	struct cdm_rmap_entry entries[64];
};

struct cdm_sim_cache *cdm_sim_cache_create(struct mm_struct *mm,
					   const struct cdm_sim_run *req);
void cdm_sim_cache_destroy(struct cdm_sim_cache *cache,
			   struct cdm_sim_run *req);
bool cdm_sim_cache_access(struct cdm_sim_cache *cache, unsigned long addr,
			  bool write, u64 *value, int *nid);
unsigned long cdm_sim_cache_begin(struct cdm_sim_cache *cache);
void cdm_sim_cache_fill(struct cdm_sim_cache *cache, unsigned long addr,
			unsigned long pfn, bool write, unsigned long seq);

struct cdm_sim_counters;

struct cdm_sim_counters *cdm_sim_counters_create(struct cdm_sim *sim, struct mm_struct *mm,
						 struct cdm_sim_run *req);
void cdm_sim_counters_destroy(struct cdm_sim_counters *c);
int cdm_sim_count(struct cdm_sim_counters *c, unsigned long addr, bool write, int nid);
int cdm_sim_counters_read(struct cdm_sim_counters *c);
int cdm_sim_wait(struct cdm_sim_run *req, unsigned int us);

int cdm_sim_run(struct cdm_sim *sim, struct mm_struct *mm,
		struct cdm_sim_run *req);
int cdm_sim_move(struct cdm_sim *sim, struct mm_struct *mm,
		 struct cdm_sim_move *req);
int cdm_sim_atomic(struct cdm_sim *sim, struct mm_struct *mm,
		   struct cdm_sim_atomic *req);

#endif /* _CDM_SIM_H */
