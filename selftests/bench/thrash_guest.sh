#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark thrash's share in the guest.
#
#   thrash_guest.sh CDM_SIM CONFIG...
#
# Prints "CONFIG ROW PAGES CPU_LOCAL CPU_REMOTE DEV_LOCAL DEV_REMOTE MOVES WAIT_US".

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
cdm=/sys/kernel/mm/cdm
cdm_sim=$1
shift
PATH=$repo/build/bin:$PATH

die()
{
	echo "thrash_guest: $*" >&2
	exit 1
}

# row NAME KIB TURNS CPU DEV [ARGS...]
row()
{
	local out moves threshold=$(($5 / 8))

	[ $threshold -ge 1 ] || threshold=1
	[ $threshold -le 256 ] || threshold=256
	moves=$(awk '$1 == "pgmigrate_success" { print $2 }' /proc/vmstat)
	out=$("$repo/build/selftests/thrashrun" -s "$2" -n "$3" -c "$4" -v "$5" -t $threshold \
		"${@:6}") || die "$config $1"
	moves=$(($(awk '$1 == "pgmigrate_success" { print $2 }' /proc/vmstat) - moves))
	awk -v c="$config" -v r="$1" -v p=$(($2 / 4)) -v m=$moves '
		{ v[$1] = $2 }
		END {
			print c, r, p, v["cpu_0"] + 0, v["cpu_1"] + 0, v["dev_1"] + 0, v["dev_0"] + 0, m,
			      v["wait_us"] + 0
		}' <<<"$out"
}

rows()
{
	local period turns

	for period in 10 100 1000 10000 100000 1000000; do
		turns=60
		row "page_$period" 4 $turns $period $period -g 4096
		row "block_$period" 2048 $turns $period $period -u
		row "64M_$period" 65536 $turns $period $period -u
	done
	row share_1000 2048 60 1000 1000 -x -m huge -g 2097152
	row phase_10000 2048 120 10000 10000 -u -D 20
	# The device alone, and a CPU that looks in now and then.
	row device_100000 2048 60 10 100000 -u
}

insmod "$cdm_sim" || die "$cdm_sim does not fit this kernel"
for ((i = 0; i < 20; i++)); do
	[ "$(cat $cdm/nodes/1/state 2>/dev/null)" = online ] && break
	sleep 1
done
for f in /sys/kernel/mm/transparent_hugepage/hugepages-*/enabled; do
	echo never >"$f"
done
echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
echo inherit >/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled
# The kernel's own keeping is what no configuration here is about.
echo 0 >$cdm/pingpong_keep_ms

for config; do
	echo 0 >/proc/sys/kernel/numa_balancing
	case $config in
	numa_balancing)
		echo 1 >/proc/sys/kernel/numa_balancing ;;
	none)	cdmctl policy load "$repo/build/selftests/thrash_none.bpf.o" --pin q >/dev/null ||
			die "$config" ;;
	*)	cdmctl policy load "$repo/build/bpf/$config.bpf.o" --pin q >/dev/null || die "$config" ;;
	esac
	rows
	[ ! -e /sys/fs/bpf/cdm/q ] || cdmctl policy unload q >/dev/null || die "unload"
done
