# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --nodes 2048,640,128
#
# Traces that a simulated device replays, and what an eviction policy makes of them:
# its miss ratio in the kernel against that of a model of the same algorithm
# (selftests/progs/model.py), which was written from the paper and shares no code.
#
# The model is told the node's capacity as measured, pages that were there when the
# run ended, and how many pages leave at a time.

# shellcheck source=selftests/prog_tests/evict_lib.bash
. "$REPO/selftests/prog_tests/evict_lib.bash"

TRACE=$TMP/trace
BATCH=32
ACCESSES=$((SOAK ? 2000000 : 300000))

setup()
{
	nodes_up
	thp_off
	# All of the node, and only what an access asks for: kcdmd does not run ahead.
	echo 0 0 >"$CDM/nodes/2/watermarks"
	echo 1G >"$CDM/nodes/2/evict" 2>/dev/null
}

teardown()
{
	if [ -e /sys/fs/bpf/cdm/replay ]; then
		cdmctl policy unload replay >/dev/null
	fi
	check_eq "$(ls "$CDM/policies")" "" "attached policies"
}

# trace KIND... PAGES - in $TRACE
trace()
{
	python3 "$PROGS_SRC/mktrace.py" "$TRACE" "$@" "$ACCESSES" 1 || fail "mktrace $*"
}

PROGS_SRC=$REPO/selftests/progs

# replay POLICY [--set VAR=VALUE...] - its miss ratio is in $RATIO, in 1/1000000, and
# the capacity that the node turned out to have in $CAPACITY
replay()
{
	local p=$1 before misses all set=()

	[ "$p" = lru ] || set=(--set nid=2)
	shift
	OUT=$(cdmctl policy load "$BPF/evict_$p.bpf.o" --pin replay "${set[@]}" "$@" 2>&1) ||
		fail "load evict_$p: $OUT"
	before=$(evicted 2)
	OUT=$(cdmctl -j sim replay -d 1 "$TRACE" 2>&1) || fail "replay: $OUT"
	misses=$(json_of misses) all=$(json_of accesses)
	check_eq "$all" "$ACCESSES" "accesses of the run"
	check_eq "$(json_of fetch_failed)" 0 "pages that could not be fetched"
	check_eq $(($(json_of hits) + misses)) "$all" "hits and misses"
	CAPACITY=$((misses - $(evicted 2) + before + BATCH / 2))
	RATIO=$((misses * 1000000 / all))
	check_ge "$(evicted 2)" $((before + 1000)) "pages evicted"
	cdmctl policy unload replay >/dev/null || fail "unload"
}

