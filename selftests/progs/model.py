#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Miss ratio of an eviction algorithm on a trace, by a model of the algorithm.

    model.py TRACE ALGORITHM CAPACITY BATCH [PARAMETER]

Written from the algorithms' papers, without a look at bpf-progs/, so that the two can
be compared. When a page is missing and CAPACITY pages are there, BATCH pages are
evicted at once, as the kernel does. ALGORITHM is fifo, lru, lfu, sieve, s3fifo or min
(Belady's: what is used again last).
"""
import heapq
import struct
import sys
from collections import OrderedDict, deque


class Fifo:
    def __init__(self, _capacity, _param):
        self.order = deque()
        self.there = set()

    def __contains__(self, page):
        return page in self.there

    def __len__(self):
        return len(self.there)

    def hit(self, page, _now):
        pass

    def insert(self, page, _now):
        self.there.add(page)
        self.order.appendleft(page)

    def evict(self):
        self.there.remove(self.order.pop())


class Lru(Fifo):
    def __init__(self, _capacity, _param):
        self.there = OrderedDict()

    def hit(self, page, _now):
        self.there.move_to_end(page)

    def insert(self, page, _now):
        self.there[page] = True

    def evict(self):
        self.there.popitem(last=False)


class Sieve(Fifo):
    """Zhang et al., NSDI 2024, algorithm 1."""

    def __init__(self, _capacity, _param):
        self.next = {}          # towards the tail, which is the oldest
        self.prev = {}          # towards the head
        self.visited = {}
        self.head = self.tail = self.hand = None
        self.there = self.visited

    def hit(self, page, _now):
        self.visited[page] = True

    def insert(self, page, _now):
        self.visited[page] = False
        self.prev[page] = None
        self.next[page] = self.head
        if self.head is not None:
            self.prev[self.head] = page
        self.head = page
        if self.tail is None:
            self.tail = page

    def evict(self):
        page = self.hand if self.hand is not None else self.tail
        while self.visited[page]:
            self.visited[page] = False
            page = self.prev[page] if self.prev[page] is not None else self.tail
        self.hand = self.prev[page]
        before, after = self.prev.pop(page), self.next.pop(page)
        if before is not None:
            self.next[before] = after
        else:
            self.head = after
        if after is not None:
            self.prev[after] = before
        else:
            self.tail = before
        del self.visited[page]


class S3Fifo(Fifo):
    """Yang et al., SOSP 2023, algorithm 1."""

    def __init__(self, capacity, param):
        self.small, self.main = deque(), deque()
        self.ghost = OrderedDict()
        self.freq = {}
        self.there = self.freq
        self.small_target = capacity // 10
        self.ghost_size = capacity - self.small_target
        self.promote_at = param or 2

    def hit(self, page, _now):
        self.freq[page] = min(3, self.freq[page] + 1)

    def insert(self, page, _now):
        self.freq[page] = 0
        if page in self.ghost:
            del self.ghost[page]
            self.main.appendleft(page)
        else:
            self.small.appendleft(page)

    def evict(self):
        if len(self.small) >= self.small_target or not self.main:
            while self.small:
                page = self.small.pop()
                if self.freq[page] >= self.promote_at:
                    self.freq[page] = 0
                    self.main.appendleft(page)
                    if len(self.small) < self.small_target:
                        break
                else:
                    del self.freq[page]
                    self.ghost[page] = True
                    if len(self.ghost) > self.ghost_size:
                        self.ghost.popitem(last=False)
                    return
        while True:
            page = self.main.pop()
            if not self.freq[page]:
                del self.freq[page]
                return
            self.freq[page] -= 1
            self.main.appendleft(page)


class Lfu(Fifo):
    """LFU with dynamic aging; Arlitt et al., 2000: K = F + L, all of the same size."""

    def __init__(self, _capacity, _param):
        self.key = {}
        self.there = self.key
        self.freq = {}
        self.heap = []
        self.age = self.turn = 0

    def hit(self, page, _now):
        self.freq[page] += 1
        self.turn += 1
        self.key[page] = (self.age + self.freq[page], self.turn)
        heapq.heappush(self.heap, (self.key[page], page))

    def insert(self, page, now):
        self.freq[page] = 0
        self.hit(page, now)

    def evict(self):
        while True:
            key, page = heapq.heappop(self.heap)
            if self.key.get(page) == key:
                self.age = key[0]
                del self.key[page], self.freq[page]
                return


class Min(Fifo):
    """Belady: what is used again last, or never."""

    def __init__(self, _capacity, _param):
        self.next_use = {}
        self.there = self.next_use
        self.heap = []

    def hit(self, page, now):
        self.next_use[page] = NEXT[now]
        heapq.heappush(self.heap, (-NEXT[now], page))

    insert = hit

    def evict(self):
        while True:
            when, page = heapq.heappop(self.heap)
            if self.next_use.get(page) == -when:
                del self.next_use[page]
                return


NEXT = []


def next_uses(pages):
    """For each access, the number of the next to the same page."""
    NEXT[:] = [len(pages)] * len(pages)
    last = {}
    for i in range(len(pages) - 1, -1, -1):
        NEXT[i] = last.get(pages[i], len(pages))
        last[pages[i]] = i


def main():
    path, name, capacity, batch = sys.argv[1:5]
    capacity, batch = int(capacity), int(batch)
    param = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    with open(path, "rb") as f:
        head = struct.unpack("<8sIIQQ", f.read(32))
        assert head[0] == b"CDMTRACE" and head[1] == 1, "not a trace"
        pages = [op[1] for op in struct.iter_unpack("<QII", f.read())]
    algorithms = {"fifo": Fifo, "lru": Lru, "sieve": Sieve, "s3fifo": S3Fifo,
                  "lfu": Lfu, "min": Min}
    if name == "min":
        next_uses(pages)
    cache = algorithms[name](capacity, param)
    misses = 0
    for now, page in enumerate(pages):
        if page in cache:
            cache.hit(page, now)
            continue
        misses += 1
        if len(cache) >= capacity:
            for _ in range(batch):
                cache.evict()
        cache.insert(page, now)
    print(f"{misses} {len(pages)} {misses / len(pages):.6f}")


main()
