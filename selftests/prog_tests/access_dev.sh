# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# access is asked about what a device's driver knows of its accesses: faults at folios that
# were in memory before, and access counters.
#
# Counted are the device's own numbers, at the source, and the policy's.

# shellcheck source=selftests/prog_tests/access_lib.bash
. "$REPO/selftests/prog_tests/access_lib.bash"

# counted GRAIN THRESHOLD ROUNDS ARGS... - a device (node 1) reads each page of a moveme with
# these arguments so often, with counters; each notification is told of, and no other
counted()
{
	local grain=$1 threshold=$2 rounds=$3 pages=256 arg
	shift 3

	for arg in "$@"; do
		[ "$arg" != 4096 ] || pages=1024
	done
	balancing off
	under access_answer=$DENY -- "$PROGS/moveme" "$@" \
		"dev=0,$((pages * rounds)),$grain,$threshold,8" where
	check_eq "$(count "done")" $((pages * rounds)) "accesses of the device: moveme $*"
	check_eq "$(count counters)" $((pages * 4096 / grain * (rounds * grain / 4096) / threshold)) \
		"notifications of its counters: moveme $*"
	check_eq "$(count n_access_events 2) $(count n_access 2)" \
		"$(count counters) $(($(count counters) * threshold))" \
		"reports and accesses told of: moveme $*"
	check_eq "$(count n_access_events 0) $(count n_access_events 1)" "0 0" "other accesses told of"
	check_eq "$(count n_access_wrong)" 0 "accesses with facts that are not the folio's: moveme $*"
	check_eq "$(count access_src) $(count access_acc) $(count access_def)" "0 1 $((0xffffffff))" \
		"the last folio's node, the accessor's, and where the kernel would move it"
	check_eq "$(on 0)" $pages "pages that stayed"
}

# timeout: 120
# access counters: small pages, one each; each notification is told of
test_access_counter_anon()
{
	counted 4096 16 64 -m nohuge
	check_eq "$(count n_access_anon)" "$(count n_access_events 2)" "of anonymous memory"
	check_eq "$(stat_of 1 dev_reports)" "$(count counters)" "reports that the node counts"
}

# timeout: 120
# access counters of huge pages, and of those in between
test_access_counter_large()
{
	echo inherit >$THP/hugepages-2048kB/enabled
	counted 2097152 1024 8 -s 4096 -m huge
	check_eq "$(count n_access_order 9)" "$(count n_access_events 2)" "of order 9"
	echo never >$THP/hugepages-2048kB/enabled
	echo madvise >$THP/hugepages-64kB/enabled
	counted 65536 32 8 -s 4096 -m huge
	check_eq "$(count n_access_order 4)" "$(count n_access_events 2)" "of order 4"
	echo never >$THP/hugepages-64kB/enabled
}

# timeout: 120
# access counters of shared memory, and of a file on a disk
test_access_counter_file()
{
	counted 4096 16 32 -f "$TMP/shm"
	check_eq "$(count n_access_anon)" 0 "of anonymous memory"
	rm "$TMP/shm"
	disk_mount
	counted 4096 16 32 -f /mnt/disk/file
	check_eq "$(count n_access_anon)" 0 "of anonymous memory"
}

# timeout: 120
# a counter over pages of two nodes: an event for each, and the accesses are shared out
test_access_counter_split()
{
	balancing off
	under access_answer=$DENY -- "$PROGS/moveme" -s 2048 -m nohuge half=2 \
		dev=0,4096,2097152,4096,1 where
	check_eq "$(count counters)" 1 "notifications"
	check_eq "$(count n_access_events 2) $(count n_access 2)" "2 4096" "events, accesses"
	check_eq "$(on 0) $(on 2)" "256 256" "pages by node"
}

# timeout: 120
# what is on the device's own node is counted on demand
test_access_counter_local()
{
	balancing off
	under access_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge dev=0,4096,4096,16,1
	check_eq "$(count counters) $(count n_access_events 2)" "0 0" "notifications, events"
	under access_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge dev=0,4096,4096,16,1,0x20
	check_eq "$(count counters) $(count n_access_events 2)" "256 256" "notifications, events"
	check_eq "$(count access_src) $(count access_acc)" "1 1" "the folio's node, the accessor's"
}

# timeout: 180
# a node: the whole range of a counter moves there, at once or by kcdmd
test_access_counter_node()
{
	balancing off
	under access_answer=2 -- "$PROGS/moveme" -s 2048 -m nohuge dev=0,2048,2097152,1024,1 where
	check_eq "$(on 1)" 512 "pages on the device's node"
	check_eq "$(count counters)" 1 "notifications: the rest of its accesses is near"
	check_eq "$(count n_moved 0)" 512 "folios that cdm_ext moved"
	under access_answer=$((QUEUED | 2)) -- bash -c '
		"$0" -s 2048 -m nohuge dev=0,1024,2097152,1024,1 use=3 where' "$PROGS/moveme"
	check_eq "$(on 1)" 512 "pages on the device's node"
	check_eq "$(count n_moved 0)" 512 "folios that kcdmd moved"
	check_ge "$(stat_of 1 queue_moved)" 512 "pages that node 1's kcdmd moved"
}

