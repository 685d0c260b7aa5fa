# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# cdmctl where there is a cdm_ext: what it tells, what it refuses, and that a
# dry run or a refusal leaves nothing behind.

PINS=/sys/fs/bpf/cdm

teardown()
{
	local pin

	[ -z "${FG:-}" ] || { kill "$FG" && wait "$FG"; } 2>/dev/null
	for pin in "$PINS"/*/; do
		[ ! -d "$pin" ] || "$CDMCTL" policy unload "$(basename "$pin")" >/dev/null 2>&1
	done
}

# ctl ARGS... - cdmctl must succeed; its output goes to $OUT
ctl()
{
	OUT=$("$CDMCTL" "$@" 2>&1) || fail "cdmctl $*: $OUT"
}

# field EXPR - of the JSON in $OUT; o is the value
field()
{
	python3 -c 'import json, sys; o = json.loads(sys.argv[1]); print(eval(sys.argv[2]))' \
		"$OUT" "$1" || fail "$1 of: $OUT"
}

seq() { cat "$CDM/enable_seq"; }

nr_policies() { find "$CDM/policies" -mindepth 1 -maxdepth 1 | wc -l; }
no_policies() { [ -z "$(ls "$CDM/policies")" ]; }

# nothing_attached - neither the kernel nor bpffs knows of a policy
nothing_attached()
{
	check_eq "$(ls "$CDM/policies")" "" "policies"
	check_eq "$(ls $PINS 2>/dev/null)" "" "pins"
}

# map_dump PIN MAP - the first value of a pinned array map, as bytes in hex
map_dump()
{
	"$BUILD/tools/bpftool" -j map dump pinned "$PINS/$1/map_$2"
}

# load, list, show and unload of a pinned policy say the same, in JSON too
test_ctl_pin()
{
	local id link

	ctl -j policy load "$BPF/nop.bpf.o" --pin one
	id=$(field 'o["id"]') link=$(field 'o["link_id"]')
	check_eq "$(field 'o["name"]')" nop "name"
	check_eq "$(field 'o["pin"]')" one "pin"
	check_eq "$(cat "$CDM/policies/$id/name")" nop "name in sysfs"
	check_eq "$(ls -x -w 0 $PINS/one)" "link  map_counts  ops  policy" "pins"
	check_eq "$(stat -c %a $PINS)" 700 "mode of $PINS"

	ctl -j policy list
	check_eq "$(field 'len(o)')" 1 "policies listed"
	check_eq "$(field 'o[0]["pin"]')" one "pin listed"
	check_eq "$(field 'o[0]["link_id"]')" "$link" "link listed"
	ctl policy list
	check_match "$OUT" "^$id +nop +all +enabled +$link +one" "list"

	ctl -j policy show one
	check_eq "$(field 'o["id"]')" "$id" "id shown"
	check_eq "$(field '[c["callback"] for c in o["callbacks"]]')" "['place', 'access', 'migrate']" "callbacks"
	check_ge "$(field 'o["stats"]["calls_place"]')" 0 "calls"
	ctl -j policy show "$link"
	check_eq "$(field 'o["pin"]')" one "pin by link"

	ctl policy unload one
	nothing_attached
	expect_fail "$CDMCTL" policy unload one
	check_match "$OUT" "there is no policy 'one'" "unload twice"
	expect_fail "$CDMCTL" policy unload "$link"
	check_match "$OUT" "there is no policy '$link'" "unload twice, by link"
}

# a pin's name is taken once
test_ctl_pin_exists()
{
	ctl policy load "$BPF/nop.bpf.o" --pin one
	expect_fail "$CDMCTL" policy load "$PROGS/ctl_tunables.bpf.o" --pin one
	check_match "$OUT" "the pin one exists already" "second load"
	ctl policy list
	check_eq "$(nr_policies)" 1 "policies"
	ctl policy unload one
	nothing_attached
}

# without a pin a policy goes with the loader, on SIGTERM and on SIGKILL
test_ctl_foreground()
{
	local sig

	for sig in TERM INT KILL; do
		rm -f "$TMP/out"
		# In its own group: background jobs of a script ignore SIGINT.
		python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$CDMCTL" policy load "$BPF/nop.bpf.o" >"$TMP/out" 2>&1 &
		FG=$!
		wait_for 20 grep -q "attached" "$TMP/out"
		check_eq "$(nr_policies)" 1 "policies while it runs"
		kill -$sig $FG
		wait $FG
		STATUS=$?
		FG=
		[ $sig = KILL ] || check_eq $STATUS 0 "status after SIG$sig"
		wait_for 5 no_policies
		nothing_attached
	done
}

# somebody else's unload ends the loader in the foreground, without an error
test_ctl_foreground_unload()
{
	local link

	"$CDMCTL" policy load "$BPF/nop.bpf.o" >"$TMP/out" 2>&1 &
	FG=$!
	wait_for 20 grep -q "attached" "$TMP/out"
	link=$(sed -n 's/.*link \([0-9]*\).*/\1/p' "$TMP/out")
	ctl policy unload "$link"
	wait $FG || fail "the loader failed: $(cat "$TMP/out")"
	FG=
	check_match "$(cat "$TMP/out")" "was unloaded by somebody else" "what it says"
	nothing_attached
}

