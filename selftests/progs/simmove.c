// SPDX-License-Identifier: GPL-2.0
/*
 * Has a device's driver move our memory, and looks where it is then.
 *
 *	simmove [-n]
 *
 * Each of the driver's three ways moves 2 MiB from node 0 to node 1, then on to
 * node 2; the driver's count is compared with move_pages(), and the contents with
 * what was written. With -n bad requests are made, of which each must be refused
 * with its errno. Prints "ok NAME" or "not ok NAME: ..." lines.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/cdm_sim.h>
#include <numaif.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096UL
#define PAGES	512UL

static unsigned char *mem;
static int fd, bad;

static void result(bool ok, const char *name, const char *text)
{
	printf("%sok %s%s%s\n", ok ? "" : "not ", name, ok ? "" : ": ", ok ? "" : text);
	bad |= !ok;
}

static struct cdm_sim_move plain(int nid)
{
	return (struct cdm_sim_move) {
		.size = sizeof(struct cdm_sim_move),
		.version = CDM_SIM_VERSION,
		.addr = (unsigned long)mem,
		.len = PAGES * PAGE,
		.nid = nid,
	};
}

static unsigned long at_node(int nid)
{
	unsigned long i, nr = 0;
	static void *addr[PAGES];
	static int status[PAGES];

	for (i = 0; i < PAGES; i++)
		addr[i] = mem + i * PAGE;
	if (move_pages(0, PAGES, addr, NULL, status, 0))
		return 0;
	for (i = 0; i < PAGES; i++)
		nr += status[i] == nid;
	return nr;
}

static void move(const char *name, unsigned int how, int nid)
{
	struct cdm_sim_move req = plain(nid);
	unsigned long i, wrong = 0, there;
	char text[128];
	int err;

	req.how = how;
	err = ioctl(fd, CDM_SIM_IOC_MOVE, &req) ? errno : 0;
	there = at_node(nid);
	for (i = 0; i < PAGES; i++)
		wrong += *(unsigned long *)(mem + i * PAGE) != i * 7919;
	snprintf(text, sizeof(text), "errno %d, %llu moved, %lu on node %d, %lu wrong",
		 err, (unsigned long long)req.nr[0], there, nid, wrong);
	/* A page may be busy for a moment, and the count says so. */
	result(!err && req.nr[0] == there && there >= PAGES - 16 && !wrong, name, text);
}

static void refuse(const char *name, struct cdm_sim_move req, int want)
{
	int err = ioctl(fd, CDM_SIM_IOC_MOVE, &req) ? errno : 0;
	char text[64];

	snprintf(text, sizeof(text), "errno %d, want %d", err, want);
	result(err == want, name, text);
}

#define REFUSE(_name, _want, ...) do {					\
	struct cdm_sim_move q = plain(1);				\
									\
	__VA_ARGS__;							\
	refuse(_name, q, _want);					\
} while (0)

static void negative(void)
{
	REFUSE("size", EINVAL, q.size -= 8);
	REFUSE("version", EPROTONOSUPPORT, q.version = 2);
	REFUSE("how", EINVAL, q.how = 3);
	REFUSE("flags", EINVAL, q.flags = 1U << 30);
	REFUSE("flags-later", EINVAL, q.how = CDM_SIM_MOVE_LATER; q.flags = 1U << 30);
	REFUSE("node", EINVAL, q.nid = 1000);
	REFUSE("node-later", EINVAL, q.how = CDM_SIM_MOVE_LATER; q.nid = 1000);
	REFUSE("node-negative", EINVAL, q.nid = -1);
	REFUSE("unaligned", EINVAL, q.addr += 8);
	REFUSE("unaligned-pfns", EINVAL, q.how = CDM_SIM_MOVE_PFNS; q.addr += 8);
	REFUSE("empty", EINVAL, q.len = 0);
	REFUSE("many-pfns", EINVAL, q.how = CDM_SIM_MOVE_PFNS; q.len = 1025 * PAGE);
	REFUSE("hole-pfns", EFAULT, q.how = CDM_SIM_MOVE_PFNS; q.addr = PAGE);
	REFUSE("kernel", EFAULT, q.addr = ~0UL << 40);
	REFUSE("pad", EINVAL, q.pad = 1);
	REFUSE("reserved", EINVAL, q.reserved[3] = 1);
}

int main(int argc, char **argv)
{
	unsigned long i;

	fd = open("/dev/cdm_sim0", O_RDWR);
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || mem == MAP_FAILED) {
		perror("simmove");
		return 2;
	}
	madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < PAGES; i++)
		*(unsigned long *)(mem + i * PAGE) = i * 7919;

	if (argc > 1 && !strcmp(argv[1], "-n")) {
		negative();
		return bad;
	}
	move("range to 1", CDM_SIM_MOVE_RANGE, 1);
	move("range to 2", CDM_SIM_MOVE_RANGE, 2);
	move("pfns to 1", CDM_SIM_MOVE_PFNS, 1);
	move("pfns to 0", CDM_SIM_MOVE_PFNS, 0);
	move("later to 1", CDM_SIM_MOVE_LATER, 1);
	move("later to 0", CDM_SIM_MOVE_LATER, 0);
	return bad;
}
