# SPDX-License-Identifier: GPL-2.0-or-later
"""Hardware of the guest without a driver: access to registers with devmem."""

import struct

from . import checks, options, registers

# Guests started with this do not use memory from SCRATCH on.
SMALL = "mem=480M"
SCRATCH = 0x5f000000


def read(l2, address, width=32):
    return int(l2.sh(f"devmem {address:#x} {width}").out, 16)


def write(l2, address, value, width=32):
    l2.sh(f"devmem {address:#x} {width} {value:#x}")


def rid(bdf):
    """The requester id of a PCI address, which is the StreamID."""
    bus, rest = bdf.split(":")[-2:]
    slot, function = rest.split(".")
    return int(bus, 16) << 8 | int(slot, 16) << 3 | int(function)


def ecam(l2):
    """The address of configuration space in the guest."""
    return int(l2.sh("grep ECAM /proc/iomem").out.split("-")[0], 16) & ~0xfffffff


class Smmu(registers.Smmu):
    """A vSMMU, found by its name in the guest's sysfs."""

    def __init__(self, l2, name):
        self.l2 = l2
        self.base = int(name.split(".")[-1], 16)

    def read(self, register, width=32):
        return read(self.l2, self.base + register, width)

    def write(self, register, value, width=32):
        write(self.l2, self.base + register, value, width)


class Nvme(registers.Nvme):
    """An NVMe without a driver: DMA where and when a scenario needs it."""

    def __init__(self, l2, bdf):
        self.l2 = l2
        self.bdf = bdf
        # MEM, MASTER, no INTx: like a driver
        self.bar = int(l2.sh(f"""
            cd /sys/bus/pci/devices/{bdf} || exit
            [ -e driver ] && echo {bdf} > driver/unbind
            echo 1 > enable
            printf '\\006\\004' | dd of=config bs=1 seek=4 conv=notrunc 2>/dev/null
            cut -d' ' -f1 resource | head -n 1""").out, 16)

    def rebind(self):
        self.l2.sh(f"devmem {self.bar + self.CC:#x} 32 0\n"
                   f"echo 0 > /sys/bus/pci/devices/{self.bdf}/enable\n"
                   f"echo {self.bdf} > /sys/bus/pci/drivers/nvme/bind")

    def ring(self, queue=SCRATCH):
        """Enable the controller with its admin queue at an address, and ring.

        The controller reads its first command from there.  Returns "fatal" if
        it could not, "ok" if it could.
        """
        regs = self.bar
        out = self.l2.sh(f"""
            wait_for() {{   # mask value
                for i in $(seq 50); do
                    [ $(($(devmem {regs + self.CSTS:#x}) & $1)) = $2 ] && return
                    sleep 0.05
                done
                echo stuck; exit 1
            }}
            devmem {regs + self.CC:#x} 32 0
            wait_for {self.READY} 0
            devmem {regs + self.AQA:#x} 32 {self.TWO_ENTRIES:#x}
            devmem {regs + self.ASQ:#x} 64 {queue:#x}
            devmem {regs + self.ACQ:#x} 64 {queue + 0x1000:#x}
            devmem {regs + self.CC:#x} 32 {self.ENABLE:#x}
            wait_for {self.READY} {self.READY}
            devmem {regs + self.DOORBELL:#x} 32 1
            sleep 0.3
            devmem {regs + self.CSTS:#x}""").out
        return "fatal" if int(out, 16) & self.FATAL else "ok"

    def identify(self):
        """The serial number, read by DMA to SCRATCH, or None if the DMA was blocked."""
        queue, done, data = SCRATCH, SCRATCH + 0x1000, SCRATCH + 0x2000
        command = struct.unpack("<8Q", self.identify_command(data))
        words = {queue + 8 * n: word for n, word in enumerate(command)}
        words |= {address: 0 for address in (done, done + 8, data, data + 8, data + 16)}
        self.l2.sh("\n".join(f"devmem {a:#x} 64 {v:#x}" for a, v in words.items()))
        if self.ring(queue) == "fatal":
            return None
        return self.serial_number(b"".join(read(self.l2, data + n, 64).to_bytes(8, "little") for n in (0, 8, 16)))


def machine(lab, guest=None, **start):
    """nvme0 and its vSMMU on pcie.0, the disk without its driver: (host, guest, Smmu, Nvme)"""
    host, _ = lab.vfio("nvme0")
    guest = guest or lab.guest()
    guest.start(options.iommufd() + lab.qemu.vsmmu(bus="pcie.0")
                + options.vfio(host, bus="pcie.0"), boot="dt", append=SMALL, **start)
    guest.boot()
    bdf, _ = checks.proven(guest, "nvme0", host, viommus=1)
    return host, guest, Smmu(guest, checks.guest_translates(guest, bdf)), Nvme(guest, bdf)
