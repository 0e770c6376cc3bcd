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
. ci/hostile.sh
