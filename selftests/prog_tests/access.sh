# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# access is asked when a CPU touches a folio of a managed node and NUMA balancing sees it,
# and what it answers is done.
#
# Events are counted by the policy, and at their source by the kernel as it is without us:
# memory.stat has a cgroup's hint faults. Where pages are then is asked of move_pages().

# shellcheck source=selftests/prog_tests/access_lib.bash
. "$REPO/selftests/prog_tests/access_lib.bash"

# told ARGS... - a moveme with these arguments and the default answer: each hint fault of
# its cgroup is told of, no other, and the facts are the folio's
told()
{
	local before

	before=$(hint_faults)
	# Where it is all the time, so that each access may fault.
	under access_answer=$DENY -- "$PROGS/moveme" "$@" where
	check_ge "$(count n_access)" 1 "accesses told of: moveme $*"
	check_eq "$(count n_access)" $(($(hint_faults) - before)) \
		"accesses told of, hint faults of the cgroup: moveme $*"
	check_eq "$(count n_access_wrong)" 0 "accesses with facts that are not the folio's: moveme $*"
	check_eq "$(count access_src) $(count access_acc) $(count n_access 1)" "1 0 0" \
		"the last folio's node, the accessor's, and accesses of devices: moveme $*"
	check_eq "$(on 0)" 0 "pages that left: moveme $*"
}

# timeout: 120
# anonymous memory, in small pages
test_access_anon()
{
	told -n 1 -m nohuge use=$SECONDS_OF_USE
	check_eq "$(count n_access_anon)" "$(count n_access)" "of anonymous memory"
	check_ge "$(count n_access_write)" 1 "writes"
	check_eq "$(count n_access_shared)" 0 "of shared memory"
	check_eq "$(count access_def)" 0 "where the kernel would move it"
}

# timeout: 120
# while BPF keeps run time statistics it is asked another way, and no less
test_access_bpf_stats()
{
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	told -n 1 -m nohuge use=$SECONDS_OF_USE
}

# timeout: 180
# huge pages, and those in between
test_access_large()
{
	echo inherit >$THP/hugepages-2048kB/enabled
	told -s 4096 -n 1 -m huge use=$SECONDS_OF_USE
	check_eq "$(count n_access_order 9)" "$(count n_access)" "of order 9"
	echo never >$THP/hugepages-2048kB/enabled
	echo madvise >$THP/hugepages-64kB/enabled
	told -s 4096 -n 1 -m huge use=$SECONDS_OF_USE
	check_ge "$(count n_access_order 4)" 1 "of order 4"
	echo never >$THP/hugepages-64kB/enabled
}

# timeout: 120
# shared memory
test_access_shmem()
{
	told -n 1 -f "$TMP/shm" use=$SECONDS_OF_USE
	check_eq "$(count n_access_anon)" 0 "of anonymous memory"
	rm "$TMP/shm"
}

# timeout: 120
# a file on a disk
test_access_file()
{
	disk_mount
	# Dirty pages of files NUMA balancing leaves alone.
	told -f /mnt/disk/file move=1 read=$SECONDS_OF_USE
	check_eq "$(count n_access_write)" 0 "writes"
	check_eq "$(count n_access_anon)" 0 "of anonymous memory"
}

# timeout: 120
# the default is the kernel's verdict: what a CPU uses comes to it; an event each time
test_access_default()
{
	local before

	before=$(hint_faults)
	under -- "$PROGS/moveme" -n 1 -m nohuge use=$SECONDS_OF_USE where
	check_ge "$(on 0)" 1 "pages on node 0"
	check_eq "$(count n_access)" $(($(hint_faults) - before)) "accesses told of, hint faults"
	check_ge "$(count n_moved 1)" "$(on 0)" "folios that NUMA balancing moved"
}

# timeout: 120
# nobody is told of memory that is not managed
test_access_unmanaged()
{
	# Of a task with one thread NUMA balancing does not look at what is near.
	under -- "$PROGS/moveme" -n 0 -m nohuge thread use=$SECONDS_OF_USE where
	check_eq "$(count n_access)" 0 "accesses told of"
	check_ge "$(hint_faults)" 256 "hint faults all the same"
}

# timeout: 180
# a node: at once, by NUMA balancing; later, by kcdmd
test_access_node()
{
	under access_answer=3 -- "$PROGS/moveme" -n 1 -m nohuge use=$SECONDS_OF_USE where
	check_ge "$(on 2)" 1 "pages on node 2"
	check_eq "$(on 0)" 0 "pages on node 0"
	check_ge "$(count n_moved 1)" "$(on 2)" "folios that NUMA balancing moved"
	check_eq "$(count n_moved 0)" 0 "folios that kcdmd moved"

	under access_answer=$((QUEUED | 3)) -- "$PROGS/moveme" -n 1 -m nohuge \
		use=$SECONDS_OF_USE where
	check_ge "$(on 2)" 1 "pages on node 2"
	check_eq "$(on 0)" 0 "pages on node 0"
	check_ge "$(count n_moved 0)" "$(on 2)" "folios that kcdmd moved"
	check_eq "$(count n_moved 1)" 0 "folios that NUMA balancing moved"
	check_ge "$(awk '$1 == "queue_moved" { print $2 }' "$CDM/nodes/2/stats")" "$(on 2)" \
		"pages that node 2's kcdmd moved"
}

