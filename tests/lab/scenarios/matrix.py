# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels with which people run guests and hosts, each through the life of a device.

`check --matrix' runs these; docs/tests/matrix.md has the table.
"""

from dataclasses import replace

from lab import bare, checks, guests, l0, options
from lab.checks import expect, expect_state
from lab.scenario import scenario
from lab.scenarios.events import events, told

NOWHERE = 0x66660000
SECONDS = 240       # until a kernel of Debian is up, below two emulations


def on(kernel="", names=()):
    return replace(l0.EMULATED, name=f"kernel-{kernel or '4k'}-{'-'.join(names)}", kernel=kernel, guests=names)


def boot(lab, name, args, **kw):
    guest = lab.guest()
    if name:
        guest.boots = {**lab.l1.files, **guests.mount(lab.l1, name)}
    guest.start(args, **kw)
    return guest.boot(SECONDS)


def life(lab, name=None, page=4, **kw):
    """Cold-plug, a fault, a reset, a hot-plug, an unplug and a replug in a guest with this kernel."""
    first, _ = lab.vfio("nvme0")
    second, _ = lab.vfio("nvme1")
    guest = boot(lab, name, options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(first), **kw)
    have = guests.page_kb(guest)
    expect(have == page, f"the guest has pages of {have} KiB, not {page}: this is another kernel")
    bdf, _ = checks.proven(guest, "nvme0", first, viommus=1)

    disk = bare.Nvme(guest, bdf)
    expect(disk.ring(NOWHERE) == "fatal", "DMA to an address without a mapping goes through")
    expect(any(event[1:] == (bare.rid(bdf), NOWHERE) for event in events(guest)), "QEMU read no event of the fault")
    heard(guest, bdf)
    disk.rebind()
    checks.proven(guest, "nvme0", first, viommus=1)

    guest.qmp.cmd("system_reset")
    guest.booted_again(SECONDS)
    checks.proven(guest, "nvme0", first, viommus=1)

    plug = dict(id="dev2", bus="rp2", host=second, iommufd="iommufd0")
    for _ in range(2):
        guest.device_add("vfio-pci", **plug)
        checks.proven(guest, "nvme1", second, viommus=1)
        guest.device_del("dev2", timeout=60)
        checks.gone(guest, "nvme1")
    checks.proven(guest, "nvme0", first, viommus=1)


def heard(guest, bdf):
    """The guest's log has the fault; before 6.14 Linux printed events as numbers only."""
    sid = bare.rid(bdf)

    def logged():
        text = guest.sh("dmesg | grep arm-smmu-v3", check=False).out
        numbers = f"0x{sid:08x}00000010"
        return told(guest, bdf, sid, NOWHERE)() or (numbers in text and f"0x{NOWHERE:016x}" in text)
    checks.eventually("the fault is in the guest's log", logged)


@scenario(platform=on(names=("backports",)), matrix=True)
def guest_backports(lab):
    """Debian's kernel of trixie-backports as guest, with its own modules."""
    life(lab, "backports", mem="1G")


@scenario(platform=on(names=("backports-16k",)), matrix=True)
def guest_backports_16k(lab):
    """The same with pages of 16 KiB."""
    life(lab, "backports-16k", 16, mem="1G")


@scenario(platform=on(names=("trixie",)), matrix=True)
def guest_trixie(lab):
    """The kernel of Debian 13 as guest."""
    life(lab, "trixie", mem="1G")


@scenario(platform=on(names=("bookworm",)), matrix=True)
def guest_bookworm(lab):
    """The kernel of Debian 12 as guest."""
    life(lab, "bookworm", mem="1G")


@scenario(platform=on(names=("lab-64k",)), matrix=True)
def guest_64k(lab):
    """A kernel with pages of 64 KiB as guest."""
    life(lab, "lab-64k", 64)


@scenario(platform=on("64k", ("lab-4k",)), matrix=True)
def host_64k(lab):
    """A host with pages of 64 KiB, and a guest with the same."""
    life(lab, page=64)


@scenario(platform=on("64k", ("lab-4k",)), matrix=True)
def host_64k_guest_4k(lab):
    """A host with pages of 64 KiB, a guest with 4 KiB, and memory that ends within a page of the host."""
    life(lab, "lab-4k", mem="524300K")


@scenario(platform=on("16k", ("lab-4k",)), matrix=True)
def host_16k(lab):
    """A host with pages of 16 KiB, and a guest with the same."""
    life(lab, page=16)


@scenario(platform=on("16k", ("lab-4k",)), matrix=True)
def host_16k_guest_4k(lab):
    """A host with pages of 16 KiB, a guest with 4 KiB, and memory that ends within a page of the host."""
    life(lab, "lab-4k", mem="524300K")


@scenario(platform=on("deb", ("lab-4k",)), named=True)
def kernel_deb_installed(lab):
    """The kernel of `make kernel-deb', from its package, with its modules, as host."""
    version = lab.l1.sh("uname -r").out
    expect("-iommufd-" in version, f"the host's kernel is {version}")
    life(lab, "lab-4k")


def mode(lab, append):
    host, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(host), append=append)
    return host, guest, checks.data_is_right(guest, "nvme0")


@scenario(matrix=True)
def guest_lazy(lab):
    """A guest that invalidates lazily: data is right, and stage 1 is in use."""
    host, guest, bdf = mode(lab, "iommu.strict=0")
    domain = guest.sh(f"cat /sys/bus/pci/devices/{bdf}/iommu_group/type").out
    expect(domain == "DMA-FQ", f"the guest's domain is {domain}, so it is not lazy")
    checks.proven(guest, "nvme0", host, viommus=1)


@scenario(matrix=True)
def guest_passthrough(lab):
    """A guest that uses no translation: its device is in bypass, on stage 2 alone."""
    host, guest, bdf = mode(lab, "iommu.passthrough=1")
    domain = guest.sh(f"cat /sys/bus/pci/devices/{bdf}/iommu_group/type").out
    expect(domain == "identity", f"the guest's domain is {domain}")
    expect_state(guest, host, "bypass", "passthrough")


@scenario(matrix=True)
def guest_without_driver(lab):
    """A guest without a driver for its SMMU, which stays off: its device is in bypass."""
    host, guest, bdf = mode(lab, "initcall_blacklist=arm_smmu_driver_init")
    found = guest.sh(f"ls /sys/class/iommu; readlink -f /sys/bus/pci/devices/{bdf}/iommu", check=False).out
    expect("smmu3" not in found, f"the guest has a driver for its SMMU: {found}")
    expect_state(guest, host, "bypass", "no driver")
