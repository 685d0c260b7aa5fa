# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the kernel must refuse of a policy, and in which words.
#
# Each refusal stands beside a twin that differs in the one thing that is wrong
# and is accepted. A refusal has an errno, and a text: the kernel's last_error or
# the verifier's log, as attach prints them.

BAD=$PROGS/trust_bad.bpf.o
EVENTS=$PROGS/events.bpf.o

setup()
{
	# So that no text of an earlier refusal is taken for this one.
	echo stale >$CDM/enabled 2>/dev/null
	check_match "$(cat $CDM/last_error)" "enabled" "last_error before the test"
}

# Nothing of a test that failed half-way stays for the next
teardown()
{
	local job

	for job in $(jobs -p); do
		kill "$job" 2>/dev/null
	done
	wait 2>/dev/null
	echo 1 >$CDM/enabled
}

# refused OPS STEP ERRNO TEXT [ATTACH OPTIONS...] - the case of that name
refused()
{
	local ops=$1 step=$2 errno=$3 text=$4

	shift 4
	expect_fail "$PROGS/attach" -m "$ops" "$@" "$BAD"
	check_match "$OUT" "^$step $errno( |\$)" "$ops $*"
	check_match "$OUT" "$text" "text of the refusal of $ops $*"
	check_eq "$(ls $CDM/policies)" "" "policies left by $ops $*"
}

# accepted OPS [ATTACH OPTIONS...] - its twin
accepted()
{
	local ops=$1 out

	shift
	out=$("$PROGS/attach" -m "$ops" "$@" "$BAD" 2>&1) ||
		fail "$ops $* must be accepted: $out"
	check_eq "$(ls $CDM/policies)" "" "policies left by $ops $*"
}

# hold NAME ATTACH-ARGS... - attach in the background until unhold
hold()
{
	local log=$TMP/hold.$1

	shift
	rm -f "$log"
	"$PROGS/attach" -t 600 "$@" >"$log" 2>&1 &
	HELD=$!
	wait_for 20 grep -q '^attach' "$log"
	grep -q '^attach 0' "$log" || fail "attach $*: $(cat "$log")"
}

unhold()
{
	kill "$HELD"
	wait "$HELD"
}

# timeout: 300
# Answers that name no node, or more than a node: the policy is ejected
test_trust_answer()
{
	local ans out

	# Node 999; node 63, not possible here; -22 through an int; reserved
	# bits; keep, throttle, deny and queued, which place has no use for.
	for ans in 1000 64 4294967274 0x400000000000001 0x100000001 \
		   0x10001 0x200000000000001 0x100000000000001; do
		out=$("$PROGS/attach" -s cpu_answer=$ans -T target -w -t 5 \
			-d last_exit_kind -d n_exit "$EVENTS" \
			"$PROGS/touch" -s 1024 -m nohuge 2>&1) ||
			fail "answer $ans: $out"
		check_match "$out" '^ejected' "answer $ans"
		check_match "$out" '^last_exit_kind 66$' "kind told to exit(), answer $ans"
		check_match "$out" '^n_exit 1$' "exit() calls, answer $ans"
		check_match "$(tail -n 1 $CDM/exits)" \
			'events bad-answers .* place .*answers could not be used' \
			"exit record, answer $ans"
		# The pages came all the same, from the stock path.
		check_match "$out" '^pages 256 node 0$' "pages, answer $ans"
	done
}

