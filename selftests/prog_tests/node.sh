# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Nodes that a driver brings and takes away, and the simulated device itself. Each
# test begins and ends with no driver loaded and no node but 0.

# shellcheck source=selftests/prog_tests/node_lib.bash
. "$REPO/selftests/prog_tests/node_lib.bash"

AUTO=/sys/devices/system/memory/auto_online_blocks

setup()
{
	echo offline >$AUTO
	nodes_gone "before the test"
}

teardown()
{
	local pids

	pids=$(pgrep -x 'simrun|attach'; pgrep -x movewatch)
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill -9 $pids
	echo offline >$AUTO
	! grep -q '^cdm_sim ' /proc/modules || rmmod cdm_sim
}

# value KEY - of simrun's output in $OUT; 0 if it is not there
value()
{
	awk -v k="$1" '$1 == k { v = $2 } END { print v + 0 }' <<<"$OUT"
}

# sim ARGS... - a run that must succeed
sim()
{
	OUT=$("$PROGS/simrun" "$@" 2>&1) || fail "simrun $*: $OUT"
}

# says WHAT ERE - the last refusal's text matches
says()
{
	check_match "$(cat "$CDM/last_error")" "$2" "$1"
}

# loading the driver brings both nodes online, unloading takes them away
# timeout: 120
test_node_load()
{
	mod_load cdm_sim
	check_eq "$(cat $NODE/has_memory)" 0-2 "nodes with memory"
	check_eq "$(cat $NODE/has_normal_memory)" 0 "nodes with kernel memory"
	node_up 1 1024
	node_up 2 512
	check_eq "$(cat "$CDM/nodes/1/mode")" closed "mode"
	check_eq "$(cat "$CDM/nodes/1/driver")" cdm_sim0 "driver"
	check_eq "$(cat "$CDM/nodes/1/adopted")" 0 "adopted"
	grep -q 'System RAM (cdm_sim0)' /proc/iomem || fail "no System RAM (cdm_sim0) in /proc/iomem"
	pgrep -x kcdmd/1 >/dev/null || fail "no kcdmd/1"
	check_eq "$(stat -c %a:%U /dev/cdm_sim1)" 600:root "mode and owner of /dev/cdm_sim1"

	mod_unload cdm_sim
	nodes_gone "after unloading"
	! pgrep kcdmd/ >/dev/null || fail "a kcdmd is left"
	[ ! -e /dev/cdm_sim0 ] || fail "/dev/cdm_sim0 is left"
}

# ZONE_MOVABLE whatever auto_online_blocks asks for
# timeout: 240
test_node_auto_online()
{
	local how

	for how in offline online online_kernel online_movable; do
		echo $how >$AUTO
		mod_load cdm_sim
		node_up 1 1024
		node_up 2 512
		mod_unload cdm_sim
		nodes_gone "after auto_online_blocks=$how"
	done
}

# nodes= limits the driver to the nodes it names
# timeout: 120
test_node_param()
{
	mod_load cdm_sim nodes=2
	check_eq "$(ls "$CDM/nodes")" 2 "managed nodes"
	node_up 2 512
	[ -c /dev/cdm_sim1 ] || fail "node 2's device is not /dev/cdm_sim1"
	[ ! -e /dev/cdm_sim0 ] || fail "node 1's device exists"
	mod_unload cdm_sim
	nodes_gone "after nodes=2"

	expect_fail insmod "$(mod_path cdm_sim)" nodes=0
	check_match "$OUT" "No such device" "insmod nodes=0"
	expect_fail insmod "$(mod_path cdm_sim)" nodes=63
	nodes_gone "after nodes that do not exist"
}

