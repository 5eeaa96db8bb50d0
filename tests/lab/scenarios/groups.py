# SPDX-License-Identifier: GPL-2.0-or-later
"""Two host devices of one IOMMU group, which the host attaches together: they have to be in one slot of the guest."""

from lab import checks, l0, metal, options
from lab.checks import expect
from lab.registers import BYPASS
from lab.scenario import scenario
from lab.scenarios import basics
from lab.scenarios.failures import ON, calm

SERIALS = ("pair0", "pair1")


def pair(lab):
    """The PCI addresses in L1 of the two functions, and the number of their group."""
    bdfs = [lab.vfio(name)[0] for name in SERIALS]
    groups = [lab.l1.group_of(bdf) for bdf in bdfs]
    expect(groups[0] == groups[1], f"L1 has them in groups {groups}: this platform shows nothing")
    return bdfs, groups[0]


def both_right(guest, bdfs):
    """Check the data, stage 1, and that both are in one IOMMU group of the guest, too."""
    seen = [checks.proven(guest, serial, host)[0] for serial, host in zip(SERIALS, bdfs)]
    groups = guest.sh("\n".join(f"basename $(readlink -f /sys/bus/pci/devices/{bdf}/iommu_group)"
                                   for bdf in seen)).out.split()
    expect(groups[0] == groups[1], f"the guest has the two functions in IOMMU groups {groups}")


@scenario(platform=l0.PAIR)
def group_in_one_slot(lab):
    """Both functions of one group are in one guest slot, beside a disk of another group: data is right, also after a reset."""
    bdfs, _ = pair(lab)
    other, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2))
                      + options.both_functions(bdfs) + options.vfio(other, bus="rp2", id="dev2"))
    both_right(guest, bdfs)
    checks.proven(guest, "nvme0", other)
    guest.qmp.cmd("system_reset")
    guest.booted_again()
    both_right(guest, bdfs)
    checks.proven(guest, "nvme0", other)


@scenario(platform=l0.PAIR)
def group_in_two_slots_refused(lab):
    """The second function in another slot, or behind no vSMMU, is refused, at start too, with the group and the remedy."""
    bdfs, group = pair(lab)
    other, _ = lab.vfio("nvme0")
    args = options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2, 3)) + options.port(9, bus="pcie.0")

    def names_all(said, first, second):
        for word in (first, second, f"group {group}", "slot", "multifunction=on"):
            expect(word in said, f"{word} is not in the message: {said}")

    guest = lab.guest()
    guest.start(args + options.vfio(bdfs[0]), boot="none", stopped=True)
    live = guest.trace().live()
    names_all(checks.refusal(guest, bus="rp2", host=bdfs[1], iommufd="iommufd0"), *bdfs)
    elsewhere = checks.refusal(guest, bus="rp9", host=bdfs[1], iommufd="iommufd0")
    for word in (*bdfs, f"group {group}"):
        expect(word in elsewhere, f"{word} is not in the message: {elsewhere}")
    expect(guest.trace().live() == live, f"kernel objects: {live}, then {guest.trace().live()}")
    guest.device_add("vfio-pci", id="dev3", bus="rp3", host=other, iommufd="iommufd0")
    guest.stop()
    said = lab.guest().start_fails(args + options.vfio(bdfs[1]) + options.vfio(bdfs[0], bus="rp2", id="dev2"),
                                   boot="none")
    names_all(said, *bdfs)


@scenario(platform=l0.PAIR)
def group_hotplug(lab):
    """Function 1 and then function 0 are plugged into one slot of a running guest: both work; so do unplug and replug."""
    bdfs, _ = pair(lab)
    registers = basics.host_registers(lab, "pair0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, **basics.hexed(registers)))
    for _ in range(2):
        for number in (1, 0):
            guest.device_add("vfio-pci", id=f"dev{number}", bus="rp1", addr=f"0.{number}",
                             multifunction=True, host=bdfs[number], iommufd="iommufd0")
        both_right(guest, bdfs)
        # Linux removes the STE of function 1 before the driver of function 0 has shut its disk down.
        # From then on both functions are blocked, and that driver would wait for its disk for a minute.
        guest.sh("cd /sys/bus/pci/drivers/nvme && for bdf in 0000:*; do echo $bdf > unbind; done")
        guest.qmp.cmd("device_del", id="dev0")
        for number in (0, 1):
            guest.qmp.event("DEVICE_DELETED", 30, lambda data, n=number: data.get("device") == f"dev{n}")
        for serial in SERIALS:
            checks.gone(guest, serial)
        expect(not guest.trace().live().get("vIOMMU"), f"kernel objects: {guest.trace().live()}")


class Pair:
    """A stopped machine with both functions in one slot; DMA without a driver."""

    def __init__(self, lab):
        self.bdfs, _ = pair(lab)
        self.guest = lab.guest()
        self.guest.start(options.iommufd() + lab.qemu.vsmmu(bus="pcie.0")
                         + ["-device", "pcie-root-port,id=rp1,bus=pcie.0,addr=2,chassis=1"]
                         + options.both_functions(self.bdfs), boot="qtest", machine=metal.MACHINE)
        self.smmu = metal.Smmu(self.guest.qtest)
        self.smmu.set_up()
        port = metal.Port(self.guest.qtest, 2, 1)
        self.disks = [metal.Nvme(self.guest.qtest, port, function) for function in (0, 1)]
        for disk in self.disks:
            disk.enable()

    def stes(self, wanted, order):
        """Set the STEs of both functions in this order; returns what each of them reaches then."""
        for number in order:
            sid = self.disks[number].sid
            self.smmu.ste(sid, **wanted[number])
            self.smmu.cfgi_ste(sid)
        places = {"bypass": metal.RAM, "nested": self.smmu.va(0)}
        return [{name for name, base in places.items() if disk.identify(base)} for disk in self.disks]


# The STEs, and what both functions may reach: no more than each of them may.
STATES = {"nested": {"context": 0}, "bypass": {"config": BYPASS}, "abort": {"valid": False}}
ALLOWED = {("nested", "nested"): {"nested"}, ("bypass", "bypass"): {"bypass"}}


@scenario(platform=l0.PAIR)
def group_follows_both_stes(lab):
    """STEs of two functions of one group in every combination and order: the more restrictive one applies to both."""
    machine = Pair(lab)
    machine.smmu.cr0(ON)
    for first in STATES:
        for second in STATES:
            want = ALLOWED.get((first, second), set())
            for order in ((0, 1), (1, 0)):
                # start with stage 1 for both, so that only the new STEs can end it
                machine.stes([STATES["nested"]] * 2, (0, 1))
                have = machine.stes([STATES[first], STATES[second]], order)
                expect(have == [want, want], f"STEs say {first} and {second}, function {order[1]} was set last: "
                       f"the functions reach memory by {have}, not {want or 'nothing'}")
    have = machine.stes([STATES["nested"]] * 2, (1, 0))
    expect(have == [{"nested"}] * 2, f"both are nested again, and reach memory by {have}")
    machine.smmu.cr0(ON & ~machine.smmu.SMMUEN)
    have = machine.stes([STATES["abort"]] * 2, (0, 1))
    expect(have == [{"bypass"}] * 2, f"SMMUEN=0, and they reach memory by {have}")
    calm(lab)
