# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the files move*.sh share: memory to move (selftests/progs/movable.c), the
# request, and the look afterwards whether a page, a charge or an isolation is left.
#
# Starting a program costs an emulated CPU more than most moves, so what can be
# read and compared by the shell itself is.

# shellcheck disable=SC2034 # for the tests
NODE=/sys/devices/system/node
HUGE=hugepages/hugepages-2048kB
THP=/sys/kernel/mm/transparent_hugepage
CG=/sys/fs/cgroup/move
SIZE=1024			# KiB of memory that a test moves, unless it says else
STATUSES="moved already busy pinned not-mapped unmovable full poisoned not-permitted limited"

is_online()
{
	[ -e "$CDM/nodes/$1/state" ] && [ "$(<"$CDM/nodes/$1/state")" = online ]
}

# nodes_up - nodes 1 and 2 are there, closed, and nobody is on them
nodes_up()
{
	local n

	grep -q '^cdm_sim ' /proc/modules || mod_load cdm_sim
	for n in 1 2; do
		wait_for 20 is_online $n
		echo closed >"$CDM/nodes/$n/mode"
	done
}

# all_online - memory blocks that a test took offline are back
all_online()
{
	local b

	for b in /sys/devices/system/memory/memory[0-9]*; do
		[ "$(<"$b/state")" = online ] || echo online_movable >"$b/state"
	done
}

# thp_off - no folio is large unless a test says so
thp_off()
{
	local f

	for f in "$THP"/hugepages-*/enabled "$THP"/hugepages-*/shmem_enabled; do
		[ ! -e "$f" ] || echo never >"$f"
	done
	echo madvise >"$THP/enabled"
	echo inherit >"$THP/hugepages-2048kB/enabled"
	echo 0 >"$THP/khugepaged/defrag"
}

# ---- before and after ---------------------------------------------------------

# used - pages in use of nodes 0, 1 and 2, as node_used counts them, and pages that
# wait in CPUs' lists of nodes 1 and 2
used()
{
	awk '
	/^Node/			{ here = $2 + 0 }
	$1 == "managed"		{ used[here] += $2 }
	$1 == "nr_free_pages"	{ used[here] -= $2 }
	$1 == "count:"		{ used[here] -= $2; list[here] += $2 }
	END {
		print used[0] + 0, used[1] + 0, used[2] + 0, list[1] + 0, list[2] + 0
	}' /proc/zoneinfo
}

# baseline - what there is before a test; its memory will be charged to $CG
baseline()
{
	local again

	echo +memory +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	mkdir $CG || fail "mkdir $CG"
	# To refresh the counters may give pages of a CPU's list back to the node,
	# which is counted by the next refresh: if the lists stay, all is counted.
	settle
	USED=$(used)
	while settle; again=$(used); [ "${again#* }" != "${USED#* }" ]; do
		USED=$again
	done
}

# charged - bytes of user memory charged to the test's cgroup, which is empty by now
#
# To push memory.high to 0 gives back what CPUs have charged in advance, and page
# cache of programs.
charged()
{
	local key value kernel=0

	echo 0 >$CG/memory.high
	while read -r key value; do
		[ "$key" != kernel ] || kernel=$value
	done <$CG/memory.stat
	echo $(($(<$CG/memory.current) - kernel))
}

