// SPDX-License-Identifier: GPL-2.0
/*
 * A process without rights that has inherited file descriptors of maps and links.
 *
 * BPF_LINK_CREATE and BPF_LINK_UPDATE check no capability themselves: whoever
 * holds the fd of a map that was loaded may try. The parent, root, loads three
 * copies of a policy and attaches one; a child gives up its rights and tries to
 * attach the second and to swap in the third. It prints "WHAT ERRNO" for each.
 *
 *	unpriv root   OBJECT OPS	gives up nothing: the twin
 *	unpriv nobody OBJECT OPS	another user, no capabilities
 *	unpriv userns OBJECT OPS	root, with every capability, of a user namespace
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* BPF_STRUCT_OPS of enum bpf_attach_type, which older headers lack. */
#define ATTACH_STRUCT_OPS	44

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return ret;
}

static unsigned long long caps_now(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {};

	syscall(__NR_capget, &h, d);
	return d[0].effective | (unsigned long long)d[1].effective << 32;
}

static int become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return -1;
	/* A test that kept a capability would show nothing. */
	return caps_now() ? -1 : 0;
}

static int become_userns_root(void)
{
	if (unshare(CLONE_NEWUSER) || write_file("/proc/self/setgroups", "deny") ||
	    write_file("/proc/self/uid_map", "0 0 1") ||
	    write_file("/proc/self/gid_map", "0 0 1"))
		return -1;
	return caps_now() ? 0 : -1;
}

static int load(const char *path, const char *ops_name, struct bpf_map **ops)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_map *map;

	if (!obj)
		return -errno;
	*ops = NULL;
	bpf_object__for_each_map(map, obj) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		bpf_map__set_autocreate(map, !strcmp(bpf_map__name(map), ops_name));
		if (bpf_map__autocreate(map))
			*ops = map;
	}
	return *ops ? bpf_object__load(obj) : -ENOENT;
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_link_update_opts, up);
	struct bpf_map *ops[3];
	struct bpf_link *link;
	int i, err, fd, status;

	if (argc != 4) {
		fprintf(stderr, "unpriv root|nobody|userns OBJECT OPS\n");
		return 2;
	}
	for (i = 0; i < 3; i++) {
		err = load(argv[2], argv[3], &ops[i]);
		if (err) {
			fprintf(stderr, "unpriv: load: %s\n", strerror(-err));
			return 2;
		}
		/*
		 * Attached and detached, the map stays ready to be attached: the
		 * way a careless loader would leave it behind.
		 */
		link = bpf_map__attach_struct_ops(ops[i]);
		if (!link) {
			fprintf(stderr, "unpriv: attach: %s\n", strerror(errno));
			return 2;
		}
		if (bpf_link__destroy(link))
			return 2;
	}
	link = bpf_map__attach_struct_ops(ops[0]);
	if (!link)
		return 2;

	if (fork() == 0) {
		if (!strcmp(argv[1], "nobody"))
			err = become_nobody();
		else if (!strcmp(argv[1], "userns"))
			err = become_userns_root();
		else
			err = 0;
		if (err) {
			perror("unpriv: cannot give up rights");
			_exit(2);
		}

		err = bpf_link_update(bpf_link__fd(link), bpf_map__fd(ops[2]), &up);
		printf("update %d\n", err);

		/* The attached policy is in the way of a second: free the place. */
		if (!strcmp(argv[1], "root"))
			bpf_link_detach(bpf_link__fd(link));
		fd = bpf_link_create(bpf_map__fd(ops[1]), 0,
				     ATTACH_STRUCT_OPS, NULL);
		printf("create %d\n", fd < 0 ? fd : 0);
		fflush(stdout);
		_exit(0);
	}
	if (wait(&status) < 0 || !WIFEXITED(status))
		return 2;
	bpf_link__destroy(link);
	return WEXITSTATUS(status);
}
