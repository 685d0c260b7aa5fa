// SPDX-License-Identifier: GPL-2.0
/*
 * Maps a page in one of many ways, says which page frames to ask about, and stays
 * until its standard input ends.
 *
 *	rmapmap KIND [N [M]]
 *
 *	none	a page of a file in memory that nobody maps any more
 *	anon	one private page
 *	fork	one private page, shared with N - 1 children
 *	file	a page of a shared file, by N processes, M times each; every third
 *		mapping may only be read
 *	private	a page of a file, M times shared and M times private (not copied)
 *	ksm	N private pages with the same content, merged
 *	thp	a huge page, shared with a child
 *	part	a huge page of which a part is unmapped, one moved, one copied by a
 *		child
 *	hugetlb	a huge page of the pool, shared with N - 1 children, and a private one
 *	lock	one private page, mlocked, and a twin that is not
 *
 * Output: "pfn FRAME" for each, then "ready"; and again for each line of input.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)

static int ready[2];
static const void *told[8];
static int nr_told;

static void die(const char *what)
{
	fprintf(stderr, "rmapmap: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *map(size_t size, int prot, int flags, int fd)
{
	void *p = mmap(NULL, size, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static char *anon(size_t size)
{
	return map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Memory that begins with a huge page. */
static char *huge(size_t size)
{
	char *p = anon(size + HUGE);

	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	if (madvise(p, size, MADV_HUGEPAGE))
		die("madvise");
	return p;
}

static uint64_t pfn_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t e;

	if (fd < 0 || pread(fd, &e, 8, (uintptr_t)p / PAGE * 8) != 8)
		die("pagemap");
	close(fd);
	if (!(e >> 63) || !(e << 9)) {
		fprintf(stderr, "rmapmap: nothing is mapped at %p\n", p);
		exit(1);
	}
	return e << 9 >> 9;
}

static void tell(const void *p)
{
	told[nr_told++] = p;
	printf("pfn %#llx\n", (unsigned long long)pfn_of(p));
}

/* A child does @fn, says so, and stays as long as we do. */
static void child(void (*fn)(void *), void *arg)
{
	char c = 0;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid) {
		if (read(ready[0], &c, 1) != 1 || c != 1)
			die("a child");
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn(arg);
	if (write(ready[1], "\1", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void nothing(void *arg)
{
}

struct file {
	int fd, times;
};

static void map_file(void *arg)
{
	struct file *f = arg;
	volatile char *p;
	int i;

	for (i = 0; i < f->times; i++) {
		p = map(PAGE, i % 3 == 2 ? PROT_READ : PROT_READ | PROT_WRITE,
			MAP_SHARED, f->fd);
		if (i % 3 == 2)
			(void)*p;
		else
			*p = 1;
	}
}

static void map_private(void *arg)
{
	struct file *f = arg;
	volatile char *p;
	int i;

	for (i = 0; i < f->times; i++) {
		p = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f->fd);
		(void)*p;
	}
}

static int file(void)
{
	int fd = memfd_create("rmapmap", 0);

	if (fd < 0 || ftruncate(fd, PAGE))
		die("memfd");
	return fd;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* Until all @n pages of @p are one. */
static void merge(char *p, int n)
{
	int i, same, tries;

	if (madvise(p, n * PAGE, MADV_MERGEABLE))
		die("MADV_MERGEABLE");
	write_file("/sys/kernel/mm/ksm/pages_to_scan", "10000");
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "10");
	write_file("/sys/kernel/mm/ksm/run", "1");
	for (tries = 0; tries < 500; tries++) {
		for (i = same = 0; i < n; i++)
			same += pfn_of(p + i * PAGE) == pfn_of(p);
		if (same == n)
			break;
		usleep(20000);
	}
	write_file("/sys/kernel/mm/ksm/run", "0");
	if (same == n)
		return;
	fprintf(stderr, "rmapmap: ksmd did not merge the pages\n");
	exit(1);
}

static void copy_part(void *arg)
{
	char *p = arg;
	size_t i;

	for (i = 100; i < 110; i++)
		p[i * PAGE] = 2;
}

static void parts(void)
{
	char *p = huge(HUGE), *to;

	memset(p, 1, HUGE);
	tell(p);
	if (munmap(p + 10 * PAGE, 5 * PAGE) ||
	    madvise(p + 20 * PAGE, PAGE, MADV_DONTNEED))
		die("munmap");
	to = anon(7 * PAGE);
	to = mremap(p + 30 * PAGE, 7 * PAGE, 7 * PAGE,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (to == MAP_FAILED)
		die("mremap");
	child(copy_part, p);
}

/* So that a child has it in its own page tables. */
static void read_it(void *p)
{
	(void)*(volatile char *)p;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 1;
	struct file f = { .times = argc > 3 ? atoi(argv[3]) : 1 };
	char c, *p = NULL;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe(ready))
		die("pipe");
	if (!strcmp(kind, "none")) {
		f.fd = file();
		p = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd);
		*p = 1;
		tell(p);
		munmap(p, PAGE);
	} else if (!strcmp(kind, "anon")) {
		p = anon(PAGE);
		*p = 1;
		tell(p);
	} else if (!strcmp(kind, "fork")) {
		p = anon(PAGE);
		*p = 1;
		tell(p);
		for (i = 1; i < n; i++)
			child(nothing, NULL);
	} else if (!strcmp(kind, "file")) {
		f.fd = file();
		p = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd);
		*p = 1;
		tell(p);
		munmap(p, PAGE);
		for (i = 0; i < n; i++)
			child(map_file, &f);
	} else if (!strcmp(kind, "private")) {
		f.fd = file();
		map_file(&f);
		p = map(PAGE, PROT_READ, MAP_SHARED, f.fd);
		c = *(volatile char *)p;
		tell(p);
		map_private(&f);
		child(map_private, &f);
	} else if (!strcmp(kind, "ksm")) {
		p = anon(n * PAGE);
		memset(p, 7, n * PAGE);
		merge(p, n);
		tell(p);
		child(nothing, NULL);
	} else if (!strcmp(kind, "thp")) {
		p = huge(HUGE);
		memset(p, 1, HUGE);
		tell(p + 77 * PAGE);
		child(nothing, NULL);
	} else if (!strcmp(kind, "part")) {
		parts();
	} else if (!strcmp(kind, "hugetlb")) {
		p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		if (p == MAP_FAILED)
			die("MAP_HUGETLB");
		*p = 1;
		tell(p);
		for (i = 1; i < n; i++)
			child(read_it, p);
		p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		if (p == MAP_FAILED)
			die("MAP_HUGETLB");
		*p = 1;
		tell(p);
		child(nothing, NULL);
	} else if (!strcmp(kind, "lock")) {
		p = anon(2 * PAGE);
		memset(p, 1, 2 * PAGE);
		if (mlock(p, PAGE))
			die("mlock");
		tell(p);
		tell(p + PAGE);
	} else {
		fprintf(stderr, "rmapmap: no kind '%s'\n", kind);
		return 2;
	}
	printf("ready\n");
	fflush(stdout);
	while (read(0, &c, 1) > 0) {
		n = nr_told;
		for (i = nr_told = 0; i < n; i++)
			tell(told[i]);
		printf("ready\n");
		fflush(stdout);
	}
	/* The children die with us. */
	return 0;
}
