# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to a guest in its life: it resets devices, sleeps, hangs, and loses a device to the host."""

import struct
import time

from lab import checks, cmdqv, images, l0, metal, options, util
from lab.channel import Dead
from lab.checks import expect
from lab.l2 import TRACE
from lab.metal import get, memory, put
from lab.pagetable import Leaf, Tables
from lab.qmp import QmpError
from lab.registers import CFGI_CD, TLBI_NH_ALL
from lab.scenario import scenario
from lab.scenarios import basics, failures, matrix
from lab.scenarios.failures import ON, stage1
from lab.sweep import Bench
from lab.util import LabError

FLRS, AT_ONCE = 200, 10
NVME = "/sys/bus/pci/drivers/nvme"


# ------------------------------------------------------------------ resets of a device

# Both run in the guest until /run/stop exists.
READER = """
    (while [ ! -e /run/stop ]; do
        dd if=%s bs=64k count=1 iflag=direct 2>/dev/null | sha256sum
    done >/run/sums) </dev/null >/dev/null 2>&1 &"""
REBINDER = f"""
    (while [ ! -e /run/stop ]; do
        echo %s >{NVME}/unbind && echo %s >{NVME}/bind && echo again
    done >/run/rebinds) </dev/null >/dev/null 2>&1 &"""
# Each reset while the reader waits for its disk, and the next one only after it has read something
RESETS = f"""
    for n in $(seq {AT_ONCE}); do
        rounds=$(wc -l </run/sums)
        echo 1 >/sys/bus/pci/devices/%s/reset || exit
        for wait in $(seq 600); do
            [ $(wc -l </run/sums) -gt $rounds ] && continue 2
            sleep 0.05
        done
        echo "no read after reset $n"; exit 1
    done"""


def one_checksum(guest):
    """All that READER has read is right."""
    sums = guest.sh("cut -d' ' -f1 /run/sums | sort | uniq -c").out.split()
    want = images.head_sha256("nvme0", 64 << 10, images.DISK_MB)
    expect(sums[1:] == [want], f"the reads have the checksums {sums}, not only {want}")