# timeout: 300
# A few bad answers are counted and forgiven; good ones are not counted as bad
test_trust_answer_few()
{
	local dir bad

	"$PROGS/attach" -s cpu_answer=1000 -T target -d last_exit_kind "$EVENTS" \
		"$PROGS/touch" -s 64 -m nohuge -w 4 >"$TMP/out" 2>&1 &
	wait_for 10 grep -q '^pages' "$TMP/out"
	dir=$(echo $CDM/policies/*)
	bad=$(awk '$1 == "bad" { print $2 }' "$dir/stats")
	check_ge "$bad" 16 "bad answers counted"
	check_le "$bad" 63 "bad answers counted"
	check_eq "$(cat "$dir/state")" enabled "state after a few bad answers"
	wait
	check_match "$(cat "$TMP/out")" '^last_exit_kind 1$' "kind of exit"

	# Node 0, as an answer, is no bad one.
	rm "$TMP/out"
	"$PROGS/attach" -s cpu_answer=1 -T target -d last_exit_kind "$EVENTS" \
		"$PROGS/touch" -s 1024 -m nohuge -w 3 >"$TMP/out" 2>&1 &
	wait_for 10 grep -q '^pages' "$TMP/out"
	check_eq "$(awk '$1 == "bad" { print $2 }' $CDM/policies/*/stats)" 0 \
		"bad answers, when they are good"
	wait
}

# timeout: 300
# Members of cdm_ops that are out of their range
test_trust_members()
{
	refused good attach -22 'kernel .*flags 0x1' -o flags=1
	refused good attach -22 'kernel .*cgroup_id 7' -o cgroup_id=7
	refused good attach -22 'kernel .*name' -o name=
	refused good attach -22 'kernel .*name' -o 'name=a b'
	refused good attach -22 'kernel .*name' -o 'name=a/b'
	refused good attach -22 'kernel .*name' \
		-o name=0123456789012345678901234567890123456789
	refused good attach -22 'kernel .*tick_ms 9' -o tick_ms=9
	refused good attach -22 'kernel .*tick_ms 60001' -o tick_ms=60001
	refused good attach -22 'kernel .*timeout_ms' -o timeout_ms=1
	refused good attach -22 'kernel .*exit_dump_len' -o exit_dump_len=32769

	accepted good
	accepted good -o tick_ms=10
	accepted good -o tick_ms=60000
	accepted good -o exit_dump_len=32768
	accepted good -o name=A_z.9
	accepted good -o name=0123456789012345678901234567890
}

# timeout: 300
# Nodes that a policy cannot be for
test_trust_node()
{
	refused good attach -22 'kernel node 0 has CPUs' -o node=0
	refused good attach -22 'kernel node 63: .*possible' -o node=63
	refused good attach -22 'kernel node 99999: .*possible' -o node=99999
	refused good attach -22 'kernel node -2' -o node=-2
	# Possible, though it is not there yet.
	accepted good -o node=1
	accepted good -o node=-1
}

# timeout: 300
# A sleepable program on an atomic callback
test_trust_sleepable()
{
	refused sleep_place load -22 'kernel callback place runs in atomic context'
	refused sleep_placed load -22 'kernel callback placed runs in atomic context'
	refused sleep_dump load -22 'kernel callback dump runs in atomic context'
	accepted sleep_tick
	accepted good
}

# timeout: 300
# A kfunc outside the callbacks that may call it
test_trust_kfunc()
{
	refused dump_in_place load -13 'cdm_bpf_dump_bstr is not allowed'
	accepted dump_in_dump
}

# timeout: 300
# Every callback with every kfunc, against the documented table
test_trust_matrix()
{
	local out

	out=$("$PROGS/matrix" 2>&1) || fail "matrix: $out"
	check_match "$out" '^400 combinations, 0 wrong$' "matrix"
}

# timeout: 300
# Contexts that a program made up, kept, or found elsewhere
test_trust_forged()
{
	accepted real_ctx
	refused forged_stack load -22 'STRUCT cdm_common must point to scalar'
	refused forged_global_ load -22 'STRUCT cdm_common must point to scalar'
	# What was a context once is a number, or a pointer of no worth, later.
	refused forged_saved load -22 'STRUCT cdm_common must point to scalar'
	refused forged_kptr load -22 'R1 must be (referenced or )?trusted'
	refused forged_cast load -22 'R1 must be (referenced or )?trusted'
	refused forged_offset load -22 'R1|args?#0'
	refused forged_inner load -22 'R1 must be (referenced or )?trusted|expected pointer to STRUCT cdm_common'
	refused forged_write load -13 'only read is supported'
}

