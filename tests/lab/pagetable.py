# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's stage 1 tables with any granule and size of page, and the commands that a driver sends at an unmap."""

import struct
from dataclasses import dataclass

from . import metal
from .metal import memory, put

VA_BITS = 39
TG0 = {12: 0, 16: 1, 14: 2}         # field of a CD, by log2 of the granule
NEIGHBOURS = {(12, 1): 16, (12, 2): 16, (12, 3): 16, (14, 2): 32, (14, 3): 128, (16, 2): 32, (16, 3): 32}

TLBI_NH_VA = 0x12
LEAF = 1
CONTIGUOUS = 1 << 52


@dataclass(frozen=True)
class Leaf:
    """A kind of page: log2 of the granule, the level of its descriptor, and whether it has the contiguous hint."""
    granule: int
    level: int
    hint: bool

    @property
    def shift(self):
        return self.granule + (3 - self.level) * (self.granule - 3)

    @property
    def number(self):
        return NEIGHBOURS[self.granule, self.level] if self.hint else 1

    def __str__(self):
        units = [(30, "G"), (20, "M"), (10, "K")]
        shift, unit = next((s, u) for s, u in units if self.shift >= s)
        return f"{self.number} x " * self.hint + f"{1 << self.shift - shift}{unit}, granule {1 << self.granule - 10}K"

    def unmap_commands(self, va, asid, ranges):
        """What invalidates this page and its neighbours, and no table, with range invalidation or without."""
        head = TLBI_NH_VA | asid << 48
        if not ranges:
            return [(head, va + (n << self.shift) | LEAF) for n in range(self.number)]
        # A power of two of granules: NUM 0, SCALE
        scale = (self.number << self.shift - self.granule).bit_length() - 1
        tg = (self.granule - 10) // 2
        return [(head | scale << 20, va | tg << 10 | self.level << 8 | LEAF)]


# Every size of page that the architecture has with 39 bits of VA
LEAVES = tuple(Leaf(granule, level, hint) for granule, level in NEIGHBOURS for hint in (False, True))


class Tables:
    """The tables of one context, from an address on."""

    def __init__(self, qtest, at, granule):
        self.qtest = qtest
        self.granule = granule
        self.free = at
        self.bits = granule - 3
        self.first = 4 - -(-(VA_BITS - granule) // self.bits)     # the level of the root
        self.tables = {}        # {(level, index of what it maps): address}
        self.root = self._table(self.first, 0)

    def _table(self, level, va):
        shift = self.granule + (4 - level) * self.bits      # of what the whole table maps
        key = level, va >> shift
        if key not in self.tables:
            self.tables[key] = self.free
            self.free += 1 << self.granule
            self.qtest.send(f"memset {self.tables[key]:#x} {1 << self.granule:#x} 0x0")
            if level > self.first:
                self.qtest.send(put(self._entry(level - 1, va), self.tables[key] | 3, 64))
        return self.tables[key]

    def _entry(self, level, va):
        """The address of a descriptor."""
        shift = self.granule + (3 - level) * self.bits
        return self._table(level, va) + 8 * (va >> shift & (1 << self.bits) - 1)

    def map(self, va, pa, leaf, mapped=True):
        """Map, or unmap, a page and its neighbours, without a command."""
        word = metal.block(0) | (2 if leaf.level == 3 else 0) | (CONTIGUOUS if leaf.hint else 0)
        self.qtest.send(*(put(self._entry(leaf.level, va + offset), pa + offset | word if mapped else 0, 64)
                          for offset in range(0, leaf.number << leaf.shift, 1 << leaf.shift)))

    def cd(self, asid):
        """The CD for these tables: 40 bits of IPA, write-back, AF clear does not matter."""
        cd0 = (64 - VA_BITS | TG0[self.granule] << 6 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 30 | 1 << 31 | 2 << 32
               | 1 << 41 | 1 << 45 | 1 << 46 | 1 << 47 | asid << 48)
        return struct.pack("<QQQQ", cd0, self.root, 0, 0xff) + bytes(32)

    def write_cd(self, context, asid):
        self.qtest.send(memory(metal.CONTEXTS + context * 64, self.cd(asid)))
