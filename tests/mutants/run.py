#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to break the code, and the tests that notice.  See tests/mutants/README.md.

    run.py check TREE       fails if a mutant does not apply to this tree, or names a test that does not exist
    run.py targets [NAME]   prints the programs to build for these mutants
    run.py run [NAME]       tries them, or all, in $BUILD/mutants, and writes docs/tests/mutants.md
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/tests/mutants.md"
# Runs longer than any of the programs: what takes more time hangs.
LIMIT_S = {"unit": 60, "qtest": 240}


class MutantError(Exception):
    pass


@dataclass
class Mutant:
    name: str
    place: str                  # in the list, for messages
    file: str = ""
    why: str = ""
    killers: list = field(default_factory=list)
    hunks: list = field(default_factory=list)   # (old text, new text)

    def apply(self, text):
        text = "\n" + text     # lines match as a whole
        for old, new in self.hunks:
            found = text.count("\n" + old)
            if found != 1:
                raise MutantError(f"{self.place}: mutant {self.name} is stale: {self.file} has its old lines "
                                  f"{found} times")
            text = text.replace("\n" + old, "\n" + new)
        return text[1:]


# The list

def hunk(lines):
    """(old, new) of a hunk like that of a patch, without line numbers"""
    old = [line[1:] for line in lines if line[:1] in (" ", "-", "")]
    new = [line[1:] for line in lines if line[:1] in (" ", "+", "")]
    return "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)


def parse_one(place, text):
    head, _, body = text.partition("\n\n")
    name, *lines = head.splitlines()
    mutant = Mutant(name.strip(), place)
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "file":
            mutant.file = value
        elif key == "killed by":
            mutant.killers = value.split()
        else:
            mutant.why = f"{mutant.why} {line}".strip()
    mutant.hunks = [hunk(part.strip("\n").splitlines()) for part in re.split(r"^@@$", body, flags=re.M)]
    for missing in [key for key in ("file", "why", "killers") if not getattr(mutant, key)]:
        raise MutantError(f"{place}: mutant {mutant.name} has no {missing}")
    if any(old == new or not old for old, new in mutant.hunks):
        raise MutantError(f"{place}: mutant {mutant.name} changes nothing")
    return mutant


def parse(path):
    place = path.relative_to(ROOT)
    return [parse_one(place, part) for part in re.split(r"^mutant: ", path.read_text(), flags=re.M)[1:]]


def mutants():
    found = [mutant for path in sorted(HERE.glob("*.txt")) for mutant in parse(path)]
    names = [mutant.name for mutant in found]
    for name in {name for name in names if names.count(name) > 1}:
        raise MutantError(f"two mutants are called {name}")
    return found


def select(names):
    found = mutants()
    for name in set(names) - {mutant.name for mutant in found}:
        raise MutantError(f"no mutant is called {name}")
    return [mutant for mutant in found if not names or mutant.name in names]


# Tests: "test-x" is a unit test, "x-test" a qtest, and "lab:x" a scenario

def kind(test):
    return "lab" if test.startswith("lab:") else "unit" if test.startswith("test-") else "qtest"


def program(test):
    return f"tests/{kind(test)}/{test}"


def unit_tests():
    """our unit tests of QEMU's code; those of smmuv3-spec are not concerned"""
    paths = sorted((ROOT / "tests/unit").glob("test-*.c"))
    return [path.stem for path in paths if not re.search(r"-spec|-baseline", path.stem)]


def targets(chosen):
    needed = {program(test) for test in unit_tests()}
    needed |= {program(test) for mutant in chosen for test in mutant.killers if kind(test) == "qtest"}
    if any(kind(test) == "qtest" for mutant in chosen for test in mutant.killers):
        needed.add("qemu-system-aarch64")
    return sorted(needed)


def check(tree):
    found = mutants()
    scenarios = "".join(path.read_text() for path in (ROOT / "tests/lab/scenarios").glob("*.py"))
    for mutant in found:
        mutant.apply((tree / mutant.file).read_text())
        for test in mutant.killers:
            if kind(test) == "lab":
                exists = f"def {test[4:]}(" in scenarios
            else:
                exists = (ROOT / f"{program(test)}.c").exists()
            if not exists:
                raise MutantError(f"{mutant.place}: mutant {mutant.name}: there is no test {test}")
    print(f"{len(found)} mutants apply")


