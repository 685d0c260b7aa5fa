# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --nodes 2048,512,256
#
# Where what a full node gives up goes, who is told how much it was, and who must not
# wait for it.

# shellcheck source=selftests/prog_tests/evict_lib.bash
. "$REPO/selftests/prog_tests/evict_lib.bash"

setup()
{
	evict_setup
}

teardown()
{
	cdmctl node targets 1 default >/dev/null
	cdmctl node targets 2 default >/dev/null
	evict_teardown
}

# targets NODES... - of node 2, set and read back
targets()
{
	OUT=$(cdmctl node targets 2 "$@" 2>&1) || fail "node targets 2 $*: $OUT"
	check_eq "$(<"$CDM/nodes/2/evict_targets")" "$*" "targets as read"
}

# timeout: 200
# The administrator says where to, in which order; the next one is for what is left
test_evict_targets()
{
	local size spare

	targets 1 0
	check_match "$OUT" '^node 2 gives up pages to 1 0, then' "what it says"
	size=$(percent 150)
	squeeze 150 -- -m nohuge
	no_spill "to node 1"
	check_ge "$(touched 1)" $(((size - KB) / 4)) "pages on node 1"
	check_eq "$(touched 0)" "" "pages on node 0"
	# More than both have.
	size=$(percent 400)
	spare=$(node_stat 1 MemFree)
	squeeze 400 -- -m nohuge
	no_spill "to nodes 1 and 0"
	check_ge "$(touched 1)" $((spare / 4 * 9 / 10)) "pages on node 1, which is full"
	check_ge "$(touched 0)" $(((size - KB - spare) / 4 * 9 / 10)) "pages on node 0"
	targets default
	squeeze 125 -- -m nohuge
	check_eq "$(touched 1)" "" "pages on node 1 by default"
	OUT=$(cdmctl -j node targets 2 0 2>&1) || fail "node targets -j: $OUT"
	check_match "$OUT" '"node": ?2, ?"targets": ?\[ ?0 ?\]' "JSON"
}

# timeout: 200
# Two managed nodes name each other: what both cannot hold goes on, and does not come back
test_evict_targets_each_other()
{
	local back

	cdmctl node targets 2 1 >/dev/null || fail "targets of node 2"
	cdmctl node targets 1 2 >/dev/null || fail "targets of node 1"
	back=$(($(stat_of 1 returned) + $(stat_of 2 returned)))
	squeeze 400 -- -m nohuge
	no_spill "through two full nodes"
	check_ge "$(touched 0)" 1000 "pages on node 0"
	back=$(($(stat_of 1 returned) + $(stat_of 2 returned) - back))
	check_le "$back" 512 "pages that came back to the node they had left"
}

# Targets that cannot be are refused, each with a text, and change nothing
test_evict_targets_bad()
{
	local bad

	targets 0
	while read -r bad; do
		# shellcheck disable=SC2086 # words
		expect_fail cdmctl node targets 2 ${bad%%:*}
		check_match "$OUT" "${bad#*: }" "text for '${bad%%:*}'"
		check_eq "$(<"$CDM/nodes/2/evict_targets")" 0 "targets after '${bad%%:*}'"
	done <<-END
		2: a node cannot evict to itself
		0 0: node 0 is named twice
		60: there is no node 60
		x: 'x' is not a number
		0 1 x: 'x' is not a number
		0 1 0 1 0 1 0 1 0: named twice
	END
	expect_fail bash -c "echo >$CDM/nodes/2/evict_targets"
	check_match "$(<$CDM/last_error)" 'want nodes, the first choice first' "text for nothing"
	expect_fail bash -c "echo 0 -1 >$CDM/nodes/2/evict_targets"
	check_match "$(<$CDM/last_error)" "'-1' is not the number of a node" "text for -1"
	expect_fail cdmctl node targets 0
	expect_fail cdmctl node targets
	check_match "$OUT" 'a node is needed' "no argument"
	expect_fail setpriv --bounding-set=-all --inh-caps=-all --reuid 65534 \
		cdmctl node targets 2 1
}

