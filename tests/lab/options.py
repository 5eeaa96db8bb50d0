# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU options of L2, and the two QEMUs that can run it."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Qemu:
    """A QEMU to run in L1 (or on this host)."""
    name: str
    path: str
    env: str = ""           # shell assignments before the command
    args: tuple = ()
    smmu: str = "arm-smmuv3-accel"
    bus_option: str = "bus"
    smmu_extra: str = ""

    def vsmmu(self, bus="pcie.1", id="smmu1", **registers):
        parts = [self.smmu, f"id={id}", f"{self.bus_option}={bus}"]
        parts += [self.smmu_extra] if self.smmu_extra else []
        parts += [f"{k.replace('_', '-')}={v}" for k, v in registers.items()]
        return ["-device", ",".join(parts)]


OURS = Qemu("arm-smmuv3-accel", "/lab/qemu/qemu-system-aarch64")

# The same with the name that newer QEMU, libvirt and KubeVirt use.
DROPIN = replace(OURS, smmu="arm-smmuv3", bus_option="primary-bus", smmu_extra="accel=on")

# Debian's newer QEMU with upstream's device, for comparison.
RIVAL = Qemu("arm-smmuv3,accel=on", "/lab/rival/usr/bin/qemu-system-aarch64",
             env="LD_LIBRARY_PATH=/lab/rival/usr/lib/aarch64-linux-gnu "
                 "QEMU_MODULE_DIR=/lab/rival/usr/lib/aarch64-linux-gnu/qemu",
             args=("-L", "/lab/rival/usr/share/qemu"),
             smmu="arm-smmuv3", bus_option="primary-bus", smmu_extra="accel=on")


SMMU1 = "/machine/peripheral/smmu1"     # the first vSMMU in QOM
REGISTERS = ("idr0", "idr1", "idr3", "idr5", "iidr", "aidr")    # those that a vSMMU inherits


def iommufd(fd=None, id="iommufd0"):
    return ["-object", f"iommufd,id={id}" + (f",fd={fd}" if fd is not None else "")]


def pxb(number=1, nr=None):
    """A second root complex; its buses start at 8, 16, ..."""
    return ["-device", f"pxb-pcie,id=pcie.{number},bus_nr={nr or 8 * number},bus=pcie.0"]


def port(number=1, bus="pcie.1"):
    # A pxb has only the space that its ports request.  Linux needs some
    # prefetchable memory for each hot-plug port and, if there is none, takes
    # the windows of other ports away from working devices.
    return ["-device",
            f"pcie-root-port,id=rp{number},bus={bus},chassis={number},pref64-reserve=2M"]


def vfio(bdf=None, fd=None, bus="rp1", id="dev1", iommufd="iommufd0", more=""):
    source = f"fd={fd}" if fd is not None else f"host={bdf}"
    backend = f",iommufd={iommufd}" if iommufd else ""
    return ["-device", f"vfio-pci,id={id},bus={bus}{backend},{source}{more and ','}{more}"]


def both_functions(bdfs, bus="rp1"):
    """Two host devices as functions 0 and 1 of one slot: dev0 and dev1.

    A Linux guest treats a function that it finds later as a separate device,
    with an IOMMU group of its own, unless that function is marked as one of
    several, too.
    """
    return [word for number, bdf in enumerate(bdfs)
            for word in vfio(bdf, bus=bus, id=f"dev{number}", more=f"addr=0.{number},multifunction=on")]


def root_complex(qemu, number=1, ports=(1,), **registers):
    """A pxb, its vSMMU and its root ports."""
    args = pxb(number) + qemu.vsmmu(bus=f"pcie.{number}", id=f"smmu{number}", **registers)
    for n in ports:
        args += port(n, bus=f"pcie.{number}")
    return args
