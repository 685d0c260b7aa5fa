#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The main job in a minute, inside the guest: a policy is there before the
# driver, the driver brings its memory online, a process and its device touch
# memory, the policy is swapped while faults go on, and everything leaves again.
# Ends with a table; exits non-zero if a step did not do what it says.

set -u
cd "$(dirname "$0")/../.." || exit 1

ctl=build/bin/cdmctl
sim=build/kernel/drivers/cdm/cdm_sim.ko
tmp=$(mktemp -d)
failed=0
rows=()
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$tmp"' EXIT

now() { cut -d' ' -f1 /proc/uptime; }
start=$(now)

# say WHAT TEXT - one line of the timeline
say()
{
	printf '%6.1f s  %-10s %s\n' "$(echo "$(now) $start" | awk '{ print $1 - $2 }')" "$1" "$2"
}

# must WHAT CMD... - a step that has to work
must()
{
	local what=$1

	shift
	"$@" >"$tmp/out" 2>&1 && return
	say FAILED "$what: $(tail -1 "$tmp/out")"
	failed=1
}

# field JSON KEY NODE - pages of a node in a run's report, 0 if none
field()
{
	python3 -c '
import json, sys
print(json.load(open(sys.argv[1]))[sys.argv[2]].get(sys.argv[3], 0))' "$@"
}

# row TITLE JSON - remember where the pages of a run lie
row()
{
	local n0 n1 n2

	n0=$(field "$2" pages_by_node 0)
	n1=$(field "$2" pages_by_node 1)
	n2=$(field "$2" pages_by_node 2)
	rows+=("$(printf '%-46s %8d %8d %8d' "$1" "$n0" "$n1" "$n2")")
	say pages "$1: node 0 $n0, node 1 $n1, node 2 $n2"
}

node_state() { cat "/sys/kernel/mm/cdm/nodes/$1/state" 2>/dev/null || echo absent; }
mem_total() { awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo; }
pstat() { awk -v k="$1" '$1 == k { print $2 }' <<<"$stats"; }

say machine "nodes online: $(cat /sys/devices/system/node/online), memory $(mem_total) MiB; node 1 is $(node_state 1)"

must "load place_accessor" "$ctl" policy load build/bpf/place_accessor.bpf.o --node all --pin demo
say policy "place_accessor attached to all nodes; there is no device node yet"

before=$(mem_total)
must "load the driver" insmod "$sim"
say driver "cdm_sim loaded: the policy was asked and allowed it"
say node "node 1 is $(node_state 1), node 2 is $(node_state 2); memory $(mem_total) MiB (was $before)"

must "run the device" sh -c "$ctl -j sim run -d 0 --size 16M --cpu-first-touch 50 --count 8192 --stride 4096 --pattern strided --write 100 >$tmp/accessor"
row "CPU touches half, device 0 the rest" "$tmp/accessor"
[ "$(field "$tmp/accessor" pages_by_node 1)" -ge 2000 ] || { say FAILED "the device's pages are not on its node"; failed=1; }

# Faults on a CPU all the time, while the policy is swapped.
(while [ ! -e "$tmp/stop" ]; do
	$ctl -j sim run -d 0 --size 4M --cpu-first-touch 100 --count 1024 --stride 4096 \
		--pattern strided >"$tmp/load.new" 2>/dev/null && mv "$tmp/load.new" "$tmp/load"
done) &
load=$!

# fresh FILE - a run of the load that began after now, as FILE
fresh()
{
	local run

	for run in "the one under way" "a whole one"; do
		rm -f "$tmp/load"
		timeout 30 sh -c "until [ -e $tmp/load ]; do sleep 0.1; done" ||
			say FAILED "the load does not run ($run)"
	done
	cp "$tmp/load" "$1"
}

fresh "$tmp/load.before"
row "load, before the swap" "$tmp/load.before"
must "swap" "$ctl" policy swap demo build/bpf/place_weighted.bpf.o \
	--set 'weights[0]=1' --set 'weights[1]=3' --set block_order=4
say swap "place_weighted (1:3) took over in one pointer store, faults going on"
fresh "$tmp/load.after"
touch "$tmp/stop"
wait $load
row "load, after the swap" "$tmp/load.after"
[ "$(field "$tmp/load.after" pages_by_node 1)" -ge 600 ] || { say FAILED "placement did not change"; failed=1; }

# One read of the counters, since every program that runs here faults as well.
for p in /sys/kernel/mm/cdm/policies/*; do
	stats=$(cat "$p/stats")
	say counted "$(cat "$p/name"): $(pstat calls_place) questions, $(pstat used) answers used, $(pstat bad) bad"
done

must "unload" "$ctl" policy unload demo
say policy "unloaded; defaults apply"
must "run without a policy" sh -c "$ctl -j sim run -d 0 --size 4M --cpu-first-touch 50 --count 2048 --stride 4096 --pattern strided >$tmp/none"
row "no policy: CPU half, device half" "$tmp/none"

must "unload the driver" rmmod cdm_sim
say node "driver unloaded: node 1 is $(node_state 1), memory $(mem_total) MiB"
[ "$(mem_total)" -eq "$before" ] || { say FAILED "memory was not given back"; failed=1; }

echo
printf '%-46s %8s %8s %8s\n' "pages of 4 KiB by node" "node 0" "node 1" "node 2"
printf '%s\n' "${rows[@]}"
exit $failed
