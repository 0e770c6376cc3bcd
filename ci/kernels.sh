#!/usr/bin/env bash
# Downloads the kernels that ci/boot.sh boots, which tests/kernels/kernels.txt lists, from
# Debian's archive into a cache. Nothing is installed, and this machine's package lists stay as
# they are. With an argument, only the kernels with that need (`required` or `optional`) or that
# name, or else with that text in their names. A kernel in the cache is downloaded again after
# a week.
#
# Prints a line for each kernel, `NAME CPU STATE TEXT`:
# - `fetched` and its directory, with the kernel as `vmlinuz`, its version as `release`, and the
#   modules loop.ko and squashfs.ko;
# - `failed` and the reason, if it is required but cannot be had;
# - `skipped` and the reason, if it is optional and cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

export LC_ALL=C
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/owned-memfd/kernels
if [ "$#" -gt 1 ] || [[ "$cache${1-}" == *[[:space:]]* ]]; then
    echo "expected one argument at most, and no spaces in it or in $cache" >&2
    exit 2
fi
filter=${1-}
mkdir -p "$cache"

kernels() {
    grep -v '^#' tests/kernels/kernels.txt
}
kernels | awk -v filter="$filter" '
    filter == "" || $1 == filter || $2 == filter
    $2 == filter { named = 1 }
    $1 != filter && $2 != filter && index($2, filter) { like[++count] = $0 }
    END { if (filter != "" && !named) for (i = 1; i <= count; i++) print like[i] }
' >"$scratch/chosen"
if [ ! -s "$scratch/chosen" ]; then
    echo "no kernel is called $filter; there are:" >&2
    kernels | cut -d' ' -f1,2 >&2
    exit 2
fi

# Only one of these scripts at a time.
exec 9>"$cache/lock"
flock 9

# The parts of the archive that the packages are in.
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

# unpack PACKAGE CPU: downloads a package, and puts those files of a kernel that it contains into
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

# complete: whether $scratch/new has all files of a kernel.
complete() {
    [ -s "$scratch/new/vmlinuz" ] && [ -s "$scratch/new/loop.ko" ] && [ -s "$scratch/new/squashfs.ko" ]
}

# cached NAME: whether the cache has all files of the kernel, undamaged.
cached() {
    (cd "$cache/$1" && sha256sum --check --quiet SHA256SUMS) >"$log" 2>&1
}

# store NAME: moves $scratch/new into the cache.
store() {
    (cd "$scratch/new" && sha256sum -- * >SHA256SUMS) &&
        rm -rf "${cache:?}/$1" &&
        cp -r "$scratch/new" "$cache/$1.new" &&
        mv "$cache/$1.new" "$cache/$1" &&
        cached "$1"
}

# fetch NAME CPU PATTERN…: puts a kernel into the cache, or prints why that failed.
fetch() {
    local name=$1 cpu=$2 package release
    shift 2
    candidates "$@" >"$scratch/candidates"
    if [ ! -s "$scratch/candidates" ]; then
        echo "no package has such a name$(sed 's/^/: /' "$scratch/complaint")"
        return 1
    fi
    while read -r package; do
        release=$(sed -E 's/^(kernel-image|linux-image|linux-binary)-//; s/-di$//' <<<"$package")
        rm -rf "$scratch/new"
        mkdir "$scratch/new"
        unpack "$package" "$cpu" || continue
        # The modules are in the same package, in a package each, or in one package.
        complete ||
            { unpack "loop-modules-$release-di" "$cpu" && unpack "squashfs-modules-$release-di" "$cpu"; } ||
            unpack "linux-modules-$release" "$cpu" || continue
        complete || continue
        echo "$release" >"$scratch/new/release"
        store "$name" && return
        echo "$cache cannot be written"
        return 1
    done <"$scratch/candidates"
    echo "$(head -n 1 "$scratch/candidates") and $(($(wc -l <"$scratch/candidates") - 1)) others cannot be downloaded with their modules: $(complaint || echo 'apt does not say why')"
    return 1
}

while read -r need name cpu patterns; do
    rm -rf "$cache/$name.new"
    if ! cached "$name" || [ -z "$(find "$cache/$name/release" -mtime -7)" ]; then
        # shellcheck disable=SC2086 # several patterns
        if ! reason=$(fetch "$name" "$cpu" $patterns) && ! cached "$name"; then
            state=failed
            [ "$need" = required ] || state=skipped
            echo "$name $cpu $state $reason"
            continue
        fi
    fi
    echo "$name $cpu fetched $cache/$name"
done <"$scratch/chosen"
