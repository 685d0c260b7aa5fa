// SPDX-License-Identifier: GPL-2.0
/*
 * The reverse map, for programs.
 *
 * Apart from kfuncs.c, whose table says who may call it.
 */
#define pr_fmt(fmt) "cdm: " fmt

#include <linux/btf.h>
#include <linux/capability.h>
#include <linux/preempt.h>

#include "internal.h"

__bpf_kfunc_start_defs();

/**
 * cdm_bpf_rmap_snapshot - list the mappings of the folio that holds a page frame
 * @c__nullable: first member of the running callback's context; NULL in a
 *	program of type syscall
 * @pfn: page frame number, of any page of the folio
 * @buf: filled with a struct cdm_rmap_head and as many struct cdm_rmap_entry
 *	behind it as there are and fit; aligned to 8 bytes
 * @buf__sz: its size: of one head and a whole number of entries, which may be 0
 *
 * It waits for no lock. If one is busy, the head's flags have
 * CDM_RMAP_CONTENDED: ask again.
 *
 * Context: tick, and programs of type syscall that run with CAP_SYS_ADMIN. The
 * tgids are of the initial pid namespace in tick, and else of the namespace of
 * the task that runs the program.
 * Return: 0, also if the head's flags say that entries are missing; -EINVAL for
 * a @buf of another size or alignment, for NULL in a kernel thread, and in a
 * timer's callback; -EPERM without CAP_SYS_ADMIN; -ENXIO if the frame is not
 * online memory; -ENOENT if it is free or not user memory; -EINTR if a fatal
 * signal came.
 */
__bpf_kfunc int cdm_bpf_rmap_snapshot(const struct cdm_common *c__nullable,
				      u64 pfn, void *buf, u32 buf__sz)
{
	struct cdm_rmap_head *head = buf;
	struct cdm_rmap_entry *entries = buf + sizeof(*head);

	/* The callback of a timer has its program's rights, and cannot sleep. */
	if (!in_task())
		return -EINVAL;
	if (!c__nullable) {
		/* A callback must not shed its name by passing NULL. */
		if (current->flags & PF_KTHREAD)
			return -EINVAL;
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
	}
	if (buf__sz < sizeof(*head) || !IS_ALIGNED((unsigned long)buf, 8) ||
	    (buf__sz - sizeof(*head)) % sizeof(*entries))
		return -EINVAL;
	return cdm_rmap_snapshot(pfn, entries,
				 (buf__sz - sizeof(*head)) / sizeof(*entries),
				 head, CDM_RMAP_TRY);
}

__bpf_kfunc_end_defs();
