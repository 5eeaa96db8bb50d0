#!/usr/bin/env python3
#
# Runs `smmuv3-spec doctor' on hosts that are directories: one that is ready,
# and copies of it with one error each.
#
# test-smmuv3-spec-doctor.py TOOL
#
# The lab and test-smmuv3-spec-host test the calls to a kernel.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of smmuv3-spec doctor, in TAP"""

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

TOOL = sys.argv[1]
BDF, OTHER = "0000:03:00.0", "0000:03:00.1"
DEV = f"sys/bus/pci/devices/{BDF}"
CONFIG = "".join(f"CONFIG_{name}\n" for name in (
    "ARM_SMMU_V3=y", "ARM_SMMU_V3_IOMMUFD=y", "IOMMUFD=m", "VFIO_PCI=m",
    "VFIO_DEVICE_CDEV=y"))
RELEASE = "7.2.0-arm64"


def iort(*flags):
    """An IORT with an SMMU, an ITS group, and root complexes"""
    nodes = [struct.pack("<BHBIII", 0, 24, 1, 0, 0, 0) + bytes(8),
             struct.pack("<BHBIII", 4, 68, 4, 1, 0, 0) + b"\xff" * 52]
    nodes += [struct.pack("<BHBIIIIBHB", 2, 36, 3, 2, 0, 0, 1, 0, 0, flag)
              + bytes(12) for flag in flags]
    head = struct.pack("<4sIBB6s8sI4sI", b"IORT", 48 + sum(map(len, nodes)), 3,
                       0, b"x", b"y", 1, b"z", 1)
    return head + struct.pack("<III", len(nodes), 48, 0) + b"".join(nodes)


class Host:
    """A host that is ready, except that its kernel cannot be asked"""

    def __init__(self, where):
        self.root = Path(where)
        for path, text in (
                ("proc/sys/kernel/arch", "aarch64\n"),
                ("proc/sys/kernel/osrelease", RELEASE + "\n"),
                ("proc/self/limits",
                 "Max processes             7823                 7823      "
                 "           processes\n"
                 "Max locked memory         unlimited            unlimited "
                 "           bytes\n"),
                ("proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n"),
                ("proc/meminfo", "HugePages_Free:      512\n"
                 "Hugepagesize:       2048 kB\n"),
                (f"boot/config-{RELEASE}", CONFIG),
                ("dev/kvm", ""), ("dev/iommu", ""),
                ("dev/vfio/devices/vfio7", ""),
                (f"{DEV}/vfio-dev/vfio7/dev", "510:7\n")):
            self.put(path, text)
        self.put("sys/firmware/acpi/tables/IORT", iort(7, 7))
        self.dir("sys/class/iommu/smmu3.0x9050000")
        self.dir(f"sys/bus/pci/drivers/vfio-pci/{BDF}")
        self.link(f"{DEV}/driver", "../../drivers/vfio-pci")
        self.link(f"{DEV}/iommu", "../../smmu3.0x9050000")
        self.dir(f"{DEV}/iommu_group/devices/{BDF}")

    def put(self, path, text):
        """Write a file"""
        data = text if isinstance(text, bytes) else text.encode()
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def dir(self, path):
        """Make a directory"""
        (self.root / path).mkdir(parents=True)

    def link(self, path, target):
        """Make or replace a symbolic link"""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).unlink(missing_ok=True)
        (self.root / path).symlink_to(target)

    def drop(self, path):
        """Remove a file or directory"""
        full = self.root / path
        if full.is_dir() and not full.is_symlink():
            shutil.rmtree(full)
        else:
            full.unlink()

    def edit(self, path, old, new):
        """Replace text in a file"""
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.put(path, text.replace(old, new))

    def group(self, driver):
        """Add a second device to the IOMMU group"""
        self.dir(f"{DEV}/iommu_group/devices/{OTHER}")
        self.link(f"sys/bus/pci/devices/{OTHER}/driver",
                  f"../../drivers/{driver}")


def no_config(host):
    """Remove the configuration"""
    host.drop(f"boot/config-{RELEASE}")


