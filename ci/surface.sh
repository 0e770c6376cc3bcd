#!/usr/bin/env bash
# What the library offers its users is what tests/surface says, with and without std.
#
# That is every public item, and every trait that a public type implements, `Send` and `Sync` too, as
# rustdoc knows them. A difference is shown and fails. If it is meant, `ci/surface.sh --update` writes
# the files; CHANGELOG.md then says what it means for users.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# Another one may print a name of core's in another way.
rustc "+$pinned_nightly" --version >"$log" 2>&1 || {
    echo "to get it: rustup toolchain install $pinned_nightly --profile minimal" >>"$log"
    stop "there is Rust $pinned_nightly"
}
tool public-api 0.52.0
grep -qF ' 0.52.0' "$log" || stop 'cargo-public-api is this one: cargo install cargo-public-api --locked --version 0.52.0'

read_features
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/surface

# surface NAME FEATURES: compares the surface with the file of that name, or writes it.
surface() {
    local file=tests/surface/$1.txt
    # Without the implementations for every type, such as `Into`: they say nothing of these types.
    cargo "+$pinned_nightly" public-api --omit blanket-impls --features "$2" >"$scratch/$1" 2>"$log" || stop "cargo public-api --features $2"
    grep -q ' struct owned_memfd::SealedMemFd$' "$scratch/$1" || stop 'the surface has SealedMemFd'
    if [ "$update" ]; then
        cp "$scratch/$1" "$file"
    elif ! diff -u "$file" "$scratch/$1" >"$log" 2>&1; then
        show "$file is the surface; if it is meant to change: ci/surface.sh --update"
        failures=1
    fi
    lines+=("$(wc -l <"$file")")
}

update=
case $* in
'') ;;
--update) update=yes ;;
*) stop "unknown options: $*" ;;
esac
lines=()
surface no_std "$without_std"
surface std "$with_std"
[ "$failures" -eq 0 ] || exit

echo "surface: ${lines[0]} public items and implementations without std, ${lines[1]} with it, as tests/surface says"
