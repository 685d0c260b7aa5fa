# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Pages are where the policy said, and every event reaches its callback.
#
# What was answered is compared with where the page is by two observers that do
# not believe cdm_ext: watch_place looks at each folio as it is mapped, and
# touch asks move_pages() afterwards.

EVENTS=$PROGS/events.bpf.o
WATCH=$PROGS/watch_place.bpf.o
SIM1=/dev/cdm_sim0		# its memory is node 1
THP=/sys/kernel/mm/transparent_hugepage

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
	sim_up
	thp_off
}

# Nothing of a test that failed half-way stays for the next
teardown()
{
	local job

	for job in $(jobs -p); do
		kill "$job" 2>/dev/null
	done
	wait 2>/dev/null
	rm -f /sys/fs/bpf/limits /sys/fs/bpf/hints
	swapoff -a
}

# No folio is large unless a test says so
thp_off()
{
	local f

	for f in "$THP"/hugepages-*/enabled "$THP"/hugepages-*/shmem_enabled; do
		[ ! -e "$f" ] || echo never >"$f"
	done
	echo madvise >"$THP/enabled"
	echo inherit >"$THP/hugepages-2048kB/enabled"
	echo never >"$THP/shmem_enabled"
}

# watched CPU-ANSWER DEV-ANSWER TOUCH-ARGS... - nodes, or - for the default
#
# Leaves the observer's lines in $TMP/watch and touch's in $TMP/touch.
watched()
{
	local cpu=0 dev=0

	[ "$1" = - ] || cpu=$(($1 + 1))
	[ "$2" = - ] || dev=$(($2 + 1))
	shift 2
	"$PROGS/attach" -s cpu_answer=$cpu -s dev_answer=$dev "$EVENTS" -- \
		"$PROGS/watch_place" -o "$TMP/watch" "$WATCH" -- \
		"$PROGS/touch" "$@" >"$TMP/touch" 2>&1 ||
		fail "touch $*: $(cat "$TMP/touch")"
	check_match "$(cat "$TMP/watch")" '^total asked [1-9]' "faults seen, touch $*"
	check_eq "$(awk '$NF && /differ/ { for (i = 1; i < NF; i++) if ($i == "differ") n += $(i + 1) } END { print n + 0 }' "$TMP/watch")" \
		0 "folios elsewhere than answered, touch $*: $(grep wrong "$TMP/watch")"
	check_match "$(cat "$TMP/watch")" ' lost 0$' "events lost, touch $*"
}

# cell cpu|dev KIND ORDER FIELD - a number of the observer's
cell()
{
	awk -v who="$1" -v kind="$2" -v order="$3" -v field="$4" '
	$1 == who && $2 == kind && $4 == order {
		for (i = 5; i < NF; i++)
			if ($i == field)
				n = $(i + 1)
	}
	END { print n + 0 }' "$TMP/watch"
}

# pages NODE - of touch's memory
pages()
{
	awk -v node="$1" '$1 == "pages" && $4 == node { n = $2 } END { print n + 0 }' \
		"$TMP/touch"
}

# Whatever kind the fault is of, the answered node is the page's
kind_on_nodes()
{
	local kind=$1 cell=$2 node

	for node in 1 2 0; do
		watched $node - -s 4096 -m nohuge -k "$kind"
		check_eq "$(pages $node)" 1024 "$kind: pages on node $node"
		check_ge "$(cell cpu "$cell" 0 same)" 1024 \
			"$kind: folios mapped where answered, node $node"
		check_eq "$(cell cpu "$cell" 0 failed)" 0 "$kind: no room on node $node"
	done
	# Its twin: nobody names a node, and nothing is there.
	watched - - -s 4096 -m nohuge -k "$kind"
	check_eq "$(pages 0)" 1024 "$kind: pages on node 0 by default"
	check_ge "$(cell cpu "$cell" 0 defaults)" 1024 "$kind: defaults"
}

# timeout: 400
# Anonymous memory, first touch
test_place_anon()
{
	kind_on_nodes anon anon
}

