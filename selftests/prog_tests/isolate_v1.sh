# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# guest: --append cgroup_no_v1=memory
#
# The first version of cpusets spreads page cache over all nodes that it allows.

# shellcheck source=selftests/prog_tests/isolate_lib.bash
. "$REPO/selftests/prog_tests/isolate_lib.bash"

CPUSET=$TMP/cpuset

setup()
{
	managed closed nodes=1
	mkdir -p "$CPUSET"
	mount -t cgroup -o cpuset cpuset "$CPUSET" || fail "cannot mount cpusets v1"
	mkdir "$CPUSET/spread"
	cat "$CPUSET/cpuset.cpus" >"$CPUSET/spread/cpuset.cpus"
	echo 1 >"$CPUSET/spread/cpuset.memory_spread_page"
}

teardown()
{
	rmdir "$CPUSET/spread"
	umount "$CPUSET"
	echo 3 >/proc/sys/vm/drop_caches
}

# spread MEMS - read 32 MiB in a cpuset of MEMS; pages that came from node 1
spread()
{
	local before

	disk
	echo 3 >/proc/sys/vm/drop_caches
	echo "$1" >"$CPUSET/spread/cpuset.mems"
	before=$(dev_allocs)
	(echo $BASHPID >"$CPUSET/spread/tasks" &&
	 exec dd if=/mnt/disk/sparse of=/dev/null bs=1M count=32 2>/dev/null) ||
		fail "dd in a cpuset of nodes $1"
	echo $(($(dev_allocs) - before))
}

# page cache is not spread onto a closed node that a mixed cpuset allows
# timeout: 300
test_isolate_v1_spread()
{
	check_eq "$(spread 0-1)" 0 "pages on node 1"
}

# page cache is spread onto an open node
# timeout: 300
test_isolate_v1_open_spread()
{
	mode open
	check_ge "$(spread 0-1)" 2000 "pages on node 1"
}

# page cache of a cpuset of the closed node alone is there
# timeout: 300
test_isolate_v1_only()
{
	check_ge "$(spread 1)" 4000 "pages on node 1"
}
