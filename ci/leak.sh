#!/usr/bin/env bash
# No test loses memory that it has allocated.
#
# The leak sanitizer says so when a test program ends, and of each example in the documentation. It
# is about the heap, which the library uses only with std, and the claims never. Of descriptors and
# mappings the claims find by themselves whether any stays.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh
. ci/sanitizers.sh

# So that the frames below the allocation are found, also without frame pointers.
sees fast_unwind_on_malloc=0
notices 'detected memory leaks'

read_features
passes_with_std

summary
