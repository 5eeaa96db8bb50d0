# SPDX-License-Identifier: GPL-2.0-or-later
"""Estimates the cost of an unmap on real machines, from the counts of the lab.

Each count is multiplied by the price of one such operation:

    unmap = exits * exit + ioctls * ioctl + commands * command + syncs * sync

The counts (in the plural) are measured.  The prices are assumptions: change
them here if you know your machine; `bench --docs` then writes the tables again.
"""

from dataclasses import dataclass

from .. import options
from .plan import BY_NAME as BY_CONFIG
from .stats import per, spread


@dataclass(frozen=True)
class Price:
    """The time of one operation on a real machine, in microseconds."""
    name: str
    low: float
    high: float
    what: str

    def at(self, where):
        """The price at a point of its range, from low (0) to high (1)."""
        return self.low + (self.high - self.low) * where


PRICES = (
    Price("exit", 2.0, 5.0, "exit to QEMU and back: KVM_RUN returns, big lock, MMIO dispatch, "
                            "KVM_RUN again"),
    Price("ioctl", 0.4, 1.0, "IOMMU_HWPT_INVALIDATE: entry, copy, checks, the lock of the "
                             "physical queue"),
    Price("command", 0.05, 0.1, "one command: copied, checked, put into the physical queue"),
    Price("sync", 0.5, 1.5, "CMD_SYNC of the physical SMMU, with what it waits for"),
)
BY_NAME = {price.name: price for price in PRICES}
MIDDLE = 0.5


@dataclass(frozen=True)
class Counts:
    """The operations of one unmap."""
    exits: float
    ioctls: float
    commands: float
    syncs: float        # of the physical SMMU: one for each ioctl, or the guest's own
    locked: bool = True     # the big lock is held during the ioctl

    def cost(self, where=MIDDLE):
        """Microseconds, with the prices at a point of their ranges."""
        return (self.exits * BY_NAME["exit"].at(where) + self.ioctls * BY_NAME["ioctl"].at(where)
                + self.commands * BY_NAME["command"].at(where)
                + self.syncs * BY_NAME["sync"].at(where))


# A command queue in hardware: the guest's write goes to the SMMU.  This is the
# lower limit, with which all others are compared, whether it was measured or not.
FLOOR = Counts(0, 0, 1, 1)
HARDWARE = "ours, a command queue in hardware"


def measured(samples, config, size, cpus):
    """Counts of an unmap of a configuration; None if they were not measured.

    The exits are KVM's, with this number of CPUs.  The ioctls and commands are
    those of the traced run, because they do not depend on that number.
    """
    figure, counted = f"read-{size}-{cpus}", f"count-{size}"
    exits = per(samples, config, figure, "to_qemu")
    hardware = per(samples, config, counted, "hw_syncs") or 0
    syncs = (per(samples, config, counted, "syncs") or 0) + hardware
    if not syncs or exits is None:
        return None
    ioctls = per(samples, config, counted, "ioctls")
    commands = per(samples, config, counted, "commands") + (per(samples, config, counted, "hw_commands") or 0)
    return Counts(exits / syncs, ioctls / syncs, commands / syncs, (ioctls + hardware) / syncs,
                  locked=BY_CONFIG[config].qemu is options.RIVAL)


def serial(counts, where=MIDDLE):
    """Microseconds for which an unmap holds the big lock: QEMU's share of each
    exit, about half of it, and the ioctls if QEMU does not drop the lock for them."""
    half = (Counts(counts.exits / 2, counts.ioctls, counts.commands, counts.syncs) if counts.locked
            else Counts(counts.exits / 2, 0, 0, 0))
    return half.cost(where)


def ceiling(counts, where=MIDDLE):
    """The most unmaps in a second of a machine with any number of vCPUs and vSMMUs,
    because only one vCPU at a time holds the lock."""
    return 1e6 / serial(counts, where)


def share(counts, rate, where=MIDDLE):
    """The share of one CPU that this rate of unmaps takes."""
    return rate * counts.cost(where) / 1e6


def rows(samples):
    """[(label, Counts)] of all that were measured, and the floor if it was not."""
    wanted = (("ours, 1 vCPU", "ours", "4k", 1), ("ours, 4 vCPUs", "ours", "4k", 4),
              ("ours without IDR0.MSI, 1 vCPU", "no-msi", "4k", 1),
              ("ours without IDR0.MSI, 4 vCPUs", "no-msi", "4k", 4),
              ("rival, 1 vCPU", "rival", "4k", 1), ("rival, 4 vCPUs", "rival", "4k", 4),
              ("ours, cmdqv=on in software, 1 vCPU", "cmdqv-soft", "4k", 1),
              ("ours, cmdqv=on in software, 4 vCPUs", "cmdqv-soft", "4k", 4),
              (f"{HARDWARE}, 1 vCPU", "cmdqv", "4k", 1), (f"{HARDWARE}, 4 vCPUs", "cmdqv", "4k", 4),
              ("rival, cmdqv=on, 1 vCPU", "rival-cmdqv", "4k", 1),
              ("ours, 128 KiB, no RIL", "no-ril", "128k", 1),
              ("rival, 128 KiB, no RIL", "rival-no-ril", "128k", 1))
    found = [(label, measured(samples, *what)) for label, *what in wanted]
    found = [(label, counts) for label, counts in found if counts]
    if not any(label.startswith(HARDWARE) for label, _ in found):
        found.append(("floor: a command queue in hardware, not measured", FLOOR))
    return found


def lab_exit(samples, figure="read-4k-1"):
    """Microseconds of CPU for an exit in the lab, from a configuration with more
    exits; None without one.  `no-msi` differs only in its exits, so it comes first."""
    for other in ("no-msi", "rival"):
        more = difference(samples, other, "ours", figure, "cpu")
        exits = difference(samples, other, "ours", figure, "to_qemu")
        if more is not None and exits is not None and exits > 0.5:
            return more / exits * 1e6
    return None


def difference(samples, config, base, figure, metric):
    """Median over the rounds of the metric of `config` less that of `base`."""
    mine = samples.by_round(config, figure, metric, "ops")
    others = samples.by_round(base, figure, metric, "ops")
    found = spread(mine[r] - others[r] for r in mine if r in others)
    return found.median if found else None


def breakdown(samples, figure, config="ours"):
    """[(part, microseconds of CPU in the lab, how it was found)]: the parts of an
    operation, which add up to the whole; empty if something was not measured."""
    parts = [difference(samples, config, "none", figure, "cpu"),
             difference(samples, "l1-dma", "l1-identity", figure, "cpu"),
             lab_exit(samples), per(samples, config, figure, "to_qemu")]
    none = samples.of("none", figure, "cpu", "ops")
    if None in parts or not none:
        return []
    more, own, price, exits = parts
    rest = more * 1e6 - own * 1e6 - price * exits
    return [("without a vIOMMU", none.median * 1e6, "`none`"),
            ("map, unmap, table walks", own * 1e6, "`l1-dma` less `l1-identity`: what a kernel pays "
             "for its own SMMU"),
            (f"{exits:.2f} exits to QEMU", price * exits, f"{price:.0f} us each, by `no-msi` and `ours`"),
            ("the rest: ioctl, both stages", rest, "what is left")]
