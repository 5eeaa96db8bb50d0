#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make deb without the builds: versions that grow, a changelog that dpkg can read, and the documentation.
# shellcheck disable=SC2016,SC2317
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

mkdir -p "$TOY" "$BUILD"
cp -r "$TOP"/{scripts,packaging,docs,README.md,base.lock} "$TOY/"
cd "$TOY" || exit
sed -i 's/^source qemu [^ ]*/source qemu 1:10.0.13+ds-0+deb13u1/' base.lock
git init -q . && git add -A && git commit -qm one
lib() { bash -c '. scripts/lib.sh; . scripts/deb-lib.sh; "$@"' scripts/toy "$@"; }
newer() { dpkg --compare-versions "$1" gt "$2"; }
first=$(lib deb_version trixie)
expect "version $first" 0 '^10\.0\.13\+ds-0\+deb13u1\+accel1~deb13$' echo "$first"
expect 'Debian 13 is an upgrade from Debian 12' 0 '' newer "$first" "$(lib deb_version bookworm)"
expect 'the version is newer than that of the base' 0 '' newer "$first" 10.0.13+ds-0+deb13u1
echo more >>README.md && git commit -qam 'README: more'
expect 'a commit to files that are not packaged does not change the version' 0 "^${first//+/\\+}\$" lib deb_version trixie
echo '# more' >>packaging/deb/rules && git commit -qam 'packaging: more'
second=$(lib deb_version trixie)
expect 'a commit to packaged files makes a newer version' 0 '' newer "$second" "$first"
sed -i 's/+deb13u1/+deb13u2/' base.lock
expect "a newer base makes a newer version" 0 '' newer "$(lib deb_version trixie)" "$second"
expect 'an unknown release is refused' 1 'sid: there are no packages for this release' lib deb_version sid
git clone -q --depth 1 "file://$TOY" "$WORK/shallow"
expect 'a shallow clone is refused' 1 'git fetch --unshallow' bash -c 'cd "$0"; . scripts/lib.sh; . scripts/deb-lib.sh; deb_version trixie' "$WORK/shallow"

lib deb_changelog "$second" >"$WORK/changelog"
expect 'dpkg reads the changelog' 0 "^Version: ${second//+/\\+}\$" dpkg-parsechangelog -l "$WORK/changelog"
expect 'the changelog names the base' 0 'QEMU 1:10.0.13.ds-0.deb13u2' cat "$WORK/changelog"
expect 'an unknown architecture is refused' 1 'there are no packages for trixie/riscv64' scripts/deb trixie/riscv64

expect 'it copies the documentation' 0 '' scripts/doc-files docs "$WORK/docs"
expect 'the pages are copied as they are' 0 'smmuv3-accel.rst' ls "$WORK/docs"
mkdir -p "$BUILD/manual/html" && touch "$BUILD/manual/html/index.html"
expect 'it copies the documentation with HTML' 0 '' scripts/doc-files docs "$WORK/docs2"
expect 'HTML is copied if it is built' 0 '' test -f "$WORK/docs2/html/index.html"
expect 'it copies the examples' 0 '' scripts/doc-files examples "$WORK/examples"
expect 'the examples have domains of libvirt' 0 'guest-hotplug.xml' ls "$WORK/examples"
finish
