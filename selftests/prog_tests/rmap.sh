# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Reverse maps against the page tables of all processes, as /proc/*/pagemap shows
# them. What is mapped is set up by rmapmap and stays while rmapcheck compares.

MAPPER=
BIND=

setup()
{
	grep -q '^cdm_sim ' /proc/modules || mod_load cdm_sim
}

teardown()
{
	[ -z "$MAPPER" ] || kill "$MAPPER" 2>/dev/null
	[ ! -w /sys/kernel/mm/ksm/run ] || echo 2 >/sys/kernel/mm/ksm/run
	echo 0 >/proc/sys/vm/nr_hugepages
	check_eq "$(ls "$CDM/policies")" "" "attached policies"
}

# mapper_says - it is ready, or has ended
mapper_says()
{
	grep -q '^ready' "$TMP/mapper" || ! kill -0 "$MAPPER"
} 2>/dev/null

# mapper KIND ARGS... - rmapmap in the background; its frames in $PFNS
mapper()
{
	unmap
	[ -e "$TMP/hold" ] || mkfifo "$TMP/hold"
	# shellcheck disable=SC2086 # a command
	$BIND "$PROGS/rmapmap" "$@" <"$TMP/hold" >"$TMP/mapper" 2>&1 &
	MAPPER=$!
	exec 4>"$TMP/hold"
	poll 60 mapper_says && grep -q "^ready" "$TMP/mapper" || fail "rmapmap $*: $(cat "$TMP/mapper")"
	frames
}

# frames - what the mapper said last
frames()
{
	# (the guest has no /dev/fd)
	awk '$1 == "pfn" { p[n++] = $2 } $1 == "ready" { last = p[0]; for (i = 1; i < n; i++) last = last " " p[i]; n = 0 }
	     END { print last }' "$TMP/mapper" >"$TMP/frames"
	read -ra PFNS <"$TMP/frames"
}

said_again()
{
	[ "$(grep -c '^ready' "$TMP/mapper")" = 2 ]
}

# again - the mapper says its frames again
again()
{
	echo >&4
	wait_for 10 said_again
	frames
}

# unmap - the mapper and its children end
unmap()
{
	[ -n "$MAPPER" ] || return 0
	exec 4>&-
	wait "$MAPPER"
	MAPPER=
}

# same I KEY=VALUE... - the I-th frame's reverse map is right, and has these numbers
same()
{
	local pfn=${PFNS[$1]} out pair

	shift
	out=$("$PROGS/rmapcheck" "$pfn" 2>&1) || fail "frame $pfn: $out"
	for pair; do
		grep -qE "(^same| )${pair#*=} ${pair%=*}\b" <<<"$out" ||
			fail "frame $pfn: want ${pair#*=} ${pair%=*}: $out"
	done
	note "$out"
}

# pages that nobody, one, and eight processes map
test_rmap_few()
{
	mapper none
	same 0 pages=0 entries=0
	mapper anon
	same 0 pages=1 entries=1 processes=1 writable=1
	# After a fork nobody may write before he has copied the page.
	mapper fork 8
	same 0 pages=8 entries=8 processes=8 writable=0
}

# timeout: 240
# 10,000 mappings of a file's page, by 20 processes
test_rmap_10000()
{
	mapper file 20 500
	same 0 pages=10000 entries=10000 processes=20 writable=6680
}

# a file's page that is mapped shared, to be read only, and privately
test_rmap_file()
{
	mapper file 3 3
	same 0 pages=9 entries=9 processes=3 writable=6
	# Shared: 2 to write and 1 to read, and 1 more; 3 private ones, which a write
	# would copy, and in the child 3 others: a fork does not copy page tables of files.
	mapper private 1 3
	same 0 pages=10 entries=10 processes=2 writable=2
}

# timeout: 120
# a page that KSM shares, within a process and with its child
test_rmap_ksm()
{
	[ -e /sys/kernel/mm/ksm/run ] || skip "no KSM"
	mapper ksm 50
	same 0 pages=100 entries=100 processes=2 writable=0
}

# a huge page, whole, and then partly unmapped, moved and copied
test_rmap_thp()
{
	[ -e /sys/kernel/mm/transparent_hugepage/enabled ] || skip "no transparent huge pages"
	mapper thp
	same 0 pages=1024 entries=2 processes=2 huge=2 writable=0
	# 512 pages without 5 + 1, by the parent, and without 10 more by the child.
	mapper part
	same 0 pages=1002 processes=2 huge=0
}

