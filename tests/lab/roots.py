# SPDX-License-Identifier: GPL-2.0-or-later
"""Directory trees of arm64 packages: the cross sysroot, L1's root, a rival.

mmdebstrap's extract variant unpacks packages without running their programs, so
neither emulation nor a foreign architecture is needed on this machine.
"""

import os
import re
import subprocess
from pathlib import Path

from . import util
from .util import LabError

SYSROOT_PACKAGES = ["libc6-dev", "linux-libc-dev", "libglib2.0-dev", "libfdt-dev",
                    "libpixman-1-dev", "libslirp-dev", "libxml2-dev", "zlib1g-dev"]

# Increase it when the processing of the packages changes.
FORMAT = 2

# L1 is always trixie: its libraries also run programs that were linked on bookworm.
L1_SUITE = "trixie"
L1_PACKAGES = ["busybox-static", "strace", "qemu-efi-aarch64", "u-boot-qemu", "libc6", "libgcc-s1",
               "libglib2.0-0t64", "libfdt1", "libpixman-1-0", "libslirp0", "zlib1g",
               # smmuv3-spec reads XML
               "libxml2",
               # copied to a guest
               "kexec-tools",
               # for the lab itself, which runs in L1 as if that were an Arm host
               "python3-minimal", "libpython3-stdlib"]

# The packages that `make deb` builds and a host installs.
DEBS = ["qemu-system-aarch64-smmuv3-accel", "smmuv3-spec"]
EMULATOR = f"/usr/bin/{DEBS[0]}"

RIVAL_SUITES = ["trixie", "trixie-backports"]
RIVAL_PACKAGES = ["qemu-system-arm/trixie-backports"]


# Debian's libvirt: that of the stable release, and one that supports accel=on.
LIBVIRT_PACKAGES = ["libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-daemon-system",
                    "libvirt-clients", "libxml2-utils", "apparmor", "qemu-efi-aarch64", "base-files",
                    "base-passwd", "passwd", "bash", "dash", "coreutils", "util-linux", "mount",
                    "sed", "grep", "mawk",
                    # of the QEMU under test
                    "libglib2.0-0t64", "libfdt1", "libpixman-1-0", "libslirp0", "zlib1g"]
LIBVIRT_SUITES = ("trixie", "forky")
LIBVIRT_DEB = "deb"     # in place of a suite: that of L1_SUITE, on which the packages of `make deb` are installed


def sources(suites):
    return util.output([util.ROOT / "scripts/apt-private", "sources", *suites]) + "\n"


def extract(target, suites, packages, log, arch="arm64"):
    tool = util.need("mmdebstrap", "mmdebstrap")
    # name/suite: take this package from that suite.
    plain, pins = [], []
    for package in packages:
        name, _, suite = package.partition("/")
        plain.append(name)
        if suite:
            pins += ["--setup-hook=" + pin_hook(suite)]
    # Use a tar: without root, in a user namespace, the files of a directory
    # would get owners that this user could neither read nor remove.
    target.mkdir(exist_ok=True)
    tar = target.with_name(target.name + ".tar")
    # The archive's copies of unreleased suites may be older than their period of validity.
    args = [tool, "--variant=extract", f"--arch={arch}", "--include=" + ",".join(plain), *pins,
            *(["--aptopt=Acquire::Check-Valid-Until \"false\""] if suites[0] == "forky" else []),
            suites[0], tar, "-"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as file:
        proc = subprocess.run([str(a) for a in args], input=sources(suites).encode(),
                              stdout=file, stderr=subprocess.STDOUT,
                              env=dict(os.environ, LC_ALL="C.UTF-8"), check=False)
    if proc.returncode:
        tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-12:])
        hint = ("" if os.geteuid() == 0 else
                "\n  (without root, mmdebstrap needs user namespaces and lines for "
                "this user in /etc/subuid and /etc/subgid)")
        tar.unlink(missing_ok=True)
        raise LabError(f"mmdebstrap failed\n    {tail}\n  whole log: {log}{hint}")
    util.run(["tar", "-xf", tar, "-C", target, "--no-same-owner", "--exclude=./dev/*"])
    tar.unlink()


def pin_hook(suite):
    """Pin backports of QEMU and of Linux, with all packages of the same sources."""
    text = f"Package: src:qemu:any src:linux*:any\\nPin: release n={suite}\\nPin-Priority: 900\\n"
    return f'mkdir -p "$1/etc/apt/preferences.d" && printf \'{text}\' > "$1/etc/apt/preferences.d/lab"'


