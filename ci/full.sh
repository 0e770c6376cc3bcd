#!/usr/bin/env bash
# Runs what a release must pass: every check of ci/test.sh, with all kernels.
#
# With --system, also those that change a setting of this machine while they run.
set -euo pipefail
exec "$(dirname "$0")/test.sh" --full "$@"
