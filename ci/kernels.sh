#!/usr/bin/env bash
# Fetches the kernels that ci/boot.sh boots, with apt from Debian's archive into a cache
# directory of its own: nothing is installed, and this machine's package lists stay as they
# are. With an argument, those of that need, `required` or `optional`, or of that name; or that
# have it in their names. What the cache has is asked for again after a week.
#
# Prints a line for each: its need, its name, its CPU, and either the directory that it is in
# or `-` and why it could not be had. The directory holds the kernel as `vmlinuz`, its version
# as `release`, and the modules loop.ko and squashfs.ko.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

export LC_ALL=C
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/owned-memfd/kernels
case "$cache $*" in
*[[:space:]]*[[:space:]]*)
    echo "one argument at most, and no spaces in $cache" >&2
    exit 2
    ;;
esac
mkdir -p "$cache"

# One at a time.
exec 9>"$cache/lock"
flock 9

# Of each kernel: the names that its package may have, most wanted first. Of packages with the
# same name but for its numbers, the newest that can be had is taken.
kernels() {
    cat <<'END'
required x86_64-6.1 amd64 kernel-image-6\.1\.0-[0-9]+-amd64-di linux-image-6\.1\.0-[0-9]+-cloud-amd64
required x86_64-6.12 amd64 kernel-image-6\.12\.[0-9]+\+deb13-amd64-di linux-image-6\.12\.[1-9][0-9]{2,}\+deb12-cloud-amd64
required x86_64-newest amd64 linux-binary-[0-9.]+\+deb13-cloud-amd64
required arm64-6.12 arm64 kernel-image-6\.12\.[0-9]+\+deb13-arm64-di linux-image-6\.12\.[1-9][0-9]{2,}\+deb12-cloud-arm64
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
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
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

# candidates PATTERN…: packages of such a name, those of the first pattern first, newest first.
candidates() {
    local pattern
    if [ ! -e "$scratch/names" ]; then
        # A part of the archive may be out of reach: then what is in it is not found.
        apt-get --quiet update >"$log" 2>&1 || true
        complaint >"$scratch/complaint" || true
        apt-cache pkgnames >"$scratch/names" 2>>"$log" || true
    fi
    for pattern; do
        grep -xE "$pattern" "$scratch/names" | sort -rV | head -n 6 || true
    done
}

# unpack PACKAGE CPU: downloads it, and puts what it has of a kernel and its modules into
# $scratch/new.
unpack() {
    local package=$1 cpu=$2 archive=$scratch/package/archive part member
    rm -rf "$scratch/package"
    mkdir "$scratch/package" &&
        (cd "$scratch/package" && timeout 600 apt-get --quiet download "$package:$cpu" >"$log" 2>&1) &&
        dpkg-deb --fsys-tarfile "$scratch"/package/*deb >"$archive" &&
        tar --list --file "$archive" >"$scratch/members" || return 1
    for part in vmlinuz loop.ko squashfs.ko; do
        member=$(sed -nE "\\#/$part(-[^/]*|\.xz)?\$#{p;q}" "$scratch/members")
        case $member in
        '') ;;
        *.xz) tar --extract --to-stdout --file "$archive" "$member" | xz --decompress >"$scratch/new/$part" || return 1 ;;
        *) tar --extract --to-stdout --file "$archive" "$member" >"$scratch/new/$part" || return 1 ;;
        esac
    done
    rm -rf "$scratch/package"
}

# Whether there is all of it in $scratch/new.
whole() {
    [ -s "$scratch/new/vmlinuz" ] && [ -s "$scratch/new/loop.ko" ] && [ -s "$scratch/new/squashfs.ko" ]
}

# Whether the cache has it, whole.
cached() {
    (cd "$cache/$1" && sha256sum --check --quiet SHA256SUMS) >"$log" 2>&1
}

# store NAME: puts what is in $scratch/new into the cache.
store() {
    (cd "$scratch/new" && sha256sum -- * >SHA256SUMS) &&
        rm -rf "${cache:?}/$1" &&
        cp -r "$scratch/new" "$cache/$1.new" &&
        mv "$cache/$1.new" "$cache/$1" &&
        cached "$1"
}

# fetch NAME CPU PATTERN…: puts a kernel into the cache, or says why not.
fetch() {
    local name=$1 cpu=$2 package release
    shift 2
    candidates "$@" >"$scratch/candidates"
    if [ ! -s "$scratch/candidates" ]; then
        echo "no such package is known$(sed 's/^/: /' "$scratch/complaint")"
        return 1
    fi
    while read -r package; do
        release=$(sed -E 's/^(kernel-image|linux-image|linux-binary)-//; s/-di$//' <<<"$package")
        rm -rf "$scratch/new"
        mkdir "$scratch/new"
        unpack "$package" "$cpu" || continue
        # With it, in a package for each, or in one for all.
        whole ||
            { unpack "loop-modules-$release-di" "$cpu" && unpack "squashfs-modules-$release-di" "$cpu"; } ||
            unpack "linux-modules-$release" "$cpu" || continue
        whole || continue
        echo "$release" >"$scratch/new/release"
        store "$name" && return
        echo "$cache cannot be written"
        return 1
    done <"$scratch/candidates"
    echo "$(head -n 1 "$scratch/candidates") and $(($(wc -l <"$scratch/candidates") - 1)) others cannot be downloaded with their modules: $(complaint || echo 'apt does not say why')"
    return 1
}

kernels | awk -v filter="${1-}" '
    filter == "" || $1 == filter || $2 == filter
    $2 == filter { named = 1 }
    $1 != filter && $2 != filter && index($2, filter) { like[++count] = $0 }
    END { if (filter != "" && !named) for (i = 1; i <= count; i++) print like[i] }
' >"$scratch/chosen"
if [ ! -s "$scratch/chosen" ]; then
    echo "no kernel is called $1; there are:" >&2
    kernels | cut -d' ' -f1,2 >&2
    exit 2
fi
while read -r need name cpu patterns; do
    rm -rf "$cache/$name.new"
    reason=
    # shellcheck disable=SC2086 # several
    if cached "$name" && [ -n "$(find "$cache/$name/release" -mtime -7)" ] ||
        reason=$(fetch "$name" "$cpu" $patterns) || cached "$name"; then
        echo "$need $name $cpu $cache/$name"
    else
        echo "$need $name $cpu - $reason"
    fi
done <"$scratch/chosen"
