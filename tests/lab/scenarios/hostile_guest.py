# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that abuses its vSMMU at full speed; `make hostile` does it for longer, beside two guests."""

from lab import checks, hostile, hostility, l0, util
from lab.checks import expect
from lab.scenario import scenario

SEED = 0x5eed
SECONDS = 4             # of faults, for each size of the event queue
LARGEST = 19            # log2 of the events in the largest event queue
FAULTS = 500            # in that time, at least


@scenario(platform=l0.HOSTILE, named=True)
def hostile_guest(lab):
    """12 s of random commands, tables and registers: a guest with queues in hardware does checked I/O beside it."""
    hostility.run(lab, SEED, 12, ({"cmdqv": "on"},), round_seconds=6, quiet=3)


@scenario(platform=l0.HOSTILE, named=True)
def faults_without_end(lab):
    """A device faults without end, with an event queue of one entry and of 2^19, switched on and off: QEMU answers."""
    idle = lab.guest()
    idle.start([], boot="qtest", mem="64M", trace=())
    bad = hostility.hostile_guest(lab, idle)
    before = bad.sample()
    lab.l1.sh("dmesg -c >/dev/null")
    for mode, log2 in ((hostile.FAULTS, 0), (hostile.FAULTS, LARGEST), (hostile.FAULTS_TOGGLED, 0),
                       (hostile.FAULTS_TOGGLED, LARGEST)):
        done = bad.round(SEED, SECONDS, mode, log2)
        faults, switched = done.counts["DMA"], done.counts["register writes"] // 2
        util.say(f"  2^{log2} events: {faults} faults, switched {switched} times; {hostility.monitor_text([done])}")
        expect(faults >= FAULTS, f"2^{log2} events: the device has faulted only {faults} times")
        expect(bool(switched) == (mode == hostile.FAULTS_TOGGLED), f"the event queue was switched {switched} times")
        hostility.monitor_answers([done])
        bad.reset()
    checks.eventually("the kernel's objects are those of the beginning",
                      lambda: bad.sample()["objects"] == before["objects"])
    log = hostility.kinds(lab.l1.sh("dmesg -c").out)
    for kind, n in log.most_common():
        util.say(f"  the host's kernel: {n} {kind}")
    expect(not hostility.unexpected(log), f"L1's kernel logged: {hostility.unexpected(log)}")
