// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: /sys/fs/bpf/cdm/NAME/, so that a policy outlives the loader.
 *
 *	link		the policy is attached as long as this exists
 *	ops		its struct_ops map
 *	map_MAP		each of its maps, for users and for the next policy
 *	policy		symlink to its directory in sysfs
 *
 * The loader may be killed between any two system calls. So each change has one
 * call that decides, before which nothing and after which everything has
 * happened, and leftovers that the next command can tell apart:
 *
 *	load	The link is pinned last, and lives by our file descriptor until
 *		then: a NAME without a link is a load that did not happen.
 *	swap	The new pins are made in NAME+new; then the link is updated, which
 *		decides; then NAME+new and NAME change places. Whether a NAME+new
 *		that was left behind is the current one shows its ops map: the
 *		link knows the id of the map that it runs.
 *	unload	Renaming NAME to NAME+gone decides; what is left is to detach
 *		the link and to delete.
 *
 * All of it under a lock on the directory, which the kernel drops when its owner
 * dies, so that leftovers are never somebody's work in progress.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "cdmctl.h"

#define NEW	"+new"
#define GONE	"+gone"

#define PATH_LEN	320

static const char *pin_path(char *buf, const char *name, const char *suffix,
			    const char *file)
{
	snprintf(buf, PATH_LEN, PIN_ROOT "/%s%s%s%s", name, suffix,
		 file ? "/" : "", file ?: "");
	return buf;
}

/* bpffs keeps names with dots for itself, and a number is a link's id. */
int pin_check_name(const char *name)
{
	bool digits = true;
	const char *s;

	for (s = name; *s; s++) {
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
			break;
		if (!isdigit((unsigned char)*s))
			digits = false;
	}
	if (*s || s == name || s - name > PIN_NAME_LEN - 8 || digits)
		return err_set(-EINVAL, "'%s' cannot be the name of a pin: use letters, digits, '_' and '-', at most %d, and not only digits",
			       name, PIN_NAME_LEN - 8);
	return 0;
}

/* ---- the lock -------------------------------------------------------------------- */

/* Returns a file descriptor; without @wait -EAGAIN if somebody has it. */
int pin_lock(bool wait)
{
	struct statfs fs;
	int fd, err;

	if (statfs("/sys/fs/bpf", &fs) || fs.f_type != BPF_FS_MAGIC) {
		err_set(-ENODEV, "no BPF file system at /sys/fs/bpf");
		err_hint("mount -t bpf bpf /sys/fs/bpf");
		return -ENODEV;
	}
	if (mkdir(PIN_ROOT, 0700) && errno != EEXIST) {
		err = -errno;
		err_set(err, "cannot create %s: %s", PIN_ROOT, strerror(-err));
		if (err == -EACCES || err == -EPERM)
			err_hint("run it as root");
		return err;
	}
	fd = open(PIN_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		err_set(err, "cannot open %s: %s", PIN_ROOT, strerror(-err));
		if (err == -EACCES || err == -EPERM)
			err_hint("run it as root");
		return err;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (wait) {
			note("waiting for another cdmctl to finish");
			if (!flock(fd, LOCK_EX))
				return fd;
		}
		err = -errno;
		close(fd);
		return err_set(err, "cannot lock %s: %s", PIN_ROOT, strerror(-err));
	}
	return fd;
}

void pin_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

/* ---- directories ----------------------------------------------------------------- */

static bool is_ours(const char *file)
{
	return !strcmp(file, "link") || !strcmp(file, "ops") ||
	       !strcmp(file, "policy") || !strncmp(file, "map_", 4);
}

/*
 * Deletes what cdmctl makes in a pin's directory, and the directory; what
 * somebody else has put there stays. The link goes last: as long as it is there
 * a load counts as done.
 */
