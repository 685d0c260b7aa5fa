# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the policies that watch accesses decide, without any access: streams of events go
# through the very functions that the policies call, in the kernel, and what comes out is
# compared with a model that was written apart, or with bounds that the algorithm promises.

PROGS_SRC=$REPO/selftests/progs
STREAM=$TMP/stream
N=$((SOAK ? 200000 : 20000))

# stream ARGS... - in $STREAM
stream()
{
	python3 "$PROGS_SRC/mkstream.py" "$@" >"$STREAM" || fail "mkstream $*"
}

# replay OBJECT [-s VAR=VALUE...] - of $STREAM, into $TMP/got
replay()
{
	OUT=$("$PROGS/policy_replay" "${@:2}" "$PROGS/$1_replay.bpf.o" <"$STREAM" \
		2>&1 >"$TMP/got") || fail "replay of $*: $OUT"
}

# model NAME [ARGS...] - of $STREAM, into $TMP/want
model()
{
	python3 "$PROGS_SRC/model_$1.py" "${@:2}" <"$STREAM" >"$TMP/want" || fail "model $*"
}

# same WHAT - decision by decision
same()
{
	local n

	n=$(wc -l <"$TMP/want")
	check_ge "$n" $((N / 2)) "decisions, $1"
	# There may be many: the first is what one wants to see.
	OUT=$(cmp "$TMP/got" "$TMP/want" 2>&1) || fail "$1: $OUT: $(
		diff "$TMP/got" "$TMP/want" | head -n 4 | tr '\n' ' ')"
	note "$1: $n decisions, $(awk '{ n[$1]++ } END { for (w in n) printf "%s %d; ", w, n[w] }' \
		"$TMP/got")all the same"
}

# decided WHAT - how many of them
decided()
{
	grep -c "^$1" "$TMP/got"
}

# timeout: 300
# thrash_uvm decides as a model of UVM does, event by event
test_thrash_uvm_model()
{
	local kind seed pins=0

	for kind in random pingpong boundary epoch pin facts; do
		for ((seed = 1; seed <= (SOAK ? 4 : 1); seed++)); do
			stream uvm $kind "$N" $seed
			replay uvm
			model uvm
			same "$kind, seed $seed"
			check_ge "$(decided throttle)" 50 "throttled, $kind"
			pins=$((pins + $(decided pin)))
		done
	done
	check_ge $pins 10000 "pinned"
}

# timeout: 300
# each number of UVM's matters: a policy with one that is off by one is told from it
test_thrash_uvm_defaults()
{
	local name value kind n=0 differ

	for kind in pin epoch; do
		stream uvm $kind "$N" 3
		model uvm
		replay uvm
		same "$kind"
		mv "$STREAM" "$TMP/$kind.stream"
		mv "$TMP/want" "$TMP/$kind.want"
	done
	while read -r name value; do
		n=$((n + 1))
		for kind in pin epoch; do
			cp "$TMP/$kind.stream" "$STREAM"
			replay uvm -s "$name=$((value + 1))"
			differ=$(diff "$TMP/got" "$TMP/$kind.want" | grep -c '^<')
			[ "$differ" = 0 ] || break
		done
		check_ge "$differ" 1 "decisions that differ with $name=$((value + 1))"
		note "$name=$((value + 1)): $differ decisions differ ($kind)"
	done <<<"$(sed -n 's/^const volatile .* \([a-z_]*\) = \([0-9]*\);$/\1 \2/p' \
		"$REPO/include/cdm/thrash_uvm.bpf.h")"
	check_eq $n 8 "numbers of UVM's"
}

# as_said OBJECT - each line of stdin is an event, "=" and what is decided
as_said()
{
	local lines

	lines=$(grep '=')
	sed 's/ *=.*//' <<<"$lines" >"$STREAM"
	sed 's/.*= *//' <<<"$lines" >"$TMP/want"
	replay "$@"
	OUT=$(diff -y -W 60 "$TMP/got" "$TMP/want") || fail "decided, and wanted: $OUT"
}

