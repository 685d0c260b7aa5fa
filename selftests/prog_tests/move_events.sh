# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# migrate is asked and migrated tells, whoever moves pages.
#
# The policy counts events by mover. What it counted is compared with the kernel's
# own trace of migrate_pages() and with where move_pages() finds the pages.

# shellcheck source=selftests/prog_tests/events_lib.bash
. "$REPO/selftests/prog_tests/events_lib.bash"

EVENTS=$PROGS/events.bpf.o
NODE=/sys/devices/system/node
THP=/sys/kernel/mm/transparent_hugepage
TRACE=/sys/kernel/tracing
CG=/sys/fs/cgroup
DAMON=/sys/kernel/mm/damon/admin/kdamonds
DENY=$((1 << 57))

# enum cdm_mover
OWN=0 NUMA=1 DEMOTION=2 MOVE=3 MBIND=4 DAMOS=5 COLLAPSE=6 HOTPLUG=8 FAILURE=9 PIN=10 COMPACTION=12

is_online()
{
	[ "$(cat "$CDM/nodes/$1/state" 2>/dev/null)" = online ]
}

sim_up()
{
	[ -d /sys/module/cdm_sim ] || mod_load cdm_sim
	wait_for 20 is_online 1
	wait_for 20 is_online 2
}

setup()
{
	local f

	sim_up
	for f in "$THP"/hugepages-*/enabled; do
		echo never >"$f"
	done
	echo madvise >"$THP/enabled"
	echo inherit >"$THP/hugepages-2048kB/enabled"
	echo "+memory" >$CG/cgroup.subtree_control
	mkdir -p $CG/move
	[ -e $TRACE/trace ] || mount -t tracefs tracefs $TRACE
	echo 8192 >$TRACE/buffer_size_kb
	echo >$TRACE/trace
	echo 1 >$TRACE/events/migrate/mm_migrate_pages/enable
}

teardown()
{
	local job

	for job in $(jobs -p); do
		kill "$job" 2>/dev/null
	done
	echo 1 >$CG/move/cgroup.kill
	wait 2>/dev/null
	echo 0 >$TRACE/events/migrate/mm_migrate_pages/enable
	echo 0 >/proc/sys/kernel/numa_balancing
	echo 0 >/proc/sys/kernel/bpf_stats_enabled
	echo false >/sys/kernel/mm/numa/demotion_enabled
	echo 0 >$NODE/node1/hugepages/hugepages-2048kB/nr_hugepages 2>/dev/null
	echo 0 >$NODE/node0/hugepages/hugepages-2048kB/nr_hugepages
	[ ! -e $DAMON/0/state ] || { echo off >$DAMON/0/state; echo 0 >$DAMON/nr_kdamonds; } 2>/dev/null
	wait_for 10 rmdir $CG/move 2>/dev/null
	check_none_isolated
}

# under SET... -- CMD... - run CMD with the policy; output and counts in $OUT
under()
{
	local args=() v

	while [ "$1" != -- ]; do
		args+=(-s "$1")
		shift
	done
	for v in n_migrate n_migrate_pages n_moved n_unmoved n_moved_to ask_src ask_dst \
		 ask_from ask_order ask_anon ask_ms moved_src moved_dst moved_order \
		 unmoved_src unmoved_dst moved_status ids ids_of_half n_no_id n_pfn_wrong n_ask_info_same last_exit_kind; do
		args+=(-d "$v")
	done
	# What the policy prints comes after what the command does.
	OUT=$("$PROGS/attach" "${args[@]}" "$EVENTS" "$@" 2>&1) ||
		fail "${*:2}: $OUT"
	note "$(grep -E '^(n_migrate|n_moved|n_unmoved|moved_status|pages) ' <<<"$OUT" | tr '\n' ';')"
}

# traced REASON FIELD - what the kernel's own trace says, summed
traced()
{
	tr ' ' '\n' <$TRACE/trace | awk -F = -v r="$1" -v f="$2" '
		$1 == f		{ v = $2 }
		$1 == "reason" && $2 == r { n += v }
		END		{ print n + 0 }'
}

