# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Broken pages of a managed node: the driver and policies learn of them, and they never
# come back into use, whoever brings the memory online again.

# shellcheck source=selftests/prog_tests/move_lib.bash
. "$REPO/selftests/prog_tests/move_lib.bash"

UNPOISON=/sys/kernel/debug/hwpoison/unpoison-pfn
CORRUPT=/sys/kernel/debug/hwpoison/corrupt-pfn

setup()
{
	nodes_up
	thp_off
	mkdir -p $CG
	grep -q '^hwpoison_inject ' /proc/modules || mod_load hwpoison_inject
	[ -e $UNPOISON ] || skip "no $UNPOISON"
}

teardown()
{
	local n

	stop
	end_all
	pkill -9 -x 'simrun|attach'
	pkill -9 -x movewatch
	wait
	for n in 1 2; do
		[ "$(cat "$CDM/nodes/$n/state" 2>/dev/null)" != offline ] ||
			cdmctl node online $n >/dev/null
		mend $n
		check_eq "$(cat "$CDM/nodes/$n/broken")" "" "broken pages of node $n after all were mended"
	done
	umount /mnt/disk 2>/dev/null
	rmmod cdm_sim hwpoison_inject
	[ -s "$TMP/.failed" ] || check_eq "$(cat "$NODE/has_memory")" 0 "nodes with memory"
	rmdir $CG
}

# mend N - what is broken of node N is whole again, if nobody has it
mend()
{
	local pfn

	# Not from the file itself, which becomes shorter with each.
	for pfn in $(cat "$CDM/nodes/$1/broken"); do
		echo "$pfn" >$UNPOISON 2>/dev/null
	done
}

# frame_is_broken PFN - the kernel's flag says so
frame_is_broken()
{
	local flags

	flags=$(dd if=/proc/kpageflags bs=8 skip="$(($1))" count=1 status=none | od -An -tu8)
	[ $((flags >> 19 & 1)) = 1 ]
}

# broken N WANT - page frames, as sysfs lists them
broken()
{
	check_eq "$(sort "$CDM/nodes/$1/broken" | paste -sd' ')" "$2" "broken pages of node $1"
}

# break_first KIND KIB [FILE] - of such memory on node 2 the first page breaks; its
# frame is $BAD
break_first()
{
	start "$@"
	break_it
}

