# SPDX-License-Identifier: GPL-2.0-or-later
"""Host devices that a vSMMU accepts: those of one physical SMMU and one iommufd."""

from lab import checks, l0, metal, options
from lab.checks import expect
from lab.options import SMMU1
from lab.qmp import QmpError
from lab.scenario import scenario
from lab.scenarios import basics

OAS = 7         # the bits of OAS in IDR5

# A QEMU without access to sysfs, as in a container
NO_SYS = "unshare -m sh -c 'umount -l /sys && exec \"$@\"' sh"


def refused(guest, device, *words, iommufd="iommufd0", **place):
    """device_add of a PCI or sysfs address fails, with these words in its message, and leaves nothing behind."""
    live = guest.trace().live()
    source = "sysfsdev" if device.startswith("/") else "host"
    text = checks.refusal(guest, iommufd=iommufd, **{source: device}, **(place or {"bus": "rp2"}))
    for word in words:
        expect(word in text, f"{word} is not in the message: {text}")
    expect(device not in guest.qom(SMMU1, "attached"), "the refused device is attached")
    expect(guest.trace().live() == live,
           f"kernel objects: {live} before the refusal, {guest.trace().live()} after")


def two_smmus(lab):
    """The devices behind each of two physical SMMUs, and the names of the SMMUs."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    names = lab.l1.smmu_of(one), lab.l1.smmu_of(two)
    expect(names[0] != names[1], f"L1 has only one SMMU: {names}")
    return one, two, *names


@scenario(platform=l0.TWO_SMMUS)
def two_physical_smmus(lab):
    """Two vSMMUs on two physical SMMUs: devices of both do DMA, with one IOAS for the VM."""
    one, two, smmu1, smmu2 = two_smmus(lab)
    guest = lab.start(options.iommufd()
                      + options.root_complex(lab.qemu, 1, ports=(1,))
                      + options.root_complex(lab.qemu, 2, ports=(2,))
                      + options.vfio(one) + options.vfio(two, bus="rp2", id="dev2"))
    _, first = checks.proven(guest, "nvme0", one, viommus=2)
    _, second = checks.proven(guest, "nvme1", two, viommus=2)
    expect(first.parent != second.parent, "both devices share one vIOMMU")
    trace = guest.trace()
    expect(len(trace.ioass()) == 1, "there is more than one IOAS")
    parents = trace.stage2_parents()
    expect(len(set(parents)) == 2, f"stage 2 parents are {parents}: one for each SMMU expected")
    for number, smmu in (1, smmu1), (2, smmu2):
        have = guest.qom(f"/machine/peripheral/smmu{number}", "associated-smmu")
        expect(have == smmu, f"smmu{number} stands for {have}, not {smmu}")


@scenario(platform=l0.TWO_SMMUS)
def wrong_smmu_refused(lab):
    """device_add refuses a device of another physical SMMU with both names, also after the last device is unplugged."""
    one, two, smmu1, smmu2 = two_smmus(lab)
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2))
                      + options.vfio(one))
    checks.proven(guest, "nvme0", one, viommus=1)
    refused(guest, two, two, smmu1, smmu2)
    checks.proven(guest, "nvme0", one, viommus=1)
    # The association remains, because the guest may have state for that SMMU.
    guest.device_del("dev1")
    checks.gone(guest, "nvme0")
    refused(guest, two, two, smmu1, smmu2)
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=one, iommufd="iommufd0")
    checks.proven(guest, "nvme0", one, viommus=2)


@scenario(platform=l0.TWO_SMMUS)
def host_smmu_option(lab):
    """host-smmu= accepts a device of that SMMU, and refuses one of another, cold-plugged and hot-plugged."""
    one, two, smmu1, smmu2 = two_smmus(lab)
    vsmmu = options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2), host_smmu=smmu2)
    said = lab.guest().start_fails(vsmmu + options.vfio(one), boot="none")
    for word in (one, smmu1, f"host-smmu={smmu2}"):
        expect(word in said, f"{word} is not in the message: {said}")
    guest = lab.start(vsmmu + options.vfio(two))
    checks.proven(guest, "nvme1", two, viommus=1)
    refused(guest, one, one, smmu1, f"host-smmu={smmu2}")
    checks.proven(guest, "nvme1", two, viommus=1)


@scenario(platform=l0.TWO_SMMUS)
def oas_of_each_smmu(lab):
    """The second physical SMMU has fewer address bits: its vSMMU inherits them, and is refused with more."""
    small, large, *_ = two_smmus(lab)
    registers = basics.host_registers(lab, "nvme0")
    first = options.iommufd() + options.root_complex(lab.qemu, 1, ports=(1,)) + options.vfio(large)
    guest = lab.guest()
    guest.start(first + options.root_complex(lab.qemu, 2, ports=(2,)) + options.vfio(small, bus="rp2", id="dev2"),
                boot="none", stopped=True)
    have = [guest.qom(f"/machine/peripheral/smmu{n}", "idr5") & OAS for n in (1, 2)]
    expect(have[1] == registers["idr5"] & OAS, f"alone, the device gives its vSMMU an OAS of "
           f"{registers['idr5'] & OAS}, after one of another SMMU {have[1]}")
    expect(have[0] > have[1], f"the vSMMUs have OAS {have}: this platform shows nothing")
    guest.stop()

    registers["idr5"] += 1
    guest = lab.guest()
    guest.start(first + options.root_complex(lab.qemu, 2, ports=(2,), **basics.hexed(registers)),
                boot="none", stopped=True)
    said = checks.refusal(guest, bus="rp2", host=small, iommufd="iommufd0")
    expect("IDR5.OAS" in said, f"IDR5.OAS is not in the message: {said}")


def by_files(lab, *paths, wrap=""):
    """A stopped guest with /dev/iommu as file 5, the first device as file 6 on rp1, and these options on pcie.0."""
    guest = lab.guest()
    guest.start(options.iommufd(fd=5) + lab.qemu.vsmmu(bus="pcie.0")
                + ["-device", "pcie-root-port,id=rp1,bus=pcie.0,addr=2,chassis=1",
                   "-device", "pcie-root-port,id=rp2,bus=pcie.0,addr=3,chassis=2"]
                + options.vfio(fd=6), boot="qtest", machine=metal.MACHINE, wrap=wrap,
                fds=dict(enumerate(("/dev/iommu", *paths), 5)))
    return guest


@scenario(platform=l0.TWO_SMMUS)
def other_smmu_without_sysfs(lab):
    """Without /sys, after the first device: a device of another physical SMMU, by fd, is refused, or QEMU warns."""
    _, one = lab.vfio("nvme0")
    _, two = lab.vfio("nvme1")
    guest = by_files(lab, one, two, wrap=NO_SYS)
    name = guest.qom(SMMU1, "associated-smmu")
    expect(not name, f"QEMU knows the physical SMMU's name, {name}: it sees sysfs")
    port = metal.Port(guest.qtest, 2, 1)
    guest.qmp.cmd("device_del", id="dev1")
    port.eject()
    guest.qmp.event("DEVICE_DELETED", 10, lambda data: data.get("device") == "dev1")
    before = len(guest.stderr())
    try:
        guest.device_add("vfio-pci", id="dev2", bus="rp2", fd="7", iommufd="iommufd0")
        said = guest.stderr()[before:]
    except QmpError as error:
        said = str(error)
    expect("physical SMMU" in said, "a device of another physical SMMU is plugged behind one vSMMU; QEMU says: "
           + (said or "nothing"))


@scenario
def other_iommufd_refused(lab):
    """A second device with another iommufd object, or behind a PCI bridge, is refused with the reason."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.guest()
    guest.start(options.iommufd() + options.iommufd(id="iommufd1")
                + options.root_complex(lab.qemu, ports=(1, 2, 3)) + options.vfio(one)
                + ["-device", "pcie-pci-bridge,id=bridge,bus=rp3"], boot="none", stopped=True)
    refused(guest, two, two, "iommufd=iommufd0", iommufd="iommufd1")
    refused(guest, two, two, "PCIe-to-PCI bridge", bus="bridge", addr="1")


