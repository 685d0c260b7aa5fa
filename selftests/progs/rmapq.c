// SPDX-License-Identifier: GPL-2.0
/*
 * Reverse maps while what they tell of changes, and what must be refused.
 *
 *	rmapq OBJECT neg		wrong sizes, wrong frames, no rights
 *	rmapq OBJECT tick		by a policy, in tick
 *	rmapq OBJECT locks OBJECT2	locks held on the way, by rmaplocks.bpf.o
 *	rmapq OBJECT exit|mremap|mremap-anon SEC
 *
 * The last ones take snapshots of one page for SEC seconds. Eight processes map it
 * all the time: each snapshot has each of them, once, at its address. Meanwhile
 * others map it and exit, or one moves its mapping to and fro: that one is found at
 * the old or the new address, or at both, and nowhere else.
 *
 * OBJECT is rmapq.bpf.o. Prints what it saw; status 1 and "bad ..." if that is wrong.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <linux/cdm_sim.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define STABLE	8
#define ROOM	512

struct entry {
	__u64 mm_cookie, addr, pfn;
	__u32 nr_pages, tgid, flags, pad;
};

struct answer {
	__u64 seq, pfn;
	__u32 nr, nr_entries, order, flags;
	struct entry entries[ROOM];
};

#define TRUNCATED	1
#define CONTENDED	2

static const char *object;
static struct bpf_object *obj;
static struct bpf_program *ask;
static int bad;
static int *ready;		/* children that have mapped the page, shared */

/* The variables of rmapq.bpf.c, in their order in .data and .rodata. */
struct rodata {
	__u32 bytes, skew;
	__u64 pfn;
};

struct data {
	__s32 in_tick, with_null, in_timer;
};

static void die(const char *what)
{
	fprintf(stderr, "rmapq: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void wrong(const char *what, long got, long want)
{
	printf("bad %s: got %ld, want %ld\n", what, got, want);
	bad = 1;
}

static void *section(const char *name)
{
	struct bpf_map *m = bpf_object__find_map_by_name(obj, name);
	size_t size;

	if (!m)
		die(name);
	return bpf_map__initial_value(m, &size);
}

/* Loads @prog with a buffer of @bytes, @skew bytes into a map's value. */
static void load(const char *name, __u32 bytes, __u32 skew, __u64 pfn)
{
	struct bpf_program *p;
	struct rodata *ro;

	if (obj)
		bpf_object__close(obj);
	obj = bpf_object__open_file(object, NULL);
	if (!obj)
		die(object);
	bpf_object__for_each_program(p, obj)
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p), name));
	bpf_map__set_autocreate(bpf_object__find_map_by_name(obj, "rmapq_ops"),
				!strcmp(name, "ask_in_tick"));
	ro = section(".rodata");
	*ro = (struct rodata) { bytes, skew, pfn };
	if (bpf_map__set_value_size(bpf_object__find_map_by_name(obj, "snapshot"), bytes + skew + 8) ||
	    bpf_object__load(obj))
		die("load");
	ask = bpf_object__find_program_by_name(obj, name);
}

static int run(__u64 pfn)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &pfn,
		    .ctx_size_in = sizeof(pfn));

	if (bpf_prog_test_run_opts(bpf_program__fd(ask), &opts))
		return -2000;
	return opts.retval;
}

static uint64_t pfn_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t e;

	if (fd < 0 || pread(fd, &e, 8, (uintptr_t)p / PAGE * 8) != 8)
		die("pagemap");
	close(fd);
	return e << 9 >> 9;
}

static char *page(int shared)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	*p = 1;
	return p;
}

/* ---- refusals --------------------------------------------------------------- */

static void expect(const char *what, __u64 pfn, int want)
{
	int got = run(pfn);

	if (got != want)
		wrong(what, got, want);
	else
		printf("ok %s %d\n", what, got);
}

/* What a child without rights gets that has inherited the program. */
static void expect_in_child(const char *what, __u64 pfn, int userns)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (userns ? unshare(CLONE_NEWUSER) :
		    setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
		    setresuid(65534, 65534, 65534))
			_exit(2);
		_exit(run(pfn) == -EPERM ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (status)
		wrong(what, status, 0);
	else
		printf("ok %s\n", what);
}

