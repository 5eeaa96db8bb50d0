# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of all scenarios: the data is right, and it came through stage 1."""

import time

from . import images, util
from .qmp import QmpError
from .util import LabError

READ_MB = 4     # TCG below TCG hashes about 2 MB/s


def expect(condition, message):
    if not condition:
        raise LabError(message)


def refusal(l2, **properties):
    """The message of QEMU about a host device that it must refuse."""
    try:
        l2.device_add("vfio-pci", id="wrong", **properties)
    except QmpError as error:
        return str(error)
    raise LabError(f"device_add accepted {properties}")


def nvme(l2, serial, timeout=20, interval=0.2):
    """Wait for an NVMe in the guest; (block device, PCI address)"""
    found = l2.sh(f"""
        for i in $(seq {int(timeout / interval)}); do
            for c in /sys/class/nvme/nvme*; do
                [ "$(cat $c/serial 2>/dev/null | tr -d ' ')" = {serial} ] || continue
                [ -b /dev/${{c##*/}}n1 ] || continue
                echo /dev/${{c##*/}}n1 $(basename $(readlink -f $c/device))
                exit
            done
            sleep {interval}
        done
        echo "no NVMe {serial}"; ls /sys/class/nvme; exit 1""", timeout + 60)
    return found.out.split()


def read_sha256(l2, device, offset_mb=0, length_mb=READ_MB):
    # O_DIRECT: the data must not come from the page cache.
    out = l2.sh(f"dd if={device} bs=1M skip={offset_mb} count={length_mb} iflag=direct "
                f"2>/run/dd | sha256sum && ! grep -q rror /run/dd", 120).out
    return out.split()[0]


def data_is_right(l2, serial, seed=None, offset_mb=0):
    """The guest reads the data that L0 wrote to the disk; returns the PCI address."""
    device, bdf = nvme(l2, serial)
    want = images.disk_sha256(seed or serial, offset_mb, READ_MB)
    have = read_sha256(l2, device, offset_mb)
    expect(have == want, f"{serial}: sha256 of the guest's read is {have}, not {want}")
    return bdf


def guest_translates(l2, bdf):
    """The guest has the device behind its SMMU, in a translating domain."""
    group, iommu = l2.sh(f"cd /sys/bus/pci/devices/{bdf} && cat iommu_group/type && "
                         "basename $(readlink -f iommu)").out.split()
    expect(iommu.startswith("smmu3") or "smmu" in iommu, f"{bdf}: its IOMMU is {iommu}")
    expect(group.startswith("DMA"), f"{bdf}: the guest's domain type is {group}, not DMA")
    return iommu


def nested(trace, device=None, viommus=None):
    """The trace shows that the device is attached to a nested HWPT of a vIOMMU
    with an STE of stage 1: those of bypass and abort are nested, too."""
    made = trace.viommus()
    who = device or "the device"
    expect(made, "no vIOMMU was made")
    if viommus is not None:
        expect(len(made) == viommus, f"{len(made)} vIOMMUs were made, not {viommus}")
    now = trace.attachment(device)
    expect(now is not None, f"{who} is attached to no HWPT at the end")
    expect(now.kind == "nested", f"{who} is on HWPT {now.id}, which is {now.kind}")
    expect(now.parent in made, f"the parent of HWPT {now.id} is object {now.parent}, which is not a vIOMMU")
    expect(now.ste == "stage 1", f"{who} is on HWPT {now.id}, whose STE is {now.ste}, not stage 1")
    expect(trace.vdevices(), "no vDEVICE was made")
    return now


def state(trace, device=None):
    """The attachment of a device: "stage 1", "bypass" or "abort"."""
    now = trace.attachment(device)
    if now is None:
        return "abort" if trace.moves(device) else "nothing"
    return "bypass" if now.kind == "stage 2 parent" else now.ste


def expect_state(l2, device, want, why):
    have = state(l2.trace(), device)
    expect(have == want, f"{why}: {device} is on {have}, not {want}")


def proven(l2, serial, device=None, viommus=None, seed=None):
    """All three checks; returns (PCI address in the guest, nested HWPT)."""
    bdf = data_is_right(l2, serial, seed)
    guest_translates(l2, bdf)
    return bdf, nested(l2.trace(), device, viommus)


def gone(l2, serial, timeout=20):
    """The guest has noticed that a device was unplugged."""
    l2.sh(f"""
        for i in $(seq {timeout * 5}); do
            cat /sys/class/nvme/nvme*/serial 2>/dev/null | grep -q {serial} || exit 0
            sleep 0.2
        done; exit 1""", timeout + 60)


def eventually(what, test, timeout=10):
    timeout *= util.patience
    deadline = time.monotonic() + timeout
    while True:
        if test():
            return
        if time.monotonic() > deadline:
            raise LabError(f"{what}: this did not happen within {timeout} s")
        time.sleep(0.2)
