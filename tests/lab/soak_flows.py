# SPDX-License-Identifier: GPL-2.0-or-later
"""The flows of `soak`.  Their arguments are the lab and a soak.Run."""

from . import checks, images, l0, options
from .checks import expect
from .scenarios import association, transitions
from .soak import flow

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# One heap that returns large blocks, so that growth means leaks.
HEAP = "env MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=65536"
SETTLE = 12       # reboots until the heap has its final size, with 32 devices


# ------------------------------------------------------------ small and cheap

def right(guest, serial, number):
    """Check a megabyte, a different one each time; (disk, address)"""
    device, bdf = checks.nvme(guest, serial)
    offset = number % images.DISK_MB
    have = checks.read_sha256(guest, device, offset, 1)
    want = images.disk_sha256(serial, offset, 1)
    expect(have == want, f"{serial}, MB {offset}: sha256 is {have}, not {want}")
    checks.guest_translates(guest, bdf)
    return device, bdf


def plug(guest, host, port=1):
    guest.device_add("vfio-pci", id=f"dev{port}", bus=f"rp{port}", host=host, iommufd="iommufd0")


def pull(guest, bdf, serial, port=1):
    """Unplug.  The guest turns the slot off itself, because after a request it would wait 5 s."""
    guest.qmp.cmd("device_del", id=f"dev{port}")
    guest.sh(f"""
        for slot in /sys/bus/pci/slots/*; do
            [ $(cat $slot/address).0 = {bdf} ] && echo 0 > $slot/power && exit
        done
        ls -d /sys/bus/pci/devices/{bdf} 2>/dev/null || exit 0
        echo "no slot of {bdf}"; exit 1""")
    guest.qmp.event("DEVICE_DELETED", 30, lambda data: data.get("device") == f"dev{port}")
    checks.gone(guest, serial)


def start_reading(guest, device):
    """Direct reads in the background, as long as the disk exists."""
    guest.sh(f"""
        stat=/sys/block/{device.removeprefix('/dev/')}/stat
        old=$(cat $stat)
        (while dd if={device} of=/dev/null bs=64k iflag=direct; do :; done) >/dev/null 2>&1 &
        echo $! > /run/reader
        for i in $(seq 50); do [ "$(cat $stat)" != "$old" ] && exit; sleep 0.1; done
        echo "no read in 5 s"; exit 1""")


def reader_runs(guest):
    return bool(guest.sh("kill -0 $(cat /run/reader) 2>/dev/null", check=False))


# ---------------------------------------------------------------- one device

def one_device(lab, *more):
    """A guest with nvme0 behind its vSMMU, and the device's address in L1."""
    bdf, _ = lab.vfio("nvme0")
    guest = lab.start(options.iommufd() + options.root_complex(lab.qemu) + options.vfio(bdf)
                      + list(more), wrap=HEAP)
    checks.proven(guest, "nvme0", bdf, viommus=1)
    return guest, bdf


@flow(cycles=200, seconds=2.9)
def hotplug(lab, run):
    """Unplug while the guest reads from the device, plug again, check the data."""
    guest, host = one_device(lab)
    device, bdf = checks.nvme(guest, "nvme0")
    for number in run.cycles(guest):
        start_reading(guest, device)
        expect(reader_runs(guest), "the reads ended before the unplug")
        pull(guest, bdf, "nvme0")
        checks.eventually("the reads end", lambda: not reader_runs(guest))
        live = guest.qom("/machine/peripheral/smmu1", "attached")
        expect(not live, f"after the unplug the vSMMU has {live}")
        plug(guest, host)
        device, bdf = right(guest, "nvme0", number)
    checks.proven(guest, "nvme0", host)


