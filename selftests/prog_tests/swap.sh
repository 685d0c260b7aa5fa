# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# One policy takes another's place while pages are being faulted.
#
# A swap has no gap: every fault is asked about, by the old policy or by the
# new, and never by both. swapper knows how many faults it made, both policies
# count their calls, a tracing program counts the kernel's dispatches, and
# move_pages() says where the pages were.

COUNT=$PROGS/swap_count.bpf.o

is_online()
{
	[ "$(cat "$CDM/nodes/$1/state" 2>/dev/null)" = online ]
}

setup()
{
	[ -d /sys/module/cdm_sim ] || mod_load cdm_sim
	wait_for 20 is_online 1
	wait_for 20 is_online 2
}

# Nothing of a test that failed half-way stays for the next
teardown()
{
	local job

	for job in $(jobs -p); do
		kill "$job" 2>/dev/null
	done
	wait 2>/dev/null
	[ ! -e /sys/fs/bpf/cdm/swap_test ] || "$CDMCTL" policy unload swap_test
}

# num NAME - a number of swapper's
num()
{
	awk -v k="$1" '$1 == k { print $2 }' "$TMP/swap"
}

at_node()
{
	awk -v n="$1" '$1 == "node" && $2 == n { v = $3 } END { print v + 0 }' "$TMP/swap"
}

swapper()
{
	"$PROGS/swapper" "$@" "$COUNT" >"$TMP/swap" 2>&1 ||
		fail "swapper $*: $(cat "$TMP/swap")"
	note "swapper $*: $(tr '\n' ' ' <"$TMP/swap")"
}

# timeout: 3000
# A thousand swaps under load (ten thousand in soak): no fault without a policy
test_swap_no_gap()
{
	local swaps=1000 calls

	[ "$SOAK" = 0 ] || swaps=10000
	swapper -n $swaps
	calls=$(($(num calls_a) + $(num calls_b)))
	check_eq "$(num swaps)" $swaps "swaps"
	check_eq $calls "$(num faults)" "calls that both policies counted, of all faults"
	check_eq "$(num traced)" "$(num faults)" "dispatches that the kernel made"
	check_eq "$(num traced_nobody)" 0 "dispatches to nobody"
	check_eq $(($(at_node 1) + $(at_node 2))) "$(num faults)" "pages on the answered nodes"
	check_eq "$(at_node 0)" 0 "pages where the default would have put them"
	# Both were at work, else the sum shows nothing.
	check_ge "$(num calls_a)" $swaps "calls of the first policy"
	check_ge "$(num calls_b)" $swaps "calls of the second policy"
	# Every attach has its init(), every swap its exit().
	check_eq "$(num init_a)" $((swaps / 2 + 1)) "init() of the first"
	check_eq "$(num exit_a)" $((swaps / 2 + 1)) "exit() of the first"
	check_eq "$(num init_b)" $((swaps / 2)) "init() of the second"
	check_eq "$(num exit_b)" $((swaps / 2)) "exit() of the second"
	check_eq "$(ls "$CDM/policies")" "" "policies left"
}

# timeout: 400
# The same with unload and load: there is a gap, and the same counts show it
test_swap_unload_load_has_gap()
{
	local calls

	swapper -n 100 -u
	calls=$(($(num calls_a) + $(num calls_b)))
	check_le $calls $(($(num faults) - 512)) "calls, of all faults"
	check_ge "$(at_node 0)" 512 "pages where the default puts them"
	# And yet each call was counted where it was made.
	check_eq "$(num traced)" $calls "dispatches that the kernel made"
	check_eq $(($(at_node 1) + $(at_node 2))) $calls "pages on the answered nodes"
}

# timeout: 400
# Two policies that share one map of counts lose none of them
test_swap_shared_map()
{
	swapper -n 100 -m
	check_eq "$(num calls_a)" "$(num faults)" "calls in the shared map"
	check_eq "$(num calls_b)" "$(num faults)" "calls in the shared map, by its other name"
}

# map_calls ID - the calls that a map "counts" holds, of all CPUs
map_calls()
{
	"$BUILD/tools/bpftool" -j map dump id "$1" |
		grep -o '"calls":[0-9]*' | awk -F: '{ n += $2 } END { print n + 0 }'
}

# counts_maps - ids of the maps that are called counts
counts_maps()
{
	"$BUILD/tools/bpftool" map show | awk '/ name counts / { sub(":", "", $1); print $1 }'
}

ctl()
{
	"$CDMCTL" policy "$@" >"$TMP/ctl" 2>&1 ||
		fail "cdmctl policy $*: $(cat "$TMP/ctl")"
}

# timeout: 400
# A counter in a map that is handed over goes on across the swap
test_swap_hand_over()
{
	local before id

	ctl load --pin swap_test "$COUNT"
	"$PROGS/touch" -s 4096 -m nohuge >/dev/null
	id=$(counts_maps)
	before=$(map_calls "$id")
	check_ge "$before" 1024 "calls before the swap"

	ctl swap --maps counts swap_test "$COUNT"
	"$PROGS/touch" -s 4096 -m nohuge >/dev/null
	check_eq "$(counts_maps)" "$id" "maps after the swap"
	check_ge "$(map_calls "$id")" $((before + 1024)) "calls after the swap"

	# Its twin: not handed over, the new policy begins at nothing.
	ctl swap swap_test "$COUNT"
	check_le "$(map_calls "$(counts_maps)")" $((before + 1023)) "calls in a new map"
	ctl unload swap_test
	check_eq "$(ls "$CDM/policies")" "" "policies left"
}

# timeout: 400
# Maps of another version are not taken over, and the old policy stays
test_swap_version_mismatch()
{
	local id policy

	ctl load --pin swap_test "$COUNT"
	id=$(counts_maps)
	policy=$(ls "$CDM/policies")
	expect_fail "$CDMCTL" policy swap --maps counts --set cdm_map_version=8 \
		swap_test "$COUNT"
	check_match "$OUT" 'version' "words of the refusal"
	check_eq "$(ls "$CDM/policies")" "$policy" "the policy that is attached"
	check_eq "$(counts_maps)" "$id" "maps"
	# The same without the maps is no reason to refuse.
	ctl swap --set cdm_map_version=8 swap_test "$COUNT"
	ctl unload swap_test
}
