# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the files isolate*.sh share: how full a node is, whom it has served, and
# memory that is taken, reported and held (selftests/progs/hold.c).

# shellcheck disable=SC2034 # for the tests
NODE=/sys/devices/system/node
HUGE=hugepages/hugepages-2048kB
declare -A FD

# managed MODE [PARAM=VALUE...] - the device nodes are managed, in MODE
managed()
{
	grep -q '^cdm_sim ' /proc/modules || mod_load cdm_sim "${@:2}"
	# User memory leaves the kernel's some room: else its page tables, which
	# cannot spill, bring the OOM killer before a test is at its point.
	echo 100 >/proc/sys/vm/watermark_scale_factor
	# A CPU holds back an eighth of a node's pages after they were freed, which
	# another CPU cannot allocate: here a thousandth.
	echo 1000 >/proc/sys/vm/percpu_pagelist_high_fraction
	mode "$1"
}

# disk - a file system on a disk at /mnt/disk, with sparse files of 1 GiB
#
# Pages of a block device itself are not movable, hence never on a device node.
disk()
{
	disk_mount
	truncate -s 1G /mnt/disk/sparse
}

# mode MODE - of every managed node
mode()
{
	local n

	for n in "$CDM"/nodes/*; do
		echo "$1" >"$n/mode" || fail "cannot write $1 to $n/mode"
		check_eq "$(<"$n/mode")" "$1" "$n/mode"
	done
}

# squeeze MIB [NODE] - leave a node about MIB of memory
#
# Huge pages that nobody uses take the rest, which costs nothing.
squeeze()
{
	local n=${2:-0} free

	echo 3 >/proc/sys/vm/drop_caches
	free=$(node_stat "$n" MemFree)
	echo $(((free / 1024 - $1) / 2)) >"$NODE/node$n/$HUGE/nr_hugepages"
	check_le "$(node_stat "$n" MemFree)" $((($1 + 64) * 1024)) "kB free on node $n"
}

# unsqueeze - every node as it was
unsqueeze()
{
	local f

	for f in "$NODE"/node*/"$HUGE"/nr_hugepages; do
		echo 0 >"$f"
	done
	echo 3 >/proc/sys/vm/drop_caches
}

# dev_used - pages in use on the device nodes
dev_used()
{
	local n used=0

	settle
	for n in "$CDM"/nodes/*; do
		used=$((used + $(node_used "${n##*/}")))
	done
	echo $used
}

# dev_allocs - allocations that the device nodes ever served
dev_allocs()
{
	local n key value sum=0

	for n in "$CDM"/nodes/*; do
		while read -r key value; do
			case $key in
			numa_hit|numa_miss) sum=$((sum + value)) ;;
			esac
		done <"$NODE/node${n##*/}/numastat"
	done
	echo $sum
}

# value FILE KEY - of lines "KEY VALUE"
#
# In the shell itself: starting a program costs an emulated CPU more.
value()
{
	local key value

	while read -r key value; do
		[ "$key" != "$2" ] || echo "$value"
	done <"$1"
}

# dev_stat N KEY - one of cdm_ext's counters of a node
dev_stat()
{
	value "$CDM/nodes/$1/stats" "$2"
}

# held WHERE - pages in the report in $OUT: WHERE is "node N" or absent
held()
{
	local line pages=0

	while read -r line; do
		case $line in
		"$1 "*) pages=${line##* } ;;
		esac
	done <<<"$OUT"
	echo "$pages"
}

# hold ARGS... - take memory of one kind and give it back; the report in $OUT
hold()
{
	OUT=$("$PROGS/hold" "$@" 2>&1) || fail "hold $*: status $?: $OUT"
}

# hold_on POLICY ARGS... - the same under one of numactl's policies
hold_on()
{
	OUT=$(numactl "$1" "$PROGS/hold" "${@:2}" 2>&1) ||
		fail "numactl $1 hold ${*:2}: status $?: $OUT"
}

# hold_in CGROUP ARGS... - the same within a cgroup
hold_in()
{
	local status

	# Through a file: a pipe's pages are not movable, so a task in a cpuset of
	# movable nodes alone cannot write to one, here as in the stock kernel.
	(echo $BASHPID >"$1/cgroup.procs" && exec "$PROGS/hold" "${@:2}" >"$TMP/hold_in" 2>&1)
	status=$?
	OUT=$(cat "$TMP/hold_in")
	[ $status = 0 ] || fail "hold ${*:2} in $1: status $status: $OUT"
}

# keep NAME CMD... - run CMD, a hold -w, in the background until let_go
keep()
{
	local fd

	mkfifo "$TMP/$1.in" || fail "mkfifo $TMP/$1.in"
	"${@:2}" <"$TMP/$1.in" >"$TMP/$1.out" 2>&1 &
	exec {fd}>"$TMP/$1.in"
	FD[$1]=$fd
	wait_for 90 grep -q ready "$TMP/$1.out"
}

# report NAME - a fresh report of what is kept in $OUT
report()
{
	: >"$TMP/$1.out"
	echo >&"${FD[$1]}"
	wait_for 60 grep -q ready "$TMP/$1.out"
	OUT=$(cat "$TMP/$1.out")
}

# let_go - end everything that is kept
let_go()
{
	local pids

	pids=$(pgrep -x hold)
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill -9 $pids
	wait
}
