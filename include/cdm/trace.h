/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recorded trace of accesses, as a file that cdmctl sim replay reads.
 *
 * A head, then an array of struct cdm_sim_op (linux/cdm_sim.h): when, which page, and
 * whether it wrote. All numbers are little-endian. Pages are numbered from 0 to
 * nr_pages - 1, so that a trace of anything (pages, objects, blocks) can be one.
 *
 *	offset	bytes	what
 *	0	8	"CDMTRACE"
 *	8	4	CDM_TRACE_VERSION
 *	12	4	nr_pages
 *	16	8	nr_ops
 *	24	8	zero
 *	32	16	for each access: time (8), page (4), 1 if it writes, else 0 (4)
 */
#ifndef _CDM_TRACE_H
#define _CDM_TRACE_H

#include <linux/cdm_sim.h>
#include <linux/types.h>

#define CDM_TRACE_MAGIC		"CDMTRACE"
#define CDM_TRACE_VERSION	1

struct cdm_trace_head {
	char magic[8];
	__u32 version;
	__u32 nr_pages;
	__u64 nr_ops;
	__u64 reserved;
};

#endif /* _CDM_TRACE_H */
