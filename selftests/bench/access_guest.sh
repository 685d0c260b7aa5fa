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
build=$repo/build
cdm=/sys/kernel/mm/cdm

die()
{
	echo "access_guest: $*" >&2
	exit 1
}

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

managed_node()
{
	insmod "$build/kernel/drivers/cdm/cdm_sim.ko" || die "cdm_sim.ko could not be loaded"
	for _ in $(seq 100); do
		[ "$(cat $cdm/nodes/1/state 2>/dev/null)" = online ] && return
		sleep 0.1
	done
	die "node 1 does not come"
}

# measure CONFIG WHAT [STATS] - as the kernel is now
measure()
{
	local out

	out=$("$build/selftests/accesscost" "$2" 1 "${@:3}") || die "$1: accesscost $2 failed"
	awk -v config="$1" '{ print config, $0 }' <<<"$out"
}

# floor - what is measured of idle, and a call
floor()
{
	insmod "$build/bench/floor-$kind/cdm_floor.ko" || die "cdm_floor.ko does not fit"
	"$build/selftests/attach" "$build/selftests/floor.bpf.o" -- \
		cat /sys/kernel/debug/cdm_floor >"$tmp/floor" ||
		die "floor.bpf.o could not be attached: $(cat "$tmp/floor")"
	awk '
		FILENAME == ARGV[1] { n[$1] = $2 / $3; next }
		FNR == 1 {
			if (!("ops_call" in n) || !("loop" in n))
				exit 1
			call = n["ops_call"] - n["loop"]
			printf "floor call %.2f\n", call
		}
		$1 == "idle" && $2 !~ /_spread$/ { printf "floor %s %.2f\n", $2, $3 + call; said++ }
		END { exit !said }' "$tmp/floor" "$tmp/results" >"$tmp/floor.out" ||
		die "cdm_floor.ko did not measure a call, or floor is not after idle"
	cat "$tmp/floor.out"
}

# policy NAME - attach it for all nodes, measure, detach
policy()
{
	local p what id=

	# One for each, so that none has the other's state.
	for what in hint report; do
		"$build/bin/cdmctl" policy load "$build/bpf/$1.bpf.o" --node all --pin "$1" \
			>"$tmp/ctl" 2>&1 || die "$1: cdmctl could not attach it: $(cat "$tmp/ctl")"
		for p in "$cdm"/policies/*; do
			[ "$(cat "$p/name")" = "$1" ] && id=${p##*/}
		done
		[ -n "$id" ] || die "$1 is attached, but not in $cdm/policies"
		measure "$1" $what "$cdm/policies/$id/stats"
		"$build/bin/cdmctl" policy unload "$1" >"$tmp/ctl" 2>&1 ||
			die "$1: cdmctl could not unload it: $(cat "$tmp/ctl")"
	done
}

kind=$1
shift
tmp=$(mktemp -d)
for f in /sys/kernel/mm/transparent_hugepage/hugepages-*/enabled; do
	echo never >"$f"
done
# Who takes access rights here is the module.
echo 0 >/proc/sys/kernel/numa_balancing
if [ "$kind" = unpatched ]; then
	stock_node
else
	managed_node
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
