# SPDX-License-Identifier: GPL-2.0-or-later
"""The host that runs L2's QEMU: L1 of the lab, or this machine."""

import atexit
import base64
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from . import guests, images, l0, roots, util
from .channel import Channel, LabError, Result

OOPS = re.compile(r"Unable to handle kernel|Internal error|kernel BUG|WARNING: CPU|Call trace"
                  r"|Kernel panic|BUG:|rcu: INFO|hung_task|smmu.*(event 0x|(?<!companion )CMDQ|GERROR)"
                  r"|tegra241_cmdqv: .*fail")


class Host:
    """The interface of both kinds of host: commands, files, channels, vfio."""

    cpu = ("-accel", "kvm", "-cpu", "host")

    def sh(self, script, timeout=30, check=True):
        result = self._sh(script, timeout)
        return result.good(self.name, script) if check else result

    def get(self, path):
        return self.sh(f"cat {shlex.quote(path)}", timeout=60).data

    def bind_vfio(self, bdf):
        """Bind a device to vfio-pci; returns the path of its cdev."""
        return self.sh(f"""
            cd /sys/bus/pci/devices/{bdf} || exit
            if [ "$(basename "$(readlink driver)")" != vfio-pci ]; then
                echo vfio-pci > driver_override
                [ -e driver ] && echo {bdf} > driver/unbind
                echo {bdf} > /sys/bus/pci/drivers_probe
            fi
            ls vfio-dev 2>/dev/null | grep -q . || {{ echo "vfio-pci did not take {bdf}"; exit 1; }}
            echo /dev/vfio/devices/$(ls vfio-dev)""").out

    def unbind_vfio(self, bdf):
        """Bind a device to its own driver again."""
        self.sh(f"""
            cd /sys/bus/pci/devices/{bdf} || exit
            [ -e driver ] && echo {bdf} > driver/unbind
            echo > driver_override
            echo {bdf} > /sys/bus/pci/drivers_probe""")

    def smmu_of(self, bdf):
        """The sysfs name of a device's physical SMMU."""
        return self.sh(f"basename $(readlink -f /sys/bus/pci/devices/{bdf}/iommu)").out

    def group_of(self, bdf):
        """The number of a device's IOMMU group."""
        return self.sh(f"basename $(readlink -f /sys/bus/pci/devices/{bdf}/iommu_group)").out

    def oopses(self):
        text = self.sh("dmesg", check=False).out
        return [line for line in text.splitlines() if OOPS.search(line)]


class L1(Host):
    """L1 of an emulated server.  One boot serves many scenarios."""

    name = "L1"
    lasting_channels = True

    def __init__(self, log_dir, platform=l0.EMULATED, qemu=None, rival=None, shell=False):
        self.platform = platform
        kernel, modules = guests.of_host(platform.kernel)
        disks = [("guest", images.guest_disk(kernel))]
        if qemu:
            disks.append(("qemu", images.qemu_disk(qemu)))
        if rival:
            disks.append(("rival", rival))
        disks += [(f"libvirt-{suite}", roots.libvirt_root(suite) / "image") for suite in platform.libvirts]
        disks += [(guests.serial(name), guests.disk(name)) for name in platform.guests]
        table = self.iort(platform, kernel, modules) if platform.mend else None
        with util.stage("L1 boots"):
            self.l0 = l0.L0(platform, kernel, log_dir, disks, table, shell, modules)
        self.files = {"kernel": "/lab/guest/Image", "initrd": "/lab/guest/initrd",
                      "efi": "/lab/guest/QEMU_EFI.fd"}
        self.tmp = "/tmp"
        self._bdfs = {}

    @staticmethod
    def iort(platform, kernel, modules):
        """The platform's own IORT with changes, read from a first boot once."""
        key = util.key_of(util.file_key(l0.program(platform)), platform.mend.__name__, *platform.args())
        # small, one for each platform
        with util.cached("iort", key, keep=20) as (final, work):
            if work:
                with util.stage("first boot of L1, to read its IORT"):
                    machine = l0.L0(platform, kernel, util.LOGS / "iort", modules=modules)
                    try:
                        table = machine.agent.run("cat /sys/firmware/acpi/tables/IORT")
                    finally:
                        machine.stop()
                    if not table:
                        raise LabError(f"L1 has no IORT: {table.out}")
                    (work / "own").write_bytes(table.data)
                    (work / "iort").write_bytes(platform.mend(table.data))
        return (final / "iort").read_bytes()

    def _sh(self, script, timeout):
        return self.l0.agent.run(script, timeout)

    def put(self, path, data):
        text = base64.b64encode(data).decode()
        self.sh(f"base64 -d > {shlex.quote(path)} <<'END'\n{text}\nEND\n", timeout=60)

    def bdf(self, name):
        """The PCI address in L1 of one of the platform's devices."""
        if name not in self._bdfs:
            device = next(d for d in self.platform.devices if d.name == name)
            slot = f"0000:{device.bus_nr:02x}:{device.slot:02x}.{device.function or 0}"
            below = "." if device.integrated else f"0000:??:??.{device.part or 0}"
            self._bdfs[name] = self.sh(
                f"cd /sys/bus/pci/devices/{slot} && basename $(readlink -f {below})").out
        return self._bdfs[name]

    def chardev(self, slot, port):
        # The pipe backend opens the one file for both directions.
        found = self.sh(f"grep -lx lab.{slot}.{port} /sys/class/virtio-ports/*/name").out
        return f"pipe,id={port},path=/dev/{found.split('/')[-2]}"

    def channel(self, slot, port, _alive):
        channel = self.l0.channels[f"{slot}.{port}"]
        channel.clear()
        return channel

    def healthy(self):
        """Whether the next scenario can use this boot."""
        try:
            return bool(self._sh("true", 10)) and not self.oopses()
        except LabError:
            return False

    def console(self):
        return self.l0.console_path.read_text(errors="replace")

    def stop(self):
        self.l0.stop()


class Local(Host):
    """This machine: an Arm server with a real SMMUv3, or, with no KVM and no
    device to assign, any machine at all."""

    name = "host"
    lasting_channels = False

    def __init__(self, kernel, kvm=True):
        self.dir = tempfile.mkdtemp(prefix="lab-")
        atexit.register(self.stop)
        self.tmp = self.dir
        Path(self.dir, "initrd").write_bytes(images.initrd())
        self.files = {"kernel": str(kernel), "efi": str(roots.efi()),
                      "initrd": f"{self.dir}/initrd"}
        if not kvm:
            self.cpu = ("-accel", "tcg", "-cpu", "cortex-a76")

    def _sh(self, script, timeout):
        try:
            proc = subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=timeout, check=False)
        except subprocess.TimeoutExpired as late:
            return Result(137, late.stdout or b"")
        return Result(proc.returncode, proc.stdout)

    def get(self, path):
        return Path(path).read_bytes()

    def put(self, path, data):
        Path(path).write_bytes(data)

    def bdf(self, name):
        return name

    def driver_of(self, bdf):
        link = f"/sys/bus/pci/devices/{bdf}/driver"
        return os.path.basename(os.readlink(link)) if os.path.exists(link) else None

    def chardev(self, slot, port):
        return f"socket,id={port},path={self.dir}/{slot}.{port},server=on,wait=off"

    def channel(self, slot, port, alive):
        return Channel(f"{self.dir}/{slot}.{port}", alive)

    def stop(self):
        util.remove_tree(Path(self.dir))
