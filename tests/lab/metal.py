# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest without software: the lab writes its memory and registers with qtest.

Use it with start(boot="qtest").  No vCPU runs, so a step of a flow takes
milliseconds; for the SMMU, VFIO and the host's kernel there is no difference.
"""

import struct
import time

from . import registers
from .registers import CERROR_ABT, CFGI_STE, EXPRESS, POWER_OFF, POWER_ON, SLTCTL, STAGE1, STE_VALID, SYNC
from .util import LabError

# The virt machine with highmem-ecam=off, and the first vSMMU on it
MACHINE = ",highmem-ecam=off"
ECAM, SMMU, WINDOW = 0x3f000000, 0xc000000, 0x10000000
CMDQV = 0xc080000           # of the first vSMMU, with cmdqv=on

# In RAM: the SMMU's tables and queues, then what the NVMe reads and writes
CMDQ, EVENTQ, STRTAB, CONTEXTS, TABLES = 0x40100000, 0x40110000, 0x40200000, 0x40300000, 0x40400000
VCMDQ = 0x40120000
QUEUE, DONE, DATA = 0x41000000, 0x41001000, 0x41002000
RAM = 0x40000000


class Qtest:
    """QEMU's qtest protocol.  Commands of one call are sent together."""

    def __init__(self, channel):
        self.channel = channel

    def send(self, *lines, timeout=30):
        self.channel.send("".join(f"{line}\n" for line in lines).encode())
        answers = [self.channel.line(timeout, f"qtest {line}").split() for line in lines]
        for line, answer in zip(lines, answers):
            if answer[:1] != ["OK"]:
                raise LabError(f"qtest {line[:60]}: {' '.join(answer)}")
        return [int(answer[1], 0) if len(answer) > 1 else 0 for answer in answers]

    def bytes(self, address, count):
        return self.send(f"read {address:#x} {count:#x}")[0].to_bytes(count, "big")


def put(address, value, width=32):
    return f"write{'bwlq'[(width // 8).bit_length() - 1]} {address:#x} {value:#x}"


def get(address, width=32):
    return f"read{'bwlq'[(width // 8).bit_length() - 1]} {address:#x}"


def memory(address, data):
    return f"write {address:#x} {len(data):#x} 0x{data.hex()}"


def sync(address, data):
    """A CMD_SYNC that completes with an MSI."""
    return SYNC | 1 << 12 | data << 32, address


def block(address):
    """A descriptor of stage 1 that maps a block of 1 GiB; its AF does not matter."""
    return address | 1 << 10 | 3 << 8 | 1 << 6 | 1


def capability(qtest, config, kind):
    """Where in a configuration space a capability is."""
    at = qtest.send(get(config + 0x34, 8))[0]
    while at:
        found, following = qtest.send(get(config + at, 8), get(config + at + 1, 8))
        if found == kind:
            return at
        at = following
    raise LabError(f"no capability {kind:#x}")


