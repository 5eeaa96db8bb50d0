# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's libvirts, with AppArmor, control groups and namespaces as in Debian, and the
unchanged XML of the manual's page.
"""

from lab import checks, l0
from lab.checks import expect
from lab.libvirt import EXAMPLES, Libvirt
from lab.scenario import scenario


def proven(domain, serial, count=1):
    """Check the data through the guest's stage 1, and QEMU's information about the device."""
    bdf = checks.data_is_right(domain, serial)
    checks.guest_translates(domain, bdf)
    devices = [device for vsmmu in domain.vsmmus() for device in vsmmu["host-devices"]]
    expect(len(devices) == count, f"{len(devices)} host devices, not {count}: {devices}")
    for device in devices:
        expect(device["target"] == "nested", f"a host device is on {device}")


@scenario(platform=l0.LIBVIRT)
def libvirt_standard_xml(lab):
    """libvirt's own XML works: <iommu> with accel='on', <hostdev> with iommufd, /dev/iommu by descriptor."""
    with Libvirt(lab, "forky") as libvirt:
        domain = libvirt.define("guest.xml").start(fds={"iommu": "/dev/iommu"})
        proven(domain, "nvme0")
        libvirt.refuses("managedsave smmu", "migration")
        proven(domain, "nvme0")


@scenario(platform=l0.LIBVIRT)
def libvirt_hotplug_only(lab):
    """Without <hostdev> at start, attach-device and detach-device work three times."""
    with Libvirt(lab, "forky") as libvirt:
        domain = libvirt.define("guest-hotplug.xml").start(fds={"iommu": "/dev/iommu"})
        expect(domain.vsmmus()[0]["host-devices"] == [], "there is a host device at start")
        device = libvirt.example("hostdev.xml")
        for _ in range(3):
            libvirt.virsh(f"attach-device smmu {device} --live")
            proven(domain, "nvme0")
            libvirt.virsh(f"detach-device smmu {device} --live")
            checks.gone(domain, "nvme0")
            checks.eventually("the host device leaves the vSMMU",
                              lambda: domain.vsmmus()[0]["host-devices"] == [])


@scenario(platform=l0.LIBVIRT)
def libvirt_two_vsmmus(lab):
    """Two accelerated SMMUs with a host device each work; libvirt opens /dev/iommu."""
    with Libvirt(lab, "forky") as libvirt:
        domain = libvirt.define("guest-two.xml").start()
        for serial in ("nvme0", "nvme1"):
            proven(domain, serial, 2)


def plug(domain, cdev):
    """Plug a host device with QMP and descriptors, as the page says for older libvirts."""
    for name, path in (("iommu", "/dev/iommu"), ("dev0", cdev)):
        domain.qmp("getfd", fds={5: path}, fdname=name)
    domain.qmp("object-add", **{"qom-type": "iommufd", "id": "iommufd0", "fd": "iommu"})
    domain.qmp("device_add", driver="vfio-pci", id="dev0", bus="pci.2", addr="0x0",
               iommufd="iommufd0", fd="dev0")


@scenario(platform=l0.LIBVIRT)
def libvirt_override(lab):
    """The libvirt of Debian 13 works with <qemu:commandline>; QMP plugs the device, with descriptors."""
    _, cdev = lab.vfio("nvme0")
    with Libvirt(lab, "trixie") as libvirt:
        domain = libvirt.define("guest-libvirt-11.xml").start()
        plug(domain, cdev)
        proven(domain, "nvme0")


@scenario(platform=l0.LIBVIRT)
def libvirt_drops_in_silence(lab):
    """accel='on' without pciBus: libvirt accepts it and makes an emulated SMMU; two checks find this."""
    with Libvirt(lab, "forky") as libvirt:
        text = (EXAMPLES / "guest-hotplug.xml").read_text()
        wrong = text.replace("pciBus='1' ", "").replace(" fdgroup='iommu'", "")
        libvirt.put("/root/wrong.xml", wrong)
        libvirt.virsh("define --validate /root/wrong.xml")
        domain = libvirt.domain("smmu")
        libvirt.virsh("start --paused smmu")
        said = libvirt.virsh("qemu-monitor-command smmu --hmp info smmuv3-accel")
        expect("no arm-smmuv3-accel" in said, f"the monitor says {said}")
        expect(domain.vsmmus() == [], f"there are vSMMUs: {domain.vsmmus()}")
        said = lab.l1.sh(f"/lab/qemu/smmuv3-spec check {libvirt.root}/root/wrong.xml", check=False)
        expect(not said and "pciBus" in said.out, f"smmuv3-spec check says {said.out}")
