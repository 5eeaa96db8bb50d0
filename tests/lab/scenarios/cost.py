# SPDX-License-Identifier: GPL-2.0-or-later
"""The cost of invalidation in counts: those of `bench` that must not grow."""

from lab import checks, options
from lab.bench import commands, counters, workloads
from lab.checks import expect
from lab.scenario import scenario


@scenario
def cost_of_an_unmap(lab):
    """An unmap takes one exit and one ioctl, a batch one ioctl, CFGI_ALL without a change one ioctl."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf))
    seen, _ = checks.proven(guest, "nvme0", bdf, viommus=1)
    disk, _ = checks.nvme(guest, "nvme0")

    def sh(script, timeout):
        return guest.sh(script, timeout).out
    with counters.traced(lab.l1, guest) as counts:
        workloads.reads(sh, disk, workloads.Reads("4k", 200))
    expect(counts["syncs"] >= 200, f"200 reads, but so many CMD_SYNC: {counts['syncs']}")
    for what in ("mmio", "ioctls"):
        expect(counts[what] <= counts["syncs"] + 2, f"more {what} than CMD_SYNC: {counts}")

    smmu = checks.guest_translates(guest, seen)
    for name, count in commands.measure(lab.l1, guest, smmu).items():
        # CFGI_ALL also invalidates the CDs that the host has cached for an unchanged STE.
        expect(count["ioctls"] == 1, f"{name}: {count['ioctls']} ioctls, not one: {count}")
