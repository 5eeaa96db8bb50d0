# SPDX-License-Identifier: GPL-2.0-or-later
"""A slow host, which the ioctl shim imitates."""

import errno
import time

from lab import bare, checks, options, registers, shim, util
from lab.channel import Dead
from lab.checks import LabError, expect
from lab.qmp import QmpError
from lab.scenario import scenario

INVALIDATE = "IOMMU_HWPT_INVALIDATE"
LATE_MS = 400
EXPRESS_AT = 0x54           # in configuration space of QEMU's root port


@scenario
def host_is_slow(lab):
    """Each invalidation takes 0.4 s: the monitor answers, hot-unplug works, and the data is right."""
    host, _ = lab.vfio("nvme0")
    other, _ = lab.vfio("nvme1")
    guest = shim.guest(lab)
    guest.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(host)
                + options.vfio(other, bus="rp2", id="dev2"), cpus=2)
    guest.boot()
    checks.proven(guest, "nvme0", host)
    checks.proven(guest, "nvme1", other)
    device, _ = checks.nvme(guest, "nvme0")

    guest.shim.arm(1, {INVALIDATE: shim.late(LATE_MS)}, times=shim.ALWAYS)
    before = len([call for call in guest.shim.calls() if call.name == INVALIDATE])
    guest.sh(f"(dd if={device} of=/dev/null bs=4k count=20 iflag=direct; echo $? >/run/slow) >/dev/null 2>&1 &")
    times = []
    for _ in range(20):
        begin = time.monotonic()
        guest.qmp.cmd("query-status")
        times.append(time.monotonic() - begin)
        time.sleep(0.05)
    # the guest needs some invalidations for it, which are late as well
    guest.device_del("dev2")
    guest.shim.arm(0, {})
    checks.eventually("the slow reads end", lambda: guest.sh("cat /run/slow", check=False).out.strip() == "0", 30)
    late = len([call for call in guest.shim.calls() if call.name == INVALIDATE]) - before
    expect(late >= 5, f"only {late} invalidations were late")
    expect(max(times) < LATE_MS / 2000, f"the monitor waits for the host: {max(times):.2f} s")
    checks.proven(guest, "nvme0", host)


@scenario
def eject_on_a_slow_host(lab):
    """On a slow host one vCPU unmaps, one ejects another device, and one reads configuration space without wrong values."""
    host, _ = lab.vfio("nvme0")
    other, _ = lab.vfio("nvme1")
    guest = shim.guest(lab)
    guest.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(host)
                + options.vfio(other, bus="rp2", id="dev2"), cpus=4)
    guest.boot()
    stays, _ = checks.proven(guest, "nvme0", host)
    goes, _ = checks.proven(guest, "nvme1", other)
    device, _ = checks.nvme(guest, "nvme0")
    # The last step of pciehp: without the invalidations before it, so that it meets those of another vCPU, and
    # without Linux's lock for configuration space, which other guests do not have.
    port = guest.sh(f"basename $(readlink -f /sys/bus/pci/devices/{goes}/..)\n"
                    f"echo {goes} > /sys/bus/pci/drivers/nvme/unbind").out
    express = bare.ecam(guest) + (bare.rid(port) << 12) + EXPRESS_AT
    expect(bare.read(guest, express, 8) == registers.EXPRESS, "the root port has its PCI Express capability elsewhere")

    guest.shim.arm(1, {INVALIDATE: shim.late(LATE_MS)}, times=shim.ALWAYS)
    guest.sh(f"""
        config=/sys/bus/pci/devices/{stays}/config
        # two of them, so that there is always an invalidation under way
        for n in 1 2; do
            taskset $n dd if={device} of=/dev/null bs=4k iflag=direct 2>/run/reads.$n &
            echo $! >>/run/readers
        done
        # By the shell itself: a program started for each read would take longer than what is looked for.
        taskset 4 sh -c 'reads=0; wrong=0
            while [ ! -e /run/enough ]; do
                read -r -n 3 have <$0; reads=$((reads + 1))
                [ "$have" = "$1" ] || wrong=$((wrong + 1))
            done; echo $reads $wrong' $config "$(head -c 3 $config)" >/run/config 2>&1 &
        (sleep 2; taskset 8 devmem {express + registers.SLTCTL:#x} 16 {registers.EJECT:#x}) >/dev/null 2>&1 &""")
    guest.qmp.event("DEVICE_DELETED", 30, lambda data: data.get("device") == "dev2")
    guest.shim.arm(0, {})
    guest.sh("touch /run/enough; kill $(cat /run/readers)")
    checks.eventually("the last read of configuration space", lambda: guest.sh("[ -s /run/config ]", check=False))
    expect(not guest.sh("grep rror /run/reads.*", check=False), "reads of the other disk failed")
    reads, wrong = guest.sh("cat /run/config").out.split()
    util.detail(f"{reads} reads of configuration space")
    expect(wrong == "0", f"{wrong} of {reads} reads of configuration space had a wrong value")
    refused = [line for line in guest.stderr().splitlines() if "re-entrant" in line]
    expect(not refused, f"QEMU refuses accesses of one vCPU because of another: {refused}")
    checks.proven(guest, "nvme0", host)


