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

partners=(bubblewrap dbus python wayland qemu)

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
        timeout 60 bash -c 'until [ -S "$1" ]; do sleep 0.05; done' bash "$run/$1" || wrong "no $1"
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

# Says what is wrong with a partner, and ends its function.
wrong() {
    echo "$*" >&2
    exit 1
}

# alone NAME: runs the function of that name in the namespaces. If this script ends, whatever the
# reason, so does all that runs in them. It may write into $scratch/NAME.
alone() {
    local user=()
    [ "$(id -u)" -eq 0 ] || user=(--user --map-current-user)
    setpriv --pdeathsig KILL unshare "${user[@]}" --mount --pid --fork --kill-child --mount-proc \
        bash -c 'set -euo pipefail; cd "$1"; "meets_$2"; exit' bash "$scratch/$1" "$1"
}

if [ $# -gt 0 ]; then
    partners=("$@")
fi
# Other users may have no access to the directories that the programs are built in.
programs=$scratch/programs
mkdir "$programs"
chmod 711 "$scratch"
(cd tests/partners && quietly cargo build --locked --message-format json)
sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$log" | xargs cp --target-directory "$programs"
export programs
# shellcheck disable=SC2046 # several
export -f wrong $(compgen -A function meets_)

for name in "${partners[@]}"; do
    mkdir "$scratch/$name"
    quietly alone "$name"
done

echo "partners: ${partners[*]} take what is theirs and nothing else"
