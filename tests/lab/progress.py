# SPDX-License-Identifier: GPL-2.0-or-later
"""The time that is left, from the durations of earlier runs.

Used by scripts/lab, which prepares a run, and by run.py, which goes on:

    progress.py start JOB     print the name of the file that describes this run, for LAB_PROGRESS
    progress.py step TEXT     print that this step of the run begins, and the time left
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import util  # noqa: E402

KEPT = 5            # runs of one kind, and durations of one scenario
KINDS = 30          # of runs
UNKNOWN = "no earlier run of this kind is known, so the time left is not shown"


# ---------------------------------------------------------------- pure parts

def human(seconds):
    """A time for people."""
    if seconds < 50:
        return f"{max(10, round(seconds / 10) * 10)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def left(runs, steps):
    """The median of what earlier runs still took from this step on; None if none of them had it.

    runs: [{"steps": [[text, start]], "total": seconds}]; steps: those of this run so far.
    """
    text, nth = steps[-1], steps.count(steps[-1])
    rest = []
    for run in runs:
        starts = [start for name, start in run["steps"] if name == text]
        if len(starts) >= nth:
            rest.append(run["total"] - starts[nth - 1])
    return statistics.median(rest) if rest else None


def of_scenarios(durations, names):
    """The time of these scenarios, and how many of them are not known."""
    known = [statistics.median(durations[name]) for name in names if durations.get(name)]
    return sum(known), len(names) - len(known)


def with_run(history, kind, run):
    """The history with one more run; those of a kind that is old go first."""
    runs = dict(history.get("runs", {}))
    runs[kind] = (runs.pop(kind, []) + [run])[-KEPT:]
    return {**history, "runs": dict(list(runs.items())[-KINDS:])}


def with_duration(history, name, seconds):
    all_ = dict(history.get("scenarios", {}))
    all_[name] = (all_.get(name, []) + [round(seconds, 1)])[-KEPT:]
    return {**history, "scenarios": all_}


# ------------------------------------------------------------------- the file

def history_file():
    return util.CACHE / "durations.json"


def load():
    try:
        history = json.loads(history_file().read_text())
        return history if isinstance(history, dict) else {}
    except (OSError, ValueError):
        return {}


def save(change, *args):
    """Apply a change to the history.  It is a hint, so a lost race costs nothing."""
    path = history_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(change(load(), *args), indent=1))
    new.rename(path)


def missing():
    """What a run has to fetch or build first."""
    parts = {"source": util.BUILD / "base", "tree": util.BUILD / "tree",
             "native": util.BUILD / "obj/qemu-system-aarch64",
             "arm64": util.BUILD / f"obj-arm64{util.VARIANT}/qemu-system-aarch64",
             "compiler cache": util.CACHE / "ccache"}
    out = [name for name, path in parts.items() if not path.exists()]
    return out + [name for name in ("sysroot", "l1", "kernel", "iort") if not any(util.LAB_CACHE.glob(f"{name}-*"))]


def version():
    """The base that is built, by base.lock."""
    lock = util.ROOT / "base.lock"
    lines = lock.read_text().splitlines() if lock.exists() else ()
    return next((line.split()[2] for line in lines if line.startswith("source ")), "?")


def kind_of(job):
    """Runs of one kind do the same work."""
    need = missing()
    return f"{job}{util.VARIANT}, {os.cpu_count()} CPUs, QEMU {version()}, " + (
        f"to make: {', '.join(need)}" if need else "all is built")


# -------------------------------------------------------------------- a run

class Run:
    """Steps of a job, possibly over several processes."""

    def __init__(self, kind, began=None, steps=(), file=None):
        self.kind = kind
        self.began = began or time.time()
        self.steps = [list(step) for step in steps]
        self.file = file
        self.runs = load().get("runs", {}).get(kind, [])

    @classmethod
    def current(cls, job):
        """The run that scripts/lab began, or a new one."""
        file = os.environ.get("LAB_PROGRESS")
        if file and Path(file).exists():
            return cls(**json.loads(Path(file).read_text()), file=file)
        return cls(kind_of(job))

    def keep(self):
        Path(self.file).write_text(json.dumps({"kind": self.kind, "began": self.began, "steps": self.steps}))

    def step(self, text):
        """A step begins; returns the time left, to be printed behind the step."""
        self.steps.append([text, round(time.time() - self.began, 1)])
        if self.file:
            self.keep()
        if not self.runs:
            return "" if self.steps[1:] else f"\n          ({UNKNOWN})"
        rest = left(self.runs, [name for name, _ in self.steps])
        return "" if rest is None else f" (about {human(rest)} left)"

    def finish(self):
        """The run was successful: remember it."""
        save(with_run, self.kind, {"steps": self.steps, "total": round(time.time() - self.began, 1)})


class Scenarios:
    """The time that scenarios still need."""

    def __init__(self, names):
        self.names = list(names)
        self.durations = load().get("scenarios", {})

    @staticmethod
    def key(name):
        return f"{name}{util.VARIANT}"

    def left_from(self, number):
        """Text for the scenario with this number, from 0 on."""
        rest = [self.key(name) for name in self.names[number:]]
        seconds, unknown = of_scenarios(self.durations, rest)
        if unknown == len(rest):
            return "" if number else f"\n          ({UNKNOWN})"
        return f" ({'more than' if unknown else 'about'} {human(seconds)} left)"

    def done(self, name, seconds):
        save(with_duration, self.key(name), seconds)


def main(args):
    if args[:1] == ["start"] and len(args) == 2:
        util.BUILD.mkdir(parents=True, exist_ok=True)
        run = Run(kind_of(args[1]), file=str(util.BUILD / "progress.json"))
        run.keep()
        print(run.file)
    elif args[:1] == ["step"] and len(args) == 2:
        run = Run.current("")
        elapsed = time.time() - run.began
        print(f"[{elapsed:6.1f}s] {args[1]} ...{run.step(args[1])}", file=sys.stderr)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
