# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The steps of refresh. They pass these files in $tmp to the next step:
#   new      new files of the tip                strip   index lines that take our files out of a tree
#   series   names of the patches in order       plan    "copy|delete PATH" for the root
#   newer    files that the root has in a later version than the tree
: "${tmp:=}"

list_files() {    # TIP
    local f h
    tgit diff --no-renames --name-only --diff-filter=A base "$1" >"$tmp/new"
    while IFS= read -r f; do
        is_overlay_path "$f" || die "$f is a new file, but new files of QEMU have to be in ${OVERLAY_DIRS[*]} (OVERLAY_DIRS in scripts/lib.sh)"
        [[ $f != *[[:space:]]* ]] || die "'$f': a name must not have white space"
        printf '0 %040d\t%s\n' 0 "$f"
    done <"$tmp/new" >"$tmp/strip"
    for h in $(tgit log --format=%B "base..$1" | trailer Headers); do
        # What compose generated must not end up in a patch.
        tgit diff --quiet refs/compose/tip "$1" -- "linux-headers/$h" ||
            die "linux-headers/$h comes from a package and cannot be edited"
        printf '0 %040d\tlinux-headers/%s\n' 0 "$h"
        tgit ls-tree base "linux-headers/$h"
    done >>"$tmp/strip"
}

patch_name() {    # COMMIT
    local name
    name=$(tgit log -1 --format=%B "$1" | trailer Patch-Name)
    case $(tgit log -1 --format=%s "$1") in
    fixup!* | squash!* | amend!*)
        die "$(tgit log -1 --format='%h %s' "$1") is not part of its patch yet; type 'git rebase -i --autosquash --autostash base'" ;;
    esac
    [ -n "$name" ] || die "$(tgit log -1 --format='%h "%s"' "$1") has no 'Patch-Name: <name>.patch' line; if it is a fixup, fold it in; if it is a new patch, add the line"
    [[ $name =~ ^[A-Za-z0-9._+-]+\.patch$ ]] || die "$(tgit log -1 --format='%h "%s"' "$1"): Patch-Name must be one file name that ends in .patch"
    ! grep -qxF -- "$name" "$tmp/series" || die "two commits have the line 'Patch-Name: $name'"
    echo "$name"
}

write_patches() {    # TIP
    local c parent name adds
    : >"$tmp/series"
    for c in $(tgit rev-list --reverse "base..$1"); do
        name=$(patch_name "$c")
        echo "$name" >>"$tmp/series"
    done
    parent=$(tgit rev-parse base)
    for c in $(tgit rev-list --reverse "base..$1"); do
        name=$(tgit log -1 --format=%B "$c" | trailer Patch-Name)
        tgit diff-tree -r --no-renames --name-only --diff-filter=A "$c^" "$c" | sort >"$tmp/added"
        mapfile -t adds <"$tmp/added"
        grep -vxFf "$tmp/new" "$tmp/added" >"$tmp/lost" || true
        [ ! -s "$tmp/lost" ] || die "$name adds $(head -n 1 "$tmp/lost"), which is gone at the tip: remove it from the patch that adds it"
        # Make a commit without our files, because format-patch with a path limit may pick another commit.
        parent=$(
            export GIT_INDEX_FILE=$tmp/index GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
            GIT_AUTHOR_NAME=$(tgit log -1 --format=%an "$c")
            GIT_AUTHOR_EMAIL=$(tgit log -1 --format=%ae "$c")
            GIT_AUTHOR_DATE=$(tgit log -1 --format=%ad --date=raw "$c")
            tgit read-tree "$c"
            tgit update-index --index-info <"$tmp/strip"
            tgit log -1 --format=%B "$c" | with_trailers "${adds[@]/#/Adds: }" >"$tmp/message"
            GIT_COMMITTER_NAME=refresh GIT_COMMITTER_EMAIL=refresh@localhost \
                tgit commit-tree -p "$parent" -F "$tmp/message" "$(tgit write-tree)"
        )
        # --zero-commit, --no-signature, --no-stat: omit what can change although the patch does not.
        # --full-index: abbreviations would grow with the repository; binary hunks need it anyway.
        # --no-renames: quilt and dpkg-source do not support renames.
        tgit format-patch -1 --stdout --always --keep-subject --zero-commit --no-signature --no-stat --full-index \
            --binary --no-renames --no-notes --unified=3 --diff-algorithm=myers "$parent" >"$tmp/patches/$name"
    done
}

tree_id() { tgit ls-tree "$1" -- "$2" | cut -d' ' -f1,3 | cut -f1; }
root_id() {
    [ -f "$ROOT/$1" ] || return 0
    echo "$([ -x "$ROOT/$1" ] && echo 100755 || echo 100644) $(tgit hash-object --no-filters -- "$ROOT/$1")"
}

plan_files() {    # TIP
    local f old new mine
    : >"$tmp/plan"
    : >"$tmp/newer"
    while IFS= read -r f; do
        old=$(tree_id refs/compose/tip "$f")
        new=$(tree_id "$1" "$f")
        mine=$(root_id "$f")
        if [ "$mine" = "$new" ]; then continue; fi
        if [ "$mine" = "$old" ]; then
            echo "$([ -n "$new" ] && echo copy || echo delete) $f" >>"$tmp/plan"
        elif [ "$new" = "$old" ]; then
            echo "$f" >>"$tmp/newer"
        else
            die "$f was edited both in the root and in build/tree"
        fi
    done < <({ cat "$tmp/new"; tgit diff --no-renames --name-only --diff-filter=A base refs/compose/tip; } | sort -u)
}

new_series() {    # prints the new series; each comment of the old one stays above its entry
    awk 'NR == FNR { order[++n] = $0; next }
         /^[[:space:]]*(#|$)/ { block = block $0 "\n"; next }
         { name = $1; text[name] = block $0 "\n"; block = "" }
         END { for (i = 1; i <= n; i++) printf "%s", (order[i] in text) ? text[order[i]] : order[i] "\n"; printf "%s", block }' \
        "$tmp/series" "$PATCHES/series"
}

carry_out() {
    local f action
    new_series >"$tmp/patches/series"
    for f in "$PATCHES"/*; do
        [ -e "$tmp/patches/${f##*/}" ] || rm -- "$f"
    done
    for f in "$tmp/patches"/*; do
        cmp -s "$f" "$PATCHES/${f##*/}" || install -m 644 "$f" "$PATCHES/${f##*/}"
    done
    while read -r action f; do
        if [ "$action" = delete ]; then rm -- "$ROOT/$f"; continue; fi
        mkdir -p "$(dirname "$ROOT/$f")"
        cp -- "$TREE/$f" "$ROOT/$f"
        if [ -x "$TREE/$f" ]; then chmod 755 "$ROOT/$f"; else chmod 644 "$ROOT/$f"; fi
    done <"$tmp/plan"
}
