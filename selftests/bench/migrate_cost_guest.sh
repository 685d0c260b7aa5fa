#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One boot's share of the benchmark migrate_cost, run by it in the guest: measures
# each CONFIG given and prints lines "CONFIG METRIC VALUE".
#
#   migrate_cost_guest.sh patched|unpatched CONFIG...
#
# The first says whose modules are for the running kernel. CONFIGs as there, in the
# order in which the guest can be in these states.

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
build=$repo/build
cdm=/sys/kernel/mm/cdm

die()
{
	echo "migrate_cost_guest: $*" >&2
	exit 1
}

# batches CONFIG NODE TARGET
batches()
{
	local out

	out=$("$build/selftests/migratecost" "$2" "$3") || die "$1: migratecost failed"
	awk -v config="$1" '{ print config, $0 }' <<<"$out"
}

floor()
{
	insmod "$build/bench/floor-$kind/cdm_floor.ko" || die "cdm_floor.ko does not fit"
	"$build/selftests/attach" "$build/selftests/floor.bpf.o" -- \
		cat /sys/kernel/debug/cdm_floor >"$tmp/floor" ||
		die "floor.bpf.o could not be attached: $(cat "$tmp/floor")"
	awk '
		NF == 3 && $3 > 0 { n[$1] = $2 / $3 }
		END {
			if (!("ops_call" in n) || !("loop" in n))
				exit 1
			printf "floor call %.2f\n", n["ops_call"] - n["loop"]
		}' "$tmp/floor" || die "cdm_floor.ko did not measure a call"
}

managed()
{
	insmod "$build/kernel/drivers/cdm/cdm_sim.ko" || die "cdm_sim.ko could not be loaded"
	for _ in $(seq 100); do
		[ "$(cat $cdm/nodes/1/state 2>/dev/null)" = online ] && break
		sleep 0.1
	done
	batches managed 1 0
}

nop()
{
	"$build/bin/cdmctl" policy load "$build/bpf/nop.bpf.o" --node all --pin nop \
		>"$tmp/ctl" 2>&1 || die "nop: cdmctl could not attach it: $(cat "$tmp/ctl")"
	batches nop 1 0
	awk '$1 == "calls_migrate" { print "nop calls", $2 }' $cdm/policies/*/stats
	"$build/bin/cdmctl" policy unload nop >"$tmp/ctl" 2>&1 ||
		die "nop: cdmctl could not unload it: $(cat "$tmp/ctl")"
}

kind=$1
shift
tmp=$(mktemp -d)
insmod "$build/bench/movers-$kind/cdm_movers.ko" || die "cdm_movers.ko does not fit this kernel"
for c in "$@"; do
	case $c in
	unpatched|idle)	batches "$c" 0 1 ;;
	*)		"$c" ;;
	esac >>"$tmp/results"
done
cat "$tmp/results"
