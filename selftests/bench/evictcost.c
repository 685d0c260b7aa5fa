// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost to get a page off a node, in instructions?
 *
 *	evictcost CONFIG METRIC FROM MIB ORDER TRIGGER MIB-TO-LEAVE
 *
 * For a guest that QEMU runs with -icount shift=0: rdtsc then advances by one with
 * every instruction. MIB of fresh memory on node FROM, in folios of ORDER, is made
 * cold (MADV_COLD), so that neither config ages it first. Then a size is written to the
 * file TRIGGER, which makes the kernel reclaim: stock demotion by a cgroup's
 * memory.reclaim, eviction by the node's attribute.
 *
 * Prints "CONFIG METRIC instructions N", N for each page of 4 KiB that left, and the
 * same without the copy, METRIC_nocopy: QEMU counts every byte of "rep movsb".
 *
 *	evictcost CONFIG METRIC tail NODE MIB
 *
 * touches more memory than a node has, MIB of it when it is full, all of which the
 * kernel is to find there, and prints what one of these faults took: METRIC_p50, _p99
 * and _max.
 */
#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <numaif.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)

#ifndef MADV_COLD
#define MADV_COLD	20
#endif

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static void die(const char *what)
{
	fprintf(stderr, "evictcost: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Memory of ours, with a mempolicy for a node and aligned like the largest folio. */
static char *map(size_t size, int node, int mode)
{
	unsigned long mask = 1UL << node;
	char *room, *p;

	room = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		die("mmap");
	p = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	if (mbind(p, size, mode, &mask, 8 * sizeof(mask), 0))
		die("mbind");
	return p;
}

static size_t pages_on(char *p, size_t size, int node)
{
	size_t n = size / PAGE, i, on = 0;
	void **pages = calloc(n, sizeof(*pages));
	int *status = calloc(n, sizeof(*status));

	if (!pages || !status)
		die("calloc");
	for (i = 0; i < n; i++)
		pages[i] = p + i * PAGE;
	if (move_pages(0, n, pages, NULL, status, 0))
		die("move_pages");
	for (i = 0; i < n; i++)
		on += status[i] == node;
	free(pages);
	free(status);
	return on;
}

/* What copying a page takes: as the kernel does, with rep movsb. */
static double copy_cost(void)
{
	static char a[PAGE] __attribute__((aligned(4096)));
	static char b[PAGE] __attribute__((aligned(4096)));
	uint64_t before;
	int i;

	memset(a, 1, PAGE);
	memset(b, 2, PAGE);
	before = rdtsc();
	for (i = 0; i < 64; i++) {
		void *d = a, *s = b;
		size_t n = PAGE;

		asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	}
	return (rdtsc() - before) / 64.0;
}

static int tail(const char *config, const char *metric, int node, size_t size)
{
	size_t n = size / PAGE, full, i, j;
	uint64_t *took = calloc(n, sizeof(*took)), t;
	long long free;
	char *p;

	if (!took || numa_node_size64(node, &free) < 0)
		die("node");
	full = free / PAGE * PAGE;
	p = map(full + size, node, MPOL_BIND);
	memset(took, 1, n * sizeof(*took));
	madvise(p, full + size, MADV_NOHUGEPAGE);
	for (i = 0; i < full; i += PAGE)
		*(volatile char *)(p + i) = 1;
	madvise(p, full, MADV_COLD);
	p += full;
	for (i = 0; i < n; i++) {
		t = rdtsc();
		*(volatile char *)(p + i * PAGE) = 1;
		took[i] = rdtsc() - t;
	}
	/* A shell sort, so that nothing is allocated meanwhile. */
	for (size_t gap = n / 2; gap; gap /= 2)
		for (i = gap; i < n; i++)
			for (j = i; j >= gap && took[j - gap] > took[j]; j -= gap) {
				t = took[j];
				took[j] = took[j - gap];
				took[j - gap] = t;
			}
	printf("%s %s_p50 instructions %llu\n", config, metric,
	       (unsigned long long)took[n / 2]);
	printf("%s %s_p99 instructions %llu\n", config, metric,
	       (unsigned long long)took[n * 99 / 100]);
	printf("%s %s_max instructions %llu\n", config, metric,
	       (unsigned long long)took[n - 1]);
	return 0;
}

int main(int argc, char **argv)
{
	size_t size, i, before, left, want;
	char text[32];
	uint64_t took;
	double per_page;
	int fd, node;
	char *p;

	if (argc == 6 && !strcmp(argv[3], "tail"))
		return tail(argv[1], argv[2], atoi(argv[4]), strtoul(argv[5], NULL, 0) << 20);
	if (argc != 8) {
		fprintf(stderr, "evictcost CONFIG METRIC FROM MIB ORDER TRIGGER MIB-TO-LEAVE\n");
		return 2;
	}
	node = atoi(argv[3]);
	size = strtoul(argv[4], NULL, 0) << 20;
	want = strtoul(argv[7], NULL, 0) << 20;
	p = map(size, node, MPOL_PREFERRED);
	madvise(p, size, atoi(argv[5]) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += PAGE)
		*(volatile char *)(p + i) = 1;
	before = pages_on(p, size, node);
	if (madvise(p, size, MADV_COLD))
		die("madvise");
	fd = open(argv[6], O_WRONLY);
	if (fd < 0)
		die(argv[6]);

	snprintf(text, sizeof(text), "%zu", want);
	took = rdtsc();
	if (write(fd, text, strlen(text)) < 0 && errno != EAGAIN)
		die(argv[6]);
	took = rdtsc() - took;
	left = before - pages_on(p, size, node);
	if (left < want / PAGE / 2) {
		fprintf(stderr, "evictcost: %s: only %zu of %zu pages left node %d\n",
			argv[1], left, want / PAGE, node);
		return 1;
	}
	per_page = (double)took / left;
	printf("%s %s instructions %.2f\n", argv[1], argv[2], per_page);
	printf("%s %s_nocopy instructions %.2f\n", argv[1], argv[2],
	       per_page - copy_cost());
	return 0;
}
