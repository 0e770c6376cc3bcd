#!/usr/bin/env bash
# The library builds, and its tests pass, with the oldest Rust that Cargo.toml promises.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

oldest_rust
export RUSTUP_TOOLCHAIN=$oldest

read_features
for features in "${feature_sets[@]}"; do
    quietly cargo check --locked --features "$features"
done
leads_on
driver "host, Rust $oldest" cargo test --locked --no-fail-fast --features "$without_std"
driver "host, std, Rust $oldest" cargo test --locked --no-fail-fast --features "$with_std"
