# SPDX-License-Identifier: GPL-2.0-or-later
"""The flows of the unit test test-smmuv3-accel-contract.c, on a real kernel."""

import difflib
import os
import re

from lab import l0, util
from lab.checks import LabError
from lab.contract import flows, raw
from lab.scenario import scenario
from lab.scenarios.basics import hexed, host_registers

RAW_FLOWS = raw.UNIT / "smmuv3-accel-flows-raw.txt"
FLOWS = raw.UNIT / "smmuv3-accel-flows.txt"
CMDQV_FLOWS = raw.UNIT / "smmuv3-accel-flows-cmdqv.txt"
DEVICES = {"1": "nvme0", "2": "nvme1", "3.0": "pair0", "3.1": "pair1"}
HEADER = """\
# What a real kernel has answered to {flows}; its calls, in the words of
# iommufd-words.h. Written by "LAB_CONTRACT=write tests/lab/run.py check {scenario}".
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""


def on_this_kernel(lab, path, places, **options):
    """{title: Flow} with the log of each flow."""
    wanted = flows.parse(path.read_text())
    logs = {}
    if any(title.startswith("raw ") for title in wanted):
        cdevs = {place: lab.vfio(DEVICES[place])[1] for place in places}
        logs = flows.parse(raw.run(lab, path.read_text(), cdevs))
    if any(title.startswith("flow ") for title in wanted):
        hosts = {place: lab.vfio(DEVICES[place])[0] for place in places}
        machine = flows.Machine(lab, hosts, hexed(host_registers(lab)), **options)
        for title, flow in wanted.items():
            if title.startswith("flow "):
                logs[title] = flows.Flow(title, machine.run(flow))
    return {title: logs[title] for title in wanted}


def compare(lab, path, scenario_name, places, **options):
    """The flows have the calls and results on this kernel that the log beside them has."""
    logs = on_this_kernel(lab, path, places, **options)
    log = path.with_suffix(".log")
    header = HEADER.format(flows=path.name, scenario=scenario_name)
    text = header + "".join("\n" + "\n".join([title, *("    " + line for line in flow.lines)]) + "\n"
                            for title, flow in logs.items())
    (lab.dir / log.name).write_text(text)
    if os.environ.get("LAB_CONTRACT") == "write":
        log.write_text(text)
    diff = list(difflib.unified_diff(log.read_text().splitlines(), text.splitlines(),
                                     log.name, "this kernel", n=2, lineterm=""))
    if diff:
        raise LabError(f"{sum(bool(re.match('[-+] ', line)) for line in diff)} lines differ, here or in "
                       f"{lab.dir / log.name}:\n" + "\n".join(diff[:60]))
    util.say(f"  {len(logs)} flows, {sum(len(flow.lines) for flow in logs.values())} calls")


@scenario(platform=l0.PAIR)
def contract(lab):
    """Each flow of the unit tests' contract on this kernel: the calls and results that their fake host has, too."""
    compare(lab, RAW_FLOWS, "contract", DEVICES)
    compare(lab, FLOWS, "contract", DEVICES)


@scenario(platform=l0.CMDQV)
def contract_cmdqv(lab):
    """The same for a host with a CMDQV."""
    compare(lab, CMDQV_FLOWS, "contract_cmdqv", ("1", "2"), cmdqv="on")
