#!/usr/bin/env bash
# README's first command hands over a file that nobody can change.
#
# It does so with and without std, and prints one line that says what is wrong with a file that
# it cannot load, or with a descriptor that is not what its environment says. It does not panic
# where nothing can be printed.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# In KiB: an example that loads more than it says is killed, and does not fill the memory.
ulimit -f $((1 << 20))

read_features
for features in "$without_std" "$with_std"; do
    handoff=(cargo run --locked --quiet --features "$features" --example handoff)
    for file in '' Cargo.lock; do
        quietly "${handoff[@]}" ${file:+"$file"}
        for change in write grow shrink; do
            grep -qE "^child: .* $change: operation not permitted$" "$log" || stop "the child is refused to $change"
        done
    done
    # Missing, a directory, one that even root cannot read, and one without end.
    for file in missing / /proc/self/mem /dev/zero; do
        status=0
        "${handoff[@]}" "$file" >"$log" 2>&1 || status=$?
        [ "$status" -eq 1 ] && [ "$(wc -l <"$log")" -eq 1 ] || stop "${handoff[@]} $file: status $status, not one line"
    done
    # None, not open, and somebody else's: the number is for anybody to set.
    for number in -1 999999 2; do
        status=0
        OWNED_MEMFD_HANDOFF="$number 0" "${handoff[@]}" >"$log" 2>&1 || status=$?
        [ "$status" -eq 1 ] && [ "$(wc -l <"$log")" -eq 1 ] || stop "descriptor $number: status $status, not one line"
    done
    program=$(target_directory)/debug/examples/handoff
    unheard 0 "$program"
    unheard 1 "$program" missing
done

echo 'handoff: the example hands over what nobody can change, and refuses what it cannot load'