static int pin_rmdir(const char *name, const char *suffix)
{
	char path[PATH_LEN];
	struct dirent *de;
	DIR *d;

	d = opendir(pin_path(path, name, suffix, NULL));
	if (!d)
		return -errno;
	while ((de = readdir(d)))
		if (is_ours(de->d_name) && strcmp(de->d_name, "link"))
			unlinkat(dirfd(d), de->d_name, 0);
	unlinkat(dirfd(d), "link", 0);
	closedir(d);
	if (rmdir(path))
		return -errno;
	return 0;
}

static int pin_mkdir(const char *name, const char *suffix)
{
	char path[PATH_LEN];
	int err;

	if (!mkdir(pin_path(path, name, suffix, NULL), 0700))
		return 0;
	err = -errno;
	if (err == -EEXIST) {
		err_set(err, "the pin %s exists already", name);
		err_hint("choose another name, or 'cdmctl policy swap %s ...', or 'cdmctl policy unload %s'",
			 name, name);
		return err;
	}
	return err_set(err, "cannot create %s: %s", path, strerror(-err));
}

static int pin_fd(int fd, const char *name, const char *suffix, const char *file)
{
	char path[PATH_LEN];
	int err;

	err = bpf_obj_pin(fd, pin_path(path, name, suffix, file));
	return err ? err_set(err, "cannot pin %s: %s", path, strerror(-err)) : 0;
}

static int pin_maps(const char *name, const char *suffix, struct policy *p)
{
	struct bpf_map *map;
	char file[128], *s;
	int err;

	err = pin_fd(bpf_map__fd(p->ops), name, suffix, "ops");
	if (err)
		return err;
	bpf_object__for_each_map(map, p->obj) {
		if (bpf_map__is_internal(map) || bpf_map__fd(map) < 0 ||
		    bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		snprintf(file, sizeof(file), "map_%s", bpf_map__name(map));
		for (s = file; *s; s++)
			if (*s == '.')
				*s = '_';
		err = pin_fd(bpf_map__fd(map), name, suffix, file);
		if (err)
			return err;
	}
	return 0;
}

/* Not having the symlink costs only an exit record, so it may fail. */
static void pin_policy(const char *name, const char *suffix, unsigned int id)
{
	char path[PATH_LEN], to[64];

	if (!id)
		return;
	pin_path(path, name, suffix, "policy");
	snprintf(to, sizeof(to), CDM_SYSFS "/policies/%u", id);
	unlink(path);
	if (symlink(to, path) && env.verbose)
		fprintf(stderr, "cannot create %s: %s\n", path, strerror(errno));
}

int pin_map_open(const char *name, const char *map)
{
	char path[PATH_LEN], file[128];

	snprintf(file, sizeof(file), "map_%s", map);
	return bpf_obj_get(pin_path(path, name, "", file));
}

/* ---- load ------------------------------------------------------------------------- */

int pin_create(const char *name, struct policy *p)
{
	int err;

	err = pin_mkdir(name, "");
	if (err)
		return err;
	err = pin_maps(name, "", p);
	if (err)
		pin_rmdir(name, "");
	return err;
}

int pin_commit(const char *name, int link_fd, unsigned int id)
{
	pin_policy(name, "", id);
	return pin_fd(link_fd, name, "", "link");
}

void pin_abort(const char *name)
{
	pin_rmdir(name, "");
}

/* ---- swap ------------------------------------------------------------------------- */

int pin_swap_stage(const char *name, struct policy *p, int link_fd)
{
	int err;

	err = pin_mkdir(name, NEW);
	if (err)
		return err;
	err = pin_maps(name, NEW, p);
	err = err ?: pin_fd(link_fd, name, NEW, "link");
	if (err)
		pin_rmdir(name, NEW);
	return err;
}

void pin_swap_abort(const char *name)
{
	pin_rmdir(name, NEW);
}

int pin_swap_commit(const char *name, unsigned int id)
{
	char from[PATH_LEN], to[PATH_LEN];
	int err;

	pin_policy(name, NEW, id);
	pin_path(from, name, NEW, NULL);
	pin_path(to, name, "", NULL);
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE)) {
		err = -errno;
		return err_set(err, "the policy was swapped, but %s still has the old maps: %s",
			       to, strerror(-err));
	}
	return pin_rmdir(name, NEW);
}