# ------------------------------------------------- a queue full of work for it

SECONDS = 10
LOG2_COMMANDS = 8


def fill(guest):
    """Fill the queue with alternating TLBI and CMD_SYNC commands."""
    guest.sh(f"""
        at={bare.SCRATCH}
        while [ $at -lt {bare.SCRATCH + (16 << LOG2_COMMANDS)} ]; do
            devmem $at 64 {registers.tlbi_asid(1)[0]:#x}; devmem $((at + 16)) 64 {registers.SYNC:#x}
            at=$((at + 32))
        done""")


def ring(guest, smmu, fate):
    """One vCPU rings the doorbell; from now on the host is slow or stuck."""
    smmu.change_cr0(clear=smmu.CMDQEN)
    smmu.write(smmu.CMDQ_BASE, bare.SCRATCH | LOG2_COMMANDS, 64)
    smmu.write(smmu.CMDQ_PROD, 0)
    smmu.write(smmu.CMDQ_CONS, 0)
    smmu.change_cr0(set=smmu.CMDQEN)
    guest.shim.arm(1, {INVALIDATE: fate}, times=shim.ALWAYS)
    before = len(guest.shim.calls())
    # on the other vCPU, perhaps for minutes: the guest is not used again
    guest.sh(f"(sleep 0.3; devmem {smmu.base + smmu.CMDQ_PROD:#x} 32 {1 << LOG2_COMMANDS:#x}) >/dev/null 2>&1 &")
    checks.eventually("the vCPU is in the write of CMDQ_PROD", lambda: len(guest.shim.calls()) > before)


def within(what, call, limit=SECONDS):
    """QEMU's monitor answers, perhaps with a refusal, and the request is carried out."""
    begin = time.monotonic()
    try:
        call()
    except QmpError:
        pass
    except Dead as error:
        raise LabError(f"{what}: not in {limit} s, while the host has a queue of {1 << LOG2_COMMANDS} commands "
                       f"before it: {error}") from None
    took = time.monotonic() - begin
    expect(took < limit, f"{what}: took {took:.1f} s")


def quits(guest):
    guest.qmp.cmd("quit", timeout=SECONDS)
    checks.eventually("QEMU ends", lambda: not guest.running(), SECONDS)


def all_requests_end(lab, fate):
    """stop, migrate, cont, system_reset, quit of a QEMU with so many commands for such a host."""
    # Twice, on two CPUs, a later guest in the same L1 hung during its boot: no vCPU was in QEMU, no call was under
    # way, and its kernel printed nothing. The cause is unknown; it did not happen in a separate L1.
    lab.used_up = True
    guest = shim.guest(lab)
    host, _, smmu, _ = bare.machine(lab, guest, cpus=2)
    fill(guest)
    ring(guest, smmu, fate)
    monitor = guest.qmp
    within("stop", lambda: monitor.cmd("stop", timeout=SECONDS))
    # a host device cannot be migrated: the answer is a refusal
    within("migrate", lambda: monitor.cmd("migrate", timeout=SECONDS, uri="file:/tmp/saved-guest"))
    within("cont", lambda: monitor.cmd("cont", timeout=SECONDS))
    monitor.events.clear()
    within("system_reset", lambda: (monitor.cmd("system_reset", timeout=SECONDS), monitor.event("RESET", SECONDS)))
    guest.shim.arm(0, {})
    guest.booted_again()
    bdf, _ = checks.proven(guest, "nvme0", host)
    bare.Nvme(guest, bdf)
    ring(guest, smmu, fate)
    # With sanitizers it looks for leaks at its end.
    within("quit", lambda: quits(guest), util.ending if lab.sanitized else SECONDS)
    expect(guest.ending() == "status 0", f"QEMU ended with {guest.ending()}")


@scenario
def requests_and_a_slow_host(lab):
    """128 CMD_SYNCs on a host that needs 0.4 s for each: stop, cont, migrate, system_reset, quit end within 10 s."""
    all_requests_end(lab, shim.late(LATE_MS))


@scenario
def requests_and_a_stuck_host(lab):
    """The same on a host whose queue is stuck: each invalidation fails after a second."""
    all_requests_end(lab, shim.late(1000, errno.ETIMEDOUT))