# timeout: 300
# A tail call would carry a program past the checks of its callback
test_trust_tail_call()
{
	refused tail_call load -22 'kernel bpf_tail_call'
	accepted sub_prog
}

# timeout: 300
# A timer's callback would run in softirq with a sleepable program's rights
test_trust_timer()
{
	refused timer_sleep load -22 'kernel bpf_timer in a sleepable program'
	accepted timer_atomic
	accepted sleep_tick
}

# timeout: 300
# Loops that the verifier does not unroll, in atomic callbacks
test_trust_loops()
{
	refused loop load -22 'kernel callback place .*bpf_loop'
	refused each load -22 'kernel callback place .*bpf_for_each_map_elem'
	refused drain load -22 'kernel callback place .*bpf_user_ringbuf_drain'
	refused iter load -22 'kernel callback place .*iterator'
	refused may_goto load -22 'kernel callback place .*may_goto'
	refused loop_sub load -22 'kernel callback place .*bpf_loop'
	refused loop_global load -22 'kernel callback place .*bpf_loop'
	refused loop_placed load -22 'kernel callback placed .*bpf_loop'
	refused loop_dump load -22 'kernel callback dump .*bpf_loop'
	accepted bounded
	accepted loop_tick
}

# timeout: 300
# A map without a link could be neither swapped nor watched
test_trust_no_link()
{
	refused nolink attach -95 'kernel nolink: .*struct_ops.link'
	accepted good
}

# timeout: 300
# One map attached twice, and a policy swapped with itself
test_trust_twice()
{
	local out

	expect_fail "$PROGS/attach" -m good -2 "$BAD"
	check_match "$OUT" '^attach 0 ok' "first attach"
	check_match "$OUT" '^again -16 ' "second attach of the same map"
	check_match "$OUT" 'kernel good: .*attached already' "text"

	expect_fail "$PROGS/attach" -m good -x "$BAD"
	check_match "$OUT" '^update -16 ' "swap with itself"
	check_match "$OUT" 'kernel good: .*swapped with itself' "text"

	# Another copy of the same object, one after the other.
	accepted good
	accepted good
}

