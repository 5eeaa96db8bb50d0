#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that the pages of arm-smmuv3-accel are correct.

  check.py OBJ          runs the console blocks of the tutorial and of the troubleshooting page with the programs of a
                        build directory, and compares the output; searches the output of the unit tests and the lab for
                        every other message of the pages; searches the pages for every message of the code; and looks
                        for each test that the security page names.
                        Prints TAP.
  check.py --programs   prints the unit tests that this needs, as targets of the build
"""

import re
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

import blocks
import messages
import names
import transcript

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: ROOT / f"docs/system/arm/smmuv3-accel{suffix}.rst"
         for name, suffix in (("tutorial", "-tutorial"), ("troubleshooting", "-troubleshooting"), ("reference", ""))}
SECURITY = ROOT / "docs/system/arm/smmuv3-accel-security.rst"
SPELLINGS = ("-device arm-smmuv3-accel,", "-device arm-smmuv3,accel=on,")


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def result(self, name, problems):
        self.count += 1
        self.failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} {name}", flush=True)
        for problem in problems:
            for line in problem.splitlines():
                print(f"# {line}")


def read(name):
    return blocks.read(PAGES[name].read_text())


def malformed():
    """XML on the pages, and diagrams, that cannot be parsed."""
    texts = {path.name: path.read_text() for path in PAGES["reference"].parent.glob("smmuv3-accel*.svg")}
    for name in PAGES:
        texts.update({f"{name}, line {block.line}": "<x xmlns:qemu='x'>" + "\n".join(block.lines) + "</x>"
                      for block in read(name) if block.language == "xml"})
    for name, text in texts.items():
        try:
            xml.etree.ElementTree.fromstring(text)
        except xml.etree.ElementTree.ParseError as error:
            yield f"{name}: {error}"


def untraced(obj):
    """Trace lines on the page that match no event, by its name and the words between its values."""
    formats = {}
    texts = [(obj.parent / f"tree/{where}/trace-events").read_text() for where in ("hw/arm", "hw/vfio", "backends")]
    for line in "\n".join(texts).splitlines():
        event = re.match(r'(?:disable )?(\w+)\(.*?\) (".*)', line)
        if event:
            text = re.sub(r'"([^"]*)"\s*(?:PRI(\w+))?\s*', lambda m: m[1] + (m[2] or ""), event[2])
            values = re.split(r"%[-0-9.]*(?:ll|l|h|z)?[a-zA-Z](?:32|64)?", text)
            formats[event[1]] = r"\s" + ".*".join(re.escape(words) for words in values)
    for number, line in enumerate(PAGES["reference"].read_text().splitlines(), 1):
        shown = re.match(r"    ((?:smmuv3|iommufd|vfio)_\w+)(\s.*)", line)
        if shown and not re.fullmatch(formats.get(shown[1], "(?!)"), shown[2]):
            yield f"reference, line {number}: {line.strip()}"
        for name in re.findall(r"``(smmuv3_accel_\w+)``", line):
            if name not in formats:
                yield f"reference, line {number}: there is no event {name}"


def main():
    if sys.argv[1:] == ["--programs"]:
        print("\n".join(f"tests/unit/{name}" for name in messages.programs(read("troubleshooting"))))
        return 0
    obj = Path(sys.argv[1]).resolve()
    tap = Tap()
    for page, spellings in (("tutorial", SPELLINGS), ("troubleshooting", SPELLINGS[:1])):
        for spelling in spellings:
            with tempfile.TemporaryDirectory() as directory:
                problems = transcript.replay(read(page), directory, obj, (SPELLINGS[0], spelling))
            tap.result(f"{page}: the commands have the output of the page, with {spelling[:-1]}", problems)
    said = messages.of_programs(read("troubleshooting"), obj)
    for page in ("tutorial", "troubleshooting"):
        tap.result(f"{page}: a test shows each message that no command here can show",
                   messages.unshown(ROOT, read(page), said))
    tap.result("every message of the code is on the troubleshooting page",
               messages.missing(ROOT, read("troubleshooting")))
    tap.result("XML on the pages, and diagrams, are well-formed", list(malformed()))
    tap.result("security: the tests that it names exist", names.unknown(ROOT, SECURITY.read_text()))
    tap.result("reference: the trace lines are those of the events", list(untraced(obj)))
    print(f"1..{tap.count}")
    return tap.failed > 0


sys.exit(main())
