// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command and tells, for each kind of fault, where place said that pages
 * should go and where they went. See watch_place.bpf.c for how it knows.
 *
 *	watch_place [-t] [-o FILE] OBJECT -- COMMAND ARG...
 *
 * One line for each kind, order and asker that was seen:
 *
 *	cpu anon order 0 asked 512 defaults 0 failed 0 same 512 differ 0 nodes 1:512
 *
 * With -t only the command's own process is watched, not its children. The
 * exit status is the command's, or 2 if it could not watch.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch_place.h"

static const char *const kinds[] = { "anon", "shmem", "swapin" };

static void *find_bss(struct bpf_object *obj, const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	int i, id = btf__find_by_name_kind(btf, ".bss", BTF_KIND_DATASEC);
	const struct btf_var_secinfo *v;
	const struct btf_type *sec;
	struct bpf_map *map;
	size_t size, len;

	bpf_object__for_each_map(map, obj) {
		len = strlen(bpf_map__name(map));
		if (len >= 4 && !strcmp(bpf_map__name(map) + len - 4, ".bss"))
			break;
	}
	if (id < 0 || !map)
		return NULL;
	sec = btf__type_by_id(btf, id);
	for (i = 0, v = btf_var_secinfos(sec); i < btf_vlen(sec); i++, v++) {
		const struct btf_type *t = btf__type_by_id(btf, v->type);

		if (!strcmp(btf__name_by_offset(btf, t->name_off), name))
			return (char *)bpf_map__initial_value(map, &size) + v->offset;
	}
	return NULL;
}

static int attach_all(struct bpf_object *obj)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj) {
		if (!bpf_program__attach(prog)) {
			fprintf(stderr, "watch_place: %s: %s\n",
				bpf_program__name(prog), strerror(errno));
			return -1;
		}
	}
	return 0;
}

static void report(struct bpf_object *obj, FILE *out)
{
	struct watch_cell *cells = find_bss(obj, "cells");
	struct watch_event *w = find_bss(obj, "first_wrong");
	unsigned int *have_wrong = find_bss(obj, "have_wrong");
	unsigned int dev, kind, order, n;

	for (dev = 0; dev < 2; dev++)
	for (kind = 0; kind < WATCH_KINDS; kind++)
	for (order = 0; order < WATCH_ORDERS; order++) {
		struct watch_cell *c = &cells[watch_index(dev, kind, order)];

		if (!c->asked)
			continue;
		fprintf(out, "%s %s order %u asked %llu defaults %llu failed %llu same %llu differ %llu nodes",
			dev ? "dev" : "cpu", kinds[kind], order, c->asked,
			c->defaults, c->failed, c->same, c->differ);
		for (n = 0; n < WATCH_NODES; n++)
			if (c->node[n])
				fprintf(out, " %u:%llu", n, c->node[n]);
		fprintf(out, "\n");
	}
	fprintf(out, "total asked %llu matched %llu unmapped %llu lost %llu\n",
		*(unsigned long long *)find_bss(obj, "nr_asked"),
		*(unsigned long long *)find_bss(obj, "nr_matched"),
		*(unsigned long long *)find_bss(obj, "nr_unmapped"),
		*(unsigned long long *)find_bss(obj, "nr_lost"));
	if (*have_wrong)
		fprintf(out, "wrong: first at %#llx kind %u order %u (mapped: order %u) dev_nid %d answered %d placed %d mapped %d\n",
			w->addr, w->kind, w->order, w->found_order, w->dev_nid,
			w->answer_nid, w->got_nid, w->nid);
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	int c, own = 0, fds[2], status;
	FILE *out = stdout;
	char go = 'x';
	pid_t pid;

	while ((c = getopt(argc, argv, "+to:")) != -1) {
		if (c == 't') {
			own = 1;
		} else if (c == 'o') {
			out = fopen(optarg, "w");
			if (!out) {
				perror(optarg);
				return 2;
			}
		} else {
			return 2;
		}
	}
	if (optind < argc && optind + 1 < argc &&
	    !strcmp(argv[optind + 1], "--"))
		argv[optind + 1] = argv[optind], optind++;
	if (optind + 1 >= argc) {
		fprintf(stderr, "watch_place [-t] [-o FILE] OBJECT -- COMMAND...\n");
		return 2;
	}

	obj = bpf_object__open_file(argv[optind], NULL);
	if (!obj || bpf_object__load(obj)) {
		fprintf(stderr, "watch_place: %s: %s\n", argv[optind],
			strerror(errno));
		return 2;
	}
	if (pipe(fds))
		return 2;
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		if (read(fds[0], &go, 1) != 1)
			_exit(125);
		close(fds[0]);
		execvp(argv[optind + 1], argv + optind + 1);
		perror(argv[optind + 1]);
		_exit(127);
	}
	close(fds[0]);
	if (own)
		*(unsigned int *)find_bss(obj, "target") = pid;
	if (attach_all(obj))
		return 2;
	if (write(fds[1], &go, 1) != 1)
		return 2;
	waitpid(pid, &status, 0);

	report(obj, out);
	fflush(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
