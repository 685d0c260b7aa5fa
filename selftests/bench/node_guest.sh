#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One boot's share of the benchmark node, run by it in the guest. Prints lines
# "CONFIG METRIC instructions VALUE".

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
. "$repo/selftests/bench/guest_lib.bash"
node=/sys/devices/system/node
rounds=3
used=256	# MiB in use when the node goes

# measure CONFIG METRIC FILE=TEXT... - the first round does not count
measure()
{
	local said

	said=$("$build/selftests/nodecost" "$1" "$2" "$mib" "${@:3}") || die "$1 $2 failed"
	[ $i = 0 ] || echo "$said"
}

# blocks TEXT - of node 1, as arguments for nodecost
blocks()
{
	local b

	args=()
	for b in $blocks; do
		args+=("$b/state=$1")
	done
}

# in_use - somebody has memory on node 1
in_use()
{
	mkfifo /tmp/hold
	numactl --membind=1 "$build/selftests/hold" -w anon $used </tmp/hold >/tmp/held &
	exec 9>/tmp/hold
	until grep -q ready /tmp/held; do
		sleep 0.1
	done
}

free()
{
	exec 9>&-
	wait
	rm -f /tmp/hold /tmp/held
}

echo offline >/sys/devices/system/memory/auto_online_blocks
for m in dax_hmem kmem; do
	insmod "$(find "$build/kernel/drivers/dax" -name $m.ko)" 2>/dev/null ||
		insmod "$(find "$build/kernel/drivers/dax" -name "${m/_/?}.ko")" || die "$m"
done
for _ in $(seq 100); do
	[ -e $node/node1 ] && break
	sleep 0.1
done
sleep 1
blocks=$(ls -d $node/node1/memory[0-9]*) || die "node 1 has no memory blocks"
# shellcheck disable=SC2086 # a list
mib=$(($(wc -w <<<$blocks) * 0x$(cat /sys/devices/system/memory/block_size_bytes) >> 20))

# The first time makes what stays: tiers, sysfs files, caches.
for ((i = 0; i <= rounds; i++)); do
	for config in stock cdm; do
		# An adopted node that is released is a stock node.
		if [ $config = stock ]; then
			blocks online_movable
			measure stock online "${args[@]}"
			in_use
			blocks offline
			measure stock drain "${args[@]}"
			free
			continue
		fi
		blocks online_movable
		for a in "${args[@]}"; do
			echo "${a#*=}" >"${a%%=*}" || die "$a"
		done
		echo 1 >$cdm/adopt || die "adopt: $(cat $cdm/last_error)"
		in_use
		measure cdm drain "$cdm/drain=1"
		free
		measure cdm online "$cdm/online=1"
		echo 1 >$cdm/release || die "release: $(cat $cdm/last_error)"
		blocks offline
		for a in "${args[@]}"; do
			echo "${a#*=}" >"${a%%=*}" || die "$a"
		done
	done
done
