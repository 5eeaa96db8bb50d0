# SPDX-License-Identifier: GPL-2.0-or-later
"""A device with PASIDs: an address space for each, whose tables the host's SMMU walks."""

import re
from dataclasses import replace

from lab import images, iort, l0, metal, options, testdev
from lab.bench import counters
from lab.checks import expect
from lab.registers import C_BAD_CD, C_BAD_SUBSTREAMID, F_STREAM_DISABLED, F_TRANSLATION
from lab.scenario import scenario
from lab.testdev import (BYPASS, DONE, L2_4K, L2_64K, LINEAR, READ_FAULT, SSID0, TERMINATE, WRITE_FAULT, Bench, Contexts,
                         Space, Testdev)

# An SMMU with 16 bits of SubstreamID, CD tables of two levels, and ATS
PASIDS = replace(
    l0.TWO_SMMUS, name="pasids",
    machine=(*l0.TWO_SMMUS.machine[:8], "-device",
             "arm-smmuv3-accel,bus=pcie.0,idr0=0xd4c341b,idr1=0x2730410,idr3=0x1514,idr5=0x74,iidr=0x0,aidr=0x1"),
    devices=(l0.Assignable("pasid0", l0.TESTDEV, 1, more="pasid-bits=16"),))

PAGE = 0x1000
SAME, ONLY = 0x10000000, 0x20000000     # mapped in both spaces, and in the first one alone
RAM = 0x42000000                        # of the first space; that of the second one is RAM2
RAM2, RAM_ONLY = RAM + 0x10000, RAM + 0x20000
SIZE = 4 * PAGE


class Two:
    """Two address spaces. The same addresses lead to different pages, the last ones first."""

    def __init__(self, bench, ssids, fmt=LINEAR, bits=10, **use):
        self.bench, self.ssids = bench, ssids
        self.spaces = [Space(bench.qtest, n) for n in (1, 2)]
        for space, ram in zip(self.spaces, (RAM, RAM2)):
            for n in range(0, SIZE, PAGE):
                space.map(SAME + n, ram + SIZE - PAGE - n)
        self.spaces[0].map(ONLY, RAM_ONLY)
        self.contexts = Contexts(bench.smmu, bench.function.sid, fmt, bits)
        for ssid, space in zip(ssids, self.spaces):
            self.contexts.set(ssid, space)
        self.contexts.use(**use)

    def copies(self, why, source=0, destination=1):
        """Data goes from one space to another, or to other addresses of the same one."""
        rams = RAM, RAM2
        want = self.bench.fill(rams[source], SIZE)
        status = self.bench.function.copy((self.ssids[source], SAME), (self.ssids[destination], SAME), SIZE)
        expect(status == DONE, f"{why}: the status of the copy is {status}")
        have = self.bench.sha256(rams[destination], SIZE)
        expect(have == want, f"{why}: sha256 of the data is {have}, not {want}")

    def invalidate(self, space, iova=SAME):
        """TLBI_NH_VA of one page."""
        self.bench.smmu.commands((0x12 | space.asid << 48, iova | 1))


def refused(bench, why, source, destination, status, **event):
    have = bench.function.copy(source, destination, PAGE)
    expect(have == status, f"{why}: the status of the copy is {have}, not {status}")
    bench.expect_event(why, **event)


@scenario(platform=PASIDS)
def pasids(lab):
    """A device's PASIDs have address spaces of their own, by CD tables of one and two levels."""
    bench = Bench(lab)
    devices = lab.l1.sh(f"{lab.qemu.path} -device help").out
    expect("vfio-pci" in devices and l0.TESTDEV not in devices, "the QEMU under test has the function for tests")
    at, value = bench.function.pasid_capability()
    expect(value >> 8 & 0x1f == 16, f"the PASID capability at {at:#x} is {value:#x}, not of 16 bits")
    expect(bench.function.read(Testdev.ENABLED) & testdev.PASID, "the host has not enabled PASIDs")

    for fmt, bits, ssids in ((LINEAR, 10, (1, 0x3ff)), (L2_4K, 16, (0x47, 0xfffe)), (L2_64K, 16, (5, 0x8421))):
        name = f"S1Fmt={fmt}"
        two = Two(bench, ssids, fmt, bits)
        two.copies(f"{name}, from the first to the second")
        two.copies(f"{name}, back", 1, 0)
        expect(not bench.new_events(), f"{name}: the guest gets events")

        refused(bench, f"{name}, an address of the other space", (ssids[1], ONLY), (ssids[1], SAME), READ_FAULT,
                kind=F_TRANSLATION, ssid=ssids[1], address=ONLY)
        refused(bench, f"{name}, a write to such an address", (ssids[0], ONLY), (ssids[1], ONLY), WRITE_FAULT,
                kind=F_TRANSLATION, ssid=ssids[1], address=ONLY)
        refused(bench, f"{name}, a PASID without a CD", (ssids[0] + 1, SAME), (ssids[0], SAME), READ_FAULT,
                kind=C_BAD_CD, ssid=ssids[0] + 1)
        two.copies(f"{name}, after the faults")
    refused(bench, "a PASID whose leaf table is absent", (0x4444, SAME), (5, SAME), READ_FAULT,
            kind=C_BAD_SUBSTREAMID, sid=bench.function.sid)


