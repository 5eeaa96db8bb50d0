#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every mistake in patches/, the root or build/tree has its own message, and changes nothing.
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

make_toy
complains() { expect "$1" 1 "$2" scripts/compose; reset_toy; }

sed -i 's/^ 12$/ twelve/' patches/device.patch
complains 'a patch whose context is wrong (needs fuzz)' 'device.patch does not apply'

echo x >hw/arm/virt.c
complains 'a new file that exists in the base' 'hw/arm/virt.c exists in QEMU'

echo x >hw/arm/lonely.c
complains 'a new file that no patch claims' 'no patch claims.*hw/arm/lonely.c'

sed -i 's/^Adds: tests\/qtest.*/&\nAdds: hw\/arm\/toy.c/' patches/tests.patch
complains 'a new file claimed twice' 'hw/arm/toy.c.: another patch claims'

rm hw/arm/toy.h
complains 'a claimed file that is missing' 'hw/arm/toy.h.: there is no such file'

sed -i 's/^Adds: hw\/arm\/toy.c/&\nAdds: README.new/' patches/device.patch
complains 'a claim outside the directories of new files' 'README.new.: new files of QEMU have to be in'

echo >patches/stray.patch
complains 'a patch that the series does not name' 'stray.patch is not in patches/series'

echo gone.patch >>patches/series
complains 'a series entry without its file' 'names gone.patch, which is not'

echo tests.patch >>patches/series
complains 'a patch named twice' 'tests.patch twice'

sed -i '/^From: /d' patches/tests.patch
complains 'a patch without an author' 'tests.patch: From:'

sed -i 's/iommufd.h/nothing.h/' patches/headers.patch
complains 'a header that the package lacks' 'has no such file'

sed -i '/^Headers/s/linux.iommufd.h/asm\/kvm.h/' patches/headers.patch
complains 'a header that needs more than a copy' 'only linux/'

rm -f patches/series
complains 'no series' 'patches/series is missing'

cat >>patches/tests.patch <<'END'

diff --git a/hw/arm/created.c b/hw/arm/created.c
new file mode 100644
--- /dev/null
+++ b/hw/arm/created.c
@@ -0,0 +1 @@
+x
END
complains 'a patch that creates a file' 'tests.patch creates hw/arm/created.c'

cat >>patches/tests.patch <<'END'

diff --git a/hw/arm/toy.c b/hw/arm/toy.c
--- a/hw/arm/toy.c
+++ b/hw/arm/toy.c
@@ -1 +1 @@
-int toy;
+int toys;
END
complains 'a patch that changes a new file' 'tests.patch changes hw/arm/toy.c'

printf '%s\n' 'before' '<!-- touched-files -->' '<!-- /touched-files -->' 'after' >ARCHITECTURE.md
expect 'a table of patches that is out of date' 1 'is out of date' scripts/touched-files --check
scripts/touched-files
expect 'a table of patches that is up to date' 0 '' scripts/touched-files --check
expect 'a row of the table' 0 'after' grep -E -e '^\| device \| .* \| hw/arm/virt.c' -e '^after' ARCHITECTURE.md
rm ARCHITECTURE.md

before=$(git -C "$TREE" rev-parse dev)
echo gone.patch >>patches/series
scripts/compose >"$WORK/out" 2>&1
[ "$(git -C "$TREE" rev-parse dev)" = "$before" ] && [ -z "$(git -C "$TREE" status --porcelain)" ]
result $? 'an error does not change the tree'
reset_toy

echo edit >>"$TREE/hw/arm/virt.c"
echo '# comment' >>patches/series
complains 'make tree with uncommitted edits' 'edits that exist nowhere else:'
echo edit >>"$TREE/hw/arm/virt.c"
echo '# comment' >>patches/series
expect 'make build with edits on top of other patches' 1 'patches/ has changed' scripts/compose --build
reset_toy
echo edit >>"$TREE/hw/arm/virt.c"
git -C "$TREE" commit -qam 'An edit'
expect 'make tree with commits that are not in patches/' 1 'commit [0-9a-f]+ An edit' scripts/compose
expect 'make clean with such commits' 1 'An edit' scripts/clean
expect 'refresh: a commit without a name' 1 'An edit. has no .Patch-Name' scripts/refresh
git -C "$TREE" commit -q --amend -m 'An edit' -m 'Patch-Name: tests.patch'
expect 'refresh: two commits with the same name' 1 'two commits have' scripts/refresh
git -C "$TREE" commit -q --amend -m 'An edit' -m 'Patch-Name: ../evil.patch'
expect 'refresh: a name with a path' 1 'must be one file name' scripts/refresh
reset_toy

echo edit >>"$TREE/hw/arm/virt.c"
expect 'refresh with uncommitted edits' 1 'uncommitted edits' scripts/refresh
reset_toy
echo edit >>"$TREE/linux-headers/linux/iommufd.h"
git -C "$TREE" commit -qam 'An edit' -m 'Patch-Name: x.patch'
expect 'refresh with an edited kernel header' 1 'comes from a package' scripts/refresh
reset_toy
echo x >"$TREE/new.c"
git -C "$TREE" add new.c
git -C "$TREE" commit -qm 'An edit' -m 'Patch-Name: x.patch'
expect 'refresh with a new file in the wrong place' 1 'new.c is a new file, but' scripts/refresh
reset_toy
echo '/* tree */' >>"$TREE/hw/arm/toy.c"
git -C "$TREE" commit -qam 'An edit' -m 'Patch-Name: x.patch'
echo '/* root */' >>hw/arm/toy.c
expect 'refresh with a new file edited on both sides' 1 'edited both in the root and' scripts/refresh
expect 'make build with a new file edited on both sides' 1 'edited both in the root and' scripts/compose --build
reset_toy
finish
