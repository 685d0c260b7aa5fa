// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that has pages moved, in each of the ways there are.
 *
 * "mode" says from where; the results of the kfuncs are kept in global variables
 * for the test to compare with what the pages and the node's counters say.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

enum {
	MODE_PLACED = 1,	/* each folio of the target that became resident */
	MODE_PLACE,		/* at each fault, the page before */
	MODE_TICK_RANGE,	/* tick moves a range, once */
	MODE_TICK_PFNS,		/* tick moves the folios that placed saw, once */
	MODE_FLOOD,		/* tick asks for more than the queue holds, once */
	MODE_BAD,		/* tick asks for what makes no sense, once */
};

const volatile __u32 mode;
const volatile __s32 from = 1, to = 2;
const volatile __u64 tick_start, tick_end;
const volatile __u32 tick_tgid, flags, delay_us;

__u32 target;
__u64 cookie, seen, n_done;

/* Of the requests: accepted, known, no room, refused; and the last refusal. */
__u64 n_ok, n_same, n_full, n_bad;
__s64 last_bad;

/* Of the moves at once. */
__s64 move_ret = 1;
__u64 nr_moved, nr_already, nr_limited, nr_total;
__s64 move_rate, move_tokens;

__s64 bad_flag, bad_node, bad_align, bad_empty, bad_cookie, bad_huge, bad_size;
__s64 bad_gone, bad_null, bad_move_align, bad_delay, bad_late, bad_pfn_range;
__s64 bad_scan_node, bad_scan_absent, bad_scan_size, bad_scan_null;

#define MAX_PFNS 64
struct cdm_move_pfn pfns[MAX_PFNS];
__u32 nr_pfns;
__u8 status[4096];
struct cdm_scan scan;
struct cdm_scan_folio found[4];

static __always_inline void count(__s64 ret)
{
	switch (ret) {
	case 0:
		__sync_fetch_and_add(&n_ok, 1);
		break;
	case -17:
		__sync_fetch_and_add(&n_same, 1);
		break;
	case -28:
		__sync_fetch_and_add(&n_full, 1);
		break;
	default:
		__sync_fetch_and_add(&n_bad, 1);
		last_bad = ret;
	}
}

__u64 CDM_CALLBACK(place, q_place, const struct cdm_place_ctx *c)
{
	struct cdm_move_req req = {
		.start = c->addr - 4096,
		.end = c->addr,
		.mm_cookie = c->mm_cookie,
		.tgid = c->tgid,
		.nid = to,
		.flags = flags,
		.delay_us = delay_us,
	};

	if (!target || c->tgid != target)
		return 0;
	cookie = c->mm_cookie;
	if (mode == MODE_PLACE && c->addr > c->vm_start)
		count(cdm_bpf_enqueue_range(&c->common, &req, sizeof(req)));
	return cdm_node(from);
}

void CDM_CALLBACK(placed, q_placed, const struct cdm_placed_ctx *c)
{
	__u32 i;

	if (!cookie || c->mm_cookie != cookie || c->nid != from || !c->anon)
		return;
	__sync_fetch_and_add(&seen, 1);
	if (mode == MODE_PLACED)
		count(cdm_bpf_enqueue_pfn(&c->common, c->pfn, to, flags));
	i = nr_pfns;
	if (mode == MODE_TICK_PFNS && i < MAX_PFNS) {
		pfns[i].pfn = c->pfn;
		nr_pfns = i + 1;
	}
}

static void results(const struct cdm_move_req *req)
{
	int i;

	nr_moved = req->nr[CDM_MOVE_MOVED];
	nr_already = req->nr[CDM_MOVE_ALREADY];
	nr_limited = req->nr[CDM_MOVE_LIMITED];
	for (i = 0; i < CDM_NR_MOVE_STATUS; i++)
		nr_total += req->nr[i];
}

