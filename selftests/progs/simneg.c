// SPDX-License-Identifier: GPL-2.0
/*
 * What /dev/cdm_simN must refuse, and with which error.
 *
 *	simneg [DEVICE]
 *
 * One line for each case, "ok NAME" or "not ok NAME: got X, want Y". Exits with 1
 * if a case is not as it should be. After each refusal a plain run must work.
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
#include <unistd.h>

#include <linux/cdm_sim.h>

#define PAGE	4096UL
#define SIZE	(16 * PAGE)

static char *mem;
static int fd, bad;

/* Room for a struct that is longer than the kernel's. */
union req {
	struct cdm_sim_run run;
	struct cdm_sim_info info;
	char bytes[8192];
};

static void plain(union req *q)
{
	memset(q, 0, sizeof(*q));
	q->run = (struct cdm_sim_run) {
		.size = sizeof(q->run),
		.version = CDM_SIM_VERSION,
		.pattern = CDM_SIM_STRIDED,
		.addr = (uintptr_t)mem,
		.len = SIZE,
		.accesses = 16,
	};
}

static const char *errname(int err)
{
	return err ? strerrorname_np(err) : "0";
}

static void report(const char *name, int got, int want)
{
	if (got == want) {
		printf("ok %s\n", name);
		return;
	}
	printf("not ok %s: got %s, want %s\n", name, errname(got), errname(want));
	bad = 1;
}

static void check(const char *name, unsigned long cmd, void *arg, int want)
{
	union req q;

	report(name, ioctl(fd, cmd, arg) < 0 ? errno : 0, want);
	plain(&q);
	if (ioctl(fd, CDM_SIM_IOC_RUN, &q) || q.run.done != 16) {
		printf("not ok %s: no run works after it\n", name);
		bad = 1;
	}
}

/* One field of a plain request is changed. */
#define CHECK_RUN(_name, _want, ...) do {				\
	union req q;							\
									\
	plain(&q);							\
	__VA_ARGS__;							\
	check(_name, CDM_SIM_IOC_RUN, &q, _want);			\
} while (0)

#define CHECK_INFO(_name, _want, ...) do {				\
	union req q = { .info = { .size = sizeof(q.info),		\
				  .version = CDM_SIM_VERSION } };	\
									\
	__VA_ARGS__;							\
	check(_name, CDM_SIM_IOC_INFO, &q, _want);			\
} while (0)

static void sizes(void)
{
	CHECK_RUN("run-plain", 0, (void)0);
	CHECK_RUN("run-size-0", EINVAL, q.run.size = 0);
	CHECK_RUN("run-size-short", EINVAL, q.run.size = CDM_SIM_RUN_SIZE_1 - 1);
	CHECK_RUN("run-size-1", 0, q.run.size = CDM_SIM_RUN_SIZE_1;
		  memset(&q.run.cache_hits, 0x55, sizeof(q) - CDM_SIM_RUN_SIZE_1));
	CHECK_RUN("run-size-between", 0, q.run.size--);
	CHECK_RUN("run-size-huge", E2BIG, q.run.size = 1U << 20);
	CHECK_RUN("run-size-max", E2BIG, q.run.size = ~0U);
	CHECK_RUN("run-longer-zero", 0, q.run.size += 64);
	CHECK_RUN("run-longer-garbage", E2BIG, q.run.size += 64;
		  q.bytes[sizeof(q.run) + 63] = 1);
	CHECK_RUN("run-version-0", EPROTONOSUPPORT, q.run.version = 0);
	CHECK_RUN("run-version-2", EPROTONOSUPPORT, q.run.version = 2);
	CHECK_INFO("info-plain", 0, (void)0);
	CHECK_INFO("info-size-short", EINVAL, q.info.size -= 8);
	CHECK_INFO("info-longer-zero", 0, q.info.size += 8);
	CHECK_INFO("info-longer-garbage", E2BIG, q.info.size += 8;
		   q.bytes[sizeof(q.info)] = 1);
	CHECK_INFO("info-version-2", EPROTONOSUPPORT, q.info.version = 2);
	CHECK_INFO("info-reserved", EINVAL, q.info.reserved[2] = 1);
	check("ioctl-unknown", _IO(CDM_SIM_IOC_TYPE, 0x7f), NULL, ENOTTY);
	check("run-null", CDM_SIM_IOC_RUN, NULL, EFAULT);
	check("run-kernel-pointer", CDM_SIM_IOC_RUN, (void *)~0xfffUL, EFAULT);
	check("run-unmapped", CDM_SIM_IOC_RUN, (void *)PAGE, EFAULT);
}

