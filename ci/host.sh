#!/usr/bin/env bash
# The tests pass on this machine, with and without std.
#
# A skip that tests/suite/src/skips.rs does not allow is a failure, and so are too many, which is
# tried.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

read_features
driver 'host' cargo test --locked --no-fail-fast --features "$without_std"
driver 'host, std' cargo test --locked --no-fail-fast --features "$with_std"
bounds_their_number
leads_on
# It wants a machine of its own.
bounds cargo test --locked --features "$with_std" --test suite -- kexec::what_is_no_kernel
