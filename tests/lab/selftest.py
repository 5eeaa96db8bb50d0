# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the lab's pure functions; the scenario lab_itself runs them."""

import errno
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from . import (images, iort, kernel, metal, names_selftest, options, progress_selftest, qmp, scenario, shell_selftest, shim,
               soak, topology_selftest, trace, util)
from .bench import selftest as bench_selftest
from .channel import Agent, Channel, Dead
from .contract import selftest as contract_selftest


def table(flags):
    """An IORT with an ITS group and one root complex."""
    its = struct.pack("<BHBIIIII", 0, 24, 1, 0, 0, 0, 1, 0)
    root = struct.pack("<BHBIII", 2, 36, 3, 1, 0, 0) + struct.pack("<IBHB", 1, 0, 0, flags)
    root += b"\0" * (36 - len(root))
    body = struct.pack("<III", 2, 48, 0) + its + root
    head = bytearray(b"IORT" + struct.pack("<IBB", 36 + len(body), 3, 0) + b"BOCHS BXPC    "
                     + struct.pack("<I", 1) + b"BXPC" + struct.pack("<I", 1))
    out = head + body
    out[9] = iort.checksum(out)
    return bytes(out)


class Iort(unittest.TestCase):
    def test_canwbs(self):
        before, after = table(3), iort.with_canwbs(table(3))
        self.assertEqual(sum(after) & 0xff, 0)
        self.assertEqual(struct.unpack_from("<I", after, 24)[0], 2)
        changed = [i for i in range(len(before)) if before[i] != after[i]]
        self.assertEqual(changed, [9, 24, 48 + 24 + 16 + 7])
        self.assertEqual(after[changed[-1]], 7)

    def test_no_iort(self):
        for mend in (iort.with_canwbs, iort.without_rmr):
            with self.assertRaises(ValueError):
                mend(b"APIC" + b"\0" * 60)

    def test_rmr(self):
        plain = table(3)
        rmr = struct.pack("<BHBIII", 6, 20, 3, 2, 0, 0) + b"\0" * 4
        more = bytearray(plain + rmr * 2)
        struct.pack_into("<I", more, 4, len(more))
        struct.pack_into("<I", more, 36, 4)
        after = iort.without_rmr(bytes(more))
        self.assertEqual(sum(after) & 0xff, 0)
        self.assertEqual([kind for _, kind in iort.nodes(after)], [0, 2])
        self.assertEqual(after[36:], plain[36:])


OURS = """\
7@1.0:iommufd_backend_alloc_ioas  iommufd=9 ioas=2
7@1.1:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=1 pt_id=2 flags=0x1 hwpt_type=0 len=0 data_ptr=0x0 out_hwpt=3 (0)
7@1.2:iommufd_backend_alloc_viommu  iommufd=9 dev_id=1 type=1 hwpt=3 viommu=4 (0)
7@1.3:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=1 pt_id=4 flags=0x0 hwpt_type=2 len=16 data_ptr=0xf out_hwpt=5 (0)
7@1.3:smmuv3_accel_nested_hwpt host device 0000:01:00.0 hwpt=5 word0=0x1 word1=0x0
7@1.4:iommufd_cdev_attach_ioas_hwpt  [iommufd=9] Successfully attached device 0000:01:00.0 (8) to id=5
7@1.5:iommufd_backend_alloc_vdevice  iommufd=9 viommu=4 dev_id=1 virt_id=0x900 vdevice=6 (0)
7@1.6:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=1 pt_id=4 flags=0x0 hwpt_type=2 len=16 data_ptr=0xf out_hwpt=0 (-22)
7@1.7:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=1 pt_id=4 flags=0x0 hwpt_type=2 len=16 data_ptr=0xf out_hwpt=8 (0)
7@1.7:smmuv3_accel_nested_hwpt host device 0000:01:00.0 hwpt=8 word0=0x415ab00b word1=0xd4
7@1.8:iommufd_backend_invalidate  iommufd=9 viommu=4 data_type=1 entries=3 done=3 (0)
some other line
7@1.9:iommufd_cdev_attach_ioas_hwpt  [iommufd=9] Successfully attached device 0000:01:00.0 (8) to id=8
"""