# a policy that is thrown out is explained: by the loader that watches it
test_ctl_ejected_watch()
{
	"$CDMCTL" policy load "$BPF/nop.bpf.o" >"$TMP/out" 2>&1 &
	FG=$!
	wait_for 20 grep -q "attached" "$TMP/out"
	echo 0 >"$CDM/enabled"
	wait $FG
	STATUS=$?
	FG=
	echo 1 >"$CDM/enabled"
	check_eq $STATUS 1 "status"
	check_match "$(cat "$TMP/out")" "policy nop .* was ejected \(disabled" "what it says"
	check_match "$(cat "$TMP/out")" "next: echo 1 >" "what it says to do"
	nothing_attached
}

# ... and by show, when the policy was pinned and nobody watched
test_ctl_ejected_pinned()
{
	ctl policy load "$BPF/nop.bpf.o" --pin gone
	echo 0 >"$CDM/enabled"
	ctl policy list
	wait_for 5 no_policies
	expect_fail "$CDMCTL" policy load "$BPF/nop.bpf.o"
	check_match "$OUT" "cdm_ext is switched off" "load while off"
	echo 1 >"$CDM/enabled"

	ctl policy show gone
	check_match "$OUT" "policy nop .*: ejected" "show"
	check_match "$OUT" "exit: disabled" "show"
	check_match "$OUT" "next: " "show"
	ctl -j policy show gone
	check_eq "$(field 'o["state"], o["exit"]["kind"]')" "('ejected', 'disabled')" "show -j"
	ctl -j policy list
	check_eq "$(field 'o[0]["state"]')" ejected "list -j"
	expect_fail "$CDMCTL" policy swap gone "$BPF/nop.bpf.o"
	check_match "$OUT" "is not attached any more" "swap"
	check_match "$OUT" "policy unload gone" "what it says to do"
	ctl policy unload gone
	nothing_attached
}

# a dry run verifies, reports and attaches nothing
test_ctl_dry_run()
{
	local before

	before=$(seq)
	ctl policy load "$BPF/place_weighted.bpf.o" --set 'weights[1]=3' --pin one --dry-run
	check_match "$OUT" "verified +place " "report"
	check_match "$OUT" "would own place of node all" "report"
	check_match "$OUT" "tunable +weights = \[ *1, *3, *0" "report"
	check_match "$OUT" "not attached" "report"
	ctl -j policy load "$BPF/place_weighted.bpf.o" --node 1 --dry-run
	check_eq "$(field 'o["attached"], o["node"], o["owns"]')" "(False, '1', ['place'])" "report"
	check_ge "$(field '[c for c in o["callbacks"] if c["callback"] == "place"][0]["verified_insns"]')" \
		5 "instructions"
	check_eq "$(seq)" "$before" "enable_seq"
	nothing_attached
}

