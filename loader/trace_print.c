// SPDX-License-Identifier: GPL-2.0
/*
 * One event, as a line for people or as JSON.
 *
 * The line has the kernel's own words for the event. JSON has each field by its name; a
 * number that the kernel's words would give a name has that name.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdmctl.h"
#include "trace.h"

#define NSEC_PER_SEC	1000000000ull

/* ---- names of tasks ------------------------------------------------------------------ */

/*
 * Asked once a batch: an event has only the thread's number. Who is gone by then may
 * still be in the kernel's list, else has no name.
 */
static struct {
	int tid;
	unsigned int batch;
	char comm[32];
} comms[256];
static unsigned int batch = 1;

void trace_print_batch(void)
{
	batch++;
}

static void saved_comm(int tid, char *buf, size_t size)
{
	char *text, *line, *save = NULL;
	int id, at;

	text = tracefs_instance_file_read(NULL, "saved_cmdlines", NULL);
	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		at = 0;
		if (sscanf(line, "%d %n", &id, &at) == 1 && at && id == tid) {
			snprintf(buf, size, "%s", line + at);
			break;
		}
	}
	free(text);
}

static const char *comm_of(int tid)
{
	size_t at = (unsigned int)tid % ARRAY_SIZE(comms);
	char path[32];

	if (comms[at].tid == tid && comms[at].batch == batch)
		return comms[at].comm;
	comms[at].tid = tid;
	comms[at].batch = batch;
	strcpy(comms[at].comm, tid ? "?" : "idle");
	snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	if (tid && read_text(path, comms[at].comm, sizeof(comms[at].comm)))
		saved_comm(tid, comms[at].comm, sizeof(comms[at].comm));
	return comms[at].comm;
}

/* ---- JSON ------------------------------------------------------------------------------ */

/* What the event's text calls the value @val of @field; NULL: nothing. */
static const char *name_of(const struct tep_event *event, const struct tep_format_field *field,
			   unsigned long long val)
{
	const struct tep_print_flag_sym *s;
	const struct tep_print_arg *arg;
	char *end;

	for (arg = event->print_fmt.args; arg; arg = arg->next) {
		if (arg->type != TEP_PRINT_SYMBOL ||
		    arg->symbol.field->type != TEP_PRINT_FIELD ||
		    strcmp(arg->symbol.field->field.name, field->name))
			continue;
		for (s = arg->symbol.symbols; s; s = s->next)
			if (strtoull(s->value, &end, 0) == val && !*end && end != s->value)
				return s->str;
	}
	return NULL;
}

static struct json_object *field_json(struct tep_event *event, struct tep_format_field *field,
				      struct tep_record *record)
{
	unsigned long long val;
	const char *text;
	int len = 0;

	if (field->flags & TEP_FIELD_IS_STRING) {
		text = tep_get_field_raw(NULL, event, field->name, record, &len, 0);
		return text ? json_object_new_string_len(text, strnlen(text, len)) : NULL;
	}
	if (tep_read_number_field(field, record->data, &val))
		return NULL;
	if (!strcmp(field->type, "bool"))
		return json_object_new_boolean(val);
	text = name_of(event, field, val);
	if (text)
		return json_object_new_string(text);
	if (!(field->flags & TEP_FIELD_IS_SIGNED))
		return json_object_new_uint64(val);
	if (field->size == 4)
		return json_object_new_int64((int32_t)val);
	return json_object_new_int64(val);
}

static void print_json(struct json_object *o)
{
	/* Without a flush: that is done once a batch. */
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void event_json(struct tep_event *event, struct tep_record *record, int tid, int cpu)
{
	struct json_object *o = json_object_new_object();
	struct json_object *fields = json_object_new_object();
	struct tep_format_field *field;

	json_add_str(o, "event", trace_kind(event));
	json_add_u64(o, "ns", record->ts);
	json_add_int(o, "cpu", cpu);
	json_add_int(o, "tid", tid);
	json_add_str(o, "comm", comm_of(tid));
	for (field = event->format.fields; field; field = field->next)
		json_object_object_add(fields, field->name, field_json(event, field, record));
	json_object_object_add(o, "fields", fields);
	print_json(o);
}

/* ---- lines ----------------------------------------------------------------------------- */

/* Printed when all that is asked for is being traced. */
void trace_print_head(void)
{
	note("%14s  %-15s %7s %3s %s", "TIME", "TASK", "THREAD", "CPU", "EVENT");
}

void trace_print_event(struct tep_event *event, struct tep_record *record, int tid, int cpu)
{
	static struct trace_seq seq;

	if (env.json) {
		event_json(event, record, tid, cpu);
		return;
	}
	if (!seq.buffer)
		trace_seq_init(&seq);
	trace_seq_reset(&seq);
	tep_print_event(event->tep, &seq, record, "%s", TEP_PRINT_INFO);
	trace_seq_terminate(&seq);
	printf("%7llu.%06llu  %-15s %7d %3d %-10s %s\n", record->ts / NSEC_PER_SEC,
	       record->ts % NSEC_PER_SEC / 1000, comm_of(tid), tid, cpu, trace_kind(event),
	       seq.buffer);
}

/* The buffer was full before what comes next on this CPU. */
void trace_print_lost(struct tep_record *record, int cpu)
{
	struct json_object *o;
	char many[32] = "some";

	if (record->missed_events > 0)
		snprintf(many, sizeof(many), "%lld", (long long)record->missed_events);
	if (!env.json) {
		printf("-- %s events lost on CPU %d: more happened than could be printed\n",
		       many, cpu);
		return;
	}
	o = json_object_new_object();
	json_add_str(o, "event", "lost");
	json_add_int(o, "cpu", cpu);
	if (record->missed_events > 0)
		json_add_int(o, "count", record->missed_events);
	else
		json_add_str(o, "count", NULL);
	print_json(o);
}