static void neg(void)
{
	uint64_t pfn = pfn_of(page(0));
	struct data *data;
	int i;

	load("ask", 32, 0, 0);
	expect("a head alone", pfn, 0);
	expect("no memory", 1ULL << 40, -ENXIO);
	expect("no memory, all ones", ~0ULL, -ENXIO);
	expect("the kernel's page", 0, -ENOENT);
	expect_in_child("nobody", pfn, 0);
	expect_in_child("root of a user namespace", pfn, 1);
	load("ask", 72, 0, 0);
	expect("one entry", pfn, 0);
	load("ask", 31, 0, 0);
	expect("less than a head", pfn, -EINVAL);
	load("ask", 33, 0, 0);
	expect("a head and a byte", pfn, -EINVAL);
	load("ask", 71, 0, 0);
	expect("less than an entry", pfn, -EINVAL);
	load("ask", 72, 4, 0);
	expect("not aligned", pfn, -EINVAL);
	load("ask", 72, 8, 0);
	expect("aligned elsewhere", pfn, 0);

	load("late", 32, 0, pfn);
	data = section(".data");
	if (run(0))
		wrong("arming a timer", run(0), 0);
	for (i = 0; i < 300 && data->in_timer == 1; i++)
		usleep(10000);
	if (data->in_timer != -EINVAL)
		wrong("a timer's callback", data->in_timer, -EINVAL);
	else
		printf("ok a timer's callback %d\n", data->in_timer);
}

/* ---- tick ------------------------------------------------------------------- */

static void tick(void)
{
	uint64_t pfn = pfn_of(page(0));
	struct bpf_link *link;
	struct data *data;
	struct answer *a;
	int i;

	load("ask_in_tick", 32, 0, pfn);
	link = bpf_map__attach_struct_ops(bpf_object__find_map_by_name(obj, "rmapq_ops"));
	if (!link)
		die("attach");
	data = section(".data");
	for (i = 0; i < 500 && data->in_tick == 1; i++)
		usleep(10000);
	a = section(".bss");
	if (data->with_null != -EINVAL)
		wrong("NULL in a callback", data->with_null, -EINVAL);
	if (data->in_tick)
		wrong("in tick", data->in_tick, 0);
	if (a->nr != 1 || a->entries[0].tgid != (__u32)getpid() || a->entries[0].pfn != pfn)
		wrong("what it says, by tgid", a->entries[0].tgid, getpid());
	if (!bad)
		printf("ok tick\n");
	bpf_link__destroy(link);
}

/* ---- locks ------------------------------------------------------------------ */

/* As in rmaplocks.bpf.c. */
struct locks {
	__s32 in_walk, in_driver, in_answer;
	__u64 walks, drivers, answers;
	__s32 lockdep;
};

static void locks(const char *path)
{
	struct bpf_object *trace = bpf_object__open_file(path, NULL);
	struct bpf_program *p;
	struct cdm_sim_run r = {
		.size = sizeof(r), .version = CDM_SIM_VERSION,
		.pattern = CDM_SIM_STRIDED, .flags = CDM_SIM_RUN_CACHE,
		.accesses = 64, .write_pct = 100,
	};
	struct locks *l;
	size_t size;
	int fd, i;
	char *mem;

	if (!trace || bpf_object__load(trace))
		die(path);
	bpf_object__for_each_program(p, trace)
		if (!bpf_program__attach(p))
			die(bpf_program__name(p));
	l = bpf_map__initial_value(bpf_object__find_map_by_name(trace, ".bss"), &size);

	load("ask", 72, 0, 0);
	for (i = 0; i < 10; i++)
		expect("a snapshot", pfn_of(page(i & 1)), 0);
	mem = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = open("/dev/cdm_sim0", O_RDWR);
	r.addr = (uintptr_t)mem;
	r.len = 64 * PAGE;
	if (fd < 0 || ioctl(fd, CDM_SIM_IOC_RUN, &r))
		die("/dev/cdm_sim0");
	printf("lockdep %d\nwalks %llu\ndrivers %llu\nanswers %llu\n"
	       "in_walk %d\nin_driver %d\nin_answer %d\n",
	       l->lockdep, l->walks, l->drivers, l->answers,
	       l->in_walk, l->in_driver, l->in_answer);
}

