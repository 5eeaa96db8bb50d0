# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest (L2): its QEMU, the agent in it, its logs."""

import secrets
import shlex
import time
from pathlib import Path

from . import util
from .channel import Agent, Copy, Dead, LabError
from .l0 import L2_PORTS
from .metal import Qtest
from .qmp import Qmp
from .trace import Trace

# These events prove nesting; QEMU ignores names that do not exist.
TRACE = ("iommufd_*", "smmuv3_accel_*", "vfio_pci_hot_reset_result")


class L2:
    def __init__(self, host, qemu, log_dir, slot="a"):
        self.host = host
        self.qemu_build = qemu
        self.slot = slot
        self.dir = f"{host.tmp}/l2{slot}"
        self.log_dir = Path(log_dir)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self.pid = None
        self.qmp = None
        self.agent = None
        self.qtest = None
        self.copy = None
        self.files = {"stderr": "l2-qemu.log", "trace": "l2-trace.log"}
        self.boots = host.files     # kernel, initrd and firmware
        self.saved = {}
        self.booted = False
        self.killed = False     # whether QEMU had to be killed
        self._asked = 0     # when QEMU was last known to run

    # ------------------------------------------------------------- start

    def command(self, args, boot, machine, mem, cpus, append, trace):
        files = self.boots
        out = [self.qemu_build.path, *self.qemu_build.args,
               "-M", f"virt,gic-version=3{machine}", *self.host.cpu,
               "-m", mem, "-smp", str(cpus), "-nodefaults", "-display", "none",
               "-msg", "timestamp=on"]
        if boot in ("efi", "qtest"):
            out += ["-bios", files["efi"]]
        if boot in ("efi", "dt"):
            # Every character of the console is an exit to QEMU, a third of the
            # boot time, so only warnings go there.  dmesg has the rest.
            words = ["console=ttyAMA0", f"loglevel={7 if util.verbose else 5}", "panic=-1", "mitigations=off",
                     "lab.role=l2", f"lab.nonce={self.nonce}", append]
            out += ["-kernel", files["kernel"], "-initrd", files["initrd"],
                    "-append", " ".join(words).strip()]
        for port in L2_PORTS:
            out += ["-chardev", self.host.chardev(self.slot, port)]
        out += ["-mon", "chardev=qmp,mode=control", "-serial", "chardev:console"]
        if boot == "qtest":
            out += ["-qtest", "chardev:agent", "-qtest-log", "none"]
        else:
            out += ["-device", "virtio-serial-device",
                    "-device", "virtserialport,chardev=agent,name=lab.agent"]
        for pattern in trace:
            out += ["-trace", pattern]
        return out + ["-D", f"{self.dir}/trace", *args]

    def start(self, args, boot="efi", machine="", mem="512M", cpus=1, append="", trace=TRACE,
              fds=None, wrap="", stopped=False, takes=None):
        """Start QEMU and wait for its monitor.

        boot: "efi" (ACPI), "dt" (-kernel alone), "none", or "qtest": with ACPI,
        but stopped, and the lab acts as the guest (metal.py).  fds: {number:
        path} opened for QEMU.  wrap: a command that runs QEMU, such as strace.
        takes: the L2 whose guest will migrate to this one.
        """
        self.nonce = takes.nonce if takes else secrets.token_hex(4)
        extra = (["-S"] if stopped or boot == "qtest" else []) + (["-incoming", "defer"] if takes else [])
        words = self.command([*args, *extra], boot, machine, mem, cpus, append, trace)
        (self.log_dir / "l2-command.txt").write_text(shlex.join(words) + "\n")
        opens = " ".join(f"{n}<>{shlex.quote(p)}" for n, p in (fds or {}).items())
        line = "echo $$ >pid\n" + (f"exec {opens}\n" if opens else "")
        line += f"exec env {self.qemu_build.env} {wrap} {shlex.join(words)}\n"
        self.host.sh(f"rm -rf {self.dir} && mkdir -p {self.dir}")
        self.host.put(f"{self.dir}/start", line.encode())
        # L1's channels outlive its guests; on this machine QEMU owns the channels.
        channels = self._channels() if self.host.lasting_channels else None
        self.pid = self.host.sh(f"""
            cd {self.dir}
            setsid sh -c 'sh start >stderr 2>&1; echo $? >status' </dev/null >/dev/null 2>&1 &
            until [ -s pid ]; do sleep 0.02; done
            cat pid""").out
        channels = channels or self._channels()
        self.copy = Copy(channels["console"], self.log_dir / "l2-console.log")
        for channel in channels.values():
            channel.alive = self.alive
        self._asked = time.monotonic()
        self.qmp = Qmp(channels["qmp"])
        if boot == "qtest":
            self.qtest = Qtest(channels["agent"])
        else:
            self.agent = Agent(channels["agent"], self.nonce, "L2")
        return self

    def _channels(self):
        return {p: self.host.channel(self.slot, p, self.alive) for p in L2_PORTS}

    def alive(self):
        """Called while waiting on a channel: raises when QEMU has ended."""
        if not self.pid or time.monotonic() - self._asked < 0.4:
            return
        self._asked = time.monotonic()
        if not self.running():
            raise Dead(f"L2's QEMU ended ({self.ending()}): "
                       + (self.stderr()[-1500:].strip() or "it printed nothing"))

    def running(self):
        return not self.host.sh(f"[ -e {self.dir}/status ]", check=False)

    def ending(self):
        status = int(self.host.sh(f"cat {self.dir}/status").out)
        return f"signal {status - 128}" if status > 128 else f"status {status}"

    def start_fails(self, args, timeout=30, **kw):
        """Start a configuration that must be refused; returns QEMU's message."""
        try:
            self.start(args, stopped=True, **kw)
        except Dead:
            return self.stderr()
        raise LabError("QEMU started although it should have refused")

    def boot(self, timeout=90):
        """Wait until the guest's agent answers."""
        self.agent.hello(timeout)
        self.booted = True
        return self

    def booted_again(self, timeout=90):
        """Wait for the agent after a reset of the guest."""
        self.agent.hello(timeout)
        return self

    # --------------------------------------------------------------- use

    def sh(self, script, timeout=60, check=True):
        """Run a script in the guest."""
        return self.agent.sh(script, timeout, check)

    def device_add(self, driver, **properties):
        return self.qmp.cmd("device_add", driver=driver, **properties)

    def device_del(self, id, timeout=30):
        """Unplug and wait until the device is gone."""
        self.qmp.cmd("device_del", id=id)
        self.qmp.event("DEVICE_DELETED", timeout, lambda data: data.get("device") == id)

    def qom(self, path, name):
        return self.qmp.cmd("qom-get", path=path, property=name)

    def qom_list(self, path):
        return {p["name"]: p for p in self.qmp.cmd("qom-list", path=path)}

    # -------------------------------------------------------------- logs

    def _file(self, name):
        if name not in self.saved:
            return self.host.sh(f"cat {self.dir}/{name} 2>/dev/null", 60, check=False
                                ).data.decode(errors="replace")
        return self.saved[name]

    def stderr(self):
        return self._file("stderr")

    def trace(self):
        return Trace(self._file("trace"))

    def console(self):
        return self.copy.text() if self.copy else ""

    # -------------------------------------------------------------- stop

    def stop(self):
        """End QEMU; keep its logs."""
        if not self.pid:
            return
        try:
            self.keep_logs()
            self.killed = not self.host.sh(f"""
                kill {self.pid} 2>/dev/null
                for i in $(seq {10 * util.ending}); do
                    [ -e {self.dir}/status ] && exit
                    sleep 0.1
                done
                kill -9 {self.pid}; sleep 0.5; exit 1""", util.ending + 25, check=False)
            self._keep_files()      # with QEMU's last messages
        finally:
            self.pid = None
            if self.copy:
                self.copy.stop()

    def keep_logs(self):
        if self.booted and self.pid:
            try:
                (self.log_dir / "l2-dmesg.log").write_bytes(self.agent.run("dmesg", 10).data)
            except LabError:
                pass    # it hangs or has ended; the console shows more
        self._keep_files()

    def _keep_files(self):
        self.saved.clear()
        for name, target in self.files.items():
            self.saved[name] = self._file(name)
            (self.log_dir / target).write_text(self.saved[name])
