# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of other kinds than QEMU's own, and memory that is removed while devices use it."""

from dataclasses import replace

from lab import checks, l0, metal, options, registers
from lab.checks import expect
from lab.metal import put
from lab.scenario import scenario
from lab.scenarios import basics
from lab.scenarios.failures import ON, end
from lab.sweep import Bench

DIMM = 128                  # MiB
BLOCK = 8                   # of 1 GiB in the guest's stage 1, for the memory of the DIMM
# Registers of ACPI memory hot-plug
MEMHP, SLOT, FLAGS = 0x09070000, 0x0, 0x14
EJECT = 1 << 3
SERIAL = "nvme0"
HUGE = 2                    # MiB
GUEST = 512                 # MiB


class Elsewhere(Bench):
    """A machine with memory that is a file in L1, so that the lab sees it after the guest has lost it."""

    address = file = None       # of this memory: in the guest, in L1

    def map_memory(self):
        """Map it in stage 1: the GiB that it begins in."""
        self.smmu.qtest.send(put(metal.TABLES + 8 * BLOCK, metal.block(self.address & ~0x3fffffff), 64))
        self.smmu.commands((registers.TLBI_NH_ALL, 0))

    def iova(self, offset=0):
        return (BLOCK << 30) + (self.address & 0x3fffffff) + offset

    def write(self, offset=0):
        """Let the disk write its serial number to the start of this memory, or to where it was."""
        self.disks[1].identify(self.smmu.va(0), to=self.iova(offset))

    def in_file(self, offset=0):
        """What is at the start of the memory, as L1 sees it."""
        data = self.lab.l1.sh(f"tail -c +{offset + 1} {self.file} | head -c 24").data
        return data[4:24].decode(errors="replace").rstrip("\0 ")


class Removable(Elsewhere):
    """This memory is a DIMM."""

    mem = "512M,slots=1,maxmem=2G"
    cycle = 0

    def __init__(self, lab):
        super().__init__(lab)
        self.configure(1, 0)
        self.smmu.cr0(ON)

    def plug_dimm(self):
        self.cycle += 1
        self.file = f"/tmp/dimm{self.cycle}"
        self.guest.qmp.cmd("object-add", **{"qom-type": "memory-backend-file", "id": "mem1", "size": DIMM << 20,
                                            "mem-path": self.file, "share": True})
        self.guest.device_add("pc-dimm", id="dimm1", memdev="mem1")
        dimm, = self.guest.qmp.cmd("query-memory-devices")
        self.address = dimm["data"]["addr"]
        self.map_memory()

    def unplug_dimm(self):
        """As a guest releases it: it ejects the DIMM in the slot."""
        self.guest.qmp.cmd("device_del", id="dimm1")
        self.smmu.qtest.send(put(MEMHP + SLOT, 0), put(MEMHP + FLAGS, EJECT, 8))
        self.guest.qmp.event("DEVICE_DELETED", 10, lambda data: data.get("device") == "dimm1")
        self.guest.qmp.cmd("object-del", id="mem1")

    def clear_file(self):
        self.lab.l1.sh(f"dd if=/dev/zero of={self.file} bs=64 count=1 conv=notrunc 2>/dev/null")


@scenario
def dimm_removed(lab):
    """A DIMM that stage 1 maps is plugged and removed, three times: DMA arrives, then not, and works in other memory."""
    bench = Removable(lab)
    for _ in range(3):
        bench.plug_dimm()
        bench.write()
        expect(bench.in_file() == SERIAL, f"DMA does not arrive in the DIMM, which has {bench.in_file()!r}")
        bench.clear_file()
        bench.unplug_dimm()
        bench.write()
        expect(bench.in_file() == "", f"DMA arrives in the memory of a DIMM that was removed: {bench.in_file()!r}")
        expect(bench.disks[1].identify(bench.smmu.va(0)) == SERIAL, "DMA to other memory does not work")
        lab.l1.sh(f"rm {bench.file}")
    end(lab, bench)


def huge_pages(lab, number):
    """Have L1 reserve this many; returns how many it has."""
    lab.used_up = True      # the next scenario gets its memory back
    return int(lab.l1.sh(f"echo {number} >/proc/sys/vm/nr_hugepages; cat /proc/sys/vm/nr_hugepages").out)


