# SPDX-License-Identifier: GPL-2.0-or-later
"""Specifications of smmuv3-spec, compared with QEMU."""

import json
import shlex

from lab import bare, checks, host, kernel, l0, options
from lab.checks import expect
from lab.l2 import L2
from lab.options import SMMU1
from lab.registers import Smmu
from lab.scenario import Skip, scenario

TOOL = "/lab/qemu/smmuv3-spec"


def tool(lab, *args, status=0, wrap=""):
    """Run smmuv3-spec in L1; returns its output and its messages."""
    if not lab.l1.sh(f"[ -x {TOOL} ]", check=False):
        raise Skip(f"{TOOL} is not there: it was not built beside the QEMU under test")
    result = lab.l1.sh(f"{wrap} {TOOL} {shlex.join(args)} 2>&1", check=False)
    expect(result.status == status, f"smmuv3-spec {shlex.join(args)}: exit status "
           f"{result.status}, not {status}: {result.out}")
    return result.out


def one_line(text, *words):
    expect("\n" not in text.strip(), f"more than one line: {text}")
    for word in words:
        expect(word in text, f"{word} is not in: {text}")


def values(spec):
    return {key: int(value, 0) for key, value in (item.split("=") for item in spec.split(","))}


def pasted(lab, spec, *ports):
    """A root complex whose vSMMU has a printed specification."""
    args = options.pxb() + ["-device", f"{lab.qemu.smmu},id=smmu1,bus=pcie.1,{spec}"]
    for number in ports or (1,):
        args += options.port(number)
    return options.iommufd() + args


def refusal(guest, bdf):
    return checks.refusal(guest, bus="rp1", host=bdf, iommufd="iommufd0")


def differences(text):
    """The lines of fields in a message of QEMU or of the tool."""
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


@scenario
def spec_pasted(lab):
    """The output of `smmuv3-spec host' boots with no device, with the same registers; hot-plug and DMA work."""
    bdf, _ = lab.vfio("nvme0")
    spec = tool(lab, "host", bdf)
    one_line(spec, "idr0=0x", "aidr=0x")
    expect("fits" in tool(lab, "check", spec, bdf), "check does not say that it fits")
    guest = lab.start(pasted(lab, spec))
    expect(not guest.trace().viommus(), "a vIOMMU was made without a device")
    expect(guest.qom(SMMU1, "spec") == spec, f"QEMU's spec: {guest.qom(SMMU1, 'spec')}")
    base = int(guest.sh("ls /sys/class/iommu").out.split(".")[-1], 16)
    want = {"idr2": 0, "idr4": 0, **values(spec)}
    have = {name: bare.read(guest, base + Smmu.IDR[name]) for name in want}
    expect(have == want, f"the guest reads {have}, specified is {want}")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=1)


@scenario
def spec_is_what_qemu_inherits(lab):
    """`smmuv3-spec host' and a vSMMU that inherits have the same registers for one device."""
    bdf, _ = lab.vfio("nvme0")
    spec = tool(lab, "host", bdf)
    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf),
                boot="none", stopped=True)
    expect(guest.qom(SMMU1, "spec") == spec, f"QEMU: {guest.qom(SMMU1, 'spec')}, tool: {spec}")


@scenario
def spec_too_high(lab):
    """A field above the host's: device_add names only that field, and `check' prints the same."""
    bdf, _ = lab.vfio("nvme0")
    spec = values(tool(lab, "host", bdf))
    oas = spec["idr5"] & 7
    expect(oas < 5, f"the host has an OAS of {oas}: nothing is above it")
    raised = {
        ("IDR5.OAS",): {"idr5": spec["idr5"] + 1},
        ("IDR5.VAX",): {"idr5": spec["idr5"] | 1 << 10},
        ("IDR1.SSIDSIZE", "IDR5.OAS"): {"idr1": spec["idr1"] | 20 << 6, "idr5": spec["idr5"] + 1},
    }
    for fields, change in raised.items():
        text = ",".join(f"{key}={value:#x}" for key, value in {**spec, **change}.items())
        said = differences(tool(lab, "check", text, bdf, status=1))
        guest = lab.guest()
        guest.start(pasted(lab, text), boot="none", stopped=True)
        refused = differences(refusal(guest, bdf))
        guest.stop()
        expect([line.split(":")[0] for line in refused] == list(fields),
               f"{fields} is above the host, refused is {refused}")
        expect(said == refused, f"check says {said}, QEMU {refused}")


@scenario(platform=l0.NO_CANWBS)
def spec_host_cannot_nest(lab):
    """Without CANWBS and S2FWB, `host' and `check' say so in one line, like QEMU."""
    bdf, _ = lab.vfio("nvme0")
    one_line(tool(lab, "host", bdf, status=1), bdf, lab.l1.smmu_of(bdf), "CANWBS", "S2FWB")
    one_line(tool(lab, "check", "ril=off", bdf, status=1), "CANWBS")
    said = lab.guest().start_fails(options.iommufd() + options.root_complex(lab.qemu)
                                   + options.vfio(bdf), boot="none")
    expect("CANWBS" in said, f"QEMU says: {said}")


