# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# apt-private: fetches packages by name, version and hash.
DEBS=$CACHE/deb
: "${arch:=}" "${D:=}"

show() {    # SPEC: "VERSION ARCH SHA256" of the newest version that fits; empty if there is none
    { papt apt-cache show "$1" 2>/dev/null || true; } |
        awk '/^Version: / { v = $2 } /^Architecture: / { a = $2 } /^SHA256: / { print v, a, $2 }' |
        sort -V | tail -n 1
}

newest_kernel() { sed -n '/^linux-[a-z]*-[0-9.]*$/p' | sort -V | tail -n 1; }    # of names on standard input

newest() {    # NAME LOCKED-VERSION: "NAME VERSION ARCH SHA256" of the replacement for a version that the archive lost
    local name=$1 found
    found=$(show "$name")
    # The kernel's version is part of this name.
    if [ -z "$found" ] && [[ $name =~ ^linux-(source|config)- ]]; then
        name=$(papt apt-cache pkgnames "${name%-*}-" | newest_kernel)
        [ -z "$name" ] || found=$(show "$name")
    fi
    if [ -z "$found" ] || dpkg --compare-versions "${found%% *}" lt "$2"; then
        die "the archive has neither $1 $2 nor a newer version of it"
    fi
    note "$1 $2 is no longer in the archive: taking ${found%% *}, checked by the archive's signature instead of base.lock ('make lock' records it)"
    echo "$name $found"
}

download() {    # NAME, NAME=VERSION or NAME/SUITE
    local name=${1%%[=/]*} spec=$1 version='' deb_arch='' hash='' found file tmp
    read -r version deb_arch hash < <(lock_lines deb | awk -v n="$name" -v a="$arch" '$1 == n && ($3 == "all" || $3 == a) { print $2, $3, $4 }') || true
    if [ "$spec" = "$name" ] && [ -n "$version" ]; then spec=$name=$version; fi
    if [ -n "$version" ] && [ "$spec" = "$name=$version" ]; then
        file=$DEBS/${name}_${version//:/%3a}_$deb_arch.deb
        if has_hash "$file" "$hash"; then echo "$file"; return; fi
    else
        hash=
    fi
    apt_update
    found=$(show "$spec")
    if [ -n "$found" ]; then
        [ -z "$hash" ] || [ "${found##* }" = "$hash" ] || die "$spec in the archive is not the one of base.lock (sha256 ${found##* })"
    else
        [ -n "$hash" ] || die "the archive has no $spec for $arch"
        read -r name found < <(newest "$name" "$version")
    fi
    read -r version deb_arch hash <<<"$found"
    file=$DEBS/${name}_${version//:/%3a}_$deb_arch.deb
    if ! has_hash "$file" "$hash"; then
        mkdir -p "$DEBS"
        tmp=$(mktemp -d "$DEBS/tmp.XXXXXX")
        note "fetching $name $version"
        (cd "$tmp" && papt apt-get -q download "$name=$version" >log 2>&1) || { cat "$tmp/log" >&2; rm -r "$tmp"; die "cannot fetch $name $version"; }
        has_hash "$tmp/${file##*/}" "$hash" || die "$tmp/${file##*/} has the wrong hash"
        mv "$tmp/${file##*/}" "$file"
        rm -r "$tmp"
    fi
    echo "$file"
}

source_package() {    # NAME[=VERSION]
    local name=${1%%=*} version prefix locked list file hash missing='' dsc tmp
    read -r _ locked prefix < <(lock_lines source | grep "^$name ") || true
    version=${locked:-}
    [[ $1 != *=* ]] || version=${1#*=}
    if [ -n "$version" ] && [ "$version" = "$locked" ]; then
        list=$(lock_lines source-file)
        while read -r hash file; do
            has_hash "$DEBS/$file" "$hash" || missing=1
        done <<<"$list"
        if [ -z "$missing" ]; then echo "$DEBS/$(grep -o '[^ ]*\.dsc$' <<<"$list")"; return; fi
    fi
    apt_update
    papt apt-cache showsrc --only-source "$name" | sed -n 's/^Version: //p' >"$D/versions"
    if ! grep -qxF "$version" "$D/versions"; then
        version=$(sed -n "/^${prefix:-.}/p" "$D/versions" | sort -V | tail -n 1)
        [ -n "$version" ] || die "the archive has no $name ${prefix:+$prefix*}"
        [ -z "$locked" ] || note "$name $locked is no longer in the archive: taking $version, checked by the archive's signature instead of base.lock ('make lock' records it)"
    fi
    list=$(papt apt-get --print-uris --download-only --only-source source "$name=$version" |
        awk 'match($4, /^SHA256:/) { print substr($4, 8), $2 }')
    missing=
    while read -r hash file; do
        if [ "$version" = "$locked" ] && ! lock_lines source-file | grep -qxF "$hash $file"; then
            die "$file in the archive is not the one of base.lock (sha256 $hash)"
        fi
        has_hash "$DEBS/$file" "$hash" || missing=1
    done <<<"$list"
    if [ -n "$missing" ]; then
        mkdir -p "$DEBS"
        tmp=$(mktemp -d "$DEBS/tmp.XXXXXX")
        note "fetching the source of $name $version"
        (cd "$tmp" && papt apt-get -q --download-only --only-source source "$name=$version" >log 2>&1) || { cat "$tmp/log" >&2; rm -r "$tmp"; die "cannot fetch $name $version"; }
        while read -r hash file; do
            has_hash "$tmp/$file" "$hash" || die "$tmp/$file has the wrong hash"
            mv "$tmp/$file" "$DEBS/$file"
        done <<<"$list"
        rm -r "$tmp"
    fi
    dsc=$(grep -o '[^ ]*\.dsc$' <<<"$list")
    echo "$DEBS/$dsc"
}
