// SPDX-License-Identifier: GPL-2.0
/*
 * thrash_uvm: what NVIDIA's UVM driver does about thrashing, for memory of any kind.
 *
 * What it does: a page goes to whoever touches it from afar. Two that take it from each
 * other within half a millisecond, three times in a row, are thrashing: from then on one
 * of them is served at a time and the others wait for the period's end, and after ten
 * such waits the page is pinned for 150 ms where the one is that did not have to
 * (include/cdm/thrash_uvm.bpf.h has the rules).
 *
 * When it suits: as what others are measured against; and for programs that were tuned
 * for UVM, with its numbers. Pages that few processors fight for, for a short time.
 *
 * Where it fails: the first touch moves the page, so what is used once from afar moves
 * for nothing, and what is shared with periods longer than a lapse moves for ever. It
 * sees accesses from afar only where page tables tell of them, so it arms what it has
 * judged; UVM has page tables of its own and sees each. A counter's event speaks for its
 * first page, and what is decided is done to all of its pages. A device waits only if
 * its driver does as it is told. A processor is told from another by its node, and all
 * CPUs are one, as in UVM.
 * Memory: about 20 MiB for what is known of 131072 pages.
 */
#include <cdm/arm.bpf.h>
#include <cdm/thrash_uvm.bpf.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/* Node that the CPUs' pages are pinned on. -1: each CPU node is a processor. Range -1..63. */
const volatile __s32 cpu_nid = 0;

/* Where pages should be pinned, if anywhere (UVM's preferred location). Range -1..63. */
const volatile __s32 preferred_nid = -1;

/* 1: devices and CPUs have a fast link, so that pages are pinned where they are. Range 0..1. */
const volatile __u32 fast_link = 0;

/* 1: what was judged is armed, so that the next access is seen. Range 0..1. */
const volatile __u32 arm = 1;

/* Pins in the order in which they end; more than that at a time and the oldest are lost. */
#define NR_PINS	4096

struct uvm_pin {
	__u64 end;
	__u64 mm;
	__u64 addr;
	__u32 tgid;
	__u32 nr_pages;
};

static struct uvm_pin pins[NR_PINS];
static __u64 pins_head, pins_tail;

__u64 n_moves, n_throttles, n_pins, n_near, n_arms, n_arm_failed;

static __always_inline bool is_cpu(const struct cdm_access_ctx *c)
{
	return c->kind == CDM_ACCESS_HINT;
}

/* All CPUs are one processor, which has what is on no managed node. */
static __always_inline __s32 proc_at(const struct cdm_access_ctx *c, __s32 nid)
{
	if (cpu_nid < 0 || cdm_bpf_node_stat(&c->common, nid, CDM_ITEM_STATE) >= 0)
		return nid;
	return cpu_nid;
}

static __always_inline int rearm(const struct cdm_access_ctx *c, __s32 nid)
{
	int err;

	if (!arm)
		return -ENODEV;
	err = cdm_arm(c, nid);
	__sync_fetch_and_add(err ? &n_arm_failed : &n_arms, 1);
	return err;
}

/* For tick: where it is pinned nobody tells of accesses, and none would end the pin. */
static __always_inline void remember_pin(const struct cdm_access_ctx *c, __u64 end)
{
	struct uvm_pin *p = &pins[__sync_fetch_and_add(&pins_tail, 1) & (NR_PINS - 1)];

	p->end = end;
	p->mm = c->mm_cookie;
	p->addr = c->addr;
	p->tgid = c->tgid;
	p->nr_pages = cdm_event_pages(c);
}

static __always_inline __u64 pin(const struct cdm_access_ctx *c,
				 const struct cdm_uvm_event *e,
				 const struct cdm_uvm_verdict *v)
{
	__u64 keep = cdm_keep_ms((v->until - e->now + 999999) / 1000000);
	__s32 at = v->at;

	__sync_fetch_and_add(&n_pins, 1);
	if (v->fresh)
		remember_pin(c, v->until);
	if (at == e->where) {
		rearm(c, NUMA_NO_NODE);
		return keep | cdm_node(c->src_nid);
	}
	/* A CPU's own node is as good as the one that stands for them. */
	if (at == e->proc)
		at = c->acc_nid;
	if (rearm(c, at))
		return keep | cdm_node(at) | cdm_queued();
	return keep | cdm_node(c->src_nid);
}