# a driver that comes back with less memory, or more; not while an orphan has the node
# timeout: 180
test_node_size()
{
	local pid mib

	for mib in 256 512 128; do
		mod_load cdm_sim mib=$mib
		node_up 1 $mib
		node_up 2 $mib
		sim -s 4096 -d /dev/cdm_sim1
		check_eq "$(value resident_2)" 1024 "pages on node 2 with $mib MiB"
		mod_unload cdm_sim
		nodes_gone "after mib=$mib"
	done
	expect_fail insmod "$(mod_path cdm_sim)" mib=64
	check_match "$OUT" "No such device" "insmod with less than a memory block"

	mod_load cdm_sim nodes=2 mib=256
	"$PROGS/simrun" -d /dev/cdm_sim1 -k pipe -H 1000 >"$TMP/out" &
	pid=$!
	wait_for 60 grep -q ^top "$TMP/out"
	timeout -s INT 3 rmmod cdm_sim
	check_eq "$(cat "$CDM/nodes/2/state")" orphaned "state"
	expect_fail insmod "$(mod_path cdm_sim)" nodes=2
	says "why it cannot have more" "node 2 has other memory .* that cdm_sim1 left behind; drain it first"
	kill $pid
	wait $pid 2>/dev/null
	cdmctl node drain 2 >"$TMP/drain" 2>&1 || fail "$(cat "$TMP/drain")"
	mod_load cdm_sim nodes=2
	node_up 2 512
	mod_unload cdm_sim
	nodes_gone "in the end"
}

# memory in use migrates to node 0, unharmed, when the driver goes
# timeout: 120
test_node_unload_used()
{
	local pid

	mod_load cdm_sim
	"$PROGS/simrun" -s 65536 -k anon -p uniform -n 5000 -S 7 -H 1000 >"$TMP/out" &
	pid=$!
	wait_for 60 grep -q ^top "$TMP/out"
	grep -q N1= /proc/$pid/numa_maps || fail "nothing was on node 1"
	mod_unload cdm_sim
	nodes_gone "with its memory in use"
	! grep -q N1= /proc/$pid/numa_maps || fail "pages are still on node 1"
	kill $pid
}

# memory that is written to all the while its node goes loses no write
# timeout: 180
test_node_unload_written()
{
	local pid

	mod_load cdm_sim
	"$PROGS/movewatch" 1 32768 >"$TMP/out" 2>&1 &
	pid=$!
	wait_for 60 grep -q . "$TMP/out"
	mod_unload cdm_sim
	sleep 1
	kill -INT $pid
	wait $pid || fail "movewatch: $(cat "$TMP/out")"
	nodes_gone "while memory was written to"
	note "$(tail -n 1 "$TMP/out")"
}

# a page that cannot leave: all stays online, as an orphan, until the driver is back
# timeout: 240
test_node_orphan()
{
	local pid before

	mod_load cdm_sim nodes=2
	"$PROGS/simrun" -d /dev/cdm_sim1 -k pipe -H 1000 >"$TMP/out" &
	pid=$!
	wait_for 60 grep -q ^top "$TMP/out"

	# Offlining tries for ever, until a signal.
	timeout -s INT 10 rmmod cdm_sim
	! grep -q '^cdm_sim ' /proc/modules || fail "the module is still there"
	check_eq "$(cat "$CDM/nodes/2/state")" orphaned "state"
	check_eq "$(node_stat 2 MemTotal)" $((512 * 1024)) "node 2's memory in kB"
	blocks_movable 2
	says "what stopped it" "node 2: cannot take cdm_sim1's memory offline"

	# Still managed: a stranger gets nothing of it.
	before=$(node_used 2)
	head -c 8M /dev/zero >"$TMP/file"
	settle
	check_le $(($(node_used 2) - before)) 0 "pages that strangers got"
	rm "$TMP/file"

	kill $pid
	mod_load cdm_sim nodes=2
	node_up 2 512
	sim -d /dev/cdm_sim1
	check_eq "$(value resident_2)" 1024 "pages after it was taken back"
	mod_unload cdm_sim
	nodes_gone "after the orphan was taken back"
}