MTTY = "/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-1"


def mediated(lab, number):
    """The sysfs path in L1 of a device of the kernel's sample driver for mediated devices."""
    uuid = f"83b8f4f2-509f-382f-3c1e-e6bfe0fa100{number}"
    path = f"/sys/bus/mdev/devices/{uuid}"
    lab.l1.sh(f"[ -e {path} ] || echo {uuid} > {MTTY}/create")
    return path


@scenario
def mediated_refused(lab):
    """A mediated device works without a vSMMU, and is refused behind one with the reason."""
    one, _ = lab.vfio("nvme0")
    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(one)
                + ["-device", f"vfio-pci,bus=pcie.0,iommufd=iommufd0,sysfsdev={mediated(lab, 1)}"],
                boot="none", stopped=True)
    refused(guest, mediated(lab, 2), "a mediated device has no stream in the host IOMMU")


@scenario
def mediated_by_fd_refused(lab):
    """A mediated device, passed as an open file, is refused behind a vSMMU, also without /sys."""
    _, one = lab.vfio("nvme0")
    path = mediated(lab, 3)
    cdev = "/dev/vfio/devices/" + lab.l1.sh(f"ls {path}/vfio-dev").out
    for wrap in ("", NO_SYS):
        guest = by_files(lab, one, cdev, wrap=wrap)
        live = guest.trace().live()
        said = checks.refusal(guest, bus="rp2", fd="7", iommufd="iommufd0")
        # Without /sys its kind is unknown, but there is no hardware to query.
        expect(wrap or "mediated" in said, f"the reason is: {said}")
        expect(guest.trace().live() == live, f"kernel objects: {live}, then {guest.trace().live()}")
        guest.stop()
