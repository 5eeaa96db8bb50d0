# SPDX-License-Identifier: GPL-2.0-or-later
"""The maximum number of vSMMUs; the soak runs them for longer."""

from lab import checks, l0, soak_flows
from lab.checks import expect
from lab.scenario import scenario


@scenario(platform=l0.MANY)
def sixteen_vsmmus(lab):
    """16 vSMMUs with a device each have 16 vIOMMUs on one IOAS; all are on stage 1, all data is right."""
    guest, hosts = soak_flows.sixteen(lab)
    soak_flows.every_disk(guest, [name for name, _ in hosts])
    trace = guest.trace()
    parents = [checks.nested(trace, host).parent for _, host in hosts]
    expect(len(set(parents)) == 16, f"the vIOMMUs of the devices are {parents}")
    expect(len(trace.ioass()) == 1, "there is more than one IOAS")
