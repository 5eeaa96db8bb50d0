# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compared, how often, and in which order."""

from dataclasses import dataclass, field

from .. import options
from .workloads import Reads

L1_CPUS = 2     # l0.BENCH


@dataclass(frozen=True)
class Config:
    """One configuration to measure.

    kind: "vsmmu" is a guest with a vSMMU; "plain" is a guest without one;
    "host" is L1 itself, with its disk in a domain of type `domain`.
    ril=False: the guest's SMMU has no range invalidation, as many SMMUs have
    none, so the guest sends a TLBI for each page.  large: only the reads for
    which that matters.  cmdqv: the guest has a CMDQV.  taken: the host has no
    VINTF left for that CMDQV.
    """
    name: str
    label: str
    kind: str = "vsmmu"
    qemu: options.Qemu = options.OURS
    msi: bool = True
    ril: bool = True
    large: bool = False
    domain: str = ""
    cmdqv: bool = False
    taken: bool = False


OURS = Config("ours", "arm-smmuv3-accel")
NO_MSI = Config("no-msi", "ours, IDR0.MSI off", msi=False)
RIVAL = Config("rival", "QEMU 11.1 accel=on", qemu=options.RIVAL)
NONE = Config("none", "no vIOMMU", "plain")
CMDQV = Config("cmdqv", "ours, cmdqv=on", cmdqv=True)
CMDQV_SOFT = Config("cmdqv-soft", "ours, cmdqv=on, in software", cmdqv=True, taken=True)
RIVAL_CMDQV = Config("rival-cmdqv", "QEMU 11.1 accel=on,cmdqv=on", qemu=options.RIVAL, cmdqv=True)
NO_RIL = Config("no-ril", "ours, ril=off", ril=False, large=True)
RIVAL_NO_RIL = Config("rival-no-ril", "rival, ril=off", qemu=options.RIVAL, ril=False, large=True)
L1_DMA = Config("l1-dma", "L1 itself, DMA domain", "host", domain="DMA")
L1_IDENTITY = Config("l1-identity", "L1 itself, identity", "host", domain="identity")

# The first configuration provides the ID registers that others need.
CONFIGS = (OURS, NONE, RIVAL, CMDQV, CMDQV_SOFT, RIVAL_CMDQV, NO_MSI, NO_RIL, RIVAL_NO_RIL, L1_DMA, L1_IDENTITY)
BY_NAME = {config.name: config for config in CONFIGS}


@dataclass(frozen=True)
class Plan:
    """How much to measure.  The counts are small because the lab is emulated."""
    name: str
    rounds: int
    reads: tuple = (("4k", 3200), ("128k", 640), ("1M", 128))
    cpus: tuple = (1, 2, 4)
    storm: int = 2400       # reads of 512 bytes by 8 readers
    pings: tuple = (300, 4)
    # {number of vSMMUs: rounds}; guests with one vSMMU are in `configs`
    vsmmus: dict = field(default_factory=dict)
    configs: tuple = CONFIGS

    def loads(self, config):
        """The reads of a configuration, in order."""
        most = 1 if config.large else L1_CPUS if config.kind == "host" else max(self.cpus)
        return [Reads(size, ops, readers=cpus, cpus=cpus)
                for cpus in self.cpus for size, ops in self.reads
                if cpus <= most and not (config.large and size == "4k")]

    def several(self):
        """The configurations that are measured with several vSMMUs."""
        return [config for config in self.configs if config in (OURS, RIVAL)]

    def order(self, round):
        """The configurations in the order of a round; each round starts with another."""
        shift = round % len(self.configs)
        return self.configs[shift:] + self.configs[:shift]


PLANS = {plan.name: plan for plan in (
    Plan("quick", 1, reads=(("4k", 1200), ("1M", 96)), cpus=(1, 4), storm=1200, pings=(100, 4),
         configs=(OURS, NONE, RIVAL, CMDQV, RIVAL_CMDQV)),
    Plan("standard", 5, vsmmus={8: 5, 16: 5}),
    Plan("full", 7, reads=(("4k", 8000), ("128k", 1600), ("1M", 256)), storm=8000,
         vsmmus={2: 5, 4: 5, 8: 7, 16: 7}),
)}
