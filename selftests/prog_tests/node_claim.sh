# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --append cdm_claim=1,for=cdm_sim0
#
# Memory that is claimed stays offline until its driver is there, whoever else would
# bring it online. kmem gives memory back only once, so its test comes last.

NODE=/sys/devices/system/node
AUTO=/sys/devices/system/memory/auto_online_blocks

no_claims()
{
	local c

	for c in $(cut -d' ' -f1 "$CDM/claims"); do
		echo "$c" >"$CDM/unclaim"
	done
}

# Only one test is about the claim that the guest boots with.
setup()
{
	[ "$TEST" = node_claim_boot ] || no_claims
}

teardown()
{
	pkill -x attach
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
	no_claims
}

# claims WANT - as sysfs lists them, without the seconds that are left
claims()
{
	check_eq "$(cut -d' ' -f1,2 "$CDM/claims" | paste -sd,)" "$1" "claims"
}

claim()
{
	cdmctl node claim "$@" >"$TMP/claim" 2>&1 || fail "cdmctl node claim $*: $(cat "$TMP/claim")"
}

# the claim of the kernel's command line is there, and its driver fulfils it
test_node_claim_boot()
{
	claims "1 cdm_sim0"
	check_match "$(cdmctl node list)" "^1 +claimed +- +cdm_sim0" "cdmctl node list"
	check_match "$(cdmctl node list --all)" "^2 +known" "cdmctl node list --all"
	mod_load cdm_sim
	check_eq "$(cat "$CDM/nodes/1/state")" online "state"
	claims ""
	rmmod cdm_sim
	check_eq "$(cat "$NODE/has_memory")" 0 "nodes with memory"
}

# for another driver: refused, by name; that of a node and of a range
# timeout: 120
test_node_claim_other()
{
	local start size

	claim 1 --for other
	mod_load cdm_sim
	start=$(cat "$CDM/nodes/2/start") size=$(cat "$CDM/nodes/2/size")
	[ ! -e "$CDM/nodes/1" ] || fail "node 1 came although it is claimed for another driver"
	check_match "$(dmesg)" "cdm_sim0: node 1 or a part of its memory is claimed for other" "the log"
	claims "1 other"
	rmmod cdm_sim
	cdmctl node unclaim 1 >"$TMP/unclaim" || fail "unclaim"
	# The last of its memory blocks is enough.
	claim "128M@$(printf %#x $((start + size - (128 << 20))))" --for other
	mod_load cdm_sim
	[ ! -e "$CDM/nodes/2" ] || fail "node 2 came although a part of it is claimed"
	check_eq "$(cat "$CDM/nodes/1/state")" online "node 1's state"
	rmmod cdm_sim
}

# a claim for a driver that fails to bring its node has ended; one for any has not
# timeout: 120
test_node_claim_failure()
{
	claim 1 --for cdm_sim0
	claim 2
	"$PROGS/attach" -t 600 -s veto_online=-1 "$PROGS/events.bpf.o" >"$TMP/policy" 2>&1 &
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
	expect_fail insmod "$(mod_path cdm_sim)"
	claims "2 -"
	check_match "$(dmesg)" "cdm_sim0 failed to bring its memory: the claim for it has ended" "the log"
	pkill -INT -x attach
	wait
	mod_load cdm_sim
	claims ""
}

# its time is up
# timeout: 90
test_node_claim_timeout()
{
	claim 1 --timeout 15
	check_match "$(cdmctl -j node list)" '"seconds_left": *1?[0-9]' "cdmctl -j node list"
	claims "1 -"
	wait_for 40 eval '! grep -q . "$CDM/claims"'
	# It has no effect from its second on; what tells of it runs within a tick or more.
	wait_for 10 eval 'dmesg | grep -q "the claim of node 1 for a driver timed out"'
}

# what is refused, in words
test_node_claim_refused()
{
	local text re

	while read -r text re; do
		expect_fail bash -c "echo '${text//_/ }' >$CDM/claim"
		check_match "$(cat "$CDM/last_error")" "$re" "claim ${text//_/ }"
	done <<-END
	0 node 0 has CPUs
	63 node 63 is not possible
	-1 node -1 is not possible
	one 'one' is not the number of a node, nor SIZE@START
	0@0x1000 is not the number of a node, nor SIZE@START
	1M@ is not the number of a node, nor SIZE@START
	1_for= a driver's name has 1 to 31 characters
	1_timeout=0 'timeout=0' is not
	1_timeout=99999999999 is not 'timeout=SECONDS'
	1_now 'now' is not
	END
	claim 1 --for a
	expect_fail cdmctl node claim 1 --for b
	check_match "$OUT" "node 1 is claimed already, for a" "claimed twice"
	claim 1M@0x1000000000
	expect_fail cdmctl node claim 4K@0x1000001000
	check_match "$OUT" "is claimed already" "an overlap"
	expect_fail cdmctl node unclaim 2
	check_match "$OUT" "'2' is not claimed" "unclaim of what is not claimed"
	expect_fail setpriv --reuid 65534 --clear-groups bash -c "echo 1 >$CDM/unclaim"
	claims "1 a,0x100000@0x1000000000 -"
	expect_fail cdmctl node claim
	check_match "$OUT" "a node or a range is needed" "no argument"
	expect_fail cdmctl node claim 1 --timeout 0
	check_match "$OUT" "at least one second" "--timeout 0"
	for ((i = 0; i < 46; i++)); do
		echo "4K@$((0x2000000000 + i * 4096))" >"$CDM/claim" || fail "claim $i"
	done
	expect_fail bash -c "echo 2 >$CDM/claim"
	check_match "$(cat "$CDM/last_error")" "there are 48 claims already" "too many"
}

# online, in whichever way, before its driver: vetoed, with a text; not after unclaim
# timeout: 120
test_node_claim_zz_early()
{
	local b how

	claim 1
	echo online_movable >$AUTO
	mod_load dax_hmem
	mod_load kmem
	wait_for 20 grep -qx 0,2 $NODE/has_memory
	b=$(ls -d $NODE/node1/memory[0-9]* | head -n 1)
	check_eq "$(cat "$b/state")" offline "${b##*/}"
	for how in online online_kernel online_movable; do
		expect_fail bash -c "echo $how >$b/state"
		check_match "$OUT" "Operation not permitted" "echo $how"
	done
	check_eq "$(cat $NODE/has_memory)" 0,2 "nodes with memory"
	check_match "$(dmesg)" "of node 1 is claimed for a driver, bash \([0-9]+\) must not bring it online" "the log"
	# Somebody tries again and again; and memory of others may come and go.
	(while :; do echo online >"$b/state"; done) 2>/dev/null &
	for b in "$NODE/node2"/memory[0-9]*; do
		echo offline >"$b/state" || fail "${b##*/} of node 2 does not go offline"
		echo online_movable >"$b/state" || fail "${b##*/} of node 2 does not come back"
	done
	kill $!
	wait $! 2>/dev/null
	check_eq "$(cat $NODE/has_memory)" 0,2 "nodes with memory after a race"
	cdmctl node unclaim 1 >"$TMP/unclaim" || fail "unclaim"
	for b in "$NODE/node1"/memory[0-9]*; do
		echo online_movable >"$b/state" || fail "${b##*/} after unclaim"
	done
	cdmctl node adopt 1 >"$TMP/adopt" 2>&1 || fail "$(cat "$TMP/adopt")"
	cdmctl node release 1 >"$TMP/release" 2>&1 || fail "$(cat "$TMP/release")"
}
