# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What happens when memory runs out, by mode: strangers are killed beside a closed
# node, saved by a last-resort one while it has room, and never short beside an
# open one. Without swap. Only hold offers itself to the OOM killer. What is bound to a
# full node is mlocked, or it would be evicted.

# shellcheck source=selftests/prog_tests/isolate_lib.bash
. "$REPO/selftests/prog_tests/isolate_lib.bash"

setup()
{
	managed closed nodes=1
	# What was saved of shells that live on.
	BASE=$(dev_used)
	check_le "$BASE" 1000 "pages in use on node 1 before the test"
}

teardown()
{
	let_go
	unsqueeze
	mode closed
}

# killed SEC CMD... - CMD is killed for want of memory, within SEC seconds
killed()
{
	local kills begin=$SECONDS

	kills=$(vmstat oom_kill)
	expect_fail timeout -s INT "$1" "${@:2}"
	check_eq "$STATUS" 137 "status of ${*:2} ($OUT)"
	check_eq "$(vmstat oom_kill)" $((kills + 1)) "OOM kills by ${*:2}"
	note "killed after $((SECONDS - begin)) s: ${*:2}"
}

# survives CMD... - CMD ends well, nobody is killed; its report in $OUT
survives()
{
	local kills

	kills=$(vmstat oom_kill)
	OUT=$("$@" 2>&1) || fail "$*: status $?, $OUT"
	check_eq "$(vmstat oom_kill)" "$kills" "OOM kills by $*"
}

# beside a closed node strangers are killed, and it stays empty
# timeout: 300
test_isolate_oom_closed()
{
	local moved

	moved=$(dev_stat 1 moved_in)
	squeeze 160
	killed 120 "$PROGS/hold" anon 320
	check_le "$(dev_used)" $((BASE + 64)) "pages in use on node 1"
	check_eq "$(dev_stat 1 moved_in)" "$moved" "pages moved to node 1"
}

# a last-resort node is not touched while CPU memory lasts
# timeout: 300
test_isolate_oom_last_resort_idle()
{
	local before

	mode last-resort
	disk
	squeeze 160
	before=$(dev_stat 1 last_resort)
	# Page cache is dropped instead, however much of it there is.
	dd if=/mnt/disk/sparse of=/dev/null bs=1M count=320 2>/dev/null
	survives "$PROGS/hold" anon 64
	check_le "$(dev_used)" $((BASE + 64)) "pages in use on node 1"
	check_eq "$(dev_stat 1 last_resort)" "$before" "pages saved by node 1"
}

# a last-resort node takes strangers' pages, and nobody is killed
# timeout: 300
test_isolate_oom_last_resort()
{
	local before n

	mode last-resort
	squeeze 160
	before=$(dev_stat 1 last_resort)
	survives "$PROGS/hold" anon 320
	n=$(($(dev_stat 1 last_resort) - before))
	note "$n pages moved, $(held "node 1") of them hold's"
	check_ge "$n" 30000 "pages saved by node 1"
	check_ge "$(held "node 1")" 20000 "hold's pages on node 1"
	check_none_isolated
}

# the same for shared memory and transparent huge pages
# timeout: 300
test_isolate_oom_last_resort_kinds()
{
	mode last-resort
	squeeze 160
	survives "$PROGS/hold" shmem 256
	check_ge "$(held "node 1")" 10000 "shared pages on node 1"
	survives "$PROGS/hold" thp 256
	check_ge "$(held "node 1")" 10000 "pages of huge pages on node 1"
}

# when the last-resort node is full too, the kill happens after all
# timeout: 300
test_isolate_oom_last_resort_full()
{
	mode last-resort
	squeeze 160
	squeeze 96 1
	killed 240 "$PROGS/hold" anon 400
	check_ge "$(dev_stat 1 last_resort)" 5000 "pages saved by node 1"
}

# who is bound to a last-resort node that is full is killed, CPU memory or not
# timeout: 300
test_isolate_oom_last_resort_bound()
{
	local before

	mode last-resort
	squeeze 96 1
	before=$(dev_stat 1 last_resort)
	killed 120 numactl --membind=1 "$PROGS/hold" -l anon 160
	check_eq "$(dev_stat 1 last_resort)" "$before" "pages saved by node 1"
}

# an open node takes what does not fit, and nobody is killed
# timeout: 300
test_isolate_oom_open()
{
	mode open
	squeeze 160
	survives "$PROGS/hold" anon 320
	check_ge "$(held "node 1")" 20000 "pages on node 1"
}

# more than a closed node has kills who is bound to it, and nobody else
# timeout: 300
test_isolate_oom_membind()
{
	keep other "$PROGS/hold" -w anon 64
	squeeze 96 1
	killed 120 numactl --membind=1 "$PROGS/hold" -l anon 160
	report other
	check_eq "$(held "node 0")" 16384 "pages of the task on node 0, which lives"
}

# a cpuset of a closed node that runs out kills within the cpuset
# timeout: 300
test_isolate_oom_cpuset()
{
	local cg=/sys/fs/cgroup/oom

	squeeze 96 1
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $cg
	echo 1 >$cg/cpuset.mems
	killed 120 bash -c "echo \$\$ >$cg/cgroup.procs && exec $PROGS/hold -l anon 160"
	wait_for 10 rmdir $cg 2>/dev/null
}
