# SPDX-License-Identifier: GPL-2.0-or-later
"""Sphinx: the man pages of what is installed, apart from QEMU's own manual."""

project = "arm-smmuv3-accel"
extensions = []
root_doc = "qemu-system-aarch64-smmuv3-accel"
man_pages = [
    (root_doc, root_doc, "QEMU for Arm guests with a hardware-accelerated SMMUv3", [], 1),
    ("smmuv3-spec", "smmuv3-spec", "show what a host's SMMUv3 can offer to guests", [], 1),
]
