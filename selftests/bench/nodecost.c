// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions of what is written to files of sysfs, for the benchmark node.
 *
 *	nodecost CONFIG METRIC MIB FILE=TEXT...
 *
 * For a guest that QEMU runs with -icount shift=0 and one CPU: a nanosecond is an
 * instruction. Prints "CONFIG METRIC instructions N", N for each GiB when the writes are
 * about MIB of memory; and "CONFIG METRIC_stretch instructions N", how late at most a
 * real-time thread was that wanted to run meanwhile: for so long nobody else could.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NSEC	1000000000L
#define PERIOD	50000L

static volatile int over;
static uint64_t latest;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC + t.tv_nsec;
}

static void *watch(void *arg)
{
	uint64_t at = now(), late;

	while (!over) {
		struct timespec t = { .tv_sec = at / NSEC, .tv_nsec = at % NSEC };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		late = now() - at;
		if (late > latest)
			latest = late;
		at = now() + PERIOD;
	}
	return NULL;
}

static void put(char *what)
{
	char *text = strchr(what, '=');
	int fd;

	if (!text) {
		fprintf(stderr, "nodecost: %s: want FILE=TEXT\n", what);
		exit(2);
	}
	*text++ = 0;
	fd = open(what, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		fprintf(stderr, "nodecost: '%s' to %s: %s\n", text, what, strerror(errno));
		exit(1);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sched_param param = { .sched_priority = 50 };
	uint64_t before, took;
	pthread_attr_t attr;
	pthread_t thread;
	int i;

	if (argc < 5)
		return 2;
	mlockall(MCL_CURRENT | MCL_FUTURE);
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	errno = pthread_create(&thread, &attr, watch, NULL);
	if (errno) {
		perror("nodecost: pthread_create");
		return 1;
	}
	/* Its first turns find pages and paths that are cold. */
	usleep(20000);
	latest = 0;
	before = now();
	for (i = 4; i < argc; i++)
		put(argv[i]);
	took = now() - before;
	over = 1;
	pthread_join(thread, NULL);
	printf("%s %s instructions %.0f\n", argv[1], argv[2], took * 1024.0 / atoi(argv[3]));
	printf("%s %s_stretch instructions %llu\n", argv[1], argv[2], (unsigned long long)latest);
	return 0;
}
