// SPDX-License-Identifier: GPL-2.0
/*
 * A CPU and devices take turns on the same memory, and all count who served them.
 *
 *	thrashrun [-d DEVICE]... [-s KIB] [-n TURNS] [-c CPU] [-v DEV] [-u] [-x] [-o] [-p]
 *		  [-g GRAIN] [-t THRESHOLD] [-b BATCH] [-m huge|nohuge] [-D DWELL]
 *		  [-l NEAR_NS] [-r FAR_NS] [-w WEIGHT] [-e SECONDS]
 *
 * The memory is touched first by the CPU. A turn of a device is DEV accesses, one of the
 * CPU, which is the last, CPU; then the next one's turn comes, by handshake: turns are
 * counted in accesses and not in time. Of more than 8192 accesses each that is made stands
 * for several, but not for more than WEIGHT, by default 64, as a thread that reads the lines
 * of a page does.
 * -u: to random pages, else in order. -x: the CPU uses every other page, devices those
 * between (false sharing in a large folio). -o: the CPU uses the first five eighths of the
 * memory, devices the last five. -p: the CPU only writes, devices only read.
 * -D: DWELL turns of one before the next one's come (a phase). -l, -r: how long an access
 * takes to the accessor's own node and to another; what has to be done meanwhile, a move
 * that was queued say, is done meanwhile. -e: no turn begins after so many seconds.
 *
 * A device has access counters, of what its own memory serves, too; and when its turn
 * ends its driver arms what it has used, so that the CPU's next access is seen.
 *
 * Prints "near N" and "far N", accesses that the accessor's own node served or another,
 * "waits", "wait_us", "counters";
 * and for each 2 MiB "block PAGES CPU DEV...", its pages and how often each has accessed it.
 * Moves are counted by the kernel.
 *
 *	thrashrun -M [-d DEVICE]
 *
 * prints "move_ns N", which the move of a page takes, of a 2 MiB that goes to and fro.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/cdm_sim.h>

#define PAGE		4096UL
#define ALIGN_TO	(2UL << 20)
#define MAX_MADE	8192ULL

#define MAX_DEVICES	2
#define MOVES		8

static struct {
	const char *device[MAX_DEVICES];
	int devices;
	size_t size;
	unsigned long long turns, cpu, dev, dwell, grain, threshold, batch, near, far, weight,
			   seconds;
	int uniform, between, overlap, produce, advice;
	bool measure;
} opt = {
	.size = 2 << 20,
	.turns = 20,
	.cpu = 1000,
	.dev = 1000,
	.dwell = 1,
	.grain = 2 << 20,
	.threshold = 64,
	.batch = 16,
	.weight = 64,
	.advice = MADV_NOHUGEPAGE,
};

static unsigned long long near, far, waits, wait_us, counters;

/* By whom, the CPU last; and of one turn. */
static __u64 *blocks[MAX_DEVICES + 1], *counts;

