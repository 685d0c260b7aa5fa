#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
What NVIDIA's UVM would do about a stream of accesses, by a model of its thrash detection.

    model_uvm.py [NAME=VALUE]... <STREAM

Written from a description of the algorithm and from what the opening of
include/cdm/thrash_uvm.bpf.h decides where that is open; it shares no code with it. The
stream is that of replay.h. Prints a line for each event, as policy_replay does.
"""
import sys

NOBODY = -1
BY_ALL, FAST = 1, 2


class Params:
    def __init__(self, assignments):
        self.block_order = 9
        self.threshold = 3
        self.pin_threshold = 10
        self.lapse_us = 500
        self.nap_lapses = 1
        self.epoch_lapses = 2000
        self.pin_lapses = 300
        self.max_resets = 4
        for text in assignments:
            name, value = text.split("=")
            if name not in vars(self):
                sys.exit(f"model_uvm.py: no parameter {name}")
            setattr(self, name, int(value))
        self.lapse = self.lapse_us * 1000
        self.nap = self.nap_lapses * self.lapse
        self.epoch = self.epoch_lapses * self.lapse
        self.pin = self.pin_lapses * self.lapse


class Page:
    """One page of a block that has page state."""

    def __init__(self):
        self.previous = None        # time of its event
        self.reset()

    def reset(self):
        self.events = 0
        self.period_end = None
        self.served = NOBODY        # not throttled in this period
        self.throttled = 0
        self.home = NOBODY          # where it is pinned
        self.home_until = None

    def note(self, now, par):
        """Rule 2, and the end of a pin in rule 5."""
        previous, self.previous = self.previous, now
        if previous is None:
            return
        gap = max(0, now - previous)
        if self.home != NOBODY:
            if now >= self.home_until:
                self.reset()
            elif gap <= par.lapse:
                self.events += 1
        elif gap <= par.lapse:
            self.events += 1
        elif self.events >= par.threshold:
            self.reset()

    def where_to_pin(self, ev, par):
        """Rule 4."""
        if ev.preferred != NOBODY and ev.facts & BY_ALL:
            return ev.preferred
        if ev.facts & FAST:
            return ev.where
        if self.throttled >= par.pin_threshold:
            return ev.where if self.served == NOBODY else self.served
        return NOBODY

    def judge(self, ev, par):
        """Rules 3 and 4."""
        if self.home == NOBODY:
            if self.events < par.threshold:
                return f"move {ev.proc}"
            if self.period_end is None or ev.time >= self.period_end:
                self.period_end = ev.time + par.nap
                self.served = NOBODY if self.served == ev.proc else ev.proc
            self.home = self.where_to_pin(ev, par)
            if self.home != NOBODY:
                self.home_until = ev.time + par.pin
        if self.home != NOBODY:
            return f"pin {self.home} {self.home_until}"
        if self.served == ev.proc:
            return f"move {ev.proc}"
        self.throttled += 1
        return f"throttle {self.period_end}"


class Block:
    def __init__(self):
        self.previous = None        # its last event
        self.pages = None           # no page state
        self.resets = 0

    def fault(self, ev, par):
        before, self.previous = self.previous, ev
        if before is None:
            return f"move {ev.proc}"
        gap = max(0, ev.time - before.time)
        if self.pages is not None and gap >= par.epoch and self.resets < par.max_resets:
            self.pages = None
            self.resets += 1
        if self.pages is None:
            if before.proc == ev.proc or gap > par.lapse:
                return f"move {ev.proc}"
            self.pages = {}
        page = self.pages.setdefault(ev.page, Page())
        page.note(ev.time, par)
        return page.judge(ev, par)


class Event:
    def __init__(self, line):
        (self.time, self.mm, self.page, self.proc, self.where, self.preferred,
         self.facts) = map(int, line.split())


def main():
    par = Params(sys.argv[1:])
    blocks = {}
    for line in sys.stdin:
        if line[0] in "#\n":
            continue
        ev = Event(line)
        name = ev.mm, ev.page >> par.block_order
        print(blocks.setdefault(name, Block()).fault(ev, par))


main()
