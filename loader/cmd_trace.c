// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl trace: the kernel's events of cdm_ext as they happen.
 *
 * The kernel filters (trace_filter.c) into buffers of an instance of our own (tracing.c),
 * which are emptied ten times a second. Whatever ends the command, the instance has to go:
 * signals only wake it up, and a reader that went is found by the error of a write.
 */
#define _GNU_SOURCE	/* pipe2() */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cdmctl.h"
#include "trace.h"

#define BATCH_MS	100

struct trace_args {
	unsigned long long pid, count;
	bool has_node;
	int nid;
	char *kinds;
	double seconds;		/* 0: no limit */
};

struct session {
	struct tracing tracing;
	struct filter filter;
	unsigned long long count, shown;	/* 0: no limit */
	unsigned long long end_ms, flushed_ms;
	int pidfd;
	bool ending;		/* nothing more is recorded; what was is printed */
	bool stopped;		/* print nothing any more */
	int err;		/* of the output */
};

/* ---- signals -------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;
static int wake[2];

/*
 * A handler, and no descriptor as for a policy that is watched: a write that waits for
 * its reader must be interrupted, too.
 */
static void on_signal(int sig)
{
	int saved = errno;

	signals++;
	if (write(wake[1], "", 1) < 0)
		errno = saved;
}

