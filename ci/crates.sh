#!/usr/bin/env bash
# The library works together with other crates, in one program and in every combination of std.
#
# tests/crates uses object, zerocopy, bytemuck, bytes, yoke, memmap2, tokio, command-fds, rustix and
# embedded-io with memory files, as their documentation says, and does what other crates for memory
# files do. Its library is compiled and run with and without std for this crate, and with and
# without std for rustix, and in a program without libc for each CPU.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

cd tests/crates
tests() {
    quietly cargo test --locked --no-default-features "$@"
    count=$(sed -n 's/^test result: ok. \([1-9][0-9]*\) passed; 0 failed; 0 ignored.*/\1/p' "$log" | paste -sd+)
    [ -n "$count" ] || stop "tests pass: $*"
    passed=$((passed + count))
}
passed=0
for combination in '' std rustix-std 'std rustix-std'; do
    tests --lib --features "$combination"
done
tests --features graph

# Flags from outside would replace these.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
built=$(target_directory)
for cpu in "${cpus[@]}"; do
    flags='"-Clinker=rust-lld", "-Clinker-flavor=ld.lld", "-Ctarget-feature=+crt-static", "-Crelocation-model=static"'
    build=(cargo build --locked --release --target "$cpu" --no-default-features --bin freestanding)
    quietly "${build[@]}" --features freestanding --config "target.$cpu.rustflags = [$flags]"
    program=$built/$cpu/release/freestanding
    LC_ALL=C readelf --wide --program-headers --symbols "$program" >"$log" 2>&1 || stop "readelf $program"
    ! grep -qE '\b(INTERP|DYNAMIC)\b' "$log" || stop "$program has nothing dynamic"
    ! grep -E '^ +[0-9]+: .* UND .' "$log" | grep -vE '^ +0: ' || stop "$program has no undefined symbol"
    quietly "${emulator[$cpu]}" "$program"
    [ "$(cat "$log")" = 'everything works without std' ] || stop "$program does everything"
done

echo "crates: $passed tests beside other crates pass, and a program without libc for ${#cpus[@]} CPUs"
