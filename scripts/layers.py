#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the modules with the table of layers in ARCHITECTURE.md: layers.py [DIRECTORY]; prints TAP.

A module is X.c with its header X.h. A header of which the table has a line of its own is shared by several modules. A
module uses another one if it includes its header, or has the name of a function or table that is defined there. Calls
through pointers, such as the hooks of a class, are not seen.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("hw/arm/*.c", "hw/vfio/*.c", "backends/*.c")
HEADERS = ("hw/arm/*.h", "hw/vfio/*.h", "include/*/*.h", "include/*/*/*.h")
SHORT = "smmuv3-accel-"     # "-x" in the table is this and x
ROW = re.compile(r"^\| (\w[\w -]*?)( \(pure\))? \| (.*) \|$")
NOT_CODE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
FUNCTION = re.compile(r"^(?!static|typedef)[A-Za-z_][\w *\n]*?\b(\w+)\([^;{]*?\)\s*\{", re.M)
TABLE = re.compile(r"^(?:const )?\w+ (\w+)(?:\[\w*\])? = \{", re.M)
# What a module that only decides has no use for: devices, properties, system calls.
ACTS = re.compile(r'#include ["<]((?:qom/|hw/qdev|sys/|linux/|system/iommufd(?:-viommu)?\.h)[^">]*)|\b(ioctl|mmap)\(')


class Layers:
    def __init__(self, page):
        self.level = {}
        self.pure = set()
        table = page.read_text().split("<!-- layers -->")[1].split("<!-- /layers -->")[0]
        rows = [row for row in map(ROW.match, table.splitlines()) if row and row[1] != "layer"]
        for level, (_, pure, modules) in enumerate(row.groups() for row in reversed(rows)):
            for name in re.findall(r"`([\w.-]+)`", modules):
                name = SHORT + name[1:] if name.startswith("-") else name
                self.level[name] = level
                if pure:
                    self.pure.add(name)


class Code:
    def __init__(self, root, layers):
        self.text = {}      # {module or shared header: its code}
        calls = {}          # {module: the code of its .c file, without comments and strings}
        self.uses = {}      # {module or shared header: {another: the name that it uses}}
        for path in sorted(path for pattern in SOURCES + HEADERS for path in root.glob(pattern)):
            name = path.name if path.name in layers.level else path.stem
            self.text[name] = self.text.get(name, "") + path.read_text()
            if path.suffix == ".c":
                calls[name] = NOT_CODE.sub(" ", path.read_text())
        # The stubs define the same names for another build.
        defined = {name: module for module, text in calls.items() if not module.endswith("-stub")
                   for name in FUNCTION.findall(text) + TABLE.findall(text)}
        for module in self.text:
            text = calls.get(module, "")
            used = {defined[name]: name for name in re.findall(r"\w+", text) if name in defined}
            for header in re.findall(r'#include "(?:[\w/]*/)?([\w.-]+)\.h"', self.text[module]):
                owner = f"{header}.h" if f"{header}.h" in self.text else header
                if owner in self.text:
                    used[owner] = f"{header}.h"
            used.pop(module, None)
            self.uses[module] = used


def circle(uses):
    """The first circle of modules that use each other, or []."""
    done = set()

    def search(module, path):
        if module in path:
            return path[path.index(module):] + [module]
        if module in done:
            return []
        for other in uses[module]:
            found = search(other, path + [module])
            if found:
                return found
        done.add(module)
        return []
    return next(filter(None, (search(module, []) for module in uses)), [])


def upward(code, layers):
    for module, used in sorted(code.uses.items()):
        for other, name in sorted(used.items()):
            if layers.level.get(other, 0) > layers.level.get(module, 99):
                yield f"{module} uses {name} of {other}, which is in a higher layer"


def impure(code, layers):
    for module in sorted(layers.pure & set(code.text)):
        for found in ACTS.finditer(code.text[module]):
            yield f"{module} is said to be pure, but has {found[1] or found[2]}"


def missing(code, layers):
    for module in sorted(set(code.text) - set(layers.level)):
        if not module.endswith("-stub"):
            yield f"{module} is in no layer"
    for module in sorted(set(layers.level) - set(code.text)):
        yield f"there is no module {module}"


def main():
    root = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT
    layers = Layers(root / "ARCHITECTURE.md")
    code = Code(root, layers)
    found = circle(code.uses)
    tests = (("the table of layers in ARCHITECTURE.md has each module", list(missing(code, layers))),
             ("no module uses a module of a higher layer", list(upward(code, layers))),
             ("no modules use each other in a circle", [" -> ".join(found)] if found else []),
             ("modules that only decide do not act", list(impure(code, layers))))
    for number, (name, problems) in enumerate(tests, 1):
        print(f"{'not ok' if problems else 'ok'} {number} {name}")
        for problem in problems:
            print(f"# {problem}")
    return any(problems for _, problems in tests)


sys.exit(main())
