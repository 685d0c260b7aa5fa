# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --nodes 2048,512,256
#
# What a policy may say of candidates, and what happens when it says nonsense: the
# system goes on, and counters say who was overridden.

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

# timeout: 200
# Every candidate is shown once, with what the kernel knows of it
test_evict_candidates()
{
	squeeze 150 -- -m nohuge
	no_spill "no verdicts"
	check_ge "$(var n_reclaim)" 16 "calls"
	check_eq "$(var n_shown)" "$(var n_offered)" "candidates shown"
	check_eq "$(var n_wrong)" 0 "candidates that are not what they are said to be"
	check_ge "$(var n_evicted)" $((KB / 4 / 2)) "pages evicted, as migrated told"
	check_ge "$(var n_shown_pages)" "$(var n_evicted)" "pages shown"
}

# timeout: 200
# To the node that the policy names
test_evict_to_node()
{
	squeeze 150 -s verdict=2 -s give=1 -- -m nohuge
	no_spill "to node 1"
	check_eq "$(touched 0)" "" "pages on node 0"
	check_ge "$(touched 1)" $((KB / 4 * 45 / 100)) "pages on node 1"
	check_eq "$(var n_verdict)" "$(var n_shown)" "verdicts taken"
}

# timeout: 200
# Keep everything: the kernel lets it pass for a while, then takes a batch itself
test_evict_keep_all()
{
	local over kept

	over=$(stat_of 2 evict_overridden) kept=$(stat_of 2 evict_kept)
	squeeze 150 -s verdict=0x200000000000000 -s give=1 -- -m nohuge
	no_spill "keep all"
	check_ge $(($(stat_of 2 evict_overridden) - over)) $((KB / 4 * 45 / 100)) \
		"pages that left against the policy's will"
	check_ge $(($(stat_of 2 evict_kept) - kept)) 1000 "pages that stayed by its verdict"
}

# timeout: 200
# To swap, although another node has room
test_evict_swap()
{
	local before swap

	swap_on
	before=$(vmstat pswpout) swap=$(stat_of 2 evict_swap)
	squeeze 150 -s verdict=0x400000000000000 -s give=1 -- -m nohuge
	no_spill "to swap"
	check_ge $(($(vmstat pswpout) - before)) $((KB / 4 * 45 / 100)) "pages swapped out"
	check_ge $(($(stat_of 2 evict_swap) - swap)) $((KB / 4 * 45 / 100)) "pages left to swap"
}

# timeout: 300
# Verdicts that mean nothing are refused, count as bad, and eject beyond a limit
test_evict_bad_verdict()
{
	local v

	# Node 999; node 63; node and deny; deny and swap; a throttle; a reserved bit;
	# a folio that leaves under keep.
	for v in 1000 64 0x200000000000001 0x600000000000000 0x10000 \
		 0x800000000000000 0x100000001; do
		"$PROGS/attach" -s place_nid=2 -s verdict=$v -s give=1 -w -t 60 \
			-d n_verdict "$EVICT" -- "${IN_GROUP[@]}" "$PROGS/touch" -c \
			-s "$(percent 125)" -m nohuge 2>&1 | cat >"$TMP/run" ||
			fail "verdict $v: $(cat "$TMP/run")"
		check_match "$(cat "$TMP/run")" '^ejected' "verdict $v"
		check_ge "$(var n_verdict 22)" 32 "verdicts that were refused, $v"
		check_match "$(tail -n 1 $CDM/exits)" 'bad-answers .* reclaim ' \
			"exit record, verdict $v"
	done
}

# timeout: 200
# Targets that cannot be now, and candidates that do not exist: an errno each
test_evict_refused_verdict()
{
	# Its own node.
	squeeze 125 -s verdict=3 -s give=1 -- -m nohuge
	no_spill "to itself"
	check_eq "$(var n_verdict 19)" "$(var n_shown)" "verdicts refused with ENODEV"
	squeeze 125 -s give_beyond=1 -- -m nohuge
	check_eq "$(var n_verdict 2)" "$(var n_reclaim)" "verdicts refused with ENOENT"
}

