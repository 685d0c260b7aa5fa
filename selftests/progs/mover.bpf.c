// SPDX-License-Identifier: GPL-2.0
/* Asks the kernel to move pages, for whoever runs it; see mover.h. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "mover.h"

char LICENSE[] SEC("license") = "GPL";

extern int cdm_bpf_move_range(const struct cdm_common *c, void *req, __u32 req__sz,
			      void *status, __u32 status__sz) __ksym;
extern int cdm_bpf_move_pfns(const struct cdm_common *c, void *req, __u32 req__sz,
			     void *pages, __u32 pages__sz) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MOVER_CALLS);
	__type(key, __u32);
	__type(value, struct mover_call);
} calls SEC(".maps");

SEC("syscall")
int move_range(struct mover_ctx *ctx)
{
	__u32 i = ctx->call;
	struct mover_call *call = bpf_map_lookup_elem(&calls, &i);

	return call ? cdm_bpf_move_range(NULL, &call->req, sizeof(call->req),
					 call->status, sizeof(call->status)) : -1;
}

SEC("syscall")
int move_pfns(struct mover_ctx *ctx)
{
	__u32 i = ctx->call;
	struct mover_call *call = bpf_map_lookup_elem(&calls, &i);

	return call ? cdm_bpf_move_pfns(NULL, &call->req, sizeof(call->req),
					call->page, sizeof(call->page)) : -1;
}
