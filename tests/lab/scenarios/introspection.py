# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the monitor's information with the calls to the kernel."""

from lab import checks, options
from lab.checks import expect
from lab.scenario import scenario

# The trace event of each counter; VFIO itself makes none of these calls.
IOCTLS = {
    "iova-ranges": "iommufd_backend_iova_ranges",
    "viommu-alloc": "iommufd_backend_alloc_viommu",
    "vdevice-alloc": "iommufd_backend_alloc_vdevice",
    "veventq-alloc": "iommufd_backend_alloc_veventq",
    "invalidate": "iommufd_backend_invalidate",
    "hw-queue-alloc": "iommufd_backend_alloc_hw_queue",
}
# VFIO also makes one of these calls for each device, with the first of the events.
SHARED = {
    "hw-info": ("iommufd_backend_get_device_info", "iommufd_backend_get_typed_info"),
    "ioas-alloc": ("iommufd_backend_alloc_ioas",),
    "hwpt-alloc": ("iommufd_backend_alloc_hwpt",),
}


def same(what, have, want):
    expect(have == want, f"{what}: the query says {have}, the trace {want}")


def sid_of(guest_bdf):
    _, bus, slot = guest_bdf.split(":")
    slot, function = slot.split(".")
    return int(bus, 16) << 8 | int(slot, 16) << 3 | int(function)


def counters_agree(info, trace):
    counters = info["counters"]
    seen = trace.count()
    calls = {entry["ioctl"]: entry for entry in counters["ioctls"]}
    for name, event in IOCTLS.items():
        same(f"ioctls {name}", calls[name]["count"], seen[event])
        failed = len([e for e in trace.named(event) if e.name == event and e.ret])
        same(f"failed {name}", calls[name]["failed"], failed)
    plugs = seen["smmuv3_accel_device_plug"]
    for name, events in SHARED.items():
        same(f"ioctls {name}", calls[name]["count"], sum(seen[event] for event in events) - plugs)
    total = sum(entry["count"] for entry in calls.values())
    same("ioctls-total", counters["ioctls-total"], total)
    same("batches", counters["batches"], seen["smmuv3_accel_invalidated"])
    # A refused command would have been sent twice.
    same("refused", counters["refused"], 0)
    same("forwarded", counters["forwarded"], trace.invalidations()[1])
    attached = {entry["target"]: entry["count"] for entry in counters["attached"]}
    nested = [e for e in trace.named("smmuv3_accel_evaluate") if " -> nested " in e.text]
    same("attached", attached["nested"], len(nested))
    same("complaints", counters["complaints"], seen["smmuv3_accel_complain"])
    same("events", counters["events-delivered"] + counters["events-dropped"],
         seen["smmuv3_accel_event"])


@scenario
def query_agrees(lab):
    """query-smmuv3-accel and the trace agree after DMA and after unplug: ids, attachment, every ioctl."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf))
    guest_bdf, hwpt = checks.proven(guest, "nvme0", bdf, viommus=1)

    # Nothing may be counted between the two queries.
    guest.qmp.cmd("stop")
    info, = guest.qmp.cmd("query-smmuv3-accel")
    text = guest.qmp.hmp("info smmuv3-accel")
    trace = guest.trace()
    guest.qmp.cmd("cont")
    (guest.log_dir / "l2-info.txt").write_text(text)

    same("host-smmu", info["host-smmu"], lab.l1.smmu_of(bdf))
    same("vIOMMU", info["viommu"]["id"], trace.viommus()[-1])
    same("stage 2", info["viommu"]["stage2-hwpt"], trace.stage2_parents()[-1])
    same("vEVENTQ", info["event-queue"]["id"], trace.veventqs()[-1])
    device, = info["host-devices"]
    same("device", device["name"], bdf)
    same("target", (device["target"], device["hwpt"]), ("nested", hwpt.id))
    same("StreamID", device["sid"], sid_of(guest_bdf))
    same("vDEVICE", (device["vdevice"], device["vdevice-sid"]), trace.vdevices()[-1][:2])
    words = trace.words(hwpt)
    same("STE", device["ste"], [words.num("word0"), words.num("word1")])
    same("exposed", device["exposed"], False)
    counters_agree(info, trace)
    expect([e["count"] for e in info["counters"]["commands"] if e["command"] == "tlbi"][0] > 0,
           "the guest has read from its disk, and invalidated nothing")

    for register in info["registers"]:
        expect(f"{register['name']} 0x{register['value']:08x}" in text,
               f"{register['name']} is not in: {text}")
    for word in (bdf, f"StreamID 0x{device['sid']:x}", f"HWPT {hwpt.id}", info["spec"]):
        expect(word in text, f"{word} is not in: {text}")

    guest.device_del("dev1")
    info, = guest.qmp.cmd("query-smmuv3-accel")
    expect("viommu" not in info and not info["host-devices"],
           f"after unplug there is still {info.get('viommu')}, {info['host-devices']}")
    same("host-smmu after unplug", info["host-smmu"], lab.l1.smmu_of(bdf))
    counters_agree(info, guest.trace())