/* A trace: one access that is right, and one that is not. */
static void replay(void)
{
	static struct cdm_sim_op good, wrong_op = { .op = 2 };
	static struct cdm_sim_op wrong_page = { .page = SIZE / PAGE };

#define REPLAY(q, ops) (q).run.pattern = CDM_SIM_REPLAY; (q).run.write_pct = 0; \
	(q).run.trace = (uintptr_t)(ops); (q).run.trace_len = sizeof(*(ops))
	CHECK_RUN("replay", 0, REPLAY(q, &good));
	CHECK_RUN("replay-nothing", EINVAL, REPLAY(q, &good); q.run.trace_len = 0);
	CHECK_RUN("replay-part", EINVAL, REPLAY(q, &good); q.run.trace_len = 15);
	CHECK_RUN("replay-long", EINVAL, REPLAY(q, &good); q.run.trace_len = 1ULL << 29);
	CHECK_RUN("replay-unmapped", EFAULT, REPLAY(q, &good); q.run.trace = PAGE);
	CHECK_RUN("replay-op", EINVAL, REPLAY(q, &wrong_op));
	CHECK_RUN("replay-page", EINVAL, REPLAY(q, &wrong_page));
	CHECK_RUN("replay-stride", EINVAL, REPLAY(q, &good); q.run.stride = 4096);
	CHECK_RUN("report-cache", EINVAL,
		  q.run.flags = CDM_SIM_RUN_CACHE | CDM_SIM_RUN_REPORT);
}

static void fields(void)
{
	replay();
	CHECK_RUN("flags", EINVAL, q.run.flags = 1U << 31);
	CHECK_RUN("cache", 0, q.run.flags = CDM_SIM_RUN_CACHE);
	CHECK_RUN("check-without-cache", EINVAL, q.run.flags = CDM_SIM_RUN_CHECK);
	CHECK_RUN("deaf-without-check", EINVAL,
		  q.run.flags = CDM_SIM_RUN_CACHE | CDM_SIM_RUN_DEAF);
	CHECK_RUN("counts-nowhere", EFAULT, q.run.counts = PAGE);
	CHECK_RUN("counts-many", EINVAL, (q.run.counts = (uintptr_t)mem, q.run.addr = PAGE,
					  q.run.len = 1ULL << 42));
	CHECK_RUN("trace", EINVAL, q.run.trace = (uintptr_t)mem);
	CHECK_RUN("counters", EINVAL, q.run.counter_threshold = 256);
	CHECK_RUN("weight", EINVAL, q.run.weight = (1ULL << 20) + 1);
	CHECK_RUN("near-ns", EINVAL, q.run.near_ns = (1U << 20) + 1);
	CHECK_RUN("far-ns", EINVAL, q.run.far_ns = (1U << 20) + 1);
	CHECK_RUN("cpu-flags", EINVAL, q.run.flags = CDM_SIM_RUN_CPU | CDM_SIM_RUN_ARM);
	CHECK_RUN("chase-stride", EINVAL, (q.run.pattern = CDM_SIM_CHASE, q.run.stride = 4096));
	CHECK_RUN("chase-out", ERANGE, (q.run.pattern = CDM_SIM_CHASE, q.run.write_pct = 0,
					*(uint64_t *)mem = SIZE));
	CHECK_RUN("chase-odd", ERANGE, (q.run.pattern = CDM_SIM_CHASE, q.run.write_pct = 0,
					*(uint64_t *)mem = 12));
	CHECK_RUN("pattern-unknown", EINVAL, q.run.pattern = 99);
	CHECK_RUN("accesses-0", EINVAL, q.run.accesses = 0);
	CHECK_RUN("accesses-many", EINVAL, q.run.accesses = (1ULL << 40) + 1);
	CHECK_RUN("write-101", EINVAL, q.run.write_pct = 101);
	CHECK_RUN("stride-odd", EINVAL, q.run.stride = 12);
	CHECK_RUN("stride-long", EINVAL, q.run.stride = 2 * SIZE);
	CHECK_RUN("sequential-stride", EINVAL, q.run.pattern = CDM_SIM_SEQUENTIAL;
		  q.run.stride = 4096);
	CHECK_RUN("skew-without-zipf", EINVAL, q.run.zipf_skew = 1000);
	CHECK_RUN("skew-high", EINVAL, q.run.pattern = CDM_SIM_ZIPF;
		  q.run.zipf_skew = 4001);
	CHECK_RUN("zipf-blocks", EINVAL, q.run.pattern = CDM_SIM_ZIPF;
		  q.run.stride = 8; q.run.len = 8 * ((1UL << 20) + 1));
}

