# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the pure parts of the guest's shell; the scenario lab_itself runs them."""

import os
import tempfile
import unittest

from . import shell, story, trace
from .util import LabError

PLUG = """\
7@5.0:iommufd_backend_alloc_vdevice  iommufd=9 viommu=4 dev_id=2 virt_id=0xa00 vdevice=10 (0)
7@5.1:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=2 pt_id=4 flags=0x0 hwpt_type=2 len=16 data_ptr=0xf out_hwpt=11 (0)
7@5.1:smmuv3_accel_nested_hwpt host device 0000:02:00.0 hwpt=11 word0=0x415ab00b word1=0xd4
7@5.2:iommufd_cdev_attach_ioas_hwpt  [iommufd=9] Successfully attached device 0000:02:00.0 (9) to id=11
7@5.2:smmuv3_accel_evaluate host device 0000:02:00.0 sid 0xa00: abort (no STE) -> nested (stage 1)
7@5.3:iommufd_backend_invalidate  iommufd=9 viommu=4 data_type=1 entries=3 done=3 (0)
7@5.4:iommufd_backend_invalidate  iommufd=9 viommu=4 data_type=1 entries=1 done=1 (0)
7@5.5:iommufd_backend_free_id  iommufd=9 id=10 (-16)
7@5.6:iommufd_backend_free_id  iommufd=9 id=10 (0)
7@5.7:iommufd_backend_alloc_hwpt  iommufd=9 dev_id=2 pt_id=4 flags=0x0 hwpt_type=2 len=16 data_ptr=0xf out_hwpt=0 (-12)
7@5.8:iommufd_backend_invalidate  iommufd=9 viommu=4 data_type=1 entries=2 done=2 (0)
"""
TOLD = """\
  0.000 s  IOMMU_VDEVICE_ALLOC: vDEVICE 10, vSID 0xa00
  0.100 s  IOMMU_HWPT_ALLOC: HWPT 11, nested (stage 1)
  0.200 s  VFIO_DEVICE_ATTACH_IOMMUFD_PT: 0000:02:00.0 to HWPT 11, nested (stage 1)
  0.200 s  0000:02:00.0, StreamID 0xa00: abort (no STE) -> nested (stage 1)
  0.400 s  invalidations of the guest, up to here: 4 in 2 ioctls
  0.500 s  IOMMU_DESTROY: vDEVICE 10, vSID 0xa00: failed (-16)
  0.600 s  IOMMU_DESTROY: vDEVICE 10, vSID 0xa00
  0.700 s  IOMMU_HWPT_ALLOC: HWPT 0: failed (-12)
  0.800 s  invalidations of the guest, up to here: 2 in 1 ioctls"""


class Story(unittest.TestCase):
    def test_plug(self):
        self.assertEqual("\n".join(story.told(trace.Trace(PLUG))), TOLD)

    def test_what_is_destroyed_is_forgotten(self):
        seen = trace.Trace(PLUG + "7@5.9:iommufd_backend_free_id  iommufd=9 id=10 (0)\n")
        self.assertEqual("\n".join(story.told(seen)), TOLD)

    def test_names_from_before(self):
        seen = trace.Trace(PLUG)
        self.assertEqual(story.told(seen, 8)[0], "  0.000 s  IOMMU_DESTROY: vDEVICE 10, vSID 0xa00")
        self.assertEqual(story.told(seen, len(seen.events)), [])


class Typing(unittest.TestCase):
    def test_keys(self):
        keys = shell.Keys()
        self.assertEqual(keys.feed(b"ab\x03"), (b"ab\x03", False))
        self.assertEqual(keys.feed(b"a\x01"), (b"a", False))
        self.assertEqual(keys.feed(b"\x01b"), (b"\x01b", False))
        self.assertEqual(keys.feed(b"\x01qx"), (b"x", False))
        self.assertEqual(keys.feed(b"z\x01X later"), (b"z", True))

    def test_prompt(self):
        for text in (b"L2# ", b"one\r\nL2# ", b"one\r\nL2# \x1b[6n"):
            self.assertTrue(shell.AT_PROMPT.search(text), text)
        for text in (b"", b"L2# ls", b"one\r\nL2#", b"a L2# "):
            self.assertFalse(shell.AT_PROMPT.search(text), text)

    def test_questions(self):
        text = b"L2# \x1b[6nls\r\n\x1b[1mbold\x1b[6n"
        for size in range(1, len(text)):
            quiet = shell.NoQuestions()
            out = b"".join(quiet.feed(text[n:n + size]) for n in range(0, len(text), size))
            self.assertEqual(out, b"L2# ls\r\n\x1b[1mbold")

    def piped(self, text):
        with tempfile.TemporaryFile() as file:
            file.write(text)
            file.seek(0)
            return shell.wanted_input(file.fileno())

    def test_input(self):
        self.assertEqual(self.piped(b"plug\n\n  topology\n"), ["plug", "  topology"])
        null = os.open("/dev/null", os.O_RDONLY)
        for read in (lambda: self.piped(b" \n"), lambda: shell.wanted_input(null)):
            with self.assertRaisesRegex(LabError, "needs a terminal, or commands"):
                read()
        os.close(null)
        end, terminal = os.openpty()
        self.assertIsNone(shell.wanted_input(terminal))
        os.close(end)
        os.close(terminal)
