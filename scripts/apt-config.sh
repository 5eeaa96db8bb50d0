# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# apt-private: the mirror and the private configuration.
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

apt_state() {    # ARCH: everything of this architecture's private apt lies below $D
    arch=$1
    D=$BUILD/apt/$arch
    suites=(trixie trixie-security trixie-backports)
    if [ "$(. /etc/os-release && echo "${VERSION_ID:-}")" = 12 ]; then suites+=(bookworm-backports); fi
}

papt() { APT_CONFIG=$D/apt.conf "$@"; }

# shellcheck disable=SC2016
# "main|security URI" of every Debian mirror in the system's own sources. apt reads both of its formats for us,
# even if "apt-get update" was never run.
mirrors() {
    apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '{ kind = "" }
             $3 != "main" || $1 ~ /^cdrom:/ { next }
             $2 ~ /^[a-z]+(-security|\/updates)$/ { kind = "security" }
             $2 ~ /^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)(-updates|-backports)?$/ { kind = "main" }
             kind && !seen[kind, $1]++ { print kind, $1 }'
}

main_mirror() {
    local uri
    uri=$(mirrors | awk '$1 == "main" { print $2; exit }')
    [ -n "$uri" ] || die "no Debian mirror in this machine's apt sources"
    echo "$uri"
}

sources_list() {    # MAIN-URI SUITE...
    local main=$1 suite uri
    shift
    for suite; do
        uri=$main
        [[ $suite != *-security ]] || uri=$(mirrors | awk '$1 == "security" { print $2; exit }')
        # Without security sources, the updates of the point releases have to do.
        [ -n "$uri" ] || continue
        echo "deb [signed-by=$KEYRING] $uri $suite main"
    done
}

write_config() {
    mkdir -p "$D/lists/partial" "$D/cache/archives/partial"
    : >"$D/status"
    cat >"$D/apt.conf" <<END
Dir::Etc::sourcelist "$D/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State::lists "$D/lists";
Dir::State::status "$D/status";
Dir::Cache "$D/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
APT::Architecture "$arch";
APT::Architectures "$arch";
APT::Sandbox::User "root";
Acquire::Languages "none";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
    # Other packages of this machine may ask for more indexes (AppStream, apt-file), which are not needed here.
    apt-config dump Acquire::IndexTargets::deb | grep -oE '^Acquire::IndexTargets::deb::[^: ]+' | sort -u |
        grep -vE '::(Packages|Translations)$' | sed 's/$/::DefaultEnabled "false";/' >>"$D/apt.conf" || true
}

apt_update() {
    local uri uris
    mkdir -p "$D"
    exec 9>"$D/lock"
    flock 9
    if [ -e "$D/stamp" ] && [ -n "$(find "$D/stamp" -mmin -1440)" ]; then return; fi
    write_config
    uris=$(mirrors | sed -n 's/^main //p')
    [ -n "$uris" ] || die "no Debian mirror in this machine's apt sources"
    note "reading the package indexes of ${suites[*]} ($arch)"
    # Third parties may use Debian's suite names for their own repositories, so try each mirror.
    for uri in $uris; do
        sources_list "$uri" "${suites[@]}" >"$D/sources.list"
        # The only source package is QEMU, which is no backport, and one architecture is enough.
        [ "$arch" != "$(host_arch)" ] || sed -i '/backports/!{h;s/^deb /deb-src /;H;x}' "$D/sources.list"
        if papt apt-get -q -o APT::Update::Error-Mode=any update >"$D/update.log" 2>&1; then
            touch "$D/stamp"
            return
        fi
    done
    cat "$D/update.log" >&2
    [ -e "$D/stamp" ] || die "cannot read the package indexes"
    note "cannot update the package indexes, so those of $(date -r "$D/stamp" +%F) are used"
}
