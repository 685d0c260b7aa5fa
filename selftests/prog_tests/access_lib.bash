# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the files access*.sh share: nodes, a cgroup whose hint faults the kernel counts, and
# a program that runs under a policy which counts accesses and answers as it is told.

# shellcheck source=selftests/prog_tests/events_lib.bash
. "$REPO/selftests/prog_tests/events_lib.bash"

# shellcheck disable=SC2034 # for the tests
EVENTS=$PROGS/events.bpf.o
THP=/sys/kernel/mm/transparent_hugepage
TRACE=/sys/kernel/tracing
CG=/sys/fs/cgroup
DBG=/sys/kernel/debug/sched/numa_balancing
SECONDS_OF_USE=8

# Of an answer: see "DOC: answers" in include/linux/cdm.h.
DENY=$((1 << 57)) QUEUED=$((1 << 56)) KEEP=$((1 << 32)) THROTTLE=$((1 << 16))

is_online()
{
	[ "$(cat "$CDM/nodes/$1/state" 2>/dev/null)" = online ]
}

setup()
{
	local f

	[ -d /sys/module/cdm_sim ] || mod_load cdm_sim
	wait_for 20 is_online 1
	wait_for 20 is_online 2
	for f in "$THP"/hugepages-*/{enabled,shmem_enabled}; do
		[ ! -e "$f" ] || echo never >"$f"
	done
	echo madvise >"$THP/enabled"
	[ -e $TRACE/trace ] || mount -t tracefs tracefs $TRACE
	# A kernel without it looks once a second at first, and less often if that is no use.
	[ ! -d $DBG ] || echo 50 >$DBG/scan_delay_ms
	[ ! -d $DBG ] || echo 50 >$DBG/scan_period_min_ms
	echo 1 >/proc/sys/kernel/numa_balancing
	echo 1000 >"$CDM/pingpong_ms"
	echo 1000 >"$CDM/pingpong_keep_ms"
	# A page's last owner is told from the next by what the page holds, and where.
	echo 2 >/proc/sys/kernel/randomize_va_space
	echo "+memory +cpuset" >$CG/cgroup.subtree_control
	mkdir $CG/access
}

teardown()
{
	echo 0 >/proc/sys/kernel/numa_balancing
	echo 0 >/proc/sys/kernel/bpf_stats_enabled
	[ ! -e $TRACE/events/cdm/cdm_access/enable ] || echo 0 >$TRACE/events/cdm/cdm_access/enable
	echo 1 >$CG/access/cgroup.kill
	pkill -9 -x 'simrun|attach'
	wait 2>/dev/null
	umount /mnt/disk 2>/dev/null
	wait_for 10 rmdir $CG/access 2>/dev/null
	check_none_isolated
	rmmod cdm_sim
}

# under SET... -- CMD... - run CMD in the cgroup, with the policy; output and counts in $OUT
under()
{
	local args=() v

	while [ "$1" != -- ]; do
		args+=(-s "$1")
		shift
	done
	shift
	for v in n_access n_access_events n_access_write n_access_anon n_access_shared n_access_order \
		 n_access_wrong n_access_armed access_armed_min access_src access_acc access_def \
		 n_moved last_exit_kind; do
		args+=(-d "$v")
	done
	# shellcheck disable=SC2016,SC2086 # for the inner shell; an option or none
	OUT=$("$PROGS/attach" "${args[@]}" ${STATS--k} "$EVENTS" \
		bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $CG/access "$@" 2>&1) ||
		fail "$*: $OUT"
	note "$(grep -E '^(n_access|n_access_events|n_moved|counters|pages|used|overridden|throttled|kept) ' <<<"$OUT" | tr '\n' ';')"
}

# hint_faults - of the cgroup so far, as the kernel counts them, which is up to 2 s late
hint_faults()
{
	sleep 3
	awk '$1 == "numa_hint_faults" { print $2 }' $CG/access/memory.stat
}

# stat NODE NAME - a counter of the node
stat_of()
{
	awk -v k="$2" '$1 == k { print $2 }' "$CDM/nodes/$1/stats"
}

# balancing on|off - the kernel's own NUMA balancing
balancing()
{
	[ "$1" = on ] && echo 1 >/proc/sys/kernel/numa_balancing ||
		echo 0 >/proc/sys/kernel/numa_balancing
}

# wait_ready FILE - a moveme that holds has said so; its range is $RANGE
wait_ready()
{
	wait_for 60 grep -q ^ready "$1"
	RANGE=$(awk '$1 == "ready" { r = $2 } END { print r }' "$1")
}
