# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A node's memory leaves as a whole, under load, or says what holds it; and comes back.
# Content is compared byte by byte, and after each test nothing may be left: no page
# isolated, charged or referred to (move_lib.bash).

# shellcheck source=selftests/prog_tests/move_lib.bash
. "$REPO/selftests/prog_tests/move_lib.bash"

setup()
{
	nodes_up
	thp_off
	baseline
}

teardown()
{
	local f n

	[ -s "$TMP/.failed" ] || stop
	[ -s "$TMP/.failed" ] || at_home
	end_all
	pkill -9 -x 'simrun|attach'
	pkill -9 -x movewatch
	swapoff -a
	for f in "$NODE"/node*/"$HUGE"/nr_hugepages; do
		echo 0 >"$f"
	done
	for n in 1 2; do
		[ "$(cat "$CDM/nodes/$n/state" 2>/dev/null)" != offline ] ||
			cdmctl node online $n >/dev/null
	done
	[ ! -d $CG ] || rmdir $CG
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
}

# at_home - all is online and as it was before the test, but for memory that was removed
at_home()
{
	local n

	for n in 1 2; do
		[ ! -e "$CDM/nodes/$n" ] || [ "$(cat "$CDM/nodes/$n/state")" != offline ] ||
			cdmctl node online $n >/dev/null
	done
	(at_baseline)
}

# state N WANT
state()
{
	check_eq "$(cat "$CDM/nodes/$1/state")" "$2" "node $1's state"
}

# drain N ARGS... - must succeed
drain()
{
	cdmctl node drain "$@" >"$TMP/drain" 2>&1 || fail "cdmctl node drain $*: $(cat "$TMP/drain")"
	state "$1" offline
	[ ! -e "$NODE/node$1" ] || check_eq "$(node_stat "$1" MemTotal)" 0 "node $1's memory in kB"
}

# drain_fails N ARGS... - must not, and all is as it was
drain_fails()
{
	local before

	before=$(node_stat "$1" MemTotal)
	expect_fail cdmctl node drain "$@"
	state "$1" online
	check_eq "$(node_stat "$1" MemTotal)" "$before" "node $1's memory in kB after it stayed"
	for b in "$NODE/node$1"/memory[0-9]*; do
		check_eq "$(cat "$b/valid_zones")" Movable "zone of ${b##*/}"
	done
}

# online N MIB - must succeed
online()
{
	cdmctl node online "$1" >"$TMP/online" 2>&1 || fail "cdmctl node online $1: $(cat "$TMP/online")"
	state "$1" online
	check_eq "$(node_stat "$1" MemTotal)" $(($2 * 1024)) "node $1's memory in kB"
}

# held N - a page of node N that a pipe refers to, until unheld
held()
{
	"$PROGS/simrun" -d "/dev/cdm_sim$(($1 - 1))" -k pipe -H 1000 >"$TMP/held" &
	HOLDER=$!
	wait_for 60 grep -q ^top "$TMP/held"
}

unheld()
{
	kill $HOLDER
	wait $HOLDER 2>/dev/null
}

# what is on the node goes to the CPUs' node, unharmed, and the node comes back
# timeout: 120
test_node_drain()
{
	start anon 8192
	moves "moved=2048" 2
	drain 2
	on_node 0 2048
	intact "a drain"
	check_match "$(cat "$TMP/drain")" "node 2 is drained" "what cdmctl says"
	# The device is still there, its node has no memory.
	OUT=$("$PROGS/simrun" -d /dev/cdm_sim1 -s 4096 2>&1) || fail "simrun: $OUT"
	check_eq "$(word resident_0)" 1024 "pages of a device without memory"
	expect_fail cdmctl node drain 2
	check_match "$OUT" "none of its memory is online" "a second drain"
	online 2 512
	moves "moved=2048" 2
	intact "a move to the node after it came back"
	expect_fail cdmctl node online 2
	check_match "$OUT" "it is online, not offline" "online twice"
}

