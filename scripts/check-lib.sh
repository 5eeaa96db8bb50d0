# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The parts of check. Each prints its results, adds "pass|fail|skip [N]" lines to $tally, writes all other output
# to $log, and fails if it did not reach its end.
: "${tally:=}" "${log:=}" "${part:=}"

tap() { /usr/bin/python3 "$ROOT/scripts/tap.py" "$part" "$log" "$tally"; }    # TAP on standard input

one() {    # NAME command...: a test that is one command
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then echo "ok 1 $name"; else echo "not ok 1 $name"; echo "# ${out//$'\n'/$'\n'# }"; fi
}

run_tap() {    # LABEL command...: fails if the command fails without the result of a failed test
    local status=0 label=$1
    shift
    # Standard error has the progress, which the user wants to see.
    { "$@" 2> >(tee -a "$log" >&2) || echo $? >"$log.status"; } | tee -a "$log" | part="$part: $label" tap
    if [ -e "$log.status" ]; then status=$(cat "$log.status"); rm "$log.status"; fi
    [ "$status" = 0 ] || grep -qE '^fail( [1-9]|$)' "$tally"
}

part_scripts() {
    local t f
    for f in scripts/* tests/scripts/*.sh tests/deb/*.sh .ci/run; do
        grep -qE '^(#!.*(bash|/sh)$|# shellcheck shell=bash)' "$ROOT/$f" || continue
        (cd "$ROOT" && one "shellcheck $f" shellcheck "$f")
    done | tee -a "$log" | tap
    for t in "$ROOT"/tests/scripts/test-*.sh; do
        f=${t##*/test-}
        run_tap "${f%.sh}" "$t" || return
    done
}

part_style() {
    local c name
    "$ROOT/scripts/compose" >>"$log" 2>&1 || { cat "$log" >&2; return 1; }
    for c in $(tgit rev-list --reverse base..refs/compose/tip); do
        name="checkpatch $(tgit log -1 --format=%B "$c" | trailer Patch-Name)"
        if tgit show --format= --numstat "$c" | grep -q '^[0-9]'; then
            one "$name" checkpatch "$c"
        else
            echo "ok 1 $name # SKIP it adds binary files only"
        fi
    done | tee -a "$log" | tap
    one 'the table of patches in ARCHITECTURE.md is up to date' "$ROOT/scripts/touched-files" --check | tee -a "$log" | tap
    one 'each directory for new files has one' no_empty_overlay | tee -a "$log" | tap
    run_tap modules /usr/bin/python3 "$ROOT/scripts/layers.py" || return
    one 'hw/arm/meson.build lists our files in order' meson_in_order | tee -a "$log" | tap
    one 'no host name of a package archive in any file' no_archive_names | tee -a "$log" | tap
    one 'each mutant applies to the tree' /usr/bin/python3 "$ROOT/tests/mutants/run.py" check "$TREE" | tee -a "$log" | tap
}

checkpatch() { tgit format-patch -1 --stdout "$1" | (cd "$TREE" && scripts/checkpatch.pl --quiet -); }

no_empty_overlay() {
    local d files
    files=$(overlay_files)
    for d in "${OVERLAY_DIRS[@]}"; do
        grep -q "^$d/" <<<"$files" || { echo "OVERLAY_DIRS names $d, where no new file is"; return 1; }
    done
}

meson_in_order() {
    tgit show refs/compose/tip:hw/arm/meson.build |
        sed -n "/SMMUV3_ACCEL', if_true/,/^)/s/^  '\(.*\)\.c',/\1/p" | LC_ALL=C sort -c
}

no_archive_names() {
    ! git -C "$ROOT" grep -InE --untracked '(deb|ftp[.a-z]*|snapshot|security|archive)[.](debian|ubuntu)[.](org|com)' -- .
}

part_unit() { meson_suite unit; }

part_qtest() {
    # UEFI chooses one address in the expected SSDT, so it depends on the build of UEFI.
    meson_suite qtest-aarch64 /aarch64/acpi/virt/memhp 'the expected SSDT comes from another build of UEFI, which chooses an address in it'
}

# Every target for half a minute, two at a time. What is new goes to the corpus in the cache.
part_fuzz() { run_tap target "$ROOT/scripts/fuzz" 30; }

