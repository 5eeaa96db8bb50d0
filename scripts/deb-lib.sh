# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# deb: the version, and the source directory, of our packages.

# The version consists of Debian's version, the number of our commits that changed packaged files, and the release. If
# any of the three grows, the version is newer.
deb_version() {    # SUITE
    local base release
    base=$(lock_lines source | sed -n 's/^qemu \([^ ]*\) .*/\1/p')
    case $1 in bookworm) release=12 ;; trixie) release=13 ;; *) die "$1: there are no packages for this release; choose bookworm or trixie" ;; esac
    [ "$(git -C "$ROOT" rev-parse --is-shallow-repository)" = false ] ||
        die "this clone is shallow, so its commits cannot be counted for the version; type 'git fetch --unshallow'"
    echo "${base#*:}+accel$(git -C "$ROOT" rev-list --count HEAD -- "${OVERLAY_DIRS[@]}" patches packaging base.lock)~deb$release"
}

maintainer() { echo "${DEBFULLNAME:-arm-smmuv3-accel} <${DEBEMAIL:-arm-smmuv3-accel@localhost}>"; }

deb_changelog() {    # VERSION
    local base
    base=$(lock_lines source | sed -n 's/^qemu \([^ ]*\) .*/\1/p')
    cat <<END
qemu-smmuv3-accel ($1) unstable; urgency=medium

  * QEMU $base of Debian.
  * With the series of arm-smmuv3-accel at commit
    $(git -C "$ROOT" rev-parse --short=12 HEAD).

 -- $(maintainer)  $(git -C "$ROOT" log -1 --format=%cd --date=rfc)
END
}

deb_source() {    # DIR VERSION: the composed tree, and debian/
    rm -rf "${1%/*}"
    mkdir -p "$1"
    tgit archive dev | tar -x -C "$1"
    rm -rf "$1/debian"
    cp -r "$ROOT/packaging/deb" "$1/debian"
    sed -i "s/^Maintainer: .*/Maintainer: $(maintainer)/" "$1/debian/control"
    deb_changelog "$2" >"$1/debian/changelog"
    "$ROOT/scripts/manpages" "$1/debian/man"
    mkdir -p "$1/debian/docs" "$1/debian/examples"
    "$ROOT/scripts/doc-files" docs "$1/debian/docs"
    "$ROOT/scripts/doc-files" examples "$1/debian/examples"
}
