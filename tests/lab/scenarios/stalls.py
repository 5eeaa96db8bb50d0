# SPDX-License-Identifier: GPL-2.0-or-later
"""A device that can wait: its transactions stall when they fault, and the guest answers."""

from dataclasses import replace

from lab import images, l0, options, testdev
from lab.checks import eventually, expect
from lab.registers import C_BAD_CD, F_TRANSLATION, RESUME, STALL_TERM, Smmu
from lab.scenario import scenario
from lab.scenarios.pasids import PAGE, PASIDS, RAM
from lab.testdev import BUSY, DONE, READ_FAULT, WRITE_FAULT, Bench, Contexts, Space

# As PASIDS, with an SMMU that lets software choose whether a transaction stalls, and a function that can
STALLS = replace(
    PASIDS, name="stalls",
    machine=tuple(word.replace("idr0=0xd4c341b", "idr0=0xc4c301b").replace("idr5=0x74", "idr5=0x200074")
                  for word in PASIDS.machine),
    devices=(l0.Assignable("pasid0", l0.TESTDEV, 1, more="pasid-bits=10,stall=on"),))

SSID, FROM, TO = 5, 0x10000000, 0x20000000      # the PASID, and the addresses of each copy
DATA, COPY = RAM, RAM + 0x10000
SIZE = 2 * PAGE
RETRY, TERMINATE, ABORT = 1 << 12, 0, 1 << 13   # Ac and Ab of CMD_RESUME


class Stalling:
    """One address space in which FROM is mapped and TO is not, and copies that wait."""

    def __init__(self, lab, **use):
        self.bench = Bench(lab)
        self.function, self.sid = self.bench.function, self.bench.function.sid
        self.space = Space(self.bench.qtest, 1, stalls=True)
        for n in range(0, SIZE, PAGE):
            self.space.map(FROM + n, DATA + n)
        self.contexts = Contexts(self.bench.smmu, self.sid)
        self.contexts.set(SSID, self.space)
        self.contexts.use(**use)
        self.want = None

    def start(self, why, source=FROM, destination=TO):
        """A copy that has to wait; returns the STAG of its event."""
        self.want = self.bench.fill(DATA, SIZE)
        status = self.function.copy((SSID, source), (SSID, destination), SIZE)
        expect(status == BUSY, f"{why}: the status of the copy is {status}, and it does not wait")
        return self.stalled(why, destination, reads=False)

    def stalled(self, why, address, reads):
        event = self.bench.expect_event(why, kind=F_TRANSLATION, ssid=SSID, address=address, reads=reads)
        expect(event.stag is not None, f"{why}: the event says that the transaction was terminated")
        expect(self.function.status() == BUSY, f"{why}: the transaction does not wait for the guest")
        return event.stag

    def answer(self, stag, action):
        self.bench.smmu.commands((RESUME | action | self.sid << 32, stag))

    def ends(self, why, status):
        eventually(f"{why}: the end of the copy", lambda: self.function.status() != BUSY)
        have = self.function.status()
        expect(have == status, f"{why}: the status of the copy is {have}, not {status}")

    def copied(self, why):
        self.ends(why, DONE)
        have = self.bench.sha256(COPY, SIZE)
        expect(have == self.want, f"{why}: sha256 of the data is {have}, not {self.want}")

    def map(self, mapped=True):
        for n in range(0, SIZE, PAGE):
            self.space.map(TO + n, COPY + n if mapped else None)

    def unmap(self):
        self.map(mapped=False)
        for n in range(0, SIZE, PAGE):
            self.bench.smmu.commands((0x12 | self.space.asid << 48, TO + n | 1))

    def counters(self):
        info = self.bench.guest.qmp.cmd("query-smmuv3-accel")[0]
        return {name: count for name, count in info["counters"].items() if name.startswith("stall")}


