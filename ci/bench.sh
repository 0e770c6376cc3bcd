#!/usr/bin/env bash
# Measures the library against other crates that do the same job, and prints what it found.
#
#   ci/bench.sh              some minutes; also writes into tests/bench: results.md, the chart
#                            results.svg, and a summary, summary.md and summary.svg
#   ci/bench.sh --pictures   makes the chart and the summary again, from results.md
#   ci/bench.sh --quick      a smoke run of seconds, of which nothing is kept; checks that results.md
#                            has the jobs, ways and versions of today, and that
#                            the chart and the summary are made from it
#   ci/bench.sh WORD…        the jobs with one of these words in their titles; nothing is kept
#
# With --system, and as root: reserves huge pages while it runs, and also measures files on them.
#
# Run it on a machine that does nothing else, with two cores or more; it says how much others used
# them. Nothing fails for being slow.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

pool=/proc/sys/vm/nr_hugepages
pages=128
before=
results=tests/bench
quick= pictures=
options=()
for argument; do
    case $argument in
    --quick)
        results=$scratch
        quick=yes
        options+=(--quick)
        ;;
    --system)
        before=$(cat $pool)
        options+=(--pool)
        ;;
    --pictures) pictures=yes ;;
    -*)
        echo "usage: $0 [--pictures | --quick] [--system] [WORD]..." >&2
        exit 2
        ;;
    *)
        results=$scratch
        options+=("${argument,,}")
        ;;
    esac
done

for tool in cargo rustc "qemu-$(uname -m)-static"; do
    command -v "$tool" >/dev/null || stop "$tool is installed, as by ci/setup.sh"
done
[ "$(nproc)" -ge 2 ] || stop 'there are two cores'

built=$(cd tests/bench && target_directory)
# The flags of a caller's own would also change what is measured.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
(cd tests/bench && quietly cargo build --locked --release)

if [ "$pictures" ]; then
    "$built/release/bench" --pictures tests/bench
    exit
fi

if [ -n "$before" ]; then
    at_end() { echo "$before" >$pool; }
    trap 'exit 1' HUP INT TERM
    # Keep pages that are already reserved.
    [ "$before" -ge "$pages" ] || echo "$pages" >$pool
    [ "$(cat $pool)" -ge "$pages" ] || stop "$pages huge pages can be reserved, not $(cat $pool)"
fi

"$built/release/bench" "$results" "${options[@]}"

# Which jobs, ways to do them, and peers the tables are about, but for those on huge pages of the pool.
about() {
    awk '/^## / { pool = /of the pool$/ } !pool && /^(## |\| size |- peers: )/' "$1/results.md"
}
if [ "$quick" ]; then
    diff <(about tests/bench) <(about "$scratch") >"$log" ||
        stop 'tests/bench/results.md (<) is about the code of today (>); else run ci/bench.sh'
    cp tests/bench/results.md "$scratch"
    "$built/release/bench" --pictures "$scratch"
    for file in results.svg summary.md summary.svg; do
        quietly cmp "tests/bench/$file" "$scratch/$file"
    done
fi
