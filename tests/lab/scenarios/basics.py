# SPDX-License-Identifier: GPL-2.0-or-later
"""One vSMMU and its devices, cold-plugged and hot-plugged."""

from lab import checks, l0, options, trace, util
from lab.checks import expect
from lab.options import REGISTERS, SMMU1
from lab.scenario import scenario


def host_registers(lab, device="nvme0", **given):
    """A specification that fits L1's SMMU: the registers that a vSMMU inherits there."""
    bdf, _ = lab.vfio(device)
    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(lab.qemu, **given) + options.vfio(bdf),
                stopped=True)
    values = {name: guest.qom(SMMU1, name) for name in REGISTERS}
    guest.stop()
    return values


def hexed(values):
    return {name: hex(value) for name, value in values.items()}


@scenario
def cold_inherit(lab):
    """The vSMMU inherits its registers from a cold-plugged NVMe; DMA goes through stage 1."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf))
    checks.proven(guest, "nvme0", bdf, viommus=1)
    mode = guest.qom(SMMU1, "mode")
    expect(mode == "inherited", f"mode is {mode}")
    smmu = guest.qom(SMMU1, "associated-smmu")
    expect(smmu == lab.l1.smmu_of(bdf), f"associated-smmu is {smmu}")


@scenario(platform=l0.STOCK)
def server_of_debian(lab):
    """The same when Debian's own QEMU emulates the server, without a patch, as in `make run'."""
    lab.l1.sh("true")
    program = lab.l1.l0.args[0]
    expect(str(util.BUILD) not in program, f"L0 is {program}")
    cold_inherit(lab)


@scenario
def specified_hotplug(lab):
    """With all registers given, the guest boots with no device and no /dev/iommu; device_add works."""
    registers = host_registers(lab)
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd()
                      + options.root_complex(lab.qemu, **hexed(registers)))
    expect(not guest.trace().viommus(), "a vIOMMU was made without a device")
    expect(guest.qom(SMMU1, "mode") == "specified", "mode is not specified")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=1)
    after = {name: guest.qom(SMMU1, name) for name in REGISTERS}
    expect(after == registers, f"registers changed: {registers} to {after}")


@scenario
def unplug_replug(lab):
    """Unplug destroys the kernel objects of a device, and plug creates them again."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf))
    checks.proven(guest, "nvme0", bdf)
    guest.device_del("dev1")
    checks.gone(guest, "nvme0")
    expect(not guest.qom(SMMU1, "attached"), "the vSMMU still lists the device")
    expect(guest.qom(SMMU1, "associated-smmu") == lab.l1.smmu_of(bdf),
           "the physical SMMU was forgotten")
    first = guest.trace()
    freed = {e.num("id") for e in first.made(trace.DESTROY)}
    left = [n for n in first.viommus() if n not in freed]
    expect(not left, f"vIOMMU {left} was not destroyed")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=2)


@scenario
def two_devices_one_vsmmu(lab):
    """Two NVMe below one vSMMU share its vIOMMU, each with its own stage 1."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2))
                      + options.vfio(one) + options.vfio(two, bus="rp2", id="dev2"))
    _, first = checks.proven(guest, "nvme0", one, viommus=1)
    _, second = checks.proven(guest, "nvme1", two, viommus=1)
    expect(first.id != second.id, "both devices are on one nested HWPT")
    expect(len(guest.trace().ioass()) == 1, "there is more than one IOAS")


@scenario
def second_hotplugged_while_on(lab):
    """A second device that is plugged while the guest's SMMU is on gets its own stage 1."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2))
                      + options.vfio(one))
    checks.proven(guest, "nvme0", one)
    guest.device_add("vfio-pci", id="dev2", bus="rp2", host=two, iommufd="iommufd0")
    checks.proven(guest, "nvme1", two, viommus=1)
    checks.proven(guest, "nvme0", one)


