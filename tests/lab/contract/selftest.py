# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the pure functions of the contract; the scenario lab_itself runs them."""

import unittest

from . import flows, raw

# A plug that is refused by the vSMMU, one that is not, and its end
CALLS = """\
VFIO_DEVICE_BIND_IOMMUFD out=device.1 ret=0
IOMMU_GET_HW_INFO dev=device.1 ret=0
IOMMU_IOAS_ALLOC out=ioas.1 ret=0
IOMMU_HWPT_ALLOC flags=1 dev=device.1 pt=ioas.1 out=hwpt.1 ret=0
VFIO_DEVICE_ATTACH_IOMMUFD_PT dev=device.1 pt=hwpt.1 ret=0
IOMMU_IOAS_MAP flags=7 ioas=ioas.1 ret=0
VFIO_DEVICE_DETACH_IOMMUFD_PT dev=device.1 ret=0
close dev=device.1
VFIO_DEVICE_BIND_IOMMUFD out=device.2 ret=0
IOMMU_GET_HW_INFO dev=device.2 ret=0
VFIO_DEVICE_ATTACH_IOMMUFD_PT dev=device.2 pt=hwpt.1 ret=0
IOMMU_GET_HW_INFO dev=device.2 ret=0
IOMMU_VIOMMU_ALLOC type=1 dev=device.2 hwpt=hwpt.1 out=viommu.1 ret=0
IOMMU_IOAS_MAP flags=7 ioas=ioas.1 ret=EFAULT
VFIO_DEVICE_DETACH_IOMMUFD_PT dev=device.2 ret=0
IOMMU_DESTROY id=viommu.1 ret=0
VFIO_DEVICE_DETACH_IOMMUFD_PT dev=device.2 ret=0
IOMMU_DESTROY id=hwpt.1 ret=0
IOMMU_IOAS_UNMAP ioas=ioas.1 ret=0
IOMMU_DESTROY id=ioas.1 ret=0
close dev=device.2
"""
OURS = [11, 12, 14, 15]
FLOWS = ("smmuv3-accel-flows-raw", "smmuv3-accel-flows", "smmuv3-accel-flows-cmdqv")


class Contract(unittest.TestCase):
    def test_calls_of_vfio_are_left_out(self):
        lines = CALLS.splitlines()
        self.assertEqual(flows.without_vfio(lines), [lines[n] for n in OURS])

    def test_every_flow_has_a_log(self):
        for name in FLOWS:
            wanted = flows.parse((raw.UNIT / f"{name}.txt").read_text())
            logs = flows.parse((raw.UNIT / f"{name}.log").read_text())
            self.assertEqual(list(logs), list(wanted))
            for title, flow in wanted.items():
                self.assertTrue(flow.lines and logs[title].lines, title)

    def test_log_has_no_numbers_of_ids(self):
        for name in FLOWS:
            text = (raw.UNIT / f"{name}.log").read_text()
            self.assertNotRegex(text, r"\b(id|dev|pt|viommu|hwpt|out|ioas)=[1-9]")
