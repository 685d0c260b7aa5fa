// SPDX-License-Identifier: GPL-2.0
/*
 * tier_hot: the device's memory holds what is accessed most, by whomever.
 *
 * What it does: counts accesses of each unit of 2 MiB, as a device's counters tell of
 * them (by their count) and faults of CPUs and devices (as one). Units are binned by the
 * logarithm of their count, and the hottest bins that fit the node are hot
 * (include/cdm/tier_hot.bpf.h). Each half second what is hot and elsewhere moves to the
 * node, a batch at a time; what is cold there makes room, as the owner of reclaim says.
 * Nothing moves at an access.
 *
 * When it suits: the device's memory is the fast tier for all who use it, and the same
 * data stays hot for seconds. Bins, halving and choice are those of MEMTIS (Lee et al.,
 * SOSP 2023), with its numbers.
 *
 * Where it fails: it asks how often, not who: what CPUs use a lot moves to the device
 * although it may be far from them. It needs samples: without counters it has the faults
 * that NUMA balancing makes, which are few and come once a page. A unit is hot as a whole,
 * for one hot page in it; unit_order=0 counts pages, of which it then has room for 16384,
 * and a counter's event counts for the first unit that it is about. If the hottest bin
 * alone does not fit, nothing is hot and all stays where it is.
 * Memory: 2 MiB for what is known of 16384 units.
 */
#include <cdm/tier_hot.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* The fast tier. Range 0..63; must be a managed node. */
const volatile __s32 nid = 1;

/* Percent of the node that hot units are to fill. Range 1..100. */
const volatile __u32 fill_percent = 95;

/* Units that move in one tick. Range 1..256. */
const volatile __u32 batch = 64;

#define MAX_BATCH	256

struct hot_move {
	struct cdm_hot_key key;
	__u32 tgid;
};

static struct hot_move moves[MAX_BATCH];
static __s64 bins[CDM_HOT_BINS];	/* as the walk counts them */
static __u8 status[1];

__u64 n_moved, n_full, n_busy, n_gone, n_errors;

/* Units that the node has room for; it may come, go and change its size. */
static __s64 room;

static void measure(const struct cdm_common *c)
{
	__s64 total = cdm_bpf_node_stat(c, nid, CDM_ITEM_TOTAL);

	room = total < 0 ? 0 : ((__u64)total * fill_percent / 100) >> (unit_order & 15);
}

__u64 CDM_CALLBACK(access, hot_access, const struct cdm_access_ctx *c)
{
	__u64 weight = c->kind == CDM_ACCESS_COUNTER ? c->count : 1;
	struct cdm_hot_unit *u;

	u = cdm_hot_access(c->mm_cookie, c->addr >> (CDM_PAGE_SHIFT + (unit_order & 15)),
			   weight, room);
	if (u) {
		u->tgid = c->tgid;
		u->nid = c->src_nid;
	}
	return cdm_node(c->src_nid);
}

/* ---- each half second ---------------------------------------------------------- */

struct hot_walk {
	__u32 nr;
};

/* Atomic, as the map's lock is held: what shall move is noted down. */
static long look(struct bpf_map *map, struct cdm_hot_key *key, struct cdm_hot_unit *u,
		 struct hot_walk *w)
{
	__u32 count = cdm_hot_count(u);
	struct hot_move *m;

	if (!count) {
		bpf_map_delete_elem(&hot_units, key);
		return 0;
	}
	bins[cdm_hot_bin(count)]++;
	if (u->nid == nid || !cdm_hot_is_hot(u) || w->nr >= batch || w->nr >= MAX_BATCH)
		return 0;
	m = &moves[w->nr & (MAX_BATCH - 1)];
	m->key = *key;
	m->tgid = u->tgid;
	w->nr++;
	return 0;
}

