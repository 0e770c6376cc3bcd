#!/usr/bin/env bash
# Fetches the kernels that ci/boot.sh boots, with apt from Debian's archive into a cache
# directory of its own: nothing is installed, and this machine's package lists stay as they
# are. With an argument, those that need it so, `required` or `optional`, or that have it in
# their names.
#
# Prints a line for each: its need, its name, its CPU, and either the directory that it is in
# or `-` and why it could not be had. The directory holds the kernel as `vmlinuz`, its version
# as `release`, and the modules loop.ko and squashfs.ko where they could be had.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

cache=${XDG_CACHE_HOME:-$HOME/.cache}/owned-memfd/kernels
mkdir -p "$cache"

# One at a time.
exec 9>"$cache/lock"
flock 9

# Of each kernel: the names that its package may have, most wanted first. Of packages with the
# same name but for its numbers, the newest that can be had is taken.
kernels() {
    cat <<'END'
required x86_64-6.1 amd64 kernel-image-6\.1\.0-[0-9]+-amd64-di linux-image-6\.1\.0-[0-9]+-cloud-amd64
required x86_64-6.12 amd64 kernel-image-6\.12\.[0-9]+\+deb13-amd64-di linux-image-6\.12\.1[0-9][0-9]\+deb12-cloud-amd64
required x86_64-newest amd64 linux-binary-[0-9.]+\+deb13-cloud-amd64
required arm64-6.12 arm64 kernel-image-6\.12\.[0-9]+\+deb13-arm64-di linux-image-6\.12\.1[0-9][0-9]\+deb12-cloud-arm64
required arm64-newest arm64 linux-binary-[0-9.]+\+deb13-cloud-arm64
required riscv64-newest riscv64 linux-binary-[0-9.]+\+deb1[0-9]-riscv64
optional x86_64-5.10-old amd64 kernel-image-5\.10\.0-3[0-9]-amd64-di
optional x86_64-5.10-new amd64 kernel-image-5\.10\.0-4[0-9]-amd64-di linux-image-5\.10\.0-4[0-9]-cloud-amd64
optional x86_64-6.12.43 amd64 linux-image-6\.12\.43\+deb12-cloud-amd64
optional arm64-5.10 arm64 kernel-image-5\.10\.0-[0-9]+-arm64-di linux-image-5\.10\.0-[0-9]+-cloud-arm64
optional arm64-6.1 arm64 kernel-image-6\.1\.0-[0-9]+-arm64-di linux-image-6\.1\.0-[0-9]+-cloud-arm64
END
}

