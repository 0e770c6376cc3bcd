#!/usr/bin/env bash
# The library keeps its promises whatever another process does between two of its system calls.
#
#   ci/steps.sh           every step at every call of every operation
#   ci/steps.sh --full    also every second step near each first one, and within loops
#
# tests/hostile runs each operation in a process that it traces. Before each system call of the
# library, and before the library returns, another process gets the descriptors of this one and does
# something with each of its memory files: cuts, grows, writes, seals, maps, locks it or changes its
# mode, its flags or its offset; or it takes, sends or ends what goes over its sockets. Nothing may
# panic, crash, hang or leak, and an error is one that is expected after that. What is claimed to be
# sealed is, and then never changes, whatever that process tries. Operations that do wrong must be
# noticed, or the check fails. It also fails where a process must not trace its children.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

case ${1-} in
'') full=() ;;
--full) full=(--full) ;;
*)
    echo "usage: ci/steps.sh [--full]" >&2
    exit 2
    ;;
esac
[ "$(uname -m)" = x86_64 ] || stop 'the tracer knows the registers of x86_64'

cd tests/hostile
quietly cargo build --locked --bin steps
quietly "$(target_directory)/debug/steps" "${full[@]}"
echo "steps: $(tail -n 1 "$log")"