# huge pages of the pool, shared and private
test_rmap_hugetlb()
{
	echo 4 >/proc/sys/vm/nr_hugepages
	[ "$(cat /proc/sys/vm/nr_hugepages)" = 4 ] || skip "no huge pages"
	mapper hugetlb 3
	same 0 pages=1536 entries=3 processes=3 huge=3 writable=3
	same 1 pages=1024 entries=2 processes=2 huge=2 writable=0
}

# mlocked pages are said to be, their neighbours are not
test_rmap_mlock()
{
	mapper lock
	same 0 entries=1 mlocked=1
	same 1 entries=1 mlocked=0
}

# seq PFN - number of the arrival of the folio there
seq()
{
	local out

	out=$("$CDMCTL" -j page rmap "$1") || fail "page rmap $1: $out"
	sed 's/.*"seq":\([0-9]*\).*/\1/' <<<"$out"
}

# a page on a device's node has its arrival's number, and another after it moved
test_rmap_seq()
{
	local was

	mapper anon
	check_eq "$(seq "${PFNS[0]}")" 0 "a page of CPU memory"
	BIND="numactl --membind=1"
	mapper anon
	settle
	was=$(seq "${PFNS[0]}")
	check_ge "$was" 1 "number of its arrival"
	check_eq "$(seq "${PFNS[0]}")" "$was" "the same page again"
	migratepages $MAPPER 1 2 && migratepages $MAPPER 2 1 || fail "migratepages"
	again
	settle
	check_ge "$(seq "${PFNS[0]}")" $((was + 1)) "a page that went and came back"
}

# processes in a pid namespace: their numbers there, and 0 for those outside
test_rmap_pidns()
{
	local pfn

	mapper fork 4
	pfn=${PFNS[0]}
	# From inside: none of the four can be seen.
	OUT=$(unshare --pid --fork --mount-proc "$PROGS/rmapcheck" "$pfn" 2>&1) || fail "$OUT"
	check_match "$OUT" "^same 0 pages 4 entries 0 processes .* 4 hidden" "from another namespace"
	same 0 processes=4 hidden=0
	# Of those inside, by their numbers there, and by ours from outside.
	unmap
	OUT=$(unshare --pid --fork --mount-proc bash -c "
		mkfifo $TMP/in; '$PROGS/rmapmap' fork 3 <$TMP/in >$TMP/inner & exec 5>$TMP/in
		for i in {1..100}; do grep -q ready $TMP/inner && break; sleep 0.1; done
		pfn=\$(awk '\$1 == \"pfn\" { print \$2 }' $TMP/inner)
		cdmctl page rmap \$pfn; '$PROGS/rmapcheck' \$pfn
		nsenter -t $$ -p '$PROGS/rmapcheck' \$pfn; :" 2>&1) || fail "$OUT"
	check_match "$OUT" "^same 3 pages 3 entries 3 processes 0 writable 0 hidden" "from inside"
	check_match "$OUT" "^[1-9] " "small numbers of processes: $OUT"
}

# value KEY - of the output in $OUT
value()
{
	awk -v k="$1" '$1 == k { v = $2 } END { print v + 0 }' <<<"$OUT"
}

# query ARGS... - rmapq must find all as it should be
query()
{
	OUT=$("$PROGS/rmapq" "$PROGS/rmapq.bpf.o" "$@" 2>&1) || fail "rmapq $*: $OUT"
}

# processes that map the page exit during the walk
test_rmap_exit()
{
	query exit 10
	note "${OUT//$'\n'/, }"
	check_ge "$(value snapshots)" 20 "snapshots"
	check_ge "$(value extra)" 1 "snapshots with processes that come and go"
}

# a mapping moves during the walk: it is never missed, in a file or anonymous
test_rmap_mremap()
{
	query mremap 8
	note "${OUT//$'\n'/, }"
	check_ge "$(value snapshots)" 20 "snapshots of shared memory"
	query mremap-anon 8
	note "${OUT//$'\n'/, }"
	check_ge "$(value snapshots)" 20 "snapshots of private memory"
}

# a policy asks in tick; NULL does not make it a nobody
test_rmap_tick()
{
	query tick
	check_match "$OUT" "^ok tick" "tick"
}

# wrong sizes, wrong frames, no rights: each has its error
test_rmap_refused()
{
	query neg
	check_eq "$(grep -c '^ok' <<<"$OUT")" 13 "refusals: $OUT"
}

# what cdmctl says of frames that are none, and to those who may not ask
test_rmap_errors()
{
	expect_fail "$CDMCTL" page rmap 0xffffffffffff
	check_match "$OUT" "page frame 0xffffffffffff is no online memory" "no memory"
	expect_fail "$CDMCTL" page rmap 0
	check_match "$OUT" "free, or is the kernel's" "the first frame"
	expect_fail setpriv --reuid=65534 --regid=65534 --clear-groups "$CDMCTL" page rmap 1
	check_match "$OUT" "needs CAP_SYS_ADMIN" "nobody"
	check_match "$OUT" "run it as root" "what nobody can do"
	OUT=$("$CDMCTL" -j page rmap 0xffffffffffff) && fail "no memory, in JSON: $OUT"
	check_match "$OUT" '"errno":6' "no memory, in JSON"
	mapper anon
	OUT=$("$CDMCTL" -j page rmap "${PFNS[0]}") || fail "page rmap: $OUT"
	check_eq "$(python3 -c '
import json, sys
o = json.loads(sys.argv[1])
e = o["entries"][0]
print(len(o["entries"]), o["mappings"], e["tgid"], e["pages"], e["writable"], e["mlocked"])
		' "$OUT")" "1 1 $MAPPER 1 True False" "JSON: $OUT"
}

# churn KIND SEC - a device's cache while its memory changes; nothing stale
churn()
{
	OUT=$("$PROGS/simcache" /dev/cdm_sim0 "$@" 2>&1) || fail "simcache $*: $OUT"
	note "$1: ${OUT//$'\n'/, }"
	check_eq "$(value stale)" 0 "$1: stale hits"
	check_ge "$(value hits)" 1000 "$1: hits"
	check_eq $(($(value hits) + $(value misses))) "$(value "done")" "$1: hits and misses"
	check_ge "$(value changes)" 20 "$1: changes of the memory"
	check_ge "$(value invalidations)" 20 "$1: lines that were taken away"
}

# timeout: 120
# a device's cache never serves a stale page: moved, copied, dropped, remapped
test_rmap_cache()
{
	local kind

	for kind in move fork drop remap; do
		churn $kind 6
		case $kind in
		move|fork) check_eq "$(value sum)" "$(value "done")" "$kind: sum of the writes" ;;
		esac
	done
}