# timeout: 120
# keep: the whole range of a counter stays
test_access_counter_keep()
{
	balancing off
	under access_answer=$((DENY | KEEP * 60000)) -- "$PROGS/moveme" -s 2048 -n 1 -m nohuge \
		dev=0,1024,2097152,1024,1,0x20 move=0 where
	check_eq "$(count n_access_events 2)" 1 "events"
	check_eq "$(on 1)" 512 "pages that stayed on node 1"
	check_eq "$(awk '$1 == "kept" { print $2 }' <<<"$OUT")" 512 "refusals for keep"
}

# timeout: 120
# throttle: the driver is told how long its device shall wait, and it waits
test_access_counter_throttle()
{
	balancing off
	under access_answer=$((DENY | THROTTLE * 2000)) -- "$PROGS/moveme" -m nohuge \
		dev=0,1024,4096,4,1
	check_eq "$(count counters) $(count waits) $(count wait_us)" "256 256 512000" \
		"notifications, waits, microseconds"
	check_eq "$(awk '$1 == "throttled" { print $2 }' <<<"$OUT")" 256 "accesses that were throttled"
	# A batch waits once, for the longest that was asked for.
	under access_answer=$((DENY | THROTTLE * 2000)) -- "$PROGS/moveme" -m nohuge \
		dev=0,1024,4096,4,64
	check_eq "$(count counters) $(count waits) $(count wait_us)" "256 4 8000" \
		"notifications, waits, microseconds"
}

# timeout: 120
# nobody is told of what is not managed: memory of CPUs that a CPU uses, a policy of node 2
test_access_counter_other()
{
	balancing off
	OUT=$("$PROGS/attach" -d n_access_events -s access_answer=$DENY -o node=2 "$EVENTS" \
		"$PROGS/moveme" -m nohuge dev=0,4096,4096,16,1 2>&1) || fail "$OUT"
	check_eq "$(count counters) $(count n_access_events 2)" "256 0" "notifications, events"
}

# timeout: 120
# a request for counters that makes no sense is refused
test_access_counter_refused()
{
	local args

	balancing off
	for args in 4096,0,1 4095,1,1 12288,1,1 4194304,1,1 4096,4294967296,1 4096,1,257 \
		    0,1,0 0,0,1 0,0,0,0x20; do
		OUT=$("$PROGS/moveme" -m nohuge "dev=0,16,$args") || fail "$OUT"
		check_match "$OUT" "^dev -1 22\$" "counters of $args"
	done
	OUT=$("$PROGS/moveme" -m nohuge dev=0,16,4096,1,1) || fail "$OUT"
	check_match "$OUT" "^dev 0 0\$" "counters without a policy"
	check_eq "$(count counters)" 16 "notifications"
}

# timeout: 180
# a device's fault at what is in memory and not mapped: told of, and it may move
test_access_resident()
{
	local file

	balancing off
	disk_mount
	for file in "$TMP/shm" /mnt/disk/file; do
		under access_answer=$DENY -- "$PROGS/moveme" -f "$file" move=0 unmap dev=0,256 where
		check_ge "$(count dev_faults)" 16 "device faults at $file"
		check_eq "$(count n_access_events 1)" "$(count dev_faults)" "accesses told of: $file"
		check_eq "$(count access_src) $(count access_acc)" "0 1" "the folio's node, the accessor's"
		check_eq "$(count n_access_wrong)" 0 "accesses with facts that are not the folio's"
		check_eq "$(on 0)" 256 "pages that stayed: $file"
		under access_answer=2 -- "$PROGS/moveme" -f "$file" move=0 unmap dev=0,256 where
		check_ge "$(on 1)" "$(count dev_faults)" "pages that moved to the device: $file"
		under access_answer=$((DENY | THROTTLE * 1000)) -- "$PROGS/moveme" -f "$file" move=0 unmap dev=0,256
		check_eq "$(count waits)" "$(count dev_faults)" "waits: $file"
		rm "$file"
	done
	# What the fault itself brought is where a policy of place wants it.
	under access_answer=$DENY -- "$PROGS/simrun" -d /dev/cdm_sim0 -s 1024 -p strided
	check_eq "$(count dev_faults) $(count n_access_events 1)" "256 0" "device faults, accesses told of"
}

# timeout: 60
# cdmctl sim run has them, too
test_access_counter_ctl()
{
	OUT=$(cdmctl -j sim run --size 1M --pattern strided --repeat 4 --cpu-first-touch 100 \
		--counter-grain 4K --counter-threshold 1 2>&1) || fail "$OUT"
	check_match "$OUT" '"notifications": *256' "of the last run"
	OUT=$(cdmctl sim run --size 1M --arm 2>&1) || fail "$OUT"
	check_match "$OUT" "^counters: .*0 armed" "nobody wants to be told"
	expect_fail cdmctl sim run --size 1M --counter-threshold 5
	check_match "$OUT" "make sense with --counter-grain only" "a threshold of nothing"
	expect_fail cdmctl sim run --size 1M --counter-grain 5K
	check_match "$OUT" "counters of a power of two from 4K to 2M" "an odd grain"
}