# a dry run tells who is in the way, and the attach that is refused names him
test_ctl_owner()
{
	ctl policy load "$BPF/nop.bpf.o" --pin first
	expect_fail "$CDMCTL" policy load "$BPF/place_accessor.bpf.o" --dry-run
	check_match "$OUT" "place of node all is owned by policy nop" "dry run"
	expect_fail "$CDMCTL" policy load "$BPF/place_accessor.bpf.o" --node 1 --pin second
	check_match "$OUT" "owned by policy nop \(id [0-9]+\)" "load"
	check_match "$OUT" "next: .*policy list" "what it says to do"
	check_eq "$(ls $PINS)" first "pins"
	ctl policy unload first
	nothing_attached
}

# --set reaches the program, for each type
test_ctl_set()
{
	ctl policy load "$PROGS/ctl_tunables.bpf.o" --pin set \
		--set u8v=255 --set s8v=-128 --set u16v=0xffff --set s16v=-32768 \
		--set u32v=4294967295 --set s32v=-2147483648 \
		--set u64v=18446744073709551615 --set s64v=-9223372036854775808 \
		--set flag=true --set color=BLUE --set text=1234567 \
		--set 'list[3]=9' --set pair.a=7 --set 'pair.b[2]=65535' \
		--set writable=-4 --set zeroed=2K --set ops.tick_ms=100
	OUT=$(map_dump set seen) || fail "map dump"
	check_eq "$(python3 -c '
import json, struct, sys
v = bytes(int(b, 0) for b in json.loads(sys.argv[1])[0]["value"])
print(struct.unpack("<8qIi8s4IIIii", v))' "$OUT")" \
	"(255, -128, 65535, -32768, 4294967295, -2147483648, -1, -9223372036854775808, 1, -3, b'1234567\\x00', 1, 2, 0, 9, 7, 65535, -4, 2048)" \
		"what the policy sees"
	check_eq "$(cat "$CDM"/policies/*/tick_ms)" 100 "tick_ms"
	ctl policy unload set
}

# --set refuses what the type cannot hold, and names type and range
test_ctl_set_range()
{
	local set

	while read -r set; do
		expect_fail "$CDMCTL" policy load "$PROGS/ctl_tunables.bpf.o" --set "$set"
		check_match "$OUT" "$TEXT" "--set $set"
	done <<-EOF2
	u8v=256
	u8v=-1
	s8v=128
	s8v=-129
	u16v=65536
	s16v=32768
	u32v=4294967296
	s32v=2147483648
	s32v=-2147483649
	u64v=18446744073709551616
	u64v=-1
	s64v=9223372036854775808
	text=12345678
	list[4]=1
	list=1,2,3,4,5
	u32v=4G
	EOF2
	nothing_attached
}
TEXT="out of range|too long|more than its"

# --set refuses unknown names, wrong types and what cannot be set
test_ctl_set_wrong()
{
	local o=$PROGS/ctl_tunables.bpf.o

	expect_fail "$CDMCTL" policy load "$o" --set nosuch=1
	check_match "$OUT" "has no variable 'nosuch'" "unknown name"
	check_match "$OUT" "u8v: u8, 0..255" "the names that exist"
	expect_fail "$CDMCTL" policy load "$o" --set u32v=many
	check_match "$OUT" "'many' is not a number" "a word for a number"
	expect_fail "$CDMCTL" policy load "$o" --set flag=2
	check_match "$OUT" "neither true nor false" "2 for a bool"
	expect_fail "$CDMCTL" policy load "$o" --set color=PINK
	check_match "$OUT" "one of RED, GREEN, BLUE" "an unknown enumerator"
	expect_fail "$CDMCTL" policy load "$o" --set folded=1
	check_match "$OUT" "const but not volatile" "a folded constant"
	expect_fail "$CDMCTL" policy load "$o" --set ops.place=1
	check_match "$OUT" "it is a callback" "a callback"
	expect_fail "$CDMCTL" policy load "$o" --set ops.nosuch=1
	check_match "$OUT" "no member 'nosuch'" "an unknown member"
	expect_fail "$CDMCTL" policy load "$o" --set u32v
	check_match "$OUT" "write VARIABLE=VALUE" "no value"
	expect_fail "$CDMCTL" policy load "$o" --set list=3
	check_match "$OUT" "name the element" "an array without index"
	nothing_attached
}

