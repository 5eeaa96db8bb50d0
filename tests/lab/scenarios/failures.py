# SPDX-License-Identifier: GPL-2.0-or-later
"""Each host call of each flow fails in turn: no crash, no leak, and a report."""

import shlex

from lab import l0, options, shim, util
from lab.checks import expect
from lab.registers import BYPASS, CFGI_CD, Smmu, tlbi_asid
from lab.scenario import scenario
from lab.sweep import Bench, Flow, sweep

ON = Smmu.SMMUEN | Smmu.EVENTQEN | Smmu.CMDQEN
OFF = Smmu.CMDQEN


def stage1(bench):
    """One device on context 0, with the SMMU fully enabled."""
    bench.unplug(2)
    bench.smmu.gbpa(False)
    bench.smmu.ste(bench.ports[1].sid, 0)
    bench.plug(1)
    bench.ports[1].set_bus(1)
    bench.configure(1, 0)
    bench.smmu.cr0(ON)


def both(bench):
    stage1(bench)
    bench.smmu.ste(bench.ports[2].sid, 1)
    bench.plug(2)


def one_of_two(bench):
    stage1(bench)
    bench.smmu.ste(bench.ports[2].sid, 1)


def none(bench):
    bench.unplug(2)
    bench.unplug(1)
    bench.ports[1].set_bus(1)
    bench.configure(1, 0)
    bench.smmu.cr0(ON)


def on_abort(bench):
    stage1(bench)
    bench.configure(1, valid=False)


def off(bench):
    stage1(bench)
    bench.smmu.cr0(OFF)


def queue_off(bench):
    stage1(bench)
    bench.smmu.cr0(ON & ~Smmu.EVENTQEN)


def reset(bench):
    bench.guest.qmp.cmd("system_reset")
    bench.guest.qmp.event("RESET")
    bench.smmu.set_up()
    bench.ports[1].set_bus(1)


def off_by_gbpa(bench):
    bench.smmu.gbpa(True)
    bench.smmu.cr0(OFF)


def renumber(bench):
    bench.ports[1].set_bus(3)
    bench.configure(1, 0)


def invalidate(bench):
    sid = bench.ports[1].sid << 32
    bench.smmu.commands((CFGI_CD | sid, 1), *(tlbi_asid(asid) for asid in (1, 2, 3)))


PLUGS = (
    Flow("hot-plug", none, lambda b: b.plug(1), {1: {0}}),
    Flow("hot-plug of a second device", one_of_two, lambda b: b.plug(2), {1: {0}, 2: {1}}),
    Flow("hot-unplug", stage1, lambda b: b.unplug(1), {1: None}, queues=0),
    Flow("hot-unplug of one of two", both, lambda b: b.unplug(2), {1: {0}, 2: None}),
)

REGISTERS = (
    Flow("first STE", on_abort, lambda b: b.configure(1, 0), {1: {0}}),
    Flow("re-configuration", stage1, lambda b: b.configure(1, 1), {1: {1}}),
    Flow("to abort", stage1, lambda b: b.configure(1, valid=False), {1: set()}),
    Flow("to bypass", stage1, lambda b: b.configure(1, config=BYPASS), {1: {"bypass"}}),
    Flow("SMMU on", off, lambda b: b.smmu.cr0(ON), {1: {0}}),
    Flow("SMMU off", stage1, lambda b: b.smmu.cr0(OFF), {1: {"bypass"}}, queues=0),
    Flow("SMMU off, GBPA says abort", stage1, off_by_gbpa, {1: set()}, queues=0),
    Flow("event queue", queue_off, lambda b: b.smmu.cr0(ON), {1: {0}}),
    Flow("event queue off", stage1, lambda b: b.smmu.cr0(ON & ~Smmu.EVENTQEN), {1: {0}}, queues=0),
    Flow("new bus number", stage1, renumber, {1: {0}}),
    Flow("invalidation", stage1, invalidate, {1: {0}}),
    Flow("reset", stage1, reset, {1: {"bypass"}}, queues=0),
)


def swept(lab, flows):
    bench = Bench(lab)
    for flow in flows:
        sweep(bench, flow)
    end(lab, bench)


def end(lab, bench):
    """QEMU exits normally, and the host's kernel logs nothing but faults."""
    status = bench.quit()
    expect(status == "0", f"QEMU's exit status after quit: {status}")
    calm(lab)


