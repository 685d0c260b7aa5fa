# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the files node*.sh share that load a driver and look whether its nodes came, as a
# whole, and went without a trace.

# shellcheck disable=SC2034 # for the tests
NODE=/sys/devices/system/node

# nodes_gone WHEN - no device memory is left anywhere
nodes_gone()
{
	check_eq "$(cat $NODE/has_memory)" 0 "nodes with memory $1"
	check_eq "$(ls "$CDM/nodes")" "" "$CDM/nodes $1"
	check_eq "$(cat "$CDM/claims")" "" "claims $1"
	! grep -q 'System RAM (' /proc/iomem || fail "memory of a driver in /proc/iomem $1"
	! pgrep kcdmd/ >/dev/null || fail "a kcdmd is left $1"
}

# blocks_movable N - every memory block of node N is online in ZONE_MOVABLE
blocks_movable()
{
	local b n=0

	for b in "$NODE/node$1"/memory[0-9]*; do
		check_eq "$(<"$b/state")" online "node $1, ${b##*/} state"
		check_eq "$(<"$b/valid_zones")" Movable "node $1, ${b##*/} zone"
		n=$((n + 1))
	done
	check_ge $n 1 "memory blocks of node $1"
}

# node_up N MIB - node N is online, whole and movable
node_up()
{
	check_eq "$(cat "$CDM/nodes/$1/state")" online "node $1's state"
	check_eq "$(node_stat "$1" MemTotal)" $(($2 * 1024)) "node $1's memory in kB"
	blocks_movable "$1"
}

# has_kb N KB - at least so many kB of node N's memory are online by now
has_kb()
{
	[ -e "$NODE/node$1/meminfo" ] && [ "$(node_stat "$1" MemTotal)" -ge "$2" ]
}

# pipe_holds N - a page of node N that only a pipe refers to, until pipe_empty
pipe_holds()
{
	mkfifo "$TMP/pipe" "$TMP/in"
	exec 8<>"$TMP/pipe" 7<>"$TMP/in"
	numactl --membind="$1" "$PROGS/movable" anon 64 "$TMP/pipe" <&7 >"$TMP/out" 2>&1 &
	wait_for 60 grep -qx ready "$TMP/out"
	echo splice >&7
	wait_for 60 eval '[ $(grep -cx ready "$TMP/out") = 2 ]'
	kill $!
}

pipe_empty()
{
	exec 8>&- 7>&-
	rm "$TMP/pipe" "$TMP/in"
}
