// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl node claim, unclaim: memory that waits for its driver.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdmctl.h"

struct claim_args {
	const char *what;
	const char *owner;
	unsigned long long timeout_s;
};

static error_t claim_parse(int key, char *arg, struct argp_state *state)
{
	struct claim_args *a = state->input;

	switch (key) {
	case 'f':
		if (!*arg || strpbrk(arg, " \n")) {
			err_set(-EINVAL, "--for: '%s' is no driver's name", arg);
			return EINVAL;
		}
		a->owner = arg;
		return 0;
	case 't':
		if (parse_ulong(arg, 1000000, "--timeout", &a->timeout_s))
			return EINVAL;
		if (a->timeout_s)
			return 0;
		err_set(-EINVAL, "--timeout: at least one second; without it the claim does not time out");
		return EINVAL;
	case ARGP_KEY_ARG:
		if (a->what)
			return ARGP_ERR_UNKNOWN;
		a->what = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->what)
			return 0;
		err_set(-EINVAL, "a node or a range is needed");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The kernel's text says more than an errno. */
static int claim_write(const char *file, const char *text, const char *doing,
		       const char *what)
{
	char why[256];
	int err = write_text(file, text);

	if (err == -EACCES || err == -EPERM) {
		err_set(err, "cannot %s %s: it needs CAP_SYS_ADMIN", doing, what);
		err_hint("run it as root");
	} else if (err && kernel_last_error(why, sizeof(why))) {
		err_set(err, "cannot %s %s: %s", doing, what, why);
		err_hint("see 'cdmctl node list' for what is claimed");
	} else if (err) {
		err_set(err, "cannot %s %s: %s", doing, what, strerror(-err));
	}
	return err;
}

static int claim_done(const char *what, bool claimed)
{
	struct json_object *o;

	if (!env.json) {
		printf("%s is %s\n", what, claimed ? "claimed: it stays offline until its driver brings it" :
						     "not claimed any more");
		return 0;
	}
	o = json_object_new_object();
	json_add_str(o, "what", what);
	json_add_bool(o, "claimed", claimed);
	out_json(o);
	return 0;
}

int node_claim(int argc, char **argv)
{
	static const struct argp_option opts[] = {
		{ "for", 'f', "NAME", 0, "The driver's device that it is for, cdm_sim0 say", 0 },
		{ "timeout", 't', "SECONDS", 0, "The claim ends after that long", 0 },
		{}
	};
	static const struct argp argp = {
		.options = opts,
		.parser = claim_parse,
		.args_doc = "N|SIZE@START",
		.doc = "Keep a device's memory offline until its driver brings it."
		       "\vWhile memory is claimed, nothing else brings it online: no udev rule, no setting "
		       "of auto_online_blocks, no 'echo online'. The claim ends when the driver registers the node, when "
		       "the driver that is named fails to, after the time-out, or by 'cdmctl node unclaim'. At boot "
		       "the same is cdm_claim=N,for=NAME,timeout=SECONDS on the kernel's command line, with ';' between "
		       "claims.\n\n"
		       "EXAMPLES:\n"
		       "  cdmctl node claim 1\n"
		       "  cdmctl node claim 1 --for cdm_sim0 --timeout 60\n"
		       "  cdmctl node claim 512M@0x140000000",
	};
	struct claim_args a = {};
	char text[160];
	int err, len;

	err = cmd_parse(&argp, argc, argv, &a);
	err = err ?: kernel_check();
	if (err)
		return err == CMD_DONE ? 0 : err;
	len = snprintf(text, sizeof(text), "%.48s", a.what);
	if (a.owner)
		len += snprintf(text + len, sizeof(text) - len, " for=%.64s", a.owner);
	if (a.timeout_s)
		snprintf(text + len, sizeof(text) - len, " timeout=%llu", a.timeout_s);
	err = claim_write(CDM_SYSFS "/claim", text, "claim", a.what);
	return err ?: claim_done(a.what, true);
}

int node_unclaim(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = claim_parse,
		.args_doc = "N|SIZE@START",
		.doc = "End a claim."
		       "\vEXAMPLES:\n"
		       "  cdmctl node unclaim 1",
	};
	struct claim_args a = {};
	int err;

	err = cmd_parse(&argp, argc, argv, &a);
	err = err ?: kernel_check();
	if (err)
		return err == CMD_DONE ? 0 : err;
	err = claim_write(CDM_SYSFS "/unclaim", a.what, "unclaim", a.what);
	return err ?: claim_done(a.what, false);
}

/*
 * What is claimed, as lines "WHAT OWNER SECONDS" with "-" for none. Adds to @list what
 * "node list" shows of it: the node, or the range.
 */
void claims_json(struct json_object *list)
{
	char buf[4096], what[64], owner[64], left[24], *line, *save = NULL;
	struct json_object *o;

	if (read_text(CDM_SYSFS "/claims", buf, sizeof(buf)))
		return;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%63s %63s %23s", what, owner, left) != 3)
			continue;
		o = json_object_new_object();
		if (strchr(what, '@'))
			json_add_str(o, "range", what);
		else
			json_add_int(o, "node", atoi(what));
		json_add_bool(o, "managed", false);
		json_add_str(o, "state", "claimed");
		json_add_str(o, "driver", strcmp(owner, "-") ? owner : NULL);
		if (strcmp(left, "-"))
			json_add_int(o, "seconds_left", atoi(left));
		json_object_array_add(list, o);
	}
}
