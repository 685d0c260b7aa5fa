/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/cdm_simN: a simulated coherent device that works in the address space
 * of the process that opened it.
 *
 * Every struct begins with its size and the version of this interface, both set
 * by the caller. A struct may be longer than the kernel's if the rest is zero
 * (-E2BIG otherwise), and is refused if it is shorter than version 1's
 * (-EINVAL). A version that the kernel does not speak is -EPROTONOSUPPORT.
 * Reserved fields must be zero (-EINVAL).
 */
#ifndef _UAPI_LINUX_CDM_SIM_H
#define _UAPI_LINUX_CDM_SIM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define CDM_SIM_VERSION		1

/* Nodes that a run tells apart; accesses to others count as served_other. */
#define CDM_SIM_NR_NODES	64

/* Bytes of a range whose accesses are counted together, from its start. */
#define CDM_SIM_COUNT_BYTES	(2U << 20)

/**
 * struct cdm_sim_info - which device this is
 * @size: bytes of this struct, set by the caller
 * @version: CDM_SIM_VERSION, set by the caller
 * @index: N of /dev/cdm_simN
 * @nid: node that the device's memory is
 * @mem_start: first byte of the device's memory
 * @mem_size: bytes of the device's memory
 * @runs: runs that ended, of all who opened the device
 * @accesses: accesses in those runs
 * @dev_faults: device faults in those runs
 * @patterns: bit P is set if the kernel runs enum cdm_sim_pattern P
 * @broken: pages of the device's memory that memory failure told of, since it was loaded
 * @reserved: zero
 */
struct cdm_sim_info {
	__u32 size;
	__u32 version;
	__u32 index;
	__s32 nid;
	__u64 mem_start;
	__u64 mem_size;
	__u64 runs;
	__u64 accesses;
	__u64 dev_faults;
	__u64 patterns;
	__u64 broken;
	__u64 reserved[3];
};

/**
 * enum cdm_sim_pattern - the order in which a run touches its range
 * @CDM_SIM_SEQUENTIAL: word after word, from the start again at the end
 * @CDM_SIM_STRIDED: the first word of block after block
 * @CDM_SIM_UNIFORM: any word of any block
 * @CDM_SIM_ZIPF: any word of a block; few blocks get most accesses
 * @CDM_SIM_CHASE: the word that was read says where the next is: how many bytes from the
 *	start of the range, a multiple of 8. It reads only
 * @CDM_SIM_REPLAY: a recorded trace
 */
enum cdm_sim_pattern {
	CDM_SIM_SEQUENTIAL,
	CDM_SIM_STRIDED,
	CDM_SIM_UNIFORM,
	CDM_SIM_ZIPF,
	CDM_SIM_CHASE,
	CDM_SIM_REPLAY = 6,
};

/**
 * struct cdm_sim_op - one access of a trace
 * @time: of the recording; the device takes no notice of it
 * @page: page of the run's range
 * @op: 1 if it writes, else 0; other values are -EINVAL
 */
struct cdm_sim_op {
	__u64 time;
	__u32 page;
	__u32 op;
};

