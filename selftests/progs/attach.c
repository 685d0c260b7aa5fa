// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches a policy for a test, without any of cdmctl's judgement.
 *
 * Tests of what the kernel refuses need a loader that does not refuse first, that
 * can do the wrong thing on purpose (attach a map twice, fill an ops member with
 * nonsense), and that says exactly how far it came. It prints one line a step,
 * "STEP ERRNO TEXT", and the kernel's own words when a step fails:
 *
 *	open 0 ok
 *	load -22 Invalid argument
 *	kernel callback place runs in atomic context: ...
 *
 * libbpf's and the verifier's log goes to stderr. The exit status is 0, that of
 * the command, or 2 when opening, 3 when loading, 4 when attaching failed.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vars.h"

#define LAST_ERROR	"/sys/kernel/mm/cdm/last_error"
#define MAX_SETS	64

static struct {
	const char *ops;	/* the ops map to use */
	const char *pin;
	const char *target;	/* variable that gets the command's tgid */
	const char *sets[MAX_SETS];	/* of ops members */
	const char *vars[MAX_SETS];	/* of global variables */
	const char *prints[MAX_SETS];
	int nr_sets, nr_vars, nr_prints;
	bool load_only, twice, itself, counts, watch, compare;
	int hold;		/* seconds */
} opt;

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static int log_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, fmt, ap);
}

static int step(const char *what, int err)
{
	char line[512] = "";
	FILE *f;

	if (!err) {
		printf("%s 0 ok\n", what);
	} else {
		printf("%s %d %s\n", what, err, err == -524 ?
		       "ENOTSUPP" : strerror(-err));
		f = fopen(LAST_ERROR, "r");
		if (f) {
			if (fgets(line, sizeof(line), f))
				printf("kernel %s", line);
			fclose(f);
		}
	}
	fflush(stdout);
	return err;
}

/* ---- members by name ------------------------------------------------------- */

/* MEMBER=VALUE of the ops, in the value that libbpf will hand to the kernel. */
static int set_member(struct bpf_object *obj, struct bpf_map *ops, const char *s)
{
	const struct btf *btf = bpf_object__btf(obj);
	const char *eq = strchr(s, '=');
	const struct btf_type *t;
	const struct btf_member *m;
	size_t size;
	char *data = bpf_map__initial_value(ops, &size);
	int i, id = btf__find_by_name_kind(btf, "cdm_ops", BTF_KIND_STRUCT);

	if (!eq || id < 0 || !data)
		return -EINVAL;
	t = btf__type_by_id(btf, id);
	for (i = 0, m = btf_members(t); i < btf_vlen(t); i++, m++) {
		const char *name = btf__name_by_offset(btf, m->name_off);

		if (strlen(name) == (size_t)(eq - s) && !strncmp(name, s, eq - s))
			return store(data + m->offset / 8, btf, m->type, eq + 1);
	}
	fprintf(stderr, "attach: struct cdm_ops has no member in '%s'\n", s);
	return -ENOENT;
}

static void print_num(const void *mem, __s64 size)
{
	__u64 v = 0;

	memcpy(&v, mem, size < 8 ? size : 8);
	printf(" %llu", (unsigned long long)v);
}

static void print_var(struct bpf_object *obj, const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	const struct btf_type *t;
	__u32 type, i;
	char *mem = find_var(obj, name, strlen(name), &type);

	if (!mem)
		return;
	t = skip_mods(btf, type);
	printf("%s", name);
	if (btf_is_array(t)) {
		const struct btf_array *a = btf_array(t);
		__s64 size = btf__resolve_size(btf, a->type);

		if (size == 1)
			printf(" %.*s", (int)a->nelems, mem);
		else
			for (i = 0; i < a->nelems; i++)
				print_num(mem + i * size, size);
	} else {
		print_num(mem, t->size);
	}
	printf("\n");
}

/* The map that include/cdm/counts.bpf.h makes, summed over CPUs. */
static void print_counts(struct bpf_object *obj)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, "counts");
	int cpu, nr = libbpf_num_possible_cpus();
	size_t i, n, size;
	__u64 *val, sum;
	__u32 key = 0;

	if (!map) {
		fprintf(stderr, "attach: the object has no map \"counts\"\n");
		return;
	}
	size = (bpf_map__value_size(map) + 7) / 8 * 8;
	n = size / 8;
	val = calloc(nr, size);
	if (!val || bpf_map_lookup_elem(bpf_map__fd(map), &key, val))
		goto out;
	for (i = 0; i < n; i++) {
		for (sum = 0, cpu = 0; cpu < nr; cpu++)
			sum += val[cpu * n + i];
		if (i == 0)
			printf("calls %llu\n", (unsigned long long)sum);
		else if (i == 1)
			printf("answer default %llu\n", (unsigned long long)sum);
		else if (sum)
			printf("answer %zu %llu\n", i - 2, (unsigned long long)sum);
	}
