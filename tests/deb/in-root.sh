#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run by scripts/deb-check in a clean Debian root, where /debs holds our packages and /debs/old the same as an older
# version: they install, upgrade, work and go, and Debian's QEMU does not notice. TAP.
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
says() {    # WORD command...: succeeds, and says it
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
starts() {    # the machine with all that reads a file of Debian's: the ROMs of a NIC and of a display, UEFI, a keymap
    echo quit | timeout 60 "$emulator" -M virt,gic-version=3 -cpu cortex-a57 -m 256 -nodefaults -S -monitor stdio -display none \
        -vnc none -k de -bios /usr/share/qemu-efi-aarch64/QEMU_EFI.fd -netdev user,id=n \
        -device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0 \
        -device arm-smmuv3,id=smmu1,primary-bus=pcie.1,accel=on -device virtio-net-pci,netdev=n,bus=pcie.0 -device e1000,bus=pcie.0 \
        -device bochs-display,bus=pcie.0 -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny
}
profile() {    # what the profile of a libvirt guest becomes; libvirt of Debian 12 includes no files of packages
    grep -q 'libvirt-qemu\.d' /etc/apparmor.d/abstractions/libvirt-qemu ||
        cat /etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel >>/etc/apparmor.d/local/abstractions/libvirt-qemu
    apparmor_parser -p /etc/apparmor.d/libvirt/TEMPLATE.qemu >/tmp/profile && grep -q "/usr/bin/$emulator rmix" /tmp/profile &&
        grep -q '/dev/iommu rw' /tmp/profile && grep -q '/dev/vfio/devices/\* rw' /tmp/profile &&
        apparmor_parser --skip-kernel-load --skip-cache --skip-read-cache /etc/apparmor.d/libvirt/TEMPLATE.qemu
}

apt update >/dev/null 2>&1
# What ours depend on stays, so that all that changes is theirs.
try "Debian's QEMU, libvirt and all dependencies install" apt install apparmor libvirt-daemon-system qemu-system-arm seabios
depends=$(apt-get -s install --no-install-recommends /debs/old/*.deb | sed -n 's/^Inst \([^ ]*\).*/\1/p' | grep -v -e smmuv3)
# shellcheck disable=SC2086
[ -z "$depends" ] || try "and these: $depends" apt install $depends
files >/tmp/before
md5sum /usr/bin/qemu-system-aarch64 >/tmp/debians

try 'an older version installs' apt install /debs/old/*.deb
old=$(version)
try 'beside an emulator of Debian, which is as it was' md5sum -c /tmp/debians
try "no file of Debian's QEMU has changed" dpkg --verify qemu-system-arm qemu-system-common qemu-system-data
echo '# of the administrator' >>/etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel
try 'it upgrades' apt install /debs/*.deb
try 'to a newer version' upgraded
try 'what only the older one had is gone' [ ! -e /usr/share/doc/$emulator/only-in-the-old-one ]
try "what an administrator has written stays" grep -q 'of the administrator' /etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel
try 'no package is broken' says '' apt check

try 'the emulator says its version' says "$(version)" $emulator --version
try 'it has the device' says 'ssidsize=' $emulator -device arm-smmuv3-accel,help
try "a machine starts, with the firmware of Debian's packages" starts
try 'smmuv3-spec knows its table' says 'IDR0' smmuv3-spec fields
try 'man pages' test -s /usr/share/man/man1/$emulator.1.gz -a -s /usr/share/man/man1/smmuv3-spec.1.gz
try 'documentation and examples' test -e /usr/share/doc/qemu-smmuv3-accel-doc/README.md.gz -a -d /usr/share/doc/qemu-smmuv3-accel-doc/examples
try 'the AppArmor profile of a libvirt guest takes it' profile
try "Debian's emulator runs as well" says 'QEMU emulator' qemu-system-aarch64 --version

try 'removed' apt remove $emulator smmuv3-spec qemu-smmuv3-accel-doc
try 'of it stays the configuration' test -e /etc/apparmor.d/abstractions/libvirt-qemu.d/smmuv3-accel -a ! -e /usr/bin/$emulator
try 'purged' apt purge $emulator smmuv3-spec qemu-smmuv3-accel-doc
for package in $emulator smmuv3-spec qemu-smmuv3-accel-doc; do try "$package is gone" gone "$package"; done
try 'no file is left, and none of others is gone' no_change
try 'the profile of libvirt guests is still valid' apparmor_parser --skip-kernel-load --skip-cache --skip-read-cache /etc/apparmor.d/libvirt/TEMPLATE.qemu
echo "1..$count"
exit $failed
