# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Makes the commits of the composed tree. It writes only to the object store, not to a work tree or a branch, so
# that an error in patches/ changes nothing. The same input gives the same hashes everywhere.
# The caller provides $tmp, an empty directory, and $HEADERS_DEB.
: "${tmp:=}" "${HEADERS_DEB:=}"

# One hash of everything that the commits are made from.
compose_stamp() {
    {
        cat "$BUILD/base.stamp"
        sha256 "$HEADERS_DEB"
        cd "$ROOT" || exit
        { overlay_files; find patches -type f; echo scripts/compose-lib.sh; } | sort |
            while IFS= read -r f; do
                printf '%s %s\n' "$(sha256 "$f")" "$([ -x "$f" ] && echo x)$f"
            done
    } | sha256sum | cut -d' ' -f1
}

base_commit() {    # prints the commit of the unpacked base, which is made once
    local when version commit
    [ -d "$TREE/.git" ] || git -c init.defaultBranch=dev -c init.templateDir= init -q "$TREE"
    mkdir -p "$TREE/.git/info"
    # QEMU's own attributes select diff drivers, whose hunk headers differ between versions of git.
    echo '* !diff' >"$TREE/.git/info/attributes"
    if [ "$(cat "$TREE/.git/base.stamp" 2>/dev/null)" != "$(cat "$BUILD/base.stamp")" ]; then
        when=$(dpkg-parsechangelog -l "$BUILD/base/debian/changelog" -S Timestamp)
        version=$(dpkg-parsechangelog -l "$BUILD/base/debian/changelog" -S Version)
        # Two thirds of the files are firmware sources in roms/, which this build does not need.
        GIT_INDEX_FILE=$tmp/base.index GIT_DIR=$TREE/.git GIT_WORK_TREE=$BUILD/base \
            tgit -C "$BUILD/base" add -A -f -- . ':!roms'
        commit=$(identity base base@localhost "@$when +0000" tgit commit-tree -m "QEMU $version as packaged" \
            "$(GIT_INDEX_FILE=$tmp/base.index tgit write-tree)")
        tgit update-ref refs/tags/base "$commit"
        tgit repack -adq
        cp "$BUILD/base.stamp" "$TREE/.git/base.stamp"
    fi
    tgit rev-parse refs/tags/base
}

identity() {    # NAME MAIL DATE command...: the committer is the author, so that the hashes do not depend on the user
    local name=$1 mail=$2 when=$3
    shift 3
    GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$mail GIT_AUTHOR_DATE=$when \
        GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$mail GIT_COMMITTER_DATE=$when "$@"
}

check_series() {
    local f
    [ -f "$PATCHES/series" ] || die "patches/series is missing"
    for f in $(series | sort | uniq -d); do die "patches/series names $f twice"; done
    for f in $(series); do
        [[ $f =~ ^[A-Za-z0-9._+-]+\.patch$ ]] || die "patches/series: '$f' is not a file name that ends in .patch"
        [ -f "$PATCHES/$f" ] || die "patches/series names $f, which is not in patches/"
    done
    for f in "$PATCHES"/* "$PATCHES"/.[!.]*; do
        [ -e "$f" ] || continue
        f=${f##*/}
        [ "$f" = series ] || series | grep -qxF -- "$f" || die "patches/$f is not in patches/series"
    done
}

# MESSAGE PATCH: adds the kernel headers that a commit brings. Like QEMU's scripts/update-linux-headers.sh, it copies
# the headers of linux/ and asm-generic/ as they are installed.
add_headers() {
    local h blob
    for h in $(trailer Headers <"$1"); do
        [[ $h =~ ^(linux|asm-generic)/[a-z0-9_-]+\.h$ ]] || die "$2: 'Headers: $h': only linux/*.h and asm-generic/*.h are possible"
        dpkg-deb --fsys-tarfile "$HEADERS_DEB" | tar -xO "./usr/include/$h" >"$tmp/header" 2>/dev/null ||
            die "$2: 'Headers: $h': ${HEADERS_DEB##*/} has no such file"
        blob=$(tgit hash-object -w --stdin <"$tmp/header")
        tgit update-index --add --cacheinfo "100644,$blob,linux-headers/$h"
        echo "linux-headers/$h $blob" >>"$tmp/headers"
    done
}

