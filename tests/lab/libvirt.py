# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's libvirt in L1, in a root directory of its own, and its guests."""

import json
import secrets
import shlex

from . import images, util
from .channel import Agent, LabError
from .checks import expect
from .roots import EMULATOR, LIBVIRT_DEB

EXAMPLES = util.ROOT / "docs/system/arm/smmuv3-accel-libvirt"
# What AppArmor allows QEMU in addition to libvirt's own rules
RULES = "/etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel"

# The state that udev and systemd would create, and files in /var/lib/libvirt/images.
PREPARE = f"""
set -e
mounted() {{ grep -q " $1 " /proc/mounts; }}
mkdir -p $root && cd $root
mounted $root || {{
    for d in /sys/block/vd*; do [ "$(cat $d/serial)" = $name ] && mount -t ext4 /dev/${{d##*/}} .; done
    cd $root
    mount -t proc proc proc
    mount --bind /sys sys
    mount --bind /dev dev
    mount -t tmpfs run run
    mount -t tmpfs tmp tmp
    [ -e .{EMULATOR} ] || {{
        mkdir -p lab/qemu
        mount --bind /lab/qemu lab/qemu
        touch .{EMULATOR}
        mount --bind /lab/qemu/qemu-system-aarch64 .{EMULATOR}
    }}
    mkdir -p var/lib/libvirt/images var/log/libvirt/qemu run/libvirt
    rm -rf var/run && ln -s /run var/run
    [ -e usr/bin/sh ] || ln -s dash usr/bin/sh
    [ -e usr/bin/awk ] || ln -s mawk usr/bin/awk
    cp /lab/guest/Image /lab/guest/initrd var/lib/libvirt/images/
}}
mounted /dev/pts || {{
    mkdir -p /dev/pts && mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
}}
mounted /dev/shm || {{ mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm; }}
mounted /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
mounted /sys/kernel/security || mount -t securityfs security /sys/kernel/security
mkdir -p $root/dev/pts $root/dev/shm
for m in dev/pts dev/shm sys/fs/cgroup sys/kernel/security; do
    mounted $root/$m || mount --bind /$m $root/$m
done
chgrp 104 /dev/kvm && chmod 660 /dev/kvm
# libvirt enters the mount namespaces of its guests, which would take it out of a chroot.
kill -0 $(cat /tmp/$name.pid 2>/dev/null) 2>/dev/null || {{
    rm -f /tmp/$name.pid
    setsid unshare -m sh -c "cd $root && pivot_root . mnt && umount -l /mnt && exec sleep 1000000" \\
        </dev/null >/dev/null 2>&1 &
    echo $! >/tmp/$name.pid
    until grep -q "^sleep" /proc/$!/cmdline; do sleep 0.1; done
}}
"""

# Copies data between a socket of libvirt and a port of the lab in L1.
RELAY = """
import os, select, socket, sys
port = os.open(sys.argv[1], os.O_RDWR)
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[2])
while True:
    ready, _, _ = select.select([port, sock], [], [])
    for source in ready:
        data = os.read(source if source is port else sock.fileno(), 65536)
        if not data:
            sys.exit()
        target = sock.fileno() if source is port else port
        while data:
            data = data[os.write(target, data):]
"""


