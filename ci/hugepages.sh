#!/usr/bin/env bash
# The claims about huge pages hold when huge pages are reserved.
#
# With --system, and as root: reserves a few pages of the machine's default size, runs these
# claims, and frees the pages.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

pool=/proc/sys/vm/nr_hugepages
pages=16
if [ "$*" != --system ]; then
    echo "usage: $0 --system" >&2
    echo "would set $pool to $pages, run the claims about huge pages, and restore it" >&2
    exit 2
fi

before=$(cat $pool)
at_end() { echo "$before" >$pool; }
trap 'exit 1' HUP INT TERM

# Keep pages that are already reserved.
[ "$before" -ge "$pages" ] || echo "$pages" >$pool
[ "$(cat $pool)" -ge 8 ] || {
    echo "failed: $(cat $pool) huge pages can be had, not $pages" >&2
    exit 1
}
driver 'huge pages' cargo test --locked --test suite -- huge
# With a pool there is nothing to skip, except for files of a hugetlbfs, which may be mounted nowhere.
! grep '^skip ' "$log" | grep -v ': /dev/hugepages is no hugetlbfs in which files can be made$' ||
    stop 'huge pages are there'
