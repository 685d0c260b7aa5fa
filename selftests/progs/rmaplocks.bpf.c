// SPDX-License-Identifier: GPL-2.0
/*
 * How many locks a task holds, by lockdep, on the way of a reverse map: when it is
 * asked for, under the walk, in the driver's function, and when the answer is there.
 * Only a kernel with lockdep knows.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

/* In vmlinux.h only if the kernel was built so. */
struct task_struct___dbg {
	int lockdep_depth;
} __attribute__((preserve_access_index));

/* Locks beyond those at the call, at most; calls seen; a kernel with lockdep. */
__s32 in_walk, in_driver, in_answer;
__u64 walks, drivers, answers;
__s32 lockdep;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __s32);
} before SEC(".maps");

static __s32 depth(void)
{
	struct task_struct___dbg *task = (void *)bpf_get_current_task_btf();

	if (!bpf_core_field_exists(task->lockdep_depth))
		return 0;
	lockdep = 1;
	return BPF_CORE_READ(task, lockdep_depth);
}

static void look(__s32 *most, __u64 *calls)
{
	__u32 pid = bpf_get_current_pid_tgid();
	__s32 *was = bpf_map_lookup_elem(&before, &pid), now;

	if (!was)
		return;
	now = depth() - *was;
	if (now > *most)
		*most = now;
	__sync_fetch_and_add(calls, 1);
}

SEC("fentry/cdm_folio_run")
int BPF_PROG(begin)
{
	__u32 pid = bpf_get_current_pid_tgid();
	__s32 now = depth();

	bpf_map_update_elem(&before, &pid, &now, BPF_ANY);
	return 0;
}

SEC("fentry/page_vma_mapped_walk")
int BPF_PROG(walk)
{
	look(&in_walk, &walks);
	return 0;
}

SEC("fentry/fill_locked")
int BPF_PROG(driver)
{
	look(&in_driver, &drivers);
	return 0;
}

SEC("fexit/cdm_rmap_snapshot_locked")
int BPF_PROG(answer)
{
	look(&in_answer, &answers);
	return 0;
}

SEC("fexit/cdm_folio_run")
int BPF_PROG(end)
{
	__u32 pid = bpf_get_current_pid_tgid();

	look(&in_answer, &answers);
	bpf_map_delete_elem(&before, &pid);
	return 0;
}