# denied MOVER - refusals that the kernel counted, of the one policy there is
denied()
{
	awk -v m="$1" '$1 == m { print $2 }' "$CDM"/policies/*/denied
}

# asked_moved MOVER REASON N FROM TO - N folios were asked about, and moved
asked_moved()
{
	check_eq "$(count n_migrate "$1")" "$3" "folios asked about"
	check_eq "$(count n_moved "$1")" "$3" "folios told of as moved"
	check_eq "$(count n_unmoved "$1")" 0 "folios told of as not moved"
	check_eq "$(traced "$2" nr_succeeded)" "$3" "pages moved by the kernel's trace"
	check_eq "$(count ask_src) $(count ask_dst)" "$4 $5" "nodes asked about"
	check_eq "$(count moved_src) $(count moved_dst)" "$4 $5" "nodes told of"
	check_eq "$(on "$5")" "$3" "pages on node $5"
	check_eq "$(count n_pfn_wrong)" 0 "frames that do not fit"
	check_eq "$(count n_ask_info_same)" "$3" "folios asked about that are as the kfunc says"
}

# told_moved MOVER REASON FROM - moves are told as traced, and nobody was asked
told_moved()
{
	local n

	n=$(traced "$2" nr_succeeded)
	check_ge "$n" 1 "pages that moved by the kernel's trace"
	check_eq "$(count n_migrate "$1")" 0 "folios asked about"
	check_eq "$(count n_moved "$1")" "$n" "folios told of as moved"
	check_eq "$(count moved_src)" "$3" "node told of"
	check_eq "$(count n_pfn_wrong)" 0 "frames that do not fit"
}

# stayed MOVER REASON N - N folios were asked about, denied, and are on node 1
stayed()
{
	check_eq "$(count n_migrate "$1")" "$3" "folios asked about"
	check_eq "$(count n_moved "$1")" 0 "folios told of as moved"
	check_eq "$(count n_unmoved "$1")" "$3" "folios told of as not moved"
	check_eq "$(count moved_status | awk '{ print $1 - 2 ^ 32 }')" -1 "status told"
	check_eq "$(count unmoved_src) $(count unmoved_dst)" "1 0" "nodes told of"
	check_eq "$(traced "$2" nr_succeeded)" 0 "pages moved by the kernel's trace"
	check_eq "$(on 1)" "$3" "pages on node 1"
}

# move_pages() off a node and onto one is asked about and told of
test_move_events_move_pages()
{
	under -- "$PROGS/moveme" -n 1 -m nohuge move=0 where
	asked_moved $MOVE syscall_or_cpuset 256 1 0
	check_eq "$(count ask_anon) $(count ask_order) $(count ask_ms)" "1 0 0" "the folio"
	echo >$TRACE/trace
	# The owner is the target's: the source is not managed.
	under -- "$PROGS/moveme" -n 0 -m nohuge move=2 where
	asked_moved $MOVE syscall_or_cpuset 256 0 2
	echo >$TRACE/trace
	# One event of a large folio.
	under -- "$PROGS/moveme" -s 2048 -n 1 -m huge move=2 where
	check_eq "$(count n_migrate $MOVE) $(count n_migrate_pages $MOVE)" "1 512" "folios, pages asked about"
	check_eq "$(count n_moved $MOVE) $(count moved_order)" "1 9" "folios told of, order"
	check_eq "$(on 2)" 512 "pages on node 2"
}

# While BPF keeps run time statistics migrate is asked another way, and no less
test_move_events_bpf_stats()
{
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	under -- "$PROGS/moveme" -n 1 -m nohuge move=0 where
	asked_moved $MOVE syscall_or_cpuset 256 1 0
}

# A page has its number wherever it goes, and the next one has another
test_move_events_page_id()
{
	under half=256 -- "$PROGS/moveme" -n 1 -m nohuge move=2 move=1 where
	check_eq "$(count n_moved $MOVE) $(count n_no_id)" "512 0" "folios told of, without a number"
	check_eq "$(count ids)" 0 "numbers that did not come twice"
	[ "$(count ids_of_half)" != 0 ] || fail "all pages have the same number"
}

# migrate_pages() is asked about and told of
test_move_events_migrate_pages()
{
	under -- "$PROGS/moveme" -n 1 -m nohuge migrate=1,0 where
	asked_moved $MOVE syscall_or_cpuset 256 1 0
}

# mbind() with one node is asked about with it, with two with none
test_move_events_mbind()
{
	under -- "$PROGS/moveme" -n 1 -m nohuge mbind=0 where
	asked_moved $MBIND mempolicy_mbind 256 1 0
	echo >$TRACE/trace
	under -- "$PROGS/moveme" -n 0 -m nohuge mbind=1 where
	asked_moved $MBIND mempolicy_mbind 256 0 1
	under -- "$PROGS/moveme" -n 1 -m nohuge spread=0,2 where
	check_eq "$(count n_migrate $MBIND)" 256 "folios asked about, two nodes"
	check_eq "$(count ask_dst)" 4294967295 "target asked about, two nodes"
	check_eq "$(count n_moved $MBIND)" 256 "folios told of, two nodes"
	check_eq "$(on 1)" 0 "pages on node 1, two nodes"
}

# the source's owner is asked, both nodes' policies are told
test_move_events_owner()
{
	OUT=$("$PROGS/attach" -o node=1 -d n_migrate -d n_moved "$EVENTS" -- \
		"$PROGS/attach" -o node=2 -d n_migrate -d n_moved "$EVENTS" -- \
		"$PROGS/moveme" -n 1 -m nohuge move=2 move=0 where 2>&1) || fail "$OUT"
	# Of 1 to 2 and 2 to 0: node 2's policy comes first.
	check_eq "$(awk '$1 == "n_migrate" { print $5 }' <<<"$OUT" | tr '\n' ' ')" "256 256 " \
		"folios that the owners were asked about"
	check_eq "$(awk '$1 == "n_moved" { print $5 }' <<<"$OUT" | tr '\n' ' ')" "512 256 " \
		"folios that the policies were told of"
	# A second owner of the node is refused, with the callback's name.
	OUT=$("$PROGS/attach" -o node=1 "$EVENTS" -- "$PROGS/attach" -o node=1 "$EVENTS" -- true 2>&1)
	check_match "$OUT" 'attach -16 ' "a second owner"
	check_eq "$(awk '$1 == "migrate" { print $1 }' "$CDM/nodes/1/owners")" "" "owners after all is over"
}

# a node without a policy's interest is nobody's business
test_move_events_unmanaged()
{
	under -- "$PROGS/moveme" -n 0 -m nohuge move=0 mbind=0 where
	check_eq "$(count n_migrate $MOVE) $(count n_moved $MOVE)" "0 0" "events of node 0"
}

# while_held ANSWER DO ARGS... - DO is done to a moveme ARGS that holds its memory
#
# DO is shell text; it finds the process in $pid and its addresses in $range.
while_held()
{
	# shellcheck disable=SC2016 # for the inner shell
	under migrate_answer="$1" -- bash -c '
		"$0" "${@:3}" hold where >"$1" & pid=$!
		until grep -q ready "$1"; do sleep 0.1; done
		range=$(sed -n "s/ready //p" "$1")
		eval "$2"
		kill -USR1 $pid; wait $pid; cat "$1"' "$PROGS/moveme" "$TMP/held" "${@:2}"
}

# own_move ANSWER - cdm_ext moves the pages of a process to node 0
own_move()
{
	# shellcheck disable=SC2016 # for while_held
	while_held "$1" 'cdmctl page move --pid $pid --range $range --to 0' -n 1 -m nohuge
}

# moves of cdm_ext itself are asked about, denied, and told of
test_move_events_own()
{
	own_move 0
	asked_moved $OWN cdm 256 1 0
	echo >$TRACE/trace
	own_move $DENY
	stayed $OWN cdm 256
	check_match "$OUT" 'not-permitted +256|256 +not-permitted|not-permitted.*256' "what cdmctl says"
	# The caller named the node.
	own_move 3
	asked_moved $OWN cdm 256 1 0
}

# a denied page stays where it is, whoever wants it, and its charge too
test_move_events_deny()
{
	local before after

	under migrate_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge move=0 where
	stayed $MOVE syscall_or_cpuset 256
	under migrate_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge migrate=1,0 where
	check_match "$OUT" '^migrate 256 0$' "what migrate_pages() returns"
	stayed $MOVE syscall_or_cpuset 256
	under migrate_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge mbind=0 where
	stayed $MBIND mempolicy_mbind 256
	# "stay where you are" says the same.
	under migrate_answer=2 -- "$PROGS/moveme" -n 1 -m nohuge move=0 where
	stayed $MOVE syscall_or_cpuset 256
	# One mover is denied, the next not.
	under migrate_answer=$DENY migrate_mover=$((MOVE + 1)) -- \
		"$PROGS/moveme" -n 1 -m nohuge move=0 where mbind=0 where
	check_eq "$(count n_unmoved $MOVE) $(count n_moved $MBIND)" "256 256" "denied, allowed"
	check_eq "$(on 0)" 256 "pages on node 0 after mbind()"

	# The charge, and the kernel's count of refusals.
	# shellcheck disable=SC2016 # for the inner shell
	"$PROGS/attach" -s migrate_answer=$DENY "$EVENTS" \
		bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' $CG/move \
		"$PROGS/moveme" -n 1 -m nohuge hold move=0 hold >"$TMP/out" 2>&1 &
	wait_for 20 grep -q ready "$TMP/out"
	before=$(awk '$1 == "anon" { print $3 }' $CG/move/memory.numa_stat)
	check_eq "$before" N1=1048576 "charge of node 1 before"
	kill -USR1 "$(<$CG/move/cgroup.procs)"
	wait_for 20 grep -q ^move "$TMP/out"
	settle
	after=$(awk '$1 == "anon" { print $3 }' $CG/move/memory.numa_stat)
	check_eq "$after" "$before" "charge of node 1 after"
	check_eq "$(denied move_pages)" 256 "refusals of move_pages counted"
	check_eq "$(denied mbind)" 0 "refusals of mbind counted"
	check_eq "$(awk '$1 == "denied" { print $2 }' "$CDM"/policies/*/stats)" 256 "refusals counted"
	kill -USR1 "$(<$CG/move/cgroup.procs)"
	wait
}

