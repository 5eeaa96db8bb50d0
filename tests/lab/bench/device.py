# SPDX-License-Identifier: GPL-2.0-or-later
"""`bench --device BDF`: a disk of an Arm host, read by the host itself and by guests."""

import datetime
import json
import re
import shutil
from pathlib import Path

from .. import checks, images, mainjob, options, util
from ..l2 import L2
from ..qmp import QmpError
from ..util import LabError
from . import machines, page
from .session import own_disk

CPUS = 4
DIR = util.BUILD / "bench"
INSIDE = "fio"      # where the guest's initrd has the host's fio
LOADER = "/lib/ld-linux-aarch64.so.1"


def fio_archive(fio):
    """A part of an initrd with the host's fio and its libraries: guests run the same program."""
    libraries = re.findall(r"(/\S+) \(0x", util.output([LOADER, "--list", fio]))
    cpio = images.Cpio()
    cpio.dir(INSIDE)
    cpio.dir(f"{INSIDE}/lib")
    for name, path in (("fio.bin", fio), ("loader", LOADER), *((f"lib/{Path(p).name}", p) for p in libraries)):
        cpio.file(f"{INSIDE}/{name}", Path(path).read_bytes(), 0o755)
    start = f"#!/bin/sh\nexec /{INSIDE}/loader --library-path /{INSIDE}/lib /{INSIDE}/fio.bin \"$@\"\n"
    cpio.file(f"{INSIDE}/fio", start.encode(), 0o755)
    return cpio.finish()


class DeviceBench:
    """The rounds; every setup is measured once in each."""

    def __init__(self, machine, bdf, serial, seconds, logs):
        self.machine = machine
        self.bdf = bdf
        self.serial = serial
        self.seconds = seconds
        self.logs = logs
        self.qemu = options.Qemu(options.OURS.name, str(util.BUILD / "obj/qemu-system-aarch64"))
        self.samples, self.skipped = [], {}

    def round(self, number, setups):
        for setup in setups:
            if setup.name in self.skipped:
                continue
            with util.stage(f"round {number + 1}: {setup.label}"):
                self.host(setup, number) if setup.domain else self.guest(setup, number)

    def host(self, setup, number):
        device = own_disk(self.machine, self.bdf, setup.domain)
        self.jobs(setup, number, shutil.which("fio"), device, self.machine.sh)

    def guest(self, setup, number):
        self.machine.bind_vfio(self.bdf)
        guest = L2(self.machine, self.qemu, self.logs / f"{setup.name}-{number}")
        place = (options.root_complex(self.qemu, cmdqv="on" if setup.cmdqv else "off") if setup.vsmmu
                 else options.port(1, bus="pcie.0"))
        try:
            guest.start(options.iommufd() + place + options.vfio(self.bdf), cpus=CPUS, mem="1G",
                        append=setup.append, trace=("iommufd_*alloc*", "iommufd_cdev*", "smmuv3_accel_evaluate",
                                                    "smmuv3_accel_nested_hwpt"))
            guest.boot(180)
            device, inside = checks.nvme(guest, self.serial)
            self.right(setup, guest, inside)
            if setup.name not in self.skipped:
                self.jobs(setup, number, f"/{INSIDE}/fio", device, guest.sh)
        finally:
            guest.stop()

    def right(self, setup, guest, inside):
        """The guest is what the setup says; one that the host cannot have is skipped."""
        if not setup.vsmmu:
            return
        kind = guest.sh(f"cat /sys/bus/pci/devices/{inside}/iommu_group/type").out
        want = {machines.STRICT: "DMA", machines.LAZY: "DMA-FQ", machines.PASS: "identity"}[setup.append]
        checks.expect(kind == want, f"{setup.label}: the guest's domain is of type {kind}, not {want}")
        if setup.cmdqv:
            try:
                cmdqv = guest.qmp.cmd("query-smmuv3-accel")[0]["cmdqv"]
            except QmpError as error:
                raise LabError(f"{setup.label}: {error}") from None
            if cmdqv["mode"] != "hardware":
                self.skipped[setup.name] = f"the queues are not in hardware: {cmdqv.get('why', cmdqv['mode'])}"

    def jobs(self, setup, number, fio, device, sh):
        for job in machines.JOBS:
            limit = self.seconds * 3 + 120
            figures = machines.parse(sh(job.command(fio, device, self.seconds), limit).out)
            self.samples.append({"round": number, "setup": setup.name, "job": job.name, **figures})


def about(machine, bdf, args):
    model = machine.sh("cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name 2>/dev/null"
                       " || tr -d '\\0' </proc/device-tree/model", check=False).out
    qemu = util.output([util.BUILD / "obj/qemu-system-aarch64", "--version"]).splitlines()[0]
    path = f"/sys/bus/pci/devices/{bdf}"
    disk = machine.sh(f"cat {path}/nvme/*/model {path}/nvme/*/firmware_rev", check=False).out
    return {"format": machines.FORMAT, "machine": args.name or " ".join(model.split()) or "unknown",
            "kernel": machine.sh("uname -r").out, "qemu": qemu.removeprefix("QEMU emulator version "),
            "device": " ".join(disk.split()) or bdf, "smmu": machine.smmu_of(bdf), "note": args.note or "",
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "rounds": args.rounds or 3, "seconds": args.seconds}


def main(args):
    mainjob.needs_a_host()
    fio = shutil.which("fio")
    if not fio:
        raise LabError("fio is missing; install the package fio")
    archive = fio_archive(fio)
    setups = machines.chosen(args.only)
    with mainjob.claimed(args, "lets itself and guests read from it") as (machine, bdf):
        path = Path(machine.files["initrd"])
        path.write_bytes(path.read_bytes() + archive)
        serial, _ = mainjob.known_content(machine, bdf)
        if not serial:
            raise LabError(f"{bdf} is not an NVMe disk with a driver")
        head = about(machine, bdf, args)
        logs = util.LOGS / "bench-device"
        shutil.rmtree(logs, ignore_errors=True)
        before = machine.sh(f"cat /sys/bus/pci/devices/{bdf}/iommu_group/type").out
        bench = DeviceBench(machine, bdf, serial, args.seconds, logs)
        try:
            for number in range(head["rounds"]):
                bench.round(number, setups)
        finally:
            own_disk(machine, bdf, before)
    labels = {machines.BY_NAME[name].label: why for name, why in bench.skipped.items()}
    result = {**head, "skipped": labels, "samples": bench.samples}
    DIR.mkdir(parents=True, exist_ok=True)
    out = DIR / "device.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(machines.table([result]))
    print(f"\nThe samples are in {out}. docs/machines.md says how to add them to its table.")
    return 0


def write_page():
    """Write the table of docs/machines.md from docs/bench/machines/."""
    results = []
    for path in sorted((page.DOCS / "bench/machines").glob("*.json")):
        try:
            results.append(machines.check(json.loads(path.read_text())))
        except (ValueError, LabError) as error:
            raise LabError(f"{path}: {error}") from None
    target = page.DOCS / "machines.md"
    target.write_text(page.replaced(target.read_text(), {"machines": machines.table(results)}))
    util.say("wrote docs/machines.md")
    return 0
