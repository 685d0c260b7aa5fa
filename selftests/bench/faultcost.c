// SPDX-License-Identifier: GPL-2.0
/*
 * What does a first-touch page fault cost, in instructions?
 *
 * For a guest under -icount, see icount.h.
 *
 * A round touches ROUND_PAGES fresh pages. The first rounds are thrown away:
 * they build the page tables, which giving the pages back (MADV_DONTNEED, and
 * MADV_REMOVE for shmem) leaves standing, and fill the allocator's lists. What
 * comes once in many faults (refilling the per-CPU list of free pages, draining
 * the LRU batch) is part of a fault's cost and is in the mean over a round; the
 * result is the median of the rounds.
 *
 * The same loop over pages that are there is measured too and subtracted.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "icount.h"

#define PAGE		4096UL
#define CHUNK_PAGES	256
#define CHUNKS		16
#define ROUND_PAGES	(CHUNK_PAGES * CHUNKS)
#define WARM_ROUNDS	2
#define ROUNDS		5

static char stats_file[256];
static char stats_key[64];

/* The line "KEY N" of the policy's statistics, or -1 if none was asked for. */
static long calls_so_far(void)
{
	return stats_file[0] ? read_stat(stats_file, stats_key) : -1;
}

static long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

static uint64_t touch(volatile char *p)
{
	uint64_t start = rdtsc();
	int i;

	for (i = 0; i < CHUNK_PAGES; i++)
		p[i * PAGE] = 1;
	return rdtsc() - start;
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
		b_calls = calls_so_far();
		for (sum = 0, c = 0; c < CHUNKS; c++) {
			char *at = p + c * CHUNK_PAGES * PAGE;

			after_tick();
			sum += touch(at);
			sum -= touch(at);
		}
		if (r >= 0) {
			calls += calls_so_far() - b_calls;
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
	qsort(cost, ROUNDS, sizeof(cost[0]), cmp_double);
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
	calls_so_far();
	measure("anon", MAP_PRIVATE, MADV_DONTNEED);
	measure("shmem", MAP_SHARED, MADV_REMOVE);
	return 0;
}
