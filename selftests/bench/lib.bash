# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What benchmarks that count instructions under -icount share. Sourced by
# selftests/bench/NAME, which has set repo.

# shellcheck disable=SC2034,SC2154 # used by those who source this; repo
{
build=$repo/build
bench=$(basename "$0")
raw=$build/bench/$bench.raw
broken=0
}

unset MAKEFLAGS MAKELEVEL MFLAGS

# boot KERNEL ARGS... - measure in a fresh guest, by NAME_guest.sh; NODES, TIMEOUT, PART
boot()
{
	"$repo/selftests/vm/run" --icount --kernel "$1" --timeout "${TIMEOUT:-1200}" \
		${NODES:+--nodes "$NODES"} \
		--console "$build/bench/$bench${PART:+.$PART}.console" -- \
		"$repo/selftests/bench/${bench}_guest.sh" "${@:2}" || {
		echo "$bench: the guest of $1 failed" >&2
		exit 1
	}
}

# module NAME KERNEL DIR - build selftests/bench/NAME for that kernel, outside the
# source
module()
{
	mkdir -p "$3"
	if ! { cp "$repo/selftests/bench/$1"/* "$3" &&
	       make -s -C "$2" M="$3" modules >"$3/log" 2>&1; }; then
		cat "$3/log" >&2
		echo "$bench: $1 could not be built for $2" >&2
		exit 1
	fi
}

# value METRIC CONFIG - a row of the result
value()
{
	sed -n "s/^{\"metric\":\"$1\",\"config\":\"$2\",\"value\":\([-0-9.]*\),.*/\1/p" \
		"$build/bench/$bench.json"
}

# limit WHAT GOT MIN MAX - print, and remember in $broken if it is outside
limit()
{
	local word=ok

	# shellcheck disable=SC2034 # broken
	awk "BEGIN { exit !($2 >= $3 && $2 <= $4) }" </dev/null || { word=BROKEN; broken=1; }
	printf '%-6s  %-52s %10.2f  limit %s..%s\n' "$word" "$1" "$2" "$3" "$4"
}

minus()
{
	awk "BEGIN { printf \"%.2f\", $1 - $2 }" </dev/null
}
