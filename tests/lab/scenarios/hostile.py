# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that gives its SMMU addresses of devices instead of memory.

The SMMU's own writes must not run another device's code, especially not that of
a hot-plug controller: QEMU would unplug a device from a vSMMU while it is in a
register write of that vSMMU.
"""

from lab import bare, checks, metal, options, registers, shim
from lab.bench import commands
from lab.channel import Dead
from lab.checks import LabError, expect
from lab.metal import get
from lab.registers import CERROR_ABT, EJECT, F_STE_FETCH
from lab.scenario import scenario
from lab.scenarios.failures import ON, end, stage1
from lab.sweep import Bench

SECONDS = 10        # QEMU answers within milliseconds or never


def machine(lab):
    bench = Bench(lab)
    stage1(bench)
    expect(bench.dma(1) == {0}, "no DMA through stage 1 at the beginning")
    bench.smmu.empty_event_queue()
    return bench


def rung(bench, *commands):
    """Send these commands; (CMDQ_CONS, pending bits of GERROR)"""
    try:
        return bench.smmu.ring(*commands, timeout=SECONDS)
    except Dead as error:
        raise LabError(f"QEMU hangs in the write of CMDQ_PROD: {error}") from None


def stays(bench):
    """Check that the device is still plugged, and QEMU answers."""
    expect("dev1" in bench.guest.qom_list("/machine/peripheral"), "the device was ejected by the SMMU's own write")
    control = bench.guest.qtest.send(get(bench.ports[1].slot_control, 16))[0]
    expect(control & EJECT != EJECT, f"the MSI came to Slot Control, which is {control:#x}")


@scenario
def sync_msi_ejects(lab):
    """A CMD_SYNC whose MSI would eject a device: the device stays, MSI_CMDQ_ABT_ERR; an MSI to memory arrives."""
    bench = machine(lab)
    smmu = bench.smmu
    word = metal.DATA + 0x1000
    cons, errors = rung(bench, metal.sync(word, 0x1234))
    expect(cons == smmu.prod and not errors, f"an MSI to memory: CONS {cons:#x}, GERROR {errors:#x}")
    expect(bench.guest.qtest.send(get(word)) == [0x1234], "an MSI to memory does not arrive")

    cons, errors = rung(bench, metal.sync(bench.ports[1].slot_control, EJECT))
    stays(bench)
    expect(cons == smmu.prod, f"the queue stops at {cons:#x}, PROD is {smmu.prod:#x}")
    expect(errors == smmu.MSI_CMDQ_ABT_ERR, f"GERROR is {errors:#x}, not {smmu.MSI_CMDQ_ABT_ERR:#x}")
    smmu.acknowledge()
    bench.configure(1, 0)
    expect(bench.dma(1) == {0}, "no DMA afterwards")
    end(lab, bench)


@scenario
def event_msi_ejects(lab):
    """The event queue's MSI would eject the device whose STE is wrong: the device stays, MSI_EVENTQ_ABT_ERR."""
    bench = machine(lab)
    smmu = bench.smmu
    smmu.msi(smmu.EVENTQ_IRQ, smmu.EVENTQ_IRQEN, bench.ports[1].slot_control, EJECT)
    smmu.ste(bench.ports[1].sid, config=registers.ILLEGAL)
    _, errors = rung(bench, (registers.CFGI_STE | bench.ports[1].sid << 32, 1), (registers.SYNC, 0))
    stays(bench)
    expect(errors == smmu.MSI_EVENTQ_ABT_ERR, f"GERROR is {errors:#x}, not {smmu.MSI_EVENTQ_ABT_ERR:#x}")
    expect(smmu.events() == 1, f"{smmu.events()} events are in the queue, not one")
    smmu.acknowledge()
    bench.configure(1, 0)
    expect(bench.dma(1) == {0}, "no DMA afterwards")
    end(lab, bench)


@scenario
def event_msi_ejects_at_cont(lab):
    """The same when QEMU evaluates the wrong STE as the machine continues: the device stays."""
    bench = machine(lab)
    smmu = bench.smmu
    smmu.msi(smmu.EVENTQ_IRQ, smmu.EVENTQ_IRQEN, bench.ports[1].slot_control, EJECT)
    # without a command
    smmu.ste(bench.ports[1].sid, config=registers.ILLEGAL)
    bench.guest.qmp.cmd("cont", timeout=SECONDS)
    # before the running firmware has found the root port
    bench.guest.qmp.cmd("stop", timeout=SECONDS)
    stays(bench)
    expect(bench.quit() == "0", "QEMU's exit status")


