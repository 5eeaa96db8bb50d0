# SPDX-License-Identifier: GPL-2.0-or-later
"""The ioctl shim (shim/ioctl-shim.c), which makes L1's kernel older or makes it fail."""

import dataclasses
import errno
import re
from collections import Counter
from dataclasses import dataclass, field

from . import kernel, roots, util
from .util import CROSS, HERE

SOURCE = HERE / "shim/ioctl-shim.c"
# The description of a call, as for the fake host of the unit tests
WORDS = util.ROOT / "tests/unit/iommufd-words.c"
ARGS = ("-Wall", "-Wextra", "-Wno-sign-compare", "-Werror", "-shared", "-fPIC", "-I", WORDS.parent, SOURCE, WORDS)

# The errnos of each request that a correct caller can get, from QEMU's own table.
# The first one is that of a host that refuses everything.
TABLE = util.ROOT / "backends/iommufd-errno.h.inc"
# Calls for the BARs of devices. Without them a guest has no peer to peer; test-vfio-p2p lets them fail.
PEER_TO_PEER = ("IOMMU_IOAS_MAP_FILE", "VFIO_DEVICE_FEATURE_DMA_BUF")


def read_errnos():
    errnos = {}
    for name, word in re.findall(r"^IOMMUFD_ERRNO\((\w+), (\w+),", TABLE.read_text(), re.MULTILINE):
        if name not in PEER_TO_PEER:
            errnos.setdefault(name, []).append(getattr(errno, word))
    return errnos


ERRNOS = read_errnos()
ALWAYS = 100000     # times

KINDS = {"IOMMU_IOAS_ALLOC": "IOAS", "IOMMU_HWPT_ALLOC": "HWPT", "IOMMU_VIOMMU_ALLOC": "vIOMMU",
         "IOMMU_VDEVICE_ALLOC": "vDEVICE", "IOMMU_VEVENTQ_ALLOC": "vEVENTQ",
         "IOMMU_HW_QUEUE_ALLOC": "hardware queue", "VFIO_DEVICE_BIND_IOMMUFD": "device"}
# A mapping exists even after its file is closed
PAGE = "page of a vIOMMU"


def variants(names=ERRNOS):
    """Dictionaries {request: errno} that together have each errno of each of these requests."""
    most = max(len(ERRNOS[name]) for name in names)
    return [{name: ERRNOS[name][i] for name in names if len(ERRNOS[name]) > i} for i in range(most)]


REFUSED = variants()[0]


def library():
    """The path of the shim for L1, built if it is not in the cache."""
    sysroot = roots.sysroot()
    key = util.key_of(*(path.read_bytes() for path in (SOURCE, WORDS, WORDS.with_suffix(".h"))),
                      kernel.compiler(), sysroot.name)
    with util.cached("shim", key) as (final, work):
        if work:
            util.run([f"{CROSS}gcc", f"--sysroot={sysroot}", "-O2", "-s", *ARGS, "-o", work / "ioctl-shim.so"])
    return final / "ioctl-shim.so"


@dataclass
class Call:
    """A line of the shim's log: an ioctl, or an event of a file or id."""
    name: str
    args: dict = field(default_factory=dict)
    ret: int = 0
    by: str = ""        # "inject" or "profile": not from the kernel


def parse(text):
    calls = []
    for line in text.splitlines():
        words = dict(re.findall(r"(\w+)=(\S+)", line))
        ret, by = int(words.pop("ret", 0)), words.pop("by", "")
        calls.append(Call(line.split()[0], {k: int(v) for k, v in words.items()}, ret, by))
    return calls


def live(calls):
    """{kind: number} of the objects and files that exist after these calls."""
    there = {}
    for call in calls:
        if call.name == "close":
            there.pop(("fd", call.args["fd"]), None)
            there.pop(call.args.get("device"), None)
            if "iommufd" in call.args:
                # with the last bound device the kernel's side is closed as well
                there = {key: kind for key, kind in there.items() if kind in ("device", PAGE)}
        elif call.name == "tombstone" or call.name == "IOMMU_DESTROY" and -call.ret in (0, errno.ENOENT):
            there.pop(call.args["id"], None)
        elif call.name == "mmap" and not call.ret:
            there[PAGE, call.args["viommu"]] = PAGE
        elif call.name == "munmap" and not call.ret:
            there.pop((PAGE, call.args["viommu"]), None)
        elif call.name in KINDS and not call.ret:
            there[call.args["out"]] = KINDS[call.name]
            if "evfd" in call.args:
                there["fd", call.args["evfd"]] = "file of a vEVENTQ"
    return dict(Counter(there.values()))


def late(milliseconds, err=0):
    """Instead of an errno: a call that is delayed, and then fails or is carried out."""
    return f"{err}@{milliseconds}"


def control(serial, nth, errnos, times=1):
    """A control file: {request: errno or late()}"""
    return " ".join([f"{serial} {nth} {times}", *(f"{name}={err}" for name, err in errnos.items())])


class Shim:
    """The shim of one guest.  Its log begins when the guest starts."""

    def __init__(self, l2, kernel_version=None):
        self.l2 = l2
        self.serial = 0
        path = f"{l2.host.tmp}/{library().parent.name}.so"
        if not l2.host.sh(f"[ -e {path} ]", check=False):
            l2.host.put(path, library().read_bytes())
        # Freed memory is overwritten, so that its use is detected.
        env = {"MALLOC_PERTURB_": "165", "LD_PRELOAD": path, "IOCTL_SHIM_LOG": f"{l2.dir}/ioctls",
               "IOCTL_SHIM_WORDS": f"{l2.dir}/words", "IOCTL_SHIM_CONTROL": f"{l2.dir}/control"}
        if kernel_version:
            env["IOCTL_SHIM_KERNEL"] = kernel_version
        self.env = " ".join(f"{name}={value}" for name, value in env.items())
        l2.qemu_build = dataclasses.replace(l2.qemu_build, env=f"{l2.qemu_build.env} {self.env}")
        l2.files["ioctls"] = "l2-ioctls.log"
        l2.files["words"] = "l2-words.log"

    def arming(self, nth, errnos, times=1):
        """A shell command that makes the nth call from now on fail, once or several times."""
        self.serial += 1
        return (f"echo '{control(self.serial, nth, errnos, times)}' >{self.l2.dir}/control.new && "
                f"mv {self.l2.dir}/control.new {self.l2.dir}/control")

    def arm(self, nth, errnos, times=1):
        self.l2.host.sh(self.arming(nth, errnos, times))

    def calls(self):
        return parse(self.l2.host.get(f"{self.l2.dir}/ioctls").decode())


def guest(lab, kernel_version=None, slot=None):
    """A guest that is not started yet, whose QEMU runs on the shim."""
    l2 = lab.guest(slot)
    l2.shim = Shim(l2, kernel_version)
    return l2