@scenario(platform=PASIDS)
def pasid_detached(lab):
    """A guest unmaps a page for one PASID, replaces a CD, and detaches a PASID: only that one is affected."""
    bench = Bench(lab)
    ssids = 3, 0x2a5
    two = Two(bench, ssids)
    two.copies("before")

    first, second = two.spaces
    second.map(SAME, None)
    two.invalidate(second)
    refused(bench, "an unmapped page", (ssids[0], SAME), (ssids[1], SAME), WRITE_FAULT,
            kind=F_TRANSLATION, ssid=ssids[1], address=SAME)
    status = bench.function.copy((ssids[0], SAME), (ssids[0], ONLY), PAGE)
    expect(status == DONE, "a page of one PASID was unmapped, and the other PASID faults")
    second.map(SAME, RAM2 + SIZE - PAGE)

    # The tables of the first space for the second PASID: the data arrives there.
    two.contexts.set(ssids[1], first)
    two.contexts.cfgi_cd(ssids[1])
    want = bench.fill(RAM_ONLY, PAGE)
    status = bench.function.copy((ssids[1], ONLY), (ssids[1], SAME), PAGE)
    expect(status == DONE and bench.sha256(RAM + SIZE - PAGE, PAGE) == want, "the new CD of a PASID is not used")

    for n in (1, 0):
        two.contexts.set(ssids[n], two.spaces[n], valid=False)
        two.contexts.cfgi_cd(ssids[n])
        refused(bench, "a detached PASID", (ssids[n], SAME), (ssids[n], SAME), READ_FAULT, kind=C_BAD_CD, ssid=ssids[n])
        if n:
            expect(bench.function.copy((ssids[0], SAME), (ssids[0], ONLY), PAGE) == DONE,
                   "one PASID was detached, and the other faults")


@scenario(platform=PASIDS)
def without_pasid(lab):
    """S1DSS applies to the requests without a PASID of a device that has PASIDs."""
    bench = Bench(lab)
    ssid = 7
    two = Two(bench, (ssid, 8), s1dss=TERMINATE)
    refused(bench, "S1DSS=0", (None, SAME), (ssid, SAME), READ_FAULT, kind=F_STREAM_DISABLED, sid=bench.function.sid)
    two.copies("S1DSS=0, with PASIDs")

    two.contexts.use(s1dss=BYPASS)
    want = bench.fill(RAM_ONLY, PAGE)
    status = bench.function.copy((None, RAM_ONLY), (ssid, SAME), PAGE)
    expect(status == DONE and bench.sha256(RAM + SIZE - PAGE, PAGE) == want, "S1DSS=1: no DMA past stage 1")
    two.copies("S1DSS=1, with PASIDs")

    zero = Space(bench.qtest, 3)
    zero.map(ONLY, RAM_ONLY + PAGE)
    two.contexts.set(0, zero)
    two.contexts.use(s1dss=SSID0)
    want = bench.fill(RAM_ONLY + PAGE, PAGE)
    status = bench.function.copy((None, ONLY), (ssid, SAME), PAGE)
    expect(status == DONE and bench.sha256(RAM + SIZE - PAGE, PAGE) == want, "S1DSS=2: no DMA by the CD of substream 0")
    two.copies("S1DSS=2, with PASIDs")
    refused(bench, "S1DSS=2, PASID 0", (0, ONLY), (ssid, SAME), READ_FAULT, kind=C_BAD_SUBSTREAMID)
    refused(bench, "a PASID beyond S1CDMax", (1024 + ssid, SAME), (ssid, SAME), READ_FAULT, kind=C_BAD_SUBSTREAMID)
    refused(bench, "no PASID, another address", (None, SAME), (ssid, SAME), READ_FAULT, kind=F_TRANSLATION, ssid=None)


