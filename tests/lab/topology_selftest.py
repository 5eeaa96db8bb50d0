# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the pictures of a guest; the scenario lab_itself runs them."""

import io
import os
import re
import unittest
from unittest import mock
from xml.etree import ElementTree

from . import report, topology, topology_svg, topology_text, trace
from .topology_text import Style


def emulated(driver, id, bus, sid=None, slot=0):
    function = {"driver": driver, "id": id, "bus": bus, "slot": slot, "function": 0}
    return function if sid is None else {**function, "sid": sid}


def assigned(name, id, bus, sid=None, target="nested", why="stage 1", **more):
    device = {"name": name, "id": id, "bus": bus, "slot": 0, "function": 0, "target": target, "why": why,
              "exposed": False, **more}
    return device if sid is None else {**device, "sid": sid, "vdevice-sid": sid}


def vsmmu(emulated_devices, host_devices, id="smmu1", bus="pcie.1", enabled=True):
    info = {"id": id, "bus": bus, "enabled": enabled, "emulated-devices": emulated_devices,
            "host-devices": host_devices, "event-queue": {"enabled": enabled, "entries": 128, "unsupported": False}}
    if host_devices:
        info["viommu"] = {"id": 4, "stage2-hwpt": 3, "abort-hwpt": 5, "kept": 0, "invalidations-lost": False}
        info["host-smmu"] = "smmu3.0x0000000009050000"
        info["event-queue"] |= {"id": 9, "host-entries": 128}
    return info


ONE = vsmmu([emulated("pcie-root-port", "rp1", "pcie.1", 0x800), emulated("pcie-root-port", "rp2", "pcie.1", 0x808, 1),
             emulated("nvme", "soft", "rp2", 0xa00)],
            [assigned("0000:01:00.0", "dev1", "rp1", 0x900, hwpt=8, vdevice=6)])
TWO = vsmmu([emulated("pcie-root-port", "rp3", "pcie.2", 0x1000)], [], "smmu2", "pcie.2", False)
PCI = [{"bus": 0, "devices": [
    {"bus": 0, "slot": 0, "function": 0, "qdev_id": "", "class_info": {"class": 0x600, "desc": "Host bridge"}},
    {"bus": 0, "slot": 1, "function": 0, "qdev_id": "pcie.1", "class_info": {"class": 0x600, "desc": "Host bridge"}},
    {"bus": 0, "slot": 2, "function": 0, "qdev_id": "", "class_info": {"class": 0x604, "desc": "PCI bridge"},
     "pci_bridge": {"devices": [{"bus": 1, "slot": 0, "function": 0, "qdev_id": "net0",
                                 "class_info": {"class": 0x200, "desc": "Ethernet controller"}}]}}]},
    {"bus": 8, "devices": []}, {"bus": 16, "devices": []}]

PLAIN = """\
  Guest                                   Host kernel                       Hardware
+- pcie.0, bus 00, no vSMMU ----------+
| pcie.1  root complex, 00:01.0       |
| PCI bridge  00:02.0                 |
| `- net0  Ethernet controller, 01:0~ |
+-------------------------------------+
+- pcie.1, bus 08 --------------------+
| smmu1  vSMMU, translation on -------+-> vIOMMU 4 -----------------------> smmu3.0x0000000009050000
| rp1  pcie-root-port, 08:00.0        |   |- HWPT 3  nesting parent
| |                                   |   |  `- IOAS 2  guest memory
| |                                   |   |- HWPT 5  abort
| |                                   |   |- vEVENTQ 9  128 events
| `- dev1  vfio-pci, 09:00.0 ---------+-> `- vDEVICE 6  vSID 0x900 -------> 0000:01:00.0
| rp2  pcie-root-port, 08:01.0        |      `- HWPT 8  nested, stage 1
| `- soft  nvme, 0a:00.0, by QEMU     |
+-------------------------------------+
+- pcie.2, bus 10 --------------------+
| smmu2  vSMMU, translation off ------+-> no vIOMMU  no host device
| rp3  pcie-root-port, 10:00.0        |
+-------------------------------------+
"""

