#!/usr/bin/env bash
# Real programs take memory files of this crate, and it takes theirs.
#
# Each function `meets_NAME` is about one partner; tests/partners has the programs that take part. A
# partner runs in namespaces of its own for processes and mounts: it meets nothing of this machine,
# and whatever happens, no process and no mount is left. That needs root, or user namespaces. A
# partner that is not installed is a failure.
#
#   ci/partners.sh [NAME…]   these partners only
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

partners=(bubblewrap)

# bubblewrap reads its arguments and its sandbox's files from descriptors.
meets_bubblewrap() {
    "$programs/bubblewrap"
}

# Says what is wrong with a partner, and ends its function.
wrong() {
    echo "$*" >&2
    exit 1
}

# alone NAME: runs the function of that name in the namespaces. If this script ends, whatever the
# reason, so does all that runs in them. It may write into $scratch/NAME.
alone() {
    local user=()
    # As itself: journald treats root's files otherwise.
    [ "$(id -u)" -eq 0 ] || user=(--user --map-current-user --keep-caps)
    setpriv --pdeathsig KILL unshare "${user[@]}" --mount --pid --fork --kill-child --mount-proc \
        bash -c 'set -euo pipefail; cd "$1"; "meets_$2"; exit' bash "$scratch/$1" "$1"
}

if [ $# -gt 0 ]; then
    partners=("$@")
fi
(cd tests/partners && quietly cargo build --locked --message-format json)
# Other users may have no access to the directory that they were built in.
programs=$scratch/programs
mkdir "$programs"
chmod 711 "$scratch"
sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$log" | xargs cp --target-directory "$programs"
export programs scratch
# shellcheck disable=SC2046 # several
export -f wrong $(compgen -A function meets_)

for name in "${partners[@]}"; do
    mkdir "$scratch/$name"
    quietly alone "$name"
done

echo "partners: ${partners[*]} take what is theirs and nothing else"
