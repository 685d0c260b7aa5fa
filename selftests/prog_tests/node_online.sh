# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What others do while a node comes online: the policy that was asked goes, the driver's
# loader is killed, somebody like udev writes to every memory block that he sees.

# shellcheck source=selftests/prog_tests/node_lib.bash
. "$REPO/selftests/prog_tests/node_lib.bash"

setup()
{
	echo offline >/sys/devices/system/memory/auto_online_blocks
	nodes_gone "before the test"
}

teardown()
{
	touch "$TMP/stop"
	pkill -9 -x 'insmod|attach'
	wait
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
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
			node_up 2 512
			mod_unload cdm_sim
		else
			check_match "$(cat "$TMP/insmod")" "Operation not permitted" "insmod"
		fi
		nodes_gone "after prepare was answered with $answer"
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
	nodes_gone "after the loader was killed"
	! grep -q '^cdm_sim ' /proc/modules || fail "the module is there"
	check_match "$(dmesg)" "node 2: whoever brings it was killed" "the log"
	kill -INT "$POLICY"
	wait "$POLICY"
	check_match "$(cat "$TMP/policy")" "^n_online 1 0 1 0\$" "prepare done cancelled replay"
	mod_load cdm_sim
	node_up 2 512
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
			node_up 1 1024
			node_up 2 512
			mod_unload cdm_sim
			nodes_gone "beside a writer of $how, round $round"
		done
		touch "$TMP/stop"
		wait
		read -r tries hits <"$TMP/writer"
		note "$how: $tries writes while a node came or went, $hits brought a block online"
		check_ge "$tries" 1 "writes of $how while a node came or went"
	done
}

# the last block but one fails: those before it leave again
# timeout: 120
test_node_online_fails()
{
	expect_fail insmod "$(mod_path cdm_sim)" nodes=2 bad_mib=256
	check_match "$OUT" "Input/output error" "insmod"
	check_match "$(dmesg)" "node 2: cannot bring memory 0x[0-9a-f]+\\+0x20000000 online \\(-5\\), taking" "the log"
	nodes_gone "after a block failed"
	mod_load cdm_sim nodes=2
	node_up 2 512
	mod_unload cdm_sim
}

# ... but for a page in a pipe: an orphan, which its driver or an administrator ends
# timeout: 180
test_node_online_fails_held()
{
	local how

	for how in "mod_load cdm_sim nodes=2" "cdmctl node drain 2"; do
		insmod "$(mod_path cdm_sim)" nodes=2 bad_mib=384 wait_mib=384 2>"$TMP/insmod" &
		LOADER=$!
		wait_for 60 has_kb 2 $((384 * 1024))
		pipe_holds 2
		echo 0 >/sys/module/cdm_sim/parameters/wait_mib
		wait $LOADER
		check_match "$(cat "$TMP/insmod")" "Address already in use" "insmod"
		check_match "$(dmesg)" "node 2: and cannot remove it again \\(-[0-9]+\\): 512 of 512 MiB stay" "the log"
		check_eq "$(cat "$CDM/nodes/2/state")" orphaned "state"
		pipe_empty
		$how >"$TMP/how" 2>&1 || fail "$how: $(cat "$TMP/how")"
		if [[ $how == mod_load* ]]; then
			node_up 2 512
			mod_unload cdm_sim
		fi
		nodes_gone "after $how"
	done
}