class Smmu(registers.Smmu):
    """The vSMMU as its driver would use it, with context n mapping RAM at va(n)."""

    LOG2_STES, LOG2_CMDS, LOG2_EVENTS = 10, 8, 4

    def __init__(self, qtest):
        self.qtest = qtest
        self.cmdq = CMDQ
        self.may_abort = False      # a command that a host with failures does not confirm

    def read(self, register, width=32):
        return self.qtest.send(get(SMMU + register, width))[0]

    def write(self, register, value, width=32):
        self.qtest.send(put(SMMU + register, value, width))

    @staticmethod
    def va(context):
        """The IOVA of RAM in a context: one block of 1 GiB, different in each context."""
        return (2 + context) << 30

    def context(self, n, table=None, valid=True):
        """Write the CD of a context, with its own translation table or that of another."""
        # 4K, 39 bits of VA, 40 of PA, write-back; AF clear does not matter
        cd0 = (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 30 | valid << 31 | 2 << 32 | 1 << 41
               | 1 << 45 | 1 << 46 | 1 << 47 | (n + 1) << 48)
        ttb0 = TABLES + (n if table is None else table) * 4096
        self.qtest.send(memory(CONTEXTS + n * 64, struct.pack("<QQQQ", cd0, ttb0, 0, 0xff) + bytes(32)))

    def map(self, n, mapped=True):
        """Map or unmap RAM in the translation table of a context, without a command."""
        self.qtest.send(put(TABLES + n * 4096 + 8 * (2 + n), block(RAM) if mapped else 0, 64))

    def write_contexts(self, number=2):
        for n in range(number):
            self.context(n)
            self.map(n)

    def ste(self, sid, context=None, config=0, valid=True):
        """Write an STE: stage 1 with a context, or another Config, without a command."""
        word0 = (STE_VALID if valid else 0) | config
        word1 = 0
        if context is not None:
            word0 |= STAGE1 | CONTEXTS + context * 64
            word1 = 1 << 2 | 1 << 4 | 3 << 6
        self.qtest.send(memory(STRTAB + sid * 64, struct.pack("<QQ", word0, word1) + bytes(48)))

    def set_up(self):
        """Set up queues and tables after a reset; SMMUEN and EVENTQEN stay 0."""
        self.write_contexts()
        self.qtest.send(put(SMMU + self.CR0, 0),
                        put(SMMU + self.STRTAB_BASE, STRTAB, 64),
                        put(SMMU + self.STRTAB_BASE_CFG, self.LOG2_STES),
                        put(SMMU + self.EVENTQ_BASE, EVENTQ | self.LOG2_EVENTS, 64),
                        put(SMMU + self.EVENTQ_PROD, 0), put(SMMU + self.EVENTQ_CONS, 0))
        self.queue(CMDQ)
        self.cr0(self.CMDQEN)

    def queue(self, at):
        """Place the command queue, which is off, and empty it."""
        self.cmdq, self.prod = at, 0
        self.qtest.send(put(SMMU + self.CMDQ_BASE, at | self.LOG2_CMDS, 64),
                        put(SMMU + self.CMDQ_PROD, 0), put(SMMU + self.CMDQ_CONS, 0))

    def again(self):
        """Write CR0 again, unchanged."""
        self.cr0(self.read(self.CR0))

    def ring(self, *commands, timeout=30):
        """Send pairs of 64-bit words; returns CONS, and the pending bits of GERROR."""
        lines = []
        for words in commands:
            at = self.prod % (1 << self.LOG2_CMDS)
            lines.append(memory(self.cmdq + at * 16, struct.pack("<QQ", *words)))
            self.prod = (self.prod + 1) % (2 << self.LOG2_CMDS)
        *_, cons, gerror, gerrorn = self.qtest.send(
            *lines, put(SMMU + self.CMDQ_PROD, self.prod), get(SMMU + self.CMDQ_CONS),
            get(SMMU + self.GERROR), get(SMMU + self.GERRORN), timeout=timeout)
        return cons, gerror ^ gerrorn

    def commands(self, *commands):
        """Like ring(), with a CMD_SYNC; the queue must be consumed completely."""
        cons, errors = self.ring(*commands, (SYNC, 0))
        if self.may_abort and errors and cons >> 24 == CERROR_ABT:
            return
        # Without an active error, ERR in the upper bits has no meaning.
        if cons & 0xfffff != self.prod or errors:
            raise LabError(f"the command queue stops: PROD {self.prod:#x}, CONS {cons:#x}, "
                           f"GERROR {errors:#x}")

    def acknowledge(self):
        """Acknowledge errors, GERRORN becomes GERROR; the SMMU continues with its queue."""
        self.write(self.GERRORN, self.read(self.GERROR))

    def msi(self, register, enable, address, data):
        """Set the address of an MSI of the SMMU, and enable it; address 0: wired."""
        self.qtest.send(put(SMMU + self.IRQ_CTRL, 0), put(SMMU + register, address, 64),
                        put(SMMU + register + 8, data), put(SMMU + self.IRQ_CTRL, enable))

    def cfgi_ste(self, sid):
        self.commands((CFGI_STE | sid << 32, 1))

    def events(self):
        """The number of events written to the guest's queue."""
        return self.read(self.EVENTQ_PROD) & ~self.OVERFLOW

    def empty_event_queue(self):
        """Empty the queue, as when it is first enabled."""
        cr0 = self.read(self.CR0)
        self.cr0(cr0 & ~self.EVENTQEN)
        self.write(self.EVENTQ_PROD, 0)
        self.write(self.EVENTQ_CONS, 0)
        self.cr0(cr0)

    def event(self, n):
        """The (type, StreamID) of an event in the guest's queue."""
        kind, sid = self.qtest.send(get(EVENTQ + n * 32, 8), get(EVENTQ + n * 32 + 4))
        return kind, sid


