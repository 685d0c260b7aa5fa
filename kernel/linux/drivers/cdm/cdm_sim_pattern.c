// SPDX-License-Identifier: GPL-2.0
/*
 * Which address a simulated device touches next.
 *
 * Random numbers are xorshift64*: three shifts and a multiplication, good
 * enough for addresses, and the same on every machine for the same seed.
 *
 * ZIPF draws a rank k with probability k^-s / sum(k^-s). The kernel has no
 * floating point, so weights are fixed point, computed once a run:
 *
 *	k^-s = 2^-(s log2 k)
 *
 * log2 is intlog2(), with 24 fractional bits. 2^-y is a shift by the integer
 * part of y, and for each bit i after the point that is set in y a
 * multiplication by 2^-(2^-i); these constants are square roots of each other,
 * beginning with 1/2. A weight has 43 fractional bits, so that 2^20 weights of
 * at most 1 fit into 64 bits, and is at least 1 of its last place, so that every
 * block can be drawn. A draw is a search in the table of cumulated weights.
 *
 * Neighbours in rank are not neighbours in memory: rank r is block r * PRIME
 * modulo the number of blocks, which visits each block once because the prime
 * is larger than the number of blocks.
 */
#include <linux/bsearch.h>
#include <linux/int_log.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "cdm_sim.h"

#define WEIGHT_BITS	43
#define LOG_BITS	24
#define SPREAD_PRIME	2654435761ULL

static u64 rng_next(struct cdm_sim_pat *pat)
{
	u64 x = pat->rng;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	pat->rng = x;
	return x * 0x2545f4914f6cdd1dULL;
}

/* 0 .. n-1; the high bits of a product are the better ones. */
static u64 rng_below(struct cdm_sim_pat *pat, u64 n)
{
	return mul_u64_u64_shr(rng_next(pat), n, 64);
}

/* ---- zipf ----------------------------------------------------------------- */

/* 2^-y with WEIGHT_BITS after the point, for y with LOG_BITS after it. */
static u64 exp2_neg(u64 y, const u32 *roots)
{
	u64 shift = y >> LOG_BITS, w = 1ULL << WEIGHT_BITS;
	int i;

	if (shift >= WEIGHT_BITS)
		return 1;
	for (i = 1; i <= LOG_BITS; i++)
		if (y & BIT_ULL(LOG_BITS - i))
			w = mul_u64_u32_shr(w, roots[i], 32);
	return max(w >> shift, 1ULL);
}

static int zipf_init(struct cdm_sim_pat *pat, u32 skew)
{
	u32 roots[LOG_BITS + 1] = { 1U << 31 };		/* 1/2, 32 bits */
	u64 k, sum = 0;
	int i;

	for (i = 1; i <= LOG_BITS; i++)
		roots[i] = int_sqrt64((u64)roots[i - 1] << 32);

	pat->cum = kvmalloc_array(pat->nr_blocks, sizeof(*pat->cum), GFP_KERNEL);
	if (!pat->cum)
		return -ENOMEM;
	for (k = 1; k <= pat->nr_blocks; k++) {
		sum += exp2_neg(div_u64((u64)intlog2(k) * skew, 1000), roots);
		pat->cum[k - 1] = sum;
		if (!(k & 4095))
			cond_resched();
	}
	return 0;
}

