#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make install and make uninstall, without the compiler: which files go where, and that files of others stay.
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

if ! command -v sphinx-build >/dev/null; then
    echo 'ok 1 install # SKIP sphinx-build is missing (package python3-sphinx)'
    echo 1..1
    exit
fi
mkdir -p "$TOY" "$BUILD"
cp -r "$TOP"/{scripts,packaging,docs,README.md,base.lock} "$TOY/"
cd "$TOY" || exit
cat >scripts/build <<'END'
#!/bin/sh
echo "PREFIX=$PREFIX $*" >"$BUILD/asked"
mkdir -p "$BUILD/obj-install/tools/smmuv3-spec"
for f in qemu-system-aarch64 tools/smmuv3-spec/smmuv3-spec; do printf '#!/bin/sh\n' >"$BUILD/obj-install/$f"; chmod 755 "$BUILD/obj-install/$f"; done
END
dest=$WORK/dest
name=qemu-system-aarch64-smmuv3-accel
mkdir -p "$dest/opt/q/bin" "$dest/opt/q/share/man/man1"
echo other >"$dest/opt/q/bin/qemu-system-aarch64"
cp -r "$dest" "$WORK/before"

expect 'it installs' 0 'installed below' scripts/install /opt/q "$dest"
expect 'QEMU is built for this prefix' 0 '^PREFIX=/opt/q install$' cat "$BUILD/asked"
for file in "bin/$name" bin/smmuv3-spec; do
    expect "$file is executable" 0 '' test -x "$dest/opt/q/$file"
done
for file in "share/man/man1/$name.1" share/man/man1/smmuv3-spec.1 "share/doc/$name/README.md" "share/doc/$name/smmuv3-accel.rst" \
    "share/doc/$name/examples/apparmor-libvirt-qemu"; do
    expect "$file is readable for all" 0 '^644$' stat -c %a "$dest/opt/q/$file"
done
expect 'the man page has its title' 0 '^.TH "SMMUV3-SPEC" "1"' cat "$dest/opt/q/share/man/man1/smmuv3-spec.1"
expect 'another emulator does not change' 0 '^other$' cat "$dest/opt/q/bin/qemu-system-aarch64"
expect 'no file is outside of the prefix' 0 '^opt$' ls "$dest"

touch "$dest/opt/q/share/doc/$name/old-page" && echo "/opt/q/share/doc/$name/old-page" >>"$dest/opt/q/share/doc/$name/installed"
expect 'it installs again' 0 'installed below' scripts/install /opt/q "$dest"
expect 'a file of only the older version is gone' 1 '' test -e "$dest/opt/q/share/doc/$name/old-page"

expect 'it uninstalls' 0 'removed from' scripts/install /opt/q "$dest" --uninstall
find "$dest" -type d -empty -path '*/share/doc' -delete
same "$WORK/before" "$dest" 'and leaves the other files as they were'
expect 'there is nothing to uninstall' 1 'nothing is installed below .*/opt/q' scripts/install /opt/q "$dest" --uninstall
expect 'a relative prefix is refused' 1 'PREFIX=opt is not an absolute path' scripts/install opt "$dest"
touch "$WORK/file"
expect 'a prefix that is not writable is refused' 1 '(cannot make|cannot write)' scripts/install /opt/q "$WORK/file"
finish