# cdmctl node watermarks: sizes, and what cannot be
test_evict_watermarks_cmd()
{
	OUT=$(cdmctl node watermarks 2 8M 16M 2>&1) || fail "node watermarks: $OUT"
	check_eq "$(<"$CDM/nodes/2/watermarks")" "2048 4096" "as the kernel has them"
	check_match "$OUT" 'below 8192 KiB free and ends at 16384 KiB' "what it says"
	OUT=$(cdmctl -j node watermarks 2 2>&1) || fail "node watermarks -j: $OUT"
	check_match "$OUT" '"low_bytes": ?8388608, ?"high_bytes": ?16777216' "JSON"
	expect_fail cdmctl node watermarks 2 16M 8M
	check_match "$OUT" 'the first not above the second' "upside down"
	expect_fail cdmctl node watermarks 2 1M
	check_match "$OUT" 'LOW and HIGH go together' "one of them"
	expect_fail cdmctl node watermarks 2 1M 1T
	check_match "$OUT" 'at most half of its [0-9]+ pages' "too much"
	check_eq "$(<"$CDM/nodes/2/watermarks")" "2048 4096" "after what was refused"
}

# memcg KEY - of the test's cgroup and those below it
memcg()
{
	awk -v k="^$1" '$1 ~ k { n += $2 } END { print n + 0 }' $CG/memory.stat
}

# all KEY - the sum of those events of the system
all()
{
	awk -v k="^$1" '$1 ~ k { n += $2 } END { print n + 0 }' /proc/vmstat
}

# same_count KEY NODE-COUNT WHAT - the cgroup's, the system's, the node's
#
# A page of the kernel's caches may leave as well, and is not the cgroup's.
same_count()
{
	local mine system

	mine=$(($(memcg "$1") - ${BEFORE[memcg.$1]})) system=$(($(all "$1") - ${BEFORE[all.$1]}))
	check_eq "$system" "$2" "$3: the system's against the node's"
	check_le "$mine" "$2" "$3: the cgroup's against the node's"
	check_ge "$mine" $(($2 * 99 / 100 - 64)) "$3: the cgroup's against the node's"
}

# note_counts KEY... - what they are now
note_counts()
{
	local k

	for k; do
		BEFORE[memcg.$k]=$(memcg "$k")
		BEFORE[all.$k]=$(all "$k")
	done
}

# timeout: 300
# A cgroup's memory.stat has what left, stayed, was overruled, spilled and came back
test_evict_counters()
{
	local node p size k
	local -A BEFORE

	# Left: with candidates, and with folios that a policy names.
	for p in "" "-s propose=1 -s verdict=0x200000000000000 -s give=1"; do
		note_counts cdm_evicted_
		node=$(evicted 2)
		# shellcheck disable=SC2086 # words
		squeeze 150 $p -- -m nohuge
		node=$(($(evicted 2) - node))
		check_ge "$node" $((KB / 4 * 45 / 100)) "pages evicted"
		same_count cdm_evicted_ "$node" "evicted ($p)"
	done

	# Stayed, and left all the same.
	note_counts cdm_evict_kept cdm_evict_overridden
	p=$(stat_of 2 evict_kept) node=$(stat_of 2 evict_overridden)
	squeeze 125 -s verdict=0x200000000000000 -s give=1 -- -m nohuge
	check_ge $(($(stat_of 2 evict_overridden) - node)) 1000 "pages whose verdict was overruled"
	same_count cdm_evict_kept $(($(stat_of 2 evict_kept) - p)) "kept"
	same_count cdm_evict_overridden $(($(stat_of 2 evict_overridden) - node)) "overruled"

	# Spilled: nothing can leave.
	note_counts cdm_spilled
	node=$(stat_of 2 spilled)
	squeeze 110 -- -l -m nohuge
	node=$(($(stat_of 2 spilled) - node))
	check_ge "$node" $((KB / 4 / 20)) "spilled"
	same_count cdm_spilled "$node" "spilled"

	# Came back. A sixteenth of the node is remembered, so it is less than that.
	note_counts cdm_returned cdm_evicted_admin
	size=4096 p=$(stat_of 2 returned) node=$(stat_of 2 evicted_admin)
	start_with "numactl --preferred=2" anon $size
	on_node 2 $((size / 4))
	OUT=$(cdmctl node evict 2 ${size}K 2>&1) || fail "evict: $OUT"
	OUT=$(cdmctl page move --pid "$PID" --range "$RANGE" --to 2 2>&1) || fail "move: $OUT"
	check_ge $(($(stat_of 2 returned) - p)) $((size / 4 * 8 / 10)) "pages that came back"
	same_count cdm_returned $(($(stat_of 2 returned) - p)) "came back"
	same_count cdm_evicted_admin $(($(stat_of 2 evicted_admin) - node)) "for the administrator"
	stop
	for k in background kswapd direct admin; do
		check_match "$(cat $CG/memory.stat)" "^cdm_evicted_$k [0-9]" "events in memory.stat"
	done
}