/* The first rank whose cumulated weight is above a random one. */
static u64 zipf_rank(struct cdm_sim_pat *pat)
{
	u64 low = 0, high = pat->nr_blocks - 1, mid;
	u64 u = rng_below(pat, pat->cum[high]);

	while (low < high) {
		mid = (low + high) / 2;
		if (pat->cum[mid] > u)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* ---- a trace --------------------------------------------------------------- */

/* The trace is the caller's, and is copied: it is read in another task. */
static int replay_init(struct cdm_sim_pat *pat, const struct cdm_sim_run *req)
{
	u64 i, nr = div_u64(req->trace_len, sizeof(*pat->ops));

	if (!nr || nr * sizeof(*pat->ops) != req->trace_len ||
	    req->trace_len > CDM_SIM_TRACE_LEN)
		return -EINVAL;
	pat->ops = kvmalloc(req->trace_len, GFP_KERNEL_ACCOUNT);
	if (!pat->ops)
		return -ENOMEM;
	if (copy_from_user(pat->ops, u64_to_user_ptr(req->trace), req->trace_len)) {
		cdm_sim_pat_free(pat);
		return -EFAULT;
	}
	for (i = 0; i < nr; i++) {
		if (pat->ops[i].op > 1 ||
		    pat->ops[i].page >= req->len >> PAGE_SHIFT) {
			cdm_sim_pat_free(pat);
			return -EINVAL;
		}
		if (!(i & 4095))
			cond_resched();
	}
	pat->kind = req->pattern;
	pat->addr = req->addr;
	pat->nr_ops = nr;
	return 0;
}

/* ---- patterns ------------------------------------------------------------- */

/**
 * cdm_sim_pat_init() - check a request and prepare its addresses
 * @pat: filled; cdm_sim_pat_free() it
 * @req: the request; its range is in user space
 *
 * Return: 0, -EINVAL for a request that makes no sense, -ENOMEM.
 */
int cdm_sim_pat_init(struct cdm_sim_pat *pat, const struct cdm_sim_run *req)
{
	u64 stride = req->stride;

	memset(pat, 0, sizeof(*pat));
	switch (req->pattern) {
	case CDM_SIM_SEQUENTIAL:
		stride = stride ?: sizeof(u64);
		if (stride != sizeof(u64))
			return -EINVAL;
		break;
	case CDM_SIM_STRIDED:
	case CDM_SIM_UNIFORM:
	case CDM_SIM_ZIPF:
		stride = stride ?: min(req->len, 4096ULL);
		break;
	case CDM_SIM_CHASE:
		if (stride || req->write_pct || req->zipf_skew)
			return -EINVAL;
		pat->kind = req->pattern;
		pat->addr = req->addr;
		pat->len = req->len;
		return 0;
	case CDM_SIM_REPLAY:
		return req->stride || req->zipf_skew || req->write_pct ?
		       -EINVAL : replay_init(pat, req);
	default:
		return -EINVAL;
	}
	if (stride % sizeof(u64) || stride > req->len)
		return -EINVAL;

	pat->kind = req->pattern;
	pat->addr = req->addr;
	pat->stride = stride;
	pat->nr_blocks = div64_u64(req->len, stride);
	pat->words = stride / sizeof(u64);
	pat->rng = req->seed ?: 0x9e3779b97f4a7c15ULL;
	pat->write_pct = req->write_pct;

	if (req->pattern != CDM_SIM_ZIPF)
		return req->zipf_skew ? -EINVAL : 0;
	if (pat->nr_blocks > CDM_SIM_ZIPF_BLOCKS ||
	    req->zipf_skew > CDM_SIM_ZIPF_SKEW)
		return -EINVAL;
	return zipf_init(pat, req->zipf_skew);
}

void cdm_sim_pat_free(struct cdm_sim_pat *pat)
{
	kvfree(pat->cum);
	pat->cum = NULL;
	kvfree(pat->ops);
	pat->ops = NULL;
}

/**
 * cdm_sim_pat_next() - the next access
 * @pat: a prepared pattern
 * @write: set to whether it writes
 *
 * Return: its address, a multiple of 8.
 */
unsigned long cdm_sim_pat_next(struct cdm_sim_pat *pat, bool *write)
{
	const struct cdm_sim_op *op;
	u64 block, word = 0;

	switch (pat->kind) {
	case CDM_SIM_UNIFORM:
		block = rng_below(pat, pat->nr_blocks);
		word = rng_below(pat, pat->words);
		break;
	case CDM_SIM_ZIPF:
		div64_u64_rem(zipf_rank(pat) * SPREAD_PRIME, pat->nr_blocks,
			      &block);
		word = rng_below(pat, pat->words);
		break;
	case CDM_SIM_REPLAY:
		op = &pat->ops[pat->pos++];
		if (pat->pos == pat->nr_ops)
			pat->pos = 0;
		*write = op->op;
		return pat->addr + ((u64)op->page << PAGE_SHIFT);
	case CDM_SIM_CHASE:
		*write = false;
		return pat->addr + pat->pos;
	default:
		block = pat->pos++;
		if (pat->pos == pat->nr_blocks)
			pat->pos = 0;
		break;
	}
	*write = pat->write_pct && rng_below(pat, 100) < pat->write_pct;
	return pat->addr + block * pat->stride + word * sizeof(u64);
}

/**
 * cdm_sim_pat_read() - what an access has read, which may say where the next goes
 * @pat: the pattern
 * @value: the word
 *
 * Return: 0, or -ERANGE if it points out of the range.
 */
int cdm_sim_pat_read(struct cdm_sim_pat *pat, u64 value)
{
	if (pat->kind != CDM_SIM_CHASE)
		return 0;
	if (value % sizeof(u64) || value >= pat->len)
		return -ERANGE;
	pat->pos = value;
	return 0;
}