def initrd(table):
    """The guest's initrd with pasid-user, and without RMR: Linux gives VFIO no device with a reserved range."""
    cpio = images.Cpio()
    cpio.file("bin/pasid-user", testdev.program("pasid-user").read_bytes(), 0o755)
    return images.acpi_override("iort", iort.without_rmr(table)) + images.initrd() + cpio.finish()


def share_with_a_process(lab, **vsmmu):
    """Boot Linux with the function, and let a process give it three address spaces by iommufd; returns guest and BDF."""
    host, _ = lab.vfio("pasid0")
    args = options.iommufd() + options.root_complex(lab.qemu, **vsmmu) + options.vfio(host)
    guest = lab.start(args)
    table = guest.agent.run("cat /sys/firmware/acpi/tables/IORT").data
    guest.stop()
    lab.l1.put("/tmp/pasid.initrd", initrd(table))
    guest = lab.start(args + ["-initrd", "/tmp/pasid.initrd"])
    bdf = guest.sh("cd /sys/bus/pci/devices; grep -l 0x11ea */device").out.split("/")[0]
    cdev = guest.sh(f"""
        cd /sys/bus/pci/devices/{bdf} || exit
        echo vfio-pci > driver_override
        echo {bdf} > /sys/bus/pci/drivers_probe
        ls vfio-dev""").out
    said = guest.sh(f"pasid-user /dev/vfio/devices/{cdev}").out
    expect(said.endswith("all right"), said)
    return guest, bdf


@scenario(platform=PASIDS, named=True)
def pasids_of_a_process(lab):
    """Linux as guest: a process gives one device three address spaces by iommufd, two of them by PASID."""
    guest, bdf = share_with_a_process(lab)
    log = guest.sh("dmesg").out
    for event in "F_TRANSLATION", "C_BAD_CD":
        expect(re.search(rf"event: {event} client: {bdf} .*ssid: 0x2", log), f"no {event} of PASID 2: {log[-2000:]}")


@scenario(platform=PASIDS, named=True)
def ats_of_a_process(lab):
    """The same with ats=on: Linux enables ATS, and its invalidations reach the device before it frees a page."""
    with Watched(lab.l1) as watched:
        share_with_a_process(lab, ats="on")
    used = [line for line in watched.text.splitlines() if "testdev_translate" in line]
    expect(any("requested" in line for line in used), "the device has requested no translation")
    forgets = [what for before, what, after in watched.invalidations() if before == "ATC_INV"]
    expect(any(ats and pasid == 1 for pasid, _, _, _, ats in forgets), f"no ATC_INV for PASID 1: {forgets}")
    expect(any(ats and pasid == 2 for pasid, _, _, _, ats in forgets), f"no ATC_INV for PASID 2: {forgets}")


TRACED = ("smmuv3_cmdq_opcode", "pasid_testdev_*")


def ats_inv(sid, ssid=None, iova=0, size=52, everybody=False):
    """CMD_ATC_INV of 2^size pages."""
    substream = 0 if ssid is None else 1 << 11 | ssid << 12
    return 0x40 | everybody << 9 | substream | sid << 32, iova | size


class Watched:
    """What L0's SMMU and the function do, in order."""

    def __init__(self, l1):
        self.l1 = l1

    def __enter__(self):
        self.start = self.l1.l0.stderr_path.stat().st_size
        counters.trace_events(self.l1.l0.qmp, TRACED, True)
        return self

    def __exit__(self, *_):
        counters.trace_events(self.l1.l0.qmp, TRACED, False)
        with open(self.l1.l0.stderr_path, "rb") as file:
            file.seek(self.start)
            self.text = file.read().decode(errors="replace")

    def invalidations(self):
        """[(opcode before, what the function forgets, opcode after)]"""
        found = []
        lines = [line for line in self.text.splitlines() if "opcode" in line or "invalidate" in line]
        for n, line in enumerate(lines):
            what = re.search(r"invalidate pasid 0x(\w+) global (\d) 0x(\w+)..0x(\w+) ats (\d)", line)
            if what:
                opcodes = [re.search(r"SMMU_CMD_(\w+)", lines[m]) if 0 <= m < len(lines) else None
                           for m in (n - 1, n + 1)]
                found.append((opcodes[0] and opcodes[0][1], tuple(int(x, 16) for x in what.groups()),
                              opcodes[1] and opcodes[1][1]))
        return found


