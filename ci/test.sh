#!/usr/bin/env bash
# Everything that a change must pass, on a fresh Debian or Ubuntu machine with rustup. Ends
# with one line per driver of the tests, and the totals as the last line. With `--quick`, no
# kernel is fetched and booted.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

drivers=(host msrv emulated freestanding)
setup=()
case $* in
'')
    drivers+=('boot required')
    setup=(boot)
    ;;
--quick) ;;
*)
    echo 'usage: ci/test.sh [--quick]' >&2
    exit 2
    ;;
esac

ci/setup.sh "${setup[@]}"
if [ "${#setup[@]}" -gt 0 ]; then
    # These come while the rest is looked at; what does not, ci/boot.sh says.
    ci/kernels.sh required >/dev/null 2>&1 &
fi

summary=$scratch/summary
touch "$summary"
for check in style boundaries targets footprint clobbers handoff examples init; do
    counts='1 passed, 0 failed, 0 skipped'
    ci/$check.sh || counts='0 passed, 1 failed, 0 skipped'
    echo "$check: $counts" >>"$summary"
done
for line in "${drivers[@]}"; do
    read -r name filter <<<"$line"
    echo "ci/$name.sh"
    # A failure that no driver counted is counted here.
    ci/"$name".sh ${filter:+"$filter"} >"$log" || grep -qE '^[^ ].* [1-9][0-9]* failed, ' "$log" ||
        echo "$name: 0 passed, 1 failed, 0 skipped" >>"$log"
    cat "$log" >>"$summary"
done

cat "$summary"
awk '
    match($0, /: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/) {
        split(substr($0, RSTART + 2), count, " ")
        passed += count[1]; failed += count[3]; skipped += count[5]
    }
    END {
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit (failed > 0)
    }
' "$summary"
