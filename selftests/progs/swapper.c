// SPDX-License-Identifier: GPL-2.0
/*
 * Swaps two policies back and forth while a thread on each CPU faults pages.
 *
 *	swapper [-n SWAPS] [-a NODE] [-b NODE] [-u] [-m] OBJECT
 *
 * Each thread writes to the pages of its own mapping, asks where they are, gives
 * them back, and begins anew, so the number of faults is known exactly. In the
 * end it prints what everybody counted, one "NAME NUMBER" a line:
 *
 *	swaps		done
 *	faults		pages that the threads touched for the first time
 *	calls_a, calls_b	as the two policies counted them
 *	traced		dispatches to a policy, by the kernel's tracepoint
 *	traced_nobody	dispatches that found no policy
 *	node N		pages found on node N
 *	init_a, exit_a, init_b, exit_b	of each policy
 *
 * -u unloads one policy and loads the other instead of swapping, which must
 * show faults that nobody was asked about. -m lets the second policy have the
 * first's map "counts".
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE		4096UL
#define PAGES		128UL		/* of one round of one thread */
#define MAX_NODE	8
#define MAX_CPU		16

static volatile bool stop;
static char *area;
static int nr_threads;

static struct worker {
	pthread_t thread;
	int cpu;
	unsigned long faults, at[MAX_NODE], absent;
} workers[MAX_CPU];

struct policy {
	struct bpf_object *obj;
	struct bpf_map *ops;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	char *mine = area + w->cpu * PAGES * PAGE;
	void *pages[PAGES];
	int status[PAGES];
	cpu_set_t set;
	size_t i;

	CPU_ZERO(&set);
	CPU_SET(w->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);

	for (i = 0; i < PAGES; i++)
		pages[i] = mine + i * PAGE;
	while (!stop) {
		for (i = 0; i < PAGES; i++)
			*(volatile char *)pages[i] = 1;
		w->faults += PAGES;
		if (syscall(SYS_move_pages, 0, PAGES, pages, NULL, status, 0))
			break;
		for (i = 0; i < PAGES; i++) {
			if (status[i] >= 0 && status[i] < MAX_NODE)
				w->at[status[i]]++;
			else
				w->absent++;
		}
		if (madvise(mine, PAGES * PAGE, MADV_DONTNEED))
			break;
	}
	return NULL;
}

/* Where a variable of .rodata or .bss is. */
static void *var(struct bpf_object *obj, const char *sec_name, const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	int i, id = btf__find_by_name_kind(btf, sec_name, BTF_KIND_DATASEC);
	size_t size, len, n = strlen(sec_name);
	const struct btf_var_secinfo *v;
	const struct btf_type *sec;
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		len = strlen(bpf_map__name(map));
		if (len >= n && !strcmp(bpf_map__name(map) + len - n, sec_name))
			break;
	}
	if (id < 0 || !map)
		goto none;
	sec = btf__type_by_id(btf, id);
	for (i = 0, v = btf_var_secinfos(sec); i < btf_vlen(sec); i++, v++) {
		const struct btf_type *t = btf__type_by_id(btf, v->type);

		if (!strcmp(btf__name_by_offset(btf, t->name_off), name))
			return (char *)bpf_map__initial_value(map, &size) + v->offset;
	}
none:
	fprintf(stderr, "swapper: no variable %s in %s\n", name, sec_name);
	exit(2);
}

static unsigned long long num(struct bpf_object *obj, const char *name)
{
	return *(unsigned long long *)var(obj, ".bss", name);
}

static int load(struct policy *p, const char *path, const char *name, int answer,
		bool trace, struct bpf_map *counts)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	char *ops_name;
	int err;

	p->obj = bpf_object__open_file(path, NULL);
	if (!p->obj)
		return -errno;
	*(int *)var(p->obj, ".rodata", "answer") = answer;
	*(unsigned long long *)var(p->obj, ".rodata", "lo") = (unsigned long)area;
	*(unsigned long long *)var(p->obj, ".rodata", "hi") =
		(unsigned long)area + nr_threads * PAGES * PAGE;
	*(unsigned int *)var(p->obj, ".rodata", "tgid") = getpid();

	p->ops = bpf_object__find_map_by_name(p->obj, "swap_ops");
	if (!p->ops)
		return -ENOENT;
	/* The name is the ops' last member but one; find it through BTF. */
	{
		const struct btf *btf = bpf_object__btf(p->obj);
		int i, id = btf__find_by_name_kind(btf, "cdm_ops", BTF_KIND_STRUCT);
		const struct btf_type *t = btf__type_by_id(btf, id);
		const struct btf_member *m = btf_members(t);
		size_t size;

		for (i = 0; i < btf_vlen(t); i++, m++) {
			if (strcmp(btf__name_by_offset(btf, m->name_off), "name"))
				continue;
			ops_name = (char *)bpf_map__initial_value(p->ops, &size) +
				   m->offset / 8;
			strcpy(ops_name, name);
		}
	}
	if (counts) {
		map = bpf_object__find_map_by_name(p->obj, "counts");
		err = map ? bpf_map__reuse_fd(map, bpf_map__fd(counts)) : -ENOENT;
		if (err)
			return err;
	}
	prog = bpf_object__find_program_by_name(p->obj, "traced");
	bpf_program__set_autoload(prog, trace);
	err = bpf_object__load(p->obj);
	if (!err && trace && !bpf_program__attach(prog))
		err = -errno;
	return err;
}

