// SPDX-License-Identifier: GPL-2.0
/*
 * Runs one access kernel of a simulated device over fresh memory of its own and
 * says what came of it, one "KEY VALUE" a line.
 *
 *	simrun [-d DEVICE] [-s KIB] [-p PATTERN] [-t STRIDE] [-n ACCESSES]
 *	       [-w PCT] [-S SEED] [-z SKEW] [-k KIND] [-m huge|nohuge] [-H SEC] [-C]
 *
 * -C: the caller accesses, as a CPU, and not the device. KIND is what the device finds:
 *
 *	anon	nothing: private memory that was never touched
 *	cpu	private memory that the CPU has written: word I holds I
 *	ring	the same, but a word says where the next is, and the last where the first
 *	read	private memory that the CPU has read, hence the zero page
 *	shmem	shared anonymous memory that was never touched
 *	ro	private memory that may only be read
 *	child	what the parent wrote before a fork; the child runs
 *	uffd	memory whose faults user space never answers
 *	pipe	anon, and -H later the first page is held by a pipe
 *	spin	anon, and a CPU reads it all the time meanwhile
 *
 * Keys: ret (0 or the errno), the results of struct cdm_sim_run, served_N,
 * count_N (accesses to the Nth CDM_SIM_COUNT_BYTES), hits, misses,
 * resident_N (pages now on node N), absent, sum (of all words, as the CPU reads
 * them), expect (the checksum that a sequential read of all words should give),
 * top (accesses to the most written block of STRIDE bytes) and charged (bytes
 * of memory.current of our cgroup, if we are in one).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/cdm_sim.h>

#define PAGE		4096UL
#define ALIGN_TO	(4UL << 20)

static struct env {
	const char *device, *kind, *advice;
	size_t size;
	int hold;
	struct cdm_sim_run run;
} env = {
	.device = "/dev/cdm_sim0",
	.kind = "anon",
	.size = 4UL << 20,
	.run = {
		.size = sizeof(struct cdm_sim_run),
		.version = CDM_SIM_VERSION,
		.pattern = CDM_SIM_STRIDED,
		.write_pct = 100,
	},
};

/* The first of them are enough. */
#define NR_COUNTS	64
static __u64 *counts;

