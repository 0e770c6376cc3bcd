#!/usr/bin/env bash
# Targets without a precompiled std compile if they are supported, and fail with one error if not.
#
# The error is the library's own and says what it supports. `core` is compiled for each target,
# which needs a nightly toolchain with the component rust-src. Which targets are supported is for
# ci/targets.sh to check.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

compiled=(riscv64-linux-android riscv64gc-unknown-linux-musl)
# Big-endian, with narrow pointers, another system or none, and another CPU.
others=(
    aarch64_be-unknown-linux-gnu
    aarch64_be-unknown-linux-musl
    aarch64-unknown-linux-gnu_ilp32
    x86_64-unknown-linux-gnux32
    x86_64-unikraft-linux-musl
    x86_64-unknown-linux-none
    x86_64-unknown-linux-ohos
    x86_64-unknown-hermit
    x86_64-unknown-freebsd
    s390x-unknown-linux-gnu
)

if ! sysroot=$(rustc +nightly --print sysroot 2>"$log") || [ ! -d "$sysroot/lib/rustlib/src" ]; then
    echo 'to get it: rustup toolchain install nightly --profile minimal --component rust-src' >>"$log"
    stop 'there is a nightly toolchain with the sources of core'
fi

read_features
export CARGO_TARGET_DIR=$scratch/target
check=(cargo +nightly check --locked -Zbuild-std=core)
for target in "${compiled[@]}"; do
    quietly "${check[@]}" --features "$without_std" --target "$target"
done
for target in "${others[@]}"; do
    refuses "${check[@]}" --target "$target"
done

echo "tier3: ${#compiled[@]} targets compile, ${#others[@]} are rejected by name"
