# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration of a vSMMU: to another QEMU in L1, to a file and back."""

import time

from lab import checks, l0, options
from lab.checks import expect
from lab.options import REGISTERS, SMMU1
from lab.qmp import QmpError
from lab.scenario import scenario
from lab.scenarios import association, basics

MEMORY = {"mem": "384M"}

# An emulated disk that does DMA through the guest's SMMU.  (QEMU's NVMe does
# not migrate.)
SOFT_MB = 8
SOFT_DISK = ["-drive", "if=none,id=soft,format=raw,readonly=on,file=/lab/guest/Image",
             "-device", "virtio-blk-pci,bus=rp2,drive=soft,serial=soft,iommu_platform=on,"
                        "disable-legacy=on"]


def vsmmu(lab, spec):
    return options.iommufd() + options.root_complex(lab.qemu, ports=(1, 2), **spec)


def specified(lab):
    return basics.hexed(basics.host_registers(lab))


def pasted(guest):
    """The property "spec" as an option string."""
    return dict(part.split("=") for part in guest.qom(SMMU1, "spec").split(","))


def finished(qmp, timeout=180):
    """Wait until a migration is over; its status and, if it failed, the reason."""
    deadline = time.monotonic() + timeout
    while True:
        info = qmp.cmd("query-migrate")
        if info.get("status") in ("completed", "failed", "cancelled"):
            return info["status"], info.get("error-desc", "")
        expect(time.monotonic() < deadline, f"migration: {info.get('status')} after {timeout} s")
        time.sleep(0.2)


def move(source, uri):
    # Stop a guest that changes memory faster than TCG can copy it.
    source.qmp.cmd("migrate-set-parameters", **{"downtime-limit": 60000, "max-bandwidth": 1 << 40})
    source.qmp.cmd("migrate", uri=uri)
    status, why = finished(source.qmp)
    expect(status == "completed", f"migration {status}: {why}")


def arrived(guest):
    """Wait until the guest runs here."""
    status, why = finished(guest.qmp)
    expect(status == "completed", f"incoming migration {status}: {why}; {guest.stderr()}")
    checks.eventually("the guest runs again",
                      lambda: guest.qmp.cmd("query-status")["status"] == "running")
    guest.booted = True


def destination(lab, source, args, slot="b"):
    guest = lab.guest(slot)
    guest.start(args, takes=source, **MEMORY)
    return guest


def listen(target, source):
    """The target waits, and the source learns if it refuses; returns the URI."""
    uri = f"unix:{target.dir}/migrate"
    source.qmp.cmd("migrate-set-capabilities",
                   capabilities=[{"capability": "return-path", "state": True}])
    target.qmp.cmd("migrate-incoming", uri=uri)
    return uri


def live_migrate(lab, source, args):
    """Migrate the guest to another QEMU; the source exits."""
    target = destination(lab, source, args)
    move(source, listen(target, source))
    arrived(target)
    source.booted = False
    source.stop()
    return target


def cannot_move_with(guest):
    """With a host device VFIO refuses the migration, and the guest continues."""
    try:
        guest.qmp.cmd("migrate", uri="unix:/tmp/nobody")
    except QmpError as error:
        text = str(error)
    else:
        raise checks.LabError(f"migration started: {guest.qmp.cmd('query-migrate')}")
    expect("VFIO migration is not supported" in text, f"the reason is: {text}")
    expect(guest.qmp.cmd("query-status")["status"] == "running", "the guest stopped")


@scenario
def migrate_inherited_to_specified(lab):
    """VFIO refuses a migration with a host device; without it, a guest that inherited migrates to its spec; plug, DMA."""
    bdf, _ = lab.vfio("nvme0")
    source = lab.start(vsmmu(lab, {}) + options.vfio(bdf), **MEMORY)
    checks.proven(source, "nvme0", bdf, viommus=1)
    cannot_move_with(source)
    checks.proven(source, "nvme0", bdf, viommus=1)

    spec = pasted(source)
    registers = {name: source.qom(SMMU1, name) for name in REGISTERS}
    source.device_del("dev1")
    checks.gone(source, "nvme0")
    guest = live_migrate(lab, source, vsmmu(lab, spec))
    expect(guest.qom(SMMU1, "mode") == "specified", "mode is not specified")
    have = {name: guest.qom(SMMU1, name) for name in REGISTERS}
    expect(have == registers, f"registers were {registers}, are {have}")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(guest, "nvme0", bdf, viommus=1)


@scenario(platform=l0.TWO_SMMUS)
def migrate_to_file(lab):
    """A guest is saved to a file; another QEMU loads it and plugs a device of another SMMU; DMA goes on."""
    bdf, other, smmu1, smmu2 = association.two_smmus(lab)
    spec = specified(lab)
    source = lab.start(vsmmu(lab, spec) + options.vfio(bdf), **MEMORY)
    checks.proven(source, "nvme0", bdf, viommus=1)
    source.device_del("dev1")
    checks.gone(source, "nvme0")
    move(source, "file:/tmp/saved-guest")
    source.booted = False
    source.stop()

    guest = destination(lab, source, vsmmu(lab, spec))
    guest.qmp.cmd("migrate-incoming", uri="file:/tmp/saved-guest")
    arrived(guest)
    lab.l1.sh("rm /tmp/saved-guest")
    guest.device_add("vfio-pci", id="dev1", bus="rp1", host=other, iommufd="iommufd0")
    checks.proven(guest, "nvme1", other, viommus=1)
    have = guest.qom(SMMU1, "associated-smmu")
    expect(have == smmu2, f"the vSMMU stands for {have}, not {smmu2}; on the source {smmu1}")


