// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl sim replay: a device repeats a recorded trace of accesses, so that an
 * eviction policy's miss ratio is measured in the kernel; and sim convert, which
 * makes such a trace of one in the format that cache simulators use.
 *
 * The device fetches a page that is elsewhere before it uses it, and reports each
 * access that hit. So a page of the trace is in the device's memory or not, as an
 * object is in a cache or not.
 */
#define _GNU_SOURCE	/* tdestroy() */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdm/trace.h>

#include "cdmctl.h"

struct replay_args {
	unsigned long long device;
	const char *file[2];
	int nr, want;
};

static error_t replay_parse(int key, char *arg, struct argp_state *state)
{
	struct replay_args *a = state->input;

	switch (key) {
	case 'd':
		return parse_ulong(arg, 255, "--device", &a->device) ? EINVAL : 0;
	case ARGP_KEY_ARG:
		if (a->nr == a->want)
			return ARGP_ERR_UNKNOWN;
		a->file[a->nr++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->nr == a->want)
			return 0;
		err_set(-EINVAL, a->want == 1 ? "a trace is needed" :
			"a file to read and one to write are needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- replay ------------------------------------------------------------------ */

/* Maps the file; it is checked against its own head. */
static int trace_open(const char *path, const struct cdm_trace_head **headp,
		      size_t *size)
{
	const struct cdm_trace_head *head;
	struct stat st;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err_set(err, "cannot read %s: %s", path, strerror(-err));
	}
	if ((size_t)st.st_size < sizeof(*head)) {
		close(fd);
		return err_set(-EINVAL, "%s is no trace: it is shorter than its head",
			       path);
	}
	head = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (head == MAP_FAILED)
		return err_set(-errno, "cannot map %s: %s", path, strerror(errno));
	*headp = head;
	*size = st.st_size;

	if (memcmp(head->magic, CDM_TRACE_MAGIC, sizeof(head->magic))) {
		err = err_set(-EINVAL, "%s is no trace: it does not begin with %s",
			      path, CDM_TRACE_MAGIC);
		err_hint("'cdmctl sim convert' makes one of a trace in oracleGeneral format");
	} else if (le32toh(head->version) != CDM_TRACE_VERSION) {
		err = err_set(-EINVAL, "%s has version %u; this cdmctl reads %d", path,
			      le32toh(head->version), CDM_TRACE_VERSION);
	} else if (!head->nr_ops || !head->nr_pages || head->reserved ||
		   le64toh(head->nr_ops) != (st.st_size - sizeof(*head)) /
					    sizeof(struct cdm_sim_op) ||
		   (st.st_size - sizeof(*head)) % sizeof(struct cdm_sim_op)) {
		err = err_set(-EINVAL, "%s: its head says %llu accesses to %u pages, which does not fit its %lld bytes",
			      path, (unsigned long long)le64toh(head->nr_ops),
			      le32toh(head->nr_pages), (long long)st.st_size);
	} else {
		return 0;
	}
	munmap((void *)head, st.st_size);
	return err;
}

static struct json_object *replay_json(const struct cdm_sim_run *run,
				       const struct cdm_sim_info *info)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "device", info->index);
	json_add_int(o, "node", info->nid);
	json_add_u64(o, "accesses", run->done);
	json_add_u64(o, "hits", run->hits);
	json_add_u64(o, "misses", run->misses);
	json_object_object_add(o, "miss_ratio",
			       json_object_new_double(run->done ?
				(double)run->misses / run->done : 0));
	json_add_u64(o, "dev_faults", run->dev_faults);
	json_add_u64(o, "fetches", run->fetches);
	json_add_u64(o, "fetch_failed", run->fetch_failed);
	return o;
}

static int replay(int fd, const struct cdm_trace_head *head, const char *path,
		  struct cdm_sim_run *run)
{
	size_t len = (size_t)le32toh(head->nr_pages) * 4096;
	void *mem;
	int err = 0;

	/* No huge pages: a page of the trace is what moves. */
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return err_set(-errno, "cannot map %zu bytes: %s", len, strerror(errno));
	madvise(mem, len, MADV_NOHUGEPAGE);

	run->size = sizeof(*run);
	run->version = CDM_SIM_VERSION;
	run->pattern = CDM_SIM_REPLAY;
	run->flags = CDM_SIM_RUN_FETCH | CDM_SIM_RUN_REPORT;
	run->addr = (unsigned long)mem;
	run->len = len;
	run->accesses = le64toh(head->nr_ops);
	run->trace = (unsigned long)(head + 1);
	run->trace_len = run->accesses * sizeof(struct cdm_sim_op);
	if (ioctl(fd, CDM_SIM_IOC_RUN, run)) {
		err = -errno;
		if (err == -EINVAL && !run->done)
			err_set(err, "%s: the device refuses it: more than 2^24 accesses, a page beyond the %u of its head, or an access that is neither 0 nor 1",
				path, le32toh(head->nr_pages));
		else if (err == -EINTR)
			err_set(err, "interrupted after %llu accesses", run->done);
		else
			err_set(err, "the device gave up after %llu accesses: %s",
				run->done, strerror(-err));
	}
	munmap(mem, len);
	return err;
}

