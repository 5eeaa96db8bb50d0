# SPDX-License-Identifier: GPL-2.0-or-later
"""Register and run scenarios, and print failures."""

import contextlib
import importlib
import os
import pkgutil
import re
import shutil
import time
import traceback
from pathlib import Path

from . import coverage, host, l0, progress, roots, sanitizer, scenarios, util
from .channel import Dead
from .l2 import L2
from .options import OURS, RIVAL
from .util import LabError

REGISTRY = {}


class Skip(Exception):
    """The reason why a scenario cannot run here."""


def scenario(func=None, *, rival=False, platform=l0.EMULATED, sanitized=False, named=False, matrix=False):
    """Register a function of the Lab.  Its docstring says what it shows.

    sanitized: only for a QEMU with sanitizers.  named: runs only when it is named.  matrix: runs when it is named,
    and with `check --matrix'.
    """
    def register(f):
        if not (f.__doc__ or "").strip():
            raise LabError(f"scenario {f.__name__} needs a docstring that says what it shows")
        f.rival = rival
        f.platform = platform
        f.sanitized = sanitized
        f.named = named or matrix
        f.matrix = matrix
        REGISTRY[f.__name__] = f
        return f
    return register(func) if func else register


def load():
    for module in pkgutil.iter_modules(scenarios.__path__):
        importlib.import_module(f"{scenarios.__name__}.{module.name}")
    return REGISTRY


def summary(func):
    return " ".join(func.__doc__.split("\n\n")[0].split())


def under_test():
    """The arm64 build of the QEMU under test, or the user's choice."""
    return Path(os.environ.get("LAB_QEMU") or util.BUILD / f"obj-arm64{util.VARIANT}/qemu-system-aarch64")


def has_sanitizers():
    return under_test().exists() and sanitizer.built_in(under_test())


class Lab:
    """The argument of a scenario: L1, guests, a log directory."""

    def __init__(self, rival=False):
        self.rival = rival
        self.qemu = RIVAL if rival else OURS
        self.l1_ = None
        self.platform = l0.EMULATED
        self.guests = []
        self.dir = None
        self.used_up = False    # no other scenario may use this L1
        self.sanitized = not rival and has_sanitizers()
        if self.sanitized:
            util.patience, util.ending = sanitizer.PATIENCE, sanitizer.ENDING

    @property
    def l1(self):
        """L1, booted for the first scenario that uses it."""
        if not self.l1_:
            rival = roots.rival_root() / "image" if self.rival else None
            qemu = under_test() if under_test().exists() and not self.platform.installed else None
            if not (qemu or self.rival or self.platform.installed):
                raise Skip(f"{under_test()} is not built")
            self.l1_ = host.L1(util.LOGS / "l1", self.platform, qemu, rival)
        return self.l1_

    def guest(self, slot=None, qemu=None):
        """A guest that is not started yet; it is stopped after the scenario."""
        slot = slot or l0.SLOTS[len([g for g in self.guests if g.pid])]
        guest = L2(self.l1, qemu or self.qemu, self.dir / slot if slot != "a" else self.dir, slot)
        self.guests.append(guest)
        return guest

    def start(self, args, **kw):
        """A guest, started and booted."""
        guest = self.guest()
        guest.start(args, **kw)
        return guest.boot()

    def vfio(self, name):
        """Bind one of the platform's devices; (PCI address, cdev)."""
        bdf = self.l1.bdf(name)
        return bdf, self.l1.bind_vfio(bdf)

    # ---------------------------------------------------------- one run

    def begin(self, name, platform=l0.EMULATED):
        self.dir = util.LOGS / name
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        if platform != self.platform:
            self.drop_l1()
            self.platform = platform

    def end(self, failed):
        for guest in self.guests:
            try:
                guest.stop()
            except LabError as error:
                util.say(f"L2 does not stop: {error}")
                failed = True
        self.guests.clear()
        if self.l1_ and (failed or self.used_up or not self.l1_.healthy()):
            self.drop_l1()
        self.used_up = False

    def drop_l1(self):
        if self.l1_:
            if util.VARIANT == "-cov":
                with contextlib.suppress(LabError):
                    coverage.fetch(self.l1_, under_test().parent)
            shutil.copy(self.l1_.l0.console_path, self.dir / "l1-console.log")
            self.l1_.stop()
            self.l1_ = None

    def sanitizers_are_silent(self):
        """Check the reports of every QEMU, which look for leaks when they end."""
        if self.sanitized and self.l1_:
            for guest in self.guests:
                guest.stop()
                if guest.killed:
                    raise LabError("a QEMU had to be killed, so it did not look for leaks")
            reports = sanitizer.collect(self.l1_, self.dir, under_test())
            if reports:
                raise LabError(sanitizer.first_lines(reports))

    def evidence(self):
        """The important lines of all logs."""
        for guest in self.guests:
            try:
                guest.keep_logs()
            except LabError:
                pass
        if self.l1_:
            if self.sanitized:
                with contextlib.suppress(LabError):
                    sanitizer.collect(self.l1_, self.dir, under_test())
            try:
                (self.dir / "l1-dmesg.log").write_text(self.l1_.sh("dmesg").out)
            except LabError:
                shutil.copy(self.l1_.l0.console_path, self.dir / "l1-dmesg.log")
        for path in sorted(self.dir.rglob("*.log")):
            lines = path.read_text(errors="replace").splitlines()
            picked = pick(lines, path.name)
            if picked:
                yield path, picked