# values that the kernel refuses come with the kernel's words
test_ctl_set_kernel()
{
	expect_fail "$CDMCTL" policy load "$BPF/nop.bpf.o" --set ops.tick_ms=5
	check_match "$OUT" "tick_ms 5: must be 10\.\.60000" "tick_ms"
	expect_fail "$CDMCTL" policy load "$BPF/nop.bpf.o" --set ops.flags=1
	check_match "$OUT" "flags 0x1: no flag is defined" "flags"
	expect_fail "$CDMCTL" policy load "$BPF/nop.bpf.o" --set ops.name=
	check_match "$OUT" "name is empty" "name"
	nothing_attached
}

# objects that are no policy are refused with what is wrong and how to fix it
test_ctl_object()
{
	expect_fail "$CDMCTL" policy load /nonexistent.bpf.o
	check_match "$OUT" "cannot open /nonexistent.bpf.o: No such file" "no file"
	expect_fail "$CDMCTL" policy load /etc/passwd
	check_match "$OUT" "not a BPF object file" "no object"
	expect_fail "$CDMCTL" policy load "$PROGS/ctl_noops.bpf.o"
	check_match "$OUT" "has no struct cdm_ops" "no cdm_ops"
	expect_fail "$CDMCTL" policy load "$PROGS/ctl_nolink.bpf.o"
	check_match "$OUT" "have no link" "a map without a link"
	check_match "$OUT" 'SEC\("\.struct_ops\.link"\)' "how to fix it"
	expect_fail "$CDMCTL" policy load "$PROGS/ctl_two.bpf.o"
	check_match "$OUT" "has 2 struct cdm_ops" "two policies"
	nothing_attached
}

# nodes that cannot be a device's are refused with what they are
test_ctl_node_wrong()
{
	local cmd

	for cmd in "node adopt" "node release" "policy load $BPF/nop.bpf.o --node"; do
		# shellcheck disable=SC2086 # words
		expect_fail "$CDMCTL" $cmd 0
		check_match "$OUT" "node 0 is CPU memory" "$cmd 0"
		# shellcheck disable=SC2086 # words
		expect_fail "$CDMCTL" $cmd 9
		check_match "$OUT" "node 9 does not exist; this machine can have nodes 0-2" "$cmd 9"
	done
	expect_fail "$CDMCTL" node mode 0 open
	check_match "$OUT" "node 0 is CPU memory" "mode 0"
	expect_fail "$CDMCTL" node mode 1 open
	check_match "$OUT" "node 1 is not managed" "mode of an unmanaged node"
	expect_fail "$CDMCTL" node release 1
	check_match "$OUT" "node 1 is not managed" "release of an unmanaged node"
	expect_fail "$CDMCTL" node adopt 1
	check_match "$OUT" "node 1 has no memory online" "adoption without memory"
	nothing_attached
}

# a policy for a node that is yet to come attaches and waits
test_ctl_node_later()
{
	ctl -j policy load "$BPF/nop.bpf.o" --node 1 --pin early
	check_eq "$(field 'o["node"]')" 1 "node"
	ctl policy unload early
	nothing_attached
}

