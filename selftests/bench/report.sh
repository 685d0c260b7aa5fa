#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Turns repeated measurements into a benchmark's result.
#
#   report NAME BASE[,BASE...] <LINES
#
# A line is "CONFIG METRIC UNIT VALUE"; the same config and metric again is a
# repetition. Writes build/bench/NAME.json and prints the same as a table. A
# row's value is the median of its repetitions, its spread the largest minus the
# smallest, in the row's unit, and its ratio is against the row of config BASE of
# the same metric in the same run, the first that it has. A metric that has none has
# no ratio.

set -u

repo=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P) || exit 1
name=$1 base=$2
json=$repo/build/bench/$name.json

mkdir -p "$repo/build/bench"
awk -v name="$name" -v want="$base" -v json="$json.tmp" '
function order(a, n,	i, j, t)
{
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
			t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
		}
}

NF != 4 || $4 !~ /^-?[0-9.]+$/ {
	print "report: not CONFIG METRIC UNIT VALUE: " $0 >"/dev/stderr"
	bad = 1
	exit
}

{
	key = $2 SUBSEP $1
	if (!(key in n)) {
		if (!($2 in seen)) {
			seen[$2] = 1
			metric[++metrics] = $2
		}
		configs[$2] = configs[$2] " " $1
	}
	unit[$2] = $3
	v[key, ++n[key]] = $4 + 0
}

END {
	if (bad)
		exit 1
	for (key in n) {
		for (i = 1; i <= n[key]; i++)
			a[i] = v[key, i]
		order(a, n[key])
		m = int((n[key] + 1) / 2)
		med[key] = n[key] % 2 ? a[m] : (a[m] + a[m + 1]) / 2
		spread[key] = a[n[key]] - a[1]
	}
	bases = split(want, base, ",")
	printf "{\"name\":\"%s\",\"rows\":[", name >json
	printf "%-20s %-16s %12s %8s %8s  %s\n", "metric", "config", "value", "ratio", "spread", "unit"
	for (i = 1; i <= metrics; i++) {
		nc = split(configs[metric[i]], c, " ")
		for (j = 1; j <= nc; j++) {
			key = metric[i] SUBSEP c[j]
			has = 0
			for (k = 1; k <= bases && !has; k++) {
				bkey = metric[i] SUBSEP base[k]
				has = bkey in med && med[bkey] != 0
			}
			k--
			ratio = has ? sprintf("%.4f", med[key] / med[bkey]) : "null"
			printf "%s\n{\"metric\":\"%s\",\"config\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"base\":%s,\"ratio\":%s,\"spread\":%.2f}",
				rows++ ? "," : "", metric[i], c[j], med[key], unit[metric[i]],
				has ? "\"" base[k] "\"" : "null", ratio, spread[key] >json
			printf "%-20s %-16s %12.2f %8s %8.2f  %s\n", metric[i], c[j], med[key],
				has ? ratio : "-", spread[key], unit[metric[i]]
		}
	}
	printf "\n]}\n" >json
}' && mv "$json.tmp" "$json"
