#!/usr/bin/env bash
# examples/init builds for every CPU as a static program and runs the program that it carries.
#
# README's one command builds it; it needs no function of a C library. The program runs from
# memory with its own arguments and environment. If it cannot run, init prints one line that says
# why, and does not panic where it cannot. Prints the size for each CPU.
#
# Here it runs as an ordinary process, so that nothing is mounted or switched off. What the program
# that it carries by default does on the other CPUs, only their kernels show: see ci/boot.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# From inside: the package has a configuration of its own.
cd examples/init
# Flags and targets from outside would replace the package's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET INIT_PROGRAM
built=$(target_directory)
# readelf speaks English.
export LC_ALL=C

# carrying PROGRAM CPU [ARGUMENT…]: runs init with this program in it and one variable in its
# environment, and sets `status`.
carrying() {
    local cpu=$2
    INIT_PROGRAM=$1 quietly cargo build --locked --release --target "$cpu" --target-dir "$built/carrying"
    shift 2
    status=0
    env --ignore-environment PATH="$PATH" VARIABLE=kept \
        "${emulator[$cpu]}" "$built/carrying/$cpu/release/init" "$@" >"$log" 2>&1 || status=$?
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

for cpu in "${cpus[@]}"; do
    # A program of this machine, which the kernel runs for an emulated init too.
    carrying /bin/sh "$cpu" -c 'readlink /proc/$$/exe; echo "$VARIABLE, $1"; exit 3' sh 'two words'
    [ "$status" -eq 3 ] && [ "$(cat "$log")" = $'/memfd:program (deleted)\nkept, two words' ] ||
        stop "$cpu: what runs has no path, its arguments and its environment: status $status"

    # The status is the errno.
    carrying "$PWD/Cargo.toml" "$cpu"
    [ "$status" -eq 8 ] && [ "$(cat "$log")" = 'init: cannot run the program: ENOEXEC' ] ||
        stop "$cpu: a text is no program: status $status, or another line"
done
unheard 8 "$built/carrying/x86_64-unknown-linux-gnu/release/init"
printf '#!/bin/sh\n' >"$scratch/script"
carrying "$scratch/script" x86_64-unknown-linux-gnu
[ "$status" -eq 2 ] && [ "$(cat "$log")" = 'init: cannot run a script: ENOENT' ] ||
    stop "a script is no program: status $status, or another line"

if INIT_PROGRAM=missing cargo build --locked --release --target-dir "$built/carrying" >"$log" 2>&1 ||
    ! grep -qF 'INIT_PROGRAM=missing: No such file' "$log"; then
    stop 'what INIT_PROGRAM names, and is not there, is an error that says so'
fi

echo 'init: it runs what it carries from memory, and says why when it does not'