out:
	free(val);
}

/* ---- two counts of the same calls ------------------------------------------- */

/* "calls_place" of the one policy there is, -1 if there is not one. */
static long long kernel_calls(char *stats, size_t size)
{
	long long calls = -1;
	glob_t g;
	ssize_t n;
	int fd;

	if (glob("/sys/kernel/mm/cdm/policies/*/stats", 0, NULL, &g))
		return -1;
	fd = g.gl_pathc == 1 ? open(g.gl_pathv[0], O_RDONLY) : -1;
	globfree(&g);
	if (fd < 0)
		return -1;
	n = read(fd, stats, size - 1);
	close(fd);
	if (n > 0) {
		stats[n] = '\0';
		sscanf(stats, "calls_place %lld", &calls);
	}
	return calls;
}

/*
 * The policy's count cannot be read at the same moment as the kernel's, and
 * anybody's fault adds to both. So it is read between two readings of the
 * kernel's, until these are the same: then nothing happened in between.
 */
static int compare_counts(struct bpf_object *obj)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, "counts");
	int cpu, i, nr = libbpf_num_possible_cpus();
	size_t size = map ? (bpf_map__value_size(map) + 7) / 8 * 8 : 0;
	long long before, after, own;
	static char stats[4096];
	static __u64 val[16384];
	__u32 key = 0;

	if (!map || nr * size > sizeof(val))
		return -EINVAL;
	for (i = 0; i < 10000; i++) {
		before = kernel_calls(stats, sizeof(stats));
		if (bpf_map_lookup_elem(bpf_map__fd(map), &key, val))
			return -errno;
		after = kernel_calls(stats, sizeof(stats));
		if (before < 0)
			return -ENOENT;
		if (before != after)
			continue;
		for (own = 0, cpu = 0; cpu < nr; cpu++)
			own += val[cpu * size / 8];
		printf("kernel_calls %lld\nown_calls %lld\n%s", after, own, stats);
		return 0;
	}
	return -EAGAIN;
}

/* ---- the command ------------------------------------------------------------ */

/* A child that waits for a byte before it becomes the command. */
static pid_t start(char **argv, int *go)
{
	int fds[2];
	pid_t pid;
	char c;

	if (pipe(fds))
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		if (read(fds[0], &c, 1) != 1)
			_exit(125);
		close(fds[0]);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(fds[0]);
	*go = fds[1];
	return pid;
}

/* Waits until the link is detached by the kernel: true if it was. */
static bool detached(int link_fd, int ms)
{
	struct epoll_event ev = { .events = EPOLLHUP };
	int ep = epoll_create1(EPOLL_CLOEXEC), n = 0;

	if (ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, link_fd, &ev))
		n = epoll_wait(ep, &ev, 1, ms);
	close(ep);
	return n == 1 && ev.events & EPOLLHUP;
}

static struct bpf_map *choose_ops(struct bpf_object *obj)
{
	struct bpf_map *map, *ops = NULL;

	bpf_object__for_each_map(map, obj) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		if (opt.ops ? !strcmp(bpf_map__name(map), opt.ops) : !ops) {
			bpf_map__set_autocreate(map, true);
			ops = map;
		} else {
			bpf_map__set_autocreate(map, false);
		}
	}
	return ops;
}

