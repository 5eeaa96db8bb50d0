#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Coverage of our C files by all tests: report.py BUILD

Reads the counts that the programs of BUILD/obj-cov have left there, and those of BUILD/obj-arm64-cov in the lab. A line counts as executed if
any of them executed it, and so does a branch. Lines that no test executes need an entry in accepted.txt. The exit status
is 1 if one has none, if an entry is not needed, or if the share of all files is below LINES or BRANCHES.
"""

import json
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
LINES, BRANCHES = 95, 90        # percent
# The last one has the counts of each host in the lab
BUILDS = (("obj-cov", "gcov"), ("obj-arm64-cov", "aarch64-linux-gnu-gcov"), ("obj-arm64-cov.counts", "aarch64-linux-gnu-gcov"))


class File:
    """The counts of one source file, from all programs."""

    def __init__(self):
        self.lines = defaultdict(int)
        self.function = {}
        self.branches = defaultdict(dict)       # by line: {index of the branch: count}

    def add(self, data):
        seen = defaultdict(int)
        for line in data["lines"]:
            number = line["line_number"]
            self.lines[number] += line["count"]
            self.function[number] = line.get("function_name", "")
            for branch in line["branches"]:
                index = seen[number]
                seen[number] += 1
                have = self.branches[number]
                have[index] = have.get(index, 0) + branch["count"]

    def blocks(self):
        """Runs of lines that nothing executes: [(function, first line, last line)]"""
        out = []
        for number in sorted(self.lines):
            if self.lines[number]:
                last = None
                continue
            if out and last == (self.function[number], out[-1][2]):
                out[-1][2] = number
            else:
                out.append([self.function[number], number, number])
            last = (self.function[number], number)
        return out


def gcov(program, path):
    done = subprocess.run([program, "--json-format", "--stdout", "--branch-probabilities", path.name], cwd=path.parent,
                          capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def outdated(note):
    """Counts of code that has been compiled again since"""
    data = note.with_suffix(".gcda")
    return data.exists() and data.stat().st_mtime < note.stat().st_mtime


def counts(build, names):
    files = {name: File() for name in names}
    with ThreadPoolExecutor() as pool:
        for directory, program in BUILDS:
            notes = [path for path in sorted((build / directory).rglob("*.gcno")) if not outdated(path)]
            for found in pool.map(lambda path, run=program: gcov(run, path), notes):
                for data in (file for one in found for file in one["files"]):
                    name = data["file"].rpartition("tree/")[2]
                    if name in files:
                        files[name].add(data)
    return files


def accepted(path):
    """{(file, function, text of the first line): reason}"""
    out = {}
    reason = ""
    for line in path.read_text().splitlines():
        if line.startswith("# "):
            reason = line[2:]
        elif line:
            out[tuple(line.split(":", 2))] = reason
    return out


def share(part, whole):
    return 100 * part / whole if whole else 100


def main():
    build = Path(sys.argv[1])
    tree = build / "tree"
    files = counts(build, (build / "coverage.files").read_text().split())
    known = accepted(HERE / "accepted.txt")
    missing, needed = [], set()
    total = [0, 0, 0, 0]
    print(f"{'file':52} {'lines':>6} {'':>6} {'branches':>9}")
    for name, file in sorted(files.items()):
        text = (tree / name).read_text().splitlines()
        for function, first, last in file.blocks():
            entry = (name, function, text[first - 1].strip())
            if entry in known:
                needed.add(entry)
            else:
                missing.append((entry, first, last))
        hits = [count for line in file.branches.values() for count in line.values()]
        part = [sum(map(bool, file.lines.values())), len(file.lines), sum(map(bool, hits)), len(hits)]
        total = [a + b for a, b in zip(total, part)]
        print(f"{name:52} {part[1]:6} {share(*part[:2]):5.1f}% {part[3]:5} {share(*part[2:]):5.1f}%")
    lines, branches = share(*total[:2]), share(*total[2:])
    print(f"{'all':52} {total[1]:6} {lines:5.1f}% {total[3]:5} {branches:5.1f}%")
    for (name, function, line), first, last in missing:
        print(f"not executed: {name}:{first}" + (f"-{last}" if last != first else "") + f" {function}(): {line}")
    for entry in known.keys() - needed:
        print("accepted.txt has an entry that is not needed: " + ":".join(entry))
    print(f"{len(missing)} blocks are not executed and not accepted, {len(needed)} are accepted")
    return bool(missing or known.keys() - needed or lines < LINES or branches < BRANCHES)


sys.exit(main())
