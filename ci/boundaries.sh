#!/usr/bin/env bash
# What belongs where stays there: CPUs and system calls in arch, unsafe code in the files
# that answer for it, nothing that panics, no ignored test, three dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# The code of Rust files without its comments, as FILE:LINE:CODE, each attribute as one
# line. Nothing here has `//` in a string before code.
code() {
    find "$@" -name '*.rs' -not -path '*/target/*' | sort | while read -r file; do
        sed 's,//.*,,' "$file" | sed -E ':more /^ *#!?\[[^]]*$/ { N; s/\n */ /; b more }' |
            grep -n . | sed "s,^,$file:,"
    done
}

# absent WHAT PATTERN [WHERE NOT]: the code on standard input has no line with the pattern.
absent() {
    local status=0
    grep -E "$2" >"$log" || status=$?
    # 0 is found; above 1, grep itself has failed.
    [ "$status" -eq 1 ] || stop "$1"
}

# A program without libc has to know how its CPU starts it.
code src examples | grep -v '^examples/init/src/sys\.rs:' | absent 'CPUs are named in arch alone' 'target_arch'
code src examples | absent 'sc is named in arch alone' '\bsc(::|;| as )|extern crate sc'
code src arch tests examples | absent 'no test is ignored' '#\[ignore'
code src arch | absent 'no code that panics' \
    '\.(unwrap|expect|unwrap_err|expect_err)\(|\b(panic|todo|unimplemented|unreachable)!'
code src arch | absent 'the library defines no symbol of its own' \
    'no_mangle|export_name|linkage|global_asm'

# The compiler denies unsafe code; these are the files that may lift that for themselves.
grep -qE '^unsafe_code = "deny"|^#!\[deny\(.*\bunsafe_code' Cargo.toml src/lib.rs || stop 'unsafe code is denied'
code src arch | grep -vE '^(arch/mod|src/(sys|fd|memfd|with_std|map|sealed|exec|pass))\.rs:' |
    absent 'unsafe code stands where it may' '(allow|expect)\(([^)]*[ ,(])?unsafe_code'

# Each module of the library uses only those of its own layer and of the layers before it.
layers=('arch errno flags' 'fd sys' 'memfd' 'map options' 'sealed' 'boot exec pass' 'with_std lib')
below=' '
for layer in "${layers[@]}"; do
    below+="$layer "
    for module in $layer; do
        [ -f "src/$module.rs" ] && [ "$module" != lib ] || continue
        # Every `crate::module` and `crate::{module, module::{…}}`.
        code "src/$module.rs" | cut -d: -f3- | tr -d '\n' | grep -oE 'crate::(\{[^;]*;|[a-z_]+)' |
            sed -E 's/^crate::\{?//; s/\};$//; :inner s/::\{[^{}]*\}//g; t inner; s/::[A-Za-z_]+//g' |
            tr -s ' ,' '\n' | grep -E '^[a-z_]+$' | sort -u >"$scratch/used" || true
        while read -r used; do
            [[ $below == *" $used "* ]] || stop "src/$module.rs does not use $used, which stands above it"
        done <"$scratch/used"
    done
done

for cpu in "${cpus[@]}"; do
    for features in '' std boot; do
        cargo tree --locked --edges normal --target "$cpu" --features "$features" --prefix none |
            cut -d' ' -f1 | sort -u >"$log"
        [ "$(tr '\n' ' ' <"$log")" = 'bitflags linux-raw-sys owned-memfd sc ' ] ||
            stop "sc, bitflags and linux-raw-sys are all that $cpu needs"
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

echo 'boundaries: every line is where it belongs'
