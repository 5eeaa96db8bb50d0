# SPDX-License-Identifier: GPL-2.0-or-later
"""`run`: runs a guest whose DMA goes through its own stage 1, and reports on it."""

import contextlib
import errno
import os
import re
import shutil
import sys
from pathlib import Path

from . import checks, host, images, kernel, l0, options, progress, report, roots, scenario, topology, topology_svg, util
from .bench import workloads
from .l2 import L2
from .qmp import QmpError
from .topology_text import Style
from .util import LabError


def with_vsmmu(guest, qemu, bdf, expected, serial):
    """Start a guest with a vSMMU and check it; returns the data for the report."""
    with util.stage("L2 boots with its device behind the vSMMU"):
        guest.start(options.iommufd() + options.root_complex(qemu) + options.vfio(bdf))
        guest.boot()
    facts = {"registers": report.registers(guest), "device": bdf}
    if serial:
        with util.stage("L2 reads its disk"):
            device, inside = checks.nvme(guest, serial)
            facts["sha256"] = checks.read_sha256(guest, device)
            facts["expected"] = expected
            facts["times"] = workloads.timed(guest, device, report.READS)
    else:
        inside = guest.sh("cd /sys/bus/pci/devices && for d in *; do "
                          "[ -e $d/iommu_group ] && [ ! -e $d/pci_bus ] && echo $d; done"
                          " | tail -1").out
    facts["inside"] = inside
    facts["guest_smmu"] = checks.guest_translates(guest, inside)
    facts["trace"] = guest.trace()
    facts["hwpt"] = checks.nested(facts["trace"], bdf)
    facts["topology"] = picture(guest)
    guest.stop()
    return facts


def picture(guest):
    """The topology of a running guest; upstream's device does not have the query."""
    try:
        return topology.of_guest(guest)
    except QmpError:
        return None


def without_vsmmu(guest, bdf, serial):
    with util.stage("L2 boots and reads its disk without a vSMMU"):
        guest.start(options.iommufd() + options.port(1, bus="pcie.0") + options.vfio(bdf))
        guest.boot()
        device, _ = checks.nvme(guest, serial)
        times = workloads.timed(guest, device, report.READS)
        guest.stop()
    return times


def emulated(args):
    lab = scenario.Lab(args.rival)
    lab.begin("run", l0.STOCK)
    try:
        bdf, _ = lab.vfio("nvme0")
        expected = images.disk_sha256("nvme0", 0, checks.READ_MB)
        facts = with_vsmmu(lab.guest(), lab.qemu, bdf, expected, "nvme0")
        facts["host"] = "L1, an emulated Arm server: " + lab.l1.sh("uname -sr").out
        facts["host_smmu"] = lab.l1.smmu_of(bdf)
        facts["plain"] = without_vsmmu(lab.guest(), bdf, "nvme0")
    except LabError as error:
        scenario.report_failure(lab, "run", str(error))
        raise LabError("the main job failed; see above") from None
    except scenario.Skip as skip:
        raise LabError(f"{skip}: make build-arm64") from None
    finally:
        lab.end(False)
        lab.drop_l1()
    return facts, lab.dir


# ------------------------------------------------------------- a real device

def disks_of(path):
    """Names of the block devices of a PCI device."""
    names = [p.name for p in path.glob("**/block/*")] + [p.name for p in path.glob("nvme/*/nvme*n*")]
    # with NVMe multipath, nvme0c0n1 in sysfs is nvme0n1 in /dev
    return sorted({re.sub(r"^(nvme\d+)c\d+n", r"\1n", name) for name in names})


def in_use(bdf):
    """The reason why a device must not be taken from its driver, or None."""
    path = Path(f"/sys/bus/pci/devices/{bdf}")
    if not path.exists():
        return f"there is no PCI device {bdf}"
    if not (path / "iommu").exists():
        return "it is not behind an IOMMU"
    others = [p.name for p in (path / "iommu_group/devices").iterdir()
              if p.name != bdf and not (p / "pci_bus").exists()]
    if others:
        return f"its IOMMU group has other devices as well: {' '.join(sorted(others))}"
    for disk in disks_of(path):
        # The kernel refuses this open if the disk or one of its partitions is
        # in use: by a mount, swap, LVM, RAID or ZFS.
        try:
            os.close(os.open(f"/dev/{disk}", os.O_RDONLY | os.O_EXCL))
        except OSError as error:
            if error.errno == errno.EBUSY:
                return f"its disk {disk} is in use"
    nets = [p.name for p in path.glob("net/*")]
    for net in nets:
        if Path(f"/sys/class/net/{net}/operstate").read_text().strip() == "up":
            return f"its network interface {net} is up"
    return None