class Cmdqv(registers.Cmdqv):
    """LVCMDQ 0 of the vSMMU's CMDQV, as Linux's driver sets it up."""

    LOG2_CMDS = 8

    def __init__(self, qtest):
        self.qtest = qtest
        self.prod = 0
        self.may_abort = False      # as in Smmu

    def queue(self, register):
        """The address of a register of the queue."""
        return CMDQV + self.PAGE0 + register

    def off(self):
        """Disable the queue and the VINTF."""
        self.qtest.send(put(self.queue(self.EN), 0), put(CMDQV + self.ALLOC_MAP, 0), put(CMDQV + self.VINTF_CONFIG, 0),
                        put(CMDQV + self.CONFIG, self.qtest.send(get(CMDQV + self.CONFIG))[0] & ~1))

    def on(self):
        """Go from any state to an empty, enabled queue."""
        self.off()
        config = self.qtest.send(get(CMDQV + self.CONFIG))[0]
        self.prod = 0
        *_, vintf, gerror = self.qtest.send(
            put(CMDQV + self.CONFIG, config | 1), put(CMDQV + self.VINTF_CONFIG, 1),
            put(CMDQV + self.ALLOC_MAP, 1), get(CMDQV + self.VINTF_STATUS), get(self.queue(self.GERROR)))
        *_, queue = self.qtest.send(
            put(self.queue(self.GERRORN), gerror), put(self.queue(self.PROD), 0), put(self.queue(self.CONS), 0),
            put(CMDQV + self.PAGE1, VCMDQ | self.LOG2_CMDS, 64), put(self.queue(self.EN), 1),
            get(self.queue(self.EN_OK)))
        if not (vintf & 1 and queue & 1):
            raise LabError(f"VINTF0's STATUS is {vintf:#x}, that of its queue {queue:#x}")

    def commands(self, *commands):
        """Send pairs of 64-bit words and a CMD_SYNC; the queue must be consumed completely."""
        for words in (*commands, (SYNC, 0)):
            at = self.prod % (1 << self.LOG2_CMDS)
            self.qtest.send(memory(VCMDQ + at * 16, struct.pack("<QQ", *words)))
            self.prod = (self.prod + 1) % (2 << self.LOG2_CMDS)
        self.qtest.send(put(self.queue(self.PROD), self.prod))
        deadline = time.monotonic() + 2
        while True:
            cons, gerror, gerrorn = self.qtest.send(*(get(self.queue(n)) for n in (self.CONS, self.GERROR, self.GERRORN)))
            if cons == self.prod and gerror == gerrorn:
                return
            if self.may_abort and gerror != gerrorn and cons >> 24 == CERROR_ABT:
                return
            if time.monotonic() > deadline:
                raise LabError(f"the queue of the CMDQV stops: PROD {self.prod:#x}, CONS {cons:#x}, "
                               f"GERROR {gerror ^ gerrorn:#x}")


class Port:
    """A root port of pcie.0 and the one device below it."""

    def __init__(self, qtest, slot, bus):
        self.qtest = qtest
        self.slot = slot
        self.config = ECAM + (slot << 15)
        self.window = WINDOW + (slot << 21)
        self.slot_control = self.config + capability(qtest, self.config, EXPRESS) + SLTCTL
        self.bus = bus
        self.set_bus(bus)

    @property
    def sid(self):
        return self.bus << 8

    def set_bus(self, bus):
        """Secondary and subordinate bus number, window, and the slot's power."""
        self.bus = bus
        self.qtest.send(put(self.config + 0x18, bus << 8 | bus << 16),
                        put(self.config + 0x20, self.window >> 16 | self.window & 0xfff00000),
                        put(self.config + 4, 0x6, 16),
                        put(self.slot_control, POWER_ON, 16))

    def eject(self):
        """Turn the slot off, as a guest does to release a device."""
        self.qtest.send(put(self.slot_control, POWER_OFF, 16))


