#!/usr/bin/env bash
# The claims of tests/suite hold on real kernels, as process 1.
#
# tests/freestanding is the /init of QEMU machines, and runs from a memory file. On the newest
# kernels, the claims about vector registers also hold in programs that use these, and the claims
# about kexec until the second kernel has ended. examples/init prints what it should.
#
# Prints a line for each kernel, and a table of the kernels and the claims. The argument, if
# any, chooses kernels as it does for ci/kernels.sh: `required`, for example.
#
# This script builds what is booted; tests/kernels boots and judges it.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

ci/setup.sh boot
# What tests/kernels reads; src/main.rs there lists it.
boot=$scratch/boot
mkdir "$boot"
ci/kernels.sh "$@" >"$boot/kernels"

# Flags and targets from outside would replace those of the packages.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET INIT_PROGRAM

# available PATTERN: whether there is a kernel for which `NAME CPU` ends so.
available() {
    grep -qE "^[^ ]*$1 fetched " "$boot/kernels"
}

for target in "${cpus[@]}"; do
    mkdir -p "$boot/${debian[$target]}/vectors"
done

# At the same time as the rest, since neither needs the other.
(
    log=$scratch/log.vectors
    for variant in "${vectors[@]}"; do
        read -r target name flag <<<"$variant"
        cpu=${debian[$target]}
        ! available "-newest $cpu" ||
            cp "$(claims_about_vectors "$target" "$name" "$flag")" "$boot/$cpu/vectors/$name"
    done
) &
vectors_built=$!

(
    cd tests/kernels
    quietly cargo test --locked
    quietly cargo build --locked
    cp "$(target_directory)/debug/kernels" "$scratch/kernels"
)
echo 'one = 1' >"$scratch/config"
for target in "${cpus[@]}"; do
    cpu=${debian[$target]}
    available " $cpu" || continue
    # From inside: the packages have configurations of their own.
    (
        cd tests/freestanding
        quietly cargo build --locked --release --target "$target"
        cp "$(target_directory)/$target/release/freestanding" "$boot/$cpu"
    )
    (
        cd examples/init
        built=$(target_directory)
        INIT_CONFIG=$scratch/config quietly cargo build --locked --release --target "$target"
        cp "$built/$target/release/init" "$boot/$cpu"
        # With something in it that is not a program.
        INIT_UNCHECKED=1 INIT_PROGRAM=Cargo.toml quietly cargo build --locked --release --target "$target" --target-dir "$built/broken"
        cp "$built/broken/$target/release/init" "$boot/$cpu/broken"
    )
done
mkdir "$scratch/disk"
echo 'hello from a loop device' >"$scratch/disk/greeting"
quietly mksquashfs "$scratch/disk" "$boot/image.squashfs" -comp gzip -all-root -no-progress
wait "$vectors_built"

# QEMU ends with the program that started it.
"$scratch/kernels" "$boot" &
trap 'kill "$!"; wait "$!" || true; exit 130' INT TERM
wait "$!" || failures=1
