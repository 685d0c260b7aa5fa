// SPDX-License-Identifier: GPL-2.0
/*
 * Makes page faults of one chosen kind and says where the pages are.
 *
 *	touch [-s KIB] [-k KIND] [-m huge|nohuge] [-w SEC] [-D DEVICE] [-c] [-l] [-p] [-h]
 *
 * KIND is what the faults that count are:
 *
 *	anon	first writes to private anonymous memory
 *	zero	reads first, so that the zero page is there, then writes
 *	cow	a child writes to what its parent has filled
 *	file	first writes to a private mapping of a file in memory
 *	shmem	first writes to shared anonymous memory
 *	swapin	reads of private memory that was paged out before
 *	shared	the same, of pages that a parent and its child share
 *
 * With -D a device makes the first touches of anon and shmem, through
 * /dev/cdm_simN; the pages are then looked up and not touched by a CPU.
 *
 * Prints "pages P node N" for each node and "absent P" for pages that are not
 * there, as move_pages() finds them. -w keeps the memory for so long. With -c every
 * word of anon and shmem is written and, after that, read back: the exit status is
 * 3 if one is not what was written. With -l the memory is mlocked as it is touched. With -p
 * each page is referenced by a pipe when all are there, which pins it where it is. With -h
 * half of them, here and there, are given back then, so that there are holes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim_dev.h"

#define PAGE		4096UL
#define ALIGN_TO	(4UL << 20)
#define MAX_NODE	64

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

static const char *advice;
static const char *device;
static int wait_sec;
static int check, lock, pinned, holes;

static int die(const char *what)
{
	fprintf(stderr, "touch: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A mapping aligned like the largest folio, so that each order fits. */
