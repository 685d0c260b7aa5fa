# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Each kind of memory is moved and stays what it was, or is left alone with the
# status that include/linux/cdm_move.h has for it.
#
# Memory is filled with a pattern and compared byte by byte after each move. Where
# it is, is asked of move_pages(2). After each test nothing may be left: no page
# isolated, charged, referred to, or missing on a node (teardown).

# shellcheck source=selftests/prog_tests/move_lib.bash
. "$REPO/selftests/prog_tests/move_lib.bash"

setup()
{
	nodes_up
	thp_off
	baseline
}

teardown()
{
	local f

	[ -s "$TMP/.failed" ] || stop
	end_all
	swapoff -a
	echo 2 >/sys/kernel/mm/ksm/run
	echo 0 >/sys/kernel/mm/ksm/run
	umount /mnt/inner 2>/dev/null
	fsfreeze -u /mnt/disk 2>/dev/null
	[ ! -b /dev/loop0 ] || losetup -D
	umount /mnt/disk 2>/dev/null
	for f in "$NODE"/node*/"$HUGE"/nr_hugepages; do
		echo 0 >"$f"
	done
	all_online
	for f in 1 2; do
		echo max >"$CDM/nodes/$f/move_limit"
	done
	[ ! -d $CG ] || [ -s "$TMP/.failed" ] || (at_baseline)
	[ ! -d $CG ] || rmdir $CG
}

# ---- kinds that move ----------------------------------------------------------

# anonymous memory
# timeout: 120
test_move_anon()
{
	start anon $SIZE
	to_and_fro
	# A part of it, and each page by name.
	page_is "moved=3" --pid "$PID" --to 1 \
		--range "$((${RANGE%-*} + 4096))-$((${RANGE%-*} + 4 * 4096))" --each
	check_eq "$(grep -o '"addr"' <<<"$OUT" | wc -l)" 3 "pages reported one by one"
	check_match "$OUT" "\"addr\": *\"$(printf '0x%x' $((${RANGE%-*} + 4096)))\"" "the first one's address"
	on_node 1 3
	intact "a move of three pages"
	moves "moved=$((PAGES - 3)) already=3" 1
}

# the same by page frame, whoever it belongs to
# timeout: 120
test_move_pfn()
{
	local n

	start anon $SIZE
	for n in 1 2 0; do
		pfns
		page_is "moved=$PAGES" --pfn "$PFNS" --to $n
		on_node $n "$PAGES"
		intact "a move to node $n"
	done
	pfns
	page_is "already=$PAGES" --pfn "$PFNS" --to 0
	page_is "moved=1" --pfn "${PFNS%%[-,]*}" --to 1 --each
	check_match "$OUT" "\"pfn\": *${PFNS%%[-,]*}\\b" "the page frame in the report"
}

# shared anonymous memory, a file in tmpfs
# timeout: 120
test_move_shmem()
{
	start shmem $SIZE
	to_and_fro
	stop
	start file $SIZE "/mnt/move"
	to_and_fro
	ask write
	intact "a write"
	moves "moved=$PAGES" 1
	stop
	rm /mnt/move
}

# page cache of a disk file system, clean, dirty and written back after the move
# timeout: 120
test_move_pagecache()
{
	disk_mount
	start file $SIZE /mnt/disk/file
	ask sync
	ask facts
	check_eq "$(word flag dirty)" 0 "dirty pages after sync"
	to_and_fro
	ask write
	ask facts
	check_eq "$(word flag dirty)" "$PAGES" "dirty pages"
	to_and_fro
	moves "moved=$PAGES" 1
	ask sync
	intact "sync"
	ask reread
	intact "reading it from the disk"
	stop
	rm /mnt/disk/file
}

