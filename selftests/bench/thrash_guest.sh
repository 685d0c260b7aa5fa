#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark thrash's share in the guest.
#
#   thrash_guest.sh CDM_SIM NEAR_NS FAR_NS CONFIG...
#
# Prints "move NS", what a page takes to move; and for each row
# "CONFIG ROW NEAR FAR MOVES WAIT_US", with numa_balancing, which gets through all rows,
# preceded by "block ROW ROOM PAGES CPU DEV..." for each 2 MiB: how often each has accessed
# it, and ROOM is how many pages of the memory a device's node can have.

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
. "$repo/selftests/bench/guest_lib.bash"
cdm_sim=$1 near=$2 far=$3
shift 3
PATH=$repo/build/bin:$PATH

# room NODE - pages that it can hold: at the low watermark other memory begins to go
room()
{
	local low total

	read -r low _ <"$cdm/nodes/$1/watermarks"
	total=$(awk '/MemTotal/ { print $4 / 4 }' "/sys/devices/system/node/node$1/meminfo")
	[ "${low:-0}" -gt 0 ] && [ "$total" -gt "$low" ] || die "node $1: $low of $total pages"
	echo $((total - low))
}

# row NAME KIB TURNS CPU DEV [ARGS...]
row()
{
	local out moves room threshold=$(($5 / 8)) node=1

	[ $threshold -ge 1 ] || threshold=1
	[ $threshold -le 256 ] || threshold=256
	moves=$(awk '$1 == "pgmigrate_success" { print $2 }' /proc/vmstat)
	out=$("$repo/build/selftests/thrashrun" -s "$2" -n "$3" -c "$4" -v "$5" -t $threshold \
		-l "$near" -r "$far" "${@:6}") || die "$config $1"
	moves=$(($(awk '$1 == "pgmigrate_success" { print $2 }' /proc/vmstat) - moves))
	[[ $* != *cdm_sim1* ]] || node=2
	room=$(room $node) || exit 1
	[ "$config" != numa_balancing ] || sed -n "s/^block /block $1 $room /p" <<<"$out"
	awk -v c="$config" -v r="$1" -v m=$moves '{ v[$1] = $2 }
		END { print c, r, v["near"], v["far"], m, v["wait_us"] }' <<<"$out"
}

rows()
{
	local period turns

	for period in 10 100 1000 10000 100000 1000000; do
		turns=60
		[ $period != 1000000 ] || turns=20
		row "page_$period" 4 $((period > 1000 ? turns : 600)) $period $period -g 4096
		row "block_$period" 2048 $turns $period $period -u
		# Here a stay barely pays for itself: longer, or it is learning that is measured.
		[ $period != 1000000 ] || turns=40
		row "64M_$period" 65536 $turns $period $period -u
	done
	# And here it nearly does.
	row 64M_500000 65536 40 500000 500000 -u
	row share_1000 2048 60 1000 1000 -x -m huge
	row overlap_10000 16384 400 10000 10000 -u -o
	row phase_10000 2048 120 10000 10000 -u -D 20
	row produce_10000 2048 120 10000 10000 -p
	# The device alone, and a CPU that looks in now and then.
	row device_100000 2048 60 10 100000 -u
	# Likewise, and there is less room near it: what comes makes other memory go. It takes
	# three turns until a move of it all has been paid for, and some until that has settled.
	# Who moves all at each access does not get as far: his cost does not change with time.
	row loop_1000000 $room2 480 10 1000000 -u -w 512 -e 300 -d /dev/cdm_sim1
	for period in 1000 100000; do
		row two_$period 2048 60 $period $period -u -d /dev/cdm_sim0 -d /dev/cdm_sim1
	done
}

insmod "$cdm_sim" || die "$cdm_sim does not fit this kernel"
for ((i = 0; i < 20; i++)); do
	[ "$(cat $cdm/nodes/[12]/state 2>/dev/null)" = $'online\nonline' ] && break
	sleep 1
done
# An eighth more than there is on node 2, in whole blocks.
room2=$(awk '/MemTotal/ { print int($4 * 9 / 8 / 2048) * 2048 }' /sys/devices/system/node/node2/meminfo)
for f in /sys/kernel/mm/transparent_hugepage/hugepages-*/enabled; do
	echo never >"$f"
done
echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
echo inherit >/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled
# The kernel's own keeping is what no configuration here is about.
echo 0 >$cdm/pingpong_keep_ms

move=$("$repo/build/selftests/thrashrun" -M) || die "what a move takes"
echo "move ${move#move_ns }"
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
