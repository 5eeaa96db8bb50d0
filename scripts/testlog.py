#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Summarises meson's test log: testlog.py PART LOG.json TEXTLOG [REASON]

Prints a line for each program with the number of its cases (TAP), and the names of the failed and skipped cases.
Lines that begin with "@" have the numbers for the caller. REASON says why the caller omitted cases.
"""
import json
import sys

sys.dont_write_bytecode = True
import tap      # noqa: E402


def cases(text):
    """(passed, [failed], {reason: [skipped]}) of one program's output"""
    passed, failed, skipped = 0, [], {}
    for case in filter(None, map(tap.parse, text.splitlines())):
        if case.verdict == "skip":
            skipped.setdefault(case.reason, []).append(case.name)
        elif case.verdict == "fail":
            failed.append(case.name)
        else:
            passed += 1
    return passed, failed, skipped


def tell(part, test, textlog, left_out):
    name = test["name"].split(" / ")[-1].removeprefix("qtest-aarch64/")
    out = test.get("stdout", "")
    passed, failed, skipped = cases(out)
    result = test["result"]
    if result == "SKIP" and not skipped:
        last = (out.strip().splitlines() or ["no reason given"])[-1]
        skipped = {"this build has no case for it" if last == "1..0" else last: [name]}
    if result in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS") and not failed:
        failed = [f"{result.lower()} after {test['duration']:.0f} s"]
    if result in ("OK", "EXPECTEDFAIL") and not passed and not skipped:
        passed = 1
    skips = sum(map(len, skipped.values()))
    total = passed + len(failed) + skips
    word = "not ok" if failed else "ok" if passed else "skip"
    print(f"{word:8} {part}: {name} ({passed} of {total}, {test['duration']:.1f} s)")
    for case in failed:
        print(f"           failed: {case}")
    for reason, names in skipped.items():
        if reason.startswith("by request"):
            reason = left_out
        print(f"           skipped: {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}: {reason}")
    if failed:
        tail = (out + "\n" + test.get("stderr", "")).strip().splitlines()
        tail = [line for line in tail if not line.startswith(("ok ", "# "))]
        print("\n".join("             " + line for line in tail[-15:]))
        print(f"           the whole output is in {textlog}")
    print(f"@pass {passed}\n@fail {len(failed)}\n@skip {skips}")


def main():
    part, log, textlog, left_out = (sys.argv[1:] + [""])[:4]
    with open(log, encoding="utf-8") as lines:
        tests = [json.loads(line) for line in lines]
    for test in sorted(tests, key=lambda test: test["name"]):
        tell(part, test, textlog, left_out)


main()