# timeout: 120
# thrash_hysteresis: two touches, by one processor, within the window; doubling
test_thrash_hysteresis()
{
	local i where=0

	# time mm page processor where left ms-ago
	as_said hysteresis <<-END
		# Two, and the window has its end in it.
		1000000000 1 1 1 0 -1 0 = stay
		2000000000 1 1 1 0 -1 0 = move 1
		1000000000 1 2 1 0 -1 0 = stay
		2000000001 1 2 1 0 -1 0 = stay
		2000000002 1 2 1 0 -1 0 = move 1
		# Another processor begins anew; other pages and address spaces are others.
		1000000000 1 3 1 0 -1 0 = stay
		1000000001 1 3 2 0 -1 0 = stay
		1000000002 1 3 1 0 -1 0 = stay
		1000000003 2 3 1 0 -1 0 = stay
		1000000004 1 4 1 0 -1 0 = stay
		1000000005 1 3 1 0 -1 0 = move 1
		# It comes back: four; and again: eight.
		1000000006 1 3 0 1 -1 0 = stay
		1000000007 1 3 0 1 -1 0 = stay
		1000000008 1 3 0 1 -1 0 = stay
		1000000009 1 3 0 1 -1 0 = move 0
		1000000010 1 3 1 0 -1 0 = stay
		1000000011 1 3 1 0 -1 0 = stay
		1000000012 1 3 1 0 -1 0 = stay
		1000000013 1 3 1 0 -1 0 = stay
		1000000014 1 3 1 0 -1 0 = stay
		1000000015 1 3 1 0 -1 0 = stay
		1000000016 1 3 1 0 -1 0 = stay
		1000000017 1 3 1 0 -1 0 = move 1
		# To a third place: two again.
		1000000018 1 3 2 1 -1 0 = stay
		1000000019 1 3 2 1 -1 0 = move 2
		# Back after a longer while: two.
		6000000020 1 3 1 2 -1 0 = stay
		6000000021 1 3 1 2 -1 0 = move 1
		# Back as the kernel knows, and not so.
		1000000000 1 5 1 0 1 5000 = stay
		1000000001 1 5 1 0 1 5000 = stay
		1000000002 1 5 1 0 1 5000 = stay
		1000000003 1 5 1 0 1 5000 = move 1
		1000000000 1 6 1 0 1 5001 = stay
		1000000001 1 6 1 0 1 5001 = move 1
		1000000000 1 7 1 0 2 1 = stay
		1000000001 1 7 1 0 2 1 = move 1
	END

	# To and fro for ever: it ends at 128 touches each.
	for ((i = 0; i < 1279; i++)); do
		echo "$((10 ** 9 + i)) 1 8 $((1 - where)) $where -1 0"
		case $i in
		1|5|13|29|61|125|253|381|509|637|765|893|1021) where=$((1 - where)) ;;
		esac
	done >"$STREAM"
	replay hysteresis
	# The last one is not carried out, and asked for again.
	check_eq "$(grep -n move "$TMP/got" | cut -d: -f1 | tr '\n' ' ')" \
		"2 6 14 30 62 126 254 382 510 638 766 894 1022 1150 1278 " "touches at which it moves"
	replay hysteresis -s max_doublings=0
	check_eq "$(head -n 4 "$TMP/got" | tr '\n' ' ')" "stay move 1 stay move 0 " "without doubling"
}

# rent KIND [-s VAR=VALUE...] - what moves cost in a stream of that kind: MOVES, COST,
# OPTIMUM and STAY
rent()
{
	stream rent "$1" "$N" 1
	replay adaptive -s page_move_ns=20000 "${@:2}"
	OUT=$(python3 "$PROGS_SRC/check_rent.py" "$STREAM" "$TMP/got") || fail "check_rent: $OUT"
	read -r _ MOVES _ COST _ OPTIMUM _ STAY <<<"$OUT"
	note "$*: $OUT"
	number "$STAY" "check_rent"
}

# timeout: 300
# thrash_adaptive: at most three times the best, whoever accesses; and what that is for
test_thrash_adaptive_bounds()
{
	local kind

	# The theorem, with what an event that stands for several accesses is too late.
	for kind in random pingpong short phases skewed; do
		rent $kind -s max_doublings=0 -s max_halvings=0
		check_le "$COST" $((OPTIMUM * 35 / 10 + 100000)) "cost, $kind"
	done
	# Where moving is no use: a few moves, however long it goes on.
	for kind in random short; do
		rent $kind
		check_le "$MOVES" 16 "moves, $kind"
		check_le "$COST" $((STAY * 102 / 100)) "cost against that of no move, $kind"
	done
	# Where it pays a little, what can be had.
	rent pingpong
	check_le "$COST" $((STAY * 95 / 100)) "cost against that of no move, pingpong"
	# Where it is: with each phase, and soon.
	rent phases
	check_eq "$MOVES" $((N / 2000 - 1)) "moves, one with each phase"
	check_le "$COST" $((OPTIMUM * 35 / 10)) "cost, phases"
	rent skewed
	# Each time that it changes its mind, what paid before is tried again, in vain.
	check_le "$COST" $((OPTIMUM * 13 / 10)) "cost, skewed"
}

