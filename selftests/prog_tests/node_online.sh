# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What others do while a node comes online: the policy that was asked goes, the driver's
# loader is killed, somebody like udev writes to every memory block that he sees.

NODE=/sys/devices/system/node

setup()
{
	echo offline >/sys/devices/system/memory/auto_online_blocks
	gone "before the test"
}

teardown()
{
	touch "$TMP/stop"
	pkill -9 -x 'insmod|attach'
	wait
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
}

gone()
{
	check_eq "$(cat $NODE/has_memory)" 0 "nodes with memory $1"
	check_eq "$(ls "$CDM/nodes")" "" "managed nodes $1"
	check_eq "$(cat "$CDM/claims")" "" "claims $1"
	! grep -q 'System RAM (' /proc/iomem || fail "memory of a driver in /proc/iomem $1"
	! pgrep kcdmd/ >/dev/null || fail "a kcdmd is left $1"
}

# up N MIB - node N is online, whole and movable
up()
{
	local b

	check_eq "$(cat "$CDM/nodes/$1/state")" online "node $1's state"
	check_eq "$(node_stat "$1" MemTotal)" $(($2 * 1024)) "node $1's memory in kB"
	for b in "$NODE/node$1"/memory[0-9]*; do
		check_eq "$(cat "$b/state") $(cat "$b/valid_zones")" "online Movable" "${b##*/}"
	done
}

# policy OPTIONS... - what counts and answers node_online is attached
policy()
{
	"$PROGS/attach" -t 600 -d n_online "$@" "$PROGS/events.bpf.o" >"$TMP/policy" 2>&1 &
	POLICY=$!
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
}

# in_prepare - a driver comes, and the policy takes its time with the answer
in_prepare()
{
	insmod "$(mod_path cdm_sim)" nodes=2 2>"$TMP/insmod" &
	LOADER=$!
	wait_for 60 grep -qxs registered "$CDM/nodes/2/state"
}

# the policy that is asked detaches before it answers: it is not told of what follows
# timeout: 120
test_node_prepare_detach()
{
	local answer

	# What it answers counts all the same: it was attached when it was asked.
	for answer in 0 -1; do
		policy -s slow_ms=6000 -s veto_online=$answer
		in_prepare
		kill -INT "$POLICY"
		wait "$LOADER"
		LOADER=$?
		wait "$POLICY"
		check_match "$(cat "$TMP/policy")" "^n_online 1 0 0 0\$" "prepare done cancelled replay"
		if [ $answer = 0 ]; then
			check_eq $LOADER 0 "status of insmod: $(cat "$TMP/insmod")"
			up 2 512
			mod_unload cdm_sim
		else
			check_match "$(cat "$TMP/insmod")" "Operation not permitted" "insmod"
		fi
		gone "after prepare was answered with $answer"
	done
}

# the driver's loader is killed between prepare and done: cancelled, and nothing stays
# timeout: 120
test_node_prepare_killed()
{
	policy -s slow_ms=4000
	in_prepare
	kill -9 "$LOADER"
	wait "$LOADER"
	gone "after the loader was killed"
	! grep -q '^cdm_sim ' /proc/modules || fail "the module is there"
	check_match "$(dmesg)" "node 2: whoever brings it was killed" "the log"
	kill -INT "$POLICY"
	wait "$POLICY"
	check_match "$(cat "$TMP/policy")" "^n_online 1 0 1 0\$" "prepare done cancelled replay"
	mod_load cdm_sim
	up 2 512
	mod_unload cdm_sim
}

# writer HOW - like udev, to each block of nodes 1 and 2; counts what it was refused
writer()
{
	local state n=0

	while [ ! -e "$TMP/stop" ]; do
		for state in "$NODE"/node[12]/memory[0-9]*/state; do
			[ ! -e "$state" ] || echo "$1" >"$state" || n=$((n + 1))
		done
	done 2>/dev/null
	echo $n >"$TMP/refused"
}

# beside who brings each block online that he sees, a node comes and goes as a whole
# timeout: 240
test_node_udev()
{
	local how i

	for how in online_kernel online online_movable; do
		rm -f "$TMP/stop"
		writer $how &
		for i in 1 2; do
			mod_load cdm_sim
			up 1 1024
			up 2 512
			mod_unload cdm_sim
			gone "beside a writer of $how"
		done
		touch "$TMP/stop"
		wait
		check_ge "$(cat "$TMP/refused")" 1 "writes of $how that were refused"
	done
}