/* False if the node is full, and the others need not be tried. */
static bool move_one(const struct cdm_tick_ctx *c, struct hot_move *m)
{
	__u32 shift = CDM_PAGE_SHIFT + (unit_order & 15);
	struct cdm_move_req req = {
		.start = m->key.unit << shift,
		.end = (m->key.unit + 1) << shift,
		.mm_cookie = m->key.mm,
		.tgid = m->tgid,
		.nid = nid,
		.flags = CDM_MOVE_SHARED | CDM_MOVE_EVICT,
	};
	struct cdm_hot_unit *u;
	int err;

	err = cdm_bpf_move_range(&c->common, &req, sizeof(req), status, sizeof(status));
	if (err) {
		/* Its process is gone. */
		bpf_map_delete_elem(&hot_units, &m->key);
		__sync_fetch_and_add(&n_errors, 1);
		return true;
	}
	n_moved += req.nr[CDM_MOVE_MOVED];
	n_full += req.nr[CDM_MOVE_FULL];
	n_busy += req.nr[CDM_MOVE_BUSY];
	n_gone += req.nr[CDM_MOVE_NOT_MAPPED];
	u = bpf_map_lookup_elem(&hot_units, &m->key);
	/* What could not move is told by the next access. */
	if (u)
		u->nid = nid;
	return !req.nr[CDM_MOVE_FULL] && !req.nr[CDM_MOVE_LIMITED];
}

void CDM_CALLBACK_S(tick, hot_tick, const struct cdm_tick_ctx *c)
{
	struct hot_walk w = {};
	__u32 i;

	if (c->nid != nid)
		return;
	measure(&c->common);
	__builtin_memset(bins, 0, sizeof(bins));
	bpf_for_each_map_elem(&hot_units, look, &w, 0);
	/* What races have cost the bins; those that come meanwhile are few. */
	for (i = 0; i < CDM_HOT_BINS; i++)
		hot_bins[i] = bins[i];
	bpf_for(i, 0, w.nr) {
		if (i >= MAX_BATCH || !move_one(c, &moves[i & (MAX_BATCH - 1)]))
			break;
	}
}

__s32 CDM_CALLBACK_S(init, hot_init, const struct cdm_init_ctx *c)
{
	if (nid < 0 || nid >= CDM_MAX_NODES || unit_order > 9 || !fill_percent ||
	    fill_percent > 100 || !batch || batch > MAX_BATCH) {
		CDM_ERROR(c, -22, "nid %d: want 0..63; unit_order %u: want 0..9; fill_percent %u: want 1..100; batch %u: want 1..256",
			  nid, unit_order, fill_percent, batch);
		return -22;
	}
	if (!cool_samples || !adapt_samples) {
		CDM_ERROR(c, -22, "cool_samples and adapt_samples: want 1 or more");
		return -22;
	}
	measure(&c->common);
	return 0;
}

void CDM_CALLBACK(dump, hot_dump, const struct cdm_dump_ctx *c)
{
	CDM_DUMP(c, "node %d: hot from bin %u on; %llu samples, halved %u times, %llu had no entry\n",
		 nid, hot_from, hot_samples, hot_epoch, n_no_room);
	CDM_DUMP(c, "units in bins 15 to 8: %lld %lld %lld %lld %lld %lld %lld %lld\n",
		 hot_bins[15], hot_bins[14], hot_bins[13], hot_bins[12], hot_bins[11],
		 hot_bins[10], hot_bins[9], hot_bins[8]);
	CDM_DUMP(c, "and in 7 to 0: %lld %lld %lld %lld %lld %lld %lld %lld\n",
		 hot_bins[7], hot_bins[6], hot_bins[5], hot_bins[4], hot_bins[3], hot_bins[2],
		 hot_bins[1], hot_bins[0]);
	CDM_DUMP(c, "%llu pages moved, %llu found no room, %llu busy, %llu not there, %llu errors\n",
		 n_moved, n_full, n_busy, n_gone, n_errors);
}

CDM_OPS_DEFINE(hot_ops,
	.access	= (void *)hot_access,
	.tick	= (void *)hot_tick,
	.init	= (void *)hot_init,
	.dump	= (void *)hot_dump,
	.node	= CDM_NODE_ALL,
	.tick_ms = 500,
	.name	= "tier_hot");