static void addresses(void)
{
	CHECK_RUN("len-0", EINVAL, q.run.len = 0);
	CHECK_RUN("len-odd", EINVAL, q.run.len = 4095);
	CHECK_RUN("addr-odd", EINVAL, q.run.addr += 4);
	CHECK_RUN("addr-kernel", EFAULT, q.run.addr = 0xffff888000000000UL);
	CHECK_RUN("len-wraps", EFAULT, q.run.len = ~0xfffUL);
	CHECK_RUN("addr-unmapped", EFAULT, q.run.addr = PAGE);
	CHECK_RUN("read-prot-none", EFAULT,
		  q.run.addr = (uintptr_t)mem + SIZE);
	CHECK_RUN("write-read-only", EFAULT, q.run.write_pct = 100;
		  q.run.addr = (uintptr_t)mem + 2 * SIZE);
	CHECK_RUN("read-read-only", 0, q.run.addr = (uintptr_t)mem + 2 * SIZE);
}

/* A short struct is not written beyond its end. */
static void short_result(void)
{
	union req q;

	plain(&q);
	q.run.size = CDM_SIM_RUN_SIZE_1;
	memset(&q.run.cache_hits, 0x55, sizeof(q) - CDM_SIM_RUN_SIZE_1);
	report("short-result", ioctl(fd, CDM_SIM_IOC_RUN, &q) ? errno : 0, 0);
	if (q.run.done != 16 || q.run.cache_hits != 0x5555555555555555 ||
	    q.bytes[sizeof(q.run)] != 0x55) {
		printf("not ok short-result: written beyond its end\n");
		bad = 1;
	}
}

/* A run that meets a bad address says where, and what came before it. */
static void partial(void)
{
	union req q;
	int err;

	plain(&q);
	q.run.len = 2 * SIZE;
	q.run.accesses = 32;
	err = ioctl(fd, CDM_SIM_IOC_RUN, &q) ? errno : 0;
	report("partial-errno", err, EFAULT);
	report("partial-error", -q.run.error, EFAULT);
	if (q.run.done != 16 || q.run.errors != 1 ||
	    q.run.error_addr != (uintptr_t)mem + SIZE) {
		printf("not ok partial: done %llu errors %llu at %+lld\n",
		       q.run.done, q.run.errors,
		       (long long)(q.run.error_addr - (uintptr_t)mem));
		bad = 1;
	}
}

int main(int argc, char **argv)
{
	const char *device = argc > 1 ? argv[1] : "/dev/cdm_sim0";

	fd = open(device, O_RDWR);
	if (fd < 0) {
		fprintf(stderr, "simneg: %s: %s\n", device, strerror(errno));
		return 1;
	}
	/* SIZE bytes to write, SIZE that are no memory, SIZE to read. */
	mem = mmap(NULL, 3 * SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || mprotect(mem + SIZE, SIZE, PROT_NONE) ||
	    mprotect(mem + 2 * SIZE, SIZE, PROT_READ)) {
		perror("simneg: mmap");
		return 1;
	}
	report("version", ioctl(fd, CDM_SIM_IOC_VERSION) == CDM_SIM_VERSION ? 0 : EINVAL, 0);
	sizes();
	fields();
	addresses();
	partial();
	short_result();
	return bad;
}
