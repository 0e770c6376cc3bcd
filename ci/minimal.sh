#!/usr/bin/env bash
# The library works with the oldest versions that Cargo.toml allows, of Rust too.
#
# Cargo chooses the oldest version of each dependency, as only a nightly toolchain can, and the
# oldest Rust compiles every set of features with them and runs the tests. For the tests, rustix is
# the one that they need themselves.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

cargo +nightly --version >"$log" 2>&1 || {
    echo 'to get it: rustup toolchain install nightly --profile minimal' >>"$log"
    stop 'there is a nightly toolchain'
}
oldest_rust
read_features
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/minimal

mkdir "$scratch/copy"
tar -c --exclude target Cargo.toml README.md src arch tests examples | tar -x -C "$scratch/copy"
cd "$scratch/copy"
# Locks the oldest versions, and prints them for the message.
lock() {
    rm -f Cargo.lock
    quietly cargo +nightly generate-lockfile -Zdirect-minimal-versions
    cp "$log" "$scratch/locked"
}

# The library alone: what its tests depend on would choose newer ones.
cp Cargo.toml "$scratch/whole"
awk '
    /^\[/ { drops = /^\[(dev-dependencies|\[(test|example)\]|package\.metadata)/ }
    !drops
' "$scratch/whole" >Cargo.toml
lock
for features in "${feature_sets[@]}"; do
    quietly cargo "+$oldest" check --locked --lib --features "$features"
done
cargo tree --locked --edges normal --depth 1 --prefix none --features "$with_std" | sed -n '2,$s/ v/ /p' | paste -sd, | sed 's/,/, /g' >"$scratch/versions"

tests=$(sed -n '/^\[dev-dependencies\]/,/^\[/s/^rustix = { version = "\([0-9.]*\)".*/\1/p' "$scratch/whole")
[ -n "$tests" ] || stop 'Cargo.toml says which rustix the tests need'
sed "s/^\(rustix = { version = \)\"[0-9.]*\"/\1\"$tests\"/" "$scratch/whole" >Cargo.toml
lock
OWNED_MEMFD_PLACE=$place quietly cargo "+$oldest" test --locked --features "$with_std" --tests

echo "minimal: every set of features builds with Rust $oldest and $(cat "$scratch/versions"), and the tests pass"
