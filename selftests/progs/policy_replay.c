// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a policy's algorithm over a recorded stream of accesses, in the kernel and without
 * any event: for a comparison with a model, decision by decision.
 *
 *	policy_replay [-s VAR=VALUE]... OBJECT <STREAM
 *
 * OBJECT is one of the *_replay.bpf.o. The stream is described in replay.h; empty lines
 * and those with a # in front are passed over. Prints a line for each event.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replay.h"
#include "vars.h"

static void die(const char *what)
{
	fprintf(stderr, "policy_replay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct replay_event *read_stream(FILE *f, __u32 *nr)
{
	struct replay_event *list = NULL, *e;
	size_t room = 0, line = 0;
	char buf[256];

	*nr = 0;
	while (fgets(buf, sizeof(buf), f)) {
		line++;
		if (buf[0] == '#' || buf[0] == '\n')
			continue;
		if (*nr == room) {
			room = room ? room * 2 : 1024;
			list = realloc(list, room * sizeof(*list));
			if (!list)
				die("stream");
		}
		e = &list[*nr];
		if (sscanf(buf, "%llu %llu %llu %d %d %d %u", &e->time, &e->mm, &e->page,
			   &e->proc, &e->where, &e->a, &e->b) != REPLAY_MEMBERS) {
			fprintf(stderr, "policy_replay: line %zu of the stream: %s", line, buf);
			exit(1);
		}
		++*nr;
	}
	if (!*nr) {
		fprintf(stderr, "policy_replay: the stream is empty\n");
		exit(1);
	}
	return list;
}

static struct bpf_map *map_of(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	if (!map)
		die(name);
	return map;
}

/* The map's values, which the kernel rounds up to eight bytes each. */
static void *map_values(struct bpf_object *obj, const char *name, __u32 nr, size_t size)
{
	void *p = mmap(NULL, nr * size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map_of(obj, name)), 0);

	if (p == MAP_FAILED)
		die(name);
	return p;
}

static void print(const struct replay_verdict *v)
{
	switch (v->what) {
	case REPLAY_STAY:
		puts("stay");
		break;
	case REPLAY_MOVE:
		printf("move %d\n", v->at);
		break;
	case REPLAY_THROTTLE:
		printf("throttle %llu\n", v->until);
		break;
	case REPLAY_PIN:
		printf("pin %d %llu\n", v->at, v->until);
		break;
	case REPLAY_HOT:
		printf("hot %d %llu\n", v->at, v->until);
		break;
	default:
		printf("? %u\n", v->what);
	}
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct replay_event *list;
	struct replay_verdict *v;
	struct replay_args args;
	struct bpf_object *obj;
	struct bpf_program *prog;
	int c, err = 0;
	char *sets[64];
	__u32 i, nr, nr_sets = 0;

	while ((c = getopt(argc, argv, "s:")) != -1) {
		if (c != 's' || nr_sets == 64)
			return 2;
		sets[nr_sets++] = optarg;
	}
	if (optind + 1 != argc)
		return 2;
	list = read_stream(stdin, &nr);
	obj = bpf_object__open_file(argv[optind], NULL);
	if (!obj)
		die(argv[optind]);
	for (i = 0; i < nr_sets && !err; i++)
		err = set_var(obj, sets[i]);
	if (err || bpf_map__set_max_entries(map_of(obj, "events"), nr) ||
	    bpf_map__set_max_entries(map_of(obj, "verdicts"), nr) || bpf_object__load(obj))
		die("load");

	memcpy(map_values(obj, "events", nr, sizeof(*list)), list, nr * sizeof(*list));
	args.nr = nr;
	opts.ctx_in = &args;
	opts.ctx_size_in = sizeof(args);
	prog = bpf_object__find_program_by_name(obj, "replay");
	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
	if (err)
		die("replay");
	if (opts.retval != nr) {
		fprintf(stderr, "policy_replay: it gave up: %d\n", opts.retval);
		return 1;
	}
	v = map_values(obj, "verdicts", nr, sizeof(*v));
	for (i = 0; i < nr; i++)
		print(&v[i]);
	bpf_object__close(obj);
	free(list);
	return 0;
}
