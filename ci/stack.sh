#!/usr/bin/env bash
# Each public function, with all that it calls, needs less than a page of stack.
#
#   ci/stack.sh            checks that, and the figures in tests/footprint/stack.md
#   ci/stack.sh --update   writes them anew
#
# tests/footprint/src/bin/surface.rs is compiled for x86_64 with the size of each function's frame, and
# taken apart to see which function calls which. So that they are functions, the compiler inlines only
# what it is told to inline or what costs nothing. A function's stack is its frame, its return address,
# and the most that one of the functions it calls needs. No function may be recursive, or call one that
# is not known, but for those that format what a caller prints. Code that panics is not followed: as
# compiled for use there is none, which ci/footprint.sh shows.
#
# The sizes need a nightly toolchain with the component rust-src, to compile `core` in the same way.
# Each has its own figures, so it is always the same one.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

update=
case $* in
'') ;;
--update) update=yes ;;
*)
    echo "usage: $0 [--update]" >&2
    exit 2
    ;;
esac
if ! sysroot=$(rustc "+$pinned_nightly" --print sysroot 2>"$log") || [ ! -d "$sysroot/lib/rustlib/src" ]; then
    echo "to get it: rustup toolchain install $pinned_nightly --profile minimal --component rust-src" >>"$log"
    stop "there is Rust $pinned_nightly with the sources of core"
fi
results=tests/footprint/stack.md

# From inside: the package has a configuration of its own. Flags from outside would replace it.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
programs=()
for profile in thick thick-z; do
    cd tests/footprint
    export CARGO_TARGET_DIR
    CARGO_TARGET_DIR=$(target_directory)/stack
    flags='"-Zemit-stack-sizes", "-Cjump-tables=no", "-Csymbol-mangling-version=v0",
        "-Cllvm-args=-inline-threshold=0 -inlinehint-threshold=0",
        "-Clink-arg=--strip-debug", "-Clink-arg=--defsym=code_that_panics_is_linked=0"'
    quietly cargo "+$pinned_nightly" build --locked -Zbuild-std=core --target "${cpus[0]}" --profile "$profile" --bin surface \
        --config "target.${cpus[0]}.rustflags = [${flags//$'\n'/}]"
    programs+=("$CARGO_TARGET_DIR/${cpus[0]}/$profile/surface")
    unset CARGO_TARGET_DIR
    cd ../..
done

python3 - "$scratch" tests/surface/no_std.txt "${programs[@]}" >"$scratch/table" 2>"$log" <<'END' || stop 'the stack of each function is known, and less than a page'
import re, subprocess, sys

LIMIT = 4096
# The only function that calls others by their addresses, and those.
BY_ADDRESS = {
    "owned_memfd::transfer::copy_by_offset": {
        f"owned_memfd::sys::transfer::{name}" for name in ("copy_file_range", "sendfile", "splice")
    }
}
scratch, surface, *programs = sys.argv[1:]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def without_generics(name):
    """`<a::B<C> as d::E>::f::<G>` is `B::f`, and `a::f` is `f`."""
    name = re.sub(r"::<.*$", "", re.sub(r"(?<=\w)<[^<>]*(<[^<>]*(<[^<>]*>[^<>]*)*>[^<>]*)*>", "", name))
    method = re.match(r"^<&?(?:mut )?([\w:]+)(?: as [^>]*)?>::(\w+)$", name)
    if method:
        return method[1].rsplit("::", 1)[-1] + "::" + method[2]
    return name.rsplit("::", 1)[-1] if re.match(r"^[\w:]+$", name) else name


