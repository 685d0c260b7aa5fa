# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Policies and drivers that have pages moved: at once, and later by kcdmd.
#
# Each request is accounted for: what was accepted is moved, left or dropped in
# the end, by the node's counters, and where the pages are is asked of
# move_pages().

QUEUE=$PROGS/queue.bpf.o

is_online()
{
	[ "$(cat "$CDM/nodes/$1/state" 2>/dev/null)" = online ]
}

setup()
{
	[ -d /sys/module/cdm_sim ] || mod_load cdm_sim
	wait_for 20 is_online 1
	wait_for 20 is_online 2
	echo never >/sys/kernel/mm/transparent_hugepage/enabled
}

teardown()
{
	local job

	for job in $(jobs -p); do
		kill "$job" 2>/dev/null
	done
	wait 2>/dev/null
	[ ! -e /sys/fs/bpf/cdm/promote ] || "$CDMCTL" policy unload promote >/dev/null
	[ ! -d $CDM/nodes/2 ] || echo max >$CDM/nodes/2/move_limit
}

# stat_of N NAME - a counter of a node
stat_of()
{
	awk -v k="$2" '$1 == k { print $2 }' "$CDM/nodes/$1/stats"
}

# ended N - requests of node N's queue that have come to an end
ended()
{
	local n=$1 dropped moved left

	dropped=$(stat_of "$n" queue_dropped)
	moved=$(stat_of "$n" queue_moved)
	left=$(stat_of "$n" queue_left)
	echo $((dropped + moved + left))
}

all_ended()
{
	[ "$(ended "$1")" = "$(stat_of "$1" queued)" ]
}

# policy ARGS... - attach, run, and keep what was printed in $OUT
policy()
{
	OUT=$("$PROGS/attach" "$@" 2>&1) || fail "attach $*: $OUT"
}

# var NAME - a variable of the policy's, printed as unsigned, as a signed number
var()
{
	echo $(($(awk -v k="$1" '$1 == k { print $2 }' <<<"$OUT")))
}

# What a fault that holds a page table's lock asked for by frame is moved
test_move_queue_pfn()
{
	local ok

	policy -s mode=1 -T target -d n_ok -d n_bad -d seen "$QUEUE" \
		"$PROGS/touch" -s 2048 -m nohuge -w 3
	ok=$(var n_ok)
	check_eq "$(var n_bad)" 0 "requests refused"
	check_ge "$(var seen)" 512 "folios that became resident"
	check_eq "$ok" "$(var seen)" "requests accepted"
	wait_for 10 all_ended 2
	check_ge "$(stat_of 2 queue_moved)" 450 "pages moved"
	check_eq "$(stat_of 2 queued)" "$ok" "requests that the node counts"
	note "$(stat_of 2 queue_moved) moved, $(stat_of 2 queue_left) left, $(stat_of 2 queue_dropped) dropped"
}

# What a fault asked for by address is moved
test_move_queue_range()
{
	local before

	before=$(stat_of 2 queue_moved)
	policy -s mode=2 -T target -d n_ok -d n_bad "$QUEUE" \
		"$PROGS/touch" -s 2048 -m nohuge -w 3
	check_eq "$(var n_bad)" 0 "requests refused"
	check_ge "$(var n_ok)" 500 "requests accepted"
	wait_for 10 all_ended 2
	check_ge $(($(stat_of 2 queue_moved) - before)) 450 "pages moved"
}

# timeout: 120
# Requests of a process that exits, and of a policy that goes, come to nothing
test_move_queue_drain()
{
	local before i pid

	before=$(stat_of 2 queue_dropped)
	policy -s mode=2 -T target -d n_ok -d n_full "$QUEUE" \
		"$PROGS/touch" -s 32768 -m nohuge
	wait_for 10 all_ended 2
	# Detached in the middle of it; a machine that is quick needs more tries.
	for i in 1 2 3 4 5; do
		bash -c "sleep 1; exec $PROGS/touch -s 393216 -m nohuge" >/dev/null 2>&1 &
		pid=$!
		policy -s mode=1 -s target=$pid -d n_ok -d n_full "$QUEUE" sleep $((1 + i))
		kill $pid 2>/dev/null
		wait $pid 2>/dev/null
		wait_for 10 all_ended 2
		[ "$(stat_of 2 queue_dropped)" = "$before" ] || break
	done
	note "$(var n_ok) accepted, $(var n_full) for want of room refused, $(($(stat_of 2 queue_dropped) - before)) dropped"
	check_ge $(($(stat_of 2 queue_dropped) - before)) 1 "requests dropped with their policy"
	check_none_isolated
}

