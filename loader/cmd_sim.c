// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl sim: have the simulated device touch memory, and see where it lies.
 *
 * cdmctl is the process whose memory the device works in: it maps a range, lets
 * the CPU touch a part of it first if asked to, and starts the device's access
 * kernel. Afterwards it tells which nodes hold the pages (asked from move_pages())
 * and which served the accesses (counted by the device).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/cdm_sim.h>

#include "cdmctl.h"

#define MAX_NODES	1024
#define BATCH		4096

static const char *const patterns[] = {
	[CDM_SIM_SEQUENTIAL]	= "sequential",
	[CDM_SIM_STRIDED]	= "strided",
	[CDM_SIM_UNIFORM]	= "uniform",
	[CDM_SIM_ZIPF]		= "zipf",
};

enum { OPT_STRIDE = 256, OPT_SEED, OPT_WRITE, OPT_SKEW, OPT_CPU, OPT_THP,
       OPT_NO_THP, OPT_SHARED, OPT_REPEAT, OPT_HOLD, OPT_CACHE, OPT_CHECK, OPT_GRAIN,
       OPT_THRESHOLD, OPT_BATCH, OPT_ARM };

struct sim_args {
	unsigned long long device, size, count, stride, seed, repeat, hold;
	unsigned long long write_pct, cpu_pct, skew, grain, threshold, batch;
	int pattern;
	bool has_skew, thp, no_thp, shared, cache, check, arm;
};

struct pages {
	unsigned long by_node[MAX_NODES];
	unsigned long absent;
};

/* A skew such as 0.99, in thousandths. */
static int parse_skew(const char *text, unsigned long long *skew)
{
	double v;
	char *end;

	v = strtod(text, &end);
	if (end == text || *end || !(v >= 0 && v <= 4))
		return err_set(-EINVAL, "--zipf-skew: '%s' is not a number of 0..4", text);
	*skew = v * 1000 + 0.5;
	return 0;
}

static int parse_pattern(const char *text, int *pattern)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(patterns); i++) {
		if (!strcmp(text, patterns[i])) {
			*pattern = i;
			return 0;
		}
	}
	return err_set(-EINVAL, "'%s' is not a pattern; there are sequential, strided, uniform and zipf",
		       text);
}

