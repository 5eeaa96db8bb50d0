# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws a topology in the terminal: up to 100 columns, in colour, with lines or in plain ASCII."""

import os

from .topology import HEADS, prefixes

COLUMNS = 100
FEWEST = 70     # in which the columns are still of use
GAP = 5         # for an arrow between two columns
COLOURS = {"guest": "36", "qemu": "33", "kernel": "32", "plain": "0", "hard": "35", "stop": "31", "head": "1", "frame": "2"}
LINES = {"+": "├ ", "L": "└ ", "|": "│ ", ".": "  ", "-": "─", "v": "│", "tl": "┌", "tr": "┐", "bl": "└", "br": "┘",
         "cross": "┼", "tip": "▸", "cut": "…"}
ASCII = {"+": "|- ", "L": "`- ", "|": "|  ", ".": "   ", "-": "-", "v": "|", "tl": "+", "tr": "+", "bl": "+", "br": "+",
         "cross": "+", "tip": ">", "cut": "~"}


class Style:
    """Characters, colours and columns that the reader of a stream can see."""

    def __init__(self, lines=False, colour=False, columns=COLUMNS):
        self.chars = LINES if lines else ASCII
        self.colour = colour
        self.columns = min(max(columns, FEWEST), COLUMNS)

    @classmethod
    def of(cls, stream, environ=None):
        environ = os.environ if environ is None else environ
        terminal = stream.isatty() and environ.get("TERM") != "dumb"
        unicode = (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"
        columns = os.get_terminal_size(stream.fileno()).columns if terminal else 0
        return cls(terminal and unicode, terminal and not environ.get("NO_COLOR"), columns or COLUMNS)

    def paint(self, kind, text):
        return f"\033[{COLOURS[kind]}m{text}\033[0m" if self.colour and text.strip() else text


def cell(item, prefix, chars):
    """(lines of the tree, name, note)"""
    lines = "".join(chars[c] for c in prefix)
    if not item:
        return lines.rstrip(), "", ""
    # What a name of hardware stands for is clear from its column.
    note = "" if item.kind == "hard" else item.note
    return lines, item.name, f"  {note}" if note and item.name else note


def draw(complexes, style):
    """The picture; every line ends with a newline."""
    tables = []
    for root in complexes:
        columns = [[getattr(row, name) for row in root.rows] for name in ("guest", "kernel", "hard")]
        trees = [[cell(item, prefix, style.chars) for item, prefix in zip(column, prefixes(column))]
                 for column in columns]
        tables.append((root, columns, trees))
    widths = [max((len("".join(c)) for _, _, trees in tables for c in trees[n]), default=0) for n in range(3)]
    widths[0] = max([widths[0], *(len(root.title) + 1 for root in complexes)])
    room = style.columns - 2 * GAP - 2
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    out = heads(widths, style)
    for root, columns, trees in tables:
        out += frame(root.title, widths[0], style, "tl", "tr")
        for n, row in enumerate(root.rows):
            out += line(row, [column[n] for column in columns], [tree[n] for tree in trees], widths, style)
        out += frame("", widths[0], style, "bl", "br")
    return out


def heads(widths, style):
    guest, kernel, hard = HEADS
    text = f"  {guest:{widths[0] + GAP}}{kernel:{widths[1] + GAP}}{hard}"
    return style.paint("head", text.rstrip()) + "\n"


def frame(title, width, style, left, right):
    chars = style.chars
    text = f" {title} " if title else ""
    text = chars["-"] + text + chars["-"] * (width + 1 - len(text))
    return style.paint("frame", chars[left] + text + chars[right]) + "\n"


def fit(parts, width, chars):
    """The parts of a cell, cut to a width."""
    out = []
    for part in parts:
        if len(part) > width:
            part = part[:max(width - 1, 0)] + chars["cut"] if width else ""
        out.append(part)
        width -= len(part)
    return out


def line(row, items, cells, widths, style):
    chars = style.chars
    text = style.paint("frame", chars["v"]) + " "
    for n, (item, parts, width) in enumerate(zip(items, cells, widths)):
        lines, name, note = fit(parts, width, chars)
        text += style.paint("frame", lines) + style.paint(item.kind if item else "frame", name) + note
        if n == 2:
            break
        rest = width - len(lines + name + note)
        arrow = row.link and item and items[n + 1]
        fill = chars["-"] if arrow else " "
        text += " " + style.paint("frame", fill * rest)
        if n == 0:
            text += style.paint("frame", chars["cross"] + fill + chars["tip"] if arrow else chars["v"]) + " "
        else:
            text += style.paint("frame", fill * 2 + chars["tip"]) + " " if arrow else ""
        if not arrow:
            text += "  " if n == 0 else " " * (GAP - 1)
    return text.rstrip() + "\n"
