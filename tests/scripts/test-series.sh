#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# This repository's own patches and new files make the round trip byte for byte.
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
expect 'the series composes' 0 'patches on' scripts/compose
expect 'and is taken apart again' 0 'patches' scripts/refresh
rm -rf .git
same "$WORK/before" "$TOY" 'with no difference'
(cd "$TOY" && find . -type f -printf '%m %p\n' | sort) >"$WORK/modes"
(cd "$WORK/before" && find . -type f -printf '%m %p\n' | sort) | cmp - "$WORK/modes" >"$WORK/out" 2>&1
result $? 'nor one in file modes'
finish
