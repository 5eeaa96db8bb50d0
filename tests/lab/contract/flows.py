# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse tests/unit/smmuv3-accel-flows.txt, and run the flows of the device on L1's kernel."""

import re
import struct
import time
from dataclasses import dataclass, field

from .. import metal, options, registers, shim, util
from ..checks import expect
from ..qmp import QmpError
from ..util import LabError

PORTS = (1, 2, 3)


@dataclass
class Flow:
    """A flow, or the log of one."""
    title: str      # "raw NAME" or "flow NAME"
    lines: list = field(default_factory=list)


def parse(text):
    """{title: Flow}"""
    flows = {}
    flow = None
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith(("raw ", "flow ")):
            flow = flows[line] = Flow(line)
        elif line:
            flow.lines.append(line)
    return flows


VFIO_ONLY = re.compile(r"IOMMU_IOAS_(UN)?MAP(_FILE)? ")


def without_vfio(lines):
    """The calls of the vSMMU.  VFIO's own calls, which are omitted, are

    - all from the bind of a device to its second IOMMU_GET_HW_INFO, which is the first call of the vSMMU;
    - maps and unmaps;
    - those that destroy its own objects;
    - the last detach of a device before its file is closed.
    """
    kept, vfios, asked, device = [], set(), 0, None
    for line in lines:
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        name = line.split()[0]
        if name == "VFIO_DEVICE_BIND_IOMMUFD":
            device, asked = words["out"], 0
        elif name == "close":
            last = max((n for n, old in enumerate(kept)
                        if old.startswith(f"VFIO_DEVICE_DETACH_IOMMUFD_PT dev={words['dev']} ")), default=None)
            if last is not None:
                del kept[last]
            device = None if device == words["dev"] else device
        elif VFIO_ONLY.match(line) or name == "IOMMU_DESTROY" and words["id"] in vfios:
            pass
        elif device:
            asked += name == "IOMMU_GET_HW_INFO"
            if asked == 2:
                kept.append(line)
                device = None
            elif "out" in words:
                vfios.add(words["out"])
        else:
            kept.append(line)
    return kept


def name_of(place):
    """The id of a device in QEMU."""
    return f"dev{place.replace('.', '-')}"


