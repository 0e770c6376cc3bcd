#!/usr/bin/env bash
# The library cannot panic, needs no C library, and makes five system calls in a lifecycle.
#
# tests/footprint/src/bin/surface.rs calls all of the library except the printing of values, and
# traits.rs there what it implements of other crates' traits. They are linked for each CPU and
# optimization without any mem* function, and with a panic handler that no linker can resolve.
# Prints what the lifecycles cost on x86_64.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# From inside: the package has a configuration of its own.
cd tests/footprint
# Flags from outside would replace the package's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
built=$(target_directory)

for profile in s z release thick thick-z; do
    quietly cargo build --locked --profile "$profile" "${all_cpus[@]}"
done

echo "program, optimization: instructions, bytes besides the page that is written"
for program in bare matched policy proof; do
    for profile in s z release; do
        binary=$built/x86_64-unknown-linux-gnu/$profile/$program
        quietly "$binary"
        # One line a call; the last one ends the program. The proof asks for the length too.
        qemu-x86_64-static -strace "$binary" >"$log" 2>&1 || stop "$binary under QEMU"
        calls=$(grep -cE '^[0-9]+ [a-z0-9_]+\(' "$log")
        expected=6
        [ "$program" != proof ] || expected=7
        [ "$calls" -eq "$expected" ] || stop "$program at $profile: $calls calls, not $expected"
        # One line an instruction. Seven of them start and end the program: the six of `_start`
        # in tests/start, and the `ret` that comes back to it.
        qemu-x86_64-static -singlestep -d exec,nochain -D "$log" "$binary"
        echo "  $program, $profile: $(($(grep -c '^Trace' "$log") - 7)), $(($(stat -c %s "$binary") - 4096))"
    done
done
echo "footprint: no panic, no function of a C library, and the system calls that are counted on"
