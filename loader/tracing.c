// SPDX-License-Identifier: GPL-2.0
/*
 * An instance of the kernel's tracing for each cdmctl trace.
 *
 * An instance has buffers, filters and a clock of its own, so nobody else's tracing is
 * disturbed. The kernel keeps it until it is removed: by the command's end, or, if the
 * command was killed, by the next one, which finds the dead one's number in the name. As
 * long as a command lives it has a file of its instance open, so that one whose number is
 * misread, as it is of another pid namespace, cannot lose it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"
#include "trace.h"

#define SYSTEM		"cdm"
#define EVENT_PREFIX	"cdm_"
#define INSTANCE	"cdmctl-"

/* The event's name as users know it. */
const char *trace_kind(const struct tep_event *event)
{
	size_t len = strlen(EVENT_PREFIX);

	return event->name + (strncmp(event->name, EVENT_PREFIX, len) ? 0 : len);
}

/* ---- what the kernel has --------------------------------------------------------- */

static int check_tracefs(void)
{
	const char *dir = NULL;
	char path[256];

	/* libtracefs would mount it, which is not for a looker-on to do. */
	if (tracefs_tracing_dir_is_mounted(false, &dir) <= 0 || !dir) {
		err_set(-ENOENT, "tracefs is not mounted");
		err_hint("as root: mount -t tracefs tracefs /sys/kernel/tracing");
		return -ENOENT;
	}
	if (access(dir, R_OK | W_OK | X_OK)) {
		err_set(-EACCES, "cannot use %s: %s", dir, strerror(errno));
		err_hint("run it as root");
		return -EACCES;
	}
	snprintf(path, sizeof(path), "%s/instances", dir);
	if (access(path, W_OK)) {
		err_set(-ENOSYS, "cannot use %s: %s", path, strerror(errno));
		err_hint("the kernel needs CONFIG_TRACING=y, see README.md");
		return -ENOSYS;
	}
	snprintf(path, sizeof(path), "%s/events/" SYSTEM, dir);
	if (access(path, R_OK | X_OK)) {
		err_set(-ENOSYS, "the kernel tells of no events of cdm_ext (%s: %s)", path,
			strerror(errno));
		err_hint("build it with CONFIG_EVENT_TRACING=y");
		return -ENOSYS;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct tep_event *const *)a)->name,
		      (*(struct tep_event *const *)b)->name);
}

static int read_format(struct tep_handle *tep, const char *event)
{
	char *text;
	int size, err;

	text = tracefs_event_file_read(NULL, SYSTEM, event, "format", &size);
	if (!text)
		return -1;
	err = tep_parse_event(tep, text, size, SYSTEM);
	free(text);
	return err;
}

/*
 * All events of cdm_ext. As libtracefs has no way to read their formats without all of
 * the kernel's symbols, too, which takes seconds, they are read one by one.
 */
static int read_formats(struct tep_handle *tep)
{
	char **names, *text;
	int i, size, err;

	text = tracefs_instance_file_read(NULL, "events/header_page", &size);
	err = text ? tep_parse_header_page(tep, text, size, sizeof(long)) : -1;
	free(text);
	names = err ? NULL : tracefs_system_events(NULL, SYSTEM);
	for (i = 0; names && names[i] && !err; i++)
		err = read_format(tep, names[i]);
	tracefs_list_free(names);
	return err;
}

static int find_events(struct tracing *t)
{
	int i, nr;

	if (!env.verbose)
		tep_set_loglevel(TEP_LOG_NONE);
	t->tep = tep_alloc();
	if (!t->tep)
		return err_set(-ENOMEM, "out of memory");
	tep_set_file_bigendian(t->tep, __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ?
			       TEP_BIG_ENDIAN : TEP_LITTLE_ENDIAN);
	nr = read_formats(t->tep) ? 0 : tep_get_events_count(t->tep);
	if (!nr)
		return err_set(-EIO, "cannot read the formats of tracefs in events/" SYSTEM);
	t->events = calloc(nr, sizeof(*t->events));
	if (!t->events)
		return err_set(-ENOMEM, "out of memory");
	for (i = 0; i < nr; i++)
		t->events[t->nr_events++] = tep_get_event(t->tep, i);
	qsort(t->events, t->nr_events, sizeof(*t->events), by_name);
	return 0;
}

static int unknown_kind(const struct tracing *t, const char *kind)
{
	char words[1024] = "";
	size_t len;
	int i;

	for (i = 0; i < t->nr_events; i++) {
		len = strlen(words);
		snprintf(words + len, sizeof(words) - len, "%s%s", i ? ", " : "",
			 trace_kind(t->events[i]));
	}
	return err_set(-EINVAL, "'%s' is not a kind of event; there are %s", kind, words);
}

