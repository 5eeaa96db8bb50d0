# SPDX-License-Identifier: GPL-2.0-or-later
"""The targets, whether they are met, and the counts that explain it."""

from dataclasses import asdict, dataclass

from .model import breakdown
from .stats import per

MET, MISSED, OPEN = "PASS", "MISSED", "not measured"


@dataclass(frozen=True)
class Verdict:
    """One target.  `why` explains it with counts only."""
    target: str
    found: str
    verdict: str
    why: str = ""


def judge(target, value, good, found, why=""):
    """A Verdict; value is None if something was not measured."""
    if value is None:
        return Verdict(target, "", OPEN)
    return Verdict(target, found, MET if good else MISSED, why)


def number(value, form=".2f"):
    return "-" if value is None else format(value, form)


def evaluate(samples):
    """Every target as a dict, in the order of the report."""
    out = [exits(samples), queues(samples), queued_reads(samples, "4 KiB", "read-4k-1", 1.2),
           queued_reads(samples, "1 MiB", "read-1M-1", 1.5), syncs(samples), batches(samples),
           small_reads(samples), large_reads(samples), unchanged(samples), scaling(samples)]
    return [asdict(verdict) for verdict in out]


def exits(s):
    ours, rival = (per(s, c, "count-4k", "mmio", "syncs") for c in ("ours", "rival"))
    return judge("exits to QEMU per unmap: 1 (rival 2)", ours, ours and ours <= 1.02,
                 f"{number(ours)} (rival {number(rival)})",
                 "CMDQ_CONS reads per CMD_SYNC: "
                 f"{number(per(s, 'ours', 'count-4k', 'cons_reads', 'syncs'))} (rival "
                 f"{number(per(s, 'rival', 'count-4k', 'cons_reads', 'syncs'))})")


def queues(s):
    figures = ("read-4k-1", "read-4k-2", "read-4k-4")
    found, rival = ([per(s, c, f, "to_qemu") for f in figures] for c in ("cmdqv", "rival-cmdqv"))
    worst = max((v for v in found if v is not None), default=None)
    return judge("exits to QEMU per unmap with queues in hardware: 0, 1 to 4 vCPUs", worst,
                 worst is not None and worst < 0.005,
                 ", ".join(map(number, found)) + f" (rival {', '.join(map(number, rival))})",
                 f"with queues in software: {number(per(s, 'cmdqv-soft', 'read-4k-1', 'to_qemu'))}")


def queued_reads(s, size, figure, limit):
    ours, rival, itself = (s.ratio(c, "none", figure) for c in ("cmdqv", "rival-cmdqv", "l1-dma"))
    return judge(f"{size} reads with queues in hardware: at most {limit} times no vIOMMU", ours,
                 ours and ours.median <= limit, f"{ours} (rival {rival}, L1 itself {itself})",
                 where_it_goes(s, figure, (("cmdqv", "ours"), ("rival-cmdqv", "rival"), ("none", "no vIOMMU"),
                                           ("l1-dma", "L1 itself")), shares=False))


def syncs(s):
    figures = ("count-4k", "count-128k", "count-1M")
    found = [per(s, "ours", f, "ioctls", "syncs") for f in figures]
    rival = [per(s, "rival", f, "ioctls", "syncs") for f in figures]
    commands = [per(s, "ours", f, "commands", "syncs") for f in figures]
    worst = max((v for v in found if v is not None), default=None)
    return judge("ioctls per CMD_SYNC: 1, reads of 4 KiB, 128 KiB, 1 MiB", worst,
                 worst is not None and worst <= 1.02,
                 ", ".join(map(number, found)) + f" (rival {', '.join(map(number, rival))})",
                 f"commands per CMD_SYNC: {', '.join(map(number, commands))}")


def batches(s):
    names = sorted(s.figures("batch-"), key=lambda name: int(name.split("-")[1]))
    found = {n: (per(s, "ours", n, "ioctls", "syncs"), per(s, "rival", n, "ioctls", "syncs"))
             for n in names}
    worst = max((ours for ours, _ in found.values() if ours is not None), default=None)
    sizes = ", ".join(name.split("-")[1] for name in names)
    return judge(f"ioctls for {sizes} TLBI and a CMD_SYNC: 1", worst, worst == 1,
                 ", ".join(number(o, ".0f") for o, _ in found.values()) + " (rival "
                 + ", ".join(number(r, ".0f") for _, r in found.values()) + ")")


def small_reads(s):
    ours, rival = (s.ratio(c, "none", "read-4k-1") for c in ("ours", "rival"))
    return judge("4 KiB reads: at most 1.5 times no vIOMMU (where the rival takes 2.0)", ours,
                 ours and ours.median <= 1.5,
                 f"{ours} (rival {rival})", where_it_goes(s, "read-4k-1"))


def large_reads(s):
    ratio = s.ratio("ours", "rival", "read-1M-1")
    none = s.ratio("ours", "none", "read-1M-1")
    return judge("1 MiB reads: at most 2/3 of the rival's time", ratio,
                 ratio and ratio.median <= 2 / 3, f"{ratio}; {none} times no vIOMMU",
                 where_it_goes(s, "read-1M-1"))


def unchanged(s):
    ours, rival = (per(s, c, "cfgi-all", "ioctls", "syncs") for c in ("ours", "rival"))
    # One ioctl is for the CDs, which are invalidated with the STE (IHI 0070, 4.3).
    return judge("CFGI_ALL with no STE changed: 1 ioctl for all CDs", ours, ours == 1,
                 f"{number(ours, '.0f')} (rival {number(rival, '.0f')})")


def scaling(s):
    ours, rival = (s.gain(c, "read-4k-4", "read-4k-1") for c in ("ours", "rival"))
    none = s.gain("none", "read-4k-4", "read-4k-1")
    both = ours and rival
    return judge("4 vCPUs: a gain over 1 that is larger than the rival's", both,
                 both and ours.median > rival.median,
                 f"{ours} (rival {rival}, no vIOMMU {none})", where_it_goes(s, "read-4k-4"))


PLAIN = (("ours", "ours"), ("rival", "rival"), ("none", "no vIOMMU"))


def where_it_goes(s, figure, configs=PLAIN, shares=True):
    """The counts of one read, for each of these configurations."""
    size = figure.split("-")[1]
    parts = []
    for config, label in configs:
        words = [f"{number(per(s, config, figure, 'to_qemu'))} exits to QEMU",
                 f"{number(per(s, config, figure, 'exits'))} exits in all"]
        ioctls = per(s, config, f"count-{size}", "ioctls")
        if ioctls is not None:
            words.append(f"{number(ioctls)} ioctls")
        walks = per(s, config, f"count-{size}", "walks")
        if walks is not None:
            words.append(f"{walks:.1f} table walks of the physical SMMU")
        cpu = per(s, config, figure, "cpu")
        if cpu is not None:
            words.append(f"{cpu * 1e6:.0f} us of L0's CPU")
        parts.append(f"{label} {', '.join(words)}")
    text = "a read: " + "; ".join(parts)
    costs = ", ".join(f"{what} {us:.0f} us" for what, us, _ in breakdown(s, figure)) if shares else ""
    return text + (f". Of ours: {costs}" if costs else "")
