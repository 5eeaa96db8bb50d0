# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes commands into the guest's own command queue, to count what they cost.

Afterwards the guest's driver has wrong indices of the queue and cannot use it.
So this has to be the last measurement in a guest.
"""

import time

from .. import bare, registers
from ..util import LabError
from . import counters

# Two words each
CFGI_ALL = (registers.CFGI_ALL, 31)
TLBI_NH_ASID = registers.tlbi_asid(1)
SYNC = (registers.SYNC, 0)


class Queue:
    """The command queue of a guest's SMMU, while the guest does not use it."""

    def __init__(self, smmu):
        self.smmu = smmu
        base = smmu.read(smmu.CMDQ_BASE, 64)
        self.size = 1 << (base & smmu.LOG2SIZE)
        self.address = base & smmu.ADDRESS

    def put(self, commands):
        """Write commands.  Returns the CMDQ_PROD behind them, and a shell command that
        writes it."""
        prod = self.smmu.read(self.smmu.CMDQ_PROD)
        script = []
        for n, words in enumerate(commands):
            slot = self.address + 16 * ((prod + n) % self.size)
            script += [f"devmem {slot + 8 * i:#x} 64 {word:#x}" for i, word in enumerate(words)]
        self.smmu.l2.sh("\n".join(script), 60)
        after = (prod + len(commands)) % (2 * self.size)
        return after, f"devmem {self.smmu.base + self.smmu.CMDQ_PROD:#x} 32 {after:#x}"

    def issue(self, commands):
        """Write commands and CMDQ_PROD, and wait until they are consumed."""
        after, ring = self.put(commands)
        self.smmu.l2.sh(ring, 60)
        for _ in range(50):
            cons = self.smmu.read(self.smmu.CMDQ_CONS)
            if cons == after:
                return
            time.sleep(0.1)
        raise LabError(f"CMDQ_CONS is {cons:#x}, not {after:#x}: the SMMU does not consume the queue")


def measure(l1, guest, name, sizes=(1, 8, 32)):
    """{figure: counts} of CFGI_ALL with nothing changed, and of batches."""
    queue = Queue(bare.Smmu(guest, name))
    out = {}
    with counters.traced(l1, guest) as counts:
        queue.issue([CFGI_ALL, SYNC])
    out["cfgi-all"] = counts
    for size in sizes:
        with counters.traced(l1, guest) as counts:
            queue.issue([TLBI_NH_ASID] * size + [SYNC])
        out[f"batch-{size}"] = counts
    return out
