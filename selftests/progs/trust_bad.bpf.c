// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that must be refused, and for each a twin that must not.
 *
 * One ops map a case, none created unless a test names it (attach -m NAME), so
 * only the program of that case meets the verifier. A twin differs from its case
 * in the one thing that is wrong: if both are refused, the test is about
 * something else.
 */
#include <cdm/common.bpf.h>

char LICENSE[] SEC("license") = "GPL";

#define CASE(ops, ...)							\
	SEC("?.struct_ops.link")					\
	struct cdm_ops ops = { .node = CDM_NODE_ALL, .name = #ops, __VA_ARGS__ }

__u64 sink;

/* ---- the plainest policy ---------------------------------------------------- */

__u64 CDM_CALLBACK(place, p_good, const struct cdm_place_ctx *c)
{
	return 0;
}

CASE(good, .place = (void *)p_good);

/* Without a link: libbpf attaches it by filling the map. */
SEC("?.struct_ops")
struct cdm_ops nolink = {
	.place = (void *)p_good, .node = CDM_NODE_ALL, .name = "nolink",
};

/* ---- sleepable programs ------------------------------------------------------ */

__u64 CDM_CALLBACK_S(place, p_sleep_place, const struct cdm_place_ctx *c)
{
	return 0;
}

void CDM_CALLBACK_S(placed, p_sleep_placed, const struct cdm_placed_ctx *c)
{
}

void CDM_CALLBACK_S(dump, p_sleep_dump, const struct cdm_dump_ctx *c)
{
}

void CDM_CALLBACK_S(tick, p_sleep_tick, const struct cdm_tick_ctx *c)
{
}

CASE(sleep_place, .place = (void *)p_sleep_place);
CASE(sleep_placed, .placed = (void *)p_sleep_placed);
CASE(sleep_dump, .dump = (void *)p_sleep_dump);
CASE(sleep_tick, .tick = (void *)p_sleep_tick);		/* twin */

/* ---- a kfunc in the wrong place --------------------------------------------- */

__u64 CDM_CALLBACK(place, p_dump_place, const struct cdm_place_ctx *c)
{
	CDM_DUMP(c, "%d\n", c->dev_nid);
	return 0;
}

void CDM_CALLBACK(dump, p_dump_dump, const struct cdm_dump_ctx *c)
{
	CDM_DUMP(c, "%d\n", 1);
}

CASE(dump_in_place, .place = (void *)p_dump_place);
CASE(dump_in_dump, .dump = (void *)p_dump_dump);	/* twin */

/* ---- forged contexts --------------------------------------------------------- */

__u64 CDM_CALLBACK(place, p_real_ctx, const struct cdm_place_ctx *c)
{
	sink = cdm_bpf_node_stat(&c->common, 0, CDM_ITEM_TOTAL);
	return 0;
}

/* A struct of the right size that the program filled itself. */
__u64 CDM_CALLBACK(place, p_forged_stack, const struct cdm_place_ctx *c)
{
	__u64 fake[2] = { (__u64)c, 0 };

	barrier_var(fake[0]);
	sink = cdm_bpf_node_stat((void *)fake, 0, CDM_ITEM_TOTAL);
	return 0;
}

struct fake_common {
	__u64 call;
	__u64 more;
};

struct fake_common forged_global;

__u64 CDM_CALLBACK(place, p_forged_global, const struct cdm_place_ctx *c)
{
	sink = cdm_bpf_node_stat((void *)&forged_global, 0, CDM_ITEM_TOTAL);
	return 0;
}

/* A real context, kept as a number and used in a later call. */
__u64 CDM_CALLBACK(place, p_forged_saved, const struct cdm_place_ctx *c)
{
	struct cdm_common *old = (void *)*(volatile __u64 *)&forged_global.more;

	*(volatile __u64 *)&forged_global.more = (__u64)c;
	if (old)
		sink = cdm_bpf_node_stat(old, 0, CDM_ITEM_TOTAL);
	return 0;
}

/* The same with a typed pointer in a map. */
struct saved_ctx {
	struct cdm_common __kptr_untrusted *c;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct saved_ctx);
} saved SEC(".maps");