@scenario(matrix=True)
def reset_under_io(lab):
    """A disk is reset 200 times while it is read, and the driver of another one, behind another vSMMU, comes and goes."""
    first, second = lab.vfio("nvme0")[0], lab.vfio("nvme1")[0]
    expect(lab.l1.group_of(first) != lab.l1.group_of(second), "both disks are in one IOMMU group of the host")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(first)
                      + options.root_complex(lab.qemu, 2, ports=(2,)) + options.vfio(second, bus="rp2", id="dev2"), cpus=2)
    disk, bdf = checks.nvme(guest, "nvme0")
    other, _ = checks.proven(guest, "nvme1", second, viommus=2)
    checks.proven(guest, "nvme0", first, viommus=2)
    method = guest.sh(f"cat /sys/bus/pci/devices/{bdf}/reset_method").out
    expect(method.split()[0] == "flr", f"the guest resets the disk by {method}")
    live = guest.trace().live()
    guest.sh(READER % disk)
    guest.sh(REBINDER % (other, other))
    for number in range(1, FLRS // AT_ONCE + 1):
        guest.sh(RESETS % bdf, 300)
        util.detail(f"{number * AT_ONCE} resets, the other disk came {guest.sh('wc -l </run/rebinds').out} times")
    guest.sh("touch /run/stop")
    checks.eventually("the other disk has its driver again", lambda: guest.sh(f"[ -e {NVME}/{other} ]", check=False), 20)
    one_checksum(guest)
    rebinds = int(guest.sh("wc -l </run/rebinds").out)
    expect(rebinds >= FLRS // 10, f"the other disk was bound again only {rebinds} times")
    checks.proven(guest, "nvme0", first, viommus=2)
    checks.proven(guest, "nvme1", second, viommus=2)
    expect(guest.trace().live() == live, f"kernel objects: {live}, then {guest.trace().live()}")
    failures.calm(lab)


# ------------------------------------------------------ a device that nothing can reset

class Unstoppable:
    """A stopped machine with a disk that the host cannot reset, as one without FLR on a bus that has no reset.

    Its reads are slow, and after each of them it writes an entry to its completion queue.
    """

    QUEUES_AT = 0x2000000000                        # IOVA of RAM
    COMPLETIONS, BEHIND = 0x50000000, 0x48000000    # an IOVA that could be an address in RAM, and the real one
    SUBMISSIONS, TABLES = 0x46000000, 0x42000000
    READS, PER_SECOND = 60, 10
    CREATE_SQ, READ, CREATE_CQ = 1, 2, 5
    PATTERN = 0x5a

    def __init__(self, lab):
        self.lab = lab
        self.host, _ = lab.vfio("nvme0")
        # before QEMU opens it, as vfio-pci then finds out how to reset it
        lab.l1.sh(f"""
            cd /sys/bus/pci/devices/{self.host} || exit
            echo >reset_method
            [ -z "$(cat reset_method)" ]""")
        self.guest = lab.guest()
        self.guest.start(
            options.iommufd() + lab.qemu.vsmmu(bus="pcie.0")
            + ["-device", "pcie-root-port,id=rp1,bus=pcie.0,addr=2,chassis=1"] + options.vfio(self.host),
            boot="qtest", machine=metal.MACHINE, trace=(*TRACE, "vfio_pci_write_config", "vfio_pci_*reset*"))
        self.qtest = self.guest.qtest
        self.smmu = metal.Smmu(self.qtest)
        self.smmu.set_up()
        self.port = metal.Port(self.qtest, 2, 1)
        self.disk = metal.Nvme(self.qtest, self.port)

    def set_up_stage1(self):
        """RAM at QUEUES_AT, and the page of the completion queue."""
        large, small = Leaf(12, 2, False), Leaf(12, 3, False)
        tables = Tables(self.qtest, self.TABLES, 12)
        for at in (metal.QUEUE, self.SUBMISSIONS):
            tables.map(at - metal.RAM + self.QUEUES_AT, at, large)
        tables.map(self.COMPLETIONS, self.BEHIND, small)
        tables.write_cd(0, 1)
        self.smmu.ste(self.disk.sid, 0)
        self.smmu.cfgi_ste(self.disk.sid)
        self.smmu.commands((CFGI_CD | self.disk.sid << 32, 1), (TLBI_NH_ALL, 0))
        self.smmu.cr0(ON)

    @staticmethod
    def command(at, operation, number, namespace, address, *words):
        """Write one to memory."""
        words += (0,) * (6 - len(words))
        return memory(at, struct.pack("<IIQQQQ6I", operation | number << 16, namespace, 0, 0, address, 0, *words))

    def start_reading(self):
        """Submit all reads at once; the disk needs nothing more to go on."""
        expect(self.disk.identify(self.QUEUES_AT) == "nvme0", "no DMA through stage 1")
        self.lab.l1.l0.qmp.cmd("block_set_io_throttle", device="d-nvme0", iops=self.PER_SECOND,
                               iops_rd=0, iops_wr=0, bps=0, bps_rd=0, bps_wr=0)
        base, regs = self.QUEUES_AT - metal.RAM, self.disk.bar
        self.qtest.send(memory(metal.DONE, bytes(64)), put(regs + self.disk.CC, 0))
        self.qtest.send(put(regs + self.disk.AQA, 0x30003), put(regs + self.disk.CC, self.disk.ENABLE))
        self.qtest.send(
            self.command(metal.QUEUE, self.CREATE_CQ, 1, 0, self.COMPLETIONS, 127 << 16 | 1, 1),
            self.command(metal.QUEUE + 64, self.CREATE_SQ, 2, 0, base + self.SUBMISSIONS, 63 << 16 | 1, 1 << 16 | 1),
            put(regs + self.disk.DOORBELL, 2))
        checks.eventually("the disk has its queues", lambda: self.completed(metal.DONE) == 2)
        self.qtest.send(*(self.command(self.SUBMISSIONS + 64 * n, self.READ, n, 1, base + metal.DATA, 8 * n, 0, 7)
                          for n in range(self.READS)), put(regs + self.disk.DOORBELL + 8, self.READS))

    def completed(self, queue):
        """The number of entries in a new completion queue."""
        return sum(data >> 16 & 1 for data in self.qtest.send(*(get(queue + 16 * n + 12) for n in range(self.READS))))

    def fill(self):
        self.qtest.send(f"memset {self.COMPLETIONS:#x} 0x1000 {self.PATTERN:#x}")

    def intact(self):
        return self.qtest.bytes(self.COMPLETIONS, 0x1000) == bytes([self.PATTERN]) * 0x1000

    def order_of_reset(self, since):
        """Which events of the trace turned bus mastering off, and moved the device."""
        trace = self.guest.trace()
        off = [n for n, event in enumerate(trace.events) if n >= since and event.name == "vfio_pci_write_config"
               and "@0x4," in event.text and not int(event.text.split(", ")[2], 0) & 4]
        return off, [n for n, _ in trace.moves(self.host) if n >= since], trace


@scenario(platform=l0.INTEGRATED)
def reset_without_flr(lab):
    """A device that nothing can reset goes on with its DMA when the guest is reset: bus mastering is off before bypass."""
    lab.used_up = True
    bench = Unstoppable(lab)
    bench.set_up_stage1()
    bench.start_reading()
    checks.eventually("the disk has completed some reads", lambda: bench.completed(bench.BEHIND) > 2)
    bench.fill()
    since = len(bench.guest.trace().events)
    bench.guest.qmp.cmd("system_reset")
    bench.guest.qmp.event("RESET")
    off, moves, trace = bench.order_of_reset(since)
    expect(off and moves and off[0] < moves[0], f"bus mastering is off at {off}, the device moves at {moves}")
    expect(not trace.named("vfio_pci_reset_flr") and not trace.named("vfio_pci_reset_pm"), "the host has reset the device")
    checks.expect_state(bench.guest, bench.host, "bypass", "after a reset")
    done = bench.completed(bench.BEHIND)
    expect(done < bench.READS, "the disk was ready before the reset, so this shows nothing")
    time.sleep(10 / bench.PER_SECOND)
    expect(bench.intact(), "DMA arrives in memory at an address that was an IOVA before the reset")
    expect(bench.completed(bench.BEHIND) == done, "DMA still arrives where stage 1 had it")

    # The device has gone on all the time: it writes as soon as the guest lets it.
    bench.port.set_bus(1)
    bench.qtest.send(put(metal.ECAM + (bench.disk.sid << 12) + 4, 4, 16))
    checks.eventually("DMA arrives with bus mastering and bypass", lambda: not bench.intact())
    failures.calm(lab)


# --------------------------------------------------------- guests that do not answer

def pending(guest, seconds=3):
    """The device stays while the guest does not release it, and QEMU answers."""
    guest.qmp.cmd("device_del", id="dev1")
    try:
        guest.qmp.cmd("device_del", id="dev1")
    except QmpError as error:
        expect("already in the process of unplug" in str(error), f"a second device_del: {error}")
    else:
        raise LabError("a second device_del is accepted")
    try:
        guest.qmp.event("DEVICE_DELETED", seconds, lambda data: data.get("device") == "dev1")
    except Dead:
        pass
    else:
        raise LabError("the device is gone although the guest has not released it")
    begin = time.monotonic()
    device, = cmdqv.info(guest)["host-devices"]
    expect(time.monotonic() - begin < 1, "query-smmuv3-accel takes long")
    expect(device["target"] == "nested", f"the device is {device}")


UNBIND = """
    rm -f /tmp/unbound
    (echo %s >/sys/bus/pci/drivers/vfio-pci/unbind; echo yes >/tmp/unbound) </dev/null >/dev/null 2>&1 &"""


def unbound(lab):
    return bool(lab.l1.sh("[ -e /tmp/unbound ]", check=False))


def waits(lab, guest, host):
    """The host has asked for its device, and waits for a guest that does not run."""
    lab.l1.sh(UNBIND % host)
    time.sleep(2)
    expect(not unbound(lab), "the host has its device back although the guest has not released it")
    expect(guest.qmp.cmd("query-status")["status"] != "running", "the guest runs")
    expect("Relaying device request to user" in lab.l1.sh("dmesg").out, "the host does not ask QEMU for its device")


def given_back(lab, guest, host):
    """The guest releases the device, and the host uses it."""
    guest.qmp.event("DEVICE_DELETED", 30, lambda data: data.get("device") == "dev1")
    checks.eventually("the host has its device back", lambda: unbound(lab), 20)
    driver = lab.l1.sh(f"readlink /sys/bus/pci/devices/{host}/driver", check=False).out
    expect(not driver, f"the device has the driver {driver}")
    lab.l1.unbind_vfio(host)
    checks.data_is_right(lab.l1, "nvme0")
    lab.vfio("nvme0")


@scenario
def device_not_released(lab):
    """A guest does not release a device: device_del and the host wait, QEMU answers; a reset completes both."""
    bench = Bench(lab)
    stage1(bench)
    lab.l1.sh("dmesg -c")
    for host_asks in (False, True):
        expect(bench.dma(1) == {0}, "no DMA before the unplug")
        if host_asks:
            waits(lab, bench.guest, bench.hosts[1])
        else:
            pending(bench.guest)
        expect(bench.dma(1) == {0}, "the device is blocked although the guest has not released it")
        bench.guest.qmp.cmd("system_reset")
        if host_asks:
            given_back(lab, bench.guest, bench.hosts[1])
        else:
            bench.guest.qmp.event("DEVICE_DELETED", 10, lambda data: data.get("device") == "dev1")
        bench.there.remove(1)
        left = bench.look().live
        expect(not left.get("vIOMMU") and not left.get("vDEVICE"), f"kernel objects are left: {left}")
        bench.smmu.set_up()
        stage1(bench)
    expect(bench.dma(1) == {0}, "no DMA at the end")
    failures.end(lab, bench)


def started(lab):
    """A guest that reads its disk: (address of the disk in L1, guest)"""
    host, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, **basics.hexed(basics.host_registers(lab)))
                      + options.vfio(host))
    checks.proven(guest, "nvme0", host, viommus=1)
    disk, _ = checks.nvme(guest, "nvme0")
    guest.sh(READER % disk)
    return host, guest


