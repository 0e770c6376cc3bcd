#!/usr/bin/env bash
# The library works together with other crates, in one program and in every combination of std.
#
# tests/crates uses object, zerocopy, bytemuck, bytes, yoke, memmap2, tokio, command-fds, rustix and
# embedded-io with memory files, as their documentation says, and does what other crates for memory
# files do. The examples of the guide's page about these crates run there, too. Its library is
# compiled and run with and without std for this crate, and with and without std for rustix, and in
# a program without libc for each CPU.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

cd tests/crates
# tests FILES OPTION…: tests the package. Each of these files has tests, and all of them run.
tests() {
    local file count
    quietly cargo test --locked --no-default-features "${@:2}"
    for file in $1; do
        count=$(awk -v file="$file" '
            $1 == "Running" { runs = $2 == "unittests" ? $3 : $2 }
            $1 == "Doc-tests" { runs = "Doc-tests" }
            /^test result: ok\. / && runs == file && $8 == 0 { print $4 }
        ' "$log")
        [ "${count:-0}" -gt 0 ] || stop "$file has tests, and all of them run: ${*:2}"
        passed=$((passed + count))
    done
}
passed=0
for combination in '' std rustix-std 'std rustix-std'; do
    tests src/lib.rs --lib --features "$combination"
done
tests 'src/lib.rs tests/graph.rs tests/instead.rs Doc-tests' --features graph

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
