# SPDX-License-Identifier: GPL-2.0-or-later
"""Command queues in hardware: the commands that L0's SMMU receives, and the queues of a guest."""

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

from . import bare, checks, registers
from .bench import counters, workloads
from .checks import expect

# The events for each command of the SMMU's own queue, and of every other queue
COMMANDS = ("smmuv3_cmdq_opcode", "smmuv3_cmdqv_command")
WRITES = ("smmuv3_cmdqv_write",)
OWN = re.compile(r"smmuv3_cmdq_opcode <--- SMMU_CMD_(\w+)")
VCMDQ = re.compile(r"smmuv3_cmdqv_command vintf (\d+) vcmdq (\d+) (?:SMMU_CMD_)?(\w+) "
                   r"0x([0-9a-f]+) 0x[0-9a-f]+ error (\d+)")
WRITE = re.compile(r"smmuv3_cmdqv_write offset 0x([0-9a-f]+) value 0x([0-9a-f]+)")

# Messages of a driver that has all of its queues, and of one that has not
FOUND = "found companion CMDQV device: NVDA200C:"
BAD = ("Falling back to standard", "failed to enable", "failed to reset impl", "errors will not be reported")
TOLD = "unexpected error reported. vintf_map:"

# Two numbers of reads, and the exits for each read that count as none
FEW, MANY, NONE = 200, 1200, 0.005


class Seen:
    """The commands that L0's SMMU received: opcodes of its own queue, and of each VINTF's."""

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
        """{VINTF: VMID} of the VINTFs that were enabled for a guest."""
        first, size = registers.Cmdqv.VINTF, registers.Cmdqv.VINTF_SIZE
        vintfs = range(first + size, first + registers.Cmdqv.VINTFS * size, size)
        return {(offset - first) // size: value >> 1 & 0xffff for offset, value in self.writes
                if offset in vintfs and value & 1}


@contextmanager
def watched(l1, events=COMMANDS):
    """Trace L0's command queues during the with statement."""
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
    """Check that the kernel of a machine found its CMDQV and uses it without an error."""
    log = machine.sh("dmesg").out
    expect(not acpi or FOUND in log, "the kernel did not find a CMDQV")
    for q in queues:
        expect(re.search(rf"allocated \d+ entries for vcmdq{q}\b", log), f"no vcmdq{q} in the log")
    for bad in BAD:
        expect(bad not in log, f"the kernel's log has: {bad}")


def read(guest, disk, ops):
    """Read the disk, with one unmap for each of `ops` reads."""
    workloads.reads(lambda script, timeout: guest.sh(script, timeout).out, disk,
                    workloads.Reads("4k", ops))


def exits_per_unmap(lab, guest, disk):
    """Exits to QEMU, from KVM's counters.  The difference of two measurements omits the
    exits of the measurement itself."""
    meter = counters.Meter(lab, guest)
    few, many = (meter.measure(lambda ops=ops: read(guest, disk, ops))[1]["to_qemu"]
                 for ops in (FEW, MANY))
    return (many - few) / (MANY - FEW)


class Queue(registers.Cmdqv):
    """An LVCMDQ that the kernel of a guest with ACPI does not use.

    With one vCPU, that is LVCMDQ 1.
    """

    def __init__(self, guest, number=1):
        self.guest = guest
        base = int(guest.sh("grep NVDA200C /proc/iomem").out.split("-")[0], 16)
        self.page0 = base + self.PAGE0 + self.QUEUE_SIZE * number
        queue = bare.read(guest, base + self.PAGE1 + self.QUEUE_SIZE * number, 64)
        self.address, self.size = queue & ~31, 1 << (queue & 31)
        self.prod = bare.read(guest, self.page0 + self.PROD)

    def put(self, word0, word1=0):
        """Write a command, and then PROD."""
        at = self.address + 16 * (self.prod % self.size)
        self.prod = (self.prod + 1) % (2 * self.size)
        self.guest.sh(f"devmem {at:#x} 64 {word0:#x}; devmem {at + 8:#x} 64 {word1:#x}\n"
                      f"devmem {self.page0 + self.PROD:#x} 32 {self.prod:#x}")

    def idle(self):
        """Whether all commands were consumed."""
        return bare.read(self.guest, self.page0 + self.CONS) == self.prod


@dataclass(frozen=True)
class Wrong:
    """A command that a queue of a guest refuses."""
    what: str
    word0: int
    error: int          # in CONS
    software: bool = True   # whether QEMU refuses it, too, when it executes the queue


WRONG = (Wrong("an unknown opcode", 0xff, 1), Wrong("TLBI_NSNH_ALL", registers.TLBI_NSNH_ALL, 4),
         Wrong("CFGI_ALL", registers.CFGI_ALL, 4), Wrong("ATC_INV of another StreamID", registers.ATC_INV | 0x7777 << 32, 4, False),
         Wrong("CMD_SYNC with an interrupt", registers.SYNC | 1 << 12, 1))


def told(machine):
    """The number of errors that were reported to the kernel of a machine, which then repairs the queue."""
    return machine.sh("dmesg").out.count(TOLD)


def misbehave(guest, disk, wrong):
    """The guest sends illegal commands: each error is reported, the guest repairs the queue, and its disk works."""
    queue = Queue(guest)
    for number, case in enumerate(wrong, told(guest) + 1):
        queue.put(case.word0)
        checks.eventually(f"{case.what}: the guest's driver repairs the queue", queue.idle)
        expect(told(guest) == number, f"{case.what}: {told(guest)} errors were reported "
               f"to the guest, not {number}")
        read(guest, disk, 50)


def only_that_queue_stopped(seen, wrong, vintf):
    """Check that L0 refused only this command, and carried out all others of the VINTF."""
    expect([(v, error) for v, _, error in seen.errors] == [(vintf, wrong.error)],
           f"{wrong.what}: the errors are {seen.errors}")
    expect(seen.tlbi(seen.vintf[vintf]) >= 50, f"{wrong.what}: the VINTFs executed only {seen.vintf}")


# ------------------------------------------------------- the monitor of QEMU

def info(guest, smmu="smmu1"):
    return next(i for i in guest.qmp.cmd("query-smmuv3-accel") if i.get("id") == smmu)


def mode(guest, smmu="smmu1"):
    """The mode of the queues of a vSMMU, "hardware" or "software", and the reason."""
    cmdqv = info(guest, smmu)["cmdqv"]
    return cmdqv["mode"], cmdqv.get("why", "")


def expect_mode(guest, want, when, smmu="smmu1"):
    have, why = mode(guest, smmu)
    expect(have == want, f"{when}: the queues are in {have} ({why or 'no reason given'}), not in {want}")
    return why


def moves(guest):
    """How often QEMU gave the queues to the hardware, and took them back."""
    counts = info(guest)["counters"]
    return counts["cmdqv-given"], counts["cmdqv-taken-back"]
