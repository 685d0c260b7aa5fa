# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Nobody gets memory of a managed node without having named it, and who names it
# gets it. Node 0 is made small by huge pages that nobody uses, which costs
# nothing, so that a few hundred MiB are "more than node 0 has".
#
# Each load of strangers runs twice: on closed nodes, where the device nodes must
# not see one allocation, and on open ones, where the same load must spill. So a
# load that would not have spilled anyway fails its second test.

# shellcheck source=selftests/prog_tests/isolate_lib.bash
. "$REPO/selftests/prog_tests/isolate_lib.bash"

CG=/sys/fs/cgroup/isolate

setup()
{
	managed closed
	# What open nodes took of shells that live on.
	BASE=$(dev_used)
	check_le "$BASE" 1000 "pages in use on the device nodes before the test"
}

teardown()
{
	let_go
	echo 2 >/sys/kernel/mm/ksm/run
	echo 0 >/sys/kernel/mm/ksm/run
	echo 0 >/sys/kernel/mm/numa/demotion_enabled
	echo 0 >/proc/sys/vm/nr_overcommit_hugepages
	rm -rf /mnt/load
	if grep -q zram0 /proc/swaps; then
		swapoff /dev/zram0
	fi
	[ ! -d $CG ] || rmdir $CG
	unsqueeze
	mode closed
}

# swap_on - zram for what does not fit; zero pages take no room in it
#
# Not on open nodes: there it spills, and a kswapd that keeps up would hide that.
swap_on()
{
	[ "$(<"$CDM/nodes/1/mode")" != open ] || return 0
	[ "$(cat /sys/block/zram0/disksize)" != 0 ] ||
		echo 2G >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null || fail "mkswap /dev/zram0"
	swapon /dev/zram0 || fail "swapon /dev/zram0"
}

# stays_off LOAD - LOAD takes nothing from the device nodes
stays_off()
{
	local before used

	before=$(dev_allocs)
	"load_$1"
	used=$(dev_used)
	check_eq $(($(dev_allocs) - before)) 0 "allocations on closed nodes for $1"
	# The exact answer is above; free pages lag by what CPUs hold back.
	check_le "$used" $((BASE + 64)) "pages in use on closed nodes after $1"
}

# spills LOAD [MIN] - on open nodes the same load is served by them
spills()
{
	local before n

	mode open
	before=$(dev_allocs)
	"load_$1"
	n=$(($(dev_allocs) - before))
	note "$1: $n allocations on open nodes"
	check_ge $n "${2:-1000}" "allocations on open nodes for $1"
}

# ---- strangers ---------------------------------------------------------------

load_pagecache()
{
	disk
	squeeze 160
	dd if=/mnt/disk/sparse of=/dev/null bs=1M count=256 2>/dev/null
}

# page cache larger than node 0 puts nothing on closed nodes
# timeout: 600
test_isolate_pagecache()
{
	stays_off pagecache
}

# the same page cache spills onto open nodes
# timeout: 600
test_isolate_open_pagecache()
{
	spills pagecache
}

load_anon()
{
	squeeze 160
	swap_on
	hold anon 256
}

# anonymous memory larger than node 0 swaps rather than use closed nodes
# timeout: 600
test_isolate_anon()
{
	stays_off anon
	check_ge "$(held absent)" 8000 "pages swapped out"
}

# the same anonymous memory spills onto open nodes
# timeout: 600
test_isolate_open_anon()
{
	spills anon
	check_ge "$(held "node 1")" 8000 "pages on node 1"
}

load_tmpfs()
{
	squeeze 160
	swap_on
	mkdir -p /mnt/load
	dd if=/dev/zero of=/mnt/load/file bs=1M count=256 2>/dev/null
}

# a file in tmpfs larger than node 0 puts nothing on closed nodes
# timeout: 600
test_isolate_tmpfs()
{
	stays_off tmpfs
}

# the same file spills onto open nodes
# timeout: 600
test_isolate_open_tmpfs()
{
	spills tmpfs
}

load_tmpfs_interleave()
{
	mkdir -p /mnt/load
	mount -t tmpfs -o mpol=interleave tmpfs /mnt/load || fail "mount with mpol=interleave"
	dd if=/dev/zero of=/mnt/load/file bs=1M count=12 2>/dev/null
	umount /mnt/load
}

# a tmpfs that is interleaved over nodes that nobody names leaves closed ones out
# timeout: 600
test_isolate_tmpfs_interleave()
{
	stays_off tmpfs_interleave
}

# the same tmpfs goes round open nodes
# timeout: 600
test_isolate_open_tmpfs_interleave()
{
	spills tmpfs_interleave 1500
}

