#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Static analysis of our C files: run.py OBJ [FILE...]

Runs gcc -fanalyzer and clang-tidy with the compile commands of the build directory OBJ. Prints the findings that
suppressions.txt does not have, and entries of it that nothing needs any more. The exit status is 1 if there are any.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FINDING = re.compile(r"^(\S+?):(\d+):\d+: (?:warning|error): (.*?)(?: \[CWE-\d+\])? \[-?W?([^][]+)\]$", re.M)
# Options of gcc that clang does not have
NOT_CLANG = ("-fzero-call-used-regs", "-ftrivial-auto-var-init", "-Wold-style-declaration", "-Wimplicit-fallthrough=",
             "-Wformat-y2k", "-Wno-", "-Wshadow=local", "-Wsuggest-attribute", "-Wmissing-format-attribute")


def our_files():
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "backends/*.c", "hw/*.c",
                            "tools/*.c"], capture_output=True, text=True, check=True).stdout
    return set(names.split())


def commands(obj):
    """{file: (directory, arguments)} without compiler launcher, output and dependencies"""
    found = {}
    for entry in json.loads((obj / "compile_commands.json").read_text()):
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        name = path.rpartition("/tree/")[2]
        if name in found or "tests/unit" in entry["output"]:
            continue
        arguments = [word for word in shlex.split(entry["command"]) if word not in ("ccache", "-MD", "-Werror")]
        for option in ("-o", "-MQ", "-MF"):
            if option in arguments:
                at = arguments.index(option)
                del arguments[at:at + 2]
        found[name] = (entry["directory"], arguments)
    return found


def gcc(directory, arguments, _):
    done = subprocess.run([*arguments, "-fanalyzer", "-o", os.devnull], cwd=directory, capture_output=True, text=True)
    return done.stderr


def tidy(directory, arguments, name):
    with tempfile.TemporaryDirectory() as database:
        options = [word for word in arguments[1:] if not word.startswith(NOT_CLANG)]
        entry = {"directory": directory, "file": arguments[-1],
                 "arguments": ["clang", "-Wno-unknown-warning-option", *options]}
        (Path(database) / "compile_commands.json").write_text(json.dumps([entry]))
        done = subprocess.run(["clang-tidy", "--quiet", "-p", database, f"--config-file={HERE / '.clang-tidy'}",
                               entry["file"]], cwd=directory, capture_output=True, text=True)
    return done.stdout + (f"{name}:0:0: error: {done.stderr} [clang-tidy]" if done.returncode else "")


def findings(name, command):
    """{(file, check, message): line}; what is in a header belongs to the file that includes it"""
    found = {}
    for tool in (gcc, tidy):
        for match in FINDING.finditer(tool(*command, name)):
            where = match[1].rpartition("/tree/")[2]
            message = re.sub("[\u2018\u2019]", "'", match[3])
            found[name, match[4], message] = f"{where}:{match[2]}"
    return found


def suppressions():
    """[(file, check, words of the message, reason)]"""
    entries = []
    for line in (HERE / "suppressions.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            entries.append(tuple(part.strip() for part in line.split("|")))
    return entries


def main(obj, *names):
    start = time.monotonic()
    available, known, used = commands(Path(obj)), suppressions(), set()
    chosen = sorted(set(names) or our_files() & set(available))
    shown = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda name: findings(name, available[name]), chosen)
        for found in results:
            for (name, check, message), where in found.items():
                entry = next((e for e in known if e[:2] == (name, check) and e[2] in message), None)
                if entry:
                    used.add(entry)
                    continue
                shown += 1
                print(f"{name}: {check}: {message} ({where})", flush=True)
    unused = [entry for entry in known if entry not in used and entry[0] in chosen]
    for entry in unused:
        print(f"suppressions.txt: nothing needs {' | '.join(entry[:3])}")
    print(f"{len(chosen)} files, {shown} findings, {len(used)} suppressed, {time.monotonic() - start:.0f} s")
    return 1 if shown or unused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