def gz_config(host):
    """Put the configuration into /proc"""
    no_config(host)
    host.put("proc/config.gz", gzip.compress(CONFIG.replace(
        "IOMMUFD=m", "IOMMUFD is not set").encode()))


def limit(text):
    """Change the limit of locked memory"""
    return lambda host: host.edit(
        "proc/self/limits", "unlimited            unlimited", text)


def root_user(host):
    """Set a low limit, which does not apply to root"""
    limit("8388608              8388608  ")(host)
    host.edit("proc/self/status", "CapEff:\t0000000000000000",
              "CapEff:\t000001ffffffffff")


def cmdqv(host, name="NVDA200C:00"):
    """A CMDQV, and a kernel that has a driver for it"""
    host.dir(f"sys/bus/platform/devices/{name}")
    host.put(f"boot/config-{RELEASE}", CONFIG + "CONFIG_TEGRA241_CMDQV=y\n")


# The change, level and topic of the line, a part of its text, and of its cure
CASES = (
    (lambda h: None, "ok", "kernel", "Linux 7.2.0-arm64", ""),
    (lambda h: None, "ok", "config", f"/boot/config-{RELEASE} has what is", ""),
    (lambda h: None, "ok", "group", BDF, ""),
    (lambda h: None, "ok", "canwbs", "all 2 root complexes", ""),
    (lambda h: None, "unseen", "nesting", "kernel of a copy cannot be asked",
     "without --root"),
    (lambda h: None, "ok", "memlock", "no limit", ""),
    (lambda h: None, "note", "p2p", "no CONFIG_VFIO_PCI_DMABUF",
     "-e PCI_P2PDMA -e DMABUF_HEAPS"),
    (lambda h: h.put(f"boot/config-{RELEASE}",
                     CONFIG + "CONFIG_VFIO_PCI_DMABUF=y\n"), "ok", "p2p",
     "can access each other's BARs", ""),
    (lambda h: h.put("proc/sys/kernel/osrelease", "6.18.0\n"), "note", "p2p",
     "older than 6.19", "boot Linux 6.19"),
    (lambda h: h.drop(f"boot/config-{RELEASE}"), "unseen", "p2p", "depends on",
     "modprobe configs"),
    (lambda h: h.put("proc/sys/kernel/arch", "x86_64\n"), "NOT OK", "machine",
     "x86_64", "use an arm64 host"),
    (lambda h: h.put("proc/sys/kernel/osrelease", "6.12.9-a\n"), "NOT OK",
     "kernel", "6.12.9-a does not nest", "boot Linux 6.13 or later"),
    (lambda h: h.put("proc/sys/kernel/osrelease", "6.14.0\n"), "note", "kernel",
     "does not report faults", "boot Linux 6.15 or later"),
    (lambda h: h.drop("proc/sys/kernel/osrelease"), "unseen", "kernel",
     "no version", "mount /proc"),
    (lambda h: h.edit(f"boot/config-{RELEASE}", "CONFIG_IOMMUFD=m\n",
                      "# CONFIG_IOMMUFD is not set\n"), "NOT OK", "config",
     "CONFIG_IOMMUFD", "scripts/config -e IOMMUFD; make olddefconfig"),
    (lambda h: h.put(f"boot/config-{RELEASE}", ""), "NOT OK", "config",
     "CONFIG_IOMMUFD, CONFIG_VFIO_PCI, CONFIG_VFIO_DEVICE_CDEV, "
     "CONFIG_ARM_SMMU_V3, CONFIG_ARM_SMMU_V3_IOMMUFD",
     "-e VFIO_DEVICE_CDEV -e ARM_SMMU_V3 -e ARM_SMMU_V3_IOMMUFD;"),
    (gz_config, "NOT OK", "config", "not in /proc/config.gz: CONFIG_IOMMUFD",
     "-e IOMMUFD"),
    (no_config, "unseen", "config", "neither /proc/config.gz",
     "type modprobe configs"),
    (lambda h: h.drop("dev/kvm"), "NOT OK", "kvm", "no /dev/kvm", "firmware"),
    (lambda h: h.drop("dev/iommu"), "NOT OK", "iommufd", "no /dev/iommu",
     "type modprobe iommufd"),
    (lambda h: h.drop("sys/bus/pci/drivers/vfio-pci"), "NOT OK", "vfio-pci",
     "is not loaded", "type modprobe vfio-pci"),
    (lambda h: h.drop("sys/class/iommu/smmu3.0x9050000"), "NOT OK", "smmu",
     "no IOMMU in /sys/class/iommu", "enable the SMMU in the firmware"),
    (lambda h: (h.drop("sys/class/iommu/smmu3.0x9050000"),
                h.dir("sys/class/iommu/dmar0")), "NOT OK", "smmu",
     "only dmar0", "use a host with an SMMUv3"),
    (lambda h: h.put("sys/firmware/acpi/tables/IORT", iort(7, 3)), "note",
     "canwbs", "of 1 of 2 root complexes", "newer firmware"),
    (lambda h: h.put("sys/firmware/acpi/tables/IORT", iort(7)[:-20]),
     "unseen", "canwbs", "IORT cannot be read", "run this as root"),
    (lambda h: h.drop("sys/firmware"), "note", "canwbs", "no ACPI table IORT",
     "doctor BDF"),
    (lambda h: (h.drop(f"{DEV}/vfio-dev"),
                h.link(f"{DEV}/driver", "../../drivers/nvme")), "NOT OK",
     "device", f"{BDF} is bound to nvme, not to vfio-pci",
     "echo vfio-pci > /sys/bus/pci/devices/"),
    (lambda h: h.drop(f"{DEV}/vfio-dev/vfio7/dev"), "NOT OK", "device",
     "no file in /dev/vfio/devices", "newer kernel"),
    (lambda h: h.drop(f"{DEV}/iommu"), "NOT OK", "device", "behind no IOMMU",
     "use another host"),
    (lambda h: h.drop(DEV), "NOT OK", "device", f"no PCI device {BDF}",
     "type lspci -D"),
    (lambda h: h.drop("dev/vfio/devices/vfio7"), "NOT OK", "device",
     "/dev/vfio/devices/vfio7: No such file", "as root"),
    (lambda h: h.group("vfio-pci"), "ok", "group", OTHER, ""),
    (lambda h: h.group("pcieport"), "ok", "group", OTHER, ""),
    (lambda h: h.group("igb"), "NOT OK", "group", f"{OTHER}, of the same IOMMU "
     f"group as {BDF}, has the driver igb",
     f"echo {OTHER} > /sys/bus/pci/devices/{OTHER}/driver/unbind"),
    (lambda h: h.drop(f"{DEV}/iommu_group"), "NOT OK", "group",
     "is in no IOMMU group", "boot without iommu=off"),
    (limit("8388608              8388608  "), "NOT OK", "memlock",
     "8192 KiB may be locked", "type ulimit -l unlimited"),
    (limit("4294967296           4294967296"), "note", "memlock",
     "4096 MiB may be locked", "type ulimit -l unlimited"),
    (root_user, "ok", "memlock", "CAP_IPC_LOCK", ""),
    (lambda h: h.drop("proc/self/limits"), "unseen", "memlock", "limits",
     "ulimit -l"),
    (lambda h: (h.edit("proc/meminfo", "512", "  0"),
                h.put("sys/kernel/mm/transparent_hugepage/enabled",
                      "always madvise [never]")), "note", "hugepages",
     "neither", "type echo madvise"),
    (lambda h: (h.drop("proc/meminfo"),
                h.put("sys/kernel/mm/transparent_hugepage/enabled",
                      "always [madvise] never")), "ok", "hugepages",
     "transparent", ""),
    (cmdqv, "ok", "cmdqv", "NVDA200C:00: command queues in hardware, with "
     "cmdqv=on", ""),
    (lambda h: cmdqv(h, "5200000.cmdqv"), "ok", "cmdqv", "5200000.cmdqv", ""),
    (lambda h: (cmdqv(h), h.put("proc/sys/kernel/osrelease", "6.16.1\n")),
     "note", "cmdqv", "Linux 6.16.1 gives guests none",
     "boot Linux 6.17 or later"),
    (lambda h: (cmdqv(h), h.put(f"boot/config-{RELEASE}", CONFIG)), "note",
     "cmdqv", "CONFIG_TEGRA241_CMDQV", "scripts/config -e TEGRA241_CMDQV;"),
    (lambda h: (cmdqv(h), no_config(h)), "ok", "cmdqv", "NVDA200C:00", ""),
    (cmdqv, "ok", "hugepages", "512 free ones of 2048 kB; a guest's command "
     "queues can be as large as one", ""),
    (lambda h: (cmdqv(h), h.drop("proc/meminfo"),
                h.put("sys/kernel/mm/transparent_hugepage/enabled",
                      "always [madvise] never")), "ok", "hugepages",
     "command queues can have 256 entries", ""),
)


