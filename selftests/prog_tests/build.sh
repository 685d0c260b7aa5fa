# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# where: host
#
# Tests of what the other tests stand on: the patched tree, the guest, and the
# runner. A guest that dies must not look like one that passes.

VM=$REPO/selftests/vm/run

# vm ARGS... - a guest of our own, its output in $OUT, its status in $STATUS
vm()
{
	STATUS=0
	OUT=$("$VM" --kernel "$KERNEL" --console "$TMP/console" "$@" 2>&1) || STATUS=$?
}

# vm_ended STATUS - the guest ended so, or what it said instead is shown
vm_ended()
{
	[ "$STATUS" = "$1" ] || echo "$OUT"
	check_eq "$STATUS" "$1" "vm/run's exit status"
}

# timeout: 120
# a command's output and exit status come back from the guest
test_build_status()
{
	vm -- bash -c 'echo "to stdout"; echo "to stderr" >&2; exit 7'
	vm_ended 7
	check_eq "$OUT" $'to stdout\nto stderr' "output"
}

# timeout: 120
# the guest has the nodes that tests expect, and cannot write to the host
test_build_guest()
{
	# shellcheck disable=SC2016 # for the guest
	vm --env WORD="two words" -- bash -c '
		cat /sys/devices/system/node/possible /sys/devices/system/node/online
		grep -c "Soft Reserved" /proc/iomem
		nproc
		pwd
		echo "$WORD"
		touch /usr/written 2>/dev/null && echo "host is writable"
		for fs in bpf debugfs tracefs cgroup2; do grep -c " $fs " /proc/mounts; done
	'
	vm_ended 0
	check_eq "$OUT" "$(printf '%s\n' 0-2 0 2 2 "$REPO" "two words" 1 1 1 1)" "the guest"
}

# timeout: 120
# files written to $VM_OUT come back
test_build_files()
{
	# shellcheck disable=SC2016 # for the guest
	vm --out "$TMP/out" -- bash -c 'echo data >$VM_OUT/file'
	vm_ended 0
	check_eq "$(cat "$TMP/out/file")" data "the file"
}

# timeout: 120
# a panic fails the run and shows the console's end
test_build_panic()
{
	vm -- bash -c 'echo c >/proc/sysrq-trigger; sleep 60'
	vm_ended 126
	check_match "$OUT" 'the guest died' "what vm/run says"
	check_match "$OUT" 'sysrq triggered crash|sysrq_handle_crash' "the console's last lines"
}

# timeout: 120
# a hang ends within its limit, and the kernel says where it was
test_build_hang()
{
	local start=$SECONDS

	vm --timeout 15 -- sleep 1000
	vm_ended 124
	check_le $((SECONDS - start)) 40 "seconds until it was noticed"
	check_match "$OUT" 'did not end within 15 s' "what vm/run says"
	check_match "$OUT" 'sysrq: Show (Blocked State|backtrace)' "the kernel's own account"
}

# timeout: 120
# a kernel warning fails a run whose command succeeded
test_build_warning()
{
	vm -- bash -c 'echo "WARNING: CPU: 0 PID: 1 at a test" >/dev/kmsg'
	vm_ended 126
	check_match "$OUT" 'WARNING: CPU: 0 PID: 1 at a test' "what vm/run shows"
	vm --no-warnings -- bash -c 'echo "WARNING: CPU: 0 PID: 1 at a test" >/dev/kmsg'
	vm_ended 0
}

# A breakpoint that is not in memory is the emulator's failure, others are not
test_build_emulator()
{
	local code

	# shellcheck source=selftests/vm/patterns
	. "$REPO/selftests/vm/patterns"
	for code in "0f 45 d8 66 <90> 48 8d" "0f 45 d8 cc <90> 48 8d"; do
		printf '%s\r\n' "[ 1.0] Oops: int3: 0000 [#1] PREEMPT SMP" \
			"[ 1.0] RIP: 0010:f+0x2d/0xf0" "[ 1.0] Code: 00 $code" \
			"[ 1.0] Code: Unable to access opcode bytes at 0x7fff." >"$TMP/log"
		case $code in
		*cc*)	! vm_emulator_failed "$TMP/log" || fail "a breakpoint in memory" ;;
		*)	vm_emulator_failed "$TMP/log" || fail "a breakpoint that is gone" ;;
		esac
	done
	printf '%s\n' "BUG: kernel NULL pointer dereference" "Code: 0f 66 <90> 48" >"$TMP/log"
	! vm_emulator_failed "$TMP/log" || fail "an oops of another kind"
	printf '%s\n' "WARNING: CPU: 0 at mm/rmap.c" "Oops: int3: 0000" "Code: 0f 66 <90> 48" >"$TMP/log"
	! vm_emulator_failed "$TMP/log" || fail "a kernel that had complained before"
	printf '%s\n' "Oops: int3: 0000" "Code: Unable to access" "Code: 0f 66 <90> 48" >"$TMP/log"
	! vm_emulator_failed "$TMP/log" || fail "a place whose code is not shown"
}

