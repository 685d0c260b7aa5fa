// SPDX-License-Identifier: GPL-2.0
/*
 * Which callback may call which kfunc: asks the verifier for every pair.
 *
 * For each callback of struct cdm_ops and each of cdm_ext's kfuncs it builds a
 * program of a few instructions and loads it, as a program that does not sleep
 * and as one that may. What comes out is compared with the documented table
 * below, so a right that was given by accident fails as well as one that was
 * lost. A last column without any kfunc shows that a refusal is about the kfunc.
 *
 * Programs are built by hand: compiling hundreds of them, each its own object, would
 * take longer than all the other tests, and the point is the verifier.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { ATOMIC, SLEEPABLE };

static const struct {
	const char *name;
	enum kind kind;
} callbacks[] = {
	{ "place",		ATOMIC },
	{ "access",		ATOMIC },
	{ "migrate",		ATOMIC },
	{ "reclaim",		ATOMIC },
	{ "placed",		ATOMIC },
	{ "migrated",		ATOMIC },
	{ "node_online",	SLEEPABLE },
	{ "node_offline",	SLEEPABLE },
	{ "tick",		SLEEPABLE },
	{ "init",		SLEEPABLE },
	{ "exit",		SLEEPABLE },
	{ "dump",		ATOMIC },
};

#define NR_CB	(sizeof(callbacks) / sizeof(callbacks[0]))
#define ALL	((1u << NR_CB) - 1)

#define RECLAIM	(1u << 3)
#define TICK	(1u << 8)
/* Callbacks about pages: the first six; and tick. */
#define EVENTS	(0x3fu | TICK)
/* A program of type syscall, which has no callback and passes NULL. */
#define SYSCALL	(1u << 31)

/*
 * The documented table: callbacks by bit, in the order above. What sleeps may be
 * called by programs that sleep only.
 */
static const struct {
	const char *name;
	unsigned int allowed;
	bool sleeps;
} kfuncs[] = {
	{ "cdm_bpf_node_stat",		ALL,		false },
	{ "cdm_bpf_memcg_usage",	ALL,		false },
	{ "cdm_bpf_folio_info",		ALL,		false },
	{ "cdm_bpf_error_bstr",		ALL,		false },
	{ "cdm_bpf_dump_bstr",		1u << 11,	false },
	{ "cdm_bpf_move_range",		TICK | SYSCALL,	true },
	{ "cdm_bpf_move_pfns",		TICK | SYSCALL,	true },
	{ "cdm_bpf_scan_node",		TICK | SYSCALL,	true },
	{ "cdm_bpf_enqueue_range",	EVENTS,		false },
	{ "cdm_bpf_enqueue_pfn",	EVENTS,		false },
	{ "cdm_bpf_rmap_snapshot",	TICK | SYSCALL,	true },
	{ "bpf_iter_cdm_candidate_new",	RECLAIM,	false },	/* all three */
	{ "bpf_iter_cdm_step_new",	RECLAIM,	false },	/* likewise */
	{ "cdm_bpf_evict_verdict",	RECLAIM,	false },
	{ "cdm_bpf_evict_propose",	RECLAIM,	false },
	{ NULL,				ALL | SYSCALL,	false },	/* no kfunc at all */
};

#define NR_KF	(sizeof(kfuncs) / sizeof(kfuncs[0]))

#define INSN(c, d, s, o, i)						\
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s),	\
			    .off = (o), .imm = (i) })
#define MOV_IMM(d, i)	INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s)	INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i)	INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LDX_DW(d, s, o)	INSN(BPF_LDX | BPF_MEM | BPF_DW, d, s, o, 0)
#define ST_DW(d, o, i)	INSN(BPF_ST | BPF_MEM | BPF_DW, d, 0, o, i)
#define KFUNC(id)	INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, id)
#define EXIT()		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static char log_buf[65536];

/* A map whose only value is a constant string of no characters. */
static int empty_string = -1;

static int make_empty_string(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG);

	empty_string = bpf_map_create(BPF_MAP_TYPE_ARRAY, "empty", 4, 8, 1, &opts);
	return empty_string < 0 ? empty_string : bpf_map_freeze(empty_string);
}

/* Register @d points to it; two instructions. */
static int load_string(struct bpf_insn *p, int d)
{
	p[0] = INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_VALUE, 0, empty_string);
	p[1] = INSN(0, 0, 0, 0, 0);
	return 2;
}

/* A walk over the candidates, or a loop: begin, one step, end. */
static int walk_next[2], walk_destroy[2];

