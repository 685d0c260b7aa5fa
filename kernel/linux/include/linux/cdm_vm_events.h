/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What managed nodes add to /proc/vmstat and to a cgroup's memory.stat, in pages.
 *
 * The three tables that an event has to be in, the enumeration, the texts and the
 * cgroup's, include this with a CDM_VM_EVENT() of their own. So there is no guard.
 */
#ifdef CONFIG_CDM_EXT
/* Left a managed node to another node, in the order of enum cdm_evict_why. */
CDM_VM_EVENT(CDM_EVICTED_BACKGROUND, "cdm_evicted_background")
CDM_VM_EVENT(CDM_EVICTED_KSWAPD, "cdm_evicted_kswapd")
CDM_VM_EVENT(CDM_EVICTED_DIRECT, "cdm_evicted_direct")
CDM_VM_EVENT(CDM_EVICTED_ADMIN, "cdm_evicted_admin")
/* Were to leave and stayed, by verdict or under keep; were to stay and left. */
CDM_VM_EVENT(CDM_EVICT_KEPT, "cdm_evict_kept")
CDM_VM_EVENT(CDM_EVICT_OVERRIDDEN, "cdm_evict_overridden")
/* Came back to a managed node within a minute after they had left it. */
CDM_VM_EVENT(CDM_RETURNED, "cdm_returned")
/* Were meant for a managed node and went elsewhere, since it had no room. */
CDM_VM_EVENT(CDM_SPILLED, "cdm_spilled")
#endif
#undef CDM_VM_EVENT
