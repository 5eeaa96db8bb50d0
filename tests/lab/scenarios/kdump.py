# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest crashes: its crash kernel finds the SMMU as it was, and dumps to the assigned disk."""

import struct
from collections import Counter

from lab import bare, checks, cmdqv, l0, metal, options, registers
from lab.bare import Smmu
from lab.checks import expect
from lab.scenario import scenario
from lab.scenarios import cmdqv_guest, transitions
from lab.scenarios.failures import ON
from lab.sweep import Bench
from lab.util import LabError

START = {"mem": "640M", "append": "crashkernel=192M"}

# What transitions.CARRY has put into the initrd; the crash kernel gets the small one.
LOAD = """
    cd /kexec && ./ld.so --library-path . ./kexec -p -i Image --initrd=initrd \
        --command-line="$(sed 's/crashkernel=[^ ]*//' /proc/cmdline) nr_cpus=1" || exit
    [ "$(cat /sys/kernel/kexec_crash_loaded)" = 1 ]"""
CRASH = "(sleep 0.2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &"

# Where the dump goes: no scenario compares what L0 wrote there.
DUMP_AT, DUMP_MB = 48, 4


# ------------------------------------------------------------- before the crash

class Ste:
    """The stream table entry of a device in the guest's memory."""

    ADDRESS = ((1 << 52) - 1) & ~63

    def __init__(self, guest, smmu, sid):
        base = smmu.read(smmu.STRTAB_BASE, 64) & self.ADDRESS
        config = smmu.read(smmu.STRTAB_BASE_CFG)
        if config >> 16 & 3:
            split = config >> 6 & 31
            base = bare.read(guest, base + 8 * (sid >> split), 64) & self.ADDRESS
            sid &= (1 << split) - 1
        self.address = base + 64 * sid
        self.words = [bare.read(guest, self.address + 8 * n, 64) for n in range(8)]
        expect(self.words[0] & registers.STE_VALID and self.words[0] & registers.CONFIG == registers.STAGE1,
               f"before the crash the STE is not one of stage 1: {self.words[0]:#x}")


def failed(guest):
    """Host calls that failed. A vEVENTQ that the main loop polls is destroyed at the second try, or later."""
    return {entry["ioctl"]: entry["failed"] for entry in cmdqv.info(guest)["counters"]["ioctls"]
            if entry["ioctl"] != "destroy"}


class Before:
    """What a crash is compared with."""

    def __init__(self, guest, host):
        bdf, _ = checks.proven(guest, "nvme0", host)
        smmu = Smmu(guest, checks.guest_translates(guest, bdf))
        expect(smmu.read(smmu.CR0) & smmu.SMMUEN, "the guest's SMMU is off")
        self.host = host
        self.table = smmu.read(smmu.STRTAB_BASE, 64)
        self.ste = Ste(guest, smmu, bare.rid(bdf))
        self.boot_id = guest.sh("cat /proc/sys/kernel/random/boot_id").out
        self.trace = guest.trace()
        self.failed = failed(guest)


def crash(guest):
    """Crash, and wait for the agent in the crash kernel."""
    guest.sh(CRASH)
    guest.booted_again(120)


# -------------------------------------------------------------- after the crash

class Vmcore:
    """The memory of the crashed kernel, as its crash kernel shows it."""

    NOTE, LOAD = 4, 1

    def __init__(self, guest):
        self.guest = guest
        self.head = guest.agent.run("head -c 65536 /proc/vmcore").data
        expect(self.head[:5] == b"\x7fELF\2", f"/proc/vmcore is no ELF file: {self.head[:200]}")
        start, = struct.unpack_from("<Q", self.head, 32)
        size, number = struct.unpack_from("<HH", self.head, 54)
        # type, flags, offset, virtual and physical address, size in the file
        self.parts = [struct.unpack_from("<IIQQQQ", self.head, start + size * n) for n in range(number)]

    def notes(self):
        return b"".join(self.head[offset:offset + size] for kind, _, offset, _, _, size in self.parts
                        if kind == self.NOTE)

    def words(self, address):
        """64 bytes at a physical address of the crashed kernel."""
        for kind, _, offset, _, start, size in self.parts:
            if kind == self.LOAD and start <= address < start + size:
                at = offset + address - start
                data = self.guest.agent.run(f"dd if=/proc/vmcore bs=64 skip={at // 64} count=1 2>/dev/null").data
                return list(struct.unpack("<8Q", data))
        raise LabError(f"{address:#x} is not in /proc/vmcore: {self.parts}")


