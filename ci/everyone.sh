#!/usr/bin/env bash
# No proven map changes while everyone uses the same files at once, under signals and attack.
#
# Processes with threads make, seal, verify, map, send, receive, copy and run the same files. Each
# gets a signal every 40 microseconds, without SA_RESTART, and other processes try to change every
# file. Nobody panics, is killed or hangs; every error is one that the documentation names; what was
# sent is received; and nothing is left at the end. Every run also sees to it that a change, and
# what is left, would be noticed. The choices come from a seed, which is printed: `--seed` takes it.
# It runs for 20 seconds, or with --full for ten minutes and at least ten million comparisons.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

quietly cargo build --locked --manifest-path tests/everyone/Cargo.toml
program=$(cd tests/everyone && target_directory)/debug/everyone
# The program watches the others, which end with it; this watches the program.
timeout --kill-after 10 3600 nice "$program" "$@" 2>"$log" &
trap 'kill "$!"; wait "$!" || true; exit 130' INT TERM
wait "$!" || stop "everyone at once: $program $*"
