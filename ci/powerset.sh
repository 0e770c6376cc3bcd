#!/usr/bin/env bash
# Every combination of features compiles for every target, without a word of clippy or rustdoc.
#
# The other scripts try no feature, each alone, and all: `read_features` in ci/common.sh has these
# sets, with what the scripts need to know of them. Here cargo-hack makes all combinations.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

tool hack 0.6.46
targets=("${cpus[@]}" "${musl[@]}" "${android[@]}")
# The feature `default` is empty, and what it could have is in the other combinations.
powerset() {
    quietly cargo hack "$1" --locked --feature-powerset --exclude-features default "${@:2}"
}

powerset check --print-command-list
combinations=$(wc -l <"$log")
[ "$combinations" -gt 1 ] || stop 'cargo-hack makes combinations'
powerset clippy "${targets[@]/#/--target=}" -- --deny warnings
RUSTDOCFLAGS='--deny warnings' powerset doc --no-deps

echo "powerset: $combinations combinations of features compile for ${#targets[@]} targets without a warning"
