// SPDX-License-Identifier: GPL-2.0
/*
 * Words and options: what argp leaves open.
 *
 * argp prints its errors itself and exits, which would leave a JSON reader
 * with nothing. So its error output is off, and a usage error takes the same
 * way as any other.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdmctl.h"

struct parse {
	bool help;
	const char *bad;
};

static const struct argp_option common_opts[] = {
	{ "json", 'j', NULL, 0, "Print JSON, errors too", -2 },
	{ "verbose", 'v', NULL, 0,
	  "Show libbpf's and the verifier's log; twice for more", -2 },
	{ "help", 'h', NULL, 0, "Show this help", -1 },
	{}
};

static error_t common_parse(int key, char *arg, struct argp_state *state)
{
	struct parse *ps = state->input;

	switch (key) {
	case 'j':
		env.json = true;
		return 0;
	case 'v':
		env.verbose++;
		return 0;
	case 'h':
		ps->help = true;
		argp_help(state->root_argp, stdout,
			  ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, state->name);
		state->next = state->argc;
		return 0;
	case ARGP_KEY_ARG:
		/* Nobody wanted it. */
		ps->bad = arg;
		return ARGP_ERR_UNKNOWN;
	case ARGP_KEY_ERROR:
		if (!ps->bad && state->next > 0)
			ps->bad = state->argv[state->next - 1];
		return ARGP_ERR_UNKNOWN;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common_argp = {
	.options = common_opts,
	.parser = common_parse,
};

struct wrap {
	const struct argp *argp;
	struct parse ps;
	void *input;
};

static error_t wrap_parse(int key, char *arg, struct argp_state *state)
{
	struct wrap *w = state->input;
	error_t err;
	void *hook;

	if (key == ARGP_KEY_INIT)
		state->child_inputs[0] = &w->ps;
	/* Nothing is missing from a command that only asked for help. */
	if (w->ps.help && (key == ARGP_KEY_END || key == ARGP_KEY_NO_ARGS))
		return 0;
	if (!w->argp->parser)
		return ARGP_ERR_UNKNOWN;

	hook = state->input;
	state->input = w->input;
	err = w->argp->parser(key, arg, state);
	state->input = hook;
	return err;
}

/*
 * Parses argv, whose first word is the whole command ("cdmctl policy load"),
 * into @input. The command's own parser reports a bad value with err_set() and
 * returns EINVAL.
 */
int cmd_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	const struct argp_child children[] = {
		{ &common_argp, 0, "Common options:", 100 },
		{}
	};
	struct argp wrapped = {
		.options = argp->options,
		.parser = wrap_parse,
		.args_doc = argp->args_doc,
		.doc = argp->doc,
		.children = children,
	};
	struct wrap w = { .argp = argp, .input = input };
	error_t err;

	err = argp_parse(&wrapped, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP |
			 ARGP_NO_EXIT, NULL, &w);
	if (w.ps.help)
		return CMD_DONE;
	if (!err)
		return 0;
	if (err == ENOMEM)
		return err_set(-ENOMEM, "out of memory");
	if (!err_is_set())
		err_set(-EINVAL, "'%s' is not an option or argument of '%s', or lacks its value",
			w.ps.bad ?: "?", argv[0]);
	err_hint("see '%s --help'", argv[0]);
	return -EINVAL;
}

static void noun_help(const struct noun *noun)
{
	const struct verb *v;
	char left[64];

	printf("Usage: cdmctl %s VERB [OPTION...]\n%s\n\n", noun->name, noun->doc);
	for (v = noun->verbs; v->name; v++) {
		snprintf(left, sizeof(left), "%s %s", v->name, v->args);
		printf("  %-28s %s\n", left, v->doc);
	}
	printf("\n'cdmctl %s VERB --help' shows a verb's options and examples.\n",
	       noun->name);
}

/* argv[0] is the noun. */
int cmd_noun(const struct noun *noun, int argc, char **argv)
{
	const struct verb *v;
	char words[256] = "";
	char name[64];
	size_t len;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		if (argc >= 2 || !env.json) {
			noun_help(noun);
			if (argc >= 2)
				return 0;
		}
		return err_set(-EINVAL, "'cdmctl %s' needs a verb", noun->name);
	}

	for (v = noun->verbs; v->name; v++) {
		len = strlen(words);
		snprintf(words + len, sizeof(words) - len, "%s%s",
			 len ? ", " : "", v->name);
		if (strcmp(v->name, argv[1]))
			continue;
		snprintf(name, sizeof(name), "cdmctl %s %s", noun->name, v->name);
		argv[1] = name;
		return v->run(argc - 1, argv + 1);
	}

	err_set(-EINVAL, "'%s' is not a verb of 'cdmctl %s'; it has %s",
		argv[1], noun->name, words);
	err_hint("see 'cdmctl %s --help'", noun->name);
	return -EINVAL;
}

/* ---- values --------------------------------------------------------------- */

int parse_ulong(const char *text, unsigned long long max, const char *what,
		unsigned long long *val)
{
	char *end;

	errno = 0;
	*val = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)text[0]) || *end)
		return err_set(-EINVAL, "%s: '%s' is not a number", what, text);
	if (errno == ERANGE || *val > max)
		return err_set(-ERANGE, "%s: %s is out of range, at most %llu",
			       what, text, max);
	return 0;
}

/* A number with an optional K, M, G or T, which are powers of 1024. */
int parse_size(const char *text, const char *what, unsigned long long *val)
{
	static const char units[] = "KMGT";
	const char *u;
	char *end;
	int shift = 0;

	errno = 0;
	*val = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)text[0]))
		goto bad;
	if (*end) {
		u = strchr(units, toupper((unsigned char)*end));
		if (!u || end[1])
			goto bad;
		shift = 10 * (u - units + 1);
	}
	if (errno == ERANGE || *val > (ULLONG_MAX >> shift))
		return err_set(-ERANGE, "%s: %s is too large", what, text);
	*val <<= shift;
	return 0;
bad:
	return err_set(-EINVAL,
		       "%s: '%s' is not a size; write a number, or one with K, M, G or T",
		       what, text);
}

/* Seconds, with a fraction if need be. */
int parse_seconds(const char *text, const char *what, double min, double max, double *val)
{
	char *end;

	*val = strtod(text, &end);
	if (!isdigit((unsigned char)text[0]) || *end || text[1] == 'x') {
		err_set(-EINVAL, "%s: '%s' is not a number of seconds", what, text);
		err_hint("write it like 2 or 0.5");
		return -EINVAL;
	}
	if (*val >= min && *val <= max)
		return 0;
	return err_set(-ERANGE, "%s: %s is out of range, %g to %.0f seconds", what, text, min,
		       max);
}

int parse_nid(const char *text, int *nid)
{
	unsigned long long v;
	int err;

	err = parse_ulong(text, 1023, "node", &v);
	if (err)
		return err;
	*nid = v;
	return 0;
}
