// SPDX-License-Identifier: GPL-2.0
/*
 * Has its memory moved in each way that a process can ask for, and says where it
 * is then.
 *
 *	moveme [-s KIB] [-n NODE] [-m huge|nohuge|hugetlb] [-f FILE] ACTION...
 *
 * The memory is aligned to 2 MiB, prefers NODE (0) when it is touched and has no
 * mempolicy afterwards. With -f it is a shared mapping of FILE, which becomes that
 * long. Actions, one after the other:
 *
 *	move=N		move_pages() of all pages to node N
 *	half=N		the same, of the first half
 *	migrate=A,B	migrate_pages() from node A to node B
 *	mbind=N		mbind(MPOL_BIND, MPOL_MF_MOVE) to node N
 *	spread=A,B	the same, to both
 *	collapse	madvise(MADV_COLLAPSE) of it all
 *	offline		madvise(MADV_SOFT_OFFLINE) of the first page
 *	pin		a long-term pin of it all, by gup_test
 *	use=SEC		write to every page for so long
 *	read=SEC	read every page for so long, after it was written to its file
 *	rest=SEC	sleep
 *	touch=N		read the first N pages, or all if that is 0, once
 *	put=N		write the first N pages, likewise
 *	dev=D,N		device D reads a word of N pages, in order, again and again; as
 *			dev=D,N,G,T,B,F with access counters: G bytes each, threshold T,
 *			batch B; F are flags of <linux/cdm_sim.h>. Prints its results
 *	unmap		MADV_DONTNEED of it all; what a file holds stays in memory
 *	rights		mprotect() to read-only, and back
 *	remap		mremap() to another place
 *	fork		a child reads every page, and exits
 *	hold		print "ready FROM-TO" and wait for SIGUSR1, for two minutes
 *	where		print "pages P node N" for each node, as move_pages() finds it
 *	thread		from now on there is a second thread, which sleeps
 *	slept		print "slept N": how often it has waited for anything
 *
 * What an action's system call said is printed as "ACTION RETURN ERRNO". Each
 * word that was written is checked at the end: exits with 1 if one is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <numaif.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include <linux/cdm_sim.h>

#define PAGE		4096UL
#define ALIGN_TO	(2UL << 20)
#define MAX_NODE	64

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MAP_HUGETLB
#define MAP_HUGETLB	0x40000
#endif

/* mm/gup_test.h, which is no header for users. */
struct pin_longterm_test {
	uint64_t addr, size;
	uint32_t flags;
};
#define PIN_LONGTERM_TEST_START	_IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP	_IO('g', 8)

static char *mem;
static size_t size = 1 << 20;
static uint64_t round_nr = 1;
static volatile sig_atomic_t go;

