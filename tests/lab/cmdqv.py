# SPDX-License-Identifier: GPL-2.0-or-later
"""Command queues in hardware: what L0's SMMU was given by whom, and a guest's own queues."""

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

from . import bare, checks
from .bench import counters, workloads
from .checks import expect

# All commands of the SMMU's own queue, and all of any other
COMMANDS = ("smmuv3_cmdq_opcode", "smmuv3_cmdqv_command")
WRITES = ("smmuv3_cmdqv_write",)
OWN = re.compile(r"smmuv3_cmdq_opcode <--- SMMU_CMD_(\w+)")
VCMDQ = re.compile(r"smmuv3_cmdqv_command vintf (\d+) vcmdq (\d+) (?:SMMU_CMD_)?(\w+) "
                   r"0x([0-9a-f]+) 0x[0-9a-f]+ error (\d+)")
WRITE = re.compile(r"smmuv3_cmdqv_write offset 0x([0-9a-f]+) value 0x([0-9a-f]+)")

# What a driver says that has, or has not, all of its queues
FOUND = "found companion CMDQV device: NVDA200C:"
BAD = ("Falling back to standard", "failed to enable", "failed to reset impl", "errors will not be reported")
TOLD = "unexpected error reported. vintf_map:"

# Where KVM's counters say nothing to the point: 0.00 of 1000 reads
FEW, MANY, NONE = 200, 1200, 0.005


class Seen:
    """What L0's SMMU was given: opcodes of its own queue, and of each VINTF's."""

    def __init__(self):
        self.own = Counter()
        self.vintf = {}
        self.vmids = {}         # of each VINTF's TLB invalidations
        self.queues = {}
        self.errors = []        # (VINTF, opcode, error)
        self.writes = []        # (offset, value) to the CMDQV

    def parse(self, text):
        self.own.update(OWN.findall(text))
        for v, q, opcode, word0, error in VCMDQ.findall(text):
            v = int(v)
            self.vintf.setdefault(v, Counter())[opcode] += 1
            self.queues.setdefault(v, set()).add(int(q))
            if opcode.startswith("TLBI_NH"):
                self.vmids.setdefault(v, set()).add(int(word0, 16) >> 32 & 0xffff)
            if error != "0":
                self.errors.append((v, opcode, int(error)))
        self.writes += [(int(a, 16), int(b, 16)) for a, b in WRITE.findall(text)]

    @staticmethod
    def tlbi(opcodes):
        return sum(n for opcode, n in opcodes.items() if opcode.startswith("TLBI"))

    def given(self):
        """{VINTF: VMID} of those that were enabled for a guest."""
        return {(offset - 0x1000) >> 8: value >> 1 & 0xffff for offset, value in self.writes
                if 0x1100 <= offset < 0x5000 and offset & 0xff == 0 and value & 1}


@contextmanager
def watched(l1, events=COMMANDS):
    """Trace L0's command queues, meanwhile."""
    seen = Seen()
    start = l1.l0.stderr_path.stat().st_size
    counters.trace_events(l1.l0.qmp, events, True)
    try:
        yield seen
    finally:
        counters.trace_events(l1.l0.qmp, events, False)
    with open(l1.l0.stderr_path, "rb") as file:
        file.seek(start)
        seen.parse(file.read().decode(errors="replace"))


def driver_has_queues(machine, acpi=True, queues=(0, 1)):
    """The kernel of a machine found its CMDQV, and everything it did with it worked."""
    log = machine("dmesg").out
    expect(not acpi or FOUND in log, "the kernel did not find a CMDQV")
    for q in queues:
        expect(re.search(rf"allocated \d+ entries for vcmdq{q}\b", log), f"no vcmdq{q} in the log")
    for bad in BAD:
        expect(bad not in log, f"the kernel's log has: {bad}")


def read(guest, disk, ops):
    """So many unmaps."""
    workloads.reads(lambda script, timeout: guest.guest(script, timeout).out, disk,
                    workloads.Reads("4k", ops))