# timeout: 400
# Anonymous memory that was read first, so that the zero page is replaced
test_place_zero_page()
{
	kind_on_nodes zero anon
}

# timeout: 400
# Copy on write, of a parent's page and of a file's
test_place_cow()
{
	kind_on_nodes cow anon
	kind_on_nodes file anon
}

# timeout: 400
# Shared memory
test_place_shmem()
{
	kind_on_nodes shmem shmem
}

# timeout: 400
# Huge pages, anonymous and shared
test_place_thp()
{
	local node

	for node in 1 2 0; do
		watched $node - -s 16384 -m huge -k anon
		check_eq "$(pages $node)" 4096 "THP: pages on node $node"
		check_ge "$(cell cpu anon 9 same)" 4 "THP: folios, node $node"
	done
	echo advise >"$THP/shmem_enabled"
	[ ! -e "$THP/hugepages-2048kB/shmem_enabled" ] ||
		echo inherit >"$THP/hugepages-2048kB/shmem_enabled"
	for node in 1 2 0; do
		watched $node - -s 16384 -m huge -k shmem
		check_eq "$(pages $node)" 4096 "shared THP: pages on node $node"
		check_ge "$(cell cpu shmem 9 same)" 4 "shared THP: folios, node $node"
	done
}

# run_cnt - how often BPF says that nop's program ran
run_cnt()
{
	"$BUILD/tools/bpftool" -j prog show name nop_place | python3 -c \
		'import json, sys; o = json.load(sys.stdin); print((o[0] if type(o) is list else o).get("run_cnt", 0))'
}

