#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Counts, halvings and choices of tier_hot, by a model that walks over all units.

    model_hot.py [cool=N] [adapt=N] <STREAM

The stream is that of replay.h. Prints a line for each event, as policy_replay does.
"""
import sys

TOP = 65535


def main():
    par = {"cool": 2000000, "adapt": 100000}
    par.update((k, int(v)) for k, v in (a.split("=") for a in sys.argv[1:]))
    counts, samples, cooled, adapted, hot_from = {}, 0, 0, 0, 16
    for line in sys.stdin:
        _, mm, page, _, _, room, weight = map(int, line.split())
        unit = mm, page >> 9
        samples += weight
        if samples - cooled >= par["cool"]:
            cooled += par["cool"]
            for u in counts:
                counts[u] //= 2
        counts[unit] = min(TOP, counts.get(unit, 0) + weight)
        if samples - adapted >= par["adapt"]:
            adapted += par["adapt"]
            hot_from = 16
            for b in range(15, 0, -1):
                if sum(c >= 1 << b for c in counts.values()) > room:
                    break
                hot_from = b
        print("hot", hot_from, counts[unit])


main()