class Program:
    def __init__(self, path):
        self.names, self.frames, self.calls, self.unknown, self.known = {}, {}, {}, set(), {}
        for line in run("nm", "-C", "--defined-only", path).splitlines():
            address, kind, name = line.split(" ", 2)
            if kind in "tT":
                self.names[int(address, 16)] = name
        sizes = scratch + "/sizes"
        run("objcopy", "-O", "binary", "--only-section=.stack_sizes",
            "--set-section-flags", ".stack_sizes=alloc", path, sizes)
        data = iter(open(sizes, "rb").read())
        # An address of eight bytes, and a number in groups of seven bits.
        for first in data:
            address = int.from_bytes([first] + [next(data) for _ in range(7)], "little")
            size = shift = 0
            for byte in data:
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            self.frames[address] = size
        function = None
        for line in run("objdump", "-d", "--no-show-raw-insn", path).splitlines():
            head = re.match(r"([0-9a-f]+) <", line)
            if head:
                function = int(head[1], 16)
                self.calls[function] = set()
            jump = re.match(r" +[0-9a-f]+:\t(call|j[a-z]+) +(\S+)", line)
            if jump and jump[2].startswith("*"):
                self.unknown.add(function)
            elif jump:
                to = int(jump[2], 16)
                if to in self.names and (jump[1] == "call" or to != function):
                    self.calls[function].add(to)
                # The handler of panics calls what is defined as zero.
                elif jump[1] == "call" and to != 0:
                    sys.exit(f"calls no function: {line}")

    def stack(self, function, callers=()):
        """What the function needs, and whether it formats."""
        name = self.names.get(function, "?")
        if function in self.known:
            return self.known[function]
        if "panicking" in name or "rust_begin_unwind" in name:
            return 0, False
        if name.startswith(("<core::fmt", "core::fmt", "<dyn core::fmt")):
            return 0, True
        if function in callers:
            sys.exit(f"recursive: {name}")
        if function not in self.frames:
            sys.exit(f"without a size: {name}")
        calls = set(self.calls[function])
        if function in self.unknown:
            meant = BY_ADDRESS.get(name, set())
            found = {to for to, other in self.names.items() if other in meant}
            if not meant or len(found) < len(meant):
                sys.exit(f"calls what is not known: {name}")
            calls |= found
        below = [self.stack(to, callers + (function,)) for to in calls]
        most = max((needs for needs, _ in below), default=0)
        self.known[function] = self.frames[function] + 8 + most, any(formats for _, formats in below)
        return self.known[function]


public = set()
for line in open(surface):
    item = re.match(r"pub (?:const |unsafe )*fn owned_memfd::([^(]*)\(", line)
    if item:
        path = re.sub(r"<[^()]*?>(?=::|$)", "", item[1]).split("::")
        public.add("::".join(path[-2:]) if path[-2:-1] and path[-2][:1].isupper() else path[-1])
needed, private, fails = {}, 0, False
for program in map(Program, programs):
    for function, name in program.names.items():
        if not re.match(r"<?owned_memfd::", name) or "{closure" in name:
            continue
        needs, formats = program.stack(function)
        short = without_generics(name)
        if needs >= LIMIT:
            print(f"{needs} bytes: {name}", file=sys.stderr)
            fails = True
        if formats and not short.endswith(("::fmt", "::write_fmt")):
            print(f"formats: {name}", file=sys.stderr)
            fails = True
        if short in public and not formats:
            needed[short] = max(needs, needed.get(short, 0))
        elif short not in public:
            private = max(private, needs)
if fails or len(needed) < 100:
    sys.exit(f"{len(needed)} public functions")
for name, needs in sorted(needed.items(), key=lambda row: (-row[1], row[0])):
    print(f"| `{name}` | {needs} |")
END

{
    cat <<'END'
# Stack

By `ci/stack.sh`: the bytes of stack that each public function needs, with all that it calls, on x86_64.
It is the larger of those at `opt-level` `z` and `3`, with little inlined. The other public functions
are always compiled into their callers, and do not appear by themselves.

END
    echo "- Rust: $(rustc "+$pinned_nightly" --version | cut -d' ' -f2-)"
    printf '\n| function | bytes |\n|---|--:|\n'
    cat "$scratch/table"
} >"$scratch/stack.md"
if [ "$update" ]; then
    cp "$scratch/stack.md" $results
else
    diff $results "$scratch/stack.md" >"$log" || stop "$results (<) has the figures of the code (>); else run ci/stack.sh --update"
fi
echo "stack: $(wc -l <"$scratch/table") public functions need at most $(sed -n '1s/.* \([0-9]*\) |$/\1/p' "$scratch/table") bytes"