# of half of the pages that are denied only the other half moves
test_move_events_deny_some()
{
	under migrate_answer=$DENY migrate_times=100 -- "$PROGS/moveme" -n 1 -m nohuge move=0 where
	check_match "$OUT" '^move 100 0$' "what move_pages() returns: pages that did not move"
	check_eq "$(count n_unmoved $MOVE) $(count n_moved $MOVE)" "100 156" "folios told of"
	check_eq "$(on 0) $(on 1)" "156 100" "pages on nodes 0 and 1"
	check_eq "$(traced syscall_or_cpuset nr_succeeded)" 156 "pages moved by the kernel's trace"
}

# where the caller named the node another one is overridden
test_move_events_overridden()
{
	under migrate_answer=3 -- "$PROGS/moveme" -n 1 -m nohuge move=0 where
	asked_moved $MOVE syscall_or_cpuset 256 1 0
	under migrate_answer=3 -- "$PROGS/moveme" -n 1 -m nohuge mbind=0 where
	check_eq "$(on 0)" 256 "pages that mbind() moved"
}

# answers that mean nothing are ignored, and too many of them eject
test_move_events_bad_answer()
{
	local ans

	# No such node; not possible here; -22; reserved; throttle; queued; deny
	# and a node.
	for ans in 1000 64 4294967274 0x400000000000001 0x10000 0x100000000000000 \
		   0x200000000000001; do
		OUT=$("$PROGS/attach" -s migrate_answer=$ans -w -t 5 -d last_exit_kind \
			"$EVENTS" "$PROGS/moveme" -n 1 -m nohuge move=0 where 2>&1)
		check_match "$OUT" '^ejected' "answer $ans"
		check_eq "$(count last_exit_kind)" 66 "kind told to exit(), answer $ans"
		check_match "$(tail -n 1 $CDM/exits)" 'events bad-answers .* migrate ' \
			"exit record, answer $ans"
		check_eq "$(on 0)" 256 "pages on node 0, answer $ans"
	done
	under migrate_answer=1000 migrate_times=63 -- "$PROGS/moveme" -n 1 -m nohuge move=0 where
	check_eq "$(on 0)" 256 "pages on node 0"
	check_eq "$(count last_exit_kind)" 1 "exit after 63 bad answers: unloaded"
}