class Machine:
    """A stopped machine with a vSMMU on pcie.0 and three ports for host devices."""

    def __init__(self, lab, hosts, registers, **more):
        """hosts: {place in the flows, "3.1": PCI address in L1}; more: options of the vSMMU"""
        self.lab = lab
        self.hosts = hosts
        self.guest = shim.guest(lab)
        ports = []
        for n in PORTS:
            ports += ["-device", f"pcie-root-port,id=rp{n},bus=pcie.0,addr={n + 1},chassis={n}"]
        self.guest.start(options.iommufd() + lab.qemu.vsmmu(bus="pcie.0", **registers, **more) + ports,
                         boot="qtest", machine=metal.MACHINE, trace=())
        self.smmu = metal.Smmu(self.guest.qtest)
        self.smmu.set_up()
        self.ports = {n: metal.Port(self.guest.qtest, n + 1, n) for n in PORTS}
        self.there = set()
        self.closed = 0
        self.written = set()

    # ------------------------------------------------------------------ log

    def words(self):
        return self.lab.l1.get(f"{self.guest.dir}/words").decode().splitlines()

    def wait_closed(self, count):
        """Wait until QEMU has closed the files of unplugged devices."""
        self.closed += count
        deadline = time.monotonic() + 10
        while sum(line.startswith("close ") for line in self.words()) < self.closed:
            expect(time.monotonic() < deadline, "QEMU keeps the file of a device that was unplugged")
            time.sleep(0.02)

    # ---------------------------------------------------------------- steps

    def sid(self, place):
        n, _, function = place.partition(".")
        return self.ports[int(n)].sid | int(function or 0)

    def plug(self, place):
        n, _, function = place.partition(".")
        try:
            self.guest.device_add("vfio-pci", id=name_of(place), bus=f"rp{n}", host=self.hosts[place],
                                  addr=f"0.{function or 0}", multifunction=bool(function), iommufd="iommufd0")
        except QmpError as error:
            util.detail(f"plug {place}: {error}")
            self.wait_closed(1)
        else:
            self.there.add(place)

    def unplug(self, number):
        """Unplug all functions of a slot."""
        leaving = sorted(place for place in self.there if place.split(".")[0] == number)
        self.guest.qmp.cmd("device_del", id=name_of(leaving[0]))
        self.ports[int(number)].eject()
        for place in leaving:
            self.guest.qmp.event("DEVICE_DELETED", 10,
                                 lambda data, name=name_of(place): data.get("device") == name)
        self.there -= set(leaving)
        self.wait_closed(len(leaving))

    def ste(self, place, what, context=None):
        sid = self.sid(place)
        self.written.add(sid)
        kinds = {"s1": {}, "bypass": {"config": registers.BYPASS}, "abort": {"config": 0},
                 "illegal": {"config": registers.ILLEGAL}, "invalid": {"valid": False}}
        self.smmu.ste(sid, None if context is None else int(context), **kinds[what])

    def reset(self):
        self.guest.qmp.cmd("system_reset")
        self.guest.qmp.event("RESET")
        self.smmu.set_up()

    def eventq_size(self, log2):
        self.guest.qtest.send(metal.put(metal.SMMU + self.smmu.EVENTQ_BASE, metal.EVENTQ | int(log2), 64))

    def cmdqv(self, offset, value, width="32"):
        """A register of the guest's CMDQV."""
        tree = self.guest.qmp.hmp("info mtree")
        base = int(re.search(r"([0-9a-f]{16})-[0-9a-f]{16} \(prio \d+, i/o\): smmuv3-cmdqv", tree)[1], 16)
        self.guest.qtest.send(metal.put(base + int(offset, 0), int(value, 0), int(width)))

    def memory(self, address, words):
        """A command in memory."""
        words = struct.pack("<QQ", *(int(word, 0) for word in words.split(":")))
        self.guest.qtest.send(metal.memory(int(address, 0), words))

    # ----------------------------------------------------------------- flows

    def clear(self):
        """Unplug everything, reset, and clear all STEs."""
        for number in {place.split(".")[0] for place in self.there}:
            self.ports[int(number)].set_bus(int(number))
            self.unplug(number)
        self.reset()
        self.smmu.gbpa(False)
        for n, port in self.ports.items():
            port.set_bus(n)
        for sid in self.written:
            self.smmu.ste(sid, valid=False)
        self.written.clear()

    def run(self, flow):
        """Run a flow; returns the calls of the vSMMU."""
        self.clear()
        before = len(self.words())
        queue = []
        for line in flow.lines:
            name, *args = line.split()
            try:
                self.step(name, args, queue)
            except LabError as error:
                raise LabError(f"{flow.title}: {line}: {error}") from None
        return without_vfio(self.words()[before:])

    def step(self, name, args, queue):
        cr0 = {"smmuen": self.smmu.SMMUEN, "eventqen": self.smmu.EVENTQEN}
        match name:
            case "plug":
                self.plug(*args)
            case "unplug":
                self.unplug(*args)
            case "bus":
                self.ports[int(args[0])].set_bus(int(args[1]))
            case "reset":
                self.reset()
            case "cr0":
                self.smmu.cr0(self.smmu.CMDQEN | sum(cr0[word] for word in args))
            case "gbpa":
                self.smmu.gbpa(args[0] == "abort")
            case "eventq-size":
                self.eventq_size(*args)
            case "ste":
                self.ste(*args)
            case "cmdqv":
                self.cmdqv(*args)
            case "memory":
                self.memory(*args)
            case "cfgi-ste":
                self.smmu.cfgi_ste(self.sid(*args))
            case "cfgi-all":
                self.smmu.commands((registers.CFGI_ALL, 31))
            case "queue":
                words, _, count = args[0].partition("*")
                word0, word1 = (int(word, 0) for word in words.split(":"))
                step = int(args[1], 0) if args[1:] else 0
                queue += [(word0, word1 + n * step) for n in range(int(count or 1))]
            case "sync":
                self.smmu.commands(*queue)
                queue.clear()
            case _:
                raise LabError("not a step of a flow")
