# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the workloads on one machine, each with its counters."""

import time

from .. import checks
from . import commands, counters, workloads
from .workloads import Reads

CPUS = 4
STORM = 8       # readers
# The reads of the short, traced runs.
COUNTED = (Reads("4k", 256), Reads("128k", 16), Reads("1M", 4))


class Measure:
    """A guest that has booted, or L1 itself (guest=None).

    add(figure, **metrics) records a sample; device is the disk of the machine.
    """

    def __init__(self, lab, plan, config, add, device, guest=None):
        self.lab = lab
        self.plan = plan
        self.config = config
        self.add = add
        self.device = device
        self.guest = guest
        self.meter = counters.Meter(lab, guest)

    def sh(self, script, timeout=60):
        return (self.guest or self.lab.l1).sh(script, timeout).out

    def timed(self, figure, ops, work):
        """Run work(), which returns its seconds, and record what it used."""
        seconds, used = self.meter.measure(work)
        self.add(figure, ops=ops, seconds=seconds, **used)

    def counted(self, figure, ops, work):
        """The same with the trace on, so only the counts are valid, not the time."""
        with counters.traced(self.lab.l1, self.guest) as counts:
            work()
        self.add(figure, ops=ops, **counts)

    def reads(self, load):
        return lambda: workloads.reads(self.sh, self.device, load)

    def warm_up(self):
        self.reads(Reads("4k", 64))()
        self.reads(Reads("1M", 8))()
        self.meter.calibrate(lambda: workloads.nothing(self.sh))

    def loads(self):
        """Reads of all sizes, with the numbers of CPUs in the plan."""
        for load in self.plan.loads(self.config):
            if self.guest:
                workloads.set_cpus(self.sh, load.cpus)
            self.timed(load.name, load.ops, self.reads(load))
        if self.guest:
            workloads.set_cpus(self.sh, CPUS)

    def counts(self):
        for load in COUNTED:
            self.counted(f"count-{load.size}", load.ops, self.reads(load))

    # -------------------------------------------------------- only in a guest

    def storm(self):
        """As many maps and unmaps as the guest can do."""
        load = Reads("512", self.plan.storm, readers=STORM, cpus=CPUS)
        self.timed("storm", load.ops, self.reads(load))
        few = Reads("512", 320, readers=STORM, cpus=CPUS)
        self.counted("count-storm", few.ops, self.reads(few))

    def network(self):
        workloads.net_up(self.sh)
        each, senders = self.plan.pings
        self.timed("packets", each * senders, lambda: workloads.pings(self.sh, each, senders))
        self.counted("count-packets", 50, lambda: workloads.pings(self.sh, 50, 1))

    def hotplug(self):
        """The time from device_add until the guest has the block device."""
        host, _ = self.lab.vfio("nvme1")

        def plug():
            begin = time.monotonic()
            self.guest.device_add("vfio-pci", id="dev3", bus="rp3", host=host, iommufd="iommufd0")
            checks.nvme(self.guest, "nvme1", interval=0.02)
            return time.monotonic() - begin
        self.timed("hotplug", 1, plug)

    def commands(self, smmu):
        """Must be the last one: the guest cannot use its queue afterwards."""
        for figure, counts in commands.measure(self.lab.l1, self.guest, smmu).items():
            self.add(figure, **counts)