/* Keeps those of @kinds, or all; of these only those that can be about a node. */
static int choose_events(struct tracing *t, char *kinds, const struct filter *f)
{
	char *kind, *save = NULL;
	bool *keep;
	int i, nr = 0, err = 0;

	keep = calloc(t->nr_events, sizeof(*keep));
	if (!keep)
		return err_set(-ENOMEM, "out of memory");
	for (i = 0; !kinds && i < t->nr_events; i++)
		keep[i] = f->nid < 0 || trace_filter_nodes(t->events[i]);
	for (kind = kinds ? strtok_r(kinds, ",", &save) : NULL; kind && !err;
	     kind = strtok_r(NULL, ",", &save)) {
		for (i = 0; i < t->nr_events; i++)
			if (!strcmp(kind, trace_kind(t->events[i])))
				break;
		if (i == t->nr_events)
			err = unknown_kind(t, kind);
		else if (f->nid >= 0 && !trace_filter_nodes(t->events[i]))
			err = err_set(-EINVAL, "events of kind %s name no node; leave out --node, or the kind",
				      kind);
		else
			keep[i] = true;
	}
	for (i = 0; i < t->nr_events; i++)
		if (keep[i])
			t->events[nr++] = t->events[i];
	t->nr_events = nr;
	free(keep);
	if (!err && !nr)
		err = err_set(-EINVAL, "--kind names no kind of event");
	return err;
}

/* ---- the instance ------------------------------------------------------------------ */

/* Instances that belonged to who is no more. */
static void remove_leftovers(void)
{
	struct dirent *de;
	char *dir, *end, path[512];
	long pid;
	DIR *d;

	dir = tracefs_get_tracing_file("instances");
	d = dir ? opendir(dir) : NULL;
	while (d && (de = readdir(d))) {
		if (strncmp(de->d_name, INSTANCE, strlen(INSTANCE)))
			continue;
		pid = strtol(de->d_name + strlen(INSTANCE), &end, 10);
		/* What has our own number cannot be ours yet. */
		if (*end || pid <= 0 || (pid != getpid() && (!kill(pid, 0) || errno != ESRCH)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		rmdir(path);
	}
	if (d)
		closedir(d);
	tracefs_put_tracing_file(dir);
}

static int make_instance(struct tracing *t)
{
	char name[32];

	snprintf(name, sizeof(name), INSTANCE "%d", getpid());
	t->instance = tracefs_instance_create(name);
	if (!t->instance)
		return err_set(-errno, "cannot make the tracing instance %s: %s", name,
			       strerror(errno));
	t->hold = tracefs_instance_file_open(t->instance, "tracing_on", O_RDONLY | O_CLOEXEC);
	if (t->hold < 0)
		return err_set(-EIO, "cannot open the tracing instance %s", name);
	/* One clock for all CPUs, the one that programs ask as CLOCK_MONOTONIC. */
	if (tracefs_instance_file_write(t->instance, "trace_clock", "mono") < 0)
		return err_set(-EIO, "cannot set trace_clock of the tracing instance %s", name);
	return 0;
}

static int set_filter(struct tracing *t, struct tep_event *event, struct filter *f)
{
	char text[4000];
	int err;

	err = trace_filter_text(event, f, text, sizeof(text));
	if (err)
		return err;
	if (tracefs_event_file_write(t->instance, SYSTEM, event->name, "filter", text) < 0)
		return err_set(-EIO, "the kernel refuses the filter '%s' of %s", text,
			       event->name);
	return 0;
}

/* Once it is known which threads there are, or that there are more. */
int tracing_refilter(struct tracing *t, struct filter *f)
{
	int i, err = 0;

	f->coarse = false;
	for (i = 0; i < t->nr_events && !err; i++)
		err = set_filter(t, t->events[i], f);
	return err;
}

/* Begins to trace what is asked for; @kinds is NULL or a list with commas. */
int tracing_open(struct tracing *t, char *kinds, struct filter *f)
{
	int i, err;

	memset(t, 0, sizeof(*t));
	t->hold = -1;
	err = check_tracefs();
	err = err ?: find_events(t);
	err = err ?: choose_events(t, kinds, f);
	if (!err) {
		remove_leftovers();
		err = make_instance(t);
	}
	err = err ?: tracing_refilter(t, f);
	for (i = 0; i < t->nr_events && !err; i++)
		if (tracefs_event_enable(t->instance, SYSTEM, t->events[i]->name))
			err = err_set(-EIO, "cannot switch the event %s on", t->events[i]->name);
	return err;
}

/* Also of what was not opened in full. */
int tracing_close(struct tracing *t)
{
	int err = 0;

	if (t->hold >= 0)
		close(t->hold);
	t->hold = -1;
	if (t->instance) {
		if (tracefs_instance_destroy(t->instance))
			err = err_set(-EBUSY, "cannot remove the tracing instance %s: somebody else has it open",
				      tracefs_instance_get_name(t->instance));
		tracefs_instance_free(t->instance);
	}
	t->instance = NULL;
	tep_free(t->tep);
	free(t->events);
	return err;
}