def run(*args, status):
    """(stdout, stderr) of the tool, which must exit with this status"""
    done = subprocess.run([TOOL, "doctor", *args], capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.returncode == status, (args, done)
    assert bool(done.stderr) == bool(status), (args, done)
    return done.stdout, done.stderr


def check(case):
    """One host, as JSON and as text"""
    change, level, topic, text, cure = case
    with tempfile.TemporaryDirectory() as where:
        host = Host(where)
        change(host)
        bad = level == "NOT OK"
        lines = json.loads(run(f"--root={where}", "--json", BDF, status=bad)[0])
        out, err = run(BDF, f"--root={where}", status=bad)
    assert lines["ready"] == (not bad), lines
    found = [line for line in lines["checks"]
             if (line["level"], line["topic"]) == (level, topic)
             and text in line["text"]]
    assert len(found) == 1 and cure in found[0]["cure"], lines["checks"]
    # one line is wrong, and each such line has a cure
    if bad and f"no PCI device {BDF}" not in text:
        assert [line["topic"] for line in lines["checks"]
                if line["level"] == "NOT OK"] == [topic], lines["checks"]
        assert "not ready: 1 of these lines is NOT OK" in err, err
    for line in lines["checks"]:
        assert (line["level"] == "ok") == (not line["cure"]), line
        text = f"{line['level']:7} {line['topic']}: {line['text']}\n"
        assert text in out, out
        assert not line["cure"] or f"          -> {line['cure']}\n" in out, out
    assert ("ready, as far as can be seen\n" in out) == (not bad), out


def no_device():
    """Without BDF: a line about what was not checked, and the command to type"""
    with tempfile.TemporaryDirectory() as where:
        host = Host(where)
        out = run(f"--root={where}", status=0)[0]
        assert f"-> type smmuv3-spec doctor {BDF}\n" in out, out
        host.drop(f"sys/bus/pci/drivers/vfio-pci/{BDF}")
        out = run(f"--root={where}", status=0)[0]
        assert "-> type smmuv3-spec doctor BDF, with an address" in out, out
        # what a host does not need is not missed
        assert "cmdqv" not in out and "queues" not in out, out


def no_rights():
    """A file in /dev that this user cannot open"""
    if not os.geteuid():
        return "# SKIP root can open everything"
    with tempfile.TemporaryDirectory() as where:
        Host(where)
        os.chmod(Path(where, "dev/iommu"), 0o400)
        out = run(f"--root={where}", BDF, status=1)[0]
        assert "/dev/iommu: Permission denied\n" in out, out
        assert "chmod g+rw /dev/iommu" in out, out
    return ""


def this_host():
    """Run it on this machine, whatever it is"""
    done = subprocess.run([TOOL, "doctor"], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode in (0, 1), done
    assert (" -> " in done.stdout) and ("memlock" in done.stdout), done
    if not list(Path("/sys/class/iommu").glob("smmu3.*")):
        assert "NOT OK  smmu: no " in done.stdout, done.stdout
        assert done.returncode == 1, done


def main():
    """Run all tests"""
    tests = [(test.__doc__, test) for test in (no_device, no_rights, this_host)]
    tests += [(f"{case[1]} {case[2]}: {case[3]}", lambda case=case: check(case))
              for case in CASES]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        try:
            print(f"ok {number} {name} {test() or ''}".rstrip())
        except AssertionError as error:
            failed += 1
            print(f"not ok {number} {name}")
            for line in str(error).splitlines():
                print(f"# {line}")
    return failed > 0


sys.exit(main())