/**
 * struct cdm_sim_run - have the device touch a range of memory
 * @size: bytes of this struct, set by the caller
 * @version: CDM_SIM_VERSION, set by the caller
 * @pattern: enum cdm_sim_pattern
 * @flags: CDM_SIM_RUN_*
 * @addr: first byte of the range, a multiple of 8
 * @len: bytes of the range, a multiple of 8, not zero
 * @stride: bytes of a block, a multiple of 8, at most @len; the rest of @len
 *	that is no whole block is not touched. 0 for 8 (sequential, which takes
 *	nothing else) or 4096. ZIPF takes at most 2^20 blocks.
 * @accesses: how many, 1 to 2^40
 * @seed: of the random numbers; the same seed gives the same accesses
 * @write_pct: percentage of accesses that write, 0 to 100. A write adds one to
 *	its 64-bit word, not atomically.
 * @zipf_skew: in 1/1000, 0 to 4000; the block of rank k is touched in
 *	proportion to k^-skew. Zero for other patterns.
 * @trace: REPLAY: address of an array of struct cdm_sim_op
 * @trace_len: REPLAY: its bytes, at most 2^28. It is begun again at its end
 * @counter_grain: bytes that one access counter covers, a power of two from the page size
 *	to 2 MiB; 0 for no counters
 * @counter_threshold: accesses to a notification, which begins the counter again; below
 *	2^32 - 2^20
 * @counter_batch: notifications that the driver reads at a time, 1 to 256; 0 for 1
 * @weight: how many accesses each stands for, 0 for 1, at most 2^20: as if it went on to
 *	neighbouring cache lines. Results and counters count them all
 * @near_ns: how long an access takes that the accessor's own node serves, at most 2^20
 * @far_ns: and any other. Whoever accesses sleeps them off, 10 microseconds or more at a
 *	time; both 0: as long as it takes
 * @counts: address of an array of __u64, one for each CDM_SIM_COUNT_BYTES of the range, the
 *	last one for what is left: the accesses there are written to it; 0 for none. At most
 *	2^20 of them. It is the caller's memory, as @trace is
 * @done: result: accesses that happened
 * @writes: result: of these, those that wrote
 * @dev_faults: result: device faults that were served
 * @retries: result: device faults that had to be asked for again
 * @errors: result: accesses that could not be served; a run ends at the first
 * @error_addr: result: where that was
 * @error: result: why, a negative errno, which the ioctl also returns
 * @error_pad: zero
 * @checksum: result: sum of the words that read accesses found
 * @counters: result: notifications of access counters, each told of to the kernel
 * @served_other: result: accesses served by memory of no node below, the zero
 *	page or a device's registers
 * @served: result: accesses served by each node
 * @cache_hits: result: accesses by the device's cache alone
 * @cache_misses: result: accesses that went by the page tables
 * @cache_fills: result: translations that were put into it
 * @cache_retries: result: translations that were not, as they went stale while
 *	they were looked up
 * @cache_invalidations: result: translations that were taken out, because the
 *	page tables were about to change
 * @cache_stale: result: hits at which the page tables said otherwise; always 0
 * @hits: result: accesses that found their page on the device's own node
 * @misses: result: the others; those that faulted, and those to another node
 * @fetches: result: pages that were moved to the device's node for an access
 * @fetch_failed: result: pages that could not be
 * @waits: result: how often a policy made the device wait
 * @wait_us: result: microseconds that it was to wait, together
 * @armed: result: pages that are armed, with CDM_SIM_RUN_ARM
 *
 * Version 1 began without what is behind @served, and such a struct
 * (CDM_SIM_RUN_SIZE_1) is still taken.
 */
struct cdm_sim_run {
	__u32 size;
	__u32 version;
	__u32 pattern;
	__u32 flags;
	__u64 addr;
	__u64 len;
	__u64 stride;
	__u64 accesses;
	__u64 seed;
	__u32 write_pct;
	__u32 zipf_skew;
	__u64 trace;
	__u64 trace_len;
	__u64 counter_grain;
	__u64 counter_threshold;
	__u64 counter_batch;
	__u64 weight;
	__u32 near_ns;
	__u32 far_ns;
	__u64 counts;

	__u64 done;
	__u64 writes;
	__u64 dev_faults;
	__u64 retries;
	__u64 errors;
	__u64 error_addr;
	__s32 error;
	__u32 error_pad;
	__u64 checksum;
	__u64 counters;
	__u64 served_other;
	__u64 served[CDM_SIM_NR_NODES];

	__u64 cache_hits;
	__u64 cache_misses;
	__u64 cache_fills;
	__u64 cache_retries;
	__u64 cache_invalidations;
	__u64 cache_stale;
	__u64 hits;
	__u64 misses;
	__u64 fetches;
	__u64 fetch_failed;
	__u64 waits;
	__u64 wait_us;
	__u64 armed;
};

/* Bytes of the shortest struct cdm_sim_run. */
#define CDM_SIM_RUN_SIZE_1	720

/*
 * The device keeps translations in a cache of its own and accesses memory by
 * them without a look at the page tables.
 */
#define CDM_SIM_RUN_CACHE	0x1
/*
 * With CACHE: each hit is compared with the page tables first, and one that is
 * stale is counted and not accessed.
 */
#define CDM_SIM_RUN_CHECK	0x2
/*
 * An access to a page on another node moves it to the device's first, evicting
 * there if that is full, as a device with memory of its own does.
 */