static error_t sim_parse(int key, char *arg, struct argp_state *state)
{
	struct sim_args *a = state->input;
	int err = 0;

	switch (key) {
	case 'd':
		err = parse_ulong(arg, 255, "--device", &a->device);
		break;
	case 'P':
		err = parse_pattern(arg, &a->pattern);
		break;
	case 'm':
		err = parse_size(arg, "--size", &a->size);
		break;
	case 'c':
		err = parse_size(arg, "--count", &a->count);
		break;
	case OPT_STRIDE:
		err = parse_size(arg, "--stride", &a->stride);
		break;
	case OPT_SEED:
		err = parse_ulong(arg, UINT64_MAX, "--seed", &a->seed);
		break;
	case OPT_WRITE:
		err = parse_ulong(arg, 100, "--write", &a->write_pct);
		break;
	case OPT_SKEW:
		a->has_skew = true;
		err = parse_skew(arg, &a->skew);
		break;
	case OPT_CPU:
		err = parse_ulong(arg, 100, "--cpu-first-touch", &a->cpu_pct);
		break;
	case OPT_REPEAT:
		err = parse_ulong(arg, 1000000, "--repeat", &a->repeat);
		break;
	case OPT_HOLD:
		err = parse_ulong(arg, 86400, "--hold", &a->hold);
		break;
	case OPT_THP:
		a->thp = true;
		break;
	case OPT_NO_THP:
		a->no_thp = true;
		break;
	case OPT_SHARED:
		a->shared = true;
		break;
	case OPT_CACHE:
		a->cache = true;
		break;
	case OPT_CHECK:
		a->check = true;
		break;
	case OPT_GRAIN:
		err = parse_size(arg, "--counter-grain", &a->grain);
		break;
	case OPT_THRESHOLD:
		err = parse_ulong(arg, UINT32_MAX, "--counter-threshold", &a->threshold);
		break;
	case OPT_BATCH:
		err = parse_ulong(arg, 256, "--counter-batch", &a->batch);
		break;
	case OPT_ARM:
		a->arm = true;
		break;
	case ARGP_KEY_END:
		if (a->check && !a->cache)
			err = err_set(-EINVAL, "--check makes sense with --cache only");
		else if (!a->grain && (a->threshold || a->batch))
			err = err_set(-EINVAL, "--counter-threshold and --counter-batch make sense with --counter-grain only");
		else if (a->thp && a->no_thp)
			err = err_set(-EINVAL, "--thp and --no-thp exclude each other");
		else if (a->has_skew && a->pattern != CDM_SIM_ZIPF)
			err = err_set(-EINVAL, "--zipf-skew makes sense with --pattern zipf only");
		else if (!a->size || a->size % 4096)
			err = err_set(-EINVAL, "--size: %llu is not a multiple of 4096", a->size);
		else if (a->grain && !a->threshold)
			a->threshold = 256;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return err ? EINVAL : 0;
}

/* ---- the device ------------------------------------------------------------------- */

/* The devices there are, in words: "0, 1". */
static void list_devices(char *buf, size_t size)
{
	char path[32];
	size_t len = 0;
	int i;

	buf[0] = '\0';
	for (i = 0; i < 256 && len < size; i++) {
		snprintf(path, sizeof(path), "/dev/cdm_sim%d", i);
		if (!access(path, F_OK))
			len += snprintf(buf + len, size - len, "%s%d", len ? ", " : "", i);
	}
}

int sim_open(unsigned long long device, struct cdm_sim_info *info)
{
	char path[32], have[256];
	int fd, err;

	snprintf(path, sizeof(path), "/dev/cdm_sim%llu", device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		switch (err) {
		case -ENOENT:
		case -ENODEV:
		case -ENXIO:
			list_devices(have, sizeof(have));
			err_set(err, "there is no simulated device %llu%s%s", device,
				have[0] ? "; there are " : "", have);
			err_hint("%s", have[0] ? "choose one with --device" :
				 "load the driver: insmod drivers/cdm/cdm_sim.ko of the kernel's build");
			break;
		case -EPERM:
		case -EACCES:
			err_set(err, "%s needs CAP_SYS_ADMIN", path);
			err_hint("run it as root");
			break;
		default:
			err_set(err, "cannot open %s: %s", path, strerror(-err));
		}
		return err;
	}

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->version = CDM_SIM_VERSION;
	if (!ioctl(fd, CDM_SIM_IOC_INFO, info))
		return fd;
	err = -errno;
	close(fd);
	if (err == -EPROTONOSUPPORT) {
		err_set(err, "%s speaks another version than %d", path, CDM_SIM_VERSION);
		err_hint("build cdmctl from the sources of the running kernel");
		return err;
	}
	return err_set(err, "%s does not answer as a simulated device: %s", path,
		       strerror(-err));
}

static struct json_object *info_json(const struct cdm_sim_info *info)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "device", info->index);
	json_add_int(o, "node", info->nid);
	json_add_u64(o, "mem_start", info->mem_start);
	json_add_u64(o, "mem_size", info->mem_size);
	json_add_u64(o, "runs", info->runs);
	json_add_u64(o, "accesses", info->accesses);
	json_add_u64(o, "dev_faults", info->dev_faults);
	return o;
}

static int sim_list(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List simulated devices: node, memory, what they have done."
		       "\vEXAMPLES:\n"
		       "  cdmctl sim list",
	};
	struct json_object *list, *o;
	struct cdm_sim_info info;
	char path[32];
	int err, fd, i;
	size_t n;

	err = cmd_parse(&argp, argc, argv, NULL);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;

	list = json_object_new_array();
	for (i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "/dev/cdm_sim%d", i);
		if (access(path, F_OK))
			continue;
		fd = sim_open(i, &info);
		if (fd < 0) {
			json_object_put(list);
			return fd;
		}
		close(fd);
		json_object_array_add(list, info_json(&info));
	}
	if (env.json) {
		out_json(list);
		return 0;
	}
	if (!json_object_array_length(list))
		puts("no simulated device; load drivers/cdm/cdm_sim.ko");
	else
		printf("%-7s %-5s %14s %8s %14s %12s\n", "DEVICE", "NODE", "MEMORY",
		       "RUNS", "ACCESSES", "FAULTS");
	for_each_json(o, list, n)
		printf("%-7s %-5s %14s %8s %14s %12s\n", json_str(o, "device"),
		       json_str(o, "node"), json_str(o, "mem_size"), json_str(o, "runs"),
		       json_str(o, "accesses"), json_str(o, "dev_faults"));
	json_object_put(list);
	return 0;
}

