#!/usr/bin/env bash
# Miri finds no undefined behaviour in the tests of accesses to memory that others write.
#
# It runs what needs no kernel, with the functions that the library has for Miri, under both models
# of what pointers may do. That needs a nightly toolchain with the component miri.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

if ! cargo +nightly miri --version >"$log" 2>&1; then
    echo 'to get it: rustup toolchain install nightly --profile minimal --component miri,rust-src' >>"$log"
    stop 'there is a nightly toolchain with Miri'
fi
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/miri
for model in stacked tree; do
    flags=
    [ "$model" = stacked ] || flags="-Zmiri-$model-borrows"
    MIRIFLAGS=$flags quietly cargo +nightly miri test --locked --test access
    grep -q '^test result: ok. [1-9]' "$log" || stop "Miri runs the tests with $model borrows"
done

echo 'miri: no undefined behaviour with stacked and tree borrows'
