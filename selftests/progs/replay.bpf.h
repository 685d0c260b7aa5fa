/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A replay program: one function of a policy's header, run over a recorded stream. To be
 * included after judge(), which does it for one event.
 */
#ifndef _REPLAY_BPF_H
#define _REPLAY_BPF_H

char LICENSE[] SEC("license") = "GPL";

/* As long as the stream; policy_replay.c says so before the load. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct replay_event);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct replay_verdict);
} verdicts SEC(".maps");

static long one(__u32 i, void *unused)
{
	struct replay_event *e = bpf_map_lookup_elem(&events, &i);
	struct replay_verdict *v = bpf_map_lookup_elem(&verdicts, &i);

	if (!e || !v)
		return 1;
	judge(e, v);
	return 0;
}

SEC("syscall")
int replay(struct replay_args *args)
{
	return bpf_loop(args->nr, one, NULL, 0);
}

#endif /* _REPLAY_BPF_H */
