# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --nodes 2048,512,256
#
# A full node gives up what is cold, and new pages find room on it.
#
# What is placed is watched by a tracing program that compares the answered node with
# where the page is. Node 2 is small, so that a working set several times as large
# fits beside it.

# shellcheck source=selftests/prog_tests/evict_lib.bash
. "$REPO/selftests/prog_tests/evict_lib.bash"

setup()
{
	evict_setup
}

teardown()
{
	evict_teardown
}

# timeout: 300
# 125 % to 400 % of a node, small folios, MGLRU: no page is placed elsewhere
test_evict_oversubscribed()
{
	local p

	lru mglru
	for p in 125 150 200 400; do
		oversubscribe $p -m nohuge
	done
}

# timeout: 300
# The same with classic LRU, and with swappiness 0
test_evict_classic()
{
	lru classic
	oversubscribe 200 -m nohuge
	echo 0 >/proc/sys/vm/swappiness
	oversubscribe 125 -m nohuge
	lru mglru
	oversubscribe 125 -m nohuge
}

# timeout: 300
# Huge pages and each mTHP size: they leave as a whole, and none is placed elsewhere
test_evict_large()
{
	local order size

	oversubscribe 150 -m huge
	check_eq "$(var max_order)" 9 "largest candidate"
	for order in 4 2; do
		size=$THP/hugepages-$((4 << order))kB/enabled
		[ -e "$size" ] || continue
		echo never >"$THP/hugepages-2048kB/enabled"
		echo madvise >"$size"
		oversubscribe 150 -m huge
		check_ge "$(var max_order)" $order "largest candidate, order $order"
		echo never >"$size"
	done
}

# timeout: 300
# Shared memory
test_evict_shmem()
{
	oversubscribe 150 -k shmem
	echo madvise >"$THP/shmem_enabled"
	oversubscribe 150 -k shmem -m huge
}

# timeout: 300
# With swap space there is: what another node can hold is not swapped
test_evict_no_swap_used()
{
	local before left

	swap_on
	before=$(vmstat pswpout) left=$(stat_of 2 evict_swap)
	oversubscribe 200 -m nohuge
	check_eq $(($(vmstat pswpout) - before)) 0 "pages swapped out"
	check_eq "$(stat_of 2 evict_swap)" "$left" "pages left to swap"
}

# timeout: 300
# A device works on more than its node, in three patterns: it keeps its node
test_evict_device()
{
	local p pattern size spilled

	for pattern in strided uniform zipf; do
		for p in $([ $pattern = strided ] && echo 125) 200; do
			size=$(percent $p)
			spilled=$(stat_of 2 spilled)
			"$PROGS/watch_place" -o "$TMP/watch" "$WATCH" -- \
				"${IN_GROUP[@]}" "$PROGS/simrun" -d /dev/cdm_sim1 \
				-m nohuge -s "$size" -p $pattern -n $((size / 4 * 2)) \
				2>&1 | cat >"$TMP/run" ||
				fail "$pattern $p %: $(cat "$TMP/run")"
			check_eq "$(var ret)" 0 "$pattern $p %: the run"
			no_spill "$pattern, $p %"
			check_eq "$(stat_of 2 spilled)" "$spilled" "spilled, $pattern $p %"
			check_eq "$(var sum)" "$(var writes)" "what was written is there, $pattern $p %"
		done
	done
}

# timeout: 120
# kcdmd keeps a node between its watermarks, which the administrator sets
test_evict_watermarks()
{
	local low high size gone

	low=$((KB / 4 / 10)) high=$((KB / 4 / 5))
	echo "$low $high" >"$CDM/nodes/2/watermarks"
	check_eq "$(<"$CDM/nodes/2/watermarks")" "$low $high" "watermarks as read"
	size=$(percent 95) gone=$(stat_of 2 evicted_background)
	"${IN_GROUP[@]}" numactl --preferred=2 "$PROGS/touch" -s "$size" -m nohuge -w 30 2>&1 |
		cat >"$TMP/run" &
	# Below the low watermark it begins, and does not stop before the high one.
	wait_for 20 grep -q ^pages "$TMP/run"
	wait_for 20 enough_free $((high * 4))
	check_ge $(($(stat_of 2 evicted_background) - gone)) $((size / 4 - (KB / 4 - high) - 256)) \
		"pages evicted in the background"
	# Once there it rests.
	size=$(stat_of 2 evicted_background)
	sleep 2
	check_eq "$(stat_of 2 evicted_background)" "$size" "evicted after the high watermark"
	check_le "$(node_stat 2 MemFree)" $((high * 4 + 8192)) "KiB free at the end"
	kill %%
	wait

	for bad in "" 5 "5 4" "-1 2" "a b" "1 $((KB / 4))"; do
		expect_fail bash -c "echo '$bad' >$CDM/nodes/2/watermarks"
		check_match "$(<$CDM/last_error)" 'watermarks: ' "text for '$bad'"
	done
	echo "0 0" >"$CDM/nodes/2/watermarks"
}

