#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# compose and refresh undo each other exactly, and each kind of edit reaches the right patch or file.
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

make_toy
snapshot() { rm -rf "${WORK:?}/$1"; mkdir "$WORK/$1"; cp -a "$TOY"/{patches,hw,tests} "$WORK/$1/"; (cd "$TOY" && find patches hw tests -type f -printf '%m %p\n' | sort) >"$WORK/$1/modes"; }
commit() { git -C "$TREE" commit -q "$@"; }
squash() { GIT_SEQUENCE_EDITOR=: git -C "$TREE" rebase -q -i --autosquash --autostash base; }
of() { git -C "$TREE" log --format=%h --grep="^Patch-Name: $1" base..dev; }

expect 'refresh works after compose' 0 'refresh: ' scripts/refresh
snapshot a
rm -rf "$BUILD"
scripts/compose >"$WORK/out" 2>&1; result $? 'compose works again without a build directory'
tip=$(git -C "$TREE" rev-parse HEAD)
scripts/refresh >"$WORK/out" 2>&1; result $? 'refresh works after that'
snapshot b
same "$WORK/a" "$WORK/b" 'all files and their modes are as before'

cp -r "$TOY" "$WORK/other"
(cd "$WORK/other" && BUILD=$WORK/build2 GIT_AUTHOR_NAME=X TZ=Asia/Tokyo scripts/compose >"$WORK/out" 2>&1)
expect 'another checkout, user and time zone give the same hash' 0 "^$tip" git -C "$WORK/build2/tree" rev-parse HEAD
expect 'each patch has one commit' 0 '^3$' git -C "$TREE" rev-list --count base..dev
expect 'the headers come from the package' 0 newer cat "$TREE/linux-headers/linux/iommufd.h"
expect 'a new file is in the commit of its patch' 0 '^A.hw/arm/toy.c' git -C "$TREE" show --name-status --format= "$(of device)"

touch -d '1 hour ago' "$TREE/hw/arm/virt.c" "$TREE/hw/arm/toy.c"
echo 'int more;' >>hw/arm/toy.h
scripts/compose >/dev/null 2>&1
expect 'unchanged files keep their time stamps' 0 '' test -z "$(find "$TREE/hw/arm/virt.c" "$TREE/hw/arm/toy.c" -mmin -30)"
expect 'an edit of a new file in the root reaches the tree' 0 more cat "$TREE/hw/arm/toy.h"

reset_toy
echo 'int build;' >>hw/arm/toy.c
sed -i s/50/fifty/ "$TREE/hw/arm/virt.c"
expect 'compose --build accepts edits on both sides' 0 'as they are' scripts/compose --build
expect 'the edit in the tree is still there' 0 fifty cat "$TREE/hw/arm/virt.c"
expect 'and has the edit of the root as well' 0 build cat "$TREE/hw/arm/toy.c"
echo 'int again;' >>hw/arm/toy.c
expect 'compose --build accepts a second edit' 0 'as they are' scripts/compose --build
git -C "$TREE" add hw/arm/virt.c
commit --fixup="$(of device)"
squash >"$WORK/out" 2>&1; result $? 'autosquash with an edited new file'
expect 'refresh works with the fixup' 0 '' scripts/refresh
expect 'the fixup is in its patch' 0 '^\+fifty' cat patches/device.patch
expect 'the edit in the root stays' 0 again cat hw/arm/toy.c
expect 'the tree has no edits left' 0 '^$' echo "$(git -C "$TREE" status --porcelain)"

reset_toy
mkdir -p "$TREE/include/hw"
printf 'x' >"$TREE/include/hw/new.h"
printf '#!/bin/sh\n' >"$TREE/tests/unit/new.sh"
chmod 755 "$TREE/tests/unit/new.sh"
git -C "$TREE" rm -q hw/arm/toy.h
git -C "$TREE" add -A
commit -m 'A new patch' -m 'Why.' -m 'Signed-off-by: T <t@example.com>
Patch-Name: new.patch'
expect 'a file deleted in a later commit is refused' 1 'toy.h, which is gone' scripts/refresh
commit --amend -m 'fixup! hw/arm: Bring the toy device, with a subject that is too long to stand on one line of a mail'
expect 'a fixup that was not folded in is refused' 1 'autosquash' scripts/refresh
squash >"$WORK/out" 2>&1
echo y >"$TREE/hw/arm/second.c"
git -C "$TREE" add -A
commit -m 'A new patch' -m 'Signed-off-by: T <t@example.com>
Patch-Name: new.patch'
expect 'refresh accepts new files, a deleted file and a new patch' 0 '4 patches' scripts/refresh
expect 'the patch claims the new file' 0 '^Adds: include/hw/new.h' cat patches/device.patch
expect 'the new patch claims its new file' 0 '^Adds: hw/arm/second.c' cat patches/new.patch
expect 'the series keeps its comments' 0 '^# device' cat patches/series
expect 'the series has the new patch' 0 '^new.patch' cat patches/series
expect 'a deleted file is gone' 1 '' test -e hw/arm/toy.h
expect 'a new file keeps its mode' 0 '' test -x tests/unit/new.sh
snapshot a
rm -rf "$BUILD"
scripts/compose >/dev/null 2>&1; scripts/refresh >"$WORK/out" 2>&1
snapshot b
same "$WORK/a" "$WORK/b" 'the new state makes the round trip as well'