# timeout: 120
# thrash_adaptive: the bar, what is taken off, rivals, returns, and decay
test_thrash_adaptive_steps()
{
	local missed

	# time mm page node home pages accesses; a page there and back is 100 accesses
	as_said adaptive -s page_move_ns=20000 -s max_halvings=0 <<-END
		1 1 0 1 0 1 99 = stay
		2 1 0 1 0 1 1 = move 1
		# Blocks and address spaces are apart.
		3 1 512 1 0 1 99 = stay
		3 2 0 1 0 1 99 = stay
		# Near takes off, and not below nothing.
		4 3 0 1 0 1 50 = stay
		5 3 0 0 0 1 200 = stay
		6 3 0 1 0 1 99 = stay
		7 3 0 0 0 1 10 = stay
		8 3 0 1 0 1 10 = stay
		9 3 0 1 0 1 1 = move 1
		# Pages from the first to the last of those touched: eight.
		1 4 7 1 0 1 100 = move 1
		1 5 0 1 0 1 99 = stay
		2 5 7 1 0 1 700 = stay
		3 5 3 1 0 1 1 = move 1
		1 6 0 1 0 512 51199 = stay
		2 6 9 1 0 1 1 = move 1
		# Of two that want it, the other's payments are taken off.
		1 7 0 1 0 1 90 = stay
		2 7 0 2 0 1 60 = stay
		3 7 0 1 0 1 60 = stay
		4 7 0 2 0 1 90 = stay
		5 7 0 2 0 1 10 = stay
		6 7 0 2 0 1 89 = stay
		7 7 0 2 0 1 1 = move 2
	END
	as_said adaptive -s page_move_ns=20000 <<-END
		# What was never tried begins at the half. A stay for nothing makes the next bar there four times as high: 50, 50, 200. What was paid in earlier turns does not count for it.
		1 8 0 1 0 1 50 = move 1
		2 8 0 0 0 1 50 = move 0
		3 8 0 1 0 1 90 = stay
		4 8 0 0 0 1 1 = stay
		5 8 0 1 0 1 90 = stay
		6 8 0 0 0 1 1 = stay
		7 8 0 1 0 1 21 = stay
		8 8 0 1 0 1 1 = move 1
		9 8 0 0 0 1 199 = stay
		10 8 0 0 0 1 1 = move 0
		# One that has paid twenty times over: a sixteenth of it, after twice. The other's goes on up.
		11 8 0 0 0 1 1800 = stay
		12 8 0 1 0 1 799 = stay
		13 8 0 1 0 1 1 = move 1
		14 8 0 0 0 1 6 = stay
		15 8 0 0 0 1 1 = move 0
		# So does time: after twenty seconds it is 100 again.
		20000000015 8 0 1 0 1 99 = stay
		20000000016 8 0 1 0 1 1 = move 1
		# Each node has its own: the third, which paid, and the first when its turn comes.
		1 9 0 1 0 1 50 = move 1
		2 9 0 1 0 1 1800 = stay
		3 9 0 2 0 1 50 = move 2
		4 9 0 2 0 1 1800 = stay
		5 9 0 1 0 1 1 = stay
		6 9 0 1 0 1 1 = move 1
		# While one block tries a node, others wait for eight times the bar; if it pays, for half.
		1 10 0 1 0 1 50 = move 1
		2 10 512 1 0 1 799 = stay
		3 10 0 1 0 1 49 = stay
		4 10 1024 1 0 1 50 = stay
		5 10 0 1 0 1 1 = stay
		6 10 1024 1 0 1 1 = move 1
		7 10 512 1 0 1 1 = move 1
		# Or if a turn is as long as that.
		1 15 0 1 0 1 50 = move 1
		2 15 512 1 0 1 799 = stay
		3 15 512 1 0 1 1 = move 1
		4 15 1024 1 0 1 50 = move 1
		# If it does not, twice as much.
		1 11 0 1 0 1 50 = move 1
		2 11 0 0 0 1 50 = move 0
		3 11 512 1 0 1 199 = stay
		4 11 512 1 0 1 1 = move 1
		# What paid moves as a whole: an eighth of eight pages' bar, though one was touched.
		1 12 0 1 0 1 49 = stay
		2 12 7 1 0 1 351 = move 1
		3 12 0 1 0 1 1 = stay
		4 12 0 1 1 1 1700 = stay
		5 12 0 0 1 1 199 = stay
		6 12 0 0 1 1 1 = move 0
		7 12 3 1 0 1 49 = stay
		8 12 3 1 0 1 1 = move 1
		# After a turn that would have paid, a quarter; else the half.
		1 13 0 0 0 1 99 = stay
		2 13 0 1 0 1 49 = stay
		3 13 0 1 0 1 1 = move 1
		1 14 0 0 0 1 100 = stay
		2 14 0 1 0 1 24 = stay
		3 14 0 1 0 1 1 = move 1
		# Faults, of 16: the second page pays and moves by itself, and so does each after it.
		1 17 0 0 0 17 1700 = stay
		2 17 1 1 0 1 0 = stay
		3 17 3 1 0 1 0 = move 1
		4 17 3 1 0 0 0 = stay
		5 17 5 1 0 1 0 = move 1
		6 17 5 1 1 1 0 = stay
	END
	as_said adaptive -s page_move_ns=20000 <<-END
		# What was there for long enough and had to leave is missed: four times, for all blocks.
		1 16 0 1 0 1 50 = move 1
		2 16 0 1 0 1 60 = stay
		3 16 0 1 0 0 0 = stay
		4 16 0 1 0 1 399 = stay
		5 16 0 1 0 1 1 = move 1
		6 16 512 1 0 1 399 = stay
		7 16 512 1 0 1 1 = move 1
		# Another node has room.
		8 16 1024 2 0 1 50 = move 2
		# Once more: sixteen times, and no more than that.
		9 16 512 1 0 1 1 = stay
		10 16 512 1 0 0 0 = stay
		11 16 512 1 0 1 1599 = stay
		12 16 512 1 0 1 1 = move 1
		13 16 512 1 0 1 1 = stay
		14 16 512 1 0 0 0 = stay
		15 16 512 1 0 1 1599 = stay
		16 16 512 1 0 1 1 = move 1
		# What never left is not missed; and with time there may be room again.
		17 16 1536 1 0 1 1599 = stay
		18 16 1536 1 0 1 1 = move 1
		15000000019 16 2560 1 0 1 1599 = stay
		64000000019 16 2048 1 0 1 49 = stay
		64000000020 16 2048 1 0 1 1 = move 1
	END
	# A block was there for long enough, had to leave, and is wanted again.
	missed=$'1 16 0 1 0 1 50 = move 1\n2 16 0 1 0 1 60 = stay\n3 16 0 1 0 0 0 = stay'
	set -- -s page_move_ns=20000 -s total_pages=6400
	# Where some room is, blocks come one by one, if nothing had to leave for a while.
	as_said adaptive "$@" -s free_pages=101 <<-END
		$missed
		4 16 0 1 0 1 398 = stay
		4000000002 16 512 1 0 1 50 = stay
		4000000003 16 0 1 0 1 1 = move 1
		4000000004 16 512 1 0 1 1 = stay
		4100000002 16 512 1 0 1 1 = stay
		4100000003 16 512 1 0 1 1 = move 1
	END
	# Where there is much, all do; where there is none, none does.
	as_said adaptive "$@" -s free_pages=801 <<-END
		$missed
		4 16 0 1 0 1 398 = stay
		4000000003 16 0 1 0 1 1 = move 1
		4000000004 16 512 1 0 1 50 = move 1
	END
	as_said adaptive "$@" -s free_pages=100 <<-END
		$missed
		4 16 0 1 0 1 398 = stay
		4000000003 16 0 1 0 1 1 = stay
		4000000004 16 0 1 0 1 1 = move 1
	END
	# Who crowded it has gone.
	as_said adaptive "$@" -s free_pages=3201 <<-END
		$missed
		4 16 0 1 0 1 49 = stay
		5 16 0 1 0 1 1 = move 1
	END
}

