# SPDX-License-Identifier: GPL-2.0-or-later
"""A page of the guest is watched: DMA must not arrive there after the guest has forbidden it."""

import re
import time

from lab import checks, cmdqv, l0, metal, util
from lab.checks import expect
from lab.metal import put
from lab.registers import CFGI_CD, CFGI_STE, TLBI_NH_ALL
from lab.pagetable import LEAVES, Leaf, Tables
from lab.scenario import scenario
from lab.scenarios import failures
from lab.scenarios.cmdqv_failures import QueueBench
from lab.scenarios.failures import OFF, end, stage1
from lab.sweep import Bench

# In RAM, not at the beginning of a large page of any size
WATCHED = 0x49001000
TABLES = 0x42000000
# IOVAs: of the NVMe's queues, in the place of RAM, and of the watched region
QUEUES_AT, REGION = 0x2000000000, 0x1000000000
ASID = 1


def arrives(bench, to, base=QUEUES_AT, n=1):
    """Whether DMA of device n to an IOVA arrives in the watched page."""
    bench.guest.qtest.send(f"memset {WATCHED:#x} 0x1000 0x0")
    bench.disks[n].identify(base, to=to)
    return bench.disks[n].serial_at(WATCHED) == f"nvme{n - 1}"


def mapped(bench, leaf):
    """A context with the device's queues, and the watched page within a page of this kind.

    Returns (tables, IOVA of the region, its address in memory, IOVA of the watched page).
    """
    smmu = bench.smmu
    tables = Tables(bench.guest.qtest, TABLES, leaf.granule)
    small = Leaf(leaf.granule, 3, False)
    for at in sorted({a >> small.shift << small.shift for a in (metal.QUEUE, metal.DONE, metal.DATA)}):
        tables.map(at - metal.RAM + QUEUES_AT, at, small)
    size = leaf.number << leaf.shift
    memory = WATCHED & -size
    tables.map(REGION, memory, leaf)
    tables.write_cd(0, ASID)
    smmu.commands((CFGI_CD | bench.ports[1].sid << 32, 1), (TLBI_NH_ALL, 0))
    return tables, REGION, memory, REGION + WATCHED - memory


def unmap(bench, send, leaf, ranges):
    """DMA arrives, also without a command after the unmap, as the physical SMMU has an entry; not with the command."""
    tables, va, memory, watched = mapped(bench, leaf)
    expect(arrives(bench, watched), "DMA does not arrive although the page is mapped")
    tables.map(va, memory, leaf, mapped=False)
    expect(arrives(bench, watched), "the physical SMMU has forgotten the page by itself, so this shows nothing")
    send(*leaf.unmap_commands(va, ASID, ranges))
    expect(not arrives(bench, watched), "DMA arrives in a page that was unmapped and invalidated")
    # The queues still work: the page was forbidden, not the device.
    tables.map(va, memory, leaf)
    expect(arrives(bench, watched), "DMA does not arrive although the page is mapped again")


class Without(QueueBench):
    """A vSMMU without range invalidation."""

    registers = {"cmdqv": "on", "ril": "off"}


def every_page(lab, mode):
    """Each kind of page, with range invalidation and without, by the SMMU's own queue and by one of the CMDQV."""
    for kind, ranges in ((QueueBench, True), (Without, False)):
        bench = kind(lab)
        hardware_or_not(bench, mode)
        for leaf in LEAVES:
            for name, send in (("the SMMU's queue", bench.smmu.commands), (mode, bench.queue.commands)):
                try:
                    unmap(bench, send, leaf, ranges)
                except util.LabError as error:
                    raise util.LabError(f"{leaf}, {'ranges' if ranges else 'no ranges'}, {name}: {error}") from None
        cmdqv.expect_mode(bench.guest, mode, "at the end")
        end(lab, bench)
        bench.guest.stop()
    util.say(f"  {len(LEAVES)} kinds of pages, with and without ranges, by two queues: {4 * len(LEAVES)} unmaps")


def hardware_or_not(bench, mode):
    stage1(bench)
    bench.queue_on()
    cmdqv.expect_mode(bench.guest, mode, "with a host device")


@scenario
def unmap_then_dma(lab):
    """Every size of page, ranges on and off, contiguous hint: no DMA after unmap; the SMMU's queue, and QEMU's CMDQV."""
    every_page(lab, "software")


