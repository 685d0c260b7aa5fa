# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Where a device's first touch puts a page with no policy attached: on the device's
# node, as far as the owner's mempolicy, cpuset and memcg allow.

CG=/sys/fs/cgroup

setup()
{
	grep -q '^cdm_sim ' /proc/modules || mod_load cdm_sim
	echo "+cpuset +memory" >$CG/cgroup.subtree_control
}

teardown()
{
	[ ! -d $CG/dev ] || rmdir $CG/dev
	check_eq "$(ls "$CDM/policies")" "" "attached policies"
}

# value KEY - of simrun's output in $OUT; 0 if it is not there
value()
{
	awk -v k="$1" '$1 == k { v = $2 } END { print v + 0 }' <<<"$OUT"
}

# run CMD... - must succeed
run()
{
	OUT=$("$@" 2>&1) || fail "$*: $OUT"
}

# pages NODE N WHAT - the run's N pages are all on the node, and served from there
pages()
{
	check_eq "$(value "resident_$1")" "$2" "$3: pages on node $1"
	check_eq "$(value absent)" 0 "$3: pages that are not there"
	check_eq "$(value "served_$1")" "$(value "done")" "$3: accesses served by node $1"
}

# dev_faults N - served for node N so far
dev_faults()
{
	awk '$1 == "dev_faults" { print $2 }' "$CDM/nodes/$1/stats"
}

# in_cgroup CMD... - run in $CG/dev
in_cgroup()
{
	# shellcheck disable=SC2016 # for the inner shell
	run bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $CG/dev "$@"
}

# a device's first touch lands on its node, a CPU's on node 0
test_place_device_default()
{
	local before

	before=$(dev_faults 1)
	run "$PROGS/simrun" -m nohuge
	pages 1 1024 "device 0"
	check_eq "$(value dev_faults)" 1024 "faults of device 0"
	check_eq $(($(dev_faults 1) - before)) 1024 "faults that the node counted"
	run "$PROGS/simrun" -m nohuge -d /dev/cdm_sim1
	pages 2 1024 "device 1"
	run "$PROGS/simrun" -k cpu
	pages 0 1024 "the CPU first"
	check_eq "$(value dev_faults)" 0 "faults of device 0 on the CPU's pages"
}

# a device's first read gets a page and not the zero page
test_place_device_read()
{
	run "$PROGS/simrun" -m nohuge -w 0
	pages 1 1024 "reads of untouched memory"
	check_eq "$(value served_other)" 0 "accesses served by the zero page"
	check_eq "$(value checksum)" 0 "sum of untouched memory"

	# Where the CPU was first the zero page is there, and the device reads it.
	run "$PROGS/simrun" -m nohuge -k read -w 0
	check_eq "$(value served_other)" 1024 "reads of the CPU's zero page"
	check_eq "$(value dev_faults)" 0 "faults on the CPU's zero page"
	# A write takes a page of its own, on the device's node.
	run "$PROGS/simrun" -m nohuge -k read -w 100
	pages 1 1024 "writes to the CPU's zero page"

	# Memory that nobody may write to: the zero page is all that there is.
	run "$PROGS/simrun" -m nohuge -k ro -w 0
	check_eq "$(value served_other)" 1024 "reads of read-only memory"
}

# shared memory and copy on write, for a device
test_place_device_kinds()
{
	run "$PROGS/simrun" -k shmem
	pages 1 1024 "shared memory"
	# The parent's pages are on node 0; the device of the child copies them.
	run "$PROGS/simrun" -m nohuge -k child
	pages 1 1024 "copy on write"
	check_eq "$(value dev_faults)" 1024 "faults for copies"
}

# one fault brings a huge page to the device's node
test_place_device_thp()
{
	local thp=/sys/kernel/mm/transparent_hugepage/enabled

	[ -e $thp ] || skip "no transparent huge pages"
	run "$PROGS/simrun" -m huge -s 8192
	pages 1 2048 "huge pages"
	check_eq "$(value dev_faults)" 4 "faults for 4 huge pages"
}

