#!/usr/bin/env bash
# Downloads the kernels that ci/boot.sh boots, which tests/kernels/kernels.txt lists, from
# Debian's archive into a cache. Nothing is installed, and this machine's package lists stay as
# they are. With an argument, only the kernels with that need (`required` or `optional`) or that
# name, or else with that text in their names. A kernel in the cache is downloaded again after
# a week.
#
# The archive is the one that this machine's apt is configured with. On a machine without it,
# such as one with Ubuntu, set OWNED_MEMFD_DEBIAN_ARCHIVE to its URI, and if kernels from the
# security archive are wanted too, append a space and the URI of that. Without any archive, the
# kernels that are not in the cache are skipped.
#
# Prints a line for each kernel, `NAME CPU STATE TEXT`:
# - `fetched` and its directory, with the kernel as `vmlinuz`, its version as `release`, and the
#   modules loop.ko and squashfs.ko;
# - `failed` and the reason, if it is required but cannot be had;
# - `skipped` and the reason, if it is optional, or if this machine lacks Debian's archive.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

export LC_ALL=C
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# What `fetch` returns, if not 0.
failed=1
skipped=2
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
parts() {
    cat <<'END'
archive amd64,arm64 bullseye main/debian-installer
archive amd64,arm64 bookworm main/debian-installer
archive amd64,arm64 trixie main/debian-installer
security amd64,arm64 bullseye-security main main/debian-installer
security amd64,arm64 bookworm-security main
archive amd64,arm64 bookworm-backports main
archive amd64,arm64 trixie-backports main
archive riscv64 sid main main/debian-installer
END
}

# uris [OPTION…]: prints where apt, with these options, is configured to find Debian's archives,
# as `archive URI` and `security URI`. apt knows which URIs are Debian's from the package lists
# that it has downloaded. Removable media are left out: they have only a part of an archive.
uris() {
    # shellcheck disable=SC2016 # for apt to expand
    apt-get indextargets "$@" --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' |
        sed -nE '/\|cdrom:/d; s/^Debian\|Debian\|/archive /p; s/^Debian\|Debian-Security\|/security /p' |
        sort -u
}

# find_archives: writes the URIs into $scratch/uris. If there are none, `missing` says why, and
# `outcome` is what that is for a required kernel.
find_archives() {
    local archive security own
    if [ -n "${OWNED_MEMFD_DEBIAN_ARCHIVE-}" ]; then
        read -r archive security <<<"$OWNED_MEMFD_DEBIAN_ARCHIVE"
        printf '%s\n' "archive $archive" ${security:+"security $security"} >"$scratch/uris"
        return
    fi
    uris >"$scratch/uris"
    [ ! -s "$scratch/uris" ] || return 0
    # The package lists may be missing.
    mkdir -p "$scratch"/own/{lists/partial,archives/partial}
    own=(-o "Dir::State=$scratch/own" -o "Dir::State::lists=$scratch/own/lists"
        -o "Dir::Cache=$scratch/own" -o APT::Sandbox::User=root)
    if apt-get --quiet update "${own[@]}" -o APT::Update::Error-Mode=any >"$log" 2>&1; then
        uris "${own[@]}" >"$scratch/uris"
        outcome=$skipped
        missing='no source of this machine'\''s apt is Debian'\''s archive: set OWNED_MEMFD_DEBIAN_ARCHIVE to its URI'
    else
        outcome=$failed
        missing="apt cannot tell which of its sources is Debian's archive, which OWNED_MEMFD_DEBIAN_ARCHIVE can name: $(complaint || true)"
    fi
}

# set_up_apt: finds the archives, and tells an apt with a state of its own which packages they
# have. A part of an archive may be unreachable; its packages are unknown then.
set_up_apt() {
    local kind architectures suite components
    find_archives
    [ -s "$scratch/uris" ] || return 0
    while read -r kind architectures suite components; do
        sed -n "s#^$kind \(.*\)#deb [arch=$architectures signed-by=$keyring] \1 $suite $components#p" "$scratch/uris"
    done < <(parts) >"$scratch/sources.list"
    mkdir -p "$scratch"/apt/{lists/partial,archives/partial}
    : >"$scratch/apt/status"
    cat >"$scratch/apt.conf" <<END
Dir::State "$scratch/apt";
Dir::State::status "$scratch/apt/status";
Dir::Cache "$scratch/apt";
Dir::Etc::SourceList "$scratch/sources.list";
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
    export APT_CONFIG=$scratch/apt.conf
    apt-get --quiet update >"$log" 2>&1 || true
    complaint >"$scratch/complaint" || true
    apt-cache pkgnames >"$scratch/names" 2>>"$log" || true
}

# Prints the last thing that apt complained about.
complaint() {
    grep -E '^[EW]: ' "$log" | grep -v ': Some index files ' | tail -n 1 | cut -c 4-
}

# candidates PATTERN…: prints the packages with such names, by pattern, newest first.
candidates() {
    local pattern
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

# fetch NAME CPU PATTERN…: puts a kernel into the cache; or prints why that is not possible, and
# returns what that is for a required kernel.
fetch() {
    local name=$1 cpu=$2 package release
    shift 2
    if [ ! -s "$scratch/uris" ]; then
        echo "$missing"
        return "$outcome"
    fi
    candidates "$@" >"$scratch/candidates"
    if [ ! -s "$scratch/candidates" ]; then
        echo "no package has such a name$(sed 's/^/: /' "$scratch/complaint")$(grep -q '^security ' "$scratch/uris" || echo '; no source is the security archive')"
        return "$failed"
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
        return "$failed"
    done <"$scratch/candidates"
    echo "$(head -n 1 "$scratch/candidates") and $(($(wc -l <"$scratch/candidates") - 1)) others cannot be downloaded with their modules: $(complaint || echo 'apt does not say why')"
    return "$failed"
}

while read -r need name cpu patterns; do
    rm -rf "$cache/$name.new"
    if ! cached "$name" || [ -z "$(find "$cache/$name/release" -mtime -7)" ]; then
        [ -e "$scratch/uris" ] || set_up_apt
        status=0
        # shellcheck disable=SC2086 # several patterns
        reason=$(fetch "$name" "$cpu" $patterns) || status=$?
        if [ "$status" -ne 0 ] && ! cached "$name"; then
            state=skipped
            [ "$need" = optional ] || [ "$status" -eq "$skipped" ] || state=failed
            echo "$name $cpu $state $reason"
            continue
        fi
    fi
    echo "$name $cpu fetched $cache/$name"
done <"$scratch/chosen"
