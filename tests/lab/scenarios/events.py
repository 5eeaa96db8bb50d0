# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of host devices that are reported to the guest."""

import re

from lab import bare, checks, options, registers
from lab.bare import Smmu
from lab.checks import expect, expect_state
from lab.registers import F_TRANSLATION
from lab.scenario import scenario


def told(guest, bdf, sid, address):
    """Whether the guest's log has a fault of this device, StreamID and address."""
    def logged():
        lines = guest.sh("dmesg | grep F_TRANSLATION", check=False).out.splitlines()
        return any(f"client: {bdf}" in line and f"sid: {sid:#x} " in line
                   and f"iova: {address:#x} " in line for line in lines)
    return logged


def events(guest):
    """The events that QEMU read from the kernel: [(type, StreamID, address)]"""
    found = re.findall(r"smmuv3_accel_event type (\S+) sid (\S+) addr (\S+)", guest.trace().raw)
    return [tuple(int(word, 16) for word in event) for event in found]


@scenario
def fault_in_guest_log(lab):
    """Two devices fault in stage 1: the guest's log has both, with StreamID and address."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2))
                      + options.vfio(one) + options.vfio(two, bus="rp2", id="dev2"))
    for serial, host, address in (("nvme0", one, 0x66660000), ("nvme1", two, 0x77770000)):
        bdf, _ = checks.proven(guest, serial, host, viommus=1)
        disk = bare.Nvme(guest, bdf)
        expect(disk.ring(address) == "fatal", "DMA to an address without a mapping goes through")
        checks.eventually(f"{serial}: a fault at {address:#x} in the guest's log",
                          told(guest, bdf, bare.rid(bdf), address))
        expect((F_TRANSLATION, bare.rid(bdf), address) in events(guest), f"{serial}: {events(guest)}")
        disk.rebind()
        checks.proven(guest, serial, host, viommus=1)
        # Linux logs ten events in five seconds; one read causes more.
        guest.sh("sleep 5")


# Stream table entries, word 0
BYPASS, ILLEGAL = (registers.STE_VALID | word for word in (registers.BYPASS, registers.ILLEGAL))
TABLE, NOWHERE = bare.SCRATCH + 0x10000, 0xff0000000000


@scenario
def wrong_configuration_in_guest_log(lab):
    """An illegal STE, a table outside of memory, a table that is too small: abort, and one line in the guest's log."""
    host, guest, smmu, disk = bare.machine(lab)
    base, config = smmu.read(smmu.STRTAB_BASE, 64), smmu.read(smmu.STRTAB_BASE_CFG)
    sid = bare.rid(disk.bdf)

    def configure(base, config, ste=None):
        smmu.change_cr0(clear=smmu.SMMUEN)
        if ste is not None:
            bare.write(guest, base + sid * 64, ste, 64)
        smmu.write(smmu.STRTAB_BASE, base, 64)
        smmu.write(smmu.STRTAB_BASE_CFG, config)
        smmu.change_cr0(set=smmu.SMMUEN)

    def logged(event):
        return [line for line in guest.sh(f"dmesg | grep 'event: {event}'", check=False).out.splitlines()
                if f"sid: {sid:#x} " in line]

    configure(TABLE, 8, BYPASS)
    expect_state(guest, host, "bypass", "STE says bypass")
    expect(disk.identify() == "nvme0", "STE says bypass: no DMA")
    for event, base_, config_, ste in (("C_BAD_STE", TABLE, 8, ILLEGAL),
                                       ("F_STE_FETCH", NOWHERE, 8, None),
                                       ("C_BAD_STREAMID", TABLE, 0, None)):
        configure(base_, config_, ste)
        expect_state(guest, host, "abort", event)
        expect(disk.identify() is None, f"{event}: DMA goes through")
        checks.eventually(f"{event} in the guest's log", lambda e=event: logged(e))
        smmu.gbpa(abort=False)
        expect(len(logged(event)) == 1, f"{event} is in the guest's log more than once")
    expect(f"{NOWHERE + sid * 64:#x}" in logged("F_STE_FETCH")[0], logged("F_STE_FETCH")[0])

    configure(base, config)
    disk.rebind()
    checks.proven(guest, "nvme0", host, viommus=1)


@scenario
def event_queue_off_full_on(lab):
    """Event queue off: faults are dropped; full: overflow without GERROR; on again: they are delivered."""
    host, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(host))
    bdf, _ = checks.proven(guest, "nvme0", host, viommus=1)
    smmu = Smmu(guest, checks.guest_translates(guest, bdf))
    disk = bare.Nvme(guest, bdf)
    queues = len(guest.trace().veventqs())

    smmu.change_cr0(clear=smmu.EVENTQEN)
    prod = smmu.read(smmu.EVENTQ_PROD)
    disk.ring(0x10000000)
    # Without a vEVENTQ the host's kernel logs the fault, which is not an error here.
    lab.l1.sh("dmesg -c")
    expect(smmu.read(smmu.EVENTQ_PROD) == prod, "an event came into a queue that is off")
    expect(not smmu.global_errors(), f"queue off: GERROR {smmu.global_errors():#x}")

    # As if the guest had not read one whole queue of events.
    entries = 1 << (smmu.read(smmu.EVENTQ_BASE) & 31)
    cons = smmu.read(smmu.EVENTQ_CONS)
    smmu.write(smmu.EVENTQ_PROD, prod ^ entries)
    smmu.change_cr0(set=smmu.EVENTQEN)
    expect(len(guest.trace().veventqs()) == queues + 1, "no new vEVENTQ")
    expect(guest.trace().live()["vEVENTQ"] == 1, "the old vEVENTQ is still there")
    disk.ring(0x20000000)
    checks.eventually("overflow of a full queue", lambda: (
        smmu.read(smmu.EVENTQ_PROD) == prod ^ entries ^ smmu.OVERFLOW))
    expect(not smmu.global_errors(), f"queue full: GERROR {smmu.global_errors():#x}")

    # There is room again; for the driver PROD has not changed.
    smmu.change_cr0(clear=smmu.EVENTQEN)
    smmu.write(smmu.EVENTQ_PROD, prod ^ smmu.OVERFLOW)
    smmu.change_cr0(set=smmu.EVENTQEN)
    expect(smmu.read(smmu.EVENTQ_CONS) == cons, "the driver read a queue without an interrupt")
    disk.ring(0x30000000)
    checks.eventually("a fault in the guest's log", told(guest, bdf, bare.rid(bdf), 0x30000000))
    for lost in (0x10000000, 0x20000000):
        expect(not told(guest, bdf, bare.rid(bdf), lost)(), f"the lost fault at {lost:#x} is in the log")
    expect("overflow" in guest.sh("dmesg | grep -i evtq", check=False).out,
           "the guest was not told of the overflow")
    disk.rebind()
    checks.proven(guest, "nvme0", host, viommus=1)
