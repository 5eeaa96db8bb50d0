# SPDX-License-Identifier: GPL-2.0-or-later
"""`bench`: compares the device with its rivals, in one boot of L1."""

from .counters import quiet     # noqa: F401  other parts of the lab use it
