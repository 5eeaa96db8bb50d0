# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a QEMU that is built with sanitizers, and collect its reports."""

import mmap
import re
import shutil
from pathlib import Path

from . import util
from .util import CROSS, HERE

SUPPRESSIONS = HERE / "lsan.supp"
REPORTS = "/tmp/sanitizer"      # of L1; each process appends its number
PATIENCE = 4
ENDING = 100                    # seconds for a QEMU to end: it looks for leaks, and reads its symbols to report them

# A program that another one traces cannot look for its own leaks.  Many of them
# run in a guest of 4 GB, so the quarantine is small.  The exit status after a
# report is one that QEMU never uses.
WRAPPER = """\
#!/run/bin/sh
leaks=1
while read -r name value; do
    if [ "$name" = TracerPid: ] && [ "$value" != 0 ]; then leaks=0; fi
done </proc/$$/status
common=log_path={reports}:exitcode=99:print_stacktrace=1:halt_on_error=1:handle_abort=1
export ASAN_OPTIONS=$common:detect_leaks=$leaks:quarantine_size_mb=32
export UBSAN_OPTIONS=$common
export LSAN_OPTIONS=suppressions=/lab/qemu/{suppressions}:print_suppressions=0
exec /lab/qemu/sanitized/{name} "$@"
"""


def built_in(binary):
    """Whether this program is built with AddressSanitizer."""
    with open(binary, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(b"__asan_report_load8") >= 0


def wrapper(name):
    """A script that replaces such a program, so that every caller runs it with its options."""
    return WRAPPER.format(name=name, reports=REPORTS, suppressions=SUPPRESSIONS.name)


def collect(l1, directory, binary):
    """Move new reports from L1 to a directory; [(path, text)]."""
    out = l1.sh(f"for f in {REPORTS}.*; do [ -e $f ] && cat $f && printf '\\0' && rm $f; done; true", 120).data
    reports = []
    for raw in out.split(b"\0")[:-1]:
        # This is printed for every program with coroutines.
        lines = [line for line in raw.decode(errors="replace").splitlines()
                 if "ASan doesn't fully support makecontext" not in line]
        if any(line.strip() for line in lines):
            path = directory / f"sanitizer-{len(list(directory.glob('sanitizer-*'))) + 1}.log"
            reports.append((path, with_sources("\n".join(lines) + "\n", binary)))
            path.write_text(reports[-1][1])
    return reports


PLACE = re.compile(r" \(/lab/qemu/sanitized/([\w-]+)\+(0x[0-9a-f]+)\).*")


def with_sources(text, binary):
    """Replace addresses by source lines, because L1 has the program without debug information."""
    tool = shutil.which(f"{CROSS}addr2line")
    programs = {p.name: p for p in (Path(binary), Path(binary).parent / "tools/smmuv3-spec/smmuv3-spec")}
    places = {found.groups() for found in PLACE.finditer(text)}
    sources = {}
    for name, program in programs.items():
        addresses = sorted(address for n, address in places if n == name)
        if addresses and tool:
            lines = util.output([tool, "-e", program, *addresses]).splitlines()
            sources.update({(name, address): re.sub(r"^/.*/\.\./tree/", "", line)
                            for address, line in zip(addresses, lines)})
    return PLACE.sub(lambda m: " " + sources.get(m.groups(), m.group().strip()), text)


def first_lines(reports, count=8):
    """The beginning of the first report and its place in QEMU, for the message of a failure."""
    path, text = reports[0]
    lines = [line.strip() for line in text.splitlines() if line.strip("= ")]
    lines = [line for line in lines if not re.search(r"^#\d+ \S+ in (__interceptor_)?\w*(alloc|strdup)\w* |libglib", line)]
    more = f" (and {len(reports) - 1} more)" if len(reports) > 1 else ""
    return "\n  ".join([f"a sanitizer reports, {path.name}{more}:", *lines[:count]])
