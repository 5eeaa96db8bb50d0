# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths, cache keys, running programs, progress on the terminal."""

import contextlib
import fcntl
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD") or ROOT / "build").resolve()
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "arm-smmuv3-accel"
LAB_CACHE = CACHE / "lab"
VARIANT = os.environ.get("VARIANT", "")     # of the build under test: "-asan", with sanitizers
LOGS = BUILD / f"lab{VARIANT}"
HERE = Path(__file__).resolve().parent

NATIVE = platform.machine() in ("aarch64", "arm64")
CROSS = "" if NATIVE else "aarch64-linux-gnu-"


class LabError(Exception):
    """An error that the user can correct; printed without a traceback."""


# ---------------------------------------------------------------- progress

START = time.monotonic()
time_left = None    # called with the text of a stage that begins; returns the text behind it
verbose = False
patience = 1        # factor for timeouts: a QEMU with sanitizers is slower
ending = 5          # seconds for a QEMU to end


def begin_at(began):
    """Count from this time on, in seconds since the epoch: the run began in another process."""
    global START
    START = time.monotonic() - (time.time() - began)


def say(text):
    """A stage or progress line.  stderr, so that stdout stays parseable."""
    print(f"[{time.monotonic() - START:6.1f}s] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def stage(text):
    begin = time.monotonic()
    say(f"{text} ...{time_left(text) if time_left else ''}")
    yield
    say(f"{text}: {time.monotonic() - begin:.1f} s")


def detail(text):
    if verbose:
        say(f"  {text}")


# ---------------------------------------------------------------- programs

def run(args, log=None, cwd=None, env=None, **kw):
    """Run a program; on failure show the end of its output."""
    args = [str(a) for a in args]
    full = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
    proc = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=cwd, env=full, stdin=kw.pop("stdin", subprocess.DEVNULL), **kw)
    text = proc.stdout.decode(errors="replace")
    if log:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        Path(log).write_text(text)
    if proc.returncode:
        tail = "\n".join("    " + line for line in text.splitlines()[-15:])
        where = f"\n  whole log: {log}" if log else ""
        raise LabError(f"{shlex.join(args)[:200]}: exit status {proc.returncode}\n{tail}{where}")
    return text


def output(args, **kw):
    """stdout of a program; its stderr goes to the terminal."""
    args = [str(a) for a in args]
    proc = subprocess.run(args, stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, **kw)
    if proc.returncode:
        raise LabError(f"{shlex.join(args)[:200]}: exit status {proc.returncode}")
    return proc.stdout.strip()


def need(program, package):
    """The path of a program; if it is missing, the error names the package."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise LabError(f"{program} is missing; install the package {package}")
    return path


def host_arch():
    """Debian's name for this machine's architecture."""
    return output(["dpkg", "--print-architecture"])


def jobs():
    return str(os.cpu_count() or 1)


# ---------------------------------------------------------------- the cache

def key_of(*parts):
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def file_key(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@contextlib.contextmanager
def cached(name, key, keep=3):
    """Yield (final path, directory to fill or None if it exists already).

    The directory gets its final name only when it is complete, and only one
    process at a time makes it, so neither Ctrl-C nor a second run leaves an
    incomplete artefact behind.
    """
    LAB_CACHE.mkdir(parents=True, exist_ok=True)
    final = LAB_CACHE / f"{name}-{key}"
    if final.is_dir():
        os.utime(final)
        yield final, None
        return
    with open(LAB_CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if final.is_dir():
            yield final, None
            return
        work = LAB_CACHE / f".{name}-{key}.new"
        remove_tree(work)
        work.mkdir()
        try:
            yield final, work
            work.rename(final)
        except BaseException:
            remove_tree(work)
            raise
    prune(name, keep)


def prune(name, keep):
    """Remove old artefacts of one kind; keep the newest few for other branches."""
    old = sorted((p for p in LAB_CACHE.glob(f"{name}-*") if p.is_dir()),
                 key=lambda p: p.stat().st_mtime, reverse=True)
    for path in old[keep:]:
        remove_tree(path)


def remove_tree(path):
    if path.exists():
        # Some extracted directories are not writable by their owner.
        shutil.rmtree(path, onerror=_force)


def _force(func, path, _exc):
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)
        os.chmod(path, 0o700)
        func(path)
