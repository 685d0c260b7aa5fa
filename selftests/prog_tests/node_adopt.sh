# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Nodes that stock drivers bring online, dax_hmem and kmem, and that are adopted.
# They stay for the whole file: kmem gives memory back only once.

NODE=/sys/devices/system/node
AUTO=/sys/devices/system/memory/auto_online_blocks

setup()
{
	[ ! -d /sys/module/kmem ] || return 0
	echo online_movable >$AUTO
	mod_load dax_hmem
	mod_load kmem
	wait_for 20 grep -qx 0-2 $NODE/has_memory
}

teardown()
{
	local n

	for n in "$CDM/nodes"/*; do
		[ ! -e "$n" ] || release "${n##*/}"
	done
	check_eq "$(ls "$CDM/nodes")" "" "managed nodes after release"
}

# adopt NID, release NID - must succeed
adopt()
{
	echo "$1" >"$CDM/adopt" || fail "adopt: $(cat "$CDM/last_error")"
}

release()
{
	echo "$1" >"$CDM/release" || fail "release: $(cat "$CDM/last_error")"
}

# says WHAT ERE - the last refusal's text matches
says()
{
	check_match "$(cat "$CDM/last_error")" "$2" "$1"
}

# refused FILE NID ERE - writing NID there fails, with a text
refused()
{
	expect_fail bash -c "echo $2 >$CDM/$1"
	says "$1 of node $2" "$3"
}

# spill N - pages that strangers got of node N when node 0 was short of memory
#
# Page cache of a file on a disk, larger than node 0. A tmpfs would be full before
# the node is, and a block device's own pages cannot go to ZONE_MOVABLE.
spill()
{
	local before after huge=$NODE/node0/hugepages/hugepages-2048kB/nr_hugepages

	mkdir -p "$TMP/mnt"
	mkfs.ext4 -q -F -O ^has_journal -N 64 /dev/vda 64M
	mount /dev/vda "$TMP/mnt" || fail "no file system on /dev/vda"
	truncate -s 500M "$TMP/mnt/file"
	# Huge pages that nobody uses leave node 0 about 200 MiB.
	echo $((($(node_stat 0 MemFree) / 1024 - 200) / 2)) >"$huge"
	settle
	before=$(node_used "$1")
	cat "$TMP/mnt/file" >/dev/null
	settle
	after=$(node_used "$1")
	umount "$TMP/mnt"
	echo 0 >"$huge"
	echo $((after - before))
}

# a node of kmem's is adopted, managed, and released
# timeout: 120
test_node_adopt()
{
	local want

	adopt 1
	check_eq "$(cat "$CDM/nodes/1/state")" online "state"
	check_eq "$(cat "$CDM/nodes/1/adopted")" 1 "adopted"
	check_eq "$(cat "$CDM/nodes/1/mode")" closed "mode"
	check_eq "$(cat "$CDM/nodes/1/size")" $((1024 << 20)) "size"
	pgrep -x kcdmd/1 >/dev/null || fail "no kcdmd/1"
	# Those who name it get it.
	numactl --membind=1 "$PROGS/movewatch" 1 16384 >"$TMP/out" &
	wait_for 30 grep -q ready "$TMP/out"
	kill -INT %1
	wait %1 || fail "movewatch: $(cat "$TMP/out")"
	check_ge "$(awk '$1 == "placed" { print $2 }' "$CDM/nodes/1/stats")" 4096 \
		"folios that the node saw come"
	want=$(node_stat 1 MemTotal)

	release 1
	[ ! -e "$CDM/nodes/1" ] || fail "node 1 is still managed"
	! pgrep -x kcdmd/1 >/dev/null || fail "kcdmd/1 is left"
	check_eq "$(node_stat 1 MemTotal)" "$want" "node 1's memory after release"
}

# what adopt and release refuse, in words
test_node_adopt_refused()
{
	refused adopt 0 "node 0: it has CPUs"
	refused adopt 5 "node 5: it does not exist"
	refused adopt -1 "node -1: it does not exist"
	refused adopt 100000 "node 100000: it does not exist"
	refused adopt one "want the number of a node"
	refused release 1 "node 1: it is not managed"
	refused release 100000 "node 100000: it is not managed"
	adopt 1
	refused adopt 1 "node 1: it is managed already"
	check_eq "$(cat "$CDM/nodes/1/state")" online "state after a second adopt"
	release 1
	refused release 1 "node 1: it is not managed"
}

# isolated while adopted, stock before and after
# timeout: 180
test_node_adopt_isolates()
{
	local n

	adopt 1
	adopt 2
	n=$(spill 1)
	check_le "$n" 0 "pages that strangers got of node 1 while it was adopted"
	n=$(spill 2)
	check_le "$n" 0 "pages that strangers got of node 2 while it was adopted"
	release 1
	release 2
	# The test could not fail if nothing ever spilled.
	n=$(spill 1)
	note "$n pages spilled after release"
	check_ge "$n" 1000 "pages that strangers got of node 1 after release"
}

