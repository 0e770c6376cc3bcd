#!/usr/bin/env bash
# Random sequences of the library's operations do what a plain model of it says.
#
# tests/model takes each step with the library and with the model, compares what both return and
# what they hold, and shows a difference by the fewest steps. It does so on this machine, with and
# without std, as a static program for other CPUs under QEMU, and as /init of real kernels. Models
# with a rule that is wrong are noticed, in each run. The numbers of steps are small, with one other
# CPU and one kernel; with --full they are millions, with all of them.
#
# A failure prints its seed: `ci/model.sh --seed SEED` takes the same steps. What failed once on this
# machine is in tests/model/regressions.txt, and is tried first.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

steps=50000 emulated=5000 booted=2000 others=("${cpus[1]}") kernels=x86_64-6.12
seed=0x$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
while [ $# -gt 0 ]; do
    case $1 in
    --full)
        # A kernel is booted for some minutes at most.
        steps=4000000 emulated=100000 booted=20000 others=("${cpus[@]:1}") kernels=required
        ;;
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

# From inside: each package is a workspace of its own.
(
    cd tests/kernels
    quietly cargo build --locked
    cp "$(target_directory)/debug/kernels" "$scratch/kernels"
)
boot=$scratch/boot
mkdir "$boot"
ci/kernels.sh "$kernels" >"$boot/kernels"

cd tests/model
# Flags from outside would replace these.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
built=$(target_directory)

# taken COMMAND…: runs the model with this seed, and adds the steps that it took to `sum`.
taken() {
    quietly "$@" --seed "$seed"
    local line
    line=$(tail -n 1 "$log")
    [[ $line =~ ^model:\ ([0-9]+)\ steps,\ 0\ failures ]] || stop 'the number of steps is printed:' "$@"
    sum=$((sum + BASH_REMATCH[1]))
}

# static CPU: builds the model as a static program for it, which needs no file, and sets `program`.
static() {
    local target=$1
    # musl's libc comes with the target.
    [[ $target != x86_64-* ]] || target=${musl[0]}
    RUSTFLAGS='-C target-feature=+crt-static' quietly cargo build --locked --release --target "$target"
    program=$built/$target/release/model
}

sum=0
for features in '' std; do
    quietly cargo build --locked --release --features "$features"
    taken "$built/release/model" --steps "$steps" --notice 300000 --regressions regressions.txt
done
summary="$sum steps on this machine"

for cpu in "${others[@]}"; do
    sum=0
    static "$cpu"
    taken "${emulator[$cpu]}" "$program" --steps "$emulated"
    summary+=", $sum on ${cpu%%[-g]*}"
done

for cpu in "${cpus[@]}"; do
    grep -q "^[^ ]* ${debian[$cpu]} fetched " "$boot/kernels" || continue
    static "$cpu"
    mkdir "$boot/${debian[$cpu]}"
    cp "$program" "$boot/${debian[$cpu]}/program"
done
# QEMU ends with the program that started it.
"$scratch/kernels" "$boot" 'model: ' --steps "$booted" --seed "$seed" >"$scratch/booted" 2>"$log" &
trap 'kill "$!"; wait "$!" || true; exit 130' INT TERM
wait "$!" || {
    cat "$scratch/booted" >>"$log"
    stop 'the model is right on every kernel'
}
while read -r kernel rest; do
    if [[ $rest =~ ^model:\ ([0-9]+)\ steps,\ 0\ failures ]]; then
        summary+=", ${BASH_REMATCH[1]} on Linux ${kernel#*-} (${kernel%%-*})"
    else
        left_out "${rest#skipped: }: $kernel"
    fi
done <"$scratch/booted"
echo "model: $summary, 0 failures, seed $seed"
