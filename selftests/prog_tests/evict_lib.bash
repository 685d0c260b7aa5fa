# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the files evict*.sh share: a node that is used beyond what it holds, and two
# observers that say whether anything was placed elsewhere.

# shellcheck source=selftests/prog_tests/move_lib.bash
. "$REPO/selftests/prog_tests/move_lib.bash"

# shellcheck disable=SC2034 # for the tests
EVICT=$PROGS/evict.bpf.o
WATCH=$PROGS/watch_place.bpf.o
KB=				# of node 2
MARKS=				# its watermarks

# evict_setup, evict_teardown - what setup and teardown of these files do
evict_setup()
{
	local n

	nodes_up
	thp_off
	KB=$(node_stat 2 MemTotal)
	[ -n "$MARKS" ] || MARKS=$(<"$CDM/nodes/2/watermarks")
	# Page cache of programs goes where their first user's mempolicy says, and stays.
	for n in 1 2; do
		numactl --membind=$n "$PROGS/touch" -s 4 >/dev/null || fail "touch on node $n"
		# ... and leaves with the rest, so that it does not in a test. Not all can.
		echo 1G >"$CDM/nodes/$n/evict" 2>/dev/null
	done
	baseline
}

evict_teardown()
{
	local job

	for job in $(jobs -p); do
		kill "$job" 2>/dev/null
	done
	echo 1 >$CG/cgroup.kill
	wait 2>/dev/null
	for job in "$CG"/*/; do
		[ ! -d "$job" ] || rmdir "$job"
	done
	lru classic
	echo 60 >/proc/sys/vm/swappiness
	swapoff -a
	echo 0 >"$NODE/node0/$HUGE/nr_hugepages"
	echo "$MARKS" >"$CDM/nodes/2/watermarks"
	at_baseline
}

# stat NODE KEY - of the node's counters
stat_of()
{
	awk -v k="$2" '$1 == k { print $2 }' "$CDM/nodes/$1/stats"
}

# evicted NODE - pages that left, whoever made room
evicted()
{
	awk '$1 ~ /^evicted_/ { n += $2 } END { print n + 0 }' "$CDM/nodes/$1/stats"
}

# var NAME [N] - of the attached policy's variables, as attach -d printed them
var()
{
	awk -v k="$1" -v i="${2:-0}" '$1 == k { print $(i + 2) }' "$TMP/run" | tail -n 1
}

# percent P - P/100 of node 2, in KiB
percent()
{
	echo $((KB / 4 * $1 / 100 * 4))
}

# What a program in the test's cgroup writes goes through a pipe: a file in tmpfs would
# be charged to the cgroup.
IN_GROUP=(bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$CG")

# squeeze PERCENT ATTACH-ARGS... -- TOUCH-ARGS... - so much of node 2, with the policy
# set as ATTACH-ARGS say; its output is in $TMP/run
squeeze()
{
	local size args=()

	size=$(percent "$1")
	shift
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	"$PROGS/attach" -s place_nid=2 -d n_reclaim -d n_offered -d n_shown \
		-d n_shown_pages -d n_evicted -d n_evict_failed -d n_wrong -d max_order \
		-d n_verdict -d n_propose -d n_kept -d n_why "${args[@]}" "$EVICT" -- \
		"$PROGS/watch_place" -o "$TMP/watch" "$WATCH" -- \
		"${IN_GROUP[@]}" "$PROGS/touch" -c -s "$size" "${@:2}" 2>&1 |
		cat >"$TMP/run" || fail "touch: $(cat "$TMP/run")"
}

# oversubscribe PERCENT ARGS... - a CPU touches so much of node 2 for a policy
#
# Nothing may come from elsewhere; what touch says is in $TMP/touch.
oversubscribe()
{
	local before size spilled

	size=$(percent "$1")
	before=$(evicted 2) spilled=$(stat_of 2 spilled)
	squeeze "$1" -- "${@:2}"
	no_spill "$1 % $*"
	check_ge "$(placed)" $((size / 4)) "pages placed on node 2, $1 %"
	check_ge $(($(evicted 2) - before)) $(((size - KB) / 4)) "pages evicted, $1 %"
	check_eq "$(stat_of 2 spilled)" "$spilled" "spilled, by the node's own count"
	check_eq "$(awk '$1 == "absent" { print $2 }' "$TMP/run")" "" "pages absent"
	check_ge "$(var n_reclaim)" 1 "calls of reclaim"
	check_eq "$(var n_wrong)" 0 "candidates that are not what they are said to be"
}

# placed - pages that are where place said
placed()
{
	awk '
	{ for (i = 1; i < NF; i++) if ($i == "same") n += $(i + 1) * 2 ^ $4 }
	END { print n + 0 }' "$TMP/watch"
}

# no_spill WHAT - of all small folios that were asked for, none is elsewhere
no_spill()
{
	check_match "$(cat "$TMP/watch")" '^total asked [1-9]' "faults seen, $1"
	check_match "$(cat "$TMP/watch")" ' lost 0$' "events lost, $1"
	check_eq "$(awk '$4 == 0 && /failed/ { for (i = 1; i < NF; i++)
		if ($i == "failed" || $i == "differ") n += $(i + 1) } END { print n + 0 }' "$TMP/watch")" \
		0 "small folios elsewhere than answered, $1: $(cat "$TMP/watch")"
}

# swap_on - zram, for what is swapped in spite of all
swap_on()
{
	[ "$(cat /sys/block/zram0/disksize)" != 0 ] ||
		echo 2G >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null || fail "mkswap /dev/zram0"
	swapon /dev/zram0 || fail "swapon /dev/zram0"
}

# lru classic|mglru
lru()
{
	[ "$1" = mglru ] && echo Y >/sys/kernel/mm/lru_gen/enabled ||
		echo N >/sys/kernel/mm/lru_gen/enabled
}

# touched NODE - pages there, as touch found them
touched()
{
	awk -v n="$1" '$1 == "pages" && $4 == n { print $2 }' "$TMP/run"
}
