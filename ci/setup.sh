#!/usr/bin/env bash
# Sets up what the tests need, and prints what it installed.
#
# These are Debian packages, and components and targets of the active Rust toolchain. With the
# arguments `boot`, `fuzz` and `partners`, what ci/boot.sh, ci/fuzz.sh and ci/partners.sh need too.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

if [ "$(uname -sm)" != 'Linux x86_64' ]; then
    echo "the tests run on x86_64 Linux and emulate the other CPUs; this is $(uname -sm)" >&2
    exit 1
fi
if ! command -v rustup >/dev/null; then
    echo 'rustup is missing: see https://rustup.rs' >&2
    exit 1
fi

# What is used, and the package that brings it.
used() {
    cat <<'END'
cc gcc
c++ g++
/usr/include/stdio.h libc6-dev
readelf binutils
musl-gcc musl-tools
python3 python3
unshare util-linux
setpriv util-linux
qemu-x86_64-static qemu-user-static
END
    local cpu name
    for cpu in "${cpus[@]:1}"; do
        name=${binutils[$cpu]%-}
        cat <<END
${emulator[$cpu]} qemu-user-static
$name-gcc gcc-$name
$name-objdump binutils-$name
/usr/$name/lib/libc.a libc6-dev-${debian[$cpu]}-cross
END
    done
    [[ " $* " != *' boot '* ]] || cat <<'END'
qemu-system-x86_64 qemu-system-x86
qemu-system-aarch64 qemu-system-arm
qemu-system-riscv64 qemu-system-misc
mksquashfs squashfs-tools
xz xz-utils
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
END
    [[ " $* " != *' fuzz '* ]] || echo 'c++ g++'
    [[ " $* " != *' partners '* ]] || cat <<'END'
/usr/lib/systemd/systemd-journald systemd
bwrap bubblewrap
busybox busybox-static
dbus-run-session dbus-daemon
/usr/bin/python3 python3
/usr/lib/python3/dist-packages/dbus python3-dbus
sway sway
weston weston
qemu-system-x86_64 qemu-system-x86
END
}

packages=()
while read -r used package; do
    command -v "$used" >/dev/null || [ -e "$used" ] || packages+=("$package")
done < <(used "$@")
if [ "${#packages[@]}" -gt 0 ]; then
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    # Without the recommended packages: one of them would register the emulators with
    # this machine's kernel.
    install=(apt-get install --yes --no-install-recommends "${packages[@]}")
    if [ "$(id -u)" -ne 0 ]; then
        printf 'missing packages; as root, run:\n  apt-get update && %s\n' "${install[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update
    quietly "${install[@]}"
    echo "installed packages: ${packages[*]}"
fi

components=()
installed=$(rustup component list --installed)
for component in clippy rustfmt; do
    grep -q "^$component-" <<<"$installed" || components+=("$component")
done
if [ "${#components[@]}" -gt 0 ]; then
    quietly rustup component add "${components[@]}"
    echo "installed components: ${components[*]}"
fi

targets=()
installed=$(rustup target list --installed)
for target in "${cpus[@]}" "${musl[@]}" "${android[@]}" "${refused[@]}"; do
    grep -qx "$target" <<<"$installed" || targets+=("$target")
done
if [ "${#targets[@]}" -gt 0 ]; then
    quietly rustup target add "${targets[@]}"
    echo "installed targets: ${targets[*]}"
fi
