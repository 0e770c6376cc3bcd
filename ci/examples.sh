#!/usr/bin/env bash
# Each example does what its head says, or says in one line why it cannot.
#
# Where that cannot be printed there is no panic, and none if a reader like `head` has enough.
# `handoff` shows its progress on a terminal, and nowhere else. `reexec` ends where `/proc`
# is missing or false. Where this process may not mount anything, that is skipped by name; for root
# in CI, it is a failure. A hostile peer of `ring` causes an error, and that in time.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# In KiB: an example that loads more than it says is killed, and does not fill the memory.
ulimit -f $((1 << 20))

# What README names first, without a feature. The others say which they need.
quietly cargo run --locked --quiet --example hello
[ "$(cat "$log")" = 'hello, memory
a later write fails: the file is sealed with F_SEAL_WRITE' ] || stop 'hello seals a text, and reads it'
! cargo run --locked --quiet --example handoff >"$log" 2>&1 && grep -qF -- '--features="std"' "$log" ||
    stop 'cargo names the feature that handoff needs'

read_features
quietly cargo build --locked --features "$with_std" --examples
examples=$(target_directory)/debug/examples
names=()
for source in examples/*.rs examples/*/main.rs; do
    name=${source#examples/}
    names+=("$(basename "${name%/main.rs}" .rs)")
done
# All but the first one can be asked how they are used.
for name in "${names[@]}"; do
    [ "$name" != hello ] || continue
    quietly "$examples/$name" --help
    grep -q "^usage: $name\b" "$log" || stop "$name says how it is used"
    unheard 0 "$examples/$name" --help
done

# one_line STATUS WORDS COMMAND…: it ends so, with one line, which has these words.
one_line() {
    local expected=$1 words=$2 status=0
    shift 2
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ "$status" -eq "$expected" ] && [ "$(wc -l <"$log")" -eq 1 ] && grep -qF "$words" "$log" ||
        stop "status $status, or not one line with: $words:" "$@"
}

# A pipe that nobody reads any more, as after `head`. What they print first, or how they are used.
mkfifo "$scratch/pipe"
: <"$scratch/pipe" &
exec 3>"$scratch/pipe"
wait $!
for name in "${names[@]}"; do
    status=0
    "$examples/$name" --help >&3 2>"$log" || status=$?
    [ "$status" -eq 1 ] && [ "$(cat "$log")" = "$name: Broken pipe (os error 32)" ] ||
        stop "$name for a reader that has enough: status $status"
done
status=0
"$examples/handoff" >&3 2>"$log" || status=$?
[ "$status" -eq 1 ] && [ "$(cat "$log")" = 'handoff: Broken pipe (os error 32)' ] || stop 'handoff | head'
exec 3>&-

unheard 0 "$examples/hello"

printf '#!/bin/sh\necho "script $1"\n' >"$scratch/script"
: >"$scratch/empty"

handoff=$examples/handoff
truncate -s 32M "$scratch/zeros"
for file in '' Cargo.lock "$scratch/zeros"; do
    size=$(stat -c %s "${file:-$handoff}")
    quietly "$handoff" ${file:+"$file"}
    # Nothing else, as progress would be.
    printf '%s\n' "sealed $size bytes in memory" "wc counts $size on its standard input" \
        'cmp finds the same bytes in /proc/self/fd/N' "received $size bytes for good" \
        'a write fails: the file is sealed with F_SEAL_WRITE' | diff - <(sed 's|/fd/[0-9]*$|/fd/N|' "$log") >&2 ||
        stop "handoff of ${file:-its own program}"
done
# On a terminal, in one line.
quietly script --quiet --return --command "$handoff $scratch/zeros" /dev/null
[ "$(tr '\r' '\n' <"$log" | grep -c '^loaded [0-9]* of 32 MiB$')" -eq 32 ] &&
    [ "$(grep -c 'loaded' "$log")" -eq 1 ] || stop 'handoff shows how much it has loaded'
quietly script --quiet --return --command "$handoff Cargo.lock" /dev/null
! grep -q 'loaded' "$log" || stop 'handoff of a small file needs no progress'
# Names that cmp takes for an option, and for standard input.
for file in -s -; do
    echo dash >"$scratch/$file"
    (cd "$scratch" && quietly "$handoff" "$file")
done
# The other programs: missing, or they fail.
mkdir "$scratch/bin"
with_others() {
    PATH=$scratch/bin "$handoff" >/dev/null
}
one_line 1 'handoff: wc: No such file' with_others
ln -s /bin/false "$scratch/bin/wc"
one_line 1 'handoff: wc failed' with_others
ln -sf /bin/true "$scratch/bin/wc"
one_line 1 'handoff: cmp: No such file' with_others
ln -s /bin/false "$scratch/bin/cmp"
one_line 1 'has changed since' with_others
printf '#!/bin/sh\nexit 2\n' >"$scratch/two"
chmod +x "$scratch/two"
ln -sf ../two "$scratch/bin/cmp"
one_line 1 'handoff: cmp failed' with_others
# Missing, a directory, one that even root cannot read, one without end, and one without a writer.
one_line 1 'handoff: cannot load missing: No such file' "$handoff" missing
one_line 1 'handoff: cannot load /: not a regular file' "$handoff" /
one_line 1 'handoff: cannot load /proc/self/mem: ' "$handoff" /proc/self/mem
one_line 1 'handoff: cannot load /dev/zero: not a regular file' "$handoff" /dev/zero
one_line 1 'pipe: not a regular file' timeout 20 "$handoff" "$scratch/pipe"
one_line 1 'see --help' "$handoff" one two
# Its receiver, without a sender.
one_line 1 'handoff: socket operation on non-socket' "$handoff" --receive
unheard 0 "$handoff"
unheard 1 "$handoff" missing
quietly "$examples/keymap"
printf '%s\n' 'a keymap of 6 lines' 'a keymap of 6 lines' \
    'no keymap: the file is 13 bytes long, and must be 125' | diff - "$log" >&2 || stop 'keymap reads two of three'
unheard 0 "$examples/keymap"
one_line 1 'keymap: an unknown argument: see --help' "$examples/keymap" help

run=("$examples/run")
quietly "${run[@]}" /bin/echo hello 'two words'
[ "$(cat "$log")" = 'hello two words' ] || stop 'echo from memory gets its arguments'
VARIABLE=kept quietly "${run[@]}" /usr/bin/env
grep -qx 'VARIABLE=kept' "$log" || stop 'env from memory gets its environment'
quietly "${run[@]}" "$scratch/script" runs
[ "$(cat "$log")" = 'script runs' ] || stop 'a script from memory gets its arguments'
status=0
"${run[@]}" /bin/false >"$log" 2>&1 || status=$?
[ "$status" -eq 1 ] && [ ! -s "$log" ] || stop "false from memory: status $status, or some output"
quietly "${run[@]}" /bin/readlink /proc/self/exe
[ "$(cat "$log")" = '/memfd:program (deleted)' ] || stop 'what runs has no path'

one_line 1 'no program' "${run[@]}"
one_line 1 'run: cannot run missing: No such file' "${run[@]}" missing
one_line 1 'run: cannot run /: not a regular file' "${run[@]}" /
one_line 1 'not a regular file' "${run[@]}" /dev/zero
one_line 1 'pipe: not a regular file' timeout 20 "${run[@]}" "$scratch/pipe"
one_line 1 'neither a program' "${run[@]}" Cargo.lock
one_line 1 'empty' "${run[@]}" "$scratch/empty"
head -c 100 /bin/true >"$scratch/cut"
one_line 1 'cut off' "${run[@]}" "$scratch/cut"
truncate -s 300M "$scratch/large"
one_line 1 'bytes' "${run[@]}" "$scratch/large"

reexec=("$examples/reexec")
quietly "${reexec[@]}" one two
[ "$(cat "$log")" = 'running from /memfd:owned-memfd-sealed-exe (deleted)
sealed with F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
arguments: ["one", "two"]' ] || stop 'reexec goes on from a copy'

unheard 0 "$examples/run" /bin/true
unheard 1 "$examples/run" missing
unheard 0 "$examples/reexec"
for proc in 'mount -t tmpfs none /proc' \
    'cd /proc && mount -t tmpfs none /proc && mkdir /proc/real /proc/self && mount --bind . /proc/real && ln -s "$1" /proc/self/exe' \
    'cd /proc && mount -t tmpfs none /proc && mkdir /proc/self && mount --bind "$PPID" /proc/self'; do
    status=0
    timeout 20 unshare --mount sh -c "$proc"' && exec "$1"' sh "$examples/reexec" >"$log" 2>&1 || status=$?
    if grep -q '^\(unshare\|mount\): ' "$log"; then
        [ -z "${CI-}" ] || [ "$(id -u)" -ne 0 ] || stop 'root may mount another /proc in CI'
        left_out 'this process may not mount anything: reexec with another /proc'
        break
    fi
    [ "$status" -eq 1 ] && [ "$(cat "$log")" = 'reexec: /proc is not mounted, or does not show this process' ] ||
        stop "reexec ends where /proc is false: status $status: $proc"
done

quietly "$examples/ring"
grep -qE '^262144 records in ' "$log" || stop 'ring passes records'
unheard 0 "$examples/ring"
one_line 1 'ring: an unknown argument: see --help' "$examples/ring" help
one_line 1 'ring: ' "$examples/ring" --receive
# As the sender that the example trusts least: its standard input is the memory that both write.
python3 - "$examples/ring" >"$log" 2>&1 <<'END' || stop 'ring ends with one line, whatever its peer writes'
import mmap, os, random, struct, subprocess, sys, time

CAPACITY, INDEXES = 512 << 10, 256


def attack(write, expected):
    """Starts the receiver, and calls write(memory) until it ends."""
    file = os.memfd_create("hostile", os.MFD_ALLOW_SEALING)
    os.ftruncate(file, CAPACITY + INDEXES)
    memory = mmap.mmap(file, CAPACITY + INDEXES)
    receiver = subprocess.Popen([sys.argv[1], "--receive"], stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    try:
        while receiver.poll() is None and time.monotonic() < deadline:
            write(memory)
    finally:
        # Without an effect if it has ended.
        receiver.kill()
    error = receiver.communicate()[1].decode()
    print(receiver.returncode, error)
    assert receiver.returncode == 1 and error.count("\n") == 1
    assert any(what in error for what in expected), expected
    os.close(file)


def put(memory, at, number):
    memory[at : at + 4] = struct.pack("<I", number & 0xFFFFFFFF)


def anything(memory):
    put(memory, CAPACITY, random.getrandbits(32))
    put(memory, random.randrange(CAPACITY), random.getrandbits(32))


def wrong_length(memory):
    put(memory, 0, 0xFFFFFFFF)
    put(memory, CAPACITY, 64)


def too_little(memory):
    put(memory, CAPACITY, random.randrange(4))


attack(lambda memory: put(memory, CAPACITY, CAPACITY + 1), ["the peer's index is wrong"])
attack(wrong_length, ["a record is longer than what was written"])
attack(too_little, ["the peer took too long"])
for _ in range(10):
    attack(anything, ["wrong", "longer", "too long"])
END

unheard 1 "$examples/journal" --to
python3 - "$examples/journal" "$scratch" >"$log" 2>&1 <<'END' || stop 'journal sends an entry as journald reads it'
import fcntl, os, socket, struct, subprocess, sys

path, name = f"{sys.argv[2]}/journal", f"journal-{os.getpid()}"
at_path, abstract = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
for receiver in (at_path, abstract):
    receiver.settimeout(60)
at_path.bind(path)
abstract.bind("\0" + name)


def entry(*fields, to=path, receiver=at_path, message=b""):
    """What the example sends: one file without a byte, with the seals that every journald takes."""
    subprocess.run([sys.argv[1], "--to", to, *fields], input=message, timeout=60, check=True)
    data, (file,), flags, _ = socket.recv_fds(receiver, 10, 4)
    assert data == b"" and flags & ~0x40000000 == 0, (data, flags)
    assert fcntl.fcntl(file, fcntl.F_GET_SEALS) == 0xF
    content = os.pread(file, 1 << 23, 0)
    os.close(file)
    return content


long = b"two\nlines\n" * (1 << 17)
binary = struct.pack("<Q", len(long) - 1) + long[:-1]
assert entry("MESSAGE=hello", "PRIORITY=6") == b"MESSAGE=hello\nPRIORITY=6\n"
assert entry(b"MESSAGE=\xff=") == b"MESSAGE=\xff=\n"
assert entry("A=", message=long) == b"A=\nMESSAGE\n" + binary + b"\n"
assert entry("MESSAGE=x", to="@" + name, receiver=abstract) == b"MESSAGE=x\n"

for wrong in (
    ["MESSAGE"],
    ["message=x"],
    ["_A=x"],
    ["=x"],
    ["A" * 65 + "=x"],
    ["--to"],
    ["--to", f"{path}-missing", "MESSAGE=x"],
    ["--to", "", "MESSAGE=x"],
    ["--to", "x" * 108, "MESSAGE=x"],
):
    result = subprocess.run([sys.argv[1], *wrong], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    print(wrong, result)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and not result.stdout
END

echo "examples: ${#names[@]} do what they say, and each error is one line"
