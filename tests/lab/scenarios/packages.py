# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages of `make deb` on a host."""

from dataclasses import replace

from lab import checks, l0, options, roots
from lab.checks import expect
from lab.libvirt import RULES, Libvirt
from lab.scenario import scenario
from lab.scenarios.libvirt import plug, proven
from lab.scenarios.specification import pasted

INSTALLED = replace(options.OURS, path=roots.EMULATOR)
UEFI = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"    # of the package that ours depends on


@scenario(platform=l0.DEB_INSTALLED, named=True)
def deb_installed(lab):
    """Our Debian packages work with only their dependencies: smmuv3-spec asks a host, guests run, cold-plug and hot-plug."""
    lab.qemu = INSTALLED
    bdf, _ = lab.vfio("nvme0")
    version = lab.l1.sh(f"{INSTALLED.path} --version").out
    expect("+accel" in version, f"this is not our package: {version}")
    spec = lab.l1.sh(f"/usr/bin/smmuv3-spec host {bdf}").out
    expect(spec.startswith("idr0=") and "aidr=" in spec, f"smmuv3-spec prints no specification: {spec}")

    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf) + ["-bios", UEFI])
    checks.proven(guest, "nvme0", bdf, viommus=1)
    guest.stop()

    # The registers that smmuv3-spec printed, no device at start; a NIC needs a ROM of Debian's ipxe-qemu.
    guest = lab.start(pasted(lab, spec) + ["-bios", UEFI, "-device", "virtio-net-pci,bus=pcie.0,romfile=efi-virtio.rom"])
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=1)
    guest.device_del("dev1")
    checks.gone(guest, "nvme0")


@scenario(platform=l0.DEB_LIBVIRT, named=True)
def deb_libvirt(lab):
    """The libvirt of Debian 13 runs the emulator of our package; AppArmor allows it, by the package's own file alone."""
    _, cdev = lab.vfio("nvme0")
    with Libvirt(lab, roots.LIBVIRT_DEB) as libvirt:
        version = libvirt.sh(f"{roots.EMULATOR} --version").out
        expect("+accel" in version, f"this is not our package: {version}")
        domain = libvirt.define("guest-libvirt-11.xml")

        libvirt.sh(f"mv {RULES} /root/rules")
        libvirt.refuses(f"start {domain.name}", roots.EMULATOR, "Permission denied")
        libvirt.sh(f"mv /root/rules {RULES}")

        domain.start()
        plug(domain, cdev)
        proven(domain, "nvme0")
