#!/usr/bin/env bash
# Everything that a release must pass.
set -euo pipefail
cd "$(dirname "$0")/.."

ci/package.sh
ci/tier3.sh
ci/test.sh
ci/boot.sh optional
