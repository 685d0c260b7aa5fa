// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl: load, swap and watch policies for coherent device memory.
 *
 * A command is a noun and a verb, or, if it is about everything, one word. This file
 * finds it; cmd_NAME.c has a noun's verbs, and the other files are the library under
 * them.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cdmctl.h"

static const struct noun *const nouns[] = {
	&noun_node, &noun_policy, &noun_page, &noun_sim,
};

static int cmd_version(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "Show the versions of cdmctl, libbpf and the kernel's side.",
	};
	char kernel[64];
	struct json_object *o;
	int err;

	err = cmd_parse(&argp, argc, argv, NULL);
	if (err)
		return err == CMD_DONE ? 0 : err;

	err = read_text(CDM_SYSFS "/version", kernel, sizeof(kernel));
	if (!env.json) {
		printf("cdmctl %s\nlibbpf %s\nkernel cdm_ext %s\n", CDMCTL_VERSION,
		       libbpf_version_string(),
		       err ? "absent (not built with CONFIG_CDM_EXT=y)" : kernel);
		return 0;
	}
	o = json_object_new_object();
	json_add_str(o, "cdmctl", CDMCTL_VERSION);
	json_add_str(o, "libbpf", libbpf_version_string());
	json_add_str(o, "kernel", err ? NULL : kernel);
	out_json(o);
	return 0;
}

/* What is about everything has no noun. */
static const struct verb commands[] = {
	{ "stat", "[NODE|POLICY...]", "What happened, by node and by policy", stat_command },
	{ "trace", "", "Events as they happen", trace_command },
	{ "version", "", "Versions of cdmctl, libbpf and the kernel's side", cmd_version },
	{}
};

static void help(void)
{
	const struct verb *v;
	char left[64];
	size_t i;

	printf("Usage: cdmctl [-j] [-v] NOUN VERB [OPTION...]\n"
	       "       cdmctl [-j] [-v] COMMAND [OPTION...]\n"
	       "Place, watch and swap policies for coherent device memory.\n\n");
	for (i = 0; i < ARRAY_SIZE(nouns); i++) {
		for (v = nouns[i]->verbs; v->name; v++) {
			snprintf(left, sizeof(left), "%s %s %s",
				 nouns[i]->name, v->name, v->args);
			printf("  %-34s %s\n", left, v->doc);
		}
	}
	for (v = commands; v->name; v++) {
		snprintf(left, sizeof(left), "%s %s", v->name, v->args);
		printf("  %-34s %s\n", left, v->doc);
	}
	printf("\n  -j, --json     Print JSON, errors too\n"
	       "  -v, --verbose  Show libbpf's and the verifier's log\n"
	       "  -h, --help     Show this help\n\n"
	       "EXAMPLES:\n"
	       "  cdmctl policy load place_accessor.bpf.o --node 1 --pin place\n"
	       "  cdmctl policy swap place place_weighted.bpf.o --set 'weights[1]=3'\n"
	       "  cdmctl policy list\n"
	       "  cdmctl page move --pid 4711 --range 0x7f0000000000-0x7f0000200000 --to 1\n"
	       "  cdmctl sim run --pattern uniform --size 64M\n"
	       "  cdmctl stat --interval 1\n"
	       "  cdmctl trace --node 1 --kind place,migrated\n"
	       "  cdmctl policy unload place\n\n"
	       "'cdmctl NOUN VERB --help' and 'cdmctl COMMAND --help' show options and examples.\n");
}

/* Out of the first error's way: JSON is wanted even if the options are wrong. */
static void find_json(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json") ||
		    !strcmp(argv[i], "-jv") || !strcmp(argv[i], "-vj"))
			env.json = true;
}

static int run(int argc, char **argv)
{
	static char version[] = "cdmctl version";
	const struct verb *v;
	char words[128] = "";
	char name[64];
	size_t i, len;
	int at;

	for (at = 1; at < argc && argv[at][0] == '-'; at++) {
		if (!strcmp(argv[at], "-h") || !strcmp(argv[at], "--help")) {
			help();
			return 0;
		}
		if (!strcmp(argv[at], "-j") || !strcmp(argv[at], "--json"))
			continue;
		if (!strcmp(argv[at], "-jv") || !strcmp(argv[at], "-vj") ||
		    !strcmp(argv[at], "-v") || !strcmp(argv[at], "--verbose")) {
			env.verbose++;
			continue;
		}
		if (!strcmp(argv[at], "-V") || !strcmp(argv[at], "--version")) {
			argv[at] = version;
			return cmd_version(1, argv + at);
		}
		err_set(-EINVAL, "unknown option '%s' before the command", argv[at]);
		err_hint("see 'cdmctl --help'");
		return -EINVAL;
	}

	if (at == argc) {
		if (!env.json)
			help();
		return err_set(-EINVAL, "a command is needed");
	}
	if (!strcmp(argv[at], "help")) {
		help();
		return 0;
	}
	for (v = commands; v->name; v++) {
		if (!strcmp(argv[at], v->name)) {
			snprintf(name, sizeof(name), "cdmctl %s", v->name);
			argv[at] = name;
			return v->run(argc - at, argv + at);
		}
		len = strlen(words);
		snprintf(words + len, sizeof(words) - len, "%s%s", len ? ", " : "", v->name);
	}

	for (i = 0; i < ARRAY_SIZE(nouns); i++) {
		if (!strcmp(argv[at], nouns[i]->name))
			return cmd_noun(nouns[i], argc - at, argv + at);
		len = strlen(words);
		snprintf(words + len, sizeof(words) - len, ", %s", nouns[i]->name);
	}
	err_set(-EINVAL, "'%s' is not a command; there are %s", argv[at], words);
	err_hint("see 'cdmctl --help'");
	return -EINVAL;
}

int main(int argc, char **argv)
{
	int err;

	find_json(argc, argv);
	log_init();
	err = run(argc, argv);
	if (err < 0)
		err_print(err);
	return err ? 1 : 0;
}
