// SPDX-License-Identifier: GPL-2.0
/*
 * "cdmctl page move" in the kernel: the kfuncs are for programs only.
 */
#include <cdm/common.bpf.h>
#include "page.h"

char LICENSE[] SEC("license") = "GPL";

struct page_move args;
__u8 status[PAGE_CHUNK];
struct page_pfn pfns[PAGE_CHUNK];

SEC("syscall")
int page_move_range(void *ctx)
{
	struct cdm_move_req req = {
		.start = args.start,
		.end = args.end,
		.tgid = args.tgid,
		.nid = args.nid,
		.flags = args.flags,
	};

	args.ret = cdm_bpf_move_range(NULL, &req, sizeof(req), status,
				      sizeof(status));
	args.armed = req.nr[CDM_MOVE_ALREADY];
	return 0;
}

SEC("syscall")
int page_move_pfns(void *ctx)
{
	struct cdm_move_req req = { .nid = args.nid, .flags = args.flags };
	__u32 nr = args.nr_pfns;

	if (nr < 1 || nr > PAGE_CHUNK)
		return 0;
	args.ret = cdm_bpf_move_pfns(NULL, &req, sizeof(req), pfns,
				     nr * sizeof(pfns[0]));
	return 0;
}
