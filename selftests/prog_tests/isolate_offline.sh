# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --append movablecore=256M
#
# CPU memory goes offline although the device nodes are closed to its pages: they
# stay within the CPUs' nodes. On open nodes the same pages leave for the device.

# shellcheck source=selftests/prog_tests/isolate_lib.bash
. "$REPO/selftests/prog_tests/isolate_lib.bash"

setup()
{
	managed closed
}

teardown()
{
	local b

	let_go
	for b in /sys/devices/system/memory/memory[0-9]*; do
		[ "$(cat "$b/state")" = online ] || echo online_movable >"$b/state"
	done
}

# a_block - a memory block of node 0 that is wholly in ZONE_MOVABLE
a_block()
{
	local b

	for b in "$NODE"/node0/memory[0-9]*; do
		[ "$(cat "$b/valid_zones")" != Movable ] || { echo "$b"; return; }
	done
	fail "node 0 has no movable memory block"
}

# offline_one - fill node 0's movable zone, take a block of it offline
offline_one()
{
	local block before

	block=$(readlink -f "$(a_block)") || exit 1
	# ZONE_MOVABLE is filled first.
	keep it "$PROGS/hold" -w anon 192
	settle
	before=$(dev_allocs)
	echo offline >"$block/state" || fail "cannot take $block offline"
	check_eq "$(cat "$block/state")" offline "$block"
	MOVED=$(($(dev_allocs) - before))
}

# a block of CPU memory in use goes offline, and closed nodes get none of it
# timeout: 300
test_isolate_offline_dram()
{
	offline_one
	check_eq "$MOVED" 0 "pages of node 0 that went to closed nodes"
}

# a block of CPU memory in use goes offline to open nodes
# timeout: 300
test_isolate_open_offline_dram()
{
	mode open
	offline_one
	check_ge "$MOVED" 1000 "pages of node 0 that went to open nodes"
}