# node list, mode and release of a driver's node; sim list and run
# timeout: 120
test_ctl_sim()
{
	ctl node list
	check_match "$OUT" "no managed node" "list without nodes"
	expect_fail "$CDMCTL" sim run
	check_match "$OUT" "there is no simulated device 0" "run without a device"
	check_match "$OUT" "cdm_sim.ko" "what it says to do"

	mod_load cdm_sim
	ctl -j node list
	check_eq "$(field '[n["node"] for n in o]')" "[1, 2]" "nodes"
	check_eq "$(field 'o[0]["state"], o[0]["mode"], o[0]["adopted"]')" \
		"('online', 'closed', False)" "node 1"
	ctl node list --all
	check_match "$OUT" "^0 +cpu" "node 0"
	ctl node mode 1 last-resort
	check_eq "$(cat "$CDM/nodes/1/mode")" last-resort "mode"
	ctl node mode 1 closed
	expect_fail "$CDMCTL" node adopt 1
	check_match "$OUT" "node 1 is managed already" "adopt"
	expect_fail "$CDMCTL" node release 1
	check_match "$OUT" "was not adopted: it belongs to" "release"

	ctl -j sim list
	check_eq "$(field '[d["node"] for d in o]')" "[1, 2]" "devices"
	for p in sequential strided uniform zipf; do
		ctl -j sim run --pattern $p --size 1M
		check_eq "$(field 'o["pattern"]')" $p "pattern"
		check_eq "$(field 'sum(o["accesses_by_node"].values()) == o["accesses"]')" True \
			"accesses of $p: $OUT"
		check_eq "$(field 'sum(o["pages_by_node"].values())')" 256 "pages of $p"
	done
	ctl -j sim run --size 4M --cpu-first-touch 50
	check_eq "$(field 'o["pages_by_node"].get("0"), o["pages_by_node"].get("1")')" \
		"(512, 512)" "half by the CPU, half by the device: $OUT"
	ctl sim run -d 1 --size 1M
	check_match "$OUT" "pages: +node 2 256" "device 1"
	expect_fail "$CDMCTL" sim run -d 7
	check_match "$OUT" "no simulated device 7; there are 0, 1" "an unknown device"
	mod_unload cdm_sim
}