def known_content(machine, bdf):
    """The (serial, sha256) of an NVMe, read with its own driver."""
    found = sorted(Path(f"/sys/bus/pci/devices/{bdf}/nvme").glob("nvme*"))
    if not found:
        return None, None
    serial = (found[0] / "serial").read_text().strip()
    disk = f"/dev/{found[0].name}n1"
    if not os.path.exists(disk) or not re.fullmatch(r"[\w.-]+", serial):
        return None, None
    out = machine.sh(f"dd if={disk} bs=1M count={checks.READ_MB} iflag=direct 2>/dev/null"
                     " | sha256sum", 60).out
    return serial, out.split()[0]


def needs_a_host():
    """An error if this machine cannot assign devices."""
    if not util.NATIVE:
        raise LabError("--device needs an Arm machine with an SMMUv3; "
                       "without --device the lab emulates one")
    if os.geteuid():
        raise LabError("--device needs root: it binds the device to vfio-pci")
    for node, cure in (("/dev/kvm", "KVM"), ("/dev/iommu", "CONFIG_IOMMUFD and modprobe iommufd")):
        if not os.path.exists(node):
            raise LabError(f"{node} is missing: the kernel needs {cure}")


@contextlib.contextmanager
def claimed(args, use):
    """Ask whether the lab may use the device of --device; (this machine, PCI address).

    In the end the device goes back to its driver.
    """
    bdf = args.device if args.device.count(":") == 2 else f"0000:{args.device}"
    needs_a_host()
    machine = host.Local(kernel.image())
    why = in_use(bdf)
    if why:
        machine.stop()
        raise LabError(f"{bdf}: {why}")
    driver = machine.driver_of(bdf)
    print(f"The lab binds {bdf} (driver {driver or 'none'}) to vfio-pci, {use}, "
          "and gives it\nback to its driver. The lab does not write to the device.")
    if not args.yes:
        if not sys.stdin.isatty() or input("Continue? [y/N] ").strip().lower() not in ("y", "yes"):
            machine.stop()
            raise LabError("nothing was done; with --yes the lab does not ask")
    try:
        machine.sh("modprobe vfio-pci", check=False)
        yield machine, bdf
    finally:
        if driver != "vfio-pci":
            machine.unbind_vfio(bdf)
        util.say(f"{bdf} is back with {machine.driver_of(bdf) or 'no driver'}")
        machine.stop()


def real(args):
    with claimed(args, "lets a guest read from it") as (machine, bdf):
        logs = util.LOGS / "run"
        shutil.rmtree(logs, ignore_errors=True)
        qemu = options.Qemu(options.OURS.name, str(util.BUILD / "obj/qemu-system-aarch64"))
        guests = [L2(machine, qemu, logs), L2(machine, qemu, logs / "plain")]
        serial, expected = known_content(machine, bdf)
        try:
            machine.bind_vfio(bdf)
            facts = with_vsmmu(guests[0], qemu, bdf, expected, serial)
            facts["host"] = "this machine: " + machine.sh("uname -sr").out
            facts["host_smmu"] = machine.smmu_of(bdf)
            facts["plain"] = without_vsmmu(guests[1], bdf, serial) if serial else None
        finally:
            for guest in guests:
                guest.stop()
    return facts, logs


def main(args):
    run = progress.Run.current("run --device" if args.device else "run")
    util.begin_at(run.began)
    util.time_left = run.step
    roots.l1_root()     # firmware and busybox, for both kinds
    facts, logs = real(args) if args.device else emulated(args)
    if facts["topology"]:
        facts["svg"] = util.BUILD / "topology.svg"
        facts["svg"].write_text(topology_svg.draw(facts["topology"]))
    (logs / "report.txt").write_text(report.text(facts, logs))
    print(report.text(facts, logs, Style.of(sys.stdout)), end="")
    if facts.get("sha256") != facts.get("expected"):
        return 1
    run.finish()
    return 0