# The installer's packages are the smallest, and the cloud's are smaller than the rest.
sources() {
    local archive='signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org'
    cat <<END
deb [arch=amd64,arm64 $archive/debian bullseye main/debian-installer
deb [arch=amd64,arm64 $archive/debian bookworm main/debian-installer
deb [arch=amd64,arm64 $archive/debian trixie main/debian-installer
deb [arch=amd64,arm64 $archive/debian-security bullseye-security main main/debian-installer
deb [arch=amd64,arm64 $archive/debian-security bookworm-security main
deb [arch=amd64,arm64 $archive/debian bookworm-backports main
deb [arch=amd64,arm64 $archive/debian trixie-backports main
deb [arch=riscv64 $archive/debian sid main main/debian-installer
END
}

# apt with a state of its own, told of the archive once, when it is first wanted.
export APT_CONFIG=$scratch/apt.conf
mkdir -p "$scratch"/apt/{lists/partial,archives/partial}
: >"$scratch/apt/status"
sources >"$scratch/apt/sources.list"
cat >"$APT_CONFIG" <<END
Dir::State "$scratch/apt";
Dir::State::status "$scratch/apt/status";
Dir::Cache "$scratch/apt";
Dir::Etc::SourceList "$scratch/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; "riscv64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "2";
Acquire::http::Timeout "30";
END

# What apt last complained of.
complaint() {
    grep -E '^[EW]: ' "$log" | grep -v ': Some index files ' | tail -n 1 | cut -c 4-
}

told_of_packages=
# candidates PATTERN…: packages of such a name, those of the first pattern first, newest first.
candidates() {
    local pattern
    if [ -z "$told_of_packages" ]; then
        # A part of the archive may be out of reach: then what is in it is not found.
        apt-get --quiet update >"$log" 2>&1 || true
        complaint >"$scratch/complaint" || true
        apt-cache pkgnames >"$scratch/names" 2>>"$log"
        told_of_packages=yes
    fi
    for pattern; do
        grep -xE "$pattern" "$scratch/names" | sort -rV | head -n 6 || true
    done
}

# unpack PACKAGE CPU FILE…: downloads it, and takes these files out of it into $scratch/new.
unpack() {
    local package=$1 cpu=$2 part parts=()
    shift 2
    rm -rf "$scratch/package"
    mkdir "$scratch/package"
    (cd "$scratch/package" && timeout 600 apt-get --quiet download "$package:$cpu" >"$log" 2>&1) || return 1
    for part; do
        parts+=("*/$part" "*/$part.xz" "*/$part-*")
    done
    # Not every package has all of them: what is missing is seen afterwards.
    dpkg-deb --fsys-tarfile "$scratch"/package/*deb |
        tar --extract --directory "$scratch/package" --wildcards "${parts[@]}" 2>/dev/null || true
    for part; do
        find "$scratch/package" -type f \( -name "$part" -o -name "$part-*" \) -exec mv {} "$scratch/new/$part" \;
        find "$scratch/package" -type f -name "$part.xz" -exec xz --decompress --stdout {} \; >"$scratch/part"
        [ ! -s "$scratch/part" ] || mv "$scratch/part" "$scratch/new/$part"
    done
    rm -rf "$scratch/package"
}

# fetch NAME CPU PATTERN…: puts a kernel into the cache, or says why not.
fetch() {
    local name=$1 cpu=$2 package release
    shift 2
    candidates "$@" >"$scratch/candidates"
    if [ ! -s "$scratch/candidates" ]; then
        echo "the archive names no such package$(sed 's/^/: /' "$scratch/complaint")"
        return 1
    fi
    while read -r package; do
        rm -rf "$scratch/new"
        mkdir "$scratch/new"
        unpack "$package" "$cpu" vmlinuz loop.ko squashfs.ko && [ -s "$scratch/new/vmlinuz" ] || continue
        release=$(sed -E 's/^(kernel-image|linux-image|linux-binary)-//; s/-di$//' <<<"$package")
        if [ ! -s "$scratch/new/loop.ko" ] || [ ! -s "$scratch/new/squashfs.ko" ]; then
            { unpack "loop-modules-$release-di" "$cpu" loop.ko &&
                unpack "squashfs-modules-$release-di" "$cpu" squashfs.ko; } ||
                unpack "linux-modules-$release" "$cpu" loop.ko squashfs.ko || true
        fi
        echo "$release" >"$scratch/new/release"
        (cd "$scratch/new" && sha256sum -- * >SHA256SUMS)
        rm -rf "${cache:?}/$name"
        cp -r "$scratch/new" "$cache/$name.new"
        mv "$cache/$name.new" "$cache/$name"
        return
    done <"$scratch/candidates"
    echo "$(head -n 1 "$scratch/candidates") and $(($(wc -l <"$scratch/candidates") - 1)) others cannot be downloaded: $(complaint || echo 'apt does not say why')"
    return 1
}

# Whether the cache has it, whole.
cached() {
    (cd "$cache/$1" && sha256sum --check --quiet SHA256SUMS) >"$log" 2>&1
}

kernels | awk -v filter="${1-}" 'filter == "" || $1 == filter || index($2, filter)' >"$scratch/chosen"
if [ ! -s "$scratch/chosen" ]; then
    echo "no kernel is called $1; there are:" >&2
    kernels | cut -d' ' -f1,2 >&2
    exit 2
fi
while read -r need name cpu patterns; do
    rm -rf "$cache/$name.new"
    # shellcheck disable=SC2086 # several
    if cached "$name" || reason=$(fetch "$name" "$cpu" $patterns); then
        echo "$need $name $cpu $cache/$name"
    else
        echo "$need $name $cpu - $reason"
    fi
done <"$scratch/chosen"