UPSTREAM = """\
1970-01-01T00:00:10.1Z iommufd_backend_alloc_viommu  iommufd=22 dev_id=1 type=1 hwpt_id=3 viommu_id=4 (0)
1970-01-01T00:00:33.3Z iommufd_viommu_alloc_eventq  iommufd=22 viommu_id=4 type=1 veventq_id=8 veventq_fd=93 (0)
1970-01-01T00:00:33.4Z iommufd_backend_alloc_hwpt  iommufd=22 dev_id=1 pt_id=4 flags=0x0 hwpt_type=2 len=16 data_ptr=0xf out_hwpt=9 (0)
1970-01-01T00:00:33.4Z smmuv3_accel_translate_ste vSID=0x900 hwpt_id=0x9 ste=d6:4039500b
1970-01-01T00:01:33.4Z iommufd_cdev_pasid_attach_ioas_hwpt  [iommufd=22] Successfully attached device 0000:01:00.0 (23) pasid 0 to id=9
"""


class Traces(unittest.TestCase):
    def test_ours(self):
        t = trace.Trace(OURS)
        self.assertEqual([(h.id, h.kind, h.ste) for h in t.hwpts()],
                         [(3, "stage 2 parent", ""), (5, "nested", "abort"), (8, "nested", "stage 1")])
        self.assertEqual(t.viommus(), [4])
        self.assertEqual(t.vdevices(), [(6, 0x900, 4)])
        self.assertEqual(t.invalidations(), (1, 3))
        self.assertEqual(t.attachment("01:00.0").id, 8)
        self.assertIsNone(t.attachment("02:00.0"))
        self.assertEqual([e.ret for e in t.errors()], [-22])

    def test_what_is_left(self):
        t = trace.Trace(OURS)
        self.assertEqual(t.live(), {"IOAS": 1, "HWPT": 3, "vIOMMU": 1, "vDEVICE": 1})
        self.assertEqual(t.stage2_parents(), [3])
        t = trace.Trace(OURS + "iommufd_backend_free_id  iommufd=9 id=8 (0)\n"
                        "iommufd_backend_free_id  iommufd=9 id=6 (-16)\n"
                        "iommufd_backend_free_id  iommufd=5 id=5 (0)\n")
        self.assertEqual(t.live(), {"IOAS": 1, "HWPT": 2, "vIOMMU": 1, "vDEVICE": 1})
        self.assertEqual(trace.Trace(OURS + "iommufd_backend_disconnect fd=9 users=0\n").live(), {})

    def test_detached(self):
        t = trace.Trace(OURS + "iommufd_cdev_detach_ioas_hwpt  [iommufd=9] Successfully detached 0000:01:00.0\n")
        self.assertIsNone(t.attachment("01:00.0"))
        self.assertEqual([to for _, to in t.moves()], [5, 8, None])

    def test_upstream(self):
        t = trace.Trace(UPSTREAM)
        self.assertEqual(t.viommus(), [4])
        self.assertEqual(t.veventqs(), [8])
        self.assertEqual((t.attachment().kind, t.attachment().ste), ("nested", "stage 1"))
        self.assertAlmostEqual(t.events[-1].time, 93.4)

    def test_ids_are_reused(self):
        again = OURS + ("iommufd_backend_alloc_hwpt  dev_id=1 pt_id=4 hwpt_type=2 out_hwpt=8 (0)\n"
                        "smmuv3_accel_nested_hwpt host device x hwpt=8 word0=0x9 word1=0x0\n")
        self.assertEqual(trace.Trace(again).attachment().ste, "stage 1")


SHIM_LOG = """\
VFIO_DEVICE_BIND_IOMMUFD fd=24 iommufd=23 out=1 ret=0
IOMMU_IOAS_ALLOC fd=23 out=2 ret=0
IOMMU_HWPT_ALLOC fd=23 flags=1 dev=1 pt=2 out=0 type=0 ret=-12 by=inject
IOMMU_HWPT_ALLOC fd=23 flags=1 dev=1 pt=2 out=3 type=0 ret=0
IOMMU_VIOMMU_ALLOC fd=23 type=1 dev=1 hwpt=3 out=4 ret=0
IOMMU_VDEVICE_ALLOC fd=23 viommu=4 dev=1 out=6 sid=256 ret=0
IOMMU_VEVENTQ_ALLOC fd=23 viommu=4 depth=16 out=8 evfd=30 ret=0
"""


