#!/usr/bin/env bash
# The tests pass on the other CPUs under QEMU, as static programs, and with musl.
# With arguments: only for these targets.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

if [ $# -eq 0 ]; then
    set -- aarch64-unknown-linux-gnu riscv64gc-unknown-linux-gnu \
        x86_64-unknown-linux-musl aarch64-unknown-linux-musl
fi

# These variables win over every configuration file.
export RUSTFLAGS="${RUSTFLAGS-} -C target-feature=+crt-static"
export RUSTDOCFLAGS="${RUSTDOCFLAGS-} -C target-feature=+crt-static"
# Without the directory of a libc: a program that is not static does not start.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static
export CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_RUNNER=qemu-riscv64-static

for target; do
    driver "$target" cargo test --locked --no-fail-fast --target "$target"
    driver "$target, std" cargo test --locked --no-fail-fast --target "$target" --features std
done