# json_of KEY - of $OUT
json_of()
{
	[[ $OUT =~ \"$1\":\ *([0-9]+) ]] || fail "no $1 in $OUT"
	echo "${BASH_REMATCH[1]}"
}

# model ALGORITHM [PARAMETER] - its miss ratio with $CAPACITY, in 1/1000000
model()
{
	local out

	# There is no /dev/fd in the guest.
	out=$(python3 "$PROGS_SRC/model.py" "$TRACE" "$1" "$CAPACITY" $BATCH "${@:2}") ||
		fail "model $*"
	awk '{ printf "%d\n", $1 * 1000000 / $2 }' <<<"$out"
}

# same ALGORITHM WHAT - the kernel and the model are within half a percent
same()
{
	local want off

	replay "$1"
	want=$(model "$1")
	off=$((RATIO - want))
	note "$1, $2: kernel $RATIO, model $want, in 1/1000000, $CAPACITY pages"
	check_le ${off#-} 5000 "miss ratio of evict_$1 against its model, $2"
}

# skewed ALGORITHM - zipf 1.2, of which it takes more until there is a miss
skewed()
{
	local ACCESSES=1500000

	trace zipf 1.2 90000
	same "$1" "zipf 1.2"
}

# timeout: 200
# What was accessed since a policy looked is not taken, and it learns how often
test_evict_replay_unused()
{
	trace zipf 0.8 90000
	OUT=$("$PROGS/attach" -s propose=4 -s verdict=0x200000000000000 -s give=1 -d n_used \
		-d n_used_wrong -d n_propose "$EVICT" -- cdmctl sim replay -d 1 "$TRACE" 2>&1) ||
		fail "replay: $OUT"
	cat >"$TMP/run" <<<"$OUT"
	check_ge "$(var n_propose 0)" 1000 "folios that were taken, as they were accessed once"
	check_ge "$(var n_used)" 1000 "folios that were not, as it was more often"
	check_eq "$(var n_used_wrong)" 0 "counts that are lower than the folio's own"
}

# timeout: 300
# evict_fifo is FIFO
test_evict_replay_fifo()
{
	trace zipf 0.6 90000
	same fifo "zipf 0.6"
	trace zipf 0.8 90000
	same fifo "zipf 0.8"
	trace scan 1.0 90000
	same fifo "zipf 1.0 and scans"
	trace loop 50000
	same fifo "a loop"
	skewed fifo
}

# timeout: 300
# evict_sieve is SIEVE
test_evict_replay_sieve()
{
	trace zipf 0.6 90000
	same sieve "zipf 0.6"
	trace zipf 1.0 90000
	same sieve "zipf 1.0"
	trace scan 1.0 90000
	same sieve "zipf 1.0 and scans"
	trace loop 50000
	same sieve "a loop"
	skewed sieve
}

# timeout: 300
# evict_s3fifo is S3-FIFO
test_evict_replay_s3fifo()
{
	trace zipf 0.6 90000
	same s3fifo "zipf 0.6"
	trace zipf 1.0 90000
	same s3fifo "zipf 1.0"
	trace scan 1.0 90000
	same s3fifo "zipf 1.0 and scans"
	trace loop 50000
	same s3fifo "a loop"
	skewed s3fifo
}

# timeout: 300
# evict_lfu is LFU with dynamic aging, as far as counts that are read late allow
test_evict_replay_lfu()
{
	trace zipf 0.6 90000
	same lfu "zipf 0.6"
	trace zipf 1.0 90000
	same lfu "zipf 1.0"
	trace scan 1.0 90000
	same lfu "zipf 1.0 and scans"
	trace loop 50000
	same lfu "a loop"
}

# timeout: 300
# The comparison sees a policy that is off by one constant
test_evict_replay_differs()
{
	local off

	trace scan 1.0 90000
	replay sieve --set spare=0
	off=$((RATIO - $(model sieve)))
	check_ge ${off#-} 5001 "SIEVE that spares nothing, against SIEVE"
	replay s3fifo --set small_percent=40
	off=$((RATIO - $(model s3fifo)))
	check_ge ${off#-} 5001 "S3-FIFO with a small queue of 40 %, against 10 %"
	trace zipf 0.6 90000
	replay lfu --set freq_max=1
	off=$((RATIO - $(model lfu)))
	check_ge ${off#-} 5001 "LFU that counts to 1, against LFU"
}

# timeout: 300
# What accessed bits make of LRU, how far from it; and what chance does
test_evict_replay_lru()
{
	local min

	trace zipf 0.8 90000
	replay lru
	min=$(model min)
	note "lru: kernel $RATIO, exact LRU $(model lru), MIN $min"
	# Not better than what knows the future, not worse than double.
	check_ge "$RATIO" "$min" "miss ratio of evict_lru against MIN"
	check_le "$RATIO" $((min * 2)) "miss ratio of evict_lru"
	replay random
	note "random: kernel $RATIO"
	check_ge "$RATIO" "$min" "miss ratio of evict_random against MIN"
}

# timeout: 120
# A trace of another tool is converted; files that are no traces are refused
test_evict_replay_convert()
{
	python3 - "$TMP/oracle" <<-'END' || fail "no oracle"
		import struct, sys
		with open(sys.argv[1], "wb") as f:
		    for i, obj in enumerate([7, 1 << 40, 7, 9, 1 << 40]):
		        f.write(struct.pack("<IQIq", i, obj, 100, -1))
	END
	OUT=$(cdmctl sim convert "$TMP/oracle" "$TMP/out" 2>&1) || fail "convert: $OUT"
	check_eq "$OUT" "5 accesses to 3 pages" "what it says"
	check_eq "$(od -An -v -tu4 -j32 -w16 "$TMP/out" | awk '{ print $3 }' | tr '\n' ' ')" \
		"0 1 0 2 1 " "pages in the trace"
	OUT=$(cdmctl -j sim replay -d 1 "$TMP/out" 2>&1) || fail "replay: $OUT"
	check_eq "$(json_of misses) $(json_of hits)" "3 2" "misses and hits"

	expect_fail cdmctl sim replay "$TMP/oracle"
	check_match "$OUT" 'is no trace: it does not begin with CDMTRACE' "not a trace"
	head -c 40 "$TMP/out" >"$TMP/short"
	expect_fail cdmctl sim replay "$TMP/short"
	check_match "$OUT" 'does not fit its 40 bytes' "a part of a trace"
	head -c 10 "$TMP/out" >"$TMP/short"
	expect_fail cdmctl sim replay "$TMP/short"
	check_match "$OUT" 'shorter than its head' "less than a head"
	head -c 50 "$TMP/oracle" >"$TMP/short"
	expect_fail cdmctl sim convert "$TMP/short" "$TMP/none"
	check_match "$OUT" 'no oracleGeneral trace' "a part of a record"
	[ ! -e "$TMP/none" ] || fail "a file is left of a conversion that failed"
	# A page that its head does not have.
	python3 - "$TMP/bad" <<-'END'
		import struct, sys
		with open(sys.argv[1], "wb") as f:
		    f.write(struct.pack("<8sIIQQ", b"CDMTRACE", 1, 3, 1, 0))
		    f.write(struct.pack("<QII", 0, 9, 0))
	END
	expect_fail cdmctl sim replay -d 1 "$TMP/bad"
	check_match "$OUT" 'the device refuses it' "a page beyond the range"
}

# timeout: 120
# The working set changes four times: nothing is placed elsewhere, all can be fetched
test_evict_replay_phase()
{
	trace phase 1.0 60000
	OUT=$("$PROGS/watch_place" -o "$TMP/watch" "$WATCH" -- \
		"$CDMCTL" -j sim replay -d 1 "$TRACE" 2>&1) || fail "replay: $OUT"
	no_spill "phases"
	check_eq "$(json_of fetch_failed)" 0 "pages that could not be fetched"
	check_ge "$(json_of fetches)" 1000 "pages that were"
}
