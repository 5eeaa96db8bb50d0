#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the results of tests in the Test Anything Protocol: tap.py PART LOG TALLY <RESULTS

Prints a line for each test as soon as it arrives, and adds "pass", "fail" or "skip" to TALLY.
"""
import re
import sys
from dataclasses import dataclass

LINE = re.compile(r"^(?P<bad>not )?ok\b *\d* *(?:- )?(?P<name>.*?)(?: *# *(?P<directive>SKIP|TODO)\b *(?P<reason>.*))?$",
                  re.IGNORECASE)


@dataclass
class Case:
    name: str
    verdict: str        # "pass", "fail" or "skip"
    reason: str = ""    # why it was skipped


def parse(line):
    """The result in a line, or None; subtests are indented and do not count."""
    if line.startswith("Bail out!"):
        return Case(line, "fail")
    match = LINE.match(line)
    if not match:
        return None
    directive = (match["directive"] or "").upper()
    if directive == "SKIP":
        return Case(match["name"], "skip", match["reason"] or "no reason given")
    return Case(match["name"], "fail" if match["bad"] and not directive else "pass")


def main():
    part, log, tally = sys.argv[1:]
    failed = False      # whether the comments that follow explain a failure
    with open(tally, "a", encoding="utf-8") as verdicts:
        for line in sys.stdin:
            case = parse(line.rstrip("\n"))
            if not case:
                if failed and line.startswith("#"):
                    print(f"         {line}", end="", flush=True)
                continue
            failed = case.verdict == "fail"
            verdicts.write(f"{case.verdict}\n")
            verdicts.flush()
            word = {"pass": "ok", "fail": "not ok", "skip": "skip"}[case.verdict]
            more = {"pass": "", "fail": f"   (more in {log})", "skip": f": {case.reason}"}[case.verdict]
            print(f"{word:8} {part}: {case.name}{more}", flush=True)


if __name__ == "__main__":
    main()
