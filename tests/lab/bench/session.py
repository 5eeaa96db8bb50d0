# SPDX-License-Identifier: GPL-2.0-or-later
"""One configuration, once: a guest (or L1) does everything, samples come out."""

import time
from functools import partial

from .. import checks, cmdqv, options, util
from ..l2 import TRACE
from ..util import LabError
from . import counters
from .measure import CPUS, Measure

IDR0_MSI = 1 << 13      # IHI 0070 6.3.1
QUIET = TRACE + tuple("-" + name for name in counters.INVALIDATIONS)


class Session:
    """What all of them share: the lab, the plan, the ID registers once known."""

    def __init__(self, lab, plan, samples):
        self.lab = lab
        self.plan = plan
        self.samples = samples
        self.spec = None

    def run(self, config, round):
        """Measure one configuration; its samples are added as they come."""
        add = partial(self.samples.add, round, config.name)
        with util.stage(f"round {round + 1} of {self.plan.rounds}: {config.label}"):
            if config.kind == "host":
                self.host(config, add)
            else:
                self.guest(config, add)

    # ------------------------------------------------------------ a guest

    def root_ports(self, config):
        """Options of three root ports, and of what they hang on."""
        ports = (1, 2, 3)
        if config.kind == "plain":
            return [arg for n in ports for arg in options.port(n, bus="pcie.0")]
        # Said either way: upstream's takes what the host has.
        return options.root_complex(config.qemu, ports=ports, cmdqv="on" if config.cmdqv else "off",
                                    **self.without(config))

    def without(self, config):
        """What a vSMMU is told not to have, as its options."""
        if not config.ril:
            return {"ril": "off"}
        if config.msi:
            return {}
        if not self.spec:
            raise LabError("no guest has told its IDR0 yet")
        return {"idr0": hex(self.spec["idr0"] & ~IDR0_MSI)}

    def guest(self, config, add):
        disk, _ = self.lab.vfio("nvme0")
        net, _ = self.lab.vfio("igb0")
        other = self.taker() if config.taken else None
        guest = self.lab.guest(qemu=config.qemu)
        self.boot(guest, options.iommufd() + self.root_ports(config) + options.vfio(disk)
                  + options.vfio(net, bus="rp2", id="dev2"), partial(add, "boot"))
        device, inside = checks.nvme(guest, "nvme0")
        smmu = None
        if config.kind == "vsmmu":
            checks.proven(guest, "nvme0", disk)
            smmu = checks.guest_translates(guest, inside)
        if config.cmdqv:
            cmdqv.driver_has_queues(guest.guest)
        if config.cmdqv and config.qemu is options.OURS:
            cmdqv.expect_mode(guest, "software" if config.taken else "hardware", config.label)
        if config.name == "ours" and not self.spec:
            self.spec = specified(guest)
        measure = Measure(self.lab, self.plan, config, add, device, guest)
        measure.warm_up()
        measure.loads()
        measure.counts()
        if not config.large:
            measure.storm()
            measure.network()
            measure.hotplug()
            if smmu:
                measure.commands(smmu)
        guest.stop()
        if other:
            other.stop()

    def taker(self):
        """A machine that has the host's VINTF, and does not run."""
        spare, _ = self.lab.vfio("spare0")
        other = self.lab.guest()
        other.start(options.iommufd() + options.root_complex(self.lab.qemu, cmdqv="on")
                    + options.vfio(spare), stopped=True)
        return other

    def boot(self, guest, args, add):
        """Start to the agent's answer, which stands for a login prompt."""
        server = self.lab.l1.l0.proc.pid
        cpu = counters.cpu_seconds(server)
        begin = time.monotonic()
        guest.start(args, cpus=CPUS, trace=QUIET)
        guest.boot(180)
        seconds = time.monotonic() - begin
        add(ops=1, seconds=seconds, cpu=counters.cpu_seconds(server) - cpu,
            **counters.kvm(self.lab.l1, guest.pid))

    # ----------------------------------------------------- several vSMMUs

    def several(self, config, number, round):
        """Boot with so many vSMMUs, a device behind the first."""
        disk, _ = self.lab.vfio("nvme0")
        args = options.iommufd() + options.root_complex(config.qemu, cmdqv="off")
        for n in range(2, number + 1):
            args += options.root_complex(config.qemu, n, ports=(n,), **self.unused(config))
        args += options.vfio(disk)
        guest = self.lab.guest(qemu=config.qemu)
        with util.stage(f"{number} vSMMUs, run {round + 1}: {config.label}"):
            self.boot(guest, args, partial(self.samples.add, round, config.name, f"boot-{number}"))
            checks.proven(guest, "nvme0", disk, viommus=1)
            guest.stop()

    def unused(self, config):
        """Options of a vSMMU that has no device to ask."""
        if config.qemu is options.RIVAL:
            return {"ats": "off", "ril": "on", "oas": "44", "ssidsize": "0", "cmdqv": "off"}
        if not self.spec:
            raise LabError("no guest has told its ID registers yet")
        return {name: hex(value) for name, value in self.spec.items()}

    # ---------------------------------------------------------- L1 itself

    def host(self, config, add):
        """The same reads by L1, in a domain of the wanted type."""
        l1 = self.lab.l1
        bdf = l1.bdf("nvme0")
        try:
            device = own_disk(l1, bdf, config.domain)
            measure = Measure(self.lab, self.plan, config, add, device)
            measure.warm_up()
            measure.loads()
            measure.counts()
        finally:
            own_disk(l1, bdf, "identity")


def specified(guest):
    """{register: value} that the first vSMMU inherited."""
    text = guest.qom("/machine/peripheral/smmu1", "spec")
    return {name: int(value, 0) for name, value in
            (part.split("=") for part in text.split(","))}


def own_disk(l1, bdf, domain):
    """Give a disk back to L1's driver, in a domain of that type; its node."""
    return l1.sh(f"""
        cd /sys/bus/pci/devices/{bdf} || exit
        [ -e driver ] && echo {bdf} > driver/unbind
        echo {domain} > iommu_group/type || exit
        echo > driver_override
        echo {bdf} > /sys/bus/pci/drivers_probe
        for i in $(seq 100); do
            c=$(ls -d nvme/nvme* 2>/dev/null) && n=/dev/${{c##*/}}n1 && [ -b $n ] && echo $n && exit
            sleep 0.05
        done
        echo "no disk"; exit 1""").out
