#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark evict's share in the guest: measures and prints lines for report.sh.
#
#   evict_guest.sh KERNEL ROUNDS [SIZE]
#
# KERNEL is its build. Node 1 is kmem's: stock in one half of a round, where node 0
# is demoted to it, and adopted in the other, where it evicts to node 0. With SIZE, that
# of node 1 in MiB, it is filled and no policy takes part.

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
. "$repo/selftests/bench/guest_lib.bash"
cost=$repo/build/selftests/evictcost
cg=/sys/fs/cgroup/evict
thp=/sys/kernel/mm/transparent_hugepage
kernel=$1 rounds=$2 nodesize=${3:-}
PATH=$repo/build/bin:$PATH

# measure CONFIG ARGS... - in the cgroup
measure()
{
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $cg "$cost" "$@" || die "evictcost $*"
}

# stock METRIC ORDER MIB MIB-TO-LEAVE - node 0 is demoted to node 1
stock()
{
	echo 1 >/sys/kernel/mm/numa/demotion_enabled
	measure demotion "$1" 0 "$3" "$2" $cg/memory.reclaim "$4"
	echo 0 >/sys/kernel/mm/numa/demotion_enabled
}

# managed - node 1 is, and only who asks has pages leave it
managed()
{
	echo 1 >$cdm/adopt || die "adopt: $(cat $cdm/last_error)"
	echo 0 0 >$cdm/nodes/1/watermarks
}

# evicts CONFIG METRIC ORDER MIB MIB-TO-LEAVE - node 1 evicts to node 0
evicts()
{
	measure "$1" "$2" 1 "$4" "$3" $cdm/nodes/1/evict "$5"
}

# faults CONFIG - faults bound to node 1 when it is full
faults()
{
	"$cost" "$1" fault tail 1 32 || die "evictcost tail $1"
}

# sizes - a node that is full gives up the same, whatever its size
sizes()
{
	stock per_page_${nodesize}m 0 32 16
	managed
	evicts none per_page_${nodesize}m 0 $((nodesize - 24)) 16
	echo 1 >$cdm/release || die "release"
}

# full - a fault that finds the node full: reclaim by swap, and eviction
full()
{
	echo 2G >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null && swapon /dev/zram0 || die "zram"
	faults reclaim
	swapoff /dev/zram0 || die "swapoff"
	managed
	faults none
	for p in lru fifo; do
		with_policy $p faults evict_$p
	done
	echo 1 >$cdm/release || die "release"
}

# with_policy NAME CMD... - evict_NAME is attached while CMD runs
with_policy()
{
	local set=(--set nid=1) p=$1

	[ "$p" != lru ] || set=(--set to=0)
	cdmctl policy load "$repo/build/bpf/evict_$p.bpf.o" --pin e "${set[@]}" \
		>/dev/null || die "evict_$p"
	"${@:2}"
	cdmctl policy unload e >/dev/null || die "unload"
}

for f in "$thp"/hugepages-*kB/enabled; do
	echo never >"$f"
done
echo inherit >"$thp/hugepages-2048kB/enabled"
echo madvise >$thp/enabled
echo online_movable >/sys/devices/system/memory/auto_online_blocks
for m in dax/hmem/dax_hmem dax/kmem; do
	insmod "$(find "$kernel" -path "*/$m.ko" | head -n 1)" || die "no module $m"
done
for ((i = 0; i < 20; i++)); do
	[ "$(cat /sys/devices/system/node/has_memory)" = 0 ] || break
	sleep 1
done
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir $cg || die "mkdir $cg"

for ((i = 0; i <= rounds; i++)); do
	# The first round is thrown away: what is allocated once is in it.
	exec 3>&1
	[ $i -gt 0 ] || exec 3>/dev/null
	if [ -n "$nodesize" ]; then
		sizes >&3
		continue
	fi
	for order in 0 9; do
		metric=per_page_$((order ? 2 : 4))$([ $order = 9 ] && echo m || echo k)
		stock $metric $order 64 48 >&3
		managed
		evicts none $metric $order 64 48 >&3
		for p in lru fifo sieve; do
			with_policy $p evicts evict_$p $metric $order 64 48 >&3
		done
		echo 1 >$cdm/release || die "release"
	done
	exec 3>&-
done
[ -n "$nodesize" ] || full
