#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Makes a trace for "cdmctl sim replay" (include/cdm/trace.h).

    mktrace.py FILE zipf SKEW|scan SKEW|loop|phase SKEW  PAGES ACCESSES SEED

zipf: page of rank k in proportion to k^-skew, ranks spread over the pages.
scan: the same, and after every 20 pages a run of 20 that nobody comes back to soon.
loop: one page after the other, from the beginning again.
phase: zipf whose ranks are dealt anew four times.
"""
import bisect
import itertools
import random
import struct
import sys


def zipf(rng, pages, skew):
    cum = list(itertools.accumulate((k + 1) ** -skew for k in range(pages)))
    spread = list(range(pages))
    rng.shuffle(spread)
    while True:
        yield spread[bisect.bisect(cum, rng.random() * cum[-1])]


def accesses(kind, skew, pages, nr, rng):
    if kind == "zipf":
        yield from itertools.islice(zipf(rng, pages, skew), nr)
    elif kind == "loop":
        yield from (i % pages for i in range(nr))
    elif kind == "phase":
        for _ in range(4):
            yield from itertools.islice(zipf(rng, pages, skew), nr // 4)
    elif kind == "scan":
        hot, at = zipf(rng, pages // 2, skew), 0
        for i in range(nr):
            if i // 20 % 2:
                yield pages // 2 + at
                at = (at + 1) % (pages - pages // 2)
            else:
                yield next(hot)
    else:
        sys.exit("mktrace: no kind " + kind)


def main():
    path, kind = sys.argv[1:3]
    skew = float(sys.argv[3]) if kind != "loop" else 0
    pages, nr, seed = (int(a) for a in sys.argv[-3:])
    ops = bytearray()
    for i, page in enumerate(accesses(kind, skew, pages, nr, random.Random(seed))):
        ops += struct.pack("<QII", i, page, 0)
    with open(path, "wb") as f:
        f.write(struct.pack("<8sIIQQ", b"CDMTRACE", 1, pages, len(ops) // 16, 0))
        f.write(ops)


main()
