# SPDX-License-Identifier: GPL-2.0-or-later
"""L0: an emulated Arm server with an SMMUv3, and the devices to assign."""

import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from . import images, iort, roots, util
from .channel import Agent, Channel, Dead, LabError
from .qmp import Qmp

TESTDEV = "pasid-testdev"       # hw/misc/pasid-testdev.c
SLOTS = ("a", "b", "c")     # one for each L2 that can run at a time
L2_PORTS = ("qmp", "agent", "console")


@dataclass(frozen=True)
class Assignable:
    """A device of L0 below a root port of its own."""
    name: str           # also its serial number, and the seed of its contents
    kind: str           # "nvme", the function for tests, or a network device
    slot: int           # of the root port
    bus: str = "pcie.0"
    bus_nr: int = 0     # of that root bus
    function: int = None    # of the root port, if there are others beside it
    mb: int = images.DISK_MB
    part: int = None        # its own function, if there are several below its root port
    more: str = ""          # more options of the device
    integrated: bool = False    # in the slot itself, without a root port

    @property
    def port_id(self):
        if self.integrated:
            return self.bus
        return f"rp-{self.name}" if self.part is None else f"rp-slot{self.slot}"

    def port(self):
        options = f"pcie-root-port,id={self.port_id},bus={self.bus},addr={self.slot:#x}"
        if self.function is None:
            return f"{options},chassis={self.slot}"
        # There is I/O space for 16 ports only, and an NVMe needs none.
        return (f"{options}.{self.function},chassis={self.slot + 32 * self.function},"
                "multifunction=on,io-reserve=0")

    def args(self):
        device = f"{self.kind},bus={self.port_id}"
        if self.part is not None:
            device += f",addr=0.{self.part},multifunction=on"
        if self.integrated:
            device += f",addr={self.slot:#x}"
        args = [] if self.part or self.integrated else ["-device", self.port()]
        if self.kind == "nvme":
            disk = images.disk(self.name, self.mb)
            args += ["-drive", f"if=none,id=d-{self.name},file={disk},format=raw,snapshot=on"]
            device += f",drive=d-{self.name},serial={self.name}"
        elif self.kind != TESTDEV:
            args += ["-netdev", f"user,id=n-{self.name},restrict=on"]
            device += f",netdev=n-{self.name}"
        if self.more:
            device += f",{self.more}"
        return args + ["-device", device]


DEVICES = (Assignable("nvme0", "nvme", 1), Assignable("nvme1", "nvme", 2),
           Assignable("igb0", "igb", 3))


@dataclass(frozen=True)
class Platform:
    """One kind of server.  Others can differ in machine, SMMUs and devices."""
    name: str = "emulated"
    machine: tuple = ("-M", "virt,virtualization=on,gic-version=3,iommu=smmuv3",
                      "-global", "arm-smmuv3.stage=nested",
                      "-cpu", "cortex-a76", "-smp", "2", "-m", "4G")
    devices: tuple = DEVICES
    # How to change its IORT; None: not at all.  The emulated SMMU has no FWB,
    # so the table has to have CANWBS.
    mend: Callable = iort.with_canwbs
    root: Callable = roots.l1_root      # packages of L1's own disk
    libvirts: tuple = ()    # suites whose libvirt has an additional root disk, or roots.LIBVIRT_DEB
    append: tuple = ()      # more words for L1's kernel
    kernel: str = ""        # L1's, as guests.of_host() names it
    guests: tuple = ()      # of guests.KERNELS, whose disks L1 has
    stock: bool = False     # L0 is Debian's QEMU: no patch of ours, and nothing to build
    firmware: bool = True   # UEFI; without it L1 has only a device tree

    @property
    def installed(self):
        """Whether its emulator comes from the packages of `make deb', and not from a build directory."""
        return self.root == roots.deb_root or roots.LIBVIRT_DEB in self.libvirts

    def args(self):
        args = list(self.machine)
        for device in self.devices:
            args += device.args()
        return args


EMULATED = Platform()
STOCK = Platform(name="stock", stock=True)

