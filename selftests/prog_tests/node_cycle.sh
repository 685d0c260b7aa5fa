# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --nodes 2048,512,512,256
#
# Nodes come and go many times, under load and with policies that are attached, swapped
# and killed at random, and nothing is lost: pages in use against the number of the cycle
# show no slope. What fails half-way leaves nothing either.

NODE=/sys/devices/system/node
PIN=/sys/fs/bpf/cdm/cycle

setup()
{
	echo offline >/sys/devices/system/memory/auto_online_blocks
	check_eq "$(ls "$CDM/nodes")" "" "managed nodes before the test"
}

teardown()
{
	pkill -9 -x 'simrun|cdmctl'; pkill -9 -x movewatch
	no_policy
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
}

# in_use - pages of node 0 in use, but for what is given back when it is asked for
in_use()
{
	local cache

	cache=$(awk '/^(Buffers|Cached|SReclaimable):/ { n += $2 } END { print n / 4 }' /proc/meminfo)
	echo $(($(node_used 0) - cache))
}

# gone - as if there had never been a driver
gone()
{
	check_eq "$(cat $NODE/has_memory)" 0 "nodes with memory"
	check_eq "$(ls "$CDM/nodes")" "" "managed nodes"
	! grep -q 'System RAM (' /proc/iomem || fail "memory of a driver in /proc/iomem"
}

no_policy()
{
	[ ! -e $PIN ] || cdmctl policy unload cycle >"$TMP/unload" 2>&1 || fail "$(cat "$TMP/unload")"
}

# policy_at_random - one is loaded, swapped, unloaded, or dies with its loader
policy_at_random()
{
	local files=(nop place_accessor evict_fifo)
	local file=$REPO/build/bpf/${files[RANDOM % 3]}.bpf.o set=()

	[[ $file != *evict_fifo* ]] || set=(--set nid=$((1 + RANDOM % 3)))
	case $((RANDOM % 4)) in
	0)	no_policy
		cdmctl policy load "$file" "${set[@]}" --node all --pin cycle ;;
	1)	[ ! -e $PIN ] || cdmctl policy swap cycle "$file" "${set[@]}" ;;
	2)	[ ! -e $PIN ] || cdmctl policy unload cycle ;;
	3)	no_policy
		cdmctl policy load "$file" "${set[@]}" --node all --wait &
		sleep 0.$((RANDOM % 5))
		kill -9 $!
		wait $! 2>/dev/null ;;
	esac >"$TMP/policy" 2>&1
	return 0
}

cycle()
{
	local watch n=$((1 + RANDOM % 3))

	rm -f "$TMP/watch"
	mod_load cdm_sim
	policy_at_random
	"$PROGS/simrun" -s 8192 -d "/dev/cdm_sim$((RANDOM % 3))" >"$TMP/sim1" 2>&1 ||
		fail "simrun: $(cat "$TMP/sim1")"
	"$PROGS/movewatch" $n 4096 >"$TMP/watch" 2>&1 &
	watch=$!
	wait_for 60 grep -q . "$TMP/watch"
	policy_at_random
	cdmctl node drain $n >"$TMP/drain" 2>&1 || fail "drain: $(cat "$TMP/drain")"
	if [ $((RANDOM % 2)) = 0 ]; then
		cdmctl node online $n >"$TMP/online" 2>&1 || fail "online: $(cat "$TMP/online")"
		"$PROGS/simrun" -s 8192 -d "/dev/cdm_sim$((n - 1))" >"$TMP/sim2" 2>&1 ||
			fail "simrun: $(cat "$TMP/sim2")"
	fi
	kill -INT $watch
	wait $watch || fail "movewatch: $(cat "$TMP/watch")"
	mod_unload cdm_sim
	gone
}

# slope FILE - of a line through its second column, by least squares, after the first few
slope()
{
	awk -v skip="$2" '
	$1 > skip	{ n++; x += $1; y += $2; xx += $1 * $1; xy += $1 * $2 }
	END		{ printf "%.2f\n", (n * xy - x * y) / (n * xx - x * x) }' "$1"
}

