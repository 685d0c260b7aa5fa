# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A device is pulled out, and reading its memory gives all ones from then on: whoever has
# pages there gets an error and no garbage, what can be read again is, and the node is gone
# as soon as nobody holds a page of it. A new device in its place is as good as new.

# shellcheck source=selftests/prog_tests/move_lib.bash
. "$REPO/selftests/prog_tests/move_lib.bash"
# shellcheck source=selftests/prog_tests/node_lib.bash
. "$REPO/selftests/prog_tests/node_lib.bash"

LOSE=/sys/module/cdm_sim/parameters/lose
MIB=512				# of node 2

setup()
{
	nodes_up
	thp_off
	baseline
	dmesg -C
}

teardown()
{
	stop
	pkill -9 -x 'simrun|attach'
	end_all
	swapoff -a
	umount /mnt/disk 2>/dev/null
	echo 500 >/proc/sys/vm/dirty_writeback_centisecs
	echo never >$THP/hugepages-2048kB/enabled
	echo 0 >"$NODE/node0/$HUGE/nr_hugepages"
	if [ ! -s "$TMP/.failed" ]; then
		(new_device && at_baseline)
	fi
	[ ! -d $CG ] || rmdir $CG
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
}

# new_device - the driver is unloaded and loaded: everything is as it was before the loss
new_device()
{
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
	wait_for 60 eval '[ ! -e $CDM/nodes/2 ]'
	nodes_up
	node_up 2 $MIB
	check_eq "$(cat "$CDM/nodes/2/broken")" "" "broken pages of the new device"
	check_eq "$(awk '$1 == "HardwareCorrupted:" { print $2 }' /proc/meminfo)" 0 "kB of broken memory"
	check_none_isolated
}

# lose - node 2's device is pulled out
lose()
{
	echo 2 >$LOSE || fail "echo 2 >$LOSE"
}

state_is()
{
	[ "$(cat "$CDM/nodes/$1/state" 2>/dev/null)" = "$2" ]
}

# looked_at - who looks at the page tables of those who had pages there finds no frame
looked_at()
{
	local f

	for f in smaps smaps_rollup numa_maps; do
		cat "/proc/$PID/$f" >/dev/null || fail "/proc/$PID/$f"
	done
	dd if="/proc/$PID/pagemap" of=/dev/null bs=8 skip=$((${RANGE%-*} / 4096)) \
		count="$PAGES" status=none || fail "/proc/$PID/pagemap"
}

# removed - nobody holds node 2's memory any more
removed()
{
	wait_for 60 state_is 2 offline
	[ -z "${MOVABLE:-}" ] || looked_at
	! grep -q 'System RAM (cdm_sim1)' /proc/iomem || fail "its memory is in /proc/iomem"
	check_eq "$(cat "$NODE/has_memory")" 0-1 "nodes with memory"
}

# held REASON PAGES - that is what is left of node 2
held()
{
	wait_for 60 grep -qx "total $1 $2" "$CDM/nodes/2/left"
	check_eq "$(cat "$CDM/nodes/2/state")" failed "node 2's state"
}

# pipe_page - a page of node 2 that a pipe holds, and no other
pipe_page()
{
	pipe_holds 2
	# What a bound program has written is on its node, too.
	rm "$TMP/out"
}

# survey RIGHT SIGBUS - so many pages of the movable are as they were, and are errors
survey()
{
	ask survey
	check_eq "$OUT" "right $1"$'\n'"wrong 0"$'\n'"sigbus $2"$'\n' "pages after the loss"
}

# lost_with KIND KIB [FILE] - memory that is on the device's node when it is pulled out
lost_with()
{
	start "$@"
	moves "moved=$PAGES" 2
	lose
}

# anonymous memory
# timeout: 120
test_node_lost_anon()
{
	lost_with anon 1024
	removed
	survey 0 256
	check_match "$(dmesg)" "cdm: node 2: cdm_sim1 is lost, and $MIB MiB of memory with it" "the log"
	check_match "$(dmesg)" "cdm: node 2: the memory of cdm_sim1, which is lost, is removed" "the log"
	# Not a line a page.
	check_eq "$(dmesg | grep -c 'Memory failure:')" 0 "lines of memory failure"
}

# huge pages
# timeout: 120
test_node_lost_thp()
{
	echo always >$THP/hugepages-2048kB/enabled
	start thp 8192
	moves "moved=$PAGES" 2
	ask facts
	check_eq "$(word flag thp)" 2048 "pages of huge pages"
	lose
	removed
	survey 0 2048
	stop
	new_device

	# A page that reads as zeros was never one of zeros.
	echo 0 >/sys/module/cdm_sim/parameters/lost_byte
	lost_with thp 8192
	removed
	survey 0 2048
	echo never >$THP/hugepages-2048kB/enabled
}

