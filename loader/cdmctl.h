/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of cdmctl share.
 *
 * Every function returns 0 or a negative errno and says why it failed with
 * err_set() exactly once, where the reason is known; main() prints it. So no
 * caller has to guess what a number meant, and text and JSON say the same.
 */
#ifndef CDMCTL_H
#define CDMCTL_H

#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>
#include <linux/types.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define CDMCTL_VERSION	"0.1"

/* As in include/linux/cdm.h, which user space cannot include. */
#define CDM_NODE_ALL	(-1)
#define CDM_NAME_LEN	32

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct env {
	bool json;
	int verbose;
};

extern struct env env;

/* ---- out.c: errors and output --------------------------------------------- */

int err_set(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void err_clear(void);
bool err_is_set(void);
void err_print(int err);
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void out_json(struct json_object *o);
void json_add_str(struct json_object *o, const char *key, const char *val);
void json_add_int(struct json_object *o, const char *key, int64_t val);
void json_add_u64(struct json_object *o, const char *key, uint64_t val);
void json_add_bool(struct json_object *o, const char *key, bool val);

/* ---- cmd.c: words and options ---------------------------------------------- */

struct verb {
	const char *name;
	const char *args;
	const char *doc;
	int (*run)(int argc, char **argv);
};

struct noun {
	const char *name;
	const char *doc;
	const struct verb *verbs;
};

/* cmd_parse() met --help and has printed it: nothing is left to do. */
#define CMD_DONE	1
/* The answer is printed and is no: exit as failed, without an error. */
#define CMD_REFUSED	2

int cmd_parse(const struct argp *argp, int argc, char **argv, void *input);
int cmd_noun(const struct noun *noun, int argc, char **argv);
int parse_ulong(const char *text, unsigned long long max, const char *what,
		unsigned long long *val);
int parse_size(const char *text, const char *what, unsigned long long *val);
int parse_seconds(const char *text, const char *what, double min, double max, double *val);
int parse_nid(const char *text, int *nid);

extern const struct noun noun_node;
extern const struct noun noun_page;
extern const struct noun noun_policy;
extern const struct noun noun_page;
extern const struct noun noun_sim;

/* ---- cmd_node.c, and its verbs in cmd_node_NAME.c ----------------------------- */

int node_parse_managed(const struct argp *argp, int argc, char **argv, void *args,
		       const int *nid);
int node_check_managed(int nid);
int node_done(int nid, const char *what);
int node_write(const char *file, int nid, const char *text, const char *doing);
int node_claim(int argc, char **argv);
int node_unclaim(int argc, char **argv);
void claims_json(struct json_object *list);
int node_drain(int argc, char **argv);
int node_online(int argc, char **argv);
int node_evict(int argc, char **argv);
int node_watermarks(int argc, char **argv);
int node_targets(int argc, char **argv);

/* ---- commands without a noun --------------------------------------------------- */

int stat_command(int argc, char **argv);
int trace_command(int argc, char **argv);

/* ---- cmd_page_NAME.c: verbs of cmd_page.c ----------------------------------- */

int page_rmap(int argc, char **argv);

/* ---- cmd_sim.c, cmd_sim_replay.c ---------------------------------------------- */

struct cdm_sim_info;

int sim_open(unsigned long long device, struct cdm_sim_info *info);
int sim_replay(int argc, char **argv);
int sim_convert(int argc, char **argv);

/* ---- sysfs.c: what the kernel says ----------------------------------------- */

#define CDM_SYSFS	"/sys/kernel/mm/cdm"

struct policy_info {
	unsigned int id;
	unsigned int link_id;
	int node;
	char name[CDM_NAME_LEN];
	char state[24];
};

struct exit_record {
	unsigned int id;
	long long code;
	char name[CDM_NAME_LEN];
	char kind[32];
	char callback[24];
	char msg[512];
};

enum node_kind { NODE_ABSENT, NODE_CPU, NODE_MEMORY, NODE_MANAGED };

int read_text(const char *path, char *buf, size_t size);
int write_text(const char *path, const char *text);
int kernel_check(void);
int kernel_check_enabled(void);
bool kernel_last_error(char *buf, size_t size);
enum node_kind node_kind(int nid);
int node_check_possible(int nid);
int node_check_device(int nid);
int node_attr(int nid, const char *name, char *buf, size_t size);
long node_kb(int nid, const char *key);
struct json_object *counters_json(const char *path, const char *const columns[2]);
int id_list(const char *dir, unsigned int **ids);
int policy_info(unsigned int id, struct policy_info *info);
int policy_by_link(unsigned int link_id, struct policy_info *info);
struct json_object *policy_stats(unsigned int id);
bool exit_find(unsigned int id, const char *name, struct exit_record *rec);
bool exit_is_error(const struct exit_record *rec);
const char *exit_hint(const struct exit_record *rec);
struct json_object *exit_json(const struct exit_record *rec);
const char *node_text(int node, char *buf, size_t size);

/* ---- log.c: libbpf's log, kept to explain failures ------------------------- */

void log_init(void);
void log_reset(void);
int log_explain_load(struct bpf_object *obj, const struct bpf_map *ops, int err);
int log_explain_attach(int err, const char *doing, const char *name);

/* ---- object.c: a policy's object file -------------------------------------- */

struct policy {
	struct bpf_object *obj;
	struct bpf_map *ops;	/* its one struct_ops map */
	struct btf *kbtf;	/* of the running kernel */
	const char *path;
};

int policy_open(struct policy *p, const char *path);
int policy_load(struct policy *p);
int policy_ready(struct policy *p);
int policy_attach(struct policy *p, int *link_fd);
void policy_close(struct policy *p);
const char *policy_name(const struct policy *p);
int policy_node(const struct policy *p);
int policy_set_node(struct policy *p, int nid);
const struct btf_type *policy_ops_type(const struct policy *p);
struct bpf_program *policy_callback(const struct policy *p, const char *name);
bool is_owned_callback(const char *name);
struct btf *kernel_btf(void);
int link_map_id(int link_fd, unsigned int *map_id);
int ops_callbacks(const struct btf *kbtf, int map_fd, unsigned int *prog_ids,
		  const char **names, int max);
int ops_conflicts(struct policy *p, struct json_object *list,
		  unsigned int except_link);

/* ---- tunable.c: --set ------------------------------------------------------- */

int tunable_set(struct policy *p, const char *assignment);
struct json_object *tunable_list(struct policy *p);
int tunable_map_version(const struct policy *p, unsigned int *version);

/* ---- pin.c: /sys/fs/bpf/cdm -------------------------------------------------- */

#define PIN_ROOT	"/sys/fs/bpf/cdm"
#define PIN_NAME_LEN	48

/* A policy that is or was attached, as users name it: by pin or link id. */
struct target {
	int link_fd;
	unsigned int link_id;
	unsigned int map_id;	/* 0: the policy was ejected or detached */
	unsigned int id;	/* of the policy in sysfs, 0 if not known */
	char pin[PIN_NAME_LEN];	/* empty: not pinned by cdmctl */
	char name[CDM_NAME_LEN];
};

int pin_check_name(const char *name);
int pin_lock(bool wait);
void pin_unlock(int lock);
void pin_clean(void);
int pin_create(const char *name, struct policy *p);
int pin_commit(const char *name, int link_fd, unsigned int id);
void pin_abort(const char *name);
int pin_swap_stage(const char *name, struct policy *p, int link_fd);
void pin_swap_abort(const char *name);
int pin_swap_commit(const char *name, unsigned int id);
int pin_remove(const char *name, int link_fd);
int pin_targets(struct target **targets);
int pin_map_open(const char *name, const char *map);
int target_open(const char *word, struct target *t);
void target_close(struct target *t);

/* ---- maps.c: handing maps over ----------------------------------------------- */

/* What to do with the old policy's maps at a swap. */
struct handover {
	bool all;
	const char *names;	/* NAME,NAME */
};

struct old_map {
	char name[BPF_OBJ_NAME_LEN];	/* as the kernel keeps it, cut off */
	int fd;
	struct bpf_map_info info;
};

struct old_maps {
	struct old_map *v;
	int nr;
	unsigned int version;		/* 0: it states none */
};

int old_maps_get(const struct target *t, const struct btf *kbtf,
		 struct old_maps *maps);
void old_maps_put(struct old_maps *maps);
int maps_hand_over(struct policy *p, const struct old_maps *old,
		   const struct handover *how, struct json_object *list);
struct json_object *maps_json(const struct target *t, const struct btf *kbtf);

/* ---- report.c ----------------------------------------------------------------- */

int report_dry_run(struct policy *p, struct json_object *kept,
		   unsigned int except_link);
void report_attached(const char *what, struct policy *p, const char *pin,
		     int link_fd, struct json_object *kept, unsigned int replaces);
struct json_object *report_info(const struct policy_info *info, const char *pin);
struct json_object *report_gone(const struct target *t);
struct json_object *report_callbacks(const struct target *t, const struct btf *kbtf);
void report_print(struct json_object *o);
const char *json_str(struct json_object *o, const char *key);
struct json_object *json_arr(struct json_object *o, const char *key);

#define for_each_json(e, list, i)					\
	for (i = 0; (list) && i < json_object_array_length(list) &&	\
	     ((e) = json_object_array_get_idx(list, i), true); i++)

/* ---- the verbs of page, which have files of their own ------------------------- */

int page_move(int argc, char **argv);
int page_arm(int argc, char **argv);

/* ---- watch.c ------------------------------------------------------------------ */

int watch_init(int *sig_fd);
int watch_link(int link_fd, int sig_fd, unsigned int id, const char *name);

#endif /* CDMCTL_H */
