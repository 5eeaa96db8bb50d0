# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a QEMU that counts which lines it executes, and fetch its counts (make coverage)."""

import io
import mmap
import tarfile
from pathlib import Path

from . import util

COUNTS = "/tmp/coverage"        # of L1; a program writes there what it has counted when it exits
WRAPPER = """\
#!/run/bin/sh
export GCOV_PREFIX={counts}
exec /lab/qemu/measured/{name} "$@"
"""


def built_in(binary):
    """Whether this program counts."""
    with open(binary, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(b"GCOV_PREFIX") >= 0


def wrapper(name):
    return WRAPPER.format(name=name, counts=COUNTS)


def fetch(l1, obj):
    """Put the counts of one L1 into a directory of their own, beside links to what describes the code."""
    data = l1.sh(f"[ ! -d {COUNTS} ] || tar -C {COUNTS} -cf - .", 120).data
    if not data:
        return
    kept = obj.with_name(f"{obj.name}.counts")
    place = kept / str(len(list(kept.glob("*"))) if kept.exists() else 0)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            name = Path("/", member.name)
            if not member.isfile() or not name.is_relative_to(obj):
                continue
            target = place / name.relative_to(obj)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tar.extractfile(member).read())
            note = obj / name.relative_to(obj).with_suffix(".gcno")
            if note.exists():
                target.with_suffix(".gcno").symlink_to(note)
    util.detail(f"coverage: {place}")
