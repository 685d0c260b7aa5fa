/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One object, several kernels.
 *
 * What grows from one kernel to the next, and what an object that was built
 * against the newer one does on the older:
 *
 * Contexts grow at their end. Reading a member that the kernel lacks is refused
 * at load ("invalid CO-RE relocation"), so ask first; the question is answered
 * at load time and costs nothing at run time:
 *
 *	cgroup = CDM_FIELD(c, cgroup_id, 0);
 *
 * To build against a vmlinux.h that lacks the member, declare a flavour of the
 * context with just the members that are meant, and cast:
 *
 *	struct cdm_place_ctx___hot { __u64 hotness; }
 *		__attribute__((preserve_access_index));
 *	const struct cdm_place_ctx___hot *h = (void *)c;
 *	hot = CDM_FIELD(h, hotness, 0);
 *
 * Enums grow too: CDM_HAS_ENUM(enum cdm_node_item, CDM_ITEM_SEQ).
 *
 * Callbacks. An object that sets a callback which the kernel's struct cdm_ops
 * does not have is refused by libbpf before anything is loaded (-ENOTSUP, "Cannot
 * find member NAME in kernel BTF"): a policy must not believe that it will be
 * called. A callback that is there but whose events are not yet is refused by
 * the kernel when the policy is attached (-EOPNOTSUPP, with a text in
 * /sys/kernel/mm/cdm/last_error). If a policy is of use without it, say so by a
 * second set of ops:
 *
 *	CDM_OPS_DEFINE(full,          .place = ..., .access = ..., ...);
 *	CDM_OPS_DEFINE_OPTIONAL(less, .place = ..., ...);
 *
 * and let the loader try the first and then the other: bpf_map__set_autocreate()
 * on both maps, before the load. Programs that no chosen ops name are not loaded.
 * Within a program, CDM_HAS_CALLBACK(access) tells which kernel it is.
 *
 * Kfuncs. Declared here without __weak: an object that calls one which the
 * kernel lacks does not load. A weak one whose prototype does not match resolves
 * to nothing without a word, so declare weak only what the policy can do
 * without, test it with bpf_ksym_exists(), and check on a kernel that has it that
 * the test says yes.
 */
#ifndef _CDM_COMPAT_BPF_H
#define _CDM_COMPAT_BPF_H

#include <cdm/common.bpf.h>

/* Does the running kernel's context have this member? */
#define CDM_HAS_FIELD(ctx, field)	bpf_core_field_exists((ctx)->field)

/* The member, or @fallback on a kernel whose context lacks it. */
#define CDM_FIELD(ctx, field, fallback)					\
	(bpf_core_field_exists((ctx)->field) ? (ctx)->field :		\
	 (typeof((ctx)->field))(fallback))

/* Does the running kernel's struct cdm_ops have this callback? */
#define CDM_HAS_CALLBACK(cb)	bpf_core_field_exists(struct cdm_ops, cb)

/* Does the running kernel's enum have this value? */
#define CDM_HAS_ENUM(type, value)	bpf_core_enum_value_exists(type, value)

/* Like CDM_OPS_DEFINE(), but created only if the loader asks for it. */
#define CDM_OPS_DEFINE_OPTIONAL(ops, ...)				\
	SEC("?.struct_ops.link")					\
	struct cdm_ops ops = { __VA_ARGS__ }

#endif /* _CDM_COMPAT_BPF_H */
