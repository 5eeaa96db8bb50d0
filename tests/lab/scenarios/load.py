# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything at once, with as many vSMMUs and devices as there can be."""

import time

from lab import checks, l0, options, soak_flows, util
from lab.checks import expect
from lab.load import Readers, Watch
from lab.scenario import scenario
from lab.soak_flows import plug, pull, without_io

CYCLES = 16
SLOWEST = 10            # seconds within which the monitor answers, also while a device is plugged
DEVICES = [f"small{n}" for n in range(32)]


def started(lab):
    """A guest with 16 vSMMUs, each with two devices: (guest, [host's address], Watch)"""
    hosts = [lab.vfio(name)[0] for name in DEVICES]
    args = options.iommufd()
    for number in range(16):
        args += options.root_complex(lab.qemu, number + 1, ports=(2 * number + 1, 2 * number + 2))
    for port, host in enumerate(hosts, 1):
        args += options.vfio(host, bus=f"rp{port}", id=f"dev{port}")
    guest = lab.guest()
    guest.start(without_io(args) + Watch.args(lab.l1, "c"), wrap=soak_flows.HEAP, mem="1G", cpus=2, trace=())
    watch = Watch(guest, lab.l1.channel("c", "qmp", guest.alive))
    guest.boot(300)
    return guest, hosts, watch


def reset_device(guest, bdf, function_level):
    """A reset of the controller by its driver, or of the PCI function; the I/O waits."""
    where = f"/sys/bus/pci/devices/{bdf}"
    guest.sh(f"echo 1 >{where}/reset" if function_level else f"echo 1 >$(ls -d {where}/nvme/nvme*)/reset_controller", 60)


def go_on(readers, since, when, serials=DEVICES):
    """Every disk has done I/O since then, and nothing was lost."""
    def moved():
        now = readers.passes()
        return all(now[s] > since.get(s, 0) for s in serials)
    checks.eventually(f"{when}: I/O on each of {len(serials)} disks", moved, 60)


@scenario(platform=l0.MANY, named=True)
def load_16_vsmmus_32_devices(lab):
    """I/O on 32 devices behind 16 vSMMUs, while one is unplugged and plugged, others are reset, and a monitor is asked."""
    begin = time.monotonic()
    guest, hosts, watch = started(lab)
    util.say(f"  32 devices: booted after {time.monotonic() - begin:.0f} s; monitor: {watch.text()}")
    readers = Readers(guest, DEVICES)
    go_on(readers, {}, "at the beginning")
    watch.latencies.clear()
    begin, first = time.monotonic(), sum(readers.passes().values())
    for number in range(CYCLES):
        port = 1 + number * 5 % 32
        leaving, others = DEVICES[port - 1], [DEVICES[(port + n) % 32] for n in (3, 4)]
        since, disks = readers.passes(), readers.disks()
        readers.leaves(leaving)
        pull(guest, disks[leaving][1], leaving, port)
        for n, other in enumerate(others):
            reset_device(guest, disks[other][1], n == number % 2)
        plug(guest, hosts[port - 1], port)
        readers.start([leaving])
        go_on(readers, since, f"cycle {number + 1}")
    seconds, passes = time.monotonic() - begin, sum(readers.passes().values()) - first
    util.say(f"  {CYCLES} unplugs, {2 * CYCLES} resets, {CYCLES} plugs in {seconds:.0f} s; {passes} passes of 64 KiB, "
             f"{passes / seconds:.1f} in a second; monitor: {watch.text()}")
    expect(max(watch.latencies) < SLOWEST * util.patience, f"the monitor took {max(watch.latencies):.1f} s")

    watch.latencies.clear()
    begin = time.monotonic()
    readers.reboot()
    guest.qmp.cmd("system_reset")
    guest.booted_again(300)
    readers.start(DEVICES)
    go_on(readers, readers.before, "after a reset of the machine")
    util.say(f"  a reset of the machine, until there is I/O on all devices: {time.monotonic() - begin:.0f} s; "
             f"monitor: {watch.text()}")
    watch.stop()
    soak_flows.every_disk(guest, DEVICES)
    info = guest.qmp.cmd("query-smmuv3-accel")
    attached = [d for smmu in info for d in smmu["host-devices"]]
    expect(len(info) == 16 and len(attached) == 32, f"{len(info)} vSMMUs with {len(attached)} devices")