# the owner's MPOL_BIND holds for its device too
test_place_device_bind()
{
	run numactl --membind=0 "$PROGS/simrun" -m nohuge
	pages 0 1024 "bound to node 0"
	run numactl --membind=2 "$PROGS/simrun" -m nohuge
	pages 2 1024 "bound to node 2, device of node 1"
	run numactl --membind=0,1 "$PROGS/simrun" -m nohuge
	pages 1 1024 "bound to nodes 0 and 1"
	run numactl --membind=0,2 "$PROGS/simrun" -m nohuge
	check_eq $(($(value resident_0) + $(value resident_2))) 1024 "bound to nodes 0 and 2"

	# Nothing of an owner stays with the device.
	run "$PROGS/simrun" -m nohuge
	pages 1 1024 "unbound after bound ones"
}

# the owner's cpuset holds for its device too
test_place_device_cpuset()
{
	mkdir $CG/dev
	echo 0 >$CG/dev/cpuset.mems
	in_cgroup "$PROGS/simrun" -m nohuge
	pages 0 1024 "cpuset of node 0"
	echo 0,2 >$CG/dev/cpuset.mems
	in_cgroup "$PROGS/simrun" -m nohuge -d /dev/cdm_sim1
	pages 2 1024 "cpuset of nodes 0 and 2, device of node 2"
	in_cgroup "$PROGS/simrun" -m nohuge
	check_eq "$(value resident_1)" 0 "cpuset of nodes 0 and 2, pages on node 1"
	check_eq "$(value resident_0)" 1024 "cpuset of nodes 0 and 2, device of node 1"

	run "$PROGS/simrun" -m nohuge
	pages 1 1024 "no cpuset after one"
}

# changes of the owner's cpuset during its device's faults leave nothing behind
# timeout: 120
test_place_device_cpuset_race()
{
	local i end flips=0 pid try

	mkdir $CG/dev
	# A run takes seconds; on a busy machine one may be over before it is seen.
	for ((try = 0; try < 10 && flips < 5; try++)); do
		echo 0-2 >$CG/dev/cpuset.mems
		# shellcheck disable=SC2016 # for the inner shell
		bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $CG/dev \
			numactl --interleave=0,1 "$PROGS/simrun" -m nohuge -s 65536 \
			-p uniform -n 400000 >"$TMP/out" 2>&1 &
		pid=$!
		# Under way: what comes before it needs node 0.
		while kill -0 $pid 2>/dev/null && ! pgrep -x cdm_sim0 >/dev/null; do :; done
		end=$((SECONDS + 15))
		while [ $SECONDS -lt $end ] && kill -0 $pid 2>/dev/null; do
			for i in 0 0-1 1,0 0,2 0-2; do
				echo $i >$CG/dev/cpuset.mems
				flips=$((flips + 1))
			done
		done
		wait $pid || fail "the run: $(cat "$TMP/out")"
	done
	note "$flips changes of cpuset during a run"
	check_ge $flips 5 "changes of cpuset during the run"
	OUT=$(cat "$TMP/out")
	check_eq "$(value "done"):$(value sum)" 400000:400000 "accesses, and the sum of their writes"
	run "$PROGS/simrun" -m nohuge
	pages 1 1024 "after the changes"
}

# a device's memory is charged to the owner's memcg, and its limit holds
# timeout: 90
test_place_device_memcg()
{
	mkdir $CG/dev
	in_cgroup "$PROGS/simrun" -m nohuge -s 32768
	pages 1 8192 "in a memcg"
	check_ge "$(value charged)" 33554432 "bytes charged to the owner's memcg"
	check_le "$(value charged)" 37748736 "bytes charged to the owner's memcg"

	echo 24M >$CG/dev/memory.max
	# shellcheck disable=SC2016 # for the inner shell
	expect_fail bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $CG/dev \
		"$PROGS/simrun" -m nohuge -s 32768
	check_ge "$(awk '$1 == "oom_kill" { print $2 }' $CG/dev/memory.events)" 1 \
		"OOM kills in a memcg whose device wants more than its limit"
	run "$PROGS/simrun" -m nohuge
	pages 1 1024 "after an OOM kill"
}
