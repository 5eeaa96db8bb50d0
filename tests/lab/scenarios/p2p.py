# SPDX-License-Identifier: GPL-2.0-or-later
"""One host device reads and writes the BARs of another, through the guest's stage 1 and the host's stage 2."""

import hashlib
import re
import time
from dataclasses import replace

from lab import images, l0, metal
from lab.checks import expect
from lab.metal import put
from lab.registers import EXPRESS
from lab.scenario import scenario
from lab.scenarios.failures import ON, end
from lab.sweep import Bench

# Each disk has a controller memory buffer of 1 MiB in its BAR 2.
PLATFORM = replace(l0.EMULATED, name="p2p", devices=tuple(
    replace(device, more="cmb_size_mb=1") if device.kind == "nvme" else device for device in l0.DEVICES))

BLOCK = 8                   # of 1 GiB in the guest's stage 1: guest addresses from 0, which are MMIO
CMB, MOVED = 0x100000, 0x200000     # from the window of the port
DEVCTL, FLR = 8, 0x8000
PM, PMCSR = 0x01, 4
SIZE = 64


class Pair(Bench):
    """Two disks; the first one writes its serial number to the buffer of the second one."""

    def __init__(self, lab, p2p):
        self.p2p = p2p
        super().__init__(lab)
        self.smmu.qtest.send(put(metal.TABLES + 8 * BLOCK, metal.block(0), 64))
        self.configure(1, 0)
        self.smmu.cr0(ON)
        self.plug(2)

    def options(self):
        return super().options() + ["-global", f"vfio-pci.x-p2p={self.p2p}"]

    def plug(self, n):
        super().plug(n)
        if n == 2:
            self.place(self.ports[2].window + CMB)

    def config(self, at):
        return metal.ECAM + (self.ports[2].sid << 12) + at

    def memory(self, enabled=True):
        self.smmu.qtest.send(put(self.config(4), 6 if enabled else 4, 16))

    def place(self, address):
        """Set BAR 0 and BAR 2 of the second disk, below a window of 4 MiB."""
        port = self.ports[2]
        self.memory(False)
        self.smmu.qtest.send(put(port.config + 0x20, port.window >> 16 | port.window + 0x300000),
                             put(self.config(0x10), port.window), put(self.config(0x14), 0),
                             put(self.config(0x18), address), put(self.config(0x1c), 0))
        self.memory()
        self.buffer = address

    def write_to(self, address):
        """Let the first disk write to this address; it reports success even if the write faults."""
        self.disks[1].identify(self.smmu.va(0), to=(BLOCK << 30) + address)

    def faults(self, address):
        """Whether such a write ends at the host's stage 2."""
        time.sleep(5.5)     # Linux limits the rate of these messages
        self.lab.l1.sh("dmesg -c")
        self.write_to(address)
        log = self.lab.l1.sh("dmesg -c").out
        return bool(re.search(rf"F_TRANSLATION client: {self.hosts[1]} .* ipa: {address:#x}", log))

    def capability(self, kind):
        return metal.capability(self.smmu.qtest, self.config(0), kind)

    def reset(self):
        """A function level reset, as a guest's driver does it."""
        self.smmu.qtest.send(put(self.config(self.capability(EXPRESS) + DEVCTL), FLR, 16))

    def power(self, state):
        """Put the second disk into D0 or D3."""
        self.smmu.qtest.send(put(self.config(self.capability(PM) + PMCSR), state, 16))

    def arrives(self):
        """Whether a write of the first disk arrives in the buffer of the second one."""
        self.smmu.qtest.send(*(put(self.buffer + at, 0, 64) for at in range(0, SIZE, 8)))
        self.write_to(self.buffer)
        written = self.disks[1].serial_at(self.buffer)
        expect(written in ("", "nvme0"), f"the buffer has {written!r}")
        return bool(written)


def data_arrives(pair):
    """64 KiB of the first disk are read into the buffer of the second one."""
    length = 0x10000
    pair.disks[1].read_disk(pair.smmu.va(0), (BLOCK << 30) + pair.buffer, length)
    have = hashlib.sha256(pair.smmu.qtest.bytes(pair.buffer, length)).hexdigest()
    want = images.head_sha256("nvme0", length, images.DISK_MB)
    expect(have == want, f"sha256 of what was read into the buffer is {have}, not {want}")


def pinned(lab):
    """What the host counts as pinned memory of QEMU, in KiB."""
    return int(lab.l1.sh("sed -n 's/^VmPin: *//p' /proc/[0-9]*/status | sort -n | tail -n 1").out.split()[0])


def quiet_end(lab, pair):
    said = pair.look().said
    expect("BAR" not in said and "peer" not in said, f"QEMU warns: {said}")
    end(lab, pair)


@scenario(platform=PLATFORM)
def p2p(lab):
    """A disk's DMA arrives in the BAR of another: after a plug, a move, a reset, D3, and a replug; and only there."""
    pair = Pair(lab, "auto")
    expect(pair.arrives(), "DMA does not arrive in the other device's BAR")
    data_arrives(pair)

    old = pair.buffer
    pair.place(pair.ports[2].window + MOVED)
    expect(pair.arrives(), "DMA does not arrive where the BAR was moved to")
    expect(pair.faults(old), "DMA arrives where the BAR was before")
    pair.place(old)
    expect(pair.arrives(), "DMA does not arrive after the BAR was moved back")

    pair.reset()
    pair.place(old)
    expect(pair.arrives(), "DMA does not arrive after a reset and a new set-up")
    pair.reset()
    expect(pair.arrives(), "DMA does not arrive after a reset that leaves the BARs where they are")

    with_bars = pinned(lab)
    pair.memory(False)
    expect(pair.faults(old), "DMA arrives while the guest has the device's memory off")
    expect(pinned(lab) == with_bars > 0, f"BARs count as pinned memory: {with_bars} KiB, {pinned(lab)} KiB without them")
    pair.memory()
    expect(pair.arrives(), "DMA does not arrive after memory is on again")

    pair.power(3)
    expect(pair.faults(old), "DMA arrives in a device that is in D3")
    pair.power(0)
    pair.place(old)
    expect(pair.arrives(), "DMA does not arrive after D3")

    pair.unplug(2)
    expect(pair.faults(old), "DMA arrives where the device was")
    pair.plug(2)
    expect(pair.arrives(), "DMA does not arrive in the device that was plugged again")
    quiet_end(lab, pair)


@scenario(platform=PLATFORM)
def p2p_off(lab):
    """With x-p2p=off the DMA to another device's BAR faults, and QEMU warns of nothing."""
    pair = Pair(lab, "off")
    expect(not pair.arrives(), "DMA arrives in the BAR of another device")
    expect(pair.faults(pair.buffer), "DMA to the BAR of another device does not fault")
    # Each time the BARs leave the guest's memory and come back.
    for _ in range(100):
        pair.memory(False)
        pair.memory()
    expect(pair.disks[1].identify(pair.smmu.va(0)) == "nvme0", "DMA to memory does not work afterwards")
    quiet_end(lab, pair)


@scenario(platform=PLATFORM)
def p2p_on(lab):
    """x-p2p=on starts where the host's kernel exports BARs."""
    pair = Pair(lab, "on")
    expect(pair.arrives(), "DMA does not arrive in the other device's BAR")
    quiet_end(lab, pair)
