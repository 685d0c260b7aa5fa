# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests are written with. run-test sources this before a file of tests.
#
# A test fails for good with the first `fail`, also from within $(...): the
# text goes to a file that the runner reads, and cannot be lost with a subshell.

# shellcheck disable=SC2034 # for the tests
{
BUILD=$REPO/build
BPF=$BUILD/bpf
PROGS=$BUILD/selftests
CDMCTL=$BUILD/bin/cdmctl
CDM=/sys/kernel/mm/cdm
KERNEL=${VM_KERNEL:-$BUILD/kernel}
SOAK=${SOAK:-0}
DEBUG_GUEST=${DEBUG_GUEST:-0}
OUT=
STATUS=
}
PATH=$REPO/build/bin:$PATH

# note TEXT... - a diagnostic line in the results, whether the test fails or not
note()
{
	echo "${TEST:-}: $*" >&3
}

# fail TEXT... - the test has failed, and ends here
fail()
{
	local i=1

	# Name the line in the test's file, not one in here.
	while [ "${BASH_SOURCE[i]:-}" = "${BASH_SOURCE[0]}" ]; do
		i=$((i + 1))
	done
	[ -s "$TMP/.failed" ] || echo "$*" >"$TMP/.failed"
	note "FAIL $(basename "${BASH_SOURCE[i]:-?}"):${BASH_LINENO[i - 1]}: $*"
	exit 1
}

# skip WHY... - the test cannot run here, and ends
skip()
{
	echo "$*" >"$TMP/.skipped"
	exit 0
}

# check_eq GOT WANT WHAT - two values are the same
check_eq()
{
	[ "$1" = "$2" ] || fail "$3: got '$1', want '$2'"
}

# number VALUE WHAT - comparing what is no number would pass by accident
number()
{
	[[ $1 =~ ^-?[0-9]+$ ]] || fail "$2: '$1' is not a number"
}

# check_le A B WHAT - A <= B
check_le()
{
	number "$1" "$3" && number "$2" "$3"
	[ "$1" -le "$2" ] || fail "$3: got $1, want at most $2"
}

# check_ge A B WHAT - A >= B
check_ge()
{
	number "$1" "$3" && number "$2" "$3"
	[ "$1" -ge "$2" ] || fail "$3: got $1, want at least $2"
}

# check_match TEXT ERE WHAT - the text holds a match of the regular expression
check_match()
{
	grep -qE -- "$2" <<<"$1" || fail "$3: no match for /$2/ in: $1"
}

# expect_fail CMD... - CMD must refuse: output in $OUT, status in $STATUS
#
# A crash is no refusal. (137 may be one: the OOM killer's.)
expect_fail()
{
	STATUS=0
	OUT=$("$@" 2>&1) || STATUS=$?
	case $STATUS in
	0)	fail "must not succeed: $* (it said: $OUT)" ;;
	126|127) fail "cannot be run ($STATUS): $*: $OUT" ;;
	132|134|135|136|139) fail "crashed ($STATUS): $*: $OUT" ;;
	esac
}

# poll SEC CMD... - wait until CMD succeeds; 1 if it does not within SEC seconds
poll()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# wait_for SEC CMD... - as poll, but the test fails if it never comes true; as limits, longer
# in the debug guest
wait_for()
{
	[ "$DEBUG_GUEST" = 0 ] || set -- $(($1 * 6)) "${@:2}"
	poll "$@" || fail "waited $1 s in vain for: ${*:2}"
}

# vmstat KEY - of the whole system
vmstat()
{
	awk -v k="$1" '$1 == k { print $2 }' /proc/vmstat
}

# settle - what is on its way arrives: LRU batches of all CPUs, counters, RCU
#
# Moving our own pages from node 0 to node 0 moves nothing, but the kernel
# drains every CPU's batches first. Nothing is dropped from the page cache.
settle()
{
	migratepages $$ 0 0 2>/dev/null
	sleep 0.1
	echo 1 >/proc/sys/vm/stat_refresh
}

# isolated - pages that are isolated from the LRU lists, of all nodes
isolated()
{
	local f key value sum=0

	for f in /sys/devices/system/node/node[0-9]*/vmstat; do
		while read -r key value; do
			case $key in
			nr_isolated_*) sum=$((sum + value)) ;;
			esac
		done <"$f"
	done
	echo $sum
}

# none_isolated - nor does a CPU have a part of the count to itself
none_isolated()
{
	settle
	[ "$(isolated)" = 0 ]
}

# check_none_isolated - what was isolated has gone, or is back in its list
#
# The kernel's own threads may be at work still; what is lost stays isolated.
check_none_isolated()
{
	poll 10 none_isolated || fail "$(isolated) pages are still isolated"
}

# node_used N - pages of node N in use: not free, nor waiting in per-CPU lists
#
# A CPU that gives its list back to the node counts the pages as free only with the
# next refresh: until then they would seem to be in use. Two refreshes that find
# the same say what is so; where memory comes and goes all the time, the tenth does.
node_used()
{
	local i now='' last

	number "$1" "node_used"
	for ((i = 0; i < 10; i++)); do
		last=$now
		echo 1 >/proc/sys/vm/stat_refresh
		now=$(awk -v node="$1," '
		/^Node/			{ here = ($2 == node) }
		here && $1 == "managed"		{ used += $2 }
		here && $1 == "nr_free_pages"	{ used -= $2 }
		here && $1 == "count:"		{ used -= $2; list += $2 }
		END			{ print used + 0, list + 0 }
		' /proc/zoneinfo)
		[ "$now" != "$last" ] || break
	done
	echo "${now% *}"
}

# node_stat N KEY - of node N's vmstat (as it stands) or meminfo (kB)
node_stat()
{
	local dir=/sys/devices/system/node/node$1 value

	[ -d "$dir" ] || fail "node_stat: node $1 is not online"
	value=$(awk -v k="$2" '$1 == k { print $2 } $3 == k ":" { print $4 }' \
		"$dir/vmstat" "$dir/meminfo")
	[ -n "$value" ] || fail "node_stat: node $1 has no $2"
	echo "$value"
}

# disk_mount - a small file system at /mnt/disk, on a disk that nobody else uses
disk_mount()
{
	mkdir -p /mnt/disk
	mountpoint -q /mnt/disk && return
	# A small one without a journal is made in no time.
	mke2fs -q -t ext4 -O ^has_journal -N 64 /dev/vda 64M || fail "mke2fs /dev/vda"
	mount -t ext4 /dev/vda /mnt/disk || fail "mount /dev/vda"
}

# mod_path NAME - the file of a module of the kernel that runs
mod_path()
{
	local re path

	re=$(sed 's/[-_]/[-_]/g' <<<"$1")
	path=$(sed 's/\.o$/.ko/' "$KERNEL/modules.order" | grep -E "(^|/)$re\\.ko\$" | head -n 1)
	[ -n "$path" ] || fail "there is no module $1 in $KERNEL"
	case $path in
	/*)	echo "$path" ;;
	*)	echo "$KERNEL/$path" ;;
	esac
}

# mod_load NAME [PARAM=VALUE...] - insert a module from the build tree
mod_load()
{
	local path err

	path=$(mod_path "$1") || exit 1
	shift
	err=$(insmod "$path" "$@" 2>&1) || fail "insmod $path $*: $err"
}

# mod_unload NAME - remove a module
mod_unload()
{
	local err

	err=$(rmmod "$1" 2>&1) || fail "rmmod $1: $err"
}
