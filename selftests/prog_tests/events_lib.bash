# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the files share that run a program under selftests/progs/events.bpf.c: both print
# what they counted, and it is in $OUT.

# count NAME [INDEX] - a number of the policy's
count()
{
	awk -v k="$1" -v i="${2:-0}" '$1 == k { v = $(i + 2) } END { print v }' <<<"$OUT"
}

# on NODE - pages that the last "where" found on the node
on()
{
	awk -v n="$1" '$1 == "pages" && $4 == n { v = $2 } END { print v + 0 }' <<<"$OUT"
}
