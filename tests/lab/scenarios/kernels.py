# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts with an older kernel, which the ioctl shim imitates on L1's."""

import errno

from lab import bare, checks, options, shim
from lab.checks import expect
from lab.scenario import scenario
from lab.scenarios.events import events
from lab.scenarios.failures import ON
from lab.sweep import Bench

NO_EVENTS = "older than 6.15"
ATTACH, DETACH = "VFIO_DEVICE_ATTACH_IOMMUFD_PT", "VFIO_DEVICE_DETACH_IOMMUFD_PT"


def heard_of_fault(guest, serial, host, address):
    """Cause a fault of the device; returns whether the guest was told."""
    bdf, _ = checks.proven(guest, serial, host)
    disk = bare.Nvme(guest, bdf)
    expect(disk.ring(address) == "fatal", "DMA to an address without a mapping goes through")
    disk.rebind()
    checks.proven(guest, serial, host)
    return any(event[1:] == (bare.rid(bdf), address) for event in events(guest))


def warned(guest):
    return [line for line in guest.stderr().splitlines() if "arm-smmuv3-accel" in line]


def linux_guest(lab, version):
    """A cold-plugged device, a fault, reset, unplug and replug with a Linux guest; returns the guest."""
    host, _ = lab.vfio("nvme0")
    guest = shim.guest(lab, version)
    guest.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(host))
    guest.boot()
    has_events = version != "6.13"
    for address in (0x66660000, 0x77770000):
        heard = heard_of_fault(guest, "nvme0", host, address)
        expect(heard == has_events, f"the guest heard of a fault: {heard}, on {version}")
        if address == 0x66660000:
            guest.qmp.cmd("system_reset")
            guest.booted_again()
    guest.device_del("dev1")
    checks.gone(guest, "nvme0")
    checks.eventually("kernel objects gone", lambda: not shim.live(guest.shim.calls()))
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=host, iommufd="iommufd0")
    checks.proven(guest, "nvme0", host, viommus=2)
    lines = warned(guest)
    if has_events:
        expect(not lines, f"QEMU complains: {lines}")
    else:
        expect(len(lines) == 1 and NO_EVENTS in lines[0], f"one warning expected, there are {lines}")
        # the host logs them instead
        lab.l1.sh("dmesg -c")
    return guest


def abort_without_streamid(bench, refused):
    """The guest requests abort while the device has no StreamID, then stage 1 with a StreamID."""
    expect(bench.dma(1) == {"bypass"}, "no DMA at the beginning")
    bench.ports[1].set_bus(0)
    bench.look()
    bench.smmu.gbpa(True)
    calls = bench.look().calls
    attaches = [call for call in calls if call.name == ATTACH]
    expect(attaches and bool(attaches[-1].ret) == refused,
           f"abort page table without a vDEVICE: {attaches}")
    expect(any(call.name == DETACH for call in calls) == refused, "the device was detached, or was not but should be")
    expect(bench.dma(1) == set(), "GBPA says abort, but DMA goes through")
    bench.smmu.gbpa(False)
    expect(bench.dma(1) == {"bypass"}, "GBPA says bypass, but there is no DMA")
    bench.ports[1].set_bus(1)
    bench.smmu.ste(bench.ports[1].sid, 0)
    bench.smmu.cr0(ON)
    expect(bench.dma(1) == {0}, "no stage 1 afterwards")


def vdevice_that_stays(bench, fate):
    """A vDEVICE that the kernel keeps until its device is closed: "orphan" or "tombstone"."""
    bench.smmu.ste(bench.ports[2].sid, 1)
    bench.plug(2)
    expect(bench.dma(2) == {1}, "no stage 1 for the second device")
    live = bench.look().live
    # detach it from stage 1: only the vDEVICE remains to be destroyed
    bench.configure(2, valid=False)
    # neither the first time, nor when QEMU tries again at the end of the unplug
    bench.look(1, {"IOMMU_DESTROY": errno.EBUSY}, 2)
    bench.unplug(2)
    checks.eventually("the second device is closed",
                      lambda: bench.look().live.get("device") == live["device"] - 1)
    left = [call for call in bench.calls if call.name == fate]
    expect(len(left) == 1, f"the vDEVICE is no {fate}")
    bench.smmu.ste(bench.ports[2].sid, 1)
    bench.plug(2)
    expect(bench.dma(2) == {1} and bench.dma(1) == {0}, "no stage 1 when it is plugged again")
    seen = bench.look()
    again = [call for call in seen.calls if call.name == "IOMMU_DESTROY" and call.args == {
        **call.args, "id": left[0].args["id"]}]
    expect(again and -again[0].ret == (errno.ENOENT if fate == "tombstone" else 0),
           f"the {fate} was not tried again: {again}")
    if fate == "tombstone":
        new = [call.args["out"] for call in seen.calls if call.name == "IOMMU_VDEVICE_ALLOC"]
        expect(left[0].args["id"] not in new, "the kernel handed out a tombstone's id")
    expect(seen.live == live, f"kernel objects: {live}, then {seen.live}")
    bench.unplug(2)
    bench.unplug(1)
    checks.eventually("kernel objects gone", lambda: not bench.look().live)


def old_kernel(lab, version, refused, fate):
    linux_guest(lab, version).stop()
    bench = Bench(lab, version)
    abort_without_streamid(bench, refused)
    vdevice_that_stays(bench, fate)
    expect(bench.quit() == "0", "QEMU's exit status")
    lab.l1.sh("dmesg -c")


@scenario
def kernel_6_12(lab):
    """On a host without vIOMMUs, QEMU's message names the kernel that it needs."""
    host, _ = lab.vfio("nvme0")
    guest = shim.guest(lab, "6.12")
    said = guest.start_fails(options.iommufd() + lab.qemu.vsmmu(bus="pcie.0")
                             + options.vfio(host, bus="pcie.0"), boot="none")
    for word in (host, "6.13"):
        expect(word in said, f"{word} is not in the message: {said}")


@scenario
def kernel_6_13(lab):
    """Without vEVENTQ: one warning, no faults for the guest, all else works; a vDEVICE outlives its device."""
    old_kernel(lab, "6.13", refused=False, fate="orphan")


@scenario
def kernel_6_15(lab):
    """Abort without a vDEVICE is refused: QEMU detaches instead, without a message; faults reach the guest."""
    old_kernel(lab, "6.15", refused=True, fate="orphan")


@scenario
def kernel_6_17(lab):
    """The same, but a vDEVICE is destroyed with its device, and its id remains as a tombstone."""
    old_kernel(lab, "6.17", refused=True, fate="tombstone")
