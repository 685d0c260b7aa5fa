/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is hot enough for the fast tier, for tier_hot and for a program that replays a
 * recorded stream of accesses.
 *
 * A unit of memory has a count of accesses, and is in one of 16 bins by its logarithm.
 * From the hottest bin on, those that fit the fast tier as a whole are hot:
 *
 *	bin	15	14	13 ... 2	1	0
 *	count	32768..	16384.. 8192.. 4..7	2..3	0..1
 *	units	3	20	11     900	4000	60000
 *		`--- hot, if the ----'
 *		     tier has room for 34
 *
 * Every cool_samples accesses all counts are halved: all bins move down by one. Nobody
 * walks over the units for that. The number of times is the epoch; a unit whose epoch is
 * older is halved when it is touched or looked at, and the bins are moved at once, which
 * comes to the same: half of a count is in the next lower bin, and 0 and 1 share the last.
 *
 * Counts stop at 65535. A unit that is new begins at 0, in bin 0. Bin 0 is never hot.
 * An access counts first towards the next halving and the next choice, then halving is
 * looked at, then the unit counts it, then the choice is made. An access that stands for
 * more than cool_samples is one halving; the next ones follow with the next accesses.
 *
 * Without a lock: two CPUs at one unit may lose one of a bin, which the next accesses to
 * it do not put right. tier_hot puts it right when it walks over all units anyway.
 */
#ifndef _CDM_TIER_HOT_BPF_H
#define _CDM_TIER_HOT_BPF_H

#include <cdm/common.bpf.h>

/* log2 of the pages of a unit. Range 0..9; 9 is 2 MiB on x86. */
const volatile __u32 unit_order = 9;

/* Accesses until all counts are halved, and until the choice is made anew. Range 1..2^62. */
const volatile __u64 cool_samples = 2000000;
const volatile __u64 adapt_samples = 100000;

#define CDM_HOT_BINS	16
#define CDM_HOT_MAX	65535
/* Of the choice: no bin is hot. */
#define CDM_HOT_NONE	CDM_HOT_BINS

struct cdm_hot_key {
	__u64 mm;		/* cookie */
	__u64 unit;		/* address >> (CDM_PAGE_SHIFT + unit_order) */
};

struct cdm_hot_unit {
	__u32 count;
	__u32 epoch;		/* up to which it is halved */
	__u32 tgid;
	__s32 nid;		/* where its pages were last seen */
};

/* Not of least recently used ones: the bins must know what leaves. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct cdm_hot_key);
	__type(value, struct cdm_hot_unit);
} hot_units SEC(".maps");

__s64 hot_bins[CDM_HOT_BINS];	/* units in each */
__u64 hot_samples;
__u64 hot_cooled, hot_adapted;	/* samples at which that was due last */
__u32 hot_epoch;
__u32 hot_from = CDM_HOT_NONE;	/* this bin and those above are hot */
__u64 n_no_room;		/* accesses to units that there was no entry for */

static __always_inline __u32 cdm_hot_bin(__u32 count)
{
	__u32 bin = 0;

	if (count >= 256) {
		count >>= 8;
		bin += 8;
	}
	if (count >= 16) {
		count >>= 4;
		bin += 4;
	}
	if (count >= 4) {
		count >>= 2;
		bin += 2;
	}
	return (bin + (count >= 2)) & (CDM_HOT_BINS - 1);
}

/* As it would be, had it been halved each time. */
static __always_inline __u32 cdm_hot_count(const struct cdm_hot_unit *u)
{
	__u32 behind = hot_epoch - u->epoch;

	return behind < 16 ? u->count >> behind : 0;
}

/* True for one CPU, each time that @every more samples have been counted. */
static __always_inline bool cdm_hot_due(__u64 *last, __u64 every)
{
	__u64 was = *last;

	return hot_samples - was >= every &&
	       __sync_val_compare_and_swap(last, was, was + every) == was;
}

static __always_inline void cdm_hot_cool(void)
{
	int i;

	__sync_fetch_and_add(&hot_epoch, 1);
	hot_bins[0] += hot_bins[1];
	for (i = 1; i < CDM_HOT_BINS - 1; i++)
		hot_bins[i] = hot_bins[i + 1];
	hot_bins[CDM_HOT_BINS - 1] = 0;
}

/* @room: units that the fast tier has room for. */
static __always_inline void cdm_hot_choose(__s64 room)
{
	__u32 from = CDM_HOT_NONE;
	__s64 sum = 0;
	int i;

	for (i = CDM_HOT_BINS - 1; i > 0; i--) {
		sum += hot_bins[i];
		if (sum > room)
			break;
		from = i;
	}
	hot_from = from;
}

/* @weight accesses to a unit; the unit, or NULL if there is no entry for it. */
static __always_inline struct cdm_hot_unit *
cdm_hot_access(__u64 mm, __u64 unit, __u64 weight, __s64 room)
{
	struct cdm_hot_key key = { .mm = mm, .unit = unit };
	struct cdm_hot_unit *u, new = {};
	__u32 old, count;
	__u64 sum;

	__sync_fetch_and_add(&hot_samples, weight);
	if (cdm_hot_due(&hot_cooled, cool_samples))
		cdm_hot_cool();
	u = bpf_map_lookup_elem(&hot_units, &key);
	if (!u) {
		new.epoch = hot_epoch;
		if (!bpf_map_update_elem(&hot_units, &key, &new, BPF_NOEXIST))
			__sync_fetch_and_add(&hot_bins[0], 1);
		u = bpf_map_lookup_elem(&hot_units, &key);
	}
	if (u) {
		old = cdm_hot_count(u);
		sum = old + weight;
		count = sum < CDM_HOT_MAX ? sum : CDM_HOT_MAX;
		u->count = count;
		u->epoch = hot_epoch;
		__sync_fetch_and_add(&hot_bins[cdm_hot_bin(old)], -1);
		__sync_fetch_and_add(&hot_bins[cdm_hot_bin(count)], 1);
	} else {
		__sync_fetch_and_add(&n_no_room, 1);
	}
	if (cdm_hot_due(&hot_adapted, adapt_samples))
		cdm_hot_choose(room);
	return u;
}

static __always_inline bool cdm_hot_is_hot(const struct cdm_hot_unit *u)
{
	return cdm_hot_bin(cdm_hot_count(u)) >= hot_from;
}

#endif /* _CDM_TIER_HOT_BPF_H */
