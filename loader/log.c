// SPDX-License-Identifier: GPL-2.0
/*
 * libbpf's log, kept to explain failures.
 *
 * libbpf tells the reason of a failure in its log and returns a number. The log
 * is shown only with -v, but always kept, so that the few lines in it that
 * matter to the user become the error's text.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdmctl.h"

/* More than any verifier log that is still worth reading. */
#define LOG_MAX		(8 << 20)
/* Last lines of the verifier's log that are shown without -v. */
#define LOG_TAIL	12

static char *log_buf;
static size_t log_len, log_size;

static void log_append(const char *text, size_t len)
{
	size_t size;
	char *tmp;

	if (log_len + len + 1 > LOG_MAX)
		return;
	if (log_len + len + 1 > log_size) {
		size = (log_len + len + 1) * 2;
		tmp = realloc(log_buf, size);
		if (!tmp)
			return;
		log_buf = tmp;
		log_size = size;
	}
	memcpy(log_buf + log_len, text, len);
	log_len += len;
	log_buf[log_len] = '\0';
}

static int log_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text;
	int n;

	if (level == LIBBPF_DEBUG && !env.verbose)
		return 0;
	n = vasprintf(&text, fmt, ap);
	if (n < 0)
		return n;
	if (level == LIBBPF_WARN)
		log_append(text, n);
	if (env.verbose)
		fputs(text, stderr);
	free(text);
	return n;
}

void log_init(void)
{
	libbpf_set_print(log_print);
}

void log_reset(void)
{
	log_len = 0;
	if (log_buf)
		log_buf[0] = '\0';
}

/*
 * Copies what stands between @before and @after in the log's last line that has
 * both.
 */
static bool log_between(const char *before, const char *after, char *buf,
			size_t size)
{
	const char *at = log_buf, *from = NULL, *end, *nl;
	size_t len = 0;

	while (at && (at = strstr(at, before))) {
		at += strlen(before);
		end = strstr(at, after);
		nl = strchr(at, '\n');
		if (!end || (nl && end > nl))
			continue;
		from = at;
		len = end - at;
	}
	if (!from)
		return false;
	snprintf(buf, size, "%.*s", (int)len, from);
	return true;
}

/* The last line that libbpf warned with, without its name. */
static void log_last(char *buf, size_t size)
{
	char *end, *start;

	buf[0] = '\0';
	if (!log_len)
		return;
	end = log_buf + log_len;
	while (end > log_buf && end[-1] == '\n')
		end--;
	for (start = end; start > log_buf && start[-1] != '\n'; start--)
		;
	if (!strncmp(start, "libbpf: ", 8))
		start += 8;
	snprintf(buf, size, "%.*s", (int)(end - start), start);
}

/* Which callback is the program @name? Its own name, if none. */
static const char *callback_of(struct bpf_object *obj, const struct bpf_map *ops,
			       const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	const struct btf_type *t, *m_type;
	const struct btf_member *m;
	struct bpf_program *prog;
	const char *data;
	int i;

	prog = bpf_object__find_program_by_name(obj, name);
	data = bpf_map__initial_value(ops, NULL);
	t = btf__type_by_id(btf, bpf_map__btf_value_type_id(ops));
	if (!prog || !data || !t)
		return name;
	m = btf_members(t);
	for (i = 0; i < btf_vlen(t); i++, m++) {
		m_type = btf__type_by_id(btf, btf__resolve_type(btf, m->type));
		if (m_type && btf_is_ptr(m_type) &&
		    *(struct bpf_program **)(data + m->offset / 8) == prog)
			return btf__name_by_offset(btf, m->name_off);
	}
	return name;
}

/* The verifier's last words about the program that failed, indented. */
static bool verifier_tail(char *prog, size_t prog_size, char *buf, size_t size)
{
	static const char begin[] = "': -- BEGIN PROG LOAD LOG --\n";
	char *at, *log = NULL, *end, *lines[LOG_TAIL], *line, *save = NULL;
	char *start;
	size_t len = 0;
	int i, nr = 0;

	for (at = log_buf; at && (at = strstr(at, begin)); at = log)
		log = at + strlen(begin);
	if (!log)
		return false;
	/* "libbpf: prog 'NAME" stands before the mark. */
	at = log - strlen(begin);
	for (start = at; start > log_buf && start[-1] != '\''; start--)
		;
	snprintf(prog, prog_size, "%.*s", (int)(at - start), start);

	end = strstr(log, "-- END PROG LOAD LOG --");
	if (end)
		*end = '\0';
	for (line = strtok_r(log, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "processed ", 10) ||
		    !strncmp(line, "arg#", 4))
			continue;
		if (nr == LOG_TAIL) {
			memmove(lines, lines + 1, sizeof(lines) - sizeof(*lines));
			nr--;
		}
		lines[nr++] = line;
	}
	buf[0] = '\0';
	for (i = 0; i < nr && len < size; i++)
		len += snprintf(buf + len, size - len, "\n    %s", lines[i]);
	return true;
}

