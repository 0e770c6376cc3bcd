#!/usr/bin/env bash
# The claims about mappings hold when plain memory files use large pages.
#
# Such files have a block size of 2 MiB. With --system, and as root: sets shmem_enabled=always,
# runs these claims, and restores the setting.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

setting=/sys/kernel/mm/transparent_hugepage/shmem_enabled
if [ "$*" != --system ]; then
    echo "usage: $0 --system" >&2
    echo "would set $setting to always, run the claims about mappings, and restore it" >&2
    exit 2
fi

# The setting is the word in brackets.
before=$(sed 's/.*\[\(.*\)\].*/\1/' $setting)
at_end() { echo "$before" >$setting; }
trap 'exit 1' HUP INT TERM

echo always >$setting
for module in shared proving building mapping immutable; do
    driver "shmem_enabled=always, $module" cargo test --locked --test suite -- "$module::"
done
driver 'shmem_enabled=always, sealed' cargo test --locked --test sealed