# left - what the test has left behind: a line for each kind, nothing if all is well
left()
{
	local n now before

	settle
	n=$(isolated)
	[ "$n" = 0 ] || echo "isolated: $n pages"
	n=$(charged)
	# What KASAN has in quarantine is freed late, and with it its charge and
	# what CPUs charged in advance; the look at each frame below is exact.
	[ "$n" -le $((DEBUG_GUEST ? 64 * 4096 : 0)) ] || echo "charged: $n bytes to a cgroup without tasks:" \
		"$(awk '$2 > 0 && !/^(pg|thp|workingset)/ { printf "%s %s ", $1, $2 }' $CG/memory.stat)"
	# A page that somebody still refers to keeps its charge.
	n=$("$PROGS/movable" charged "$(stat -c %i $CG)")
	[ "$n" = 0 ] || echo "not freed: $n"
	read -ra now <<<"$(used)"
	read -ra before <<<"$USED"
	# Nobody else is on closed nodes, so these are exact.
	for n in 1 2; do
		[ "${now[n]}" = "${before[n]}" ] ||
			echo "node $n: $((now[n] - before[n])) pages more than before"
	done
	# Here the kernel and the tests' own programs come and go.
	n=$((now[0] - before[0]))
	[ ${n#-} -le "${NOISE:-$((DEBUG_GUEST ? 32768 : 4096))}" ] || echo "node 0: $n pages more than before"
}

nothing_left()
{
	LEFT=$(left)
	[ -z "$LEFT" ]
}

# at_baseline - everything is as it was; what is on its way gets some time
at_baseline()
{
	poll $((DEBUG_GUEST ? 60 : 10)) nothing_left || fail "left behind: ${LEFT//$'\n'/; }"
	rmdir $CG || fail "rmdir $CG"
}

# ---- memory that is moved -----------------------------------------------------

# start KIND KIB [FILE] - memory of this kind, on node 0, in the test's cgroup
start()
{
	start_with "" "$@"
}

# start_with CMD KIND... - the same, through CMD (numactl ...)
start_with()
{
	local line

	rm -f "$TMP/in" "$TMP/out"
	mkfifo "$TMP/in" "$TMP/out" || fail "mkfifo"
	# Open at both ends, so that nobody waits for the other to open it.
	exec {IN}<>"$TMP/in" {FROM}<>"$TMP/out"
	# shellcheck disable=SC2086 # words
	(echo $BASHPID >$CG/cgroup.procs && exec $1 "$PROGS/movable" "${@:2}" \
		<"$TMP/in" >"$TMP/out" 2>"$TMP/err" {IN}>&- {FROM}>&-) &
	MOVABLE=$!
	PID='' RANGE=''
	answer "movable ${*:2}"
	while read -r line; do
		case $line in
		"pid "*)	PID=${line#pid } ;;
		"range "*)	RANGE=${line#range } ;;
		esac
	done <<<"$OUT"
	PAGES=$(((${RANGE#*-} - ${RANGE%-*}) / 4096))
}

# answer WHAT - of the movable, until it is ready again, in $OUT
answer()
{
	local line

	OUT=
	while read -r -t 60 -u "$FROM" line; do
		[ "$line" != ready ] || return 0
		OUT+=$line$'\n'
	done
	fail "no answer to $1: $OUT$(cat "$TMP/err")"
}

# ask COMMAND - of the movable, the answer is in $OUT
ask()
{
	echo "$1" >&"$IN"
	answer "$1"
	[[ $OUT != "no command"* ]] || fail "$OUT"
}

# word KEY... - the word after KEY in $OUT, 0 if it is not there
word()
{
	local line

	while read -r line; do
		case $line in
		"$* "*) echo "${line#"$* "}"; return ;;
		esac
	done <<<"$OUT"
	echo 0
}

# stop - the movable goes
stop()
{
	[ -n "${MOVABLE:-}" ] || return 0
	exec {IN}>&- {FROM}>&-
	wait "$MOVABLE" || (fail "movable: $(cat "$TMP/err")")
	MOVABLE=
}

# intact - every byte is what it must be
intact()
{
	ask verify
	check_eq "$OUT" $'content ok\n' "content after $1"
}

# on_node N PAGES - so many of its pages are there
on_node()
{
	ask where
	check_eq "$(word node "$1")" "$2" "pages on node $1 of: ${OUT//$'\n'/, }"
}

# pfns - its page frames as an argument of cdmctl
pfns()
{
	ask pfns
	PFNS=$(word pfns)
}

# ---- moving -------------------------------------------------------------------

# counts - of the JSON in $OUT, those that are not 0: "moved=5 busy=1"
counts()
{
	local s re text=

	for s in $STATUSES; do
		re="\"$s\": *([0-9]+)"
		[[ $OUT =~ $re ]] || { echo "no $s in $OUT"; return; }
		[ "${BASH_REMATCH[1]}" = 0 ] || text+="$s=${BASH_REMATCH[1]} "
	done
	echo "${text% }"
}

# page ARGS... - cdmctl page move, which must run
page()
{
	OUT=$(cdmctl -j page move "$@" 2>&1) || fail "cdmctl page move $*: $OUT"
	JSON=$OUT
}

# json STATUS - its count in what page printed last
json()
{
	[[ $JSON =~ \"$1\":\ *([0-9]+) ]] || fail "no $1 in $JSON"
	echo "${BASH_REMATCH[1]}"
}

# page_is WANT ARGS... - pages by status are exactly these, in the order of STATUSES
page_is()
{
	page "${@:2}"
	check_eq "$(counts)" "$1" "cdmctl page move ${*:2}"
}

# moves WANT NODE [FLAGS...] - the whole of the movable's range
moves()
{
	page_is "$1" --pid "$PID" --range "$RANGE" --to "$2" "${@:3}"
}

# to_and_fro [FLAGS...] - every page to node 1, on to 2 and home, content unharmed
to_and_fro()
{
	local n

	for n in 1 2 0; do
		moves "moved=$PAGES" $n "$@"
		on_node $n "$PAGES"
		intact "a move to node $n"
	done
	moves "already=$PAGES" 0 "$@"
}

# end_all - nothing of a test that failed half-way stays for the next
end_all()
{
	local pids

	pids=$(jobs -p; pgrep -x movable; pgrep -x 'moverace|racer')
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill -9 $pids
	wait
}
