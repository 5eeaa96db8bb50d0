# SPDX-License-Identifier: GPL-2.0-or-later
"""What is counted, and where.

Exits of L2    KVM's statistics of each machine, in L1's debugfs.  They are
               exact, and cost nothing during a measurement of time.
MMIO, ioctls   QEMU's trace, in a separate short run: each line of the trace
               costs time, but does not change the counts.
Table walks    the trace of L0's QEMU in the same short run: its emulated SMMU
               searches its TLB, and walks the tables of both stages.
VINTFs         the same trace shows the commands that guests put into hardware
               queues.
CPU time       of all threads of L0, the emulated server.  It does not depend on
               the other load of this machine.  It replaces a count of
               instructions: TCG's PMU has INST_RETIRED only with -icount, and
               that allows one thread.
"""

import re
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from ..registers import Smmu

# name here: name in debugfs
KVM = {"exits": "exits", "to_qemu": "mmio_exit_user", "in_kvm": "mmio_exit_kernel",
       "wfi": "wfi_exit_stat", "wfe": "wfe_exit_stat",
       "hvc": "hvc_exit_stat", "signals": "signal_exits"}

# These events come for every invalidation or access, so they are off during a
# measurement of time.  They are patterns because not every QEMU has all events.
INVALIDATIONS = ("iommufd_*invalidate*", "smmuv3_accel_invalidated*")
ACCESSES = ("smmuv3_write_mmio", "smmuv3_read_mmio", "smmuv3_cmdq_opcode", "smmuv3_cmdqv_*")
LOOKUPS = ("smmu_iotlb_lookup_hit", "smmu_iotlb_lookup_miss", "smmuv3_cmdqv_command")   # of L0


def kvm(host, pid):
    """{name: count} of the machine of one QEMU process."""
    files = " ".join(KVM.values())
    out = host.sh(f"cd /sys/kernel/debug/kvm/{pid}-* && grep -H . {files}").out
    return parse_kvm(out)


def parse_kvm(text):
    have = dict(line.split(":") for line in text.splitlines() if line.count(":") == 1)
    return {name: int(have[file], 0) for name, file in KVM.items() if file in have}


def cpu_seconds(pid):
    """CPU time of a process of this machine, all its threads."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[0])
        except (OSError, IndexError):
            pass    # a thread that has just ended
    return total / 1e9


class Meter:
    """Reads all counters before and after something that a guest does."""

    def __init__(self, lab, guest=None):
        self.lab = lab
        self.guest = guest
        self.idle = {}      # what the measurement of nothing costs

    def _exits(self):
        return kvm(self.lab.l1, self.guest.pid) if self.guest else {}

    def _cpu(self):
        return cpu_seconds(self.lab.l1.l0.proc.pid)

    def calibrate(self, ask, times=3):
        """Measure what the measurement itself costs; measure() subtracts it."""
        runs = [self.measure(ask)[1] for _ in range(times)]
        self.idle = {name: min(run[name] for run in runs) for name in runs[0]}

    def measure(self, ask):
        """(what ask() returns, {counter: difference})"""
        # The reading of KVM's counters takes CPU time, so it must be outside.
        exits, cpu = self._exits(), self._cpu()
        result = ask()
        cpu, after = self._cpu() - cpu, self._exits()
        used = {"cpu": cpu, **{name: after[name] - exits[name] for name in after}}
        return result, {name: max(used[name] - self.idle.get(name, 0), 0) for name in used}


def trace_events(qmp, names, on):
    for name in names:
        qmp.cmd("trace-event-set-state", name=name, enable=on, **{"ignore-unavailable": True})


def quiet(guest, off=True):
    """Stop (or start again) the trace of each invalidation."""
    trace_events(guest.qmp, INVALIDATIONS, not off)


@contextmanager
def traced(l1, guest=None):
    """Trace the events that are counted; yields a dict that has the counts at the end."""
    out = {}
    log = l1.l0.stderr_path
    start = log.stat().st_size
    if guest:
        mark = int(guest.host.sh(f"wc -c <{guest.dir}/trace").out)
        trace_events(guest.qmp, INVALIDATIONS + ACCESSES, True)
    trace_events(l1.l0.qmp, LOOKUPS, True)
    try:
        yield out
    finally:
        trace_events(l1.l0.qmp, LOOKUPS, False)
        if guest:
            trace_events(guest.qmp, INVALIDATIONS + ACCESSES, False)
    with open(log, "rb") as file:
        file.seek(start)
        out.update(from_l0_trace(file.read()))
    if guest:
        text = guest.host.sh(f"tail -c +{mark + 1} {guest.dir}/trace", 60).data
        out.update(from_trace(text.decode(errors="replace")))


def from_l0_trace(data):
    """Counts of TLB lookups and table walks of the emulated SMMU, and of the
    commands that it took from guests without QEMU."""
    walks = data.count(b"smmu_iotlb_lookup_miss")
    opcodes = Counter(VINTF.findall(data))
    syncs = opcodes[b"CMD_SYNC"]
    return {"walks": walks, "lookups": walks + data.count(b"smmu_iotlb_lookup_hit"),
            "hw_syncs": syncs, "hw_commands": sum(opcodes.values()) - syncs}


# L1 itself has VINTF 0.
VINTF = re.compile(rb"smmuv3_cmdqv_command vintf [1-9]\d* vcmdq \d+ (?:SMMU_)?(\w+)")
WRITE = re.compile(r"smmuv3_(read|write)_mmio addr: ?0x([0-9a-f]+)")
QUEUES = re.compile(r"smmuv3_cmdqv_(?:read|write) offset ")
OPCODE = re.compile(r"(?:smmuv3_cmdq_opcode <---|smmuv3_cmdqv_command vintf \d+ vcmdq \d+) (\w+)")
INVALIDATE = re.compile(r"iommufd_backend_invalidate(?:_cache)? .*?"
                        r"(?:entries|entry_num)=(\d+)")


def from_trace(text):
    """Counts of a piece of trace.

    mmio: accesses to the SMMU's registers, each one an exit to QEMU; syncs:
    CMD_SYNC; commands: all others; ioctls: IOMMU_HWPT_INVALIDATE; forwarded:
    the commands in them.
    """
    accesses = Counter((kind, int(address, 16) & 0xffff) for kind, address in WRITE.findall(text))
    opcodes = Counter(OPCODE.findall(text))
    entries = [int(n) for n in INVALIDATE.findall(text)]
    syncs = sum(n for name, n in opcodes.items() if name.endswith("CMD_SYNC"))
    return {"mmio": sum(accesses.values()) + len(QUEUES.findall(text)),
            "prod_writes": accesses["write", Smmu.CMDQ_PROD], "cons_reads": accesses["read", Smmu.CMDQ_CONS],
            "syncs": syncs, "commands": sum(opcodes.values()) - syncs,
            "ioctls": len(entries), "forwarded": sum(entries)}
