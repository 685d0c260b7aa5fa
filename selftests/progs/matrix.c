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
 * Programs are built by hand: compiling 120 of them, each its own object, would
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

/* What a callback is. Reserved ones are refused whatever they call. */
enum kind { ATOMIC, SLEEPABLE, RESERVED };

static const struct {
	const char *name;
	enum kind kind;
} callbacks[] = {
	{ "place",		ATOMIC },
	{ "access",		RESERVED },
	{ "migrate",		RESERVED },
	{ "reclaim",		RESERVED },
	{ "placed",		ATOMIC },
	{ "migrated",		RESERVED },
	{ "node_online",	SLEEPABLE },
	{ "node_offline",	SLEEPABLE },
	{ "tick",		SLEEPABLE },
	{ "init",		SLEEPABLE },
	{ "exit",		SLEEPABLE },
	{ "dump",		ATOMIC },
};

#define NR_CB	(sizeof(callbacks) / sizeof(callbacks[0]))
#define ALL	((1u << NR_CB) - 1)

/* The documented table: callbacks by bit, in the order above. */
static const struct {
	const char *name;
	unsigned int allowed;
} kfuncs[] = {
	{ "cdm_bpf_node_stat",		ALL },
	{ "cdm_bpf_memcg_usage",	ALL },
	{ "cdm_bpf_folio_info",		ALL },
	{ "cdm_bpf_error_bstr",		ALL },
	{ "cdm_bpf_dump_bstr",		1u << 11 },
	{ NULL,				ALL },	/* no kfunc at all */
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

/* Arguments of kfunc @kf; r1 is the context's first member. */
static int build(struct bpf_insn *p, size_t kf, int id)
{
	int n = 0;

	if (!kfuncs[kf].name)
		goto out;

	p[n++] = LDX_DW(1, 1, 0);
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
	}
	p[n++] = KFUNC(id);
out:
	p[n++] = MOV_IMM(0, 0);
	p[n++] = EXIT();
	return n;
}

/* 0 if the verifier accepts, else a negative errno; its words in log_buf. */
static int try_load(int ops_id, size_t cb, size_t kf, int kf_id, bool sleepable)
{
	struct bpf_insn insns[32];
	union bpf_attr attr;
	int fd, err;

	log_buf[0] = '\0';
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_STRUCT_OPS;
	attr.attach_btf_id = ops_id;
	attr.expected_attach_type = cb;	/* a struct_ops reads it as a member */
	attr.insn_cnt = build(insns, kf, kf_id);
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

	if (make_empty_string()) {
		perror("matrix: a map with a constant string");
		return 2;
	}

	bad = check_members(btf, ops_id);
	for (cb = 0; cb < NR_CB; cb++) {
		for (kf = 0; kf < NR_KF; kf++) {
			for (s = 0; s < 2; s++) {
				bool want = callbacks[cb].kind != RESERVED &&
					    kfuncs[kf].allowed & (1u << cb) &&
					    (!s || callbacks[cb].kind == SLEEPABLE);
				int err = try_load(ops_id, cb, kf, ids[kf], s);

				pairs++;
				if (want == !err)
					continue;
				bad++;
				printf("%s calling %s (%s): %s, but the table says %s; %d\n%s",
				       callbacks[cb].name,
				       kfuncs[kf].name ?: "nothing",
				       s ? "sleepable" : "atomic",
				       err ? "refused" : "accepted",
				       want ? "accept" : "refuse", err, log_buf);
			}
		}
	}
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
