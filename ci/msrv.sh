#!/usr/bin/env bash
# The library builds, and its tests pass, with the oldest Rust that Cargo.toml promises.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

msrv=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml).0
grep -q "^$msrv-" <<<"$(rustup toolchain list)" || quietly rustup toolchain install "$msrv" --profile minimal
export RUSTUP_TOOLCHAIN=$msrv

read_features
for features in "${feature_sets[@]}"; do
    quietly cargo check --locked --features "$features"
done
leads_on
driver "host, Rust $msrv" cargo test --locked --no-fail-fast --features "$without_std"
driver "host, std, Rust $msrv" cargo test --locked --no-fail-fast --features "$with_std"
