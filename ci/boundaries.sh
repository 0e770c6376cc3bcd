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
# that nothing unknown lies at the top level, that ci/mutants.sh changes every file, and that the
# workflow runs every check, privileged where it has to be, and installs what the checks of a release
# want.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# From inside: each package is a workspace of its own.
(cd tests/boundaries && quietly cargo run --locked --quiet -- ../..)
# It names the modules in their order when nothing is wrong.
read -r -a modules <"$log"
[ "${modules[0]-}" = arch ] || stop 'the modules are known'
(cd tests/boundaries && quietly cargo test --locked)

# lib_up_to COUNT: writes the copy of src/lib.rs with only the first modules.
lib_up_to() {
    printf '%s\n' "${modules[@]:0:$1}" | awk '
        NR == FNR { kept[$1]; next }
        # A comment or an attribute is kept or dropped with the line below it.
        /^ +(#\[|\/\/)/ { above = above $0 "\n"; next }
        match($0, /^ +(pub(\([^)]*\))? )?(mod|use) [A-Za-z0-9_]+/) {
            count = split(substr($0, RSTART, RLENGTH), words, " ")
            if (!(words[count] in kept)) { above = ""; next }
        }
        { printf "%s%s\n", above, $0; above = "" }
    ' - src/lib.rs >"$scratch/prefix/src/lib.rs"
    [ "$(grep -cE '^ *(pub(\([^)]*\))? )?mod ' "$scratch/prefix/src/lib.rs")" -eq "$1" ] ||
        stop "src/lib.rs has the first $1 modules"
}

# prefix COMMAND…: runs cargo for that copy.
prefix() {
    CARGO_TARGET_DIR=$prefixes "$@" --locked --manifest-path "$scratch/prefix/Cargo.toml"
}

read_features
prefixes=$(target_directory)/prefixes
mkdir "$scratch/prefix"
cp -r Cargo.toml Cargo.lock README.md src arch "$scratch/prefix"
# Cargo wants to find the tests and examples that Cargo.toml names, and what they depend on.
ln -s "$PWD/tests" "$PWD/examples" "$scratch/prefix"
# These two compile every line: only what is std's is there without the feature.
! grep -rnE 'not\((any\(|all\()?feature' src | grep -vE 'not\(feature = "std"\)' >"$log" ||
    stop 'no code is for the lack of another feature than std'
for features in "$without_std" "$with_std"; do
    for ((count = 2; count <= ${#modules[@]}; count++)); do
        lib_up_to "$count"
        quietly prefix cargo check --features "$features"
    done
    diff src/lib.rs "$scratch/prefix/src/lib.rs" >"$log" || stop 'the last of these is the whole library'
done
# What is missing is seen.
sed -i '/^ *mod proof;$/d' "$scratch/prefix/src/lib.rs"
! prefix cargo check >"$log" 2>&1 || stop 'the library compiles without the proof'
grep -q 'unresolved import `crate::proof`\|could not find `proof` in the crate root' "$log" || stop 'it is the proof that is missing'

for cpu in "${cpus[@]}"; do
    for features in "${feature_sets[@]}"; do
        # Ignore the dependencies of optional dependencies.
        depth=()
        [ -z "${brings[${features:-none}]}" ] || depth=(--depth 1)
        cargo tree --locked --edges normal --target "$cpu" --features "$features" --prefix none "${depth[@]}" |
            cut -d' ' -f1 | sort -u >"$log"
        # shellcheck disable=SC2086 # several
        printf '%s\n' bitflags linux-raw-sys owned-memfd sc ${brings[${features:-none}]} | sort -u | diff - "$log" >&2 ||
            stop "sc, bitflags and linux-raw-sys are all that $cpu needs, features: ${features:-none}"
    done
done

shopt -s dotglob
: >"$log"
for entry in *; do
    case $entry in
    src | arch | examples | tests | ci | target) ;;
    Cargo.toml | Cargo.lock | Cross.toml | README.md | CHANGELOG.md | LICENSE-MIT | LICENSE-APACHE) ;;
    .git | .gitignore | .editorconfig | .cargo | .ci | .github) ;;
    *) stop "nothing unknown at the top level: $entry" ;;
    esac
done

ci/mutants.sh --list

# The groups in the workflow are all checks that a change must pass, and those with --system.
ci/test.sh --list | sed -n '/^A release/,/^With --system/d; s/^  \([a-z0-9]*\) .*/\1/p' | sort >"$scratch/checks"
sed -n '/^ *checks\?:$/,/^ *steps:$/s/^ *- //p' .github/workflows/ci.yml | tr ' ' '\n' | sort >"$scratch/groups"
diff "$scratch/checks" "$scratch/groups" >"$log" || stop '.github/workflows/ci.yml runs every check (<)'

# A group is privileged if one of its checks makes namespaces, or traces processes.
grep -l 'unshare [-]-\|^\. ci/[h]ostile\|path tests/[h]ostile' ci/*.sh | sed 's|^ci/\(.*\)\.sh$|\1|' | sort | comm -12 - "$scratch/checks" >"$scratch/namespaces"
[ -s "$scratch/namespaces" ] || stop 'some checks make namespaces'
privileged=$(sed "s/.*/contains(matrix.checks, '&')/" "$scratch/namespaces" | paste -sd'|' | sed 's/|/ || /g')
echo "options: >- \${{ ($privileged) && '--privileged' || '--init' }}" >"$log"
tr -s ' \n' ' ' <.github/workflows/ci.yml | grep -qFf "$log" || stop '.github/workflows/ci.yml says so:'

# It installs the tools that the scripts want, in their versions.
sed -nE 's/.*cargo install .*\b(cargo-[a-z-]+|typos-cli) .*--version ([0-9.]+).*/\1 \2/p; s/^ *tool ([a-z-]+ [0-9.]+)$/cargo-\1/p' ci/*.sh | sort -u >"$scratch/tools"
[ -s "$scratch/tools" ] || stop 'some checks want tools'
sed -nE 's/^ *- run: cargo install (cargo-[a-z-]+|typos-cli) --locked --version /\1 /p' .github/workflows/ci.yml | sort | diff "$scratch/tools" - >"$log" ||
    stop 'the tools that ci/*.sh want (<) are those that .github/workflows/ci.yml installs (>)'

echo "boundaries: every line is where it belongs, in ${#modules[@]} modules"
