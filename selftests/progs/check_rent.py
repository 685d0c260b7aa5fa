#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
What the moves of thrash_adaptive cost, against the best that anybody could have done.

    check_rent.py STREAM VERDICTS [MOVE_NS REMOTE_NS]

A stream of one block of one page and two nodes, as replay.h has it, and what
policy_replay printed. An access from afar costs REMOTE_NS, a move MOVE_NS. The optimum
knows the future: the cheaper of the two places after each event, by dynamic programming.
Prints "moves N cost N optimum N stay N", the last being the cost of no move at all.
"""
import sys


def main():
    move = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
    remote = int(sys.argv[4]) if len(sys.argv) > 4 else 400
    at = moves = cost = stay = 0
    best = [0, move]
    with open(sys.argv[1]) as stream, open(sys.argv[2]) as verdicts:
        for line, verdict in zip(stream, verdicts, strict=True):
            _, _, _, who, _, _, accesses = map(int, line.split())
            rent = accesses * remote
            cost += rent * (who != at)
            stay += rent * (who != 0)
            best = [best[n] + rent * (who != n) for n in (0, 1)]
            best = [min(best[n], best[1 - n] + move) for n in (0, 1)]
            what = verdict.split()
            if what[0] == "move":
                assert int(what[1]) == who != at, "a move to where it is, or to nobody"
                at = who
                moves += 1
                cost += move
    print("moves", moves, "cost", cost, "optimum", min(best), "stay", stay)


main()
