// SPDX-License-Identifier: GPL-2.0
/*
 * An application that tells place_hint where its ranges belong, and looks.
 *
 *	hint_app MAP-PIN NODE OTHER-NODE
 *
 * It hints an awkward range (no end aligned to more than a page) to NODE, a part
 * in its middle to OTHER-NODE, touches everything, and asks move_pages() for each
 * page. Then it clears the hints, gives the memory back, and touches it again:
 * now all must be elsewhere than on NODE. Prints what is wrong; exits with 1 then.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cdm/hint.h>

#define PAGE	4096UL
#define PAGES	2048UL

static char *area;
static int bad;

static int node_of(size_t i)
{
	void *page = area + i * PAGE;
	int status = -1;

	if (syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0))
		return -1;
	return status;
}

static void check(size_t from, size_t to, int node, int not_node, const char *what)
{
	size_t i;

	for (i = from; i < to; i++) {
		int nid = node_of(i);

		if (nid >= 0 && (node < 0 || nid == node) && nid != not_node)
			continue;
		if (bad++ < 5)
			printf("%s: page %zu of %zu..%zu is on node %d, not %d\n",
			       what, i, from, to, nid, node);
	}
}

static void touch(void)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		*(volatile char *)(area + i * PAGE) = 1;
}

int main(int argc, char **argv)
{
	const size_t a = 37, b = 1999, c = 513, d = 777;
	int fd, node, other, err;
	__u64 base;

	if (argc != 4)
		return 2;
	node = atoi(argv[2]);
	other = atoi(argv[3]);
	fd = bpf_obj_get(argv[1]);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE))
		return 2;
	base = (unsigned long)area;

	err = cdm_hint_set(fd, getpid(), base + a * PAGE, base + b * PAGE, node);
	if (!err)
		err = cdm_hint_set(fd, getpid(), base + c * PAGE, base + d * PAGE,
				   other);
	if (err) {
		fprintf(stderr, "hint_app: set: %s\n", strerror(-err));
		return 2;
	}
	if (cdm_hint_set(fd, getpid(), base + 1, base + PAGE, node) != -EINVAL ||
	    cdm_hint_set(fd, getpid(), base + PAGE, base, node) != -EINVAL) {
		printf("a range that is none was taken\n");
		bad++;
	}

	touch();
	check(0, a, -1, node, "before the range");
	check(a, c, node, -1, "in the range");
	check(c, d, other, -1, "in its middle");
	check(d, b, node, -1, "in the range");
	check(b, PAGES, -1, node, "after the range");

	err = cdm_hint_clear(fd, getpid(), base + c * PAGE, base + d * PAGE);
	if (!err)
		err = cdm_hint_clear(fd, getpid(), base + a * PAGE, base + b * PAGE);
	if (err) {
		fprintf(stderr, "hint_app: clear: %s\n", strerror(-err));
		return 2;
	}
	if (madvise(area, PAGES * PAGE, MADV_DONTNEED))
		return 2;
	touch();
	check(0, PAGES, -1, node, "after the hints were cleared");
	return bad ? 1 : 0;
}
