# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's CMDQV without a guest: host calls that fail, and what an emulated device reaches."""

import time
from dataclasses import replace

from lab import cmdqv, l0, metal
from lab.checks import expect
from lab.registers import TLBI_NH_ALL, tlbi_asid
from lab.scenario import scenario
from lab.scenarios import failures
from lab.scenarios.failures import stage1
from lab.scenarios.isolation import reach
from lab.sweep import Bench, Flow, sweep

EMULATED = ["-drive", "if=none,id=soft,format=raw,readonly=on,file=/lab/guest/Image",
            "-device", "nvme,bus=rp2,drive=soft,serial=soft"]

PAUSE = 0.12        # QEMU's is 0.1 s


class QueueBench(Bench):
    """A machine whose vSMMU has a CMDQV as well."""

    registers = {"cmdqv": "on"}

    def __init__(self, lab, *more):
        self.more = list(more)
        super().__init__(lab)
        self.queue = metal.Cmdqv(self.guest.qtest)

    def options(self):
        return super().options() + self.more

    def look(self, *how):
        """What QEMU says includes what it says when it is asked, by the monitor."""
        seen = super().look(*how)
        why = cmdqv.mode(self.guest)[1] if self.there else ""
        return replace(seen, said="\n".join(filter(None, (seen.said, why))))

    def queue_on(self):
        """A queue that is set up anew, so that the host is asked for it again."""
        self.queue.may_abort = self.smmu.may_abort
        self.queue.on()
        # Queues do not go to and fro all the time
        time.sleep(PAUSE)
        self.invalidate()

    def invalidate(self):
        self.queue.commands((TLBI_NH_ALL, 0))


def hardware(bench):
    stage1(bench)
    bench.queue_on()
    cmdqv.expect_mode(bench.guest, "hardware", "with a host device")


def without_device(bench):
    failures.none(bench)
    bench.queue_on()


def plug(bench):
    bench.unplug(1)         # what came without a VINTF
    bench.plug(1)
    bench.queue_on()


def unplug(bench):
    bench.unplug(1)
    bench.invalidate()


def reset(bench):
    failures.reset(bench)
    bench.queue_on()


# Those that make queues, and take them back; failures_in_plug has the others of a plug
CALLS = ("IOMMU_VIOMMU_ALLOC", "mmap", "IOMMU_VEVENTQ_ALLOC", "IOMMU_HW_QUEUE_ALLOC", "IOMMU_DESTROY")

# With the event queue of the SMMU there is one for errors of queues
FLOWS = (
    Flow("hot-plug, then queues to the hardware", without_device, plug, {1: {0}}, queues=2),
    Flow("queues set up anew", hardware, QueueBench.queue_on, {1: {0}}, queues=2),
    Flow("hot-unplug with queues in hardware", hardware, unplug, {1: None}, queues=0),
    Flow("reset with queues in hardware", hardware, reset, {1: {"bypass"}}, queues=1),
)


@scenario(platform=l0.CMDQV)
def cmdqv_failures(lab):
    """Each host call fails in turn as QEMU gives queues to hardware and takes them back: they work, and the failure is reported."""
    bench = QueueBench(lab)
    for flow in FLOWS:
        sweep(bench, flow, CALLS)
    failures.end(lab, bench)


@scenario(platform=l0.CMDQV)
def cmdqv_emulated_beside(lab):
    """An emulated disk on a vSMMU in hardware: it never reaches a page that was unmapped; the same in software."""
    bench = QueueBench(lab, *EMULATED)
    smmu, disk = bench.smmu, bench.disks[2]
    hardware(bench)
    bench.configure(2, 1)
    for mode, move in (("hardware", None), ("software", bench.unplug), ("hardware", bench.plug)):
        if move:
            move(1)
            time.sleep(PAUSE)
            bench.invalidate()
        cmdqv.expect_mode(bench.guest, mode, "with an emulated disk beside")
        for _ in range(3):
            reach(bench, {2: {1}}, f"{mode}, mapped")
            smmu.map(1, False)
            bench.queue.commands(tlbi_asid(2))
            reach(bench, {2: set()}, f"{mode}, unmapped")
            smmu.map(1)
    expect(disk.identify(smmu.va(1)) == "soft", "the emulated disk reads something else")
    expect(bench.dma(1) == {0}, "the host device does not reach memory")
    failures.end(lab, bench)
