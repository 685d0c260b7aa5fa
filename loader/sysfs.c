// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says: /sys/kernel/mm/cdm and the nodes themselves.
 *
 * All knowledge of the files' places and formats is here, and a missing or odd
 * file becomes a text that names it.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

#define NODES_DIR	"/sys/devices/system/node"

/* Reads a file, without its last newline; sets no error. */
int read_text(const char *path, char *buf, size_t size)
{
	ssize_t n, len = 0;
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < (ssize_t)size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		len += n;
	}
	close(fd);
	if (err)
		return err;
	while (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return 0;
}

int write_text(const char *path, const char *text)
{
	int fd, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Is there a cdm_ext that this cdmctl understands? */
int kernel_check(void)
{
	char buf[64];
	int err;

	err = read_text(CDM_SYSFS "/version", buf, sizeof(buf));
	if (err) {
		if (!access(CDM_SYSFS, F_OK))
			return err_set(err, "cannot read %s/version: %s",
				       CDM_SYSFS, strerror(-err));
		err_set(-ENOSYS, "this kernel has no cdm_ext (%s is missing)", CDM_SYSFS);
		err_hint("build it with CONFIG_CDM_EXT=y and boot it, see README.md");
		return -ENOSYS;
	}
	if (strcmp(buf, "1")) {
		err_set(-EPROTO, "the kernel's cdm_ext speaks version %s, this cdmctl version 1",
			buf);
		err_hint("build cdmctl from the sources of the running kernel");
		return -EPROTO;
	}
	return 0;
}

/* Will it take a policy? */
int kernel_check_enabled(void)
{
	char buf[64];
	int err;

	err = kernel_check();
	if (err)
		return err;
	if (!read_text(CDM_SYSFS "/enabled", buf, sizeof(buf)) && !strcmp(buf, "0")) {
		err_set(-EPERM, "cdm_ext is switched off");
		err_hint("boot without cdm_ext=off, or: echo 1 > %s/enabled", CDM_SYSFS);
		return -EPERM;
	}
	return 0;
}

/* The text of the last attach that the kernel refused. */
bool kernel_last_error(char *buf, size_t size)
{
	return !read_text(CDM_SYSFS "/last_error", buf, size) && buf[0];
}

/* ---- nodes ------------------------------------------------------------------ */

/* Is @nid in a list such as "0-1,4"? */
static bool in_list(const char *file, int nid)
{
	char buf[4096], *p = buf;
	long a, b;

	if (read_text(file, buf, sizeof(buf)))
		return false;
	while (isdigit((unsigned char)*p)) {
		a = strtol(p, &p, 10);
		b = a;
		if (*p == '-')
			b = strtol(p + 1, &p, 10);
		if (nid >= a && nid <= b)
			return true;
		if (*p == ',')
			p++;
	}
	return false;
}

enum node_kind node_kind(int nid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/nodes/%d", CDM_SYSFS, nid);
	if (!access(path, F_OK))
		return NODE_MANAGED;
	if (!in_list(NODES_DIR "/possible", nid))
		return NODE_ABSENT;
	if (in_list(NODES_DIR "/has_cpu", nid) ||
	    in_list(NODES_DIR "/has_normal_memory", nid))
		return NODE_CPU;
	return NODE_MEMORY;
}

/* Refuses what can never be a node. */
int node_check_possible(int nid)
{
	char possible[256];

	if (node_kind(nid) != NODE_ABSENT)
		return 0;
	if (read_text(NODES_DIR "/possible", possible, sizeof(possible)))
		strcpy(possible, "?");
	err_set(-ENODEV, "node %d does not exist; this machine can have nodes %s", nid,
		possible);
	err_hint("see 'cdmctl node list --all'");
	return -ENODEV;
}

/* Refuses what can never be a device's node; it need not be managed yet. */
int node_check_device(int nid)
{
	switch (node_kind(nid)) {
	case NODE_ABSENT:
		return node_check_possible(nid);
	case NODE_CPU:
		err_set(-EINVAL, "node %d is CPU memory, not a device's: it has CPUs or memory that the kernel itself uses",
			nid);
		err_hint("see 'cdmctl node list --all'");
		return -EINVAL;
	default:
		return 0;
	}
}

int node_attr(int nid, const char *name, char *buf, size_t size)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/nodes/%d/%s", CDM_SYSFS, nid, name);
	return read_text(path, buf, size);
}

/* A line "Node N KEY:   123 kB" of the node's meminfo, in kB; -1 if absent. */
long node_kb(int nid, const char *key)
{
	char path[128], buf[8192], *line, *save = NULL;
	size_t len = strlen(key);
	long val;
	int at;

	snprintf(path, sizeof(path), NODES_DIR "/node%d/meminfo", nid);
	if (read_text(path, buf, sizeof(buf)))
		return -1;
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		at = 0;
		if (sscanf(line, "Node %*d %n", &at) < 0 || !at)
			continue;
		if (!strncmp(line + at, key, len) && line[at + len] == ':' &&
		    sscanf(line + at + len + 1, "%ld", &val) == 1)
			return val;
	}
	return -1;
}

const char *node_text(int node, char *buf, size_t size)
{
	if (node == CDM_NODE_ALL)
		snprintf(buf, size, "all");
	else
		snprintf(buf, size, "%d", node);
	return buf;
}

/*
 * A file of lines "KEY NUMBER", or "KEY NUMBER NUMBER" where the @columns have names:
 * then each key has an object of these. NULL if there is no such file.
 */
struct json_object *counters_json(const char *path, const char *const columns[2])
{
	char buf[8192], key[64], *line, *save = NULL;
	struct json_object *o, *v;
	unsigned long long n[2];
	int nr;