def is_the_crash_kernel(guest, before):
    """The kernel that runs now knows that it is one, and has the memory of the other."""
    boot_id = guest.sh("cat /proc/sys/kernel/random/boot_id").out
    expect(boot_id != before.boot_id, "it is the old kernel still")
    expect(guest.sh("[ -e /proc/vmcore ]", check=False), "this is no crash kernel: no /proc/vmcore")
    log = guest.sh("dmesg").out
    expect("SMMU currently enabled" in log, "the crash kernel did not find the SMMU enabled")
    core = Vmcore(guest)
    for word in (b"VMCOREINFO", b"OSRELEASE=", b"CRASHTIME="):
        expect(word in core.notes(), f"/proc/vmcore has no {word.decode()} in its notes")
    expect(core.words(before.ste.address) == before.ste.words,
           "the STE of the crashed kernel is not in /proc/vmcore")


def way_since(guest, before):
    """What the device was attached to since then, in order."""
    trace = guest.trace()
    moves = trace.moves(before.host)[len(before.trace.moves(before.host)):]
    way = []
    for index, to in moves:
        hwpt = to and trace.hwpt_at(to, index)
        way.append("abort" if not hwpt else "bypass" if hwpt.kind == "stage 2 parent" else hwpt.ste)
    return way


def has_taken_over(guest, before):
    """The vSMMU first blocked the device, then followed the new tables; nothing failed."""
    bdf, _ = checks.proven(guest, "nvme0", before.host)
    smmu = Smmu(guest, checks.guest_translates(guest, bdf))
    # Linux does not enable the event queue in a crash kernel, because it could drown in events.
    expect(smmu.read(smmu.CR0) & 0xf == smmu.SMMUEN | smmu.CMDQEN,
           f"the crash kernel's CR0 is {smmu.read(smmu.CR0):#x}")
    expect(smmu.read(smmu.STRTAB_BASE, 64) != before.table, "the stream table is still the old one")
    way = way_since(guest, before)
    expect(way[0] == "abort" and way[-1] == "stage 1", f"on its way the device was on {way}")

    info = cmdqv.info(guest)
    device, = info["host-devices"]
    new = Ste(guest, smmu, bare.rid(bdf))
    expect(device["target"] == "nested" and not device["exposed"], f"the device is {device}")
    expect(device["ste"][0] & Ste.ADDRESS == new.words[0] & Ste.ADDRESS,
           f"the host has STE {device['ste']}, the guest {new.words}")
    count = info["counters"]
    expect(failed(guest) == before.failed and not info["viommu"]["kept"] and not count["refused"]
           and not count["lost"] and not count["complaints"], f"host calls failed: {count}")
    live, have = Counter(before.trace.live()), Counter(guest.trace().live())
    live["vEVENTQ"] -= 1
    expect(have == live, f"kernel objects: {live}, then {have}")


def dumps(guest):
    """Part of /proc/vmcore goes to the disk, and comes back the same."""
    disk, _ = checks.nvme(guest, "nvme0")
    want = guest.sh(f"""
        dd if=/proc/vmcore of=/run/dump bs=1M count={DUMP_MB} 2>/dev/null || exit
        dd if=/run/dump of={disk} bs=1M seek={DUMP_AT} oflag=direct conv=notrunc 2>/run/dd || {{ cat /run/dd; exit 1; }}
        sha256sum </run/dump""", 120).out.split()[0]
    have = checks.read_sha256(guest, disk, DUMP_AT, DUMP_MB)
    expect(have == want, f"the dump on the disk has sha256 {have}, not {want}")


