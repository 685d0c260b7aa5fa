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
. "$repo/selftests/bench/guest_lib.bash"

# batches CONFIG NODE TARGET
batches()
{
	said "$1" "$build/selftests/migratecost" "$2" "$3"
}

floor()
{
	local call

	insmod "$build/bench/floor-$kind/cdm_floor.ko" || die "cdm_floor.ko does not fit"
	call=$(per_call ops_call loop) || exit 1
	echo "floor call $call"
}

managed()
{
	node_online
	batches managed 1 0
}

nop()
{
	load nop
	batches nop 1 0
	awk '$1 == "calls_migrate" { print "nop calls", $2 }' "$stats"
	unload nop
}

kind=$1
shift
insmod "$build/bench/movers-$kind/cdm_movers.ko" || die "cdm_movers.ko does not fit this kernel"
for c in "$@"; do
	case $c in
	unpatched|idle)	batches "$c" 0 1 ;;
	*)		"$c" ;;
	esac >>"$tmp/results"
done
cat "$tmp/results"