@scenario
def spec_host_not_ready(lab):
    """For a device that is not bound to vfio-pci, or in use, one line has commands that work."""
    bdf, cdev = lab.vfio("nvme0")
    spec = tool(lab, "host", bdf)
    lab.l1.unbind_vfio(bdf)
    said = tool(lab, "host", bdf, status=3)
    one_line(said, f"{bdf} is bound to nvme, not to vfio-pci")
    # vfio-pci is built into L1's kernel
    lab.l1.sh(said.split("type modprobe vfio-pci; ")[1])
    expect(tool(lab, "host", bdf) == spec, "the host says something else now")
    one_line(tool(lab, "host", "0000:7f:1f.7", status=2), "no PCI device")

    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf),
                boot="none", stopped=True)
    one_line(tool(lab, "host", bdf, status=3), bdf, "somebody else uses it")
    guest.stop()
    expect(tool(lab, "check", spec, bdf), "check says nothing")
    lab.l1.sh(f"mv {cdev} {cdev}.away")
    try:
        one_line(tool(lab, "host", bdf, status=3), "/dev/vfio/devices")
    finally:
        lab.l1.sh(f"mv {cdev}.away {cdev}")
    lab.l1.sh("mv /dev/iommu /dev/iommu.away")
    try:
        one_line(tool(lab, "host", bdf, status=1), "/dev/iommu", "CONFIG_IOMMUFD")
    finally:
        lab.l1.sh("mv /dev/iommu.away /dev/iommu")


@scenario
def spec_old_kernels(lab):
    """Each ioctl of `host' is refused as by an older kernel: one line is printed, and nothing is left behind."""
    bdf, _ = lab.vfio("nvme0")
    spec = tool(lab, "host", bdf)
    calls = (("EPERM", 3, "IOMMU group"), ("ENOTTY", 1, "older than 6.6"),
             ("EOPNOTSUPP", 0, None),       # older than 6.17: it cannot say whether there is a CMDQV
             ("ENOMEM", 3, "IOMMU_IOAS_ALLOC"), ("EOPNOTSUPP", 1, "cannot nest"),
             ("EFAULT", 3, "IOMMU_IOAS_IOVA_RANGES"), ("EFAULT", 3, "IOMMU_IOAS_IOVA_RANGES"),
             ("ENOTTY", 1, "older than 6.13"))
    for number, (errno, status, word) in enumerate(calls, 1):
        wrap = f"strace -o /dev/null -e inject=ioctl:error={errno}:when={number}"
        said = tool(lab, "host", bdf, status=status, wrap=wrap)
        if word:
            one_line(said, bdf, word)
        else:
            expect(said == spec, f"{errno} of call {number}: {said}")
        expect(tool(lab, "host", bdf) == spec, f"after {errno} of call {number}")
    guest = lab.start(pasted(lab, spec))
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=1)


# A full specification, which an emulated endpoint supports, too.
SPEC = "idr0=0xd40101a,idr1=0x2730010,idr3=0x1400,idr5=0x74,iidr=0x0,aidr=0x1"


def section(name, **values):
    lines = [f'[device "{name}"]', *[f'  {key} = "{value}"' for key, value in values.items()], ""]
    return "\n".join(lines)


@scenario
def spec_forms(lab):
    """One specification as an option, in JSON and for -readconfig gives the same vSMMU."""
    here = host.Local(kernel.image(), kvm=False)
    qemu = options.Qemu("native", str(l0.binary()))
    numbers = values(SPEC)
    device = {"driver": "arm-smmuv3-accel", "id": "smmu1", "bus": "pcie.1", **numbers}
    config = f"{here.tmp}/smmu.cfg"
    here.put(config, (section("pcie.1", driver="pxb-pcie", bus_nr=8)
                      + section("smmu1", driver="arm-smmuv3-accel", bus="pcie.1",
                                **{k: hex(v) for k, v in numbers.items()})).encode())
    for args in (options.pxb() + ["-device", f"arm-smmuv3-accel,id=smmu1,bus=pcie.1,{SPEC}"],
                 options.pxb() + ["-device", json.dumps(device)],
                 ["-readconfig", config]):
        guest = L2(here, qemu, lab.dir)
        lab.guests.append(guest)
        guest.start(args, boot="none", stopped=True)
        have = guest.qom(SMMU1, "spec"), guest.qom(SMMU1, "mode")
        expect(have == (SPEC, "specified"), f"{args[-1]}: {have}")
        guest.stop()
    here.stop()