def refused_quietly(bench, why, source, destination):
    """A fault of a translation request is the device's own affair: there is no event."""
    status = bench.function.copy(source, destination, PAGE)
    expect(status == READ_FAULT, f"{why}: the status of the copy is {status}")
    expect(not bench.new_events(), f"{why}: there is an event")


@scenario(platform=PASIDS)
def ats(lab):
    """EATS of the guest enables ATS; an ATC_INV reaches the device before SYNC completes, and no translation is stale."""
    bench = Bench(lab, ats="on")
    function = bench.function
    ssids = 5, 6
    two = Two(bench, ssids, L2_64K, 16, s1dss=SSID0, eats=1)
    expect(function.read(Testdev.ENABLED) & testdev.ATS, "EATS=1, and the host has not enabled ATS")
    first, second = two.spaces
    zero = Space(bench.qtest, 3)
    zero.map(ONLY, RAM_ONLY + PAGE)
    two.contexts.set(0, zero)
    two.contexts.cfgi_cd(0)

    two.copies("ATS")
    cached = function.read(Testdev.CACHED)
    expect(cached == 2 * SIZE // PAGE, f"the device has {cached} translations, not {2 * SIZE // PAGE}")
    refused_quietly(bench, "ATS, an unmapped address", (ssids[1], ONLY), (ssids[1], SAME))

    def moved(space, to):
        """The first page of the space moves elsewhere; the TLB forgets it."""
        space.map(SAME, to)
        two.invalidate(space)

    def reads(ssid):
        """Which page the device reads for the first one of the space."""
        marks = {RAM + SIZE - PAGE: 1, RAM2 + SIZE - PAGE: 2, RAM_ONLY: 3, RAM_ONLY + 2 * PAGE: 4}
        for at, mark in marks.items():
            bench.qtest.send(metal.put(at, mark, 64))
        status = function.copy((ssid, SAME), (ssid, SAME + PAGE), 8)
        expect(status == DONE, f"the status of the copy is {status}")
        base = RAM if ssid == ssids[0] else RAM2
        return bench.qtest.send(metal.get(base + SIZE - 2 * PAGE, 64))[0]

    moved(first, RAM_ONLY)
    moved(second, RAM_ONLY + 2 * PAGE)
    expect((reads(ssids[0]), reads(ssids[1])) == (1, 2), "the device does not use what it has cached")

    before = function.read(Testdev.INVALIDATIONS)
    with Watched(lab.l1) as watched:
        bench.smmu.commands(ats_inv(function.sid, ssids[0], SAME, 0))
        after = function.read(Testdev.INVALIDATIONS)
    expect(after == before + 1, f"SYNC is complete, and the device has got {after - before} invalidations, not 1")
    expect(watched.invalidations() == [("ATC_INV", (ssids[0], 0, SAME, SAME + PAGE - 1, 1), "SYNC")],
           f"the host's SMMU and the device do {watched.invalidations()}")
    expect((reads(ssids[0]), reads(ssids[1])) == (3, 2), "ATC_INV with SSV: not the translations of that PASID alone")

    moved(first, RAM + SIZE - PAGE)
    bench.smmu.commands(ats_inv(function.sid, ssids[0], everybody=True))
    expect((reads(ssids[0]), reads(ssids[1])) == (1, 4), "ATC_INV with Global: not the translations of all PASIDs")

    # Requests without a PASID
    expect(function.copy((None, ONLY), (ssids[0], SAME), 8) == DONE, "ATS without a PASID does not work")
    cached = function.read(Testdev.CACHED)
    bench.smmu.commands(ats_inv(function.sid))
    expect(function.read(Testdev.CACHED) == cached - 1, "ATC_INV without SSV: not the one translation without a PASID")
    expect(not bench.new_events(), "the guest gets events")

    moved(second, RAM2 + SIZE - PAGE)
    two.contexts.use(s1dss=SSID0, eats=0)
    expect(not function.read(Testdev.ENABLED) & testdev.ATS, "EATS=0, and the host has left ATS enabled")
    expect(function.read(Testdev.CACHED) == 0, "EATS=0, and the device has translations")
    with Watched(lab.l1) as watched:
        bench.smmu.commands(ats_inv(function.sid))
        two.copies("EATS=0")
    expect("ATC_INV" not in watched.text, "EATS=0, and the host gets ATC_INV")
    expect("testdev_translate" not in watched.text, "EATS=0, and the device requests translations")