static int catch_signals(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };
	size_t i;

	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK))
		return err_set(-errno, "cannot wait for signals: %s", strerror(errno));
	for (i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* ---- events --------------------------------------------------------------------------- */

static unsigned long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void flush(struct session *s)
{
	s->flushed_ms = now_ms();
	/* Who reads this may have gone, or a second signal interrupts the write. */
	if (!fflush(stdout) && !ferror(stdout))
		return;
	s->stopped = true;
	if (errno != EPIPE && errno != EINTR)
		s->err = err_set(-errno, "cannot write what happened: %s", strerror(errno));
}

/* Called for each event, too, as a flood of them would not let a batch end. */
static void look_up(struct session *s)
{
	unsigned long long now = now_ms();

	if (now - s->flushed_ms >= BATCH_MS)
		flush(s);
	if (!s->ending && (signals || (s->end_ms && now >= s->end_ms))) {
		tracefs_trace_off(s->tracing.instance);
		s->ending = true;
	}
	if (signals > 1)
		s->stopped = true;
}

static int on_event(struct tep_event *event, struct tep_record *record, int cpu, void *data)
{
	struct session *s = data;
	int tid = tep_data_pid(s->tracing.tep, record);

	if (!s->stopped && trace_filter_match(event, record, tid, &s->filter)) {
		trace_print_event(event, record, tid, cpu);
		if (++s->shown == s->count)
			s->stopped = true;
	}
	look_up(s);
	return s->stopped;
}

static int on_lost(struct tep_event *event, struct tep_record *record, int cpu, void *data)
{
	trace_print_lost(record, cpu);
	return 0;
}

static int print_batch(struct session *s)
{
	trace_print_batch();
	errno = 0;
	if (tracefs_iterate_raw_events(s->tracing.tep, s->tracing.instance, NULL, 0, on_event,
				       s) < 0 && errno && errno != EAGAIN && errno != EINTR)
		return err_set(-errno, "cannot read the kernel's events: %s", strerror(errno));
	flush(s);
	return s->err;
}

/* Waits for a batch's time to pass. Returns whether it is the last one. */
static bool wait_batch(struct session *s)
{
	struct pollfd fds[] = {
		{ .fd = wake[0], .events = POLLIN },
		{ .fd = s->pidfd, .events = POLLIN },
		/* An error of a pipe: nobody reads it. */
		{ .fd = STDOUT_FILENO, .events = 0 },
	};
	unsigned long long now = now_ms();
	int ms = BATCH_MS;

	if (s->end_ms && now + ms > s->end_ms)
		ms = now < s->end_ms ? s->end_ms - now : 0;
	poll(fds, ARRAY_SIZE(fds), ms);
	if (fds[2].revents & POLLERR)
		s->stopped = true;
	return signals || fds[1].revents || (s->end_ms && now_ms() >= s->end_ms);
}

static int trace_loop(struct session *s)
{
	int err = 0, nr;
	bool last;

	while (!s->stopped && !s->ending && !err) {
		last = wait_batch(s);
		if (last) {
			tracefs_trace_off(s->tracing.instance);
			s->ending = true;
		}
		err = print_batch(s);
		if (err || !s->filter.threads.pid)
			continue;
		nr = threads_look(&s->filter.threads);
		err = nr > 0 ? tracing_refilter(&s->tracing, &s->filter) : nr;
	}
	return err;
}

/* ---- the command ---------------------------------------------------------------------- */

static error_t trace_parse(int key, char *arg, struct argp_state *state)
{
	struct trace_args *a = state->input;

	switch (key) {
	case 'p':
		if (parse_ulong(arg, INT32_MAX, "--pid", &a->pid))
			return EINVAL;
		if (a->pid)
			return 0;
		err_set(-EINVAL, "--pid: 0 is not a process");
		return EINVAL;
	case 'n':
		a->has_node = true;
		return parse_nid(arg, &a->nid) ? EINVAL : 0;
	case 'k':
		a->kinds = arg;
		return 0;
	case 'c':
		if (parse_ulong(arg, UINT64_MAX, "--count", &a->count))
			return EINVAL;
		if (a->count)
			return 0;
		err_set(-EINVAL, "--count: no event is nothing to show");
		return EINVAL;
	case 's':
		return parse_seconds(arg, "--seconds", 0.1, 31536000, &a->seconds) ? EINVAL : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Its end is ours, and its number cannot become another's unnoticed. */
static int watch_process(struct session *s, int pid)
{
	int err;

	if (!pid)
		return 0;
	s->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (s->pidfd < 0) {
		err = -errno;
		if (err == -ESRCH)
			err_set(err, "there is no process %d", pid);
		else if (err == -EINVAL)
			err_set(err, "%d is a thread, and no process", pid);
		else
			err_set(err, "cannot watch process %d: %s", pid, strerror(-err));
		err_hint("ps -e lists processes");
		return err;
	}
	s->filter.threads.pid = pid;
	err = threads_look(&s->filter.threads);
	return err < 0 ? err : 0;
}

static int trace_run(struct session *s, const struct trace_args *a)
{
	int err, end;

	err = tracing_open(&s->tracing, a->kinds, &s->filter);
	if (!err) {
		tracefs_follow_missed_events(s->tracing.instance, on_lost, s);
		trace_print_head();
		s->flushed_ms = now_ms();
		if (a->seconds)
			s->end_ms = s->flushed_ms + a->seconds * 1000;
		err = trace_loop(s);
	}
	end = tracing_close(&s->tracing);
	return err ?: end;
}

int trace_command(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "pid", 'p', "PID", 0, "Only what a process does, or what is done for it; ends with it", 0 },
		{ "node", 'n', "N", 0, "Only what names node N, in whichever part", 0 },
		{ "kind", 'k', "KIND,..", 0, "Only events of these kinds", 0 },
		{ "count", 'c', "COUNT", 0, "End after so many events", 0 },
		{ "seconds", 's', "SECONDS", 0, "End after so long; may be a fraction", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = trace_parse,
		.doc = "Show the kernel's events of cdm_ext as they happen: what policies were asked and answered, what was placed, moved and evicted, and what became of nodes."
		       "\vKINDs are those of events/cdm in tracefs, without cdm_; an unknown one lists them. The time is "
		       "CLOCK_MONOTONIC's. The trace has an instance of its own in tracefs, so it disturbs no other. With "
		       "-j an event is one line.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl trace\n"
		       "  cdmctl trace --pid 4711 --kind place,access\n"
		       "  cdmctl trace --node 1 --seconds 10\n"
		       "  cdmctl -j trace --kind evict --count 1",
	};
	struct session s = { .filter.nid = -1, .pidfd = -1 };
	struct trace_args a = {};
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (!err && a.has_node) {
		err = node_check_possible(a.nid);
		s.filter.nid = a.nid;
	}
	err = err ?: watch_process(&s, a.pid);
	err = err ?: catch_signals();
	if (!err) {
		s.count = a.count;
		err = trace_run(&s, &a);
	}
	if (s.pidfd >= 0)
		close(s.pidfd);
	threads_free(&s.filter.threads);
	return err;
}
