# SPDX-License-Identifier: GPL-2.0-or-later
"""Read QEMU's trace (log backend), and find out about nesting.

A trace line is "NAME text", behind "PID@SECONDS:" or, with -msg timestamp=on
and a newer QEMU, behind a date.  Events of iommufd end with "(RET)".
"""

import re
from collections import Counter
from dataclasses import dataclass, field

LINE = re.compile(r"^(?:\d+@(?P<time>\d+\.\d+):|\d{4}-\d\d-\d\dT(?P<hour>\d\d):(?P<min>\d\d):(?P<sec>[\d.]+)Z )?"
                  r"(?P<name>[a-z]\w*_\w+) ?(?P<text>.*)$")
PAIR = re.compile(r"([A-Za-z_][\w.-]*)\s?[=:]\s?([^\s,;\]()]+)")
RETURN = re.compile(r"\((-?\d+)\)\s*$")

ARM_SMMUV3 = 2      # IOMMU_HWPT_DATA_ARM_SMMUV3
NEST_PARENT = 1     # IOMMU_HWPT_ALLOC_NEST_PARENT


@dataclass
class Event:
    name: str
    text: str
    time: float = 0.0
    args: dict = field(default_factory=dict)
    ret: int = 0

    def num(self, *keys, default=None):
        """The first existing one of these arguments, as a number."""
        for key in keys:
            if key in self.args:
                try:
                    return int(self.args[key], 0)
                except ValueError:
                    pass
        return default


def parse(text):
    events = []
    for line in text.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        body = found["text"]
        ret = RETURN.search(body)
        stamp = float(found["time"] or 0)
        if found["sec"]:
            stamp = (int(found["hour"]) * 60 + int(found["min"])) * 60 + float(found["sec"])
        events.append(Event(found["name"], body, stamp,
                            dict(PAIR.findall(body)), int(ret[1]) if ret else 0))
    return events


# The same ioctl has other names in other QEMUs; ours are first.
ALLOC_HWPT = ("iommufd_backend_alloc_hwpt",)
ALLOC_VIOMMU = ("iommufd_backend_alloc_viommu",)
ALLOC_VDEVICE = ("iommufd_backend_alloc_vdevice", "iommufd_backend_alloc_vdev")
ALLOC_VEVENTQ = ("iommufd_backend_alloc_veventq", "iommufd_viommu_alloc_eventq")
ALLOC_HW_QUEUE = ("iommufd_backend_alloc_hw_queue",)
INVALIDATE = ("iommufd_backend_invalidate", "iommufd_backend_invalidate_cache")
ALLOC_IOAS = ("iommufd_backend_alloc_ioas",)
DESTROY = ("iommufd_backend_free_id",)

LIVE = (("IOAS", ALLOC_IOAS, ("ioas",)), ("HWPT", ALLOC_HWPT, ("out_hwpt",)),
        ("vIOMMU", ALLOC_VIOMMU, ("viommu", "viommu_id")),
        ("vDEVICE", ALLOC_VDEVICE, ("vdevice", "vdev_id")),
        ("vEVENTQ", ALLOC_VEVENTQ, ("veventq", "veventq_id")),
        ("hardware queue", ALLOC_HW_QUEUE, ("hw_queue", "hw_queue_id")))

STE_CONFIG = {0: "abort", 4: "bypass", 5: "stage 1"}


@dataclass
class Hwpt:
    id: int
    kind: str           # "stage 2 parent", "nested", "paging"
    parent: int         # the vIOMMU of a nested one
    dev: int
    index: int          # position in the trace
    ste: str = ""       # "stage 1", "bypass" or "abort" of a nested one