# timeout: 300
# A second owner of a callback and node is told who the first is
test_trust_second_owner()
{
	local first

	hold all -m good "$BAD"
	first=$(basename $CDM/policies/*)
	expect_fail "$PROGS/attach" -m bounded "$BAD"
	check_match "$OUT" '^attach -16 ' "second owner of all nodes"
	check_match "$OUT" "kernel bounded: callback place .*policy good \\(id $first\\)" "text"
	expect_fail "$PROGS/attach" -m bounded -o node=1 "$BAD"
	check_match "$OUT" '^attach -16 ' "owner of one node, against one of all"
	# Without place there is nothing to own.
	"$PROGS/attach" -m sleep_tick "$BAD" >"$TMP/out" 2>&1 ||
		fail "a policy without place: $(cat "$TMP/out")"
	unhold

	hold one -m good -o node=1 "$BAD"
	expect_fail "$PROGS/attach" -m bounded -o node=1 "$BAD"
	check_match "$OUT" '^attach -16 ' "second owner of node 1"
	check_match "$OUT" 'kernel bounded: callback place of node 1 .*policy good' "text"
	expect_fail "$PROGS/attach" -m bounded "$BAD"
	check_match "$OUT" '^attach -16 ' "owner of all nodes, against one of node 1"
	"$PROGS/attach" -m bounded -o node=2 "$BAD" >"$TMP/out" 2>&1 ||
		fail "the owner of another node: $(cat "$TMP/out")"
	unhold

	accepted bounded
}

# timeout: 300
# An object that holds no cdm_ops
test_trust_no_ops()
{
	expect_fail "$PROGS/attach" "$PROGS/watch_place.bpf.o"
	check_match "$OUT" '^ops -2 ' "attach of an object without cdm_ops"
	expect_fail "$CDMCTL" policy load "$PROGS/watch_place.bpf.o"
	check_match "$OUT" 'no struct cdm_ops' "cdmctl's words"
}

# timeout: 300
# init() that refuses, answers nonsense, or reports an error
test_trust_init()
{
	refused init_refuse attach -13 'kernel init_refuse: init\(\) refused with -13'
	refused init_positive attach -22 'kernel init_positive: init\(\) returned 5'
	refused init_error attach -125 'kernel init_error: .*no such thing as luck'
	accepted init_good
}

# timeout: 300
# A user without capabilities, holding the fds of maps and of a link
test_trust_inherited_fd()
{
	local out

	# Otherwise bpf(2) itself would refuse, and nothing of ours be tested.
	echo 0 >/proc/sys/kernel/unprivileged_bpf_disabled 2>/dev/null

	out=$("$PROGS/unpriv" root "$BAD" good 2>&1) || fail "root: $out"
	check_match "$out" '^update 0$' "swap by root"
	check_match "$out" '^create 0$' "attach by root"

	out=$("$PROGS/unpriv" nobody "$BAD" good 2>&1) || fail "nobody: $out"
	check_match "$out" '^update -1$' "swap by nobody"
	check_match "$out" '^create -1$' "attach by nobody"
	check_match "$(cat $CDM/last_error)" 'good: .*CAP_BPF and CAP_PERFMON' "text"
	check_eq "$(ls $CDM/policies)" "" "policies left"
}

# timeout: 300
# Root of a user namespace, with every capability there
test_trust_userns_root()
{
	local out

	echo 0 >/proc/sys/kernel/unprivileged_bpf_disabled 2>/dev/null
	out=$("$PROGS/unpriv" userns "$BAD" good 2>&1) || fail "userns: $out"
	check_match "$out" '^update -1$' "swap by root of a user namespace"
	check_match "$out" '^create -1$' "attach by root of a user namespace"
	check_match "$(cat $CDM/last_error)" 'initial user namespace' "text"

	expect_fail unshare -Ur "$PROGS/attach" -m good "$BAD"
	check_match "$OUT" '^load -(1|95) ' "loading in a user namespace"
}

# timeout: 300
# A policy that gives up is ejected, with its own code and words
test_trust_gives_up()
{
	local out

	out=$("$PROGS/attach" -s error_in=1 -T target -w -t 5 -d last_exit_kind \
		-d last_exit_code -d n_exit "$EVENTS" "$PROGS/touch" -s 64 2>&1) ||
		fail "$out"
	check_match "$out" '^ejected' "place() that gives up"
	check_match "$out" '^last_exit_kind 65$' "kind told to exit()"
	check_match "$out" '^last_exit_code 1000$' "code told to exit()"
	check_match "$out" '^n_exit 1$' "exit() calls"
	check_match "$(tail -n 1 $CDM/exits)" \
		'events error 1000 place told to give up in 0' "exit record"

	# exit_dump_len: what dump() says of it is in the log.
	check_match "$(dmesg | tail -n 40)" 'dump: .*and that is all' "dump in the log"

	expect_fail "$PROGS/attach" -s error_in=10 "$EVENTS"
	check_match "$OUT" '^attach -125 ' "init() that gives up"
}

# timeout: 300
# Switched off, nothing can be attached, and what was attached goes
test_trust_off()
{
	hold good -w -m good "$BAD"
	echo 0 >$CDM/enabled
	wait_for 10 grep -q '^ejected' "$TMP/hold.good"
	wait "$HELD"
	refused good attach -19 'kernel good: cdm_ext is off'
	check_match "$(tail -n 1 $CDM/exits)" ' good disabled ' "exit record"
	echo 1 >$CDM/enabled
	accepted good
}