# enough_free KB - so much of node 2 is free
enough_free()
{
	[ "$(node_stat 2 MemFree)" -ge "$1" ]
}

# timeout: 120
# cdmctl node evict: so much leaves, or a text says why not
test_evict_admin()
{
	local before

	start_with "numactl --preferred=2" anon 65536
	on_node 2 16384
	before=$(stat_of 2 evicted_admin)
	OUT=$(cdmctl node evict 2 32M 2>&1) || fail "node evict: $OUT"
	check_match "$OUT" '^node 2 gave up [0-9]+ pages$' "what it says"
	check_ge $(($(stat_of 2 evicted_admin) - before)) 8192 "pages evicted"
	ask where
	check_le "$(word node 2)" $((8192 + 512)) "pages left on node 2"
	intact "eviction"
	# More than there is, and nothing.
	expect_fail cdmctl node evict 2 100G
	check_match "$OUT" 'not all of it could leave: node 2: [0-9]+ of [0-9]+ pages left' "text"
	on_node 2 0
	intact "eviction of all"
	stop

	expect_fail cdmctl node evict 2 0
	check_match "$OUT" 'nothing is to be evicted' "size 0"
	expect_fail cdmctl node evict 2 lots
	check_match "$OUT" "'lots' is not a size" "no size"
	expect_fail cdmctl node evict 0 1M
	expect_fail cdmctl node evict 2
	check_match "$OUT" 'a node and a size are needed' "one argument"
	expect_fail setpriv --bounding-set=-all --inh-caps=-all --reuid 65534 \
		cdmctl node evict 2 1M
}

# timeout: 200
# mlocked memory stays; a full node that cannot give up anything spills
test_evict_mlocked()
{
	local size spilled

	# All of the node is mlocked: what else is placed there goes to node 0.
	size=$(percent 110) spilled=$(stat_of 2 spilled)
	"$PROGS/attach" -s place_nid=2 "$EVICT" -- "${IN_GROUP[@]}" \
		"$PROGS/touch" -c -l -s "$size" -m nohuge 2>&1 | cat >"$TMP/run" ||
		fail "touch: $(cat "$TMP/run")"
	check_ge "$(touched 0)" $(((size - KB) / 4)) "pages on node 0"
	check_ge "$(touched 2)" $((KB / 4 * 9 / 10)) "pages on node 2"
	check_ge $(($(stat_of 2 spilled) - spilled)) $(((size - KB) / 4)) "counted as spilled"
}

# timeout: 200
# Pinned memory stays: all of a node is, and what else is placed there goes elsewhere
test_evict_pinned()
{
	local size gone spilled

	"${IN_GROUP[@]}" numactl --preferred=2 "$PROGS/touch" -c -p -s "$(percent 110)" \
		-m nohuge -w 100 2>&1 | cat >"$TMP/hold" &
	wait_for 30 grep -q ^pages "$TMP/hold"
	check_ge "$(awk '$4 == 2 { print $2 }' "$TMP/hold")" $((KB / 4 * 9 / 10)) \
		"pages that are pinned on node 2"
	settle
	size=$(percent 20) gone=$(evicted 2) spilled=$(stat_of 2 spilled)
	"$PROGS/attach" -s place_nid=2 "$EVICT" -- "${IN_GROUP[@]}" \
		"$PROGS/touch" -c -l -s "$size" -m nohuge 2>&1 | cat >"$TMP/run" ||
		fail "touch: $(cat "$TMP/run")"
	check_ge "$(touched 0)" $((size / 4 / 2)) "pages on node 0"
	check_ge $(($(stat_of 2 spilled) - spilled)) "$(touched 0)" "counted as spilled"
	# Not the pinned ones: pages of the kernel's caches, at most.
	check_le $(($(evicted 2) - gone)) 512 "pages evicted"
	OUT=$(cdmctl node evict 2 $((KB / 2))K 2>&1) && fail "half of a pinned node is evicted"
	check_match "$OUT" 'not all of it could leave' "text"
	check_none_isolated
}

# timeout: 200
# A cgroup at its limit on the node reclaims by swap: what moves is still charged
test_evict_memcg_limit()
{
	local before

	swap_on
	before=$(evicted 2)
	echo 64M >$CG/memory.max
	"${IN_GROUP[@]}" numactl --membind=2 "$PROGS/touch" -c -s 131072 -m nohuge 2>&1 |
		cat >"$TMP/run" || fail "touch: $(cat "$TMP/run")"
	check_eq "$(evicted 2)" "$before" "pages evicted for a cgroup's limit"
	check_ge "$(awk '$1 == "absent" { print $2 }' "$TMP/run")" 8192 "pages swapped"
	check_eq "$(touched 0)" "" "pages on node 0"
	echo max >$CG/memory.max
}

