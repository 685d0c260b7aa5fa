#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build what benchmarks compare with: the kernel without the series, in
# build/unpatched/kernel, from the base commit of build/linux (with the fixes that
# the series begins with, see kernel/tree) and with the configuration of
# build/kernel minus cdm_ext. Does nothing if it is there.

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
build=$repo/build
linux=$build/unpatched/linux
out=$build/unpatched/kernel

# As make sets them, for those who start a benchmark by hand.
export PATH=/usr/lib/ccache:$PATH CCACHE_BASEDIR=$build/unpatched CCACHE_NOHASHDIR=1
export KBUILD_BUILD_USER=cdm KBUILD_BUILD_HOST=cdm
export KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 1970" LC_ALL=C
unset MAKEFLAGS MAKELEVEL MFLAGS

die()
{
	printf 'unpatched: %s\n' "$@" >&2
	exit 1
}

options()
{
	grep -E '^(# )?CONFIG_' "$1" | grep -vE '^(# )?CONFIG_CDM_' | sort
}

[ -e "$build/kernel/.config" ] || die "build/kernel has no .config; run 'make' first"
base=$("$repo/kernel/tree" stock) ||
	die "build/linux has no base commit; run 'make' first"

if [ "$(cat "$linux/.base" 2>/dev/null)" != "$base" ]; then
	echo "unpatched: laying out $(git -C "$build/linux" log -1 --format=%s "$base")"
	rm -rf "$linux"
	mkdir -p "$linux"
	git -C "$build/linux" archive "$base" | tar -x -C "$linux" || die "cannot fill $linux"
	echo "$base" >"$linux/.base"
fi

mkdir -p "$out"
state="$base $(options "$build/kernel/.config" | sha1sum)"
[ "$state" != "$(cat "$out/.built" 2>/dev/null)" ] || exit 0
rm -f "$out/.built"
options "$build/kernel/.config" >"$out/.config"
make -s -C "$linux" O="$out" olddefconfig || die "olddefconfig failed"
# Options that only the series selects would be compared along with it.
diff <(options "$build/kernel/.config") <(options "$out/.config") >&2 ||
	die "the configurations differ in more than cdm_ext, see above"
echo "unpatched: building build/unpatched/kernel"
make -s -j"$(nproc)" -C "$linux" O="$out" bzImage modules || die "the build failed"
echo "$state" >"$out/.built"
