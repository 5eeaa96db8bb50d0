# SPDX-License-Identifier: GPL-2.0-or-later
"""`bench`: the same reads with our vSMMU, with upstream's, and with none.

All in one boot of L1, one after the other, because seconds move from run to
run and only ratios inside one run count.
"""

from . import checks, options, scenario, util

LOADS = (("4k", 4000), ("1M", 64))
# Traced once for every invalidation, so not while the clock runs.
# Patterns: a QEMU need not have them.
NOISY = ("iommufd_*invalidate*", "smmuv3_accel_flush*")


def quiet(guest, off=True):
    for name in NOISY:
        guest.qmp.cmd("trace-event-set-state", name=name, enable=not off,
                      **{"ignore-unavailable": True})


def timed(guest, device, loads=LOADS):
    """{size: seconds}, without the noise of tracing."""
    quiet(guest)
    times = {size: checks.throughput(guest, device, count, size) for size, count in loads}
    quiet(guest, False)
    return times


def per_read(guest, device, count=200):
    """(invalidation commands, ioctls) for each read of 4 KiB."""
    before = guest.trace().invalidations()
    checks.throughput(guest, device, count)
    after = guest.trace().invalidations()
    # throughput() warms up with 64 reads
    return tuple((b - a) / (count + 64) for a, b in zip(reversed(before), reversed(after)))


def one(lab, name, qemu, vsmmu):
    bdf, _ = lab.vfio("nvme0")
    guest = lab.guest(qemu=qemu)
    with util.stage(name):
        if vsmmu:
            args = options.root_complex(qemu)
        else:
            args = options.port(1, bus="pcie.0")
        guest.start(options.iommufd() + args + options.vfio(bdf))
        guest.boot()
        device, inside = checks.nvme(guest, "nvme0")
        if vsmmu:
            checks.proven(guest, "nvme0", bdf)
        times = timed(guest, device)
        calls = per_read(guest, device) if vsmmu else (0, 0)
        guest.stop()
    return times, calls


def main(_args):
    lab = scenario.Lab(rival=True)
    lab.qemu = options.OURS
    lab.begin("bench")
    rows = []
    try:
        rows.append(("no vSMMU", *one(lab, "no vSMMU", options.OURS, False)))
        rows.append((options.OURS.name, *one(lab, options.OURS.name, options.OURS, True)))
        rows.append((options.RIVAL.name, *one(lab, options.RIVAL.name, options.RIVAL, True)))
    finally:
        lab.end(False)
        lab.drop_l1()
    base = rows[0][1]
    print(f"\n{'':22}" + "".join(f"{f'{count} x {size}':>20}" for size, count in LOADS)
          + "   commands  ioctls")
    for name, times, (commands, ioctls) in rows:
        cells = "".join(f"{times[s]:9.2f} s {times[s] / base[s]:6.2f} x" for s, _ in LOADS)
        print(f"{name:22}{cells}   {commands:8.2f} {ioctls:7.2f}")
    print("\nx: times the seconds without a vSMMU.  commands, ioctls: invalidations for each\n"
          "read of 4 KiB.")
    return 0
