#!/usr/bin/env bash
# Who searches the documentation for a name of the kernel's finds what does that here.
#
# Each system call that arch/mod.rs lists, each constant of the kernel's that the library uses, and
# each manual page of a call that a public item links to is an alias (`#[doc(alias = "mmap")]`) or the
# name of a public item of the same file. What is not, stands below with a reason.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# What no item is to be found by. A name that has an item after all, or that the library uses no
# more, fails.
cat >"$scratch/exceptions" <<'END'
clock_gettime: tells how long sealing and receiving have waited
fsetxattr: part of the test for CVE-2026-63952
fstatat: tells whether a path in /proc leads to the file
getsockopt: tells whether a socket is a Unix socket
nanosleep: waits before sealing is tried again
prlimit64: tells whether a copy would raise SIGXFSZ
readlinkat: tells whether the program runs from a sealed copy
statx: tells whether anything is mounted over a path in /proc
AT_FDCWD: for a path that begins at the root
AT_STATX_DONT_SYNC: how statx is called
AT_SYMLINK_NOFOLLOW: how a path in /proc is looked at
CLOCK_MONOTONIC: how time is told
F_GETFL: tells why something was not permitted
F_SETFL: undoes an O_NONBLOCK of the library's own
HUGETLBFS_MAGIC: tells whether a file is on huge pages
MADV_DONTFORK: keeps a mapping out of children while a file is filled
MAP_NORESERVE: how an address is reserved
O_ACCMODE: tells why something was not permitted
O_CLOEXEC: is on every descriptor that is opened
O_DIRECTORY: how /proc is opened
O_NONBLOCK: keeps a lease from making it wait
O_PATH: tells why something was not permitted
O_RDWR: how a loop device is opened
O_WRONLY: tells why something was not permitted
POLLIN: what receiving waits for
POLLRDHUP: what receiving waits for
PROC_SUPER_MAGIC: tells whether /proc is a procfs
PROT_NONE: how an address is reserved
RLIMIT_FSIZE: tells whether a copy would raise SIGXFSZ
SOL_SOCKET: the level of every option
SO_TYPE: tells what kind of socket it is
STATX_MNT_ID: how statx is called
S_IFCHR: tells what a descriptor is
S_IFIFO: tells what a descriptor is
S_IFLNK: tells what a descriptor is
S_IFMT: tells what a descriptor is
S_IFREG: tells what a descriptor is
S_IFSOCK: tells what a descriptor is
END

cat >"$scratch/find.py" <<'END'
import glob, re, sys

def read(path):
    return open(path, encoding="utf-8").read()

library = {path: read(path) for path in sorted(glob.glob("src/**/*.rs", recursive=True))}
# Users see these types of std's, and no name of what takes their place without std.
documented = [path for path in library if path != "src/fd.rs" and "/sys/" not in path]
exceptions = dict(line.split(": ", 1) for line in read(sys.argv[1]).splitlines())
calls = set(re.findall(r"^ */// `(\w+)\(2\)`", read("arch/mod.rs"), re.M))
text = "\n".join(library.values())
constants = set(re.findall(r"\b(?:raw|net|loop_device)::([A-Z][A-Z0-9_]+)\b", text))
constants |= set(re.findall(r"= (MFD_HUGE_\w+)", text))

ALIAS = re.compile(r'#\[doc\(alias = "([^"]+)"\)\]')
ITEM = re.compile(r"(?:pub )?(?:(?:const|unsafe) )*(?:fn|struct|enum|trait|const|type) (\w+)")
PAGE = re.compile(r"\[`([\w ]+)\((2|2const)\)`\]")

# What stands above each line of code: where it is, the name of its public item or none, the aliases,
# the pages that its documentation links to, and whether users find it.
lines = []
for path in documented:
    above, pages = set(), []
    for number, line in enumerate(library[path].splitlines(), 1):
        line = line.strip()
        if line.startswith("///"):
            pages += [page for page, _ in PAGE.findall(line)]
        elif line.startswith(("#[", "//", "reason", "clippy", ")]")):
            above |= set(ALIAS.findall(line))
        else:
            item = ITEM.match(line) if line.startswith("pub") else None
            private = re.match(r"(pub\(crate\)|unsafe|fn|struct|enum|impl|mod)\b", line)
            if above or item:
                lines.append((f"{path}:{number}", item and item[1], above, pages, not private))
            above, pages = set(), []

def missing(without=None):
    """What has no item, and the names that have one, if nothing had the alias `without`."""
    # The macro's.
    found, problems = set(re.findall(r'= (MFD_HUGE_\w+) "\1"', library["src/flags.rs"])), []
    for place, item, aliases, pages, public in lines:
        names = (aliases - {without}) | ({item} if item else set())
        if item:
            problems += [f"{place}: {item} has no alias {page}" for page in pages if page not in names]
        if public:
            found |= names
    for name in sorted((calls | constants) - found - exceptions.keys()):
        problems.append(f"nothing has the alias {name}")
    return found, problems

found, problems = missing()
for name, reason in exceptions.items():
    if name in found:
        problems.append(f"{name} has an item, and needs no exception")
    elif name not in calls | constants:
        problems.append(f"{name} is not used, and needs no exception")
# It would be noticed if any of them was gone.
aliases = set(ALIAS.findall("\n".join(library[path] for path in documented)))
for name in sorted(aliases & (calls | constants)):
    if not missing(name)[1] and not re.search(rf"pub (?:\w+ )*fn {name}\(", text):
        problems.append(f"nobody would miss {name}")
if len(calls) < 40 or len(constants) < 60:
    problems.append(f"there are more than {len(calls)} calls and {len(constants)} constants")
print("\n".join(problems) or f"aliases: {len(calls)} calls and {len(constants)} constants are found, or need not be")
sys.exit(bool(problems))
END
python3 "$scratch/find.py" "$scratch/exceptions" >"$log" 2>&1 || stop 'each name of the kernel leads to a public item'
cat "$log"
