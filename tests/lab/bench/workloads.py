# SPDX-License-Identifier: GPL-2.0-or-later
"""Workloads for a guest, or for L1 itself.  They are shell, which both have.

Each function takes `sh`, which runs a script and returns its output.  It
returns seconds, measured with the clock of the machine that did the work.
"""

import re
from dataclasses import dataclass

from .. import checks, images
from . import counters

# Sets $now to nanoseconds without starting a process.  /proc/uptime has only
# hundredths of a second.
CLOCK = "t() { { read -r _; read -r _; read -r _ _ now _; } </proc/timer_list; }\n"

DISK_KIB = images.DISK_MB << 10


@dataclass(frozen=True)
class Reads:
    """Direct reads from a disk: `ops` in total, by `readers` readers."""
    size: str
    ops: int
    readers: int = 1
    cpus: int = 1       # how many of the machine are online

    @property
    def name(self):
        return f"read-{self.size}-{self.cpus}"

    @property
    def kib(self):
        return bytes_of(self.size) / 1024


def bytes_of(size):
    """The number that dd means by "512", "4k" or "1M"."""
    unit = {"k": 1 << 10, "M": 1 << 20}.get(size[-1])
    return int(size[:-1]) * unit if unit else int(size)


def timed_script(body):
    """A script that prints the nanoseconds that a shell fragment takes."""
    return f"{CLOCK}t; a=$now\n{body}\nt; echo $((now - a))"


def reader(device, load, number):
    """One reader on a CPU of its own; it starts again at the end of the disk."""
    each = load.ops // load.readers
    fit = min(each, int(DISK_KIB // load.kib))
    passes, rest = divmod(each, fit)
    # Any part of the disk will do.
    skip = number * fit % max(int(DISK_KIB // load.kib) - fit, 1)

    def dd(count):
        return f"dd if={device} of=/dev/null bs={load.size} skip={skip} count={count} iflag=direct;"
    body = f"for i in $(seq {passes}); do {dd(fit)} done; " + (dd(rest) if rest else "")
    return f"taskset {1 << number % load.cpus:x} sh -c '{body}' 2>/run/reader.{number} &"


def readers_script(device, load):
    """All readers, and the wait for the last one."""
    return "\n".join([reader(device, load, n) for n in range(load.readers)] + ["wait"])


def run(sh, body, after="", timeout=120):
    """(seconds of a shell fragment, output of another one after it)"""
    first, _, rest = sh(timed_script(body) + "\n" + after, timeout).partition("\n")
    return int(first) / 1e9, rest


def reads(sh, device, load):
    """Seconds of a load; an error if less was read than it asks for."""
    seconds, said = run(sh, readers_script(device, load), "cat /run/reader.*; rm /run/reader.*")
    done = blocks_in(said)
    want = load.ops // load.readers * load.readers
    checks.expect(done == want, f"{load.name}: {done} of {want} blocks were read")
    return seconds


def blocks_in(text):
    """The sum of dd's "N+0 records in"."""
    return sum(int(n) for n in re.findall(r"^(\d+)\+0 records in", text, re.M))


def nothing(sh):
    """Does nothing, so that the meter can measure what the measurement costs."""
    return run(sh, ":")[0]


def set_cpus(sh, count):
    """Set the number of CPUs that are online."""
    sh(f"""
        for c in /sys/devices/system/cpu/cpu[1-9]; do
            n=${{c##*cpu}}
            [ -e $c/online ] || continue
            want=$((n < {count}))
            [ $(cat $c/online) = $want ] || echo $want > $c/online
        done""", 60)


# ------------------------------------------------------------------ network

def net_up(sh):
    """Configure the igb; L0's user network answers at 10.0.2.2."""
    sh("""
        net=$(ls /sys/bus/pci/drivers/igb/0000*/net | tail -n 1)
        ip addr add 10.0.2.15/24 dev $net
        ip link set $net up
        for i in $(seq 50); do
            ping -q -c 1 -W 1 10.0.2.2 >/dev/null 2>&1 && exit
            sleep 0.1
        done
        echo "no answer on $net"; exit 1""", 60)


def pings(sh, each, senders):
    """Echo requests of 60 bytes; each is sent when the previous one is answered."""
    one = f"ping -A -q -c {each} -s 18 10.0.2.2 >/run/ping"
    body = "\n".join(f"{one}.{n} &" for n in range(senders)) + "\nwait"
    seconds, out = run(sh, body, "cat /run/ping.*; rm /run/ping.*")
    answered = sum(int(line.split()[3]) for line in out.splitlines() if "received" in line)
    checks.expect(answered >= each * senders * 0.98,
                  f"{answered} of {each * senders} packets were answered")
    return seconds


# --------------------------------------------------------------- the report

def timed(guest, device, loads):
    """{size: seconds} for each (size, count), for the report of `run`."""
    counters.quiet(guest)

    def sh(script, timeout):
        return guest.sh(script, timeout).out
    times = {}
    for size, count in loads:
        reads(sh, device, Reads(size, min(count, 64)))
        times[size] = reads(sh, device, Reads(size, count))
    counters.quiet(guest, False)
    return times
