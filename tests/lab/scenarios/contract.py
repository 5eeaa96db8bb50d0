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

FLOWS = raw.UNIT / "smmuv3-accel-flows.txt"
LOG = raw.UNIT / "smmuv3-accel-flows.log"
DEVICES = {"1": "nvme0", "2": "nvme1", "3.0": "pair0", "3.1": "pair1"}
HEADER = """\
# What a real kernel has answered to smmuv3-accel-flows.txt; its calls, in the words of
# iommufd-words.h. Written by "LAB_CONTRACT=write tests/lab/run.py check contract".
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""


def on_this_kernel(lab, wanted):
    """{title: Flow} with the log of each flow."""
    cdevs = {place: lab.vfio(name)[1] for place, name in DEVICES.items()}
    logs = flows.parse(raw.run(lab, FLOWS.read_text(), cdevs))
    hosts = {place: lab.vfio(name)[0] for place, name in DEVICES.items()}
    machine = flows.Machine(lab, hosts, hexed(host_registers(lab)))
    for title, flow in wanted.items():
        if title.startswith("flow "):
            logs[title] = flows.Flow(title, machine.run(flow))
    return logs


@scenario(platform=l0.PAIR)
def contract(lab):
    """Each flow of the unit tests' contract has the same calls and results on this kernel as on their fake host."""
    wanted = flows.parse(FLOWS.read_text())
    logs = on_this_kernel(lab, wanted)
    text = "".join("\n" + "\n".join([title, *("    " + line for line in logs[title].lines)]) + "\n"
                   for title in wanted)
    (lab.dir / LOG.name).write_text(HEADER + text)
    if os.environ.get("LAB_CONTRACT") == "write":
        LOG.write_text(HEADER + text)
    diff = list(difflib.unified_diff(LOG.read_text().splitlines(), (HEADER + text).splitlines(),
                                     LOG.name, "this kernel", n=2, lineterm=""))
    if diff:
        raise LabError(f"{sum(bool(re.match('[-+] ', line)) for line in diff)} lines differ, here or in "
                       f"{lab.dir / LOG.name}:\n" + "\n".join(diff[:60]))
    util.say(f"  {len(wanted)} flows, {sum(len(log.lines) for log in logs.values())} calls")
