// SPDX-License-Identifier: GPL-2.0
/*
 * cdmctl page: what an operator does with pages by hand.
 */
#include "cdmctl.h"

static const struct verb verbs[] = {
	{ "move", "--to N", "Move a process's pages, or page frames, to a node", page_move },
	{ "arm", "", "Have the next access to each page of a range told to the policy", page_arm },
	{ "rmap", "PFN", "List who maps a page frame", page_rmap },
	{}
};

const struct noun noun_page = {
	.name = "page",
	.doc = "Pages of memory, by address and by page frame.",
	.verbs = verbs,
};
