# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel of L1 and L2: Debian's linux-source with a small configuration.

No Debian kernel has CONFIG_IOMMUFD on arm64, so the lab builds its own.
"""

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from . import util
from .util import CROSS, HERE, LabError

FRAGMENT = HERE / "kernel.config"
# A driver for the PCI function for tests, which no other kernel has
DRIVER = HERE / "guest/pasid-sva.c"
# Other page sizes than the 4 KiB of kernel.config
VARIANTS = {"": "", "16k": "CONFIG_ARM64_16K_PAGES=y\n", "64k": "CONFIG_ARM64_64K_PAGES=y\n"}
# What no kernel of kernel.config needs: two files in three, which would be unpacked and, slower still, removed again.
# Of these trees, nothing is unpacked.
OTHER = ("Documentation/*/*", "arch/arm64/boot/dts/*/*", "tools/net", "tools/perf", "tools/testing", "tools/verification")
# Of these, the sources are not: make and Kconfig read the Makefiles and Kconfig files of all directories.
OFF = ("rust", "sound", "samples/bpf", "arch/[!a]*", "arch/a[!r]*", "arch/arc", "arch/arm", *(f"drivers/{name}" for name in (
    "accel", "clk/*", "comedi", "crypto", "gpu/drm", "hid", "hwmon", "iio", "infiniband", "md", "media", "mfd", "mmc",
    "mtd", "net/can", "net/dsa", "net/ethernet/[!i]*", "net/wireless", "net/wwan", "phy", "pinctrl", "platform", "regulator",
    "s390", "scsi", "staging", "usb", "video/fbdev")))
OLDEST = (7, 2)     # nested attach, vEVENTQ, and attach before a vDEVICE exists


def locked_package():
    """The linux-source package that base.lock names, as (name, version)."""
    lock = util.ROOT / "base.lock"
    text = lock.read_text() if lock.exists() else ""
    found = re.search(r"\b(linux-source-[\d.]+)[ =]+(\S+)", text)
    return found.groups() if found else (None, None)


def fetch():
    """Path of the linux-source .deb (verified by apt and by base.lock)."""
    name, version = locked_package()
    if not name:
        raise LabError("base.lock names no linux-source package")
    found = tuple(int(n) for n in re.findall(r"\d+", name)[:2])
    if found < OLDEST:
        raise LabError(f"{name} is too old: the lab needs {'.'.join(map(str, OLDEST))} or newer")
    return util.output([util.ROOT / "scripts/apt-private", "download", f"{name}={version}"]
                       ).splitlines()[-1]


def compiler():
    return util.output([util.need(f"{CROSS}gcc", "gcc" if util.NATIVE else "gcc-aarch64-linux-gnu"),
                        "--version"]).splitlines()[0]


def read_fragment(path=FRAGMENT):
    """{symbol: line in .config}"""
    return read_lines(Path(path).read_text())


def read_lines(text):
    wanted = {}
    for line in text.splitlines():
        if not line.startswith("CONFIG_"):
            continue
        symbol, value = line.split("=", 1)
        wanted[symbol] = f"# {symbol} is not set" if value == "n" else line
    return wanted


def read_modules(path):
    """The modules that a file lists, one on each line, as the kernel spells them."""
    lines = (line.partition("#")[0].strip() for line in Path(path).read_text().splitlines())
    return [plain(line) for line in lines if line]


def plain(name):
    """The kernel's spelling of the name of a module, whose file may have dashes."""
    return name.replace("-", "_")


def check_config(config, wanted, fragment=FRAGMENT):
    """Every symbol of the fragment must be in .config as requested."""
    lines = set(config.splitlines())
    names = {line.split("=", 1)[0] for line in lines if line.startswith("CONFIG_")}
    lost = []
    for symbol, line in wanted.items():
        off = line.startswith("#")
        if (off and symbol in names) or (not off and line not in lines):
            lost.append(line)
    if lost:
        raise LabError("kernel configuration: olddefconfig dropped these lines "
                       f"(a symbol was renamed, or a dependency is missing in {fragment}):\n  "
                       + "\n  ".join(lost))