# timeout: 120
# What is wished for later waits for its time, 256 wishes at most, and ends with its policy
test_move_queue_later()
{
	local moved dropped

	moved=$(stat_of 2 queue_moved)
	dropped=$(stat_of 2 queue_dropped)
	policy -s mode=2 -s delay_us=1000000 -T target -d n_ok -d n_full "$QUEUE" \
		"$PROGS/touch" -s 256 -m nohuge
	check_eq "$(var n_full)" 0 "requests refused for want of room"
	check_ge "$(var n_ok)" 60 "requests accepted"
	wait_for 10 all_ended 2
	check_eq "$(stat_of 2 queue_moved)" "$moved" "pages moved before their time"
	check_ge $(($(stat_of 2 queue_dropped) - dropped)) 60 "requests dropped with their policy"
	policy -s mode=2 -s delay_us=1000000 -T target -d n_ok -d n_full "$QUEUE" \
		"$PROGS/touch" -s 768 -m nohuge -w 4
	check_eq "$(var n_full)" 0 "requests refused for want of room"
	wait_for 10 all_ended 2
	check_ge $(($(stat_of 2 queue_moved) - moved)) 150 "pages moved at their time"
	policy -s mode=2 -s delay_us=1000000 -T target -d n_ok -d n_full "$QUEUE" \
		"$PROGS/touch" -s 4096 -m nohuge
	check_ge "$(var n_full)" 1 "requests refused for want of room"
	check_ge "$(var n_ok)" 256 "requests accepted"
	wait_for 10 all_ended 2
	check_none_isolated
}

# The queue has a bound, is told so, and knows what it holds
test_move_queue_full()
{
	local full same left

	full=$(stat_of 1 queue_full)
	same=$(stat_of 1 queue_same)
	left=$(stat_of 1 queue_left)
	policy -s mode=5 -d n_ok -d n_same -d n_full -d n_bad -w -t 3 "$QUEUE" sleep 1
	check_eq "$(var n_ok)" 4096 "requests accepted"
	check_eq "$(var n_full)" 1904 "requests refused for want of room"
	check_eq "$(var n_same)" 4096 "requests that were there"
	check_eq "$(var n_bad)" 0 "requests refused"
	wait_for 10 all_ended 1
	check_eq $(($(stat_of 1 queue_full) - full)) 1904 "counted as refused"
	check_eq $(($(stat_of 1 queue_same) - same)) 4096 "counted as known"
	check_ge $(($(stat_of 1 queue_left) - left)) 1 "frames that are no memory were left"
}