MATTERS = re.compile(r"(?i:error|fail|warn|refus|invalid|smmu.*(?:event|timeout)|timed out|abort)"
                     r"|Oops|panic|\bBUG\b|Unable to handle|CERROR|GERROR|\b[FC]_[A-Z]")
CHATTER = re.compile(r"(?i)no error|EFI stub|RAS:|HEST|GHES|ECAM|mitigations|smccc|debugfs"
                     r"|bridge window")


def pick(lines, name, count=8):
    if name.startswith("sanitizer"):
        return [x for x in lines if x.strip("= ")][:count]
    if "trace" in name:
        return [x for x in lines if re.search(r"\(-\d+\)\s*$", x)][-count:]
    picked = [x for x in lines if MATTERS.search(x) and not CHATTER.search(x)][-count:]
    if "qemu" in name:
        return lines[-count:]
    if "l2-console" in name:
        return picked + [x for x in lines[-4:] if x not in picked]
    return picked


def run_one(lab, name, func):
    """("ok" | "not ok" | "skip", text)"""
    lab.begin(name, func.platform)
    begin = time.monotonic()
    failed, state, text = True, "not ok", ""
    try:
        func(lab)
        lab.sanitizers_are_silent()
        bad = lab.l1_.oopses() if lab.l1_ else []
        if bad:
            raise LabError("L1's kernel reports errors: " + " | ".join(bad[:3]))
        failed, state = False, "ok"
    except Skip as skip:
        failed, state, text = False, "skip", str(skip)
    except LabError as error:
        text = str(error)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError):
        # The scenario itself is wrong, so the message has its lines.
        text = traceback.format_exc(limit=-3)
    try:
        if state == "not ok":
            report_failure(lab, name, text)
    finally:
        lab.end(failed)
    util.say(f"{name}: {state}, {time.monotonic() - begin:.1f} s")
    return state, text


def report_failure(lab, name, text):
    util.say(f"{name} FAILED")
    for line in text.splitlines():
        util.say(f"    {line}")
    try:
        for path, lines in lab.evidence():
            util.say(f"  {path.relative_to(lab.dir)}:")
            for line in lines:
                util.say(f"    {line[:200]}")
    except (OSError, Dead) as error:
        util.say(f"  (the other logs cannot be read: {error})")
    util.say(f"  all logs are in {lab.dir}{Path('/')}")


def run_all(names, rival=False):
    """TAP on stdout; True if nothing failed."""
    known = load()
    for name in names:
        if name not in known:
            raise LabError(f"there is no scenario {name}; the scenarios are: {' '.join(sorted(known))}")
    sanitized = has_sanitizers()
    # Sort by platform, which shares one boot of L1, in the order of their files.
    names = names or sorted((n for n, f in known.items() if f.rival == rival and f.sanitized <= sanitized and not f.named),
                            key=lambda n: (known[n].platform != l0.EMULATED,
                                           known[n].platform.name))
    rival = any(known[name].rival for name in names)
    lab = Lab(rival)
    good = True
    times = progress.Scenarios(names)
    try:
        for number, name in enumerate(names, 1):
            util.say(f"scenario {number}/{len(names)}: {name}{times.left_from(number - 1)}")
            begin = time.monotonic()
            state, text = run_one(lab, name, known[name])
            if state == "ok":
                times.done(name, time.monotonic() - begin)
            good &= state != "not ok"
            if state == "skip":
                print(f"ok {number} {name} # SKIP {text}", flush=True)
            else:
                print(f"{state} {number} {name}", flush=True)
        print(f"1..{len(names)}", flush=True)
    finally:
        lab.drop_l1()
    return good
