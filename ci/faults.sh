#!/usr/bin/env bash
# The library keeps its promises whatever each of its system calls returns.
#
#   ci/faults.sh           every fault at every call of every operation
#   ci/faults.sh --full    also every second fault after each first one, which takes hours
#
# tests/hostile runs each operation in a process that it traces. There each system call of the
# library fails with each error of its man page and with those that any call can have in a
# sandbox, once and from then on, moves fewer bytes, or lies. Nothing may panic, crash, hang or
# leak. An error is the one that happened, or one that is expected after it. What is not sealed is
# never claimed to be. Operations that do wrong must be noticed, or the check fails. It also fails
# where a process must not trace its children.
#
# What the library does in a child, between fork and exec, is not traced. Without the feature std,
# the library itself closes descriptors. So everything runs without it, and what only std has with
# it; with --full, everything both ways.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

case ${1-} in
'') full=() only=std:: ;;
--full) full=(--full) only='' ;;
*)
    echo "usage: ci/faults.sh [--full]" >&2
    exit 2
    ;;
esac
[ "$(uname -m)" = x86_64 ] || stop 'the tracer knows the registers of x86_64'

# faults FEATURES PREFIX: runs the operations whose names begin so, and keeps the last line.
faults() {
    quietly cargo build --locked --bin faults "$1"
    quietly "$(target_directory)/debug/faults" "${full[@]}" "$2"
    tail -n 1 "$log" >>"$scratch/figures"
}

cd tests/hostile
faults --no-default-features ''
faults --features=std "$only"
awk '
    { for (i = 1; i < NF; i++) if ($i ~ /^[0-9]+$/) sum[++n % 5] += $i }
    END {
        printf "faults: %d operations, %d sites, ", sum[1], sum[2]
        printf "%d injections, %d failures; ", sum[3], sum[4]
        printf "%d calls in the middle of loops left out\n", sum[0]
    }
' "$scratch/figures"
