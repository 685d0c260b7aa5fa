// SPDX-License-Identifier: GPL-2.0
/*
 * What does a first-touch page fault cost, in instructions?
 *
 * For a guest that QEMU runs with -icount shift=0: rdtsc then advances by one
 * with every instruction, so a difference of two readings is a count. One CPU,
 * nothing else running; elsewhere the figures mean nothing.
 *
 * A round touches ROUND_PAGES fresh pages. The first rounds are thrown away:
 * they build the page tables, which giving the pages back (MADV_DONTNEED, and
 * MADV_REMOVE for shmem) leaves standing, and fill the allocator's lists. The
 * timer's tick would add its own few thousand instructions to whatever it hits,
 * so a round is made of chunks, each small enough to end before the next tick
 * and begun just after one. What comes once in many faults (refilling the
 * per-CPU list of free pages, draining the LRU batch) is part of a fault's cost
 * and is in the mean over a round; the result is the median of the rounds.
 *
 * The same loop over pages that are there is measured too and subtracted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define CHUNK_PAGES	256
#define CHUNKS		16
#define ROUND_PAGES	(CHUNK_PAGES * CHUNKS)
#define WARM_ROUNDS	2
#define ROUNDS		5

/* A gap between two readings that only an interrupt explains. */
#define GAP		300
/* What a tick wakes runs right after it; it is over after this much quiet. */
#define QUIET		100000

static char stats_file[256];
static char stats_key[64];

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static void die(const char *what)
{
	fprintf(stderr, "faultcost: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The line "KEY N" of the policy's statistics, or -1 if none was asked for. */
static long read_stat(void)
{
	static char buf[4096];
	size_t len = strlen(stats_key);
	ssize_t n;
	char *p;
	int fd;

	if (!stats_file[0])
		return -1;
	fd = open(stats_file, O_RDONLY);
	if (fd < 0)
		die(stats_file);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n < 0)
		die(stats_file);
	buf[n] = 0;
	for (p = buf; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, stats_key, len) && p[len] == ' ')
			return atol(p + len + 1);
	fprintf(stderr, "faultcost: %s has no line \"%s N\"\n", stats_file,
		stats_key);
	exit(1);
}

static long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

/* Returns just after a tick and what it woke. */
static void after_tick(void)
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

static uint64_t touch(volatile char *p)
{
	uint64_t start = rdtsc();
	int i;

	for (i = 0; i < CHUNK_PAGES; i++)
		p[i * PAGE] = 1;
	return rdtsc() - start;
}

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, int flags, int giveback)
{
	static double cost[ROUNDS];
	long flt = 0, calls = 0, before, b_calls;
	uint64_t sum;
	int r, c;
	char *p;

	p = mmap(NULL, ROUND_PAGES * PAGE, PROT_READ | PROT_WRITE,
		 flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	if (madvise(p, ROUND_PAGES * PAGE, MADV_NOHUGEPAGE))
		die("madvise(MADV_NOHUGEPAGE)");

	for (r = -WARM_ROUNDS; r < ROUNDS; r++) {
		before = faults();
		b_calls = read_stat();
		for (sum = 0, c = 0; c < CHUNKS; c++) {
			char *at = p + c * CHUNK_PAGES * PAGE;

			after_tick();
			sum += touch(at);
			sum -= touch(at);
		}
		if (r >= 0) {
			calls += read_stat() - b_calls;
			flt += faults() - before;
			cost[r] = (double)sum / ROUND_PAGES;
		}
		if (madvise(p, ROUND_PAGES * PAGE, giveback))
			die("giving pages back");
	}
	munmap(p, ROUND_PAGES * PAGE);

	/* Large folios, or a kernel that maps around, would be cheap faults. */
	if (flt != (long)ROUNDS * ROUND_PAGES) {
		fprintf(stderr, "faultcost: %s: %ld faults for %ld pages\n",
			name, flt, (long)ROUNDS * ROUND_PAGES);
		exit(1);
	}
	qsort(cost, ROUNDS, sizeof(cost[0]), cmp);
	printf("%s_fault %.2f\n", name, cost[ROUNDS / 2]);
	printf("%s_round_spread %.2f\n", name, cost[ROUNDS - 1] - cost[0]);
	if (stats_file[0]) {
		printf("%s_faults %ld\n", name, flt);
		printf("%s_calls %ld\n", name, calls);
	}
}

int main(int argc, char **argv)
{
	if (argc != 1 && argc != 3) {
		fprintf(stderr,
			"usage: faultcost [STATS-FILE KEY]\n"
			"Prints the instructions of a first-touch fault, and how often the line\n"
			"\"KEY N\" of STATS-FILE counted meanwhile. Needs -icount shift=0.\n");
		return 2;
	}
	if (argc == 3) {
		snprintf(stats_file, sizeof(stats_file), "%s", argv[1]);
		snprintf(stats_key, sizeof(stats_key), "%s", argv[2]);
	}
	/* No fault may be counted but those of touch(). */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mlockall(MCL_CURRENT))
		die("mlockall");
	read_stat();
	measure("anon", MAP_PRIVATE, MADV_DONTNEED);
	measure("shmem", MAP_SHARED, MADV_REMOVE);
	return 0;
}
