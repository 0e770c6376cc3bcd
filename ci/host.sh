#!/usr/bin/env bash
# The tests pass on this machine, with and without std.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

read_features
driver 'host' cargo test --locked --no-fail-fast --features "$without_std"
driver 'host, std' cargo test --locked --no-fail-fast --features "$with_std"