@scenario
def error_msi_ejects(lab):
    """GERROR's MSI would eject a device: the device stays, and the error is in GERROR."""
    bench = machine(lab)
    smmu = bench.smmu
    smmu.msi(smmu.GERROR_IRQ, smmu.GERROR_IRQEN, bench.ports[1].slot_control, EJECT)
    _, errors = rung(bench, (0xff, 0))
    stays(bench)
    expect(errors & smmu.CMDQ_ERR, f"GERROR is {errors:#x} after an illegal command")
    smmu.cr0(0)
    smmu.acknowledge()
    smmu.set_up()
    smmu.cr0(ON)
    expect(bench.dma(1) == {0}, "no DMA afterwards")
    end(lab, bench)


@scenario
def queues_in_registers(lab):
    """Command queue, event queue and stream table at a root port's registers cause aborts, and the port is not written."""
    bench = machine(lab)
    smmu, port, qtest = bench.smmu, bench.ports[2], bench.guest.qtest
    header = [get(port.config + n) for n in range(0, 0x40, 4)]
    before = qtest.send(*header)

    def queues(cmdq=metal.CMDQ, eventq=metal.EVENTQ):
        # disable it first: after the acknowledgement the SMMU would continue with its queue
        smmu.cr0(0)
        smmu.acknowledge()
        smmu.set_up()
        smmu.ste(bench.ports[1].sid, 0)
        smmu.cr0(0)
        qtest.send(metal.put(metal.SMMU + smmu.CMDQ_BASE, cmdq | smmu.LOG2_CMDS, 64),
                   metal.put(metal.SMMU + smmu.EVENTQ_BASE, eventq | smmu.LOG2_EVENTS, 64))
        smmu.cr0(ON)

    queues(cmdq=port.config)
    qtest.send(metal.put(metal.SMMU + smmu.CMDQ_PROD, 1))
    cons, gerror, gerrorn = qtest.send(*(get(metal.SMMU + n) for n in (smmu.CMDQ_CONS, smmu.GERROR, smmu.GERRORN)))
    expect(gerror ^ gerrorn == smmu.CMDQ_ERR and cons >> 24 == CERROR_ABT,
           f"a command read from a device: GERROR {gerror ^ gerrorn:#x}, CMDQ_CONS {cons:#x}")

    queues(eventq=port.config)
    smmu.ste(bench.ports[1].sid, config=registers.ILLEGAL)
    _, errors = rung(bench, (registers.CFGI_STE | bench.ports[1].sid << 32, 1), (registers.SYNC, 0))
    expect(qtest.send(*header) == before, "an event was written into a root port's registers")
    expect(errors == smmu.EVENTQ_ABT_ERR, f"an event written to a device: GERROR is {errors:#x}")

    smmu.ste(bench.ports[1].sid, 0)
    queues()
    smmu.cr0(ON & ~smmu.SMMUEN)
    qtest.send(metal.put(metal.SMMU + smmu.STRTAB_BASE, metal.ECAM, 64))
    smmu.cr0(ON)
    expect(smmu.events() == 1 and smmu.event(0) == (F_STE_FETCH, bench.ports[1].sid),
           f"an STE read from a device: {smmu.events()} events, {smmu.event(0)}")

    queues()
    bench.configure(1, 0)
    expect(bench.dma(1) == {0}, "no DMA afterwards")
    end(lab, bench)


@scenario
def two_vsmmus_signal_each_other(lab):
    """CMD_SYNCs of two vSMMUs with MSIs to each other's registers, on a slow host: neither waits for the other."""
    guest = shim.guest(lab)
    hosts = [lab.vfio(name)[0] for name in ("nvme0", "nvme1")]
    guest.start(options.iommufd() + options.root_complex(lab.qemu, 1, ports=(1,))
                + options.root_complex(lab.qemu, 2, ports=(2,)) + options.vfio(hosts[0])
                + options.vfio(hosts[1], bus="rp2", id="dev2"), cpus=3)
    guest.boot()
    smmus = []
    for serial, host in zip(("nvme0", "nvme1"), hosts):
        bdf, _ = checks.proven(guest, serial, host)
        smmus.append(bare.Smmu(guest, checks.guest_translates(guest, bdf)))
    # GBPA without its Update bit: the write would have no effect
    rings = [commands.Queue(smmu).put([commands.TLBI_NH_ASID, metal.sync(other.base + other.GBPA, 0)])
             for smmu, other in zip(smmus, reversed(smmus))]
    guest.shim.arm(1, {"IOMMU_HWPT_INVALIDATE": shim.late(400)}, times=4)
    guest.sh("\n".join(f"({ring}) >/dev/null 2>&1 &" for _, ring in rings))
    wanted = [after for after, _ in rings]
    checks.eventually("both command queues come to their ends",
                      lambda: [smmu.read(smmu.CMDQ_CONS) for smmu in smmus] == wanted, SECONDS)
    guest.qmp.cmd("stop", timeout=SECONDS)
    guest.qmp.cmd("cont", timeout=SECONDS)
    checks.eventually("the driver is told that both MSIs were aborted", lambda: guest.sh(
        "dmesg | grep -c 'CMDQ MSI write aborted'", check=False).out == "2")
