# SPDX-License-Identifier: GPL-2.0-or-later
"""Initrds, disks with programs, and disks with known contents for all levels."""

import hashlib
import os
import shutil
from pathlib import Path

from . import coverage, roots, sanitizer, util
from .util import HERE


# ------------------------------------------------------------------ initrd

class Cpio:
    """A newc archive with the features that an initrd needs."""

    def __init__(self):
        self.data = bytearray()
        self.ino = 0

    def _entry(self, name, mode, body=b"", rdev=(0, 0)):
        self.ino += 1
        raw = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, 1, 0, len(body), 0, 0, *rdev, len(raw), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self._pad()
        self.data += body
        self._pad()

    def _pad(self):
        self.data += b"\0" * (-len(self.data) % 4)

    def dir(self, name):
        self._entry(name, 0o040755)

    def file(self, name, body, mode=0o644):
        self._entry(name, 0o100000 | mode, body)

    def link(self, name, target):
        self._entry(name, 0o120777, target.encode())

    def char(self, name, major, minor):
        self._entry(name, 0o020600, rdev=(major, minor))

    def finish(self):
        self._entry("TRAILER!!!", 0)
        self.data += b"\0" * (-len(self.data) % 512)
        return bytes(self.data)


def initrd(modules=()):
    """The same initrd for L1 and L2: busybox, init, the agent; and modules, in the order of loading."""
    cpio = Cpio()
    for name in ("bin", "dev", "proc", "sys", "run", "tmp", "newroot"):
        cpio.dir(name)
    cpio.char("dev/console", 5, 1)
    cpio.file("bin/busybox", (roots.l1_root() / "busybox").read_bytes(), 0o755)
    cpio.link("bin/sh", "busybox")
    for name in ("init", "agent"):
        cpio.file(name, (HERE / "guest" / name).read_bytes(), 0o755)
    cpio.dir("modules")
    for number, data in enumerate(modules):
        cpio.file(f"modules/{number:02}.ko", data)
    return cpio.finish()


def acpi_override(name, table):
    """The archive must be first in the initrd and uncompressed."""
    cpio = Cpio()
    for path in ("kernel", "kernel/firmware", "kernel/firmware/acpi"):
        cpio.dir(path)
    cpio.file(f"kernel/firmware/acpi/{name}.aml", table)
    return cpio.finish()


# ------------------------------------------------------------ known content

DISK_MB = 64


def disk(seed, mb=DISK_MB):
    """A raw disk whose contents depend only on its seed."""
    path = util.LAB_CACHE / f"disk-{seed}-{mb}.raw"
    if not path.exists():
        util.LAB_CACHE.mkdir(parents=True, exist_ok=True)
        data = hashlib.shake_256(f"lab disk {seed}".encode()).digest(mb << 20)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_bytes(data)
        new.rename(path)
    return path


def disk_sha256(seed, offset_mb=0, length_mb=16):
    """The expected sha256 of a range of a disk."""
    with open(disk(seed), "rb") as file:
        file.seek(offset_mb << 20)
        return hashlib.sha256(file.read(length_mb << 20)).hexdigest()


def head_sha256(seed, size, mb):
    """The expected sha256 of the first `size` bytes of a disk of `mb` megabytes."""
    with open(disk(seed, mb), "rb") as file:
        return hashlib.sha256(file.read(size)).hexdigest()


# ----------------------------------------------------------- payload disks

def guest_disk(kernel):
    """A disk for L1 with the files that its guests boot."""
    small = initrd()
    key = util.key_of(util.file_key(kernel), small)
    with util.cached("guest", key) as (final, work):
        if work:
            boot_disk(work, kernel, small, firmware=roots.efi())
    return final / "image"


def boot_disk(work, kernel, initrd, firmware=None):
    """Make work/image, a disk with what a guest boots."""
    tree = work / "tree"
    tree.mkdir()
    shutil.copy(kernel, tree / "Image")
    (tree / "initrd").write_bytes(initrd)
    if firmware:
        shutil.copy(firmware, tree / "QEMU_EFI.fd")
    roots.ext4(tree, work / "image", roots.tree_mb(tree) + 16)
    util.remove_tree(tree)


def qemu_disk(binary):
    """A disk with the QEMU under test and its tool, which change with every build, unlike L1's root."""
    binary = Path(binary)
    if not binary.exists():
        raise util.LabError(f"{binary} does not exist: build it first (make build-arm64)")
    tool = binary.parent / "tools/smmuv3-spec/smmuv3-spec"
    programs = {"qemu-system-aarch64": binary}
    if tool.exists():
        programs["smmuv3-spec"] = tool
    wrappers, real, parts = {}, "", [util.file_key(p) for p in programs.values()]
    if sanitizer.built_in(binary):
        wrappers, real = {name: sanitizer.wrapper(name) for name in programs}, "sanitized"
        parts += [*wrappers.values(), sanitizer.SUPPRESSIONS.read_text()]
    elif coverage.built_in(binary):
        wrappers, real = {name: coverage.wrapper(name) for name in programs}, "measured"
        parts += wrappers.values()
    key = util.key_of(*parts)
    with util.cached("qemu", key) as (final, work):
        if work:
            tree = work / "tree"
            place = tree / real
            place.mkdir(parents=True)
            strip = shutil.which(f"{util.CROSS}strip")
            for name, program in programs.items():
                target = place / name
                if strip:
                    # Keep names for backtraces, but remove debug information.
                    util.run([strip, "-g", "-o", target, program])
                else:
                    shutil.copy(program, target)
            for name, text in wrappers.items():
                (tree / name).write_text(text)
                (tree / name).chmod(0o755)
                shutil.copy(sanitizer.SUPPRESSIONS, tree)
            roots.ext4(tree, work / "image", roots.tree_mb(tree) + 16)
            util.remove_tree(tree)
    return final / "image"