# timeout: 200
# Walks within walks end
test_evict_nested_walks()
{
	squeeze 125 -s nest=1 -d n_nested -- -m nohuge
	no_spill "nested walks"
	check_ge "$(var n_reclaim)" 1 "calls of reclaim"
	check_ge "$(var n_nested)" "$(var n_reclaim)" "steps of the innermost"
	check_le "$(var n_nested)" $((4096 * $(var n_reclaim))) "steps of the innermost"
}

# timeout: 200
# A loop of the policy's own ends when the steps do, and walks have used up some
test_evict_loop()
{
	squeeze 125 -s nest=2 -d n_stepped -d n_steps_wrong -- -m nohuge
	no_spill "loops"
	check_ge "$(var n_reclaim)" 1 "calls of reclaim"
	check_ge "$(var n_stepped)" $((4032 * $(var n_reclaim))) "turns of all loops"
	check_le "$(var n_stepped)" $((4095 * $(var n_reclaim))) "turns of all loops"
	check_eq "$(var n_steps_wrong)" 0 "loops that did not end where the steps do"
}

# timeout: 200
# To swap without swap space: the kernel moves it rather than keep all of it
test_evict_swap_without()
{
	local before

	before=$(stat_of 2 evict_swap)
	squeeze 125 -s verdict=0x400000000000000 -s give=1 -- -m nohuge
	no_spill "to swap without swap space"
	check_eq $(($(stat_of 2 evict_swap) - before)) 0 "pages left to swap"
}

# timeout: 200
# The policy's own choice leaves in place of the candidates
test_evict_propose()
{
	local proposed

	proposed=$(stat_of 2 evict_proposed)
	squeeze 150 -s propose=1 -s verdict=0x200000000000000 -s give=1 -- -m nohuge
	no_spill "the oldest"
	check_ge "$(var n_propose)" $((KB / 4 * 45 / 100)) "proposals taken"
	check_ge $(($(stat_of 2 evict_proposed) - proposed)) $((KB / 4 * 45 / 100)) \
		"pages that left by them"
	check_ge "$(var n_propose 28)" 16 "calls in which there was enough (ENOSPC)"
	# What was first is gone, what was last is here.
	check_ge "$(var n_evicted)" $((KB / 4 * 45 / 100)) "pages evicted"
}

# timeout: 300
# Proposals that are wrong are refused one by one, and the kernel chooses
test_evict_propose_garbage()
{
	local refused

	refused=$(stat_of 2 evict_refused)
	squeeze 125 -s propose=2 -- -m nohuge
	no_spill "frames at random"
	check_ge "$(var n_propose 6)" 1000 "frames that are no memory (ENXIO)"
	check_eq "$(var n_propose 0)" 0 "frames at random that were taken"
	squeeze 125 -s propose=1 -s seq_off=0x40000000 -- -m nohuge
	no_spill "wrong sequences"
	check_ge "$(var n_propose 116)" 1000 "wrong sequences (ESTALE)"
	check_eq "$(var n_propose 0)" 0 "wrong sequences that were taken"
	squeeze 125 -s propose=3 -- -m nohuge
	no_spill "candidates"
	check_eq "$(var n_propose 16)" "$(var n_shown)" "candidates as proposals (EBUSY)"
	check_ge $(($(stat_of 2 evict_refused) - refused)) 3000 "refused proposals, by the node's count"
}

