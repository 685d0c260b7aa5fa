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
build=$repo/build
cdm=/sys/kernel/mm/cdm

die()
{
	echo "hook_cost_guest: $*" >&2
	exit 1
}

# faults CONFIG [STATS KEY] - measure faults as the kernel is now
faults()
{
	local out

	out=$("$build/selftests/faultcost" "${@:2}") || die "$1: faultcost failed"
	awk -v config="$1" '{ print config, $0 }' <<<"$out"
}

# per_call NAME LOOP FILE - instructions of one NAME without the loop around it
per_call()
{
	awk -v name="$1" -v loop="$2" '
		NF == 3 && $3 > 0 { n[$1] = $2 / $3 }
		END {
			if (!(name in n) || !(loop in n))
				exit 1
			printf "%.2f\n", n[name] - n[loop]
		}' "$3" || die "cdm_floor.ko did not measure $1"
}

clear_page()
{
	local n

	cat /sys/kernel/debug/cdm_floor >"$tmp/floor" || die "cannot read cdm_floor"
	n=$(per_call clear_page clear_loop "$tmp/floor") || exit 1
	echo "$1 clear_page $n"
}

floor()
{
	local call plain k idle

	"$build/selftests/attach" "$build/selftests/floor.bpf.o" -- \
		cat /sys/kernel/debug/cdm_floor >"$tmp/floor" ||
		die "floor.bpf.o could not be attached: $(cat "$tmp/floor")"
	call=$(per_call ops_call loop "$tmp/floor") || exit 1
	plain=$(per_call plain_call loop "$tmp/floor") || exit 1
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
	local p id=

	"$build/bin/cdmctl" policy load "$build/bpf/$1.bpf.o" --node all --pin "$1" \
		>"$tmp/ctl" 2>&1 || die "$1: cdmctl could not attach it: $(cat "$tmp/ctl")"
	for p in "$cdm"/policies/*; do
		[ "$(cat "$p/name")" = "$1" ] && id=${p##*/}
	done
	[ -n "$id" ] || die "$1 is attached, but not in $cdm/policies"
	faults "$1" "$cdm/policies/$id/stats" calls_place
	"$build/bin/cdmctl" policy unload "$1" >"$tmp/ctl" 2>&1 ||
		die "$1: cdmctl could not unload it: $(cat "$tmp/ctl")"
}

kmod=$1
shift
tmp=$(mktemp -d)
insmod "$kmod" || die "$kmod does not fit this kernel"
for c in "$@"; do
	case $c in
	unpatched|idle)	faults "$c"; clear_page "$c" ;;
	floor)		floor ;;
	*)		policy "$c" ;;
	esac >>"$tmp/results"
done
cat "$tmp/results"