def make(tree, *targets, log, **variables):
    cc = f"{CROSS}gcc"
    env = {"ARCH": "arm64", "CROSS_COMPILE": CROSS, "KBUILD_BUILD_TIMESTAMP": "@0",
           "KBUILD_BUILD_USER": "lab", "KBUILD_BUILD_HOST": "lab"}
    if shutil.which("ccache"):
        cc = f"ccache {cc}"
        env.setdefault("CCACHE_DIR", os.environ.get("CCACHE_DIR") or str(util.CACHE / "ccache"))
        env["CCACHE_DEPEND"] = "1"      # no preprocessor run before each compilation
    with open(log, "ab") as file:
        proc = subprocess.Popen(["nice", "make", "-C", tree, f"-j{util.jobs()}", f"CC={cc}", *targets,
                                 *(f"{name}={value}" for name, value in variables.items())],
                                env=dict(os.environ, LC_ALL="C", **env), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file)
        stop = threading.Event()
        count = 0

        def ticker():
            while not stop.wait(30):
                util.say(f"  kernel: {count} files built")
        threading.Thread(target=ticker, daemon=True).start()
        for line in proc.stdout:
            count += 1
            file.write(line.encode())
        stop.set()
        return proc.wait()


def build(tree, work, wanted):
    log = util.LOGS / "kernel-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    (tree / "lab.config").write_text("\n".join(wanted.values()) + "\n")
    shutil.copy(DRIVER, tree / "drivers/misc")
    with open(tree / "drivers/misc/Makefile", "a", encoding="utf-8") as file:
        file.write(f"obj-y += {DRIVER.stem}.o\n")
    for targets in (("allnoconfig", "KCONFIG_ALLCONFIG=lab.config"), ("olddefconfig",), ("Image",)):
        if make(tree, *targets, log=log):
            lines = [x for x in log.read_text(errors="replace").splitlines() if "rror" in x][-10:]
            raise LabError("the kernel build failed\n    " + "\n    ".join(lines)
                           + f"\n  whole log: {log}")
        if targets[0] == "olddefconfig":
            check_config((tree / ".config").read_text(), wanted)
    shutil.copy(tree / "arch/arm64/boot/Image", work / "Image")
    shutil.copy(tree / ".config", work / "config")


def image(variant=""):
    """The path of the Image of one of VARIANTS, built if it is not in the cache."""
    deb = fetch()
    package = os.path.basename(deb).split("_")
    fragment = FRAGMENT.read_text() + VARIANTS[variant]
    key = util.key_of(package[0], package[1], fragment, DRIVER.read_bytes(), compiler())
    with util.cached(f"kernel{variant}", key) as (final, work):
        if work:
            with util.stage(f"kernel {package[1]} {variant}: unpacking and building (about 7 min on 2 cores)"):
                for tool, owner in (("flex", "flex"), ("bison", "bison"), ("bc", "bc")):
                    util.need(tool, owner)
                src = work / "src"
                src.mkdir()
                unpack(deb, src, omit=[*OTHER, *(f"{name}/*.{kind}" for name in OFF for kind in ("[chS]", "dts*", "rs"))])
                trees = [p for p in src.iterdir() if p.is_dir()]
                build(trees[0], work, read_lines(fragment))
                util.remove_tree(src)
    return final / "Image"


def unpack(deb, target, *parts, omit=()):
    """Unpack the tarball in the .deb, or parts of it, without a copy on disk.

    omit: trees and patterns, from the top directory of the source
    """
    name = os.path.basename(deb).split("_")[0]
    member = f"./usr/src/{name}.tar.xz"
    excluded = ["--anchored", *(f"--exclude={name}/{pattern}" for pattern in omit), "--no-anchored"] if omit else []
    fsys = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    inner = subprocess.Popen(["tar", "-xO", member], stdin=fsys.stdout, stdout=subprocess.PIPE)
    outer = subprocess.run(["tar", "-xJ", "-C", target, "--wildcards", *excluded, *parts], stdin=inner.stdout, check=False)
    if outer.returncode:
        raise LabError(f"{deb}: cannot unpack {member}")
    fsys.stdout.close()
    inner.wait()
    fsys.wait()