static void die(const char *what)
{
	fprintf(stderr, "simrun: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int is(const char *kind)
{
	return !strcmp(env.kind, kind);
}

static uint64_t *map(size_t size)
{
	int flags = is("shmem") ? MAP_SHARED : MAP_PRIVATE;
	char *room, *p;

	room = mmap(NULL, size + ALIGN_TO, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		die("mmap");
	p = (char *)(((uintptr_t)room + ALIGN_TO - 1) & ~(ALIGN_TO - 1));
	p = mmap(p, size, is("ro") ? PROT_READ : PROT_READ | PROT_WRITE,
		 flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	if (env.advice && madvise(p, size, !strcmp(env.advice, "huge") ?
				  MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("madvise");
	return (uint64_t *)p;
}

/* Faults in here are for user space to answer, and nobody does. */
static void register_uffd(void *p, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)p, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
}

static void *spin(void *arg)
{
	volatile uint64_t *p = arg;
	size_t i;

	for (;;)
		for (i = 0; i < env.size / sizeof(*p); i += PAGE / sizeof(*p))
			(void)p[i];
	return NULL;
}

static void prepare(uint64_t *p, size_t size)
{
	pthread_t thread;
	volatile uint64_t sink;
	size_t i;

	if (is("cpu") || is("child")) {
		for (i = 0; i < size / sizeof(*p); i++)
			p[i] = i;
	} else if (is("ring")) {
		/* Odd, so that it comes by all words of a power of two; to another page. */
		for (i = 0; i < size / sizeof(*p); i++)
			p[i] = (i + 4099) % (size / sizeof(*p)) * sizeof(*p);
	} else if (is("read")) {
		for (i = 0; i < size / sizeof(*p); i += PAGE / sizeof(*p))
			sink = p[i];
	} else if (is("uffd")) {
		register_uffd(p, size);
	} else if (is("spin") && pthread_create(&thread, NULL, spin, p)) {
		die("pthread_create");
	}
	(void)sink;
}

static void print_results(int ret)
{
	const struct cdm_sim_run *r = &env.run;
	int i;

	printf("ret %d\ndone %llu\nwrites %llu\ndev_faults %llu\nretries %llu\n"
	       "errors %llu\nerror %d\nerror_addr %llu\nchecksum %llu\n"
	       "served_other %llu\n",
	       ret, r->done, r->writes, r->dev_faults, r->retries, r->errors,
	       r->error, r->error_addr ? r->error_addr - r->addr : 0,
	       r->checksum, r->served_other);
	for (i = 0; i < CDM_SIM_NR_NODES; i++)
		if (r->served[i])
			printf("served_%d %llu\n", i, r->served[i]);
	printf("hits %llu\nmisses %llu\n", r->hits, r->misses);
	for (i = 0; i < NR_COUNTS && counts[i]; i++)
		printf("count_%d %llu\n", i, counts[i]);
}

/* By asking, not by touching. */
static void print_resident(char *p, size_t size)
{
	size_t n = size / PAGE, i, count[CDM_SIM_NR_NODES] = {}, absent = 0;
	void **pages = calloc(n, sizeof(*pages));
	int *status = calloc(n, sizeof(*status));

	if (!pages || !status)
		die("calloc");
	for (i = 0; i < n; i++)
		pages[i] = p + i * PAGE;
	if (syscall(__NR_move_pages, 0, n, pages, NULL, status, 0))
		die("move_pages");
	for (i = 0; i < n; i++) {
		if (status[i] >= 0 && status[i] < CDM_SIM_NR_NODES)
			count[status[i]]++;
		else
			absent++;
	}
	for (i = 0; i < CDM_SIM_NR_NODES; i++)
		if (count[i])
			printf("resident_%zu %zu\n", i, count[i]);
	printf("absent %zu\n", absent);
	free(pages);
	free(status);
}

static void print_sums(const uint64_t *p, size_t size)
{
	size_t words = size / sizeof(*p), block, i;
	uint64_t sum = 0, here = 0, top = 0;

	block = (env.run.stride ? env.run.stride : PAGE) / sizeof(*p);
	for (i = 0; i < words; i++) {
		sum += p[i];
		here = i % block ? here + p[i] : p[i];
		if (here > top)
			top = here;
	}
	printf("sum %llu\nexpect %llu\ntop %llu\n", (unsigned long long)sum,
	       (unsigned long long)words * (words - 1) / 2,
	       (unsigned long long)top);
}

static void print_charged(void)
{
	char line[256], path[320], *group;
	FILE *f = fopen("/proc/self/cgroup", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3))
			continue;
		group = line + 3;
		group[strcspn(group, "\n")] = 0;
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current",
			 group);
		fclose(f);
		f = fopen(path, "r");
		if (f && fgets(line, sizeof(line), f))
			printf("charged %s", line);
		break;
	}
	if (f)
		fclose(f);
}

/* The page can then be read by anyone, but not moved. */
static void hold_in_pipe(void *p)
{
	struct iovec iov = { .iov_base = p, .iov_len = PAGE };
	int fds[2];

	if (pipe(fds) || vmsplice(fds[1], &iov, 1, 0) != (ssize_t)PAGE)
		die("vmsplice");
}

static int run(uint64_t *p)
{
	int fd = open(env.device, O_RDWR), ret;

	if (fd < 0)
		die(env.device);
	env.run.addr = (uintptr_t)p;
	env.run.len = env.size;
	counts = calloc(env.size / CDM_SIM_COUNT_BYTES + 1 + NR_COUNTS, sizeof(*counts));
	if (!counts)
		die("calloc");
	env.run.counts = (uintptr_t)counts;
	if (!env.run.accesses)
		env.run.accesses = env.size / (env.run.stride ? env.run.stride :
					       env.run.pattern ? PAGE : 8);
	ret = ioctl(fd, CDM_SIM_IOC_RUN, &env.run) ? errno : 0;
	close(fd);
	return ret;
}

static int pattern(const char *name)
{
	static const char *const names[] = {
		"sequential", "strided", "uniform", "zipf", "chase",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return i;
	return atoi(name);
}

int main(int argc, char **argv)
{
	struct cdm_sim_run *r = &env.run;
	int opt, ret, status;
	uint64_t *p;

	while ((opt = getopt(argc, argv, "d:s:p:t:n:w:S:z:k:m:H:C")) != -1) {
		switch (opt) {
		case 'd': env.device = optarg; break;
		case 's': env.size = strtoull(optarg, NULL, 0) << 10; break;
		case 'p': r->pattern = pattern(optarg); break;
		case 't': r->stride = strtoull(optarg, NULL, 0); break;
		case 'n': r->accesses = strtoull(optarg, NULL, 0); break;
		case 'w': r->write_pct = atoi(optarg); break;
		case 'S': r->seed = strtoull(optarg, NULL, 0); break;
		case 'z': r->zipf_skew = atoi(optarg); break;
		case 'k': env.kind = optarg; break;
		case 'm': env.advice = optarg; break;
		case 'H': env.hold = atoi(optarg); break;
		case 'C': r->flags |= CDM_SIM_RUN_CPU; break;
		default: return 2;
		}
	}

	p = map(env.size);
	prepare(p, env.size);
	if (is("child")) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid) {
			waitpid(pid, &status, 0);
			/* What a child's device writes is not ours. */
			if (p[1] != 1)
				fprintf(stderr, "simrun: the parent's memory changed\n");
			return p[1] != 1 || status;
		}
	}
	ret = run(p);
	print_results(ret);
	/* Of memory that its device has lost nothing more is to be had. */
	fflush(stdout);
	print_resident((char *)p, env.size);
	print_charged();
	if (!is("uffd"))
		print_sums(p, env.size);
	if (is("pipe"))
		hold_in_pipe(p);
	fflush(stdout);
	if (env.hold)
		sleep(env.hold);
	return !!ret;
}
