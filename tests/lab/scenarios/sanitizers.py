# SPDX-License-Identifier: GPL-2.0-or-later
"""Only for a QEMU with sanitizers: the lab finds their reports."""

import tempfile
from pathlib import Path

from lab import roots, sanitizer, util
from lab.checks import expect
from lab.scenario import scenario, under_test

LEAKS = """
#include <stdlib.h>
static __attribute__((noinline)) void *forgotten(void) { return malloc(7); }
int main(void)
{
    volatile void *p = forgotten();
    p = forgotten();
    p = NULL;
    return p != NULL;
}
"""


@scenario(sanitized=True)
def sanitizers_report(lab):
    """A program that leaks, run like QEMU, has an exit status other than 0, and the lab finds its report."""
    with tempfile.TemporaryDirectory() as name:
        source, program = Path(name, "leaks.c"), Path(name, "leaks")
        source.write_text(LEAKS)
        util.run([f"{util.CROSS}gcc", f"--sysroot={roots.sysroot()}", "-fsanitize=address", "-static-libasan",
                  "-o", program, source])
        util.run([f"{util.CROSS}strip", "-g", program])
        lab.l1.put("/tmp/leaks", program.read_bytes())
    status = lab.l1.sh("""
        sed 's,^exec .*,exec /tmp/leaks,' /lab/qemu/qemu-system-aarch64 >/tmp/leaks.sh
        chmod +x /tmp/leaks; sh /tmp/leaks.sh""", check=False).status
    reports = sanitizer.collect(lab.l1, lab.dir, under_test())
    expect(status == 99 and len(reports) == 1, f"exit status {status}, {len(reports)} reports")
    for word in ("LeakSanitizer: detected memory leaks", "in forgotten"):
        expect(word in reports[0][1], f"the report has no {word!r}: {sanitizer.first_lines(reports)}")
