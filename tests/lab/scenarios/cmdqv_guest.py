# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's CMDQV: its queues in the hardware of the emulated server, or consumed by QEMU."""

from lab import checks, cmdqv, l0, options, shim
from lab.checks import expect
from lab.registers import tlbi_asid
from lab.scenario import scenario
from lab.scenarios import basics, migration, transitions
from lab.soak_flows import plug, pull

OTHER_VMID = 0x77


def vsmmu(lab, number=1, ports=(1, 2), **registers):
    return options.root_complex(lab.qemu, number, ports, cmdqv="on", **registers)


def specified(lab):
    return basics.hexed(basics.host_registers(lab, cmdqv="on"))


def cold(lab, host, *more, **start):
    """A guest with a host device behind its vSMMU; (guest, {VINTF: VMID} it was given)."""
    return started(lab, vsmmu(lab) + options.vfio(host) + list(more), **start)


def cold_dt(lab, host, **start):
    """The same with a device tree, which has devices of pcie.0 only."""
    return started(lab, lab.qemu.vsmmu(bus="pcie.0", cmdqv="on") + options.vfio(host, bus="pcie.0"),
                   boot="dt", **start)


def started(lab, args, **start):
    guest = lab.guest()
    with cmdqv.watched(lab.l1, cmdqv.WRITES) as seen:
        guest.start(options.iommufd() + args, **start)
        guest.boot()
    return guest, seen.given()


def works(guest, serial, host, mode, when, acpi=True):
    """Data right through the guest's stage 1, queues where they should be; the disk."""
    cmdqv.driver_has_queues(guest, acpi)
    checks.proven(guest, serial, host)
    cmdqv.expect_mode(guest, mode, when)
    return checks.nvme(guest, serial)[0]


def no_exits(lab, guest, disk):
    exits = cmdqv.exits_per_unmap(lab, guest, disk)
    expect(exits < cmdqv.NONE, f"{exits:.3f} exits to QEMU for an unmap")


def only_own_vmid(lab, guest, disk, given):
    """What L0 sees of a guest is in its VINTF, with the VMID of its stage 2, whatever it says."""
    expect(len(given) == 1, f"VINTFs that were given away: {given}")
    (vintf, vmid), = given.items()
    queue = cmdqv.Queue(guest)
    with cmdqv.watched(lab.l1) as seen:
        cmdqv.read(guest, disk, 200)
        queue.put(tlbi_asid(1)[0] | OTHER_VMID << 32)
        checks.eventually("the guest's other queue is consumed", queue.idle)
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    have = seen.vintf.get(vintf, {})
    expect(seen.tlbi(have) > 200, f"commands in VINTFs: {seen.vintf}, in the SMMU's queue: {seen.own}")
    expect(len(seen.queues[vintf]) == 2, f"queues of the guest in use: {seen.queues[vintf]}")
    expect(seen.vmids[vintf] == {vmid} and vmid not in (0, OTHER_VMID),
           f"VMIDs of the guest's TLBIs: {seen.vmids}, not {vmid} alone")


@scenario(platform=l0.CMDQV)
def cmdqv_cold(lab):
    """A guest with ACPI has its queues in hardware: no exit for an unmap, its own VMID in each TLBI."""
    host, _ = lab.vfio("nvme0")
    guest, given = cold(lab, host)
    disk = works(guest, "nvme0", host, "hardware", "with a host device")
    only_own_vmid(lab, guest, disk, given)
    no_exits(lab, guest, disk)
    expect(cmdqv.info(guest)["cmdqv"]["param"] == 0x4011, f"PARAM is {cmdqv.info(guest)['cmdqv']}")


@scenario
def cmdqv_software(lab):
    """On a server without one: the same guest, its queues consumed by QEMU, errors and their repair."""
    host, _ = lab.vfio("nvme0")
    guest, _ = cold(lab, host)
    disk = works(guest, "nvme0", host, "software", "without a CMDQV in the host")
    expect(cmdqv.mode(guest)[1], "no reason is given for software")
    exits = cmdqv.exits_per_unmap(lab, guest, disk)
    expect(1 <= exits <= 2.1, f"{exits:.3f} exits to QEMU for an unmap")
    wrong = [case for case in cmdqv.WRONG if case.software]
    cmdqv.misbehave(guest, disk, wrong)
    errors = cmdqv.info(guest)["counters"]["cmdqv-errors"]
    expect(errors == len(wrong), f"{errors} errors were counted, not {len(wrong)}")
    checks.proven(guest, "nvme0", host, viommus=1)