# every kind of memory leaves: shmem, mlocked, huge pages, fork-shared
# timeout: 240
test_node_drain_kinds()
{
	local kind

	echo always >$THP/hugepages-2048kB/enabled
	echo always >$THP/hugepages-2048kB/shmem_enabled
	echo 4 >"$NODE/node0/$HUGE/nr_hugepages"
	for kind in "shmem 4096" "thp 8192" "anon 1024 mlock" "anon 1024 fork" "hugetlb 4096"; do
		read -ra kind <<<"$kind"
		[ "${kind[0]}" != hugetlb ] || echo 4 >"$NODE/node2/$HUGE/nr_hugepages"
		start "${kind[@]:0:2}"
		[ -z "${kind[2]:-}" ] || ask "${kind[2]}"
		moves "moved=$PAGES" 2 --shared
		drain 2
		on_node 0 "$PAGES"
		intact "a drain of ${kind[*]}"
		online 2 512
		stop
	done
}

# the nodes that take it: those named, in order, and no others
# timeout: 120
test_node_drain_to()
{
	local bad

	start anon 4096
	moves "moved=1024" 2
	drain 2 --to 1
	on_node 1 1024
	online 2 512
	# What eviction would do, too.
	echo 2 >"$CDM/nodes/1/evict_targets"
	drain 1
	on_node 2 1024
	intact "two drains"
	for bad in "2 --to 2" "2 --to 1" "2 --to 63" "2 --to 0,x"; do
		# shellcheck disable=SC2086 # words
		expect_fail cdmctl node drain $bad
		check_match "$OUT" "itself|no memory|not a number" "drain $bad"
	done
	state 2 online
	online 1 1024
}

# a page that somebody refers to: it is named, all stays; when it is free, it goes
# timeout: 180
test_node_drain_held()
{
	local begin=$SECONDS

	held 2
	drain_fails 2 --timeout 3
	check_le $((SECONDS - begin)) 60 "seconds until it gave up"
	check_match "$OUT" "pages left: .*busy" "what is left"
	check_match "$OUT" " busy .* $HOLDER \(simrun\)" "who maps it"
	check_match "$(cat "$CDM/nodes/2/left")" "^page 0x[0-9a-f]+\+1 busy $HOLDER\$" "nodes/2/left"
	OUT=$("$PROGS/simrun" -d /dev/cdm_sim1 -s 4096 2>&1) || fail "simrun: $OUT"
	check_eq "$(word resident_2)" 1024 "pages on the node after it stayed"
	# Now without a limit: it waits.
	cdmctl node drain 2 >"$TMP/wait" 2>&1 &
	wait_for 30 grep -qx draining "$CDM/nodes/2/state"
	sleep 2
	state 2 draining
	unheld
	wait $! || fail "drain after the page was let go: $(cat "$TMP/wait")"
	state 2 offline
	check_eq "$(cat "$CDM/nodes/2/left")" "" "nodes/2/left in the end"
	online 2 512
}

# what a pipe alone refers to: the holder is unknown, and said to be
# timeout: 120
test_node_drain_unknown()
{
	mkfifo "$TMP/pipe"
	exec 8<>"$TMP/pipe"
	start anon 64 "$TMP/pipe"
	moves "moved=16" 2
	ask splice
	stop
	drain_fails 2 --timeout 2
	check_match "$OUT" "busy +holder unknown" "a page that nobody maps"
	exec 8>&-
	rm "$TMP/pipe"
	drain 2
	online 2 512
}

# no room elsewhere: it says so and nobody is killed; it goes once there is
# timeout: 180
test_node_drain_no_room()
{
	local kills

	start anon $((256 * 1024))
	moves "moved=65536" 2
	echo 3 >/proc/sys/vm/drop_caches
	echo $((($(node_stat 0 MemFree) / 1024 - 160) / 2)) >"$NODE/node0/$HUGE/nr_hugepages"
	kills=$(vmstat oom_kill)
	drain_fails 2 --timeout 4 --to 0
	check_match "$OUT" "no-room" "what is left"
	check_eq "$(vmstat oom_kill)" "$kills" "OOM kills"
	ask where
	on_node 2 $((65536 - $(word node 0)))
	intact "a drain without room"
	echo 0 >"$NODE/node0/$HUGE/nr_hugepages"
	drain 2
	on_node 0 65536
	intact "a drain with room"
	online 2 512
}

