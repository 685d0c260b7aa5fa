/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who maps a page, for drivers and policies.
 *
 * Both ask mm/cdm/rmap.c about a page frame and get a list of the places in
 * address spaces where the folio that holds it is mapped. The list is a
 * snapshot: it was true, entry by entry, while it was taken. How a driver makes
 * sure that what it acts on is true still is described in
 * Documentation/mm/cdm_ext.rst.
 */
#ifndef _LINUX_CDM_RMAP_H
#define _LINUX_CDM_RMAP_H

#include <linux/bits.h>
#include <linux/types.h>

struct folio;
struct mm_struct;

/* cdm_rmap_entry.flags: the page table lets user space write now. */
#define CDM_RMAP_WRITABLE	BIT(0)
/* The mapping is mlocked. */
#define CDM_RMAP_MLOCKED	BIT(1)
/* One entry above the last level of the page table maps all of it. */
#define CDM_RMAP_HUGE		BIT(2)

/**
 * struct cdm_rmap_entry - one mapping of a folio, or of a part of it
 * @mm_cookie: address space, as contexts name it
 * @addr: first address
 * @pfn: page frame at @addr
 * @nr_pages: pages that are mapped from @addr on, without a hole and in the
 *	order of their frames. One mapping of a large folio has several entries if
 *	there are holes in it, or only a part of it may be written to
 * @tgid: process that owns the address space, in the caller's pid namespace; 0
 *	if nobody does any more, or if it cannot be seen from there
 * @flags: CDM_RMAP_WRITABLE, CDM_RMAP_MLOCKED, CDM_RMAP_HUGE
 * @__pad: zero
 */
struct cdm_rmap_entry {
	__u64 mm_cookie;
	__u64 addr;
	__u64 pfn;
	__u32 nr_pages;
	__u32 tgid;
	__u32 flags;
	__u32 __pad;
};

/* cdm_rmap_head.flags: there were more mappings than room for entries. */
#define CDM_RMAP_TRUNCATED	BIT(0)
/* A lock was busy and the caller does not wait: entries are missing. */
#define CDM_RMAP_CONTENDED	BIT(1)
/* The walk was ended after CDM_RMAP_MAX_VMAS: entries are missing. */
#define CDM_RMAP_LIMITED	BIT(2)

/* VMAs that a snapshot looks at. */
#define CDM_RMAP_MAX_VMAS	65536

/**
 * struct cdm_rmap_head - what a snapshot says of the folio itself
 * @seq: population sequence at which the folio arrived, as placed() was told;
 *	0 if it is not on a managed node, or is a hugetlb page. If a later
 *	snapshot of the page frame has another one, the frame holds another folio,
 *	and nothing of this snapshot is true any more
 * @pfn: first page frame of the folio
 * @nr: mappings that were found, whether there was room for them or not
 * @nr_entries: entries that were filled
 * @order: the folio has 1 << @order pages
 * @flags: CDM_RMAP_TRUNCATED, CDM_RMAP_CONTENDED, CDM_RMAP_LIMITED
 */
struct cdm_rmap_head {
	__u64 seq;
	__u64 pfn;
	__u32 nr;
	__u32 nr_entries;
	__u32 order;
	__u32 flags;
};

/* For drivers: wait for no lock, and say CDM_RMAP_CONTENDED. */
#define CDM_RMAP_TRY		BIT(0)

/**
 * typedef cdm_folio_fn - what a driver does with a folio
 * @folio: locked and referenced, and neither moved nor freed until this returns
 * @arg: the driver's own
 *
 * Context: may sleep; no rmap lock is held.
 * Return: what cdm_folio_run() shall return.
 */
typedef int (*cdm_folio_fn)(struct folio *folio, void *arg);

#ifdef CONFIG_CDM_EXT
u64 cdm_mm_cookie(struct mm_struct *mm);
int cdm_rmap_snapshot(unsigned long pfn, struct cdm_rmap_entry *entries,
		      unsigned int n, struct cdm_rmap_head *head,
		      unsigned int flags);
int cdm_rmap_snapshot_locked(struct folio *folio,
			     struct cdm_rmap_entry *entries, unsigned int n,
			     struct cdm_rmap_head *head, unsigned int flags);
int cdm_folio_run(unsigned long pfn, u64 seq, unsigned int flags,
		  cdm_folio_fn fn, void *arg);
#endif

#endif /* _LINUX_CDM_RMAP_H */
