#!/usr/bin/env bash
# Real programs take memory files of this crate, and it takes theirs.
#
# Each function `meets_NAME` is about one partner; tests/partners has the programs that take part. A
# partner runs for at most five minutes in namespaces of its own for processes, mounts, networks and
# IPC: it meets nothing of this machine, and whatever happens, no process and no mount is left. That
# needs root, or user namespaces. A partner that is not installed is a failure.
#
#   ci/partners.sh [NAME…]   these partners only
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

partners=(journald bubblewrap dbus python children wayland qemu)

# journald takes an entry of 1 MiB, from a program without std and from one with std. A byte beside
# the file is wrong, and before systemd 254, so is every seal that it does not know.
meets_journald() {
    # From root it takes every file: to journald, those who send must be others.
    if [ "$(id -u)" -eq 0 ]; then
        settles
        journald setpriv --reuid 65534 --regid 65534 --clear-groups
    else
        unshare --user --map-root-user --mount bash -c 'set -euo pipefail; settles; exec "$@"' bash \
            unshare --user --map-user 1 --map-group 1 --keep-caps \
            bash -c 'set -euo pipefail; journald'
    fi
}

# Mounts what makes journald's directories and settings its own. With an empty `Audit`, it leaves the
# kernel's auditing as it is, which has no namespace.
settles() {
    [ -e /etc/machine-id ] || wrong 'no /etc/machine-id, over which journald gets one of its own'
    mount -t tmpfs private /run
    mkdir -p /run/systemd/journal settings
    printf '%s\n' '[Journal]' Storage=volatile RuntimeMaxUse=256M RuntimeKeepFree=1M \
        RateLimitIntervalSec=0 ReadKMsg=no Audit= ForwardToSyslog=no ForwardToWall=no \
        >settings/journald.conf
    mount --bind settings /etc/systemd
    echo 0123456789abcdef0123456789abcdef >machine-id
    mount --bind machine-id /etc/machine-id
}

# journald COMMAND…: starts it, and sends it entries through the command.
journald() {
    SYSTEMD_LOG_TARGET=console /usr/lib/systemd/systemd-journald 2>said &
    local daemon=$!
    appears -S /run/systemd/journal/socket || wrong "no journald: $(cat said)"

    head -c 1M /dev/urandom >payload
    local version old=ignored least=0 most=0 level how expected program
    version=$(journalctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    if [ -e /proc/sys/vm/memfd_noexec ]; then
        # A namespace cannot be laxer than the machine, and only root's can be stricter.
        least=$(cat /proc/sys/vm/memfd_noexec)
        most=$([ "$(id -u)" -eq 0 ] && echo 2 || echo "$least")
    fi
    # The kernel knows no other seal then.
    [ "$version" -lt 254 ] && [ -e /proc/sys/vm/memfd_noexec ] || old=taken
    local taken=0
    while read -r level how expected; do
        if [ "$level" -lt "$least" ]; then
            echo "vm.memfd_noexec of this machine is $least: journald, $level $how" >>left_out
            continue
        elif [ "$level" -gt "$most" ]; then
            echo "only root can set vm.memfd_noexec, and where it exists: journald, $level $how" >>left_out
            continue
        fi
        [ "$how $expected" != 'right taken' ] || taken=$((taken + 1))
        for program in freestanding journal; do
            sends "$program" "$level" "$how" "$expected" "$@"
        done
    done <<END
0 right taken
0 byte ignored
0 default-seals $old
1 right taken
1 default-seals $old
2 right EACCES
2 default-seals $old
END
    # With vm.memfd_noexec=2, both programs are refused before they send anything.
    [ "$taken" -gt 0 ] || wrong "journald takes nothing where vm.memfd_noexec is $least"
}

# sends PROGRAM LEVEL HOW EXPECTED COMMAND…: runs the program under that vm.memfd_noexec through the
# command, and looks in the journal for the bytes of its standard input.
sends() {
    local program=("$programs/$1") entry=$1-$2-$3 level=$2 how=$3 expected=$4 status=0
    [ "$1" != freestanding ] || program+=(--journal)
    shift 4
    # shellcheck disable=SC2016 # the other shell expands it
    unshare --pid --fork --mount-proc bash -c '
        [ "$1" -eq 0 ] || [ "$1" = "$(cat /proc/sys/vm/memfd_noexec)" ] ||
            echo "$1" >/proc/sys/vm/memfd_noexec || exit
        shift
        exec "$@"
    ' bash "$level" "$@" "${program[@]}" "$entry" "$how" <payload >sent 2>&1 || status=$?
    # What was sent before this signal is in the journal when it says so: systemd-journald(8).
    rm -f /run/systemd/journal/synced
    kill -RTMIN+1 "$daemon"
    appears -e /run/systemd/journal/synced || wrong "no synchronized journal: $(cat said)"
    journalctl --file '/run/log/journal/*/system.journal' --quiet --output cat \
        --output-fields PAYLOAD "ENTRY=$entry" >found
    case $expected in
    taken) [ "$status" -eq 0 ] && { cat payload && echo; } | cmp - found ;;
    ignored) [ "$status" -eq 0 ] && [ ! -s found ] ;;
    EACCES) [ "$status" -eq 1 ] && [ ! -s found ] && grep -qE 'EACCES|permission denied' sent ;;
    esac || wrong "$entry must be $expected, but: status $status, $(cat sent), $(wc -c <found) bytes; $(cat said)"
}

