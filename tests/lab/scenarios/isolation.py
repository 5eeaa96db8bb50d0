# SPDX-License-Identifier: GPL-2.0-or-later
"""A device reaches only what the guest allows now, also if the host fails or the guest's tables change."""

import errno
import time

from lab import shim
from lab.checks import expect
from lab.registers import C_BAD_STE, CFGI_ALL, CFGI_CD, CFGI_STE, ILLEGAL, TLBI_NH_ALL, tlbi_asid
from lab.scenario import scenario
from lab.scenarios.failures import ON, both, end, stage1
from lab.sweep import Bench

STUCK = {"IOMMU_HWPT_INVALIDATE": errno.ETIMEDOUT}
REFUSED = {"IOMMU_HWPT_INVALIDATE": errno.EIO}


def two_devices(lab):
    bench = Bench(lab)
    both(bench)
    reach(bench, {1: {0}, 2: {1}}, "at the beginning")
    return bench


def reach(bench, want, when):
    """Where the DMA of each device finds RAM: contexts, or none."""
    have = {n: bench.dma(n) for n in want}
    expect(have == want, f"{when}: devices reach memory by {have}, not {want}")


def lose(bench, how, *commands):
    """Send commands that the host never carries out; returns QEMU's messages."""
    bench.look(1, how, shim.ALWAYS)
    bench.smmu.commands(*commands)
    return bench.look(1, how, shim.ALWAYS).said


def leave_alone():
    """Wait for the 5 s in which QEMU does not call a stuck host."""
    time.sleep(5.2)


@scenario
def lost_tlb_invalidation(lab):
    """A lost TLBI: the vSMMU's devices do no DMA when CMD_SYNC completes, until the host carries out a replacement."""
    bench = two_devices(lab)
    smmu = bench.smmu
    nothing = {1: set(), 2: set()}

    # The guest takes a page back, and its CMD_SYNC completes.
    smmu.map(0, False)
    said = lose(bench, STUCK, tlbi_asid(1))
    reach(bench, nothing, "a TLBI was lost, and CMD_SYNC completed")
    expect("block" in said, f"QEMU does not say that DMA is blocked: {said or 'nothing'}")
    lose(bench, STUCK, tlbi_asid(2))
    smmu.again()
    reach(bench, nothing, "the host does not recover")
    bench.look()
    leave_alone()
    smmu.commands((TLBI_NH_ALL, 0))
    reach(bench, {1: set(), 2: {1}}, "the host is well again, with the next TLBI")

    smmu.map(0)
    reach(bench, {1: {0}, 2: {1}}, "the page is there again")
    smmu.map(0, False)
    lose(bench, STUCK, tlbi_asid(1))
    reach(bench, nothing, "a TLBI was lost again")
    bench.look()
    # It was lost for the guest's page, too: QEMU has to replace it.
    smmu.again()
    reach(bench, {1: set(), 2: {1}}, "the host is well again, with the next write of CR0")
    end(lab, bench)


@scenario
def lost_cd_invalidation(lab):
    """A lost CFGI_CD of one device: that device is blocked, another one goes on."""
    bench = two_devices(lab)
    smmu = bench.smmu
    sid = bench.ports[1].sid << 32

    smmu.context(0, valid=False)
    said = lose(bench, REFUSED, (CFGI_CD | sid, 1))
    reach(bench, {1: set(), 2: {1}}, "a CFGI_CD was lost, and CMD_SYNC completed")
    expect("block" in said and bench.hosts[1] in said,
           f"QEMU does not say that DMA of {bench.hosts[1]} is blocked: {said or 'nothing'}")
    bench.look()
    smmu.commands((CFGI_CD | sid, 1))
    reach(bench, {1: set(), 2: {1}}, "the host is well again, the CD is not valid")
    smmu.context(0)
    smmu.commands((CFGI_CD | sid, 1))
    reach(bench, {1: {0}, 2: {1}}, "the CD is valid again")

    lose(bench, REFUSED, (CFGI_CD | sid, 1))
    bench.look()
    smmu.again()
    reach(bench, {1: {0}, 2: {1}}, "the host is well again, with the next write of CR0")
    end(lab, bench)


@scenario
def cd_changed_below_its_ste(lab):
    """A changed CD, then CFGI_STE or CFGI_ALL with an unchanged STE: DMA follows the new CD."""
    bench = Bench(lab)
    stage1(bench)
    smmu = bench.smmu
    commands = {"CFGI_STE": (CFGI_STE | bench.ports[1].sid << 32, 1), "CFGI_ALL": (CFGI_ALL, 31)}
    for name, command in commands.items():
        reach(bench, {1: {0}}, f"before {name}")
        smmu.context(0, valid=False)
        smmu.commands(command)
        reach(bench, {1: set()}, f"{name} after CD.V was cleared")
        smmu.context(0, table=1)
        smmu.commands(command, tlbi_asid(1))
        reach(bench, {1: {1}}, f"{name} after CD.TTB0 was changed")
        smmu.context(0)
        smmu.commands(command, tlbi_asid(1))
    end(lab, bench)


@scenario
def error_before_the_event_queue(lab):
    """An STE that becomes wrong while EVENTQEN=0: one event when the queue is enabled, none if the STE is right by then."""
    bench = Bench(lab)
    stage1(bench)
    smmu = bench.smmu
    off = ON & ~smmu.EVENTQEN

    smmu.cr0(off)
    bench.configure(1, config=ILLEGAL)
    bench.configure(1, 0)
    smmu.cr0(ON)
    expect(smmu.events() == 0, f"{smmu.events()} events of an STE that is right again")

    smmu.cr0(off)
    bench.configure(1, config=ILLEGAL)
    reach(bench, {1: set()}, "an illegal STE")
    expect(smmu.events() == 0, f"{smmu.events()} events came into a queue that is off")
    smmu.cr0(ON)
    expect(smmu.events() == 1, f"{smmu.events()} events when the queue is there, not one")
    expect(smmu.event(0) == (C_BAD_STE, bench.ports[1].sid), f"the event is {smmu.event(0)}")
    smmu.again()
    smmu.cfgi_ste(bench.ports[1].sid)
    expect(smmu.events() == 1, f"the one error is told {smmu.events()} times")
    bench.configure(1, 0)
    reach(bench, {1: {0}}, "a legal STE")
    end(lab, bench)


@scenario
def streamid_of_one_that_leaves(lab):
    """Two devices with one StreamID: the second is blocked, and gets the StreamID when the first is unplugged."""
    bench = two_devices(lab)

    def found(n):
        # without configuration space, which only one of them has with that bus number
        return {c for c in (0, 1) if bench.disks[n].identify(bench.smmu.va(c), enable=False)}

    bench.ports[2].set_bus(bench.ports[1].bus)
    expect((found(1), found(2)) == ({0}, set()), f"with one StreamID they reach {found(1)} and {found(2)}")
    bench.unplug(1)
    expect(found(2) == {0}, f"the first is gone, and the second reaches memory by {found(2) or 'nothing'}")
    end(lab, bench)