# a folio under keep is denied to the next mover, without asking, until it is over
test_move_events_keep()
{
	local ms=4000 keep

	keep=$((ms << 32))
	# Two nodes that are managed: the state goes with the folio.
	under migrate_answer=$keep migrate_times=256 -- "$PROGS/moveme" -n 1 -m nohuge \
		move=2 move=0 mbind=0 where
	check_eq "$(count n_migrate $MOVE) $(count n_migrate $MBIND)" "256 0" "folios asked about"
	check_eq "$(count n_unmoved $MOVE) $(count n_unmoved $MBIND)" "256 256" "folios told of as not moved"
	check_eq "$(on 2)" 256 "pages on node 2"

	under migrate_answer=$keep migrate_times=256 -- "$PROGS/moveme" -n 1 -m nohuge \
		move=2 use=6 move=0 where
	check_eq "$(on 0)" 256 "pages on node 0 when the time is over"
	check_eq "$(count n_migrate $MOVE)" 512 "folios asked about when the time is over"
	check_eq "$(count ask_from)" 1 "node that the folio left at its last move"
	check_ge "$(count ask_ms)" $((ms - 1000)) "milliseconds since its last move"
}

# timeout: 240
# NUMA balancing is asked about, denied, and follows to another node
test_move_events_numa_balancing()
{
	local dbg=/sys/kernel/debug/sched/numa_balancing

	[ ! -d $dbg ] || echo 50 >$dbg/scan_delay_ms
	[ ! -d $dbg ] || echo 50 >$dbg/scan_period_min_ms
	echo 1 >/proc/sys/kernel/numa_balancing
	under -- "$PROGS/moveme" -n 1 -m nohuge use=20 where
	check_ge "$(count n_migrate $NUMA)" 1 "folios asked about"
	check_eq "$(count n_moved $NUMA)" "$(traced numa_misplaced nr_succeeded)" \
		"folios told of, pages moved by the kernel's trace"
	check_ge "$(on 0)" 1 "pages on node 0"

	echo >$TRACE/trace
	under migrate_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge use=20 where
	check_ge "$(count n_migrate $NUMA)" 1 "folios asked about and denied"
	check_eq "$(count n_moved $NUMA) $(traced numa_misplaced nr_succeeded)" "0 0" "moved"
	check_eq "$(on 1)" 256 "pages on node 1"

	echo >$TRACE/trace
	under migrate_answer=3 migrate_mover=$((NUMA + 1)) -- \
		"$PROGS/moveme" -n 1 -m nohuge use=20 where
	check_ge "$(on 2)" 1 "pages on node 2, which the policy named"
	check_eq "$(on 0)" 0 "pages on node 0"
	check_ge "$(count n_moved_to 2)" "$(on 2)" "folios told of as moved to node 2"
}