# timeout: 300
# Two full nodes whose policy sends each one's pages to the other: both stay in use
test_evict_two_full()
{
	local in1 in2 back

	in1=$(stat_of 1 moved_in) in2=$(stat_of 2 moved_in) back=$(stat_of 2 returned)
	"$PROGS/attach" -o node=1 -s nid=1 -s verdict=3 -s give=1 -d n_shown "$EVICT" -- \
		"$PROGS/attach" -o node=2 -s nid=2 -s verdict=2 -s give=1 -d n_shown "$EVICT" -- \
		bash -c "numactl --membind=1 '$PROGS/touch' -c -s 600000 -m nohuge &
			numactl --membind=2 '$PROGS/touch' -c -s 400000 -m nohuge &
			wait -n && wait -n" >"$TMP/run" 2>&1 || fail "$(cat "$TMP/run")"
	in1=$(($(stat_of 1 moved_in) - in1)) in2=$(($(stat_of 2 moved_in) - in2))
	back=$(($(stat_of 2 returned) - back))
	note "moved to node 1: $in1, to node 2: $in2, of them back to node 2: $back"
	check_ge "$in1" 1000 "pages that node 1 took from node 2"
	check_ge "$(awk '$1 == "n_shown" && $2 > 0 { n++ } END { print n + 0 }' "$TMP/run")" 2 \
		"policies that were asked"
	check_le "$back" 512 "pages that came back to node 2"
}

# timeout: 300
# evict_lru, evict_fifo and evict_random, attached by cdmctl and swapped under load
test_evict_policies()
{
	local p n size set

	size=$(percent 150)
	for p in lru fifo random; do
		set=()
		[ $p = lru ] || set=(--set nid=2)
		OUT=$(cdmctl policy load "$BPF/evict_$p.bpf.o" --pin evict "${set[@]}" 2>&1) ||
			fail "load evict_$p: $OUT"
		n=$(evicted 2)
		"$PROGS/watch_place" -o "$TMP/watch" "$WATCH" -- "${IN_GROUP[@]}" \
			"$PROGS/simrun" -d /dev/cdm_sim1 -m nohuge -s "$size" -n $((size / 4)) \
			2>&1 | cat >"$TMP/run" || fail "evict_$p: $(cat "$TMP/run")"
		no_spill "evict_$p"
		check_eq "$(var sum)" "$(var writes)" "content with evict_$p"
		check_ge $(($(evicted 2) - n)) $((KB / 4 * 45 / 100)) "pages evicted by evict_$p"
		cdmctl policy unload evict >/dev/null || fail "unload evict_$p"
	done
}

# timeout: 300
# evict_lru and evict_s3fifo take turns on a full node: no page is lost, or elsewhere
test_evict_swap_policies()
{
	local swaps=0 sim p size set

	size=$(percent 200)
	cdmctl policy load "$BPF/evict_lru.bpf.o" --pin evict >/dev/null || fail "load"
	"$PROGS/watch_place" -o "$TMP/watch" "$WATCH" -- "${IN_GROUP[@]}" \
		"$PROGS/simrun" -d /dev/cdm_sim1 -m nohuge -s "$size" -p uniform \
		-n $((size * (SOAK ? 8 : 2))) 2>&1 | cat >"$TMP/run" &
	sim=$!
	wait_for 60 node_is_full
	while kill -0 $sim 2>/dev/null; do
		for p in s3fifo lru; do
			set=()
			[ $p = lru ] || set=(--set nid=2)
			OUT=$(cdmctl policy swap evict "$BPF/evict_$p.bpf.o" "${set[@]}" 2>&1) ||
				fail "swap to evict_$p: $OUT"
			swaps=$((swaps + 1))
		done
	done
	wait $sim || fail "simrun: $(cat "$TMP/run")"
	note "$swaps swaps"
	check_ge $swaps 4 "swaps while the device was at work"
	no_spill "swaps"
	check_eq "$(var sum)" "$(var writes)" "content after $swaps swaps"
	cdmctl policy unload evict >/dev/null || fail "unload"
}

# node_is_full - node 2 has begun to evict
node_is_full()
{
	[ "$(evicted 2)" -gt 2000 ]
}