# -------------------------------------------------------------- emulated I/O

def reads_go_on(guest):
    """Start to read and hash in a loop; the disk's address in the guest."""
    disk, bdf = guest.sh("""
        for d in /sys/block/vd*; do
            [ "$(cat $d/serial)" = soft ] || continue
            echo /dev/${d##*/} $(basename $(readlink -f $d/device/..))
        done""").out.split()
    guest.sh(f"""
        (while :; do dd if={disk} bs=64k count={SOFT_MB * 16} iflag=direct 2>>/run/dd | sha256sum
         done) >/run/sums 2>&1 &""")
    return bdf


def sums(guest):
    return guest.sh("grep -i error /run/dd; cut -d' ' -f1 /run/sums").out.split()


def still_right(lab, guest, before):
    """Wait for two more rounds, the last of which began here, and check every sum."""
    checks.eventually("reads after the migration", lambda: len(sums(guest)) >= before + 2, 60)
    want = lab.l1.sh(f"dd if=/lab/guest/Image bs=1M count={SOFT_MB} 2>/dev/null | sha256sum"
                     ).out.split()[0]
    expect(set(sums(guest)) == {want}, f"sha256 {want} expected, read were {sums(guest)}")


def refused(lab, source, spec, *words):
    """A QEMU with this spec refuses the source's guest, which continues."""
    target = destination(lab, source, vsmmu(lab, spec) + SOFT_DISK)
    source.qmp.cmd("migrate", uri=listen(target, source))
    checks.eventually("the destination ends", lambda: not target.running(), 120)
    said = target.stderr()
    for word in words:
        expect(word in said, f"{word} is not in the message: {said}")
    expect(finished(source.qmp)[0] == "failed", "the migration did not fail")
    checks.eventually("the source's guest runs on",
                      lambda: source.qmp.cmd("query-status")["status"] == "running")
    target.stop()
    lab.guests.remove(target)


@scenario
def migrate_emulated_io(lab):
    """An emulated disk behind the vSMMU continues to read across a migration; other registers are refused."""
    spec = specified(lab)
    source = lab.start(vsmmu(lab, spec) + SOFT_DISK, **MEMORY)
    bdf = reads_go_on(source)
    checks.guest_translates(source, bdf)

    other = dict(spec, idr3="0x0", iidr="0x43b")
    refused(lab, source, other, "smmu1", f"idr3 is {int(spec['idr3'], 0):#x}", "iidr",
            f"idr3={int(spec['idr3'], 0):#x}")
    before = len(sums(source))
    still_right(lab, source, before)

    before = len(sums(source))
    guest = live_migrate(lab, source, vsmmu(lab, spec) + SOFT_DISK)
    still_right(lab, guest, before)
    checks.guest_translates(guest, bdf)
    errors = guest.sh("dmesg | grep -i 'smmu.*event\\|I/O error'", check=False).out
    expect(not errors, f"the guest's log has: {errors}")


@scenario(matrix=True)
def migrate_postcopy(lab):
    """In postcopy mode, the guest runs before its memory has arrived: the emulated disk reads on; a plug, and DMA."""
    spec = specified(lab)
    source = lab.start(vsmmu(lab, spec) + SOFT_DISK, **MEMORY)
    reads_go_on(source)
    before = len(sums(source))
    target = destination(lab, source, vsmmu(lab, spec) + SOFT_DISK)
    for guest in (source, target):
        guest.qmp.cmd("migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": True}])
    uri = listen(target, source)
    # So slow that precopy alone would take minutes
    source.qmp.cmd("migrate-set-parameters", **{"max-bandwidth": 1 << 20, "max-postcopy-bandwidth": 0})
    source.qmp.cmd("migrate", uri=uri)
    checks.eventually("memory is sent", lambda: source.qmp.cmd("query-migrate").get("status") == "active", 30)
    source.qmp.cmd("migrate-start-postcopy")
    status, why = finished(source.qmp)
    expect(status == "completed", f"migration {status}: {why}")
    arrived(target)
    info = source.qmp.cmd("query-migrate")
    expect(info["ram"]["postcopy-requests"], f"no memory was asked for after the guest had moved: {info['ram']}")
    source.booted = False
    source.stop()
    still_right(lab, target, before)
    bdf, _ = lab.vfio("nvme0")
    target.device_add("vfio-pci", id="dev1", bus="rp1", host=bdf, iommufd="iommufd0")
    checks.proven(target, "nvme0", bdf, viommus=1)
