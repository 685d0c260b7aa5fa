// SPDX-License-Identifier: GPL-2.0
/*
 * Moves memory to and fro as fast as it can while its owner does something else
 * to it, and says how often the two really met.
 *
 *	moverace [-t SEC] [-k KIB] [-n NODE,NODE] [-f FILE] MOVER.bpf.o
 *		 OBSERVER.bpf.o RACE
 *
 * Two threads move the same pages, one to each node, by address and by page
 * frame in turn. RACE is what a child, "racer", does meanwhile:
 *
 *	movers		writes to each word; the race is between the two movers
 *	munmap		fills a new mapping, looks, unmaps it
 *	truncate	the same with FILE, which it truncates
 *	split		the same with huge pages, which it splits
 *	exec		executes itself again and again
 *	exit		has a child do it, which exits
 *	fork		has many children, which write to what they share
 *	swapoff		pages it out to FILE, then takes that swap space away
 *	offline		takes each memory block of the second node offline and back
 *
 * What the child knows of its memory it compares with what it finds, always.
 * Prints a line "KEY VALUE" for each count: what became of pages, calls of the
 * opponent, and hits as moverace.bpf.c counts them. Status 1 if memory was wrong.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mover.h"
#include "moverace.h"

#define PAGE		4096UL
#define BASE		(1UL << 40)	/* of the memory, in whichever process */
#define SHARED_FD	100		/* of struct shared, across exec */

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/* What all processes see. */
struct shared {
	volatile int pid;		/* whose memory to move, 0: nobody's */
	volatile int stop;
	volatile unsigned long rounds;
	volatile unsigned long op_failed;
	volatile unsigned long wrong;	/* comparisons that went wrong */
	unsigned long wrong_at;
	unsigned long wrong_is, wrong_want;
	unsigned long nr[2][MOVER_STATUS];
	unsigned long calls[2], errors[2];
	int last_error;
	size_t size;
	int node[2];
	char file[128];
	char race[16];
};

static struct shared *sh;

