# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Pages that come back: counted by node and by time, kept by the kernel where no policy
# looks, and what is kept is bounded, and ends with who kept it.

# shellcheck source=selftests/prog_tests/access_lib.bash
. "$REPO/selftests/prog_tests/access_lib.bash"

# pingpongs NODE OTHER - pages
pingpongs()
{
	awk -v o="$2" '$1 == o { n = $2 } END { print n + 0 }' "$CDM/nodes/$1/pingpong"
}

# stays NODE COLUMN - folios in the histogram, 2 here, 3 away
stays()
{
	awk -v c="$2" '{ n += $c } END { print n + 0 }' "$CDM/nodes/$1/stay"
}

# timeout: 180
# a page that returns within the window is counted, by pair of nodes and traced
test_thrash_pingpong()
{
	balancing off
	echo 60000 >"$CDM/pingpong_ms"
	echo 0 >"$CDM/pingpong_keep_ms"
	echo 8192 >$TRACE/buffer_size_kb
	echo >$TRACE/trace
	echo 1 >$TRACE/events/cdm/cdm_pingpong/enable
	# Away and back is one; and there again is another.
	"$PROGS/moveme" -m nohuge move=1 >"$TMP/out" || fail "$(cat "$TMP/out")"
	check_eq "$(pingpongs 1 0)" 0 "after one move"
	"$PROGS/moveme" -m nohuge move=1 move=0 >"$TMP/out" || fail "$(cat "$TMP/out")"
	check_eq "$(pingpongs 1 0)" 256 "pages that came back to node 0"
	"$PROGS/moveme" -m nohuge move=1 move=0 move=1 >"$TMP/out" || fail "$(cat "$TMP/out")"
	check_eq "$(pingpongs 1 0)" 768 "... and to node 1"
	check_eq "$(stays 1 2) $(stays 1 3)" "512 256" "folios that moved on from node 1, that came back to it"
	# Between two managed nodes it is counted at both; in a circle nothing comes back.
	"$PROGS/moveme" -m nohuge move=1 move=2 move=1 >"$TMP/out" || fail "$(cat "$TMP/out")"
	check_eq "$(pingpongs 1 2) $(pingpongs 2 1)" "256 256" "pages between nodes 1 and 2"
	check_eq "$(pingpongs 1 0)" 768 "pages between nodes 1 and 0"
	check_eq "$(stat_of 1 pingpong) $(stat_of 2 pingpong)" "1024 256" "pages that the nodes count"
	echo 0 >$TRACE/events/cdm/cdm_pingpong/enable
	check_eq "$(grep -c 'cdm_pingpong: .*nid=0 from_nid=1' $TRACE/trace)" 512 "traced, to node 0"
	check_eq "$(grep -c 'cdm_pingpong: .*nid=1 from_nid=0' $TRACE/trace)" 256 "traced, to node 1"
	check_eq "$(grep -c 'cdm_pingpong: .*nid=1 from_nid=2' $TRACE/trace)" 256 "traced, from node 2"
	# Too late, and switched off.
	echo 500 >"$CDM/pingpong_ms"
	"$PROGS/moveme" -m nohuge move=1 use=3 move=0 >"$TMP/out" || fail "$(cat "$TMP/out")"
	echo 0 >"$CDM/pingpong_ms"
	"$PROGS/moveme" -m nohuge move=1 move=0 move=1 >"$TMP/out" || fail "$(cat "$TMP/out")"
	check_eq "$(pingpongs 1 0)" 768 "pages after the window, or without one"
}

# timeout: 60
# what cannot be a time is refused
test_thrash_window_refused()
{
	local f v

	for f in pingpong_ms pingpong_keep_ms; do
		for v in -1 60001 often; do
			! echo $v >"$CDM/$f" 2>/dev/null || fail "$v was taken for $f"
			check_match "$(cat "$CDM/last_error")" "$f: want milliseconds, 0 to 60000" "last_error"
		done
		check_eq "$(cat "$CDM/$f")" 1000 "$f"
	done
}

