# SPDX-License-Identifier: GPL-2.0-or-later
"""`bench`: the device under test beside its rivals, in one boot of L1."""

from .counters import quiet     # noqa: F401  what other parts of the lab use