LINES = """\
  Guest                              Host kernel                     Hardware
┌─ pcie.1, bus 08 ───────────────┐
│ smmu1  vSMMU, translation on ──┼─▸ vIOMMU 4 ─────────────────────▸ smmu3.0x0000000009050000
│ rp1  pcie-root-port, 08:00.0   │   ├ HWPT 3  nesting parent
│ │                              │   ├ HWPT 5  abort
│ │                              │   ├ vEVENTQ 9  128 events
│ └ dev1  vfio-pci, 09:00.0 ─────┼─▸ └ vDEVICE 6  vSID 0x900 ──────▸ 0000:01:00.0
│ rp2  pcie-root-port, 08:01.0   │     └ HWPT 8  nested, stage 1
│ └ soft  nvme, 0a:00.0, by QEMU │
└────────────────────────────────┘
"""


class Stream(io.StringIO):
    def __init__(self, terminal, encoding="utf-8"):
        super().__init__()
        self.terminal, self.kind = terminal, encoding

    encoding = property(lambda self: self.kind)

    def isatty(self):
        return self.terminal

    def fileno(self):
        return 99


class Pictures(unittest.TestCase):
    maxDiff = None

    def text(self, *infos, style=Style()):
        return topology_text.draw(topology.model(infos), style)

    def test_plain(self):
        self.assertEqual(topology_text.draw(topology.model([ONE, TWO], PCI, {3: 2}), Style()), PLAIN)

    def test_lines(self):
        self.assertEqual(self.text(ONE, style=Style(lines=True)), LINES)

    def test_states_of_a_device(self):
        ports = [emulated("pcie-root-port", "rp1", "pcie.1", 0x800)]
        for target, why, words in (("bypass", "STE says bypass", "HWPT 3  bypass, stage 2"),
                                   ("abort", "no STE", "HWPT 5  abort")):
            text = self.text(vsmmu(ports, [assigned("0000:01:00.0", "dev1", "rp1", target=target, why=why)]))
            for word in (why, words, "no vDEVICE  no StreamID yet", "vfio-pci, not numbered"):
                self.assertIn(word, text)
            self.assertNotIn("exposed", text)
        text = self.text(vsmmu(ports, [assigned("0000:01:00.0", "dev1", "rp1", 0x900, "bypass", "refused", vdevice=6)
                                       | {"exposed": True}]))
        self.assertIn("exposed", text)

    def test_devices_in_another_order_than_the_buses(self):
        ports = [emulated("pcie-root-port", f"rp{n}", "pcie.1", 0x800 + 8 * n, n) for n in (1, 2)]
        late_first = [assigned(f"0000:0{n}:00.0", f"dev{n}", f"rp{n}", 0x900 + n, hwpt=n, vdevice=10 + n)
                      for n in (2, 1)]
        text = self.text(vsmmu(ports, late_first))
        for n in (1, 2):
            self.assertEqual(text.count(f"dev{n}  "), 1)
            self.assertEqual(text.count(f"vDEVICE 1{n}"), 1)
            line, = (x for x in text.splitlines() if f"vDEVICE 1{n}" in x)
            self.assertTrue(f"dev{n}" in line and f"0000:0{n}:00.0" in line, text)

    def test_a_device_on_a_bus_without_a_name(self):
        text = self.text(vsmmu([emulated("pcie-root-port", None, "pcie.1", 0x800)],
                               [assigned("0000:01:00.0", None, "pci.3", 0x900, hwpt=8, vdevice=6)]))
        self.assertIn("vfio-pci, 09:00.0", text)

    def test_a_device_without_a_viommu(self):
        info = vsmmu([], [assigned("0000:01:00.0", "dev1", "pcie.1", 0x900, "abort", "refused")])
        del info["viommu"]
        line, = (x for x in self.text(info).splitlines() if "dev1" in x)
        self.assertTrue("0000:01:00.0" in line and ">" not in line, line)

    def test_width(self):
        wide = vsmmu([emulated("a-driver-with-a-very-long-name-that-nobody-has-chosen-so-far", "x" * 60, "pcie.1", 0x808)],
                     [assigned("0000:01:00.0" * 5, "dev1", "pcie.1", 0x900, hwpt=8, vdevice=6)])
        for style, columns in ((Style(), 100), (Style(lines=True, columns=300), 100), (Style(columns=80), 80),
                               (Style(columns=1), topology_text.FEWEST)):
            text = self.text(wide, style=style)
            self.assertEqual(max(map(len, text.splitlines())), columns)
            self.assertIn(style.chars["cut"], text)

    @mock.patch("os.get_terminal_size", lambda fd: os.terminal_size((80, 24)))
    def test_style(self):
        chars = {topology_text.LINES["v"]: "lines", topology_text.ASCII["v"]: "ascii"}
        for stream, environ, want in ((Stream(True), {}, ("lines", True)), (Stream(False), {}, ("ascii", False)),
                                      (Stream(True, "ascii"), {}, ("ascii", True)),
                                      (Stream(True), {"NO_COLOR": "1"}, ("lines", False)),
                                      (Stream(True), {"TERM": "dumb"}, ("ascii", False))):
            style = Style.of(stream, environ)
            self.assertEqual((chars[style.chars["v"]], style.colour), want)
            self.assertEqual(style.columns, 80 if stream.terminal and environ.get("TERM") != "dumb" else 100)
        coloured = self.text(ONE, style=Style(True, True))
        self.assertIn("\033[32mvIOMMU 4\033[0m", coloured)
        self.assertEqual(re.sub(r"\033\[\d+m", "", coloured), LINES)
        self.text(ONE).encode("ascii")

    def test_svg(self):
        name = "{http://www.w3.org/2000/svg}"
        svg = topology_svg.draw(topology.model([ONE, TWO], PCI, {3: 2}))
        root = ElementTree.fromstring(svg)
        boxes = [r for r in root.iter(name + "rect") if r.get("class") in ("guest", "qemu", "kernel", "hard", "plain")]
        rows = [row for c in topology.model([ONE, TWO], PCI, {3: 2}) for row in c.rows]
        items = [i for row in rows for i in (row.guest, row.kernel, row.hard) if i and i.name]
        self.assertEqual(len(boxes), len(items))
        self.assertEqual(len(root.findall(f"{name}path[@class='arrow']")), 5)
        words = [t.text for t in root.iter(name + "text")]
        for item in items:
            self.assertIn(item.name, words)
        for box in root.iter(name + "rect"):
            self.assertLessEqual(float(box.get("y")) + float(box.get("height")), float(root.get("height")))
        self.assertIn("prefers-color-scheme: dark", svg)
        long = topology_svg.draw([topology.Complex("", [topology.Row(topology.Item("x" * 99, "y" * 99))])])
        self.assertTrue("x…" in long and "y…" in long and "x" * 40 not in long)
        self.assertIn("a &lt;b&gt;", topology_svg.draw([topology.Complex("a <b>")]))