# blocks taken offline by hand: the state follows and is told, and the driver still goes
# timeout: 120
test_node_hand_offline()
{
	local b

	mod_load cdm_sim nodes=2
	busybox uevent env >>"$TMP/uevents" &
	wait_for 20 eval 'echo change >/sys/class/mem/null/uevent; grep -q . "$TMP/uevents"'
	for b in "$NODE/node2"/memory[0-9]*; do
		check_eq "$(cat "$CDM/nodes/2/state")" online "state with some blocks offline"
		echo offline >"$b/state" || fail "${b##*/} does not go offline"
	done
	check_eq "$(cat "$CDM/nodes/2/state")" offline "state with every block offline"
	wait_for 20 grep -qx CDM_STATE=offline "$TMP/uevents"
	: >"$TMP/uevents"
	# The kernel zone is refused without being told so: it becomes movable.
	echo online_kernel >"$b/state"
	check_eq "$(cat "$CDM/nodes/2/state")" online "state with a block online again"
	check_eq "$(cat "$b/valid_zones")" Movable "zone after online_kernel"
	wait_for 20 grep -qx CDM_STATE=online "$TMP/uevents"
	kill %?uevent
	mod_unload cdm_sim
	nodes_gone "with some blocks offline before"

	mod_load cdm_sim nodes=2
	for b in "$NODE/node2"/memory[0-9]*; do
		echo offline >"$b/state"
	done
	mod_unload cdm_sim
	nodes_gone "with every block offline before"
}

# policy VAR=VALUE - the tests' policy, attached until the end of the test
policy()
{
	"$PROGS/attach" -t 600 -d n_online -d n_offline -s "$1" "$PROGS/events.bpf.o" \
		>"$TMP/policy" 2>&1 &
	POLICY=$!
	wait_for 30 grep -q '^attach 0' "$TMP/policy"
}

# phases ONLINE OFFLINE - prepare, done, cancelled, replay as the policy counted them
phases()
{
	kill -INT "$POLICY"
	wait "$POLICY"
	check_match "$(cat "$TMP/policy")" "^n_online $1\$" "node_online: prepare done cancelled replay"
	check_match "$(cat "$TMP/policy")" "^n_offline $2\$" "node_offline: prepare done cancelled replay"
}

# a policy that vetoes keeps the driver out, and is named
# timeout: 90
test_node_veto_online()
{
	policy veto_online=-1
	expect_fail insmod "$(mod_path cdm_sim)"
	check_match "$OUT" "Operation not permitted" "insmod"
	says "who vetoed" "node 2: .*vetoed by policy events"
	nodes_gone "after a veto"
	# Whoever vetoes knows it, and is not told that it was cancelled.
	phases "2 0 0 0" "0 0 0 0"
	mod_load cdm_sim
	node_up 1 1024
	mod_unload cdm_sim
}

# a veto against going offline leaves an orphan, which comes back
# timeout: 90
test_node_veto_offline()
{
	mod_load cdm_sim nodes=2
	policy veto_offline=-1
	rmmod cdm_sim
	check_eq "$(cat "$CDM/nodes/2/state")" orphaned "state"
	blocks_movable 2
	says "who vetoed" "node 2: .*vetoed by policy events"
	phases "0 0 0 1" "1 0 0 0"
	mod_load cdm_sim nodes=2
	node_up 2 512
	policy veto_online=0
	mod_unload cdm_sim
	phases "0 0 0 1" "1 1 0 0"
	nodes_gone "after the veto was gone"
}

# a node that cannot leave was prepared and is cancelled
# timeout: 120
test_node_cancelled()
{
	local pid

	mod_load cdm_sim nodes=2
	policy veto_online=0
	"$PROGS/simrun" -d /dev/cdm_sim1 -k pipe -H 1000 >"$TMP/out" &
	pid=$!
	wait_for 60 grep -q ^top "$TMP/out"
	timeout -s INT 5 rmmod cdm_sim
	check_eq "$(cat "$CDM/nodes/2/state")" orphaned "state"
	kill $pid
	mod_load cdm_sim nodes=2
	mod_unload cdm_sim
	phases "0 0 0 1" "2 1 1 0"
}

# mode: closed, last-resort, open and nothing else
test_node_mode()
{
	local m

	mod_load cdm_sim nodes=2
	for m in open last-resort closed; do
		echo $m >"$CDM/nodes/2/mode" || fail "mode $m"
		check_eq "$(cat "$CDM/nodes/2/mode")" $m "mode"
	done
	expect_fail bash -c "echo ajar >$CDM/nodes/2/mode"
	says "a mode that does not exist" "want closed, last-resort or open"
	check_eq "$(cat "$CDM/nodes/2/mode")" closed "mode after a bad one"
	mod_unload cdm_sim
}

# a file open on the device keeps the module
test_node_open_keeps()
{
	mod_load cdm_sim nodes=2
	exec 7<>/dev/cdm_sim1
	expect_fail rmmod cdm_sim
	check_match "$OUT" "in use" "rmmod with the device open"
	exec 7>&-
	mod_unload cdm_sim
}

