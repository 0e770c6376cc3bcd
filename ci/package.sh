#!/usr/bin/env bash
# The published package builds from its own files, with every set of features.
#
# It does not contain what only the repository needs.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

read_features
built=$(target_directory)
rm -f "$built"/package/*.crate
# Uncommitted changes are allowed.
quietly cargo package --locked --allow-dirty
# Cargo warns of what users would miss, such as an example that is left out. These are meant: the
# tests stay in the repository, and its address is not decided, so Cargo.toml has no `repository`.
address='manifest has no .*repository'
grep -q "^warning: $address" "$log" || stop 'Cargo.toml has an address: remove what this script says of it'
! grep '^warning: ' "$log" | grep -vE "^warning: ($address|ignoring test \`[a-z_]+\` as \`tests/[a-z_]+\.rs\` is not included )" >"$scratch/warnings" || {
    cp "$scratch/warnings" "$log"
    stop 'cargo package warns of nothing else'
}
package=$(basename "$built"/package/*.crate .crate)
tar -xzf "$built/package/$package.crate" -C "$scratch"
cd "$scratch/$package"
find . -mindepth 1 -printf '%P\n' | sort >"$log"

for entry in tests ci examples/init .ci .github .cargo Cross.toml; do
    ! grep -qE "^$entry(/|$)" "$log" || stop "the package leaves $entry out"
done
for entry in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE examples/hello.rs examples/ring/side.rs src/lib.rs arch/mod.rs; do
    grep -qx "$entry" "$log" || stop "the package has $entry"
done

export CARGO_TARGET_DIR=$built/packaged
for features in "${feature_sets[@]}"; do
    quietly cargo build --features "$features" --lib --examples
done
quietly cargo test --doc

echo "package: $package builds from its own files"
