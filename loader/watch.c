// SPDX-License-Identifier: GPL-2.0
/*
 * Watching a link: the kernel hangs it up when it throws a policy out.
 *
 * Signals are blocked and read from a descriptor, so that one that comes
 * between the attach and the wait is not lost.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cdmctl.h"

int watch_init(int *sig_fd)
{
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*sig_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (*sig_fd >= 0)
		return 0;
	err = -errno;
	return err_set(err, "cannot wait for signals: %s", strerror(-err));
}

static void sleep_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	nanosleep(&ts, NULL);
}

/*
 * Says why the policy went: an error if it was thrown out, a note if somebody
 * unloaded it. After a swap the link's policy has another id, so what went last
 * on this link is searched by name as well.
 */
static int report(unsigned int id, const char *name)
{
	struct exit_record rec;
	int i;

	/* The record is written before the link is hung up, but be patient. */
	for (i = 0; i < 20 && !exit_find(id, NULL, &rec); i++)
		sleep_ms(10);
	if (i == 20 && !exit_find(0, name, &rec))
		return err_set(-EPIPE, "policy %s is gone, and the kernel has no record of why",
			       name);
	if (!exit_is_error(&rec)) {
		note("policy %s (id %u) was %s by somebody else", rec.name, rec.id,
		     rec.kind);
		return 0;
	}
	err_set(-EPIPE, "policy %s (id %u) was ejected (%s%s%s, code %lld): %s",
		rec.name, rec.id, rec.kind,
		strcmp(rec.callback, "-") ? " in callback " : "",
		strcmp(rec.callback, "-") ? rec.callback : "", rec.code,
		rec.msg[0] ? rec.msg : "no message");
	err_hint("%s", exit_hint(&rec));
	return -EPIPE;
}

/* Until a signal comes, which is 0, or the policy goes. */
int watch_link(int link_fd, int sig_fd, unsigned int id, const char *name)
{
	struct pollfd fds[2] = {
		{ .fd = link_fd, .events = POLLHUP },
		{ .fd = sig_fd, .events = POLLIN },
	};
	struct signalfd_siginfo si;
	struct bpf_link_info info;
	struct policy_info pi;
	__u32 len;
	int n;

	for (;;) {
		/* A swap by somebody else gives the link a policy of another id. */
		n = poll(fds, 2, 1000);
		if (n < 0 && errno != EINTR)
			return err_set(-errno, "cannot watch the link: %s", strerror(errno));
		if (n > 0 && (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)))
			return report(id, name);
		if (n > 0 && (fds[1].revents & POLLIN)) {
			if (read(sig_fd, &si, sizeof(si)) == sizeof(si))
				note("%s", strsignal(si.ssi_signo));
			return 0;
		}
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (!bpf_link_get_info_by_fd(link_fd, &info, &len) &&
		    info.struct_ops.map_id && !policy_by_link(info.id, &pi))
			id = pi.id;
	}
}
