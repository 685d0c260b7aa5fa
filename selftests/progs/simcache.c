// SPDX-License-Identifier: GPL-2.0
/*
 * A device with a cache of translations works in our memory while that is moved,
 * copied and taken away under it.
 *
 *	simcache DEVICE KIND SEC [deaf]
 *
 *	move	pages go to other nodes and back (move_pages)
 *	fork	pages become shared and are copied
 *	drop	pages are dropped, and come back as zeroes (MADV_DONTNEED)
 *	remap	pages are moved in the address space and others come in their place
 *
 * Each access is a write that adds one, so with move and fork the sum of all words
 * is the number of accesses, unless a write went to a page that was not ours any
 * more. Prints "KEY VALUE" lines: the counters of struct cdm_sim_run, all runs
 * added up, changes (how often the memory was changed) and sum.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/cdm_sim.h>

#define PAGE	4096UL
#define PAGES	64UL
#define SIZE	(PAGES * PAGE)

static char *mem;
static const char *kind;
static volatile int stop;
static unsigned long changes;

static void die(const char *what)
{
	fprintf(stderr, "simcache: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void move(int nid)
{
	void *pages[PAGES];
	int nodes[PAGES], status[PAGES];
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		pages[i] = mem + i * PAGE;
		nodes[i] = nid;
	}
	if (syscall(__NR_move_pages, 0, PAGES, pages, nodes, status, 2) < 0)
		die("move_pages");
}

static void change(unsigned long n)
{
	char *from = mem + n * 7 % PAGES * PAGE, *p;
	pid_t pid;

	if (!strcmp(kind, "move")) {
		move(n % 3);
	} else if (!strcmp(kind, "fork")) {
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid < 0)
			die("fork");
		/* Copied by us, or by the device after it missed. */
		__atomic_fetch_add((uint64_t *)(from + 8), 0, __ATOMIC_RELAXED);
		waitpid(pid, NULL, 0);
	} else if (!strcmp(kind, "drop")) {
		if (madvise(from, PAGE, MADV_DONTNEED))
			die("madvise");
	} else if (!strcmp(kind, "remap")) {
		p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
		*p = 0;
		/* There is a page at @from before and after, another one. */
		if (mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, from) == MAP_FAILED)
			die("mremap");
	} else {
		die(kind);
	}
}

static void *changer(void *arg)
{
	while (!stop) {
		change(changes++);
		usleep(1000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct cdm_sim_run run, all = {};
	int deaf = argc > 4 && !strcmp(argv[4], "deaf");
	uint64_t sum = 0, i;
	pthread_t thread;
	time_t end;
	int fd;

	if (argc < 4)
		return 2;
	kind = argv[2];
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || madvise(mem, SIZE, MADV_NOHUGEPAGE))
		die("mmap");
	fd = open(argv[1], O_RDWR);
	if (fd < 0)
		die(argv[1]);
	if (pthread_create(&thread, NULL, changer, NULL))
		die("pthread_create");
	end = time(NULL) + atoi(argv[3]);
	for (i = 0; time(NULL) < end; i++) {
		memset(&run, 0, sizeof(run));
		run.size = sizeof(run);
		run.version = CDM_SIM_VERSION;
		run.pattern = CDM_SIM_UNIFORM;
		run.flags = CDM_SIM_RUN_CACHE | CDM_SIM_RUN_CHECK |
			    (deaf ? CDM_SIM_RUN_DEAF : 0);
		run.addr = (uintptr_t)mem;
		run.len = SIZE;
		run.accesses = 50000;
		run.write_pct = 100;
		run.seed = i + 1;
		if (ioctl(fd, CDM_SIM_IOC_RUN, &run))
			die("CDM_SIM_IOC_RUN");
		all.done += run.done;
		all.dev_faults += run.dev_faults;
		all.cache_hits += run.cache_hits;
		all.cache_misses += run.cache_misses;
		all.cache_fills += run.cache_fills;
		all.cache_retries += run.cache_retries;
		all.cache_invalidations += run.cache_invalidations;
		all.cache_stale += run.cache_stale;
	}
	stop = 1;
	pthread_join(thread, NULL);
	for (i = 0; i < SIZE / 8; i++)
		sum += ((uint64_t *)mem)[i];
	printf("done %llu\ndev_faults %llu\nhits %llu\nmisses %llu\nfills %llu\nretries %llu\n"
	       "invalidations %llu\nstale %llu\nchanges %lu\nsum %llu\n",
	       all.done, all.dev_faults, all.cache_hits, all.cache_misses,
	       all.cache_fills, all.cache_retries, all.cache_invalidations,
	       all.cache_stale, changes, (unsigned long long)sum);
	return 0;
}
