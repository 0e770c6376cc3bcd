#!/usr/bin/env bash
# Miri finds no undefined behaviour in the library's unsafe code, honest or hostile the kernel.
#
# It runs the tests of accesses to memory that others write, and those of tests/interpreted, where a
# model of the kernel does the system calls: also one that lies. Both models of what pointers may do
# are used, once without the feature std and once with it. With --full, each of them with both, and
# the tests with threads in several orders. tests/interpreted also has tests that are undefined
# behaviour, each of which Miri must find: with stacked borrows, and with --full also with tree
# borrows, but for those in the module `stacked`.
#
# That needs a nightly toolchain with the component miri.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

case "$*" in
    '' | --full) ;;
    *)
        echo 'usage: ci/miri.sh [--full]' >&2
        exit 2
        ;;
esac
if ! cargo +nightly miri --version >"$log" 2>&1; then
    echo 'to get it: rustup toolchain install nightly --profile minimal --component miri,rust-src' >>"$log"
    stop 'there is a nightly toolchain with Miri'
fi
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/miri

# The flags that choose each model. No integer may become a pointer.
stacked=-Zmiri-strict-provenance
tree='-Zmiri-strict-provenance -Zmiri-tree-borrows'
: >"$scratch/passed"

# interpret FLAGS ARGUMENT…: runs tests with Miri, all of which must pass, and notes their names.
interpret() {
    MIRIFLAGS=$1 quietly cargo +nightly miri test --locked "${@:2}"
    # `     Running tests/hostile.rs (…)`, `test NAME ... ok`
    awk '/^ +Running / { target = $2 } /^test .* ok$/ { print target, $2 }' "$log" >"$scratch/ran"
    [ -s "$scratch/ran" ] || stop "Miri runs tests: ${*:2}"
    cat "$scratch/ran" >>"$scratch/passed"
}

for flags in "$stacked" "$tree"; do
    interpret "$flags" --test access
done

cd tests/interpreted
targets=()
for target in tests/*.rs; do
    target=$(basename "$target" .rs)
    [ "$target" = undefined ] || targets+=(--test "$target")
done
interpret "$stacked" "${targets[@]}"
interpret "$tree" --features std "${targets[@]}"
if [ "${1-}" = --full ]; then
    interpret "$tree" "${targets[@]}"
    interpret "$stacked" --features std "${targets[@]}"
    interpret "$stacked -Zmiri-many-seeds=0..16" --test shared -- threads
fi

# find_undefined FLAGS TEST…: Miri finds that each of these is undefined.
find_undefined() {
    local test
    for test in "${@:2}"; do
        ! MIRIFLAGS=$1 cargo +nightly miri test --locked --test undefined -- --exact "$test" \
            >"$log" 2>&1 || stop "Miri finds what is undefined: $test, $1"
        grep -q '^error: Undefined Behavior: \|\.\.\. error: Undefined Behavior: ' "$log" ||
            stop "it fails because it is undefined: $test, $1"
    done
}

# Were one of these to pass, all that passed would prove nothing.
MIRIFLAGS=$stacked quietly cargo +nightly miri test --locked --test undefined -- --list
mapfile -t undefined < <(sed -n 's/: test$//p' "$log")
[ "${#undefined[@]}" -gt 0 ] || stop 'there are tests that are undefined behaviour'
find_undefined "$stacked" "${undefined[@]}"
if [ "${1-}" = --full ]; then
    mapfile -t undefined < <(printf '%s\n' "${undefined[@]}" | grep -v '^stacked::')
    find_undefined "$tree" "${undefined[@]}"
fi

sort -u "$scratch/passed" >"$scratch/names"
hostile=$(grep -c '^tests/hostile.rs ' "$scratch/names") || stop 'tests are hostile'
echo "miri: $(wc -l <"$scratch/names") tests ($hostile hostile) with stacked and tree borrows, no undefined behaviour"
