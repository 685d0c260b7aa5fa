// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to memory for as long as it takes somebody else to move it, and knows of
 * each word what it must hold.
 *
 *	movewatch NODE KIB
 *
 * The memory prefers NODE. "ready" is printed when it is all there, on that node.
 * SIGINT ends it; exits with 1 if a write was lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <numaif.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

int main(int argc, char **argv)
{
	unsigned long mask, size, words, i, round;
	uint64_t *p;
	int node;

	if (argc != 3)
		return 2;
	mask = 1UL << atoi(argv[1]);
	size = strtoul(argv[2], NULL, 0) << 10;
	words = size / sizeof(*p);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p == MAP_FAILED || mbind(p, size, MPOL_PREFERRED, &mask, 64, 0)) {
		perror("movewatch: mmap, mbind");
		return 1;
	}
	signal(SIGINT, on_signal);

	for (round = 0; !stop; round++) {
		for (i = 0; i < words; i++) {
			if (p[i] != round) {
				printf("word %lu is %lu, want %lu\n", i,
				       (unsigned long)p[i], round);
				return 1;
			}
			p[i]++;
		}
		if (round)
			continue;
		if (get_mempolicy(&node, NULL, 0, p + words - 1,
				  MPOL_F_NODE | MPOL_F_ADDR) || node != atoi(argv[1])) {
			printf("the memory is on node %d\n", node);
			return 1;
		}
		puts("ready");
		fflush(stdout);
	}
	printf("%lu rounds\n", round);
	return 0;
}