def relative_links(root):
    """Make absolute symlinks relative, because they would lead out of the tree."""
    for base, dirs, files in os.walk(root):
        for name in dirs + files:
            path = Path(base, name)
            if path.is_symlink() and os.readlink(path).startswith("/"):
                goal = str(root) + os.readlink(path)
                path.unlink()
                path.symlink_to(os.path.relpath(goal, path.parent))


def merge_usr(root):
    """Create the links that base-files creates when it is configured."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (root / name).exists() and (root / "usr" / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    # merged-usr systems of arm64 have the loader below /usr/lib
    if not (root / "lib").exists() and not (root / "lib").is_symlink():
        (root / "lib").symlink_to("usr/lib")


def host_suite():
    """The release of the C library that the cross compiler of this machine links."""
    if Path("/etc/os-release").exists():
        text = Path("/etc/os-release").read_text()
        found = re.search(r'^VERSION_CODENAME="?(\w+)', text, re.M)
        if found and found.group(1) in ("bookworm", "trixie"):
            return found.group(1)
    return "trixie"


def sysroot():
    suite = host_suite()
    key = util.key_of(suite, *SYSROOT_PACKAGES, FORMAT)
    with util.cached("sysroot", key) as (final, work):
        if work:
            with util.stage(f"arm64 sysroot ({suite})"):
                extract(work, [suite], SYSROOT_PACKAGES, util.LOGS / "sysroot.log")
                merge_usr(work)
                relative_links(work)
    return final


def ext4(tree, image, size_mb):
    """Make an ext4 image of a directory without root and without a loop device."""
    tool = util.need("mke2fs", "e2fsprogs")
    util.run([tool, "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E",
              "root_owner=0:0,lazy_itable_init=1", "-d", tree, image, f"{size_mb}M"])


def tree_mb(tree):
    total = sum(os.lstat(os.path.join(base, name)).st_size
                for base, _, files in os.walk(tree) for name in files)
    return total // (1 << 20)


def root_image(name, suites, packages, drop=(), files=(), debs=()):
    """An ext4 image of packages; (image, directory with files kept beside it).

    files: (path, text) to write into it.  debs: files to unpack on top.
    """
    key = util.key_of(name, suites, packages, drop, *files, FORMAT, *map(util.file_key, debs))
    with util.cached(name, key) as (final, work):
        if work:
            with util.stage(f"{name} image ({suites[-1]}, arm64 packages)"):
                tree = work / "tree"
                fill(tree, name, suites, packages, drop, files, debs)
                for sub in ("proc", "sys", "dev", "run", "tmp", "lab", "root", "mnt", "rival"):
                    (tree / sub).mkdir(exist_ok=True)
                for keep in ("usr/bin/busybox", "usr/share/qemu-efi-aarch64/QEMU_EFI.fd"):
                    if (tree / keep).exists():
                        os.link(tree / keep, work / Path(keep).name)
                ext4(tree, work / "image", tree_mb(tree) * 5 // 4 + 64)
                util.remove_tree(tree)
    return final


def fill(tree, name, suites, packages, drop, files, debs=(), arch="arm64"):
    """Fill a directory: packages, .deb files on top, without the patterns of drop, plus files."""
    extract(tree, suites, packages, util.LOGS / f"{name}.log", arch)
    merge_usr(tree)
    for deb in debs:
        util.run(["dpkg-deb", "-x", deb, tree])
    for pattern in drop:
        for path in tree.glob(pattern):
            util.remove_tree(path) if path.is_dir() else path.unlink()
    for path, text in files:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)


BULK = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/AAVMF",
        "var/lib/apt", "var/cache", "var/lib/dpkg/info", "usr/share/bash-completion")


def l1_root():
    return root_image("l1-root", [L1_SUITE], L1_PACKAGES, BULK)


def fio_root():
    """L1's root with fio, which measures disks."""
    return root_image("fio-root", [L1_SUITE], [*L1_PACKAGES, "fio"], BULK)


def deb_root():
    """A root with the arm64 packages of `make deb` and their dependencies, without files of the build."""
    debs = built_debs()
    return root_image("deb-root", [L1_SUITE], ["busybox-static", *depends(debs)], BULK, debs=debs)


