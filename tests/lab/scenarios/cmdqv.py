# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated server's CMDQV, judged by Linux's driver and by upstream's QEMU."""

import re
from collections import Counter
from contextlib import contextmanager

from lab import bare, checks, l0, options
from lab.bench import counters, workloads
from lab.checks import expect
from lab.scenario import scenario

# All commands of the SMMU's own queue, and all of any other
COMMANDS = ("smmuv3_cmdq_opcode", "smmuv3_cmdqv_command")
OWN = re.compile(r"smmuv3_cmdq_opcode <--- SMMU_CMD_(\w+)")
VCMDQ = re.compile(r"smmuv3_cmdqv_command vintf (\d+) vcmdq (\d+) (?:SMMU_CMD_)?(\w+) "
                   r"0x([0-9a-f]+) 0x[0-9a-f]+ error (\d+)")
WRITE = re.compile(r"smmuv3_cmdqv_write offset 0x([0-9a-f]+) value 0x([0-9a-f]+)")

BYPASS = "/sys/kernel/debug/iommu/tegra241_cmdqv/bypass_vcmdq"
READS = workloads.Reads("4k", 200, readers=2, cpus=2)


class Seen:
    """What L0's SMMU was given: opcodes of its own queue, and of each VINTF's."""

    def __init__(self):
        self.own = Counter()
        self.vintf = {}
        self.vmids = {}         # of each VINTF's TLB invalidations
        self.queues = {}
        self.errors = []
        self.writes = []        # (offset, value) to the CMDQV

    def parse(self, text):
        self.own.update(OWN.findall(text))
        for v, q, opcode, word0, error in VCMDQ.findall(text):
            v = int(v)
            self.vintf.setdefault(v, Counter())[opcode] += 1
            self.queues.setdefault(v, set()).add(int(q))
            if opcode.startswith("TLBI_NH"):
                self.vmids.setdefault(v, set()).add(int(word0, 16) >> 32 & 0xffff)
            if error != "0":
                self.errors.append((v, opcode, int(error)))
        self.writes += [(int(a, 16), int(b, 16)) for a, b in WRITE.findall(text)]

    @staticmethod
    def tlbi(opcodes):
        return sum(n for opcode, n in opcodes.items() if opcode.startswith("TLBI"))


@contextmanager
def watched(l1, events=COMMANDS):
    """Trace L0's command queues, meanwhile."""
    seen = Seen()
    start = l1.l0.stderr_path.stat().st_size
    counters.trace_events(l1.l0.qmp, events, True)
    try:
        yield seen
    finally:
        counters.trace_events(l1.l0.qmp, events, False)
    with open(l1.l0.stderr_path, "rb") as file:
        file.seek(start)
        seen.parse(file.read().decode(errors="replace"))


class Inside:
    """L1 in the place of a guest, for the checks."""

    def __init__(self, l1):
        self.l1 = l1

    def guest(self, script, timeout=30):
        return self.l1.sh(script, timeout)


def own_reads(l1, disk):
    """What L1's invalidations are when it reads from its own disk."""
    with watched(l1) as seen:
        workloads.reads(lambda script, timeout: l1.sh(script, timeout).out, disk, READS)
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    return seen


def check_own(lab):
    """L1 on its own CMDQV: queues that are used, by everything, and can be bypassed."""
    l1 = lab.l1
    log = l1.sh("dmesg").out
    for q in (0, 1):
        expect(re.search(rf"allocated \d+ entries for vcmdq{q}\b", log), f"no vcmdq{q} in L1's log")
    for bad in ("alling back", "failed to enable", "errors will not be reported"):
        expect(bad not in log, f"L1's log has: {bad}")
    disk, bdf = checks.nvme(Inside(l1), "nvme0")
    checks.guest_translates(Inside(l1), bdf)

    seen = own_reads(l1, disk)
    expect(set(seen.vintf) == {0}, f"VINTFs in use: {seen.vintf}, own queue: {seen.own}")
    expect(seen.tlbi(seen.vintf[0]) >= READS.ops and not seen.own,
           f"TLBIs: {seen.vintf[0]} in VINTF 0, {seen.own} in the SMMU's queue")
    expect(seen.queues[0] == {0, 1}, f"of two CPUs only VCMDQ {seen.queues[0]} is in use")

    l1.sh(f"echo 1 >{BYPASS}")
    seen = own_reads(l1, disk)
    expect(seen.tlbi(seen.own) >= READS.ops and not seen.vintf,
           f"bypassed, TLBIs: {seen.vintf} in VINTFs, {seen.own} in the SMMU's queue")
    l1.sh(f"echo 0 >{BYPASS}")

    with watched(l1) as seen:
        l1.sh(f"echo 1 >/sys/bus/pci/devices/{bdf}/remove; echo 1 >/sys/bus/pci/rescan", 60)
        checks.data_is_right(Inside(l1), "nvme0")
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    back = seen.vintf.get(0, {})
    expect(seen.tlbi(back) and any("CFGI_STE" in opcode for opcode in back) and not seen.own,
           f"not back in VINTF 0: {back}, in the SMMU's queue: {seen.own}")


