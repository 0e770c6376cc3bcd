#!/usr/bin/env bash
# Random sequences of the library's operations do what a plain model of it says.
#
# tests/model takes each step with the library and with the model, compares what both return and
# what they hold, and shows a difference by the fewest steps. Models with a rule that is wrong are
# noticed, in each run. The numbers of steps are small; with --full they are millions.
#
# A failure prints its seed: `ci/model.sh --seed SEED` takes the same steps. What failed once is in
# tests/model/regressions.txt, and is tried first.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

steps=50000
seed=0x$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
while [ $# -gt 0 ]; do
    case $1 in
    --full) steps=4000000 ;;
    --seed)
        seed=${2:?}
        shift
        ;;
    *)
        echo "usage: $0 [--full] [--seed SEED]" >&2
        exit 2
        ;;
    esac
    shift
done

# From inside: the package is a workspace of its own.
cd tests/model
# Flags from outside would replace those of the package.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET

# taken COMMAND…: runs the model with this seed, and adds the steps that it took to `sum`.
taken() {
    quietly "$@" --seed "$seed"
    local line
    line=$(tail -n 1 "$log")
    [[ $line =~ ^([0-9]+)' steps, 0 failures' ]] || stop "the number of steps is printed:" "$@"
    sum=$((sum + BASH_REMATCH[1]))
}

sum=0
for features in '' std; do
    quietly cargo build --locked --release --features "$features"
    taken "$(target_directory)/release/model" --steps "$steps" --regressions regressions.txt
done
echo "model: $sum steps on this machine, 0 failures, seed $seed"
