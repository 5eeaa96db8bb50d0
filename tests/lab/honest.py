# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that reads and writes its disk without end, and keeps the sha256 of what it has read."""

from dataclasses import dataclass

from . import bench, checks, images
from .checks import expect

MBS = 8                 # of the disk are used
READS = 256             # of 4 KiB, in a pass
LOG = "/run/honest"
COMPLAINTS = "(nvme|smmu|cmdqv|iommu|blk).*(error|fail|timeout|timed out|abort|event|reset controller)"

# A pass: a megabyte is read in small parts, each of which is mapped and unmapped, and written back.
# Its line has the number, the time of the reads from beginning to end, and the sha256.
SCRIPT = f"""
    cat >/run/honest.sh <<'END'
    n=0
    while :; do
        at=$((n % {MBS}))
        read begin rest </proc/uptime
        dd if=$1 of=/run/data bs=4k skip=$((at * {READS})) count={READS} iflag=direct 2>/run/dd || cat /run/dd >>{LOG}.errors
        read end rest </proc/uptime
        set -- $1 $(sha256sum /run/data)
        echo $n $begin $end $2 >>{LOG}
        dd if=/run/data of=$1 bs=64k seek=$((at * 16)) oflag=direct conv=notrunc 2>/run/dd || cat /run/dd >>{LOG}.errors
        n=$((n + 1))
    done
END
    sh /run/honest.sh DISK >/dev/null 2>>{LOG}.errors &
    echo $! >/run/honest.pid"""


@dataclass
class Window:
    """What a guest has done from one moment to another."""
    passes: int
    reads_per_second: float


class Honest:
    """A guest with one disk on stage 1, whose I/O is checked."""

    def __init__(self, guest, serial, host):
        self.guest = guest
        self.serial = serial
        self.host = host
        self.disk = checks.nvme(guest, serial)[0]
        checks.proven(guest, serial, host)
        bench.quiet(guest)      # no trace of each invalidation
        self.sums = [images.disk_sha256(serial, mb, 1) for mb in range(MBS)]
        self.seen = 0
        guest.sh(SCRIPT.replace("DISK", self.disk))

    def window(self):
        """Check what was done since the last call."""
        lines = self.guest.sh(f"tail -n +{self.seen + 1} {LOG} 2>/dev/null; cat {LOG}.errors >&2", 120).out.splitlines()
        seconds = 0
        for number, line in enumerate(lines, self.seen):
            words = line.split()
            expect(len(words) == 4 and words[0] == str(number), f"{self.serial}: a line of the I/O is {line}")
            expect(words[3] == self.sums[number % MBS],
                   f"{self.serial}: pass {number} has read data with the sha256 {words[3]}, not {self.sums[number % MBS]}")
            seconds += float(words[2]) - float(words[1])
        self.seen += len(lines)
        return Window(len(lines), len(lines) * READS / seconds if seconds else 0)

    def end(self):
        """End the I/O; everything is still right, and the guest's kernel has nothing to say."""
        self.guest.sh("kill $(cat /run/honest.pid); wait; :")
        last = self.window()
        checks.proven(self.guest, self.serial, self.host)
        said = self.guest.sh(f"dmesg | grep -iE '{COMPLAINTS}'", check=False).out
        expect(not said, f"{self.serial}: the kernel of the honest guest says: {said[-400:]}")
        return last