class Trace:
    """The calls of a run to the kernel, by the names of the ioctls."""

    def __init__(self, text):
        self.raw = text
        self.events = parse(text)

    def named(self, *parts):
        """Events whose name contains all of these parts."""
        return [e for e in self.events if all(p in e.name for p in parts)]

    def count(self):
        return Counter(e.name for e in self.events)

    def made(self, names):
        return [e for e in self.events if e.name in names and not e.ret]

    def hwpts(self):
        """Every page table object that was ever allocated; the kernel reuses ids."""
        out = []
        for index, e in enumerate(self.events):
            if e.name not in ALLOC_HWPT or e.ret:
                continue
            kind = "paging"
            if e.num("data_type", "hwpt_type", default=0) == ARM_SMMUV3:
                kind = "nested"
            elif e.num("flags", default=0) & NEST_PARENT:
                kind = "stage 2 parent"
            hwpt = Hwpt(e.num("out_hwpt"), kind, e.num("pt_id", default=0),
                        e.num("dev_id", default=0), index)
            if kind == "nested":
                hwpt.ste = self._ste(hwpt)
            out.append(hwpt)
        return out

    def words(self, hwpt):
        """The event of our QEMU with the STE of a nested HWPT, or None."""
        return next((e for e in self.events[hwpt.index:]
                     if e.name == "smmuv3_accel_nested_hwpt" and e.num("hwpt") == hwpt.id), None)

    def _ste(self, hwpt):
        words = self.words(hwpt)
        if words:
            word0 = words.num("word0")
            return STE_CONFIG.get((word0 >> 1) & 7, "?") if word0 & 1 else "abort"
        # Upstream traces the words only of those with stage 1.
        for e in self.events[hwpt.index:]:
            if e.name == "smmuv3_accel_translate_ste" and e.num("hwpt_id") == hwpt.id:
                return "stage 1"
        return "bypass or abort"

    def hwpt_at(self, number, index):
        """The HWPT with this id at a point of the trace; None if it is not an HWPT."""
        found = [h for h in self.hwpts() if h.id == number and h.index < index]
        return found[-1] if found else None

    def viommus(self):
        return [e.num("viommu", "viommu_id") for e in self.made(ALLOC_VIOMMU)]

    def stage2_parents(self):
        """The stage 2 of each vIOMMU."""
        return [e.num("hwpt", "hwpt_id") for e in self.made(ALLOC_VIOMMU)]

    def vdevices(self):
        """(vDEVICE id, vSID, vIOMMU id)"""
        return [(e.num("vdevice", "vdev_id"), e.num("virt_id"), e.num("viommu", "viommu_id"))
                for e in self.made(ALLOC_VDEVICE)]

    def veventqs(self):
        return [e.num("veventq", "veventq_id") for e in self.made(ALLOC_VEVENTQ)]

    def invalidations(self):
        """(ioctls, commands in them)"""
        calls = [e for e in self.events if e.name in INVALIDATE]
        return len(calls), sum(e.num("entries", "entry_num", default=1) for e in calls)

    def ioass(self):
        """The existing ones: another one is temporary, to find the range of stage 2."""
        out = []
        for e in self.events:
            if e.name in ALLOC_IOAS and not e.ret:
                out.append(e.num("ioas"))
            elif e.name in DESTROY and not e.ret and e.num("id") in out:
                out.remove(e.num("id"))
        return out

    def attaches(self):
        """[(index, device name, object id)] in order."""
        out = []
        for index, e in enumerate(self.events):
            found = re.search(r"attached device (\S+) \((\d+)\)(?: pasid 0)? to id=(\d+)", e.text)
            if found:
                out.append((index, found[1], int(found[3])))
        return out

    def moves(self, device=None):
        """[(index, object id or None)]: every attach and detach of a device."""
        out = [(index, to) for index, name, to in self.attaches()
               if device is None or name.endswith(device)]
        for index, e in enumerate(self.events):
            found = re.search(r"detached (\S+)$", e.text)
            if found and (device is None or found[1].endswith(device)):
                out.append((index, None))
        return sorted(out, key=lambda move: move[0])

    def devices(self):
        """{kernel's device id: name} of every bind."""
        return {e.num("devid"): re.search(r"bound device (\S+)", e.text)[1]
                for e in self.named("iommufd_cdev_connect_and_bind")}

    def attachment(self, device=None):
        """The attachment of a device: an Hwpt, or None for an IOAS or nothing."""
        moves = self.moves(device)
        return self.hwpt_at(moves[-1][1], moves[-1][0]) if moves else None

    def live(self):
        """{kind: number} of the kernel's objects that still exist."""
        kinds, alive = {}, {}
        for kind, names, key in LIVE:
            kinds.update({name: (kind, key) for name in names})
        for e in self.events:
            fd = e.num("iommufd", "fd")
            if e.name in kinds and not e.ret:
                kind, key = kinds[e.name]
                alive[fd, e.num(*key)] = kind
            elif e.name in DESTROY and not e.ret:
                alive.pop((fd, e.num("id")), None)
            elif e.name == "iommufd_backend_disconnect" and not e.num("users"):
                alive = {key: kind for key, kind in alive.items() if key[0] != fd}
        return dict(Counter(alive.values()))

    def errors(self):
        return [e for e in self.events if e.ret < 0 and "iommufd" in e.name]
