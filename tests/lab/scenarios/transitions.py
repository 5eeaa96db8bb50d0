# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest turns its SMMU off and on, moves its tables, reboots."""

from lab import bare, checks, options
from lab.bare import Smmu
from lab.checks import expect, expect_state
from lab.options import REGISTERS, SMMU1
from lab.scenario import scenario
from lab.trace import ALLOC_VDEVICE


def moves(guest, bdf):
    return len(guest.trace().moves(bdf))


@scenario
def gbpa_while_on(lab):
    """A write of GBPA while SMMUEN=1 has no effect: no attach, DMA goes on."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf))
    seen, _ = checks.proven(guest, "nvme0", bdf, viommus=1)
    smmu = Smmu(guest, checks.guest_translates(guest, seen))
    expect(smmu.read(smmu.CR0) & smmu.SMMUEN, "the guest's SMMU is off")
    before = moves(guest, bdf)
    for abort in (True, False, True):
        smmu.gbpa(abort)
        checks.data_is_right(guest, "nvme0")
    expect(moves(guest, bdf) == before, "GBPA moved the device while SMMUEN=1")
    checks.proven(guest, "nvme0", bdf, viommus=1)


@scenario
def smmuen_off_on(lab):
    """With SMMUEN=0 GBPA decides, bypass or abort; with SMMUEN=1 again stage 1."""
    host, guest, smmu, disk = bare.machine(lab)
    expect(disk.identify() is None, "stage 1 lets DMA through to an address without a mapping")

    smmu.change_cr0(clear=smmu.SMMUEN)
    expect_state(guest, host, "bypass", "SMMUEN=0, GBPA.ABORT=0")
    expect(disk.identify() == "nvme0", "SMMUEN=0, GBPA.ABORT=0: no DMA")
    smmu.gbpa(abort=True)
    expect_state(guest, host, "abort", "SMMUEN=0, GBPA.ABORT=1")
    expect(disk.identify() is None, "SMMUEN=0, GBPA.ABORT=1: DMA goes through")
    smmu.gbpa(abort=False)
    expect_state(guest, host, "bypass", "SMMUEN=0, GBPA.ABORT=0 again")
    expect(disk.identify() == "nvme0", "SMMUEN=0, GBPA.ABORT=0 again: no DMA")

    smmu.gbpa(abort=True)
    smmu.change_cr0(set=smmu.SMMUEN)
    expect_state(guest, host, "stage 1", "SMMUEN=1")
    disk.rebind()
    checks.proven(guest, "nvme0", host, viommus=1)

    # directly from stage 1 to the current GBPA
    disk = bare.Nvme(guest, disk.bdf)
    smmu.change_cr0(clear=smmu.SMMUEN)
    expect_state(guest, host, "abort", "SMMUEN=0, GBPA.ABORT=1")
    smmu.change_cr0(set=smmu.SMMUEN)
    disk.rebind()
    checks.proven(guest, "nvme0", host, viommus=1)


@scenario
def stream_table_too_small(lab):
    """A stream table without the device's StreamID leads to abort, with it to stage 1 again."""
    host, guest, smmu, disk = bare.machine(lab)
    config = smmu.read(smmu.STRTAB_BASE_CFG)

    smmu.change_cr0(clear=smmu.SMMUEN)
    smmu.write(smmu.STRTAB_BASE_CFG, config & ~0x3003f)     # linear, one entry: StreamID 0
    smmu.change_cr0(set=smmu.SMMUEN)
    expect_state(guest, host, "abort", "no STE for its StreamID")
    expect(disk.identify() is None, "no STE for its StreamID: DMA goes through")

    smmu.change_cr0(clear=smmu.SMMUEN)
    smmu.write(smmu.STRTAB_BASE_CFG, config)
    smmu.change_cr0(set=smmu.SMMUEN)
    disk.rebind()
    checks.proven(guest, "nvme0", host, viommus=1)


def three_resets(guest, bdf, reset):
    """Reset three times; the registers and the number of kernel objects do not change."""
    registers = {name: guest.qom(SMMU1, name) for name in REGISTERS}
    live = guest.trace().live()
    for _ in range(3):
        reset()
        guest.booted_again()
        checks.proven(guest, "nvme0", bdf, viommus=1)
        now = {name: guest.qom(SMMU1, name) for name in REGISTERS}
        expect(now == registers, f"registers changed: {registers} to {now}")
        expect(guest.trace().live() == live, f"kernel objects: {live}, then {guest.trace().live()}")