# timeout: 400
# the runner counts passes, failures and skips, and misses no dead guest
test_build_runner()
{
	local want verdict

	expect_fail "$REPO/selftests/runner/run" --kernel "$KERNEL" \
		--tests "$REPO/selftests/runner/fixtures" 'fx_*'
	while read -r want verdict; do
		check_match "$OUT" "^$verdict [0-9]+ $want - " "verdict on $want"
	done <<-END
		fx_passes ok
		fx_skips ok
		fx_setup_fails not ok
		fx_fails not ok
		fx_fails_inside not ok
		fx_not_a_number not ok
		fx_expect_fail not ok
		fx_crash not ok
		fx_endless not ok
		fx_kernel_warns not ok
		fx_after ok
		fx_before_panic ok
		fx_panic not ok
		fx_after_panic not ok
		fx_late not ok
		fx_before_emulator ok
		fx_emulator ok
		fx_after_emulator ok
	END
	check_match "$OUT" 'fx_skips .* # SKIP for the sake of it' "a skip's reason"
	check_match "$OUT" 'teardown of fx_fails' "teardown after a failure"
	check_match "$OUT" 'ran longer than its limit of [0-9]+ s' "an endless test's reason"
	check_match "$OUT" 'sysrq_handle_crash' "the panic's console"
	check_match "$OUT" 'going on with fx_emulator in a new guest' "the emulator's failure"
	if [ "$DEBUG_GUEST" = 0 ]; then
		check_match "$OUT" '^1\.\.18$' "the plan"
		check_match "$OUT" '^6 passed, 11 failed, 1 skipped$' "the closing line"
	fi
	expect_fail "$REPO/selftests/runner/run" --kernel "$KERNEL" 'no_such_test'
	check_match "$OUT" "no test matches" "a glob that matches nothing"
}

