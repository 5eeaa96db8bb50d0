# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that takes its time, as the ioctl shim plays it."""

import time

from lab import checks, options, shim
from lab.checks import expect
from lab.scenario import scenario

INVALIDATE = "IOMMU_HWPT_INVALIDATE"
LATE_MS = 400


@scenario
def host_is_slow(lab):
    """Each invalidation takes 0.4 s: monitor and hot-unplug go on, and the data is right."""
    host, _ = lab.vfio("nvme0")
    other, _ = lab.vfio("nvme1")
    guest = shim.guest(lab)
    guest.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(host)
                + options.vfio(other, bus="rp2", id="dev2"), cpus=2)
    guest.boot()
    checks.proven(guest, "nvme0", host)
    checks.proven(guest, "nvme1", other)
    device, _ = checks.nvme(guest, "nvme0")

    guest.shim.arm(1, {INVALIDATE: -LATE_MS}, times=100000)
    before = len([call for call in guest.shim.calls() if call.name == INVALIDATE])
    guest.guest(f"(dd if={device} of=/dev/null bs=4k count=20 iflag=direct; echo $? >/run/slow) >/dev/null 2>&1 &")
    times = []
    for _ in range(20):
        begin = time.monotonic()
        guest.qmp.cmd("query-status")
        times.append(time.monotonic() - begin)
        time.sleep(0.05)
    # takes the guest some invalidations, which are late as well
    guest.device_del("dev2")
    guest.shim.arm(0, {})
    checks.eventually("the slow reads end", lambda: guest.guest("cat /run/slow", check=False).out.strip() == "0", 30)
    late = len([call for call in guest.shim.calls() if call.name == INVALIDATE]) - before
    expect(late >= 5, f"only {late} invalidations were late")
    expect(max(times) < LATE_MS / 2000, f"the monitor waits for the host: {max(times):.2f} s")
    checks.proven(guest, "nvme0", host)