# a cache that ignores invalidations is found out by the check
test_rmap_cache_deaf()
{
	OUT=$("$PROGS/simcache" /dev/cdm_sim0 drop 4 deaf 2>&1) || fail "simcache: $OUT"
	check_ge "$(value stale)" 1 "stale hits of a cache without invalidations"
}

# cdmctl shows the cache's counters
test_rmap_cache_ctl()
{
	OUT=$("$CDMCTL" sim run --size 1M --repeat 2 --cache --check) || fail "$OUT"
	check_match "$OUT" "^cache: +130816 hits  256 misses  256 fills .* 0 stale" "cdmctl sim run"
	OUT=$("$CDMCTL" -j sim run --size 1M --cache) || fail "$OUT"
	check_match "$OUT" '"cache":{"hits":130816,"misses":256,"fills":256,' "cdmctl -j sim run"
}

# timeout: 120
# drivers' functions, and programs that get the answer, run under no rmap lock (lockdep)
test_rmap_locks()
{
	query locks "$PROGS/rmaplocks.bpf.o"
	[ "$(value lockdep)" = 1 ] || skip "this kernel has no lockdep: make check-debug"
	note "${OUT//$'\n'/, }"
	check_ge "$(value walks)" 1 "walks"
	check_ge "$(value drivers)" 1 "calls of the driver's function"
	check_ge "$(value answers)" 1 "answers"
	check_ge "$(value in_walk)" 1 "locks under the walk"
	check_eq "$(value in_driver)" 0 "locks in the driver's function"
	check_eq "$(value in_answer)" 0 "locks when the answer is there"
	check_eq "$(awk '$1 == "debug_locks:" { print $2 }' /proc/lockdep_stats)" 1 \
		"lockdep is still on"
}
