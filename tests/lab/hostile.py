# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that abuses its vSMMU: the program in guest/hostile/, which runs without an operating system."""

import threading
import time
from dataclasses import dataclass

from . import kernel, metal, options, util
from .channel import Dead, LabError
from .soak import Sampler
from .util import CROSS, HERE

SOURCES = sorted((HERE / "guest/hostile").glob("*.[cS]"))
HEADERS = sorted((HERE / "guest/hostile").glob("*.h"))
LINK = HERE / "guest/hostile/link.ld"
ARGS = ("-O2", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic", "-mgeneral-regs-only",
        "-mstrict-align", "-fno-tree-loop-distribute-patterns", "-Wall", "-Wextra", "-Werror",
        "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments")

# What it does in a round, as in main.c
SPIN, ABUSE, FAULTS, FAULTS_TOGGLED = range(4)

# Of the trace, only what the Sampler counts
OBJECTS = ("iommufd_backend_alloc_*", "iommufd_backend_free_id", "iommufd_backend_disconnect")

# The numbers of a line of the program, in its order
COUNTS = ("commands", "STEs", "CDs", "PTEs", "register writes", "register reads", "CMDQV accesses",
          "DMA", "bus numbers", "recoveries", "refused accesses")


def program():
    """The path of the program, built if it is not in the cache."""
    key = util.key_of(*(path.read_bytes() for path in (*SOURCES, *HEADERS, LINK)), *ARGS, kernel.compiler())
    with util.cached("hostile", key) as (final, work):
        if work:
            util.run([f"{CROSS}gcc", *ARGS, f"-Wl,-T,{LINK}", "-s", "-o", work / "hostile", *SOURCES])
    return final / "hostile"


@dataclass
class Round:
    """What happened in one round."""
    seed: int
    mode: int
    counts: dict
    queries: list           # of the monitor: (begin, end)
    others: list            # of the monitor of another QEMU, at the same time
    modes: set              # of the command queues of the CMDQV

    @property
    def latencies(self):
        return [end - begin for begin, end in self.queries]

    @property
    def longest(self):
        """The longest answer, without the time that the other QEMU needed for one meanwhile."""
        def meanwhile(begin, end):
            return max((e - b for b, e in self.others if b < end and e > begin), default=0)
        return max(end - begin - meanwhile(begin, end) for begin, end in self.queries)


class Asking(threading.Thread):
    """Asks the monitor of a QEMU that does nothing, to know how busy the machine is."""

    def __init__(self, l2, pause):
        super().__init__(daemon=True)
        self.l2 = l2
        self.pause = pause
        self.going = True
        self.queries = []
        self.start()

    def run(self):
        while self.going:
            begin = time.monotonic()
            self.l2.qmp.cmd("query-status")
            self.queries.append((begin, time.monotonic()))
            time.sleep(self.pause)

    def stop(self):
        self.going = False
        self.join(60)
        return self.queries


class Hostile:
    """The guest, with two host devices and an emulated one behind its vSMMU."""

    EMULATED = ("-drive", "if=none,id=soft,format=raw,readonly=on,file=/lab/guest/Image",
                "-device", "nvme,bus=rp3,drive=soft,serial=soft")

    def __init__(self, lab, hosts, other):
        """other: a guest of another QEMU, whose monitor is asked as well, to know how busy the machine is"""
        self.other = other
        self.l2 = lab.guest()
        path = f"{lab.l1.tmp}/hostile"
        lab.l1.put(path, program().read_bytes())
        args = options.iommufd() + lab.qemu.vsmmu(bus="pcie.0", cmdqv="on")
        for n in (1, 2, 3):
            args += ["-device", f"pcie-root-port,id=rp{n},bus=pcie.0,addr={n + 1},chassis={n}"]
        for n, host in enumerate(hosts, 1):
            args += options.vfio(host, bus=f"rp{n}", id=f"dev{n}")
        self.l2.start([*args, *self.EMULATED, "-kernel", path], boot="none", machine=metal.MACHINE,
                      mem="256M", cpus=2, trace=OBJECTS)
        self.sampler = Sampler(self.l2)
        self.printed = 0
        self.wait("READY", 30)

    # ------------------------------------------------------------ its console

    def lines(self):
        """New lines of the program.  A device may have written to the console as well."""
        text = self.l2.console()[self.printed:]
        whole, newline, _ = text.rpartition("\n")
        self.printed += len(whole) + len(newline)
        return whole.splitlines()

    def wait(self, word, seconds):
        """Wait until the program prints a line that begins with this word; its numbers."""
        deadline = time.monotonic() + seconds * util.patience
        while True:
            for line in self.lines():
                if line.startswith(word):
                    return [int(n) for n in line.split()[1:]]
            self.l2.alive()
            if time.monotonic() > deadline:
                raise LabError(f"the hostile guest does not say {word}: {self.l2.console()[-200:]}")
            time.sleep(0.1)

    # ----------------------------------------------------------------- rounds

    def go(self, seed, seconds, mode, log2=0):
        self.l2.copy.channel.send(f"go {seed:x} {seconds:x} {mode:x} {log2:x}\n".encode())

    def round(self, seed, seconds, mode=ABUSE, log2=0, pause=0.2):
        """Run one round, and ask the monitor all the time."""
        queries, modes = [], set()
        asking = Asking(self.other, pause)
        self.go(seed, seconds, mode, log2)
        deadline = time.monotonic() + (seconds * 3 + 60) * util.patience
        while True:
            begin = time.monotonic()
            try:
                info = self.l2.qmp.cmd("query-smmuv3-accel", timeout=30)
            except Dead as error:
                raise LabError(f"seed {seed:#x}: the monitor of the hostile guest: {error}") from None
            queries.append((begin, time.monotonic()))
            modes.add(info[0]["cmdqv"]["mode"])
            done = [line for line in self.lines() if line.startswith("DONE")]
            if done:
                counts = dict(zip(COUNTS, map(int, done[-1].split()[1:])))
                return Round(seed, mode, counts, queries, asking.stop(), modes)
            if time.monotonic() > deadline:
                raise LabError(f"seed {seed:#x}: the hostile guest stands still: {self.l2.console()[-200:]}")
            time.sleep(pause)

    def reset(self):
        """Reset the machine; the program starts again, and the devices are on stage 1."""
        self.lines()
        self.l2.qmp.cmd("system_reset")
        self.wait("READY", 30)

    def sample(self):
        return self.sampler.take()
