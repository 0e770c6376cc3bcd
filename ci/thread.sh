#!/usr/bin/env bash
# No two threads of a test race for memory that both access.
#
# The thread sanitizer says so of the tests with threads of std's, and of the examples in the
# documentation. It sees what the compiler makes of references, of maps too, of atomics and of locks.
# It sees neither the library's accesses to memory that others write, nor what they order, nor what
# the kernel reads and writes: that is assembly, and for it there are ci/access.sh and
# tests/access.rs. The claims are not run: their processes have one thread each, or such as it
# does not know.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh
. ci/sanitizers.sh

notices 'data race'

read_features
passes_with_std

summary