def built_debs():
    """The paths of the arm64 packages of `make deb`."""
    found = [sorted((util.BUILD / f"deb/{L1_SUITE}").glob(f"{name}_*_arm64.deb")) for name in DEBS]
    if not all(found):
        raise LabError(f"{util.BUILD}/deb/{L1_SUITE} does not have {' and '.join(DEBS)}: build them with `make deb'")
    return [paths[-1] for paths in found]


def depends(debs):
    """The names of the packages that .deb files depend on; of alternatives the first one."""
    text = ",".join(util.output(["dpkg-deb", "-f", deb, "Depends"]) for deb in debs)
    return sorted({re.split(r"[ (|:]", word.strip())[0] for word in text.split(",") if word.strip()})


# QEMU as Debian has it, to emulate the server, with the ROMs of network devices.
SERVER_PACKAGES = ["qemu-system-arm", "ipxe-qemu"]


def server_tree():
    """The directory of Debian's QEMU for Arm, for this machine's architecture."""
    name = f"server-{L1_SUITE}"
    with util.cached(name, util.key_of(name, SERVER_PACKAGES, BULK, FORMAT)) as (final, work):
        if work:
            with util.stage(f"QEMU of {L1_SUITE}, to emulate the server"):
                tree = work / "tree"
                fill(tree, name, [L1_SUITE], SERVER_PACKAGES, BULK, (), arch=util.host_arch())
                relative_links(tree)
    return final / "tree"


def run_in(tree, program):
    """The words that run a program of a tree with the tree's own libraries, whatever this machine has."""
    loader = next(path for pattern in ("lib*/ld-linux-*", "lib/*/ld-linux-*") for path in tree.glob(f"usr/{pattern}"))
    libraries = sorted({path.parent for path in tree.glob("usr/lib/**/lib*.so.*")})
    return [loader, "--library-path", ":".join(map(str, libraries)), program]


def rival_root():
    return root_image("rival", RIVAL_SUITES, RIVAL_PACKAGES, BULK)


# The effects of maintainer scripts, which are not run here.
LIBVIRT_FILES = (
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                   "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
                   "user:x:1000:1000::/tmp:/bin/sh\n"
                   "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n"),
    ("etc/group", "root:x:0:\ntty:x:5:\nkvm:x:104:libvirt-qemu\nlibvirt:x:105:\n"
                  "libvirt-qemu:x:64055:\nuser:x:1000:\nnogroup:x:65534:\n"),
    ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
)

# The firmware with secure boot takes four hundred megabytes; the network drivers need a firewall.
LIBVIRT_DROP = ("usr/share/AAVMF/AAVMF_CODE.secboot*", "usr/share/AAVMF/*.ms.fd",
                "usr/share/AAVMF/*.snakeoil.fd", "usr/share/qemu/firmware/*secure*",
                "usr/lib/aarch64-linux-gnu/libvirt/connection-driver/libvirt_driver_network.so",
                "usr/lib/aarch64-linux-gnu/libvirt/connection-driver/libvirt_driver_nwfilter.so")


def libvirt_root(suite):
    bulk = [path for path in BULK if "AAVMF" not in path]
    debs = built_debs() if suite == LIBVIRT_DEB else []
    packages = sorted({*LIBVIRT_PACKAGES, *depends(debs)}) if debs else LIBVIRT_PACKAGES
    return root_image(f"libvirt-{suite}", [L1_SUITE if debs else suite], packages, (*LIBVIRT_DROP, *bulk), LIBVIRT_FILES, debs)


def libvirt_tree(suite, packages):
    """A directory with a suite's libvirt for this machine, to run in place."""
    key = util.key_of(suite, packages, LIBVIRT_DROP, LIBVIRT_FILES, FORMAT)
    name = f"libvirt-here-{suite}"
    with util.cached(name, key) as (final, work):
        if work:
            with util.stage(f"libvirt of {suite}"):
                tree = work / "tree"
                fill(tree, name, [suite], packages, LIBVIRT_DROP, LIBVIRT_FILES, arch=util.host_arch())
                for sub in ("proc", "sys", "dev", "tmp"):
                    (tree / sub).mkdir(exist_ok=True)
                (tree / EMULATOR[1:]).touch(0o755)
    return final / "tree"


def efi():
    return l1_root() / "QEMU_EFI.fd"
