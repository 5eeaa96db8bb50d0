# SPDX-License-Identifier: GPL-2.0-or-later
"""One file for each group of scenarios, one function for each scenario."""