__u64 CDM_CALLBACK(place, p_forged_kptr, const struct cdm_place_ctx *c)
{
	struct cdm_common *old;
	struct saved_ctx *s;
	__u32 key = 0;

	s = bpf_map_lookup_elem(&saved, &key);
	if (!s)
		return 0;
	old = s->c;
	s->c = (struct cdm_common *)&c->common;
	if (old)
		sink = cdm_bpf_node_stat(old, 0, CDM_ITEM_TOTAL);
	return 0;
}

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

__u64 CDM_CALLBACK(place, p_forged_cast, const struct cdm_place_ctx *c)
{
	struct cdm_common *fake = bpf_rdonly_cast(&forged_global,
				bpf_core_type_id_kernel(struct cdm_common));

	sink = cdm_bpf_node_stat(fake, 0, CDM_ITEM_TOTAL);
	return 0;
}

/* Something else inside the real context. */
__u64 CDM_CALLBACK(place, p_forged_offset, const struct cdm_place_ctx *c)
{
	sink = cdm_bpf_node_stat((const void *)&c->addr, 0, CDM_ITEM_TOTAL);
	return 0;
}

/* What the real context points to. */
__u64 CDM_CALLBACK(place, p_forged_inner, const struct cdm_place_ctx *c)
{
	sink = cdm_bpf_node_stat((const void *)c->common.call, 0, CDM_ITEM_TOTAL);
	return 0;
}

/* Contexts are read-only. */
__u64 CDM_CALLBACK(place, p_forged_write, const struct cdm_place_ctx *c)
{
	((struct cdm_place_ctx *)c)->common.call = NULL;
	return 0;
}

CASE(real_ctx, .place = (void *)p_real_ctx);		/* twin */
CASE(forged_stack, .place = (void *)p_forged_stack);
CASE(forged_global_, .place = (void *)p_forged_global);
CASE(forged_saved, .place = (void *)p_forged_saved);
CASE(forged_kptr, .place = (void *)p_forged_kptr);
CASE(forged_cast, .place = (void *)p_forged_cast);
CASE(forged_offset, .place = (void *)p_forged_offset);
CASE(forged_inner, .place = (void *)p_forged_inner);
CASE(forged_write, .place = (void *)p_forged_write);

/* ---- tail calls -------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} progs SEC(".maps");

__u64 CDM_CALLBACK(place, p_tail_call, const struct cdm_place_ctx *c)
{
	bpf_tail_call(ctx, &progs, 0);
	return 0;
}

static __noinline __u64 subprog(__u64 x)
{
	barrier_var(x);
	return x ? 0 : 1;
}

__u64 CDM_CALLBACK(place, p_subprog, const struct cdm_place_ctx *c)
{
	sink = subprog(c->addr);
	return 0;
}

CASE(tail_call, .place = (void *)p_tail_call);
CASE(sub_prog, .place = (void *)p_subprog);		/* twin */

/* ---- timers in sleepable programs --------------------------------------------- */

struct timed {
	struct bpf_timer t;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timed);
} timed SEC(".maps");

static int timer_fn(void *map, __u32 *key, struct timed *v)
{
	return 0;
}

static __always_inline int arm(void)
{
	__u32 key = 0;
	struct timed *v = bpf_map_lookup_elem(&timed, &key);

	if (!v)
		return 0;
	bpf_timer_init(&v->t, &timed, 1);
	bpf_timer_set_callback(&v->t, timer_fn);
	return bpf_timer_start(&v->t, 1000000, 0);
}

void CDM_CALLBACK_S(tick, p_timer_sleep, const struct cdm_tick_ctx *c)
{
	arm();
}

void CDM_CALLBACK(tick, p_timer_atomic, const struct cdm_tick_ctx *c)
{
	arm();
}

CASE(timer_sleep, .tick = (void *)p_timer_sleep);
CASE(timer_atomic, .tick = (void *)p_timer_atomic);	/* twin */

/* ---- loops that the verifier does not unroll ----------------------------------- */

static long loop_fn(__u64 i, void *arg)
{
	return 0;
}

static long each_fn(void *map, __u32 *key, void *val, void *arg)
{
	return 0;
}

static long drain_fn(struct bpf_dynptr *d, void *arg)
{
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 100000);
	__type(key, __u32);
	__type(value, __u64);
} large SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} user_ring SEC(".maps");

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

static __always_inline void do_iter(void)
{
	struct bpf_iter_num it;
	int *v;

	bpf_iter_num_new(&it, 0, 1 << 20);
	while ((v = bpf_iter_num_next(&it)))
		sink += *v;
	bpf_iter_num_destroy(&it);
}