# load, online, use under load, drain, unload: 20 times (1,000 in soak), nothing is lost
# timeout: 300
test_node_cycles()
{
	local i cycles=20 skip=5 rise

	# There one takes a minute or two.
	[ "$DEBUG_GUEST" = 0 ] || cycles=6 skip=2
	[ "$SOAK" = 0 ] || cycles=1000 skip=100
	for ((i = 1; i <= cycles; i++)); do
		cycle
		no_policy
		settle
		echo "$i $(in_use) $(awk '/^SUnreclaim:/ { print $2 / 4 }' /proc/meminfo)" >>"$TMP/used"
	done
	rise=$(slope "$TMP/used" $skip)
	note "pages in use rise by $rise a cycle, unreclaimable slab by $(awk '{ print $1, $3 }' "$TMP/used" >"$TMP/slab"; slope "$TMP/slab" $skip)"
	# A straight line through a few points that go up and down by a hundred pages has a
	# slope of its own. One node's per-folio state alone would be 1024 pages a cycle.
	rise=${rise%.*}
	# In the debug guest kmemleak looks: what is freed waits there in KASAN's quarantine,
	# and each new call path is remembered, so that six cycles say nothing.
	[ "$DEBUG_GUEST" = 0 ] || return 0
	check_le "${rise#-}" $((SOAK ? 1 : 32)) "pages a cycle"
}

# failnth N CALL... - in $OUT what it said; false once N is more than there is to fail
failnth()
{
	OUT=$("$PROGS/failnth" "$@" 2>&1) || fail "failnth $*: $OUT"
	[[ $OUT == *reached* ]]
}

# each allocation fails in turn: a node is online, or gone, or as it was, never in between
# timeout: 300
test_node_fail_nth()
{
	local n step=83 tries=0 fails=0 ko online

	[ -w /proc/self/fail-nth ] || skip "a kernel without fault injection"
	[ "$SOAK" = 0 ] || step=1
	# In reclaim, and for GFP_NOWAIT, everybody is prepared; sleeping ones are the point.
	echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
	ko=$(mod_path cdm_sim)
	for ((n = 1; ; n += step)); do
		failnth $n insmod "$ko" "nodes=2 mib=128" || break
		tries=$((tries + 1))
		if [ -e "$CDM/nodes/2" ]; then
			check_eq "$(cat "$CDM/nodes/2/state")" online "state after allocation $n failed"
			check_eq "$(node_stat 2 MemTotal)" $((128 * 1024)) "kB after allocation $n failed"
		else
			fails=$((fails + 1))
			gone
		fi
		! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
		gone
	done
	note "registration: $tries allocations failed one by one, $fails kept the node away"
	check_ge $tries 10 "allocations that failed"
	[ -e "$CDM/nodes/2" ] || mod_load cdm_sim "nodes=2 mib=128"
	tries=0 fails=0
	for ((n = 1; ; n += step)); do
		failnth $n write "$CDM/drain" "2 timeout=20000" || break
		tries=$((tries + 1))
		case $(cat "$CDM/nodes/2/state") in
		online)	fails=$((fails + 1))
			check_eq "$(node_stat 2 MemTotal)" $((128 * 1024)) "kB after a drain that failed"
			continue ;;
		offline) ;;
		*)	fail "state $(cat "$CDM/nodes/2/state") after allocation $n failed" ;;
		esac
		failnth $n write "$CDM/online" 2
		online=$(cat "$CDM/nodes/2/state")
		[ "$online" = online ] || echo 2 >"$CDM/online" || fail "online after allocation $n failed"
	done
	note "drains: $tries allocations failed one by one, $fails kept the node"
	check_none_isolated
	[ "$(cat "$CDM/nodes/2/state")" = online ] || echo 2 >"$CDM/online"
	mod_unload cdm_sim
	gone
}
