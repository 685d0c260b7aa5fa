# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What benchmarks share in the guest. Sourced by
# selftests/bench/NAME_guest.sh, which has set repo.

# shellcheck disable=SC2034,SC2154 # used by those who source this; repo
{
build=$repo/build
cdm=/sys/kernel/mm/cdm
tmp=$(mktemp -d)
}

die()
{
	echo "$(basename "$0" .sh): $*" >&2
	exit 1
}

# said CONFIG CMD... - what it prints, a line each, of that config
said()
{
	local out

	out=$("${@:2}") || die "$1: ${*:2} failed"
	awk -v config="$1" '{ print config, $0 }' <<<"$out"
}

# node_online - node 1, which comes with its driver
node_online()
{
	insmod "$build/kernel/drivers/cdm/cdm_sim.ko" || die "cdm_sim.ko could not be loaded"
	for _ in $(seq 100); do
		[ "$(cat "$cdm/nodes/1/state" 2>/dev/null)" = online ] && return
		sleep 0.1
	done
	die "node 1 does not come"
}

# per_call NAME LOOP - instructions of one NAME of cdm_floor's without the loop around it,
# while an empty struct_ops is attached
per_call()
{
	[ -e "$tmp/floor" ] ||
		"$build/selftests/attach" "$build/selftests/floor.bpf.o" -- \
			cat /sys/kernel/debug/cdm_floor >"$tmp/floor" ||
		die "floor.bpf.o could not be attached: $(cat "$tmp/floor")"
	awk -v name="$1" -v loop="$2" '
		NF == 3 && $3 > 0 { n[$1] = $2 / $3 }
		END {
			if (!(name in n) || !(loop in n))
				exit 1
			printf "%.2f\n", n[name] - n[loop]
		}' "$tmp/floor" || die "cdm_floor.ko did not measure $1"
}

# load NAME - a policy, for all nodes; its counters are in the file $stats
load()
{
	local p

	"$build/bin/cdmctl" policy load "$build/bpf/$1.bpf.o" --node all --pin "$1" \
		>"$tmp/ctl" 2>&1 || die "$1: cdmctl could not attach it: $(cat "$tmp/ctl")"
	stats=
	for p in "$cdm"/policies/*; do
		[ "$(cat "$p/name")" = "$1" ] && stats=$p/stats
	done
	[ -n "$stats" ] || die "$1 is attached, but not in $cdm/policies"
}

unload()
{
	"$build/bin/cdmctl" policy unload "$1" >"$tmp/ctl" 2>&1 ||
		die "$1: cdmctl could not unload it: $(cat "$tmp/ctl")"
}