meson_suite() {    # SUITE [CASE REASON]: runs a suite, except this case
    local suite=$1 skip=${2:-} reason=${3:-} status=0 obj=$BUILD/obj${VARIANT:-} names=()
    if [ -n "${VARIANT:-}" ]; then
        mapfile -t names < <(own_tests "$suite")
        skip=
        build_own_tests || return
    else
        "$ROOT/scripts/build" native || return
    fi
    "$ROOT/scripts/firmware" "$obj" || return
    # The timeouts of the tests are for fast machines.
    rm -f "$log".report.*
    (cd "$obj" && sanitizer_options && pyvenv/bin/meson test --no-rebuild --num-processes "$(nproc)" --timeout-multiplier 5 \
        --suite "$suite" --logbase "check-$suite" ${skip:+--test-args="-s $skip"} "${names[@]}") >>"$log" 2>&1 || status=$?
    /usr/bin/python3 "$ROOT/scripts/testlog.py" "$part" "$obj/meson-logs/check-$suite.json" "$log" "$reason" >"$log.tally" || return
    grep -v '^@' "$log.tally" || true
    sed -n 's/^@//p' "$log.tally" >>"$tally"
    rm "$log.tally"
    sanitizer_reports
    [ "$status" = 0 ] || grep -q '^fail [1-9]' "$tally"
}

own_tests() {    # SUITE: prints meson's names of the tests that are files of this repository
    case $1 in
    unit) overlay_files | sed -nE 's,^tests/unit/(test-.*)\.(c|py)$,\1,p' ;;
    qtest-aarch64) overlay_files | sed -nE 's,^tests/qtest/(.*-test)\.c$,qtest-aarch64/\1,p' ;;
    esac
}

build_own_tests() {
    local programs
    programs=$(overlay_files | sed -nE 's,^(tests/unit/test-.*|tests/qtest/.*-test)\.c$,\1,p')
    ONLY="qemu-system-aarch64 tools/smmuv3-spec/smmuv3-spec ${programs//$'\n'/ }" "$ROOT/scripts/build" "native$VARIANT"
}

# Only the slow unwinder gives complete stacks through libraries without frame pointers, such as GLib. The reports go to
# files, because tests compare the programs' standard error. MALLOC_PERTURB_, which meson sets, has no effect: the
# sanitizer makes freed memory unreadable. G_SLICE turns off the allocator of Debian 12's GLib for small blocks, in which
# the sanitizer sees no leaks.
sanitizer_options() {
    local common=log_path=$log.report:exitcode=99:print_stacktrace=1:halt_on_error=1
    export ASAN_OPTIONS=$common:detect_leaks=1:fast_unwind_on_malloc=0 UBSAN_OPTIONS=$common
    export LSAN_OPTIONS=suppressions=$ROOT/tests/lab/lsan.supp:print_suppressions=0 G_SLICE=always-malloc
}

sanitizer_reports() {    # each is a failure, even if the test ignored the exit status of the program
    local file text
    for file in "$log".report.*; do
        [ -e "$file" ] || continue
        # This warning comes from each program with coroutines.
        text=$(grep -v -e "ASan doesn't fully support makecontext" -e '^=*$' "$file") || continue
        echo "not ok   $part: a sanitizer reports (the whole report is in $file)"
        head -n 12 <<<"$text" | sed 's/^/             /'
        echo fail >>"$tally"
    done
}

part_libvirt() {
    ONLY=qemu-system-aarch64 "$ROOT/scripts/build" native >>"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
    run_tap libvirt /usr/bin/python3 "$ROOT/tests/libvirt/run.py"
}

no_dashes() {    # fails if Sphinx turned the two hyphens of an option into a dash, because the text is not literal
    local pages=("$BUILD"/manual/html/{system/arm/smmuv3-accel*,tools/smmuv3-spec}.html "$BUILD/manual/man/smmuv3-spec.1")
    grep -q 'arm-smmuv3-accel' "${pages[@]}" && ! grep -noE '(–|—)[a-z]+' "${pages[@]}"
}

part_docs() {    # builds the manual, and runs the commands that its pages show
    local programs
    one 'the manual builds without a warning' "$ROOT/scripts/manual" 2>&1 | tee -a "$log" | tap
    one 'options can be copied from its pages' no_dashes | tee -a "$log" | tap
    programs=$(/usr/bin/python3 "$ROOT/tests/docs/check.py" --programs)
    ONLY="qemu-system-aarch64 tools/smmuv3-spec/smmuv3-spec ${programs//$'\n'/ }" "$ROOT/scripts/build" native || return
    run_tap pages /usr/bin/python3 "$ROOT/tests/docs/check.py" "$BUILD/obj"
}

part_lab() { run_tap scenario "$ROOT/scripts/lab" check; }