# what the device's interface refuses, by errno
# timeout: 90
test_node_sim_refuse()
{
	mod_load cdm_sim
	OUT=$("$PROGS/simneg") || fail "$(grep '^not ok' <<<"$OUT")"
	check_ge "$(grep -c '^ok ' <<<"$OUT")" 45 "cases"
	mod_unload cdm_sim
}

# opening the device needs CAP_SYS_ADMIN, whatever its mode says
test_node_sim_unprivileged()
{
	mod_load cdm_sim nodes=2
	expect_fail setpriv --reuid 65534 --clear-groups "$PROGS/simrun" -d /dev/cdm_sim1
	check_match "$OUT" "Permission denied" "nobody, mode 600"
	chmod 666 /dev/cdm_sim1
	expect_fail setpriv --reuid 65534 --clear-groups "$PROGS/simrun" -d /dev/cdm_sim1
	check_match "$OUT" "Operation not permitted" "nobody, mode 666"
	expect_fail unshare -Ur "$PROGS/simrun" -d /dev/cdm_sim1
	check_match "$OUT" "Operation not permitted" "root of a user namespace"
	mod_unload cdm_sim
}

# each pattern touches what it says, and no write is lost
# timeout: 180
test_node_sim_patterns()
{
	mod_load cdm_sim

	sim -k cpu -p sequential -w 0 -s 256
	check_eq "$(value "done")" 32768 "sequential: accesses"
	check_eq "$(value checksum)" "$(value expect)" "sequential: checksum"
	check_eq "$(value dev_faults)" 0 "sequential: device faults on present pages"
	check_eq "$(value served_0)" 32768 "sequential: served by node 0, where the pages are"

	sim -p strided -s 4096 -t 8192
	check_eq "$(value sum)" 512 "strided: words written"
	check_eq "$(value resident_1):$(value absent)" 512:512 "strided: every second page"
	check_eq "$(value dev_faults):$(value served_1)" 512:512 "strided: a fault for each page"

	sim -p uniform -s 1024 -n 20000 -S 1
	check_eq "$(value sum)" 20000 "uniform: sum of all writes"
	check_eq "$(value served_1)" 20000 "uniform: served by node 1"
	check_le "$(value top)" 140 "uniform: writes to the busiest of 256 pages (mean 78)"

	sim -p uniform -s 1024 -n 20000 -S 1 -w 30
	check_eq "$(value sum)" "$(value writes)" "30 % writes: sum"
	check_ge "$(value writes)" 5700 "30 % writes"
	check_le "$(value writes)" 6300 "30 % writes"

	# Of 1000 blocks the first gets 1 / H(1000) = 13.36 %, with skew 2 60.8 %.
	sim -p zipf -s 4000 -n 20000 -z 1000 -S 3
	check_eq "$(value sum)" 20000 "zipf 1: sum of all writes"
	check_ge "$(value top)" 2520 "zipf 1: the hottest of 1000 blocks"
	check_le "$(value top)" 2830 "zipf 1: the hottest of 1000 blocks"
	sim -p zipf -s 4000 -n 20000 -z 2000 -S 3
	check_ge "$(value top)" 11900 "zipf 2: the hottest of 1000 blocks"
	check_le "$(value top)" 12450 "zipf 2: the hottest of 1000 blocks"
	sim -p zipf -s 4000 -n 20000 -z 0 -S 3
	check_le "$(value top)" 50 "zipf 0: the hottest of 1000 blocks (mean 20)"
	mod_unload cdm_sim
}

# a chain of pointers is followed, all of it
# timeout: 90
test_node_sim_chase()
{
	mod_load cdm_sim nodes=1
	sim -k ring -p chase -w 0 -s 128 -n 16384
	check_eq "$(value "done")" 16384 "accesses"
	check_eq "$(value checksum)" "$(value sum)" "what it read, against the sum of all words"
	check_eq "$(value checksum)" $(($(value expect) * 8)) "... which are all different"
	# Word 0 says 0, and a device that is told to stay there stays.
	sim -k cpu -p chase -w 0 -s 64 -n 1000
	check_eq "$(value "done"):$(value checksum)" 1000:0 "a chain of one word"
	mod_unload cdm_sim
}

