# SPDX-License-Identifier: GPL-2.0-or-later
"""The report in the terminal."""

import re
import textwrap

from .model import breakdown
from .plan import BY_NAME
from .stats import Samples


def text(result):
    """The whole report, at most 100 columns."""
    samples = Samples(result["samples"])
    out = [heading(result)]
    out += targets(result["targets"])
    out += seconds(samples)
    out += shares(samples)
    out += each(samples)
    out += once(samples)
    if result["problems"]:
        out += ["", "Not measured", "------------", *result["problems"]]
    return "\n".join(out) + "\n"


def heading(result):
    return (f"\nBench of {result['date']}, plan {result['plan']}, {rounds(result)}\n{'=' * 60}\n"
            f"ours {result['qemu']}; rival {result['rival']}; Linux {result['kernel']}; "
            f"on {result['host']}{busy(result)}")


def busy(result):
    """A warning if the machine had other work to do."""
    if result["load"] < 1.5:
        return ""
    return f", busy at the start (load {result['load']}): the counts are valid, the times are not"


def rounds(result):
    n = result["rounds"]
    return f"{n} rounds, interleaved" if n > 1 else "1 round"


def targets(verdicts):
    out = ["", "Targets", "-------"]
    for v in verdicts:
        out.append(f"{v['verdict']:12}  {v['target']}")
        if v["found"]:
            out.append(f"{'':14}{v['found']}")
        if explained(v):
            out += textwrap.wrap(v["why"], 84, initial_indent=" " * 14, subsequent_indent=" " * 14)
    return out


def explained(verdict):
    """Whether to print the explanation: a short one always, a long one if the
    target is missed."""
    return verdict["why"] and (verdict["verdict"] == "MISSED" or len(verdict["why"]) < 100)


def label(config):
    return BY_NAME[config].label if config in BY_NAME else config


def table(title, columns, rows, note=""):
    """Lines of a table; rows: [(name, [cell for each column])]."""
    rows = [(name, cells) for name, cells in rows if any(c != "-" for c in cells)]
    if not rows:
        return []
    widths = [max(len(c), *(len(cells[n]) for _, cells in rows)) for n, c in enumerate(columns)]
    first = max(len(name) for name, _ in rows)
    out = ["", title, "-" * len(title),
           " " * first + "".join(f"  {c:>{w}}" for c, w in zip(columns, widths))]
    out += [f"{name:{first}}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, widths))
            for name, cells in rows]
    return out + ([note] if note else [])


def cell(spread, form=".2f"):
    if not spread:
        return "-"
    if spread.n == 1:
        return format(spread.median, form)
    return f"{spread.median:{form}} {spread.low:{form}}..{spread.high:{form}}"


def timed_figures(samples):
    return samples.figures("read-") + samples.figures("storm") + samples.figures("packets")


def seconds(samples):
    """Time for each operation, as a multiple of the same without a vIOMMU."""
    figures = timed_figures(samples)
    out = []
    for n in range(0, len(figures), 4):
        some = figures[n:n + 4]
        rows = [(label(c), [cell(samples.ratio(c, "none", f)) for f in some])
                for c in samples.configs() if c != "none"]
        rows.append(("no vIOMMU, ms each",
                     [cell(samples.of("none", f, "seconds", "ops") and
                           times(samples.of("none", f, "seconds", "ops"), 1e3)) for f in some]))
        out += table("Time, as a multiple of that without a vIOMMU (median low..high)" if not n
                     else "(continued)", some, rows)
    return out


def times(spread, factor):
    return type(spread)(spread.median * factor, spread.low * factor, spread.high * factor, spread.n)


def shares(samples):
    """The parts of the time of a read with our device."""
    rows = []
    for figure in [f for f in samples.figures("read-") if f.endswith("-1")]:
        rows += [(f"{figure}  {what}", [f"{us:.0f}", how.replace("`", "")])
                 for what, us, how in breakdown(samples, figure)]
    return table("Where the CPU time of the emulated server goes, ours", ["L0 us", "found by"], rows)


COUNTS = (("to QEMU", "to_qemu"), ("exits", "exits"), ("WFI", "wfi"), ("WFE", "wfe"))
TRACED = (("CMD_SYNC", "syncs"), ("commands", "commands"), ("ioctls", "ioctls"),
          ("walks", "walks"))
EACH = (*(name for name, _ in COUNTS), *(name for name, _ in TRACED), "L0 us")


def each_rows(samples, figure):
    """[(configuration, medians of the counts of one operation)]"""
    size = figure.split("-")[1] if figure.startswith("read-") else figure
    rows = []
    for config in samples.configs():
        cells = [middle(samples.of(config, figure, metric, "ops")) for _, metric in COUNTS]
        if all(c == "-" for c in cells) and not samples.of(config, figure, "cpu"):
            continue
        cells += [middle(samples.of(config, f"count-{size}", metric, "ops"))
                  for _, metric in TRACED]
        cpu = samples.of(config, figure, "cpu", "ops")
        cells.append(f"{cpu.median * 1e6:.0f}" if cpu else "-")
        rows.append((label(config), cells))
    return rows


def middle(spread):
    return "-" if not spread else f"{spread.median:.2f}"


def counted_figures(samples):
    """The figures whose counts are shown.  The counts of all sizes grow with vCPUs in
    the same way, so one size is enough."""
    return [f for f in timed_figures(samples)
            if f.startswith("read-4k-") or not re.fullmatch(r"read-.*-[2-9]", f)]


def each(samples):
    """Counts for one operation."""
    out = []
    for figure in counted_figures(samples):
        out += table(f"For each operation, medians: {figure}", EACH, each_rows(samples, figure))
    return out + ["", "to QEMU, exits, WFI, WFE: KVM's counters.  CMD_SYNC, commands, ioctls: QEMU's trace.",
                  "walks: table walks of L0's SMMU.  L0 us: CPU time of the emulated server."]


ONCE = ("seconds", "L0's CPU, s", "to QEMU", "exits")


def once_rows(samples):
    """[(name, cells)] of what happens once: boots and hot-plug."""
    rows = []
    for figure in samples.figures("boot") + samples.figures("hotplug"):
        for config in samples.configs():
            cells = [cell(samples.of(config, figure, "seconds"), ".1f"),
                     cell(samples.of(config, figure, "cpu"), ".1f"),
                     cell(samples.of(config, figure, "to_qemu"), ".0f"),
                     cell(samples.of(config, figure, "exits"), ".0f")]
            if cells[0] != "-":
                rows.append((f"{figure}, {label(config)}", cells))
    return rows


def once(samples):
    return table("Once", ONCE, once_rows(samples))
