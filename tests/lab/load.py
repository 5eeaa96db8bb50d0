# SPDX-License-Identifier: GPL-2.0-or-later
"""I/O on many disks of a guest at once, and a second monitor that is asked all the time."""

import statistics
import threading
import time

from . import checks, images
from .channel import LabError
from .checks import expect
from .qmp import Qmp

SIZE = 65536            # bytes that a pass reads
DIR = "/run/load"

# A pass reads the beginning of a disk and compares it.  Until the lab has said that its disk leaves, no read may
# fail.
READER = f"""
    mkdir -p {DIR} && cat >{DIR}/reader <<'END'
    serial=$1 disk=$2 want=$3 n=0
    while :; do
        if dd if=$disk of={DIR}/$serial.data bs={SIZE} count=1 iflag=direct 2>{DIR}/$serial.dd; then
            set -- $(sha256sum {DIR}/$serial.data)
            [ $1 = $want ] || echo "$serial: pass $n has read data with the sha256 $1" >>{DIR}/errors
            n=$((n + 1))
            echo $n >{DIR}/$serial.passes
        else
            [ -e {DIR}/$serial.leaves ] || echo "$serial: pass $n: $(cat {DIR}/$serial.dd)" >>{DIR}/errors
            exit
        fi
    done
END"""

# The disk of each serial number
DISKS = """for c in /sys/class/nvme/nvme*; do
    d=/dev/${c##*/}n1
    [ -b $d ] && echo $(cat $c/serial) $d $(basename $(readlink -f $c/device))
done"""


class Readers:
    """One endless reader for each disk of a guest."""

    def __init__(self, guest, serials):
        self.guest = guest
        self.sums = {serial: images.head_sha256(serial, SIZE, 1) for serial in serials}
        self.before = {}        # passes of readers that have ended
        self.start(serials)

    def disks(self):
        """{serial number: (block device, PCI address)}"""
        return {w[0]: (w[1], w[2]) for w in map(str.split, self.guest.sh(DISKS).out.splitlines())}

    def start(self, serials):
        """Start readers, after a boot of all disks, after a plug of one."""
        checks.eventually(f"{len(serials)} disks", lambda: set(serials) <= set(self.disks()), 60)
        disks = self.disks()
        self.guest.sh(READER + "\n" + "\n".join(
            f"rm -f {DIR}/{s}.leaves; echo 0 >{DIR}/{s}.passes; "
            f"(setsid sh {DIR}/reader {s} {disks[s][0]} {self.sums[s]} >/dev/null 2>&1 &)" for s in serials), 120)

    def leaves(self, serial):
        """This disk is about to leave; its reader may fail, and ends."""
        self.before[serial] = self.before.get(serial, 0) + self._now()[serial]
        self.guest.sh(f": >{DIR}/{serial}.leaves")

    def reboot(self):
        """The guest is about to be reset; its readers end with it."""
        for serial, passes in self._now().items():
            self.before[serial] = self.before.get(serial, 0) + passes

    def _now(self):
        out = self.guest.sh(f"cd {DIR}; grep . *.passes", 120).out
        return {name.split(".")[0]: int(n) for name, n in (line.split(":") for line in out.splitlines())}

    def passes(self):
        """{serial number: passes so far}; no read has failed, and all data was right."""
        errors = self.guest.sh(f"cat {DIR}/errors 2>/dev/null", check=False).out
        expect(not errors, f"I/O was lost: {errors[:600]}")
        return {s: self.before.get(s, 0) + n for s, n in self._now().items()}


class Watch(threading.Thread):
    """Asks a monitor of its own without end."""

    PAUSE = 0.1

    def __init__(self, guest, channel):
        super().__init__(daemon=True)
        self.qmp = Qmp(channel)
        self.guest = guest
        self.going = True
        self.latencies = []
        self.wrong = None
        self.start()

    @staticmethod
    def args(host, slot):
        """The options of a second monitor, by the channel of another guest."""
        chardev = host.chardev(slot, "qmp").replace("id=qmp", "id=watch")
        return ["-chardev", chardev, "-mon", "chardev=watch,mode=control"]

    def run(self):
        try:
            while self.going:
                begin = time.monotonic()
                self.qmp.cmd("query-smmuv3-accel")
                self.latencies.append(time.monotonic() - begin)
                time.sleep(self.PAUSE)
        except LabError as error:
            self.wrong = error

    def stop(self):
        self.going = False
        self.join(60)
        expect(not self.wrong and not self.is_alive(), f"the monitor does not answer: {self.wrong}")

    def text(self):
        late = sorted(self.latencies)
        return (f"{len(late)} queries, median {1000 * statistics.median(late):.0f} ms, "
                f"99 of 100 within {1000 * late[len(late) * 99 // 100]:.0f} ms, longest {1000 * late[-1]:.0f} ms")
