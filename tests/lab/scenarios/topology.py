# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices elsewhere than directly below a root port."""

from lab import checks, options
from lab.checks import expect
from lab.scenario import scenario


def switch(port="rp1"):
    """A switch with two downstream ports: dn1 and dn2."""
    args = ["-device", f"x3130-upstream,id=up1,bus={port}"]
    for number in (1, 2):
        args += ["-device", f"xio3130-downstream,id=dn{number},bus=up1,chassis={number + 10},slot={number}"]
    return args


@scenario
def switch_cold_and_hot(lab):
    """A switch with two downstream ports: a disk below one from the start, a disk plugged below the other; and back."""
    first, second = lab.vfio("nvme0")[0], lab.vfio("nvme1")[0]
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + switch() + options.vfio(first, bus="dn1"))
    checks.proven(guest, "nvme0", first, viommus=1)
    for _ in range(2):
        guest.device_add("vfio-pci", id="dev2", bus="dn2", host=second, iommufd="iommufd0")
        checks.proven(guest, "nvme1", second, viommus=1)
        checks.data_is_right(guest, "nvme0")
        guest.device_del("dev2")
        checks.gone(guest, "nvme1")
    checks.data_is_right(guest, "nvme0")
    guest.device_del("dev1")
    checks.gone(guest, "nvme0")
    left = guest.trace().live()
    expect(not left, f"kernel objects are left: {left}")


class Virtual:
    """Virtual functions of the lab's network device, whose driver in L1 keeps the physical function."""

    def __init__(self, lab, number):
        self.l1 = lab.l1
        self.pf = f"/sys/bus/pci/devices/{lab.l1.bdf('igb0')}"
        self.l1.unbind_vfio(lab.l1.bdf("igb0"))
        self.l1.sh(f"echo {number} >{self.pf}/sriov_numvfs")
        self.bdfs = [self.l1.sh(f"basename $(readlink {self.pf}/virtfn{n})").out for n in range(number)]
        for bdf in self.bdfs:
            self.l1.bind_vfio(bdf)

    def take_away(self):
        """Remove all, without waiting for it."""
        self.l1.sh(f"(echo 0 >{self.pf}/sriov_numvfs; echo done >/tmp/taken) </dev/null >/dev/null 2>&1 &")

    def taken(self):
        return self.l1.sh(f"cat /tmp/taken {self.pf}/sriov_numvfs 2>/dev/null || true").out.split() == ["done", "0"]


@scenario
def virtual_functions(lab):
    """Two virtual functions, one cold and one hot, drive packets through stage 1; then the host takes both away."""
    lab.used_up = True
    virtual = Virtual(lab, 2)
    cold, hot = virtual.bdfs
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(cold))
    guest.device_add("vfio-pci", id="dev2", bus="rp2", host=hot, iommufd="iommufd0")
    checks.eventually("the guest uses both functions",
                      lambda: all(checks.state(guest.trace(), bdf) == "stage 1" for bdf in virtual.bdfs), 30)
    trace = guest.trace()
    expect(len({checks.nested(trace, bdf, 1).id for bdf in virtual.bdfs}) == 2, "the functions share a stage 1")

    virtual.take_away()
    for name in ("dev1", "dev2"):
        guest.qmp.event("DEVICE_DELETED", 30, lambda data, name=name: data.get("device") == name)
    checks.eventually("the host has its functions back", virtual.taken, 20)
    expect(guest.running(), "QEMU ended")


@scenario(matrix=True)
def root_complex_with_node(lab):
    """Two root complexes with a node of memory each: the guest sees the node of each disk, and both are translated."""
    first, second = lab.vfio("nvme0")[0], lab.vfio("nvme1")[0]
    args = options.iommufd()
    for node in (0, 1):
        args += ["-object", f"memory-backend-ram,id=ram{node},size=256M",
                 "-numa", f"node,nodeid={node},memdev=ram{node},cpus={node}"]
    for number, bdf in ((1, first), (2, second)):
        args += ["-device", f"pxb-pcie,id=pcie.{number},bus_nr={8 * number},bus=pcie.0,numa_node={number - 1}"]
        args += lab.qemu.vsmmu(bus=f"pcie.{number}", id=f"smmu{number}")
        args += options.port(number, bus=f"pcie.{number}") + options.vfio(bdf, bus=f"rp{number}", id=f"dev{number}")
    guest = lab.start(args, cpus=2)
    for node, (serial, bdf) in enumerate((("nvme0", first), ("nvme1", second))):
        inside, _ = checks.proven(guest, serial, bdf, viommus=2)
        have = guest.sh(f"cat /sys/bus/pci/devices/{inside}/numa_node").out
        expect(have == str(node), f"the guest has {serial} on node {have}, not {node}")


@scenario(matrix=True)
def legacy_bridge(lab):
    """An emulated disk behind a PCIe-to-PCI bridge, which has the bridge's StreamID, beside an assigned one."""
    bdf, _ = lab.vfio("nvme0")
    kernel = lab.l1.files["kernel"]
    # Linux does not support a second device there: both have the same StreamID.
    args = ["-device", "pcie-pci-bridge,id=legacy,bus=rp2",
            "-drive", f"if=none,id=soft,format=raw,readonly=on,file={kernel}",
            "-device", "virtio-blk-pci,bus=legacy,addr=1,drive=soft,serial=soft,iommu_platform=on,disable-legacy=on"]
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2)) + options.vfio(bdf) + args)
    checks.proven(guest, "nvme0", bdf, viommus=1)
    read = "if={} bs=1M count=2 {} 2>/dev/null | sha256sum"
    want = lab.l1.sh("dd " + read.format(kernel, "")).out
    have = guest.sh("dd " + read.format("/dev/vda", "iflag=direct")).out
    expect(have == want, "the disk behind the bridge has wrong data")
    inside = guest.sh("basename $(readlink -f /sys/block/vda/device/..)").out
    checks.guest_translates(guest, inside)
    checks.proven(guest, "nvme0", bdf, viommus=1)


@scenario(matrix=True)
def large_bar(lab):
    """A BAR of 128 GiB, as of a GPU, on the same root complex: the guest gives it an address, and the disk works."""
    bdf, _ = lab.vfio("nvme0")
    args = ["-device", "pcie-root-port,id=rp2,bus=pcie.1,chassis=2,pref64-reserve=256G",
            "-device", "pci-testdev,bus=rp2,membar=128G"]
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf) + args)
    checks.proven(guest, "nvme0", bdf, viommus=1)
    sizes = [int(end, 16) - int(start, 16) + 1 for start, end in
             (line.split()[:2] for line in guest.sh(
                 "cat $(grep -l 0x1b36 $(grep -l 0x0005 /sys/bus/pci/devices/*/device "
                 "| sed s/device$/vendor/) | sed s/vendor$/resource/)").out.splitlines()) if int(end, 16)]
    expect(128 << 30 in sizes, f"the guest gave no address to the BAR: {[hex(size) for size in sizes]}")
