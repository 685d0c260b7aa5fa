// SPDX-License-Identifier: GPL-2.0
/*
 * A policy with a variable of each type, so that tests can set them and see what
 * cdmctl makes of the object's BTF. init() copies them to a map, where a test can
 * read what the running policy has: that a listing shows a value does not prove
 * that the program sees it.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

enum color { RED, GREEN = 5, BLUE = -3 };

const volatile __u8 u8v = 1;
const volatile __s8 s8v = -1;
const volatile __u16 u16v = 1;
const volatile __s16 s16v = -1;
const volatile __u32 u32v = 1;
const volatile __s32 s32v = -1;
const volatile __u64 u64v = 1;
const volatile __s64 s64v = -1;
const volatile bool flag = false;
const volatile enum color color = GREEN;
const volatile char text[8] = "abc";
const volatile __u32 list[4] = { 1, 2 };
const volatile struct pair {
	__u32 a;
	__u16 b[3];
} pair = { 1 };
volatile int writable = 3;
volatile int zeroed;
/* Without volatile the compiler may use the value: cdmctl must not pretend. */
const __u32 folded[2] = { 5, 6 };

const volatile __u32 cdm_map_version = 1;

struct seen {
	__s64 ints[8];
	__u32 flag;
	__s32 color;
	char text[8];
	__u32 list[4];
	__u32 pair_a;
	__u32 pair_b2;
	__s32 writable;
	__s32 zeroed;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

/* Counts attaches: with this map handed over, a swap makes it two. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} attaches SEC(".maps");

__s32 CDM_CALLBACK_S(init, tunables_init, const struct cdm_init_ctx *c)
{
	__u32 key = 0;
	struct seen *s = bpf_map_lookup_elem(&seen, &key);
	__u64 *n = bpf_map_lookup_elem(&attaches, &key);

	if (!s || !n)
		return -1;
	*n += 1;
	s->ints[0] = u8v;
	s->ints[1] = s8v;
	s->ints[2] = u16v;
	s->ints[3] = s16v;
	s->ints[4] = u32v;
	s->ints[5] = s32v;
	s->ints[6] = u64v;
	s->ints[7] = s64v;
	s->flag = flag;
	s->color = color;
	for (int i = 0; i < 8; i++)
		s->text[i] = text[i];
	for (int i = 0; i < 4; i++)
		s->list[i] = list[i];
	s->pair_a = pair.a;
	s->pair_b2 = pair.b[2];
	s->writable = writable;
	s->zeroed = zeroed + folded[c->node & 1] * 0 + cdm_map_version * 0;
	return 0;
}

void CDM_CALLBACK(placed, tunables_placed, const struct cdm_placed_ctx *c)
{
}

CDM_OPS_DEFINE(tunables_ops,
	.init	= (void *)tunables_init,
	.placed	= (void *)tunables_placed,
	.node	= CDM_NODE_ALL,
	.name	= "tunables");