# demoted ANSWER - a cgroup's pages are reclaimed from node 0 under the policy
demoted()
{
	# shellcheck disable=SC2016 # for the inner shell
	under migrate_answer="$1" migrate_mover=$((DEMOTION + 1)) -- bash -c '
		echo $$ >"$0/cgroup.procs"
		"$1" -s 4096 -n 0 -m nohuge hold where >"$2" & pid=$!
		until grep -q ready "$2"; do sleep 0.1; done
		echo $$ >"$0/../cgroup.procs"
		echo 2M >"$0/memory.reclaim"
		kill -USR1 $pid
		wait $pid; cat "$2"' $CG/move "$PROGS/moveme" "$TMP/held"
}

# timeout: 120
# demotion is asked about, denied, and follows to another node
test_move_events_demotion()
{
	echo open >"$CDM/nodes/1/mode"
	echo true >/sys/kernel/mm/numa/demotion_enabled
	demoted 0
	check_ge "$(count n_migrate $DEMOTION)" 256 "folios asked about"
	check_eq "$(count n_moved $DEMOTION)" "$(traced demotion nr_succeeded)" \
		"folios told of, pages moved by the kernel's trace"
	check_eq "$(count ask_src) $(count ask_dst)" "0 1" "nodes asked about"
	check_ge "$(on 1)" 256 "pages on node 1"

	echo >$TRACE/trace
	demoted $DENY
	check_ge "$(count n_migrate $DEMOTION)" 256 "folios asked about and denied"
	check_eq "$(count n_moved $DEMOTION) $(on 1)" "0 0" "moved, on node 1"

	demoted 3
	check_ge "$(on 2)" 256 "pages on node 2, which the policy named"
	check_eq "$(on 1)" 0 "pages on node 1"
	# The cgroup's other pages as well.
	check_ge "$(count n_moved_to 2)" "$(on 2)" "folios told of as moved to node 2"
	echo closed >"$CDM/nodes/1/mode"
}

