// SPDX-License-Identifier: GPL-2.0
/* cdmctl page rmap's side in the kernel: takes one snapshot, into a map's value. */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

/* Set before the load; @bytes is the size of the map's value. */
const volatile __u32 bytes = sizeof(struct cdm_rmap_head);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct cdm_rmap_head));
} snapshot SEC(".maps");

struct args {
	__u64 pfn;
};

SEC("syscall")
int rmap(struct args *args)
{
	__u32 key = 0;
	void *buf = bpf_map_lookup_elem(&snapshot, &key);

	if (!buf)
		return -2;
	return cdm_bpf_rmap_snapshot(NULL, args->pfn, buf, bytes);
}