@scenario
def two_pxb_two_vsmmu(lab):
    """Two root complexes with a vSMMU each have two vIOMMUs, and one IOAS for the VM."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.start(options.iommufd()
                      + options.root_complex(lab.qemu, 1, ports=(1,))
                      + options.root_complex(lab.qemu, 2, ports=(2,))
                      + options.vfio(one) + options.vfio(two, bus="rp2", id="dev2"))
    bdf1, first = checks.proven(guest, "nvme0", one, viommus=2)
    bdf2, second = checks.proven(guest, "nvme1", two, viommus=2)
    expect(first.parent != second.parent, "both devices share one vIOMMU")
    expect(checks.guest_translates(guest, bdf1) != checks.guest_translates(guest, bdf2),
           "the guest sees one SMMU for both")
    trace = guest.trace()
    expect(len(trace.ioass()) == 1, "there is more than one IOAS")
    # A stage 2 has one VMID: if it were shared, the ASIDs would collide.
    parents = trace.stage2_parents()
    expect(len(set(parents)) == 2, f"stage 2 parents are {parents}: one for each vSMMU expected")


@scenario
def emulated_beside_assigned(lab):
    """An emulated NVMe and an assigned one are below the same vSMMU; both are translated."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(
        options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(bdf)
        + ["-drive", "if=none,id=d0,format=raw,readonly=on,file=/lab/guest/Image",
           "-device", "nvme,id=dev2,bus=rp2,serial=soft,drive=d0"])
    checks.proven(guest, "nvme0", bdf, viommus=1)
    device, soft = checks.nvme(guest, "soft")
    checks.guest_translates(guest, soft)
    # The emulated disk holds L1's copy of the kernel.
    want = lab.l1.sh("dd if=/lab/guest/Image bs=1M count=2 2>/dev/null | sha256sum").out.split()[0]
    have = checks.read_sha256(guest, device, 0, 2)
    expect(have == want, f"emulated NVMe: sha256 is {have}, not {want}")
    checks.proven(guest, "nvme0", bdf, viommus=1)


@scenario
def fds_passed(lab):
    """/dev/iommu and the VFIO device are passed as open files; QEMU opens no others."""
    bdf, cdev = lab.vfio("nvme0")
    guest = lab.guest()
    guest.start(options.iommufd(fd=5) + options.root_complex(lab.qemu) + options.vfio(fd=6),
                fds={5: "/dev/iommu", 6: cdev})
    guest.boot()
    checks.proven(guest, "nvme0", viommus=1)
    smmu = guest.qom(SMMU1, "associated-smmu")
    expect(smmu == lab.l1.smmu_of(bdf), f"associated-smmu is {smmu}")


@scenario
def mismatch_refused(lab):
    """A device whose SMMU cannot back the specification is refused with every field in one message."""
    registers = host_registers(lab)
    bdf, _ = lab.vfio("nvme0")
    # L1's emulated SMMU has none of these: two-level CD tables, SubstreamIDs,
    # 48 bits of output address.
    wrong = dict(registers)
    wrong["idr0"] |= 1 << 19
    wrong["idr1"] |= 5 << 6
    wrong["idr5"] = (registers["idr5"] & ~7) | 5
    guest = lab.guest()
    guest.start(options.iommufd() + options.root_complex(lab.qemu, **hexed(wrong)), boot="none",
                stopped=True)
    text = checks.refusal(guest, bus="rp1", host=bdf, iommufd="iommufd0")
    for word in ("IDR0.CD2L", "IDR1.SSIDSIZE", "IDR5.OAS", hex(registers["idr1"]),
                 lab.l1.smmu_of(bdf)):
        expect(word in text, f"{word} is not in the message: {text}")
    expect(guest.running(), "QEMU ended")
    # It still takes nothing for the refused device.
    expect(not guest.qom(SMMU1, "attached"), "the refused device is attached")


@scenario
def dt_cold(lab):
    """Without firmware and ACPI, with -kernel and a device tree: a device cold-plugged on pcie.0 works."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + lab.qemu.vsmmu(bus="pcie.0")
                      + options.vfio(bdf, bus="pcie.0"), boot="dt")
    expect(guest.sh("[ -e /proc/device-tree/compatible ] && ! [ -d /sys/firmware/acpi ] "
                    "&& echo dt", check=False).out == "dt", "the guest has ACPI")
    checks.proven(guest, "nvme0", bdf, viommus=1)