# pages under writeback are busy for who will not wait, and move for who does
# timeout: 120
test_move_writeback()
{
	local mover

	# A disk that does not answer: its blocks are a file of a frozen file system.
	disk_mount
	truncate -s 32M /mnt/disk/image
	mke2fs -q -t ext4 -O ^has_journal -N 64 /mnt/disk/image || fail "mke2fs in a file"
	losetup /dev/loop0 /mnt/disk/image || fail "losetup"
	mkdir -p /mnt/inner
	mount /dev/loop0 /mnt/inner || fail "mount /dev/loop0"
	start file $SIZE /mnt/inner/file
	ask sync
	ask write
	fsfreeze -f /mnt/disk || fail "fsfreeze"
	ask flush
	ask facts
	check_eq "$(word flag writeback)" "$PAGES" "pages under writeback"

	moves "busy=$PAGES" 1 --async
	on_node 0 "$PAGES"
	cdmctl -j page move --pid "$PID" --range "$RANGE" --to 1 >"$TMP/moved" 2>&1 &
	mover=$!
	sleep 1
	kill -0 $mover || note "who waits for writeback did not: $(cat "$TMP/moved")"
	fsfreeze -u /mnt/disk
	wait $mover || fail "move under writeback: $(cat "$TMP/moved")"
	OUT=$(cat "$TMP/moved")
	check_eq "$(counts)" "moved=$PAGES" "a move that waits for writeback"
	on_node 1 "$PAGES"
	intact "the move"
	ask reread
	intact "reading it from the disk"
	stop
	rm /mnt/inner/file
}

# swap_disk - swap space whose pages stay in the swap cache for a while
swap_disk()
{
	echo 0 >/proc/sys/vm/page-cluster
	mkswap /dev/vdb >/dev/null || fail "mkswap"
	swapon /dev/vdb || fail "swapon"
}

# swap cache, by page frame where nothing is mapped, by address where it is again
# timeout: 120
test_move_swapcache()
{
	local i

	swap_disk
	start anon $SIZE
	pfns
	for i in 1 2 3 4 5; do
		ask pageout
		ask where
		[ "$(word absent)" != "$PAGES" ] || break
		sleep 0.2
	done
	check_eq "$(word absent)" "$PAGES" "pages that are not mapped"
	moves "not-mapped=$PAGES" 1

	ask cached
	PFNS=$(word pfns)
	[ -n "${PFNS#0}" ] || fail "no page is left in the swap cache"
	page --pfn "$PFNS" --to 1
	check_match "$(counts)" '^moved=[0-9]+$' "a move of swap cache"
	i=$(counts)
	ask touch
	intact "swap-in"
	on_node 1 "${i#moved=}"

	ask facts
	check_ge "$(word flag swapcache)" 1 "pages that are mapped and in the swap cache"
	moves "moved=$PAGES" 2
	intact "a move of mapped swap cache"
	ask pageout
	ask touch
	intact "another way through swap"
}

ksm_merged()
{
	ask facts
	[ "$(word flag ksm)" = "$PAGES" ]
}

# KSM pages: one page of many addresses
# timeout: 120
test_move_ksm()
{
	start same 256
	echo 1000 >/sys/kernel/mm/ksm/pages_to_scan
	echo 20 >/sys/kernel/mm/ksm/sleep_millisecs
	echo 1 >/sys/kernel/mm/ksm/run
	wait_for 30 ksm_merged
	page --pid "$PID" --range "$RANGE" --to 1 --shared
	check_match "$(counts)" '^moved=[0-9]+( already=[0-9]+)?$' "a move of merged pages"
	on_node 1 "$PAGES"
	intact "a move"
	ksm_merged || fail "merged no more: $OUT"
	ask write
	ask verify
	check_eq "$OUT" $'content ok\n' "content after a write"
	stop
	echo 2 >/sys/kernel/mm/ksm/run
}

# mlocked memory, which stays so
# timeout: 120
test_move_mlocked()
{
	start anon $SIZE
	ask mlock
	to_and_fro
	ask facts
	check_eq "$(word flag mlocked)" "$PAGES" "mlocked pages"
	check_eq "$(word flag unevictable)" "$PAGES" "unevictable pages"
}