@scenario
def hugetlb_memory(lab):
    """Guest memory in huge pages of 2 MiB, from a memfd: cold-plug, unplug, hot-plug, data is right."""
    have = huge_pages(lab, GUEST // HUGE)
    expect(have == GUEST // HUGE, f"L1 has {have} huge pages, the guest needs {GUEST // HUGE}")
    bdf, _ = lab.vfio(SERIAL)
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf)
                      + ["-object", f"memory-backend-memfd,id=ram,size={GUEST}M,hugetlb=on,hugetlbsize={HUGE}M"],
                      machine=",memory-backend=ram")
    checks.proven(guest, SERIAL, bdf, viommus=1)
    free = int(lab.l1.sh("grep HugePages_Free /proc/meminfo | tr -dc 0-9").out)
    expect(free < have, "the guest's memory is not in huge pages")
    guest.device_del("dev1")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.data_is_right(guest, SERIAL)


@scenario(platform=replace(l0.EMULATED, name="gigantic", append=("hugepagesz=1G", "hugepages=1")), matrix=True)
def gigantic_page(lab):
    """Guest memory in one huge page of 1 GiB: cold-plug, unplug, hot-plug, data is right."""
    bdf, _ = lab.vfio(SERIAL)
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf)
                      + ["-object", "memory-backend-memfd,id=ram,size=1G,hugetlb=on,hugetlbsize=1G"],
                      machine=",memory-backend=ram", mem="1G")
    checks.proven(guest, SERIAL, bdf, viommus=1)
    pages = "/sys/kernel/mm/hugepages/hugepages-1048576kB"
    free = lab.l1.sh(f"cat {pages}/nr_hugepages {pages}/free_hugepages").out.split()
    expect(free == ["1", "0"], f"the guest's memory is not in a huge page: {free}")
    guest.device_del("dev1")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.data_is_right(guest, SERIAL)


@scenario(matrix=True)
def balloon(lab):
    """A balloon takes half of the guest's memory and gives it back, twice: data is right, also after a replug."""
    bdf, _ = lab.vfio(SERIAL)
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf)
                      + ["-device", "virtio-balloon-pci,bus=pcie.0"])
    checks.proven(guest, SERIAL, bdf, viommus=1)
    for size in (GUEST // 2, GUEST) * 2:
        guest.qmp.cmd("balloon", value=size << 20)
        checks.eventually(f"the guest has {size} MiB", lambda size=size:
                          guest.qmp.cmd("query-balloon")["actual"] == size << 20, 60)
        checks.data_is_right(guest, SERIAL)
    guest.device_del("dev1")
    checks.gone(guest, SERIAL)
    guest.qmp.cmd("balloon", value=GUEST << 19)
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, SERIAL, bdf, viommus=2)
    guest.qmp.cmd("balloon", value=GUEST << 20)
    checks.data_is_right(guest, SERIAL)


SWAP_MB = 512
SWAPPING = replace(l0.EMULATED, name="swapping", append=("mem=1400M",),
                   devices=(l0.Assignable(SERIAL, "nvme", 1), l0.Assignable("swap0", "nvme", 2, mb=SWAP_MB)))


def kilobytes(lab, guest, name):
    """A size in the status of QEMU's process."""
    return int(lab.l1.sh(f"grep {name} /proc/{guest.pid}/status | tr -dc 0-9").out)


@scenario(platform=SWAPPING, matrix=True)
def swapped_out(lab):
    """The host has swapped out a part of the guest's memory when a device is plugged: data is right, and it stays in."""
    bdf, _ = lab.vfio(SERIAL)
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu, **basics.hexed(basics.host_registers(lab))))
    guest.sh("dd if=/dev/urandom of=/run/pattern bs=1M count=64 2>/dev/null; sha256sum /run/pattern >/run/sum")
    # Fill more than there is, but less than there is with swap.
    lab.l1.sh("""
        disk=/dev/$(basename $(ls -d /sys/bus/pci/devices/*/nvme/nvme*/nvme*n1 | head -n 1))
        mkswap $disk >/dev/null && swapon $disk || exit
        mount -t tmpfs -o size=2G press /mnt
        mb=$(awk '/^MemAvailable/ { print int($2 / 1024) + 200 }' /proc/meminfo)
        dd if=/dev/zero of=/mnt/fill bs=1M count=$mb 2>/dev/null""", 120)
    swapped = kilobytes(lab, guest, "VmSwap")
    expect(swapped > 1024, f"only {swapped} kB of QEMU's memory are swapped out, so this shows nothing")
    lab.l1.sh("rm /mnt/fill")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, SERIAL, bdf, viommus=1)
    guest.sh("sha256sum -c /run/sum")
    pinned = kilobytes(lab, guest, "VmPin")
    expect(pinned >= GUEST << 10, f"{pinned} kB are pinned, less than the guest's memory")
    lab.l1.sh("dd if=/dev/zero of=/mnt/fill bs=1M count=400 2>/dev/null; rm /mnt/fill", 120)
    checks.data_is_right(guest, SERIAL)
    guest.sh("sha256sum -c /run/sum")
    lab.used_up = True