# bounced KEEP_MS - node 0's pages go to node 1, back, and there again; then a CPU uses them
# under NUMA balancing. Where they are is in $OUT
bounced()
{
	echo 60000 >"$CDM/pingpong_ms"
	echo "$1" >"$CDM/pingpong_keep_ms"
	OUT=$("$PROGS/moveme" -m nohuge move=1 move=0 move=1 use=$SECONDS_OF_USE where \
		move=0 where) || fail "$OUT"
}

# timeout: 180
# without a policy NUMA balancing does not take off what has come back; others do
test_thrash_default()
{
	bounced 0
	check_ge "$(on_first 0)" 1 "pages that NUMA balancing took to node 0, nothing kept"
	check_eq "$(stat_of 1 pingpong_kept)" 0 "pages kept"
	bounced 60000
	check_eq "$(stat_of 1 pingpong_kept)" 256 "pages kept"
	check_eq "$(on_first 1)" 256 "pages that stayed on node 1"
	check_eq "$(on 0)" 256 "pages that move_pages() moved all the same"
	# A policy that owns access decides, and not the kernel.
	echo 60000 >"$CDM/pingpong_ms"
	under -- "$PROGS/moveme" -m nohuge move=1 move=0 move=1 where
	check_eq "$(stat_of 1 pingpong_kept)" 256 "pages kept, with a policy"
}

# on_first NODE - pages that the first "where" found on it
on_first()
{
	awk -v n="$1" '$1 == "pages" && !past { if ($4 == n) v = $2; seen = 1 }
		$1 != "pages" && seen { past = 1 } END { print v + 0 }' <<<"$OUT"
}

# timeout: 180
# no more than half of a node is kept, whoever says so
test_thrash_keep_cap()
{
	local total half

	balancing off
	total=$(($(node_stat 1 MemTotal) / 4))
	half=$((total / 2))
	# Three quarters of the node are accessed there, and each page shall be kept.
	under access_answer=$((DENY | KEEP * 60000)) -- "$PROGS/moveme" -s $((total * 3)) -n 1 \
		-m nohuge dev=0,$((total * 3 / 4)),2097152,512,16,0x20 move=0 where
	check_ge "$(stat_of 1 keep_full)" 1 "folios that were not kept"
	check_ge $half "$(on 1)" "pages that were kept, at most half of $total"
	check_ge "$(on 1)" $((half - 1024)) "and not much less"
}

# policy_on HOW ANSWER - EVENTS gives it to each access, and will go in that way
policy_on()
{
	if [ "$1" = swapped ]; then
		OUT=$(cdmctl policy load "$EVENTS" --set access_answer="$2" --pin goes 2>&1) ||
			fail "$OUT"
		return
	fi
	rm -f "$TMP/policy"
	"$PROGS/attach" -t 600 -s access_answer="$2" "$EVENTS" >"$TMP/policy" 2>&1 &
	ATTACH=$!
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
}

# policy_goes HOW - away with it; swapped: for one that answers nothing
policy_goes()
{
	case $1 in
	detached)	kill -INT "$ATTACH" ;;
	swapped)	OUT=$(cdmctl policy swap goes "$EVENTS" 2>&1) || fail "$OUT" ;;
	killed)		kill -KILL "$ATTACH" ;;
	*)		fail "policy_goes $1" ;;
	esac
}

# policy_gone HOW
policy_gone()
{
	if [ "$1" = swapped ]; then
		OUT=$(cdmctl policy unload goes 2>&1) || fail "$OUT"
	else
		wait "$ATTACH" 2>/dev/null
	fi
	wait_for 20 eval '[ -z "$(ls "$CDM/policies")" ]'
}