@scenario(platform=l0.CMDQV)
def cmdqv_hotplug_only(lab):
    """No host device at start: software; with the first one plugged, hardware."""
    registers = specified(lab)
    host, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + vsmmu(lab, **registers))
    cmdqv.driver_has_queues(guest)
    cmdqv.expect_mode(guest, "software", "without a host device")
    plug(guest, host)
    disk = works(guest, "nvme0", host, "hardware", "with a host device")
    no_exits(lab, guest, disk)


@scenario(platform=l0.CMDQV)
def cmdqv_unplug_replug(lab):
    """Hardware, software, hardware, three times, while an emulated disk behind the vSMMU reads on."""
    host, _ = lab.vfio("nvme0")
    guest, _ = cold(lab, host, *migration.SOFT_DISK)
    disk = works(guest, "nvme0", host, "hardware", "at first")
    migration.reads_go_on(guest)
    live = guest.trace().live()
    given, taken = cmdqv.moves(guest)
    for _ in range(3):
        bdf = checks.nvme(guest, "nvme0")[1]
        pull(guest, bdf, "nvme0")
        cmdqv.expect_mode(guest, "software", "without a host device")
        left = guest.trace().live()
        expect(not {"vIOMMU", "vDEVICE", "hardware queue"} & set(left), f"after unplug the kernel has {left}")
        plug(guest, host)
        disk = works(guest, "nvme0", host, "hardware", "plugged again")
    migration.still_right(lab, guest, len(migration.sums(guest)))
    expect(guest.trace().live() == live, f"kernel objects: {live}, then {guest.trace().live()}")
    now = cmdqv.moves(guest)
    expect(now[0] - given >= 3 and now[1] - taken >= 3, f"given and taken back: {given, taken}, then {now}")
    no_exits(lab, guest, disk)


# ---------------------------------------------------- hardware that cannot be had

# Every second page of what is free: no two pages of the guest's memory are neighbours
SCATTER = """
    rm -rf /tmp/scattered && mkdir /tmp/scattered && mount -t tmpfs -o huge=never none /tmp/scattered || exit
    cd /tmp/scattered && awk 'BEGIN {
        page = sprintf("%4096s", "")
        for (n = 0; n < MB * 256; n++) {
            printf "%s", page > "ram"; fflush("ram"); printf "%s", page > "other"; fflush("other")
        }
    }' && rm other"""
MB = 256


def large_queues(registers):
    """Queues of 1 MiB: many small pages of the host, and a piece of a huge one."""
    return {**registers, "idr1": hex(int(registers["idr1"], 0) & ~(31 << 21) | 16 << 21)}


@scenario(platform=l0.CMDQV)
def cmdqv_no_contiguous_memory(lab):
    """A large queue in scattered pages of the host: software, one message with the remedy; in huge pages: hardware."""
    registers = large_queues(specified(lab))
    host, _ = lab.vfio("nvme0")
    args = options.iommufd() + vsmmu(lab, **registers) + options.vfio(host)
    lab.l1.sh(SCATTER.replace("MB", str(MB)), 120)
    guest = lab.guest()
    guest.start(args + ["-object", f"memory-backend-file,id=ram,mem-path=/tmp/scattered/ram,size={MB}M,share=on"],
                machine=",memory-backend=ram", mem=f"{MB}M")
    guest.boot()
    works(guest, "nvme0", host, "software", "in scattered pages")
    said = [line for line in guest.stderr().splitlines() if "huge" in line]
    expect(len(said) == 1 and "cmdqs" in said[0].lower(), f"one message with a cure expected: {guest.stderr()}")
    guest.stop()
    lab.l1.sh("umount /tmp/scattered")

    guest = lab.start(args)
    disk = works(guest, "nvme0", host, "hardware", "in huge pages")
    no_exits(lab, guest, disk)