# timeout: 180
# build/linux is the base, kernel/patches and kernel/linux, and nothing else
test_build_tree()
{
	local linux=$BUILD/linux base file

	base=$(git -C "$linux" rev-list --max-parents=0 HEAD)
	check_match "$(git -C "$linux" log -1 --format=%s "$base")" \
		'^linux-source-6.12 6\.12\.' "the base commit's name"
	export GIT_INDEX_FILE=$TMP/index
	git -C "$linux" read-tree "$base"
	for file in "$REPO"/kernel/patches/*.patch; do
		git -C "$linux" apply --cached --whitespace=nowarn "$file" ||
			fail "$file does not apply to $(git -C "$linux" log -1 --format=%s "$base")"
	done
	check_eq "$(git -C "$linux" write-tree)" "$(git -C "$linux" rev-parse 'HEAD^{tree}')" \
		"the patched tree"
	unset GIT_INDEX_FILE
	while read -r file; do
		cmp -s "$REPO/kernel/linux/$file" "$linux/$file" || fail "build/linux/$file is not kernel/linux's"
	done < <(cd "$REPO/kernel/linux" && find . -type f)
}

# timeout: 180
# make refresh-patches writes the very files that were applied
test_build_refresh()
{
	"$REPO/kernel/tree" saved || skip "build/linux holds edits that are not saved"
	"$REPO/kernel/tree" refresh "$TMP/patches" || fail "kernel/tree refresh failed"
	# Who applied them and when is not theirs to say.
	sed -i '/^\(From \|index \)/d' "$TMP"/patches/*
	cp -r "$REPO/kernel/patches" "$TMP/want"
	sed -i '/^\(From \|index \)/d' "$TMP"/want/*
	diff -r "$TMP/want" "$TMP/patches" || fail "the patches differ, see above"
}

# tree_commit TEXT - commit all in the miniature kernel tree of test_build_series
tree_commit()
{
	git -C "$mini/build/linux" -c user.name=x -c user.email=x@y commit -q -a -m "$1"
}

# timeout: 180
# kernel/tree keeps series and new files, names what fails, and loses no edits
test_build_series()
{
	local mini=$TMP/repo linux=$TMP/repo/build/linux version tree=$TMP/repo/kernel/tree

	version=$(dpkg-query -W -f '${Version}' linux-source-6.12)
	mkdir -p "$linux" "$mini/kernel/patches" "$mini/kernel/linux/new"
	cp "$REPO/kernel/tree" "$mini/kernel/"
	seq 1 30 >"$linux/file"
	cp "$linux/file" "$linux/other"
	git -C "$linux" init -q
	git -C "$linux" add .
	tree_commit "linux-source-6.12 $version"
	echo one >"$mini/kernel/linux/new/a"
	echo two >"$mini/kernel/linux/new/b"
	"$tree" prepare || fail "an empty series does not apply"
	check_eq "$(cat "$linux/new/a" "$linux/new/b")" $'one\ntwo' "new files"
	check_eq "$(git -C "$linux" status --porcelain)" "" "git's view of new files"

	# A commit goes to kernel/patches and comes back.
	sed -i 's/^10$/ten/' "$linux/file"
	expect_fail "$tree" refresh
	check_match "$OUT" 'not committed' "refresh with edits"
	tree_commit "say ten"
	expect_fail "$tree" saved
	check_match "$OUT" 'say ten' "the commit that is not saved"
	"$tree" refresh || fail "refresh"
	"$tree" saved || fail "saved after refresh"
	check_eq "$(ls "$mini/kernel/patches")" "0001-say-ten.patch" "kernel/patches"

	# A changed series: only what differs is written.
	touch -d '2020-01-01' "$linux/other" "$linux/file"
	sed -i 's/^+ten$/+TEN/' "$mini/kernel/patches/0001-say-ten.patch"
	"$tree" prepare || fail "a changed series does not apply"
	check_match "$(sed -n 10p "$linux/file")" '^TEN$' "line 10"
	[ "$linux/file" -nt "$linux/other" ] || fail "the changed file kept its time stamp"
	check_eq "$(stat -c %y "$linux/other" | cut -c 1-4)" 2020 "year of the file that no patch touches"

	# Edits are not overwritten.
	sed -i 's/^20$/twenty/' "$linux/file"
	sed -i 's/^+TEN$/+X/' "$mini/kernel/patches/0001-say-ten.patch"
	expect_fail "$tree" prepare
	check_match "$OUT" 'edits that are not committed' "prepare over edits"
	git -C "$linux" checkout -q .
	echo changed >"$linux/new/a"
	expect_fail "$tree" prepare
	check_match "$OUT" 'new/a' "prepare over an edited new file"
	echo one >"$linux/new/a"

	# A new file that vanishes, vanishes there.
	rm "$mini/kernel/linux/new/b"
	"$tree" prepare || fail "prepare without new/b"
	[ ! -e "$linux/new/b" ] || fail "new/b is still in build/linux"
	echo x >"$mini/kernel/linux/file"
	expect_fail "$tree" prepare
	check_match "$OUT" 'need a patch' "an existing file in kernel/linux"
	rm "$mini/kernel/linux/file"

	# A patch that does not apply: its name, the version, how to go on.
	sed -i 's/^-10$/-11/' "$mini/kernel/patches/0001-say-ten.patch"
	expect_fail "$tree" prepare
	check_match "$OUT" '0001-say-ten.patch does not apply' "the patch's name"
	check_match "$OUT" "6\.12\.[0-9]+" "the kernel's version"
	check_match "$OUT" 'refresh-patches' "how to go on"
}

# timeout: 180
# a fragment's symbol that Kconfig drops is an error
test_build_config()
{
	# With Kconfig's own program there already.
	mkdir "$TMP/out"
	cp -a "$BUILD/kernel/scripts" "$TMP/out/"
	printf '%s\n' CONFIG_64BIT=y CONFIG_NO_SUCH_THING=y >"$TMP/fragment"
	expect_fail "$REPO/kernel/config" "$TMP/out" "$TMP/fragment"
	check_match "$OUT" 'CONFIG_NO_SUCH_THING=y' "the symbol"
	check_eq "$(grep -c 'CONFIG_64BIT' <<<"$OUT")" 0 "the symbol that was taken is named"
}

# timeout: 600
# each patch makes a whole kernel, the last one also without what cdm_ext needs
test_build_whole_kernels()
{
	[ "$SOAK" = 1 ] || skip "about an hour of compiling; make soak T=build_whole_kernels does it"
	"$REPO/kernel/lint" whole >&3 2>&1 || fail "not all kernels were built, see above"
}