__u64 CDM_CALLBACK(access, uvm_access, const struct cdm_access_ctx *c)
{
	struct cdm_uvm_event e = {
		.now = bpf_ktime_get_ns(),
		.mm = c->mm_cookie,
		.page = c->addr >> CDM_PAGE_SHIFT,
		.proc = is_cpu(c) && cpu_nid >= 0 ? cpu_nid : c->acc_nid,
		.where = proc_at(c, c->src_nid),
		.preferred = preferred_nid < 0 ? CDM_UVM_NOBODY : proc_at(c, preferred_nid),
		/* Memory is coherent: all reach all of it. */
		.facts = CDM_UVM_PREFERRED_BY_ALL | (fast_link ? CDM_UVM_FAST : 0),
	};
	struct cdm_uvm_verdict v;

	/* With page tables of its own it would not have faulted. */
	if (e.proc == e.where) {
		__sync_fetch_and_add(&n_near, 1);
		if (cdm_uvm_watched(e.mm, e.page, e.now))
			rearm(c, NUMA_NO_NODE);
		return cdm_node(c->src_nid);
	}

	cdm_uvm_access(&e, &v);
	switch (v.action) {
	case CDM_UVM_THROTTLE:
		__sync_fetch_and_add(&n_throttles, 1);
		rearm(c, NUMA_NO_NODE);
		return cdm_node(c->src_nid) | cdm_throttle_us((v.until - e.now + 999) / 1000);
	case CDM_UVM_PIN:
		return pin(c, &e, &v);
	default:
		__sync_fetch_and_add(&n_moves, 1);
		rearm(c, c->acc_nid);
		return cdm_node(c->acc_nid);
	}
}

/* Pins that are over: whoever touches the page next is told of. */
void CDM_CALLBACK_S(tick, uvm_tick, const struct cdm_tick_ctx *c)
{
	struct cdm_move_req req = { .nid = NUMA_NO_NODE, .flags = CDM_MOVE_ARM };
	__u64 now = bpf_ktime_get_ns();
	struct uvm_pin *p;
	__u32 i;

	if (pins_tail - pins_head > NR_PINS)
		pins_head = pins_tail - NR_PINS;
	bpf_for(i, 0, NR_PINS) {
		if (pins_head >= pins_tail)
			break;
		p = &pins[pins_head & (NR_PINS - 1)];
		if (now < p->end)
			break;
		req.start = p->addr;
		req.end = p->addr + ((__u64)p->nr_pages << CDM_PAGE_SHIFT);
		req.mm_cookie = p->mm;
		req.tgid = p->tgid;
		pins_head++;
		if (arm && cdm_bpf_enqueue_range(&c->common, &req, sizeof(req)))
			__sync_fetch_and_add(&n_arm_failed, 1);
	}
}

__s32 CDM_CALLBACK_S(init, uvm_init, const struct cdm_init_ctx *c)
{
	if (block_order > 18 || !threshold || threshold > CDM_UVM_COUNT_MAX ||
	    !pin_threshold || pin_threshold > CDM_UVM_COUNT_MAX || !lapse_us ||
	    lapse_us > 1000000 || !nap_lapses || nap_lapses > 1000000) {
		CDM_ERROR(c, -22, "block_order %u: want 0..18; threshold %u and pin_threshold %u: want 1..65535; lapse_us %u and nap_lapses %u: want 1..1000000",
			  block_order, threshold, pin_threshold, lapse_us, nap_lapses);
		return -22;
	}
	if (!epoch_lapses || epoch_lapses > 1000000 || !pin_lapses || pin_lapses > 1000000 ||
	    cpu_nid >= CDM_MAX_NODES || preferred_nid >= CDM_MAX_NODES) {
		CDM_ERROR(c, -22, "epoch_lapses %u and pin_lapses %u: want 1..1000000; cpu_nid %d and preferred_nid %d: want -1..63",
			  epoch_lapses, pin_lapses, cpu_nid, preferred_nid);
		return -22;
	}
	return 0;
}

void CDM_CALLBACK(dump, uvm_dump, const struct cdm_dump_ctx *c)
{
	CDM_DUMP(c, "%llu moves, %llu throttled, %llu pinned, %llu accesses from near\n",
		 n_moves, n_throttles, n_pins, n_near);
	CDM_DUMP(c, "%llu armed, %llu could not be; %u lives of blocks\n",
		 n_arms, n_arm_failed, uvm_lives);
}

CDM_OPS_DEFINE(uvm_ops,
	.access	= (void *)uvm_access,
	.tick	= (void *)uvm_tick,
	.init	= (void *)uvm_init,
	.dump	= (void *)uvm_dump,
	.node	= CDM_NODE_ALL,
	.tick_ms = 50,
	.name	= "thrash_uvm");
