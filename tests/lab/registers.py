# SPDX-License-Identifier: GPL-2.0-or-later
"""An SMMUv3, its CMDQV and an NVMe controller, as their drivers see them.

The names and numbers are those of IHI 0070, of Linux's tegra241-cmdqv driver and of
the NVMe specification.  bare.py and metal.py give these models an access to the
registers: by the shell of a guest, and by qtest without a guest.
"""

import struct

from .util import LabError

# Commands, IHI 0070 chapter 4
CFGI_STE, CFGI_ALL, CFGI_CD = 0x03, 0x04, 0x05
TLBI_NH_ALL, TLBI_NH_ASID, TLBI_NSNH_ALL = 0x10, 0x11, 0x30
ATC_INV, RESUME, STALL_TERM, SYNC = 0x40, 0x44, 0x45, 0x46
# What CONS says about a command
CERROR_ILL, CERROR_ABT = 1, 2

# Events, chapter 7
F_STE_FETCH, C_BAD_STE, F_STREAM_DISABLED = 0x03, 0x04, 0x06
C_BAD_SUBSTREAMID, C_BAD_CD, F_TRANSLATION = 0x08, 0x0a, 0x10

# Word 0 of a stream table entry, 5.2
STE_VALID, CONFIG, BYPASS, STAGE1 = 1, 7 << 1, 4 << 1, 5 << 1
ILLEGAL = STAGE1 | 31 << 59         # 2^31 CDs, which no vSMMU of the lab has

# PCI
EXPRESS = 0x10                      # the id of the PCI Express capability
SLTCTL = 0x18                       # Slot Control, from that capability
POWER_ON, POWER_OFF = 0x100, 0x700
EJECT = 0x7c0                       # power and both indicators off, which ejects the device at once


def tlbi_asid(asid):
    """The two words of a command that invalidates the entries of an ASID."""
    return TLBI_NH_ASID | asid << 48, 0


class Smmu:
    """The registers of an SMMUv3.  read() and write() access one."""

    IDR = {"idr0": 0x0, "idr1": 0x4, "idr2": 0x8, "idr3": 0xc, "idr4": 0x10, "idr5": 0x14, "iidr": 0x18, "aidr": 0x1c}
    CR0, CR0ACK, GBPA, IRQ_CTRL, GERROR, GERRORN = 0x20, 0x24, 0x44, 0x50, 0x60, 0x64
    STRTAB_BASE, STRTAB_BASE_CFG = 0x80, 0x88
    CMDQ_BASE, CMDQ_PROD, CMDQ_CONS = 0x90, 0x98, 0x9c
    EVENTQ_BASE, EVENTQ_PROD, EVENTQ_CONS = 0xa0, 0x100a8, 0x100ac
    GERROR_IRQ, EVENTQ_IRQ = 0x68, 0xb0     # address; the data is 8 bytes later

    SMMUEN, EVENTQEN, CMDQEN = 1, 4, 8                      # CR0
    UPDATE, ABORT = 1 << 31, 1 << 20                        # GBPA
    GERROR_IRQEN, EVENTQ_IRQEN = 1, 4                       # IRQ_CTRL
    CMDQ_ERR, EVENTQ_ABT_ERR, MSI_CMDQ_ABT_ERR, MSI_EVENTQ_ABT_ERR = 1 << 0, 1 << 2, 1 << 4, 1 << 5     # GERROR
    OVERFLOW = 1 << 31                                      # EVENTQ_PROD
    ADDRESS, LOG2SIZE = (1 << 52) - 1 & ~31, 31             # CMDQ_BASE, EVENTQ_BASE

    def read(self, register, width=32):
        raise NotImplementedError

    def write(self, register, value, width=32):
        raise NotImplementedError

    def cr0(self, value):
        """Write CR0, and check that it is acknowledged."""
        self.write(self.CR0, value)
        ack = self.read(self.CR0ACK)
        if ack != value:
            raise LabError(f"CR0 is {value:#x}, CR0ACK {ack:#x}")

    def change_cr0(self, clear=0, set=0):
        self.cr0(self.read(self.CR0) & ~clear | set)

    def gbpa(self, abort):
        self.write(self.GBPA, self.UPDATE | (self.ABORT if abort else 0))
        value = self.read(self.GBPA)
        if value & self.UPDATE or bool(value & self.ABORT) != abort:
            raise LabError(f"GBPA reads {value:#x} after an update")

    def global_errors(self):
        """The errors that GERRORN does not acknowledge."""
        return self.read(self.GERROR) ^ self.read(self.GERRORN)


class Cmdqv:
    """Offsets in a Tegra241 CMDQV: its own registers, those of VINTF0, and the pages of VINTF0's queues."""

    CONFIG, STATUS, ALLOC_MAP = 0x0, 0x8, 0x200
    VINTF, VINTF_SIZE, VINTFS = 0x1000, 0x100, 64
    VINTF_CONFIG, VINTF_STATUS = VINTF, VINTF + 4
    PAGE0, PAGE1, QUEUE_SIZE = 0x30000, 0x40000, 0x80
    # of a queue, in page 0; in page 1 is its base
    CONS, PROD, EN, EN_OK, GERROR, GERRORN = 0x0, 0x4, 0x8, 0xc, 0x10, 0x14


class Nvme:
    """The registers of an NVMe controller, and Identify Controller as its one command."""

    CC, CSTS, AQA, ASQ, ACQ, DOORBELL = 0x14, 0x1c, 0x24, 0x28, 0x30, 0x1000
    TWO_ENTRIES = 0x10001               # AQA
    DOORBELL_IO = DOORBELL + 8          # of I/O submission queue 1
    ENABLE = 0x460001                   # CC: entries of 64 and 16 bytes
    READY, FATAL = 1, 2                 # CSTS

    @staticmethod
    def identify_command(data):
        """A command that writes 4 KiB to this address."""
        return struct.pack("<IIQQQQIIIIII", 0x10006, 0, 0, 0, data, 0, 1, 0, 0, 0, 0, 0)

    @staticmethod
    def create_queues(completion, submission):
        """The two admin commands that create I/O queues 1, of eight entries each, at these addresses."""
        pair = []
        for opcode, at, flags in (5, completion, 1), (1, submission, 1 << 16 | 1):
            pair.append(struct.pack("<IIQQQQIIIIII", opcode | 0x70000, 0, 0, 0, at, 0, 7 << 16 | 1, flags, 0, 0, 0, 0))
        return pair

    @staticmethod
    def read_command(data, pages, blocks):
        """A command that reads the first blocks of the disk; pages: where the list of further pages is, or the second one."""
        return struct.pack("<IIQQQQIIIIII", 2 | 0x80000, 1, 0, 0, data, pages, 0, 0, blocks - 1, 0, 0, 0)

    @staticmethod
    def serial_number(start):
        """The serial number in the first 24 bytes of what that command wrote; "" if there is none."""
        return start[4:24].decode(errors="replace").rstrip("\0 ")