@scenario
def system_reset(lab):
    """After three times system_reset by QMP, registers are unchanged, the device is nested, no kernel object is left."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf))
    checks.proven(guest, "nvme0", bdf, viommus=1)
    three_resets(guest, bdf, lambda: guest.qmp.cmd("system_reset"))


@scenario
def guest_reboot(lab):
    """After three reboots by the guest itself, the state is as after system_reset."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf))
    checks.proven(guest, "nvme0", bdf, viommus=1)
    # later, so that the agent can answer
    three_resets(guest, bdf, lambda: guest.sh("(sleep 0.2; reboot -f) >/dev/null 2>&1 &"))


# kexec-tools of L1 with its libraries, and the kernel to boot
CARRY = """
    rm -rf /tmp/kexec && mkdir -p /tmp/kexec/kexec && cd /tmp/kexec/kexec || exit
    loader=/lib/ld-linux-aarch64.so.1
    cp $(LD_TRACE_LOADED_OBJECTS=1 $loader /usr/sbin/kexec | grep -o '/[^ ]*') . && cp $loader ld.so
    cp /usr/sbin/kexec /lab/guest/Image . && cp /lab/guest/initrd initrd || exit
    cd .. && (cat /lab/guest/initrd; find kexec | cpio -o -H newc 2>/dev/null) > /tmp/kexec.initrd
    rm -r /tmp/kexec"""
NEXT = """
    cd /kexec && run="./ld.so --library-path . ./kexec"
    $run -l Image --initrd=initrd --reuse-cmdline || exit
    (sleep 0.2; $run -e) >/dev/null 2>&1 &"""


@scenario
def kexec(lab):
    """The guest's kernel boots another one with kexec: the SMMU is off in between, then the device is nested again."""
    bdf, _ = lab.vfio("nvme0")
    lab.l1.sh(CARRY)
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf)
                      + ["-initrd", "/tmp/kexec.initrd"])
    checks.proven(guest, "nvme0", bdf, viommus=1)
    before = guest.trace()
    guest.sh(NEXT)
    guest.booted_again()
    checks.proven(guest, "nvme0", bdf, viommus=1)
    expect(guest.sh("[ -e /kexec ]", check=False).status == 1, "the old kernel still runs")
    trace = guest.trace()
    on_the_way = [trace.hwpt_at(to, index) for index, to in trace.moves(bdf)[len(before.moves(bdf)):]]
    expect(on_the_way[0] and on_the_way[0].kind == "stage 2 parent",
           f"SMMUEN=0 did not end stage 1: {on_the_way}")
    expect(trace.live() == before.live(), f"kernel objects: {before.live()}, then {trace.live()}")


def follows(trace, hosts):
    """The last StreamIDs that the kernel was told for these devices."""
    devices = {name: number for number, name in trace.devices().items()}
    return [[e for e in trace.made(ALLOC_VDEVICE) if e.num("dev_id") == devices[host]][-1].num("virt_id")
            for host in hosts]


@scenario
def bus_numbers_swapped(lab):
    """The guest swaps the bus numbers of two ports: each vDEVICE follows its StreamID."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2))
                      + options.vfio(one) + options.vfio(two, bus="rp2", id="dev2"))
    old = [checks.proven(guest, serial, host, viommus=1)[0]
           for serial, host in (("nvme0", one), ("nvme1", two))]
    live = guest.trace().live()

    ports = guest.sh("cd /sys/bus/pci/devices && for d in %s %s; do "
                     "basename $(dirname $(readlink -f $d)); done" % tuple(old)).out.split()
    ecam = bare.ecam(guest)
    # PRIMARY, SECONDARY and SUBORDINATE BUS of both, while nothing else uses them
    registers = [ecam + (bare.rid(port) << 12) + 0x18 for port in ports]
    values = [bare.read(guest, register) for register in registers]
    guest.sh("\n".join(f"echo 1 > /sys/bus/pci/devices/{port}/remove" for port in ports))
    for register, value in zip(registers, reversed(values)):
        bare.write(guest, register, value)
    # when the bridges have their numbers, before any command for them
    swapped = [bare.rid(bdf) for bdf in reversed(old)]
    expect(follows(guest.trace(), (one, two)) == swapped, "the vDEVICEs did not follow at once")
    guest.sh("echo 1 > /sys/bus/pci/rescan")

    new = [checks.proven(guest, serial, host, viommus=1)[0]
           for serial, host in (("nvme0", one), ("nvme1", two))]
    expect(new == old[::-1], f"the guest has {new}, before it was {old}")
    trace = guest.trace()
    expect(follows(trace, (one, two)) == swapped, f"the vDEVICEs are for {follows(trace, (one, two))}")
    expect(trace.live() == live, f"kernel objects: {live}, then {trace.live()}")