@scenario(platform=l0.CMDQV)
def cmdqv_l1_acpi(lab):
    """L1 finds the server's CMDQV by ACPI and has its own queues in it; bypass_vcmdq."""
    log = lab.l1.sh("dmesg").out
    expect("found companion CMDQV device: NVDA200C:" in log, "L1 did not find a CMDQV")
    check_own(lab)


@scenario(platform=l0.CMDQV_DT)
def cmdqv_l1_dt(lab):
    """The same with a device tree."""
    expect(lab.l1.sh("ls /sys/firmware").out.find("acpi") < 0, "L1 has ACPI")
    check_own(lab)


def rival_guest(lab):
    """A guest of upstream's QEMU on a VINTF, with nvme0; (guest, VINTFs' VMIDs)."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.guest()
    with watched(lab.l1, ("smmuv3_cmdqv_write",)) as start:
        guest.start(options.iommufd() + options.root_complex(options.RIVAL, cmdqv="on")
                    + options.vfio(bdf))
        guest.boot()
    vmids = {(offset - 0x1000) >> 8: value >> 1 & 0xffff for offset, value in start.writes
             if 0x1100 <= offset < 0x5000 and offset & 0xff == 0 and value & 1}
    expect(set(vmids) == {1}, f"VINTFs that were given away: {vmids}")
    checks.guest_translates(guest, checks.data_is_right(guest, "nvme0"))
    return guest, vmids


@scenario(rival=True, platform=l0.CMDQV)
def rival_cmdqv(lab):
    """Upstream's QEMU gives a VINTF to its guest: no exit for an unmap, its VMID in each TLBI."""
    guest, vmids = rival_guest(lab)
    disk, _ = checks.nvme(guest, "nvme0")
    log = guest.guest("dmesg").out
    expect(re.search(r"allocated \d+ entries for vcmdq0", log), "no vcmdq0 in the guest's log")

    def sh(script, timeout):
        return guest.guest(script, timeout).out
    few, many = workloads.Reads("4k", 200), workloads.Reads("4k", 1000)
    with watched(lab.l1) as seen:
        workloads.reads(sh, disk, few)
    expect(not seen.errors, f"commands that were refused: {seen.errors[:5]}")
    expect(seen.tlbi(seen.vintf.get(1, {})) >= few.ops,
           f"commands in VINTFs: {seen.vintf}, in the SMMU's queue: {seen.own}")
    expect(seen.vmids[1] == {vmids[1]} and vmids[1],
           f"VMIDs of the guest's TLBIs: {seen.vmids}, of VINTFs: {vmids}")

    meter = counters.Meter(lab, guest)
    meter.calibrate(lambda: sh("true", 30))
    exits = [meter.measure(lambda load=load: workloads.reads(sh, disk, load))[1]["to_qemu"]
             for load in (few, many)]
    expect(exits[1] - exits[0] <= 8, f"exits to QEMU for 200 and for 1000 reads: {exits}")


@scenario(rival=True, platform=l0.CMDQV)
def rival_cmdqv_errors(lab):
    """What a guest must not do stops its one queue; it is told, repairs it, and I/O goes on."""
    guest, _ = rival_guest(lab)
    disk, _ = checks.nvme(guest, "nvme0")
    base = int(guest.guest("grep NVDA200C /proc/iomem").out.split("-")[0], 16)
    # LVCMDQ 1 is that of a CPU which the guest has not: nobody else writes to it
    page0, page1 = base + 0x30080, base + 0x40080
    queue = bare.read(guest, page1) & ~31
    cases = (("opcode of none", 0xff, 1), ("TLBI_NSNH_ALL", 0x30, 4), ("CFGI_ALL", 0x04, 4),
             ("ATC_INV of another StreamID", 0x40 | 0x7777 << 32, 4), ("SYNC with IRQ", 0x1046, 1))
    for index, (what, word, error) in enumerate(cases):
        with watched(lab.l1) as seen:
            guest.guest(f"""
                devmem {queue + 16 * index:#x} 64 {word:#x}; devmem {queue + 16 * index + 8:#x} 64 0
                devmem {page0 + 4:#x} 32 {index + 1}""")
            checks.eventually(f"{what}: the guest's driver repairs the queue",
                              lambda index=index: bare.read(guest, page0) == index + 1)
            workloads.reads(lambda script, timeout: guest.guest(script, timeout).out, disk,
                            workloads.Reads("4k", 50))
        expect([e for _, _, e in seen.errors] == [error] and seen.errors[0][0] == 1,
               f"{what}: errors are {seen.errors}")
        expect(seen.tlbi(seen.vintf[1]) >= 50, f"{what}: the other queue has {seen.vintf}")
    log = lab.l1.sh("dmesg").out
    told = log.count("unexpected error reported. vintf_map: 0000000000000002")
    expect(told == len(cases), f"L1 was interrupted {told} times for {len(cases)} errors")
    checks.data_is_right(guest, "nvme0")
