#!/usr/bin/env bash
# The library keeps its promises whatever another process does between two of its system calls.
#
#   ci/steps.sh           every step at every call of every operation, but in the middle of loops
#   ci/steps.sh --full    also there, and every second step near each first one
#
# tests/hostile runs each operation in a process that it traces. Before each system call of the
# library, and before the library returns, another process gets the descriptors of this one and does
# something with all its memory files, or with one of several: cuts, grows, writes, seals, maps, unmaps
# or locks it, or changes its mode, its flags or its offset; or it takes, sends or ends what goes over
# its sockets. Nothing may
# panic, crash, hang or leak, and an error is one that is expected after that. What is claimed to be
# sealed is, and then never changes, whatever that process tries. Operations that do wrong must be
# noticed, or the check fails. It also fails where a process must not trace its children.
#
# As in ci/faults.sh, everything runs without std, and with it what only std has. What the library
# does in a child, between fork and exec, is not traced.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

case ${1-} in
'') full=() only=std:: ;;
--full) full=(--full) only='' ;;
*)
    echo "usage: ci/steps.sh [--full]" >&2
    exit 2
    ;;
esac
[ "$(uname -m)" = x86_64 ] || stop 'the tracer knows the registers of x86_64'

# steps FEATURES PREFIX: runs the operations whose names begin so, and keeps the last line.
steps() {
    quietly cargo build --locked --bin steps "$1"
    quietly "$(target_directory)/debug/steps" "${full[@]}" "$2"
    tail -n 1 "$log" >>"$scratch/figures"
}

cd tests/hostile
steps --no-default-features ''
steps --features=std "$only"
awk '
    { for (i = 1; i < NF; i++) if ($i ~ /^[0-9]+$/) sum[++n % 5] += $i }
    END {
        printf "steps: %d operations, %d boundaries, ", sum[1], sum[2]
        printf "%d steps, %d failures; ", sum[3], sum[4]
        printf "%d calls in the middle of loops left out\n", sum[0]
    }
' "$scratch/figures"