# timeout: 300
# memory.low: what it protects leaves last with classic LRU; MGLRU knows what it takes
test_evict_memory_low()
{
	local size events

	echo +memory >$CG/cgroup.subtree_control
	echo max >$CG/memory.low
	mkdir $CG/low $CG/other
	echo $((KB / 2))K >$CG/low/memory.low
	size=$(((KB - 16384) / 2 * 9 / 10))
	lru classic
	hold_on_2 low $size
	hold_on_2 other $size
	OUT=$(cdmctl node evict 2 $((KB / 4))K 2>&1) || fail "evict: $OUT"
	check_ge "$(lru_on_2 low)" $((size / 4 * 95 / 100)) \
		"pages of the protected cgroup on node 2, classic"
	check_le "$(lru_on_2 other)" $((size / 4 - KB / 16 + 1024)) \
		"pages of the other one, classic"
	echo 1 >$CG/cgroup.kill
	wait

	# MGLRU passes over a protected cgroup once, then takes of it as well, and counts
	# that. Had it not known, it would not count.
	lru mglru
	hold_on_2 low $size
	hold_on_2 other $size
	events=$(low_events)
	OUT=$(cdmctl node evict 2 $((KB / 8))K 2>&1) || fail "evict: $OUT"
	note "MGLRU: protected $(lru_on_2 low), other $(lru_on_2 other) of $((size / 4))"
	if [ "$(lru_on_2 low)" -lt $((size / 4 - 64)) ]; then
		check_ge "$(low_events)" $((events + 1)) \
			"events of the protected one: taken of it all the same"
	fi
	echo 1 >$CG/cgroup.kill
	wait
	rmdir $CG/low $CG/other
	echo -memory >$CG/cgroup.subtree_control
	echo 0 >$CG/memory.low
}

# low_events - how often the protected cgroup was taken of all the same
low_events()
{
	awk '$1 == "low" { print $2 }' $CG/low/memory.events.local
}

# hold_on_2 CGROUP KIB - until killed
hold_on_2()
{
	# What an earlier one wrote must not be taken for this one's.
	rm -f "$TMP/hold.$1"
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $CG/"$1" numactl --membind=2 \
		"$PROGS/touch" -s "$2" -m nohuge -w 100 2>&1 | cat >"$TMP/hold.$1" &
	wait_for 30 grep -q ^pages "$TMP/hold.$1"
	settle
}

# lru_on_2 CGROUP - its anonymous pages there
lru_on_2()
{
	echo $(($(awk '$1 == "anon" { sub("N2=", "", $4); print $4 }' \
		$CG/"$1"/memory.numa_stat) / 4096))
}

# timeout: 200
# Bound to a full node that cannot give up anything: the OOM killer, in bounded time
test_evict_bind_oom()
{
	local begin=$SECONDS

	STATUS=0
	"${IN_GROUP[@]}" numactl --membind=2 "$PROGS/touch" -l -s "$(percent 110)" -m nohuge \
		>/dev/null 2>&1 || STATUS=$?
	check_eq $STATUS 137 "the task that was too large"
	check_le $((SECONDS - begin)) 100 "seconds"
	# Its twin that can be evicted is not killed.
	"${IN_GROUP[@]}" numactl --membind=2 "$PROGS/touch" -c -s "$(percent 150)" -m nohuge 2>&1 |
		cat >"$TMP/run" || fail "evictable: $(cat "$TMP/run")"
	check_ge "$(touched 0)" $((KB / 4 * 45 / 100)) "pages evicted to node 0"
}

# timeout: 300
# No other node has room: to swap; without swap the task that is too large is killed
test_evict_host_full()
{
	local before kills full

	# Huge pages that nobody uses take what node 0 has, but for some room to work.
	echo 3 >/proc/sys/vm/drop_caches
	echo $((($(node_stat 0 MemFree) / 1024 - 192) / 2)) >"$NODE/node0/$HUGE/nr_hugepages"
	mkswap /dev/vdb >/dev/null || fail "mkswap"
	swapon /dev/vdb || fail "swapon"
	before=$(vmstat pswpout) kills=$(vmstat oom_kill) full=$(stat_of 2 evict_full)
	squeeze 250 -- -m nohuge
	check_ge $(($(vmstat pswpout) - before)) 16384 "pages swapped out"
	check_eq "$(vmstat oom_kill)" "$kills" "OOM kills with swap"
	check_ge $(($(stat_of 2 evict_full) - full)) 1 "pages that stayed for want of room"
	note "full $(stat_of 2 evict_full), left to swap $(stat_of 2 evict_swap)"
	swapoff /dev/vdb || fail "swapoff"

	STATUS=0
	"$PROGS/attach" -s place_nid=2 "$EVICT" -- "${IN_GROUP[@]}" "$PROGS/hold" anon \
		$((KB / 1024 + 400)) >/dev/null 2>&1 || STATUS=$?
	check_eq $STATUS 137 "the task that is too large"
	check_eq $(($(vmstat oom_kill) - kills)) 1 "OOM kills without swap"
}