static void hint_verbose(void)
{
	if (!env.verbose)
		err_hint("-v shows the whole log");
}

/* Why bpf_object__load() failed. */
int log_explain_load(struct bpf_object *obj, const struct bpf_map *ops, int err)
{
	char what[256], prog[128], tail[3072], why[512];
	const char *cb;

	if (!log_buf)
		log_append("", 0);

	if (log_between("Cannot find member ", " in kernel BTF", what, sizeof(what))) {
		err_set(err, "the policy sets cdm_ops.%s, which this kernel's struct cdm_ops does not have",
			what);
		err_hint("leave it out, or run a kernel that is as new as the policy");
		return err;
	}
	if (log_between("extern (func ksym) '", "': not found", what, sizeof(what))) {
		err_set(err, "the policy calls %s(), which this kernel does not offer",
			what);
		err_hint("run a kernel that has it, or build the policy for this one");
		return err;
	}
	if (log_between("extern (func ksym) '", "': func_proto", what, sizeof(what))) {
		err_set(err, "the policy declares %s() otherwise than this kernel has it",
			what);
		err_hint("build the policy with this kernel's vmlinux.h and cdm/common.bpf.h");
		return err;
	}
	if (verifier_tail(prog, sizeof(prog), tail, sizeof(tail))) {
		cb = callback_of(obj, ops, prog);
		why[0] = '\0';
		/*
		 * Where the refusal is ours the verifier only says "unsupported
		 * member" or "unknown func"; the reason is in last_error.
		 */
		if ((strstr(tail, "unsupported member") ||
		     strstr(tail, "cannot use helper") ||
		     strstr(tail, "not allowed")) &&
		    kernel_last_error(what, sizeof(what)))
			snprintf(why, sizeof(why), "\n  the kernel says: %s", what);
		err_set(err, "the kernel refused callback %s (program %s): %s%s\n  the verifier's last lines:%s",
			cb, prog, strerror(-err), why, tail);
		hint_verbose();
		return err;
	}
	/* libbpf makes -EOPNOTSUPP of it. */
	if (strstr(log_buf, "Error loading .BTF into kernel")) {
		err_set(-EPERM, "the kernel does not take the policy's BTF: loading a policy needs CAP_BPF and CAP_PERFMON in the initial user namespace");
		err_hint("run it as root; if you are, -v shows what is wrong with the BTF");
		return -EPERM;
	}
	if (err == -EPERM || err == -EACCES) {
		err_set(err, "loading a policy needs CAP_BPF and CAP_PERFMON");
		err_hint("run it as root");
		return err;
	}
	log_last(what, sizeof(what));
	err_set(err, "the policy cannot be loaded: %s%s%s", strerror(-err),
		what[0] ? ": " : "", what);
	hint_verbose();
	return err;
}

/* Why an attach or a swap was refused; the kernel keeps its reason as text. */
int log_explain_attach(int err, const char *doing, const char *name)
{
	char why[512];
	bool told = kernel_last_error(why, sizeof(why));

	switch (err) {
	case -ENOLINK:
		err_set(err, "cannot %s %s: the policy behind the link was ejected or detached",
			doing, name);
		err_hint("'cdmctl policy unload' it, then load the new one");
		return err;
	case -EPERM:
		err_set(err, "cannot %s %s: %s", doing, name, told ? why :
			"it needs CAP_BPF and CAP_PERFMON, and nobody may have swapped it meanwhile");
		err_hint("run it as root; 'cdmctl policy list' shows what is attached");
		return err;
	case -EBUSY:
		err_hint("'cdmctl policy list' shows the owners; swap or unload the one that is in the way");
		break;
	case -EOPNOTSUPP:
		err_hint("leave that callback out, or run a kernel that delivers its events");
		break;
	default:
		hint_verbose();
	}
	return err_set(err, "cannot %s %s: %s", doing, name,
		       told ? why : strerror(-err));
}
