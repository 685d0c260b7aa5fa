// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions of a batch of migrate_pages() and of each folio in it, for the
 * benchmark migrate_cost.
 *
 *	migratecost NODE TARGET
 *
 * Has pages on NODE and lets cdm_movers.ko measure a list of none and of FOLIOS
 * of them that shall go to TARGET. Prints "batch N" and "batch_folios N".
 */
#include <fcntl.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096UL
#define FOLIOS	64

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static unsigned long long measure(char *p, int nr, int target)
{
	char text[64] = "";
	int fd = open("/sys/kernel/debug/cdm_movers", O_RDWR), len;

	if (fd < 0)
		die("migratecost: cdm_movers");
	len = snprintf(text, sizeof(text), "%lx %d %d", (unsigned long)p, nr, target);
	if (write(fd, text, len) != len)
		die("migratecost: write");
	memset(text, 0, sizeof(text));
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		die("migratecost: read");
	close(fd);
	return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
	size_t size = FOLIOS * PAGE, i;
	unsigned long mask;
	void *pages[FOLIOS];
	int status[FOLIOS];
	char *p;

	if (argc != 3)
		return 2;
	mask = 1UL << atoi(argv[1]);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p == MAP_FAILED || mbind(p, size, MPOL_BIND, &mask, 64, 0))
		die("migratecost: mmap, mbind");
	madvise(p, size, MADV_NOHUGEPAGE);
	for (i = 0; i < FOLIOS; i++) {
		p[i * PAGE] = 1;
		pages[i] = p + i * PAGE;
	}
	/* Drains the LRU batches, too: what is in one cannot be isolated. */
	mask = 1;
	if (migrate_pages(0, 64, &mask, &mask) < 0)
		die("migratecost: migrate_pages");
	if (move_pages(0, FOLIOS, pages, NULL, status, 0))
		die("migratecost: move_pages");
	for (i = 0; i < FOLIOS; i++)
		if (status[i] != atoi(argv[1])) {
			fprintf(stderr, "migratecost: page %zu: %d\n", i, status[i]);
			return 1;
		}
	printf("batch %llu\n", measure(p, 0, atoi(argv[2])));
	printf("batch_folios %llu\n", measure(p, FOLIOS, atoi(argv[2])));
	return 0;
}
