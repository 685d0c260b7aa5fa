// SPDX-License-Identifier: GPL-2.0
/*
 * Moves pages as an unprivileged user, with a program that root has loaded for it.
 *
 *	moveas MOVER.bpf.o PID RANGE NODE
 *
 * Prints "KEY ERRNO" for each: others (memory of PID), frame (by page frame), own,
 * own_shared, own_any (its own memory, with flags), 0 if it was done.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "mover.h"

#define NOBODY	65534
#define SIZE	(64UL << 10)

static void ask(const char *key, int prog)
{
	int err = mover_run(prog, 0);

	printf("%s %d\n", key, -err);
	if (!err && prog == mover_range_fd)
		printf("%s_moved %llu\n", key, (unsigned long long)mover_calls->req.nr[0]);
}

int main(int argc, char **argv)
{
	unsigned long start, end, own;
	struct cdm_move_req *req;
	int pid, node, i;
	char *mem;

	if (argc != 5 || sscanf(argv[3], "%lx-%lx", &start, &end) != 2) {
		fprintf(stderr, "usage: moveas MOVER.bpf.o PID RANGE NODE\n");
		return 2;
	}
	pid = atoi(argv[2]);
	node = atoi(argv[4]);
	if (mover_load(argv[1]))
		return 1;
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)) {
		perror("moveas: setuid");
		return 1;
	}
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return 1;
	memset(mem, 1, SIZE);
	own = (unsigned long)mem;
	req = &mover_calls->req;

	*req = (struct cdm_move_req) { .start = start, .end = end, .tgid = pid, .nid = node };
	ask("others", mover_range_fd);
	for (i = 0; i < MOVER_PAGES; i++)
		mover_calls->page[i].pfn = 0x1000;
	*req = (struct cdm_move_req) { .nid = node };
	ask("frame", mover_pfns_fd);
	*req = (struct cdm_move_req) { .start = own, .end = own + SIZE, .tgid = getpid(),
				       .nid = node };
	ask("own", mover_range_fd);
	req->nid = 0;
	req->flags = MOVER_SHARED;
	ask("own_shared", mover_range_fd);
	req->flags = MOVER_ANY;
	ask("own_any", mover_range_fd);
	for (i = 0; i < SIZE; i++)
		if (mem[i] != 1)
			return 1;
	return 0;
}
