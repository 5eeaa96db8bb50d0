#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/deb-check runs this in a clean Debian root. /debs has our packages, and /debs/old has older versions of them.
# Tests that they install, upgrade, work and purge, and do not disturb Debian's QEMU. Prints TAP.
# shellcheck disable=SC2317
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
emulator=qemu-system-aarch64-smmuv3-accel
count=0
failed=0
try() {    # NAME command...
    name=$1
    shift
    count=$((count + 1))
    if "$@" >/tmp/out 2>&1; then
        echo "ok $count $name"
    else
        echo "not ok $count $name"
        tail -n 20 /tmp/out | sed 's/^/# /'
        failed=1
    fi
}
apt() { apt-get -q -y --no-install-recommends "$@" </dev/null; }
files() { find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /debs -o -path /var/lib/dpkg -o -path /var/lib/apt \
    -o -path /var/cache -o -path /var/log \) -prune -o -print | sort; }
says() {    # WORD command...: the command succeeds and prints WORD
    word=$1
    shift
    "$@" >/tmp/says 2>&1
    status=$?
    cat /tmp/says
    [ "$status" = 0 ] && grep -q -e "$word" /tmp/says
}
no_change() { files >/tmp/after && diff /tmp/before /tmp/after; }
version() { dpkg-query -W -f '${Version}\n' $emulator; }
upgraded() { [ "$(version)" != "$old" ] && dpkg --compare-versions "$(version)" gt "$old"; }
gone() { ! dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -v 'not-installed'; }
starts() {    # a machine that reads files of Debian's packages: the ROMs of a NIC and of a display, UEFI, a keymap
    echo quit | timeout 60 "$emulator" -M virt,gic-version=3 -cpu cortex-a57 -m 256 -nodefaults -S -monitor stdio -display none \
        -vnc none -k de -bios /usr/share/qemu-efi-aarch64/QEMU_EFI.fd -netdev user,id=n \
        -device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0 \
        -device arm-smmuv3,id=smmu1,primary-bus=pcie.1,accel=on -device virtio-net-pci,netdev=n,bus=pcie.0 -device e1000,bus=pcie.0 \
        -device bochs-display,bus=pcie.0 -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny
}
profile() {    # parses the profile of a libvirt guest; that of Debian 12 does not include files of packages
    grep -q 'libvirt-qemu\.d' /etc/apparmor.d/abstractions/libvirt-qemu ||
        cat /etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel >>/etc/apparmor.d/local/abstractions/libvirt-qemu
    apparmor_parser -p /etc/apparmor.d/libvirt/TEMPLATE.qemu >/tmp/profile && grep -q "/usr/bin/$emulator rmix" /tmp/profile &&
        grep -q '/dev/iommu rw' /tmp/profile && grep -q '/dev/vfio/devices/\* rw' /tmp/profile &&
        apparmor_parser --skip-kernel-load --skip-cache --skip-read-cache /etc/apparmor.d/libvirt/TEMPLATE.qemu
}

apt update >/dev/null 2>&1
# The dependencies are installed first and stay, so that all changes come from our packages.
try "Debian's QEMU, libvirt and all dependencies install" apt install apparmor libvirt-daemon-system qemu-system-arm seabios
depends=$(apt-get -s install --no-install-recommends /debs/old/*.deb | sed -n 's/^Inst \([^ ]*\).*/\1/p' | grep -v -e smmuv3)
# shellcheck disable=SC2086
[ -z "$depends" ] || try "dependencies install: $depends" apt install $depends
files >/tmp/before
md5sum /usr/bin/qemu-system-aarch64 >/tmp/debians

try 'an older version installs' apt install /debs/old/*.deb
old=$(version)
try "Debian's emulator has not changed" md5sum -c /tmp/debians
try "no file of Debian's QEMU has changed" dpkg --verify qemu-system-arm qemu-system-common qemu-system-data
echo '# of the administrator' >>/etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel
try 'the newer version installs' apt install /debs/*.deb
try 'the version is newer' upgraded
try 'a file of only the older version is gone' [ ! -e /usr/share/doc/$emulator/only-in-the-old-one ]
try "edits of an administrator stay" grep -q 'of the administrator' /etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel
try 'no package is broken' says '' apt check

try 'the emulator prints its version' says "$(version)" $emulator --version
try 'it has the device' says 'ssidsize=' $emulator -device arm-smmuv3-accel,help
try "a machine starts, with the firmware of Debian's packages" starts
try 'smmuv3-spec prints its table' says 'IDR0' smmuv3-spec fields
try 'man pages are installed' test -s /usr/share/man/man1/$emulator.1.gz -a -s /usr/share/man/man1/smmuv3-spec.1.gz
try 'documentation and examples are installed' test -e /usr/share/doc/qemu-smmuv3-accel-doc/README.md.gz -a -d /usr/share/doc/qemu-smmuv3-accel-doc/examples
try 'the AppArmor profile of a libvirt guest allows the emulator' profile
try "Debian's emulator runs as well" says 'QEMU emulator' qemu-system-aarch64 --version

try 'the packages can be removed' apt remove $emulator smmuv3-spec qemu-smmuv3-accel-doc
try 'only the configuration stays' test -e /etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel -a ! -e /usr/bin/$emulator
try 'the packages can be purged' apt purge $emulator smmuv3-spec qemu-smmuv3-accel-doc
for package in $emulator smmuv3-spec qemu-smmuv3-accel-doc; do try "$package is gone" gone "$package"; done
try 'the files in the root are the same as before' no_change
try 'the profile of libvirt guests is still valid' apparmor_parser --skip-kernel-load --skip-cache --skip-read-cache /etc/apparmor.d/libvirt/TEMPLATE.qemu
echo "1..$count"
exit $failed