class Libvirt:
    """A running libvirtd in L1."""

    def __init__(self, lab, suite):
        self.lab = lab
        self.l1 = lab.l1
        self.name = f"libvirt-{suite}"
        self.root = f"/lab/{self.name}"
        self.domains = []
        self.l1.sh(f"root={self.root} name={self.name}\n{PREPARE}", 120)
        if suite != LIBVIRT_DEB:    # the package has its own
            self.put(RULES, (EXAMPLES / "apparmor").read_text())
        self.sh("""
            apparmor_parser -r /etc/apparmor.d/usr.sbin.libvirtd /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper &&
            virtlogd -d && libvirtd -d || exit
            for i in $(seq 100); do virsh version --daemon >/dev/null 2>&1 && break; sleep 0.3; done
            virsh capabilities | grep -q "<model>apparmor</model>" && exit
            cat /var/log/libvirt/libvirtd.log; exit 1""", 120)

    def sh(self, script, timeout=60, check=True, fds=None):
        """A command in libvirt's root; fds: {number: path} opened for it."""
        opened = " ".join(f"{number}<>{path}" for number, path in (fds or {}).items())
        return self.l1.sh(f"PATH=/usr/bin:/usr/sbin:/run/bin HOME=/root nsenter -t $(cat /tmp/{self.name}.pid) "
                          f"-m /usr/bin/bash -c {shlex.quote('cd /; ' + script)} {opened}", timeout, check)

    def virsh(self, command, timeout=60, check=True, fds=None):
        return self.sh(f"virsh {command}", timeout, check, fds).out

    def refuses(self, command, *words):
        """Run a command of virsh that must fail, with these words in its message."""
        result = self.sh(f"virsh {command}", check=False)
        expect(not result, f"virsh {command} worked, but it should fail")
        for word in words:
            expect(word in result.out, f"virsh {command}: no {word!r} in {result.out}")

    def put(self, path, text):
        self.l1.sh(f"mkdir -p {self.root}{path.rpartition('/')[0]}")
        self.l1.put(self.root + path, text.encode())

    def example(self, name):
        """Copy one of the page's files to a place where virsh finds it."""
        self.put(f"/root/{name}", (EXAMPLES / name).read_text())
        return f"/root/{name}"

    def define(self, name):
        """Validate and define a domain of the page; returns the Domain."""
        path = self.example(name)
        self.sh(f"virt-xml-validate {path} domain")
        self.virsh(f"define --validate {path}")
        return self.domain(self.sh(f"sed -n 's,.*<name>\\(.*\\)</name>.*,\\1,p' {path}").out)

    def domain(self, name):
        """The Domain of a defined domain; it is removed after the scenario."""
        self.domains.append(Domain(self, name))
        return self.domains[-1]

    def keep_logs(self):
        for log in ("libvirtd.log", "qemu/*.log"):
            text = self.sh(f"cat /var/log/libvirt/{log}", check=False).out
            (self.lab.dir / log.replace("/", "-").replace("*", "domain")).write_text(text + "\n")

    def stop(self):
        self.keep_logs()
        for domain in self.domains:
            domain.stop()
            self.virsh(f"undefine --nvram {domain.name}", check=False)
        self.l1.sh("kill $(pidof libvirtd) $(pidof virtlogd); while pidof libvirtd; do sleep 0.2; done",
                   check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Domain:
    """A guest of libvirt, with the interface of an L2 for checks, and virsh."""

    def __init__(self, libvirt, name):
        self.libvirt = libvirt
        self.l1 = libvirt.l1
        self.name = name
        self.agent = None

    def start(self, fds=None):
        """fds: {group: path}, associated with the domain by name."""
        nonce = secrets.token_hex(4)
        words = images.Cpio()
        words.file("lab.words", f"lab.role=l2 lab.nonce={nonce}\n".encode())
        self.l1.put("/tmp/words", words.finish())
        self.l1.sh(f"cat /lab/guest/initrd /tmp/words > {self.libvirt.root}/var/lib/libvirt/images/initrd")
        numbers = {5 + n: path for n, path in enumerate((fds or {}).values())}
        commands = [f"dom-fd-associate {self.name} --name {group} --pass-fds {5 + n}"
                    for n, group in enumerate(fds or {})] + [f"start {self.name}"]
        channel = self.l1.channel("a", "agent", None)
        self.libvirt.virsh(shlex.quote("; ".join(commands)), 120, fds=numbers)
        self.confined()
        socket = self.libvirt.sh(f"virsh dumpxml {self.name} | "
                                 "sed -n \"s,.*<source mode='bind' path='\\(.*\\)'/>.*,\\1,p\"").out
        port = self.l1.chardev("a", "agent").split("path=")[1]
        self.l1.put("/tmp/relay.py", RELAY.encode())
        self.l1.sh(f"setsid python3 /tmp/relay.py {port} {self.libvirt.root}{socket} "
                   "</dev/null >/tmp/relay.log 2>&1 & echo $! > /tmp/relay.pid")
        self.agent = Agent(channel, nonce, "L2")
        self.agent.hello(180)
        return self

    def confined(self):
        """Check that QEMU is not root, and is confined by a control group and AppArmor."""
        uid, group, label = self.l1.sh(f"""
            p=$(cat {self.libvirt.root}/run/libvirt/qemu/{self.name}.pid) || exit
            sed -n 's/^Uid:\\t\\([0-9]*\\).*/\\1/p' /proc/$p/status; cat /proc/$p/cgroup /proc/$p/attr/current""").out.split("\n")
        expect(uid == "64055", f"QEMU runs as user {uid}")
        expect("/machine/qemu-" in group, f"QEMU is in the control group {group}")
        expect(label.startswith("libvirt-") and "(enforce)" in label, f"AppArmor's label of QEMU is {label}")

    def sh(self, script, timeout=60, check=True):
        """Run a script in the guest."""
        return self.agent.sh(script, timeout, check)

    def qmp(self, name, fds=None, **arguments):
        command = json.dumps({"execute": name, "arguments": arguments})
        passing = "".join(f" --pass-fds {number}" for number in fds or {})
        answer = json.loads(self.libvirt.virsh(
            f"qemu-monitor-command {self.name}{passing} {shlex.quote(command)}", fds=fds))
        if "error" in answer:
            raise LabError(answer["error"]["desc"])
        return answer["return"]

    def vsmmus(self):
        return self.qmp("query-smmuv3-accel")

    def stop(self):
        self.libvirt.virsh(f"destroy {self.name}", check=False)
        self.l1.sh("kill $(cat /tmp/relay.pid) && rm /tmp/relay.pid", check=False)