def reboot_once(guest, timeout=90):
    # later, so that the agent can answer
    guest.sh("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
    guest.booted_again(timeout)


@flow(cycles=50, seconds=6)
def reboot(lab, run):
    """Reboot the guest, check the data."""
    guest, host = one_device(lab)
    for number in run.cycles(guest):
        reboot_once(guest)
        right(guest, "nvme0", number)
    checks.proven(guest, "nvme0", host, viommus=1)


# Each kernel needs the files to boot the next one.
NEXT_KERNEL = """
    cd /kexec && run="./ld.so --library-path . ./kexec"
    (cat initrd; cd /; find kexec | cpio -o -H newc 2>/dev/null) > /run/next
    $run -l Image --initrd=/run/next --reuse-cmdline || exit
    (sleep 0.2; $run -e) >/dev/null 2>&1 &"""


@flow(cycles=20, seconds=10)
def kexec(lab, run):
    """The guest's kernel boots the next one with kexec; check the data."""
    lab.l1.sh(transitions.CARRY)
    guest, host = one_device(lab, "-initrd", "/tmp/kexec.initrd")
    for number in run.cycles(guest):
        before = guest.sh(BOOT_ID).out
        guest.sh(NEXT_KERNEL, 120)
        guest.booted_again()
        expect(guest.sh(BOOT_ID).out != before, "the old kernel still runs")
        right(guest, "nvme0", number)
    checks.proven(guest, "nvme0", host, viommus=1)


# -------------------------------------------------------------- many of them

def every_disk(guest, serials):
    """Check all disks with one script: they exist, are translated, and have the right data."""
    out = guest.sh(f"""
        for i in $(seq 150); do
            [ $(ls -d /sys/class/nvme/nvme*/nvme*n1 2>/dev/null | wc -l) = {len(serials)} ] && break
            sleep 0.2
        done
        for c in /sys/class/nvme/nvme*; do
            d=/dev/${{c##*/}}n1
            echo $(cat $c/serial) $(cat $c/device/iommu_group/type) \\
                 $(dd if=$d bs=64k count=1 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)
        done""", 120).out
    found = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    expect(set(found) == set(serials), f"the guest has {sorted(found)}")
    for serial, (domain, have) in found.items():
        expect(domain.startswith("DMA"), f"{serial}: its domain is {domain}")
        expect(have == images.head_sha256(serial, 1 << 16, 1), f"{serial}: sha256 is {have}")


def reboots_of_many(lab, run, guest, hosts):
    """Reboot with all these devices; each is on stage 1 before and after."""
    serials = [name for name, _ in hosts]

    def all_nested():
        every_disk(guest, serials)
        trace = guest.trace()
        for _, host in hosts:
            checks.nested(trace, host)

    def reboot_all():
        reboot_once(guest, 240)
        every_disk(guest, serials)
    all_nested()
    # QEMU rebuilds its view of memory for every device and every BAR, with or
    # without a vSMMU: the heap needs some reboots to reach its final size.
    for _ in range(SETTLE):
        reboot_all()
    for _ in run.cycles(guest):
        reboot_all()
    all_nested()


def without_io(args):
    """Root ports without I/O space, which suffices for only 16 of them."""
    return [a + ",io-reserve=0" if a.startswith("pcie-root-port") else a for a in args]


def sixteen(lab):
    """16 root complexes with a vSMMU and an NVMe each; (guest, [(name, host)])"""
    hosts = [(f"small{n}", lab.vfio(f"small{n}")[0]) for n in range(16)]
    args = options.iommufd()
    for number, (_, host) in enumerate(hosts, 1):
        args += options.root_complex(lab.qemu, number, ports=(number,))
        args += options.vfio(host, bus=f"rp{number}", id=f"dev{number}")
    guest = lab.guest()
    guest.start(without_io(args), wrap=HEAP)
    guest.boot(240)
    return guest, hosts


def thirty_two(lab):
    """32 NVMe below one vSMMU; (guest, [(name, host)])"""
    hosts = [(f"small{n}", lab.vfio(f"small{n}")[0]) for n in range(32)]
    args = options.iommufd() + options.root_complex(lab.qemu, ports=range(1, 33))
    for number, (_, host) in enumerate(hosts, 1):
        args += options.vfio(host, bus=f"rp{number}", id=f"dev{number}")
    guest = lab.guest()
    guest.start(without_io(args), wrap=HEAP)
    guest.boot(240)
    return guest, hosts


@flow(cycles=20, seconds=15, setup=100, platform=l0.MANY)
def vsmmus16(lab, run):
    """16 vSMMUs with a device behind each: reboot the guest, check all data."""
    guest, hosts = sixteen(lab)
    expect(len(set(guest.trace().viommus())) == 16, f"vIOMMUs: {guest.trace().viommus()}")
    expect(len(guest.trace().ioass()) == 1, "there is more than one IOAS")
    reboots_of_many(lab, run, guest, hosts)


@flow(cycles=20, seconds=31, setup=160, platform=l0.MANY)
def devices32(lab, run):
    """32 devices behind one vSMMU: reboot the guest, check all data."""
    guest, hosts = thirty_two(lab)
    expect(len(guest.trace().viommus()) == 1, f"vIOMMUs: {guest.trace().viommus()}")
    reboots_of_many(lab, run, guest, hosts)


@flow(cycles=50, seconds=3.2, setup=40, platform=l0.TWO_SMMUS)
def two_smmus(lab, run):
    """Two vSMMUs on two physical SMMUs, one IOAS: unplug and plug in turn, check both."""
    hosts = association.two_smmus(lab)[:2]
    guest = lab.start(options.iommufd()
                      + options.root_complex(lab.qemu, 1, ports=(1,))
                      + options.root_complex(lab.qemu, 2, ports=(2,))
                      + options.vfio(hosts[0]) + options.vfio(hosts[1], bus="rp2", id="dev2"), wrap=HEAP)
    serials = ("nvme0", "nvme1")
    bdfs = [checks.proven(guest, s, h, viommus=2)[0] for s, h in zip(serials, hosts)]
    for number in run.cycles(guest):
        turn = number % 2
        device, _ = checks.nvme(guest, serials[turn])
        start_reading(guest, device)
        pull(guest, bdfs[turn], serials[turn], turn + 1)
        right(guest, serials[1 - turn], number)
        plug(guest, hosts[turn], turn + 1)
        _, bdfs[turn] = right(guest, serials[turn], number)
    trace = guest.trace()
    expect(len(trace.ioass()) == 1, "there is more than one IOAS")
    for serial, host in zip(serials, hosts):
        checks.proven(guest, serial, host)
