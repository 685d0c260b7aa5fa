/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What managed nodes add to /proc/vmstat and to a cgroup's memory.stat, in pages.
 *
 * Included in the middle of the three tables that an event has to be in: as it is in the
 * enumeration and in the cgroups' list, with CDM_VM_EVENT_TEXTS among the texts. So there
 * is no guard, and both lists have the same order.
 */
#ifdef CONFIG_CDM_EXT
#ifdef CDM_VM_EVENT_TEXTS
	"cdm_evicted_background",
	"cdm_evicted_kswapd",
	"cdm_evicted_direct",
	"cdm_evicted_admin",
	"cdm_evict_kept",
	"cdm_evict_overridden",
	"cdm_returned",
	"cdm_spilled",
#else
	/* Left a managed node to another node, in the order of enum cdm_evict_why. */
	CDM_EVICTED_BACKGROUND,
	CDM_EVICTED_KSWAPD,
	CDM_EVICTED_DIRECT,
	CDM_EVICTED_ADMIN,
	/* Were to leave and stayed, by verdict or under keep; were to stay and left. */
	CDM_EVICT_KEPT,
	CDM_EVICT_OVERRIDDEN,
	/* Came back to a managed node within a minute after they had left it. */
	CDM_RETURNED,
	/* Were meant for a managed node and went elsewhere, since it had no room. */
	CDM_SPILLED,
#endif
#endif
#undef CDM_VM_EVENT_TEXTS
