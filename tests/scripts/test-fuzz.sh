#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make fuzz with stubs for the build and for the fuzz targets.
# shellcheck disable=SC2016
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

seeds=$TOY/tests/unit/fuzz/seeds
programs=$BUILD/obj-fuzz/tests/unit
export XDG_CACHE_HOME=$WORK/cache
mkdir -p "$TOY/scripts" "$seeds" "$programs"
cp "$TOP"/scripts/* "$TOY/scripts/"
cd "$TOY" || exit
printf '#!/bin/sh\n' >scripts/build
printf '# a comment\none 00ff\n' >"$seeds/good.txt"
printf 'text =a\\nb\n' >"$seeds/bad.txt"
echo '"word"' >"$seeds/bad.dict"

target() { printf '#!/bin/bash\n%s\n' "$2" >"$programs/fuzz-smmuv3-$1"; chmod 755 "$programs/fuzz-smmuv3-$1"; }
target good 'echo "#7 DONE   cov: 3 ft: 4"; echo "stat::number_of_executed_units: 7"; echo "stat::average_exec_per_sec: 2"; : >"${@: -2:1}/new"'
target bad 'echo "ERROR:../tree/x.c:1: assertion failed"; for a; do case $a in -artifact_prefix=*) : >"${a#*=}crash-1" ;; esac; done; exit 77'

expect 'a target without a finding' 0 '^ok good: 7 inputs, 2/s, 3 edges, corpus 1$' scripts/fuzz 1 good
expect 'its seeds are files' 0 '^0000000 00 ff$' od -tx1 "$BUILD/fuzz/good.seeds/one"
expect 'a finding fails the run' 1 '^not ok bad: a finding$' scripts/fuzz 1 bad
grep -q '^# ERROR:.*assertion failed$' "$WORK/out"
result $? 'its message is shown'
grep -qE '^# again: .*fuzz-smmuv3-bad .*/bad-crash-1$' "$WORK/out"
result $? 'and the command that shows it again'
expect 'seeds can be text' 0 '^0000000 61 0a 62$' od -tx1 "$BUILD/fuzz/bad.seeds/text"
expect 'one finding does not stop the others' 1 '^ok good: ' scripts/fuzz 1
target good 'exit 1'
expect 'a target that does not run is no success' 1 '^not ok good: ended with status 1$' scripts/fuzz 1 good
expect 'a target that does not exist' 1 "no target 'toy'; the targets are bad good" scripts/fuzz 1 toy
expect 'no number of seconds' 1 'the first argument is a number of seconds' scripts/fuzz good
finish
