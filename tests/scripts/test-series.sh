#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# compose and refresh give this repository's own patches and new files back unchanged.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
base=$(realpath -m "${BUILD:-$TOP/build}")
. "$TOP/tests/scripts/toy.sh"

BUILD=$base "$TOP/scripts/base"
mkdir -p "$BUILD" "$TOY"
ln -sfn "$base/base" "$BUILD/base"
cp "$base/base.stamp" "$BUILD/"
unset GIT_CONFIG_GLOBAL    # safe.directory
git -C "$TOP" ls-files -coz --exclude-standard | tar -C "$TOP" --null -T - --ignore-failed-read -c 2>/dev/null | tar -C "$TOY" -x
cp -a "$TOY" "$WORK/before"
cd "$TOY" || exit
git init -q .
rm -rf .git/hooks
expect 'compose works' 0 'patches on' scripts/compose
expect 'refresh works' 0 'patches' scripts/refresh
rm -rf .git
same "$WORK/before" "$TOY" 'no file differs'
(cd "$TOY" && find . -type f -printf '%m %p\n' | sort) >"$WORK/modes"
(cd "$WORK/before" && find . -type f -printf '%m %p\n' | sort) | cmp - "$WORK/modes" >"$WORK/out" 2>&1
result $? 'no file mode differs'
finish
