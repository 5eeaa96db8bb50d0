# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages on pages of the manual that require a host."""

import errno
import re

from docs import blocks
from lab import checks, l0, options, shim, util
from lab.checks import expect
from lab.qmp import QmpError
from lab.scenario import scenario
from lab.scenarios import association
from lab.scenarios.groups import pair

PAGES = [util.ROOT / f"docs/system/arm/smmuv3-accel-{name}.rst" for name in ("tutorial", "troubleshooting")]
KUBEVIRT = "arm-smmuv3,accel=on,id=smmu1,bus=pcie.1,ats=on,ril=off,ssidsize=20,oas=48"


def words(text):
    """A message without line breaks, and with one name for all host devices and SMMUs."""
    text = re.sub(r"\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b", "BDF", text)
    text = re.sub(r"\bsmmu3\.0x[0-9a-f]+", "SMMU", text)
    return re.sub(r"IOMMU group \d+", "IOMMU group N", " ".join(text.split()))


def quoted():
    """The messages for which the pages refer to this test."""
    return [words(" ".join(line.removeprefix("Error: ") for line in block.lines if not line.startswith("(qemu)")))
            for page in PAGES for block in blocks.read(page.read_text()) if "lab:refusals_quoted" in block.shown]


def hot_plug_only(lab, bdf, failing):
    """The messages about KubeVirt's values, and on a host whose SMMU has no stage 2 for a guest's tables."""
    guest = shim.guest(lab)
    guest.start(options.iommufd() + options.pxb() + ["-device", KUBEVIRT] + options.port(), boot="none", stopped=True)
    if failing:
        guest.shim.arm(1, {"IOMMU_HWPT_ALLOC": errno.EOPNOTSUPP}, times=99)
    said = checks.refusal(guest, bus="rp1", host=bdf, iommufd="iommufd0")
    guest.stop()
    return said


@scenario(platform=l0.PAIR)
def refusals_quoted(lab):
    """The messages that the manual quotes from a host are those of QEMU, word by word."""
    (one, same_group), _ = pair(lab)
    other, _ = lab.vfio("nvme0")
    iommufd, ports = options.iommufd(), options.root_complex(lab.qemu, ports=(1, 2, 3))
    said = [lab.guest().start_fails(
        iommufd + options.pxb() + options.port() + options.vfio(other) + lab.qemu.vsmmu(bus="pcie.1", id="smmu1"),
        boot="none")]

    guest = lab.guest()
    guest.start(iommufd + ports + options.vfio(one) + options.port(4, bus="pcie.0")
                + ["-device", "pcie-pci-bridge,id=bridge,bus=rp3"], boot="none", stopped=True)
    said.append(checks.refusal(guest, bus="rp2", host=other))
    said.append(checks.refusal(guest, bus="bridge", addr="1", host=other, iommufd="iommufd0"))
    said.append(checks.refusal(guest, bus="rp2", sysfsdev=association.mediated(lab, 4), iommufd="iommufd0"))
    said.append(checks.refusal(guest, bus="rp4", host=same_group, iommufd="iommufd0"))
    try:
        guest.qmp.cmd("migrate", uri="unix:/tmp/nobody")
    except QmpError as error:
        said.append(str(error))
    guest.stop()
    said += [hot_plug_only(lab, other, failing) for failing in (False, True)]
    said = words("\n".join(said))
    wrong = [message for message in quoted() if message not in said]
    expect(quoted() and not wrong, f"the pages have {wrong}; QEMU says {said}")
