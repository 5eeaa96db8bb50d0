# SPDX-License-Identifier: GPL-2.0-or-later
"""The code blocks of a page in reStructuredText, with the comment in front of each."""

import dataclasses
import re

DIRECTIVE = re.compile(r"^( *)\.\. code-block:: *(\w+)\s*$")
SHOWN = re.compile(r"^ *\.\. shown by: (.*)$")


@dataclasses.dataclass
class Block:
    language: str
    line: int               # number of its first line of text
    lines: list
    caption: str = ""       # the terminal in which it runs
    shown: tuple = ()       # tests that show it, if it cannot run here; from the comment in front


def indent(line):
    return len(line) - len(line.lstrip())


def strip_blank(lines):
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def read(text):
    """All code blocks of a page."""
    lines = text.splitlines()
    found, shown, at = [], (), 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if match := SHOWN.match(line):
            shown = tuple(match[1].split())
            continue
        match = DIRECTIVE.match(line)
        if not match:
            if line.strip():
                shown = ()
            continue
        block = Block(match[2], 0, [], shown=shown)
        shown = ()
        while at < len(lines) and lines[at].strip():
            option = re.match(r"^ +:(\w+): *(.*)$", lines[at])
            if not option:
                break
            if option[1] == "caption":
                block.caption = option[2]
            at += 1
        while at < len(lines) and not lines[at].strip():
            at += 1
        margin = indent(lines[at])
        block.line = at + 1
        while at < len(lines) and (not lines[at].strip() or indent(lines[at]) >= margin > len(match[1])):
            block.lines.append(lines[at][margin:].rstrip())
            at += 1
        strip_blank(block.lines)
        found.append(block)
    return found


def exchanges(block):
    """[(line number, prompt, command, expected lines)] of a console block."""
    result, end = [], None
    for number, line in enumerate(block.lines, block.line):
        prompt = next((p for p in ("$ ", "(qemu) ") if line.startswith(p)), None)
        if result and end is not None:
            result[-1][2].append(line)
            end = None if line == end else end
        elif result and not result[-1][3] and result[-1][2][-1].endswith("\\"):
            result[-1][2].append(line)
        elif prompt:
            result.append((number, prompt, [line[len(prompt):]], []))
            here = re.search(r"<<'?(\w+)'?", line)
            end = here[1] if here else None
        elif result:
            result[-1][3].append(line)
        else:
            raise ValueError(f"line {number}: a console block begins with a prompt")
    return [(number, prompt, "\n".join(command), strip_blank(expected))
            for number, prompt, command, expected in result]