class Nvme(registers.Nvme):
    """DMA without a driver: Identify Controller with its queues at an IOVA."""

    def __init__(self, qtest, port, function=0):
        self.qtest = qtest
        self.port = port
        self.function = function
        self.bar = port.window + function * 0x10000

    @property
    def sid(self):
        return self.port.sid | self.function

    def _wait(self, mask, want, timeout=5):
        deadline = time.monotonic() + timeout
        while True:
            status, phase = self.qtest.send(get(self.bar + self.CSTS), get(DONE + 12))
            if status & mask == want:
                return "ready"
            if status & self.FATAL:
                return "fatal"
            if phase >> 16 & 1:
                return "done"
            if time.monotonic() > deadline:
                raise LabError(f"NVMe stuck, CSTS {status:#x}")

    def enable(self):
        """Set BAR 0, memory, bus master, no INTx; lasts until a reset."""
        config = ECAM + (self.sid << 12)
        self.qtest.send(put(config + 0x10, self.bar), put(config + 0x14, 0), put(config + 4, 0x406, 16))

    def identify(self, base, enable=True, to=None, queue=None):
        """The serial number, read by DMA with RAM at this IOVA; None if DMA is blocked.

        to: another IOVA, for the data alone.  queue: another IOVA, where the caller has put the command
        """
        if self.port.bus and enable:
            self.enable()
        regs = self.bar
        offset = base - RAM
        data = DATA + offset if to is None else to
        self.qtest.send(memory(QUEUE, self.identify_command(data)),
                        memory(DONE, bytes(16)), memory(DATA, bytes(64)), put(regs + self.CC, 0))
        self._wait(self.READY, 0)
        self.qtest.send(put(regs + self.AQA, self.TWO_ENTRIES),
                        put(regs + self.ASQ, QUEUE + offset if queue is None else queue, 64),
                        put(regs + self.ACQ, DONE + offset, 64), put(regs + self.CC, self.ENABLE))
        self._wait(self.READY, self.READY)
        self.qtest.send(put(regs + self.DOORBELL, 1))
        if self._wait(0x100, 0x100) == "fatal":
            return None
        return self.serial_at(DATA)

    def _done(self, queue, entry, what):
        """Wait for an entry of a completion queue, which must be one of success."""
        deadline = time.monotonic() + 5
        while True:
            status = self.qtest.send(get(queue + 16 * entry + 12))[0] >> 16
            if status & 1:
                break
            if time.monotonic() > deadline:
                raise LabError(f"NVMe: {what} does not end")
        if status >> 1:
            raise LabError(f"NVMe: {what} ends with status {status >> 1:#x}")

    def read_disk(self, base, to, length):
        """Read the start of the disk to an IOVA, by an I/O queue; RAM is at the IOVA base."""
        offset, regs = base - RAM, self.bar
        completions, submissions, pages = DATA + 0x1000, DATA + 0x2000, DATA + 0x3000
        self.qtest.send(memory(DONE, bytes(64)), memory(completions, bytes(64)), put(regs + self.CC, 0))
        self._wait(self.READY, 0)
        more = [to + at for at in range(4096, length, 4096)]
        self.qtest.send(
            *(memory(QUEUE + 64 * n, command) for n, command in
              enumerate(self.create_queues(completions + offset, submissions + offset))),
            memory(pages, struct.pack(f"<{len(more)}Q", *more)),
            memory(submissions, self.read_command(to, pages + offset, length // 512)),
            put(regs + self.AQA, 0x70007), put(regs + self.ASQ, QUEUE + offset, 64),
            put(regs + self.ACQ, DONE + offset, 64), put(regs + self.CC, self.ENABLE))
        self._wait(self.READY, self.READY)
        for n in range(2):
            self.qtest.send(put(regs + self.DOORBELL, n + 1))
            self._done(DONE, n, "the creation of a queue")
        self.qtest.send(put(regs + self.DOORBELL_IO, 1))
        self._done(completions, 0, "a read")

    def serial_at(self, address):
        """The serial number that Identify has written at a guest address; "" if there is none."""
        words = self.qtest.send(*(get(address + n, 64) for n in (0, 8, 16)))
        return self.serial_number(struct.pack("<QQQ", *words))