load_shmem()
{
	squeeze 160
	swap_on
	hold shmem 256
}

# mapped shared memory larger than node 0 puts nothing on closed nodes
# timeout: 600
test_isolate_shmem()
{
	stays_off shmem
}

load_thp()
{
	local before

	before=$(vmstat thp_fault_alloc)
	squeeze 160
	swap_on
	hold thp 256
	check_ge "$(vmstat thp_fault_alloc)" $((before + 10)) "huge pages so far"
}

# transparent huge pages beyond node 0 put nothing on closed nodes
# timeout: 600
test_isolate_thp()
{
	stays_off thp
}

# the same huge pages spill onto open nodes
# timeout: 600
test_isolate_open_thp()
{
	spills thp 40
}

load_slab()
{
	local i

	squeeze 96
	mkdir -p /mnt/load
	for ((i = 0; i < 20000; i++)); do
		: >/mnt/load/$i
	done
}

# inodes and dentries put nothing on closed nodes
# timeout: 600
test_isolate_slab()
{
	stays_off slab
}

load_storm()
{
	local i

	disk
	squeeze 96
	dd if=/mnt/disk/sparse of=/dev/null bs=1M count=160 2>/dev/null &
	for ((i = 0; i < 60; i++)); do
		/bin/true &
		(:) &
		[ $((i % 20)) != 19 ] || wait
	done
	wait
}

# fork and exec while node 0 is full of page cache put nothing on closed nodes
# timeout: 600
test_isolate_storm()
{
	stays_off storm
}

load_interleave()
{
	squeeze 160
	swap_on
	hold_on --interleave=0 anon 256
}

# an interleave that does not name them puts nothing on closed nodes
# timeout: 600
test_isolate_interleave_other()
{
	stays_off interleave
}

# the same interleave falls back to open nodes
# timeout: 600
test_isolate_open_interleave()
{
	spills interleave
}

load_mixed_cpuset()
{
	squeeze 160
	swap_on
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $CG
	echo 0-2 >$CG/cpuset.mems
	hold_in $CG anon 256
}

# a cpuset that allows every node is no choice of closed ones
# timeout: 600
test_isolate_mixed_cpuset()
{
	stays_off mixed_cpuset
}

# the same cpuset spills onto open nodes
# timeout: 600
test_isolate_open_mixed_cpuset()
{
	spills mixed_cpuset
}

load_demotion()
{
	squeeze 160
	swap_on
	echo 1 >/sys/kernel/mm/numa/demotion_enabled
	hold_on --membind=0 anon 256
}

# reclaim of CPU memory demotes nothing to closed nodes
# timeout: 600
test_isolate_demotion()
{
	stays_off demotion
	check_ge "$(held absent)" 8000 "pages swapped out"
}

# reclaim of CPU memory demotes to open nodes
# timeout: 600
test_isolate_open_demotion()
{
	spills demotion
	check_ge "$(held "node 1")" 1000 "pages demoted to node 1"
}

load_hugetlb_pool()
{
	local nr

	# Node after node in turn, were it not for closed ones.
	squeeze 128
	nr=$(($(</proc/sys/vm/nr_hugepages) + 30))
	echo $nr >/proc/sys/vm/nr_hugepages
	# What is left of node 0 is in pieces: a few of the 30 may not be had.
	check_ge "$(</proc/sys/vm/nr_hugepages)" $((nr - 10)) "huge pages"
	# More than there is: the last ones take minutes, unless a signal ends it.
	timeout -s INT 6 bash -c "echo $((nr + 300)) >/proc/sys/vm/nr_hugepages"
	:
}

# vm.nr_hugepages does not grow the pool on closed nodes
# timeout: 600
test_isolate_hugetlb_pool()
{
	stays_off hugetlb_pool
	check_eq "$(<"$NODE/node1/$HUGE/nr_hugepages")" 0 "huge pages on node 1"
}

# vm.nr_hugepages grows the pool on open nodes
# timeout: 600
test_isolate_open_hugetlb_pool()
{
	spills hugetlb_pool 10
}

# huge pages beyond the pool, too many for node 0: a reservation, then a fault
load_hugetlb_surplus()
{
	squeeze 96
	echo 300 >/proc/sys/vm/nr_overcommit_hugepages
	# What the squeeze took is free in the pool: use it up.
	keep pool "$PROGS/hold" -w hugetlb $((2 * $(cat "$NODE/node0/$HUGE/nr_hugepages")))
	SURPLUS=0
	OUT=$("$PROGS/hold" hugetlb 200 2>&1) || SURPLUS=$?
}