@scenario(platform=STALLS)
def stalls(lab):
    """The DMA of a device waits for a page until the guest has mapped it, or terminates it."""
    it = Stalling(lab)
    idr0, idr5 = (it.bench.smmu.read(Smmu.IDR[name]) for name in ("idr0", "idr5"))
    expect(not idr0 >> 24 & 3 and idr5 >> 16 == 32, f"the guest's IDR0 is {idr0:#x}, IDR5 {idr5:#x}")

    # Each page is a fault of its own
    stag = it.start("resumed")
    it.space.map(TO, COPY)
    it.answer(stag, RETRY)
    stag = it.stalled("the second page", TO + PAGE, reads=False)
    it.map()
    it.answer(stag, RETRY)
    it.copied("resumed")

    it.unmap()
    stag = it.start("resumed too early")
    it.answer(stag, RETRY)
    again = it.stalled("resumed too early", TO, reads=False)
    expect(again != stag, f"the STAG {stag:#x} is used again at once")
    it.answer(stag, TERMINATE)
    it.answer(again + 1, TERMINATE)
    expect(it.function.status() == BUSY, "the answer to a STAG that does not wait terminates another one")
    it.map()
    it.answer(again, RETRY)
    it.copied("resumed, the second time")

    it.unmap()
    for why, action in (("terminated", TERMINATE), ("aborted", ABORT)):
        it.answer(it.start(why), action)
        it.ends(why, WRITE_FAULT)
    it.start("CMD_STALL_TERM")
    it.bench.smmu.commands((STALL_TERM | it.sid << 32, 0))
    it.ends("CMD_STALL_TERM", WRITE_FAULT)

    # A read
    status = it.function.copy((SSID, TO), (SSID, FROM), SIZE)
    expect(status == BUSY, f"a read of an unmapped page: the status is {status}")
    it.answer(it.stalled("a read", TO, reads=True), TERMINATE)
    it.ends("a read", READ_FAULT)

    have = it.counters()
    want = {"stalled": 8, "stalls-resumed": 4, "stalls-terminated": 4, "stalls-expired": 0}
    expect(have == want, f"the counters are {have}, not {want}")


@scenario(platform=STALLS)
def stalls_end(lab):
    """What a transaction waits for goes away: STE, SMMU, event queue, machine."""
    it = Stalling(lab)
    smmu = it.bench.smmu

    stag = it.start("STE says abort")
    smmu.ste(it.sid)
    smmu.cfgi_ste(it.sid)
    it.ends("STE says abort", WRITE_FAULT)
    it.answer(stag, RETRY)
    it.contexts.use()

    it.start("SMMUEN=0, abort")
    smmu.gbpa(True)
    smmu.change_cr0(clear=smmu.SMMUEN)
    it.ends("SMMUEN=0, abort", WRITE_FAULT)
    smmu.change_cr0(set=smmu.SMMUEN)

    # The event waits until there is a queue for it
    smmu.change_cr0(clear=smmu.EVENTQEN)
    it.want = it.bench.fill(DATA, SIZE)
    expect(it.function.copy((SSID, FROM), (SSID, TO), SIZE) == BUSY, "a fault without an event queue does not wait")
    expect(not it.bench.new_events(), "the guest gets an event in a queue that is off")
    smmu.change_cr0(set=smmu.EVENTQEN)
    stag = it.stalled("EVENTQEN=1", TO, reads=False)
    it.map()
    it.answer(stag, RETRY)
    it.copied("EVENTQEN=1")

    # S1STALLD forbids CD.S
    it.contexts.use(s1stalld=True)
    status = it.function.copy((SSID, FROM), (SSID, TO), SIZE)
    expect(status == READ_FAULT, f"S1STALLD=1, S=1: the status of the copy is {status}")
    it.bench.expect_event("S1STALLD=1, S=1", kind=C_BAD_CD)
    it.contexts.use()

    # The guest is reset, and then QEMU ends, while something waits
    it.unmap()
    it.start("reset")
    it.bench.guest.qmp.cmd("system_reset")
    eventually("a reset: abort", lambda: it.bench.guest.qmp.cmd("query-smmuv3-accel")[0]["enabled"] is False)
    expect(it.counters()["stalls-expired"] == 0, "a stall expired at once")


def initrd():
    cpio = images.Cpio()
    cpio.file("bin/pasid-sva-user", testdev.program("pasid-sva-user").read_bytes(), 0o755)
    return images.initrd() + cpio.finish()


@scenario(platform=STALLS)
def sva_of_processes(lab):
    """Linux as guest: two processes share their address spaces with a device, whose page faults the guest answers."""
    host, _ = lab.vfio("pasid0")
    lab.l1.put("/tmp/sva.initrd", initrd())
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(host)
                      + ["-initrd", "/tmp/sva.initrd"])
    bdf = guest.sh("cd /sys/bus/pci/devices; grep -l 0xa250 */device").out.split("/")[0]
    guest.sh(f"""
        cd /sys/bus/pci/devices/{bdf} || exit
        echo pasid-sva > driver_override
        echo {bdf} > /sys/bus/pci/drivers_probe""")
    said = guest.sh("pasid-sva-user").out
    expect(said.endswith("all right"), said)
    counters = guest.qmp.cmd("query-smmuv3-accel")[0]["counters"]
    expect(counters["stalls-resumed"] >= 16, f"only {counters['stalls-resumed']} faults were answered")
    expect(counters["stalls-terminated"] >= 4, f"only {counters['stalls-terminated']} transactions were terminated")
    expect(counters["stalls-expired"] == 0 == counters["events-lost"], f"stalls expired or were lost: {counters}")
