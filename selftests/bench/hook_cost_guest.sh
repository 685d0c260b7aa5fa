#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One boot's share of the benchmark hook_cost, run by it in the guest: measures
# each CONFIG given and prints lines "CONFIG METRIC VALUE".
#
#   hook_cost_guest.sh KMOD CONFIG...
#
# KMOD is cdm_floor.ko for the running kernel. Configs:
#   unpatched, idle   the kernel as it is
#   floor             idle (measured before) plus one empty struct_ops call
#   anything else     that policy, from build/bpf/, attached for all nodes

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
. "$repo/selftests/bench/guest_lib.bash"

# faults CONFIG [STATS KEY] - measure faults as the kernel is now
faults()
{
	said "$1" "$build/selftests/faultcost" "${@:2}"
}

clear_page()
{
	local n

	cat /sys/kernel/debug/cdm_floor >"$tmp/floor" || die "cannot read cdm_floor"
	n=$(per_call clear_page clear_loop) || exit 1
	rm "$tmp/floor"
	echo "$1 clear_page $n"
}

floor()
{
	local call plain k idle

	call=$(per_call ops_call loop) || exit 1
	plain=$(per_call plain_call loop) || exit 1
	echo "floor call $call"
	echo "floor plain_call $plain"
	for k in anon shmem; do
		idle=$(awk -v m=${k}_fault '$1 == "idle" && $2 == m { print $3 }' "$tmp/results")
		[ -n "$idle" ] || die "floor is measured after idle"
		awk -v a="$idle" -v b="$call" -v m=${k}_fault \
			'BEGIN { printf "floor %s %.2f\n", m, a + b }' </dev/null
	done
}

# policy NAME - attach it for all nodes, measure, detach
policy()
{
	load "$1"
	faults "$1" "$stats" calls_place
	unload "$1"
}

kmod=$1
shift
insmod "$kmod" || die "$kmod does not fit this kernel"
for c in "$@"; do
	case $c in
	unpatched|idle)	faults "$c"; clear_page "$c" ;;
	floor)		floor ;;
	*)		policy "$c" ;;
	esac >>"$tmp/results"
done
cat "$tmp/results"
