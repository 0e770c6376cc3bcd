#!/usr/bin/env bash
# The library compiles for Android too, and on a target that it does not support the one
# error is its own and says what is supported.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

read_features
for features in "${feature_sets[@]}"; do
    for target in "${android[@]}"; do
        quietly cargo check --locked --features "$features" --target "$target"
    done
    for target in "${refused[@]}"; do
        check=(cargo check --locked --features "$features" --target "$target" --message-format short)
        if "${check[@]}" >"$log" 2>&1; then
            echo 'an unsupported target compiles' >>"$log"
            stop "${check[@]}"
        fi
        # The last one is cargo's own.
        mapfile -t errors < <(grep -E '(^|: )error(\[|:)' "$log" | grep -v '^error: could not compile')
        if [ "${#errors[@]}" -ne 1 ] || [[ ${errors[0]} != *'owned-memfd supports '* ]]; then
            echo 'expected one error, which says what owned-memfd supports' >>"$log"
            stop "${check[@]}"
        fi
    done
done

echo 'targets: Android compiles, i686 and wasm32 are refused by name'
