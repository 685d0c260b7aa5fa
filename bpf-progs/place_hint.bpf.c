// SPDX-License-Identifier: GPL-2.0
/*
 * place_hint: the application says where its ranges belong.
 *
 * What it does: a page whose address lies in a range that the application has
 * put into the map "hints" is born on the node that the range names; any other
 * page gets the default. include/cdm/hint.h has the calls for the application.
 *
 * When it suits: a framework or an allocator that knows what it will do with a
 * buffer. Compared with mbind() it says nothing about other processes' memory,
 * can be given from outside the process, names no zonelist, so that a full node
 * is a fallback and never an OOM kill, and is gone when the policy is.
 *
 * Where it fails: it is as good as the hints. They are about a process, not an
 * address space: after exec(), or when a process number is used again, stale
 * ones are believed until somebody clears them. Who may write the map may place
 * anybody's pages: leave its pin to root, or give it to one service. fork() does
 * not hand hints on.
 */
#include <cdm/counts.bpf.h>
#include <cdm/hint.h>
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "GPL";
CDM_MAP_VERSION(1);

/*
 * 1: hints are for CPUs and devices. 2: only for CPUs' touches. 3: only for
 * devices'. Range 1..3.
 */
const volatile __u32 who = 1;

/* A range of n pages is at most 2 * log2(n) entries, most often one or two. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct cdm_hint_key);
	__type(value, struct cdm_hint);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} hints SEC(".maps");

__u64 CDM_CALLBACK(place, hint_place, const struct cdm_place_ctx *c)
{
	struct cdm_hint_key key = {
		.prefixlen = CDM_HINT_KEY_BITS,
		.pid = bpf_htonl(c->tgid),
		.addr = bpf_cpu_to_be64(c->addr),
	};
	struct cdm_hint *hint;

	if ((who == 2 && c->dev_nid >= 0) || (who == 3 && c->dev_nid < 0))
		return cdm_count(cdm_default());

	/*
	 * A large folio goes where its first page belongs: asking for each of its
	 * pages would cost more than a range that is not aligned to it deserves.
	 */
	hint = bpf_map_lookup_elem(&hints, &key);
	if (!hint || hint->flags)
		return cdm_count(cdm_default());
	return cdm_count(cdm_node(hint->node));
}

CDM_OPS_DEFINE(hint_ops,
	.place	= (void *)hint_place,
	.node	= CDM_NODE_ALL,
	.name	= "place_hint");
