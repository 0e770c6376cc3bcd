#!/usr/bin/env bash
# Runs what a release must pass: every check of ci/test.sh, with all kernels.
set -euo pipefail
exec "$(dirname "$0")/test.sh" --full
