#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make packages on machines where packages are missing, with stubs for dpkg-query, id and apt-get.
# shellcheck disable=SC2016,SC2317
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

mkdir -p "$TOY/scripts" "$WORK/bin"
cp "$TOP"/scripts/* "$TOY/scripts/"
cd "$TOY" || exit
for tool in bash awk cat comm cut dirname dpkg env grep mkdir mktemp paste realpath sed sort tail; do
    ln -s "$(command -v $tool)" "$WORK/bin/$tool"
done
stub() { printf '#!/bin/bash\n%s\n' "$2" >"$WORK/bin/$1"; chmod 755 "$WORK/bin/$1"; }
packages() { PATH=$WORK/bin scripts/packages; }
# The real one would ask the archive for meson on Debian 12.
printf '#!/bin/sh\necho "apt-private $*"\n' >"$TOY/scripts/apt-private"

stub id 'echo 1000'
stub dpkg-query '[ "$1" = -W ] && [ "$4" = meson ] && { echo 1.7.0-1; exit; }; shift 3; for p; do [ "$p" = bc ] || echo "ii  $p"; done'
expect 'without root and sudo, it prints the command to type' 1 '^apt-get install --no-install-recommends bc$' packages

stub sudo 'echo "sudo $*" >>"'"$WORK"'/calls"'
expect 'it uses sudo' 0 'installing bc' packages
expect 'only for the packages that are missing' 0 'sudo env .* apt-get .*install -y --no-install-recommends bc$' cat "$WORK/calls"

stub id 'echo 0'
stub apt-get 'exit 100'
expect 'if apt-get fails, it names the file with the output' 1 'apt-get failed; the whole output is in' packages

stub dpkg-query 'if [ "$4" = meson ]; then echo 1.7.0-1; exit; fi; shift 3; for p; do echo "ii  $p"; done'
expect 'if no package is missing, it does nothing' 0 '' packages
[ ! -s "$WORK/out" ]; result $? 'and prints nothing'
finish
