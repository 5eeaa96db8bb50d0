#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How check reads the results of tests: single lines as they arrive (tap.py), and meson's log (testlog.py).
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

tally=$WORK/tally
stream() { rm -f "$tally"; printf '%s\n' "$@" | python3 "$TOP/scripts/tap.py" style the.log "$tally"; }

expect 'a test that passes' 0 '^ok       style: one thing$' stream 'ok 1 one thing'
expect 'a test that fails' 0 '^not ok   style: other   \(more in the.log\)$' stream 'not ok 2 - other'
expect 'its comments are printed' 0 '^         # why$' stream 'not ok 1 a' '# why'
! stream 'ok 1 a' '# why' | grep -q why
result $? 'those of a test that passes are not'
expect 'a test that is skipped' 0 '^skip     style: a: no disk$' stream 'ok 3 a # SKIP no disk'
expect 'a program that gives up' 0 '^not ok   style: Bail out! no host' stream 'Bail out! no host'
stream 'ok 1 a' '    not ok 1 subtest' 'not ok 2 b' 'not ok 3 c # TODO later' 'ok 4 d # skip' 'okay' '1..4' >/dev/null
expect 'the tally has each test once' 0 '^pass fail pass skip$' sh -c "paste -sd' ' '$tally'"

# shellcheck disable=SC2317
meson() {    # RESULT OUTPUT
    printf '{"name": "qemu:unit / test-x", "result": "%s", "duration": 1, "stdout": "%s"}\n' "$1" "$2" >"$WORK/log.json"
    python3 "$TOP/scripts/testlog.py" unit "$WORK/log.json" the.log
}
expect 'a program of several cases' 0 '^ok       unit: test-x \(2 of 3, 1.0 s\)$' meson OK 'ok 1 /a\nok 2 /b\nok 3 /c # SKIP no KVM\n'
expect 'a program with a case that fails' 0 '^           failed: /b$' meson FAIL 'ok 1 /a\nnot ok 2 /b\n'
expect 'a program that ends before its first case' 0 '^           failed: timeout after 1 s$' meson TIMEOUT ''
finish
