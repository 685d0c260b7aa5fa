// SPDX-License-Identifier: GPL-2.0
/*
 * What does it take to be told of an access, in instructions?
 *
 *	accesscost hint NODE [STATS]	a CPU's hint fault at a page of NODE
 *	accesscost report NODE [STATS]	a report of a counter of the device of NODE, about
 *					pages of node 0
 *
 * For a guest under -icount, see icount.h, with cdm_accesscost.ko loaded. STATS is the
 * file with the statistics of a policy. Prints "METRIC N", and with STATS "METRIC_calls N"
 * and "METRIC_events N": how often it was asked of access, and about how many events.
 *
 * A round is made of chunks of events; the first rounds are thrown away, and of the others
 * the median counts. Each page is in one event only, so that it is its first to any
 * policy. All of it is bound to its node by mbind(), which denies every move: what is
 * counted is what it takes to ask, to decide and to do as far as nothing moves, and not a
 * copy. What kcdmd is asked for it does while this sleeps between two chunks; this is a
 * real-time task, so that nobody comes in between otherwise.
 *
 * A hint fault is a read of a page of which the module has taken the access rights, as
 * NUMA balancing does. The same loop over pages that have theirs is measured too and
 * subtracted. Reports are made, and counted, in the module. The kernel's own count of
 * events must be right, or this fails.
 */
#include <numaif.h>
#include <sched.h>
#include <sys/mman.h>

#include "icount.h"

#define PAGE		4096UL
#define BLOCK		(2UL << 20)
#define WARM_ROUNDS	2
#define ROUNDS		5
#define MAX_CHUNK	128
/* kcdmd is done with what a chunk asked for. */
#define PAUSE_US	20000

#define MODULE		"/sys/kernel/debug/cdm_accesscost"

/**
 * struct kind - an event to measure
 * @name: of the metric
 * @pages: that one is about
 * @chunk: events in a chunk
 * @chunks: in a round
 * @batch: reports in a call; 0 for hint faults
 */
struct kind {
	const char *name;
	unsigned int pages, chunk, chunks, batch;
};

static const struct kind hints[] = {
	{ "hint_fault", 1, MAX_CHUNK, 8, 0 },
	{},
};

/* Counters of a page and of 64 KiB, alone and 64 in a call. */
static const struct kind reports[] = {
	{ "report_4k", 1, 64, 4, 1 },
	{ "report_4k_batch", 1, 64, 4, 64 },
	{ "report_64k", 16, 64, 2, 1 },
	{ "report_64k_batch", 16, 64, 2, 64 },
	{},
};

static int node;
static const char *stats;
static char node_stats[64];

/* The module's answer. */
static uint64_t ask(const char *cmd)
{
	char text[32] = "";
	int fd = open(MODULE, O_RDWR);

	if (fd < 0)
		die(MODULE);
	if (write(fd, cmd, strlen(cmd)) < 0)
		die(cmd);
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		die(MODULE);
	close(fd);
	return strtoull(text, NULL, 10);
}

/*
 * Of whole blocks: a policy may arm all that it knows of one, and what else is in it would
 * fault when nobody expects it.
 */