# a huge page that a pipe holds a piece of cannot be split, and is gone all the same
# timeout: 120
test_node_lost_thp_held()
{
	echo always >$THP/hugepages-2048kB/enabled
	mkfifo "$TMP/pipe"
	exec 8<>"$TMP/pipe"
	start thp 2048 "$TMP/pipe"
	moves "moved=$PAGES" 2
	ask splice
	lose
	held poisoned-in-use 512
	survey 0 512
	looked_at
	# It has the pipe open, too.
	stop
	exec 8>&-
	removed
}

# mlocked, and shared with a child
# timeout: 120
test_node_lost_mlocked()
{
	start anon 1024
	ask mlock
	ask fork
	moves "moved=$PAGES" 2 --shared
	lose
	removed
	survey 0 256
}

# KSM: one page of many
# timeout: 120
test_node_lost_ksm()
{
	start same 256
	echo 1000 >/sys/kernel/mm/ksm/pages_to_scan
	echo 1 >/sys/kernel/mm/ksm/run
	wait_for 60 eval 'ask facts; [ $(word flag ksm) = $PAGES ]'
	echo 0 >/sys/kernel/mm/ksm/run
	page --pid "$PID" --range "$RANGE" --to 2 --shared
	on_node 2 "$PAGES"
	lose
	removed
	survey 0 64
	echo 2 >/sys/kernel/mm/ksm/run
}

# a file: what is on the disk is read from it again, what is not is an error and said so
# timeout: 120
test_node_lost_file()
{
	disk_mount
	start file 1024 /mnt/disk/clean
	ask sync
	ask reread
	moves "moved=$PAGES" 2
	lose
	removed
	survey 256 0
	stop
	new_device

	start file 1024 /mnt/disk/dirty
	ask sync
	# Not behind our back.
	echo 0 >/proc/sys/vm/dirty_writeback_centisecs
	ask write
	moves "moved=$PAGES" 2
	lose
	removed
	ask eio
	check_eq "$(word msync)" 5 "the error of msync"
	echo 500 >/proc/sys/vm/dirty_writeback_centisecs
	survey 0 256
	# The file is whole, and old.
	check_eq "$(stat -c %s /mnt/disk/dirty)" 1048576 "bytes of the file"
	cat /mnt/disk/dirty >/dev/null || fail "the file cannot be read"
	stop
	# What was charged and counted is so no more, with nobody in the cgroup.
	settle
	check_eq "$(awk '$1 == "file_dirty" { print $2 }' $CG/memory.stat)" 0 "dirty bytes of the cgroup"
}

# shared memory: a page that is lost is an error to all, as long as the file is there
# timeout: 120
test_node_lost_shmem()
{
	local b

	start file 1024 "$TMP/shm"
	moves "moved=$PAGES" 2
	lose
	held poisoned-in-use 256
	survey 0 256
	expect_fail dd if="$TMP/shm" of=/dev/null
	check_match "$OUT" "Input/output error" "reading the file"
	expect_fail cdmctl node drain 2
	check_match "$OUT" "node 2: cdm_sim1 is lost, and its memory is removed when nobody holds it" "a drain"
	expect_fail cdmctl node online 2
	check_match "$OUT" "node 2: cdm_sim1 is lost; the node comes back with its driver" "online"
	expect_fail eval "echo open >$CDM/nodes/2/mode"
	for b in "$NODE"/node2/memory[0-9]*; do
		expect_fail eval "echo offline >$b/state"
	done
	rm "$TMP/shm"
	check_eq "$(cat "$CDM/nodes/2/state")" failed "state while it is mapped"
	stop
	removed
	expect_fail cdmctl node online 2
	check_match "$OUT" "cdm_sim1 is lost" "online after it was removed"
}

# the swap cache: what was written to swap is read from there
# timeout: 120
test_node_lost_swapcache()
{
	mkswap -q /dev/vda 2>/dev/null || mkswap /dev/vda >/dev/null || fail "mkswap"
	swapon /dev/vda || fail "swapon"
	start anon 1024
	ask pageout
	ask touch
	moves "moved=$PAGES" 2
	ask facts
	check_ge "$(word flag swapcache)" 1 "pages in the swap cache"
	OUT_CACHED=$(word flag swapcache) OUT_DIRTY=$(word flag dirty)
	note "$OUT_CACHED pages in the swap cache, $OUT_DIRTY dirty"
	lose
	removed
	ask survey
	check_eq "$(word wrong)" 0 "pages with garbage"
	check_eq "$(word right)" "$OUT_CACHED" "pages that were read from swap"
	check_eq "$(word sigbus)" $((PAGES - OUT_CACHED)) "pages that are lost"
}

