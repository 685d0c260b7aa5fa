// SPDX-License-Identifier: GPL-2.0
/*
 * Reverse maps by every way that a program can ask: for rmapq.c, and as a policy.
 *
 * The policy asks in tick, about the frame @pfn, by its context and once by NULL,
 * which a callback may not. "late" arms a timer, whose callback runs in softirq with
 * the rights of a program that sleeps and must be refused.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 bytes = sizeof(struct cdm_rmap_head);
const volatile __u32 skew;		/* of the buffer, to spoil its alignment */
const volatile __u64 pfn;

/* What the calls returned; 1: not called yet. */
__s32 in_tick = 1, with_null = 1, in_timer = 1;
struct {
	struct cdm_rmap_head head;
	struct cdm_rmap_entry entries[4];
} answer;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct cdm_rmap_head) + 8);
} snapshot SEC(".maps");

struct elem {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct elem);
} timers SEC(".maps");

struct args {
	__u64 pfn;
};

SEC("syscall")
int ask(struct args *args)
{
	__u32 key = 0;
	char *buf = bpf_map_lookup_elem(&snapshot, &key);

	if (!buf)
		return -1000;
	return cdm_bpf_rmap_snapshot(NULL, args->pfn, buf + skew, bytes);
}

static int timer_fired(void *map, __u32 *key, struct elem *e)
{
	in_timer = cdm_bpf_rmap_snapshot(NULL, pfn, &answer.head, sizeof(answer.head));
	return 0;
}

SEC("?syscall")
int late(struct args *args)
{
	__u32 key = 0;
	struct elem *e = bpf_map_lookup_elem(&timers, &key);

	if (!e)
		return -1000;
	bpf_timer_init(&e->timer, &timers, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&e->timer, timer_fired);
	return bpf_timer_start(&e->timer, 1000000, 0);
}

void CDM_CALLBACK_S(tick, ask_in_tick, const struct cdm_tick_ctx *c)
{
	with_null = cdm_bpf_rmap_snapshot(NULL, pfn, &answer, sizeof(answer));
	in_tick = cdm_bpf_rmap_snapshot(&c->common, pfn, &answer, sizeof(answer));
}

CDM_OPS_DEFINE(rmapq_ops,
	.tick	= (void *)ask_in_tick,
	.tick_ms = 100,
	.node	= CDM_NODE_ALL,
	.name	= "rmapq");