__u64 CDM_CALLBACK(place, p_loop, const struct cdm_place_ctx *c)
{
	bpf_loop(1 << 20, loop_fn, NULL, 0);
	return 0;
}

__u64 CDM_CALLBACK(place, p_each, const struct cdm_place_ctx *c)
{
	bpf_for_each_map_elem(&large, each_fn, NULL, 0);
	return 0;
}

__u64 CDM_CALLBACK(place, p_drain, const struct cdm_place_ctx *c)
{
	bpf_user_ringbuf_drain(&user_ring, drain_fn, NULL, 0);
	return 0;
}

__u64 CDM_CALLBACK(place, p_iter, const struct cdm_place_ctx *c)
{
	do_iter();
	return 0;
}

__u64 CDM_CALLBACK(place, p_may_goto, const struct cdm_place_ctx *c)
{
	__u64 n = 0;

	for (;;) {
		asm volatile goto("may_goto %l[out]" : : : : out);
		n++;
		barrier_var(n);
	}
out:
	sink = n;
	return 0;
}

static __noinline __u64 loop_in_sub(__u64 x)
{
	bpf_loop(1 << 20, loop_fn, NULL, 0);
	return x;
}

/* In a subprogram, which the program reaches only by a call. */
__u64 CDM_CALLBACK(place, p_loop_sub, const struct cdm_place_ctx *c)
{
	sink = loop_in_sub(c->addr);
	return 0;
}

/* In a global one, which the verifier looks at by itself. */
__noinline __u64 loop_in_global(__u64 x)
{
	bpf_loop(1 << 20, loop_fn, NULL, 0);
	return x;
}

__u64 CDM_CALLBACK(place, p_loop_global, const struct cdm_place_ctx *c)
{
	sink = loop_in_global(c->addr);
	return 0;
}

void CDM_CALLBACK(placed, p_loop_placed, const struct cdm_placed_ctx *c)
{
	bpf_loop(1 << 20, loop_fn, NULL, 0);
}

void CDM_CALLBACK(dump, p_loop_dump, const struct cdm_dump_ctx *c)
{
	bpf_loop(1 << 20, loop_fn, NULL, 0);
}

__u64 CDM_CALLBACK(place, p_bounded, const struct cdm_place_ctx *c)
{
	__u64 n = 0;

	for (__u32 i = 0; i < 64; i++) {
		n += c->addr >> i;
		barrier_var(n);
	}
	sink = n;
	return 0;
}

/* The sleepable callbacks may take their time. */
void CDM_CALLBACK_S(tick, p_loop_tick, const struct cdm_tick_ctx *c)
{
	bpf_loop(1 << 10, loop_fn, NULL, 0);
	do_iter();
}

CASE(loop, .place = (void *)p_loop);
CASE(each, .place = (void *)p_each);
CASE(drain, .place = (void *)p_drain);
CASE(iter, .place = (void *)p_iter);
CASE(may_goto, .place = (void *)p_may_goto);
CASE(loop_sub, .place = (void *)p_loop_sub);
CASE(loop_global, .place = (void *)p_loop_global);
CASE(loop_placed, .placed = (void *)p_loop_placed);
CASE(loop_dump, .dump = (void *)p_loop_dump);
CASE(bounded, .place = (void *)p_bounded);		/* twin */
CASE(loop_tick, .tick = (void *)p_loop_tick);		/* twin */

/* ---- init ----------------------------------------------------------------------- */

__s32 CDM_CALLBACK_S(init, p_init_refuse, const struct cdm_init_ctx *c)
{
	return -13;
}

__s32 CDM_CALLBACK_S(init, p_init_positive, const struct cdm_init_ctx *c)
{
	return 5;
}

__s32 CDM_CALLBACK_S(init, p_init_error, const struct cdm_init_ctx *c)
{
	CDM_ERROR(c, 42, "no such thing as %s", "luck");
	return 0;
}

__s32 CDM_CALLBACK_S(init, p_init_good, const struct cdm_init_ctx *c)
{
	return 0;
}

CASE(init_refuse, .init = (void *)p_init_refuse);
CASE(init_positive, .init = (void *)p_init_positive);
CASE(init_error, .init = (void *)p_init_error);
CASE(init_good, .init = (void *)p_init_good);		/* twin */
