#!/usr/bin/env bash
# Each module uses only modules above it, nothing panics, and unsafe code stays where it may be.
#
# tests/boundaries parses the code and reports each line that breaks a rule; rules.rs there has
# the rules. The order of the `mod` lines in src/lib.rs is the architecture, and is read from
# there. The package's own tests add violations to a small library, one at a time, and check that
# each is reported by name.
#
# This script also compiles each module with only those above it, which finds what no parser sees:
# a method that another module adds to a type. It checks the dependencies of every set of features,
# and that nothing unknown lies at the top level.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# From inside: each package is a workspace of its own.
(cd tests/boundaries && quietly cargo run --locked --quiet -- ../..)
# It names the modules in their order when nothing is wrong.
read -r -a modules <"$log"
[ "${modules[0]-}" = arch ] || stop 'the modules are known'
(cd tests/boundaries && quietly cargo test --locked)

# lib_up_to COUNT: src/lib.rs with only the first modules.
lib_up_to() {
    printf '%s\n' "${modules[@]:0:$1}" | awk '
        NR == FNR { kept[$1]; next }
        # What stands above a line shares its fate.
        /^ +(#\[|\/\/)/ { above = above $0 "\n"; next }
        match($0, /^ +(pub )?(mod|use) [a-z_]+/) {
            split(substr($0, RSTART, RLENGTH), words, " ")
            name = words[length(words)]
            if (!(name in kept)) { above = ""; next }
        }
        { printf "%s%s\n", above, $0; above = "" }
    ' - src/lib.rs
}

read_features
mkdir "$scratch/prefix"
cp -r Cargo.toml Cargo.lock README.md src arch "$scratch/prefix"
# Cargo wants to find the tests that Cargo.toml names, and what they depend on.
ln -s "$PWD/tests" "$scratch/prefix/tests"
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/prefix
for ((count = 2; count <= ${#modules[@]}; count++)); do
    lib_up_to "$count" >"$scratch/prefix/src/lib.rs"
    quietly cargo check --locked --all-features --manifest-path "$scratch/prefix/Cargo.toml"
done
diff src/lib.rs "$scratch/prefix/src/lib.rs" >"$log" || stop 'the last of these is the whole library'
# A module without the one above it does not compile: what is missing would be seen.
lib_up_to $((${#modules[@]} - 1)) | grep -v '^ *mod proof;$' >"$scratch/prefix/src/lib.rs"
! cargo check --locked --all-features --manifest-path "$scratch/prefix/Cargo.toml" >"$log" 2>&1 ||
    stop 'the library compiles without the proof'
unset CARGO_TARGET_DIR

for cpu in "${cpus[@]}"; do
    for features in "${feature_sets[@]}"; do
        # Of an optional dependency, what it depends on is its own affair.
        depth=()
        [ -z "${brings[${features:-none}]}" ] || depth=(--depth 1)
        cargo tree --locked --edges normal --target "$cpu" --features "$features" --prefix none "${depth[@]}" |
            cut -d' ' -f1 | sort -u >"$log"
        # shellcheck disable=SC2086 # several
        printf '%s\n' bitflags linux-raw-sys owned-memfd sc ${brings[${features:-none}]} | sort -u | diff - "$log" >&2 ||
            stop "sc, bitflags and linux-raw-sys are all that $cpu needs, features: ${features:-none}"
    done
done

ls >"$log"
for entry in *; do
    case $entry in
    src | arch | examples | tests | ci | target) ;;
    Cargo.toml | Cargo.lock | Cross.toml | README.md | CHANGELOG.md | LICENSE-MIT | LICENSE-APACHE) ;;
    *) stop "nothing unknown at the top level: $entry" ;;
    esac
done

echo "boundaries: every line is where it belongs, in ${#modules[@]} modules"