/* ---- unload ------------------------------------------------------------------------ */

static int pin_finish_remove(const char *name, int link_fd)
{
	int err;

	err = bpf_link_detach(link_fd);
	if (err)
		return err_set(err, "cannot detach the link of %s: %s", name,
			       strerror(-err));
	err = pin_rmdir(name, GONE);
	return err ? err_set(err, "cannot remove " PIN_ROOT "/%s" GONE ": %s",
			     name, strerror(-err)) : 0;
}

int pin_remove(const char *name, int link_fd)
{
	char from[PATH_LEN], to[PATH_LEN];
	int err;

	if (rename(pin_path(from, name, "", NULL), pin_path(to, name, GONE, NULL))) {
		err = -errno;
		return err_set(err, "cannot rename %s: %s", from, strerror(-err));
	}
	return pin_finish_remove(name, link_fd);
}

/* ---- what the dead left behind ------------------------------------------------------- */

static unsigned int map_id_of(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_map_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static int link_info(int fd, struct bpf_link_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_link_get_info_by_fd(fd, info, &len);
}

/* Finishes a swap whose link was updated, undoes one whose link was not. */
static void clean_new(const char *name)
{
	struct bpf_link_info info = {};
	struct policy_info pi;
	char path[PATH_LEN];
	int link, ops;

	link = bpf_obj_get(pin_path(path, name, "", "link"));
	ops = bpf_obj_get(pin_path(path, name, NEW, "ops"));
	if (link >= 0 && ops >= 0 && !link_info(link, &info) &&
	    info.struct_ops.map_id && info.struct_ops.map_id == map_id_of(ops))
		pin_swap_commit(name, policy_by_link(info.id, &pi) ? 0 : pi.id);
	else
		pin_rmdir(name, NEW);
	if (link >= 0)
		close(link);
	if (ops >= 0)
		close(ops);
}

static void clean_gone(const char *name)
{
	char path[PATH_LEN];
	int link;

	link = bpf_obj_get(pin_path(path, name, GONE, "link"));
	if (link >= 0) {
		pin_finish_remove(name, link);
		close(link);
	} else {
		pin_rmdir(name, GONE);
	}
}

/* A load that was killed has made nothing but what is_ours() knows. */
static bool is_half_loaded(const char *name)
{
	char path[PATH_LEN];
	struct dirent *de;
	bool half = true;
	DIR *d;

	d = opendir(pin_path(path, name, "", NULL));
	if (!d)
		return false;
	while (half && (de = readdir(d)))
		half = de->d_name[0] == '.' ||
		       (is_ours(de->d_name) && strcmp(de->d_name, "link"));
	closedir(d);
	return half;
}

/* Under the lock. Failures are for the command that needs the name to meet. */
void pin_clean(void)
{
	char name[256], *plus;
	struct dirent *de;
	DIR *d;

	d = opendir(PIN_ROOT);
	if (!d)
		return;
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.' || strlen(de->d_name) >= PIN_NAME_LEN)
			continue;
		snprintf(name, sizeof(name), "%s", de->d_name);
		plus = strchr(name, '+');
		if (plus)
			*plus = '\0';
		if (!plus && is_half_loaded(name))
			pin_rmdir(name, "");
		else if (plus && !strcmp(de->d_name + (plus - name), NEW))
			clean_new(name);
		else if (plus && !strcmp(de->d_name + (plus - name), GONE))
			clean_gone(name);
	}
	closedir(d);
	err_clear();
}

/* ---- finding a policy ------------------------------------------------------------------ */