# each size of mTHP, anonymous and shared: folios stay whole
# timeout: 240
test_move_mthp()
{
	local order kb kind f

	echo never >"$THP/hugepages-2048kB/enabled"
	for order in 2 3 4 5 6 7 8; do
		kb=$((4 << order))
		for kind in anon shmem; do
			f=$THP/hugepages-${kb}kB/enabled
			[ $kind = anon ] || f=$THP/hugepages-${kb}kB/shmem_enabled
			[ -e "$f" ] || continue
			echo always >"$f"
			start $kind $SIZE
			echo never >"$f"
			ask facts
			check_eq "$(word order $order)" "$PAGES" "$kind: pages in folios of order $order"
			moves "moved=$PAGES" 1
			on_node 1 "$PAGES"
			intact "a move of $kind folios of order $order"
			ask facts
			check_eq "$(word order $order)" "$PAGES" "$kind: order $order after a move"
			moves "moved=$PAGES" 0
			intact "a move back of $kind folios of order $order"
			stop
		done
	done
}

# huge pages stay whole
# timeout: 120
test_move_thp()
{
	start thp 4096
	ask facts
	check_eq "$(word order 9)" 1024 "pages in huge pages"
	to_and_fro
	ask facts
	check_eq "$(word order 9)" 1024 "pages in huge pages after moves"

	# One page of it is asked for: the folio is what moves.
	page --pid "$PID" --range "${RANGE%-*}-$((${RANGE%-*} + 4096))" --to 1
	on_node 1 512
	intact "a move of one page"
	# All frames of the other: each of them moved, not the first alone.
	pfns
	page_is "moved=512" --pfn "${PFNS##*,}" --to 1
	on_node 1 1024
	intact "a move by all frames of a folio"
	pfns
	page_is "already=1024" --pfn "$PFNS" --to 1
	moves "moved=1024" 0
	# A frame within it.
	pfns
	PFNS=${PFNS##*,}
	page_is "moved=1" --pfn "$((${PFNS%-*} + 77))" --to 2
	on_node 2 512
	intact "a move by a frame within a folio"
	ask facts
	check_eq "$(word order 9)" 1024 "pages in huge pages"
}

# with --split no page moves that was not named
# timeout: 120
test_move_split()
{
	start thp 4096
	page_is "moved=3" --pid "$PID" --to 1 --split \
		--range "$((${RANGE%-*} + 8 * 4096))-$((${RANGE%-*} + 11 * 4096))"
	on_node 1 3
	on_node 0 1021
	intact "a split"
	ask facts
	check_eq "$(word order 9)" 512 "pages in huge pages"
	# The whole of it is named: no reason to split.
	page_is "moved=512" --pid "$PID" --to 1 --split \
		--range "$((${RANGE%-*} + (2 << 20)))-${RANGE#*-}"
	intact "a move of a whole folio"
}

# a huge page of which half is not mapped any more
# timeout: 120
test_move_partly()
{
	start thp 4096
	ask half
	intact "unmapping halves"
	moves "moved=512 not-mapped=512" 1
	on_node 1 512
	intact "a move"
	moves "moved=512 not-mapped=512" 0 --split
	on_node 0 512
	intact "a move with a split"
}

# hugetlb: into the target's pool
# timeout: 120
test_move_hugetlb()
{
	echo 2 >"$NODE/node0/$HUGE/nr_hugepages"
	echo 2 >"$NODE/node1/$HUGE/nr_hugepages"
	check_eq "$(<"$NODE/node1/$HUGE/nr_hugepages")" 2 "huge pages on node 1"
	start hugetlb 4096
	moves "moved=1024" 1
	on_node 1 1024
	intact "a move to node 1"
	moves "moved=1024" 0
	on_node 0 1024
	intact "a move to node 0"
	stop
	echo 0 >"$NODE/node1/$HUGE/nr_hugepages"
	echo 0 >"$NODE/node0/$HUGE/nr_hugepages"
}

# pages that two processes map: not without --shared
# timeout: 120
test_move_shared()
{
	start anon $SIZE
	ask fork
	moves "not-permitted=$PAGES" 1
	on_node 0 "$PAGES"
	to_and_fro --shared
	stop

	# A huge page that two processes map.
	start thp 2048
	ask fork
	moves "not-permitted=512" 1
	moves "moved=512" 1 --shared
	intact "a move"
}

# memory of a userfaultfd: what is there moves, stays protected, and nobody is asked
# timeout: 120
test_move_uffd()
{
	start anon $SIZE
	ask uffd
	moves "moved=$((PAGES / 2)) not-mapped=$((PAGES / 2))" 1
	on_node 1 $((PAGES / 2))
	intact "a move"
	ask facts
	check_eq "$(word flag wp)" $((PAGES / 2)) "write-protected pages"
	ask events
	check_eq "$(word events)" 0 "faults that the handler was told"
}

# ---- what does not move -------------------------------------------------------

# nothing mapped, the zero page, the huge zero page
# timeout: 120
test_move_zero()
{
	start none $SIZE
	moves "not-mapped=$PAGES" 1
	# Neither is there a mapping below it.
	page_is "not-mapped=4" --pid "$PID" --to 1 --range "0x10000-0x14000"
	stop
	start zero $SIZE
	moves "not-mapped=$PAGES" 1
	intact "a move of the zero page"
	stop
	start hugezero 2048
	moves "not-mapped=512" 1
	intact "a move of the huge zero page"
	stop
	# The kernel keeps that one until it is asked for memory.
	echo 3 >/proc/sys/vm/drop_caches
}

# a device's registers or ROM, mapped
# timeout: 60
test_move_io()
{
	start io 64
	moves "unmovable=16" 1
	intact "a move of VM_IO"
}

# memory that is pinned for long
# timeout: 60
test_move_pinned()
{
	start anon 64
	ask pin
	moves "pinned=16" 1
	pfns
	page_is "pinned=16" --pfn "$PFNS" --to 1
	intact "a move of pinned memory"
	ask unpin
	moves "moved=16" 1
	intact "a move after unpinning"
}

# a page that is broken, by address and by frame
# timeout: 90
test_move_poisoned()
{
	local pfn

	start anon 64
	moves "moved=16" 1
	pfns
	ask poison
	pfn=${PFNS%%[-,]*}
	moves "moved=15 poisoned=1" 2
	intact "a move beside a broken page"
	page_is "poisoned=1" --pfn "$pfn" --to 2
	stop
	modprobe_inject
	echo "$pfn" >/sys/kernel/debug/hwpoison/unpoison-pfn || fail "unpoison $pfn"
	mod_unload hwpoison_inject
}

# modprobe_inject - the files to take back what a test has broken
modprobe_inject()
{
	grep -q '^hwpoison_inject ' /proc/modules || mod_load hwpoison_inject
	[ -e /sys/kernel/debug/hwpoison/unpoison-pfn ] || skip "no unpoison-pfn"
}

# frames that hold no user memory
# timeout: 60
test_move_frames()
{
	local code beyond hole=$((0xc0000)) pfn

	# The kernel's own code is reserved.
	code=$(awk '/Kernel code/ { split($1, a, "-"); print a[1] }' /proc/iomem)
	[ -n "$code" ] || fail "no kernel code in /proc/iomem"
	page_is "unmovable=1" --pfn $((0x${code%-*} / 4096 + 1)) --to 1
	pfn=$("$PROGS/movable" frame reserved 4096) || fail "no reserved frame"
	page_is "unmovable=1" --pfn "$pfn" --to 1
	pfn=$("$PROGS/movable" frame slab 4096) || fail "no frame of slab"
	page_is "unmovable=1" --pfn "$pfn" --to 1
	# Node 1 is empty.
	settle
	pfn=$("$PROGS/movable" frame free $(($(<"$CDM/nodes/1/start") / 4096))) || fail "no free frame"
	page_is "not-mapped=4" --pfn "$pfn-$((pfn + 3))" --to 2
	# Between RAM below 4 GiB and 4 GiB, and beyond everything: no memory.
	page_is "not-mapped=2" --pfn "$hole-$((hole + 1))" --to 1
	beyond=$(((1 << 40) - 1))
	page_is "not-mapped=1" --pfn $beyond --to 1
}

# a node that is offline, on either side
# timeout: 120
test_move_offline()
{
	local pfn b

	start anon $SIZE
	pfn=$(($(<"$CDM/nodes/2/start") / 4096 + 1000))
	for b in "$NODE"/node2/memory[0-9]*; do
		b=$(readlink -f "$b")
		echo offline >"$b/state" || fail "${b##*/} does not go offline"
	done
	expect_fail cdmctl page move --pid "$PID" --range "$RANGE" --to 2
	check_match "$OUT" "node 2 .*online" "a move to a node that is offline"
	page_is "not-mapped=1" --pfn $pfn --to 1
	on_node 0 "$PAGES"
	intact "a refused move"
	stop
	all_online
	wait_for 20 is_online 2
}

# a target without room
# timeout: 120
test_move_full()
{
	local free marks

	# What has just come would leave again, to make room.
	marks=$(<"$CDM/nodes/2/watermarks")
	echo 0 0 >"$CDM/nodes/2/watermarks"
	# Huge pages that nobody uses take all of it, but for what is in pieces.
	echo 300 >"$NODE/node2/$HUGE/nr_hugepages"
	free=$(node_stat 2 MemFree)
	check_le "$free" 65536 "kB free on node 2"
	# CPUs' lists, which MemFree does not count, give way, too.
	start anon $((free + 16384))
	page --pid "$PID" --range "$RANGE" --to 2
	check_match "$(counts)" '^moved=[0-9]+ full=[0-9]+$|^full=[0-9]+$' "a move to a node without room"
	check_ge "$(json full)" 1000 "pages that had no room"
	on_node 2 "$(json moved)"
	intact "a move to a full node"
	stop
	echo 0 >"$NODE/node2/$HUGE/nr_hugepages"
	echo "$marks" >"$CDM/nodes/2/watermarks"
}

# ---- who is against it --------------------------------------------------------

# memory bound elsewhere, and a cpuset, until --any-policy
# timeout: 120
test_move_policy()
{
	start_with "numactl --membind=0" anon $SIZE
	moves "not-permitted=$PAGES" 1
	on_node 0 "$PAGES"
	moves "moved=$PAGES" 1 --any-policy
	on_node 1 "$PAGES"
	intact "a move past a mempolicy"
	stop

	start_with "numactl --membind=0,2" anon $SIZE
	moves "not-permitted=$PAGES" 1
	moves "moved=$PAGES" 2
	intact "a move within a mempolicy"
	stop

	echo 0 >$CG/cpuset.mems
	start anon $SIZE
	STATUS=0
	OUT=$(cdmctl -j page move --pid "$PID" --range "$RANGE" --to 1 2>&1) || STATUS=$?
	[ $STATUS != 0 ] || check_eq "$(counts)" "not-permitted=$PAGES" "a move out of a cpuset"
	on_node 0 "$PAGES"
	moves "moved=$PAGES" 1 --any-policy
	on_node 1 "$PAGES"
	intact "a move past a cpuset"
}

# a limit of pages per second, and none
# timeout: 120
test_move_limit()
{
	echo "1 64" >"$CDM/nodes/1/move_limit"
	check_eq "$(<"$CDM/nodes/1/move_limit")" "1 64" "move_limit"
	start anon $SIZE
	page --pid "$PID" --range "$RANGE" --to 1
	check_match "$(counts)" '^moved=[0-9]+ limited=[0-9]+$' "a move beyond the limit"
	# What is refilled while it runs comes on top; under TCG a move takes seconds.
	check_le "$(json moved)" 96 "pages moved under a limit of 64"
	check_ge "$(json moved)" 32 "pages moved under a limit of 64"
	intact "a limited move"
	moves "moved=$PAGES" 2 --shared
	echo max >"$CDM/nodes/1/move_limit"
	check_match "$(<"$CDM/nodes/1/move_limit")" '^max' "move_limit without a limit"
	moves "moved=$PAGES" 1
	intact "a move without a limit"
	! echo "1" 2>/dev/null >"$CDM/nodes/1/move_limit" || fail "a rate without a burst was taken"
	! echo "-1 5" 2>/dev/null >"$CDM/nodes/1/move_limit" || fail "a negative rate was taken"
}

# without privileges a process moves its own memory, no other's, and no frames
# timeout: 120
test_move_rights()
{
	start anon $SIZE
	OUT=$("$PROGS/moveas" "$PROGS/mover.bpf.o" "$PID" "$RANGE" 1 2>&1) || fail "moveas: $OUT"
	check_eq "$(word others)" 1 "another's memory (EPERM)"
	check_eq "$(word frame)" 1 "a page frame (EPERM)"
	check_match "$OUT" "^own 0\$" "its own memory"
	check_eq "$(word own_moved)" 16 "pages of its own"
	check_eq "$(word own_shared)" 1 "its own memory, shared or not (EPERM)"
	check_eq "$(word own_any)" 1 "its own memory, past policies (EPERM)"
	on_node 0 "$PAGES"
	intact "refused moves"

	expect_fail setpriv --reuid=65534 --regid=65534 --clear-groups \
		cdmctl page move --pid "$PID" --range "$RANGE" --to 1
	check_match "$OUT" "[Nn]ot permitted|[Pp]ermission denied" "cdmctl without privileges"
	check_match "$OUT" "CAP_BPF|root" "what to do about it"
}

# what is no request is refused in words
# timeout: 120
test_move_bad_input()
{
	local a

	start anon $SIZE
	a=$((${RANGE%-*}))
	bad "aligned|multiple" --pid "$PID" --range "$((a + 1))-$((a + 4096))" --to 1
	bad "aligned|multiple" --pid "$PID" --range "$a-$((a + 4095))" --to 1
	bad "range|after|before|empty" --pid "$PID" --range "$((a + 4096))-$a" --to 1
	bad "node" --pid "$PID" --range "$RANGE" --to 9
	bad "node" --pid "$PID" --range "$RANGE" --to 5000
	bad "process" --pid 4000000 --range "$RANGE" --to 1
	bad "--to|node" --pid "$PID" --range "$RANGE"
	bad "pfn|pid|frame" --to 1
	bad "pfn|frame|number" --pfn x --to 1
	on_node 0 "$PAGES"
	intact "refused moves"
}

# bad ERE ARGS... - refused, in words that match
bad()
{
	expect_fail cdmctl page move "${@:2}"
	check_match "$OUT" "$1" "cdmctl page move ${*:2}"
}

# ---- the look afterwards ------------------------------------------------------

# leak_is_seen - by each look that can see it, and it is one page
leak_is_seen()
{
	! nothing_left || fail "a page that a pipe refers to was not missed"
	[[ $'\n'$LEFT$'\n' == *$'\ncharged: 4096 bytes '*$'\nnot freed: 1 pages'*$'\nnode 1: 1 pages '* ]]
}

# one page that is kept by somebody is found by the look after each test
# timeout: 120
test_move_planted_leak()
{
	local fd

	mkfifo "$TMP/leak" || fail "mkfifo"
	exec {fd}<>"$TMP/leak"
	start anon $SIZE "$TMP/leak"
	moves "moved=$PAGES" 1
	ask splice
	stop
	wait_for 20 leak_is_seen
	check_none_isolated
	exec {fd}>&-
}
