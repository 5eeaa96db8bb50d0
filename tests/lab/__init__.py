# SPDX-License-Identifier: GPL-2.0-or-later
"""The nested test bench: a real kernel's SMMUv3 path on any machine."""
