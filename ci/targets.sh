#!/usr/bin/env bash
# The library compiles for the documented targets and rejects every other with its own error.
#
# Cargo evaluates the condition in Cargo.toml for each target that rustc knows; the result is
# compared with a rule of this script. arch/mod.rs must have the same condition. Then the library
# is compiled for Android and musl, and for unsupported targets that have an installed `core`;
# ci/tier3.sh does the same for targets without one.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# Of a target's name: what the library supports, whatever the condition says. A new target that
# this does not foresee makes the check fail: decide what it is.
supported='^(x86_64|aarch64|riscv64[a-z0-9]*)-(unknown-linux-(gnu|musl)([a-z]san)?|linux-android)$'

# condition FILE BEFORE AFTER: the condition on the target that stands between these two,
# without spaces, line ends, and commas at the end.
condition() {
    tr -d ' \n' <"$1" | grep -oP "$2\Kall\([^]']*target_os[^]']*(?=$3)" | sed 's/,)/)/g'
}

condition Cargo.toml "\[target\.'cfg\(" "\)'\.dependencies\]" >"$scratch/manifest" || stop 'Cargo.toml has a condition'
condition arch/mod.rs '#\[cfg\(' '\)\]macro_rules!cfg_if' >"$scratch/code" || stop 'arch/mod.rs has a condition'
[ "$(wc -l <"$scratch/code")" -eq 1 ] || stop 'arch/mod.rs has one condition'
diff "$scratch/manifest" "$scratch/code" >"$log" || stop 'Cargo.toml and arch/mod.rs have the same condition'

# Prints the target if the library has dependencies there.
depends() {
    local packages
    packages=$(cargo tree --locked --edges normal --depth 1 --prefix none --target "$1") || exit 255
    case $(wc -l <<<"$packages") in
    1) ;;
    4) echo "$1" ;;
    *) exit 255 ;;
    esac
}
export -f depends

rustc --print target-list >"$scratch/targets"
xargs -P "$(nproc)" -I '{}' bash -c 'depends {}' <"$scratch/targets" >"$scratch/depends" 2>"$log" ||
    stop 'Cargo evaluates the condition for each target'
grep -E "$supported" "$scratch/targets" | sort | diff - <(sort "$scratch/depends") >"$log" ||
    stop 'the supported targets (<) are those with dependencies (>)'

read_features
compiled=("${android[@]}" "${musl[@]}")
for features in "${feature_sets[@]}"; do
    quietly cargo check --locked --features "$features" "${compiled[@]/#/--target=}"
done
for features in '' "$with_std"; do
    for target in "${refused[@]}"; do
        refuses cargo check --locked --features "$features" --target "$target"
    done
done

echo "targets: $(wc -l <"$scratch/depends") of $(wc -l <"$scratch/targets") are supported, Android and musl compile, others are rejected by name"
