# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-mem: a guest's memory that grows and shrinks while devices use it."""

import re
import time

from lab import checks, images, metal, options
from lab.checks import expect
from lab.metal import memory
from lab.registers import Nvme
from lab.scenario import scenario
from lab.scenarios import failures, matrix
from lab.scenarios.failures import end, stage1
from lab.scenarios.memory import SERIAL, Elsewhere
from lab.virtiomem import VirtioMem

BLOCK, SIZE = 2, 64         # MiB
FILE = "/tmp/virtio-mem"
SLOT, BAR = 6, 0x1f000000   # of the device, for metal.py
RATE = 5.5                  # seconds in which Linux reports 10 faults of an SMMU
# Blocks that are used
FIRST, LAST = 3, 5


def device(size, more=""):
    """A virtio-mem that has nothing yet."""
    return ["-object", f"memory-backend-file,id=mem1,size={size}M,mem-path={FILE},share=on",
            "-device", f"virtio-mem-pci,id=vm1,memdev=mem1,block-size={BLOCK}M{more}"]


def ask(guest, mb):
    """Tell the guest how much of it is wanted."""
    guest.qmp.cmd("qom-set", path="vm1", property="requested-size", value=mb << 20)


def has(guest):
    """How much of it the guest has, in MiB."""
    return guest.qom("vm1", "size") >> 20


class Growing(Elsewhere):
    """A stopped machine with virtio-mem; the lab is its driver."""

    mem = "512M,maxmem=2G"
    file = FILE

    def __init__(self, lab):
        lab.l1.sh(f"rm -f {FILE}")
        super().__init__(lab)
        found, = self.guest.qmp.cmd("query-memory-devices")
        self.address = found["data"]["memaddr"]
        self.driver = VirtioMem(self.smmu.qtest, SLOT, BAR)
        stage1(self)
        self.map_memory()

    def options(self):
        return super().options() + device(SIZE, f",bus=pcie.0,addr={SLOT:#x}")

    def at(self, block):
        """The offset of a block."""
        return block * BLOCK << 20

    def plug_block(self, block):
        self.driver.plug(self.address + self.at(block))

    def unplug_block(self, block):
        self.driver.unplug(self.address + self.at(block))

    def arrives(self, block):
        """Whether the disk's serial number arrives in a block."""
        self.write(self.at(block))
        have = self.in_file(self.at(block))
        expect(have in ("", SERIAL), f"block {block} has {have!r}")
        return bool(have)

    def put_command(self, block):
        """Write a command that the disk can fetch from the middle of a block."""
        command = Nvme.identify_command(self.smmu.va(0) + metal.DATA - metal.RAM)
        self.smmu.qtest.send(memory(self.address + self.at(block) + 0x100000, command))

    def fetches(self, block):
        """What the disk answers if it fetches a command there: its serial number, nothing, or None after a fault."""
        return self.disks[1].identify(self.smmu.va(0), queue=self.iova(self.at(block) + 0x100000))

    def expect_blocked(self, block, when):
        """The disk can neither write nor read there."""
        expect(not self.arrives(block), f"{when}: DMA arrives in block {block}, which the guest does not have")
        expect(self.fetches(block) is None, f"{when}: the disk can read block {block}, which the guest does not have")

    def expect_fault(self, block):
        """DMA there ends at the host's stage 2."""
        time.sleep(RATE)
        self.lab.l1.sh("dmesg -c")
        self.write(self.at(block))
        log = self.lab.l1.sh("dmesg -c").out
        expect(re.search(rf"client: {self.hosts[1]} .* ipa: {self.address + self.at(block):#x}\b", log),
               f"the host does not say that stage 2 refused block {block}")

    def kilobytes(self):
        """The memory that L1 has given away for it."""
        return int(self.lab.l1.sh(f"du -k {FILE} | cut -f1").out)


