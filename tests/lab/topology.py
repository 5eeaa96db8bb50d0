# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture of a running guest: its root complexes, its vSMMUs, and the kernel's objects behind them.

model() turns the answers of QEMU's monitor into rows of three columns: guest,
host kernel, hardware.  topology_text.py and topology_svg.py draw them.
"""

from dataclasses import dataclass, field

HEADS = ("Guest", "Host kernel", "Hardware")
BRIDGE = "pcie-root-port"
HOST_BRIDGE = 0x600     # class code


@dataclass(frozen=True)
class Item:
    """One thing in a column; a deeper one belongs to the nearest one above that is less deep."""
    name: str
    note: str = ""
    depth: int = 0
    kind: str = "guest"     # or "plain", "qemu", "kernel", "hard", "stop"


@dataclass(frozen=True)
class Row:
    guest: Item = None
    kernel: Item = None
    hard: Item = None
    link: bool = False      # the guest's item stands for the others in this row


@dataclass
class Complex:
    """A root complex."""
    title: str
    rows: list = field(default_factory=list)


def model(vsmmus, pci=(), ioas=None):
    """[Complex] from the answers of query-smmuv3-accel and query-pci.

    ioas: {nesting parent: IOAS}, which QEMU has in its trace only.
    """
    served = {number: info for info in vsmmus if (number := root_bus(info)) is not None}
    out = [Complex(f"{'pcie.0' if not bus['bus'] else 'root complex'}, bus {bus['bus']:02x}, no vSMMU",
                   plain_rows(bus["devices"]))
           for bus in sorted(pci, key=lambda bus: bus["bus"]) if bus["bus"] not in served]
    for info in vsmmus:
        number = root_bus(info)
        where = "" if number is None else f", bus {number:02x}"
        out.append(Complex(f"{info['bus']}{where}", vsmmu_rows(info, ioas or {})))
    return out


def functions(info):
    """Emulated and host devices of a vSMMU."""
    return info["emulated-devices"] + info["host-devices"]


def root_bus(info):
    """The number of the root bus of a vSMMU; None if the answer does not tell."""
    return next((f["sid"] >> 8 for f in functions(info) if f["bus"] == info["bus"] and "sid" in f), None)


def place(function):
    """The address of a function in the guest, which numbers the buses."""
    if "sid" not in function:
        return "not numbered"
    return f"{function['sid'] >> 8:02x}:{function['slot']:02x}.{function['function']}"


# ----------------------------------------------- a root complex without a vSMMU

def plain_rows(devices, depth=0):
    """Functions by query-pci, but not the root complex itself."""
    rows = []
    for device in devices:
        bridge = device["class_info"]["class"] == HOST_BRIDGE
        if bridge and not device["qdev_id"]:
            continue
        kind = "root complex" if bridge else device["class_info"].get("desc", "function")
        where = f"{device['bus']:02x}:{device['slot']:02x}.{device['function']}"
        name = device["qdev_id"] or kind
        rows.append(Row(Item(name, where if name == kind else f"{kind}, {where}", depth, "plain")))
        rows += plain_rows(device.get("pci_bridge", {}).get("devices", ()), depth + 1)
    return rows


# ------------------------------------------------------------------ a vSMMU

def vsmmu_rows(info, ioas):
    """The guest's tree beside the kernel's; what belongs together is in one row."""
    state = "on" if info["enabled"] else "off"
    guest = [(Item(info.get("id") or "vSMMU", f"vSMMU, translation {state}"), "vSMMU")]
    guest += tree(info)
    if "viommu" in info:
        place_of = [key for _, key in guest].index
        devices = sorted(info["host-devices"], key=lambda device: place_of(device["name"]))
        kernel = kernel_objects(info, ioas, devices)
    else:
        kernel = [(Item("no vIOMMU", "no host device", 0, "qemu"), "vSMMU")]
    hard = {device["name"]: Item(device["name"], "PCIe device", 0, "hard") for device in info["host-devices"]}
    if "host-smmu" in info:
        hard["vSMMU"] = Item(info["host-smmu"], "SMMUv3", 0, "hard")
    return beside(guest, kernel, hard)


def tree(info):
    """[(Item, key)] of the functions behind a vSMMU; the key of a host device is its name."""
    buses = {info["bus"]} | {f.get("id") for f in info["emulated-devices"]}
    out = below(info, info["bus"], 0)
    for bus in dict.fromkeys(f["bus"] for f in functions(info)):
        if bus not in buses:        # of a bridge without an id
            out += below(info, bus, 1)
    return out


def below(info, bus, depth):
    out = []
    for function in sorted(functions(info), key=lambda f: (f["slot"], f["function"])):
        if function["bus"] == bus:
            out += function_items(function, depth)
            if function.get("id") and "name" not in function:
                # A bridge gives its bus its own id.
                out += below(info, function["id"], depth + 1)
    return out


def function_items(function, depth):
    host = function.get("name")
    if not host:
        driver = function["driver"]
        note = f"{driver}, {place(function)}" if driver == BRIDGE else f"{driver}, {place(function)}, by QEMU"
        return [(Item(function.get("id") or driver, note, depth, "guest" if driver == BRIDGE else "qemu"), None)]
    items = [(Item(function.get("id") or "vfio-pci", f"vfio-pci, {place(function)}", depth), host)]
    if function["exposed"]:
        items.append((Item("", "exposed: the host does not block it", depth + 1, "stop"), None))
    if function["target"] != "nested":
        items.append((Item("", function["why"], depth + 1), None))
    return items


def kernel_objects(info, ioas, devices):
    viommu, queue = info["viommu"], info["event-queue"]
    stage2, abort = viommu["stage2-hwpt"], viommu["abort-hwpt"]
    lost = "invalidations lost" if viommu["invalidations-lost"] else ""
    out = [(Item(f"vIOMMU {viommu['id']}", lost, 0, "stop" if lost else "kernel"), "vSMMU"),
           (Item(f"HWPT {stage2}", "nesting parent", 1, "kernel"), None)]
    if stage2 in ioas:
        out.append((Item(f"IOAS {ioas[stage2]}", "guest memory", 2, "kernel"), None))
    out.append((Item(f"HWPT {abort}", "abort", 1, "kernel"), None))
    if "id" in queue:
        out.append((Item(f"vEVENTQ {queue['id']}", f"{queue['host-entries']} events", 1, "kernel"), None))
    for device in devices:
        out += attachment(device, stage2, abort)
    return out


def attachment(device, stage2, abort):
    """The vDEVICE of a host device, and the page table that the device is attached to."""
    if "vdevice" in device:
        head = Item(f"vDEVICE {device['vdevice']}", f"vSID {device['vdevice-sid']:#x}", 1, "kernel")
    else:
        head = Item("no vDEVICE", "no StreamID yet", 1, "kernel")
    target = {"nested": lambda: Item(f"HWPT {device['hwpt']}", "nested, stage 1", 2, "kernel"),
              "bypass": lambda: Item(f"HWPT {stage2}", "bypass, stage 2", 2, "kernel"),
              "abort": lambda: Item(f"HWPT {abort}", "abort", 2, "stop")}[device["target"]]()
    return [(head, device["name"]), (target, None)]


def beside(guest, kernel, hard):
    """Rows from both columns; items with the same key share one, and have the same order in both."""
    rows, left, right = [], list(guest), list(kernel)
    shared = {key for _, key in guest} & {key for _, key in kernel} - {None}
    while left or right:
        # An item with a partner waits until the partner is next in its column.
        mine, theirs = (column[0][1] if column else None for column in (left, right))
        together = mine in shared and mine == theirs
        item = left.pop(0)[0] if left and (mine not in shared or together) else None
        other = right.pop(0)[0] if right and (theirs not in shared or together) else None
        rows.append(Row(item, other, hard.get(mine) if item else None, together))
    return rows


# ------------------------------------------------------------- from a guest

def of_guest(guest):
    """The model of a running L2."""
    trace = guest.trace()
    ioas = {hwpt.id: hwpt.parent for hwpt in trace.hwpts() if hwpt.kind == "stage 2 parent"}
    return model(guest.qmp.cmd("query-smmuv3-accel"), guest.qmp.cmd("query-pci"), ioas)


def prefixes(items):
    """The lines of a tree in front of each item: a character for each depth, "" where there is no item.

    "+" is a branch, "L" the last one, "|" passes by, "." is empty.
    """
    out = []
    for n, item in enumerate(items):
        depth = item.depth if item else max((i.depth for i in items[n + 1:] if i), default=0)
        text = ""
        for level in range(1, depth + 1):
            more = goes_on(items[n + 1:], level)
            if item and level == depth and item.name:
                text += "+" if more else "L"
            else:
                text += "|" if more else "."
        out.append(text.rstrip(".") if not item else text)
    return out


def goes_on(items, level):
    """Whether a branch of this level follows before one that is less deep."""
    for item in items:
        if item and item.depth < level:
            return False
        if item and item.depth == level and item.name:
            return True
    return False
