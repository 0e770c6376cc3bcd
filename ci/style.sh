#!/usr/bin/env bash
# The code is formatted, and neither clippy nor rustdoc complains about it.
#
# Clippy checks the library for every supported CPU and every set of features, its tests and examples
# with and without std, and the other packages with the profile in which they are built. The packages
# that are programs for this machine only are checked for it alone, with their tests. Rustdoc runs for
# this machine's CPU.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

for manifest in "${manifests[@]}"; do
    quietly cargo fmt --manifest-path "$manifest" -- --check
done

# What panics, as the compiler knows it by its type. ci/boundaries.sh parses the code, but does
# not know types, so it is stricter. It sees assertions too.
panics=()
for lint in unwrap_used expect_used panic indexing_slicing string_slice unreachable todo unimplemented; do
    panics+=(--deny "clippy::$lint")
done

read_features
for features in "${feature_sets[@]}"; do
    quietly cargo clippy --locked --features "$features" "${all_cpus[@]}" -- --deny warnings "${panics[@]}"
    RUSTDOCFLAGS='--deny warnings' quietly cargo doc --locked --features "$features" --no-deps
done
for features in "$without_std" "$with_std"; do
    quietly cargo clippy --locked --features "$features" --all-targets -- --deny warnings
done

# In one place: what several of them depend on is compiled once.
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/style
for manifest in "${manifests[@]:1}"; do
    (
        # From inside: a package may have a configuration of its own.
        cd "$(dirname "$manifest")"
        only=()
        case $manifest in
        tests/bench/* | tests/boundaries/* | tests/fuzz/* | tests/hostile/* | tests/kernels/* | tests/partners/*)
            quietly cargo clippy --locked --all-targets -- --deny warnings
            exit
            ;;
        tests/interpreted/*)
            # Without Miri there is nothing in it.
            for features in '' std; do
                RUSTFLAGS='--cfg miri' quietly cargo clippy --locked --features "$features" --all-targets -- \
                    --deny warnings --allow explicit_builtin_cfgs_in_flags
            done
            exit
            ;;
        tests/footprint-peers/*)
            # A program for each crate, with that crate alone.
            for features in assembly ours rustix; do
                quietly cargo clippy --locked --release "${all_cpus[@]}" --features "$features" -- --deny warnings
            done
            for features in nothing nix memfile memfd; do
                quietly cargo clippy --locked --release --target "${musl[0]}" --features "$features" -- --deny warnings
            done
            exit
            ;;
        tests/crates/*)
            # All crates at once, and then, below, the program without libc.
            quietly cargo clippy --locked --all-targets -- --deny warnings
            only=(--no-default-features --features freestanding)
            ;;
        esac
        # In the profile that it is built with: without std, these may otherwise want to unwind.
        for code in '' --examples; do
            quietly cargo clippy --locked --release "${all_cpus[@]}" "${only[@]}" $code -- --deny warnings
        done
    )
done

echo 'style: formatting, clippy and documentation are clean'
