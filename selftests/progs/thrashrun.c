// SPDX-License-Identifier: GPL-2.0
/*
 * A CPU and a device take turns on the same memory, and both count who served them.
 *
 *	thrashrun [-d DEVICE] [-s KIB] [-n TURNS] [-c CPU] [-v DEV] [-u] [-x]
 *		  [-g GRAIN] [-t THRESHOLD] [-b BATCH] [-m huge|nohuge] [-D DWELL]
 *
 * The memory is touched first by the CPU. A turn of the CPU is CPU accesses, one of the
 * device DEV; then the other's turn comes, by handshake: turns are counted in accesses
 * and not in time. Of more than 2048 accesses each that is made stands for several, as a
 * thread that reads a few lines of a page does. -u: to random pages, else in order. -x:
 * the CPU uses every other page, the device those between (false sharing in a large
 * folio). -D: DWELL turns of one before the other's come (a phase).
 *
 * The device has access counters, of what its own memory serves, too; and when its turn
 * ends its driver arms what it has used, so that the CPU's next access is seen.
 *
 * Prints "cpu_N X" and "dev_N X": accesses that node N served; "waits", "wait_us",
 * "counters", and "turns". Moves are counted by the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/cdm_sim.h>

#define PAGE		4096UL
#define ALIGN_TO	(2UL << 20)
#define MAX_MADE	2048ULL

static struct {
	const char *device;
	size_t size;
	unsigned long long turns, cpu, dev, dwell, grain, threshold, batch;
	int uniform, between, advice;
} opt = {
	.device = "/dev/cdm_sim0",
	.size = 2 << 20,
	.turns = 20,
	.cpu = 1000,
	.dev = 1000,
	.dwell = 1,
	.grain = 64 << 10,
	.threshold = 64,
	.batch = 16,
	.advice = MADV_NOHUGEPAGE,
};

static unsigned long long served[2][CDM_SIM_NR_NODES], waits, wait_us, counters;

static void die(const char *what)
{
	fprintf(stderr, "thrashrun: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void take_turn(int fd, char *mem, int device, unsigned long long seed)
{
	unsigned long long want = device ? opt.dev : opt.cpu;
	unsigned long long made = want < MAX_MADE ? want : MAX_MADE;
	struct cdm_sim_run run = {
		.size = sizeof(run),
		.version = CDM_SIM_VERSION,
		.pattern = opt.uniform ? CDM_SIM_UNIFORM : CDM_SIM_STRIDED,
		.addr = (uintptr_t)mem,
		.len = opt.size,
		.stride = opt.between ? 2 * PAGE : PAGE,
		.accesses = made,
		.weight = want / made,
		.seed = seed,
		.write_pct = 50,
	};
	int i;

	/* The word in the middle of a pair of pages is the second page's first. */
	if (opt.between && device) {
		run.addr += PAGE;
		run.len -= 2 * PAGE;
	}
	if (device) {
		run.counter_grain = opt.grain;
		run.counter_threshold = opt.threshold;
		run.counter_batch = opt.batch;
		run.flags = CDM_SIM_RUN_ARM | CDM_SIM_RUN_COUNT_LOCAL;
	} else {
		run.flags = CDM_SIM_RUN_CPU;
	}
	if (ioctl(fd, CDM_SIM_IOC_RUN, &run))
		die(device ? "the device's turn" : "the CPU's turn");
	for (i = 0; i < CDM_SIM_NR_NODES; i++)
		served[device][i] += run.served[i];
	waits += run.waits;
	wait_us += run.wait_us;
	counters += run.counters;
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
	unsigned long long turn, i;
	char *mem;
	int c, fd;

	while ((c = getopt(argc, argv, "d:s:n:c:v:uxg:t:b:m:D:")) != -1) {
		switch (c) {
		case 'd': opt.device = optarg; break;
		case 's': opt.size = number(optarg) << 10; break;
		case 'n': opt.turns = number(optarg); break;
		case 'c': opt.cpu = number(optarg); break;
		case 'v': opt.dev = number(optarg); break;
		case 'u': opt.uniform = 1; break;
		case 'x': opt.between = 1; break;
		case 'g': opt.grain = number(optarg); break;
		case 't': opt.threshold = number(optarg); break;
		case 'b': opt.batch = number(optarg); break;
		case 'm': opt.advice = strcmp(optarg, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE; break;
		case 'D': opt.dwell = number(optarg); break;
		default: return 2;
		}
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
	fd = open(opt.device, O_RDWR);
	if (fd < 0)
		die(opt.device);
	for (turn = 0; turn < opt.turns; turn++)
		take_turn(fd, mem, turn / opt.dwell % 2 == 0, turn + 1);
	for (c = 0; c < 2; c++)
		for (i = 0; i < CDM_SIM_NR_NODES; i++)
			if (served[c][i])
				printf("%s_%llu %llu\n", c ? "dev" : "cpu", i, served[c][i]);
	printf("waits %llu\nwait_us %llu\ncounters %llu\nturns %llu\n", waits, wait_us, counters,
	       opt.turns);
	return 0;
}