def again(lab, guest, host):
    """The guest gets the device again."""
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=host, iommufd="iommufd0")
    checks.proven(guest, "nvme0", host)


@scenario(matrix=True)
def unplug_of_a_hung_guest(lab):
    """device_del while Linux hangs in a panic: QEMU answers, and a reset completes it; Linux starts without the device."""
    host, guest = started(lab)
    # It stays in the panic, in a loop without preemption.
    guest.sh("echo 0 >/proc/sys/kernel/panic; (sleep 0.2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
    checks.eventually("the guest panics", lambda: "end Kernel panic" in guest.console(), 20)
    pending(guest)
    guest.qmp.cmd("system_reset")
    guest.qmp.event("DEVICE_DELETED", 10, lambda data: data.get("device") == "dev1")
    left = guest.trace().live()
    expect(not left, f"kernel objects are left: {left}")
    guest.booted_again()
    there = guest.sh("ls /sys/class/nvme", check=False).out
    expect(not there, f"after the reset the guest has {there}")
    again(lab, guest, host)
    failures.calm(lab)


@scenario(matrix=True)
def unbound_in_the_host(lab):
    """The host unbinds a disk that Linux reads, which releases it; a stopped Linux lets the host wait until it goes on."""
    host, guest = started(lab)
    lab.l1.sh("dmesg -c")
    lab.l1.sh(UNBIND % host)
    given_back(lab, guest, host)
    checks.gone(guest, "nvme0")
    again(lab, guest, host)
    guest.qmp.cmd("stop")
    waits(lab, guest, host)
    guest.qmp.cmd("cont")
    given_back(lab, guest, host)
    checks.gone(guest, "nvme0")
    again(lab, guest, host)
    failures.calm(lab)


# ------------------------------------------------------------------------- sleep

# Linux suspends all devices, waits for five seconds at the end of the way, and resumes them: there is no clock on this
# machine that could wake it.
SLEEP = "dmesg -C; echo s2idle >/sys/power/mem_sleep; echo %s >/sys/power/pm_test; echo freeze >/sys/power/state; dmesg"


@scenario(platform=matrix.on(names=("trixie",)), matrix=True)
def suspend_to_idle(lab):
    """Debian 13 as guest suspends its devices, for a suspend to idle, and resumes them, twice, while a disk is read."""
    host, _ = lab.vfio("nvme0")
    guest = matrix.boot(lab, "trixie", options.iommufd() + options.root_complex(lab.qemu) + options.vfio(host), mem="1G")
    checks.proven(guest, "nvme0", host, viommus=1)
    disk, _ = checks.nvme(guest, "nvme0")
    live = guest.trace().live()
    guest.sh(READER % disk)
    for level in ("devices", "platform"):
        log = guest.sh(SLEEP % level, 120).out
        expect("suspend debug: Waiting for" in log, f"the guest did not suspend its devices: {log[-600:]}")
        before = int(guest.sh("wc -l </run/sums").out)
        checks.eventually("the reader goes on", lambda before=before: int(guest.sh("wc -l </run/sums").out) > before + 1, 30)
    guest.sh("touch /run/stop")
    one_checksum(guest)
    checks.proven(guest, "nvme0", host, viommus=1)
    expect(guest.trace().live() == live, f"kernel objects: {live}, then {guest.trace().live()}")
    failures.calm(lab)
