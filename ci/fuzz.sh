#!/usr/bin/env bash
# Forged senders, and whatever else the library parses, find no mistake in it.
#
#   ci/fuzz.sh [SECONDS]   runs each target of tests/fuzz for so many seconds, 20 if not said
#
# libFuzzer makes cases of tests/fuzz/corpus and its own, with the address sanitizer. What is new in
# them stays in the build directory. A case that finds something is kept there too, and its path
# is shown. That needs a nightly toolchain and cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

seconds=${1-20}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || stop "the first argument is a number of seconds: $seconds"
if ! cargo +nightly --version >"$log" 2>&1; then
    echo 'to get it: rustup toolchain install nightly --profile minimal' >>"$log"
    stop 'there is a nightly toolchain'
fi
if ! cargo +nightly fuzz --version >"$log" 2>&1; then
    echo 'to get it: cargo install --locked cargo-fuzz --version 0.13.2' >>"$log"
    stop 'there is cargo-fuzz'
fi

CARGO_TARGET_DIR=$(target_directory)/fuzz
export CARGO_TARGET_DIR
fuzz() {
    local command=$1
    shift
    cargo +nightly fuzz "$command" --fuzz-dir tests/fuzz "$@"
}
quietly fuzz build

executions=0
forged=0
for target in $(fuzz list); do
    found=$CARGO_TARGET_DIR/corpus/$target
    artifacts=$CARGO_TARGET_DIR/artifacts/$target/
    mkdir -p "$found" "$artifacts"
    # The first directory is the one that new cases go to.
    quietly fuzz run "$target" "$found" "tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=60 -print_final_stats=1 -artifact_prefix="$artifacts"
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    [ "${count:-0}" -gt 0 ] || stop "$target is run"
    executions=$((executions + count))
    count=$(sed -n 's/^forged descriptors: //p' "$log")
    forged=$((forged + ${count:-0}))
done
[ "$forged" -gt 0 ] || stop 'descriptors are forged'

echo "fuzz: $executions executions, $forged forged descriptors, 0 findings"
