#!/usr/bin/env bash
# The examples that run programs from memory do so, or say why they cannot.
#
# They do the same with and without std. An error is one line, and where that cannot be printed
# there is no panic.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# In KiB: an example that loads more than it says is killed, and does not fill the memory.
ulimit -f $((1 << 20))

printf '#!/bin/sh\necho "script $1"\n' >"$scratch/script"
: >"$scratch/empty"
read_features
for features in "$without_std" "$with_std"; do
    run=(cargo run --locked --quiet --features "$features" --example run --)
    quietly "${run[@]}" /bin/echo hello 'two words'
    [ "$(cat "$log")" = 'hello two words' ] || stop 'echo from memory gets its arguments'
    VARIABLE=kept quietly "${run[@]}" /usr/bin/env
    grep -qx 'VARIABLE=kept' "$log" || stop 'env from memory gets its environment'
    quietly "${run[@]}" "$scratch/script" runs
    [ "$(cat "$log")" = 'script runs' ] || stop 'a script from memory gets its arguments'
    status=0
    "${run[@]}" /bin/false >"$log" 2>&1 || status=$?
    [ "$status" -eq 1 ] && [ ! -s "$log" ] || stop "false from memory: status $status, or some output"
    quietly "${run[@]}" /bin/readlink /proc/self/exe
    [ "$(cat "$log")" = '/memfd:program (deleted)' ] || stop 'what runs has no path'
    for program in '' missing / Cargo.lock "$scratch/empty" /dev/zero; do
        status=0
        "${run[@]}" ${program:+"$program"} >"$log" 2>&1 || status=$?
        [ "$status" -eq 1 ] && [ "$(wc -l <"$log")" -eq 1 ] || stop "${run[*]} $program: status $status, not one line"
    done

    reexec=(cargo run --locked --quiet --features "$features" --example reexec)
    quietly "${reexec[@]}" -- one two
    [ "$(cat "$log")" = 'reexec: running from a sealed copy with ["one", "two"]' ] || stop 'reexec goes on from a copy'
    # An inherited variable does not stop the re-execution.
    OWNED_MEMFD_REEXEC=1 quietly "${reexec[@]}"
    grep -q 'from a sealed copy' "$log" || stop 'reexec goes on, whatever it has inherited'

    examples=$(target_directory)/debug/examples
    unheard 0 "$examples/run" /bin/true
    unheard 1 "$examples/run" missing
    unheard 0 "$examples/reexec"
done

echo 'examples: programs run from memory, and say why when they do not'
