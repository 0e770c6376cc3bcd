#!/usr/bin/env bash
# The tests pass where people run them: with limits, and without privileges.
#
# The environments are `vm.memfd_noexec` 1 and 2 in a pid namespace of its own, root of a user
# namespace, a limit of 64 open descriptors, and an ordinary user. None changes a setting of this
# machine. One that this process may not make is skipped by name; for root in CI, that is a
# failure.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

environments=(
    'vm.memfd_noexec=1'
    'vm.memfd_noexec=2'
    'root of a user namespace'
    '64 open descriptors'
    'an ordinary user'
)

# inside ENVIRONMENT COMMAND…: runs a command there.
inside() {
    local environment=$1
    shift
    case $environment in
    vm.memfd_noexec=*)
        # The process that the namespace begins with gets no signals, so it is not the command.
        unshare --pid --fork --kill-child --mount-proc bash -c '
            echo "$1" >/proc/sys/vm/memfd_noexec || exit
            shift
            "$@"
            exit
        ' bash "${environment#*=}" "$@"
        ;;
    'root of a user namespace') unshare --user --map-root-user "$@" ;;
    '64 open descriptors') bash -c 'ulimit -n 64 && exec "$@"' bash "$@" ;;
    'an ordinary user')
        if [ "$(id -u)" -eq 0 ]; then
            set -- setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "$@"
        fi
        "$@"
        ;;
    *) stop "no such environment: $environment" ;;
    esac
}

read_features
quietly cargo test --locked --features "$with_std" --test '*' --no-run --message-format json
mapfile -t built < <(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$log")
# The ordinary user may have no access to the directory that they were built in.
mkdir "$scratch/programs"
chmod 711 "$scratch"
for program in "${built[@]}"; do
    name=${program##*/}
    cp "$program" "$scratch/programs/${name%-*}"
done
[ -x "$scratch/programs/suite" ] || stop 'the claims are built'
# One test at a time: all threads of a program share its descriptors.
cat >"$scratch/all" <<'END'
#!/bin/bash
status=0
for program in "${0%/*}"/programs/*; do
    RUST_TEST_THREADS=1 "$program" || status=$?
done
exit "$status"
END
chmod 755 "$scratch/all" "$scratch/programs"

for environment in "${environments[@]}"; do
    if inside "$environment" "$scratch/programs/suite" --list >"$log" 2>&1; then
        driver "$environment" inside "$environment" "$scratch/all"
    elif [ -n "${CI-}" ] && [ "$(id -u)" -eq 0 ]; then
        echo "$environment: 0 passed, 1 failed, 0 skipped"
        show "there is $environment"
        failures=1
    else
        echo "$environment: 0 passed, 0 failed, 1 skipped"
        echo "  skipped, $(tail -n 1 "$log")"
    fi
done
