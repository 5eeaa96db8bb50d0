# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Finds and keeps edits in build/tree. refs/compose/tip is the last composed commit. .git/synced lists the new files
# that were copied from the root to the work tree without a commit: "<sha256> <path>".

patches_stamp() { (cd "$PATCHES" && find . -type f -exec sha256sum {} + | sort) | sha256sum; }

executable() { if [ -x "$1" ]; then echo yes; fi; }
same_file() { cmp -s -- "$1" "$2" && [ "$(executable "$1")" = "$(executable "$2")" ]; }

is_synced() {    # PATH: the work tree's version came from the root
    [ -f "$TREE/$1" ] || return 1
    [ -f "$ROOT/$1" ] && same_file "$ROOT/$1" "$TREE/$1" && return 0
    grep -qxF -- "$(sha256 "$TREE/$1") $1" "$TREE/.git/synced" 2>/dev/null
}

same_as_composed() {    # PATH: the root still has the version that was composed
    [ "$(tgit rev-parse -q --verify "refs/compose/tip:$1")" = "$(tgit hash-object --no-filters -- "$ROOT/$1")" ]
}

tree_changes() {    # paths that differ from HEAD, in the index or the work tree
    tgit -c core.quotePath=false status --porcelain --no-renames -uall | cut -c4-
}

tree_edits() {    # describes the edits that a new composition would lose
    local f head
    [ "$(tgit symbolic-ref -q HEAD)" = refs/heads/dev ] || { echo "  HEAD is not on branch dev (is a rebase going on?)"; return; }
    head=$(tgit rev-parse HEAD)
    if [ "$head" != "$(tgit rev-parse refs/compose/tip)" ]; then
        tgit log --format='  commit %h %s' refs/compose/tip..HEAD
        [ -n "$(tgit rev-list -n1 refs/compose/tip..HEAD)" ] || echo "  branch dev was moved to $head"
    fi
    tree_changes | while IFS= read -r f; do
        if is_overlay_path "$f" && is_synced "$f"; then continue; fi
        echo "  $f"
    done
}

sync_files() {    # copies new files from the root that differ, unless the tree's version was edited too
    local f
    while IFS= read -r f; do
        if [ -f "$TREE/$f" ] && same_file "$ROOT/$f" "$TREE/$f"; then continue; fi
        if [ -e "$TREE/$f" ] && ! is_synced "$f" && ! tgit diff --quiet refs/compose/tip -- "$f"; then
            if same_as_composed "$f"; then continue; fi
            die "$f was edited both in the root and in build/tree"
        fi
        mkdir -p "$(dirname "$TREE/$f")"
        # Set a new time stamp even for older content, so that ninja sees the change.
        cp -- "$ROOT/$f" "$TREE/$f"
        if [ -x "$ROOT/$f" ]; then chmod 755 "$TREE/$f"; else chmod 644 "$TREE/$f"; fi
        touch -a "$TREE/.git/synced"
        sed -i "\\|^[0-9a-f]* $f\$|d" "$TREE/.git/synced"
        echo "$(sha256 "$TREE/$f") $f" >>"$TREE/.git/synced"
    done < <(overlay_files)
}

synced_paths() {
    local f
    [ -f "$TREE/.git/synced" ] || return 0
    while read -r _ f; do
        [ ! -f "$TREE/$f" ] || echo "$f"
    done <"$TREE/.git/synced"
}

adopt() {    # COMMIT: makes it the tip of build/tree
    if tgit rev-parse -q --verify refs/compose/tip >/dev/null; then
        # Files that do not change keep their time stamps, or ninja would build everything again.
        sync_files
        synced_paths | tgit update-index --add --stdin
        tgit read-tree --reset -u "$1"
        tgit update-ref refs/heads/dev "$1"
    else
        tgit symbolic-ref HEAD refs/heads/dev
        tgit reset -q --hard "$1"
    fi
    tgit update-ref refs/compose/tip "$1"
    rm -f "$TREE/.git/synced"
    compose_stamp >"$TREE/.git/compose.stamp"
    patches_stamp >"$TREE/.git/patches.stamp"
}
