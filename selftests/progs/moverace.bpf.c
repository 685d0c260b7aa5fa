// SPDX-License-Identifier: GPL-2.0
/*
 * How often did a race take place? Tracepoints mark where movers migrate and
 * where their opponent is in its system call; each beginning of the one during
 * the other is a hit. Without an opponent's call the movers race each other.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "moverace.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct race_state);
} state SEC(".maps");

/* Tasks that are in the opponent's call. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} in_op SEC(".maps");

static struct race_state *the_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/* Which mover current is, or -1. */
static int mover(void)
{
	char comm[16];

	bpf_get_current_comm(comm, sizeof(comm));
	if (comm[0] != 'm' || comm[1] != 'o' || comm[2] != 'v' || comm[3] != 'e' ||
	    comm[4] != 'r' || comm[6])
		return -1;
	return comm[5] == '0' ? 0 : comm[5] == '1' ? 1 : -1;
}

static bool racer(void)
{
	char comm[16];

	bpf_get_current_comm(comm, sizeof(comm));
	return comm[0] == 'r' && comm[1] == 'a' && comm[2] == 'c' && comm[3] == 'e' &&
	       comm[4] == 'r' && !comm[5];
}

SEC("tp_btf/mm_migrate_pages_start")
int BPF_PROG(move_begins, enum migrate_mode mode, int reason)
{
	struct race_state *s = the_state();
	int i = mover();

	if (!s || reason != MR_CDM || i < 0 || i > 1)
		return 0;
	__sync_fetch_and_add(&s->nr_moves, 1);
	__sync_fetch_and_add(&s->movers[i], 1);
	if (s->op == RACE_NO_OP ? s->movers[!i] > 0 : s->ops > 0)
		__sync_fetch_and_add(&s->hits[i], 1);
	return 0;
}

SEC("tp_btf/mm_migrate_pages")
int BPF_PROG(move_ends, unsigned long succeeded, unsigned long failed,
	     unsigned long thp_succeeded, unsigned long thp_failed,
	     unsigned long thp_split, unsigned long large_split,
	     enum migrate_mode mode, int reason)
{
	struct race_state *s = the_state();
	int i = mover();

	if (!s || reason != MR_CDM || i < 0 || i > 1)
		return 0;
	__sync_fetch_and_add(&s->movers[i], -1);
	__sync_fetch_and_add(&s->nr_pages, succeeded);
	__sync_fetch_and_add(&s->nr_failed, failed);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(op_begins, struct pt_regs *regs, long id)
{
	struct race_state *s = the_state();
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), one = 1;

	if (!s || id != s->op || !racer() ||
	    bpf_map_update_elem(&in_op, &tid, &one, BPF_NOEXIST))
		return 0;
	__sync_fetch_and_add(&s->nr_ops, 1);
	__sync_fetch_and_add(&s->ops, 1);
	if (s->movers[0] > 0)
		__sync_fetch_and_add(&s->hits[0], 1);
	if (s->movers[1] > 0)
		__sync_fetch_and_add(&s->hits[1], 1);
	return 0;
}

static void leave(void)
{
	struct race_state *s = the_state();
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	if (s && !bpf_map_delete_elem(&in_op, &tid))
		__sync_fetch_and_add(&s->ops, -1);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(op_ends, struct pt_regs *regs, long ret)
{
	leave();
	return 0;
}

/* exit_group() does not return; its address space is gone by now. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(op_exits, struct task_struct *p)
{
	leave();
	return 0;
}
