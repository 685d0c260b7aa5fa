// SPDX-License-Identifier: GPL-2.0
/*
 * Uses one half of its memory again and again, and never the other.
 *
 *	hotcold [-s KIB] [-n NODE] [-t SEC]
 *
 * The memory is first touched on NODE and free to go elsewhere then. Prints, at
 * the end, "hot NODE PAGES" and "cold NODE PAGES" for each node, as move_pages()
 * finds them, which sets no accessed bit. Each page holds its number; "wrong N"
 * says how many do not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define MAX_NODE 64

static void die(const char *what)
{
	fprintf(stderr, "hotcold: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void where(const char *name, char *mem, unsigned long pages)
{
	unsigned long i, count[MAX_NODE] = {};
	void **addr = calloc(pages, sizeof(*addr));
	int *status = calloc(pages, sizeof(*status));

	if (!addr || !status)
		die("memory");
	for (i = 0; i < pages; i++)
		addr[i] = mem + i * PAGE;
	if (move_pages(0, pages, addr, NULL, status, 0))
		die("move_pages");
	for (i = 0; i < pages; i++)
		if (status[i] >= 0 && status[i] < MAX_NODE)
			count[status[i]]++;
	for (i = 0; i < MAX_NODE; i++)
		if (count[i])
			printf("%s %lu %lu\n", name, i, count[i]);
	free(addr);
	free(status);
}

/*
 * An accessed bit is set when an entry comes into a TLB, and what cleared it did
 * not flush. Here nothing else makes room there, so that is done by taking rights
 * away from enough pages to have all of the TLB flushed.
 */
static void flush_tlb(void)
{
	static char *other;
	const size_t size = 64 * PAGE;

	if (!other) {
		other = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (other == MAP_FAILED)
			die("mmap");
	}
	memset(other, 1, size);
	if (mprotect(other, size, PROT_READ) ||
	    mprotect(other, size, PROT_READ | PROT_WRITE))
		die("mprotect");
}

int main(int argc, char **argv)
{
	unsigned long size = 4096 * 1024, pages, i, wrong = 0, round = 0;
	int node = 1, sec = 5, c;
	unsigned long mask;
	time_t end;
	char *mem;

	while ((c = getopt(argc, argv, "s:n:t:")) != -1) {
		switch (c) {
		case 's':
			size = strtoul(optarg, NULL, 0) * 1024;
			break;
		case 'n':
			node = atoi(optarg);
			break;
		case 't':
			sec = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	pages = size / PAGE;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	madvise(mem, size, MADV_NOHUGEPAGE);
	mask = 1UL << node;
	if (set_mempolicy(MPOL_PREFERRED, &mask, 64))
		die("set_mempolicy");
	for (i = 0; i < pages; i++)
		*(unsigned long *)(mem + i * PAGE) = i;
	if (set_mempolicy(MPOL_DEFAULT, NULL, 0))
		die("set_mempolicy");
	where("before", mem, pages);
	fflush(stdout);

	end = time(NULL) + sec;
	while (time(NULL) < end) {
		round++;
		for (i = 0; i < pages / 2; i++)
			((volatile unsigned long *)(mem + i * PAGE))[1] = round;
		flush_tlb();
		usleep(2000);
	}
	where("hot", mem, pages / 2);
	where("cold", mem + pages / 2 * PAGE, pages - pages / 2);
	for (i = 0; i < pages; i++)
		wrong += *(unsigned long *)(mem + i * PAGE) != i;
	printf("wrong %lu\n", wrong);
	return wrong ? 1 : 0;
}