int sim_replay(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "device", 'd', "N", 0, "Of /dev/cdm_simN; default 0", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = replay_parse,
		.args_doc = "FILE",
		.doc = "Have a simulated device repeat a recorded trace of accesses; tell how many found their "
		       "page in the device's memory."
		       "\vA page that is elsewhere is moved to the device before it is used, and what is "
		       "cold there makes room. The format is described in include/cdm/trace.h.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl sim convert cluster52.oracleGeneral cluster52.trace\n"
		       "  cdmctl sim replay cluster52.trace",
	};
	struct replay_args a = { .want = 1 };
	const struct cdm_trace_head *head = NULL;
	struct cdm_sim_run *run;
	struct cdm_sim_info info;
	struct json_object *o;
	size_t size = 0;
	int err, fd;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = kernel_check();
	err = err ?: trace_open(a.file[0], &head, &size);
	if (err)
		return err;
	fd = sim_open(a.device, &info);
	run = calloc(1, sizeof(*run));
	err = fd < 0 ? fd : !run ? err_set(-ENOMEM, "out of memory") :
	      replay(fd, head, a.file[0], run);
	if (!err) {
		o = replay_json(run, &info);
		if (env.json) {
			out_json(o);
		} else {
			printf("device %s (node %s): %s accesses, %s hits, %s misses (%.2f %%); %s faults, %s pages fetched, %s could not be\n",
			       json_str(o, "device"), json_str(o, "node"),
			       json_str(o, "accesses"), json_str(o, "hits"),
			       json_str(o, "misses"), 100.0 * run->misses / run->done,
			       json_str(o, "dev_faults"), json_str(o, "fetches"),
			       json_str(o, "fetch_failed"));
			json_object_put(o);
		}
	}
	free(run);
	if (fd >= 0)
		close(fd);
	munmap((void *)head, size);
	return err;
}

/* ---- convert ------------------------------------------------------------------ */

/* libCacheSim's oracleGeneral: packed and little-endian. */
struct oracle {
	__u32 time;
	__u64 id;
	__u32 size;
	__s64 next;
} __attribute__((packed));

struct object {
	__u64 id;
	__u32 page;
};

static int cmp_object(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Objects get pages in the order in which they come first. */
static int page_of(void **objects, __u64 id, __u32 *nr, __u32 *page)
{
	struct object *o = malloc(sizeof(*o)), **found;

	if (!o)
		return -ENOMEM;
	o->id = id;
	o->page = *nr;
	found = tsearch(o, objects, cmp_object);
	if (!found) {
		free(o);
		return -ENOMEM;
	}
	if (*found == o)
		(*nr)++;
	else
		free(o);
	*page = (*found)->page;
	return 0;
}

static int convert(FILE *in, FILE *out, struct cdm_trace_head *head)
{
	struct cdm_sim_op op = {};
	void *objects = NULL;
	struct oracle r;
	__u64 nr_ops = 0;
	__u32 nr = 0, page;
	int err = 0;
	size_t got;

	if (fwrite(head, sizeof(*head), 1, out) != 1)
		return -errno;
	while ((got = fread(&r, 1, sizeof(r), in)) == sizeof(r)) {
		err = page_of(&objects, le64toh(r.id), &nr, &page);
		if (err)
			break;
		op.time = htole64(le32toh(r.time));
		op.page = htole32(page);
		if (fwrite(&op, sizeof(op), 1, out) != 1) {
			err = -errno;
			break;
		}
		nr_ops++;
	}
	tdestroy(objects, free);
	if (err)
		return err;
	if (ferror(in))
		return -EIO;
	if (got || !nr_ops)
		return -EINVAL;
	head->nr_pages = htole32(nr);
	head->nr_ops = htole64(nr_ops);
	if (fseek(out, 0, SEEK_SET) || fwrite(head, sizeof(*head), 1, out) != 1)
		return -errno;
	return 0;
}

int sim_convert(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = replay_parse,
		.args_doc = "ORACLE FILE",
		.doc = "Make a trace for 'cdmctl sim replay' of one in oracleGeneral format (libCacheSim)."
		       "\vEach object becomes a page, whatever its size, and each request a read.\n\n"
		       "EXAMPLES:\n"
		       "  zstdcat w01.oracleGeneral.zst | cdmctl sim convert /dev/stdin w01.trace",
	};
	struct cdm_trace_head head = {
		.magic = CDM_TRACE_MAGIC,
		.version = htole32(CDM_TRACE_VERSION),
	};
	struct replay_args a = { .want = 2 };
	FILE *in, *out = NULL;
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	if (err)
		return err == CMD_DONE ? 0 : err;
	in = fopen(a.file[0], "re");
	if (!in)
		return err_set(-errno, "cannot read %s: %s", a.file[0], strerror(errno));
	out = fopen(a.file[1], "we");
	if (!out) {
		err = err_set(-errno, "cannot write %s: %s", a.file[1], strerror(errno));
		fclose(in);
		return err;
	}
	err = convert(in, out, &head);
	fclose(in);
	if (fclose(out) && !err)
		err = -errno;
	if (err) {
		unlink(a.file[1]);
		return err == -EINVAL ?
			err_set(err, "%s is no oracleGeneral trace: it has no records, or a part of one at its end",
				a.file[0]) :
			err_set(err, "cannot convert %s: %s", a.file[0], strerror(-err));
	}
	if (!env.json)
		printf("%llu accesses to %u pages\n",
		       (unsigned long long)le64toh(head.nr_ops), le32toh(head.nr_pages));
	return 0;
}