# timeout: 120
# thrash_adaptive: what a CPU accessed, of which a few accesses were seen
test_thrash_adaptive_seen()
{
	# Of a CPU: time mm page node home pages+1024*microseconds-armed 0
	as_said adaptive -s page_move_ns=20000 -s max_halvings=0 <<-END
		# From 1001000 on, to be seen again at 1081000; others from 1003000 on: 20 accesses.
		1000000 1 0 1 0 1 60 = stay
		1001000 1 0 0 0 1025 0 = stay
		1004000 1 0 1 0 1 2 = stay
		1005000 1 0 0 0 1025 0 = stay
		1006000 1 0 1 0 1 99 = stay
		1007000 1 0 1 0 1 1 = move 1
		# They come at 1085000, and he was not seen before: none. The 16 of a fault count as 24.
		1000000 2 0 1 0 1 60 = stay
		1001000 2 0 0 0 1025 0 = stay
		1086000 2 0 1 0 1 2 = stay
		1087000 2 0 0 0 1025 0 = stay
		1088000 2 0 1 0 1 85 = stay
		1089000 2 0 1 0 1 1 = move 1
		# A huge page, seen 20 us after it was armed and not before for 1.3 ms: 65 times 64.
		1000000 3 0 1 0 512 30000 = stay
		2000000 3 0 0 0 1024512 0 = stay
		3300000 3 0 0 0 20992 0 = stay
		4000000 3 0 1 0 512 27463 = stay
		5000000 3 0 1 0 512 1 = move 1
		# Not 192, for which there is no time, but 30 in 3000 ns.
		1000000 4 0 1 0 1 90 = stay
		1001000 4 0 0 0 1025 0 = stay
		1004000 4 0 0 0 1025 0 = stay
		1006000 4 0 1 0 1 78 = stay
		1007000 4 0 1 0 1 1 = move 1
		# Two of three are armed: one and a half times 64, not 64. With the 24 before it 168.
		10000000 5 0 1 0 1 99 = stay
		10000001 5 2 1 0 1 151 = stay
		10002000 5 0 0 0 1025 0 = stay
		10102000 5 1 0 0 103425 0 = stay
		10103000 5 0 1 0 1 217 = stay
		10104000 5 0 1 0 1 1 = move 1
	END
}