static unsigned long long calls(struct bpf_object *obj)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, "counts");
	int cpu, nr = libbpf_num_possible_cpus();
	size_t size = (bpf_map__value_size(map) + 7) / 8 * 8;
	unsigned long long *val = calloc(nr, size), sum = 0;
	unsigned int key = 0;

	if (val && !bpf_map_lookup_elem(bpf_map__fd(map), &key, val))
		for (cpu = 0; cpu < nr; cpu++)
			sum += val[cpu * size / 8];
	free(val);
	return sum;
}

static unsigned long total(void)
{
	unsigned long n = 0;
	int i;

	for (i = 0; i < nr_threads; i++)
		n += *(volatile unsigned long *)&workers[i].faults;
	return n;
}

int main(int argc, char **argv)
{
	int c, i, n, err, swaps = 1000, node[2] = { 1, 2 };
	bool unload = false, share = false;
	struct policy p[2] = {};
	struct bpf_link *link;
	unsigned long seen;

	while ((c = getopt(argc, argv, "n:a:b:um")) != -1) {
		switch (c) {
		case 'n': swaps = atoi(optarg); break;
		case 'a': node[0] = atoi(optarg); break;
		case 'b': node[1] = atoi(optarg); break;
		case 'u': unload = true; break;
		case 'm': share = true; break;
		default: return 2;
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "swapper [-n SWAPS] [-a NODE] [-b NODE] [-u] [-m] OBJECT\n");
		return 2;
	}
	nr_threads = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_threads > MAX_CPU)
		nr_threads = MAX_CPU;

	area = mmap(NULL, nr_threads * PAGES * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || madvise(area, nr_threads * PAGES * PAGE,
					  MADV_NOHUGEPAGE)) {
		perror("swapper: mmap");
		return 2;
	}

	err = load(&p[0], argv[optind], "swap_a", node[0], true, NULL);
	if (!err)
		err = load(&p[1], argv[optind], "swap_b", node[1], false,
			   share ? bpf_object__find_map_by_name(p[0].obj, "counts") :
			   NULL);
	if (err) {
		fprintf(stderr, "swapper: load: %s\n", strerror(-err));
		return 2;
	}
	link = bpf_map__attach_struct_ops(p[0].ops);
	if (!link) {
		fprintf(stderr, "swapper: attach: %s\n", strerror(errno));
		return 2;
	}

	for (i = 0; i < nr_threads; i++) {
		workers[i].cpu = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 2;
	}

	for (n = 0; n < swaps; n++) {
		struct policy *next = &p[(n + 1) & 1];

		/*
		 * Let some faults happen under each: swapping faster than they
		 * come would test nothing.
		 */
		for (seen = total(); total() == seen; )
			sched_yield();
		if (unload) {
			bpf_link__destroy(link);
			link = NULL;
			for (seen = total(); total() == seen; )
				sched_yield();
			link = bpf_map__attach_struct_ops(next->ops);
			err = link ? 0 : -errno;
		} else {
			err = bpf_link__update_map(link, next->ops);
		}
		if (err) {
			fprintf(stderr, "swapper: swap %d: %s\n", n, strerror(-err));
			break;
		}
	}
	stop = true;
	for (i = 0; i < nr_threads; i++)
		pthread_join(workers[i].thread, NULL);
	bpf_link__destroy(link);

	printf("swaps %d\nfaults %lu\n", n, total());
	printf("calls_a %llu\ncalls_b %llu\n", calls(p[0].obj), calls(p[1].obj));
	printf("traced %llu\ntraced_nobody %llu\n", num(p[0].obj, "n_traced"),
	       num(p[0].obj, "n_traced_nobody"));
	for (c = 0; c < MAX_NODE; c++) {
		unsigned long at = 0;

		for (i = 0; i < nr_threads; i++)
			at += workers[i].at[c];
		if (at)
			printf("node %d %lu\n", c, at);
	}
	for (seen = 0, i = 0; i < nr_threads; i++)
		seen += workers[i].absent;
	printf("absent %lu\n", seen);
	for (i = 0; i < 2; i++)
		printf("init_%c %llu\nexit_%c %llu\n", 'a' + i,
		       num(p[i].obj, "n_init"), 'a' + i, num(p[i].obj, "n_exit"));
	return n == swaps ? 0 : 1;
}
