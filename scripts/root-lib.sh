# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Clean Debian roots: how they reach the mirror, and how a program is run in one. Needs root.

: "${ROOT:=}"
make_root() {    # SUITE DIR MMDEBSTRAP-OPTION...; MORE_SUITES="suite..." are in its sources as well
    local suite=$1 root=$2 suites log=$2.log f
    read -ra suites <<<"$1 $1-updates $1-security ${MORE_SUITES:-}"
    shift 2
    rm -rf --one-file-system "$root"
    mkdir -p "${root%/*}"
    "$ROOT/scripts/apt-private" sources "${suites[@]}" | mmdebstrap "$@" "$suite" "$root" - >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; die "mmdebstrap failed; all of it is in $log"; }
    # How this machine reaches its mirror is not part of what is built or tested.
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    for f in /etc/apt/apt.conf.d/*; do
        if grep -qiE 'proxy|acquire::' "$f"; then cp "$f" "$root/etc/apt/apt.conf.d/"; fi
    done
}

# shellcheck disable=SC2016
# In name spaces of their own, mounts and processes end with the program. BIND="dir:place..." is mounted as well.
enter() {    # ROOT command...
    BIND=${BIND:-} unshare --mount --pid --fork bash -c '
        root=$0
        mount --bind "$root" "$root" && cd "$root" && mount -t proc proc proc && mount --rbind /dev dev && mount -t sysfs sysfs sys || exit
        for pair in $BIND; do mkdir -p ".${pair#*:}" && mount --bind "${pair%%:*}" ".${pair#*:}" || exit; done
        exec chroot . env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"' "$@"
}