@scenario(platform=l0.CMDQV_ONE_LEFT)
def cmdqv_no_vintf_left(lab):
    """One VINTF for two vSMMUs: the second one is in software, and has it when the first has gone."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.start(options.iommufd() + vsmmu(lab, 1, (1,)) + vsmmu(lab, 2, (2,))
                      + options.vfio(one) + options.vfio(two, bus="rp2", id="dev2"))
    cmdqv.driver_has_queues(guest)
    for serial, host in (("nvme0", one), ("nvme1", two)):
        checks.proven(guest, serial, host, viommus=2)
    cmdqv.expect_mode(guest, "hardware", "the first")
    why = cmdqv.expect_mode(guest, "software", "the second", "smmu2")
    expect(why, "no reason is given for software")

    for number, serial in ((2, "nvme1"), (1, "nvme0")):
        pull(guest, checks.nvme(guest, serial)[1], serial, number)
    plug(guest, two, 2)
    checks.proven(guest, "nvme1", two)
    cmdqv.expect_mode(guest, "hardware", "the second, alone", "smmu2")


# ------------------------------------------------------------------- isolation

@scenario(platform=l0.CMDQV)
def cmdqv_errors_stay_inside(lab):
    """An illegal command stops only the queue that it is in, which the guest repairs; another guest and L1 go on."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    other, theirs = cold_dt(lab, two, mem="384M")
    guest, ours = cold(lab, one, mem="384M")
    theirs, = theirs
    disk = works(guest, "nvme0", one, "hardware", "with a host device")
    quiet = works(other, "nvme1", two, "hardware", "a second guest, with a device tree", acpi=False)
    no_exits(lab, other, quiet)

    (vintf,) = set(ours) - {theirs}
    spare = lab.l1.bdf("igb0")
    for wrong in cmdqv.WRONG:
        with cmdqv.watched(lab.l1) as seen:
            cmdqv.misbehave(guest, disk, [wrong])
            cmdqv.read(other, quiet, 50)
            lab.l1.sh(f"echo 1 >/sys/bus/pci/devices/{spare}/remove; echo 1 >/sys/bus/pci/rescan", 60)
        cmdqv.only_that_queue_stopped(seen, wrong, vintf)
        expect(seen.tlbi(seen.vintf[theirs]) >= 50, f"{wrong.what}: of the other guest {seen.vintf[theirs]}")
        expect(seen.vintf.get(0), f"{wrong.what}: L1 sent nothing itself")
    errors = [cmdqv.info(who)["counters"]["cmdqv-errors"] for who in (guest, other)]
    expect(errors == [len(cmdqv.WRONG), 0], f"errors of both guests: {errors}")
    expect(not cmdqv.told(other), "the other guest was told as well")
    checks.proven(guest, "nvme0", one)
    cmdqv.expect_mode(guest, "hardware", "after all errors")


# ---------------------------------------------------------------- moves, resets

@scenario(platform=l0.CMDQV)
def cmdqv_migrate(lab):
    """Hardware, unplugged, moved to a host without a CMDQV, plugged: software; back the same way: hardware."""
    registers = specified(lab)
    host, _ = lab.vfio("nvme0")
    args = options.iommufd() + vsmmu(lab, **registers) + migration.SOFT_DISK
    guest = lab.start(args, **migration.MEMORY)
    plug(guest, host)
    works(guest, "nvme0", host, "hardware", "at first")
    migration.reads_go_on(guest)

    for mode, kernel in (("software", "6.15"), ("hardware", None)):
        pull(guest, checks.nvme(guest, "nvme0")[1], "nvme0")
        cmdqv.expect_mode(guest, "software", "without a host device")
        before = len(migration.sums(guest))
        guest = live_migrate(lab, guest, args, kernel)
        cmdqv.expect_mode(guest, "software", "moved")
        migration.still_right(lab, guest, before)
        plug(guest, host)
        works(guest, "nvme0", host, mode, "moved, and a device plugged")


def live_migrate(lab, source, args, kernel):
    """To a QEMU on this host, or as on one with an older kernel."""
    slot = "b" if source.slot == "a" else "a"
    target = shim.guest(lab, kernel, slot) if kernel else lab.guest(slot)
    target.start(args, takes=source, **migration.MEMORY)
    migration.move(source, migration.listen(target, source))
    migration.arrived(target)
    source.booted = False
    source.stop()
    return target


@scenario(platform=l0.CMDQV)
def cmdqv_reboot_kexec(lab):
    """In hardware before, and again after system_reset and after kexec; no kernel object is left."""
    host, _ = lab.vfio("nvme0")
    lab.l1.sh(transitions.CARRY)
    guest, _ = cold(lab, host, "-initrd", "/tmp/kexec.initrd")
    works(guest, "nvme0", host, "hardware", "at first")
    live = guest.trace().live()
    for what, again in (("system_reset", lambda: guest.qmp.cmd("system_reset")),
                        ("kexec", lambda: guest.sh(transitions.NEXT))):
        again()
        guest.booted_again()
        disk = works(guest, "nvme0", host, "hardware", f"after {what}")
        expect(guest.trace().live() == live, f"{what}: kernel objects: {live}, then {guest.trace().live()}")
    expect(guest.sh("[ -e /kexec ]", check=False).status == 1, "it is the old guest still")
    no_exits(lab, guest, disk)