@scenario
def virtio_mem_removed(lab):
    """virtio-mem: DMA to a block that the guest gave back is a fault, and finds nothing old when the guest has it again."""
    bench = Growing(lab)
    bench.expect_blocked(FIRST, "before the first plug")
    ask(bench.guest, 4 * BLOCK)
    for block in (FIRST, LAST):
        bench.plug_block(block)
        expect(bench.arrives(block), f"DMA does not arrive in block {block}, which is plugged")
        bench.put_command(block)
        expect(bench.fetches(block) == SERIAL, f"the disk cannot read block {block}")

    bench.unplug_block(FIRST)
    bench.expect_blocked(FIRST, "after its unplug")
    bench.expect_fault(FIRST)
    expect(bench.fetches(LAST) == SERIAL, "the other block cannot be used any more")
    bench.plug_block(FIRST)
    expect(bench.fetches(FIRST) == "", "the disk has read the command that was in the block before")
    expect(bench.arrives(FIRST), "DMA does not arrive in a block that was plugged again")

    bench.unplug(1)
    bench.unplug_block(FIRST)
    stage1(bench)
    expect(bench.fetches(LAST) == SERIAL, "a device that was plugged later cannot read a plugged block")
    bench.expect_blocked(FIRST, "a device that was plugged after the unplug of the block")

    ask(bench.guest, 0)
    bench.driver.unplug_all()
    bench.expect_blocked(LAST, "after all was unplugged")
    expect(not bench.kilobytes(), f"L1 still has {bench.kilobytes()} KiB in {FILE}")

    # A reset of the machine takes all of it.
    ask(bench.guest, BLOCK)
    bench.plug_block(LAST)
    bench.put_command(LAST)
    expect(bench.fetches(LAST) == SERIAL, "the disk cannot read the block that is plugged last")
    failures.reset(bench)
    stage1(bench)
    bench.map_memory()
    bench.expect_blocked(LAST, "after a reset")
    expect(bench.disks[1].identify(bench.smmu.va(0)) == SERIAL, "DMA to other memory does not work")
    end(lab, bench)
    lab.l1.sh(f"rm {FILE}")


MEM, GROWN = 1024, 512      # MiB
STEPS = (512, 128, 384, 0)
READ = 4                    # MiB, of one round
PAGE = 4096
# Reads the start of the disk again and again, into memory of its own; writes a checksum of each round.
READER = f"""
    (while [ ! -e /run/stop ]; do
        dd if=%s bs={READ}M count=1 iflag=direct 2>/dev/null | sha256sum
    done >/run/sums) </dev/null >/dev/null 2>&1 &"""
# Counts the pages of a file that begin like one of those of the disk, without reading its holes.
COUNT = f"""
import os
known = open("/tmp/heads", "rb").read()
known = {{known[n:n + 16] for n in range(0, len(known), 16)}}
file = os.open("{FILE}", os.O_RDONLY)
size, at, found = os.fstat(file).st_size, 0, 0
while at < size:
    try:
        at = os.lseek(file, at, os.SEEK_DATA)
    except OSError:
        break
    end = os.lseek(file, at, os.SEEK_HOLE)
    while at < end:
        found += os.pread(file, 16, at) in known
        at += {PAGE}
print(found)"""


def rounds(guest):
    """The checksums that the reader has written."""
    return [line.split()[0] for line in guest.sh("cat /run/sums").out.splitlines()]


def pages_of_the_disk(lab):
    """How many pages of the guest's virtio-mem have what was read from the disk."""
    with open(images.disk(SERIAL), "rb") as file:
        data = file.read(READ << 20)
    lab.l1.put("/tmp/heads", b"".join(data[n:n + 16] for n in range(0, len(data), PAGE)))
    lab.l1.put("/tmp/count.py", COUNT.encode())
    return int(lab.l1.sh("python3 /tmp/count.py", 120).out)


@scenario(platform=matrix.on(names=("trixie",)), matrix=True)
def virtio_mem_guest(lab):
    """Debian 13 as guest, whose virtio-mem grows and shrinks while a disk reads into it: data is right, nothing is left."""
    lab.l1.sh(f"rm -f {FILE}")
    host, _ = lab.vfio(SERIAL)
    guest = matrix.boot(lab, "trixie", options.iommufd() + options.root_complex(lab.qemu) + options.vfio(host)
                        + device(GROWN, ",bus=pcie.0"), mem=f"{MEM}M,maxmem=4G",
                        append="memhp_default_state=online_movable")
    checks.proven(guest, SERIAL, host, viommus=1)
    disk, _ = checks.nvme(guest, SERIAL)
    guest.sh(READER % disk)
    for mb in STEPS:
        ask(guest, mb)
        checks.eventually(f"the guest has {mb} MiB of virtio-mem", lambda mb=mb: has(guest) == mb, 120)
        before = len(rounds(guest))
        checks.eventually("the reader goes on", lambda before=before: len(rounds(guest)) > before + 1, 60)
        # Linux gives movable memory to processes first. What the disk wrote stays there when the reader's buffer is free.
        found = pages_of_the_disk(lab)
        expect(found if mb else not found, f"{found} pages of {mb} MiB of virtio-mem are from the disk")
    guest.sh("touch /run/stop")
    want = images.disk_sha256(SERIAL, 0, READ)
    have = rounds(guest)
    expect(set(have) == {want}, f"in {len(have)} rounds the guest has read {set(have)}, not only {want}")
    left = lab.l1.sh(f"du -k {FILE} | cut -f1").out
    expect(left == "0", f"L1 still has {left} KiB in {FILE}")
    checks.proven(guest, SERIAL, host, viommus=1)
    failures.calm(lab)