# how often each 2 MiB was accessed
# timeout: 90
test_node_sim_counts()
{
	local n

	mod_load cdm_sim nodes=1
	sim -p strided -s 5120 -n 2560
	check_eq "$(value count_0) $(value count_1) $(value count_2)" "1024 1024 512" "in order"
	sim -p uniform -s 4096 -n 20000 -S 1
	n=$(($(value count_0) + $(value count_1)))
	check_eq "$n" "$(value "done")" "at random, all together"
	check_ge "$(value count_0)" 9500 "... the first half"
	check_le "$(value count_0)" 10500 "... the first half"
	mod_unload cdm_sim
}

# the calling CPU accesses and not the device, and all are counted alike
# timeout: 90
test_node_sim_cpu()
{
	local dev

	mod_load cdm_sim nodes=1
	sim -k cpu -p uniform -w 0 -s 4096 -n 20000 -S 1
	check_eq "$(value hits):$(value misses)" 0:20000 "the device's hits on memory of node 0"
	dev=$(value checksum):$(value count_0)
	sim -C -k cpu -p uniform -w 0 -s 4096 -n 20000 -S 1
	check_eq "$(value hits):$(value misses)" 20000:0 "the CPU's"
	check_eq "$(value checksum):$(value count_0)" "$dev" "what it read, and where, with the same seed"
	# What faults there is the CPU's fault.
	sim -C -p strided -s 2048
	check_eq "$(value resident_0):$(value dev_faults)" 512:0 "pages near the CPU, faults of the device"
	check_eq "$(value sum)" 512 "words written"
	mod_unload cdm_sim
}

# the same seed gives the same accesses, another seed others
test_node_sim_seed()
{
	local a b c

	mod_load cdm_sim
	sim -k cpu -p uniform -w 0 -n 1000 -S 5
	a=$(value checksum)
	sim -k cpu -p uniform -w 0 -n 1000 -S 5
	b=$(value checksum)
	sim -k cpu -p uniform -w 0 -n 1000 -S 6
	c=$(value checksum)
	check_eq "$b" "$a" "checksum with the same seed"
	[ "$c" != "$a" ] || fail "another seed gave the same checksum"
	mod_unload cdm_sim
}

# ended SIGNAL ARGS... - a run that would last for ever ends by a signal
ended()
{
	local signal=$1 pid start

	shift
	"$PROGS/simrun" "$@" >/dev/null &
	pid=$!
	sleep 2
	kill -0 $pid 2>/dev/null || fail "it ended too soon: simrun $*"
	start=$SECONDS
	kill "-$signal" $pid
	wait $pid
	check_le $((SECONDS - start)) 5 "seconds until SIG$signal ended: simrun $*"
	! pgrep -x cdm_sim0 >/dev/null || fail "the device's thread is left"
	# The device works for the next one.
	sim -s 64
}

# a signal ends a run, also one that waits in a fault for user space
# timeout: 90
test_node_sim_signal()
{
	mod_load cdm_sim
	# Not INT: a shell's background commands ignore it.
	ended TERM -s 4096 -n 1000000000000
	ended KILL -s 4096 -n 1000000000000
	ended KILL -k uffd
	ended TERM -k uffd
	mod_unload cdm_sim
}

# two devices at once, each for a process of its own
# timeout: 90
test_node_sim_two()
{
	local pid

	mod_load cdm_sim
	"$PROGS/simrun" -d /dev/cdm_sim1 -p uniform -s 8192 -n 200000 >"$TMP/two" &
	pid=$!
	sim -p uniform -s 8192 -n 200000
	check_eq "$(value served_1):$(value sum)" 200000:200000 "device 0"
	wait $pid || fail "device 1: $(cat "$TMP/two")"
	OUT=$(cat "$TMP/two")
	check_eq "$(value served_2):$(value sum)" 200000:200000 "device 1"
	mod_unload cdm_sim
}

# a device opened before its process died has nowhere to work, and says so
test_node_sim_dead_owner()
{
	mod_load cdm_sim nodes=2
	OUT=$("$PROGS/deadowner" /dev/cdm_sim1 2>&1) || fail "$OUT"
	mod_unload cdm_sim
}
