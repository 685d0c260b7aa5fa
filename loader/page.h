/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What "cdmctl page move" and its program in the kernel tell each other, through
 * the program's global variables.
 */
#ifndef CDMCTL_PAGE_H
#define CDMCTL_PAGE_H

/* Pages of one call; a range or a list that is longer takes several. */
#define PAGE_CHUNK	4096

/* As enum cdm_move_status, which user space cannot include. */
#define PAGE_NR_STATUS	11

struct page_move {
	__u64 start, end;		/* by range */
	__u32 tgid;
	__u32 nr_pfns;			/* by frame, if not 0 */
	__u32 flags;
	__s32 nid;
	__s32 ret;			/* of the kfunc */
	__u32 __pad;
	__u64 armed;			/* pages, of a call that only arms */
};

struct page_pfn {			/* as struct cdm_move_pfn */
	__u64 pfn;
	__u32 status;
	__u32 __pad;
};

#endif /* CDMCTL_PAGE_H */
