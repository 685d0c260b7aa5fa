// SPDX-License-Identifier: GPL-2.0
/*
 * Has a device's driver allocate pages as an interrupt handler does, or ask wrongly.
 *
 *	simatomic [-n] DEVICE PAGES ROUNDS
 *
 * Prints the sums over all rounds, "by_node N by_vma N elsewhere N failed N max_us N".
 * With -n bad requests are made, each of which must be refused with its errno: lines
 * "ok NAME" or "not ok NAME: ...".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/cdm_sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd, bad;

static void refuse(const char *name, struct cdm_sim_atomic req, int want)
{
	int err = ioctl(fd, CDM_SIM_IOC_ATOMIC, &req) ? errno : 0;

	if (err == want) {
		printf("ok %s\n", name);
		return;
	}
	printf("not ok %s: errno %d, want %d\n", name, err, want);
	bad = 1;
}

#define REFUSE(_name, _want, ...) do {					\
	struct cdm_sim_atomic q = plain;				\
									\
	__VA_ARGS__;							\
	refuse(_name, q, _want);					\
} while (0)

static void negative(struct cdm_sim_atomic plain)
{
	REFUSE("size", EINVAL, q.size -= 8);
	REFUSE("version", EPROTONOSUPPORT, q.version = 2);
	REFUSE("none", EINVAL, q.nr = 0);
	REFUSE("many", EINVAL, q.nr = 65537);
	REFUSE("pad", EINVAL, q.pad = 1);
	REFUSE("reserved", EINVAL, q.reserved[1] = 1);
	REFUSE("hole", EFAULT, q.addr = 4096);
	REFUSE("plain", 0, q.nr = 2);
}

int main(int argc, char **argv)
{
	unsigned long long node = 0, vma = 0, elsewhere = 0, all = 0, max = 0;
	struct cdm_sim_atomic plain = {
		.size = sizeof(plain),
		.version = CDM_SIM_VERSION,
	};
	int wrong = argc == 5 && !strcmp(argv[1], "-n"), i;
	void *mem;

	if (argc != 4 + wrong) {
		fprintf(stderr, "usage: simatomic [-n] DEVICE PAGES ROUNDS\n");
		return 2;
	}
	argv += wrong;
	fd = open(argv[1], O_RDWR);
	mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || mem == MAP_FAILED) {
		perror("simatomic");
		return 2;
	}
	plain.addr = (unsigned long)mem;
	plain.nr = atoi(argv[2]);
	if (wrong) {
		negative(plain);
		return bad;
	}
	for (i = 0; i < atoi(argv[3]); i++) {
		struct cdm_sim_atomic q = plain;

		if (ioctl(fd, CDM_SIM_IOC_ATOMIC, &q)) {
			perror("simatomic: CDM_SIM_IOC_ATOMIC");
			return 1;
		}
		node += q.by_node;
		vma += q.by_vma;
		elsewhere += q.elsewhere;
		all += q.nr;
		max = q.max_ns > max ? q.max_ns : max;
	}
	printf("by_node %llu by_vma %llu elsewhere %llu failed %llu max_us %llu\n", node, vma,
	       elsewhere, all - node - vma - elsewhere, max / 1000);
	return 0;
}
