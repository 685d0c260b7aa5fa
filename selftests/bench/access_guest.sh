#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One boot's share of the benchmark access, run by it in the guest: measures each
# CONFIG given and prints lines "CONFIG METRIC VALUE".
#
#   access_guest.sh patched|unpatched CONFIG...
#
# The first says whose modules are for the running kernel. Configs:
#   unpatched, idle   the kernel as it is
#   floor             idle (measured before) plus one empty struct_ops call
#   anything else     that policy, from build/bpf/, attached for all nodes

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
. "$repo/selftests/bench/guest_lib.bash"

# stock_node - node 1 by kmem
stock_node()
{
	local m

	echo online_movable >/sys/devices/system/memory/auto_online_blocks
	for m in dax/hmem/dax_hmem dax/kmem; do
		insmod "$(find "$build/unpatched/kernel" -path "*/$m.ko" | head -n 1)" ||
			die "no module $m"
	done
	for _ in $(seq 100); do
		grep -q 'MemTotal: *[1-9]' /sys/devices/system/node/node1/meminfo && return
		sleep 0.1
	done
	die "node 1 does not come"
}

# measure CONFIG WHAT [STATS] - as the kernel is now
measure()
{
	said "$1" "$build/selftests/accesscost" "$2" 1 "${@:3}"
}

# floor - what is measured of idle, and a call
floor()
{
	local call

	insmod "$build/bench/floor-$kind/cdm_floor.ko" || die "cdm_floor.ko does not fit"
	call=$(per_call ops_call loop) || exit 1
	echo "floor call $call"
	awk -v call="$call" '
		$1 == "idle" && $2 !~ /_spread$/ { printf "floor %s %.2f\n", $2, $3 + call; said++ }
		END { exit !said }' "$tmp/results" || die "floor is not after idle"
}

# policy NAME - attach it for all nodes, measure, detach
policy()
{
	local what

	# One for each, so that none has the other's state.
	for what in hint report; do
		load "$1"
		measure "$1" $what "$stats"
		unload "$1"
	done
}

kind=$1
shift
for f in /sys/kernel/mm/transparent_hugepage/hugepages-*/enabled; do
	echo never >"$f"
done
# Who takes access rights here is the module.
echo 0 >/proc/sys/kernel/numa_balancing
if [ "$kind" = unpatched ]; then
	stock_node
else
	node_online
fi
insmod "$build/bench/access-$kind/cdm_accesscost.ko" ||
	die "cdm_accesscost.ko does not fit this kernel"
for c in "$@"; do
	case $c in
	unpatched)	measure "$c" hint ;;
	idle)		measure "$c" hint && measure "$c" report ;;
	floor)		floor ;;
	*)		policy "$c" ;;
	esac >>"$tmp/results"
done
cat "$tmp/results"
