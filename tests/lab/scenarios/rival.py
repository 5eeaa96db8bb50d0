# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstream's device in the same lab: shows that the lab itself works."""

from lab import checks, options
from lab.scenario import scenario


@scenario(rival=True)
def rival_cold(lab):
    """The lab works: a cold-plugged NVMe with upstream's arm-smmuv3,accel=on."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(options.RIVAL)
                      + options.vfio(bdf))
    checks.proven(guest, "nvme0", bdf, viommus=1)
