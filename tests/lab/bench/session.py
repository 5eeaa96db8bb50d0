# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures one configuration once: a guest (or L1) runs all workloads."""

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
    """What all measurements share: the lab, the plan, and the ID registers, as soon
    as the first guest has them."""

    def __init__(self, lab, plan, samples):
        self.lab = lab
        self.plan = plan
        self.samples = samples
        self.spec = None

    def run(self, config, round):
        """Measure one configuration, and add its samples."""
        add = partial(self.samples.add, round, config.name)
        with util.stage(f"round {round + 1} of {self.plan.rounds}: {config.label}"):
            if config.kind == "host":
                self.host(config, add)
            else:
                self.guest(config, add)

    # ------------------------------------------------------------ a guest

    def root_ports(self, config):
        """Options of three root ports, and of the root complex above them."""
        ports = (1, 2, 3)
        if config.kind == "plain":
            return [arg for n in ports for arg in options.port(n, bus="pcie.0")]
        # Always given, because upstream's default depends on the host.
        return options.root_complex(config.qemu, ports=ports, cmdqv="on" if config.cmdqv else "off",
                                    **self.without(config))

    def without(self, config):
        """The options that switch features of the vSMMU off."""
        if not config.ril:
            return {"ril": "off"}
        if config.msi:
            return {}
        if not self.spec:
            raise LabError("IDR0 is not known: the configuration `ours' has to be measured first")
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
            cmdqv.driver_has_queues(guest)
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
        """Start a machine that has the host's VINTF and stays stopped."""
        spare, _ = self.lab.vfio("spare0")
        other = self.lab.guest()
        other.start(options.iommufd() + options.root_complex(self.lab.qemu, cmdqv="on")
                    + options.vfio(spare), stopped=True)
        return other

    def boot(self, guest, args, add):
        """The time from the start until the guest's agent answers, as for a login prompt."""
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
        """Boot with this number of vSMMUs, and a device behind the first."""
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
        """Options of a vSMMU without a host device from which it could inherit."""
        if config.qemu is options.RIVAL:
            return {"ats": "off", "ril": "on", "oas": "44", "ssidsize": "0", "cmdqv": "off"}
        if not self.spec:
            raise LabError("the ID registers are not known: the configuration `ours' has to be "
                           "measured first")
        return {name: hex(value) for name, value in self.spec.items()}

    # ---------------------------------------------------------- L1 itself

    def host(self, config, add):
        """The same reads by L1 itself, in a domain of type config.domain."""
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
    """Give a disk back to L1's driver, in a domain of that type.  Returns its node."""
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
