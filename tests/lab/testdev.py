# SPDX-License-Identifier: GPL-2.0-or-later
"""The PCI function with PASIDs and ATS of L0 (hw/misc/pasid-testdev.c), in a guest without software."""

import hashlib
import os
import struct
from dataclasses import dataclass

from . import kernel, metal, options, registers, roots, util
from .checks import eventually, expect
from .metal import get, memory, put
from .util import CROSS, HERE, LabError

DONE, READ_FAULT, WRITE_FAULT, NOT_SENT, BUSY = 1, 2, 4, 8, 16
PASID, ATS, MASTER = 1, 2, 4        # what is enabled
PASID_CAPABILITY = 0x1b



class Testdev:
    """Registers of the function."""

    ID, STATUS, SOURCE, DESTINATION, SOURCE_PASID, DESTINATION_PASID = 0x0, 0x4, 0x8, 0x10, 0x18, 0x1c
    LENGTH, COMMAND, ENABLED, CACHED, INVALIDATIONS = 0x20, 0x24, 0x28, 0x2c, 0x30
    COPY, MAGIC = 1, 0x44495350

    def __init__(self, qtest, port):
        self.qtest = qtest
        self.bar = port.window
        self.sid = port.sid
        self.config = metal.ECAM + (self.sid << 12)
        qtest.send(put(self.config + 0x10, self.bar), put(self.config + 0x14, 0), put(self.config + 4, 0x406, 16))
        expect(self.read(self.ID) == self.MAGIC, "this is not the function for tests")

    def read(self, register):
        return self.qtest.send(get(self.bar + register))[0]

    @staticmethod
    def pasid(pasid):
        return 0 if pasid is None else 1 << 31 | pasid

    def status(self):
        """The result of the last copy, or BUSY."""
        return self.read(self.STATUS)

    def copy(self, source, destination, length):
        """Copy between two (PASID or None, address); returns STATUS."""
        return self.qtest.send(
            put(self.bar + self.SOURCE, source[1] & 0xffffffff), put(self.bar + self.SOURCE + 4, source[1] >> 32),
            put(self.bar + self.DESTINATION, destination[1] & 0xffffffff),
            put(self.bar + self.DESTINATION + 4, destination[1] >> 32),
            put(self.bar + self.SOURCE_PASID, self.pasid(source[0])),
            put(self.bar + self.DESTINATION_PASID, self.pasid(destination[0])),
            put(self.bar + self.LENGTH, length), put(self.bar + self.COMMAND, self.COPY),
            get(self.bar + self.STATUS))[-1]

    def pasid_capability(self):
        """(offset, capability register) of the PASID capability that the guest sees."""
        at = 0x100
        while at:
            header, value = self.qtest.send(get(self.config + at), get(self.config + at + 4, 16))
            if header & 0xffff == PASID_CAPABILITY:
                return at, value
            at = header >> 20
        raise LabError("the guest sees no PASID capability")


@dataclass(frozen=True)
class Event:
    """A record of the guest's event queue."""
    kind: int
    sid: int
    ssid: int           # None: SSV is 0
    address: int
    stag: int           # None: it has not stalled
    reads: bool

    @classmethod
    def parse(cls, data):
        word0, word1, address, _ = struct.unpack("<QQQQ", data)
        return cls(word0 & 0xff, word0 >> 32, word0 >> 12 & 0xfffff if word0 >> 11 & 1 else None, address,
                   word1 & 0xffff if word1 >> 31 & 1 else None, bool(word1 >> 35 & 1))


class Space:
    """Translation tables of one address space: pages of 4 KiB, 39 bits of address."""

    def __init__(self, qtest, number, stalls=False):
        self.qtest = qtest
        self.stalls = stalls
        self.asid = number + 1
        self.table = metal.TABLES + 0x10000 * number
        self.used = 1
        self.tables = {}

    def _next(self, table, index):
        if (table, index) not in self.tables:
            new = self.table + 0x1000 * self.used
            self.used += 1
            self.tables[table, index] = new
            self.qtest.send(put(table + 8 * index, new | 3, 64))
        return self.tables[table, index]

    def map(self, iova, address):
        """Map one page, or with address None unmap it, without a command."""
        level2 = self._next(self.table, iova >> 30 & 0x1ff)
        level3 = self._next(level2, iova >> 21 & 0x1ff)
        # AF, inner shareable, read and write for everybody
        page = 0 if address is None else address | 1 << 10 | 3 << 8 | 1 << 6 | 3
        self.qtest.send(put(level3 + 8 * (iova >> 12 & 0x1ff), page, 64))

    def cd(self, valid=True):
        """The Context Descriptor of the space: AArch64, 4K, 39 bits, S as the space says, R, A, ASET."""
        word0 = (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 30 | valid << 31 | 2 << 32 | 1 << 41 | self.stalls << 44
                 | 1 << 45 | 1 << 46 | 1 << 47 | self.asid << 48)
        return struct.pack("<QQQQ", word0, self.table, 0, 0xff) + bytes(32)


LINEAR, L2_4K, L2_64K = 0, 1, 2         # STE.S1Fmt
TERMINATE, BYPASS, SSID0 = 0, 1, 2      # STE.S1DSS