# Two devices under test as physical SMMUs, which emulate arm-smmuv3 with
# stage=nested, and have FWB, 10 bits of SubstreamID and CD tables of two levels.
# The second one is newer, with the same features and more address bits.
TWO = "idr0=0xd4c301b,idr1=0x2730290,idr3=0x1514,idr5=0x74,iidr=0x0,aidr=0x1"
NEWER = TWO.replace("idr5=0x74,iidr=0x0,aidr=0x1", "idr5=0x75,iidr=0x43b,aidr=0x3")
TWO_SMMUS = Platform(
    name="two-smmus",
    machine=("-M", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a76", "-smp", "2",
             "-m", "4G", "-device", f"arm-smmuv3-accel,bus=pcie.0,{TWO}",
             "-device", "pxb-pcie,id=pcie.1,bus_nr=32,bus=pcie.0,addr=0x10",
             "-device", f"arm-smmuv3-accel,bus=pcie.1,{NEWER}"),
    devices=(Assignable("nvme0", "nvme", 1), Assignable("nvme1", "nvme", 2, "pcie.1", 32)),
    mend=iort.without_rmr)

# The first disk is on the root bus, so that nothing can reset it when its FLR is not used.
INTEGRATED = Platform(name="integrated", devices=(Assignable("nvme0", "nvme", 1, integrated=True), *DEVICES[1:]))

# Unchanged: neither CANWBS nor FWB, so Linux provides no vIOMMU.
NO_CANWBS = Platform(name="no-canwbs", mend=None)

# Two functions of one device: one IOMMU group, because there is no ACS between them.
PAIR = Platform(
    name="pair",
    devices=(Assignable("pair0", "nvme", 1, part=0), Assignable("pair1", "nvme", 1, part=1),
             Assignable("nvme0", "nvme", 2), Assignable("nvme1", "nvme", 3)))

# With the root disks of Debian's libvirts, and a kernel with AppArmor as in Debian.
LIBVIRT = Platform(name="libvirt", append=("lsm=apparmor",), libvirts=roots.LIBVIRT_SUITES)

# A server on which our Debian packages are installed.
DEB_INSTALLED = Platform(name="deb-installed", root=roots.deb_root)
# The same, with Debian's libvirt.
DEB_LIBVIRT = Platform(name="deb-libvirt", append=LIBVIRT.append, libvirts=(roots.LIBVIRT_DEB,))

# A server on which somebody measures a disk.
WITH_FIO = Platform(name="with-fio", root=roots.fio_root)

# An SMMU with a CMDQV of four virtual interfaces. L1 translates its own devices, and unmaps
# each buffer at once, so that its invalidations can be observed as well.
CMDQV = Platform(
    name="cmdqv",
    machine=("-M", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a76", "-smp", "2",
             "-m", "4G", "-device",
             "arm-smmuv3,primary-bus=pcie.0,stage=nested,x-cmdqv-vintfs=4"),
    append=("iommu.passthrough=0", "iommu.strict=1"))
CMDQV_ONE_LEFT = replace(CMDQV, name="cmdqv-one-left", machine=tuple(
    word.replace("x-cmdqv-vintfs=4", "x-cmdqv-vintfs=2") for word in CMDQV.machine))
# For the bench: one VINTF, and a spare device whose machine can take that VINTF from others.
BENCH = replace(CMDQV_ONE_LEFT, name="bench", append=(), devices=(*DEVICES, Assignable("spare0", "nvme", 4, mb=1)))
# For a hostile guest with two disks, and two other guests on the same SMMU
HOSTILE = replace(CMDQV, name="hostile", append=(),
                  devices=tuple(Assignable(f"nvme{n}", "nvme", n + 1) for n in range(4)))
CMDQV_DT = replace(CMDQV, name="cmdqv-dt", mend=None, firmware=False)