# timeout: 180
# a policy goes, in each way: what it kept is free within a second
test_thrash_keep_ends()
{
	local how

	balancing off
	for how in detached swapped killed; do
		policy_on $how $((DENY | KEEP * 600000))
		"$PROGS/moveme" -n 1 -m nohuge dev=0,256,4096,1,64,0x20 move=0 where hold move=0 where \
			>"$TMP/moveme" &
		wait_ready "$TMP/moveme"
		OUT=$(cat "$TMP/moveme")
		check_eq "$(on 1)" 256 "pages that are kept"
		policy_goes $how
		sleep 1
		pkill -USR1 -x moveme
		wait_for 20 eval '! pgrep -x moveme >/dev/null'
		OUT=$(cat "$TMP/moveme")
		check_eq "$(on 0)" 256 "pages that moved after the policy was $how"
		policy_gone $how
	done
}

# sleepers - tasks that a policy's answer has put to sleep
sleepers()
{
	local pid

	for pid in $(pgrep -x moveme); do
		cat "/proc/$pid/wchan" 2>/dev/null
		echo
	done | grep -c '^throttle_sleep$'
}

# timeout: 180
# a policy goes, in each way, while tasks sleep: a second later nobody sleeps on
test_thrash_throttle_ends()
{
	local how i pids

	balancing off
	for how in detached swapped killed; do
		policy_on $how $((DENY | THROTTLE * 65535))
		# 512 armed pages each, that is 33 seconds of sleep.
		pids=()
		for i in 1 2 3 4; do
			"$PROGS/moveme" -s 2048 -n 1 -m nohuge dev=0,1,0,0,0,0x40 touch=0 >"$TMP/$i" &
			pids+=($!)
		done
		wait_for 60 eval '[ "$(sleepers)" -ge 3 ]'
		policy_goes $how
		sleep 1
		for i in 1 2 3 4 5; do
			check_eq "$(sleepers)" 0 "tasks that sleep on, policy $how"
		done
		for i in "${pids[@]}"; do
			wait "$i" || fail "a task that slept ended with $?, policy $how"
		done
		policy_gone $how
	done
}

# timeout: 120
# what came just now goes at once to who touches it, though no LRU list has it yet
test_thrash_turns()
{
	local moves

	balancing off
	echo 0 >"$CDM/pingpong_keep_ms"
	cdmctl policy load "$PROGS/thrash_none.bpf.o" --pin turns >/dev/null || fail "load"
	# The driver's thread is on the same CPU, in whose batch the page is.
	echo 0 >/sys/devices/system/cpu/cpu1/online
	moves=$(vmstat pgmigrate_success)
	OUT=$("$PROGS/thrashrun" -s 4 -n 60 -c 1000 -v 1000 -g 4096 -t 125 2>&1) || OUT="failed: $OUT"
	moves=$(($(vmstat pgmigrate_success) - moves))
	echo 1 >/sys/devices/system/cpu/cpu1/online
	cdmctl policy unload turns >/dev/null || fail "unload"
	[[ $OUT != failed:* ]] || fail "thrashrun $OUT"
	check_ge $moves 55 "moves of a page in 60 turns"
}

# timeout: 180
# a policy throttles all it can: its node's users sleep once an access, others do not
test_thrash_hostile()
{
	local n slept

	balancing off
	"$PROGS/attach" -t 600 -k -d n_access_events -s access_answer=$((DENY | THROTTLE * 65535)) \
		"$EVENTS" >"$TMP/policy" 2>&1 &
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
	"$PROGS/moveme" -n 0 -m nohuge slept use=10 slept >"$TMP/other" &
	OUT=$("$PROGS/moveme" -s 128 -n 1 -m nohuge slept dev=0,1,0,0,0,0x40 slept touch=0 slept) ||
		fail "$OUT"
	n=$(awk '$1 == "slept" { d = $2 - n; n = $2 } END { print d }' <<<"$OUT")
	check_eq "$(count armed)" 32 "pages that are armed"
	check_ge 34 "$n" "sleeps of 32 throttled accesses"
	check_ge "$n" 16 "and not many fewer"
	wait_for 60 eval '[ "$(grep -c ^slept "$TMP/other")" = 2 ]'
	slept=$(awk '$1 == "slept" { d = $2 - n; n = $2 } END { print d }' "$TMP/other")
	check_ge 5 "$slept" "sleeps of who does not use the node"
	pkill -INT -x attach
	wait_for 20 grep -q ^n_access_events "$TMP/policy"
	check_match "$(cat "$TMP/policy")" "^throttled 32\$" "what the policy's counter says"
}