#define CDM_SIM_RUN_FETCH	0x8
/* Accesses that hit are reported to the kernel, one by one. Not with CACHE. */
#define CDM_SIM_RUN_REPORT	0x10
/* Access counters count what the device's own node serves, too, and not only the others. */
#define CDM_SIM_RUN_COUNT_LOCAL	0x20
/* When it ends the range is armed, so that the next access to each page is told of. */
#define CDM_SIM_RUN_ARM		0x40
/*
 * The calling thread accesses, as a CPU does, and not the device: to have both count
 * in the same way. Alone, or with REPLAY; hits are what its own node served.
 */
#define CDM_SIM_RUN_CPU		0x80
/* With CHECK: the cache is never invalidated, to see that the check finds it. */
#define CDM_SIM_RUN_DEAF	0x4

/**
 * enum cdm_sim_move_how - by which means the driver moves pages
 * @CDM_SIM_MOVE_RANGE: by address, at once
 * @CDM_SIM_MOVE_PFNS: by page frame, at once; up to 1024 pages, all present
 * @CDM_SIM_MOVE_LATER: by page frame, queued, each waited for; likewise
 */
enum cdm_sim_move_how {
	CDM_SIM_MOVE_RANGE,
	CDM_SIM_MOVE_PFNS,
	CDM_SIM_MOVE_LATER,
};

/* Results that a move tells apart. */
#define CDM_SIM_NR_STATUS	16

/**
 * struct cdm_sim_move - have the driver move memory to a node
 * @size: bytes of this struct, set by the caller
 * @version: CDM_SIM_VERSION, set by the caller
 * @how: enum cdm_sim_move_how
 * @flags: CDM_MOVE_* of the kernel's include/linux/cdm_move.h
 * @addr: first byte of the range, a multiple of the page size
 * @len: bytes of the range, likewise
 * @nid: node to move to
 * @pad: must be zero
 * @reserved: must be zero
 * @nr: result: pages by enum cdm_move_status, also of the kernel's header
 */
struct cdm_sim_move {
	__u32 size;
	__u32 version;
	__u32 how;
	__u32 flags;
	__u64 addr;
	__u64 len;
	__s32 nid;
	__u32 pad;
	__u64 reserved[4];

	__u64 nr[CDM_SIM_NR_STATUS];
};

/**
 * struct cdm_sim_atomic - have the driver allocate as an interrupt handler does
 * @size: bytes of this struct, set by the caller
 * @version: CDM_SIM_VERSION, set by the caller
 * @addr: of the mapping for which half of them are allocated
 * @nr: pages, 1 to 65536; all are freed before it returns
 * @pad: must be zero
 * @reserved: must be zero
 * @by_node: result: pages got by naming the device's node, of half, rounded up
 * @by_vma: result: pages got as for a fault at @addr and on the device's node,
 *	of the other half
 * @elsewhere: result: likewise, and on another node
 * @max_ns: result: the longest that one of them took
 */
struct cdm_sim_atomic {
	__u32 size;
	__u32 version;
	__u64 addr;
	__u32 nr;
	__u32 pad;
	__u64 reserved[2];

	__u64 by_node;
	__u64 by_vma;
	__u64 elsewhere;
	__u64 max_ns;
};

#define CDM_SIM_IOC_TYPE	0xC9

/* Returns CDM_SIM_VERSION of the kernel; takes nothing. */
#define CDM_SIM_IOC_VERSION	_IO(CDM_SIM_IOC_TYPE, 0x00)
/* Takes struct cdm_sim_info, filled on return. */
#define CDM_SIM_IOC_INFO	_IO(CDM_SIM_IOC_TYPE, 0x01)
/*
 * Takes struct cdm_sim_run; results are filled whatever is returned, unless the
 * run was refused. Runs of one device wait for each other. A signal ends a run
 * with -EINTR.
 */
#define CDM_SIM_IOC_RUN		_IO(CDM_SIM_IOC_TYPE, 0x02)
/* 0x03 and 0x04 are not used. */
/* Takes struct cdm_sim_move; results are filled unless it was refused. */
#define CDM_SIM_IOC_MOVE	_IO(CDM_SIM_IOC_TYPE, 0x05)
/* Takes struct cdm_sim_atomic; results are filled unless it was refused. */
#define CDM_SIM_IOC_ATOMIC	_IO(CDM_SIM_IOC_TYPE, 0x06)

#endif /* _UAPI_LINUX_CDM_SIM_H */