static void bad_requests(const struct cdm_tick_ctx *c)
{
	struct cdm_move_req good = {
		.start = 0x10000, .end = 0x11000, .mm_cookie = 1, .tgid = 1,
		.nid = to,
	}, req;

	req = good;
	req.flags = 1 << 20;
	bad_flag = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	req = good;
	req.nid = 1000;
	bad_node = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	req = good;
	req.start++;
	bad_align = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	req = good;
	req.end = req.start;
	bad_empty = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	req = good;
	req.mm_cookie = 0;
	bad_cookie = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	req = good;
	req.end = req.start + 513 * 4096;
	bad_huge = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	req = good;
	req.delay_us = 1000001;
	bad_late = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));
	req = good;
	bad_size = cdm_bpf_enqueue_range(&c->common, &req, 8);
	req = good;
	req.tgid = 4194303;
	bad_gone = cdm_bpf_move_range(&c->common, &req, sizeof(req), status, sizeof(status));
	/* A callback that hides who it is. */
	bad_null = cdm_bpf_move_range(NULL, &req, sizeof(req), status, sizeof(status));
	req = good;
	req.start++;
	req.mm_cookie = 0;
	bad_move_align = cdm_bpf_move_range(&c->common, &req, sizeof(req), status, sizeof(status));
	req = good;
	req.delay_us = 1;
	bad_delay = cdm_bpf_move_range(&c->common, &req, sizeof(req), status, sizeof(status));
	bad_pfn_range = cdm_bpf_move_pfns(&c->common, &good, sizeof(good), pfns, sizeof(pfns));
	scan.nid = 1000;
	bad_scan_node = cdm_bpf_scan_node(&c->common, &scan, sizeof(scan), found, sizeof(found));
	scan.nid = 3;
	bad_scan_absent = cdm_bpf_scan_node(&c->common, &scan, sizeof(scan), found, sizeof(found));
	scan.nid = to;
	bad_scan_size = cdm_bpf_scan_node(&c->common, &scan, sizeof(scan), found, 25);
	bad_scan_null = cdm_bpf_scan_node(NULL, &scan, sizeof(scan), found, sizeof(found));
}

void CDM_CALLBACK_S(tick, q_tick, const struct cdm_tick_ctx *c)
{
	struct cdm_move_req req = { .nid = to, .flags = flags };
	__u32 i;

	if (c->nid != from || n_done)
		return;

	move_rate = cdm_bpf_node_stat(&c->common, to, CDM_ITEM_MOVE_RATE);
	move_tokens = cdm_bpf_node_stat(&c->common, to, CDM_ITEM_MOVE_TOKENS);
	switch (mode) {
	case MODE_TICK_RANGE:
		req.start = tick_start;
		req.end = tick_end;
		req.tgid = tick_tgid;
		move_ret = cdm_bpf_move_range(&c->common, &req, sizeof(req),
					      status, sizeof(status));
		results(&req);
		n_done = 1;
		break;
	case MODE_TICK_PFNS:
		if (nr_pfns < MAX_PFNS)
			return;
		move_ret = cdm_bpf_move_pfns(&c->common, &req, sizeof(req),
					     pfns, sizeof(pfns));
		results(&req);
		n_done = 1;
		break;
	case MODE_FLOOD:
		/* Frames far beyond memory; kcdmd is here and takes none away. */
		bpf_for(i, 0, 6000)
			count(cdm_bpf_enqueue_pfn(&c->common, (1ULL << 40) + i, from, 0));
		bpf_for(i, 0, 4096)
			count(cdm_bpf_enqueue_pfn(&c->common, (1ULL << 40) + i, from, 0));
		n_done = 1;
		break;
	case MODE_BAD:
		bad_requests(c);
		n_done = 1;
		break;
	}
}

CDM_OPS_DEFINE(queue_ops,
	.place		= (void *)q_place,
	.placed		= (void *)q_placed,
	.tick		= (void *)q_tick,
	.node		= CDM_NODE_ALL,
	.tick_ms	= 100,
	.name		= "queue");
