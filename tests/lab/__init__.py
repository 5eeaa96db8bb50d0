# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: runs the SMMUv3 code of a real kernel on any machine."""
