/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hooks that existing mm files call, and nothing else.
 *
 * Each is behind a static key that is off until somebody needs it, and each is
 * an empty inline without CONFIG_CDM_EXT, so that an object of a kernel without
 * it is the same as before.
 */
#ifndef _LINUX_CDM_HOOKS_H
#define _LINUX_CDM_HOOKS_H

#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/jump_label.h>
#include <linux/migrate.h>
#include <linux/nodemask.h>
#include <linux/mmzone.h>
#include <linux/mm.h>
#include <linux/sched.h>

struct alloc_context;
struct folio;
struct vm_area_struct;
struct vm_fault;

/*
 * What is evicted goes to another node at the price of a copy, of a file or not: at
 * this swappiness both cost the same.
 */
#define CDM_SWAPPINESS	100

#ifdef CONFIG_CDM_EXT

/* On while at least one node is managed, whatever its mode. */
DECLARE_STATIC_KEY_FALSE(cdm_nodes_key);
/* On while at least one node is closed or last-resort. */
DECLARE_STATIC_KEY_FALSE(cdm_isolated_key);
/* On while a policy owns place, or a device may fault. */
DECLARE_STATIC_KEY_FALSE(cdm_place_key);

extern bool cdm_place_all;		/* a policy owns place for all nodes */
/*
 * Who has a say in moves: policies that can deny or keep, nodes whose device is lost, and
 * what the kernel itself keeps.
 */
#define CDM_ASKED_POLICY	0
#define CDM_ASKED_LOST		1
#define CDM_ASKED_DEFAULT	2
extern unsigned long cdm_migrate_asked;
/* Who wants hint faults: policies that own access, and what was armed and not undone. */
#define CDM_ASKED_ARMED		1
extern unsigned long cdm_access_asked;
extern nodemask_t cdm_managed_nodes;
extern nodemask_t cdm_isolated_nodes;

static inline bool cdm_node_managed(int nid)
{
	return static_branch_unlikely(&cdm_nodes_key) &&
	       node_isset(nid, cdm_managed_nodes);
}

static inline bool cdm_node_isolated(int nid)
{
	return static_branch_unlikely(&cdm_isolated_key) &&
	       node_isset(nid, cdm_isolated_nodes);
}

/*
 * Isolation, in isolate.c. Each node's ZONELIST_FALLBACK leaves out the nodes
 * that are isolated from it; ZONELIST_ALL has every node in the stock order,
 * and is the same list while no node is isolated.
 */
bool __cdm_names_isolated(gfp_t gfp, const nodemask_t *nodemask);
bool __cdm_drop_isolated(nodemask_t *mask);
bool __cdm_node_unasked(int nid);
unsigned long __cdm_isolated_free(void);
void cdm_refresh_demotion(void);	/* mm/memory-tiers.c */

/* Where to look for memory: once per allocation, for those who search it. */
static inline struct zonelist *cdm_zonelist(int nid, gfp_t gfp,
					    const nodemask_t *nodemask)
{
	if (static_branch_unlikely(&cdm_isolated_key) &&
	    __cdm_names_isolated(gfp, nodemask))
		return &NODE_DATA(nid)->node_zonelists[ZONELIST_ALL];
	return node_zonelist(nid, gfp);
}

/* For those who look for what is there, whoever put it. */
static inline struct zonelist *cdm_zonelist_all(int nid, gfp_t gfp)
{
	return &NODE_DATA(nid)->node_zonelists[ZONELIST_ALL];
}

/* For masks that mean "anywhere". True if that emptied the mask. */
static inline bool cdm_drop_isolated(nodemask_t *mask)
{
	return static_branch_unlikely(&cdm_isolated_key) &&
	       __cdm_drop_isolated(mask);
}

/* An isolated node, and current's cpuset has others too. */
static inline bool cdm_node_unasked(int nid)
{
	return static_branch_unlikely(&cdm_isolated_key) &&
	       __cdm_node_unasked(nid);
}

/* Free pages that cannot take the page cache of strangers. */
static inline unsigned long cdm_isolated_free(void)
{
	if (static_branch_unlikely(&cdm_isolated_key))
		return __cdm_isolated_free();
	return 0;
}