TRACE = """\
7@1.0:iommufd_backend_alloc_ioas  iommufd=9 ioas=2
7@1.1:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=1 pt_id=2 flags=0x1 hwpt_type=0 len=0 data_ptr=0x0 out_hwpt=3 (0)
7@1.2:iommufd_backend_alloc_viommu  iommufd=9 dev_id=1 type=1 hwpt=3 viommu=4 (0)
7@1.3:iommufd_backend_alloc_vdevice  iommufd=9 viommu=4 dev_id=1 virt_id=0x900 vdevice=6 (0)
""" + """\
7@1.7:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=1 pt_id=4 flags=0x0 hwpt_type=2 len=16 data_ptr=0xf out_hwpt=8 (0)
7@1.7:smmuv3_accel_nested_hwpt host device 0000:01:00.0 hwpt=8 word0=0x415ab00b word1=0xd4
7@1.9:iommufd_cdev_attach_ioas_hwpt  [iommufd=9] Successfully attached device 0000:01:00.0 (8) to id=8
7@2.0:iommufd_backend_free_id  iommufd=9 id=8 (0)
""" * 3


class Report(unittest.TestCase):
    def facts(self, model):
        seen = trace.Trace(TRACE)
        registers = {"table": [(name, 0, "inherited") for name in report.NAMES], "mode": "inherited", "spec": "idr0=0x0"}
        return {"trace": seen, "hwpt": seen.attachment(), "topology": model, "host": "L1, an emulated Arm server",
                "device": "0000:01:00.0", "host_smmu": "smmu3.0x0000000009050000", "inside": "0000:09:00.0",
                "guest_smmu": "smmu3.0x1", "registers": registers, "sha256": "1" * 64, "expected": "1" * 64,
                "times": {"4k": 2.0, "1M": 1.0}, "plain": {"4k": 1.0, "1M": 1.0}, "svg": "build/topology.svg"}

    def test_no_row_twice(self):
        for model in (topology.model([ONE, TWO], PCI, {3: 2}), None):
            text = report.text(self.facts(model), "build/lab/run")
            rows = [row for row in text.splitlines() if row.strip(" -+=|")]
            self.assertEqual(sorted(set(rows)), sorted(rows))
            for word in ("vIOMMU", "vDEVICE", "HWPT", "IOAS", "EQUAL", "build/topology.svg"):
                self.assertIn(word, text)
