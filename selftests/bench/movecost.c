// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost to move a page, in instructions?
 *
 *	movecost METRIC MIB ORDER ROUNDS CONFIG...
 *	movecost later ROUNDS
 *
 * For a guest that QEMU runs with -icount shift=0, with cdm_movecost.ko loaded:
 * rdtsc then advances by one with every instruction. CONFIG is
 *
 *	raw		isolation and migrate_pages() alone
 *	engine_range	cdm_move_range()
 *	engine_pfn	cdm_move_pfns()
 *	move_pages	move_pages(2) of every page, around the system call
 *	move_pages_once	the same of one page of each folio
 *
 * Each move is one of MIB of fresh memory in folios of ORDER, from node 0 to 1 in
 * one round and back in the next. The configs take turns, so that what changes in
 * the course of a run hits all of them; the first round is thrown away. raw and
 * engine_pfn are given one page of each folio. A move takes longer than the time
 * between two ticks, so ticks are in it, a few in 10,000 of the whole for each.
 *
 * Prints "CONFIG METRIC instructions N", N for each page of 4 KiB that moved,
 * and the same without copying, "METRIC_nocopy".
 */
#include <errno.h>
#include <fcntl.h>
#include <numaif.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096UL
#define HUGE		(2UL << 20)
#define LATER_MIB	4UL
#define MODULE		"/sys/kernel/debug/cdm_movecost"

static char *mem;
static size_t size;
static unsigned int order;

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("movecost: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* The module's answer to a command, in a buffer of ours. */
static const char *ask(const char *fmt, ...)
{
	static char buf[256];
	va_list args;
	ssize_t n;
	int fd;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	fd = open(MODULE, O_RDWR);
	if (fd < 0)
		die("%s: %s; is cdm_movecost.ko loaded?", MODULE,
		    strerror(errno));
	if (write(fd, buf, strlen(buf)) < 0)
		die("%s: \"%s\": %s", MODULE, buf, strerror(errno));
	n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		die("%s: %s", MODULE, strerror(errno));
	buf[n] = 0;
	close(fd);
	return buf;
}

/* Fresh memory on a node, which nothing but its present place ties to it. */
static char *populate(int nid)
{
	unsigned long mask = 1UL << nid;
	char *map, *p;

	map = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	mem = (char *)(((uintptr_t)map + HUGE - 1) & -HUGE);
	if (madvise(mem, size, order ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("madvise: %s", strerror(errno));
	if (mbind(mem, size, MPOL_BIND, &mask, sizeof(mask) * 8, 0))
		die("mbind to node %d: %s", nid, strerror(errno));
	for (p = mem; p < mem + size; p += PAGE)
		*p = 1;
	if (mbind(mem, size, MPOL_DEFAULT, NULL, 0, 0))
		die("mbind: %s", strerror(errno));
	return map;
}

static uint64_t by_module(const char *how, int nid)
{
	unsigned long long took;
	unsigned long moved, folios;

	if (sscanf(ask("%s %lx %lx %d", how, (unsigned long)mem,
		       (unsigned long)mem + size, nid),
		   "move %llu %lu %lu", &took, &moved, &folios) != 3)
		die("%s: no result", how);
	if (folios != size / PAGE >> order)
		die("%s: %lu folios of order %u expected, %lu found", how,
		    size / PAGE >> order, order, folios);
	if (moved != (strcmp(how, "pfn") ? size / PAGE : folios))
		die("%s: only %lu of %lu pages moved", how, moved, size / PAGE);
	return took;
}

/* Naming every step-th page; its own word on large folios is not the last. */
static uint64_t by_syscall(int nid, size_t step)
{
	size_t i, n = size / PAGE;
	void **pages = calloc(n, sizeof(*pages));
	int *nodes = calloc(n, sizeof(*nodes));
	int *status = calloc(n, sizeof(*status));
	uint64_t took;

	if (!pages || !nodes || !status)
		die("out of memory");
	for (i = 0; i < n; i++) {
		pages[i] = mem + i * step * PAGE;
		nodes[i] = nid;
		status[i] = -1;
	}
	took = rdtsc();
	if (move_pages(0, n / step, pages, nodes, status, MPOL_MF_MOVE))
		die("move_pages: %s", strerror(errno));
	took = rdtsc() - took;
	for (i = 0; i < n; i++)
		pages[i] = mem + i * PAGE;
	if (move_pages(0, n, pages, NULL, status, 0))
		die("move_pages: %s", strerror(errno));
	for (i = 0; i < n; i++)
		if (status[i] != nid)
			die("move_pages: page %zu: status %d", i, status[i]);
	free(pages);
	free(nodes);
	free(status);
	return took;
}

static uint64_t measure(const char *config, int from)
{
	char *map = populate(from);
	uint64_t took;

	if (!strcmp(config, "raw"))
		took = by_module("raw", !from);
	else if (!strcmp(config, "engine_range"))
		took = by_module("range", !from);
	else if (!strcmp(config, "engine_pfn"))
		took = by_module("pfn", !from);
	else if (!strcmp(config, "move_pages"))
		took = by_syscall(!from, 1);
	else if (!strcmp(config, "move_pages_once"))
		took = by_syscall(!from, 1 << order);
	else
		die("there is no config %s", config);
	munmap(map, size + HUGE);
	return took;
}

static void moves(const char *metric, int rounds, char **configs)
{
	unsigned long long took;
	int i, r, repeats;
	double copy, cost;

	if (sscanf(ask("copy %u", order), "copy %llu %d", &took, &repeats) != 2)
		die("copy: no result");
	copy = (double)took / repeats / (1 << order);
	for (r = -1; r < rounds; r++) {
		for (i = 0; configs[i]; i++) {
			cost = (double)measure(configs[i], r & 1) / (size / PAGE);
			if (r < 0)
				continue;
			printf("%s %s instructions %.2f\n", configs[i], metric,
			       cost);
			printf("%s %s_nocopy instructions %.2f\n", configs[i],
			       metric, cost - copy);
		}
	}
}

static void later(int rounds)
{
	unsigned long long first, new, same;
	int r, repeats;

	size = LATER_MIB << 20;
	for (r = -1; r < rounds; r++) {
		char *map = populate(0);

		if (sscanf(ask("later %lx %lx 1", (unsigned long)mem,
			       (unsigned long)mem + size),
			   "later %llu %llu %llu %d", &first, &new, &same,
			   &repeats) != 4)
			die("later: no result");
		/* kcdmd finds them gone or moves them; next time it is idle. */
		munmap(map, size + HUGE);
		sleep(1);
		if (r < 0)
			continue;
		printf("engine_later enqueue_wake instructions %llu\n", first);
		printf("engine_later enqueue_new instructions %.2f\n",
		       (double)new / repeats);
		printf("engine_later enqueue_same instructions %.2f\n",
		       (double)same / repeats);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "later")) {
		later(atoi(argv[2]));
		return 0;
	}
	if (argc < 6) {
		fprintf(stderr,
			"usage: movecost METRIC MIB ORDER ROUNDS CONFIG...\n"
			"       movecost later ROUNDS\n"
			"Prints instructions for each page moved, or for each move that is queued.\n"
			"Needs -icount shift=0 and cdm_movecost.ko.\n");
		return 2;
	}
	size = strtoul(argv[2], NULL, 0) << 20;
	order = atoi(argv[3]);
	moves(argv[1], atoi(argv[4]), argv + 5);
	return 0;
}