# timeout: 120
# tier_hot: halving when a unit is touched is the same as halving all of them at once
test_thrash_tier_hot()
{
	stream hot "$N" 1
	replay hot -s cool_samples=200000 -s adapt_samples=10000
	model hot cool=200000 adapt=10000
	same "counts and bins"
	check_ge "$(cut -d' ' -f2 "$TMP/got" | sort -u | wc -l)" 4 "choices that differ"
	# The defaults are what is said of MEMTIS.
	replay hot
	model hot
	same "the defaults"
}

# timeout: 200
# each of these policies is accepted by the verifier, and owns access
test_thrash_load()
{
	local p

	for p in thrash_uvm thrash_hysteresis thrash_adaptive tier_hot; do
		OUT=$(cdmctl policy load "$BPF/$p.bpf.o" --dry-run 2>&1) || fail "load $p: $OUT"
		check_match "$OUT" "would own access of node all" "$p"
	done
}

# timeout: 200
# values that a policy cannot work with are refused, with a text
test_thrash_refused()
{
	local policy set what

	while read -r policy set what; do
		expect_fail cdmctl policy load "$BPF/$policy.bpf.o" --set "$set"
		check_match "$OUT" "$what" "$policy with $set"
	done <<-END
		thrash_uvm		lapse_us=0		lapse_us 0
		thrash_uvm		block_order=19		block_order 19
		thrash_uvm		pin_lapses=0		pin_lapses 0
		thrash_hysteresis	max_doublings=17	max_doublings 17
		thrash_adaptive		page_move_ns=0		page_move_ns 0
		thrash_adaptive		near_ns=0		near_ns 0
		thrash_adaptive		max_halvings=17		max_halvings 17
		thrash_adaptive		decay_ms=0		decay_ms 0
		tier_hot		batch=257		batch 257
		tier_hot		cool_samples=0		cool_samples
	END
}
