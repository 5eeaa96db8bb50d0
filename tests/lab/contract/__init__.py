# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract between the fake host of the unit tests and a real kernel."""
