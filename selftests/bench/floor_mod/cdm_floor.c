// SPDX-License-Identifier: GPL-2.0
/*
 * What any struct_ops call costs, and what clearing a page costs.
 *
 * A policy's call cannot be cheaper than the trampoline that BPF puts between
 * the kernel and a struct_ops program. To know how much of a page fault with a
 * policy is ours and how much is that, this module has a struct_ops type of its
 * own with one callback, and counts the instructions of calling it. It counts
 * those of the kernel's own clear_page() in the same way, so that a fault's
 * cost can be told without it.
 *
 * Meant for -icount shift=0, where rdtsc counts instructions. Interrupts are
 * off, so nothing else is counted. Reading debugfs cdm_floor measures; a line
 * is "NAME INSTRUCTIONS REPEATS".
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <asm/msr.h>

#define REPEATS	1024

struct cdm_floor_ctx {
	void *call;
	u64 value;
};

/**
 * struct cdm_floor_ops - the smallest struct_ops there is
 * @empty: one pointer in, one u64 out, as cdm_ops.place has
 */
struct cdm_floor_ops {
	u64 (*empty)(const struct cdm_floor_ctx *ctx);
};

static DEFINE_MUTEX(cdm_floor_lock);
static struct cdm_floor_ops *cdm_floor_attached; /* under cdm_floor_lock */

static noinline u64 cdm_floor_empty(const struct cdm_floor_ctx *ctx)
{
	return 0;
}

static u64 cdm_floor_calls(const struct cdm_floor_ops *ops)
{
	struct cdm_floor_ctx ctx = {};
	unsigned long flags;
	u64 start, took;
	int i;

	local_irq_save(flags);
	start = rdtsc();
	for (i = 0; i < REPEATS; i++) {
		u64 (*fn)(const struct cdm_floor_ctx *) = READ_ONCE(ops->empty);

		ctx.value += fn(&ctx);
	}
	took = rdtsc() - start;
	local_irq_restore(flags);
	return took;
}

/* The loop of cdm_floor_calls() without the call. */
static u64 cdm_floor_loop(const struct cdm_floor_ops *ops)
{
	struct cdm_floor_ctx ctx = {};
	unsigned long flags;
	u64 start, took;
	int i;

	local_irq_save(flags);
	start = rdtsc();
	for (i = 0; i < REPEATS; i++) {
		u64 (*fn)(const struct cdm_floor_ctx *) = READ_ONCE(ops->empty);

		OPTIMIZER_HIDE_VAR(fn);
		ctx.value += (unsigned long)fn;
		barrier_data(&ctx);
	}
	took = rdtsc() - start;
	local_irq_restore(flags);
	return took;
}

static u64 cdm_floor_clear(void *page)
{
	unsigned long flags;
	u64 start, took;
	int i;

	local_irq_save(flags);
	start = rdtsc();
	for (i = 0; i < REPEATS; i++)
		clear_page(page);
	took = rdtsc() - start;
	local_irq_restore(flags);
	return took;
}

/* The loop of cdm_floor_clear() without clearing. */
static u64 cdm_floor_clear_loop(void *page)
{
	unsigned long flags;
	u64 start, took;
	int i;

	local_irq_save(flags);
	start = rdtsc();
	for (i = 0; i < REPEATS; i++)
		barrier_data(page);
	took = rdtsc() - start;
	local_irq_restore(flags);
	return took;
}

static int cdm_floor_show(struct seq_file *m, void *unused)
{
	const struct cdm_floor_ops plain = { .empty = cdm_floor_empty };
	void *page = (void *)__get_free_page(GFP_KERNEL);

	if (!page)
		return -ENOMEM;
	seq_printf(m, "clear_page %llu %d\n", cdm_floor_clear(page), REPEATS);
	seq_printf(m, "clear_loop %llu %d\n", cdm_floor_clear_loop(page),
		   REPEATS);
	free_page((unsigned long)page);

	guard(mutex)(&cdm_floor_lock);
	seq_printf(m, "loop %llu %d\n", cdm_floor_loop(&plain), REPEATS);
	seq_printf(m, "plain_call %llu %d\n", cdm_floor_calls(&plain), REPEATS);
	if (cdm_floor_attached)
		seq_printf(m, "ops_call %llu %d\n",
			   cdm_floor_calls(cdm_floor_attached), REPEATS);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cdm_floor);

static const struct bpf_func_proto *
cdm_floor_func_proto(enum bpf_func_id id, const struct bpf_prog *prog)
{
	return bpf_base_func_proto(id, prog);
}

static bool cdm_floor_is_valid_access(int off, int size, enum bpf_access_type type,
				      const struct bpf_prog *prog,
				      struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

static const struct bpf_verifier_ops cdm_floor_verifier_ops = {
	.get_func_proto		= cdm_floor_func_proto,
	.is_valid_access	= cdm_floor_is_valid_access,
};

static int cdm_floor_ops_init(struct btf *btf)
{
	return 0;
}

static int cdm_floor_init_member(const struct btf_type *t,
				 const struct btf_member *member,
				 void *kdata, const void *udata)
{
	return 0;
}

static int cdm_floor_reg(void *kdata, struct bpf_link *link)
{
	guard(mutex)(&cdm_floor_lock);
	if (cdm_floor_attached)
		return -EBUSY;
	cdm_floor_attached = kdata;
	return 0;
}

static void cdm_floor_unreg(void *kdata, struct bpf_link *link)
{
	guard(mutex)(&cdm_floor_lock);
	cdm_floor_attached = NULL;
}

static u64 cdm_floor_stub(const struct cdm_floor_ctx *ctx)
{
	return 0;
}

static struct cdm_floor_ops cdm_floor_stubs = {
	.empty	= cdm_floor_stub,
};

static struct bpf_struct_ops bpf_cdm_floor_ops = {
	.verifier_ops	= &cdm_floor_verifier_ops,
	.init		= cdm_floor_ops_init,
	.init_member	= cdm_floor_init_member,
	.reg		= cdm_floor_reg,
	.unreg		= cdm_floor_unreg,
	.cfi_stubs	= &cdm_floor_stubs,
	.name		= "cdm_floor_ops",
	.owner		= THIS_MODULE,
};

static struct dentry *cdm_floor_file;

static int __init cdm_floor_init(void)
{
	int ret = register_bpf_struct_ops(&bpf_cdm_floor_ops, cdm_floor_ops);

	if (ret)
		return ret;
	cdm_floor_file = debugfs_create_file("cdm_floor", 0400, NULL, NULL,
					     &cdm_floor_fops);
	return 0;
}

static void __exit cdm_floor_exit(void)
{
	debugfs_remove(cdm_floor_file);
}

module_init(cdm_floor_init);
module_exit(cdm_floor_exit);
MODULE_DESCRIPTION("Measures the cost of an empty struct_ops call");
MODULE_LICENSE("GPL");
