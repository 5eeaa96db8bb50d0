#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/mutants/run.py reads a list of mutants, and reports those that do not apply.
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

mkdir -p "$WORK/tests/mutants" "$WORK/tests/unit" "$WORK/tests/lab/scenarios" "$WORK/tree/hw"
cp "$TOP/tests/mutants/run.py" "$WORK/tests/mutants/"
touch "$WORK/tests/unit/test-x.c"
printf 'int f(void)\n{\n    return 1;\n}\n\nint g(void)\n{\n    return 2;\n}\n' >"$WORK/tree/hw/x.c"

list() { cat >"$WORK/tests/mutants/x.txt"; }
check() { expect "$1" "$2" "$3" python3 "$WORK/tests/mutants/run.py" check "$WORK/tree"; }

list <<END
# A comment.

mutant: one
file: hw/x.c
killed by: test-x
Why this matters,
in two lines.

 {
-    return 1;
+    return 3;
@@
     return 2;
+    return 4;
 }

mutant: two
file: hw/x.c
killed by: lab:x
Another one.

-    return 2;
END
check 'a scenario has to exist' 1 'mutant two: there is no test lab:x'
echo 'def x(lab):' >"$WORK/tests/lab/scenarios/x.py"
check 'mutants apply' 0 '2 mutants apply'
expect 'a mutant can be named' 1 'no mutant is called three' python3 "$WORK/tests/mutants/run.py" targets three
expect 'only unit tests and qtests are built' 0 '^tests/unit/test-x$' python3 "$WORK/tests/mutants/run.py" targets

sed -i 's/return 2/return 5/' "$WORK/tree/hw/x.c"
check 'a mutant may be stale' 1 'x.txt: mutant one is stale: hw/x.c has its old lines 0 times'
sed -i 's/return 5/return 2/' "$WORK/tree/hw/x.c"
printf '\nint h(void)\n{\n    return 2;\n}\n' >>"$WORK/tree/hw/x.c"
check 'old lines occur once' 1 'has its old lines 2 times'
sed -i '10,$d' "$WORK/tree/hw/x.c"

sed -i 's/^mutant: two/mutant: one/' "$WORK/tests/mutants/x.txt"
check 'a name is used once' 1 'two mutants are called one'
sed -i -e 's/killed by: test-x/killed by: test-y/' -e '0,/^mutant: one/s//mutant: zero/' "$WORK/tests/mutants/x.txt"
check 'a test has to exist' 1 'mutant zero: there is no test test-y'
sed -i '/^Another/d' "$WORK/tests/mutants/x.txt"
check 'a mutant has a reason' 1 'mutant one has no why'
printf 'mutant: one\nfile: hw/x.c\nkilled by: test-x\nNothing.\n\n     return 2;\n' | list
check 'a mutant changes something' 1 'mutant one changes nothing'
finish
