#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark evict_quality's share in the guest: replays each trace with each policy.
#
#   evict_quality_guest.sh CDM_SIM DIR
#
# Prints "POLICY TRACE MISSES ACCESSES CAPACITY" for each DIR/TRACE.trace. CAPACITY is
# what the node held when the run ended, and half a batch more.

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
. "$repo/selftests/bench/guest_lib.bash"
cdm_sim=$1 dir=$2
PATH=$repo/build/bin:$PATH

evicted()
{
	awk '/^evicted_/ { n += $2 } END { print n }' $cdm/nodes/2/stats
}

# of KEY TEXT - a number of cdmctl's JSON
of()
{
	[[ $2 =~ \"$1\":\ *([0-9]+) ]] || die "no $1 in $2"
	echo "${BASH_REMATCH[1]}"
}

insmod "$cdm_sim" || die "$cdm_sim does not fit this kernel"
for ((i = 0; i < 20; i++)); do
	[ "$(cat $cdm/nodes/2/state 2>/dev/null)" = online ] && break
	sleep 1
done
# All of the node, and only what an access asks for.
echo 0 0 >$cdm/nodes/2/watermarks
echo Y >/sys/kernel/mm/lru_gen/enabled

for trace in "$dir"/*.trace; do
	for policy in classic mglru fifo random lfu sieve s3fifo; do
		case $policy in
		classic) echo N >/sys/kernel/mm/lru_gen/enabled ;;
		*)	echo Y >/sys/kernel/mm/lru_gen/enabled ;;
		esac
		case $policy in
		classic|mglru) ;;
		*)	cdmctl policy load "$repo/build/bpf/evict_$policy.bpf.o" --pin q \
				--set nid=2 >/dev/null || die "evict_$policy" ;;
		esac
		before=$(evicted)
		out=$(cdmctl -j sim replay -d 1 "$trace") || die "replay of $trace"
		misses=$(of misses "$out")
		echo "$policy $(basename "$trace" .trace) $misses $(of accesses "$out")" \
			$((misses - $(evicted) + before + 16))
		[ ! -e /sys/fs/bpf/cdm/q ] || cdmctl policy unload q >/dev/null || die "unload"
	done
done
