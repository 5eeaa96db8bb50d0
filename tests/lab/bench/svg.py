# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes plots as SVG, without a package or a script; legible on light and on dark."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 72, 48
# The colours differ in lightness as well as in hue.
COLOURS = ("#2f6fbb", "#d9822b", "#7a7f87", "#8ab6e8", "#3f8f5f", "#a9c97a")
STYLE = """
  text { font: 13px sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: bold }
  .grid { stroke: #d0d7de } .axis { stroke: #57606a }
  .range { stroke: #24292f; stroke-width: 1.5 } .line { fill: none; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .grid { stroke: #30363d } .axis { stroke: #8b949e }
    .range { stroke: #e6edf3 }
  }
"""


def nice_ceiling(value):
    """A round number, at least the value, for an axis of five steps."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 < value:
        power *= 10
    return next(power * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if power * step >= value)


class Plot:
    """A frame with a value axis and a legend; bars() and lines() fill it."""

    def __init__(self, title, unit, series, colours):
        self.top = nice_ceiling(highest(series))
        self.colours = [(colours or {}).get(name, COLOURS[n % len(COLOURS)])
                        for n, name in enumerate(series)]
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>']
        for n in range(6):
            value = self.top * n / 5
            y = self.y(value)
            kind = "axis" if n == 0 else "grid"
            self.parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
                              f'y1="{y:.1f}" y2="{y:.1f}"/>')
            self.text(LEFT - 6, y + 4, f"{value:g}", "end")
        self.text(LEFT, 40, unit)
        self.legend(series)

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, self.top) / self.top

    def text(self, x, y, text, anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
                          f"{escape(text)}</text>")

    def legend(self, names):
        x = LEFT
        for name, colour in zip(names, self.colours):
            self.parts.append(f'<rect x="{x:.0f}" y="48" width="12" height="12" fill="{colour}"/>')
            self.text(x + 16, 58, name)
            x += 38 + 7.3 * len(name)

    def range(self, x, low, high):
        if high > low:
            self.parts.append(f'<line class="range" x1="{x:.1f}" x2="{x:.1f}" '
                              f'y1="{self.y(low):.1f}" y2="{self.y(high):.1f}"/>')

    def done(self):
        return "\n".join(self.parts) + "\n</svg>\n"


def highest(series):
    return max((s.high for values in series.values() for s in values if s), default=1)


def bars(title, unit, groups, series, colours=None):
    """groups: names on the axis; series: {name: [Spread or None for each group]}."""
    plot = Plot(title, unit, series, colours)
    step = (WIDTH - LEFT - RIGHT) / max(len(groups), 1)
    width = step * 0.8 / max(len(series), 1)
    for g, group in enumerate(groups):
        start = LEFT + g * step + step * 0.1
        plot.text(start + step * 0.4, HEIGHT - BOTTOM + 18, group, "middle")
        for n, (values, colour) in enumerate(zip(series.values(), plot.colours)):
            value = values[g]
            if not value:
                continue
            x, y = start + n * width, plot.y(value.median)
            plot.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.9:.1f}" '
                              f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{colour}"/>')
            plot.range(x + width * 0.45, value.low, value.high)
            plot.text(x + width * 0.45, min(y, plot.y(value.high)) - 4,
                      f"{value.median:.3g}", "middle")
    return plot.done()


def lines(title, unit, points, series, axis="", colours=None):
    """points: numbers on the axis, from 0 on; series as for bars()."""
    plot = Plot(title, unit, series, colours)
    scale = (WIDTH - LEFT - RIGHT - 20) / max(points, default=1)
    xs = [LEFT + scale * point for point in points]
    for x, point in zip(xs, points):
        plot.text(x, HEIGHT - BOTTOM + 18, f"{point:g}", "middle")
    plot.text(WIDTH - RIGHT, HEIGHT - BOTTOM + 36, axis, "end")
    for values, colour in zip(series.values(), plot.colours):
        known = [(x, v) for x, v in zip(xs, values) if v]
        path = " ".join(f"{x:.1f},{plot.y(v.median):.1f}" for x, v in known)
        plot.parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        for x, value in known:
            plot.parts.append(f'<circle cx="{x:.1f}" cy="{plot.y(value.median):.1f}" r="4" '
                              f'fill="{colour}"/>')
            plot.range(x, value.low, value.high)
    return plot.done()