@scenario(platform=l0.CMDQV)
def unmap_then_dma_hardware(lab):
    """The same with the commands in a queue in hardware."""
    every_page(lab, "hardware")


# ------------------------------------------------------------- other ways to end DMA

def reached(bench, n=1):
    """By which IOVAs DMA of a device arrives in the watched page, as Bench.dma()."""
    bases = {"bypass": metal.RAM, 0: bench.smmu.va(0), 1: bench.smmu.va(1)}
    return {name for name, base in bases.items() if arrives(bench, base + WATCHED - metal.RAM, base, n)}


def expect_reached(bench, want, when):
    have = reached(bench)
    expect(have == want, f"{when}: DMA arrives in the watched page by {have or 'nothing'}, not by {want or 'nothing'}")


@scenario
def dma_ends(lab):
    """An STE without V or with abort, SMMUEN=0 with GBPA.ABORT, reset, unplug: DMA does not arrive in a watched page."""
    bench = Bench(lab)
    stage1(bench)
    expect_reached(bench, {0}, "stage 1")
    for when, ste in (("STE.V is 0", {"valid": False}), ("the STE says abort", {"config": 0})):
        bench.configure(1, **ste)
        expect_reached(bench, set(), when)
        bench.configure(1, 0)
        expect_reached(bench, {0}, "stage 1 again")
    bench.smmu.gbpa(True)
    expect_reached(bench, {0}, "GBPA says abort, and the SMMU is on")
    bench.smmu.cr0(OFF)
    expect_reached(bench, set(), "the SMMU is off, and GBPA says abort")
    bench.smmu.gbpa(False)
    expect_reached(bench, {"bypass"}, "the SMMU is off, and GBPA says bypass")
    stage1(bench)
    expect_reached(bench, {0}, "the SMMU is on again")
    failures.reset(bench)
    expect_reached(bench, {"bypass"}, "after a reset, as the architecture says")
    stage1(bench)
    expect_reached(bench, {0}, "at the end")

    # The host uses the device while its old guest runs.
    places = (WATCHED, metal.QUEUE, metal.DONE, metal.DATA)
    bench.unplug(1)
    bench.guest.qtest.send(*(f"memset {at:#x} 0x1000 0x5a" for at in places))
    lab.l1.unbind_vfio(bench.hosts[1])
    checks.data_is_right(lab.l1, "nvme0")
    for at in places:
        left = bench.guest.qtest.bytes(at, 0x1000)
        expect(left == b"\x5a" * 0x1000, f"after the unplug something was written to the page at {at:#x}")
    lab.l1.bind_vfio(bench.hosts[1])
    bench.plug(1)
    expect_reached(bench, {0}, "plugged again")
    end(lab, bench)


def invalidate(bench):
    """Everything of device 1: its STE, its CDs, all entries of the TLB."""
    sid = bench.ports[1].sid << 32
    bench.smmu.commands((CFGI_STE | sid, 1), (CFGI_CD | sid, 1), (TLBI_NH_ALL, 0))


BEYOND = 0x7000000000       # behind the memory of the guest
REGISTERS = 0x0c000000      # those of the vSMMU


def refused_by_stage2(lab, bench, address):
    """Whether the host's kernel has a fault of stage 2 of the device at this address in its log."""
    log = lab.l1.sh("dmesg -c").out
    return re.search(rf"client: {bench.hosts[1]} .*ipa: {address:#x}\b", log)


@scenario
def stage1_outside_of_memory(lab):
    """Pages outside of the guest's memory, and at registers: stage 2 refuses them, and DMA works afterwards."""
    bench = Bench(lab)
    stage1(bench)
    smmu = bench.smmu
    for address in (BEYOND, REGISTERS):
        time.sleep(5.5)     # Linux limits the rate of these messages, and one Identify causes many
        expect(bench.dma(1) == {0}, "no DMA through stage 1")
        # the GiB behind those of the contexts
        bench.guest.qtest.send(put(metal.TABLES + 8 * 8, metal.block(address & -1 << 30), 64))
        invalidate(bench)
        lab.l1.sh("dmesg -c")
        expect(not arrives(bench, 8 << 30 | address & (1 << 30) - 1, smmu.va(0)), f"{address:#x}: DMA arrives")
        expect(refused_by_stage2(lab, bench, address), f"the host does not say that stage 2 refused {address:#x}")
    expect(bench.dma(1) == {0}, "no DMA afterwards")
    end(lab, bench)