# timeout: 180
# keep: what stays is not moved by others for so long, and is afterwards
test_access_keep()
{
	local kept

	under access_answer=$((DENY | KEEP * 60000)) -- "$PROGS/moveme" -n 1 -m nohuge \
		use=$SECONDS_OF_USE move=0 where
	kept=$(on 1)
	check_ge "$kept" 1 "pages that stayed on node 1"
	check_ge "$(awk '$1 == "kept" { print $2 }' <<<"$OUT")" "$kept" "refusals for keep"
	# Its own node named is to stay, too; and a millisecond is soon over.
	under access_answer=$((2 | KEEP)) -- "$PROGS/moveme" -n 1 -m nohuge \
		use=$SECONDS_OF_USE where move=0 where
	check_ge "$(count n_access)" 1 "accesses"
	check_eq "$(on 0)" 256 "pages that move_pages() moved to node 0"

	# Whoever owns migrate, or does not; and alone it says that the folio stays.
	OUT=$("$PROGS/attach" -s access_answer=$((KEEP * 60000)) "$PROGS/access.bpf.o" \
		"$PROGS/moveme" -n 1 -m nohuge use=$SECONDS_OF_USE move=0 where 2>&1) ||
		fail "$OUT"
	check_ge "$(on 1)" 250 "pages that stayed without an owner of migrate"
}

# timeout: 180
# throttle: the task sleeps, once for each access that asked for it, outside all locks
test_access_throttle()
{
	local slept n

	under access_answer=$((DENY | THROTTLE * 50000)) -- "$PROGS/moveme" -n 1 -m nohuge \
		slept use=$SECONDS_OF_USE slept where
	n=$(awk '$1 == "throttled" { print $2 }' <<<"$OUT")
	slept=$(awk '$1 == "slept" { n = $2 - n } END { print n }' <<<"$OUT")
	check_ge "$n" 5 "accesses that were throttled"
	check_eq "$n" "$(count n_access)" "accesses throttled, accesses"
	# A slow machine lets the time pass before the task has gone to sleep.
	check_ge "$slept" $((n / 2)) "how often it slept"
	check_ge $((2 * n + 100)) "$slept" "and not much oftener"
	check_eq "$(on 1)" 256 "pages on node 1"
	# A signal ends it, and nothing of it is left when a task ends.
	# shellcheck disable=SC2016 # for the inner shell
	under access_answer=$((DENY | THROTTLE * 65535)) -- bash -c '
		timeout -s KILL 4 "$0" -n 1 -m nohuge use=60; echo "ended $?"' "$PROGS/moveme"
	check_match "$OUT" "^ended 137\$" "a task that is killed as it sleeps"
	check_ge "$(awk '$1 == "throttled" { print $2 }' <<<"$OUT")" 5 "its throttled accesses"
}

# timeout: 120
# what the accessor may not have is overridden, and the kernel does what it would
test_access_overridden()
{
	echo 0-1 >$CG/access/cpuset.mems || fail "cpuset.mems"
	under access_answer=3 -- "$PROGS/moveme" -n 1 -m nohuge use=$SECONDS_OF_USE where
	check_eq "$(on 2)" 0 "pages on node 2"
	check_ge "$(on 0)" 1 "pages on node 0"
	check_eq "$(awk '$1 == "overridden" { print $2 }' <<<"$OUT")" "$(count n_access)" \
		"answers overridden, accesses"
}

# timeout: 300
# answers that mean nothing: the policy is ejected, with a text
test_access_bad()
{
	# An ejected policy has no statistics any more.
	local ans why STATS=

	while read -r ans why; do
		under access_answer="$ans" -- "$PROGS/moveme" -n 1 -m nohuge use=4 where
		check_eq "$(count last_exit_kind)" 66 "kind told to exit(), answer $ans"
		check_match "$(tail -n 1 "$CDM/exits")" \
			"events bad-answers .* access .*answers could not be used, the last was .*: .*$why" \
			"exit record, answer $ans"
	done <<-END
		0x800000000000000	and nothing else
		$((1 << 58))		and nothing else
		1000			no such node
		64			no such node
		$((DENY | 3))		denies, or names a node
		$QUEUED			queues a move to a node
		$((KEEP | 3))		migrate\\(\\) keeps what moves
	END
}

# timeout: 120
# a device that meets a hint is asked about, as a device, and the page stays by default
test_access_device()
{
	under -- "$PROGS/simrun" -d /dev/cdm_sim0 -s 1024 -k spin -p uniform -n 2000000
	check_ge "$(count n_access 1)" 1 "accesses of the device"
	check_eq "$(count n_access_wrong)" 0 "accesses with facts that are not the folio's"
}

# timeout: 120
# the tracepoint has what the policy was asked
test_access_trace()
{
	echo 8192 >$TRACE/buffer_size_kb
	echo >$TRACE/trace
	echo 1 >$TRACE/events/cdm/cdm_access/enable
	under access_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge use=$SECONDS_OF_USE where
	echo 0 >$TRACE/events/cdm/cdm_access/enable
	check_eq "$(grep -c 'cdm_access: .*kind=hint src_nid=1 acc_nid=0 .*answer=0x200000000000000' $TRACE/trace)" \
		"$(count n_access)" "lines of the trace, accesses"
}
