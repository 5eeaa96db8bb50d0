# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws a topology as SVG, without a package or a script; legible on light and on dark."""

from xml.sax.saxutils import escape

from .topology import HEADS

# As in docs/system/arm/smmuv3-accel-topology.svg.
STYLE = """
  .ground { fill: #ffffff; stroke: #d0d7de }
  .band { fill: none; stroke: #8c959f; stroke-dasharray: 5 4 } .frame { fill: none; stroke: #8c959f }
  .guest { fill: #ddf4ff; stroke: #0969da } .qemu { fill: #fff1e5; stroke: #bc4c00 }
  .kernel { fill: #dafbe1; stroke: #1a7f37 } .hard, .plain { fill: #eaeef2; stroke: #57606a }
  .stop { fill: #ffebe9; stroke: #cf222e }
  text { font: 13px sans-serif; fill: #24292f }
  .small { font-size: 11.5px; fill: #57606a } .bold { font-weight: bold }
  .arrow { fill: none; stroke: #57606a; stroke-width: 1.4; marker-end: url(#tip) }
  .line { fill: none; stroke: #57606a; stroke-width: 1.4 } .tip { fill: #57606a }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #30363d } .band, .frame { stroke: #6e7681 }
    .guest { fill: #0c2d6b; stroke: #58a6ff } .qemu { fill: #5a1e02; stroke: #f0883e }
    .kernel { fill: #033a16; stroke: #3fb950 } .hard, .plain { fill: #21262d; stroke: #8b949e }
    .stop { fill: #67060c; stroke: #f85149 }
    text { fill: #e6edf3 } .small { fill: #9ea7b3 }
    .arrow, .line { stroke: #9ea7b3 } .tip { fill: #9ea7b3 }
  }
"""
TIP = ('<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
       'orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker>')

BANDS = ((12, 316), (344, 264), (624, 264))     # (x, width) of each column
WIDTH = 900
TOP, STEP, BOX, INDENT = 56, 46, 38, 22
HEAD, FOOT = 26, 18                             # of the frame of a root complex


def draw(complexes, title="A guest, the objects of the kernel behind it, and the hardware"):
    parts, y = [], TOP
    for root in complexes:
        height = HEAD + max(len(root.rows), 1) * STEP - (STEP - BOX) + 10
        x, width = BANDS[0]
        parts.append(f'<rect class="frame" x="{x + 8}" y="{y}" width="{width - 16}" height="{height}" rx="4"/>')
        parts.append(text(x + 18, y + 18, root.title, "bold"))
        if not root.rows:
            parts.append(text(x + 18, y + HEAD + 20, "no function", "small"))
        parts += rows(root.rows, y + HEAD)
        y += height + FOOT
    bottom = y - FOOT + 12
    bands = []
    for (x, width), head in zip(BANDS, HEADS):
        bands.append(f'<rect class="band" x="{x}" y="12" width="{width}" height="{bottom - 12}" rx="6"/>')
        bands.append(text(x + 10, 32, head, "bold"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 12}" width="{WIDTH}" '
        f'height="{bottom + 12}" role="img">',
        f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", TIP,
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{bottom + 11}" rx="8"/>',
        *bands, *parts, "</svg>"]) + "\n"


def text(x, y, words, kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x}" y="{y}">{escape(words)}</text>'


def rows(table, y):
    parts, above = [], [[], [], []]     # of each column: the boxes that can have a branch
    for n, row in enumerate(table):
        top = y + n * STEP
        ends = [None, None, None]
        for column, item in enumerate((row.guest, row.kernel, row.hard)):
            if item:
                ends[column] = box(parts, column, item, top, above[column])
        for left, right in zip(ends, ends[1:]):
            if row.link and left and right:
                middle = top + BOX / 2
                parts.append(f'<path class="arrow" d="M{left[1]} {middle:g}H{right[0]}"/>')
    return parts


def box(parts, column, item, top, above):
    """Draw an item and the branch that leads to it; returns its left and right edge.

    above: [depth, where its last branch starts] of the boxes that it can belong to.
    """
    start, width = BANDS[column]
    left, right = start + 16 + item.depth * INDENT, start + width - 16
    if not item.name:
        parts.append(text(left, top + 14, item.note, "small"))
        return None
    while above and above[-1][0] >= item.depth:
        above.pop()
    if above:
        # Down from the box that it belongs to, or from the branch before this one.
        x, middle = start + 16 + above[-1][0] * INDENT + INDENT / 2, top + BOX / 2
        parts.append(f'<path class="line" d="M{x:g} {above[-1][1]:g}V{middle:g}H{left}"/>')
        above[-1][1] = middle
    above.append([item.depth, top + BOX])
    parts.append(f'<rect class="{item.kind}" x="{left}" y="{top}" width="{right - left}" height="{BOX}" rx="4"/>')
    room = right - left - 20
    parts.append(text(left + 10, top + (16 if item.note else 24), cut(item.name, room / 7.6)))
    if item.note:
        parts.append(text(left + 10, top + 31, cut(item.note, room / 6.6), "small"))
    return left, right


def cut(words, most):
    """Words that fit, by the usual width of a letter."""
    return words if len(words) <= most else words[:int(most) - 1] + "…"