# timeout: 200
# Allocations that must not wait do not, and have others neither wait nor go elsewhere
test_evict_atomic()
{
	local size spilled evicted

	size=$(percent 110)
	spilled=$(stat_of 2 spilled) evicted=$(evicted 2)
	# The first fills the node, which has to make room for the others then. What the
	# policy places is gone when this shell is.
	# shellcheck disable=SC2016 # for the inner shell
	"$PROGS/attach" -s place_nid=2 "$EVICT" -- "${IN_GROUP[@]}" bash -c '
		mkfifo "$3/full" || exit
		"$0/touch" -s "$1" -m nohuge -w 100 >"$3/full" &
		hold=$!
		read -r word rest <"$3/full"
		[ "$word" = pages ] || exit
		"$0/simatomic" /dev/cdm_sim1 8192 30 &
		atomic=$!
		while kill -0 $atomic 2>/dev/null; do
			"$0/touch" -c -s "$2" -m nohuge >/dev/null || exit
		done
		wait $atomic || exit
		kill $hold
		' "$PROGS" "$size" $((KB / 2)) "$TMP" 2>&1 | cat >"$TMP/atomic" ||
		fail "$(cat "$TMP/atomic")"
	note "$(grep ^by_node "$TMP/atomic")"
	check_ge "$(atomic by_node)" 100 "pages of the node"
	check_ge "$(atomic by_vma)" 1 "pages as for a fault, on the node"
	check_ge "$(atomic elsewhere)" 1000 "pages as for a fault, elsewhere, as the node is full"
	check_ge $(($(evicted 2) - evicted)) $(((size - KB) / 4)) "pages that left meanwhile"
	check_eq $(($(stat_of 2 spilled) - spilled)) "$(atomic elsewhere)" \
		"spilled: those that do not wait, and nobody else"
	check_none_isolated
	OUT=$("$PROGS/simatomic" -n /dev/cdm_sim1 1 1 2>&1) || fail "simatomic -n: $OUT"
	check_eq "$(grep -c '^ok' <<<"$OUT")" 8 "requests answered as they should be"
}

# atomic WORD - the number after it, of simatomic's
atomic()
{
	awk -v k="$1" '{ for (i = 1; i < NF; i++) if ($i == k) print $(i + 1) }' "$TMP/atomic"
}

# timeout: 300
# What compaction moves within the node keeps its place in a policy's order
test_evict_compaction()
{
	local p pages moved

	# With holes: half of the pages are still there.
	pages=$((KB / 4 * 40 / 100))
	for p in fifo sieve s3fifo lfu; do
		# shellcheck disable=SC2016 # for the inner shell
		"$PROGS/attach" -s nid=2 -d n_named "$BPF/evict_$p.bpf.o" -- \
			"${IN_GROUP[@]}" bash -c '
			moved() { awk "\$1 == \"pgmigrate_success\" { print \$2 }" /proc/vmstat; }
			mkfifo "$3/pipe" || exit
			numactl --membind=2 "$0/touch" -h -s $(($1 * 8)) -m nohuge -w 100 >"$3/pipe" &
			read -r word <"$3/pipe" || exit
			before=$(moved)
			echo 1 >/sys/devices/system/node/node2/compact
			echo "moved $(($(moved) - before))"
			echo "$(($1 * 4))K" >"$2/evict"
			kill %1
			rm "$3/pipe"
			' "$PROGS" "$pages" "$CDM/nodes/2" "$TMP" 2>&1 | cat >"$TMP/run" ||
			fail "evict_$p: $(cat "$TMP/run")"
		moved=$(var moved)
		note "evict_$p: $moved pages moved, $(var n_named) of $pages named"
		check_ge "${moved:-0}" $((pages / 4)) "pages that compaction moved, $p"
		check_ge "$(var n_named)" $((pages * 98 / 100)) "pages that evict_$p named"
	done
}
