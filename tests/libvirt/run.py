#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Test Debian's libvirts on this machine with the QEMU that was built; prints TAP.

Each libvirt runs unprivileged, in a root directory of its own packages, with the
embedded driver: no daemon, nothing installed.  LIBVIRT_GOLDEN=write writes the
expected command lines, argv/*.args, again.
"""

import difflib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from lab import roots, util     # noqa: E402
from lab.libvirt import EXAMPLES    # noqa: E402
from lab.roots import EMULATOR  # noqa: E402

PACKAGES = ["libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients", "libxml2-utils",
            "qemu-efi-aarch64", "dash", "coreutils", "util-linux", "sed",
            # of the QEMU that was built
            "libglib2.0-0", "libfdt1", "libpixman-1-0", "libslirp0", "zlib1g"]
NEW = "forky"       # the suite whose libvirt supports accel=on
SUITES = ("bookworm", "trixie", NEW)
URI = "qemu:///embed?root=/tmp/r"

# (domain, whether it also starts): for all libvirts, and for the new one only.
DOMAINS = (("emulated", False), ("guest-libvirt-11", True), ("guest-hotplug", False))
NEW_DOMAINS = (("per-bus", True), ("kubevirt", True), ("cmdqv", True))

# The properties that libvirt 12.7 and newer find in device-list-properties.
MARKS = ("arm-smmuv3.smmu_per_bus", "arm-smmuv3.accel", "arm-smmuv3.cmdqv")


class Root:
    """The root directory of one libvirt."""

    def __init__(self, suite):
        self.suite = suite
        self.path = roots.libvirt_tree(suite, PACKAGES)
        self.version = self.sh("virsh --version").stdout.strip()

    def sh(self, script, timeout=120):
        """Run a script in the root as nobody, with a private /tmp for all that it starts."""
        scratch = util.BUILD / f"libvirt/{self.suite}"
        scratch.mkdir(parents=True, exist_ok=True)
        scratch.chmod(0o777)
        root = self.path
        outer, inner = [], f"chroot --userspec=65534:65534 --groups= {root}"
        if os.geteuid():
            outer = ["--user", "--map-root-user"]
            inner = f"unshare --user --map-user=1000 --map-group=1000 --root={root}"
        mounts = f"""
            mount --rbind /dev {root}/dev && mount --rbind /proc {root}/proc &&
            mount --rbind /sys {root}/sys && mount --bind {scratch} {root}/tmp &&
            mount --bind {util.BUILD}/obj/qemu-system-aarch64 {root}{EMULATOR} &&
            exec env -i HOME=/tmp LC_ALL=C PATH=/usr/bin:/usr/sbin:/bin \\
                {inner} /bin/dash -c {shlex.quote(script)}"""
        return subprocess.run(["unshare", "--mount", "--propagation", "private", *outer, "sh", "-c", mounts],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout, check=False)

    def put(self, name, text):
        (util.BUILD / f"libvirt/{self.suite}/{name}").write_text(text)
        return f"/tmp/{name}"


def domain_xml(name):
    """A domain of the manual's page or of this directory, changed for a machine without KVM."""
    path = HERE / f"domains/{name}.xml"
    text = (path if path.exists() else EXAMPLES / f"{name}.xml").read_text()
    text = text.replace("type='kvm'", "type='qemu'")
    text = text.replace("<cpu mode='host-passthrough'/>",
                        "<cpu mode='custom'><model>cortex-a57</model></cpu>")
    # An unprivileged libvirt may not raise the limit of locked memory.
    text = re.sub(r"\s*<memtune>.*?</memtune>", "", text, flags=re.S)
    # No descriptor is passed, and there is no kernel to boot.
    text = re.sub(r" fdgroup='iommu'", "", text)
    return re.sub(r"\s*<(kernel|initrd|cmdline)>[^<]*</\1>", "", text)


def readable(argv):
    """One option in each line, without parts that differ between runs."""
    line = argv.strip().splitlines()[-1]
    # Ignore whether QEMU was built with a sandbox.
    line = re.sub(r" -sandbox \S+", "", line)
    words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)]
    lines = []
    for word in words:
        word = re.sub(r"/tmp/r/\S*?/(?=[^/]*$)", "", word)
        word = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", word)
        if word.startswith("-") or not lines:
            lines.append(word)
        else:
            lines[-1] += " " + word
    return "\n".join(lines) + "\n"


def ours(lines):
    return "".join(line for line in lines.splitlines(True) if re.search("smmuv3|pxb|root-port|iommufd", line))


def probed(root):
    """libvirt accepts the emulator, and detects the features that its version supports."""
    result = root.sh(f"virsh -c '{URI}' domcapabilities --emulatorbin {EMULATOR} --arch aarch64 "
                     "--machine virt --virttype qemu")
    if "<domainCapabilities>" not in result.stdout:
        return result.stdout
    cache = root.sh("cat /tmp/r/cache/qemu/capabilities/*.xml").stdout
    missing = [mark for mark in MARKS if (f"'{mark}'" in cache) != (root.suite == NEW)]
    return f"wrong in the probe's result: {missing}" if missing else ""


def same_argv(root, name):
    path = root.put(f"{name}.xml", domain_xml(name))
    result = root.sh(f"virsh -q -c '{URI}' domxml-to-native qemu-argv {path} 2>&1")
    if result.returncode:
        return result.stdout
    golden = HERE / f"argv/{name}.{root.suite}.args"
    have = readable(result.stdout)
    if os.environ.get("LIBVIRT_GOLDEN") == "write":
        golden.write_text(have)
    want = golden.read_text() if golden.exists() else ""
    if root.suite == NEW:
        # That suite is not released: its libvirt changes, and may write other options.
        have, want = ours(have), ours(want)
    return "".join(difflib.unified_diff(want.splitlines(True), have.splitlines(True), golden.name, "now"))


def starts(root, name):
    path = root.put(f"{name}.xml", domain_xml(name))
    result = root.sh(f"""
        mkdir -p /tmp/run/etc && echo 'stdio_handler = "file"' >/tmp/run/etc/qemu.conf
        timeout -s INT 15 virt-qemu-run -v -r /tmp/run {path} 2>&1""")
    return "" if "guest running" in result.stdout else result.stdout


def tests():
    for suite in SUITES:
        root = Root(suite)
        who = f"{root.version} ({suite})"
        yield f"{who} probes this QEMU", lambda root=root: probed(root)
        for name, start in DOMAINS + (NEW_DOMAINS if suite == NEW else ()):
            yield f"{who}: command line of {name}", lambda r=root, n=name: same_argv(r, n)
            if start:
                yield f"{who} starts {name}", lambda r=root, n=name: starts(r, n)


def main():
    count = 0
    for count, (name, test) in enumerate(tests(), 1):
        wrong = test()
        print(f"{'not ok' if wrong else 'ok'} {count} {name}", flush=True)
        for line in wrong.splitlines()[-30:]:
            print(f"# {line}")
    print(f"1..{count}")


if __name__ == "__main__":
    try:
        main()
    except util.LabError as error:
        sys.exit(f"libvirt: error: {error}")