# heap - the address range of this shell's heap, as two numbers
heap()
{
	local range

	range=$(awk '/\[heap\]/ { print $1 }' /proc/$$/maps)
	echo $((0x${range%-*})) $((0x${range#*-}))
}

# tick moves a range of a process at once
test_move_tick_range()
{
	local start end

	read -r start end <<<"$(heap)"
	policy -s mode=3 -s tick_tgid=$$ -s tick_start="$start" -s tick_end="$end" \
		-s to=1 -d move_ret -d nr_moved -d nr_total -d n_done -d move_rate \
		"$QUEUE" sleep 2
	check_eq "$(var n_done)" 1 "ticks that moved"
	check_eq "$(var move_ret)" 0 "what the kfunc returned"
	check_ge "$(var nr_moved)" 4 "pages moved"
	check_eq "$(var nr_total)" $(((end - start) / 4096)) "pages accounted for"
	check_eq "$(var move_rate)" 0 "limit told to the policy"
}

# tick moves page frames at once
test_move_tick_pfns()
{
	local before

	before=$(stat_of 2 moved_in)
	policy -s mode=4 -T target -d move_ret -d nr_moved -d nr_total -d n_done \
		"$QUEUE" "$PROGS/touch" -s 2048 -m nohuge -w 3
	check_eq "$(var n_done)" 1 "ticks that moved"
	check_eq "$(var move_ret)" 0 "what the kfunc returned"
	check_eq "$(var nr_total)" 64 "frames accounted for"
	check_ge "$(var nr_moved)" 60 "frames moved"
	check_ge $(($(stat_of 2 moved_in) - before)) 60 "folios that came to node 2"
}

# The administrator's limit holds for a policy, which can read it
test_move_tick_limit()
{
	local start end

	echo "1 5" >$CDM/nodes/1/move_limit
	read -r start end <<<"$(heap)"
	"$CDMCTL" page move --pid $$ --range "$start-$end" --to 0 >/dev/null ||
		fail "cannot move the heap to node 0"
	echo "1 5" >$CDM/nodes/1/move_limit
	policy -s mode=3 -s tick_tgid=$$ -s tick_start="$start" -s tick_end="$end" \
		-s to=1 -d move_ret -d nr_moved -d nr_limited -d move_rate \
		-d move_tokens -d n_done "$QUEUE" sleep 2
	echo max >$CDM/nodes/1/move_limit
	check_eq "$(var move_rate)" 1 "rate that the policy reads"
	check_le "$(var move_tokens)" 5 "pages that may move, as the policy reads"
	check_le "$(var nr_moved)" 8 "pages moved: a burst, and a second or two"
	check_ge "$(var nr_limited)" 1 "pages not tried"
	expect_fail bash -c "echo 5 >$CDM/nodes/1/move_limit"
	check_match "$(cat $CDM/last_error)" 'move_limit: want' "a limit of one number"
	check_eq "$(cat $CDM/nodes/1/move_limit)" max "limit, after all of that"
}

# Requests that make no sense are refused, each with its errno
test_move_queue_bad()
{
	policy -s mode=6 -d bad_flag -d bad_node -d bad_align -d bad_empty \
		-d bad_cookie -d bad_huge -d bad_size -d bad_gone -d bad_null \
		-d bad_move_align -d bad_delay -d bad_late -d bad_pfn_range \
		-d bad_scan_node -d bad_scan_absent -d bad_scan_size -d bad_scan_null \
		-d n_done "$QUEUE" sleep 1
	check_eq "$(var n_done)" 1 "ticks that asked"
	check_eq "$(var bad_flag)" -22 "unknown flag"
	check_eq "$(var bad_node)" -22 "no such node"
	check_eq "$(var bad_align)" -22 "unaligned range"
	check_eq "$(var bad_empty)" -22 "empty range"
	check_eq "$(var bad_cookie)" -22 "no address space"
	check_eq "$(var bad_huge)" -7 "more than 512 pages"
	check_eq "$(var bad_size)" -22 "a request of 8 bytes"
	check_eq "$(var bad_gone)" -3 "no such process"
	check_eq "$(var bad_null)" -22 "a callback without its context"
	check_eq "$(var bad_move_align)" -22 "unaligned move"
	check_eq "$(var bad_delay)" -22 "a move at once that shall be later"
	check_eq "$(var bad_late)" -22 "a move later than in a second"
	check_eq "$(var bad_pfn_range)" -22 "page frames with a range"
	check_eq "$(var bad_scan_node)" -22 "scan of no node"
	check_eq "$(var bad_scan_absent)" -22 "scan of a node that is not possible"
	check_eq "$(var bad_scan_size)" -22 "scan into a part of an element"
	check_eq "$(var bad_scan_null)" -22 "scan by a callback without its context"
}

# A driver moves pages by address, by frame, and later, and waits for the end
test_move_driver()
{
	OUT=$("$PROGS/simmove" 2>&1) || fail "simmove: $OUT"
	check_eq "$(grep -c '^ok' <<<"$OUT")" 6 "moves that went well"
}

# What a driver asks wrongly is refused
test_move_driver_bad()
{
	OUT=$("$PROGS/simmove" -n 2>&1) || fail "simmove -n: $OUT"
	check_eq "$(grep -c '^ok' <<<"$OUT")" 16 "requests refused as they should be"
}

# promote OPTION... - attach promote_scan from node 1 to node 0
promote()
{
	"$CDMCTL" policy load "$BPF/promote_scan.bpf.o" --pin promote --node all \
		--set from=1 --set to=0 --set ops.tick_ms=50 "$@" >/dev/null ||
		fail "promote_scan cannot be attached"
}

# pages KIND NODE - of hotcold's output
pages()
{
	awk -v k="$1" -v n="$2" '$1 == k && $2 == n { print $3; f = 1 } END { if (!f) print 0 }' "$TMP/hot"
}

# timeout: 120
# promote_scan moves what is used to the other node, and leaves what is not
test_move_scan_promote()
{
	local pid

	# First all is touched once: were it scanned meanwhile, it would look used.
	"$PROGS/hotcold" -s 4096 -n 1 -t 12 >"$TMP/hot" &
	pid=$!
	wait_for 10 grep -q ^before "$TMP/hot"
	promote --set block_order=4
	wait $pid || fail "hotcold: $(cat "$TMP/hot")"
	note "$(tr '\n' ' ' <"$TMP/hot")"
	cat /sys/kernel/debug/cdm/dump >"$TMP/dump"
	"$CDMCTL" policy unload promote >/dev/null || fail "promote_scan cannot be unloaded"
	check_eq "$(pages before 1)" 1024 "pages on node 1 at first"
	check_ge "$(pages hot 0)" 400 "used pages that came to node 0, of 512"
	check_ge "$(pages cold 1)" 460 "unused pages that stayed, of 512"
	check_eq "$(awk '/^wrong/ { print $2 }' "$TMP/hot")" 0 "pages with other contents"
	check_match "$(cat "$TMP/dump")" 'node 1 to 0: [0-9]+ passes' "what the policy dumps"
}

# Without it everything stays where it is
test_move_scan_none()
{
	"$PROGS/hotcold" -s 4096 -n 1 -t 3 >"$TMP/hot" || fail "hotcold: $(cat "$TMP/hot")"
	check_eq "$(pages hot 1)" 512 "used pages on node 1"
	check_eq "$(pages cold 1)" 512 "unused pages on node 1"
}

# It refuses to work between a node and itself
test_move_scan_bad()
{
	expect_fail "$CDMCTL" policy load "$BPF/promote_scan.bpf.o" --set from=1 --set to=1 --pin promote
	check_match "$OUT" 'want two nodes' "what cdmctl says"
}

# timeout: 120
# A node goes while its queue is being filled
test_move_queue_offline()
{
	"$PROGS/attach" -s mode=1 -T target "$QUEUE" \
		bash -c "for i in 1 2 3 4 5 6; do $PROGS/touch -s 16384 -m nohuge; done" \
		>/dev/null 2>&1 &
	sleep 1
	mod_unload cdm_sim
	wait
	check_none_isolated
}
