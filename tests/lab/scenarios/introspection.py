# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the monitor's information with the calls to the kernel."""

from lab import checks, options, topology, topology_svg, topology_text
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


@scenario
def picture_agrees(lab):
    """The picture of two root complexes has each object with the number that the trace has, and what is plugged and unplugged."""
    one, _ = lab.vfio("nvme0")
    two, _ = lab.vfio("nvme1")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, 1, ports=(1, 2))
                      + options.root_complex(lab.qemu, 2, ports=(3,)) + options.vfio(one)
                      + ["-drive", "if=none,id=d0,format=raw,readonly=on,file=/lab/guest/Image",
                         "-device", "nvme,id=soft,bus=rp2,serial=soft,drive=d0"]
                      + options.vfio(two, bus="rp3", id="dev2"))
    _, first = checks.proven(guest, "nvme0", one)
    _, second = checks.proven(guest, "nvme1", two)
    text = topology_text.draw(topology.of_guest(guest), topology_text.Style())
    (guest.log_dir / "picture.txt").write_text(text)
    (guest.log_dir / "picture.svg").write_text(topology_svg.draw(topology.of_guest(guest)))

    trace = guest.trace()
    expect(max(map(len, text.splitlines())) <= topology_text.COLUMNS, f"the picture is too wide: {text}")
    complexes = text.split("\n+- ")[1:]
    expect([c.split(",")[0] for c in complexes] == ["pcie.0", "pcie.1", "pcie.2"], f"the root complexes are wrong: {text}")
    for drawn, host, name, hwpt in ((complexes[1], one, "dev1", first), (complexes[2], two, "dev2", second)):
        vdevice, sid, viommu = next(v for v in trace.vdevices() if v[2] == hwpt.parent)
        parent = trace.stage2_parents()[trace.viommus().index(viommu)]
        ioas = next(h.parent for h in trace.hwpts() if h.id == parent)
        for word in (f"vIOMMU {viommu} ", f"HWPT {parent}  nesting parent", f"IOAS {ioas}  guest memory",
                     f"HWPT {hwpt.id}  nested, stage 1", lab.l1.smmu_of(host)):
            expect(word in drawn, f"{word} is not beside {name}: {text}")
        row, = (line for line in drawn.splitlines() if f"{name}  vfio-pci" in line)
        expect(f"vDEVICE {vdevice}  vSID {sid:#x} " in row and row.endswith(host), f"the row of {name} is: {row}")
    expect("soft  nvme" in complexes[1] and "by QEMU" in complexes[1], f"the emulated disk is not there: {text}")

    for device in ("dev1", "dev2"):
        guest.device_del(device)
    text = topology_text.draw(topology.of_guest(guest), topology_text.Style())
    expect(text.count("no vIOMMU") == 2 and "vfio-pci" not in text and "HWPT" not in text, f"after unplug: {text}")
