# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: a real kernel's SMMUv3 path on any machine."""
