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
		policy -s slow_ms=8000 -s veto_online=$answer
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
	policy -s slow_ms=8000
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

# writer HOW - like udev, to each block of nodes 1 and 2; counts what it tried while the
# node came or went, and what brought a block online
writer()
{
	local block state tries=0 hits=0

	while [ ! -e "$TMP/stop" ]; do
		for block in "$NODE"/node[12]/memory[0-9]*; do
			[ -e "$block" ] || continue
			state=
			read -r state <"$CDM/nodes/${block:29:1}/state"
			[ "$state" = online ] || tries=$((tries + 1))
			! echo "$1" >"$block/state" || hits=$((hits + 1))
		done
	done 2>/dev/null
	echo "$tries $hits" >"$TMP/writer"
}

# beside who brings each block online that he sees, a node comes and goes as a whole
# timeout: 240
test_node_udev()
{
	local how round tries hits

	for how in online_kernel online online_movable; do
		rm -f "$TMP/stop"
		writer $how &
		for round in 1 2; do
			mod_load cdm_sim
			up 1 1024
			up 2 512
			mod_unload cdm_sim
			gone "beside a writer of $how, round $round"
		done
		touch "$TMP/stop"
		wait
		read -r tries hits <"$TMP/writer"
		note "$how: $tries writes while a node came or went, $hits brought a block online"
		check_ge "$tries" 1 "writes of $how while a node came or went"
	done
}

# online_kb KB - of at least so many kB node 2's memory is online by now
online_kb()
{
	[ -e "$NODE/node2/meminfo" ] && [ "$(node_stat 2 MemTotal)" -ge "$1" ]
}

# the last block but one fails: those before it leave again
# timeout: 120
test_node_online_fails()
{
	expect_fail insmod "$(mod_path cdm_sim)" nodes=2 bad_mib=256
	check_match "$OUT" "Input/output error" "insmod"
	check_match "$(dmesg)" "node 2: cannot bring memory 0x[0-9a-f]+\\+0x20000000 online \\(-5\\), taking" "the log"
	gone "after a block failed"
	mod_load cdm_sim nodes=2
	up 2 512
	mod_unload cdm_sim
}

# ... but for a page in a pipe: an orphan, which its driver or an administrator ends
# timeout: 180
test_node_online_fails_held()
{
	local how

	for how in "mod_load cdm_sim nodes=2" "cdmctl node drain 2"; do
		mkfifo "$TMP/pipe" "$TMP/in"
		exec 8<>"$TMP/pipe" 7<>"$TMP/in"
		insmod "$(mod_path cdm_sim)" nodes=2 bad_mib=384 wait_mib=384 2>"$TMP/insmod" &
		LOADER=$!
		wait_for 60 online_kb $((384 * 1024))
		numactl --membind=2 "$PROGS/movable" anon 64 "$TMP/pipe" <&7 >"$TMP/out" 2>&1 &
		wait_for 60 grep -qx ready "$TMP/out"
		echo splice >&7
		wait_for 60 eval '[ $(grep -cx ready "$TMP/out") = 2 ]'
		kill $!
		echo 0 >/sys/module/cdm_sim/parameters/wait_mib
		wait $LOADER
		check_match "$(cat "$TMP/insmod")" "Address already in use" "insmod"
		check_match "$(dmesg)" "node 2: and cannot remove it again \\(-[0-9]+\\): 512 of 512 MiB stay" "the log"
		check_eq "$(cat "$CDM/nodes/2/state")" orphaned "state"
		exec 8>&- 7>&-
		rm "$TMP/pipe" "$TMP/in"
		$how >"$TMP/how" 2>&1 || fail "$how: $(cat "$TMP/how")"
		if [[ $how == mod_load* ]]; then
			up 2 512
			mod_unload cdm_sim
		fi
		gone "after $how"
	done
}