# A run

class Bench:
    def __init__(self, build):
        self.dir = build / "mutants"
        self.tree = self.dir / "tree"
        self.obj = self.dir / "obj"

    def build(self, tests):
        """None, or the error"""
        wanted = {program(test) for test in tests}
        if any(kind(test) == "qtest" for test in tests):
            wanted.add("qemu-system-aarch64")
        env = dict(os.environ, BUILD=str(self.dir), TREE_ONLY="1", ONLY=" ".join(sorted(wanted)))
        done = subprocess.run([ROOT / "scripts/build", "native"], env=env, capture_output=True, text=True)
        return done.stderr if done.returncode else None

    def environment(self):
        unit = Path("tests/unit")
        return dict(os.environ, G_TEST_SRCDIR=str(self.tree / unit), G_TEST_BUILDDIR=str(self.obj / unit),
                    QTEST_QEMU_BINARY="./qemu-system-aarch64", MALLOC_PERTURB_="165")

    def case(self, test, output):
        """the case that was not reported as passed"""
        failed = re.search(r"^not ok (?:\d+ )?(?:- )?(\S+)", output, re.M)
        if failed:
            return failed.group(1)
        listed = subprocess.run([f"./{program(test)}", "-l"], cwd=self.obj, env=self.environment(),
                                capture_output=True, text=True)
        cases = re.findall(r"^/\S+", listed.stdout, re.M)
        passed = len(re.findall(r"^ok \d+ ", output, re.M))
        return cases[passed] if passed < len(cases) else "its end"

    def failure(self, test):
        """None if the test passes, or the case that fails"""
        try:
            done = subprocess.run([f"./{program(test)}", "--tap", "-k"], cwd=self.obj, env=self.environment(),
                                  capture_output=True, text=True, errors="replace", timeout=LIMIT_S[kind(test)])
        except subprocess.TimeoutExpired as late:
            return f"{self.case(test, (late.stdout or b'').decode(errors='replace'))} does not end"
        return self.case(test, done.stdout) if done.returncode else None

    def killer(self, tests):
        """(test, case) of the first that fails"""
        for test in tests:
            case = self.failure(test)
            if case:
                return test, case
        return None

    def lab_killer(self, test):
        env = dict(os.environ, BUILD=str(self.dir), TREE_ONLY="1")
        env.pop("ONLY", None)
        done = subprocess.run([ROOT / "scripts/lab", "check", test[4:]], env=env, capture_output=True, text=True)
        return (test, "the scenario") if done.returncode else None

    def try_tests(self, mutant, tests):
        """(test, case) of the first that fails"""
        error = self.build(tests) if tests else None
        if error:
            raise MutantError(f"mutant {mutant.name} does not build:\n{error}")
        return self.killer(tests)

    def judge(self, mutant):
        """(test, case), or None for a survivor"""
        named = [test for test in mutant.killers if kind(test) != "lab"]
        others = [test for test in unit_tests() if test not in named]
        for tests in [[test] for test in named] + [others]:
            found = self.try_tests(mutant, tests)
            if found:
                return found
        for test in mutant.killers:
            if kind(test) == "lab" and os.environ.get("LAB"):
                return self.lab_killer(test)
        return None

    def run(self, mutant):
        path = self.tree / mutant.file
        text = path.read_text()
        path.write_text(mutant.apply(text))
        try:
            return self.judge(mutant)
        finally:
            path.write_text(text)


def is_left_to_lab(mutant):
    return all(kind(test) == "lab" for test in mutant.killers) and not os.environ.get("LAB")


def check_unbroken(bench, chosen):
    tests = {test for mutant in chosen for test in mutant.killers if kind(test) != "lab"} | set(unit_tests())
    error = bench.build(tests)
    if error:
        raise MutantError(f"the tree does not build without a mutant:\n{error}")
    failed = bench.killer(sorted(tests))
    scenarios = {test for mutant in chosen for test in mutant.killers if kind(test) == "lab"}
    for test in sorted(scenarios) if os.environ.get("LAB") and not failed else ():
        failed = failed or bench.lab_killer(test)
    if failed:
        raise MutantError(f"{failed[0]} fails without a mutant: {failed[1]}")


