// SPDX-License-Identifier: GPL-2.0
/* An object that is no policy: it has no struct cdm_ops. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 tunable = 1;

SEC("syscall")
int nothing(void *ctx)
{
	return tunable;
}
