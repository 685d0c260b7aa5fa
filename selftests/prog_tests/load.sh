# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The loader is killed at each of its system calls while it loads, swaps and
# unloads. Whatever is left must be the state before or after, or be put right by
# the next command.
#
# A SIGKILL that strace injects is delivered on entering the call, before it does
# anything. A call that changes nothing outside the process therefore makes no
# difference: being killed at it is being killed at the next one that does. So
# `check` stops at each call that can change the kernel or bpffs (and at the
# exit), and SOAK=1 stops at each of the several hundred calls.
#
# (strace --seccomp-bpf would not stop it at each read of the kernel's types, but
# signals that are injected then do not arrive.)
#
# strace counts each kind of call by itself ("when=3" of bpf,mkdir is the third
# bpf or the third mkdir): so it is one kind at a time, and all its numbers.

PINS=/sys/fs/bpf/cdm
CHANGING=bpf,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,flock,exit_group
[ "${SOAK:-0}" = 0 ] || CHANGING=all

TYPES=/sys/kernel/btf/vmlinux

# sysfs gives the kernel's types a page at a time: over a thousand calls that change
# nothing. From a copy it is one.
setup()
{
	cp $TYPES "$TMP/types"
	mount --bind "$TMP/types" $TYPES
}

teardown()
{
	local pin

	umount $TYPES
	for pin in "$PINS"/*/; do
		[ ! -d "$pin" ] || "$CDMCTL" policy unload "$(basename "$pin")" >/dev/null 2>&1
	done
}

ctl()
{
	OUT=$("$CDMCTL" "$@" 2>&1) || fail "cdmctl $*: $OUT"
}

# calls ARGS... - what cdmctl calls when nobody kills it: CALLS has the names
calls()
{
	strace --seccomp-bpf -qq -f -o "$TMP/calls" -e trace=$CHANGING -e signal=none \
		"$CDMCTL" "$@" >"$TMP/out" 2>&1
	CALLS=$(sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$TMP/calls" | sort -u)
	NR_CALLS=$(grep -c '(' "$TMP/calls")
	# How often it reads and maps differs a little from run to run.
	[ "${SOAK:-0}" = 0 ] || NR_CALLS=$((NR_CALLS * 9 / 10))
	check_ge "$NR_CALLS" 10 "calls of cdmctl $*: $(cat "$TMP/out")"
}

# killed CALL N ARGS... - cdmctl is killed at its N-th CALL: true if it was
killed()
{
	local call=$1 n=$2

	shift 2
	# What is not traced is not injected either.
	strace -qq -f -o "$TMP/trace" -e trace="$call" -e signal=none \
		-e inject="$call":signal=KILL:when="$n" "$CDMCTL" "$@" >"$TMP/out" 2>&1
	STATUS=$?
	case $STATUS in
	137)	return 0 ;;
	0)	return 1 ;;
	*)	fail "cdmctl $* at $call $n ended with $STATUS: $(cat "$TMP/out")" ;;
	esac
}

policies() { cat "$CDM"/policies/*/name 2>/dev/null; }
no_policies() { [ -z "$(ls "$CDM/policies")" ]; }

# gone WHEN - nothing is attached, nothing is pinned
gone()
{
	check_eq "$(ls $PINS 2>/dev/null)" "" "pins after $1"
	# A link that died with its owner is freed by a work item.
	wait_for 10 no_policies
}

# pinned WHEN NAME MAPS - after a listing, which must show it, exactly that policy
# is attached, and its pins are there
pinned()
{
	# One that died unpinned may still be on its way out.
	[ "$(policies)" = "$2" ] || { sleep 1; ctl policy list; }
	check_match "$OUT" "^[0-9]+ +$2 +all +enabled +[0-9]+ +k$" "list after $1"
	check_eq "$(policies)" "$2" "policies after $1"
	check_eq "$(ls $PINS)" k "pins after $1"
	check_eq "$(ls -x -w 0 $PINS/k)" "link  $3  ops  policy" "pins of $2 after $1"
	check_eq "$(readlink $PINS/k/policy)" "$(echo "$CDM"/policies/*)" "policy of the pin after $1"
}

