// SPDX-License-Identifier: GPL-2.0
/*
 * A device works in the address space that opened it and in no other: a parent
 * gets the file from its child, first while the child lives, then after it died.
 *
 *	deadowner DEVICE
 *
 * The child maps memory at an address where the parent has none, so a device that
 * worked in the wrong address space would fault.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/cdm_sim.h>

#define SIZE	65536UL
#define ADDR	((void *)0x200000000000UL)

static int fail(const char *what)
{
	fprintf(stderr, "deadowner: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void child(const char *device, int sock)
{
	int fd = open(device, O_RDWR);
	char c;

	if (fd < 0)
		fail(device);
	if (mmap(ADDR, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != ADDR)
		fail("mmap");
	if (write(sock, &fd, sizeof(fd)) != sizeof(fd) || read(sock, &c, 1) != 1)
		fail("socket");
	/* The device's writes are here: one for each page. */
	if (*(uint64_t *)ADDR != 1)
		_exit(2);
	_exit(0);
}

static int run(int fd)
{
	struct cdm_sim_run run = {
		.size = sizeof(run),
		.version = CDM_SIM_VERSION,
		.pattern = CDM_SIM_STRIDED,
		.addr = (uintptr_t)ADDR,
		.len = SIZE,
		.accesses = SIZE / 4096,
		.write_pct = 100,
	};

	return ioctl(fd, CDM_SIM_IOC_RUN, &run) ? errno : 0;
}

int main(int argc, char **argv)
{
	int socks[2], fd, pidfd, mine, status, err;
	pid_t pid;

	if (argc != 2 || socketpair(AF_UNIX, SOCK_STREAM, 0, socks))
		return 2;
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid)
		child(argv[1], socks[1]);

	if (read(socks[0], &fd, sizeof(fd)) != sizeof(fd))
		fail("the child sent no file");
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	mine = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (mine < 0)
		fail("pidfd_getfd");

	err = run(mine);
	if (err) {
		errno = err;
		fail("a run in the child's memory");
	}
	if (write(socks[0], "", 1) != 1 || waitpid(pid, &status, 0) != pid)
		fail("child");
	if (status) {
		fprintf(stderr, "deadowner: the child did not see the writes (%#x)\n", status);
		return 1;
	}
	err = run(mine);
	if (err != ESRCH) {
		fprintf(stderr, "deadowner: a run after its death: got %d, want ESRCH\n", err);
		return 1;
	}
	return 0;
}
