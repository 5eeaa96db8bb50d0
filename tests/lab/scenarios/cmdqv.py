# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated server's CMDQV, judged by Linux's driver and by upstream's QEMU."""

from lab import checks, cmdqv, l0, options
from lab.bench import workloads
from lab.checks import expect
from lab.scenario import scenario

BYPASS = "/sys/kernel/debug/iommu/tegra241_cmdqv/bypass_vcmdq"
READS = workloads.Reads("4k", 200, readers=2, cpus=2)


def own_reads(l1, disk):
    """What L1's invalidations are when it reads from its own disk."""
    with cmdqv.watched(l1) as seen:
        workloads.reads(lambda script, timeout: l1.sh(script, timeout).out, disk, READS)
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    return seen


def check_own(lab, acpi):
    """L1 on its own CMDQV: queues that are used, by everything, and can be bypassed."""
    l1 = lab.l1
    cmdqv.driver_has_queues(l1, acpi)
    disk, bdf = checks.nvme(l1, "nvme0")
    checks.guest_translates(l1, bdf)

    seen = own_reads(l1, disk)
    expect(set(seen.vintf) == {0}, f"VINTFs in use: {seen.vintf}, own queue: {seen.own}")
    expect(seen.tlbi(seen.vintf[0]) >= READS.ops and not seen.own,
           f"TLBIs: {seen.vintf[0]} in VINTF 0, {seen.own} in the SMMU's queue")
    expect(seen.queues[0] == {0, 1}, f"of two CPUs only VCMDQ {seen.queues[0]} is in use")

    l1.sh(f"echo 1 >{BYPASS}")
    seen = own_reads(l1, disk)
    expect(seen.tlbi(seen.own) >= READS.ops and not seen.vintf,
           f"bypassed, TLBIs: {seen.vintf} in VINTFs, {seen.own} in the SMMU's queue")
    l1.sh(f"echo 0 >{BYPASS}")

    with cmdqv.watched(l1) as seen:
        l1.sh(f"echo 1 >/sys/bus/pci/devices/{bdf}/remove; echo 1 >/sys/bus/pci/rescan", 60)
        checks.data_is_right(l1, "nvme0")
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    back = seen.vintf.get(0, {})
    expect(seen.tlbi(back) and any("CFGI_STE" in opcode for opcode in back) and not seen.own,
           f"not back in VINTF 0: {back}, in the SMMU's queue: {seen.own}")


@scenario(platform=l0.CMDQV)
def cmdqv_l1_acpi(lab):
    """L1 finds the server's CMDQV by ACPI and has its own queues in it; bypass_vcmdq."""
    check_own(lab, acpi=True)


@scenario(platform=l0.CMDQV_DT)
def cmdqv_l1_dt(lab):
    """The same with a device tree."""
    expect(lab.l1.sh("ls /sys/firmware").out.find("acpi") < 0, "L1 has ACPI")
    check_own(lab, acpi=False)


def rival_guest(lab):
    """A guest of upstream's QEMU on a VINTF, with nvme0; (guest, its disk, VINTF's VMID)."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.guest()
    with cmdqv.watched(lab.l1, cmdqv.WRITES) as start:
        guest.start(options.iommufd() + options.root_complex(options.RIVAL, cmdqv="on")
                    + options.vfio(bdf))
        guest.boot()
    given = start.given()
    expect(set(given) == {1}, f"VINTFs that were given away: {given}")
    checks.guest_translates(guest, checks.data_is_right(guest, "nvme0"))
    return guest, checks.nvme(guest, "nvme0")[0], given[1]


@scenario(rival=True, platform=l0.CMDQV)
def rival_cmdqv(lab):
    """Upstream's QEMU gives a VINTF to its guest: no exit for an unmap, its VMID in each TLBI."""
    guest, disk, vmid = rival_guest(lab)
    cmdqv.driver_has_queues(guest)
    with cmdqv.watched(lab.l1) as seen:
        cmdqv.read(guest, disk, 200)
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    expect(seen.tlbi(seen.vintf.get(1, {})) >= 200,
           f"commands in VINTFs: {seen.vintf}, in the SMMU's queue: {seen.own}")
    expect(seen.vmids[1] == {vmid} and vmid, f"VMIDs of the guest's TLBIs: {seen.vmids}, not {vmid}")
    exits = cmdqv.exits_per_unmap(lab, guest, disk)
    expect(exits < cmdqv.NONE, f"{exits:.3f} exits to QEMU for an unmap")


@scenario(rival=True, platform=l0.CMDQV)
def rival_cmdqv_errors(lab):
    """An illegal command stops only the queue that it is in; the guest repairs that queue, and I/O goes on."""
    guest, disk, _ = rival_guest(lab)
    for wrong in cmdqv.WRONG:
        with cmdqv.watched(lab.l1) as seen:
            cmdqv.misbehave(guest, disk, [wrong])
        cmdqv.only_that_queue_stopped(seen, wrong, 1)
    times = cmdqv.told(lab.l1.sh)
    expect(times == len(cmdqv.WRONG), f"L1 was interrupted {times} times for {len(cmdqv.WRONG)} errors")
    checks.data_is_right(guest, "nvme0")