class Contexts:
    """A table of Context Descriptors, and the STE that leads to it."""

    L1, LEAVES = metal.CONTEXTS, metal.CONTEXTS + 0x10000
    LEAF_BITS = {L2_4K: 6, L2_64K: 10}

    def __init__(self, smmu, sid, fmt=LINEAR, bits=10):
        self.smmu, self.sid, self.fmt, self.bits = smmu, sid, fmt, bits
        self.leaves = {}
        smmu.qtest.send(memory(self.L1, bytes(0x10000)))

    def at(self, ssid):
        if self.fmt == LINEAR:
            return self.L1 + 64 * ssid
        bits = self.LEAF_BITS[self.fmt]
        upper, lower = ssid >> bits, ssid & (1 << bits) - 1
        if upper not in self.leaves:
            # Leaf tables are aligned to their size
            self.leaves[upper] = self.LEAVES + len(self.leaves) * (64 << bits)
            self.smmu.qtest.send(memory(self.leaves[upper], bytes(64 << bits)),
                                 put(self.L1 + 8 * upper, self.leaves[upper] | 1, 64))
        return self.leaves[upper] + 64 * lower

    def set(self, ssid, space, valid=True):
        """Write the CD of a substream, without a command."""
        self.smmu.qtest.send(memory(self.at(ssid), space.cd(valid)))

    def cfgi_cd(self, ssid):
        self.smmu.commands((registers.CFGI_CD | ssid << 12 | self.sid << 32, 1))

    def use(self, s1dss=TERMINATE, eats=0, s1stalld=False):
        """Write the STE, and invalidate it."""
        word0 = metal.STE_VALID | metal.STAGE1 | self.fmt << 4 | self.L1 | self.bits << 59
        word1 = s1dss | 1 << 2 | 1 << 4 | 3 << 6 | s1stalld << 27 | eats << 28
        self.smmu.qtest.send(memory(metal.STRTAB + self.sid * 64, struct.pack("<QQ", word0, word1) + bytes(48)))
        self.smmu.cfgi_ste(self.sid)


class Bench:
    """A stopped machine with the function behind a vSMMU on pcie.0, SMMUEN set."""

    def __init__(self, lab, **registers):
        self.lab = lab
        self.host, _ = lab.vfio("pasid0")
        self.guest = lab.guest()
        self.guest.start(options.iommufd() + lab.qemu.vsmmu(bus="pcie.0", **registers)
                         + ["-device", "pcie-root-port,id=rp1,bus=pcie.0,addr=2,chassis=1"]
                         + options.vfio(self.host), boot="qtest", machine=metal.MACHINE)
        self.qtest = self.guest.qtest
        self.smmu = metal.Smmu(self.qtest)
        self.smmu.set_up()
        self.function = Testdev(self.qtest, metal.Port(self.qtest, 2, 1))
        self.smmu.cr0(metal.Smmu.SMMUEN | metal.Smmu.EVENTQEN | metal.Smmu.CMDQEN)
        self.seen = 0

    def fill(self, address, length):
        """Write random data to the guest's memory; returns its sha256."""
        data = os.urandom(length)
        self.qtest.send(memory(address, data))
        return hashlib.sha256(data).hexdigest()

    def sha256(self, address, length):
        return hashlib.sha256(self.bytes(address, length)).hexdigest()

    def bytes(self, address, length):
        words = self.qtest.send(*(get(address + n, 64) for n in range(0, length, 8)))
        return struct.pack(f"<{length // 8}Q", *words)

    def new_events(self):
        """The events in the guest's queue since the last call."""
        size = 1 << self.smmu.LOG2_EVENTS
        prod = self.smmu.events()
        count = (prod - self.seen) % (2 * size)
        found = [Event.parse(self.bytes(metal.EVENTQ + (self.seen + n) % size * 32, 32)) for n in range(count)]
        self.seen = prod
        self.qtest.send(put(metal.SMMU + self.smmu.EVENTQ_CONS, prod))
        return found

    def expect_event(self, why, **fields):
        """Wait for the event of a fault, the only one since the last call, and return it."""
        eventually(f"{why}: an event in the guest's queue", lambda: self.smmu.events() != self.seen)
        found = self.new_events()
        expect(len(found) == 1, f"{why}: the guest gets {found}, not one event")
        for name, want in {"sid": self.function.sid, **fields}.items():
            have = getattr(found[0], name)
            expect(have == want, f"{why}: the event's {name} is {have}, not {want}: {found[0]}")
        return found[0]


HEADERS = util.BUILD / "tree/linux-headers"     # newer than those of the sysroot


def program(name):
    """The path of a program of guest/, built if it is not in the cache."""
    source = HERE / f"guest/{name}.c"
    sysroot = roots.sysroot()
    headers = [(HEADERS / "linux" / header).read_bytes() for header in ("iommufd.h", "vfio.h")]
    key = util.key_of(source.read_bytes(), *headers, kernel.compiler(), sysroot.name)
    with util.cached(name, key) as (final, work):
        if work:
            util.run([f"{CROSS}gcc", f"--sysroot={sysroot}", "-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror",
                      "-I", HEADERS, source, "-o", work / name])
    return final / name