# a signal: all is as it was
# timeout: 120
test_node_drain_signal()
{
	held 2
	cdmctl node drain 2 >"$TMP/out2" 2>&1 &
	wait_for 30 grep -qx draining "$CDM/nodes/2/state"
	kill -TERM $!
	wait $! && fail "a drain that was killed succeeded"
	wait_for 20 is_online 2
	unheld
	drain 2
	online 2 512
}

# while it drains: a second drain and bringing it online are refused, a mode may change
# timeout: 120
test_node_drain_twice()
{
	held 2
	cdmctl node drain 2 >"$TMP/out2" 2>&1 &
	wait_for 30 grep -qx draining "$CDM/nodes/2/state"
	expect_fail cdmctl node drain 2
	check_match "$OUT" "it is being drained already" "a second drain"
	expect_fail cdmctl node online 2
	check_match "$OUT" "it is draining, not offline" "online meanwhile"
	expect_fail cdmctl page move --pid $HOLDER --range 0x1000-0x2000 --to 2
	echo open >"$CDM/nodes/2/mode" || fail "mode while it drains"
	echo closed >"$CDM/nodes/2/mode"
	unheld
	wait $! || fail "the first drain: $(cat "$TMP/out2")"
	state 2 offline
	online 2 512
}

# its driver goes while it is drained: the drain ends, the unloading goes on
# timeout: 120
test_node_drain_unload()
{
	held 2
	exec 9<&-
	cdmctl node drain 2 >"$TMP/out2" 2>&1 &
	wait_for 30 grep -qx draining "$CDM/nodes/2/state"
	rmmod cdm_sim 2>"$TMP/rmmod" &
	sleep 2
	wait %cdmctl 2>/dev/null
	unheld
	wait
	check_match "$(cat "$TMP/out2")" "cannot drain node 2" "the drain"
	! grep -q '^cdm_sim ' /proc/modules || fail "the module is still there: $(cat "$TMP/rmmod")"
	check_eq "$(ls "$CDM/nodes")" "" "managed nodes"
	mod_load cdm_sim
	state 2 online
	# Unloaded while it is drained: its memory has gone already.
	drain 2
	mod_unload cdm_sim
	check_eq "$(ls "$CDM/nodes")" "" "managed nodes after unloading a drained one"
	nodes_up
}

# while a device works on the node, and processes that prefer it come and go
# timeout: 180
test_node_drain_load()
{
	local i=0 watch

	(while :; do "$PROGS/simrun" -d /dev/cdm_sim1 -s 16384 -p uniform -n 20000; done >"$TMP/sim" 2>&1) &
	LOAD=$!
	numactl --preferred=2 bash -c 'while :; do head -c 1M /dev/zero | tail -c 1; done' >/dev/null &
	LOAD+=" $!"
	"$PROGS/movewatch" 2 4096 >"$TMP/watch" 2>&1 &
	watch=$!
	wait_for 60 grep -q ready "$TMP/watch"
	while [ $i -lt 3 ]; do
		i=$((i + 1))
		drain 2 --timeout 60
		online 2 512
	done
	# shellcheck disable=SC2086 # a list
	kill $LOAD
	pkill -x simrun
	kill -INT $watch
	wait $watch || fail "movewatch: $(cat "$TMP/watch")"
}

# in a storm of forks and copies on write
# timeout: 180
test_node_drain_fork()
{
	local i=0 n

	# Each child writes to what it shares with its parent, which lies on the node, and copies it.
	# shellcheck disable=SC2016 # the inner shell's
	numactl --preferred=2 bash -c 'x=$(head -c 2M /dev/zero | tr "\0" x)
		while :; do for i in 1 2 3; do (echo >&9; x+=$i; y=$x) & done; wait; done' \
		9>"$TMP/forks" &
	LOAD=$!
	# On a host with other work a drain may be over before the next child: it does not count.
	while [ $i -lt 3 ]; do
		wait_for 60 eval '[ $(node_used 2) -gt 512 ]'
		n=$(stat -c %s "$TMP/forks")
		drain 2 --timeout 60
		[ "$(stat -c %s "$TMP/forks")" -le "$n" ] || i=$((i + 1))
		online 2 512
	done
	kill $LOAD
	wait $LOAD
	check_none_isolated
}