static char *map(size_t size, int prot_flags, int fd)
{
	char *room = mmap(NULL, size + ALIGN_TO, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p;

	if (room == MAP_FAILED)
		die("mmap");
	p = (char *)(((unsigned long)room + ALIGN_TO - 1) & ~(ALIGN_TO - 1));
	p = mmap(p, size, PROT_READ | PROT_WRITE, prot_flags | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	if (lock && mlock2(p, size, MLOCK_ONFAULT))
		die("mlock2");
	if (advice && madvise(p, size, !strcmp(advice, "huge") ?
			      MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("madvise");
	return p;
}

static void write_all(char *p, size_t size, char val)
{
	size_t i;

	for (i = 0; i < size; i += PAGE)
		*(volatile char *)(p + i) = val;
}

static unsigned int read_all(char *p, size_t size)
{
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < size; i += PAGE)
		sum += *(volatile unsigned char *)(p + i);
	return sum;
}

/* By vmsplice(): not for long as the kernel sees it, so that it does not move it first. */
static void pin(char *p, size_t size)
{
	const size_t room = 16UL << 20;	/* a pipe's ring is one piece of memory */
	struct iovec v;
	ssize_t n;
	int fd[2];

	while (size) {
		v = (struct iovec){ p, size < room ? size : room };
		size -= v.iov_len;
		p += v.iov_len;
		if (pipe(fd) || fcntl(fd[1], F_SETPIPE_SZ, room) < 0)
			die("a pipe");
		while (v.iov_len) {
			n = vmsplice(fd[1], &v, 1, SPLICE_F_NONBLOCK);
			if (n <= 0)
				die("vmsplice");
			v.iov_base = (char *)v.iov_base + n;
			v.iov_len -= n;
		}
	}
}

/* Every word, so that neither a lost page nor a wrong one can look right. */
static void fill(char *p, size_t size)
{
	unsigned long *w = (unsigned long *)p;
	size_t i;

	for (i = 0; i < size / sizeof(*w); i++)
		w[i] = i * 2654435761UL + 1;
}

static void verify(char *p, size_t size)
{
	unsigned long *w = (unsigned long *)p;
	size_t i, bad = 0;

	for (i = 0; i < size / sizeof(*w); i++)
		bad += w[i] != i * 2654435761UL + 1;
	if (bad) {
		fprintf(stderr, "touch: %zu words of %zu are not what was written\n",
			bad, size / sizeof(*w));
		exit(3);
	}
}

static void touch_all(char *p, size_t size)
{
	if (check)
		fill(p, size);
	else if (!device)
		write_all(p, size, 1);
	else if (sim_touch(device, p, size))
		die(device);
}

static void report(char *p, size_t size)
{
	size_t n = size / PAGE, i, at[MAX_NODE] = {}, absent = 0;
	void **pages = calloc(n, sizeof(*pages));
	int *status = calloc(n, sizeof(*status)), tries;

	if (!pages || !status)
		die("calloc");
	for (i = 0; i < n; i++)
		pages[i] = p + i * PAGE;
	/* A page that is being moved is nowhere for the moment. */
	for (tries = 0; tries < 50; tries++) {
		if (syscall(SYS_move_pages, 0, n, pages, NULL, status, 0))
			die("move_pages");
		memset(at, 0, sizeof(at));
		for (absent = 0, i = 0; i < n; i++) {
			if (status[i] >= 0 && status[i] < MAX_NODE)
				at[status[i]]++;
			else
				absent++;
		}
		if (!absent || absent == n)
			break;
		usleep(20000);
	}
	for (i = 0; i < MAX_NODE; i++)
		if (at[i])
			printf("pages %zu node %zu\n", at[i], i);
	if (absent)
		printf("absent %zu\n", absent);
	fflush(stdout);
	free(pages);
	free(status);
	if (wait_sec)
		sleep(wait_sec);
}

/* Pages that are in memory, as their own page table says. */
static size_t resident(char *p, size_t size)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t i, n = 0;
	unsigned long long e;

	if (fd < 0)
		die("pagemap");
	for (i = 0; i < size; i += PAGE)
		if (pread(fd, &e, 8, ((unsigned long)p + i) / PAGE * 8) == 8 &&
		    e >> 63)
			n++;
	close(fd);
	return n;
}

/*
 * Pages that wait in some CPU's batch for the LRU cannot be reclaimed, and
 * madvise() drains the batches of its own CPU alone. Moving our pages from node
 * 0 to node 0 moves nothing, but drains all first.
 */
static void drain_lru(void)
{
	unsigned long node0 = 1;

	if (syscall(SYS_migrate_pages, 0, 8 * sizeof(node0), &node0, &node0) < 0)
		die("migrate_pages");
}

static void page_out(char *p, size_t size)
{
	int tries;

	for (tries = 0; tries < 100 && resident(p, size); tries++) {
		drain_lru();
		if (madvise(p, size, MADV_PAGEOUT))
			die("madvise(PAGEOUT)");
		usleep(20000);
	}
	if (resident(p, size)) {
		fprintf(stderr, "touch: %zu pages do not go to swap\n",
			resident(p, size));
		exit(1);
	}
}

/* Pages that are in memory or, paged out, still in the swap cache. */
static size_t cached(char *p, size_t size)
{
	size_t i, sum = 0, n = size / PAGE;
	unsigned char *vec = malloc(n);

	if (!vec || mincore(p, size, vec))
		die("mincore");
	for (i = 0; i < n; i++)
		sum += vec[i] & 1;
	free(vec);
	return sum;
}

/*
 * Written to a disk, pages stay in the swap cache until somebody wants memory.
 * Anonymous memory alone is asked for, or page cache would be given instead.
 * EAGAIN says that less was found: some pages are still being written.
 */
static void drop_swap_cache(char *p, size_t size)
{
	int tries, fd = open("/sys/fs/cgroup/memory.reclaim", O_WRONLY);
	char text[64];

	if (fd < 0)
		die("memory.reclaim");
	snprintf(text, sizeof(text), "%zu swappiness=200", size);
	for (tries = 0; tries < 50 && cached(p, size); tries++) {
		if (write(fd, text, strlen(text)) < 0 && errno != EAGAIN)
			die("memory.reclaim");
		usleep(100000);
	}
	close(fd);
	if (cached(p, size)) {
		fprintf(stderr, "touch: %zu pages do not leave the swap cache\n",
			cached(p, size));
		exit(1);
	}
}

/* The rest is done by a child; its parent keeps its own references. */
static void in_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		return;
	waitpid(pid, &status, 0);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static int memfile(size_t size)
{
	int fd = memfd_create("touch", 0);
	char *page = calloc(1, PAGE);
	size_t i;

	if (fd < 0 || !page)
		die("memfd");
	memset(page, 7, PAGE);
	for (i = 0; i < size; i += PAGE)
		if (write(fd, page, PAGE) != (ssize_t)PAGE)
			die("write");
	free(page);
	return fd;
}

int main(int argc, char **argv)
{
	const char *kind = "anon";
	size_t size = 4UL << 20;
	char *p;
	int c;

	while ((c = getopt(argc, argv, "s:k:m:w:D:clph")) != -1) {
		switch (c) {
		case 's': size = strtoul(optarg, NULL, 0) << 10; break;
		case 'k': kind = optarg; break;
		case 'm': advice = optarg; break;
		case 'w': wait_sec = atoi(optarg); break;
		case 'D': device = optarg; break;
		case 'c': check = 1; break;
		case 'l': lock = 1; break;
		case 'p': pinned = 1; break;
		case 'h': holes = 1; break;
		default:
			fprintf(stderr, "touch [-s KIB] [-k anon|zero|cow|file|shmem|swapin|shared] [-m huge|nohuge] [-w SEC] [-D DEVICE] [-c] [-l] [-p] [-h]\n");
			return 2;
		}
	}

	if (!strcmp(kind, "anon")) {
		p = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		touch_all(p, size);
	} else if (!strcmp(kind, "zero")) {
		p = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		read_all(p, size);
		touch_all(p, size);
	} else if (!strcmp(kind, "cow")) {
		p = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		write_all(p, size, 1);
		in_child();
		touch_all(p, size);
	} else if (!strcmp(kind, "file")) {
		p = map(size, MAP_PRIVATE, memfile(size));
		touch_all(p, size);
	} else if (!strcmp(kind, "shmem")) {
		p = map(size, MAP_SHARED | MAP_ANONYMOUS, -1);
		touch_all(p, size);
	} else if (!strcmp(kind, "swapin") || !strcmp(kind, "shared")) {
		p = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		for (size_t i = 0; i < size; i += 8)	/* zeros are not swapped */
			*(unsigned long *)(p + i) = i * 2654435761UL + 1;
		page_out(p, size);
		drop_swap_cache(p, size);
		if (!strcmp(kind, "shared"))
			in_child();
		if (device)
			touch_all(p, size);
		else
			read_all(p, size);
	} else {
		fprintf(stderr, "touch: no kind %s\n", kind);
		return 2;
	}
	if (pinned)
		pin(p, size);
	for (unsigned int i = 0; holes && i < size / PAGE; i++)
		if (i * 2654435761U >> 31 && madvise(p + i * PAGE, PAGE, MADV_DONTNEED))
			die("madvise");
	report(p, size);
	if (check)
		verify(p, size);
	return 0;
}