# 32 small disks: four slots with eight root ports each.
MANY = Platform(
    name="many",
    devices=tuple(Assignable(f"small{n}", "nvme", 4 + n // 8, function=n % 8, mb=1)
                  for n in range(32)))


def binary():
    """Our own QEMU for this machine: the native build, or the user's choice."""
    path = os.environ.get("LAB_L0_QEMU") or util.BUILD / "obj/qemu-system-aarch64"
    if not Path(path).exists():
        raise LabError(f"{path} does not exist: build it first (make build)")
    return Path(path)


def program(platform):
    """The QEMU that emulates the server."""
    if platform.stock and not os.environ.get("LAB_L0_QEMU"):
        return roots.server_tree() / "usr/bin/qemu-system-aarch64"
    return binary()


def command(platform):
    """The words that run it."""
    path = program(platform)
    if not path.is_relative_to(util.LAB_CACHE):
        return [path]
    tree = path.parents[2]
    return [*roots.run_in(tree, path), "-L", tree / "usr/share/qemu", "-L", tree / "usr/lib/ipxe/qemu"]


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class L0:
    """A running emulated server whose agent is connected."""

    def __init__(self, platform, kernel, log_dir, extra_disks=(), table=None, shell=False, modules=()):
        self.platform = platform
        self.nonce = secrets.token_hex(4)
        self.dir = Path(tempfile.mkdtemp(prefix="lab-"))
        log_dir = Path(log_dir)
        log_dir.mkdir(parents=True, exist_ok=True)
        self.console_path = log_dir / "l1-console.log"
        self.stderr_path = log_dir / "l0-stderr.log"
        initrd = images.initrd(modules)
        if table:
            initrd = images.acpi_override("iort", table) + initrd
        (self.dir / "initrd").write_bytes(initrd)

        append = ["console=ttyAMA0", "iommu.passthrough=1", "panic=-1", "mitigations=off",
                  "lab.role=l1", f"lab.nonce={self.nonce}", f"lab.shell={int(shell)}",
                  *platform.append]
        args = [*command(platform), *platform.args(), "-nodefaults", "-display", "none", "-no-reboot",
                "-accel", "tcg,thread=multi", *(["-bios", roots.efi()] if platform.firmware else []),
                "-kernel", kernel, "-initrd", self.dir / "initrd", "-append", " ".join(append),
                "-serial", "mon:stdio" if shell else f"file:{self.console_path}",
                "-qmp", f"unix:{self.dir / 'l0-qmp'},server=on,wait=off",
                "-device", "virtio-serial-device,max_ports=16"]
        for port in self.ports():
            args += ["-chardev", f"socket,id={port},path={self.dir / port},server=on,wait=off",
                     "-device", f"virtserialport,chardev={port},name=lab.{port}"]
        for name, image in (("root", platform.root() / "image"), *extra_disks):
            args += ["-drive", f"if=none,id={name},file={image},format=raw,snapshot=on",
                     "-device", f"virtio-blk-device,drive={name},serial={name}"]
        self.args = [str(a) for a in args]
        (log_dir / "l0-command.txt").write_text(" \\\n  ".join(self.args) + "\n")
        with open(self.stderr_path, "wb") as err:
            self.proc = subprocess.Popen(
                self.args, stdin=None if shell else subprocess.DEVNULL,
                stdout=None if shell else err, stderr=err, preexec_fn=_die_with_parent)
        self.channels = {}
        self._qmp = None
        try:
            for port in self.ports():
                self.channels[port] = Channel(self.dir / port, self.check)
            self.agent = Agent(self.channels["agent"], self.nonce, "L1")
            self.agent.hello(120)
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def ports():
        return ["agent"] + [f"{slot}.{port}" for slot in SLOTS for port in L2_PORTS]

    @property
    def qmp(self):
        """The emulated server's own monitor; its trace goes to l0-stderr.log."""
        if not self._qmp:
            self.channels["l0-qmp"] = Channel(self.dir / "l0-qmp", self.check)
            self._qmp = Qmp(self.channels["l0-qmp"])
        return self._qmp

    def check(self):
        if self.proc.poll() is not None:
            raise Dead(f"L0's QEMU or L1's kernel ended (status {self.proc.returncode}): "
                       + self.stderr_path.read_text(errors="replace")[-500:].strip())

    def stop(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        for channel in self.channels.values():
            channel.close()
        shutil.rmtree(self.dir, ignore_errors=True)