class Shims(unittest.TestCase):
    def left(self, more):
        return shim.live(shim.parse(SHIM_LOG + more))

    def test_what_is_left(self):
        everything = {"device": 1, "IOAS": 1, "HWPT": 1, "vIOMMU": 1, "vDEVICE": 1, "vEVENTQ": 1,
                      "file of a vEVENTQ": 1}
        self.assertEqual(self.left(""), everything)
        self.assertEqual(self.left("IOMMU_DESTROY fd=23 id=6 ret=-16 by=inject\n"), everything)
        self.assertEqual(self.left("close fd=30 queue=8\nIOMMU_DESTROY fd=23 id=8 ret=0\n"
                                   "tombstone id=6\nclose fd=24 device=1\n"
                                   "IOMMU_DESTROY fd=23 id=4 ret=-2\n"), {"IOAS": 1, "HWPT": 1})
        self.assertEqual(self.left("close fd=23 iommufd=0\n"), {"device": 1})
        self.assertEqual(self.left("close fd=23 iommufd=0\nclose fd=24 device=1\n"), {})

    def test_what_is_left_of_queues(self):
        made = ("IOMMU_HW_QUEUE_ALLOC fd=23 viommu=4 index=0 out=40 ret=0\nmmap fd=23 viommu=4 length=65536 ret=0\n"
                "mmap fd=23 viommu=5 length=65536 ret=-12 by=inject\nclose fd=24 device=1\n")
        self.assertEqual({kind: n for kind, n in self.left(made).items() if kind.startswith(("hard", "page"))},
                         {"hardware queue": 1, "page of a vIOMMU": 1})
        self.assertEqual(self.left(made + "close fd=23 iommufd=0\n"), {"page of a vIOMMU": 1})
        self.assertEqual(self.left(made + "munmap fd=23 viommu=4 length=65536 ret=0\nclose fd=23 iommufd=0\n"), {})

    def test_who_answered(self):
        self.assertEqual([c.by for c in shim.parse(SHIM_LOG)], ["", "", "inject", "", "", "", ""])
        self.assertEqual(shim.control(3, 2, {"IOMMU_DESTROY": 16}, 9), "3 2 9 IOMMU_DESTROY=16")
        self.assertEqual(shim.control(3, 2, {"IOMMU_DESTROY": shim.late(50, 16)}), "3 2 1 IOMMU_DESTROY=16@50")

    def test_variants_have_each_errno_once(self):
        names = ("IOMMU_DESTROY", "IOMMU_VDEVICE_ALLOC", "VFIO_DEVICE_DETACH_IOMMUFD_PT")
        pairs = [pair for variant in shim.variants(names) for pair in variant.items()]
        self.assertEqual(sorted(pairs), sorted((n, e) for n in names for e in shim.ERRNOS[n]))
        self.assertEqual(shim.REFUSED.keys(), shim.ERRNOS.keys())

    def test_versions_are_those_of_the_unit_tests(self):
        header = (util.ROOT / "tests/unit/fake-iommufd.h").read_text()
        versions = [f"{a}.{b}" for a, b in re.findall(r"LINUX_(\d+)_(\d+),", header)]
        self.assertEqual(versions, ["6.12", "6.13", "6.15", "6.17", "6.19", "7.3"])
        usage = re.search(r"IOCTL_SHIM_KERNEL +([^:]*):", shim.SOURCE.read_text())[1]
        self.assertEqual(re.findall(r"\d\.\d+", usage), versions)
        readme = (util.HERE / "README.md").read_text()
        self.assertEqual(re.findall(r"^\| (\d\.\d+) \|", readme, re.M), versions)

    def test_the_library(self):
        """Built for this machine, on files that know no such ioctl (ENOTTY)."""
        source = shim.SOURCE.read_text()
        for name in shim.ERRNOS:
            self.assertIn(f'"{name}"', source)
        with tempfile.TemporaryDirectory() as work:
            library = Path(work, "shim.so")
            util.run(["gcc", *shim.ARGS, "-o", library])
            Path(work, "1").write_text(shim.control(1, 2, {"IOMMU_DESTROY": errno.EBUSY}))
            Path(work, "2").write_text(shim.control(2, 1, {"VFIO_DEVICE_DETACH_IOMMUFD_PT": errno.EINVAL}, 2))
            Path(work, "3").write_text(shim.control(3, 1, {"IOMMU_DESTROY": shim.late(60, errno.EBUSY),
                                                           "IOMMU_IOAS_ALLOC": shim.late(60)}, 3))
            Path(work, "4").write_text(shim.control(4, 1, {"mmap": errno.ENOMEM}, 1))
            driver = """if True:
                import fcntl, os, time
                def call(nr):
                    try:
                        fcntl.ioctl(fd, ord(";") << 8 | nr, bytearray(64))
                    except OSError as error:
                        print(error.errno, end=" ")
                fd = os.open("/dev/null", os.O_RDWR)
                os.rename("1", "control")
                for nr in (0x80, 0x81, 0x80, 0x80, 0x93): call(nr)
                os.rename("2", "control")
                for nr in (0x80, 120, 120, 120): call(nr)
                os.rename("3", "control")
                for nr in (0x80, 0x81, 0x93):
                    begin = time.monotonic()
                    call(nr)
                    print(int((time.monotonic() - begin) / 0.06 + 0.05), end=" ")
                os.rename("4", "control")
                import mmap
                for fd in os.open("other", os.O_RDWR | os.O_CREAT), fd, fd:
                    os.truncate("other", 65536)
                    try:
                        mmap.mmap(fd, 65536)
                    except OSError as error:
                        print(error.errno, end=" ")
                call(0x94)
                os.close(fd)"""
            out = subprocess.run([sys.executable, "-c", driver], cwd=work, check=True, capture_output=True,
                                 env=dict(os.environ, LD_PRELOAD=str(library), IOCTL_SHIM_KERNEL="6.13",
                                          IOCTL_SHIM_LOG="log", IOCTL_SHIM_CONTROL="control")).stdout.decode()
            none, busy, invalid = errno.ENOTTY, errno.EBUSY, errno.EINVAL
            self.assertEqual([int(n) for n in out.split()],
                             [none, none, busy, none, none, none, invalid, invalid, none,
                              busy, 1, none, 1, none, 0, errno.ENOMEM, errno.ENODEV, none])
            calls = shim.parse(Path(work, "log").read_text())
            self.assertEqual([c.by for c in calls if c.by],
                             ["inject", "profile", "inject", "inject", "inject", "profile", "inject", "profile"])
            self.assertEqual([c.args.get("serial") for c in calls if c.name == "armed"], [1, 2, 3, 4])
            self.assertEqual([c.ret for c in calls if c.name == "mmap"], [-errno.ENOMEM, -errno.ENODEV])
            self.assertEqual(calls[-1].name, "close")