static int walk(struct bpf_insn *p, int id, int which)
{
	int n = 0;

	p[n++] = MOV_REG(2, 1);
	p[n++] = MOV_REG(1, 10);
	p[n++] = ADD_IMM(1, -48);
	p[n++] = KFUNC(id);
	p[n++] = MOV_REG(1, 10);
	p[n++] = ADD_IMM(1, -48);
	p[n++] = KFUNC(walk_next[which]);
	p[n++] = MOV_REG(1, 10);
	p[n++] = ADD_IMM(1, -48);
	p[n++] = KFUNC(walk_destroy[which]);
	return n;
}

/* Arguments of kfunc @kf; r1 is the context's first member, or NULL without one. */
static int build(struct bpf_insn *p, size_t kf, int id, bool context)
{
	int n = 0;

	if (!kfuncs[kf].name)
		goto out;

	p[n++] = context ? LDX_DW(1, 1, 0) : MOV_IMM(1, 0);
	/* 16 bytes of data on the stack. */
	p[n++] = ST_DW(10, -16, 0);
	p[n++] = ST_DW(10, -24, 0);

	switch (kf) {
	case 0:
		p[n++] = MOV_IMM(2, 0);
		p[n++] = MOV_IMM(3, 0);
		break;
	case 1:
		p[n++] = MOV_IMM(2, 1);
		p[n++] = MOV_IMM(3, 0);
		break;
	case 2:
		p[n++] = MOV_IMM(2, 0);
		p[n++] = MOV_REG(3, 10);
		p[n++] = ADD_IMM(3, -24);
		p[n++] = MOV_IMM(4, 16);
		break;
	case 3:
		p[n++] = MOV_IMM(2, 0);
		n += load_string(p + n, 3);
		p[n++] = MOV_REG(4, 10);
		p[n++] = ADD_IMM(4, -24);
		p[n++] = MOV_IMM(5, 16);
		break;
	case 4:
		n += load_string(p + n, 2);
		p[n++] = MOV_REG(3, 10);
		p[n++] = ADD_IMM(3, -24);
		p[n++] = MOV_IMM(4, 16);
		break;
	case 5 ... 7:		/* two pieces of memory */
		p[n++] = MOV_REG(4, 10);
		p[n++] = ADD_IMM(4, -24);
		p[n++] = MOV_IMM(5, 16);
		/* fallthrough */
	case 8:			/* one */
		p[n++] = MOV_REG(2, 10);
		p[n++] = ADD_IMM(2, -24);
		p[n++] = MOV_IMM(3, 16);
		break;
	case 9:
	case 14:
		p[n++] = MOV_IMM(2, 0);
		p[n++] = MOV_IMM(3, 0);
		p[n++] = MOV_IMM(4, 0);
		break;
	case 13:
		p[n++] = MOV_IMM(2, 0);
		p[n++] = MOV_IMM(3, 0);
		break;
	case 10:		/* 16 bytes more */
		p[n++] = ST_DW(10, -32, 0);
		p[n++] = ST_DW(10, -40, 0);
		p[n++] = MOV_IMM(2, 0);
		p[n++] = MOV_REG(3, 10);
		p[n++] = ADD_IMM(3, -40);
		p[n++] = MOV_IMM(4, 32);
		break;
	}
	if (kf == 11 || kf == 12) {
		n += walk(p + n, id, kf - 11);
		goto out;
	}
	p[n++] = KFUNC(id);
out:
	p[n++] = MOV_IMM(0, 0);
	p[n++] = EXIT();
	return n;
}

/*
 * 0 if the verifier accepts, else a negative errno; its words in log_buf. Without
 * @ops_id it is a program of type syscall.
 */