# surplus huge pages are refused rather than taken from closed nodes
# timeout: 600
test_isolate_hugetlb_surplus()
{
	stays_off hugetlb_surplus
	check_eq "$SURPLUS" 1 "hold of 100 huge pages beyond node 0 ($OUT)"
}

# surplus huge pages come from open nodes
# timeout: 600
test_isolate_open_hugetlb_surplus()
{
	spills hugetlb_surplus 10
	check_eq "$SURPLUS" 0 "hold of 100 huge pages beyond node 0 ($OUT)"
}

ksm_scans()
{
	[ "$(cat /sys/kernel/mm/ksm/full_scans)" -ge "$1" ]
}

ksm_shares()
{
	[ "$(cat /sys/kernel/mm/ksm/pages_sharing)" -ge "$1" ]
}

# ksm_two - one that names node 1, merged as far as may be, then a stranger
ksm_two()
{
	local scans

	# All of them in one page, which then takes the stranger's as well.
	echo 100000 >/sys/kernel/mm/ksm/max_page_sharing
	echo 5000 >/sys/kernel/mm/ksm/pages_to_scan
	echo 20 >/sys/kernel/mm/ksm/sleep_millisecs
	scans=$(cat /sys/kernel/mm/ksm/full_scans)
	keep namer numactl --membind=1 "$PROGS/hold" -w same 8
	echo 1 >/sys/kernel/mm/ksm/run
	wait_for 60 ksm_scans $((scans + 4))
	keep stranger "$PROGS/hold" -w same 8
	wait_for 60 ksm_shares 2000
	scans=$(cat /sys/kernel/mm/ksm/full_scans)
	wait_for 60 ksm_scans $((scans + 2))
	report stranger
}

# KSM merges no stranger's page into one on a closed node
# timeout: 600
test_isolate_ksm()
{
	ksm_two
	check_eq "$(held "node 0")" 2048 "the stranger's pages on node 0"
	report namer
	check_eq "$(held "node 1")" 2048 "pages on node 1 of who named it"
}

# KSM merges a stranger's pages into those on an open node
# timeout: 600
test_isolate_open_ksm()
{
	mode open
	ksm_two
	check_eq "$(held "node 1")" 2048 "the stranger's pages on node 1"
}

# free memory of closed nodes does not raise the dirty limit
# timeout: 600
test_isolate_dirty_limit()
{
	local closed open

	closed=$(vmstat nr_dirty_threshold)
	mode open
	open=$(vmstat nr_dirty_threshold)
	note "dirty threshold: $closed pages closed, $open open"
	# 20 % of 1536 MiB
	check_ge $((open - closed)) 70000 "what open nodes add to the dirty limit"
}

# mode refuses what is no mode
# timeout: 600
test_isolate_bad_mode()
{
	local m

	for m in "" ajar "closed open" 3; do
		! echo "$m" 2>/dev/null >"$CDM/nodes/1/mode" || fail "mode '$m' was taken"
		check_eq "$(<"$CDM/nodes/1/mode")" closed "mode after '$m'"
	done
}

# ---- those who name it -------------------------------------------------------

# --membind of a closed node gets that node only
# timeout: 600
test_isolate_membind()
{
	hold_on --membind=1 anon 64
	check_eq "$(held "node 1")" 16384 "pages on node 1"
	hold_on --membind=2 shmem 32
	check_eq "$(held "node 2")" 8192 "shared pages on node 2"
	hold_on --membind=1 thp 64
	check_eq "$(held "node 1")" 16384 "pages of huge pages on node 1"
}

# --membind of two closed nodes, one of which is too small
# timeout: 600
test_isolate_membind_two()
{
	echo 230 >"$NODE/node2/$HUGE"/nr_hugepages
	hold_on --membind=1,2 anon 64
	check_eq $(($(held "node 1") + $(held "node 2"))) 16384 "pages on nodes 1 and 2"
}

# a mixed --membind takes closed memory once node 0 is full, and nothing is lost
# timeout: 600
test_isolate_membind_mixed()
{
	squeeze 160
	hold_on --membind=0,1 anon 320
	check_eq $(($(held "node 0") + $(held "node 1"))) $((320 * 256)) "pages on nodes 0 and 1"
	check_ge "$(held "node 0")" 20000 "pages on node 0"
	check_ge "$(held "node 1")" 20000 "pages on node 1"
}

