// SPDX-License-Identifier: GPL-2.0
/*
 * Whom and what the kernel shall tell of: the texts of its filters, from the fields that
 * an event has.
 *
 * A node may stand in any field that names one: nid, src_nid, ... A process stands in a
 * field tgid, if there is one; else it is the threads that count, as an event knows its
 * thread only. Threads come and go, so they are looked up time and again. A filter has to
 * fit into a page: if there are too many gaps between the threads' numbers, the kernel is
 * given ranges with others in them, and those others are left out when they come.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"
#include "trace.h"

/* ---- threads ------------------------------------------------------------------------ */

static int cmp_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

static bool threads_have(const struct threads *t, int tid)
{
	return t->nr && bsearch(&tid, t->v, t->nr, sizeof(*t->v), cmp_int);
}

/* Looks for threads that are new. Returns how many, or an error. */
int threads_look(struct threads *t)
{
	int tid, nr, found = 0;
	char path[32], *end;
	struct dirent *de;
	void *tmp;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	d = opendir(path);
	if (!d)
		return 0;
	nr = t->nr;
	while ((de = readdir(d))) {
		tid = strtol(de->d_name, &end, 10);
		if (!isdigit((unsigned char)de->d_name[0]) || *end || threads_have(t, tid))
			continue;
		tmp = realloc(t->v, (nr + 1) * sizeof(*t->v));
		if (!tmp) {
			closedir(d);
			return err_set(-ENOMEM, "out of memory");
		}
		t->v = tmp;
		t->v[nr++] = tid;
		found++;
	}
	closedir(d);
	t->nr = nr;
	qsort(t->v, t->nr, sizeof(*t->v), cmp_int);
	return found;
}

void threads_free(struct threads *t)
{
	free(t->v);
	t->v = NULL;
	t->nr = 0;
}

/* ---- texts -------------------------------------------------------------------------- */

struct text {
	char *buf;
	size_t size, len;
	bool full;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= t->size - t->len)
		t->full = true;
	else
		t->len += n;
}

static bool names_node(const struct tep_format_field *field)
{
	size_t len = strlen(field->name);

	return !strcmp(field->name, "nid") ||
	       (len > 4 && !strcmp(field->name + len - 4, "_nid"));
}

/* Is there a node in such an event? */
bool trace_filter_nodes(const struct tep_event *event)
{
	const struct tep_format_field *field;

	for (field = event->format.fields; field; field = field->next)
		if (names_node(field))
			return true;
	return false;
}

static bool has_tgid(const struct tep_event *event)
{
	const struct tep_format_field *field;

	for (field = event->format.fields; field; field = field->next)
		if (!strcmp(field->name, "tgid"))
			return true;
	return false;
}

static void add_nodes(struct text *t, const struct tep_event *event, int nid)
{
	const struct tep_format_field *field;
	const char *or = " && (";

	for (field = event->format.fields; field; field = field->next) {
		if (!names_node(field))
			continue;
		add(t, "%s%s == %d", or, field->name, nid);
		or = " || ";
	}
	add(t, ")");
}

/* Ranges of threads, over gaps of less than @gap. */
static void add_threads(struct text *t, const struct tep_event *event,
			const struct threads *threads, long gap)
{
	const char *or = "";
	int i, first;

	add(t, " && (");
	if (has_tgid(event)) {
		add(t, "tgid == %d", threads->pid);
		or = " || ";
	}
	for (i = 0; i < threads->nr && !t->full; i++) {
		for (first = i; i + 1 < threads->nr; i++)
			if ((long)threads->v[i + 1] - threads->v[i] > gap)
				break;
		if (first == i)
			add(t, "%scommon_pid == %d", or, threads->v[i]);
		else
			add(t, "%s(common_pid >= %d && common_pid <= %d)", or,
			    threads->v[first], threads->v[i]);
		or = " || ";
	}
	add(t, ")");
}

/* The filter of @event, in the kernel's words. */
int trace_filter_text(const struct tep_event *event, struct filter *f, char *buf, size_t size)
{
	struct text t;
	long gap;

	for (gap = 1; gap <= INT_MAX; gap *= 2) {
		t = (struct text){ .buf = buf, .size = size };
		/* To print is to touch memory: that is no event that anybody waits for. */
		add(&t, "common_pid != %d", getpid());
		if (f->threads.pid)
			add_threads(&t, event, &f->threads, gap);
		if (f->nid >= 0)
			add_nodes(&t, event, f->nid);
		if (!t.full) {
			f->coarse |= gap > 1;
			return 0;
		}
	}
	return err_set(-E2BIG, "the filter of %s is too long", event->name);
}

/* Has the kernel told of what was asked for, though its filter was coarse? */
bool trace_filter_match(struct tep_event *event, struct tep_record *record, int tid,
			const struct filter *f)
{
	unsigned long long tgid;

	if (!f->coarse || threads_have(&f->threads, tid))
		return true;
	return has_tgid(event) && !tep_get_field_val(NULL, event, "tgid", record, &tgid, 0) &&
	       tgid == f->threads.pid;
}
