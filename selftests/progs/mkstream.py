#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Makes a stream of accesses for policy_replay and the models (see replay.h).

    mkstream.py uvm random|pingpong|boundary|epoch|pin|facts N SEED
    mkstream.py rent random|pingpong|short|phases|skewed N SEED
    mkstream.py hot N SEED

Of a stream for uvm, times gather around the lapse (500 us), the epoch and the pin of the
defaults, so that a value that is off by one shows.
"""
import random
import sys

US = 1000
LAPSE = 500 * US
NAP, PIN, EPOCH = LAPSE, 300 * LAPSE, 2000 * LAPSE
NOBODY = -1
BY_ALL, FAST = 1, 2


def near(limit):
    """At a limit, or off by one in its last digit or in its unit."""
    return max(0, limit + random.choice((-LAPSE, -US, -1, 0, 0, 1, US - 1, US, LAPSE)))


def uvm_random(n):
    """A few processors, blocks and address spaces; bursts and silences of any length."""
    now = 10**9
    for _ in range(n):
        now += int(random.expovariate(1 / (40 * US)))
        if random.random() < 0.002:
            now += int(random.expovariate(1 / (PIN + EPOCH) * 2))
        page = random.choice((0, 1, 2, 511, 512, 513, 1023, 1024))
        yield now, random.randrange(1, 3), page, random.randrange(3), random.randrange(3), \
            NOBODY, 0


def uvm_pingpong(n):
    """Two or three that take a page from each other, at a period that changes."""
    now, where = 10**9, 0
    while n > 0:
        period = random.choice((US, 20 * US, 100 * US, 499 * US, LAPSE, LAPSE + US, 3 * LAPSE))
        procs, page = random.choice((2, 2, 3)), random.randrange(0, 2048, 97)
        turns = random.choice((1, 1, 1, 2))
        for i in range(random.randrange(20, 400)):
            proc = i // turns % procs
            yield now, 1, page, proc, where, NOBODY, 0
            where = proc
            now += period
            n -= 1
        now += random.choice((0, LAPSE, LAPSE + 1, 10 * LAPSE, PIN, EPOCH))


def uvm_boundary(n):
    """Each gap is near a limit."""
    now = 10**9
    for _ in range(n):
        limit = random.choices((0, LAPSE // 4, LAPSE, PIN, EPOCH), (8, 30, 16, 1, 1))[0]
        now += near(limit)
        yield now, 1, random.choice((0, 0, 0, 1, 512)), random.randrange(2), random.randrange(2), \
            NOBODY, 0


def uvm_epoch(n):
    """Blocks that are quiet again and again, with pages that were about to thrash."""
    base, page = 10**9, 0
    while n > 0:
        page += 512
        now = base
        for _ in range(random.randrange(4, 9)):
            for i in range(random.randrange(3, 6)):
                yield now, 1, page, i % 2, 0, NOBODY, 0
                now += random.randrange(US, LAPSE)
                n -= 1
            now += near(EPOCH) - random.choice((0, 0, 0, EPOCH // 2))
        base += 17


def uvm_pin(n):
    """Pages that are fought for until they are pinned, and at the end of that."""
    now, page = 10**9, 0
    while n > 0:
        page += random.choice((1, 512))
        procs = random.choice((2, 3))
        for i in range(random.randrange(30, 60)):
            yield now, 1, page, random.randrange(procs), random.randrange(procs), NOBODY, 0
            now += random.choice((LAPSE // 10, LAPSE // 7, LAPSE // 3))
            n -= 1
        for _ in range(random.randrange(4)):
            now += random.choice((near(PIN), near(PIN // 2), near(PIN) - 40 * LAPSE // 7))
            for i in range(random.randrange(1, 30)):
                yield now, 1, page, i % procs, 1, NOBODY, 0
                now += LAPSE // 9
                n -= 1


def uvm_facts(n):
    """Pages with a preferred location, and those that are reached by a fast link."""
    facts = {page: (random.choice((NOBODY, 0, 1, 2)), random.choice((0, 0, BY_ALL, FAST,
             BY_ALL | FAST))) for page in range(64)}
    for time, mm, page, proc, where, _, _ in uvm_pingpong(n):
        page %= 64
        yield time, mm, page, proc, where, *facts[page]


def rent_random(n):
    """Who accesses is left to chance, evenly; it is no use to move."""
    for i in range(n):
        yield i * 1000, 1, 0, random.randrange(2), 0, 1, random.randrange(1, 40)


def rent_pingpong(n):
    """Each in turn until the other's debt is paid and a little more: the worst case."""
    for i in range(n):
        yield i * 1000, 1, 0, i // 9 % 2, 0, 1, 16


def rent_short(n):
    """Each in turn for less than a move there and back costs, but more than one."""
    for i in range(n):
        yield i * 1000, 1, 0, i // 5 % 2, 0, 1, 16


def rent_phases(n):
    """Each for a long while."""
    for i in range(n):
        yield i * 1000, 1, 0, i // 2000 % 2, 0, 1, 16


def rent_skewed(n):
    """One of them most of the time; changes its mind now and then."""
    for i in range(n):
        favour = i // (n // 5) % 2
        yield i * 1000, 1, 0, favour if random.random() < 0.9 else 1 - favour, 0, 1, \
            random.randrange(1, 40)


def hot(n):
    """Zipf-like over 3000 units, which changes once; a counter's weights."""
    units, shift = list(range(3000)), 0
    random.shuffle(units)
    for i in range(n):
        if i == n // 2:
            shift = 1500
        rank = int(random.paretovariate(0.7)) - 1
        unit = units[(min(rank, 2999) + shift) % 3000]
        weight = random.choice((1, 1, 1, 256, 300)) if i % 50 else random.randrange(70000)
        yield i, 1, unit * 512 + random.randrange(512), 1, 0, 60, weight


def main():
    kind, args = sys.argv[1], sys.argv[2:]
    name = kind if kind == "hot" else f"{kind}_{args.pop(0)}"
    n, seed = map(int, args)
    random.seed(seed)
    for event in globals()[name](n):
        print(*event)


main()
