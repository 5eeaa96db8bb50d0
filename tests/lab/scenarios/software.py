# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest on this machine, without KVM, /dev/iommu and L1."""

from lab import checks, host, images, kernel, l0, options, selftest
from lab.checks import expect
from lab.l2 import L2
from lab.scenario import scenario

# A full specification that QEMU's own walk can honour, too.
SPECIFIED = {"idr0": "0xd40101a", "idr1": "0x2730010", "idr3": "0x1400", "idr5": "0x74",
             "iidr": "0x0", "aidr": "0x1"}


@scenario
def specified_without_kvm(lab):
    """Fully specified, with TCG, without /dev/iommu: an emulated NVMe is translated in software."""
    here = host.Local(kernel.image(), kvm=False)
    qemu = options.Qemu("native", str(l0.binary()))
    guest = L2(here, qemu, lab.dir)
    lab.guests.append(guest)
    guest.start(options.root_complex(qemu, **SPECIFIED)
                + ["-drive", f"if=none,id=d0,format=raw,readonly=on,file={images.disk('nvme0')}",
                   "-device", "nvme,bus=rp1,drive=d0,serial=nvme0"])
    guest.boot()
    bdf = checks.data_is_right(guest, "nvme0")
    checks.guest_translates(guest, bdf)
    mode = guest.qom("/machine/peripheral/smmu1", "mode")
    expect(mode == "specified", f"mode is {mode}")
    expect(not guest.trace().named("iommufd"), "something used iommufd")
    guest.stop()
    here.stop()


@scenario
def lab_itself(_lab):
    """Tests of the lab itself: trace parser, agent protocol, IORT patch, initrd, QMP."""
    text = selftest.failures()
    expect(not text, text)
