# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw flows on L1's kernel: raw.c with sources of the unit test."""

from .. import kernel, roots, util
from ..util import CROSS, HERE

UNIT = util.ROOT / "tests/unit"
SOURCES = (HERE / "contract/raw.c", UNIT / "iommufd-script.c", UNIT / "iommufd-words.c")
HEADERS = (UNIT / "iommufd-script.h", UNIT / "iommufd-words.h")


def program():
    """The path of the program for L1, built if it is not in the cache."""
    sysroot = roots.sysroot()
    key = util.key_of(*(path.read_bytes() for path in SOURCES + HEADERS), kernel.compiler(), sysroot.name)
    with util.cached("raw", key) as (final, work):
        if work:
            util.run([f"{CROSS}gcc", f"--sysroot={sysroot}", "-O2", "-Wall", "-Wextra", "-Wno-sign-compare",
                      "-Werror", "-s", "-I", UNIT, "-o", work / "raw", *SOURCES])
    return final / "raw"


def run(lab, flows, cdevs):
    """The logs of the raw flows of a text; cdevs: {name in the flows: path}."""
    path, text = f"{lab.l1.tmp}/raw", f"{lab.l1.tmp}/flows"
    lab.l1.put(path, program().read_bytes())
    lab.l1.put(text, flows.encode())
    words = " ".join(f"{name}={cdev}" for name, cdev in cdevs.items())
    return lab.l1.sh(f"chmod +x {path} && {path} {text} {words}", timeout=60).out
