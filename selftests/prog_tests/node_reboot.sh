# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# where: host
#
# A machine goes down with its device nodes online and in use, and the next kernel finds
# them as firmware describes them: soft reserved, with nobody's memory, for the driver.

# The two lives of the guest; between them only what is on its disk.
first_then()
{
	cat <<-END
	set -u
	life=\$(head -c 6 /dev/vda | tr -d '\\0')
	grep . /sys/devices/system/node/has_memory
	insmod "\$(find build/kernel -name cdm_sim.ko)" || exit 1
	echo "life \${life:-first} nodes \$(cat /sys/devices/system/node/has_memory)" \\
		"states \$(cat /sys/kernel/mm/cdm/nodes/*/state | paste -sd,)"
	build/selftests/simrun -s 8192 -d /dev/cdm_sim1 || exit 1
	[ "\$life" != second ] || { rmmod cdm_sim && cat /sys/devices/system/node/has_memory; exit; }
	build/selftests/simrun -s 65536 -H 1000 >/tmp/held &
	until grep -q ^top /tmp/held; do sleep 0.2; done
	printf second >/dev/vda
	sync
	$1
	END
}

# lives CMD [OPTIONS...] - the guest's two lives, the second begins with CMD
lives()
{
	local n

	OUT=$("$REPO/selftests/vm/run" --timeout 150 --console "$TMP/console" "${@:2}" -- \
		bash -c "$(first_then "$1")" 2>&1) || fail "the guest: $OUT"
	check_match "$OUT" "^life first nodes 0-2 states online,online" "before"
	check_match "$OUT" "^life second nodes 0-2 states online,online" "afterwards"
	check_match "$OUT" "^resident_2 2048" "pages on the node"
	# Node 0 alone has memory whenever no driver is there: twice before, once after.
	n=$(grep -cx 0 <<<"$OUT")
	check_eq "$n" 3 "times that only node 0 had memory, in: $OUT"
}

# a reboot with nodes online and in use
# timeout: 180
test_node_reboot()
{
	lives "build/selftests/kexec reboot" --qemu "-action reboot=reset"
}

# kexec with nodes online and in use: no part of the next kernel lies on them
# timeout: 180
test_node_kexec()
{
	lives 'build/selftests/kexec build/kernel/arch/x86/boot/bzImage "$(cat /proc/cmdline)"'
}