static void die(const char *what)
{
	fprintf(stderr, "moverace: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- movers ------------------------------------------------------------------ */

/* Page frames as they are now; they may be others' by the time they are moved. */
static unsigned int frames(int pid, struct cdm_move_pfn *page)
{
	static __thread uint64_t e[MOVER_PAGES];
	unsigned int i, n = 0, want = sh->size / PAGE;
	char name[32];
	ssize_t got;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/pagemap", pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (want > MOVER_PAGES)
		want = MOVER_PAGES;
	got = pread(fd, e, want * 8, BASE / PAGE * 8);
	close(fd);
	for (i = 0; i < got / 8 && got > 0; i++)
		if (e[i] >> 63)
			page[n++].pfn = e[i] & ((1ULL << 55) - 1);
	/* The array has a fixed length for the kernel: name the first again. */
	for (i = n; n && i < MOVER_PAGES; i++)
		page[i].pfn = page[0].pfn;
	return n;
}

static void *mover(void *arg)
{
	long i = (long)arg, turn, s;
	struct mover_call *call = &mover_calls[i];
	char name[16];
	int err, pid;

	snprintf(name, sizeof(name), "mover%ld", i);
	prctl(PR_SET_NAME, name);
	for (turn = 0; !sh->stop; turn++) {
		pid = sh->pid;
		if (!pid) {
			sched_yield();
			continue;
		}
		memset(&call->req, 0, sizeof(call->req));
		call->req.nid = sh->node[i];
		call->req.flags = MOVER_SHARED;
		if (turn % 4 == 3) {
			if (!frames(pid, call->page))
				continue;
			err = mover_run(mover_pfns_fd, i);
		} else {
			call->req.tgid = pid;
			call->req.start = BASE;
			call->req.end = BASE + sh->size;
			err = mover_run(mover_range_fd, i);
		}
		sh->calls[i]++;
		if (err) {
			/* Between two processes there is none. */
			if (err != -ESRCH) {
				sh->errors[i]++;
				sh->last_error = -err;
			}
			continue;
		}
		for (s = 0; s < MOVER_STATUS; s++)
			sh->nr[i][s] += call->req.nr[s];
	}
	return NULL;
}

/* ---- memory ------------------------------------------------------------------- */

static uint64_t word(size_t i, uint64_t seed)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL + seed;
}

static uint64_t *memory(int flags, int fd)
{
	void *p = mmap((void *)BASE, sh->size, PROT_READ | PROT_WRITE,
		       flags | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static uint64_t *anon_memory(void)
{
	return memory(MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void fill(uint64_t *p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < sh->size / 8; i++)
		p[i] = word(i, seed);
}

static void look(uint64_t *p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < sh->size / 8; i++) {
		uint64_t is = p[i], want = word(i, seed);

		if (is == want)
			continue;
		if (!__sync_fetch_and_add(&sh->wrong, 1)) {
			sh->wrong_at = i * 8;
			sh->wrong_is = is;
			sh->wrong_want = want;
		}
		return;
	}
}

/* It is there for the movers from now on. */
static void show(void)
{
	sh->pid = getpid();
}

/* ---- opponents ---------------------------------------------------------------- */

static void race_movers(void)
{
	uint64_t *p = anon_memory(), seed = 0;

	fill(p, seed);
	show();
	while (!sh->stop) {
		look(p, seed);
		fill(p, ++seed);
		sh->rounds++;
	}
}

static void race_munmap(void)
{
	uint64_t *p, seed = 0;

	while (!sh->stop) {
		p = anon_memory();
		show();
		fill(p, ++seed);
		look(p, seed);
		if (munmap(p, sh->size))
			die("munmap");
		sh->rounds++;
	}
}

static void race_truncate(void)
{
	int fd = open(sh->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint64_t *p, seed = 0;

	if (fd < 0)
		die(sh->file);
	p = memory(MAP_SHARED, fd);
	show();
	while (!sh->stop) {
		if (ftruncate(fd, sh->size))
			die("ftruncate");
		fill(p, ++seed);
		look(p, seed);
		if (ftruncate(fd, 0))
			die("ftruncate to 0");
		sh->rounds++;
	}
}

static void race_split(void)
{
	int fd = open("/sys/kernel/debug/split_huge_pages", O_WRONLY | O_CLOEXEC);
	uint64_t *p, seed = 0;
	char text[64];
	int len;

	if (fd < 0)
		die("split_huge_pages");
	len = snprintf(text, sizeof(text), "%d,%#lx,%#lx,0", getpid(), BASE,
		       BASE + sh->size);
	while (!sh->stop) {
		p = anon_memory();
		if (madvise(p, sh->size, MADV_HUGEPAGE))
			die("MADV_HUGEPAGE");
		show();
		fill(p, ++seed);
		look(p, seed);
		if (pwrite(fd, text, len, 0) < 0)
			sh->op_failed++;
		look(p, seed);
		if (munmap(p, sh->size))
			die("munmap");
		sh->rounds++;
	}
}

static void race_exec(void)
{
	char *const args[] = { "moverace", "--again", NULL };
	uint64_t *p = anon_memory();

	if (sh->stop)
		return;
	show();
	fill(p, 1);
	look(p, 1);
	sh->rounds++;
	execv("/proc/self/exe", args);
	die("exec");
}

static void race_exit(void)
{
	uint64_t *p;

	while (!sh->stop) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			p = anon_memory();
			show();
			fill(p, 1);
			look(p, 1);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		sh->rounds++;
	}
}

static void race_fork(void)
{
	uint64_t *p = anon_memory();
	size_t i;
	int n = 0;

	fill(p, 1);
	show();
	while (!sh->stop) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			/* Half of what is shared becomes its own. */
			for (i = 0; i < sh->size / 8; i += 2 * PAGE / 8)
				p[i] = word(i, 1);
			look(p, 1);
			_exit(0);
		}
		sh->rounds++;
		if (++n < 8)
			continue;
		wait(NULL);
		n--;
	}
	while (n--)
		wait(NULL);
	look(p, 1);
}

static void race_swapoff(void)
{
	uint64_t *p = anon_memory(), seed = 0;

	show();
	while (!sh->stop) {
		fill(p, ++seed);
		if (swapon(sh->file, 0))
			die("swapon");
		/* What is isolated for a move, or was found young, stays. */
		if (madvise(p, sh->size, MADV_PAGEOUT))
			die("MADV_PAGEOUT");
		if (swapoff(sh->file))
			die("swapoff");
		look(p, seed);
		sh->rounds++;
	}
}

/* All of a node's memory blocks; the list does not change while they are offline. */
static void set_blocks(DIR *dir, int node, const char *state)
{
	static int nr, id[64];
	struct dirent *d;
	char path[64];
	int i, fd;

	while (dir && nr < 64 && (d = readdir(dir)))
		if (sscanf(d->d_name, "memory%d", &id[nr]) == 1)
			nr++;
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%d/state", id[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			die(path);
		if (write(fd, state, strlen(state)) < 0)
			sh->op_failed++;
		close(fd);
	}
}

static void race_offline(void)
{
	uint64_t *p = anon_memory(), seed = 0;
	char path[64];
	pid_t pid;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", sh->node[1]);
	dir = opendir(path);
	if (!dir)
		die(path);
	fill(p, seed);
	show();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		while (!sh->stop) {
			set_blocks(dir, sh->node[1], "offline");
			set_blocks(NULL, sh->node[1], "online_movable");
			sh->rounds++;
			dir = NULL;
		}
		_exit(0);
	}
	while (!sh->stop) {
		look(p, seed);
		fill(p, ++seed);
	}
	waitpid(pid, NULL, 0);
}