# while the node evicts: a device works on more than it holds
# timeout: 240
test_node_drain_evict()
{
	evicted()
	{
		awk '/^evicted_/ { n += $2 } END { print n }' "$CDM/nodes/2/stats"
	}
	"$PROGS/simrun" -d /dev/cdm_sim1 -s $((640 * 1024)) -p uniform -n 100000000 >"$TMP/sim" 2>&1 &
	LOAD=$!
	wait_for 120 eval '[ $(evicted) -gt 4096 ]'
	drain 2 --timeout 120
	kill -0 $LOAD 2>/dev/null || fail "the device is not at work any more: $(cat "$TMP/sim")"
	kill $LOAD
	wait $LOAD
	online 2 512
}

# policies are asked, told, and may veto; each change of state is traced and a uevent
# timeout: 120
test_node_drain_told()
{
	local trace=/sys/kernel/tracing

	"$PROGS/attach" -t 600 -d n_online -d n_offline -s veto_offline=0 \
		"$PROGS/events.bpf.o" >"$TMP/policy" 2>&1 &
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
	echo >$trace/trace
	echo 1 >$trace/events/cdm/cdm_node_state/enable
	before=$(cat /sys/kernel/uevent_seqnum)
	held 2
	drain_fails 2 --timeout 1
	unheld
	drain 2
	online 2 512
	echo 0 >$trace/events/cdm/cdm_node_state/enable
	check_eq "$(grep -o 'nid=2 .*' $trace/trace | sed 's/nid=2 //' | paste -sd,)" \
		"online -> draining,draining -> online,online -> draining,draining -> offline,offline -> going-online,going-online -> online" \
		"changes of state"
	check_ge $(($(cat /sys/kernel/uevent_seqnum) - before)) 6 "uevents"
	pkill -INT -x attach
	wait
	# Two nodes were there before; prepare done cancelled replay.
	check_match "$(cat "$TMP/policy")" "^n_online 1 1 0 2\$" "node_online"
	check_match "$(cat "$TMP/policy")" "^n_offline 2 1 1 0\$" "node_offline"

	"$PROGS/attach" -t 600 -s veto_offline=-1 "$PROGS/events.bpf.o" >"$TMP/policy" 2>&1 &
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
	drain_fails 2
	check_match "$OUT" "node_offline vetoed by policy events" "a veto"
	pkill -INT -x attach
	wait
}

# an orphan is drained and gone; the driver then comes with another range
# timeout: 120
test_node_drain_orphan()
{
	held 2
	exec 9<&-
	timeout -s INT 3 rmmod cdm_sim
	state 2 orphaned
	unheld
	cdmctl node drain 2 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	[ ! -e "$CDM/nodes/2" ] || fail "an orphan that was drained is still there"
	nodes_up
}

# what drain and online refuse, in words
test_node_drain_refused()
{
	local text re

	while read -r text re; do
		expect_fail bash -c "echo '${text//_/ }' >$CDM/drain"
		check_match "$(cat "$CDM/last_error")" "$re" "drain ${text//_/ }"
	done <<-END
	0 cannot drain node 0: it is not managed
	-1 cannot drain node -1: it is not managed
	100000 cannot drain node 100000: it is not managed
	two want 'N \[timeout=MS\] \[to=N,N...\]'
	2_timeout=x 'timeout=x' is not 'timeout=MS'
	2_timeout=4294967295 'timeout=4294967295' is not
	2_to= '' is not the number of a node
	2_to=1,1,1,1,1,1,1,1,1 at most 8 nodes can be named
	2_to=2 cannot be drained to itself
	2_to=5 which has no memory
	2_now 'now' is not
	END
	expect_fail bash -c "echo 0 >$CDM/online"
	check_match "$(cat "$CDM/last_error")" "cannot bring online node 0: it is not managed" "online 0"
	expect_fail setpriv --reuid 65534 --clear-groups bash -c "echo 2 >$CDM/drain"
	state 2 online
	expect_fail cdmctl node drain
	check_match "$OUT" "a node is needed" "no node"
	expect_fail cdmctl node drain 2 --timeout 0
	check_match "$OUT" "at least one second" "--timeout 0"
	OUT=$(cdmctl -j node drain 2) || fail "$OUT"
	check_match "$OUT" '"drained": *true' "JSON"
	OUT=$(cdmctl -j node online 2) || fail "$OUT"
	check_match "$OUT" '"state": *"online"' "JSON"
}
