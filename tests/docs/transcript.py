# SPDX-License-Identifier: GPL-2.0-or-later
"""Run console blocks and compare their output.

The caption of a block names its terminal.  "..." stands for any text, and a page may break lines at spaces.  A block is
not run if the comment in front names another test.  A block of the language "shell" is a command that starts a machine,
which must not print anything.
"""

import difflib
import re
import time

import blocks
from terminal import Terminal

QUIT = r"""printf '{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n' | """


def matches(expected, got):
    pattern = r"\s*".join(re.escape(word).replace(re.escape("..."), ".*?") for word in " ".join(expected).split())
    return re.fullmatch(pattern, " ".join(" ".join(got).split()), re.DOTALL) is not None


def compare(number, command, expected, got):
    if matches(expected, got):
        return []
    diff = difflib.unified_diff(expected, [line.rstrip() for line in got], "the page", "now", lineterm="")
    return [f"line {number}: {command}\n" + "\n".join(diff)]


def starts(terminal, block):
    """Run the command of a shell block; it must exit at "quit", without output."""
    command = "\n".join(block.lines)
    got = terminal.type(f"{QUIT}{command} -qmp stdio 2>&1 >/dev/null; echo status $?")
    return compare(block.line, command, ["status 0"], got)


def typed(terminal, block, respelled):
    problems = []
    for number, prompt, command, expected in blocks.exchanges(block):
        if prompt != terminal.prompt:
            return problems + [f"line {number}: the prompt is {prompt!r} on the page, {terminal.prompt!r} in the terminal"]
        expected = [respelled(line) for line in expected]
        got = terminal.type(respelled(command))
        # The operation may still be under way, as for a user who types fast.
        deadline = time.monotonic() + 5
        while command.startswith("info ") and not matches(expected, got) and time.monotonic() < deadline:
            time.sleep(0.1)
            got = terminal.type(command)
        problems += compare(number, command, expected, got)
    return problems


def replay(page, directory, obj, spelling):
    """Run all blocks of a page; returns the differences."""
    terminals, problems = {}, []
    try:
        for block in page:
            if block.shown or block.language not in ("console", "shell"):
                continue
            name = block.caption if block.language == "console" else ""
            terminal = terminals.get(name)
            if not terminal:
                terminal = terminals[name] = Terminal(directory, f"{obj}:{obj}/tools/smmuv3-spec")
            if block.language == "shell":
                problems += starts(terminal, block)
            else:
                problems += typed(terminal, block, lambda text: text.replace(*spelling))
    except (TimeoutError, EOFError, ValueError) as error:
        problems.append(f"near line {block.line}: {error}")
    finally:
        for terminal in terminals.values():
            terminal.close()
    return problems