# load is killed at each call: the policy is there in full, or not at all
# timeout: 1800
test_load_sigkill()
{
	local c n whole=0 none=0 args=(policy load "$BPF/nop.bpf.o" --pin k)

	calls "${args[@]}"
	for c in $CALLS; do
		for ((n = 1; ; n++)); do
			ctl policy list
			[ ! -d $PINS/k ] || { pinned "$c $n" nop "map_counts"; ctl policy unload k; }
			gone "$c $n"
			killed "$c" $n "${args[@]}" || break
			if [ -e $PINS/k/link ]; then
				whole=$((whole + 1))
			else
				none=$((none + 1))
			fi
		done
	done
	ctl policy list
	pinned "the last" nop "map_counts"
	ctl policy unload k
	note "killed at $((none + whole)) of $NR_CALLS calls: $none times not loaded, $whole times loaded"
	check_ge $((none + whole)) "$NR_CALLS" "kills"
	# The exit is one of the calls, and after the link's pin.
	check_ge $whole 1 "kills after the load was done"
}

# watched CALL N - a loader without a pin is killed at its N-th CALL, or told to
# end once it watches its policy; its status in $STATUS
watched()
{
	local pid

	strace -qq -f -o "$TMP/trace" -e trace="$1" -e signal=none \
		-e inject="$1":signal=KILL:when="$2" \
		"$CDMCTL" policy load "$BPF/nop.bpf.o" >"$TMP/out" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		if grep -q attached "$TMP/out"; then
			sleep 0.2
			pkill -TERM -P $pid
			break
		fi
		sleep 0.1
	done
	wait $pid
	STATUS=$?
}

# without a pin a killed loader leaves nothing, whenever it is killed
# timeout: 1800
test_load_sigkill_unpinned()
{
	local c n killed=0

	# The same calls, but for the pins'.
	calls policy load "$BPF/nop.bpf.o" --pin k
	ctl policy unload k
	for c in $CALLS poll; do
		for ((n = 1; ; n++)); do
			watched "$c" $n
			gone "$c $n"
			[ $STATUS = 137 ] || break
			killed=$((killed + 1))
			# It polls anew each second.
			[ "$c" != poll ] || break
		done
	done
	note "killed at $killed calls"
	check_ge $killed 20 "kills"
}

# swap is killed at each call: the old policy or the new one, with its maps
# timeout: 1800
test_load_sigkill_swap()
{
	local c n old=0 new=0 args=(policy swap k "$BPF/place_quota.bpf.o")

	ctl policy load "$BPF/nop.bpf.o" --pin k
	calls "${args[@]}"
	for c in $CALLS; do
		for ((n = 1; ; n++)); do
			ctl policy list
			case $(policies) in
			nop)
				pinned "$c $n" nop "map_counts" ;;
			place_quota)
				pinned "$c $n" place_quota "map_counts  map_limits"
				new=$((new + 1))
				ctl policy swap k "$BPF/nop.bpf.o" ;;
			*)
				fail "at $c $n: policies $(policies)" ;;
			esac
			killed "$c" $n "${args[@]}" || break
			old=$((old + 1))
		done
	done
	ctl policy list
	pinned "the last" place_quota "map_counts  map_limits"
	ctl policy unload k
	gone "all"
	note "killed at $old of $NR_CALLS calls, $new runs had swapped"
	check_ge $old "$NR_CALLS" "kills"
	# Each kind of call ends with a run that is not killed; the rest were.
	check_ge $new $(($(wc -w <<<"$CALLS") + 3)) "runs that had swapped"
}

# unload is killed at each call: the policy is there in full, or gone
# timeout: 1800
test_load_sigkill_unload()
{
	local c n whole=0 none=0

	ctl policy load "$BPF/nop.bpf.o" --pin k
	calls policy unload k
	for c in $CALLS; do
		for ((n = 1; ; n++)); do
			[ -d $PINS/k ] || ctl policy load "$BPF/nop.bpf.o" --pin k
			killed "$c" $n policy unload k || break
			ctl policy list
			if [ -d $PINS/k ]; then
				pinned "$c $n" nop "map_counts"
				whole=$((whole + 1))
			else
				gone "$c $n"
				none=$((none + 1))
			fi
		done
		gone "$c"
	done
	note "killed at $((none + whole)) of $NR_CALLS calls: $whole times still loaded, $none times gone"
	check_ge $((none + whole)) "$NR_CALLS" "kills"
	check_ge $whole 1 "kills before the unload was done"
	check_ge $none 5 "kills after the unload was begun"
}