/* ---- the memory -------------------------------------------------------------------- */

static int map_memory(const struct sim_args *a, char **mem)
{
	int err, advice = a->thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
	char *p;

	p = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
		 MAP_ANONYMOUS | (a->shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	if (p == MAP_FAILED) {
		err = -errno;
		return err_set(err, "cannot map %llu bytes: %s", a->size, strerror(-err));
	}
	if ((a->thp || a->no_thp) && madvise(p, a->size, advice)) {
		err = -errno;
		munmap(p, a->size);
		return err_set(err, "madvise() for huge pages: %s", strerror(-err));
	}
	*mem = p;
	return 0;
}

/* The CPU writes one word of each page of the first part of the range. */
static void touch(char *mem, const struct sim_args *a)
{
	unsigned long long at, end = a->size / 100 * a->cpu_pct;
	long page = sysconf(_SC_PAGESIZE);

	if (a->cpu_pct == 100)
		end = a->size;
	for (at = 0; at < end; at += page)
		*(volatile uint64_t *)(mem + at) += 1;
}

/* Where the pages lie; a page that was never touched is absent. */
static int count_pages(char *mem, const struct sim_args *a, struct pages *pages)
{
	unsigned long nr = a->size / sysconf(_SC_PAGESIZE), done, n, i;
	long page = sysconf(_SC_PAGESIZE);
	void **addr;
	int *status;
	int err = 0;

	memset(pages, 0, sizeof(*pages));
	addr = calloc(BATCH, sizeof(*addr));
	status = calloc(BATCH, sizeof(*status));
	if (!addr || !status) {
		err = err_set(-ENOMEM, "out of memory");
		goto cleanup;
	}
	for (done = 0; done < nr; done += n) {
		n = nr - done < BATCH ? nr - done : BATCH;
		for (i = 0; i < n; i++)
			addr[i] = mem + (done + i) * page;
		/* Without target nodes it only tells. */
		if (syscall(SYS_move_pages, 0, n, addr, NULL, status, 0)) {
			err = err_set(-errno, "move_pages(): %s", strerror(errno));
			goto cleanup;
		}
		for (i = 0; i < n; i++) {
			if (status[i] >= 0 && status[i] < MAX_NODES)
				pages->by_node[status[i]]++;
			else
				pages->absent++;
		}
	}
cleanup:
	free(addr);
	free(status);
	return err;
}

/* ---- run ----------------------------------------------------------------------------- */

static int run_failed(const struct cdm_sim_run *run, int err)
{
	switch (err) {
	case -EINTR:
		return err_set(err, "the run was interrupted after %llu accesses",
			       (unsigned long long)run->done);
	case -EINVAL:
		err_set(err, "the device refused the run: it takes a range and a stride in whole words, sequential no stride, zipf at most 2^20 blocks, and counters of a power of two from 4K to 2M");
		err_hint("see 'cdmctl sim run --help'");
		return err;
	case -EOPNOTSUPP:
		return err_set(err, "the device does not run that pattern");
	case -ENODEV:
		err_set(err, "the device's node is not online");
		err_hint("see 'cdmctl node list'");
		return err;
	default:
		if (run->error)
			return err_set(err, "the device could not reach address %#llx after %llu accesses: %s",
				       (unsigned long long)run->error_addr,
				       (unsigned long long)run->done, strerror(-run->error));
		return err_set(err, "the run failed: %s", strerror(-err));
	}
}

static struct json_object *run_json(const struct sim_args *a,
				    const struct cdm_sim_info *info,
				    const struct cdm_sim_run *run,
				    const struct pages *pages)
{
	struct json_object *o = json_object_new_object(), *by;
	char node[16];
	int i;

	json_add_int(o, "device", info->index);
	json_add_int(o, "node", info->nid);
	json_add_str(o, "pattern", patterns[run->pattern]);
	json_add_u64(o, "size", a->size);
	json_add_u64(o, "accesses", run->done);
	json_add_u64(o, "writes", run->writes);
	json_add_u64(o, "dev_faults", run->dev_faults);
	json_add_u64(o, "retries", run->retries);
	json_add_u64(o, "checksum", run->checksum);

	by = json_object_new_object();
	for (i = 0; i < CDM_SIM_NR_NODES; i++)
		if (run->served[i])
			json_add_u64(by, node_text(i, node, sizeof(node)), run->served[i]);
	if (run->served_other)
		json_add_u64(by, "other", run->served_other);
	json_object_object_add(o, "accesses_by_node", by);

	by = json_object_new_object();
	for (i = 0; i < MAX_NODES; i++)
		if (pages->by_node[i])
			json_add_u64(by, node_text(i, node, sizeof(node)), pages->by_node[i]);
	if (pages->absent)
		json_add_u64(by, "absent", pages->absent);
	json_object_object_add(o, "pages_by_node", by);

	if (a->grain || a->arm) {
		by = json_object_new_object();
		json_add_u64(by, "notifications", run->counters);
		json_add_u64(by, "waits", run->waits);
		json_add_u64(by, "wait_us", run->wait_us);
		json_add_u64(by, "armed", run->armed);
		json_object_object_add(o, "counters", by);
	}
	if (!a->cache)
		return o;
	by = json_object_new_object();
	json_add_u64(by, "hits", run->cache_hits);
	json_add_u64(by, "misses", run->cache_misses);
	json_add_u64(by, "fills", run->cache_fills);
	json_add_u64(by, "retries", run->cache_retries);
	json_add_u64(by, "invalidations", run->cache_invalidations);
	if (a->check)
		json_add_u64(by, "stale", run->cache_stale);
	json_object_object_add(o, "cache", by);
	return o;
}

static void print_by(const char *what, struct json_object *by)
{
	struct json_object_iterator it = json_object_iter_begin(by);
	struct json_object_iterator end = json_object_iter_end(by);
	unsigned long long total = 0, n;

	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it))
		total += json_object_get_int64(json_object_iter_peek_value(&it));
	printf("%s", what);
	json_object_object_foreach(by, k, v) {
		n = json_object_get_int64(v);
		printf("  %s%s %llu (%.1f %%)", *k >= '0' && *k <= '9' ? "node " : "",
		       k, n, total ? 100.0 * n / total : 0);
	}
	putchar('\n');
}