class Metal(unittest.TestCase):
    def test_qtest_lines(self):
        self.assertEqual(metal.put(0x10, 3, 16), "writew 0x10 0x3")
        self.assertEqual([metal.get(16, n)[:5] for n in (8, 32, 64)], ["readb", "readl", "readq"])
        self.assertEqual(metal.memory(16, b"\1\2"), "write 0x10 0x2 0x0102")


class Initrd(unittest.TestCase):
    def test_cpio(self):
        archive = images.acpi_override("iort", b"12345")
        listed = subprocess.run(["cpio", "-t", "--quiet"], input=archive, capture_output=True,
                                check=True).stdout.decode().split()
        self.assertEqual(listed[-1], "kernel/firmware/acpi/iort.aml")
        self.assertEqual(len(archive) % 512, 0)


class KernelConfig(unittest.TestCase):
    def test_lost_symbols(self):
        wanted = {"CONFIG_A": "CONFIG_A=y", "CONFIG_B": "# CONFIG_B is not set"}
        kernel.check_config("CONFIG_A=y\n", wanted)
        for bad in ("CONFIG_A=m\n", "", "CONFIG_A=y\nCONFIG_B=y\n"):
            with self.assertRaises(util.LabError):
                kernel.check_config(bad, wanted)


class Options(unittest.TestCase):
    def test_spelling(self):
        self.assertEqual(options.OURS.vsmmu(idr0="0x1", host_smmu="x")[1],
                         "arm-smmuv3-accel,id=smmu1,bus=pcie.1,idr0=0x1,host-smmu=x")
        self.assertEqual(options.RIVAL.vsmmu()[1],
                         "arm-smmuv3,id=smmu1,primary-bus=pcie.1,accel=on")
        self.assertEqual(options.vfio(fd=3, bus="b")[1], "vfio-pci,id=dev1,bus=b,iommufd=iommufd0,fd=3")

    def test_the_lines_that_matter(self):
        lines = ["[ 1.0] RAS: Correctable Errors collector initialized.",
                 "[ 1.1] arm-smmu-v3: event 0x10 received", "[ 1.2] all is well"]
        self.assertEqual(scenario.pick(lines, "l1-dmesg.log"), lines[1:2])


