# SPDX-License-Identifier: GPL-2.0-or-later
"""What the vSMMU did since a point of QEMU's trace, in words."""

import re

from . import trace as traces


CALLS = {"IOAS": "IOMMU_IOAS_ALLOC", "HWPT": "IOMMU_HWPT_ALLOC", "vIOMMU": "IOMMU_VIOMMU_ALLOC",
         "vDEVICE": "IOMMU_VDEVICE_ALLOC", "vEVENTQ": "IOMMU_VEVENTQ_ALLOC", "hardware queue": "IOMMU_HW_QUEUE_ALLOC"}

KINDS = {"stage 2 parent": "nesting parent"}


def told(trace, start=0):
    """Lines about the events from the number `start` on: what was decided, and the calls to the kernel."""
    names, out, sent, last = {}, [], [0, 0], None
    tables = {hwpt.index: hwpt for hwpt in trace.hwpts()}
    begin = trace.events[start].time if start < len(trace.events) else 0
    for number, event in enumerate(trace.events):
        line = sentence(event, names, tables.get(number))
        if number < start:
            continue
        if event.name in traces.INVALIDATE:
            sent[0] += event.num("entries", default=1)
            sent[1] += 1
            last = event
        elif line:
            out += flush(sent, last, begin)
            out.append(f"{event.time - begin:7.3f} s  {line}")
    return out + flush(sent, last, begin)


def flush(sent, last, begin):
    """A line about the invalidations since the one before."""
    if not sent[1]:
        return []
    line = f"{last.time - begin:7.3f} s  invalidations of the guest, up to here: {sent[0]} in {sent[1]} ioctls"
    sent[:] = 0, 0
    return [line]


def sentence(event, names, hwpt):
    """None if there is nothing to tell; `names` has the objects that exist."""
    if event.name == "smmuv3_accel_evaluate":
        found = re.match(r"host device (\S+) sid (\S+): (.*)", event.text)
        return f"{found[1]}, StreamID {found[2]}: {found[3]}" if found else event.text
    if event.name == "smmuv3_accel_complain":
        return event.text
    if event.name in traces.DESTROY:
        what = names.get(event.num("id"))
        if what and not event.ret:
            del names[event.num("id")]
        return what and f"IOMMU_DESTROY: {what}" + failed(event)
    attached = re.search(r"attached device (\S+) \(\d+\)(?: pasid 0)? to id=(\d+)", event.text)
    if attached:
        to = int(attached[2])
        return f"VFIO_DEVICE_ATTACH_IOMMUFD_PT: {attached[1]} to {names.get(to, f'object {to}')}"
    detached = re.search(r"detached (\S+)$", event.text)
    if detached:
        return f"VFIO_DEVICE_DETACH_IOMMUFD_PT: {detached[1]}"
    return made(event, names, hwpt)


def made(event, names, hwpt):
    for kind, events, key in traces.LIVE:
        if event.name not in events:
            continue
        what = f"{kind} {event.num(*key)}"
        if kind == "HWPT":
            what += f", {KINDS.get(hwpt.kind, hwpt.kind)}" + (f" ({hwpt.ste})" if hwpt.ste else "") if hwpt else ""
        elif kind == "vDEVICE":
            what += f", vSID {event.num('virt_id'):#x}"
        if not event.ret:
            names[event.num(*key)] = what
        return f"{CALLS[kind]}: {what}" + failed(event)
    return None


def failed(event):
    return f": failed ({event.ret})" if event.ret else ""
