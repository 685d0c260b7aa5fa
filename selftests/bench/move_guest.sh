#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark move's share in the guest: measures and prints lines for
# report.sh.
#
#   move_guest.sh KMOD CDM_SIM ROUNDS
#
# KMOD is cdm_movecost.ko, CDM_SIM cdm_sim.ko, for the running kernel. Node 1
# becomes a managed node that is as large as what is moved there.

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
. "$repo/selftests/bench/guest_lib.bash"
thp=/sys/kernel/mm/transparent_hugepage
cost=$repo/build/selftests/movecost
kmod=$1 cdm_sim=$2 rounds=$3

# folios KB - anonymous memory comes in folios of this size
folios()
{
	local f

	for f in "$thp"/hugepages-*kB/enabled; do
		echo never >"$f"
	done
	[ "$1" = 4 ] || echo always >"$thp/hugepages-$1kB/enabled" || die "no folios of $1 KiB"
}

# moves ARGS... - what movecost measures
moves()
{
	"$cost" "$@" || die "movecost $* failed"
}

insmod "$cdm_sim" nodes=1 || die "$cdm_sim does not fit this kernel"
insmod "$kmod" || die "$kmod does not fit this kernel"
for ((i = 0; i < 20; i++)); do
	[ "$(cat /sys/kernel/mm/cdm/nodes/1/state 2>/dev/null)" = online ] && break
	sleep 1
done

configs=(raw engine_range engine_pfn move_pages move_pages_once)
folios 4
moves per_page_4k 64 0 "$rounds" "${configs[@]}"
folios 64
moves per_page_64k 64 4 "$rounds" "${configs[@]}"
folios 2048
moves per_page_2m 64 9 "$rounds" "${configs[@]}"
folios 4
moves later "$rounds"
moves per_page_range_64m 64 0 "$rounds" engine_range
moves per_page_range_512m 512 0 2 engine_range
moves per_page_range_2g 2048 0 1 engine_range