/* ---- while it changes ------------------------------------------------------- */

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* A fork does not copy the page tables of shared memory. */
static void touch(const char *p)
{
	(void)*(volatile const char *)p;
	__atomic_add_fetch(ready, 1, __ATOMIC_RELEASE);
}

static void __attribute__((noreturn)) come_and_go(char *p)
{
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			int i;

			for (i = 0; i < 20; i++) {
				char *q = mremap(p, 0, PAGE, MREMAP_MAYMOVE);

				if (q != MAP_FAILED)
					*q = 1;
			}
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

static void __attribute__((noreturn)) move(char *p, char *to)
{
	for (;;) {
		if (mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to ||
		    mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) != p)
			_exit(1);
	}
}

static void stress(int exits, int anon, int sec)
{
	static struct answer a;
	unsigned long snapshots = 0, contended = 0, twice = 0, extra = 0;
	pid_t stable[STABLE], other[2] = {};
	char *p = page(!anon), *to = page(0);
	uint64_t pfn = pfn_of(p);
	time_t end;
	__u32 key = 0, i, j;
	int map;

	ready = (int *)page(1);
	*ready = 0;
	for (i = 0; i < STABLE; i++) {
		stable[i] = child();
		if (!stable[i]) {
			touch(p);
			for (;;)
				pause();
		}
	}
	for (i = 0; i < (exits ? 2 : 1); i++) {
		other[i] = child();
		if (!other[i]) {
			touch(p);
			if (exits)
				come_and_go(p);
			move(p, to);
		}
	}
	load("ask", offsetof(struct answer, entries) + ROOM * sizeof(struct entry), 0, 0);
	while (__atomic_load_n(ready, __ATOMIC_ACQUIRE) < STABLE + (exits ? 2 : 1))
		usleep(10000);
	map = bpf_map__fd(bpf_object__find_map_by_name(obj, "snapshot"));
	for (end = time(NULL) + sec; time(NULL) < end && !bad;) {
		char value[sizeof(a) + 8];
		unsigned int moved = 0;
		int err = run(pfn);

		if (err || bpf_map_lookup_elem(map, &key, value)) {
			wrong("a snapshot", err, 0);
			break;
		}
		memcpy(&a, value, sizeof(a));
		if (a.flags & CONTENDED) {
			contended++;
			continue;
		}
		snapshots++;
		if (a.flags & TRUNCATED)
			wrong("flags", a.flags, 0);
		for (i = 0; i < STABLE; i++) {
			unsigned int n = 0;

			for (j = 0; j < a.nr_entries; j++)
				n += a.entries[j].tgid == (__u32)stable[i] &&
				     a.entries[j].addr == (uintptr_t)p;
			if (n != 1)
				wrong("entries of a process that stays", n, 1);
		}
		for (j = 0; j < a.nr_entries; j++) {
			struct entry *e = &a.entries[j];

			if (e->pfn != pfn || e->nr_pages != 1 || !e->mm_cookie)
				wrong("frame", e->pfn, pfn);
			if (exits || e->tgid != (__u32)other[0])
				continue;
			if (e->addr != (uintptr_t)p && e->addr != (uintptr_t)to)
				wrong("address", e->addr, (uintptr_t)p);
			moved++;
		}
		if (!exits && (moved < 1 || moved > 2))
			wrong("entries of the one that moves", moved, 1);
		twice += moved == 2;
		extra += a.nr_entries > STABLE + 2;
	}
	for (i = 0; i < STABLE; i++)
		kill(stable[i], SIGKILL);
	for (i = 0; i < (exits ? 2 : 1); i++)
		kill(other[i], SIGKILL);
	printf("snapshots %lu\ncontended %lu\ntwice %lu\nextra %lu\n", snapshots,
	       contended, twice, extra);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "";
	int sec = argc > 3 ? atoi(argv[3]) : 5;

	object = argv[1];
	if (!strcmp(mode, "neg"))
		neg();
	else if (!strcmp(mode, "tick"))
		tick();
	else if (!strcmp(mode, "locks") && argc > 3)
		locks(argv[3]);
	else if (!strcmp(mode, "exit"))
		stress(1, 0, sec);
	else if (!strcmp(mode, "mremap"))
		stress(0, 0, sec);
	else if (!strcmp(mode, "mremap-anon"))
		stress(0, 1, sec);
	else
		return 2;
	return bad;
}
