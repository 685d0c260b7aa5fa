# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# cdmctl stat and cdmctl trace: that they tell what happened, all of it and nothing else.
#
# Counts are compared with sysfs, and events with what the kernel's own trace shows in
# text, which cdmctl does not read.

PINS=/sys/fs/bpf/cdm
TRACE=/sys/kernel/tracing

is_online()
{
	[ "$(cat "$CDM/nodes/$1/state" 2>/dev/null)" = online ]
}

# sim_load - the simulated devices' driver, and its nodes are there
sim_load()
{
	mod_load cdm_sim
	wait_for 20 is_online 1
	wait_for 20 is_online 2
}

setup()
{
	[ -e $TRACE/trace ] || mount -t tracefs tracefs $TRACE
}

teardown()
{
	local pin

	[ -z "${FG:-}" ] || { kill -9 "$FG" && wait "$FG"; } 2>/dev/null
	[ -z "${LOAD:-}" ] || { kill -9 "$LOAD" && wait "$LOAD"; } 2>/dev/null
	for pin in "$PINS"/*/; do
		[ ! -d "$pin" ] || "$CDMCTL" policy unload "$(basename "$pin")" >/dev/null 2>&1
	done
	echo 0 >$TRACE/events/cdm/enable
	rmdir $TRACE/instances/cdmctl-* 2>/dev/null
	[ ! -d /sys/module/cdm_sim ] || rmmod cdm_sim
}

# ctl ARGS... - cdmctl must succeed; its output goes to $OUT
ctl()
{
	OUT=$("$CDMCTL" "$@" 2>&1) || fail "cdmctl $*: $OUT"
}

# py TEXT [ARG...] - a check of the JSON lines in $OUT: o is the first, rows are all
py()
{
	# Too much for an argument.
	python3 -c '
import json, re, sys
rows = [json.loads(line) for line in sys.stdin]
o = rows[0] if rows else None
def counts(path):
    return {k: int(v) for k, v in (line.split() for line in open(path))}
exec(sys.argv[1])' "$@" <<<"$OUT" 2>&1 || fail "of: $(head -c 3000 <<<"$OUT")"
}

# start ARGS... - cdmctl in the background, as $FG, its output in $TMP/out
start()
{
	: >"$TMP/out"
	"$CDMCTL" "$@" >"$TMP/out" 2>&1 &
	FG=$!
}

said()
{
	grep -qE -- "$1" "$TMP/out"
}

# ---- stat --------------------------------------------------------------------

# timeout: 120
# stat has every counter that sysfs has, and its values
test_ctl_stat_totals()
{
	local id

	sim_load
	ctl -j policy load "$BPF/nop.bpf.o" --pin one
	id=$(py 'print(o["id"])')
	ctl -j sim run --size 2M
	cp "$CDM/policies/$id/stats" "$TMP/before"
	ctl -j stat
	check_eq "$(wc -l <<<"$OUT")" 1 "lines"
	py '
n = {n["node"]: n for n in o["nodes"]}
assert sorted(n) == [1, 2], n
for nid in n:
    want = counts(f"/sys/kernel/mm/cdm/nodes/{nid}/stats")
    assert n[nid]["stats"] == want, (nid, n[nid]["stats"], want)
assert n[1]["stats"]["placed_pages"] >= 512 and n[1]["stats"]["dev_faults"] > 0
assert n[1]["state"] == "online" and n[1]["mode"] == "closed"
assert n[1]["total_kb"] > n[1]["free_kb"] > 0
p, = o["policies"]
assert (p["id"], p["name"], p["node"]) == (int(sys.argv[2]), "nop", "all"), p
# Whoever touches memory is a count of nop, and so are we.
low, high = counts(sys.argv[3]), counts(f"/sys/kernel/mm/cdm/policies/{sys.argv[2]}/stats")
assert list(p["stats"]) == list(low)
for k in low:
    assert low[k] <= p["stats"][k] <= high[k], (k, low[k], p["stats"][k], high[k])
assert p["denied"].keys() == counts(f"/sys/kernel/mm/cdm/policies/{sys.argv[2]}/denied").keys()
' "$id" "$TMP/before"
}

# timeout: 120
# the text hides what is zero, --all does not; words choose a node, a name or a pin
test_ctl_stat_text()
{
	local nr

	ctl stat
	check_match "$OUT" "no managed node and no policy" "stat of nothing"
	sim_load
	ctl stat
	check_match "$OUT" "^node 1: online, closed, driver .*, 1024M in all, [0-9]+M free\$" "node 1"
	check_match "$OUT" "^  nothing\$" "without counts"
	ctl policy load "$BPF/nop.bpf.o" --pin one
	ctl sim run --size 2M
	ctl stat 1
	check_match "$OUT" "^  placed_pages +[1-9][0-9]+\$" "placed_pages"
	nr=$(grep -c '^  ' <<<"$OUT")
	check_eq "$nr" "$(grep -vc ' 0$' "$CDM/nodes/1/stats")" "lines"
	check_eq "$(grep -c '^[np]' <<<"$OUT")" 1 "nodes and policies of stat 1"
	ctl stat 1 --all
	check_ge "$(grep -c '^  ' <<<"$OUT")" "$(wc -l <"$CDM/nodes/1/stats")" "lines of --all"
	ctl stat one
	check_match "$(head -n 1 <<<"$OUT")" "^policy nop \(id [0-9]+\): enabled, node all\$" "by pin"
	ctl stat nop 2
	check_eq "$(grep -cE '^(policy nop|node 2)' <<<"$OUT")" 2 "by name, and node 2: $OUT"
	check_eq "$(grep -c '^[np]' <<<"$OUT")" 2 "nodes and policies: $OUT"
}

# timeout: 180
# rounds are differences that add up to the totals, and rates that fit them
test_ctl_stat_interval()
{
	sim_load
	ctl sim run --size 1M
	cp "$CDM/nodes/1/stats" "$TMP/before"
	start -j stat 1 --interval 0.5
	wait_for 20 test -s "$TMP/out"
	ctl sim run --size 2M
	ctl sim run --size 1M --cpu-first-touch 50
	cp "$CDM/nodes/1/stats" "$TMP/after"
	sleep 2
	kill "$FG"
	wait "$FG" 2>/dev/null
	FG=
	OUT=$(cat "$TMP/out")
	py '
before, after = counts(sys.argv[2]), counts(sys.argv[3])
assert len(rows) >= 3, rows
for r in rows:
    assert r["policies"] == [] and [n["node"] for n in r["nodes"]] == [1], r
    assert 0.3 < r["seconds"] < 20, r["seconds"]
    n = r["nodes"][0]
    assert list(n["stats"]) == list(n["per_second"]["stats"])
    for k, v in n["stats"].items():
        assert abs(n["per_second"]["stats"][k] * r["seconds"] - v) <= 0.01 * v + 0.01, (k, n)
for k in before:
    got = sum(r["nodes"][0]["stats"][k] for r in rows)
    assert got == after[k] - before[k], (k, got, before[k], after[k])
assert after["placed_pages"] - before["placed_pages"] >= 512 + 128
' "$TMP/before" "$TMP/after"

	ctl -j stat 1 -i 0.2 -c 3
	check_eq "$(wc -l <<<"$OUT")" 3 "rounds"
	ctl stat -c 1 -a
	check_match "$OUT" "^-- [0-9.]+ s\$" "the head of a round"
	check_match "$OUT" "^  placed_pages +0 +0.0/s\$" "a count of a round"
}

# timeout: 180
# nodes and policies that come or go are told of
test_ctl_stat_come_go()
{
	local id

	start stat --interval 0.3
	wait_for 20 said "no managed node and no policy"
	sim_load
	wait_for 20 said "^node 1 came: "
	wait_for 20 said "^node 2: online"
	ctl -j policy load "$BPF/nop.bpf.o" --pin one
	id=$(py 'print(o["id"])')
	wait_for 20 said "^policy nop \(id $id\) came: enabled"
	ctl policy swap one "$BPF/place_accessor.bpf.o"
	wait_for 20 said "^policy nop \(id $id\) went \(replaced\)"
	wait_for 20 said "^policy place_accessor \(id [0-9]+\) came"
	ctl policy unload one
	wait_for 20 said "^policy place_accessor \(id [0-9]+\) went \(unloaded\)"
	mod_unload cdm_sim
	wait_for 20 said "^node 1 went\$"
	kill -0 "$FG" || fail "it ended: $(cat "$TMP/out")"
}

# timeout: 120
# files of counters and names that this kernel has not, if another has them
test_ctl_stat_sections()
{
	local d=$TMP/cdm

	mkdir -p "$d/nodes/1" "$d/policies"
	echo 1 >"$d/version"
	echo online >"$d/nodes/1/state"
	echo closed >"$d/nodes/1/mode"
	echo fake >"$d/nodes/1/driver"
	printf 'placed 5\nbrand_new 7\nnever 0\n' >"$d/nodes/1/stats"
	printf '0 12\n2 0\n' >"$d/nodes/1/pingpong"
	printf '1 3 4\n10 0 0\n100 0 9\n' >"$d/nodes/1/stay"
	# shellcheck disable=SC2016 # for the inner shell
	OUT=$(unshare -m bash -c 'mount --bind "$0" "$1" && "$2" stat; "$2" -j stat 1' \
		"$d" "$CDM" "$CDMCTL" 2>&1) || fail "$OUT"
	check_eq "$(head -n -1 <<<"$OUT" | sed 1d | tr -s ' ')" " placed 5
 brand_new 7
 pingpong
 with node 0: 12
 stay
 < 1 ms: here 3 away 4
 < 100 ms: here 0 away 9" "the text"
	OUT=$(tail -n 1 <<<"$OUT")
	py '
n, = o["nodes"]
assert n["stats"] == {"placed": 5, "brand_new": 7, "never": 0}, n
assert n["pingpong"] == {"0": 12, "2": 0}, n
assert n["stay"]["100"] == {"here": 0, "away": 9} and len(n["stay"]) == 3, n'
}

# what is no node and no policy is refused, and what to do is said
test_ctl_stat_refused()
{
	expect_fail "$CDMCTL" stat 9
	check_match "$OUT" "node 9 does not exist; this machine can have nodes 0-2" "node 9"
	check_match "$OUT" "next: .*node list --all" "node 9"
	expect_fail "$CDMCTL" stat 0
	check_match "$OUT" "node 0 is CPU memory" "node 0"
	expect_fail "$CDMCTL" stat 1
	check_match "$OUT" "node 1 is not managed" "node 1"
	check_match "$OUT" "next: load its driver" "node 1"
	expect_fail "$CDMCTL" stat nosuch
	check_match "$OUT" "'nosuch' is neither a node's number nor a policy's name or pin" "nosuch"
	check_match "$OUT" "next: see 'cdmctl node list' and 'cdmctl policy list'" "nosuch"
	expect_fail "$CDMCTL" stat a/b
	check_match "$OUT" "'a/b' is neither" "a/b"
	expect_fail "$CDMCTL" -j stat nosuch -i 1
	py 'assert o["error"]["errno"] == 2 and o["error"]["next"], o'
}

# stat needs no privileges
test_ctl_stat_unprivileged()
{
	ctl policy load "$BPF/nop.bpf.o" --pin one
	OUT=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$CDMCTL" stat nop 2>&1) ||
		fail "stat: $OUT"
	check_match "$OUT" "^  calls_place +[1-9]" "counts of nop"
	expect_fail setpriv --reuid 65534 --regid 65534 --clear-groups "$CDMCTL" stat one
	check_match "$OUT" "'one' is neither" "a pin that others cannot see"
}

# ---- trace -------------------------------------------------------------------

# trace ARGS... - cdmctl trace in the background; all it asks for is being traced
trace()
{
	start trace "$@"
	wait_for 20 said "^ +TIME +TASK"
}

# trace_end [SIG] - end it; it says it ended well
trace_end()
{
	local status

	kill -"${1:-INT}" "$FG"
	wait "$FG"
	status=$?
	FG=
	check_eq $status 0 "status of trace: $(tail -n 3 "$TMP/out")"
	no_instances
}

no_instances()
{
	check_eq "$(ls $TRACE/instances)" "" "instances of tracing"
}

# events - what cdmctl has printed of events: "KIND TEXT", sorted
events()
{
	sed -nE 's/^ +[0-9]+\.[0-9]{6}  .{15} +[0-9]+ +[0-9]+ +([a-z_]+) +(.*)$/\1 \2/p' \
		"$TMP/out" | sort
}

# record - the kernel's own trace of all events of cdm_ext begins
record()
{
	echo 16384 >$TRACE/buffer_size_kb
	echo >$TRACE/trace
	echo 1 >$TRACE/events/cdm/enable
}

# recorded ERE - what it has of lines that match, as events() has them
#
# Nothing in hexadecimal is 0x0 to the kernel's printf and 0 to libc's.
recorded()
{
	grep -E "$1" $TRACE/trace |
		sed -nE 's/=0x0( |$)/=0\1/g; s/^.*: cdm_([a-z_]+): (.*)$/\1 \2/p' | sort
}

# stopped CMD... - a process, as $LOAD, that runs CMD when it is continued
stopped()
{
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'kill -STOP $$; exec "$@"' - "$@" >"$TMP/load" 2>&1 &
	LOAD=$!
	wait_for 20 grep -q '^State:.*stopped' /proc/$LOAD/status
}

# check_same WANT WHAT - events() are those of file WANT, and there are some
check_same()
{
	events >"$TMP/got"
	check_ge "$(wc -l <"$1")" 1 "events of the kernel's own trace, $2"
	cmp -s "$TMP/got" "$1" ||
		fail "$2: $(wc -l <"$TMP/got") events, want $(wc -l <"$1"):" \
			"$(diff "$TMP/got" "$1" | head -n 8)"
}

# timeout: 180
# by process: all of its events and none of another's, in the kernel's own words
test_ctl_trace_pid()
{
	local pid

	sim_load
	ctl policy load "$BPF/nop.bpf.o" --pin one
	stopped "$CDMCTL" sim run --size 1M --cpu-first-touch 100
	pid=$LOAD
	record
	trace --pid "$pid"
	ctl sim run --size 1M
	kill -CONT "$pid"
	wait "$pid" || fail "the load failed: $(cat "$TMP/load")"
	LOAD=
	# It ends with the process.
	wait "$FG" || fail "trace failed: $(tail -n 3 "$TMP/out")"
	FG=
	echo 0 >$TRACE/events/cdm/enable
	no_instances
	recorded "^ *[^ ].*-$pid +\[|tgid=$pid " >"$TMP/want"
	check_same "$TMP/want" "--pid"
	check_ge "$(events | grep -c "^place tgid=$pid ")" 256 "places"
}

# timeout: 180
# events without a tgid are told of for each thread, also one that is new
test_ctl_trace_threads()
{
	sim_load
	stopped numactl --membind=1 python3 -c '
import mmap, threading, time
def use():
    time.sleep(1)
    m = mmap.mmap(-1, 4 << 20)
    m.madvise(mmap.MADV_NOHUGEPAGE)
    for i in range(0, 4 << 20, 4096):
        m[i] = 1
t = threading.Thread(target=use)
t.start()
print(t.native_id)
t.join()'
	start -j trace --pid "$LOAD" --kind placed
	wait_for 20 grep -qs 1 $TRACE/instances/cdmctl-$FG/events/cdm/cdm_placed/enable
	kill -CONT "$LOAD"
	wait "$LOAD" || fail "the load failed: $(cat "$TMP/load")"
	wait "$FG" || fail "trace failed: $(tail -n 3 "$TMP/out")"
	FG=
	OUT=$(cat "$TMP/out")
	py '
mine = [r for r in rows if r["tid"] == int(sys.argv[3])]
assert {r["tid"] for r in rows} == {int(sys.argv[2]), int(sys.argv[3])}, {r["tid"] for r in rows}
# Some wait in lists of the CPU for who comes next.
assert len(mine) > 900, len(mine)
assert {r["fields"]["nid"] for r in mine} == {1}
assert {r["event"] for r in rows} == {"placed"}
assert rows == sorted(rows, key=lambda r: r["ns"]) or len({r["cpu"] for r in rows}) > 1
' "$LOAD" "$(head -n 1 "$TMP/load")"
	LOAD=
}

# timeout: 300
# so many threads that a filter cannot name each: another process among them is left out
test_ctl_trace_many_threads()
{
	local filter

	sim_load
	stopped numactl --membind=1 python3 -c '
import mmap, os, sys, threading, time
def use():
    m = mmap.mmap(-1, 1 << 20)
    m.madvise(mmap.MADV_NOHUGEPAGE)
    for i in range(0, 1 << 20, 4096):
        m[i] = 1
def wait():
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.1)
end = threading.Event()
# A process between any two threads, so that their numbers have gaps. Some live.
kids = []
for i in range(190):
    threading.Thread(target=end.wait).start()
    pid = os.fork()
    if not pid:
        if i % 10 == 5:
            wait()
            use()
        os._exit(0)
    if i % 10 == 5:
        kids.append(pid)
    else:
        os.waitpid(pid, 0)
print(*kids)
print("ready", flush=True)
wait()
use()
end.set()
for pid in kids:
    os.waitpid(pid, 0)' "$TMP/go"
	start -j trace --pid "$LOAD" --kind placed
	wait_for 20 grep -qs 1 $TRACE/instances/cdmctl-$FG/events/cdm/cdm_placed/enable
	kill -CONT "$LOAD"
	wait_for 240 grep -q ready "$TMP/load"
	sleep 1
	filter=$(cat $TRACE/instances/cdmctl-$FG/events/cdm/cdm_placed/filter)
	: >"$TMP/go"
	wait "$LOAD" || fail "the load failed: $(cat "$TMP/load")"
	wait "$FG" || fail "trace failed: $(tail -n 3 "$TMP/out")"
	FG=
	OUT=$(cat "$TMP/out")
	py '
pid, kids = int(sys.argv[2]), {int(n) for n in sys.argv[3].split()}
tids = {r["tid"] for r in rows}
assert pid in tids and not tids & kids, (pid, tids, kids)
assert sum(r["tid"] == pid for r in rows) >= 200
# The kernel was not told to leave all of them out.
ranges = re.findall(r"common_pid >= (\d+) && common_pid <= (\d+)", sys.argv[4])
inside = {k for k in kids for low, high in ranges if int(low) < k < int(high)}
assert inside, (kids, ranges)
' "$LOAD" "$(head -n 1 "$TMP/load")" "$filter"
	LOAD=
}

# timeout: 180
# by node: whatever names it, in whichever field
test_ctl_trace_node()
{
	sim_load
	ctl policy load "$BPF/nop.bpf.o" --pin one
	record
	trace --node 2
	ctl sim run -d 1 --size 1M
	ctl sim run -d 0 --size 1M
	ctl node mode 2 open
	trace_end
	echo 0 >$TRACE/events/cdm/enable
	recorded "nid=2( |\$)" >"$TMP/want"
	check_same "$TMP/want" "--node 2"
	check_ge "$(events | grep -c '^place .*dev_nid=2 ')" 256 "places of the device of node 2"
	check_ge "$(events | grep -c '^placed .*nid=2 ')" 250 "placed on node 2"
}

# timeout: 180
# by kind, and so many; JSON has fields, and names for numbers that have one
test_ctl_trace_kind()
{
	sim_load
	start -j trace --kind policy,node_state --count 2
	wait_for 20 grep -qs 1 $TRACE/instances/cdmctl-$FG/events/cdm/cdm_policy/enable
	ctl policy load "$BPF/nop.bpf.o" --pin one
	ctl sim run --size 1M
	ctl policy unload one
	mod_unload cdm_sim
	wait "$FG" || fail "trace failed: $(cat "$TMP/out")"
	FG=
	OUT=$(cat "$TMP/out")
	py '
assert [r["event"] for r in rows] == ["policy", "policy"], rows
assert {r["fields"]["name"] for r in rows} == {"nop"} and rows[0]["comm"] == "cdmctl", rows
assert rows[0]["fields"]["what"] != rows[1]["fields"]["what"], rows
assert rows[0]["ns"] <= rows[1]["ns"]'

	sim_load
	start -j trace --kind node_state --node 1 --count 1
	wait_for 20 grep -qs 1 $TRACE/instances/cdmctl-$FG/events/cdm/cdm_node_state/enable
	mod_unload cdm_sim
	wait "$FG" || fail "trace failed: $(cat "$TMP/out")"
	FG=
	OUT=$(cat "$TMP/out")
	py '
assert len(rows) == 1
assert o["fields"] == {"nid": 1, "was": "online", "state": "draining"}, o'

	sim_load
	ctl policy load "$BPF/nop.bpf.o" --pin one
	start -j trace --kind place,placed --node 1 --count 100
	wait_for 20 grep -qs 1 $TRACE/instances/cdmctl-$FG/events/cdm/cdm_placed/enable
	ctl sim run --size 1M
	wait "$FG" || fail "trace failed: $(cat "$TMP/out")"
	FG=
	OUT=$(cat "$TMP/out")
	py '
assert len(rows) == 100, len(rows)
places = [r["fields"] for r in rows if r["event"] == "place"]
assert places and {p["kind"] for p in places} == {"anon"}, places
assert all(p["dev_nid"] == 1 and p["answer"] == 0 and p["addr"] % 4096 == 0 for p in places)
assert all(r["fields"]["nid"] == 1 for r in rows if r["event"] == "placed")'
	no_instances
}

# timeout: 180
# what was lost is said
test_ctl_trace_lost()
{
	sim_load
	ctl policy load "$BPF/nop.bpf.o" --pin one
	trace --kind place,placed
	kill -STOP "$FG"
	echo 64 >"$TRACE/instances/cdmctl-$FG/buffer_size_kb"
	ctl sim run --size 8M --no-thp
	kill -CONT "$FG"
	wait_for 30 said "^-- ([0-9]+|some) events lost on CPU [01]"
	trace_end TERM
}

# timeout: 180
# its instance goes with it, whatever ends it; what a killed one left goes with the next
test_ctl_trace_end()
{
	local sig left

	for sig in INT TERM HUP; do
		trace
		[ -d $TRACE/instances/cdmctl-$FG ] || fail "there is no instance"
		trace_end $sig
	done

	trace --kind policy
	left=$FG
	kill -KILL "$FG"
	wait "$FG" 2>/dev/null
	FG=
	[ -d "$TRACE/instances/cdmctl-$left" ] || fail "there is no instance of the killed one"
	# One that lives stays, with its events.
	trace --kind policy
	[ ! -d "$TRACE/instances/cdmctl-$left" ] || fail "the killed one's instance is still there"
	ctl trace --seconds 0.2
	[ -d "$TRACE/instances/cdmctl-$FG" ] || fail "the other's instance is gone"
	ctl policy load "$BPF/nop.bpf.o" --pin one
	wait_for 10 said "policy +id=[0-9]+ name=nop"
	trace_end

	OUT=$("$CDMCTL" trace --kind policy | head -n 1)
	check_match "$OUT" "TIME" "the only line that was read"
	wait_for 10 no_instance
}

no_instance() { [ -z "$(ls $TRACE/instances)" ]; }

# an end after a time, and what happened until then is told
test_ctl_trace_seconds()
{
	local start=$SECONDS

	ctl trace --seconds 0.5 --kind node_state
	check_le $((SECONDS - start)) 20 "seconds it took"
	check_eq "$(wc -l <<<"$OUT")" 1 "lines"
	no_instances
}

# unknown words are refused, as is whoever may not; nothing is left behind
test_ctl_trace_refused()
{
	expect_fail "$CDMCTL" trace --kind nosuch
	check_match "$OUT" "'nosuch' is not a kind of event; there are access, .*evict, .*place" \
		"an unknown kind"
	expect_fail "$CDMCTL" trace --kind place,cdm_place
	check_match "$OUT" "'cdm_place' is not a kind" "a name with cdm_"
	expect_fail "$CDMCTL" trace --node 9
	check_match "$OUT" "node 9 does not exist; this machine can have nodes 0-2" "node 9"
	expect_fail "$CDMCTL" trace --node 1 --kind policy
	check_match "$OUT" "events of kind policy name no node" "policy of a node"
	expect_fail "$CDMCTL" trace --pid 4000000
	check_match "$OUT" "there is no process 4000000" "no process"
	expect_fail setpriv --reuid 65534 --regid 65534 --clear-groups "$CDMCTL" trace
	check_match "$OUT" "cannot use $TRACE: Permission denied" "nobody"
	check_match "$OUT" "next: run it as root" "nobody"
	# shellcheck disable=SC2016 # for the inner shell
	expect_fail unshare -m bash -c 'umount -l /sys/kernel/tracing; umount -l /sys/kernel/debug
		"$0" -j trace; status=$?; [ ! -e /sys/kernel/tracing/trace ] || exit 0; exit $status' "$CDMCTL"
	py '
assert o["error"]["text"] == "tracefs is not mounted", o
assert "mount -t tracefs" in o["error"]["next"], o'
	no_instances
}
