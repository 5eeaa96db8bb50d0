# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware other than UEFI, which passes QEMU's device tree to the guest although ACPI is on."""

from lab import checks, options
from lab.checks import expect
from lab.scenario import scenario

U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"


@scenario
def u_boot(lab):
    """A guest that U-Boot boots, with ACPI on, finds its SMMU in the device tree."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + lab.qemu.vsmmu(bus="pcie.0") + options.vfio(bdf, bus="pcie.0")
                      + ["-bios", U_BOOT], boot="dt")
    tree = guest.sh("cat /proc/device-tree/chosen/u-boot,version; [ -d /sys/firmware/acpi ] && echo acpi",
                    check=False).out
    expect(tree and "acpi" not in tree, f"the guest was not booted by U-Boot, or it has ACPI: {tree}")
    checks.data_is_right(guest, "nvme0")
    found = guest.sh("ls /sys/class/iommu").out
    expect(found.startswith("smmu3"), "the guest has no SMMU: its disk is in bypass, and nobody says so")
    checks.proven(guest, "nvme0", bdf, viommus=1)