# calls - how often the kernel says that it asked nop
calls()
{
	awk '$1 == "calls_place" { print $2 }' "$CDM"/policies/*/stats
}

# timeout: 120
# While BPF keeps run time statistics place is in them; else it is called past them
test_place_bpf_stats()
{
	local ran asked

	"$PROGS/attach" -t 600 "$BPF/nop.bpf.o" >"$TMP/attach" 2>&1 &
	wait_for 20 grep -q '^attach 0' "$TMP/attach"
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch" || fail "touch"
	echo 0 >/proc/sys/kernel/bpf_stats_enabled
	check_eq "$(pages 0)" 1024 "pages on node 0"
	ran=$(run_cnt) asked=$(calls)
	check_ge "$ran" 1024 "runs that BPF counted"
	check_le "$ran" "$asked" "runs that BPF counted, against calls"

	"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch" || fail "touch"
	check_ge "$(calls)" $((asked + 1024)) "calls without statistics"
	check_eq "$(run_cnt)" "$ran" "runs that BPF counted without statistics"
}

# timeout: 400
# Every size of folio between a page and a huge page
test_place_mthp()
{
	local order kb

	for order in 2 3 4 5 6 7 8; do
		kb=$((4 << order))
		thp_off
		# Without huge pages there is no khugepaged. It would collapse the
		# shared mapping (6.12 takes any size's "always" for its own) and,
		# for that, take its page tables away while we look.
		echo never >"$THP/hugepages-2048kB/enabled"
		echo always >"$THP/hugepages-${kb}kB/enabled"
		watched 1 - -s 4096 -k anon
		check_eq "$(pages 1)" 1024 "order $order: pages"
		check_ge "$(cell cpu anon $order same)" $((1024 >> order)) \
			"order $order: folios mapped where answered"

		[ -e "$THP/hugepages-${kb}kB/shmem_enabled" ] || continue
		echo always >"$THP/hugepages-${kb}kB/shmem_enabled"
		watched 2 - -s 4096 -k shmem
		check_eq "$(pages 2)" 1024 "shared, order $order: pages of $(tr "\n" " " <"$TMP/touch")"
		check_ge "$(cell cpu shmem $order same)" $((1024 >> order)) \
			"shared, order $order: folios mapped where answered"
	done
}

# timeout: 400
# Swap-in from zram: past the swap cache, and, of shared entries, through it
test_place_swapin_zram()
{
	local dev

	echo 0 >/proc/sys/vm/page-cluster
	dev=/dev/zram0
	[ -b $dev ] || skip "no $dev"
	swapoff $dev 2>/dev/null
	echo 1 >/sys/block/zram0/reset
	echo 256M >/sys/block/zram0/disksize
	mkswap $dev >/dev/null || fail "mkswap"
	swapon $dev || fail "swapon"

	# The policy puts what is swapped out and in again on node 1.
	watched 1 - -s 4096 -m nohuge -k swapin
	check_eq "$(pages 1)" 1024 "pages that came back to node 1"
	# First touch, and swap-in as anonymous memory.
	check_ge "$(cell cpu anon 0 same)" 2048 "folios placed"

	watched 2 - -s 4096 -m nohuge -k shared
	check_eq "$(pages 2)" 1024 "shared pages that came back to node 2"
	check_ge "$(cell cpu swapin 0 same)" 1024 "folios placed through the swap cache"

	watched - 1 -s 4096 -m nohuge -k swapin -D $SIM1
	check_eq "$(pages 1)" 1024 "pages that a device brought back"
	swapoff $dev
}

# timeout: 400
# Swap-in from a disk: the faulting entry only
test_place_swapin_disk()
{
	echo 0 >/proc/sys/vm/page-cluster
	[ -b /dev/vdb ] || skip "no /dev/vdb"
	mkswap /dev/vdb >/dev/null || fail "mkswap"
	swapon /dev/vdb || fail "swapon"
	watched 1 - -s 4096 -m nohuge -k swapin
	check_eq "$(pages 1)" 1024 "pages that came back to node 1"
	check_ge "$(cell cpu swapin 0 same)" 1024 "folios placed through the swap cache"
	swapoff /dev/vdb
}

# timeout: 400
# A device's first touches: by default its own node, else what is answered
test_place_device()
{
	local kind node

	for kind in anon shmem; do
		# No policy at all.
		"$PROGS/touch" -s 4096 -m nohuge -k $kind -D $SIM1 >"$TMP/touch" 2>&1 ||
			fail "touch by a device: $(cat "$TMP/touch")"
		check_eq "$(pages 1)" 1024 "$kind: a device's pages without a policy"

		watched - - -s 4096 -m nohuge -k $kind -D $SIM1
		check_eq "$(pages 1)" 1024 "$kind: a device's pages by default"
		check_ge "$(cell dev $kind 0 asked)" 1024 "$kind: faults asked about"

		for node in 0 2 1; do
			watched - $node -s 4096 -m nohuge -k $kind -D $SIM1
			check_eq "$(pages $node)" 1024 "$kind: a device's pages, answer $node"
			check_ge "$(cell dev $kind 0 same)" 1024 "$kind: folios, answer $node"
			check_eq "$(cell dev $kind 0 failed)" 0 "$kind: failures, answer $node"
		done
	done

	watched - 2 -s 16384 -m huge -k anon -D $SIM1
	check_eq "$(pages 2)" 4096 "a device's huge pages"
	check_ge "$(cell dev anon 9 same)" 4 "a device's huge folios"

	# A CPU's answer is not a device's, and the reverse.
	watched 2 0 -s 4096 -m nohuge -k anon -D $SIM1
	check_eq "$(pages 0)" 1024 "a device's pages when CPUs are told node 2"
	check_eq "$(cell cpu anon 0 failed)" 0 "failures"
}

# timeout: 400
# A BIND mask and a cpuset are stronger than an answer
test_place_overridden()
{
	local cg=/sys/fs/cgroup/cdm_place

	"$PROGS/attach" -s cpu_answer=2 -T target -k "$EVENTS" \
		numactl --membind=0 "$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch" 2>&1 ||
		fail "membind: $(cat "$TMP/touch")"
	check_eq "$(pages 0)" 1024 "pages under --membind=0"
	check_ge "$(awk '$1 == "overridden" { print $2 }' "$TMP/touch")" 1024 "overridden"
	check_eq "$(awk '$1 == "bad" { print $2 }' "$TMP/touch")" 0 "bad answers"

	# A twin: a preference is weaker.
	"$PROGS/attach" -s cpu_answer=2 -T target "$EVENTS" \
		numactl --preferred=0 "$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch" 2>&1
	check_eq "$(pages 1)" 1024 "pages under --preferred=0"

	mkdir -p $cg
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	echo 0 >$cg/cpuset.mems
	"$PROGS/attach" -s cpu_answer=2 -T target -k "$EVENTS" \
		sh -c "echo \$\$ >$cg/cgroup.procs; exec $PROGS/touch -s 4096 -m nohuge" \
		>"$TMP/touch" 2>&1 || fail "cpuset: $(cat "$TMP/touch")"
	check_eq "$(pages 0)" 1024 "pages under cpuset.mems=0"
	check_ge "$(awk '$1 == "overridden" { print $2 }' "$TMP/touch")" 1024 "overridden"
	rmdir $cg
}

# timeout: 400
# A node without room: the pages come from elsewhere and nobody is killed
test_place_full()
{
	local kb

	kb=$(node_stat 2 MemTotal)
	# mlocked, so that nothing can be evicted.
	"$PROGS/attach" -s cpu_answer=3 -T target -k "$EVENTS" \
		"$PROGS/touch" -l -s $((kb + 65536)) -m nohuge >"$TMP/touch" 2>&1 ||
		fail "touch: $(cat "$TMP/touch")"
	check_ge "$(pages 0)" 16000 "pages elsewhere"
	check_ge "$(pages 2)" $((kb / 4 * 9 / 10)) "pages on the full node"
	check_ge "$(awk '$1 == "full" { print $2 }' "$TMP/touch")" 16000 "counted as full"
	check_eq "$(awk '$1 == "absent" { print $2 }' "$TMP/touch")" "" "pages absent"

	# Huge pages: they are dropped to smaller ones of the same node first.
	"$PROGS/attach" -s cpu_answer=3 -T target -k "$EVENTS" \
		"$PROGS/touch" -l -s $((kb + 65536)) -m huge >"$TMP/touch" 2>&1 ||
		fail "touch: $(cat "$TMP/touch")"
	check_ge "$(pages 2)" $((kb / 4 * 9 / 10)) "huge pages' node"
}

# timeout: 400
# What the contexts say of a fault
test_place_context()
{
	local cg=/sys/fs/cgroup/cdm_ctx id out total

	mkdir -p $cg
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	id=$(stat -c %i $cg)
	total=$(awk '/^Node 1,/ { here = 1 } /^Node 2,/ { here = 0 } here && $1 == "present" { n += $2 } END { print n }' /proc/zoneinfo)

	cat >"$TMP/run" <<-END
		echo \$\$ >$cg/cgroup.procs
		exec $PROGS/touch -s 4096 -m nohuge
	END
	# shellcheck disable=SC2046 # a list of options
	out=$("$PROGS/attach" -s cpu_answer=2 -T target $(printf -- '-d %s ' \
		last_dev last_cpu last_tgid target last_cgroup last_addr last_start \
		last_end node_total node_free node_mode bad_node bad_item bad_cgroup \
		memcg_pages n_place n_placed n_placed_pages n_info_same placed_ret \
		bad_pfn last_node last_seq) "$EVENTS" bash "$TMP/run" 2>&1) ||
		fail "$out"
	rmdir $cg

	value()
	{
		awk -v k="$1" '$1 == k { print $2 }' <<<"$out"
	}
	check_eq "$(value last_cpu)" 0 "cpu_nid"
	check_eq "$(value last_dev)" 4294967295 "dev_nid of a CPU's fault"
	check_eq "$(value last_tgid)" "$(value target)" "tgid"
	check_eq "$(value last_cgroup)" "$id" "cgroup_id"
	check_ge "$(value last_addr)" "$(value last_start)" "addr in the mapping"
	check_le "$(value last_addr)" "$(($(value last_end) - 1))" "addr in the mapping"
	check_eq "$(value node_total)" "$total" "pages of node 1"
	check_le "$(value node_free)" "$total" "free pages of node 1"
	check_ge "$(value node_free)" 1 "free pages of node 1"
	check_eq "$(value node_mode)" 0 "mode of node 1: closed"
	check_eq "$(value bad_node)" 18446744073709551594 "stat of no node: -EINVAL"
	check_eq "$(value bad_item)" 18446744073709551594 "stat of no item: -EINVAL"
	check_eq "$(value bad_cgroup)" 18446744073709551614 "usage of no cgroup: -ENOENT"
	# At the last fault all but what is in the CPUs' batches was counted.
	check_ge "$(value memcg_pages)" 900 "memcg's pages on node 1"
	check_ge "$(value n_placed)" 1024 "placed events"
	check_eq "$(value n_info_same)" "$(value n_placed)" \
		"folio_info that agrees with placed"
	check_eq "$(value placed_ret)" 0 "folio_info of a placed folio"
	check_eq "$(value bad_pfn)" 18446744073709551610 "folio_info of no frame: -ENXIO"
	check_eq "$(value last_node)" 1 "node of placed"
	check_ge "$(value last_seq)" "$(value n_placed)" "population sequence"
}

# timeout: 400
# Every callback is called by a real event, as often as the event was
test_place_callbacks()
{
	local out seq0 seq1

	rmmod cdm_sim || fail "rmmod"
	"$PROGS/attach" -t 600 -d n_place -d n_placed -d n_placed_pages -d n_tick \
		-d n_init -d n_exit -d n_dump -d n_online -d n_offline \
		-d last_exit_kind -s cpu_answer=2 "$EVENTS" >"$TMP/ev" 2>&1 &
	wait_for 20 grep -q '^attach 0' "$TMP/ev"
	sim_up
	seq0=$(awk '$1 == "placed" { print $2 }' $CDM/nodes/1/stats)
	"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch"
	check_eq "$(pages 1)" 1024 "pages on node 1"
	seq1=$(awk '$1 == "placed" { print $2 }' $CDM/nodes/1/stats)
	check_ge $((seq1 - seq0)) 1024 "kernel's count of placed"
	cat /sys/kernel/debug/cdm/dump >"$TMP/dump"
	check_match "$(cat "$TMP/dump")" 'events: [0-9]+ placed, and that is all' "dump"
	sleep 1
	rmmod cdm_sim || fail "rmmod"
	kill %1
	wait

	out=$(cat "$TMP/ev")
	check_match "$out" '^n_init 1$' "init"
	check_match "$out" '^n_exit 1$' "exit"
	check_match "$out" '^last_exit_kind 1$' "kind of exit"
	check_match "$out" '^n_dump 1$' "dump"
	# prepare, done, cancelled, replay; two nodes.
	check_match "$out" '^n_online 2 2 0 0$' "node_online"
	check_match "$out" '^n_offline 2 2 0 0$' "node_offline"
	check_ge "$(awk '$1 == "n_tick" { print $2 }' <<<"$out")" 10 "ticks of 100 ms"
	check_ge "$(awk '$1 == "n_place" { print $2 }' <<<"$out")" 1024 "place"
	check_ge "$(awk '$1 == "n_placed" { print $2 }' <<<"$out")" 1024 "placed"
}

# timeout: 400
# Nodes that are there already are replayed to a policy that attaches
test_place_replay()
{
	local out

	out=$("$PROGS/attach" -d n_online "$EVENTS" 2>&1) || fail "$out"
	check_match "$out" '^n_online 0 0 0 2$' "replay to a policy of all nodes"
	out=$("$PROGS/attach" -o node=2 -d n_online "$EVENTS" 2>&1) || fail "$out"
	check_match "$out" '^n_online 0 0 0 1$' "replay to a policy of one node"
}

# timeout: 400
# Place is asked once for each fault: two counts that were made apart
test_place_counts()
{
	local out

	out=$("$PROGS/attach" -k "$BPF/nop.bpf.o" "$PROGS/touch" -s 16384 -m nohuge 2>&1) ||
		fail "nop: $out"
	check_eq "$(awk '$1 == "own_calls" { print $2 }' <<<"$out")" \
		"$(awk '$1 == "kernel_calls" { print $2 }' <<<"$out")" \
		"calls as nop counted them, and the kernel"
	check_ge "$(awk '$1 == "kernel_calls" { print $2 }' <<<"$out")" 4096 "calls"
	# Each call has one outcome.
	check_eq "$(awk '$1 ~ /^(default|used|full|overridden|bad)$/ { n += $2 } END { print n }' <<<"$out")" \
		"$(awk '$1 == "calls_place" { print $2 }' <<<"$out")" "outcomes"
}

# timeout: 400
# place_accessor: a device's first touch on its node, a CPU's on CPU memory
test_place_accessor()
{
	local dev

	for dev in 0 1; do
		"$PROGS/attach" -c "$BPF/place_accessor.bpf.o" \
			"$PROGS/touch" -s 4096 -m nohuge -D /dev/cdm_sim$dev >"$TMP/touch" 2>&1 ||
			fail "device $dev: $(cat "$TMP/touch")"
		check_eq "$(pages $((dev + 1)))" 1024 "device $dev's pages"
		check_eq "$(awk -v n=$((dev + 1)) '$1 == "answer" && $2 == n { print $3 }' "$TMP/touch")" \
			1024 "answers that named device $dev's node"
	done
	"$PROGS/attach" -c "$BPF/place_accessor.bpf.o" \
		"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch" 2>&1
	check_eq "$(pages 0)" 1024 "a CPU's pages"
	"$PROGS/attach" -c -s cpu_local=1 "$BPF/place_accessor.bpf.o" \
		"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch" 2>&1
	check_eq "$(pages 0)" 1024 "a CPU's pages, named"
	check_ge "$(awk '$1 == "answer" && $2 == 0 { print $3 }' "$TMP/touch")" 1024 \
		"answers that named the CPU's node"
}

# timeout: 400
# place_weighted: blocks dealt out in proportion
test_place_weighted()
{
	weighted()
	{
		local weights=$1

		shift
		"$PROGS/attach" -s "weights=$weights" "$@" "$BPF/place_weighted.bpf.o" \
			"$PROGS/touch" -s 8192 -m nohuge >"$TMP/touch" 2>&1
	}

	# 2,048 pages in blocks of 16: 32 rounds of four blocks.
	weighted 3,1 -s block_order=4 || fail "3,1: $(cat "$TMP/touch")"
	check_eq "$(pages 0)/$(pages 1)/$(pages 2)" 1536/512/0 "weights 3,1"
	weighted 2,1,1 -s block_order=0 || fail "2,1,1: $(cat "$TMP/touch")"
	check_eq "$(pages 0)/$(pages 1)/$(pages 2)" 1024/512/512 "weights 2,1,1"
	weighted 0,1 || fail "0,1: $(cat "$TMP/touch")"
	check_eq "$(pages 1)" 2048 "all weight on node 1"

	# Huge pages stay whole: blocks of 2 MiB, alternating.
	"$PROGS/attach" -s weights=1,1 "$BPF/place_weighted.bpf.o" \
		"$PROGS/touch" -s 16384 -m huge >"$TMP/touch" 2>&1
	check_eq "$(pages 0)/$(pages 1)" 2048/2048 "huge pages, weights 1,1"

	# Nonsense is refused in init(), in words.
	expect_fail weighted 0,0
	check_match "$(cat "$TMP/touch")" 'all weights are 0' "no weight at all"
	expect_fail weighted 1,1001
	check_match "$(cat "$TMP/touch")" 'weights\[1\] is 1001' "too much weight"
	expect_fail weighted 1,1 -s block_order=19
	check_match "$(cat "$TMP/touch")" 'block_order is 19' "blocks too large"
}

# timeout: 400
# place_weighted: a node that goes is left out, and taken in again
test_place_weighted_node_goes()
{
	rmmod cdm_sim || fail "rmmod"
	"$PROGS/attach" -t 600 -s weights=1,1 -s block_order=0 \
		"$BPF/place_weighted.bpf.o" >"$TMP/w" 2>&1 &
	wait_for 20 grep -q '^attach 0' "$TMP/w"
	"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch"
	check_eq "$(pages 0)" 1024 "pages while node 1 is absent"
	sim_up
	"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch"
	check_eq "$(pages 0)/$(pages 1)" 512/512 "pages when node 1 came"
	rmmod cdm_sim || fail "rmmod"
	"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch"
	check_eq "$(pages 0)" 1024 "pages when node 1 has gone"
	check_eq "$(awk '$1 == "bad" { print $2 }' $CDM/policies/*/stats)" 0 "bad answers"
	kill %1
	wait
}