# damos NODE TO - a scheme that moves whatever is on the node
damos()
{
	local d=$DAMON/0/contexts/0 start size

	start=$(($(<"$CDM/nodes/$1/start"))) size=$(<"$CDM/nodes/$1/size")
	echo 1 >$DAMON/nr_kdamonds
	echo 1 >$DAMON/0/contexts/nr_contexts
	echo paddr >$d/operations
	echo 1 >$d/targets/nr_targets
	echo 1 >$d/targets/0/regions/nr_regions
	echo $start >$d/targets/0/regions/0/start
	echo $((start + size)) >$d/targets/0/regions/0/end
	echo 1 >$d/schemes/nr_schemes
	echo migrate_cold >$d/schemes/0/action
	echo "$2" >$d/schemes/0/target_nid
	echo 18446744073709551615 >$d/schemes/0/access_pattern/sz/max
	echo 1000 >$d/schemes/0/access_pattern/nr_accesses/max
	echo 1000 >$d/schemes/0/access_pattern/age/max
	echo on >$DAMON/0/state
}

# damos_moves ANSWER - a process's pages on node 1 are seen by DAMON
#
# Migrating nothing drains the LRU batches: DAMON passes over what is in one.
damos_moves()
{
	damos 1 0
	while_held "$1" 'sleep 8' -n 1 -m nohuge migrate=0,0
	echo off >$DAMON/0/state
}

# timeout: 120
# DAMON is asked about, denied, and follows to another node
test_move_events_damon()
{
	damos_moves 0
	check_ge "$(count n_migrate $DAMOS)" 256 "folios asked about"
	check_eq "$(count ask_src) $(count ask_dst)" "1 0" "nodes asked about"
	check_eq "$(on 0)" 256 "pages on node 0"
	damos_moves $DENY
	check_ge "$(count n_migrate $DAMOS)" 256 "folios asked about and denied"
	check_eq "$(count n_moved $DAMOS) $(on 1)" "0 256" "moved, pages on node 1"
	damos_moves 3
	# A page that is in use at that moment waits for the next round.
	check_ge "$(on 2)" 200 "pages on node 2, which the policy named"
	check_eq "$(on 0)" 0 "pages on node 0"
}

# a collapse is asked about once for each node, and told of page by page
test_move_events_collapse()
{
	under -- "$PROGS/moveme" -s 2048 -n 1 -m nohuge move=1 collapse where
	check_match "$OUT" '^collapse -1 22$' "a collapse where THP are not wanted"
	# Two nodes: 512 pages, half of them moved away.
	echo never >$THP/hugepages-2048kB/enabled
	under -- "$PROGS/moveme" -s 2048 -n 1 collapse where
	echo inherit >$THP/hugepages-2048kB/enabled
	check_match "$OUT" '^collapse 0 0$' "collapse"
	check_eq "$(count n_migrate $COLLAPSE) $(count n_migrate_pages $COLLAPSE)" "1 512" "times, pages asked about"
	check_eq "$(count n_moved $COLLAPSE)" 512 "pages told of"
	check_eq "$(count moved_src) $(count moved_dst) $(count moved_order)" "1 1 0" "nodes and order told of"
	check_eq "$(on 1)" 512 "pages on node 1"
	check_eq "$(count n_pfn_wrong)" 0 "frames that do not fit"

	echo never >$THP/hugepages-2048kB/enabled
	under migrate_answer=$DENY -- "$PROGS/moveme" -s 2048 -n 1 collapse where
	echo inherit >$THP/hugepages-2048kB/enabled
	check_match "$OUT" '^collapse -1 22$' "a collapse that is denied"
	check_eq "$(count n_migrate $COLLAPSE) $(count n_moved $COLLAPSE)" "1 0" "asked about, told of"
}

