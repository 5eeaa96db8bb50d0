# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of newer QEMU and libvirt: -device arm-smmuv3, with and without accel=on."""

from dataclasses import replace

from lab import checks, options
from lab.checks import expect
from lab.options import DROPIN, SMMU1
from lab.scenario import scenario

EMULATED = replace(DROPIN, smmu_extra="")


@scenario
def dropin_hotplug_only(lab):
    """arm-smmuv3,accel=on without a device at start boots with QEMU 11's registers; hot-plug works."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(DROPIN))
    kind, mode = guest.qom(SMMU1, "type"), guest.qom(SMMU1, "mode")
    expect((kind, mode) == ("arm-smmuv3-accel", "default"), f"type is {kind}, mode is {mode}")
    registers = guest.qom(SMMU1, "spec")
    expect(not guest.trace().viommus(), "a vIOMMU was made without a device")
    for times in (1, 2, 3):
        guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
        checks.proven(guest, "nvme0", bdf, viommus=times)
        guest.device_del("dev1")
        checks.gone(guest, "nvme0")
    after = guest.qom(SMMU1, "spec")
    expect(after == registers, f"registers changed: {registers} to {after}")


@scenario
def dropin_cold(lab):
    """arm-smmuv3,accel=on with a device at start inherits the registers of its SMMU."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(DROPIN) + options.vfio(bdf))
    checks.proven(guest, "nvme0", bdf, viommus=1)
    mode = guest.qom(SMMU1, "mode")
    expect(mode == "inherited", f"mode is {mode}")


@scenario
def dropin_refused(lab):
    """KubeVirt's options on a host with fewer features: the message has every difference; with its values the device fits."""
    bdf, _ = lab.vfio("nvme0")
    wrong = {"ats": "on", "ril": "off", "ssidsize": 20, "oas": 48}
    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(DROPIN, **wrong), boot="none", stopped=True)
    text = checks.refusal(guest, bus="rp1", host=bdf, iommufd="iommufd0")
    for word in ("IDR1.SSIDSIZE: host 0, vSMMU 20 (ssidsize=0)",
                 "IDR5.OAS: host 44 bits, vSMMU 48 bits (oas=44)", lab.l1.smmu_of(bdf)):
        expect(word in text, f"{word} is not in the message: {text}")
    guest.stop()
    guest = lab.start(options.iommufd()
                      + options.root_complex(DROPIN, ats="on", ril="off", ssidsize=0, oas=44))
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=1)


@scenario
def dropin_emulated(lab):
    """arm-smmuv3 without accel=on works for each root complex, beside an accelerated one."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(
        options.iommufd() + options.root_complex(EMULATED, 1, ports=(1,))
        + options.root_complex(DROPIN, 2, ports=(2,)) + options.vfio(bdf, bus="rp2")
        + ["-drive", "if=none,id=d0,format=raw,readonly=on,file=/lab/guest/Image",
           "-device", "nvme,id=dev2,bus=rp1,serial=soft,drive=d0"])
    guest_bdf, _ = checks.proven(guest, "nvme0", bdf, viommus=1)
    kind = guest.qom(SMMU1, "type")
    expect(kind == "arm-smmuv3", f"type is {kind}")
    device, soft = checks.nvme(guest, "soft")
    expect(checks.guest_translates(guest, soft) != checks.guest_translates(guest, guest_bdf),
           "the guest sees one SMMU for both")
    want = lab.l1.sh("dd if=/lab/guest/Image bs=1M count=2 2>/dev/null | sha256sum").out.split()[0]
    have = checks.read_sha256(guest, device, 0, 2)
    expect(have == want, f"emulated NVMe: sha256 is {have}, not {want}")