# le64 N - as bpftool wants a number of 8 bytes
le64()
{
	local v=$1

	for _ in 1 2 3 4 5 6 7 8; do
		printf '%d ' $((v & 255))
		v=$((v >> 8))
	done
}

# timeout: 400
# place_quota: a cgroup's limit on the device's node holds, within the slack
test_place_quota()
{
	local cg=/sys/fs/cgroup/cdm_quota slack limit

	slack=$((31 * $(nproc) + 1))
	mkdir -p $cg/a $cg/b
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	echo +memory >$cg/cgroup.subtree_control

	"$PROGS/attach" -t 600 -s default_limit=300 "$BPF/place_quota.bpf.o" >"$TMP/q" 2>&1 &
	wait_for 20 grep -q '^attach 0' "$TMP/q"
	[ -e /sys/fs/bpf/limits ] || fail "the map of limits is not pinned"

	in_cgroup()
	{
		bash -c "echo \$\$ >$cg/$1/cgroup.procs; exec $PROGS/touch -s 8192 -m nohuge -D $SIM1" \
			>"$TMP/touch" 2>&1 || fail "touch in $1: $(cat "$TMP/touch")"
		check_eq $(($(pages 0) + $(pages 1))) 2048 "pages in all"
	}

	in_cgroup a
	check_ge "$(pages 1)" 300 "pages on the device, default limit"
	check_le "$(pages 1)" $((300 + slack)) "pages on the device, default limit"

	# shellcheck disable=SC2046 # a list of bytes
	for limit in 1000 0; do
		"$BUILD/tools/bpftool" map update pinned /sys/fs/bpf/limits \
			key $(le64 "$(stat -c %i $cg/b)") value $(le64 $limit) ||
			fail "bpftool"
		in_cgroup b
		check_ge "$(pages 1)" $limit "pages on the device, limit $limit"
		check_le "$(pages 1)" $((limit ? limit + slack : 0)) \
			"pages on the device, limit $limit"
	done
	# The other's limit is its own.
	in_cgroup a
	check_ge "$(pages 1)" 300 "pages on the device, default limit again"

	kill %1
	wait
	rm -f /sys/fs/bpf/limits
	rmdir $cg/a $cg/b $cg
}

# timeout: 400
# place_hint: what the application said of its ranges, to the page
test_place_hint()
{
	local out

	"$PROGS/attach" -t 600 "$BPF/place_hint.bpf.o" >"$TMP/h" 2>&1 &
	wait_for 20 grep -q '^attach 0' "$TMP/h"
	out=$("$PROGS/hint_app" /sys/fs/bpf/hints 1 2 2>&1) || fail "hint_app: $out"
	# The hints of one process are not another's.
	"$PROGS/touch" -s 4096 -m nohuge >"$TMP/touch"
	check_eq "$(pages 0)" 1024 "pages of a process without hints"
	kill %1
	wait
	rm -f /sys/fs/bpf/hints
}