def verdict(mutant, found):
    """(word, test, case)"""
    if found:
        word = "killed" if found[0] in mutant.killers else "by another"
        return word, *found
    return ("lab", mutant.killers[0], "not tried") if is_left_to_lab(mutant) else ("survived", "", "")


def attempt(bench, mutant):
    """(word, test, case)"""
    try:
        return verdict(mutant, None if is_left_to_lab(mutant) else bench.run(mutant))
    except MutantError as error:
        print(error, file=sys.stderr)
        return "invalid", "", ""


def digest(mutant):
    return hashlib.sha256(repr((mutant.file, mutant.hunks)).encode()).hexdigest()


class Results:
    """What was found out about each mutant, also by earlier runs of some of them"""

    def __init__(self, path):
        self.path = path
        self.found = json.loads(path.read_text()) if path.exists() else {}

    def add(self, mutant, word, test, case, seconds):
        self.found[mutant.name] = [digest(mutant), word, test, case, seconds]
        self.path.write_text(json.dumps(self.found, indent=1))

    def of(self, mutant):
        """[word, test, case, seconds], or None if the mutant has not been tried as it is now"""
        entry = self.found.get(mutant.name)
        return entry[1:] if entry and entry[0] == digest(mutant) else None


def run(names):
    bench = Bench(Path(os.environ["BUILD"]))
    chosen = select(names)
    results = Results(bench.dir / "results.json")
    check_unbroken(bench, chosen)
    words = []
    for mutant in chosen:
        begin = time.monotonic()
        word, test, case = attempt(bench, mutant)
        seconds = time.monotonic() - begin
        results.add(mutant, word, test, case, seconds)
        words.append(word)
        print(f"{word:10} {mutant.name}: {test} {case} ({seconds:.0f} s)", flush=True)
    bench.build({test for mutant in chosen for test in mutant.killers if kind(test) != "lab"})
    bad = words.count("survived") + words.count("invalid")
    print(f"{len(words)} mutants, {words.count('survived')} survived, {words.count('invalid')} invalid")
    write_page([(mutant, results.of(mutant)) for mutant in mutants()])
    return 1 if bad else 0


# The page

TOP = """# Ways to break the code, and the tests that notice

`make mutants` breaks the code in each of these ways, one at a time, and runs the tests. Each is a mistake that a maintainer
could make. `tests/mutants/` has the lines; [its README](../../tests/mutants/README.md) explains their form. `make mutants`
writes this page.

"""


def write_page(results):
    """unless a mutant has not been tried as it is now"""
    if not all(result for _, result in results):
        return
    words = [word for _, (word, *_) in results]
    minutes = sum(seconds for _, (*_, seconds) in results) / 60
    open_ = words.count("survived") + words.count("invalid")
    lines = [TOP, f"**{len(words)} mutants: {len(words) - open_ - words.count('lab')} killed by tests that need no host, "
             f"{open_} not killed, {words.count('lab')} left to the lab.** They took {minutes:.0f} minutes on "
             f"{os.cpu_count()} CPUs.\n"]
    files = [mutant.file for mutant, _ in results]
    place = None
    for mutant, (_, test, case, _) in sorted(results, key=lambda result: files.index(result[0].file)):
        if mutant.file != place:
            place = mutant.file
            lines.append(f"\n## {place}\n\n| mutant | mistake | noticed by |\n|---|---|---|\n")
        noticed = f"`{test}`: {case}" if test else "**nothing**"
        lines.append(f"| {mutant.name} | {mutant.why} | {noticed} |\n")
    PAGE.write_text("".join(lines))


def main(command="", *args):
    if command == "check" and len(args) == 1:
        check(Path(args[0]))
    elif command == "targets":
        print("\n".join(targets(select(args))))
    elif command == "run":
        return run(args)
    else:
        sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except MutantError as error:
        sys.exit(f"mutants: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
