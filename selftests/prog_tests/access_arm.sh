# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Arming: the next access to each page of a range is told of, with NUMA balancing off, and
# it is told of once.

# shellcheck source=selftests/prog_tests/access_lib.bash
. "$REPO/selftests/prog_tests/access_lib.bash"

# A driver arms what its device has used: one access here, to the first page.
ARM=dev=0,1,0,0,0,0x40

# reports EVENTS ARGS... - a moveme on node 1 that is armed and then does this
reports()
{
	balancing off
	under access_answer=0 -- "$PROGS/moveme" -n 1 "${@:2}" where
	check_eq "$(count n_access_events 0)" "$1" "accesses of CPUs told of: moveme ${*:2}"
	check_eq "$(count n_access_wrong)" 0 "accesses with facts that are not the folio's"
	check_eq "$(on 0)" 0 "pages that left, as nobody said so: moveme ${*:2}"
}

# timeout: 120
# each page reports its first access, and no other; of a large folio the folio does
test_access_arm_once()
{
	reports 0 -m nohuge touch=0
	reports 256 -m nohuge $ARM touch=0 touch=0
	check_eq "$(count armed)" 256 "pages that are armed"
	check_eq "$(count n_access_write)" 0 "writes"
	reports 256 -m nohuge $ARM put=0 put=0
	check_eq "$(count n_access_write)" 256 "writes"
	# Those that are accessed, and again after they were armed again.
	# The program reads all of it at its end.
	reports 266 -m nohuge $ARM touch=10 $ARM touch=10
}

# timeout: 180
# shared memory, a file, huge pages and those in between
test_access_arm_kinds()
{
	reports 256 -f "$TMP/shm" $ARM touch=0 touch=0
	rm "$TMP/shm"
	disk_mount
	balancing off
	# A file's pages are read to the CPU's node.
	under access_answer=0 -- "$PROGS/moveme" -f /mnt/disk/file move=1 $ARM touch=0 touch=0 where
	check_eq "$(count n_access_events 0) $(on 1)" "256 256" "accesses told of, pages on node 1"
	echo inherit >$THP/hugepages-2048kB/enabled
	reports 2 -s 4096 -m huge $ARM touch=0 touch=0
	check_eq "$(count armed)" 1024 "pages that are armed"
	check_eq "$(count n_access_order 9)" 2 "of order 9"
	echo never >$THP/hugepages-2048kB/enabled
	echo madvise >$THP/hugepages-64kB/enabled
	reports 64 -s 4096 -m huge $ARM touch=0 touch=0
	check_eq "$(count n_access_order 4)" 64 "of order 4"
	echo never >$THP/hugepages-64kB/enabled
}

# timeout: 180
# an event says how long ago its page was armed, of the latest 60 parts of 2 MiB
test_access_arm_time()
{
	reports 256 -m nohuge $ARM rest=3 touch=0
	check_eq "$(count n_access_armed)" 256 "events that know when it was"
	check_ge "$(count access_armed_min)" 3000000000 "ns from arming to the first access"
	check_le "$(count access_armed_min)" 120000000000 "ns from arming to the first access"
	# 80 parts.
	reports 40960 -s 163840 -m nohuge $ARM touch=0
	check_eq "$(count n_access_armed)" $((60 * 512)) "events that know when it was"
}

# timeout: 120
# armed twice is armed once
test_access_arm_idempotent()
{
	reports 256 -m nohuge $ARM $ARM touch=0 touch=0
}

# timeout: 120
# mprotect(), mremap() and fork() do not disarm
test_access_arm_survives()
{
	reports 256 -m nohuge $ARM rights touch=0 touch=0
	reports 256 -m nohuge $ARM remap touch=0 touch=0
	# The child reads all, and so does the parent.
	reports 512 -m nohuge $ARM fork touch=0 touch=0
	echo inherit >$THP/hugepages-2048kB/enabled
	reports 2 -s 4096 -m huge $ARM rights touch=0 touch=0
	reports 2 -s 4096 -m huge $ARM remap touch=0 touch=0
	echo never >$THP/hugepages-2048kB/enabled
}

# timeout: 120
# the device's own access is told of as well, once
test_access_arm_device()
{
	balancing off
	under access_answer=0 -- "$PROGS/moveme" -n 1 -m nohuge $ARM dev=0,256 dev=0,256 where
	check_eq "$(count n_access_events 1)" 256 "accesses of the device told of"
	check_eq "$(count access_src) $(count access_acc)" "1 1" "the folio's node, the accessor's"
	# And on the CPU's node, which CPUs use without being told of.
	under access_answer=2 -- "$PROGS/moveme" -n 0 -m nohuge $ARM dev=0,256 dev=0,256 where
	check_eq "$(count n_access_events 1)" 256 "accesses of the device told of"
	# The kernel's own way takes none that a CPU has not put on the LRU yet.
	check_ge "$(on 1)" 200 "pages that moved to it"
}

# timeout: 120
# what a CPU uses near itself: told of where something was armed, to the policy for all nodes
test_access_arm_near()
{
	balancing off
	under access_answer=0 -- "$PROGS/moveme" -n 0 -m nohuge $ARM touch=0 touch=0 where
	check_eq "$(count n_access_events 0) $(on 0)" "256 256" "accesses told of, pages that stayed"
	check_eq "$(count access_src) $(count access_acc)" "0 0" "the folio's node, the accessor's"
	OUT=$("$PROGS/attach" -d n_access_events -o node=1 "$EVENTS" \
		"$PROGS/moveme" -n 0 -m nohuge $ARM touch=0 2>&1) || fail "$OUT"
	check_eq "$(count n_access_events 0)" 0 "told to the policy of another node"
}

# hint_faults_now - of all, at once
hint_faults_now()
{
	awk '$1 == "numa_hint_faults" { print $2 }' /proc/vmstat
}

# timeout: 120
# cdmctl arms, where somebody would be told; when the policy goes it is undone
test_access_arm_ctl()
{
	local before pid

	balancing off
	expect_fail cdmctl page arm --pid $$ --range 0x10000-0x20000
	check_match "$OUT" "nobody would be told: no policy owns access" "without a policy"
	"$PROGS/attach" -t 600 -s access_answer=0 -d n_access_events "$EVENTS" >"$TMP/policy" 2>&1 &
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
	"$PROGS/moveme" -n 1 -m nohuge hold touch=10 hold touch=0 >"$TMP/moveme" &
	pid=$!
	wait_ready "$TMP/moveme"
	OUT=$(cdmctl page arm --pid $pid --range "$RANGE") || fail "$OUT"
	check_eq "$OUT" "256 of 256 pages armed" "what cdmctl says"
	OUT=$(cdmctl -j page arm --pid $pid --range "$RANGE") || fail "$OUT"
	check_match "$OUT" '"armed": *256' "what cdmctl says the second time"
	before=$(hint_faults_now)
	kill -USR1 $pid
	wait_for 60 eval '[ $(grep -c ^ready "$TMP/moveme") = 2 ]'
	check_eq $(($(hint_faults_now) - before)) 10 "hint faults of 10 armed pages"
	pkill -INT -x attach
	wait_for 20 grep -q ^n_access_events "$TMP/policy"
	OUT=$(cat "$TMP/policy")
	check_eq "$(count n_access_events 0)" 10 "accesses told of"
	sleep 1
	before=$(hint_faults_now)
	kill -USR1 $pid
	wait $pid || fail "$(cat "$TMP/moveme")"
	check_eq $(($(hint_faults_now) - before)) 0 "hint faults after the policy went"
}
