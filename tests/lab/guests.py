# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that people run in guests: Debian's own, and ours with other page sizes.

Debian's are taken from its packages.  They are too modular to find the lab's
channel by themselves, so the lab's initrd loads modules from the same package.
"""

import lzma
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import images, kernel, roots, util
from .kernel import plain
from .util import LabError

REDUCED = util.ROOT / "packaging/kernel/reduced.modules"    # of a kernel package for the lab's server
# For the channel of the lab, for the disk under test, and for memory that grows
MODULES = ("virtio_mmio", "virtio_console", "nvme", "virtio_pci", "virtio_mem")


@dataclass(frozen=True)
class Packaged:
    """A kernel of Debian."""
    package: str
    suites: tuple
    page: int               # KiB


@dataclass(frozen=True)
class Built:
    """A kernel like L1's, of kernel.VARIANTS."""
    variant: str
    page: int


BACKPORTS = ("trixie", "trixie-backports")
KERNELS = {
    "backports": Packaged("linux-image-arm64/trixie-backports", BACKPORTS, 4),
    "backports-16k": Packaged("linux-image-arm64-16k/trixie-backports", BACKPORTS, 16),
    "trixie": Packaged("linux-image-arm64", ("trixie",), 4),
    "bookworm": Packaged("linux-image-arm64", ("bookworm",), 4),
    "lab-4k": Built("", 4),
    "lab-64k": Built("64k", 64),
}


def disk(name):
    """A disk for L1 with the Image and the initrd of one of KERNELS."""
    chosen = KERNELS[name]
    return built(name, chosen) if isinstance(chosen, Built) else packaged(name, chosen)


def built(name, chosen):
    image = kernel.image(chosen.variant)
    initrd = images.initrd()
    with util.cached(f"guest-{name}", util.key_of(util.file_key(image), initrd)) as (final, work):
        if work:
            images.boot_disk(work, image, initrd)
    return final / "image"


def packaged(name, chosen):
    key = util.key_of(chosen, images.initrd(), roots.FORMAT, Path(__file__).read_bytes())
    with util.cached(f"guest-{name}", key) as (final, work):
        if work:
            with util.stage(f"kernel {chosen.package} of {chosen.suites[-1]}"):
                root = work / "root"
                roots.extract(root, list(chosen.suites), [chosen.package], util.LOGS / f"guest-{name}.log")
                tree, = [*root.glob("usr/lib/modules/*")] or root.glob("lib/modules/*")
                initrd = images.initrd(modules(tree))
                images.boot_disk(work, vmlinuz(root, tree), initrd)
                util.remove_tree(root)
    return final / "image"


def vmlinuz(root, tree):
    """Newer packages have it beside the modules."""
    found = [*tree.glob("vmlinuz*"), *root.glob("boot/vmlinuz-*")]
    if not found:
        raise LabError(f"there is no kernel in {root}")
    return found[0]


def of_host(name):
    """L1's kernel: (Image, contents of the modules for its initrd).  name: of kernel.VARIANTS, or "deb"."""
    if name != "deb":
        return kernel.image(name), []
    found = [path for path in (util.BUILD / "kernel-deb").glob("linux-image-*-iommufd-*_arm64.deb") if "-dbg_" not in path.name]
    if not found:
        raise LabError(f"there is no kernel package: make kernel-deb FLAVOUR=arm64 MODULES={REDUCED.relative_to(util.ROOT)}")
    deb = max(found, key=lambda path: path.stat().st_mtime)
    wanted = kernel.read_modules(REDUCED)
    with util.cached("host-kernel", util.key_of(util.file_key(deb), *wanted)) as (final, work):
        if work:
            root = work / "root"
            util.run(["dpkg-deb", "-x", deb, root])
            tree, = root.glob("lib/modules/*")
            shutil.copy(vmlinuz(root, tree), work / "Image")
            for number, data in enumerate(modules(tree, wanted)):
                (work / f"{number:02}.ko").write_bytes(data)
            util.remove_tree(root)
    return final / "Image", [path.read_bytes() for path in sorted(final.glob("*.ko"))]


# ------------------------------------------------------------------ modules

def modules(tree, wanted=MODULES):
    """The contents of these modules and of those that they need, in the order of loading.

    depmod would tell, but runs when the package is configured.
    """
    files = {plain(path.name.split(".ko")[0]): path for path in tree.rglob("*.ko*")}
    builtin = {plain(Path(line).stem) for line in (tree / "modules.builtin").read_text().split()}
    done = {}

    def load(name):
        if name in done or name in builtin:
            return
        if name not in files:
            raise LabError(f"{tree} has no module {name}")
        data = content(files[name])
        for other in needs(data):
            load(other)
        done[name] = data
    for name in wanted:
        load(name)
    return list(done.values())


def content(path):
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def needs(data):
    """The modules that a module depends on, as its section .modinfo says."""
    found = re.search(rb"\0depends=([^\0]*)\0", data)
    return [plain(name) for name in found.group(1).decode().split(",") if name] if found else []


# -------------------------------------------------------------------- in L1

def mount(host, name):
    """Mount the disk of one of KERNELS in L1; returns its boot files, for L2.start()."""
    place = f"/run/kernel-{name}"
    host.sh(f"""
        grep -q ' {place} ' /proc/mounts && exit
        mkdir -p {place}
        for d in /sys/block/vd*; do
            [ "$(cat $d/serial)" = {serial(name)} ] && mount -t ext4 -o ro /dev/${{d##*/}} {place}
        done
        [ -e {place}/Image ]""")
    return {"kernel": f"{place}/Image", "initrd": f"{place}/initrd"}


def serial(name):
    """A serial number of virtio-blk has at most 20 characters."""
    return f"kernel-{name}"[:20]


def page_kb(guest):
    return int(guest.sh("grep -m1 KernelPageSize /proc/self/smaps").out.split()[1])
