// SPDX-License-Identifier: GPL-2.0
/*
 * Where did the page that place was asked about really go?
 *
 * An observer that takes one thing from cdm_ext, what was answered, and finds
 * the other by itself: the folio that is then mapped at that address, and its
 * node, from the folio's own flags. It looks where the fault ends (a new folio
 * gets its reverse mapping or its page table entry), so a folio that was placed
 * and then not used, or swapped for another on the way, does not count as right.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "watch_place.h"

char LICENSE[] SEC("license") = "GPL";

/* The node is in the highest bits of the flags: sections are not, with vmemmap. */
extern int CONFIG_NODES_SHIFT __kconfig;
extern bool CONFIG_SPARSEMEM_VMEMMAP __kconfig;

/* Only faults of this process, 0: all. */
__u32 target;

/* Only answers of this policy, 0: all. */
__u64 policy;

struct pending {
	__u64 addr;
	__u32 order;
	__u32 kind;
	__s32 dev_nid;
	__s32 answer_nid;
	__s32 got_nid;
	__u32 tgid;
};

/* What the thread was told last, until its fault maps something. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct pending);
} pending SEC(".maps");

struct watch_cell cells[WATCH_CELLS];
struct watch_event first_wrong;
__u64 nr_asked, nr_matched, nr_unmapped, nr_lost;
__u32 have_wrong;

static __always_inline struct watch_cell *cell(const struct pending *p)
{
	__u32 i = watch_index(p->dev_nid >= 0, p->kind, p->order);

	return i < WATCH_CELLS ? &cells[i] : NULL;
}

SEC("tp/cdm/cdm_place")
int watch_asked(struct trace_event_raw_cdm_place *t)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct pending p = {
		.addr = t->addr,
		.order = t->order,
		.kind = t->kind,
		.dev_nid = t->dev_nid,
		.answer_nid = t->answer_nid,
		.got_nid = t->got_nid,
		.tgid = t->tgid,
	};
	struct watch_cell *c;

	if ((target && t->tgid != target) || (policy && t->policy != policy))
		return 0;
	__sync_fetch_and_add(&nr_asked, 1);
	if (bpf_map_lookup_elem(&pending, &tid))
		__sync_fetch_and_add(&nr_unmapped, 1);

	c = cell(&p);
	if (c) {
		__sync_fetch_and_add(&c->asked, 1);
		if (p.answer_nid < 0)
			__sync_fetch_and_add(&c->defaults, 1);
		else if (p.got_nid < 0)
			__sync_fetch_and_add(&c->failed, 1);
	}
	if (bpf_map_update_elem(&pending, &tid, &p, BPF_ANY))
		__sync_fetch_and_add(&nr_lost, 1);
	return 0;
}

static __always_inline __s32 node_of(struct folio *folio)
{
	unsigned long flags = BPF_CORE_READ(folio, flags);

	return flags >> (64 - CONFIG_NODES_SHIFT);
}

/* PG_head of the folio's own flags, then the order its second page keeps. */
static __always_inline __u32 order_of(struct folio *folio)
{
	unsigned long flags = BPF_CORE_READ(folio, flags);

	if (!(flags & (1UL << bpf_core_enum_value(enum pageflags, PG_head))))
		return 0;
	return BPF_CORE_READ(folio, _flags_1) & 0xff;
}

static __always_inline void mapped(struct folio *folio, __u64 addr, bool anon)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct pending *q, p;
	struct watch_cell *c;
	__s32 nid;
	__u64 size;

	q = bpf_map_lookup_elem(&pending, &tid);
	if (!q)
		return;
	p = *q;
	size = 4096ULL << (p.order & 31);
	/* A neighbour, or what the fault was not asked about. */
	if (addr < p.addr || addr >= p.addr + size)
		return;
	if (anon != (p.kind != WATCH_SHMEM))
		return;
	bpf_map_delete_elem(&pending, &tid);

	c = cell(&p);
	if (!c)
		return;
	nid = node_of(folio);
	__sync_fetch_and_add(&nr_matched, 1);
	if (nid >= 0 && nid < WATCH_NODES)
		__sync_fetch_and_add(&c->node[nid], 1);
	/* Not placed: it went where the mempolicy said, by right. */
	if (p.answer_nid < 0 || p.got_nid < 0)
		return;
	/* A folio of another order was not the one that was asked for. */
	if (nid == p.answer_nid && order_of(folio) == p.order) {
		__sync_fetch_and_add(&c->same, 1);
		return;
	}
	__sync_fetch_and_add(&c->differ, 1);
	if (__sync_fetch_and_add(&have_wrong, 1) == 0) {
		first_wrong.addr = addr;
		first_wrong.order = p.order;
		first_wrong.kind = p.kind;
		first_wrong.dev_nid = p.dev_nid;
		first_wrong.answer_nid = p.answer_nid;
		first_wrong.got_nid = p.got_nid;
		first_wrong.nid = nid;
		first_wrong.found_order = order_of(folio);
	}
}

SEC("fentry/folio_add_new_anon_rmap")
int BPF_PROG(watch_anon, struct folio *folio, struct vm_area_struct *vma,
	     unsigned long address)
{
	mapped(folio, address, true);
	return 0;
}

/* A swap-in whose folio was in the swap cache, anonymous already. */
SEC("fentry/folio_add_anon_rmap_ptes")
int BPF_PROG(watch_swapin, struct folio *folio, struct page *page, int nr,
	     struct vm_area_struct *vma, unsigned long address)
{
	mapped(folio, address, true);
	return 0;
}

SEC("fentry/set_pte_range")
int BPF_PROG(watch_file, struct vm_fault *vmf, struct folio *folio,
	     struct page *page, unsigned int nr, unsigned long addr)
{
	mapped(folio, addr, false);
	return 0;
}

SEC("fentry/do_set_pmd")
int BPF_PROG(watch_file_pmd, struct vm_fault *vmf, struct page *page)
{
	unsigned long head = BPF_CORE_READ(page, compound_head);
	struct folio *folio = (void *)(head & 1 ? (struct page *)(head - 1) : page);

	mapped(folio, BPF_CORE_READ(vmf, address), false);
	return 0;
}
