/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How an application tells the policy place_hint where a range belongs.
 *
 * Shared by the policy and by user space. The hints are in a map of longest
 * prefixes: an entry covers a block of addresses of one process, aligned to its
 * power-of-two size, and the smallest block that covers an address wins. So a
 * range is written as the few blocks that make it up, a part of it can be given
 * another node later (and taking that back may leave a hole in the range), and
 * the policy finds its answer in one look-up however many ranges there are.
 *
 * User space opens the pinned map (bpf_obj_get()) and calls cdm_hint_set() and
 * cdm_hint_clear(). Hints are about pages that are yet to be born; what is
 * resident does not move. Clear them before the process ends, since its number
 * will be used again.
 */
#ifndef _CDM_HINT_H
#define _CDM_HINT_H

/* Bits of a key behind prefixlen that name a process, and all of them. */
#define CDM_HINT_PID_BITS	32
#define CDM_HINT_KEY_BITS	96
#define CDM_HINT_PAGE_SHIFT	12

/* Longest prefix first means that numbers are compared from their high end. */
struct cdm_hint_key {
	__u32 prefixlen;	/* bits of pid and addr that count */
	__u32 pid;		/* big endian; tgid in the initial namespace */
	__u64 addr;		/* big endian */
};

struct cdm_hint {
	__s32 node;		/* -1: the default, to cut a hole in a range */
	__u32 flags;		/* must be 0 */
};

#ifndef __bpf__
#include <endian.h>
#include <errno.h>
#include <bpf/bpf.h>

/* log2 of the largest block at @start that ends at @end or before. */
static inline unsigned int cdm_hint_block(__u64 start, __u64 end)
{
	unsigned int order = CDM_HINT_PAGE_SHIFT;

	while (order < 63 && !(start & ((2ULL << order) - 1)) &&
	       (2ULL << order) <= end - start)
		order++;
	return order;
}

static inline int cdm_hint_walk(int map_fd, __u32 pid, __u64 start, __u64 end,
				const struct cdm_hint *hint)
{
	const __u64 page = (1ULL << CDM_HINT_PAGE_SHIFT) - 1;

	if ((start | end) & page || start >= end)
		return -EINVAL;

	while (start < end) {
		unsigned int order = cdm_hint_block(start, end);
		struct cdm_hint_key key = {
			.prefixlen = CDM_HINT_KEY_BITS - order,
			.pid = htobe32(pid),
			.addr = htobe64(start),
		};
		int err;

		if (hint)
			err = bpf_map_update_elem(map_fd, &key, hint, BPF_ANY);
		else
			err = bpf_map_delete_elem(map_fd, &key);
		if (err && !(err == -ENOENT && !hint))
			return err;
		start += 1ULL << order;
	}
	return 0;
}

/**
 * cdm_hint_set - pages of [start, end) shall be born on @node
 * @map_fd: the pinned map "hints"
 *
 * Return: 0, -EINVAL if the range is empty or not of whole pages, -ENOSPC if
 * the map is full; a range may then be set in part, and cdm_hint_clear() undoes
 * it.
 */
static inline int cdm_hint_set(int map_fd, __u32 pid, __u64 start, __u64 end,
			       __s32 node)
{
	struct cdm_hint hint = { .node = node };

	return cdm_hint_walk(map_fd, pid, start, end, &hint);
}

/* The same range must be given that was set. */
static inline int cdm_hint_clear(int map_fd, __u32 pid, __u64 start, __u64 end)
{
	return cdm_hint_walk(map_fd, pid, start, end, (void *)0);
}
#endif /* !__bpf__ */

#endif /* _CDM_HINT_H */
