# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots, and the parts of the documentation that come from results.

The text of a page is written by hand.  `bench --docs` replaces the text
between these two markers:

    <!-- bench:NAME -->
    <!-- /bench:NAME -->

With --parts, it replaces only the parts that are named; the others keep the
results of an earlier run.
"""

import re

from .. import util
from ..util import LabError
from . import model, report, svg
from .stats import Samples, Spread, per

DOCS = util.ROOT / "docs"
PAGES = ("bench.md", "performance.md")
MARKED = re.compile(r"(<!-- bench:([a-z-]+) -->\n).*?(<!-- /bench:\2 -->)", re.S)


def replaced(text, parts, only=None):
    """A page with new text between all markers, or between those in `only`."""
    def part(found):
        if found[2] not in parts:
            raise LabError(f"bench:{found[2]}: there is no such part; the parts are: "
                           + " ".join(sorted(parts)))
        if only and found[2] not in only:
            return found[0]
        return f"{found[1]}{parts[found[2]].rstrip()}\n{found[3]}"
    out = MARKED.sub(part, text)
    if out.count("<!-- bench:") != len(MARKED.findall(out)):
        raise LabError("a marker <!-- bench:NAME --> has no <!-- /bench:NAME --> after it")
    return out


def parts_of(result):
    """{marker: text} for all markers that a page can have."""
    samples = Samples(result["samples"])
    return {"about": about(result), "about-queues": about_queues(result), "queues": queues(samples), "targets": targets(result), "times": times(samples),
             "counts": counts(samples), "once": once(samples), "prices": prices(),
             "model": model_table(samples), "shares": shares(samples), "vcpus": vcpus(samples), "lab": lab(samples)}


def write(result, only=None):
    """Write these results into the pages in docs/."""
    parts = parts_of(result)
    for name in only or ():
        if name not in parts:
            raise LabError(f"there is no part {name}; the parts are: {' '.join(sorted(parts))}")
    for name in PAGES:
        path = DOCS / name
        path.write_text(replaced(path.read_text(), parts, only))
        util.say(f"wrote docs/{name}")
    if not only:
        plots(result, DOCS / "bench")


# -------------------------------------------------------------------- tables

def markdown(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def about(result):
    return (f"{result['date']}, plan `{result['plan']}`, {report.rounds(result)}; ours: QEMU "
            f"{result['qemu']}; rival: QEMU {result['rival']}; Linux {result['kernel']} as host and "
            f"guest; {result['host']}{report.busy(result)}.")


def about_queues(result):
    return (f"{result['date']}; ours: QEMU {result['qemu']}; upstream's: QEMU {result['rival']}; Linux "
            f"{result['kernel']} as host and guest; medians of {result['rounds']} runs.")


def targets(result):
    rows = [[v["target"], v["found"] or "-", v["verdict"]] for v in result["targets"]]
    out = markdown(["Target", "Found", ""], rows)
    for v in result["targets"]:
        if report.explained(v):
            out += f"\n\n**{v['target']}**: {v['why']}."
    return out


def times(samples):
    rows = []
    for figure in report.timed_figures(samples):
        none = samples.of("none", figure, "seconds", "ops")
        row = [f"`{figure}`", report.cell(report.times(none, 1e6), ".0f") + " us" if none else "-"]
        rows.append(row + [report.cell(samples.ratio(c, "none", figure)) for c in beside(samples)])
    return markdown(["", "no vIOMMU, each", *map(report.label, beside(samples))], rows)


def beside(samples):
    return [c for c in samples.configs() if c != "none"]


def counts(samples):
    rows = []
    for figure in report.counted_figures(samples):
        for name, cells in report.each_rows(samples, figure):
            rows.append([f"`{figure}`", name, *cells])
    return markdown(["", "", *report.EACH], rows)


def once(samples):
    return markdown(["", *report.ONCE], [[name, *cells] for name, cells in report.once_rows(samples)])


def prices():
    return markdown(["Price", "Assumed, us", "What it stands for"],
                    [[p.name, f"{p.low:g} to {p.high:g}", p.what] for p in model.PRICES])


def shares(samples):
    rows = []
    for figure in [f for f in samples.figures("read-") if f.endswith("-1")]:
        rows += [[f"`{figure}`", what, f"{us:.0f}", how]
                 for what, us, how in model.breakdown(samples, figure)]
    return markdown(["", "", "L0 us", "found by"], rows)


def model_table(samples):
    floor = model.FLOOR.cost()
    out = []
    for label, c in model.rows(samples):
        limit = f"{model.ceiling(c) / 1000:.0f} 000" if c.exits >= 0.005 else "the SMMU's own"
        out.append([label, f"{c.exits:.2f}", f"{c.ioctls:.2f}", f"{c.commands:.1f}",
                    f"{c.cost(0):.1f} to {c.cost(1):.1f}", f"{c.cost() / floor:.1f}",
                    f"{model.share(c, 50000) * 100:.0f} %", limit])
    return markdown(["", "exits", "ioctls", "commands", "us, estimate", "times the floor",
                     "of a CPU at 50 000/s, estimate", "unmaps/s of a machine, estimate"], out)


def vcpus(samples):
    figures = samples.figures("read-4k-")
    configs = [c for c in ("ours", "no-msi", "cmdqv", "cmdqv-soft", "rival", "rival-cmdqv", "none")
               if c in samples.configs()]
    rows = []
    for config in configs:
        row = [report.label(config)]
        for figure in figures:
            row.append(report.cell(samples.of(config, figure, "to_qemu", "ops")))
            row.append(report.cell(samples.gain(config, figure, figures[0])))
        rows.append(row)
    columns = [f"{what}, {f.split('-')[2]} vCPU" for f in figures for what in ("exits", "speed")]
    return markdown(["", *columns], rows)


def queues(samples):
    """Counts of an unmap with queues in hardware, and without; none depends on time."""
    figures = samples.figures("read-4k-")
    rows = []
    for config in ("ours", "rival", "cmdqv-soft", "cmdqv", "rival-cmdqv"):
        counts = model.measured(samples, config, "4k", 1)
        if not counts:
            continue
        exits = [report.middle(samples.of(config, f, "to_qemu", "ops")) for f in figures]
        rows.append([report.label(config), *exits, f"{counts.ioctls:.2f}",
                     f"{(per(samples, config, 'count-4k', 'hw_commands') or 0):.2f}",
                     f"{counts.cost(0):.1f} to {counts.cost(1):.1f}",
                     f"{model.share(counts, 50000) * 100:.0f} %"])
    return markdown(["", *(f"exits, {f.split('-')[2]} vCPU" for f in figures), "ioctls", "TLBI by the hardware",
                     "us, estimate", "of a CPU at 50 000/s, estimate"], rows)


def lab(samples):
    found = model.lab_exit(samples)
    if found is None:
        return "This run does not show what an exit costs in the lab."
    read = samples.of("none", "read-4k-1", "cpu", "ops").median * 1e6
    return (f"In the lab one exit with its handler takes about {found:.0f} us of the emulated server's "
            f"CPU, and a read of 4 KiB without a vIOMMU {read:.0f} us: {found / read * 100:.0f} %.")


# --------------------------------------------------------------------- plots

def series(samples, configs, figures, value):
    """{label: [Spread or None]} of the configurations that have at least one Spread."""
    out = {report.label(c): [value(c, f) for f in figures] for c in configs}
    return {name: values for name, values in out.items() if any(values)}


# One configuration has one colour in all plots.
COLOURS = {report.label(name): colour for name, colour in
           zip(("ours", "rival", "no-msi", "none", "cmdqv", "rival-cmdqv"), svg.COLOURS)}


def plots(result, directory):
    """Write all plots."""
    samples = Samples(result["samples"])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in drawn(samples).items():
        (directory / f"{name}.svg").write_text(text)


def drawn(samples):
    """{name: SVG}"""
    cpus = sorted({int(f.split("-")[2]) for f in samples.figures("read-4k-")})
    singles = [f for f in report.timed_figures(samples) if not re.fullmatch(r"read-.*-[2-9]", f)]
    small = [f"read-4k-{n}" for n in cpus]
    vcpu = [f"{n} vCPU" + "s" * (n > 1) for n in cpus]
    vsmmu = ("ours", "rival", "no-msi", "cmdqv", "rival-cmdqv")

    def ratio(c, f):
        return samples.ratio(c, "none", f)
    out = {"times": svg.bars(
        "Time of an operation, as a multiple of that without a vIOMMU", "lower is better",
        [f.removesuffix("-1") for f in singles], series(samples, vsmmu, singles, ratio), COLOURS)}
    out["exits"] = svg.bars(
        "Exits to QEMU for each read of 4 KiB", "exits", vcpu,
        series(samples, vsmmu, small, lambda c, f: samples.of(c, f, "to_qemu", "ops")),
        COLOURS)
    out["scaling"] = svg.lines(
        "Reads of 4 KiB in a second, as a multiple of those with 1 vCPU", "higher is better", cpus,
        series(samples, ("ours", "rival", "none", "cmdqv"), small, lambda c, f: samples.gain(c, f, small[0])), "vCPUs",
        COLOURS)
    batches = sorted(samples.figures("batch-"), key=lambda f: int(f[6:]))
    out["batches"] = svg.bars(
        "ioctls for a batch, by its number of TLBI commands", "ioctls", [f[6:] for f in batches],
        series(samples, ("ours", "rival"), batches, lambda c, f: samples.of(c, f, "ioctls")),
        COLOURS)
    boots = sorted(samples.figures("boot"), key=lambda f: int(f[5:] or 1))
    out["boot"] = svg.bars(
        "Time from start to login, by the number of vSMMUs", "seconds", [f[5:] or "1" for f in boots],
        series(samples, ("ours", "rival", "none"), boots, lambda c, f: samples.of(c, f, "seconds")),
        COLOURS)
    out["estimate"] = estimate(samples)
    return out


def estimate(samples):
    """CPU time against the rate of unmaps; the title says that it is an estimate."""
    rates = (10, 25, 50, 100, 200)
    hardware = model.measured(samples, "cmdqv", "4k", 4)
    least = "a queue in hardware" if hardware else "floor"
    known = {least: hardware or model.FLOOR}
    for name, config in (("ours, 4 vCPUs", "ours"), ("rival, 4 vCPUs", "rival")):
        found = model.measured(samples, config, "4k", 4)
        if found:
            known = {name: found, **known}
    data = {name: [Spread(*(100 * model.share(c, 1000 * r, w) for w in (0.5, 0, 1)), 1) for r in rates]
            for name, c in sorted(known.items(), key=lambda item: -item[1].cost())}
    colours = dict(zip(("ours, 4 vCPUs", "rival, 4 vCPUs", least), svg.COLOURS))
    return svg.lines("ESTIMATE: CPU time of unmaps on a server, middle and range of the prices",
                     "% of one CPU", rates, data, "thousand unmaps in a second", colours)
