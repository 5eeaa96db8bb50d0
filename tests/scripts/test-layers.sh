#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The comparison of the modules with the table of layers finds each kind of mistake.
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

fresh() {
    rm -rf "$TOY"
    mkdir -p "$TOY/hw/arm"
    cat >"$TOY/ARCHITECTURE.md" <<'END'
<!-- layers -->
| layer | modules |
|---|---|
| entry points | `-hooks`, `-pci` |
| host | `-host`, and the header `-state.h` |
| decisions (pure) | `-cmd` |
<!-- /layers -->
END
    cd "$TOY/hw/arm" || exit
    echo 'int smmuv3_accel_classify(void);' >smmuv3-accel-cmd.h
    printf '#include "smmuv3-accel-cmd.h"\nint smmuv3_accel_classify(void)\n{\n}\n' >smmuv3-accel-cmd.c
    echo '#include "smmuv3-accel-cmd.h"' >smmuv3-accel-state.h
    printf 'bool smmuv3_accel_attach(int a,\n int b)\n{\n smmuv3_accel_classify();\n}\n' >smmuv3-accel-host.c
    printf 'void smmuv3_accel_hook(void)\n{\n smmuv3_accel_attach(1, 2);\n}\n' >smmuv3-accel-hooks.c
    printf '#include "smmuv3-accel-state.h"\nvoid smmuv3_accel_pci(void)\n{\n}\n' >smmuv3-accel-pci.c
}
# shellcheck disable=SC2317
layers() { python3 "$TOP/scripts/layers.py" "$TOY"; }

fresh
expect 'modules as the table has them' 0 '^ok 4 ' layers
echo 'static void f(void) { smmuv3_accel_attach(1, 2); }' >>smmuv3-accel-cmd.c
expect 'a call of a higher layer' 1 '^# smmuv3-accel-cmd uses smmuv3_accel_attach of smmuv3-accel-host, which' layers
fresh
echo '#include "smmuv3-accel-state.h"' >>smmuv3-accel-cmd.c
expect 'a header of a higher layer' 1 'uses smmuv3-accel-state.h of smmuv3-accel-state.h, which' layers
fresh
echo '/* smmuv3_accel_attach() */ char *s = "smmuv3_accel_attach";' >>smmuv3-accel-cmd.c
expect 'a name in a comment is no call' 0 '' layers
fresh
echo 'static void f(void) { smmuv3_accel_pci(); }' >>smmuv3-accel-hooks.c
echo 'static void g(void) { smmuv3_accel_hook(); }' >>smmuv3-accel-pci.c
expect 'a circle in one layer' 1 '^# smmuv3-accel-hooks -> smmuv3-accel-pci -> smmuv3-accel-hooks' layers
fresh
echo 'static void f(void) { ioctl(0, 0); }' >>smmuv3-accel-cmd.c
expect 'an ioctl in a module that only decides' 1 '^# smmuv3-accel-cmd is said to be pure, but has ioctl' layers
fresh
touch smmuv3-accel-new.c
expect 'a module that the table does not have' 1 '^# smmuv3-accel-new is in no layer' layers
fresh
rm smmuv3-accel-pci.c
expect 'a module that is gone' 1 '^# there is no module smmuv3-accel-pci' layers
finish
