#!/usr/bin/env bash
# The tests pass on this machine, without and with std.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

driver 'host' cargo test --locked --no-fail-fast
driver 'host, std' cargo test --locked --no-fail-fast --features std