struct folio *cdm_vma_alloc_folio(gfp_t gfp, int order,
				  struct vm_area_struct *vma,
				  unsigned long addr);
struct folio *__cdm_place_shmem(struct vm_fault *vmf, gfp_t gfp, int order,
				pgoff_t index);
void __cdm_place_swapin(swp_entry_t entry, gfp_t gfp,
			struct vm_area_struct *vma, unsigned long addr);
struct folio *__cdm_folio_placed(struct folio *folio);
void __cdm_folio_moved(struct folio *src, struct folio *dst, int reason);
void __cdm_folio_putback(struct folio *folio);

/* Somebody may want a say: a device is faulting, or a policy for all nodes. */
static inline bool cdm_place_asked(void)
{
	return static_branch_unlikely(&cdm_place_key) &&
	       (current->cdm_scope || READ_ONCE(cdm_place_all));
}

/*
 * True if the folio was placed, or must not be had at this order (*foliop is
 * NULL then and the caller drops an order); false for the stock path. What is
 * called gives the folio back rather than store it, which would take it out of
 * a register in faults that never come here.
 */
static inline bool cdm_place_shmem(struct vm_fault *vmf, gfp_t gfp, int order,
				   pgoff_t index, struct folio **foliop)
{
	struct folio *folio;

	if (!cdm_place_asked() || !vmf)
		return false;
	folio = __cdm_place_shmem(vmf, gfp, order, index);
	if (!folio)
		return false;
	*foliop = IS_ERR(folio) ? NULL : folio;
	return true;
}

/* Reads the faulting entry into the swap cache on the node a policy names. */
static inline void cdm_place_swapin(swp_entry_t entry, gfp_t gfp,
				    struct vm_area_struct *vma,
				    unsigned long addr)
{
	if (cdm_place_asked() && vma)
		__cdm_place_swapin(entry, gfp, vma, addr);
}

static inline void cdm_place_shmem_swapin(swp_entry_t entry, gfp_t gfp,
					  struct vm_area_struct *vma,
					  pgoff_t index)
{
	if (cdm_place_asked() && vma)
		__cdm_place_swapin(entry, gfp, vma, vma->vm_start +
				   ((index - vma->vm_pgoff) << PAGE_SHIFT));
}

/*
 * A folio that goes to the LRU for the first time. It is given back, so that a
 * caller has nothing to save across a call that is hardly ever made.
 */
static inline struct folio *cdm_folio_placed(struct folio *folio)
{
	if (cdm_node_managed(folio_nid(folio)))
		return __cdm_folio_placed(folio);
	return folio;
}

/* Migration succeeded; before the new folio is visible to others. */
static inline void cdm_folio_moved(struct folio *src, struct folio *dst,
				   int reason)
{
	if (static_branch_unlikely(&cdm_nodes_key))
		__cdm_folio_moved(src, dst, reason);
}

int __cdm_access_hint(struct folio *folio, struct vm_fault *vmf, unsigned long addr,
		      int def_nid);

/*
 * A hint fault: where the folio shall move, NUMA_NO_NODE to stay. @def_nid is where the
 * kernel would move it.
 */
static inline int cdm_access_hint(struct folio *folio, struct vm_fault *vmf,
				  unsigned long addr, int def_nid)
{
	if (static_branch_unlikely(&cdm_nodes_key) && READ_ONCE(cdm_access_asked))
		return __cdm_access_hint(folio, vmf, addr, def_nid);
	return def_nid;
}

extern bool cdm_armed;			/* something was */
bool cdm_mm_armed(const struct mm_struct *mm);

/* Entries of such mappings can have no rights, and a fault that gives them back. */
static inline bool cdm_vma_arms(const struct vm_area_struct *vma)
{
	return vma_is_accessible((struct vm_area_struct *)vma) &&
	       !(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB));
}

/* Access rights of an entry that mprotect() changes: what is armed stays so. */
static inline pgprot_t cdm_newprot(struct vm_area_struct *vma, bool protnone,
				   pgprot_t newprot)
{
	if (static_branch_unlikely(&cdm_nodes_key) && protnone &&
	    READ_ONCE(cdm_armed) && cdm_vma_arms(vma) && cdm_mm_armed(vma->vm_mm))
		return PAGE_NONE;
	return newprot;
}

