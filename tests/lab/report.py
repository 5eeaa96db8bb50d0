# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of `run`, in 80 columns; its picture may have 100."""

import textwrap

from . import topology_text
from .qmp import QmpError
from .topology_text import Style

SMMU = "/machine/peripheral/smmu1"
NAMES = ("idr0", "idr1", "idr2", "idr3", "idr4", "idr5", "iidr", "aidr")
READS = (("4k", 1000), ("1M", 32))
SIZES = {"4k": "4 KiB", "1M": "1 MiB"}


def registers(guest):
    """[(name, value, origin)] from the device's own properties."""
    try:
        origins = dict(part.split("=", 1) for part in guest.qom(SMMU, "origins").split(",") if part)
        out = [(n, guest.qom(SMMU, n), origins.get(n, "?")) for n in NAMES]
        return {"table": out, "mode": guest.qom(SMMU, "mode"), "spec": guest.qom(SMMU, "spec")}
    except QmpError:
        return None     # upstream's device does not have these properties


def heading(text):
    return f"\n{text}\n{'-' * len(text)}\n"


def rate(count, seconds):
    return f"{seconds:7.2f} s {count / seconds:9.0f}/s" if seconds else "      -"


def objects(trace, hwpt):
    """The kernel objects that a QEMU without query-smmuv3-accel made; the kernel reuses ids."""
    rows = [f"IOAS     {number:4}   the guest's memory, stage 2" for number in trace.ioass()]
    for h in trace.hwpts():
        if h.kind == "stage 2 parent" and h.id not in trace.stage2_parents():
            continue        # temporary, to find the range of stage 2
        parent = f"below vIOMMU {h.parent}" if h.kind == "nested" else f"of IOAS {h.parent}"
        what = f"{h.kind}, {parent}" + (f": {h.ste}" if h.ste else "")
        rows.append(f"HWPT     {h.id:4}   {what}{'   <- attached' if h == hwpt else ''}")
    rows += [f"vIOMMU   {number:4}" for number in trace.viommus()]
    rows += [f"vDEVICE  {number:4}   StreamID {sid:#x} of vIOMMU {viommu}"
             for number, sid, viommu in trace.vdevices()]
    rows += [f"vEVENTQ  {number:4}" for number in trace.veventqs()]
    return "\n".join(dict.fromkeys(rows)) + "\n"


def text(facts, logs, style=None):
    """All of it; the style is that of the picture."""
    trace, hwpt = facts["trace"], facts["hwpt"]
    ok = facts.get("sha256") == facts.get("expected")
    out = "\nA guest's DMA through its own stage 1 tables\n" + "=" * 44 + "\n"
    out += f"host      {facts['host']}\n"
    out += f"device    {facts['device']} behind physical SMMU {facts['host_smmu']}\n"
    out += f"guest     sees it as {facts['inside']} behind {facts['guest_smmu']}, DMA domain\n"

    regs = facts["registers"]
    if regs:
        out += heading(f"Registers of the vSMMU ({regs['mode']})")
        for name, value, origin in regs["table"]:
            out += f"{name:5} {value:#010x}   {origin}\n"
        out += textwrap.fill("to specify them: " + regs["spec"].replace(",", ", "), 79,
                             subsequent_indent="  ").replace(", ", ",") + "\n"

    out += heading("Topology")
    out += topology_text.draw(facts["topology"], style or Style()) if facts["topology"] else objects(trace, hwpt)
    calls, commands = trace.invalidations()
    out += f"{commands} invalidation commands in {calls} ioctls (without those of the measurement)\n"

    if facts.get("times"):
        out += heading("Direct reads in the guest")
        out += f"{'':18}{'with vSMMU':>20}  {'without':>20}   ratio\n"
        for size, count in READS:
            a, b = facts["times"][size], (facts["plain"] or {}).get(size)
            ratio = f"{a / b:7.1f}" if b else ""
            out += f"{f'{count} x {SIZES[size]}':18}{rate(count, a):>20}  {rate(count, b):>20} {ratio}\n"
        out += "The machines are emulated, so only the ratio is meaningful.\n" if "emulated" in facts["host"] else ""

    out += heading("Verdict")
    if facts.get("sha256"):
        out += f"sha256 read by the guest  {facts['sha256'][:48]}...\n"
        out += f"sha256 of the disk        {facts['expected'][:48]}...\n"
        out += ("EQUAL: " if ok else "NOT EQUAL: ")
    else:
        out += "The device is not an NVMe, so no data was compared; "
    out += f"the device is attached to nested HWPT {hwpt.id}, with the guest's stage 1.\n"
    out += f"\nPicture: {facts['svg']}\n" if facts.get("svg") else "\n"
    return out + f"Logs:    {logs}\n"