add_files() {    # MESSAGE PATCH
    local f mode
    for f in $(trailer Adds <"$1"); do
        if grep -qxF -- "$f" "$tmp/claimed"; then die "$2: 'Adds: $f': another patch claims this file already"; fi
        is_overlay_path "$f" || die "$2: 'Adds: $f': new files of QEMU have to be in ${OVERLAY_DIRS[*]} (OVERLAY_DIRS in scripts/lib.sh)"
        grep -qxF -- "$f" "$tmp/overlay" || die "$2: 'Adds: $f': there is no such file"
        mode=100644
        [ ! -x "$ROOT/$f" ] || mode=100755
        tgit update-index --add --cacheinfo "$mode,$(tgit hash-object -w --no-filters -- "$ROOT/$f"),$f"
        echo "$f" >>"$tmp/claimed"
    done
}

compose_all() {    # prints the commit of the last patch
    local tip p f
    check_series
    tip=$(base_commit)
    : >"$tmp/claimed"
    : >"$tmp/headers"
    overlay_files >"$tmp/overlay"
    tgit ls-tree -r --name-only "$tip" | sort >"$tmp/base.files"
    comm -12 <(sort "$tmp/overlay") "$tmp/base.files" >"$tmp/both"
    while IFS= read -r f; do die "$f exists in QEMU $(tgit log -1 --format=%s base): change it by a patch"; done <"$tmp/both"
    export GIT_INDEX_FILE=$tmp/index
    tgit read-tree "$tip"
    for p in $(series); do tip=$(compose_patch "$p" "$tip"); done
    sort "$tmp/claimed" | comm -23 <(sort "$tmp/overlay") - >"$tmp/unclaimed"
    if [ -s "$tmp/unclaimed" ]; then
        die "no patch claims these new files (add an 'Adds: path' line to the message of one): $(paste -sd' ' "$tmp/unclaimed")"
    fi
    unset GIT_INDEX_FILE
    echo "$tip"
}

compose_patch() {    # PATCH PARENT: prints the new commit
    local p=$1 parent=$2 name mail when status f adds
    tgit mailinfo -k "$tmp/body" "$tmp/diff" <"$PATCHES/$p" >"$tmp/info" || die "$p: not a patch as git format-patch writes it"
    name=$(sed -n 's/^Author: //p' "$tmp/info")
    mail=$(sed -n 's/^Email: //p' "$tmp/info")
    when=$(sed -n 's/^Date: //p' "$tmp/info")
    if [ -z "$mail" ] || [ -z "$when" ] || ! grep -q '^Subject: .' "$tmp/info"; then die "$p: From:, Date: or Subject: is missing"; fi
    { sed -n 's/^Subject: //p' "$tmp/info"; echo; cat "$tmp/body"; } >"$tmp/message"
    if grep -q '^diff --git ' "$tmp/diff" && ! tgit apply --cached --whitespace=nowarn "$tmp/diff" 2>"$tmp/error"; then
        cat "$tmp/error" >&2
        die "$p does not apply (fuzz is not allowed)"
    fi
    tgit diff-index --cached --no-renames --name-status "$parent" >"$tmp/changes"
    while IFS=$'\t' read -r status f; do
        if [ "$status" = A ]; then die "$p creates $f: put the new file into the root of the repository, and 'Adds: $f' into the message"; fi
        if grep -qxF -- "$f" "$tmp/claimed"; then die "$p changes $f, which is a new file of ours: edit it in the root"; fi
    done <"$tmp/changes"
    add_headers "$tmp/message" "$p"
    add_files "$tmp/message" "$p"
    mapfile -t adds < <(trailer Adds <"$tmp/message")
    with_trailers "${adds[@]/#/Adds: }" "Patch-Name: $p" <"$tmp/message" >"$tmp/final"
    identity "$name" "$mail" "$when" tgit commit-tree -p "$parent" -F "$tmp/final" "$(tgit write-tree)"
}
