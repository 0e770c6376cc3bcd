#!/usr/bin/env bash
# Runs what a change must pass, on a fresh Debian or Ubuntu machine with rustup.
#
#   ci/test.sh           every check
#   ci/test.sh NAME…     these checks
#   ci/test.sh --quick   every check but `boot` and `model`, which fetch and boot kernels
#   ci/test.sh --full    every check, those that only a release must pass, and all kernels
#   ci/test.sh --list    the names of the checks, and what each proves
#   ci/test.sh --help    this text
#
# With --system as the last argument, also the checks that change a setting of this machine while
# they run, and restore it. They need root.
#
# Installs what is missing if it runs as root. Prints a summary at the end: the last line of each
# check, or one for each run of the tests, and the totals as the last line. A check that fails does
# not end the run.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# The checks, in the order in which they run. Each is the script of that name.
# These pass or fail as a whole.
checks=(style boundaries aliases readme targets footprint clobbers access examples init linking
    crates partners model everyone steps faults)
# These run the tests, and count what has passed.
drivers=(host environments msrv emulated freestanding boot)
# A release must pass these too. They pass or fail as a whole.
release=(package docs spelling tier3 miri bench surface stack deny semver minimal powerset coverage address leak thread fuzz mutants)
# These try more the longer they run: a release runs them with --full.
longer=(model everyone steps faults miri)
# These change a setting of this machine while they run, so they run only if asked for, and last.
# They run the tests, too.
system=(hugepages shmem)

# The first sentence of a script's head.
phrase() {
    awk '
        NR == 1 { next }
        !/^# ./ { exit }
        { sub(/^# /, ""); text = text (text == "" ? "" : " ") $0 }
        END { if (match(text, /\.( |$)/)) text = substr(text, 1, RSTART); print text }
    ' "ci/$1.sh"
}

# lines NAME…: a line for each, with its phrase.
lines() {
    local name
    for name; do
        printf '  %-14s %s\n' "$name" "$(phrase "$name")"
    done
}

list() {
    echo 'Every change must pass:'
    lines "${checks[@]}" "${drivers[@]}"
    echo "A release (ci/full.sh) must also pass these, and runs ${longer[*]} longer:"
    lines "${release[@]}"
    echo 'With --system, as root; each also runs by itself, as ci/NAME.sh --system:'
    lines "${system[@]}"
}

wrong() {
    echo "$1" >&2
    exit 2
}

# is NAME LIST…: whether the name is in the list.
is() {
    local name=$1 other
    shift
    for other; do
        [ "$name" != "$other" ] || return 0
    done
    return 1
}

wanted=("${checks[@]}" "${drivers[@]}")
kernels=required
full=
more=()
if [ $# -gt 0 ] && [ "${!#}" = --system ]; then
    more=("${system[@]}")
    set -- "${@:1:$#-1}"
fi
case $* in
'') ;;
--full)
    wanted+=("${release[@]}")
    kernels=
    full=yes
    # Seconds; see tests/crowd.rs.
    export OWNED_MEMFD_CROWD=${OWNED_MEMFD_CROWD-10}
    ;;
--quick)
    wanted=()
    for name in "${checks[@]}" "${drivers[@]}"; do
        is "$name" boot model || wanted+=("$name")
    done
    ;;
--list)
    list
    exit
    ;;
--help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' ci/test.sh
    exit
    ;;
-* | *' -'*) wrong "unknown options: $*; see ci/test.sh --help" ;;
*)
    wanted=("$@")
    for name; do
        is "$name" "${checks[@]}" "${drivers[@]}" "${release[@]}" || wrong "no check is called '$name'

$(list)"
    done
    ;;
esac

wanted+=("${more[@]}")

setup=()
for name in boot fuzz partners; do
    ! is "$name" "${wanted[@]}" || setup+=("$name")
done
# It boots a kernel too.
! is model "${wanted[@]}" || setup+=(boot)
ci/setup.sh "${setup[@]}"
if is boot "${wanted[@]}"; then
    # Downloads the kernels in the background. ci/boot.sh reports those that cannot be had.
    ci/kernels.sh $kernels >/dev/null 2>&1 &
    downloads=$!
    at_end() { kill "$downloads" 2>/dev/null || true; }
fi

# What is printed at the end, and how many passed, failed and were skipped, by line.
summary=$scratch/summary
counts=$scratch/counts
touch "$summary" "$counts"
for check in "${checks[@]}" "${release[@]}"; do
    is "$check" "${wanted[@]}" || continue
    arguments=()
    case $check in
    bench) arguments=(--quick) ;;
    # Seconds for each target.
    fuzz) arguments=(60) ;;
    esac
    ! [ "$full" ] || ! is "$check" "${longer[@]}" || arguments=(--full)
    if ci/"$check".sh "${arguments[@]}" | tee "$log"; then
        # What it has to say, in its last line.
        grep "^$check: " "$log" | tail -n 1 >>"$summary" || echo "$check: passed" >>"$summary"
        echo "1 0 $(grep -c '^  skipped, ' "$log")" >>"$counts"
    else
        echo "$check: failed" >>"$summary"
        echo '0 1 0' >>"$counts"
    fi
    grep '^  skipped, ' "$log" >>"$summary" || true
done
for name in "${drivers[@]}" "${system[@]}"; do
    is "$name" "${wanted[@]}" || continue
    arguments=()
    [ "$name" != boot ] || arguments=($kernels)
    ! is "$name" "${system[@]}" || arguments=(--system)
    echo "ci/$name.sh"
    # A failure that no driver counted is counted here.
    ci/"$name".sh "${arguments[@]}" >"$log" || grep -qE '^[^ ].* [1-9][0-9]* failed, ' "$log" ||
        echo "$name: 0 passed, 1 failed, 0 skipped" >>"$log"
    cat "$log" >>"$summary"
    sed -nE 's/.*: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$log" >>"$counts"
done

cat "$summary"
awk '
    { passed += $1; failed += $2; skipped += $3 }
    END {
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit (failed > 0 || passed == 0)
    }
' "$counts"