# --preferred of a closed node fills it, then falls back to CPU memory only
# timeout: 600
test_isolate_preferred()
{
	# Room for 84 MiB, less its watermarks and what it had of others.
	echo 470 >"$NODE/node1/$HUGE"/nr_hugepages
	hold_on --preferred=1 anon 128
	check_ge "$(held "node 1")" 8000 "pages on node 1"
	check_ge "$(held "node 0")" 10000 "pages on node 0"
	check_eq "$(held "node 2")" 0 "pages on node 2, which nobody named"
}

# --preferred-many of closed nodes takes those, then CPU memory
# timeout: 600
test_isolate_preferred_many()
{
	echo 470 >"$NODE/node1/$HUGE"/nr_hugepages
	echo 226 >"$NODE/node2/$HUGE"/nr_hugepages
	hold_on --preferred-many=1,2 anon 170
	check_ge "$(held "node 1")" 8000 "pages on node 1"
	check_ge "$(held "node 2")" 5000 "pages on node 2"
	check_ge "$(held "node 0")" 5000 "pages on node 0"
}

# --interleave goes round the nodes it names
# timeout: 600
test_isolate_interleave()
{
	local n

	hold_on --interleave=all anon 48
	for n in 0 1 2; do
		check_eq "$(held "node $n")" 4096 "a third of the pages on node $n"
	done
}

# page cache goes to a closed node for a task that is bound there
# timeout: 600
test_isolate_bound_pagecache()
{
	local before

	disk
	before=$(dev_allocs)
	numactl --membind=2 dd if=/mnt/disk/sparse of=/dev/null bs=1M count=16 2>/dev/null
	check_ge $(($(dev_allocs) - before)) 4000 "allocations on node 2"
}

# a cpuset of a closed node alone gets that node
# timeout: 600
test_isolate_cpuset()
{
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $CG
	echo 1 >$CG/cpuset.mems
	hold_in $CG anon 64
	check_eq "$(held "node 1")" 16384 "pages on node 1"
}

# huge pages of a closed node go to who is bound there, and to nobody else
# timeout: 600
test_isolate_hugetlb_named()
{
	echo 16 >"$NODE/node1/$HUGE"/nr_hugepages
	check_eq "$(<"$NODE/node1/$HUGE/nr_hugepages")" 16 "huge pages on node 1"
	hold_on --membind=1 hugetlb 32
	check_eq "$(held "node 1")" 8192 "pages of huge pages on node 1"

	# 16 free in the pool: a stranger's mapping passes, its first fault does
	# not, as in a cpuset without huge pages of its own.
	STATUS=0
	OUT=$("$PROGS/hold" hugetlb 32 2>&1) || STATUS=$?
	check_eq "$STATUS" 135 "status (SIGBUS) of a stranger's huge page ($OUT)"
	check_eq "$(<"$NODE/node1/$HUGE/free_hugepages")" 16 "huge pages left free"
}

# mbind and move_pages bring memory to a closed node and back
# timeout: 600
test_isolate_migratepages()
{
	keep it "$PROGS/hold" -w anon 8
	migratepages "$(pgrep -x hold)" 0 1 || fail "migratepages to node 1"
	report it
	check_ge "$(held "node 1")" 2000 "pages moved to node 1"
	migratepages "$(pgrep -x hold)" 1 0 || fail "migratepages to node 0"
	report it
	check_eq "$(held "node 1")" 0 "pages left on node 1"
}

# a cgroup that lives on a closed node is reclaimed at its limit, not killed
# timeout: 600
test_isolate_memcg_limit()
{
	swap_on
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $CG
	echo 32M >$CG/memory.max
	OUT=$(echo $BASHPID >$CG/cgroup.procs &&
	      exec numactl --membind=1 "$PROGS/hold" anon 64) ||
		fail "hold of 64 MiB in a cgroup of 32 MiB: $? $(cat $CG/memory.events)"
	check_match "$(cat $CG/memory.events)" '^oom_kill 0$' "OOM kills in the cgroup"
	check_ge "$(held absent)" 8000 "pages swapped out"
	check_ge "$(held "node 1")" 4000 "pages on node 1"
	check_eq "$(held "node 0")" 0 "pages on node 0"
}

# memory.reclaim finds what a cgroup has on a closed node
# timeout: 600
test_isolate_memcg_reclaim()
{
	swap_on
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $CG
	# shellcheck disable=SC2016 # for the inner shell
	keep it bash -c 'echo $$ >$0/cgroup.procs && exec "$@"' $CG \
		numactl --membind=1 "$PROGS/hold" -w anon 32
	echo 16M >$CG/memory.reclaim || fail "memory.reclaim of 16 MiB"
	report it
	check_ge "$(held absent)" 3500 "pages swapped out"
}
