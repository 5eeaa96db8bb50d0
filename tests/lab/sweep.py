# SPDX-License-Identifier: GPL-2.0-or-later
"""Failure sweeps: repeat a flow with a failure of another host call each time."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import metal, options, shim, util
from .checks import expect
from .qmp import QmpError
from .shim import ERRNOS

SPOKEN = "smmuv3_accel_complain"
# The kernel maps no BAR for other devices; QEMU reports it each time.


class Bench:
    """A stopped machine with a vSMMU on pcie.0 and two ports for host devices."""

    registers = {}      # options of the vSMMU
    mem = "512M"

    def __init__(self, lab, kernel=None):
        self.lab = lab
        self.hosts = {n: lab.vfio(f"nvme{n - 1}")[0] for n in (1, 2)}
        self.guest = shim.guest(lab, kernel)
        self.guest.start(self.options() + options.vfio(self.hosts[1], bus="rp1"), boot="qtest",
                         machine=metal.MACHINE, mem=self.mem, trace=(SPOKEN,))
        qtest = self.guest.qtest
        self.smmu = metal.Smmu(qtest)
        self.smmu.set_up()
        self.ports = {n: metal.Port(qtest, n + 1, n) for n in (1, 2)}
        self.disks = {n: metal.Nvme(qtest, self.ports[n]) for n in (1, 2)}
        self.there = {1}
        self.offsets = {"ioctls": 0, "trace": 0, "stderr": 0}
        self.calls = []

    def options(self):
        return (options.iommufd() + self.lab.qemu.vsmmu(bus="pcie.0", **self.registers)
                + ["-device", "pcie-root-port,id=rp1,bus=pcie.0,addr=2,chassis=1",
                   "-device", "pcie-root-port,id=rp2,bus=pcie.0,addr=3,chassis=2"])

    # ------------------------------------------------------- steps of a flow

    def plug(self, n):
        if n in self.there:
            return
        self.ports[n].set_bus(n)
        self.guest.device_add("vfio-pci", id=f"dev{n}", bus=f"rp{n}", host=self.hosts[n],
                              iommufd="iommufd0")
        self.there.add(n)

    def unplug(self, n):
        if n not in self.there:
            return
        self.guest.qmp.cmd("device_del", id=f"dev{n}")
        self.ports[n].eject()
        self.guest.qmp.event("DEVICE_DELETED", 10, lambda data: data.get("device") == f"dev{n}")
        self.there.remove(n)

    def configure(self, n, context=None, **ste):
        """Write the STE of device n, and invalidate it."""
        self.smmu.ste(self.ports[n].sid, context, **ste)
        self.smmu.cfgi_ste(self.ports[n].sid)

    def dma(self, n):
        """How the DMA of a device reaches RAM: a set of "bypass", 0, 1 (contexts)."""
        bases = {"bypass": metal.RAM, 0: self.smmu.va(0), 1: self.smmu.va(1)}
        return {name for name, base in bases.items() if self.disks[n].identify(base)}

    def quit(self):
        """End QEMU; its exit status."""
        self.guest.qmp.cmd("quit")
        seconds = 2 * util.ending
        return self.lab.l1.sh(f"""for i in $(seq {10 * seconds}); do
            [ -e {self.guest.dir}/status ] && exec cat {self.guest.dir}/status
            sleep 0.1
        done; echo still running""", seconds + 20).out

    # ------------------------------------------------------ calls to the host

    def look(self, nth=0, errnos=None, times=1):
        """New ioctls and messages of QEMU since the last call; then arm or disarm."""
        files = "".join(f"tail -c +{at + 1} {name}; printf '\\0'; " for name, at in self.offsets.items())
        out = self.lab.l1.sh(f"cd {self.guest.dir}; {files} ls /proc/{self.guest.pid}/fd | wc -l; "
                             + self.guest.shim.arming(nth, errnos or {}, times)).data
        *texts, fds = out.split(b"\0")
        for name, text in zip(self.offsets, texts):
            self.offsets[name] += len(text)
        ioctls, trace, said = (text.decode(errors="replace") for text in texts)
        calls = shim.parse(ioctls)
        self.calls += calls
        return Seen(calls, "\n".join(said.splitlines() + trace.splitlines()), shim.live(self.calls), int(fds))

    def settled(self, live, fds):
        """Wait until these objects and files are left; RCU frees some of them later."""
        deadline = time.monotonic() + 5
        while True:
            seen = self.look()
            if (seen.live, seen.fds) == (live, fds):
                return
            expect(time.monotonic() < deadline,
                   f"kernel objects are {seen.live} with {seen.fds} files open, not {live} with {fds}")
            time.sleep(0.05)


@dataclass
class Seen:
    calls: list
    said: str       # messages, including suppressed ones from the trace
    live: dict
    fds: int


@dataclass(frozen=True)
class Flow:
    name: str
    prepare: Callable       # from any state to the initial state of the flow
    run: Callable           # may be repeated
    dma: dict               # {device: what dma() finds} afterwards
    queues: int = 1         # event queues afterwards


def as_wanted(bench, flow, live):
    """Whether the flow had its effect.  DMA that is neither as expected nor blocked is an error."""
    good = live.get("vEVENTQ", 0) == flow.queues
    for n, want in flow.dma.items():
        if n not in bench.there:
            good &= want is None
            continue
        have = bench.dma(n)
        expect(have in (want, set()), f"device {n} reaches memory by {have}, not {want}")
        good &= have == want
    return good


def reference(bench, flow):
    """The flow without failures, twice: (requests in order, objects and files afterwards)."""
    for _ in range(2):
        flow.prepare(bench)
        bench.look()
        flow.run(bench)
        calls = bench.look()
        expect(as_wanted(bench, flow, calls.live), f"{flow.name} does not work although no call fails: {calls.said}")
        after = bench.look()
    return [call.name for call in calls.calls if call.name in ERRNOS], (after.live, after.fds)


def attempt(bench, flow, goal, nth, errnos, times=1):
    """Run once, with one or more failing calls.  Returns the first of them, or None if there were fewer calls."""
    flow.prepare(bench)
    before = bench.look(nth, errnos, times)
    error = None
    bench.smmu.may_abort = True
    try:
        flow.run(bench)
    except QmpError as refused:
        error = str(refused)
    seen = bench.look()
    bench.smmu.may_abort = False
    bench.smmu.acknowledge()
    failed = next((call for call in seen.calls if call.by == "inject"), None)
    util.detail(f"{flow.name} {nth}: {failed and failed.name} {failed and os.strerror(-failed.ret)}: "
                f"{error or seen.said or 'no message'}")
    if not failed:
        expect(not error and as_wanted(bench, flow, seen.live),
               f"no call failed, but the flow did: {error or seen.said}")
        return None
    what = f"{flow.name}, call {nth}, {failed.name} fails ({os.strerror(-failed.ret)})"
    try:
        if error:
            expect(any(host in error for host in bench.hosts.values()), f"the message names no device: {error}")
            if times == 1:
                bench.settled(before.live, before.fds)
        elif times == 1:
            expect(as_wanted(bench, flow, seen.live) or seen.said, "there is no message")
        else:
            # A host that refuses everything does not block DMA either. QEMU keeps the
            # ids of objects that it does not destroy, and tries again.
            kept = all(call.name == "IOMMU_DESTROY" for call in seen.calls if call.by == "inject")
            expect(seen.said or kept, "there is no message")
        flow.run(bench)
        bench.smmu.again()
        expect(as_wanted(bench, flow, bench.look().live), "a retry does not work")
        bench.settled(*goal)
    except util.LabError as wrong:
        raise util.LabError(f"{what}: {wrong}; QEMU said: {error or seen.said or 'nothing'}") from None
    return failed


def sweep(bench, flow, names=None):
    """A failure of every call of a flow in turn, with every errno; then of all calls from each one on.

    names: only these calls, with one errno each.
    """
    requests, goal = reference(bench, flow)
    count = 0

    def every_call(errnos, times=1):
        nth = 1
        while attempt(bench, flow, goal, nth, errnos, times):
            nth += 1
            expect(nth < 100, f"{flow.name}: the calls do not end")
        return nth - 1

    if names:
        count += every_call({name: shim.REFUSED[name] for name in names})
    else:
        for errnos in shim.variants(requests):
            count += every_call(errnos)
        count += every_call(shim.REFUSED, times=1000)
    util.say(f"  {flow.name}: {len(requests)} calls, {count} failures")