static int target_fill(struct target *t)
{
	char path[PATH_LEN], to[PATH_LEN];
	struct bpf_link_info info;
	struct exit_record rec;
	struct policy_info pi;
	const char *slash;
	ssize_t n;
	int err;

	err = link_info(t->link_fd, &info);
	if (err)
		return err_set(err, "cannot read the link: %s", strerror(-err));
	if (info.type != BPF_LINK_TYPE_STRUCT_OPS)
		return err_set(-EINVAL, "link %u is not a policy's", info.id);
	t->link_id = info.id;
	t->map_id = info.struct_ops.map_id;
	if (t->map_id && !policy_by_link(t->link_id, &pi)) {
		t->id = pi.id;
		memcpy(t->name, pi.name, sizeof(t->name));
		return 0;
	}
	if (!t->pin[0])
		return err_set(-ENOENT, "link %u is not a cdm policy's, or its policy was ejected",
			       info.id);
	n = readlink(pin_path(path, t->pin, "", "policy"), to, sizeof(to) - 1);
	if (n > 0) {
		to[n] = '\0';
		slash = strrchr(to, '/');
		t->id = slash ? strtoul(slash + 1, NULL, 10) : 0;
		if (t->id && exit_find(t->id, NULL, &rec))
			memcpy(t->name, rec.name, sizeof(t->name));
	}
	return 0;
}

/* By pin, or by the id of a link that need not be pinned. */
int target_open(const char *word, struct target *t)
{
	char path[PATH_LEN], *end;
	unsigned long id;
	int err;

	memset(t, 0, sizeof(*t));
	t->link_fd = -1;
	id = strtoul(word, &end, 10);
	if (isdigit((unsigned char)*word) && !*end) {
		t->link_fd = bpf_link_get_fd_by_id(id);
	} else {
		err = pin_check_name(word);
		if (err)
			return err;
		snprintf(t->pin, sizeof(t->pin), "%s", word);
		t->link_fd = bpf_obj_get(pin_path(path, word, "", "link"));
	}
	if (t->link_fd < 0) {
		err = t->link_fd;
		if (err == -EPERM || err == -EACCES) {
			err_set(err, "opening a policy's link needs CAP_SYS_ADMIN");
			err_hint("run it as root");
		} else {
			err_set(err, "there is no policy '%s', neither a pin below %s nor a link's id",
				word, PIN_ROOT);
			err_hint("'cdmctl policy list' shows both");
		}
		return err;
	}
	if (!t->pin[0]) {
		struct target *pins;
		int i, nr;

		/* The same policy may be pinned; its pins have to follow. */
		nr = pin_targets(&pins);
		for (i = 0; i < nr; i++)
			if (pins[i].link_id == id)
				memcpy(t->pin, pins[i].pin, sizeof(t->pin));
		free(pins);
	}
	err = target_fill(t);
	if (err)
		target_close(t);
	return err;
}

void target_close(struct target *t)
{
	if (t->link_fd >= 0)
		close(t->link_fd);
	t->link_fd = -1;
}

/* All pinned policies, without file descriptors; returns how many. */
int pin_targets(struct target **targets)
{
	struct target *v = NULL, *tmp, t;
	char path[PATH_LEN];
	struct dirent *de;
	int nr = 0;
	DIR *d;

	*targets = NULL;
	d = opendir(PIN_ROOT);
	if (!d)
		return 0;
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.' || strchr(de->d_name, '+') ||
		    strlen(de->d_name) >= PIN_NAME_LEN)
			continue;
		memset(&t, 0, sizeof(t));
		snprintf(t.pin, sizeof(t.pin), "%.*s", PIN_NAME_LEN - 1, de->d_name);
		t.link_fd = bpf_obj_get(pin_path(path, t.pin, "", "link"));
		if (t.link_fd < 0)
			continue;
		if (target_fill(&t)) {
			err_clear();
			target_close(&t);
			continue;
		}
		target_close(&t);
		tmp = realloc(v, (nr + 1) * sizeof(*v));
		if (!tmp)
			break;
		v = tmp;
		v[nr++] = t;
	}
	closedir(d);
	*targets = v;
	return nr;
}