def crashed_well(guest, before):
    is_the_crash_kernel(guest, before)
    has_taken_over(guest, before)
    dumps(guest)


# ------------------------------------------------------------------- scenarios

def crashing(lab, *more, **registers):
    """A guest with a crash kernel loaded; (address of its disk in L1, guest)"""
    host, _ = lab.vfio("nvme0")
    lab.l1.sh(transitions.CARRY)
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, **registers) + options.vfio(host)
                      + ["-initrd", "/tmp/kexec.initrd", *more], **START)
    guest.sh(LOAD, 120)
    return host, guest


@scenario
def kdump(lab):
    """The guest crashes: the device is blocked, then its crash kernel dumps through stage 1; after a reboot all is as before."""
    host, guest = crashing(lab)
    before = Before(guest, host)
    crash(guest)
    crashed_well(guest, before)
    guest.sh("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
    guest.booted_again()
    checks.proven(guest, "nvme0", host, viommus=1)
    expect(not guest.sh("[ -e /proc/vmcore ]", check=False), "it is the crash kernel still")
    expect(guest.trace().live() == before.trace.live(),
           f"kernel objects: {before.trace.live()}, then {guest.trace().live()}")


def forget_faults(lab, host):
    """Take the faults of a device out of the host's log: the crash kernel has no event queue for them."""
    for line in lab.l1.sh("dmesg").out.splitlines():
        expect(" event: " not in line or f"client: {host} " in line, f"a fault of another device: {line}")
    lab.l1.sh("dmesg -c")


@scenario(platform=l0.CMDQV)
def cmdqv_kdump(lab):
    """The guest crashes while its CPUs use queues in hardware: the crash kernel sets up its own, in hardware too."""
    host, guest = crashing(lab, cmdqv="on")
    before = Before(guest, host)
    disk = cmdqv_guest.works(guest, "nvme0", host, "hardware", "before the crash")
    given, taken = cmdqv.moves(guest)
    guest.sh(f"(while dd if={disk} of=/dev/null bs=4k iflag=direct; do :; done) >/dev/null 2>&1 &")
    with cmdqv.watched(lab.l1) as seen:
        crash(guest)
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    crashed_well(guest, before)
    disk = cmdqv_guest.works(guest, "nvme0", host, "hardware", "in the crash kernel")
    now = cmdqv.moves(guest)
    expect(now[0] > given and now[1] > taken, f"given and taken back: {given, taken}, then {now}")
    expect(not cmdqv.info(guest)["counters"]["cmdqv-errors"], "a queue stopped at an error")
    cmdqv_guest.no_exits(lab, guest, disk)


@scenario
def kdump_adopted(lab):
    """A crash kernel that keeps SMMUEN and the stream table, and moves only the queues: DMA goes on; then it attaches."""
    bench = Bench(lab)
    smmu, sid = bench.smmu, bench.ports[1].sid
    smmu.ste(sid, 0)
    smmu.cr0(ON)
    expect(bench.dma(1) == {0}, "no stage 1 before the crash")
    bench.look()

    smmu.cr0(smmu.SMMUEN)
    expect(bench.dma(1) == {0}, "no stage 1 while all queues are off")
    smmu.queue(metal.CMDQ + 0x8000)
    smmu.cr0(smmu.SMMUEN | smmu.CMDQEN)
    smmu.commands((registers.CFGI_ALL, 31), (registers.TLBI_NSNH_ALL, 0))
    expect(bench.dma(1) == {0}, "no stage 1 with the new queue")
    moved = [call for call in bench.look().calls if "ATTACH" in call.name or "HWPT_ALLOC" in call.name]
    expect(not moved, f"the device was moved, although its STE did not change: {moved}")

    bench.configure(1, 1)
    expect(bench.dma(1) == {1}, "no stage 1 with the context of the crash kernel")
    # those of dma(), which tries every context
    forget_faults(lab, bench.hosts[1])