	if (read_text(path, buf, sizeof(buf)))
		return NULL;
	o = json_object_new_object();
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		nr = sscanf(line, "%63s %llu %llu", key, &n[0], &n[1]);
		if (nr == 3 && columns && columns[0]) {
			v = json_object_new_object();
			json_add_u64(v, columns[0], n[0]);
			json_add_u64(v, columns[1], n[1]);
			json_object_object_add(o, key, v);
		} else if (nr >= 2) {
			json_add_u64(o, key, n[0]);
		}
	}
	return o;
}

/* ---- policies --------------------------------------------------------------- */

static int cmp_uint(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

/*
 * The sorted numbers that are entries of @dir, or with "node" before them.
 * Returns how many; none is not an error.
 */
int id_list(const char *dir, unsigned int **ids)
{
	unsigned int *v = NULL, *tmp, id;
	struct dirent *de;
	const char *s;
	int nr = 0;
	char *end;
	DIR *d;

	*ids = NULL;
	d = opendir(dir);
	if (!d)
		return 0;
	while ((de = readdir(d))) {
		s = de->d_name;
		if (!strncmp(s, "node", 4))
			s += 4;
		if (!isdigit((unsigned char)*s))
			continue;
		id = strtoul(s, &end, 10);
		if (*end)
			continue;
		tmp = realloc(v, (nr + 1) * sizeof(*v));
		if (!tmp)
			break;
		v = tmp;
		v[nr++] = id;
	}
	closedir(d);
	if (nr)
		qsort(v, nr, sizeof(*v), cmp_uint);
	*ids = v;
	return nr;
}

static int policy_file(unsigned int id, const char *name, char *buf, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/policies/%u/%s", CDM_SYSFS, id, name);
	return read_text(path, buf, size);
}

/* Fails when the policy goes meanwhile; sets no error. */
int policy_info(unsigned int id, struct policy_info *info)
{
	char buf[64];
	int err;

	memset(info, 0, sizeof(*info));
	info->id = id;
	err = policy_file(id, "name", info->name, sizeof(info->name));
	err = err ?: policy_file(id, "state", info->state, sizeof(info->state));
	err = err ?: policy_file(id, "node", buf, sizeof(buf));
	if (err)
		return err;
	info->node = isdigit((unsigned char)buf[0]) ? atoi(buf) : CDM_NODE_ALL;
	err = policy_file(id, "link_id", buf, sizeof(buf));
	if (err)
		return err;
	info->link_id = strtoul(buf, NULL, 10);
	return 0;
}

int policy_by_link(unsigned int link_id, struct policy_info *info)
{
	unsigned int *ids;
	int i, nr, err = -ENOENT;

	nr = id_list(CDM_SYSFS "/policies", &ids);
	for (i = 0; i < nr && err; i++)
		if (!policy_info(ids[i], info) && info->link_id == link_id)
			err = 0;
	free(ids);
	return err;
}

struct json_object *policy_stats(unsigned int id)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/policies/%u/stats", CDM_SYSFS, id);
	return counters_json(path, NULL) ?: json_object_new_object();
}

/* ---- exit records ----------------------------------------------------------- */

static bool exit_parse(const char *line, struct exit_record *rec)
{
	int at = 0;

	memset(rec, 0, sizeof(*rec));
	if (sscanf(line, "%u %31s %31s %lld %23s %n", &rec->id, rec->name,
		   rec->kind, &rec->code, rec->callback, &at) < 5 || !at)
		return false;
	snprintf(rec->msg, sizeof(rec->msg), "%s", line + at);
	return true;
}

/* The last record of policy @id, or with id 0 of the last one called @name. */
bool exit_find(unsigned int id, const char *name, struct exit_record *rec)
{
	char buf[16384], *line, *save = NULL;
	struct exit_record r;
	bool found = false;

	if (read_text(CDM_SYSFS "/exits", buf, sizeof(buf)))
		return false;
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!exit_parse(line, &r))
			continue;
		if (id ? r.id == id : !strcmp(r.name, name)) {
			*rec = r;
			found = true;
		}
	}
	return found;
}

/* By their words, so that a kernel with new kinds is still understood. */
bool exit_is_error(const struct exit_record *rec)
{
	return strcmp(rec->kind, "unloaded") && strcmp(rec->kind, "replaced");
}

const char *exit_hint(const struct exit_record *rec)
{
	static const struct {
		const char *kind;
		const char *hint;
	} hints[] = {
		{ "error", "the policy gave up by itself; its text above says why" },
		{ "bad-answers", "build answers with cdm_node() and the like of cdm/common.bpf.h, and name nodes that exist" },
		{ "overrun", "move the callback's work to tick(), or shorten its loops" },
		{ "stall", "shorten tick(), or give it longer: --set ops.timeout_ms=MS" },
		{ "sysrq", "an operator ejected every policy; load it again when the cause is known" },
		{ "disabled", "echo 1 > " CDM_SYSFS "/enabled, then load it again" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hints); i++)
		if (!strcmp(rec->kind, hints[i].kind))
			return hints[i].hint;
	return "see the kernel log";
}

struct json_object *exit_json(const struct exit_record *rec)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "id", rec->id);
	json_add_str(o, "name", rec->name);
	json_add_str(o, "kind", rec->kind);
	json_add_int(o, "code", rec->code);
	json_add_str(o, "callback", rec->callback);
	json_add_str(o, "message", rec->msg);
	if (exit_is_error(rec))
		json_add_str(o, "next", exit_hint(rec));
	return o;
}