def calm(lab):
    """Check that the host's kernel logs nothing but faults."""
    bad = [line for line in lab.l1.oopses() if "event 0x10 received" not in line]
    expect(not bad, f"L1's kernel complains: {bad[:3]}")
    # While the guest's event queue is off, the host logs the faults.
    lab.l1.sh("dmesg -c")


@scenario
def failures_in_plug(lab):
    """Hot-plug and unplug with a failure of each host call: device_add has the reason, nothing is left, a retry works."""
    swept(lab, PLUGS)


@scenario
def failures_at_run_time(lab):
    """STEs, SMMUEN, GBPA, event queue, bus numbers, reset with a failure of each host call: blocked, reported, retried."""
    swept(lab, REGISTERS)


# QEMU keeps the objects that it cannot destroy, and tries again without a message.
SILENT = {"IOMMU_DESTROY"}
# Without queues in hardware QEMU executes the guest's commands; the monitor says why.
SILENT_CMDQV = {"IOMMU_GET_HW_INFO", "IOMMU_VIOMMU_ALLOC", "mmap"}


@scenario
def failures_at_start(lab):
    """A start with a cold-plugged device and a failure of each host call: an error with the device's name, or a warning."""
    all_starts(lab, shim.variants(), SILENT)


@scenario(platform=l0.CMDQV)
def failures_at_start_cmdqv(lab):
    """The same with command queues in hardware, for the calls that create the queues."""
    names = SILENT_CMDQV | {"IOMMU_VEVENTQ_ALLOC"}
    all_starts(lab, shim.variants(sorted(names)), SILENT | SILENT_CMDQV, cmdqv="on")


def all_starts(lab, variants, silent_calls, **more):
    """more: options of the vSMMU"""
    bdf, _ = lab.vfio("nvme0")
    guest = shim.guest(lab)
    command = shlex.join([
        lab.qemu.path, "-M", "virt,gic-version=3", *lab.l1.cpu, "-m", "512M", "-nodefaults",
        "-display", "none", "-S", "-bios", lab.l1.files["efi"], "-monitor", "stdio",
        *options.iommufd(), *lab.qemu.vsmmu(bus="pcie.0", **more), *options.vfio(bdf, bus="pcie.0")])
    for errnos in variants:
        starts = start_again_and_again(lab, guest, command, errnos)
        for nth, (status, said, calls) in enumerate(starts, 1):
            failed = [call for call in calls if call.by == "inject"]
            what = f"call {nth}, {failed[0].name} fails" if failed else "no call fails"
            util.detail(f"start {what}: status {status}: {said}")
            expect(status in (0, 1), f"{what}: QEMU's exit status is {status}: {said}")
            expect(not status or bdf in said, f"{what}: the message names no device: {said}")
            # Objects that could not be destroyed are kept, and destroyed later without a message.
            silent = failed and failed[0].name in silent_calls
            expect(status or not failed or silent or said, f"{what}: there is no message")
        expect(status == 0 and not failed, f"{what}: status {status}: {said}")
        util.say(f"  start: {len(calls)} calls, {len(starts) - 1} failures")


def start_again_and_again(lab, guest, command, errnos):
    """[(status, messages, calls)] of all starts; in the last one no call fails."""
    out = lab.l1.sh(f"""
        mkdir -p {guest.dir} && cd {guest.dir} || exit
        for n in $(seq 60); do
            rm -f ioctls
            echo "{shim.control('$n', '$n', errnos)}" >control
            echo quit | env {guest.shim.env} timeout {30 * util.patience} {command} >said 2>&1
            printf '%s\\0' $?
            grep -v -e '^QEMU ' -e '^(qemu)' said
            printf '\\0'
            cat ioctls
            printf '\\0'
            grep -q by=inject ioctls || break
        done""", timeout=300).data.decode(errors="replace").split("\0")[:-1]
    return [(int(out[n]), out[n + 1].strip(), shim.parse(out[n + 2])) for n in range(0, len(out), 3)]


@scenario
def failures_at_end(lab):
    """QEMU quits while the host refuses everything: it exits, and nothing is left."""
    bench = Bench(lab)
    stage1(bench)
    expect(bench.dma(1) == {0}, "no DMA before the end")
    bench.look(1, shim.REFUSED, times=1000)
    end(lab, bench)