# bubblewrap reads its arguments and its sandbox's files from descriptors.
meets_bubblewrap() {
    "$programs/bubblewrap"
}

# A dbus-daemon passes files on, between programs of ours and to and from Python.
meets_dbus() {
    cat >bus.conf <<END
<busconfig>
  <type>session</type>
  <listen>unix:path=$PWD/bus</listen>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
END
    dbus-run-session --config-file=bus.conf -- "$programs/dbus"
}

# Python receives a file and cannot change it, and we receive its files.
meets_python() {
    "$programs/python"
}

# cat and shells read files from their start, however they were made, and run them as scripts.
meets_children() {
    "$programs/children"
}

# Wayland compositors map a pool of pixels that grows, and give keymaps to their clients. sway draws
# without a GPU, on a screen that is not there. weston is a window of it.
meets_wayland() {
    local user=() run=$PWD/run
    mkdir -m 700 run
    cat >sway.conf <<'END'
xwayland disable
swaybg_command -
default_border none
for_window [app_id=".*"] floating enable
output HEADLESS-1 resolution 320x240
END
    if [ "$(id -u)" -eq 0 ]; then
        # sway refuses to run as root.
        chown nobody run
        user=(setpriv --reuid nobody --regid nogroup --clear-groups)
    fi
    # compositor SOCKET VARIABLE=… COMMAND…: starts a compositor, which makes that socket.
    compositor() {
        env -i PATH="$PATH" XDG_RUNTIME_DIR="$run" "${user[@]}" env "${@:2}" >&2 &
        appears -S "$run/$1" || wrong "no $1"
        export WAYLAND_DISPLAY=$run/$1
    }
    compositor wayland-1 WLR_BACKENDS=headless WLR_RENDERER=pixman sway --config sway.conf
    export SCREEN=$WAYLAND_DISPLAY
    "$programs/wayland" pool
    "$programs/wayland" keyboard &
    "$programs/wayland" keymap unsealed
    compositor weston WAYLAND_DISPLAY=wayland-1 weston --backend=wayland-backend.so \
        --shell=kiosk-shell.so --use-pixman --no-config --socket=weston --width=200 --height=120
    "$programs/wayland" pool
    "$programs/wayland" keymap sealed
}

# QEMU hands the memory of a virtual machine to the process that is the machine's disk.
meets_qemu() {
    local memory='memory-backend-memfd,share=on'
    # machine RANGES OPTION…: a machine of 64 MiB.
    machine() (
        mkdir "$1"
        cd "$1"
        "$programs/qemu" "${@:2}" -m 64M
    )
    machine one 1 -object "$memory,id=ram,size=64M" -machine pc,memory-backend=ram
    # Three ranges of two files: half of the second one lies beyond the devices, above 4 GiB.
    machine several 3 -machine pc,max-ram-below-4g=48M \
        -object "$memory,id=a,size=32M" -numa node,memdev=a \
        -object "$memory,id=b,size=32M" -numa node,memdev=b
    # Memory that QEMU could cut is not mapped.
    ! machine unsealed 1 -object "$memory,id=ram,size=64M,seal=off" -machine pc,memory-backend=ram \
        2>refusal || wrong 'memory without seals is mapped'
    grep F_SEAL_SHRINK refusal || wrong "$(cat refusal)"
}

# appears TEST PATH: waits at most a minute until the path is there, with -S as a socket.
appears() {
    local _
    for _ in {1..1200}; do
        [ ! "$1" "$2" ] || return 0
        sleep 0.05
    done
    return 1
}

# Says what is wrong with a partner, and ends its function.
wrong() {
    echo "$*" >&2
    exit 1
}

# alone NAME: runs the function of that name in the namespaces. If this script ends, whatever the
# reason, so does all that runs in them. It may write into $scratch/NAME.
alone() {
    local status=0
    # The limit is inside: timeout is the namespaces' first process, so that all others end with it.
    "${alone[@]}" timeout --kill-after 5 300 \
        bash -c 'set -euo pipefail; cd "$1"; "meets_$2"; exit' bash "$scratch/$1" "$1" || status=$?
    case $status in 124 | 137) echo "$1 has not ended in five minutes" ;; esac
    return "$status"
}
alone=(setpriv --pdeathsig KILL unshare)
[ "$(id -u)" -eq 0 ] || alone+=(--user --map-current-user)
alone+=(--mount --net --ipc --pid --fork --kill-child --mount-proc)

if [ $# -gt 0 ]; then
    partners=("$@")
fi
"${alone[@]}" true >"$log" 2>&1 || stop 'ci/partners.sh needs root or user namespaces'
# Other users may have no access to the directories that the programs are built in.
programs=$scratch/programs
mkdir "$programs"
chmod 711 "$scratch"
(cd tests/partners && quietly cargo build --locked --message-format json)
sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$log" | xargs cp --target-directory "$programs"
(
    cd tests/freestanding
    # Flags from outside would replace the package's own.
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
    quietly cargo build --locked --release --target "${cpus[0]}"
    cp "$(target_directory)/${cpus[0]}/release/freestanding" "$programs"
)
export programs
# shellcheck disable=SC2046 # several
export -f appears wrong settles journald sends $(compgen -A function meets_)

for name in "${partners[@]}"; do
    mkdir "$scratch/$name"
    quietly alone "$name"
done

while IFS= read -r what; do
    left_out "$what"
done < <(cat "$scratch"/*/left_out 2>/dev/null || true)
echo "partners: ${partners[*]} take what is theirs and nothing else"