break_it()
{
	moves "moved=$PAGES" 2
	pfns
	BAD=$(printf %#x "${PFNS%%[-,]*}")
	ask poison
	wait_for 20 grep -qx "$BAD" "$CDM/nodes/2/broken"
}

# comes_back - node 2 is drained and comes back; driver and all, then; $BAD stays out
comes_back()
{
	cdmctl node drain 2 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	check_match "$(cat "$TMP/drain")" "^$BAD +1 poisoned" "what cdmctl says of the drain"
	check_match "$(cat "$CDM/nodes/2/left")" "^page $BAD\+1 poisoned unknown" "nodes/2/left"
	cdmctl node online 2 >"$TMP/online" 2>&1 || fail "$(cat "$TMP/online")"
	broken 2 "$BAD"
	frame_is_broken "$BAD" || fail "page frame $BAD came back into use"
	rmmod cdm_sim
	nodes_up
	broken 2 "$BAD"
	frame_is_broken "$BAD" || fail "page frame $BAD came back into use with the driver"
	# All that there is of the node, and not that page.
	"$PROGS/simrun" -d /dev/cdm_sim1 -p strided -t 4096 -s $((480 * 1024)) -H 1000 >"$TMP/sim" 2>&1 &
	wait_for 100 grep -q ^top "$TMP/sim"
	frame_is_broken "$BAD" || fail "page frame $BAD was handed out"
	kill $!
	wait $! 2>/dev/null || :
}

# the driver, the counters and policies learn of it, once
# timeout: 120
test_node_broken_told()
{
	"$PROGS/attach" -t 600 -d n_unmoved -d moved_status "$PROGS/events.bpf.o" \
		>"$TMP/policy" 2>&1 &
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
	dmesg -C
	break_first anon 64
	wait_for 20 eval 'dmesg | grep -q "cdm_sim1: page frame $BAD is broken"'
	check_eq "$(awk '$1 == "broken" { print $2 }' "$CDM/nodes/2/stats")" 1 "pages that the node counts"
	pkill -INT -x attach
	wait_for 20 grep -q ^moved_status "$TMP/policy"
	# By enum cdm_mover: memory failure is the tenth.
	check_match "$(cat "$TMP/policy")" "^n_unmoved ([0-9]+ ){9}1 " "migrated() with a failure"
	check_match "$(cat "$TMP/policy")" "^moved_status (-133|4294967163)\$" "its status"
	broken 2 "$BAD"
	broken 1 ""
}

# anonymous memory: it stays out of use, with the driver gone and back
# timeout: 240
test_node_broken_anon()
{
	break_first anon 64
	intact "a page broke"
	comes_back
}

# shared memory: the page cache keeps it, and so its memory, until the file is gone
# timeout: 240
test_node_broken_shmem()
{
	break_first shmem 64
	expect_fail cdmctl node drain 2 --timeout 2
	check_match "$OUT" "poisoned-in-use 1" "what is left"
	check_match "$OUT" "poisoned-in-use +holder unknown" "who holds it"
	check_eq "$(node_stat 2 MemTotal)" $((512 * 1024)) "node 2's memory in kB"
	# Nor does the driver's unloading remove it.
	timeout -s INT 4 rmmod cdm_sim
	check_eq "$(cat "$CDM/nodes/2/state")" orphaned "state"
	stop
	nodes_up
	comes_back
}

# survives WANT - what its owner finds in each page of a file on disk
survives()
{
	ask survey
	check_eq "$(word right) $(word wrong) $(word sigbus)" "$1" \
		"pages that are right, are wrong, and cannot be read"
}

# a file on a disk: what is on the disk is read from there, what is not is an error, said once
# timeout: 300
test_node_broken_file()
{
	disk_mount
	start file 64 /mnt/disk/clean
	ask sync
	break_it
	survives "$PAGES 0 0"
	ask eio
	check_eq "$(word msync)" 0 "error of msync, of clean pages"
	stop
	mend 2
	start file 64 /mnt/disk/dirty
	break_it
	survives "$((PAGES - 1)) 0 1"
	ask eio
	check_eq "$(word msync)" 5 "error of msync, of dirty pages"
	stop
	comes_back
}

# a huge page is split, and only the one stays behind
# timeout: 240
test_node_broken_thp()
{
	echo always >$THP/hugepages-2048kB/enabled
	break_first thp 4096
	echo never >$THP/hugepages-2048kB/enabled
	comes_back
}

# a page that nobody uses
# timeout: 240
test_node_broken_free()
{
	local first

	first=$(($(cat "$CDM/nodes/2/start") / 4096))
	BAD=$(printf %#x $((first + 5000)))
	echo "$BAD" >$CORRUPT || fail "corrupt-pfn $BAD"
	wait_for 20 grep -qx "$BAD" "$CDM/nodes/2/broken"
	comes_back
}

# whole again, by unpoisoning: it is forgotten
# timeout: 120
test_node_broken_mended()
{
	break_first anon 64
	stop
	echo "$BAD" >$UNPOISON || fail "unpoison $BAD"
	broken 2 ""
	cdmctl node drain 2 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	cdmctl node online 2 >"$TMP/online" 2>&1 || fail "$(cat "$TMP/online")"
	! frame_is_broken "$BAD" || fail "page frame $BAD is still out of use"
}

# pages break while they are placed, moved, evicted and drained
# timeout: 300
test_node_broken_race()
{
	local i=0 j first pages=$((512 * 256)) rounds=3 drained=0 used=0 hits=0

	[ "$SOAK" = 0 ] || rounds=60
	first=$(($(cat "$CDM/nodes/2/start") / 4096))
	# Each dies of a broken page sooner or later, and is followed by another. They prefer
	# the node, and are moved off it and back. (Who is bound to a node that goes offline
	# finds no memory at all until the kernel rebinds him, and the OOM killer takes
	# anybody meanwhile, this shell for one.)
	(while :; do "$PROGS/simrun" -d /dev/cdm_sim1 -s 65536 -p uniform -n 20000; done) >/dev/null 2>&1 &
	JOBS=$!
	(while :; do
		"$PROGS/movewatch" 2 32768 &
		sleep 1
		migratepages $! 2 1
		migratepages $! 1 2
		kill -9 $!
		wait $!
	done) >/dev/null 2>&1 &
	JOBS+=" $!"
	(while :; do echo 16M >"$CDM/nodes/2/evict"; done) 2>/dev/null &
	JOBS+=" $!"
	while [ $i -lt $rounds ]; do
		i=$((i + 1))
		for ((j = 0; j < 40; j++)); do
			echo $((first + (RANDOM << 15 | RANDOM) % pages)) >$CORRUPT 2>/dev/null &&
				hits=$((hits + 1))
			[ $((j % 10)) != 5 ] || sleep 0.2
		done
		if OUT=$(cdmctl node drain 2 --timeout 20 2>&1); then
			drained=$((drained + 1))
			cdmctl node online 2 >"$TMP/online" 2>&1 || fail "$(cat "$TMP/online")"
		else
			check_match "$OUT" "poisoned-in-use|no-room|busy" "why node 2 stayed"
			used=$((used + 1))
		fi
		check_eq "$(cat "$CDM/nodes/2/state")" online "state"
		mend 2
	done
	note "$hits pages broke, $drained drains, $used that were kept up"
	# shellcheck disable=SC2086 # a list
	kill $JOBS
	pkill -9 -x simrun
	pkill -9 -x movewatch
	wait
	check_ge $hits $((rounds * 10)) "pages that broke"
	check_none_isolated
	mend 2
	cdmctl node drain 2 --timeout 60 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	cdmctl node online 2 >"$TMP/online" 2>&1 || fail "$(cat "$TMP/online")"
	mend 2
}