static char *map(size_t size, int nid)
{
	unsigned long mask = 1UL << nid;
	char *p;
	size_t i;

	p = mmap(NULL, size + 2 * BLOCK, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	p = (char *)(((uintptr_t)p + BLOCK - 1) & ~(BLOCK - 1));
	if (madvise(p, size, MADV_NOHUGEPAGE))
		die("madvise");
	if (mbind(p, size, MPOL_BIND, &mask, 8 * sizeof(mask), 0))
		die("mbind");
	for (i = 0; i < size; i += PAGE)
		*(volatile char *)(p + i) = 1;
	return p;
}

/* kcdmd, or a policy's tick, may have moved what it was not to. */
static void check_where(char *p, unsigned int pages, int nid)
{
	void *page[64];
	int where[64];
	unsigned int i, nr;

	for (; pages; pages -= nr, p += nr * PAGE) {
		nr = pages < 64 ? pages : 64;
		for (i = 0; i < nr; i++)
			page[i] = p + i * PAGE;
		if (move_pages(0, nr, page, NULL, where, 0))
			die("move_pages");
		for (i = 0; i < nr; i++)
			if (where[i] != nid) {
				fprintf(stderr, "accesscost: a page is on node %d, not %d\n",
					where[i], nid);
				exit(1);
			}
	}
}

static long events_so_far(const struct kind *k)
{
	return k->batch ? read_stat(node_stats, "dev_reports") :
			  read_stat("/proc/vmstat", "numa_hint_faults");
}

static uint64_t touch(volatile char *p, unsigned int pages)
{
	uint64_t start = rdtsc();
	unsigned int i;

	for (i = 0; i < pages; i++)
		(void)p[i * PAGE];
	return rdtsc() - start;
}

static uint64_t chunk(const struct kind *k, char *p)
{
	uint64_t took;
	char cmd[96];

	if (k->batch) {
		snprintf(cmd, sizeof(cmd), "report %lx %u %u %u %d", (unsigned long)p, k->chunk,
			 k->pages, k->batch, node);
		after_tick();
		return ask(cmd);
	}
	snprintf(cmd, sizeof(cmd), "hint %lx %u", (unsigned long)p, k->chunk);
	if (ask(cmd) != k->chunk) {
		fprintf(stderr, "accesscost: not all pages could be taken rights of\n");
		exit(1);
	}
	after_tick();
	took = touch(p, k->chunk);
	return took - touch(p, k->chunk);
}

static void measure(const struct kind *k)
{
	size_t step = (size_t)k->chunk * k->pages * PAGE;
	size_t size = (WARM_ROUNDS + ROUNDS) * k->chunks * step;
	int nid = k->batch ? 0 : node, r, c;
	long before, calls_before, calls = 0, events = 0;
	double cost[ROUNDS];
	char *p = map(size, nid), *at = p;
	uint64_t sum;

	for (r = -WARM_ROUNDS; r < ROUNDS; r++) {
		for (sum = 0, c = 0; c < k->chunks; c++, at += step) {
			usleep(PAUSE_US);
			check_where(at, k->chunk * k->pages, nid);
			calls_before = stats ? read_stat(stats, "calls_access") : 0;
			before = events_so_far(k);
			sum += chunk(k, at);
			before = events_so_far(k) - before;
			if (before != k->chunk) {
				fprintf(stderr, "accesscost: %s: %ld events, not %u\n", k->name,
					before, k->chunk);
				exit(1);
			}
			events += before;
			if (stats)
				calls += read_stat(stats, "calls_access") - calls_before;
		}
		if (r >= 0)
			cost[r] = (double)sum / (k->chunks * k->chunk);
	}
	/* Not unmapped: the next has other addresses, which no policy knows yet. */
	if (madvise(p, size, MADV_DONTNEED))
		die("madvise");
	qsort(cost, ROUNDS, sizeof(cost[0]), cmp_double);
	printf("%s %.2f\n", k->name, cost[ROUNDS / 2]);
	printf("%s_round_spread %.2f\n", k->name, cost[ROUNDS - 1] - cost[0]);
	if (stats)
		printf("%s_calls %ld\n%s_events %ld\n", k->name, calls, k->name, events);
}

int main(int argc, char **argv)
{
	const struct sched_param rt = { .sched_priority = 1 };
	const struct kind *k = NULL;

	if (argc == 3 || argc == 4)
		k = !strcmp(argv[1], "hint") ? hints : !strcmp(argv[1], "report") ? reports : NULL;
	if (!k) {
		fprintf(stderr, "usage: accesscost hint|report NODE [STATS]\n");
		return 2;
	}
	node = atoi(argv[2]);
	stats = argv[3];
	snprintf(node_stats, sizeof(node_stats), "/sys/kernel/mm/cdm/nodes/%d/stats", node);
	if (mlockall(MCL_CURRENT))
		die("mlockall");
	if (sched_setscheduler(0, SCHED_FIFO, &rt))
		die("sched_setscheduler");
	for (; k->name; k++)
		measure(k);
	return 0;
}
