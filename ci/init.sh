#!/usr/bin/env bash
# examples/init builds for every CPU as a static program and runs the program that it carries.
#
# README's one command builds it; it needs no function of a C library. The program runs from
# memory with its own arguments and environment, and reads its configuration from descriptor 3. A
# file that is no whole program for the CPU is an error when init is built. If one is built in all
# the same and cannot run, init prints one line that says which and why, and does not panic where
# it cannot. Prints the size for each CPU.
#
# Here it runs as an ordinary process, so that nothing is mounted or switched off. What the program
# that it carries by default does on the other CPUs, only their kernels show: see ci/boot.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# From inside: the package has a configuration of its own.
cd examples/init
# Flags and targets from outside would replace the package's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET INIT_PROGRAM INIT_CONFIG INIT_UNCHECKED
built=$(target_directory)
# readelf speaks English.
export LC_ALL=C

# carrying PROGRAM CPU [ARGUMENT…]: runs init with this program in it, whatever it is, and one
# variable in its environment, and sets `status`.
carrying() {
    local cpu=$2
    INIT_UNCHECKED=1 INIT_PROGRAM=$1 quietly cargo build --locked --release --target "$cpu" --target-dir "$built/carrying"
    shift 2
    status=0
    env --ignore-environment PATH="$PATH" VARIABLE=kept \
        "${emulator[$cpu]}" "$built/carrying/$cpu/release/init" "$@" >"$log" 2>&1 || status=$?
}

# refuses_to_carry PROGRAM CPU WORDS: building init with this program in it fails, and says so.
refuses_to_carry() {
    if INIT_PROGRAM=$1 cargo build --locked --release --target "$2" --target-dir "$built/carrying" >"$log" 2>&1 ||
        ! grep -qF "INIT_PROGRAM=$1: $3" "$log"; then
        stop "init for $2 is not built with $1: $3"
    fi
}

quietly cargo build --locked --release
for cpu in "${cpus[@]}"; do
    init=$built/$cpu/release/init
    readelf --wide --file-header --program-headers --section-headers --string-dump=.comment "$init" >"$log" 2>&1 ||
        stop "readelf $init"
    grep -qE '^ +Type: +EXEC ' "$log" || stop "$init is a static executable at a fixed address"
    ! grep -qE '\b(INTERP|DYNAMIC)\b|\.(interp|dynamic|dynsym)\b' "$log" || stop "$init has nothing dynamic"
    grep -q 'Linker: LLD' "$log" || stop "$init is linked by rust-lld"
    echo "init, $cpu: $(stat -c %s "$init") bytes"
done

quietly "$built/x86_64-unknown-linux-gnu/release/init"
[ "$(cat "$log")" = 'program: runs from memory' ] || stop 'init runs the program that it carries by default'
unheard 0 "$built/x86_64-unknown-linux-gnu/release/init"

: >"$scratch/empty"
echo 'one = 1' >"$scratch/config"
printf '#!/bin/sh\n' >"$scratch/script"
# registered CPU: whether this machine runs programs of that CPU.
registered() {
    local status=0
    "$built/$1/release/init" >/dev/null 2>&1 || status=$?
    [ "$status" -ne 126 ]
}