def exits_per_unmap(lab, guest, disk):
    """Exits to QEMU, by KVM's counters; what comes with the question cancels out."""
    meter = counters.Meter(lab, guest)
    few, many = (meter.measure(lambda ops=ops: read(guest, disk, ops))[1]["to_qemu"]
                 for ops in (FEW, MANY))
    return (many - few) / (MANY - FEW)


class Queue:
    """An LVCMDQ of a guest that boots with ACPI, which its kernel does not use.

    With one vCPU that is LVCMDQ 1.
    """

    CONS, PROD, GERROR, GERRORN = 0x0, 0x4, 0x10, 0x14

    def __init__(self, guest, number=1):
        self.guest = guest
        base = int(guest.guest("grep NVDA200C /proc/iomem").out.split("-")[0], 16)
        self.page0 = base + 0x30000 + 0x80 * number
        queue = bare.read(guest, base + 0x40000 + 0x80 * number, 64)
        self.address, self.size = queue & ~31, 1 << (queue & 31)
        self.prod = bare.read(guest, self.page0 + self.PROD)

    def put(self, word0, word1=0):
        """Write a command and ring."""
        at = self.address + 16 * (self.prod % self.size)
        self.prod = (self.prod + 1) % (2 * self.size)
        self.guest.guest(f"devmem {at:#x} 64 {word0:#x}; devmem {at + 8:#x} 64 {word1:#x}\n"
                         f"devmem {self.page0 + self.PROD:#x} 32 {self.prod:#x}")

    def idle(self):
        """All was consumed, and no error is active."""
        return bare.read(self.guest, self.page0 + self.CONS) == self.prod


@dataclass(frozen=True)
class Wrong:
    """A command that a guest's queue does not take."""
    what: str
    word0: int
    error: int          # in CONS
    software: bool = True   # QEMU, with one guest only, refuses it as well


WRONG = (Wrong("an opcode of none", 0xff, 1), Wrong("TLBI_NSNH_ALL", 0x30, 4),
         Wrong("CFGI_ALL", 0x04, 4), Wrong("ATC_INV of another StreamID", 0x40 | 0x7777 << 32, 4, False),
         Wrong("CMD_SYNC with an interrupt", 0x1046, 1))


def told(machine):
    """How often the kernel of a machine was told of an error, after which it repairs the queue."""
    return machine("dmesg").out.count(TOLD)


def misbehave(guest, disk, wrong):
    """The guest puts in what it must not; it is told, repairs the queue, and its disk goes on."""
    queue = Queue(guest)
    for number, case in enumerate(wrong, told(guest.guest) + 1):
        queue.put(case.word0)
        checks.eventually(f"{case.what}: the guest's driver repairs the queue", queue.idle)
        expect(told(guest.guest) == number, f"{case.what}: the guest was told {told(guest.guest)} "
               f"times, not {number}")
        read(guest, disk, 50)


def only_that_queue_stopped(seen, wrong, vintf):
    """L0 refused that one command of misbehave(), and carried out all others of the VINTF."""
    expect([(v, error) for v, _, error in seen.errors] == [(vintf, wrong.error)],
           f"{wrong.what}: errors are {seen.errors}")
    expect(seen.tlbi(seen.vintf[vintf]) >= 50, f"{wrong.what}: the other queue has {seen.vintf}")


# ------------------------------------------------------------ what QEMU says

def info(guest, smmu="smmu1"):
    return next(i for i in guest.qmp.cmd("query-smmuv3-accel") if i.get("id") == smmu)


def mode(guest, smmu="smmu1"):
    """Who consumes the queues of a vSMMU, and why."""
    cmdqv = info(guest, smmu)["cmdqv"]
    return cmdqv["mode"], cmdqv.get("why", "")


def expect_mode(guest, want, when, smmu="smmu1"):
    have, why = mode(guest, smmu)
    expect(have == want, f"{when}: queues are in {have} ({why or 'no reason given'}), not in {want}")
    return why


def moves(guest):
    """How often queues were given to the hardware, and taken back."""
    counts = info(guest)["counters"]
    return counts["cmdqv-given"], counts["cmdqv-taken-back"]