# timeout: 120
# pages that leave because memory goes offline are told of, and nobody is asked
test_move_events_offline()
{
	while_held $DENY "rmmod cdm_sim" -n 1 -m nohuge
	told_moved $HOTPLUG memory_hotplug 1
	check_ge "$(count n_moved $HOTPLUG)" 256 "folios told of"
	check_eq "$(on 0)" 256 "pages on node 0"
}

# a page that is taken out of use is told of, and nobody is asked
test_move_events_memory_failure()
{
	under migrate_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge offline where
	check_match "$OUT" '^offline 0 0$' "soft offlining"
	told_moved $FAILURE memory_failure 1
}

# pages that are pinned for long are told of as they leave, and nobody is asked
test_move_events_longterm_pin()
{
	under migrate_answer=$DENY -- "$PROGS/moveme" -n 1 -m nohuge pin where
	check_match "$OUT" '^pin 0 0$' "the pin"
	told_moved $PIN longterm_pin 1
	check_eq "$(on 0)" 256 "pages on node 0"
}

# compaction is told of, and nobody is asked
test_move_events_compaction()
{
	# What is in an LRU batch cannot be isolated: migrate=0,0 drains them.
	while_held $DENY "echo 1 >$NODE/node1/compact" -s 8192 -n 1 -m nohuge migrate=0,0
	told_moved $COMPACTION compaction 1
	check_eq "$(count moved_dst)" 1 "target told of"
	check_eq "$(on 1)" 2048 "pages on node 1"
}

# hugetlb pages are asked about, denied and told of like others
test_move_events_hugetlb()
{
	local h=hugepages/hugepages-2048kB/nr_hugepages

	echo 4 >$NODE/node1/$h
	echo 4 >$NODE/node0/$h
	under migrate_answer=$DENY -- "$PROGS/moveme" -s 2048 -n 1 -m hugetlb move=0 where
	check_eq "$(count n_migrate $MOVE) $(count n_moved $MOVE)" "1 0" "folios asked about, moved"
	check_eq "$(on 1)" 512 "pages on node 1"
	under -- "$PROGS/moveme" -s 4096 -n 1 -m hugetlb move=0 where
	check_eq "$(count n_migrate $MOVE) $(count n_moved $MOVE)" "2 2" "folios asked about, told of"
	check_eq "$(count moved_src) $(count moved_dst) $(count moved_order)" "1 0 9" "nodes, order"
	check_eq "$(on 0)" 1024 "pages on node 0"
}

# an mTHP that is moved back and forth stays in one piece
test_move_events_mthp_whole()
{
	local d=$THP/hugepages-64kB split

	[ -d $d ] || skip "no 64 kB folios"
	echo always >$d/enabled
	split=$(<$d/stats/split)
	under -- "$PROGS/moveme" -s 1024 -n 1 -m huge move=0 move=1 move=0 move=1 where
	check_eq "$(count n_moved $MOVE) $(count moved_order)" "64 4" "folios told of, order"
	check_eq $(($(<$d/stats/split) - split)) 0 "folios that were split"
	check_eq "$(traced syscall_or_cpuset nr_split)" 0 "folios split by the kernel's trace"
	check_eq "$(<$d/stats/nr_anon_partially_mapped)" 0 "folios taken for partially mapped"
	check_eq "$(on 1)" 256 "pages on node 1"
}