# every command's answer is JSON with -j
# timeout: 120
test_ctl_json()
{
	local cmd

	mod_load cdm_sim
	while read -r cmd; do
		# shellcheck disable=SC2086 # words
		ctl -j ${cmd//BPF/$BPF}
		python3 -m json.tool <<<"$OUT" >/dev/null || fail "cdmctl -j $cmd: $OUT"
		check_eq "$(wc -l <<<"$OUT")" 1 "lines of cdmctl -j $cmd"
	done <<-EOF2
	version
	node list
	node list --all
	node mode 1 open
	node mode 1 closed
	policy list
	policy load BPF/nop.bpf.o --dry-run
	policy load BPF/nop.bpf.o --pin json
	policy list
	policy show json
	policy swap json BPF/place_accessor.bpf.o --dry-run
	policy swap json BPF/place_accessor.bpf.o
	policy show json
	policy unload json
	sim list
	sim run --size 1M
	EOF2
	mod_unload cdm_sim
	nothing_attached
}

# swap by pin: the pin stays, its maps are the new policy's
test_ctl_swap()
{
	local link

	ctl -j policy load "$BPF/nop.bpf.o" --pin s
	link=$(field 'o["link_id"]')
	ctl -j policy swap s "$BPF/place_quota.bpf.o" --set default_limit=16
	check_eq "$(field 'o["name"], o["link_id"], o["pin"]')" "('place_quota', $link, 's')" "swap"
	[ -e $PINS/s/map_limits ] || fail "pins after the swap: $(ls $PINS/s)"
	ctl policy swap "$link" "$BPF/nop.bpf.o"
	[ ! -e $PINS/s/map_limits ] || fail "the old policy's pin is left: $(ls $PINS/s)"
	check_eq "$(ls $PINS)" s "pins"
	ctl policy list
	check_match "$OUT" "nop +all +enabled +$link +s" "list"
	ctl policy unload s
	nothing_attached
}

# a swap that is refused leaves the old policy and its pins
test_ctl_swap_refused()
{
	ctl policy load "$BPF/nop.bpf.o" --pin s
	expect_fail "$CDMCTL" policy swap s "$BPF/place_weighted.bpf.o" --set weights=0,0
	check_match "$OUT" "place_weighted: init\(\) re" "the reason"
	ctl -j policy show s
	check_eq "$(field 'o["name"], o["state"]')" "('nop', 'enabled')" "the old policy"
	[ -e $PINS/s/map_counts ] || fail "pins: $(ls $PINS/s)"
	check_eq "$(ls $PINS)" s "pins"
	expect_fail "$CDMCTL" policy swap nosuch "$BPF/nop.bpf.o"
	check_match "$OUT" "there is no policy 'nosuch'" "an unknown target"
	ctl policy unload s
	nothing_attached
}

# maps are handed over by name, also to a policy of a loader in the foreground
test_ctl_maps()
{
	local o=$PROGS/ctl_tunables.bpf.o link

	ctl policy load "$o" --pin m
	check_match "$(map_dump m attaches)" '"0x01"' "attaches"
	ctl -j policy swap m "$o" --keep-maps
	check_eq "$(field 'sorted(m["name"] for m in o["maps"] if m["handed_over"])')" \
		"['attaches', 'seen']" "maps handed over"
	check_match "$(map_dump m attaches)" '"0x02"' "attaches, handed over"
	ctl policy swap m "$o" --maps seen
	check_match "$(map_dump m attaches)" '"0x01"' "attaches, not handed over"
	ctl policy unload m

	"$CDMCTL" policy load "$o" >"$TMP/out" 2>&1 &
	FG=$!
	wait_for 20 grep -q "attached" "$TMP/out"
	link=$(sed -n 's/.*link \([0-9]*\).*/\1/p' "$TMP/out")
	ctl -j policy swap "$link" "$o" --keep-maps
	check_eq "$(field 'sum(m["handed_over"] for m in o["maps"])')" 2 "maps of a policy without a pin"
	kill $FG
	wait $FG || fail "the loader failed: $(cat "$TMP/out")"
	FG=
	nothing_attached
}

# maps of another layout or version are refused, both named
test_ctl_maps_refused()
{
	local o=$PROGS/ctl_tunables.bpf.o

	ctl policy load "$o" --pin m
	expect_fail "$CDMCTL" policy swap m "$o" --keep-maps --set cdm_map_version=2
	check_match "$OUT" "layout version 1, the new policy wants 2" "another version"
	expect_fail "$CDMCTL" policy swap m "$o" --maps nosuch
	check_match "$OUT" "has no map 'nosuch'" "an unknown map"
	expect_fail "$CDMCTL" policy swap m "$BPF/nop.bpf.o" --keep-maps
	check_match "$OUT" "no map in common" "nothing to hand over"
	ctl policy swap m "$o" --set cdm_map_version=7
	expect_fail "$CDMCTL" policy swap m "$o" --keep-maps
	check_match "$OUT" "layout version 7, the new policy wants 1" "an older version"
	check_match "$(map_dump m attaches)" '"0x01"' "the old policy"
	ctl policy unload m
	nothing_attached
}

# an unprivileged user is told so
test_ctl_unprivileged()
{
	local cmd

	for cmd in "policy load $BPF/nop.bpf.o" "policy load $BPF/nop.bpf.o --pin x"; do
		# shellcheck disable=SC2086 # words
		expect_fail setpriv --reuid 65534 --regid 65534 --clear-groups "$CDMCTL" $cmd
		check_match "$OUT" "CAP_BPF|run it as root" "$cmd"
	done
	nothing_attached
}
