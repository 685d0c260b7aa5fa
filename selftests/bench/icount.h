/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What programs share that count instructions of short pieces of work, for a guest that
 * QEMU runs with -icount shift=0: rdtsc then advances by one with every instruction. One
 * CPU, nothing else running; elsewhere the figures mean nothing.
 *
 * The timer's tick would add its own few thousand instructions to whatever it hits. So
 * work is made of chunks, each small enough to end before the next tick and begun just
 * after one.
 */
#ifndef _BENCH_ICOUNT_H
#define _BENCH_ICOUNT_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A gap between two readings that only an interrupt explains. */
#define GAP		300
/* What a tick wakes runs right after it; it is over after this much quiet. */
#define QUIET		100000

extern char *program_invocation_short_name;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* Returns just after a tick and what it woke. */
static inline void after_tick(void)
{
	uint64_t quiet, prev, now;

	prev = rdtsc();
	do {
		now = rdtsc();
		if (now - prev > GAP)
			break;
		prev = now;
	} while (1);

	prev = rdtsc();
	quiet = prev;
	do {
		now = rdtsc();
		if (now - prev > GAP)
			quiet = now;
		prev = now;
	} while (now - quiet < QUIET);
}

/* N of the line "KEY N" of a file. */
static inline long read_stat(const char *file, const char *key)
{
	static char buf[1 << 16];
	size_t len = strlen(key), have = 0;
	ssize_t n;
	char *p;
	int fd;

	fd = open(file, O_RDONLY);
	if (fd < 0)
		die(file);
	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0)
		have += n;
	close(fd);
	if (n < 0)
		die(file);
	buf[have] = 0;
	for (p = buf; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, len) && p[len] == ' ')
			return atol(p + len + 1);
	fprintf(stderr, "%s: %s has no line \"%s N\"\n", program_invocation_short_name, file, key);
	exit(1);
}

static inline int cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#endif /* _BENCH_ICOUNT_H */