static void die(const char *what)
{
	fprintf(stderr, "thrashrun: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* How many of these accesses are made. */
static unsigned long long to_make(unsigned long long want)
{
	/* If each stands for more, fewer are enough. */
	unsigned long long most = MAX_MADE * 64 / opt.weight ?: 1;

	if (want <= most)
		return want;
	return want / opt.weight > most ? want / opt.weight : most;
}

static size_t nr_blocks(void)
{
	return (opt.size + CDM_SIM_COUNT_BYTES - 1) / CDM_SIM_COUNT_BYTES;
}

/* @nid: of the device, negative if it is the CPU's turn. */
static void take_turn(int fd, char *mem, int nid, unsigned long long seed, __u64 *all)
{
	bool device = nid >= 0;
	unsigned long long want = device ? opt.dev : opt.cpu;
	unsigned long long made = to_make(want), own;
	size_t i, skip = 0;
	struct cdm_sim_run run = {
		.size = sizeof(run),
		.version = CDM_SIM_VERSION,
		.pattern = opt.uniform ? CDM_SIM_UNIFORM : CDM_SIM_STRIDED,
		.addr = (uintptr_t)mem,
		.len = opt.size,
		.stride = opt.between ? 2 * PAGE : PAGE,
		.accesses = made,
		.weight = want / made,
		.near_ns = opt.near,
		.far_ns = opt.far,
		.seed = seed,
		.write_pct = !opt.produce ? 50 : device ? 0 : 100,
	};

	/* The word in the middle of a pair of pages is the second page's first. */
	if (opt.between && device) {
		run.addr += PAGE;
		run.len -= 2 * PAGE;
	}
	if (opt.overlap) {
		skip = device ? opt.size / 8 * 3 : 0;
		run.addr += skip;
		run.len = opt.size / 8 * 5;
	}
	run.counts = (uintptr_t)counts;
	if (device) {
		run.counter_grain = opt.grain;
		run.counter_threshold = opt.threshold;
		run.counter_batch = opt.batch;
		run.flags = CDM_SIM_RUN_ARM | CDM_SIM_RUN_COUNT_LOCAL;
	} else {
		run.flags = CDM_SIM_RUN_CPU;
	}
	if (ioctl(fd, CDM_SIM_IOC_RUN, &run))
		die(device ? "a device's turn" : "the CPU's turn");
	own = run.served[device ? nid : 0];
	near += own;
	far += run.done - own;
	waits += run.waits;
	wait_us += run.wait_us;
	counters += run.counters;
	/* Ranges begin with a block, but for one that has no other. */
	for (i = 0; i * CDM_SIM_COUNT_BYTES < run.len; i++)
		all[skip / CDM_SIM_COUNT_BYTES + i] += counts[i];
}

/* Pages are there, and go to the device's node and back. */
static void measure(int fd, char *mem, int nid)
{
	struct cdm_sim_move mv = {
		.size = sizeof(mv),
		.version = CDM_SIM_VERSION,
		.how = CDM_SIM_MOVE_RANGE,
		.addr = (uintptr_t)mem,
		.len = ALIGN_TO,
	};
	struct timespec begin, end;
	long long ns;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < MOVES; i++) {
		mv.nid = i % 2 ? 0 : nid;
		if (ioctl(fd, CDM_SIM_IOC_MOVE, &mv))
			die("a move");
		errno = EBUSY;
		if (mv.nr[0] != ALIGN_TO / PAGE)
			die("a move of all pages");
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	ns = (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec;
	printf("move_ns %lld\n", ns / MOVES / (long long)(ALIGN_TO / PAGE));
}

static void print_blocks(void)
{
	size_t i, left = opt.size;
	int who;

	for (i = 0; i < nr_blocks(); i++) {
		printf("block %zu %llu", (left < ALIGN_TO ? left : ALIGN_TO) / PAGE,
		       blocks[MAX_DEVICES][i]);
		for (who = 0; who < opt.devices; who++)
			printf(" %llu", blocks[who][i]);
		printf("\n");
		left -= ALIGN_TO;
	}
}

/* Opens a device; its node in @nid. */
static int open_device(const char *name, int *nid)
{
	struct cdm_sim_info info = { .size = sizeof(info), .version = CDM_SIM_VERSION };
	int fd = open(name, O_RDWR);

	if (fd < 0 || ioctl(fd, CDM_SIM_IOC_INFO, &info))
		die(name);
	*nid = info.nid;
	return fd;
}

static unsigned long long number(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 0);

	if (*end || !n) {
		fprintf(stderr, "thrashrun: %s: want a number above 0\n", text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	int c, fd[MAX_DEVICES], nid[MAX_DEVICES], who;
	unsigned long long turn, i;
	struct timespec begin, now;
	char *mem;

	while ((c = getopt(argc, argv, "d:s:n:c:v:uxopg:t:b:m:D:l:r:w:e:M")) != -1) {
		switch (c) {
		case 'd':
			if (opt.devices == MAX_DEVICES)
				return 2;
			opt.device[opt.devices++] = optarg;
			break;
		case 's': opt.size = number(optarg) << 10; break;
		case 'n': opt.turns = number(optarg); break;
		case 'c': opt.cpu = number(optarg); break;
		case 'v': opt.dev = number(optarg); break;
		case 'u': opt.uniform = 1; break;
		case 'x': opt.between = 1; break;
		case 'o': opt.overlap = 1; break;
		case 'p': opt.produce = 1; break;
		case 'M': opt.measure = true; break;
		case 'g': opt.grain = number(optarg); break;
		case 't': opt.threshold = number(optarg); break;
		case 'b': opt.batch = number(optarg); break;
		case 'm': opt.advice = strcmp(optarg, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE; break;
		case 'D': opt.dwell = number(optarg); break;
		case 'l': opt.near = number(optarg); break;
		case 'r': opt.far = number(optarg); break;
		case 'w': opt.weight = number(optarg); break;
		case 'e': opt.seconds = number(optarg); break;
		default: return 2;
		}
	}
	if (opt.overlap && opt.size % (8 * ALIGN_TO)) {
		fprintf(stderr, "thrashrun: -o wants a multiple of 16 MiB\n");
		return 2;
	}
	mem = mmap(NULL, opt.size + ALIGN_TO, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	mem = (char *)(((unsigned long)mem + ALIGN_TO - 1) & ~(ALIGN_TO - 1));
	if (madvise(mem, opt.size, opt.advice))
		die("madvise");
	for (i = 0; i < opt.size; i += PAGE)
		*(uint64_t *)(mem + i) = i;
	if (!opt.devices)
		opt.device[opt.devices++] = "/dev/cdm_sim0";
	for (c = 0; c < opt.devices; c++)
		fd[c] = open_device(opt.device[c], &nid[c]);
	if (opt.measure) {
		measure(fd[0], mem, nid[0]);
		return 0;
	}
	counts = calloc(nr_blocks(), sizeof(*counts));
	for (c = 0; c <= MAX_DEVICES; c++) {
		blocks[c] = calloc(nr_blocks(), sizeof(*counts));
		if (!counts || !blocks[c])
			die("calloc");
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (turn = 0; turn < opt.turns; turn++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (opt.seconds && now.tv_sec - begin.tv_sec >= (time_t)opt.seconds)
			break;
		who = turn / opt.dwell % (opt.devices + 1);
		if (who < opt.devices)
			take_turn(fd[who], mem, nid[who], turn + 1, blocks[who]);
		else
			take_turn(fd[0], mem, -1, turn + 1, blocks[MAX_DEVICES]);
	}
	printf("near %llu\nfar %llu\n", near, far);
	printf("waits %llu\nwait_us %llu\ncounters %llu\n", waits, wait_us, counters);
	print_blocks();
	return 0;
}
