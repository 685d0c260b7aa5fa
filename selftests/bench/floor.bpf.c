// SPDX-License-Identifier: GPL-2.0
/*
 * The emptiest struct_ops program: what cdm_floor.ko calls to see what a call
 * costs that does nothing.
 *
 * The type belongs to a module, so it is not in vmlinux.h and is declared here;
 * libbpf finds the module's own by its name.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct cdm_floor_ctx;

struct cdm_floor_ops {
	__u64 (*empty)(const struct cdm_floor_ctx *ctx);
};

char LICENSE[] SEC("license") = "GPL";

SEC("struct_ops/empty")
__u64 floor_empty(void *ctx)
{
	return 0;
}

SEC(".struct_ops.link")
struct cdm_floor_ops floor_ops = {
	.empty = (void *)floor_empty,
};
