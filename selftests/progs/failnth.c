// SPDX-License-Identifier: GPL-2.0
/*
 * Has the Nth allocation fail that one system call makes, by fault injection.
 *
 *	failnth N insmod FILE PARAMS
 *	failnth N rmmod NAME
 *	failnth N write FILE TEXT
 *
 * Prints "errno E" (0 if the call succeeded), and "reached" if there were N
 * allocations that could fail. The call alone is concerned: what the program itself
 * needs it has before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int xopen(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	char left[32] = "";
	int nth, fd = -1;
	long ret;
	ssize_t n;

	if (argc < 4) {
		fprintf(stderr, "usage: failnth N insmod|rmmod|write ...\n");
		return 2;
	}
	nth = xopen("/proc/thread-self/fail-nth", O_RDWR);
	if (strcmp(argv[2], "rmmod"))
		fd = xopen(argv[3], strcmp(argv[2], "write") ? O_RDONLY : O_WRONLY);
	if (write(nth, argv[1], strlen(argv[1])) < 0) {
		perror("fail-nth");
		return 2;
	}
	if (!strcmp(argv[2], "insmod"))
		ret = syscall(SYS_finit_module, fd, argc > 4 ? argv[4] : "", 0);
	else if (!strcmp(argv[2], "rmmod"))
		ret = syscall(SYS_delete_module, argv[3], O_NONBLOCK);
	else
		ret = write(fd, argv[4], strlen(argv[4]));
	ret = ret < 0 ? errno : 0;
	n = pread(nth, left, sizeof(left) - 1, 0);
	if (write(nth, "0", 1) < 0 || n < 0) {
		perror("fail-nth");
		return 2;
	}
	printf("errno %ld\n", ret);
	if (!atoi(left))
		puts("reached");
	return 0;
}