static int try_load(int ops_id, size_t cb, size_t kf, int kf_id, bool sleepable)
{
	struct bpf_insn insns[32];
	union bpf_attr attr;
	int fd, err;

	log_buf[0] = '\0';
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = ops_id ? BPF_PROG_TYPE_STRUCT_OPS : BPF_PROG_TYPE_SYSCALL;
	attr.attach_btf_id = ops_id;
	attr.expected_attach_type = cb;	/* a struct_ops reads it as a member */
	attr.insn_cnt = build(insns, kf, kf_id, ops_id);
	attr.insns = (unsigned long)insns;
	attr.license = (unsigned long)"GPL";
	attr.prog_flags = sleepable ? BPF_F_SLEEPABLE : 0;
	attr.log_buf = (unsigned long)log_buf;
	attr.log_size = sizeof(log_buf);
	attr.log_level = 1;

	fd = syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	err = fd < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

/* The members in BTF must be the callbacks above, in their order. */
static int check_members(const struct btf *btf, int ops_id)
{
	const struct btf_type *t = btf__type_by_id(btf, ops_id);
	const struct btf_member *m = btf_members(t);
	int i, nr = 0, bad = 0;

	for (i = 0; i < btf_vlen(t); i++, m++) {
		const struct btf_type *mt = btf__type_by_id(btf, m->type);
		const char *name = btf__name_by_offset(btf, m->name_off);

		if (!btf_is_ptr(mt) ||
		    !btf_is_func_proto(btf__type_by_id(btf, mt->type)))
			continue;
		if ((size_t)nr >= NR_CB || strcmp(name, callbacks[nr].name)) {
			printf("callback %d is %s: the matrix does not know it\n",
			       nr, name);
			bad++;
		}
		nr++;
	}
	return bad + ((size_t)nr != NR_CB);
}

/* What came out against what the table says; 1 if they differ. */
static int compare(const char *who, size_t kf, bool sleeps, bool want, int err)
{
	if (want == !err)
		return 0;
	printf("%s calling %s (%s): %s, but the table says %s; %d\n%s",
	       who, kfuncs[kf].name ?: "nothing", sleeps ? "sleepable" : "atomic",
	       err ? "refused" : "accepted", want ? "accept" : "refuse", err,
	       log_buf);
	return 1;
}

int main(void)
{
	int ids[NR_KF] = {}, ops_id, bad, pairs = 0;
	struct btf *btf = btf__load_vmlinux_btf();
	size_t cb, kf;
	int s;

	if (!btf) {
		perror("matrix: /sys/kernel/btf/vmlinux");
		return 2;
	}
	ops_id = btf__find_by_name_kind(btf, "cdm_ops", BTF_KIND_STRUCT);
	if (ops_id < 0) {
		fprintf(stderr, "matrix: this kernel has no struct cdm_ops\n");
		return 2;
	}
	for (kf = 0; kf < NR_KF; kf++) {
		if (!kfuncs[kf].name)
			continue;
		ids[kf] = btf__find_by_name_kind(btf, kfuncs[kf].name, BTF_KIND_FUNC);
		if (ids[kf] < 0) {
			fprintf(stderr, "matrix: no kfunc %s\n", kfuncs[kf].name);
			return 2;
		}
	}

	walk_next[0] = btf__find_by_name_kind(btf, "bpf_iter_cdm_candidate_next",
					      BTF_KIND_FUNC);
	walk_destroy[0] = btf__find_by_name_kind(btf, "bpf_iter_cdm_candidate_destroy",
						 BTF_KIND_FUNC);
	walk_next[1] = btf__find_by_name_kind(btf, "bpf_iter_cdm_step_next",
					      BTF_KIND_FUNC);
	walk_destroy[1] = btf__find_by_name_kind(btf, "bpf_iter_cdm_step_destroy",
						 BTF_KIND_FUNC);
	if (walk_next[0] < 0 || walk_destroy[0] < 0 ||
	    walk_next[1] < 0 || walk_destroy[1] < 0) {
		fprintf(stderr, "matrix: no _next or _destroy of an iterator\n");
		return 2;
	}

	if (make_empty_string()) {
		perror("matrix: a map with a constant string");
		return 2;
	}

	bad = check_members(btf, ops_id);
	for (cb = 0; cb < NR_CB; cb++) {
		for (kf = 0; kf < NR_KF; kf++) {
			for (s = 0; s < 2; s++) {
				bool want = kfuncs[kf].allowed & (1u << cb) &&
					    (!s || callbacks[cb].kind == SLEEPABLE) &&
					    (s || !kfuncs[kf].sleeps);

				pairs++;
				bad += compare(callbacks[cb].name, kf, s, want,
					       try_load(ops_id, cb, kf, ids[kf], s));
			}
		}
	}
	for (kf = 0; kf < NR_KF; kf++, pairs++)
		bad += compare("a syscall program", kf, true,
			       kfuncs[kf].allowed & SYSCALL,
			       try_load(0, 0, kf, ids[kf], true));
	/* A member that is no callback, and one far outside. */
	if (!try_load(ops_id, NR_CB, NR_KF - 1, 0, false) ||
	    !try_load(ops_id, 4000, NR_KF - 1, 0, false)) {
		printf("a program for a member that is no callback was accepted\n");
		bad++;
	}
	printf("%d combinations, %d wrong\n", pairs, bad);
	btf__free(btf);
	return bad ? 1 : 0;
}
