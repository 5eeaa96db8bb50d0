# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A toy repository with the real scripts but a base of a few files, so that a composition takes a second and needs no
# network. The tests source this file and print their results as TAP.
set -uo pipefail
export LC_ALL=C.UTF-8 GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@example.com GIT_COMMITTER_NAME=T GIT_COMMITTER_EMAIL=t@example.com
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
TOY=$WORK/toy
export BUILD=$WORK/build
TREE=$BUILD/tree

count=0
failed=0
result() {    # STATUS NAME
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count $2"
    else
        echo "not ok $count $2"
        sed 's/^/# /' "$WORK/out"
        failed=1
    fi
}
finish() { echo "1..$count"; exit $failed; }

# expect NAME STATUS REGEX command...: compares the exit status (0 or 1), and looks for REGEX in the output
expect() {
    local name=$1 want=$2 regex=$3 got
    shift 3
    "$@" >"$WORK/out" 2>&1
    got=$?
    [ "$got" = "$want" ] && { [ -z "$regex" ] || grep -qE -- "$regex" "$WORK/out"; }
    result $? "$name"
}
same() { diff -r "$1" "$2" >"$WORK/out" 2>&1; result $? "$3"; }

patch_head() {    # SUBJECT
    printf '%s\n' 'From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001' \
        'From: A U Thor <author@example.com>' 'Date: Sat, 21 Nov 2026 10:00:00 +0100' "Subject: $1" ''
}

make_toy() {
    rm -rf "$TOY" "$BUILD"
    mkdir -p "$TOY"/{scripts,patches,hw/arm,tests/qtest,tests/unit} "$WORK/deb/DEBIAN" "$WORK/deb/usr/include/linux"
    cp "$TOP"/scripts/* "$TOY/scripts/"
    cp "$TOP/base.lock" "$TOY/"

    printf 'Package: linux-libc-dev\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.com>\nDescription: toy\n' >"$WORK/deb/DEBIAN/control"
    echo 'newer' >"$WORK/deb/usr/include/linux/iommufd.h"
    [ -f "$WORK/libc.deb" ] || dpkg-deb --root-owner-group -b "$WORK/deb" "$WORK/libc.deb" >/dev/null
    printf '#!/bin/sh\necho %s\n' "$WORK/libc.deb" >"$TOY/scripts/apt-private"
    cat >"$TOY/scripts/base" <<'END'
#!/bin/sh
[ -d "$BUILD/base" ] && exit
mkdir -p "$BUILD/base/debian" "$BUILD/base/hw/arm" "$BUILD/base/linux-headers/linux" "$BUILD/base/scripts"
cd "$BUILD/base"
printf 'qemu (1.0-1) unstable; urgency=low\n\n  * Toy.\n\n -- T <t@example.com>  Sat, 21 Nov 2026 10:00:00 +0000\n' >debian/changelog
seq 1 60 >hw/arm/virt.c
seq 100 130 >hw/arm/smmuv3.c
head -c 300 /dev/zero >hw/arm/blob.bin
echo older >linux-headers/linux/iommufd.h
echo 'echo hello' >scripts/hello.sh
chmod 755 scripts/hello.sh
echo toy >../base.stamp
END
    cat >"$TOY/patches/series" <<END
# kernel
headers.patch

# device
device.patch
# tests
tests.patch
END
    { patch_head 'linux-headers: Update iommufd.h'; printf '%s\n' 'Headers: linux/iommufd.h'; } >"$TOY/patches/headers.patch"
    {
        patch_head 'hw/arm: Bring the toy device, with a subject that is too long to stand on one line of a mail'
        printf '%s\n' 'A body with ä letter.' '' 'Signed-off-by: A U Thor <author@example.com>' \
            'Adds: hw/arm/toy.c' 'Adds: hw/arm/toy.h' '' \
            'diff --git a/hw/arm/virt.c b/hw/arm/virt.c' '--- a/hw/arm/virt.c' '+++ b/hw/arm/virt.c' \
            '@@ -9,6 +9,7 @@' ' 9' ' 10' ' 11' '+device' ' 12' ' 13' ' 14'
    } >"$TOY/patches/device.patch"
    { patch_head 'tests: Add the toy tests'; printf 'Adds: %s\n' tests/qtest/golden tests/unit/toy.py; } >"$TOY/patches/tests.patch"
    echo 'int toy;' >"$TOY/hw/arm/toy.c"
    echo 'extern int toy;' >"$TOY/hw/arm/toy.h"
    printf 'a\0b\377\r\nno newline at the end' >"$TOY/tests/qtest/golden"
    echo '#!/usr/bin/env python3' >"$TOY/tests/unit/toy.py"
    chmod 755 "$TOY/tests/unit/toy.py" "$TOY"/scripts/{base,apt-private}
    cd "$TOY" || exit
    git init -q .
    scripts/compose && scripts/refresh
    cp -a "$TOY" "$WORK/toy.orig"
} >"$WORK/setup.log" 2>&1

reset_toy() {
    rm -rf "$TOY"
    cp -a "$WORK/toy.orig" "$TOY"
    cd "$TOY" || exit
    if [ -d "$TREE/.git" ]; then
        git -C "$TREE" rebase --abort 2>/dev/null
        git -C "$TREE" checkout -q -f dev && git -C "$TREE" reset -q --hard refs/compose/tip
        git -C "$TREE" clean -fdxq
    fi
    scripts/compose >"$WORK/setup.log" 2>&1 || cat "$WORK/setup.log"
}