# hugetlb, private: its pool gives it up
# timeout: 120
test_node_lost_hugetlb()
{
	echo 2 >"$NODE/node0/$HUGE/nr_hugepages"
	echo 2 >"$NODE/node2/$HUGE/nr_hugepages"
	start hugetlb 4096
	moves "moved=1024" 2
	lose
	removed
	survey 0 1024
	stop
}

# pinned: gone for those who map it, and waited for; the driver does not wait
# timeout: 180
test_node_lost_pinned()
{
	# A pin for long would move it off a managed node; the kernel knows nothing of a pipe's.
	pipe_page
	lose
	held poisoned-in-use 1
	check_match "$(cat "$CDM/nodes/2/left")" "^page 0x[0-9a-f]+\+1 poisoned-in-use unknown" "what is left"
	rmmod cdm_sim || fail "rmmod"
	check_match "$(dmesg)" "node 2: cdm_sim1 goes, and somebody holds pages of its lost memory" "the log"
	check_eq "$(cat "$CDM/nodes/2/state")" failed "state without a driver"
	expect_fail cdmctl node drain 2
	# Node 1 comes alone.
	mod_load cdm_sim
	check_match "$(dmesg)" "cdm_sim1: somebody holds pages of node 2 that cdm_sim1 lost" "the log"
	check_eq "$(cat "$CDM/nodes/1/state")" online "node 1's state"
	rmmod cdm_sim
	pipe_empty
	wait_for 60 eval '[ ! -e $CDM/nodes/2 ]'
	nodes_gone "after the last page went"
}

# the device itself: an error, and no hang
# timeout: 120
test_node_lost_device()
{
	"$PROGS/simrun" -d /dev/cdm_sim1 -p uniform -s 16384 -n 100000000 >"$TMP/sim" 2>&1 &
	wait_for 60 eval '[ $(node_used 2) -gt 2000 ]'
	lose
	wait $! && fail "the run did not fail: $(cat "$TMP/sim")"
	check_match "$(cat "$TMP/sim")" "^error -19\$" "what the device's run says"
	removed
	expect_fail "$PROGS/simrun" -d /dev/cdm_sim1 -p sequential -s 64 -n 10
	check_match "$OUT" "^error -19\$" "another run"
}

# nothing is copied from it, by whomever; policies hear that, and of the end
# timeout: 180
test_node_lost_moves()
{
	local denied=0

	"$PROGS/attach" -t 600 -d n_unmoved -d moved_status -d n_offline "$PROGS/events.bpf.o" \
		>"$TMP/policy" 2>&1 &
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
	pipe_page
	lose
	held poisoned-in-use 1
	# The kernel tries again every 5 seconds at last; what is bound there lives that long.
	sleep 12
	for _ in 1 2 3 4 5 6; do
		start anon 256
		ask "bind 2"
		ask where
		if [ "$(word node 2)" = 64 ]; then
			migratepages "$PID" 2 1
			ask where
			[ "$(word node 2)" != 64 ] || denied=$((denied + 1))
			check_eq "$(word node 1)" 0 "pages that were copied"
		fi
		wait_for 30 eval 'ask survey; [ $(word sigbus) = 64 ]'
		check_eq "$(word wrong)" 0 "pages with garbage"
		stop
		# Else the kernel came in between.
		[ $denied -lt 2 ] || break
	done
	check_ge $denied 1 "tries to move that found all pages there, and left them"
	pipe_empty
	removed
	pkill -INT -x attach
	wait_for 20 grep -q ^moved_status "$TMP/policy"
	# Done, once, and not asked before.
	check_match "$(cat "$TMP/policy")" "^n_offline 0 1 0 0" "node_offline() by phase"
	# -ENODEV, by move_pages, the fourth of enum cdm_mover.
	check_match "$(cat "$TMP/policy")" "^moved_status (-19|4294967277)\$" "the status of a move"
	check_match "$(cat "$TMP/policy")" "^n_unmoved ([0-9]+ ){3}[1-9][0-9]* " "migrated() with a failure"
}

# in the midst of a drain, which ends
# timeout: 120
test_node_lost_drain()
{
	pipe_page
	cdmctl node drain 2 >"$TMP/drain" 2>&1 &
	wait_for 30 state_is 2 draining
	lose
	wait $! && fail "the drain did not fail: $(cat "$TMP/drain")"
	check_match "$(cat "$TMP/drain")" "cdm_sim1 was lost while it was drained" "what cdmctl says"
	held poisoned-in-use 1
	pipe_empty
	removed
}

# an empty node; one that is offline already
# timeout: 120
test_node_lost_empty()
{
	lose
	removed
	rmmod cdm_sim
	nodes_up
	cdmctl node drain 2 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	lose
	expect_fail cdmctl node online 2
	check_match "$OUT" "cdm_sim1 is lost" "online"
}