# its memory goes offline and comes back by others' hands
# timeout: 120
test_node_adopt_offline()
{
	local b

	adopt 2
	for b in "$NODE/node2"/memory[0-9]*; do
		check_eq "$(cat "$CDM/nodes/2/state")" online "state with some blocks offline"
		echo offline >"$b/state" || fail "${b##*/} does not go offline"
	done
	check_eq "$(cat "$CDM/nodes/2/state")" offline "state with every block offline"
	refused adopt 2 "node 2: it is managed already"
	release 2
	refused adopt 2 "node 2: none of its memory is online"

	# Adopted with one block, it knows the others when they come.
	echo online_movable >"$b/state"
	adopt 2
	check_eq "$(cat "$CDM/nodes/2/size")" $((512 << 20)) "size with one block online"
	for b in "$NODE/node2"/memory[0-9]*; do
		[ "$(cat "$b/state")" = online ] || echo online >"$b/state"
		check_eq "$(cat "$b/valid_zones")" Movable "${b##*/} zone"
	done
	numactl --membind=2 "$PROGS/movewatch" 2 4096 >"$TMP/out" &
	wait_for 30 grep -q ready "$TMP/out"
	kill -INT %1
	release 2
}

# it is drained like any other; its memory stays, offline, for its driver to remove
# timeout: 120
test_node_adopt_drain()
{
	local pid b

	adopt 2
	"$PROGS/movewatch" 2 8192 >"$TMP/out" 2>&1 &
	pid=$!
	wait_for 60 grep -q ready "$TMP/out"
	cdmctl node drain 2 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	check_eq "$(cat "$CDM/nodes/2/state")" offline "state after a drain"
	for b in "$NODE/node2"/memory[0-9]*; do
		check_eq "$(cat "$b/state")" offline "${b##*/}"
	done
	cdmctl node online 2 >"$TMP/online" 2>&1 || fail "$(cat "$TMP/online")"
	for b in "$NODE/node2"/memory[0-9]*; do
		check_eq "$(cat "$b/state"):$(cat "$b/valid_zones")" online:Movable "${b##*/}"
	done
	kill -INT $pid
	wait $pid || fail "movewatch: $(cat "$TMP/out")"
	# Drained and released: offline memory of a stock node.
	cdmctl node drain 2 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	release 2
	for b in "$NODE/node2"/memory[0-9]*; do
		echo online_movable >"$b/state" || fail "${b##*/} does not come back"
	done
}

# memory in a kernel zone cannot be adopted: it could never leave
# timeout: 120
test_node_adopt_kernel_zone()
{
	local b

	for b in "$NODE/node2"/memory[0-9]*; do
		echo offline >"$b/state"
	done
	for b in "$NODE/node2"/memory[0-9]*; do
		echo online_kernel >"$b/state"
	done
	check_eq "$(cat "$b/valid_zones")" Normal "zone"
	refused adopt 2 "node 2: some of its memory is in a kernel zone"
	for b in "$NODE/node2"/memory[0-9]*; do
		echo offline >"$b/state" || skip "the kernel took node 2's memory"
	done
	for b in "$NODE/node2"/memory[0-9]*; do
		echo online_movable >"$b/state"
	done
	adopt 2
	release 2
}

# the simulated device does not take memory that kmem has
test_node_adopt_claimed()
{
	expect_fail insmod "$(mod_path cdm_sim)"
	says "the last of two refusals" "node 2 has memory that another driver brought online; adopt it"
	check_match "$(dmesg | tail -n 20)" "node 1 has memory that another driver brought online" \
		"the kernel's log"
}

# the driver goes while its node is adopted: nothing to manage is left, nothing breaks
# timeout: 120
test_node_adopt_zz_driver_goes()
{
	local b

	adopt 2
	for b in "$NODE/node2"/memory[0-9]*; do
		echo offline >"$b/state" || fail "${b##*/} does not go offline"
	done
	for b in "$NODE/node1"/memory[0-9]*; do
		echo offline >"$b/state" || fail "${b##*/} does not go offline"
	done
	mod_unload kmem
	mod_unload dax_hmem
	[ ! -d $NODE/node2 ] || fail "node 2 is still there"
	check_eq "$(cat "$CDM/nodes/2/state")" offline "state of a node without a driver"
	release 2

	# And the simulated device can have it now.
	mod_load cdm_sim
	check_eq "$(cat "$CDM/nodes/2/state")" online "state with another driver"
	mod_unload cdm_sim
	check_eq "$(cat $NODE/has_memory)" 0 "nodes with memory"
}
