#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The source of packages: the mirror, in each form that a machine may name it, and base.lock with the cache. There is no
# network, so a package that is not in the cache must fail.
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

mkdir -p "$TOY/scripts" "$WORK/etc/parts"
cp "$TOP"/scripts/* "$TOY/scripts/"
cp "$TOP/base.lock" "$TOY/"
cd "$TOY" || exit
export XDG_CACHE_HOME=$WORK/cache APT_CONFIG=$WORK/apt.conf
CACHE=$XDG_CACHE_HOME/arm-smmuv3-accel/deb
mkdir -p "$CACHE"
cat >"$APT_CONFIG" <<END
Dir::Etc::sourcelist "$WORK/etc/sources.list";
Dir::Etc::sourceparts "$WORK/etc/parts";
Dir::State::lists "$WORK/lists";
END
mkdir -p "$WORK/lists/partial"
machine() { rm -f "$WORK/etc/sources.list" "$WORK"/etc/parts/*; cat >"$WORK/etc/$1"; }

machine sources.list <<'END'
deb http://mirror.example/debian bookworm main contrib
deb-src http://mirror.example/debian bookworm main
deb http://safe.example/debian-security bookworm-security main
END
expect 'one-line sources' 0 '^http://mirror.example/debian/$' scripts/apt-private mirror
expect 'another suite of the same mirror' 0 '^deb \[signed-by=.*keyring.gpg\] http://mirror.example/debian/ trixie main$' scripts/apt-private sources trixie
expect 'the security mirror' 0 'http://safe.example/debian-security/ trixie-security main' scripts/apt-private sources trixie-security

machine parts/debian.sources <<'END'
Types: deb deb-src
URIs: https://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
expect 'deb822 sources of Debian 13' 0 '^https://mirror.example/debian/$' scripts/apt-private mirror
expect 'a machine without a security mirror' 0 '' scripts/apt-private sources trixie-security
expect 'backports of another release' 0 'mirror.example/debian/ bookworm-backports main' scripts/apt-private sources bookworm-backports

machine sources.list <<'END'
deb cdrom:[Debian]/ bookworm main
deb [arch=amd64] http://vendor.example/linux/debian bookworm stable
deb http://vendor.example/apt nodistro main
deb mirror+file:/etc/apt/mirrors/debian.list bookworm main
END
expect 'a mirror list is used, but neither a disk nor another vendor' 0 '^mirror.file:/etc/apt/mirrors/debian.list/?$' scripts/apt-private mirror

machine sources.list <<<'deb http://vendor.example/apt nodistro main'
expect 'no Debian mirror at all' 1 "no Debian mirror in this machine's apt sources" scripts/apt-private mirror
expect 'without a mirror there is no package' 1 'no Debian mirror' scripts/apt-private download linux-libc-dev

machine sources.list <<<'deb http://127.0.0.1:9/debian bookworm main'
expect 'a mirror that does not answer' 1 'cannot read the package indexes' scripts/apt-private download linux-libc-dev

echo 'a package' >"$CACHE/toy_1%3a2_all.deb"
echo 'a source' >"$CACHE/qemu_1.dsc"
cat >base.lock <<END
source qemu 1:1-1 1:1.
source-file $(sha256sum "$CACHE/qemu_1.dsc" | cut -d' ' -f1) qemu_1.dsc
deb toy 1:2 all $(sha256sum "$CACHE/toy_1%3a2_all.deb" | cut -d' ' -f1)
END
expect 'a package with the right hash needs no network' 0 'toy_1%3a2_all.deb$' scripts/apt-private download toy
expect 'the same with its version' 0 'toy_1%3a2_all.deb$' scripts/apt-private download toy=1:2
expect 'a source with the right hash needs no network' 0 'qemu_1.dsc$' scripts/apt-private source qemu
echo >>"$CACHE/toy_1%3a2_all.deb"
expect 'a damaged package is not used' 1 'cannot read the package indexes' scripts/apt-private download toy
echo >>"$CACHE/qemu_1.dsc"
expect 'a damaged source is not used' 1 'cannot read the package indexes' scripts/apt-private source qemu
finish
