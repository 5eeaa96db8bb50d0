# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# All scripts source this: paths, messages, and the list of our new files.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C.UTF-8

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$(realpath -m "${BUILD:-$ROOT/build}")
CACHE=$(realpath -m "${XDG_CACHE_HOME:-$HOME/.cache}/arm-smmuv3-accel")
LOCK=$ROOT/base.lock
PATCHES=$ROOT/patches
TREE=$BUILD/tree
export BUILD
# Used by the scripts that source this file.
export CACHE LOCK PATCHES TREE

# Every file below these directories that git tracks, or would track, is a new file of QEMU's tree with the same
# path. Nothing else in the repository is one. The first new file in another directory of QEMU adds that directory here.
# shellcheck disable=SC2034
OVERLAY_DIRS=(backends configs docs/system docs/tools hw include qapi tests/qtest tests/unit tools)

die() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }
note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

sha256() { sha256sum -- "$1" | cut -d' ' -f1; }
has_hash() { [ -f "$1" ] && [ "$(sha256 "$1")" = "$2" ]; }

# Debian's name for this machine's architecture.
host_arch() { dpkg --print-architecture; }

# Lines of base.lock are "<kind> <words>..."; prints the words of every line of one kind.
lock_lines() { sed -n "s/^$1[[:space:]]\\+//p" "$LOCK"; }

# Git without the user's settings, because settings like diff.* and apply.whitespace would change patches.
export GIT_PAGER=cat
tgit() {
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
        git -c core.hooksPath=/dev/null -c safe.directory='*' -C "$TREE" "$@"
}

overlay_files() {
    local f
    git -c core.quotePath=false -C "$ROOT" ls-files -co --exclude-standard -- "${OVERLAY_DIRS[@]}" | sort -u |
        while IFS= read -r f; do
            if [ -L "$ROOT/$f" ]; then die "$f: a symbolic link cannot be a new file"; fi
            if [ -f "$ROOT/$f" ]; then printf '%s\n' "$f"; fi
        done
}

# Names of the fuzz targets; each has a file of seeds.
fuzz_targets() { find "$ROOT/tests/unit/fuzz/seeds" -name '*.txt' -printf '%f\n' | sed 's/\.txt$//' | sort; }

is_overlay_path() {
    local d
    for d in "${OVERLAY_DIRS[@]}"; do [[ $1 == "$d"/* ]] && return 0; done
    return 1
}

# Names of patches/series in order, without comments.
series() { sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' "$PATCHES/series"; }

# trailer KEY < message: the values of our own trailers.
trailer() { sed -n "s/^$1:[[:space:]]*//p"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif have sudo; then sudo "$@"; else die "this needs root; as root, type: $*"; fi
}

# with_trailers TRAILER... < message: replaces our own trailers by these. They go to the end of the last paragraph
# if that paragraph has trailers already.
with_trailers() {
    awk -v add="$(printf '%s\n' "$@")" '
        /^(Adds|Patch-Name): / { next }
        { line[++n] = $0 }
        END {
            while (n && line[n] ~ /^[[:space:]]*$/) n--
            for (i = n; i > 1 && line[i] ~ /^[A-Za-z][A-Za-z-]*: /; i--) ;
            for (j = 1; j <= n; j++) print line[j]
            if (add == "") exit
            if (i == n || line[i] != "") print ""
            print add
        }'
}
