# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands of smmuv3-spec for libvirt and KubeVirt, and `doctor', on a host."""

from xml.etree import ElementTree

from lab import checks, l0, options, util
from lab.checks import expect
from lab.options import DROPIN, SMMU1
from lab.scenario import scenario
from lab.scenarios.specification import refusal, tool, values

PROPERTY = "{http://libvirt.org/schemas/domain/qemu/1.0}property"
DOMAIN = util.ROOT / "tests/unit/smmuv3-spec/hostdev.xml"


def cures(text):
    """{topic: what to type} of the lines that are NOT OK."""
    lines, found = text.splitlines(), {}
    for line, after in zip(lines, lines[1:]):
        if line.startswith("NOT OK"):
            found[line.split()[2].rstrip(":")] = after.split("-> ")[1]
    return found


@scenario
def doctor(lab):
    """`doctor' on a host: ready; not ready with the device's own driver; ready after the commands that it prints."""
    bdf, _ = lab.vfio("nvme0")
    for args in (("doctor",), ("doctor", bdf)):
        said = tool(lab, *args)
        expect(not cures(said) and "\nready" in said, f"{args}: {said}")
    expect("nests: the firmware says CANWBS; stage 2 maps 44 bits" in said, said)
    expect("errata: none that stops nesting: IIDR 0x" in said, said)
    lab.l1.unbind_vfio(bdf)
    said = tool(lab, "doctor", bdf, status=1)
    typed = cures(said)
    expect(list(typed) == ["device"] and "bound to nvme" in said, said)
    # vfio-pci is built into L1's kernel
    lab.l1.sh(typed["device"].split("type modprobe vfio-pci; ")[1])
    said = tool(lab, "doctor", bdf)
    expect(not cures(said), said)
    for path, topic in (("/dev/iommu", "iommufd"), ("/dev/kvm", "kvm")):
        lab.l1.sh(f"mv {path} {path}.away")
        try:
            said = cures(tool(lab, "doctor", status=1))
        finally:
            lab.l1.sh(f"mv {path}.away {path}")
        expect(list(said) == [topic], said)


@scenario(platform=l0.NO_CANWBS)
def doctor_cannot_nest(lab):
    """`doctor' on a host without CANWBS and S2FWB: it reads both the table and the kernel's answer."""
    bdf, _ = lab.vfio("nvme0")
    said = tool(lab, "doctor", bdf, status=1)
    expect("canwbs: the firmware says CANWBS of 0 of 1 root complexes" in said, said)
    expect(list(cures(said)) == ["nesting"] and "S2FWB" in said, said)


def as_options(xml):
    """The options of the SMMU that libvirt makes from the printed domain."""
    root = ElementTree.fromstring(xml)
    driver = dict(root.find("devices/iommu/driver").attrib)
    expect((driver.pop("pciBus"), driver.pop("accel")) == ("1", "on"), xml)
    return driver, {p.get("name"): int(p.get("value")) for p in root.iter(PROPERTY)}


@scenario
def doctor_libvirt_values(lab):
    """`host --format=libvirt': QEMU starts with its output, and the device fits when it is hot-plugged."""
    bdf, _ = lab.vfio("nvme0")
    spec = tool(lab, "host", bdf)
    xml = tool(lab, "host", "--format=libvirt", bdf)
    attributes, registers = as_options(xml)
    expect(registers == values(spec), f"{xml} has other registers than {spec}")
    guest = lab.start(options.iommufd() + options.root_complex(DROPIN, **attributes, **registers))
    expect(guest.qom(SMMU1, "spec") == spec, guest.qom(SMMU1, "spec"))
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=1)
    guest.stop()

    # <iommu> alone, hot-plug only: QEMU agrees with the comment
    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(DROPIN, **attributes), boot="none",
                stopped=True)
    if "which a device here fits." in xml:
        guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    else:
        said = [line.strip().split(" (")[0] for line in refusal(guest, bdf).splitlines()[1:]]
        expect(said and all(line in xml for line in said), f"{said} is not in {xml}")


@scenario
def doctor_checks_dropin(lab):
    """`check' of KubeVirt's options prints the same message as device_add, at start and later."""
    bdf, _ = lab.vfio("nvme0")
    wrong = {"ats": "on", "ril": "off", "ssidsize": 20, "oas": 48}
    text = ",".join(f"{k}={v}" for k, v in wrong.items())
    said = tool(lab, "check", f"arm-smmuv3,accel=on,{text}", bdf, status=1)
    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(DROPIN, **wrong), boot="none",
                stopped=True)
    for line in refusal(guest, bdf).splitlines()[1:]:
        expect(line.strip() in said, f"{line} is not in {said}")
    said = tool(lab, "check", "arm-smmuv3,accel=on,ats=on,ril=off,ssidsize=0,oas=44", bdf)
    expect("fits" in said, said)
    # the same for the XML of a domain that has the device
    domain, bus, slot = bdf.split(".")[0].split(":")
    xml = DOMAIN.read_text().replace("<address domain='0x0000' bus='0x03' slot='0x00'",
                                     f"<address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}'")
    for oas, status, word in ((44, 0, "fits"), (48, 1, "IDR5.OAS: host 44 bits, vSMMU 48 bits")):
        lab.l1.sh(f"cat > /tmp/vm.xml <<'END'\n{xml.replace(chr(39) + '44', chr(39) + str(oas))}\nEND")
        said = tool(lab, "check", "/tmp/vm.xml", bdf, status=status)
        expect("vm.xml: good" in said and word in said, said)
