# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two movers against each other, and against whatever else happens to memory.
#
# Each race runs a few seconds (ten in the debug guest, ten minutes in the soak)
# and is repeated as often as it will in that time. moverace counts from tracepoints
# how often the two really met; a race that never took place is a failure. Content
# is compared all the while, and afterwards nothing may be left (teardown).

# shellcheck source=selftests/prog_tests/move_lib.bash
. "$REPO/selftests/prog_tests/move_lib.bash"

SECONDS_EACH=5
[ "$DEBUG_GUEST" = 0 ] || SECONDS_EACH=10
[ "$SOAK" = 0 ] || SECONDS_EACH=600

setup()
{
	nodes_up
	thp_off
	baseline
}

teardown()
{
	end_all
	swapoff -a
	umount /mnt/disk 2>/dev/null
	rm -f /mnt/race
	all_online
	[ ! -d $CG ] || [ -s "$TMP/.failed" ] || (at_baseline)
	[ ! -d $CG ] || rmdir $CG
}

# race KEY OPTIONS... RACE - run it; hits under KEY must not be zero
race()
{
	local key=$1 status

	shift
	(echo $BASHPID >$CG/cgroup.procs && exec "$PROGS/moverace" -t $SECONDS_EACH \
		"${@:1:$#-1}" "$PROGS/mover.bpf.o" "$PROGS/moverace.bpf.o" "${*: -1}" \
		>"$TMP/race" 2>&1)
	status=$?
	OUT=$(<"$TMP/race")
	# In tmpfs, and charged to who wrote it.
	rm "$TMP/race"
	[ $status = 0 ] || fail "moverace $*: status $status: $OUT"
	note "${*: -1}: $(word "$key") hits: $(word migrations) migrations, $(word moved) pages moved, $(word busy) busy, $(word ops) operations, $(word rounds) rounds, $(word op_failed) of them failed"
	check_eq "$(word wrong)" 0 "comparisons that went wrong"
	check_ge "$(word moved)" 1000 "pages moved"
	check_ge "$(word "$key")" 1 "hits"
}

# no_errors - no call of a mover was refused
no_errors()
{
	check_eq "$(word errors)" 0 "calls that were refused: $(word last_error)"
}

# two movers on the same pages, in opposite directions
# timeout: 90
test_move_race_movers()
{
	race hits movers
	no_errors
	check_ge "$(word busy)" 1 "pages that one mover found with the other"
	race hits -n 1,2 movers
	no_errors
}

# pages that are unmapped
# timeout: 60
test_move_race_munmap()
{
	race hits munmap
	no_errors
}

# a file in tmpfs, and one on a disk, that is truncated
# timeout: 90
test_move_race_truncate()
{
	race hits -f /mnt/race truncate
	no_errors
	rm /mnt/race
	disk_mount
	race hits -f /mnt/disk/race truncate
	no_errors
}

# huge pages that are split
# timeout: 60
test_move_race_split()
{
	local before

	before=$(awk '$1 == "thp_split_page" { print $2 }' /proc/vmstat)
	race hits -k 4096 split
	no_errors
	check_ge $(($(awk '$1 == "thp_split_page" { print $2 }' /proc/vmstat) - before)) 1 "huge pages split"
}

# a process that executes another program
# timeout: 60
test_move_race_exec()
{
	race hits exec
	no_errors
}

# a process that exits
# timeout: 60
test_move_race_exit()
{
	race hits exit
	no_errors
}

# a storm of forks, and copies on write
# timeout: 60
test_move_race_fork()
{
	race hits fork
	no_errors
}

# swap space that goes away
# timeout: 90
test_move_race_swapoff()
{
	[ "$(cat /sys/block/zram0/disksize)" != 0 ] ||
		echo 64M >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null || fail "mkswap /dev/zram0"
	race hits -f /dev/zram0 swapoff
	no_errors
}

# the node that pages come from goes offline
# timeout: 90
test_move_race_offline_source()
{
	# Mover 0 takes them away from the second node.
	race hits_0 -n 0,2 offline
	all_online
}

# the node that pages go to goes offline
# timeout: 90
test_move_race_offline_target()
{
	race hits_1 -n 0,2 offline
	all_online
}
