#!/usr/bin/env bash
# Runs what a release must pass: every check, the package, and all kernels.
set -euo pipefail
cd "$(dirname "$0")/.."

ci/package.sh
ci/tier3.sh
ci/test.sh
ci/boot.sh optional