printf 'b\0inary' >"$TREE/hw/arm/blob.bin"
chmod 755 "$TREE/hw/arm/virt.c"
git -C "$TREE" rm -q hw/arm/smmuv3.c
git -C "$TREE" commit -qam 'Odd changes' -m 'Patch-Name: odd.patch'
expect 'refresh accepts a binary file, a mode and a deletion in a patch' 0 '' scripts/refresh
tree=$(git -C "$TREE" rev-parse 'dev^{tree}')
rm -rf "$BUILD"
scripts/compose >"$WORK/out" 2>&1
expect 'compose gives the same tree' 0 "^$tree" git -C "$TREE" rev-parse 'dev^{tree}'

expect 'export asks who signs the patches off' 1 "mails of ' <>': type SIGNOFF=" scripts/export 2 "$WORK/mails"
for who in 'Ann' 'Ann <ann>' 'Ann <ann@localhost>' 'Ann <ann@x.example>' 'Ann <ann@example.com>' \
    'Ann <ann@users.noreply.host.net>' '<ann@toy.lan>' 'Ann <ann@toy.lan> <b@toy.lan>'; do
    expect "and does not take '$who'" 1 'nobody can answer mails of' env SIGNOFF="$who" scripts/export 2 "$WORK/mails"
done
expect 'a complaint writes nothing' 1 '' test -e "$WORK/mails"
git config user.name 'Ann Ä. Author'
git config user.email ann@toy.lan
expect "git's user is taken" 0 '6 mails' scripts/export 2 "$WORK/git-mails"
expect 'for each patch' 0 '^5$' grep -c . <(grep -h '^Signed-off-by: Ann Ä. Author <ann@toy.lan>$' "$WORK"/git-mails/*)
git config --unset-all user.email
export SIGNOFF='Ann Ä. Author <ann@toy.lan>'
expect 'export writes mails' 0 '6 mails' scripts/export 2 "$WORK/mails"
expect 'they come from who signs off' 0 '^6$' grep -c . <(grep -l '^From: .*<ann@toy.lan>$' "$WORK"/mails/*)
expect 'each patch has this sign-off, once' 0 '^5$' grep -c . <(grep -h '^Signed-off-by: Ann Ä. Author <ann@toy.lan>$' "$WORK"/mails/*)
expect 'and none that no mail can reach' 1 '' grep -h 'example' "$WORK"/mails/*-000[1-9]-*
unset SIGNOFF
sed -i 's/author@example.com/author@other.lan/' patches/device.patch
expect 'authors that can be reached remain' 0 '6 mails' env SIGNOFF='Ann <ann@toy.lan>' scripts/export 2 "$WORK/mails-2"
expect 'as authors' 0 '^From: A U Thor <author@other.lan>$' cat "$WORK"/mails-2/*Bring-the-toy-device*
expect 'and first to sign off' 0 '^Signed-off-by: A U Thor <author@other.lan>.Signed-off-by: Ann <ann@toy.lan>$' \
    sh -c "grep -h ^Signed-off-by '$WORK'/mails-2/*Bring-the-toy-device* | paste -sd' '"
git -C "$TREE" checkout -q --detach base
git -C "$TREE" am -q "$WORK"/mails/*-000[1-9]-* >"$WORK/out" 2>&1; result $? 'git am applies the mails'
expect 'the mails give the same tree' 0 "^$tree" git -C "$TREE" rev-parse 'HEAD^{tree}'
expect 'the mails do not have our own trailers' 1 '' grep -hE '^(Adds|Patch-Name): ' "$WORK"/mails/*
finish