/* Movers, in movers.c. */
unsigned int __cdm_migrate_ask(struct list_head *from,
			       struct list_head *refused,
			       new_folio_t get_new_folio, unsigned long private,
			       enum migrate_mode mode, int reason,
			       unsigned int *elsewhere);
void __cdm_migrate_failed(struct list_head *from, unsigned int nr_refused,
			  new_folio_t get_new_folio, unsigned long private,
			  int reason, int rc);
bool __cdm_collapse_denied(const u32 *node_load, int target);
void __cdm_collapsed_ptes(struct folio *new, pte_t *pte);
void __cdm_collapsed_list(struct folio *new, struct list_head *old);

/*
 * Folios that must stay go from @from to @refused, and such as shall go to
 * another node than the mover's are sent there. Returns how many are on @refused
 * then; *@elsewhere is how many pages went.
 */
static inline unsigned int
cdm_migrate_ask(struct list_head *from, struct list_head *refused,
		new_folio_t get_new_folio, unsigned long private,
		enum migrate_mode mode, int reason, unsigned int *elsewhere)
{
	if (static_branch_unlikely(&cdm_nodes_key) &&
	    READ_ONCE(cdm_migrate_asked))
		return __cdm_migrate_ask(from, refused, get_new_folio, private,
					 mode, reason, elsewhere);
	return 0;
}

/* What is left on @from did not move; the first @nr_refused were told of. */
static inline void
cdm_migrate_failed(struct list_head *from, unsigned int nr_refused,
		   new_folio_t get_new_folio, unsigned long private,
		   int reason, int rc)
{
	if (static_branch_unlikely(&cdm_nodes_key))
		__cdm_migrate_failed(from, nr_refused, get_new_folio, private,
				     reason, rc);
}

/* May pages be copied to @target? @node_load: how many, by node. */
static inline bool cdm_collapse_denied(struct folio **foliop,
				       const u32 *node_load, int target)
{
	if (!static_branch_unlikely(&cdm_nodes_key) ||
	    !READ_ONCE(cdm_migrate_asked) ||
	    !__cdm_collapse_denied(node_load, target))
		return false;
	*foliop = NULL;
	return true;
}

/* @new is a copy of the pages that these entries map still. */
static inline void cdm_collapsed_ptes(struct folio *new, pte_t *pte)
{
	if (static_branch_unlikely(&cdm_nodes_key))
		__cdm_collapsed_ptes(new, pte);
}

/* @new took the place of these folios in the page cache. */
static inline void cdm_collapsed_list(struct folio *new, struct list_head *old)
{
	if (static_branch_unlikely(&cdm_nodes_key))
		__cdm_collapsed_list(new, old);
}

void __cdm_page_broken(unsigned long pfn, bool broken);

/* Memory failure counts a page as broken, or does so no more; -1 for no page. */
static inline void cdm_page_broken(unsigned long pfn, bool broken)
{
	if (static_branch_unlikely(&cdm_nodes_key))
		__cdm_page_broken(pfn, broken);
}

/* Eviction, in evict.c. */
unsigned int __cdm_evict_folios(struct list_head *folios, struct list_head *stay,
				int nid);

unsigned long __cdm_reclaim_goal(const struct zonelist *zonelist, unsigned long pages);

/* Pages that one call of direct reclaim shall free; @pages by default. */
static inline unsigned long cdm_reclaim_goal(const struct zonelist *zonelist,
					     unsigned long pages)
{
	if (static_branch_unlikely(&cdm_nodes_key))
		return __cdm_reclaim_goal(zonelist, pages);
	return pages;
}

/*
 * Does reclaim of the node evict? Not because of a memcg's limit: what moves is still
 * charged.
 */
static inline bool cdm_evicts(int nid, bool memcg_limit)
{
	return cdm_node_managed(nid) && !memcg_limit;
}

/*
 * In place of demotion. True if the node is managed: *@moved is how many pages left
 * it, on @stay are folios that stay, and reclaim goes on with what is on @folios.
 */