static int die(const char *what)
{
	fprintf(stderr, "moveme: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_signal(int sig)
{
	go = 1;
}

static void said(const char *what, long ret)
{
	printf("%.*s %ld %d\n", (int)strcspn(what, "="), what, ret,
	       ret < 0 ? errno : 0);
	fflush(stdout);
}

static void fill(void)
{
	size_t i;

	for (i = 0; i < size; i += PAGE)
		*(uint64_t *)(mem + i) = round_nr + i;
}

static void check(void)
{
	size_t i;

	for (i = 0; i < size; i += PAGE)
		if (*(uint64_t *)(mem + i) != round_nr + i) {
			printf("page %zu is lost\n", i / PAGE);
			exit(1);
		}
}

/* move_pages() of the first @n pages, or, with @node negative, where they are. */
static long move_pages_to(int node, int *status, size_t n)
{
	size_t i;
	void **pages = calloc(n, sizeof(*pages));
	int *nodes = calloc(n, sizeof(*nodes));
	long ret;

	if (!pages || !nodes)
		die("calloc");
	for (i = 0; i < n; i++) {
		pages[i] = mem + i * PAGE;
		nodes[i] = node;
	}
	ret = syscall(SYS_move_pages, 0, n, pages, node < 0 ? NULL : nodes,
		      status, MPOL_MF_MOVE);
	free(pages);
	free(nodes);
	return ret;
}

static long move_all(int node, int *status)
{
	return move_pages_to(node, status, size / PAGE);
}

static int *new_status(void)
{
	int *status = calloc(size / PAGE, sizeof(*status));

	if (!status)
		die("calloc");
	return status;
}

static void where(void)
{
	size_t on[MAX_NODE] = {}, absent = 0, i;
	int *status = new_status();

	if (move_all(-1, status))
		die("move_pages, to look");
	for (i = 0; i < size / PAGE; i++)
		if (status[i] < 0 || status[i] >= MAX_NODE)
			absent++;
		else
			on[status[i]]++;
	for (i = 0; i < MAX_NODE; i++)
		if (on[i])
			printf("pages %zu node %zu\n", on[i], i);
	if (absent)
		printf("absent %zu\n", absent);
	free(status);
}

static long pin(void)
{
	struct pin_longterm_test t = { .addr = (unsigned long)mem, .size = size };
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR), err;
	long ret;

	if (fd < 0)
		die("/sys/kernel/debug/gup_test");
	ret = ioctl(fd, PIN_LONGTERM_TEST_START, &t);
	err = errno;
	if (!ret)
		ioctl(fd, PIN_LONGTERM_TEST_STOP);
	close(fd);
	errno = err;
	return ret;
}

static void use(int sec)
{
	time_t end = time(NULL) + sec;

	while (time(NULL) < end) {
		check();
		round_nr++;
		fill();
	}
}

static void read_only(int sec)
{
	time_t end = time(NULL) + sec;

	if (msync(mem, size, MS_SYNC))
		die("msync");
	while (time(NULL) < end)
		check();
}

static void hold(void)
{
	int i;

	printf("ready %p-%p\n", mem, mem + size);
	fflush(stdout);
	for (i = 0; !go && i < 1200; i++)
		usleep(100000);
	go = 0;
}

static void touch(unsigned long n, int write)
{
	volatile uint64_t *p;
	size_t i;

	for (i = 0; i < (n ? n * PAGE : size); i += PAGE) {
		p = (uint64_t *)(mem + i);
		if (write)
			*p = round_nr + i;
		else
			(void)*p;
	}
}

static void device(const char *arg)
{
	struct cdm_sim_run run = {
		.size = sizeof(run),
		.version = CDM_SIM_VERSION,
		.pattern = CDM_SIM_STRIDED,
		.addr = (uintptr_t)mem,
		.len = size,
		.stride = PAGE,
	};
	unsigned long long grain = 0, threshold = 0, batch = 0;
	unsigned int dev, flags = 0, i;
	char name[32];
	int fd, ret;

	if (sscanf(arg, "%u,%llu,%llu,%llu,%llu,%i", &dev, &run.accesses, &grain, &threshold,
		   &batch, &flags) < 2) {
		fprintf(stderr, "moveme: dev=%s: want at least a device and a number\n", arg);
		exit(2);
	}
	run.counter_grain = grain;
	run.counter_threshold = threshold;
	run.counter_batch = batch;
	run.flags = flags;
	snprintf(name, sizeof(name), "/dev/cdm_sim%u", dev);
	fd = open(name, O_RDWR);
	if (fd < 0)
		die(name);
	ret = ioctl(fd, CDM_SIM_IOC_RUN, &run);
	said("dev", ret);
	close(fd);
	printf("done %llu\ndev_faults %llu\ncounters %llu\nwaits %llu\nwait_us %llu\narmed %llu\n",
	       run.done, run.dev_faults, run.counters, run.waits, run.wait_us, run.armed);
	for (i = 0; i < CDM_SIM_NR_NODES; i++)
		if (run.served[i])
			printf("served_%u %llu\n", i, run.served[i]);
}

static void remap(void)
{
	char *to = mmap(NULL, size + ALIGN_TO, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		die("mmap");
	to = (char *)(((unsigned long)to + ALIGN_TO - 1) & ~(ALIGN_TO - 1));
	if (mremap(mem, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		die("mremap");
	mem = to;
}

static void child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		check();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die("the child");
}

static void *sleep_on(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void act(const char *a)
{
	const char *arg = strchr(a, '=');
	unsigned long x = 0, y = 0;
	pthread_t thread;
	char *end;

	if (arg) {
		x = strtoul(arg + 1, &end, 0);
		y = *end == ',' ? strtoul(end + 1, NULL, 0) : x;
	}
	if (!strncmp(a, "move=", 5)) {
		int *status = new_status();

		said(a, move_all(x, status));
		free(status);
	} else if (!strncmp(a, "half=", 5)) {
		int *status = new_status();

		said(a, move_pages_to(x, status, size / PAGE / 2));
		free(status);
	} else if (!strcmp(a, "unmap")) {
		said(a, madvise(mem, size, MADV_DONTNEED));
	} else if (!strncmp(a, "migrate=", 8)) {
		unsigned long from = 1UL << x, to = 1UL << y;

		said(a, syscall(SYS_migrate_pages, 0, MAX_NODE, &from, &to));
	} else if (!strncmp(a, "mbind=", 6) || !strncmp(a, "spread=", 7)) {
		unsigned long mask = 1UL << x | 1UL << y;

		said(a, mbind(mem, size, MPOL_BIND, &mask, MAX_NODE, MPOL_MF_MOVE));
	} else if (!strcmp(a, "collapse")) {
		said(a, madvise(mem, size, MADV_COLLAPSE));
	} else if (!strcmp(a, "offline")) {
		said(a, madvise(mem, PAGE, MADV_SOFT_OFFLINE));
	} else if (!strcmp(a, "pin")) {
		said(a, pin());
	} else if (!strncmp(a, "use=", 4)) {
		use(x);
	} else if (!strncmp(a, "rest=", 5)) {
		sleep(x);
	} else if (!strncmp(a, "read=", 5)) {
		read_only(x);
	} else if (!strncmp(a, "touch=", 6)) {
		touch(x, 0);
	} else if (!strncmp(a, "put=", 4)) {
		touch(x, 1);
	} else if (!strncmp(a, "dev=", 4)) {
		device(a + 4);
	} else if (!strcmp(a, "rights")) {
		said(a, mprotect(mem, size, PROT_READ) ?:
			mprotect(mem, size, PROT_READ | PROT_WRITE));
	} else if (!strcmp(a, "remap")) {
		remap();
	} else if (!strcmp(a, "fork")) {
		child();
	} else if (!strcmp(a, "hold")) {
		hold();
	} else if (!strcmp(a, "thread")) {
		if (pthread_create(&thread, NULL, sleep_on, NULL))
			die("pthread_create");
	} else if (!strcmp(a, "slept")) {
		struct rusage u;

		getrusage(RUSAGE_SELF, &u);
		printf("slept %ld\n", u.ru_nvcsw);
	} else if (!strcmp(a, "where")) {
		where();
	} else {
		fprintf(stderr, "moveme: no action %s\n", a);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	int c, flags = MAP_PRIVATE | MAP_ANONYMOUS, advice = -1, file = -1;
	unsigned long mask = 1;

	while ((c = getopt(argc, argv, "+s:n:m:f:")) != -1) {
		switch (c) {
		case 's': size = strtoul(optarg, NULL, 0) << 10; break;
		case 'n': mask = 1UL << atoi(optarg); break;
		case 'f':
			file = open(optarg, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			if (file < 0)
				die(optarg);
			break;
		case 'm':
			if (!strcmp(optarg, "hugetlb"))
				flags |= MAP_HUGETLB;
			else
				advice = strcmp(optarg, "huge") ? MADV_NOHUGEPAGE :
								  MADV_HUGEPAGE;
			break;
		default:
			return 2;
		}
	}
	signal(SIGUSR1, on_signal);
	mem = mmap(NULL, size + ALIGN_TO, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	mem = (char *)(((unsigned long)mem + ALIGN_TO - 1) & ~(ALIGN_TO - 1));
	if (file >= 0 && (ftruncate(file, size) ||
			  mmap(mem, size, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED))
		die("mapping the file");
	if (advice >= 0 && madvise(mem, size, advice))
		die("madvise");
	if (mbind(mem, size, MPOL_PREFERRED, &mask, MAX_NODE, 0))
		die("mbind");
	fill();
	if (mbind(mem, size, MPOL_DEFAULT, NULL, 0, 0))
		die("mbind, to the default");
	for (; optind < argc; optind++)
		act(argv[optind]);
	check();
	return 0;
}
