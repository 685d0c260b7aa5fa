# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --nodes 3072,16384
#
# A node of sixteen segments comes online as a whole, or nothing of it stays: if one
# segment fails, or if whoever loads the driver is killed half-way.

# shellcheck source=selftests/prog_tests/node_lib.bash
. "$REPO/selftests/prog_tests/node_lib.bash"

MIB=16384

setup()
{
	[ "$DEBUG_GUEST" = 0 ] || skip "KASAN's shadow of 16 GiB has no room on node 0"
	echo offline >/sys/devices/system/memory/auto_online_blocks
	nodes_gone "before the test"
}

teardown()
{
	pkill -9 -x insmod
	wait
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
}

# all segments come, look like one range, and go
# timeout: 300
test_node_segments()
{
	mod_load cdm_sim
	node_up 1 $MIB
	check_eq "$(grep -c 'System RAM (cdm_sim0)' /proc/iomem)" 1 "ranges in /proc/iomem"
	cdmctl node drain 1 >"$TMP/drain" 2>&1 || fail "drain: $(cat "$TMP/drain")"
	cdmctl node online 1 >"$TMP/online" 2>&1 || fail "online: $(cat "$TMP/online")"
	node_up 1 $MIB
	mod_unload cdm_sim
	nodes_gone "after unloading"
}

# segment 7 of 16 fails: the six before it leave again, the driver comes the next time
# timeout: 300
test_node_segment_fails()
{
	local bad=$((6 * 1024 + 512)) used

	used=$(node_used 0)
	expect_fail insmod "$(mod_path cdm_sim)" bad_mib=$bad
	check_match "$OUT" "Input/output error" "insmod"
	check_match "$(dmesg)" "node 1: cannot bring memory 0x[0-9a-f]+\+0x40000000 online \(-5\), taking" "the log"
	nodes_gone "after a segment failed"
	check_le $(($(node_used 0) - used)) 4096 "pages of node 0 more than before"
	mod_load cdm_sim
	node_up 1 $MIB
	# Likewise when it is to come back.
	cdmctl node drain 1 >"$TMP/drain" 2>&1 || fail "drain: $(cat "$TMP/drain")"
	echo $bad >/sys/module/cdm_sim/parameters/bad_mib
	expect_fail cdmctl node online 1
	check_match "$OUT" "cannot bring its memory online again" "cdmctl node online"
	check_eq "$(cat "$CDM/nodes/1/state")" offline "state"
	check_eq "$(cat $NODE/has_memory)" 0 "nodes with memory after a segment failed"
	echo 0 >/sys/module/cdm_sim/parameters/bad_mib
	cdmctl node online 1 >"$TMP/online" 2>&1 || fail "online: $(cat "$TMP/online")"
	node_up 1 $MIB
	mod_unload cdm_sim
	nodes_gone "after unloading"
}

# whoever loads the driver is killed while its memory comes: nothing stays
# timeout: 300
test_node_segment_killed()
{
	local loader

	# In segment 7 its hardware takes its time.
	insmod "$(mod_path cdm_sim)" wait_mib=$((6 * 1024 + 512)) &
	loader=$!
	wait_for 120 has_kb 1 $((6 * 1024 * 1024))
	kill -9 $loader
	wait $loader
	check_match "$(dmesg)" "cdm_sim0 was killed with 7168 of $MIB MiB online" "the log"
	! grep -q '^cdm_sim ' /proc/modules || fail "the module is there"
	nodes_gone "after its loader was killed"
	mod_load cdm_sim
	node_up 1 $MIB
	mod_unload cdm_sim
}

# segment 3 fails and a pipe holds a page of segment 1: the driver comes again for the rest
# timeout: 300
test_node_segment_held()
{
	local bad=$((2 * 1024 + 512)) loader

	insmod "$(mod_path cdm_sim)" bad_mib=$bad wait_mib=$bad 2>"$TMP/insmod" &
	loader=$!
	wait_for 120 has_kb 1 $((2 * 1024 * 1024))
	pipe_holds 1
	echo 0 >/sys/module/cdm_sim/parameters/wait_mib
	wait $loader
	check_match "$(dmesg)" "cannot remove it again \(-[0-9]+\): 3072 of $MIB MiB stay" "the log"
	check_eq "$(cat "$CDM/nodes/1/state")" orphaned "state"
	check_eq "$(node_stat 1 MemTotal)" $((2560 * 1024)) "kB that stay online"
	# Once more it fails, and the page stays where it is.
	expect_fail insmod "$(mod_path cdm_sim)" bad_mib=$((4 * 1024))
	check_eq "$(cat "$CDM/nodes/1/state")" orphaned "state after a second try"
	mod_load cdm_sim
	node_up 1 $MIB
	pipe_empty
	mod_unload cdm_sim
	nodes_gone "after unloading"
	# And once with nothing in the way any more: the orphan ends with the failure.
	insmod "$(mod_path cdm_sim)" bad_mib=$((15 * 1024)) && fail "insmod with a bad block"
	nodes_gone "after a failure that could be undone"
}
