// SPDX-License-Identifier: GPL-2.0
/*
 * Errors and output, as text or JSON.
 *
 * There is one error at a time: the first that was set is the cause, and what
 * fails after it while things are undone is a consequence.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdmctl.h"

struct env env;

static char err_text[4096];
static char err_next[1024];

int err_set(int err, const char *fmt, ...)
{
	va_list ap;

	if (!err_text[0]) {
		va_start(ap, fmt);
		vsnprintf(err_text, sizeof(err_text), fmt, ap);
		va_end(ap);
	}
	return err < 0 ? err : -EINVAL;
}

/* What the user can do about the error. */
void err_hint(const char *fmt, ...)
{
	va_list ap;

	if (err_next[0])
		return;
	va_start(ap, fmt);
	vsnprintf(err_next, sizeof(err_next), fmt, ap);
	va_end(ap);
}

void err_clear(void)
{
	err_text[0] = '\0';
	err_next[0] = '\0';
}

bool err_is_set(void)
{
	return err_text[0];
}

void err_print(int err)
{
	struct json_object *o, *e;

	if (!err_text[0])
		snprintf(err_text, sizeof(err_text), "%s", strerror(-err));

	if (!env.json) {
		fflush(stdout);
		fprintf(stderr, "cdmctl: %s\n", err_text);
		if (err_next[0])
			fprintf(stderr, "  next: %s\n", err_next);
		return;
	}

	o = json_object_new_object();
	e = json_object_new_object();
	json_add_str(e, "text", err_text);
	json_add_int(e, "errno", -err);
	if (err_next[0])
		json_add_str(e, "next", err_next);
	json_object_object_add(o, "error", e);
	out_json(o);
}

/* A remark for people; JSON readers find the same fact in the answer. */
void note(const char *fmt, ...)
{
	va_list ap;

	if (env.json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* Prints one value on one line and drops it. */
void out_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(o);
}

void json_add_str(struct json_object *o, const char *key, const char *val)
{
	json_object_object_add(o, key, val ? json_object_new_string(val) : NULL);
}

void json_add_int(struct json_object *o, const char *key, int64_t val)
{
	json_object_object_add(o, key, json_object_new_int64(val));
}

void json_add_u64(struct json_object *o, const char *key, uint64_t val)
{
	json_object_object_add(o, key, json_object_new_uint64(val));
}

void json_add_bool(struct json_object *o, const char *key, bool val)
{
	json_object_object_add(o, key, json_object_new_boolean(val));
}
