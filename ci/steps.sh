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
. ci/hostile.sh