/* Of an object in @o that may be missing. */
static void print_numbers(const char *what, struct json_object *o, const char *key)
{
	struct json_object *numbers;

	if (!json_object_object_get_ex(o, key, &numbers))
		return;
	printf("%s", what);
	json_object_object_foreach(numbers, k, v)
		printf("  %s %s", json_object_get_string(v), k);
	putchar('\n');
}

static void run_print(struct json_object *o)
{
	printf("device %s (node %s): %s %s, %s bytes; %s writes, %s device faults\n",
	       json_str(o, "device"), json_str(o, "node"), json_str(o, "accesses"),
	       json_str(o, "pattern"), json_str(o, "size"), json_str(o, "writes"),
	       json_str(o, "dev_faults"));
	print_by("accesses:", json_arr(o, "accesses_by_node"));
	print_by("pages:   ", json_arr(o, "pages_by_node"));
	print_numbers("counters:", o, "counters");
	print_numbers("cache:   ", o, "cache");
}

static int sim_run(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "device", 'd', "N", 0, "Of /dev/cdm_simN; default 0", 0 },
		{ "pattern", 'P', "NAME", 0, "sequential (default), strided, uniform or zipf", 0 },
		{ "size", 'm', "SIZE", 0, "Memory to map; default 16M", 0 },
		{ "count", 'c', "N", 0, "Accesses; default one for each block of the stride", 0 },
		{ "stride", OPT_STRIDE, "SIZE", 0, "Bytes of a block; default 8 for sequential, else 4096", 0 },
		{ "write", OPT_WRITE, "PERCENT", 0, "Accesses that write; default 100", 0 },
		{ "seed", OPT_SEED, "N", 0, "Of the random numbers; default 1", 0 },
		{ "zipf-skew", OPT_SKEW, "X", 0, "0 to 4; default 0.99", 0 },
		{ "repeat", OPT_REPEAT, "N", 0, "Runs over the same memory; default 1", 0 },
		{ "cache", OPT_CACHE, NULL, 0, "The device keeps translations of its own; tell how often they served", 0 },
		{ "check", OPT_CHECK, NULL, 0, "With --cache: compare each that serves with the page tables", 0 },
		{ "counter-grain", OPT_GRAIN, "SIZE", 0, "Count accesses to other nodes: bytes of a counter, 4K to 2M", 0 },
		{ "counter-threshold", OPT_THRESHOLD, "N", 0, "Accesses until a counter notifies the kernel; default 256", 0 },
		{ "counter-batch", OPT_BATCH, "N", 0, "Notifications that the driver reads at a time, up to 256; default 1", 0 },
		{ "arm", OPT_ARM, NULL, 0, "Have the next access to each page told to the policy, after each run", 0 },
		{ NULL, 0, NULL, 0, "The memory:", 1 },
		{ "cpu-first-touch", OPT_CPU, "PERCENT", 0, "Of the range, by the CPU, before the device; default 0", 1 },
		{ "thp", OPT_THP, NULL, 0, "Ask for huge pages", 1 },
		{ "no-thp", OPT_NO_THP, NULL, 0, "Ask for no huge pages", 1 },
		{ "shared", OPT_SHARED, NULL, 0, "Shared memory rather than private", 1 },
		{ "hold", OPT_HOLD, "SECONDS", 0, "Keep it after the last run", 1 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = sim_parse,
		.doc = "Have a simulated device touch memory of this process; tell which nodes hold its pages "
		       "and which served the accesses."
		       "\vA memory policy for it is given from outside, with numactl.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl sim run --size 64M\n"
		       "  cdmctl sim run --size 1M --repeat 2 --cache --check\n"
		       "  cdmctl sim run -d 1 --pattern zipf --count 1M --cpu-first-touch 50\n"
		       "  numactl --membind=0 cdmctl sim run --pattern uniform --size 64M",
	};
	struct sim_args a = {
		.size = 16 << 20, .write_pct = 100, .seed = 1, .repeat = 1, .skew = 990,
	};
	struct cdm_sim_run *run = NULL;
	struct cdm_sim_info info;
	struct pages *pages = NULL;
	struct json_object *o;
	char *mem = NULL;
	int err, fd = -1;
	unsigned long long i, block;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	if (err)
		return err;
	fd = sim_open(a.device, &info);
	if (fd < 0)
		return fd;
	run = calloc(1, sizeof(*run));
	pages = calloc(1, sizeof(*pages));
	if (!run || !pages) {
		err = err_set(-ENOMEM, "out of memory");
		goto cleanup;
	}
	err = map_memory(&a, &mem);
	if (err)
		goto cleanup;
	touch(mem, &a);

	block = a.stride ?: a.pattern == CDM_SIM_SEQUENTIAL ? 8 : 4096;
	for (i = 0; i < a.repeat; i++) {
		memset(run, 0, sizeof(*run));
		run->size = sizeof(*run);
		run->version = CDM_SIM_VERSION;
		run->pattern = a.pattern;
		run->flags = (a.cache ? CDM_SIM_RUN_CACHE : 0) |
			     (a.check ? CDM_SIM_RUN_CHECK : 0) |
			     (a.arm ? CDM_SIM_RUN_ARM : 0);
		run->counter_grain = a.grain;
		run->counter_threshold = a.threshold;
		run->counter_batch = a.batch;
		run->addr = (unsigned long)mem;
		run->len = a.size;
		run->stride = a.stride;
		run->accesses = a.count ?: a.size / block ?: 1;
		run->seed = a.seed + i;
		run->write_pct = a.write_pct;
		run->zipf_skew = a.pattern == CDM_SIM_ZIPF ? a.skew : 0;
		if (ioctl(fd, CDM_SIM_IOC_RUN, run)) {
			err = run_failed(run, -errno);
			goto cleanup;
		}
	}
	err = count_pages(mem, &a, pages);
	if (err)
		goto cleanup;
	o = run_json(&a, &info, run, pages);
	if (env.json) {
		out_json(o);
	} else {
		run_print(o);
		fflush(stdout);
		json_object_put(o);
	}
	if (a.hold)
		sleep(a.hold);
cleanup:
	if (mem)
		munmap(mem, a.size);
	free(run);
	free(pages);
	close(fd);
	return err;
}

static const struct verb verbs[] = {
	{ "list", "", "List simulated devices", sim_list },
	{ "run", "", "Have a simulated device touch memory", sim_run },
	{ "replay", "FILE", "Have it repeat a recorded trace", sim_replay },
	{ "convert", "ORACLE FILE", "Make a trace of one in oracleGeneral format", sim_convert },
	{}
};

const struct noun noun_sim = {
	.name = "sim",
	.doc = "Simulated devices (/dev/cdm_simN).",
	.verbs = verbs,
};