static int run(const char *path, char **cmd)
{
	struct bpf_link *link = NULL, *second;
	struct bpf_object *obj;
	struct bpf_map *ops;
	int i, err, status = 0, go = -1;
	pid_t pid = 0;

	obj = bpf_object__open_file(path, NULL);
	if (step("open", obj ? 0 : -errno))
		return 2;
	ops = choose_ops(obj);
	if (!ops) {
		/* Not an error of libbpf's: there is nothing to attach. */
		step("ops", -ENOENT);
		status = 2;
		goto close;
	}

	for (err = 0, i = 0; !err && i < opt.nr_sets; i++)
		err = set_member(obj, ops, opt.sets[i]);
	for (i = 0; !err && i < opt.nr_vars; i++)
		err = set_var(obj, opt.vars[i]);
	if (err) {
		step("set", err);
		status = 2;
		goto close;
	}

	if (cmd) {
		pid = start(cmd, &go);
		if (opt.target) {
			__u32 type;
			__u32 *tgid = find_var(obj, opt.target,
					       strlen(opt.target), &type);

			if (tgid)
				*tgid = pid;
		}
	}

	err = bpf_object__load(obj);
	if (step("load", err)) {
		status = 3;
		goto reap;
	}
	if (opt.load_only)
		goto reap;

	link = bpf_map__attach_struct_ops(ops);
	if (step("attach", link ? 0 : -errno)) {
		status = 4;
		goto reap;
	}
	if (opt.twice) {
		second = bpf_map__attach_struct_ops(ops);
		if (step("again", second ? 0 : -errno))
			status = 4;
		bpf_link__destroy(second);
	}
	if (opt.itself && step("update", bpf_link__update_map(link, ops)))
		status = 4;
	if (opt.pin && step("pin", bpf_link__pin(link, opt.pin)))
		status = 4;

	if (pid > 0 && write(go, "x", 1) == 1) {
		waitpid(pid, &status, 0);
		status = WIFEXITED(status) ? WEXITSTATUS(status) :
			 128 + WTERMSIG(status);
		pid = 0;
	}
	for (i = 0; i < opt.hold * 10 && !stop; i++) {
		if (opt.watch && detached(bpf_link__fd(link), 100)) {
			printf("ejected\n");
			break;
		}
		if (!opt.watch)
			poll(NULL, 0, 100);
	}
	if (opt.compare && step("compare", compare_counts(obj)))
		status = 4;
	bpf_link__destroy(link);
	link = NULL;

	/* After the link is gone: exit() has run, and nobody counts any more. */
	if (opt.counts)
		print_counts(obj);
	for (i = 0; i < opt.nr_prints; i++)
		print_var(obj, opt.prints[i]);
reap:
	if (go >= 0)
		close(go);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	bpf_link__destroy(link);
close:
	bpf_object__close(obj);
	return status;
}

static void usage(void)
{
	fprintf(stderr,
		"attach [OPTION...] OBJECT [-- COMMAND ARG...]\n"
		"  -m OPS         use this ops map, not the first\n"
		"  -o NAME=VALUE  set a member of the ops\n"
		"  -s NAME=VALUE  set a global variable before the load\n"
		"  -T NAME        global variable that gets the command's process number\n"
		"  -l             load only\n"
		"  -2             attach the same map twice\n"
				"  -x             swap it with itself\n"
		"  -p PATH        pin the link\n"
		"  -t SEC         stay attached for so long, or until a signal\n"
		"  -w             meanwhile, print \"ejected\" and stop when it is\n"
		"  -c             print the map \"counts\" in the end\n"
		"  -k             compare them with the kernel's, before\n"
		"  -d NAME        print a global variable in the end\n");
	exit(1);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	char **cmd = NULL;
	int c;

	while ((c = getopt(argc, argv, "+m:o:s:T:l2xp:t:wckd:")) != -1) {
		switch (c) {
		case 'm': opt.ops = optarg; break;
		case 'o':
			if (opt.nr_sets < MAX_SETS)
				opt.sets[opt.nr_sets++] = optarg;
			break;
		case 's':
			if (opt.nr_vars < MAX_SETS)
				opt.vars[opt.nr_vars++] = optarg;
			break;
		case 'd':
			if (opt.nr_prints < MAX_SETS)
				opt.prints[opt.nr_prints++] = optarg;
			break;
		case 'T': opt.target = optarg; break;
		case 'l': opt.load_only = true; break;
		case '2': opt.twice = true; break;
		case 'x': opt.itself = true; break;
		case 'p': opt.pin = optarg; break;
		case 't': opt.hold = atoi(optarg); break;
		case 'w': opt.watch = true; break;
		case 'c': opt.counts = true; break;
		case 'k': opt.compare = true; break;
		default: usage();
		}
	}
	if (optind >= argc)
		usage();
	if (optind + 1 < argc) {
		cmd = argv + optind + 1;
		if (!strcmp(cmd[0], "--"))
			cmd++;
	}

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	libbpf_set_print(log_print);
	return run(argv[optind], cmd);
}