for cpu in "${cpus[@]}"; do
    # A program of this machine, which the kernel runs for an emulated init too.
    carrying /bin/sh "$cpu" -c 'readlink /proc/$$/exe; echo "$VARIABLE, $1"; exit 3' sh 'two words'
    [ "$status" -eq 3 ] && [ "$(cat "$log")" = $'/memfd:program (deleted)\nkept, two words' ] ||
        stop "$cpu: what runs has no path, its arguments and its environment: status $status"

    # The configuration: where 3 is free, is something else, and is not the lowest free number.
    export INIT_CONFIG=$scratch/config
    carrying /bin/sh "$cpu" -c 'cat <&3' 3<&-
    cat "$log" >"$scratch/configured"
    carrying /bin/sh "$cpu" -c 'cat <&3' 3</dev/null
    cat "$log" >>"$scratch/configured"
    carrying /bin/sh "$cpu" -c 'cat <&3' <&-
    cat "$log" >>"$scratch/configured"
    # Under that number only.
    carrying /bin/sh "$cpu" -c 'readlink /proc/$$/fd/*' 3</dev/null
    [ "$(grep -c '^/memfd:config ' "$log")" -eq 1 ] || stop "$cpu: the program inherits it once"
    unset INIT_CONFIG
    [ "$(cat "$scratch/configured")" = $'one = 1\none = 1\none = 1' ] ||
        stop "$cpu: the program reads its configuration: $(cat "$scratch/configured")"

    # The status is the errno. What is wrong is named.
    head -c 100 "$built/$cpu/release/init" >"$scratch/cut"
    other=${cpus[0]}
    [ "$cpu" != "$other" ] || other=${cpus[1]}
    cp "$built/$other/release/init" "$scratch/other"
    while IFS='|' read -r program why; do
        # An emulator may know how to run the other CPU's programs.
        [ "$program" != "$scratch/other" ] || ! registered "$other" || continue
        carrying "$program" "$cpu"
        [ "$status" -eq 8 ] && [ "$(cat "$log")" = "init: cannot run ${program##*/}: $why: ENOEXEC" ] ||
            stop "$cpu: $program does not run since $why: status $status, or another line"
    done <<END
$PWD/Cargo.toml|it is not a program
$scratch/empty|it is empty
$scratch/cut|it is cut off
$scratch/other|it is for another CPU
END
    refuses_to_carry "$PWD/Cargo.toml" "$cpu" 'it is not a program'
    refuses_to_carry "$scratch/empty" "$cpu" 'it is empty'
    refuses_to_carry "$scratch/script" "$cpu" 'it is a script'
    refuses_to_carry "$scratch/cut" "$cpu" 'it is cut off'
    refuses_to_carry "$scratch/other" "$cpu" "it is not for ${cpu%%[-g]*}"
    # The last byte of a program, too.
    head -c -1 "$built/$cpu/release/init" >"$scratch/shorter"
    refuses_to_carry "$scratch/shorter" "$cpu" 'it is cut off'
    INIT_PROGRAM=$built/$cpu/release/init quietly cargo build --locked --release --target "$cpu" --target-dir "$built/carrying"
done
carrying "$scratch/empty" x86_64-unknown-linux-gnu
unheard 8 "$built/carrying/x86_64-unknown-linux-gnu/release/init"
carrying "$scratch/script" x86_64-unknown-linux-gnu
[ "$status" -eq 2 ] && [ "$(cat "$log")" = 'init: cannot run script: it is a script: ENOENT' ] ||
    stop "a script is no program: status $status, or another line"
INIT_CONFIG=$scratch/config quietly cargo build --locked --release --target x86_64-unknown-linux-gnu --target-dir "$built/carrying"
quietly "$built/carrying/x86_64-unknown-linux-gnu/release/init"
[ "$(cat "$log")" = 'program: runs from memory, configured by: one = 1' ] || stop 'the default program reads its configuration'
# No number above 2 is allowed: the file gets 0, and cannot get 3.
status=0
(
    exec <&-
    ulimit -n 3
    exec "$built/carrying/x86_64-unknown-linux-gnu/release/init"
) >"$log" 2>&1 || status=$?
[ "$status" -eq 9 ] && [ "$(cat "$log")" = 'init: cannot hand over the configuration of src/program.rs: EBADF' ] ||
    stop "without its configuration, the program does not run: status $status, or another line"
! INIT_CONFIG=missing cargo build --locked --release --target x86_64-unknown-linux-gnu --target-dir "$built/carrying" >"$log" 2>&1 &&
    grep -qF 'INIT_CONFIG=missing: No such file' "$log" || stop 'a configuration that is missing is named'
refuses_to_carry missing x86_64-unknown-linux-gnu 'No such file'
# A dynamic program is carried.
INIT_PROGRAM=/bin/sh quietly cargo build --locked --release --target x86_64-unknown-linux-gnu --target-dir "$built/carrying"
grep -q 'warning: .*INIT_PROGRAM=/bin/sh: it needs /' "$log" || stop 'a dynamic linker that is needed is named'

echo 'init: it runs what it carries from memory, and says why when it does not'