class Soak(unittest.TestCase):
    def test_growth(self):
        # neither warm-up, nor a peak, nor one step within the limit is growth
        self.assertEqual(soak.growth([1, 9, 9, 9, 9, 9, 9, 9]), 0)
        self.assertEqual(soak.growth([9, 9, 9, 30, 9, 9, 9, 9]), 0)
        self.assertEqual(soak.growth(list(range(40))), 23)
        self.assertEqual(soak.growth([5, 5, 5, 5, 5, 5, 5, 3]), -2)
        self.assertIsNone(soak.growth([1]))

    def test_verdict(self):
        flat = {m.name: 100 for m in soak.METRICS}
        self.assertEqual(soak.judge([flat] * 12)[1], [])
        self.assertEqual(soak.judge([flat])[1], ["there are too few samples"])
        leak = [dict(flat, ids=n, rss=n) for n in range(12)]
        self.assertEqual(soak.judge(leak)[1], ["ids +7"])


class AgentProtocol(unittest.TestCase):
    """The agent's own loop, run in this machine's shell on a socket."""

    def setUp(self):
        import socket
        import threading
        self.dir = tempfile.TemporaryDirectory()
        path = Path(self.dir.name, "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
        text = (util.HERE / "guest/agent").read_text()
        loop = text[text.index("echo \"HELLO"):].replace("sleep 0.1", "exit")
        head = f"dir={self.dir.name}; nonce=abc\n"

        def serve():
            peer, _ = listener.accept()
            # one file descriptor for both directions, like the port
            self.proc = subprocess.Popen(["sh", "-c", head + "exec 3<&0\n" + loop.replace(">&3", ">&0")],
                                         stdin=peer.fileno())
            peer.close()
        threading.Thread(target=serve, daemon=True).start()
        self.channel = Channel(path)
        self.agent = Agent(self.channel, "abc", "test")
        self.agent.hello(5)
        listener.close()

    def tearDown(self):
        self.channel.close()
        self.proc.wait(5)
        self.dir.cleanup()

    def test_status_and_output(self):
        result = self.agent.run("echo one; echo two >&2; exit 3")
        self.assertEqual((result.status, result.out), (3, "one\ntwo"))
        self.assertTrue(self.agent.run("true"))

    def test_binary_output(self):
        self.assertEqual(self.agent.run(r"printf 'a\000\nEND abc 1 0 0 x\n'").data,
                         b"a\0\nEND abc 1 0 0 x\n")

    def test_time_limit(self):
        self.assertEqual(self.agent.run("sleep 20", timeout=1).status, 137)

    def test_noise_before_the_answer(self):
        self.channel.buffer += b"END abc 999 0 0 x\nnoise\n"
        self.assertEqual(self.agent.run("echo ok").out, "ok")


class QmpProtocol(unittest.TestCase):
    class Fake:
        """Sends answers by itself, after the remains of an earlier QEMU."""
        def __init__(self):
            self.lines = ['half a line"}', '{"return": {}, "id": 1}', '{"QMP": {}}']

        def line(self, _timeout, _what):
            if not self.lines:
                raise Dead("nothing")
            return self.lines.pop(0)

        def send(self, data):
            number = util_json(data)["id"]
            self.lines.append('{"event": "E", "data": {"device": "d"}}')
            bad = b"bad" in data
            self.lines.append('{"id": %d, %s}' % (number, '"error": {"desc": "no"}' if bad
                                                  else '"return": 5'))

    def test_all(self):
        monitor = qmp.Qmp(self.Fake())
        self.assertEqual(monitor.cmd("x"), 5)
        with self.assertRaisesRegex(qmp.QmpError, "no"):
            monitor.cmd("bad")
        self.assertEqual(monitor.event("E", match=lambda d: d["device"] == "d"), {"device": "d"})


def util_json(data):
    import json
    return json.loads(data)


def failures():
    """A text about the failures; empty if there are none."""
    import io
    stream = io.StringIO()
    load = unittest.defaultTestLoader.loadTestsFromModule
    modules = (sys.modules[__name__], bench_selftest, contract_selftest, names_selftest, progress_selftest, shell_selftest,
               topology_selftest)
    suite = unittest.TestSuite(load(module) for module in modules)
    result = unittest.TextTestRunner(stream=stream, verbosity=1).run(suite)
    return "" if result.wasSuccessful() else stream.getvalue()