static const struct race {
	const char *name;
	void (*run)(void);
	uint32_t op;
} races[] = {
	{ "movers", race_movers, RACE_NO_OP },
	{ "munmap", race_munmap, SYS_munmap },
	{ "truncate", race_truncate, SYS_ftruncate },
	{ "split", race_split, SYS_pwrite64 },
	{ "exec", race_exec, SYS_execve },
	{ "exit", race_exit, SYS_exit_group },
	{ "fork", race_fork, SYS_clone },
	{ "swapoff", race_swapoff, SYS_swapoff },
	{ "offline", race_offline, SYS_write },
};

static const struct race *find_race(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(races) / sizeof(*races); i++)
		if (!strcmp(races[i].name, name))
			return &races[i];
	return NULL;
}

static void run_race(void)
{
	prctl(PR_SET_NAME, "racer");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	find_race(sh->race)->run();
	exit(0);
}

/* ---- the whole ------------------------------------------------------------------ */

static void share(bool again)
{
	if (!again) {
		int fd = memfd_create("moverace", 0);

		if (fd < 0 || ftruncate(fd, sizeof(*sh)) || dup2(fd, SHARED_FD) < 0)
			die("memfd");
		close(fd);
	}
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	if (sh == MAP_FAILED)
		die("mmap");
}

static int observe(const char *path, uint32_t op)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct race_state state = { .op = op };
	struct bpf_program *prog;
	uint32_t zero = 0;
	int map;

	if (!obj || bpf_object__load(obj))
		die(path);
	map = bpf_object__find_map_fd_by_name(obj, "state");
	if (map < 0 || bpf_map_update_elem(map, &zero, &state, 0))
		die("the observer's map");
	bpf_object__for_each_program(prog, obj) {
		if (!bpf_program__attach(prog))
			die(bpf_program__name(prog));
	}
	return map;
}

static void report(int map)
{
	static const char *const names[] = { MOVER_NAMES };
	struct race_state s;
	uint32_t zero = 0;
	int i;

	if (bpf_map_lookup_elem(map, &zero, &s))
		die("the observer's map");
	printf("calls %lu\nerrors %lu\n", sh->calls[0] + sh->calls[1],
	       sh->errors[0] + sh->errors[1]);
	if (sh->last_error)
		printf("last_error %s\n", strerror(sh->last_error));
	for (i = 0; i < MOVER_STATUS; i++)
		printf("%s %lu\n", names[i], sh->nr[0][i] + sh->nr[1][i]);
	printf("rounds %lu\nop_failed %lu\n", sh->rounds, sh->op_failed);
	printf("migrations %llu\nfailed %llu\nops %llu\nhits_0 %llu\nhits_1 %llu\nhits %llu\n",
	       s.nr_moves, s.nr_failed, s.nr_ops, s.hits[0], s.hits[1],
	       s.hits[0] + s.hits[1]);
	printf("wrong %lu\n", sh->wrong);
	if (sh->wrong)
		printf("wrong_at %#lx is %#lx want %#lx\n", sh->wrong_at,
		       sh->wrong_is, sh->wrong_want);
}

int main(int argc, char **argv)
{
	int c, map, sec = 5, status;
	pthread_t thread[2];
	pid_t pid;
	long i;

	if (argc == 2 && !strcmp(argv[1], "--again")) {
		share(true);
		run_race();
	}
	share(false);
	sh->size = 1UL << 20;
	sh->node[1] = 1;
	while ((c = getopt(argc, argv, "t:k:n:f:")) != -1) {
		switch (c) {
		case 't': sec = atoi(optarg); break;
		case 'k': sh->size = strtoul(optarg, NULL, 0) << 10; break;
		case 'f': snprintf(sh->file, sizeof(sh->file), "%s", optarg); break;
		case 'n':
			if (sscanf(optarg, "%d,%d", &sh->node[0], &sh->node[1]) == 2)
				break;
			/* fall through */
		default: return 2;
		}
	}
	if (optind + 3 != argc || !find_race(argv[optind + 2])) {
		fprintf(stderr, "usage: moverace [-t SEC] [-k KIB] [-n NODE,NODE] [-f FILE] MOVER OBSERVER RACE\n");
		return 2;
	}
	snprintf(sh->race, sizeof(sh->race), "%s", argv[optind + 2]);
	if (mover_load(argv[optind]))
		return 1;
	map = observe(argv[optind + 1], find_race(sh->race)->op);

	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		run_race();
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, mover, (void *)i))
			die("pthread_create");
	/* Ends early only if the racer does. */
	for (i = 0; i < sec * 10 && !waitpid(pid, &status, WNOHANG); i++)
		usleep(100000);
	if (i < sec * 10) {
		fprintf(stderr, "moverace: %s ended before its time, status %#x\n",
			sh->race, status);
		return 1;
	}
	sh->stop = 1;
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "moverace: %s ended with status %#x\n", sh->race, status);
		return 1;
	}
	report(map);
	return sh->wrong != 0;
}
