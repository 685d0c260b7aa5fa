/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What cdmctl trace and its parts share: the kernel's tracing, by libtracefs.
 */
#ifndef CDMCTL_TRACE_H
#define CDMCTL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <tracefs.h>

/* Threads of a process, all that were ever seen. */
struct threads {
	int pid;		/* 0: no process was asked for */
	int *v;			/* ascending */
	int nr;
};

struct filter {
	int nid;		/* -1: any */
	struct threads threads;
	/* The kernel was told of too many threads: ask trace_filter_match(), too. */
	bool coarse;
};

struct tracing {
	struct tep_handle *tep;
	struct tracefs_instance *instance;
	struct tep_event **events;	/* those asked for */
	int nr_events;
	int hold;			/* as long as it is open, nobody can remove the instance */
};

/* ---- tracing.c: an instance of our own ---------------------------------------- */

const char *trace_kind(const struct tep_event *event);
int tracing_open(struct tracing *t, char *kinds, struct filter *f);
int tracing_refilter(struct tracing *t, struct filter *f);
int tracing_close(struct tracing *t);

/* ---- trace_filter.c: whom and what the kernel shall tell of --------------------- */

bool trace_filter_nodes(const struct tep_event *event);
int trace_filter_text(const struct tep_event *event, struct filter *f, char *buf, size_t size);
bool trace_filter_match(struct tep_event *event, struct tep_record *record, int tid,
			const struct filter *f);
int threads_look(struct threads *t);
void threads_free(struct threads *t);

/* ---- trace_print.c ------------------------------------------------------------- */

void trace_print_head(void);
void trace_print_batch(void);
void trace_print_event(struct tep_event *event, struct tep_record *record, int tid, int cpu);
void trace_print_lost(struct tep_record *record, int cpu);

#endif /* CDMCTL_TRACE_H */
