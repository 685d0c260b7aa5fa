// SPDX-License-Identifier: GPL-2.0
/*
 * Takes memory of one kind, says which nodes it came from, and may hold it.
 *
 *	hold [-w] [-l] KIND MIB [FILE]
 *
 * KIND:
 *
 *	anon	private anonymous memory, a write to each page
 *	thp	the same, with MADV_HUGEPAGE
 *	same	the same, every page with the same content, MADV_MERGEABLE
 *	shmem	shared anonymous memory
 *	file	a shared mapping of FILE, a read of each page
 *	hugetlb	MAP_HUGETLB, a write to each huge page
 *
 * Where it may come from is for numactl or a cpuset to say. Prints "node N P"
 * for each node with P pages, and "absent P" for pages that are swapped out or
 * not there. With -w says "ready" then, reports again for each line of its
 * input, and exits at its end. With -l the memory is mlocked as it is touched.
 *
 * It is the first to die when memory runs out, so that a test that runs out of
 * memory loses this and not its shell. Pages are left zero, which costs little
 * in an emulated CPU and nothing in zram.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE		4096UL
#define HUGE_PAGE	(2UL << 20)
#define MAX_NODE	64
#define BATCH		16384UL

enum kind { ANON, THP, SAME, SHMEM, FILE_READ, HUGETLB, NR_KINDS };

static const char *const kinds[NR_KINDS] = {
	"anon", "thp", "same", "shmem", "file", "hugetlb",
};

static void die(const char *what)
{
	fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void die_first(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "w");

	if (!f || fprintf(f, "1000\n") < 0 || fclose(f))
		die("/proc/self/oom_score_adj");
}

static char *map(enum kind kind, size_t size, const char *file)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	int prot = PROT_READ | PROT_WRITE, fd = -1;
	char *mem;

	switch (kind) {
	case SHMEM:
		flags = MAP_SHARED | MAP_ANONYMOUS;
		break;
	case HUGETLB:
		/* Reserved, so that a lack of pages is ENOMEM and no SIGBUS. */
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
		break;
	case FILE_READ:
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			die(file);
		flags = MAP_SHARED;
		prot = PROT_READ;
		break;
	default:
		break;
	}
	/* Room to align for huge pages; the rest is never touched. */
	if (kind == THP)
		size += HUGE_PAGE;
	mem = mmap(NULL, size, prot, flags, fd, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	if (kind != THP)
		return mem;
	mem = (char *)(((unsigned long)mem + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (madvise(mem, size - HUGE_PAGE, MADV_HUGEPAGE))
		die("madvise(MADV_HUGEPAGE)");
	return mem;
}

static void touch(enum kind kind, volatile char *mem, size_t size)
{
	size_t step = kind == HUGETLB ? HUGE_PAGE : PAGE, i;

	for (i = 0; i < size; i += step) {
		if (kind == FILE_READ)
			(void)mem[i];
		else
			mem[i] = kind == SAME ? 42 : 0;
	}
	if (kind == SAME && madvise((void *)mem, size, MADV_MERGEABLE))
		die("madvise(MADV_MERGEABLE)");
}

static void report(char *mem, size_t size)
{
	static void *pages[BATCH];
	static int status[BATCH];
	unsigned long nodes[MAX_NODE] = {}, absent = 0, n, i;
	size_t done;

	for (done = 0; done < size; done += n * PAGE) {
		n = (size - done) / PAGE;
		if (n > BATCH)
			n = BATCH;
		for (i = 0; i < n; i++)
			pages[i] = mem + done + i * PAGE;
		if (syscall(SYS_move_pages, 0, n, pages, NULL, status, 0))
			die("move_pages");
		for (i = 0; i < n; i++) {
			if (status[i] >= 0 && status[i] < MAX_NODE)
				nodes[status[i]]++;
			else
				absent++;
		}
	}
	for (i = 0; i < MAX_NODE; i++)
		if (nodes[i])
			printf("node %lu %lu\n", i, nodes[i]);
	if (absent)
		printf("absent %lu\n", absent);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int hold = 0, lock = 0;
	enum kind kind = 0;
	char line[16], *mem;
	size_t size;

	for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
		hold |= !strcmp(argv[1], "-w");
		lock |= !strcmp(argv[1], "-l");
	}
	if (argc < 3) {
		fprintf(stderr, "usage: hold [-w] [-l] KIND MIB [FILE]\n");
		return 2;
	}
	while (kind < NR_KINDS && strcmp(kinds[kind], argv[1]))
		kind++;
	size = strtoul(argv[2], NULL, 0) << 20;
	if (kind == NR_KINDS || !size || (kind == FILE_READ && argc < 4)) {
		fprintf(stderr, "hold: no such memory: %s %s\n", argv[1], argv[2]);
		return 2;
	}

	die_first();
	mem = map(kind, size, kind == FILE_READ ? argv[3] : NULL);
	if (lock && mlock2(mem, size, MLOCK_ONFAULT))
		die("mlock2");
	touch(kind, mem, size);
	report(mem, size);
	if (!hold)
		return 0;
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		report(mem, size);
		puts("ready");
		fflush(stdout);
	}
	return 0;
}