static inline bool cdm_evict_folios(struct list_head *folios,
				    struct list_head *stay, int nid,
				    unsigned int *moved)
{
	if (!cdm_node_managed(nid))
		return false;
	*moved = __cdm_evict_folios(folios, stay, nid);
	return true;
}

/* As in demotion, who isolated a folio counts it until all are done. */
static inline bool cdm_counts_isolated(int reason)
{
	return reason == MR_CDM_EVICT;
}

/* Was isolated from the LRU and returns: not an arrival. */
static inline void cdm_folio_putback(struct folio *folio)
{
	if (cdm_node_managed(folio_nid(folio)))
		__cdm_folio_putback(folio);
}

#else /* !CONFIG_CDM_EXT */

static inline struct zonelist *cdm_zonelist(int nid, gfp_t gfp,
					    const nodemask_t *nodemask)
{
	return node_zonelist(nid, gfp);
}

static inline struct zonelist *cdm_zonelist_all(int nid, gfp_t gfp)
{
	return node_zonelist(nid, gfp);
}

static inline bool cdm_drop_isolated(nodemask_t *mask)
{
	return false;
}

static inline bool cdm_node_unasked(int nid)
{
	return false;
}

static inline unsigned long cdm_isolated_free(void)
{
	return 0;
}

static inline bool cdm_node_managed(int nid)
{
	return false;
}

static inline bool cdm_node_isolated(int nid)
{
	return false;
}

static inline bool cdm_place_asked(void)
{
	return false;
}

static inline struct folio *cdm_vma_alloc_folio(gfp_t gfp, int order,
						struct vm_area_struct *vma,
						unsigned long addr)
{
	return NULL;
}

static inline bool cdm_place_shmem(struct vm_fault *vmf, gfp_t gfp, int order,
				   pgoff_t index, struct folio **foliop)
{
	return false;
}

static inline void cdm_place_swapin(swp_entry_t entry, gfp_t gfp,
				    struct vm_area_struct *vma,
				    unsigned long addr)
{
}

static inline void cdm_place_shmem_swapin(swp_entry_t entry, gfp_t gfp,
					  struct vm_area_struct *vma,
					  pgoff_t index)
{
}

static inline struct folio *cdm_folio_placed(struct folio *folio)
{
	return folio;
}

static inline void cdm_folio_moved(struct folio *src, struct folio *dst,
				   int reason)
{
}

static inline int cdm_access_hint(struct folio *folio, struct vm_fault *vmf,
				  unsigned long addr, int def_nid)
{
	return def_nid;
}

/* Not a function: even a dead read of the old entry changes the code around it. */
#define cdm_newprot(vma, protnone, newprot) \
	(BUILD_BUG_ON_INVALID(vma), BUILD_BUG_ON_INVALID(protnone), (newprot))

static inline bool cdm_counts_isolated(int reason)
{
	return false;
}

static inline unsigned int
cdm_migrate_ask(struct list_head *from, struct list_head *refused,
		new_folio_t get_new_folio, unsigned long private,
		enum migrate_mode mode, int reason, unsigned int *elsewhere)
{
	return 0;
}

static inline void
cdm_migrate_failed(struct list_head *from, unsigned int nr_refused,
		   new_folio_t get_new_folio, unsigned long private,
		   int reason, int rc)
{
}

static inline bool cdm_collapse_denied(struct folio **foliop,
				       const u32 *node_load, int target)
{
	return false;
}

static inline void cdm_collapsed_ptes(struct folio *new, pte_t *pte)
{
}

static inline void cdm_collapsed_list(struct folio *new, struct list_head *old)
{
}

static inline unsigned long cdm_reclaim_goal(const struct zonelist *zonelist,
					     unsigned long pages)
{
	return pages;
}

static inline bool cdm_evicts(int nid, bool memcg_limit)
{
	return false;
}

static inline bool cdm_evict_folios(struct list_head *folios,
				    struct list_head *stay, int nid,
				    unsigned int *moved)
{
	return false;
}

static inline void cdm_folio_putback(struct folio *folio)
{
}

static inline void cdm_page_broken(unsigned long pfn, bool broken)
{
}

#endif /* CONFIG_CDM_EXT */
#endif /* _LINUX_CDM_HOOKS_H */