# hostile SET... - who uses node 1 under a policy that moves all it uses, beside somebody who
# uses node 0: EVENTS, MOVED pages, SECONDS_RUN, and pages of the other that moved in OTHERS
hostile()
{
	local set=() v began=$SECONDS moved arm=dev=0,1,0,0,0,0x40

	for v; do
		set+=(-s "$v")
	done
	"$PROGS/moveme" -s 8192 -n 0 -m nohuge where use=12 where >"$TMP/other" &
	moved=$(vmstat pgmigrate_success)
	# Armed four times: a page whose move took longer than the policy waits is not armed
	# again by it.
	OUT=$("$PROGS/attach" -k -d n_events -d n_refused "${set[@]}" "$PROGS/hostile.bpf.o" \
		"$PROGS/moveme" -s 128 -n 1 -m nohuge $arm use=1 $arm use=1 $arm use=1 $arm use=1 \
		where 2>&1) ||
		fail "$*: $OUT"
	MOVED=$(($(vmstat pgmigrate_success) - moved))
	SECONDS_RUN=$((SECONDS - began + 1))
	EVENTS_SEEN=$(count n_events)
	wait_for 60 eval '[ "$(grep -c ^pages "$TMP/other")" = 2 ]'
	OTHERS=$(grep ^pages "$TMP/other" | sort -u)
	note "$*: $EVENTS_SEEN events, $MOVED pages moved in $SECONDS_RUN s; $(grep -E '^(used|overridden|full) ' <<<"$OUT" | tr '\n' ' ')"
	number "$EVENTS_SEEN" "events of $*"
	check_ge "$EVENTS_SEEN" 64 "events of $*"
	check_eq "$OTHERS" "pages 2048 node 0" "the pages of who does not use the node"
}

# timeout: 400
# a policy moves all at each access, in a circle or to and fro: an event is a page, no more
test_thrash_hostile_moves()
{
	balancing off
	echo 0 >"$CDM/pingpong_keep_ms"
	hostile
	check_le "$MOVED" "$EVENTS_SEEN" "pages moved at once, in a circle"
	check_ge "$MOVED" 32 "... and at all"
	hostile back_and_forth=1
	check_le "$MOVED" "$EVENTS_SEEN" "pages moved at once, to and fro"
	check_ge "$MOVED" 32 "... and at all"
	hostile queued=1
	check_le "$MOVED" "$EVENTS_SEEN" "pages moved later"
	check_ge "$MOVED" 32 "... and at all"
}

# timeout: 400
# a node's limit holds against a policy that moves all at each access, at once and later
test_thrash_hostile_limit()
{
	local n

	balancing off
	echo 0 >"$CDM/pingpong_keep_ms"
	for n in 1 2; do
		echo "32 32" >"$CDM/nodes/$n/move_limit"
	done
	hostile queued=1 back_and_forth=1
	check_le "$MOVED" $((2 * 32 * (SECONDS_RUN + 1))) "pages moved later, under limits of 32"
	hostile back_and_forth=1
	check_le "$MOVED" $((2 * 32 * (SECONDS_RUN + 1))) "pages moved at once, under limits of 32"
	check_ge "$(count overridden)" 1 "answers that the limit overrode"
	for n in 1 2; do
		echo max >"$CDM/nodes/$n/move_limit"
	done
}
