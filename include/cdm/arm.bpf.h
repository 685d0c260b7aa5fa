/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From access: what a policy asks of the pages that an event is about.
 *
 * Who goes by accesses must see the next one, too. Access rights that are gone are gone
 * for CPUs and devices alike, and come back with the first access of either: after that
 * nobody is told of the other's until the page is armed again.
 */
#ifndef _CDM_ARM_BPF_H
#define _CDM_ARM_BPF_H

#include <cdm/common.bpf.h>

/* What one request may have. */
#define CDM_ARM_PAGES	512

static __always_inline __u64 cdm_event_pages(const struct cdm_access_ctx *c)
{
	__u64 nr = c->nr_pages;

	return !nr ? 1 : nr > CDM_ARM_PAGES ? CDM_ARM_PAGES : nr;
}

/* As cdm_bpf_enqueue_range(), for @nr pages from @addr on; queued before is queued. */
static __always_inline int cdm_ask_range(const struct cdm_access_ctx *c, __u64 addr,
					 __u64 nr, __s32 nid, __u32 flags)
{
	struct cdm_move_req req = {
		.start = addr,
		.end = addr + (nr << CDM_PAGE_SHIFT),
		.mm_cookie = c->mm_cookie,
		.tgid = c->tgid,
		.nid = nid,
		.flags = flags,
	};
	int err = cdm_bpf_enqueue_range(&c->common, &req, sizeof(req));

	return err == -EEXIST ? 0 : err;
}

/*
 * The next access to each page of the event is told. @nid: where they are, or are on
 * their way to; kcdmd takes them there if it is faster. NUMA_NO_NODE: wherever.
 */
static __always_inline int cdm_arm(const struct cdm_access_ctx *c, __s32 nid)
{
	return cdm_ask_range(c, c->addr, cdm_event_pages(c), nid,
			     CDM_MOVE_ARM | (nid < 0 ? 0 : CDM_MOVE_SHARED));
}

#endif /* _CDM_ARM_BPF_H */
