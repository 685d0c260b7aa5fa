# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# where: host
#
# cdmctl on a machine without cdm_ext, where most users meet it first: help and
# errors must tell them what to do, in JSON too.

# commands that need the kernel's side, each with arguments that are right
COMMANDS=(
	"node list" "node adopt 1" "node release 1" "node mode 1 open"
	"policy load $BPF/nop.bpf.o" "policy swap x $BPF/nop.bpf.o"
	"policy unload x" "policy list" "policy show x"
	"page rmap 1" "sim list" "sim run" "stat" "stat 1 -i 1" "trace"
)

setup()
{
	[ ! -e "$CDM" ] || skip "this machine has cdm_ext"
	[ -x "$CDMCTL" ] || fail "$CDMCTL is not built: make"
}

# without cdm_ext in the kernel every command says so and what to do
test_ctl_host_no_kernel()
{
	local c

	for c in "${COMMANDS[@]}"; do
		# shellcheck disable=SC2086 # words
		expect_fail "$CDMCTL" $c
		check_eq "$STATUS" 1 "status of $c"
		check_match "$OUT" "this kernel has no cdm_ext" "$c"
		check_match "$OUT" "CONFIG_CDM_EXT=y" "what $c says to do"
	done
}

# errors are JSON with -j, before the noun or behind the verb
# timeout: 120
test_ctl_host_json_errors()
{
	local c

	for c in "${COMMANDS[@]}" "nonsense" "policy nonsense" "policy" "" \
		 "policy load" "policy load --nonsense" "node mode 1 nonsense"; do
		# shellcheck disable=SC2086 # words
		expect_fail "$CDMCTL" -j $c
		echo "$OUT" >>"$TMP/errors"
	done
	expect_fail "$CDMCTL" policy list -j
	echo "$OUT" >>"$TMP/errors"
	OUT=$(python3 -c '
import json, sys
lines = open(sys.argv[1]).read().splitlines()
for line in lines:
    e = json.loads(line)["error"]
    assert e["text"] and e["errno"] > 0, line
print(len(lines))
	' "$TMP/errors" 2>&1) || fail "no JSON error: $OUT"
	check_eq "$OUT" $((${#COMMANDS[@]} + 8)) "lines of errors"
}

# each command has help with examples, and help is a success
test_ctl_host_help()
{
	local c out

	for c in "" policy node page sim; do
		# shellcheck disable=SC2086 # words
		out=$("$CDMCTL" $c --help) || fail "cdmctl $c --help failed"
		check_match "$out" "Usage: cdmctl" "cdmctl $c --help"
	done
	for c in "node list" "node adopt" "node release" "node mode" "policy load" \
		 "policy swap" "policy unload" "policy list" "policy show" \
		 "page rmap" "sim list" "sim run" "stat" "trace"; do
		# shellcheck disable=SC2086 # words
		out=$("$CDMCTL" $c --help) || fail "cdmctl $c --help failed"
		check_match "$out" "Usage: cdmctl $c" "cdmctl $c --help"
		check_match "$out" "EXAMPLES:" "cdmctl $c --help"
	done
}

# help, man page and completion know the same words
test_ctl_host_words()
{
	local noun verb

	for noun in node policy page sim; do
		for verb in $("$CDMCTL" $noun --help | awk '/^  [a-z]/ { print $1 }'); do
			grep -q "^\.It Nm Cm $noun $verb" "$REPO/loader/cdmctl.8" ||
				fail "cdmctl.8 does not describe $noun $verb"
			grep -qE "\b$verb\b" "$REPO/loader/cdmctl.bash" ||
				fail "cdmctl.bash does not complete $noun $verb"
		done
	done
	for verb in stat trace; do
		grep -q "^\.It Nm Cm $verb" "$REPO/loader/cdmctl.8" ||
			fail "cdmctl.8 does not describe $verb"
		for noun in $("$CDMCTL" $verb --help | sed -nE 's/^  -[a-z], --([a-z]+).*/\1/p'); do
			case $noun in
			json|verbose|help)	continue ;;
			esac
			grep -q "Fl -$noun\\b" "$REPO/loader/cdmctl.8" ||
				fail "cdmctl.8 does not describe $verb --$noun"
			grep -qE "\"$verb \".*--$noun\\b" "$REPO/loader/cdmctl.bash" ||
				fail "cdmctl.bash does not complete $verb --$noun"
		done
	done
}

# unknown words, missing and superfluous arguments are refused and named
test_ctl_host_usage()
{
	expect_fail "$CDMCTL" frobnicate
	check_match "$OUT" "'frobnicate' is not a command" "an unknown noun"
	expect_fail "$CDMCTL" policy frobnicate
	check_match "$OUT" "'frobnicate' is not a verb" "an unknown verb"
	expect_fail "$CDMCTL" policy load --frobnicate
	check_match "$OUT" "'--frobnicate' is not an option" "an unknown option"
	expect_fail "$CDMCTL" policy list frobnicate
	check_match "$OUT" "'frobnicate' is not" "a superfluous argument"
	expect_fail "$CDMCTL" policy load
	check_match "$OUT" "an object file is needed" "a missing file"
	expect_fail "$CDMCTL" policy swap x
	check_match "$OUT" "an object file is needed" "a missing file"
	expect_fail "$CDMCTL" policy unload
	check_match "$OUT" "a policy is needed" "a missing target"
	expect_fail "$CDMCTL" node mode 1
	check_match "$OUT" "a node and a mode are needed" "a missing mode"
	expect_fail "$CDMCTL" node mode 1 ajar
	check_match "$OUT" "'ajar' is not a mode" "an unknown mode"
	expect_fail "$CDMCTL" node adopt one
	check_match "$OUT" "'one' is not a number" "a node in words"
	expect_fail "$CDMCTL" policy load x --node 99999
	check_match "$OUT" "out of range" "a large node"
	expect_fail "$CDMCTL" policy load x --pin a/b
	check_match "$OUT" "cannot be the name of a pin" "a pin with a slash"
	expect_fail "$CDMCTL" policy load x --pin 12
	check_match "$OUT" "cannot be the name of a pin" "a pin that is a number"
	expect_fail "$CDMCTL" sim run --pattern knit
	check_match "$OUT" "'knit' is not a pattern" "an unknown pattern"
	expect_fail "$CDMCTL" page rmap
	check_match "$OUT" "a page frame number is needed" "a missing frame"
	expect_fail "$CDMCTL" page rmap -- -1
	check_match "$OUT" "'-1' is not a number" "a negative frame"
	expect_fail "$CDMCTL" page rmap 1 2
	check_match "$OUT" "'2' is not" "two frames"
	expect_fail "$CDMCTL" stat --interval 0.01
	check_match "$OUT" "--interval: 0.01 is out of range, 0.1 to 86400 seconds" "a short interval"
	expect_fail "$CDMCTL" stat --interval soon
	check_match "$OUT" "'soon' is not a number of seconds" "an interval in words"
	check_match "$OUT" "next: write it like" "what it says to do"
	expect_fail "$CDMCTL" stat --count 0
	check_match "$OUT" "no round is nothing to show" "no round"
	expect_fail "$CDMCTL" trace --count 0
	check_match "$OUT" "no event is nothing to show" "no event"
	expect_fail "$CDMCTL" trace --pid 0
	check_match "$OUT" "0 is not a process" "process 0"
	expect_fail "$CDMCTL" trace --seconds -1
	check_match "$OUT" "'-1' is not a number of seconds" "a time in the past"
	expect_fail "$CDMCTL" trace 4711
	check_match "$OUT" "'4711' is not an option" "a superfluous argument"
	expect_fail "$CDMCTL" sim run --check
	check_match "$OUT" "--check makes sense with --cache only" "a check of no cache"
	expect_fail "$CDMCTL" sim run --size 5Q
	check_match "$OUT" "not a size" "an odd size"
	expect_fail "$CDMCTL" sim run --size 5
	check_match "$OUT" "not a multiple of 4096" "a small size"
	expect_fail "$CDMCTL" sim run --thp --no-thp
	check_match "$OUT" "exclude each other" "two options at odds"
}

# version works without cdm_ext, and says that it is absent
test_ctl_host_version()
{
	local out

	out=$("$CDMCTL" version) || fail "version failed"
	check_match "$out" "cdm_ext absent" "version"
	out=$("$CDMCTL" -j version) || fail "-j version failed"
	python3 -c '
import json, sys
v = json.loads(sys.argv[1])
assert v["kernel"] is None and v["libbpf"].startswith("v1."), v
	' "$out" || fail "-j version: $out"
}
