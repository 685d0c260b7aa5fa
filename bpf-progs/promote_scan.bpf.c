// SPDX-License-Identifier: GPL-2.0
/*
 * promote_scan: what is used on one node moves to another, the hottest first.
 *
 * What it does: each tick looks at a part of node "from" and reads (and clears)
 * the accessed bits of its folios. Used folios heat the block of 2^block_order
 * pages that they are in; every pass over the node halves all heat. After a pass
 * blocks are sorted into bins by the logarithm of their heat, and a bin is hot if
 * it and all hotter ones hold no more pages than may move in one pass. In the
 * next pass what is used in a hot block moves to node "to".
 *
 * When it suits: memory was placed before anybody knew who would use it, and its
 * user is known: device memory that CPUs work on (from the device's node to the
 * CPUs'), or CPU memory that a device works on which sets accessed bits in the
 * page tables, as with ATS (the other way).
 *
 * Where it fails: an accessed bit says that a page was used, not by whom or how
 * often. If both ends use a page, this policy follows neither and two of them in
 * opposite directions would throw it to and fro. A pass over a large node takes
 * many ticks, so a phase shorter than that is not seen. hugetlb is not scanned.
 *
 * Binning of heat after MEMTIS (Lee et al., SOSP 2023), with its 16 bins.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* Scanned, and moved to. Any node that is possible, not the same. */
const volatile __s32 from = 1;
const volatile __s32 to = 0;

/* log2 of the pages of a block. Range 0..18; 9 is 2 MiB on x86. */
const volatile __u32 block_order = 9;

/* Pages that may move in one pass over the node. Range 1..2^32-1. */
const volatile __u32 pass_pages = 65536;

/*
 * Heat below which nothing moves: used folios of a block, summed up over passes,
 * each counting half of the next. Range 1..2^31.
 */
const volatile __u32 min_heat = 2;

#define NR_BLOCKS	4096	/* beyond 8 GiB, blocks share a place in the table */
#define NR_BINS		16
#define NR_FOUND	512

static __u32 heat[NR_BLOCKS];
static __u64 pages[NR_BINS];		/* of blocks, by bin; for end_pass() */
static struct cdm_scan_folio found[NR_FOUND];
static struct cdm_move_pfn hot[NR_FOUND];

/* Where the scan is, and from which heat on a block is hot; 0: nothing is. */
static struct cdm_scan scan;
static __u32 threshold;

__u64 n_passes, n_seen, n_used, n_tried, n_moved, n_full, n_errors;

static __u32 block_of(__u64 pfn)
{
	return (pfn >> (block_order & 31)) & (NR_BLOCKS - 1);
}

/* The logarithm, in four steps rather than in a loop: the verifier walks it. */
static __u32 bin_of(__u32 h)
{
	__u32 bin = 0;

	if (h > 0xffff)
		h = 0xffff;
	if (h >= 256) {
		h >>= 8;
		bin += 8;
	}
	if (h >= 16) {
		h >>= 4;
		bin += 4;
	}
	if (h >= 4) {
		h >>= 2;
		bin += 2;
	}
	return bin + (h >= 2);
}

/* A pass is over: what is hot for the next one, and let all cool down. */
static void end_pass(const struct cdm_tick_ctx *c)
{
	__u64 sum = 0, room = pass_pages;
	__s64 free = cdm_bpf_node_stat(&c->common, to, CDM_ITEM_FREE);
	__u32 i, bin;

	/* A full target would cost a try for each page. */
	if (free >= 0 && room > free / 2)
		room = free / 2;
	__builtin_memset(pages, 0, sizeof(pages));
	bpf_for(i, 0, NR_BLOCKS) {
		__u32 h;

		if (i >= NR_BLOCKS)
			break;
		h = heat[i];
		if (h < min_heat)
			continue;
		bin = bin_of(h);
		if (bin < NR_BINS)
			pages[bin] += 1ULL << (block_order & 31);
	}
	threshold = 0;
	bpf_for(i, 0, NR_BINS) {
		bin = NR_BINS - 1 - i;
		if (bin >= NR_BINS)
			break;
		sum += pages[bin];
		if (sum > room)
			break;
		if (pages[bin])
			threshold = 1U << bin;
	}
	if (threshold && threshold < min_heat)
		threshold = min_heat;
	bpf_for(i, 0, NR_BLOCKS) {
		if (i >= NR_BLOCKS)
			break;
		heat[i] /= 2;
	}
	n_passes++;
}

static void move_hot(const struct cdm_tick_ctx *c, __u32 nr)
{
	struct cdm_move_req req = { .nid = to, .flags = CDM_MOVE_ASYNC };

	if (nr < 1 || nr > NR_FOUND)
		return;
	n_tried += nr;
	if (cdm_bpf_move_pfns(&c->common, &req, sizeof(req), hot,
			      nr * sizeof(hot[0]))) {
		n_errors++;
		return;
	}
	n_moved += req.nr[CDM_MOVE_MOVED];
	n_full += req.nr[CDM_MOVE_FULL];
}

static bool my_tick(const struct cdm_tick_ctx *c)
{
	/* A CPU node has no tick: the other end's is used. */
	if (cdm_bpf_node_stat(&c->common, from, CDM_ITEM_STATE) >= 0)
		return c->nid == from;
	return c->nid == to;
}

void CDM_CALLBACK_S(tick, scan_tick, const struct cdm_tick_ctx *c)
{
	__u32 i, nr = 0, b;
	int n;

	if (!my_tick(c))
		return;
	scan.nid = from;
	n = cdm_bpf_scan_node(&c->common, &scan, sizeof(scan), found, sizeof(found));
	if (n < 0) {
		n_errors++;
		return;
	}
	bpf_for(i, 0, n) {
		if (i >= NR_FOUND)
			break;
		n_seen++;
		/* Not used, or locked and nobody knows. */
		if (!found[i].used || found[i].used == ~0U)
			continue;
		n_used++;
		b = block_of(found[i].pfn);
		if (b >= NR_BLOCKS)
			break;
		if (threshold && heat[b] >= threshold && nr < NR_FOUND) {
			hot[nr].pfn = found[i].pfn;
			nr++;
		}
		heat[b]++;
	}
	move_hot(c, nr);
	if (!scan.cursor)
		end_pass(c);
}

__s32 CDM_CALLBACK_S(init, scan_init, const struct cdm_init_ctx *c)
{
	if (from == to || block_order > 18 || !min_heat ||
	    cdm_bpf_node_stat(&c->common, from, CDM_ITEM_TOTAL) < 0 ||
	    cdm_bpf_node_stat(&c->common, to, CDM_ITEM_TOTAL) < 0) {
		CDM_ERROR(c, -22, "from %d and to %d: want two nodes that are possible here; block_order %d: want 0..18; min_heat %d: want 1 or more",
			  from, to, block_order, min_heat);
		return -22;
	}
	return 0;
}

void CDM_CALLBACK(dump, scan_dump, const struct cdm_dump_ctx *c)
{
	CDM_DUMP(c, "node %d to %d: %llu passes, %llu folios seen, %llu used\n",
		 from, to, n_passes, n_seen, n_used);
	CDM_DUMP(c, "hot from heat %u on: %llu tried, %llu pages moved, %llu found no room, %llu errors\n",
		 threshold, n_tried, n_moved, n_full, n_errors);
}

CDM_OPS_DEFINE(promote_scan_ops,
	.tick		= (void *)scan_tick,
	.init		= (void *)scan_init,
	.dump		= (void *)scan_dump,
	.node		= CDM_NODE_ALL,
	.tick_ms	= 200,
	.name		= "promote_scan");
