# What the other scripts share: CPUs, features, quiet commands, and counting. Each sources this
# from the repository root. Nothing is checked here.

# The CPUs that the crate supports, by the targets that the scripts check them with. For each:
# the program that runs its programs here, how its binutils' names begin, Debian's name, and
# whether the kernel keeps its vector registers during a system call.
cpus=()
declare -A emulator binutils debian vector_registers
while read -r target runner prefix architecture registers; do
    cpus+=("$target")
    emulator[$target]=$runner
    binutils[$target]=${prefix#-}
    debian[$target]=$architecture
    vector_registers[$target]=$registers
done <<'END'
x86_64-unknown-linux-gnu env - amd64 kept
aarch64-unknown-linux-gnu qemu-aarch64-static aarch64-linux-gnu- arm64 lost
riscv64gc-unknown-linux-gnu qemu-riscv64-static riscv64-linux-gnu- riscv64 lost
END
# Options for a command of cargo's that builds for all of them: so it builds side by side.
all_cpus=("${cpus[@]/#/--target=}")
# Other targets: those that the tests run on too, those that the library is compiled for only,
# and those with an installed `core` that it refuses.
musl=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)
android=(x86_64-linux-android aarch64-linux-android)
refused=(i686-unknown-linux-gnu wasm32-unknown-unknown)
# Every package of the repository, each a workspace of its own.
manifests=(Cargo.toml examples/*/Cargo.toml tests/*/Cargo.toml)

# Emptied and removed at the end, whatever the end is.
scratch=$(mktemp -d)
log=$scratch/log
: >"$log"
# Set where the script goes on after a failure; it fails at its end then.
failures=0
# A script can define what it does at its end, such as restoring a setting.
at_end() { :; }
trap 'status=$?; at_end || status=1; rm -rf "$scratch"; [ "$failures" -eq 0 ] || status=1; exit "$status"' EXIT

# Says what failed, and shows what was printed.
show() {
    {
        echo "failed: $*"
        cat "$log"
    } >&2
}

# Ends the script so.
stop() {
    show "$@"
    exit 1
}

# Runs a command; what it prints is shown only if it fails, which ends the script.
quietly() {
    "$@" >"$log" 2>&1 || stop "$@"
}

# left_out REASON: WHAT: says what a check does not do here. ci/test.sh counts it.
left_out() {
    echo "  skipped, $*"
}

# tool NAME VERSION: cargo has this command, or the script ends and says how to get it. That version
# is one that serves.
tool() {
    cargo "$1" --version >"$log" 2>&1 || {
        echo "to get it: cargo install cargo-$1 --locked --version $2" >>"$log"
        stop "there is cargo-$1"
    }
}

# The nightly toolchain of ci/surface.sh and ci/stack.sh, whose figures are those of one compiler.
# It belongs to the version of cargo-public-api there, which reads what some nightly toolchains write.
pinned_nightly=nightly-2026-05-20

# The oldest Rust that Cargo.toml promises, as a toolchain, which is installed if it is missing.
oldest_rust() {
    oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml).0
    grep -q "^$oldest-" <<<"$(rustup toolchain list)" || quietly rustup toolchain install "$oldest" --profile minimal
}

# unheard STATUS COMMAND…: runs a command that can print nothing: its standard output and error are
# closed, then full. If closed, it ends with that status; if full, with neither a panic nor a
# signal.
unheard() {
    local expected=$1 status=0
    shift
    "$@" >&- 2>&- || status=$?
    [ "$status" -eq "$expected" ] || stop "status $status without an output: $*"
    status=0
    "$@" >/dev/full 2>&1 || status=$?
    # A panic's status is 101; a signal's is 128 and its number.
    [ "$status" -lt 101 ] || stop "status $status with a full output: $*"
}

# The compiler's message says what to do after the first mistakes that anyone makes: mapping a file
# that is not sealed, and giving a descriptor of std's without the feature.
leads_on() {
    local library text
    cargo build --locked --message-format json >"$scratch/built" 2>"$log" || stop 'cargo build'
    library=$(sed -n 's/.*"\([^"]*libowned_memfd\.rlib\)".*/\1/p' "$scratch/built")
    rustc --edition 2024 --crate-type lib --emit metadata --out-dir "$scratch" \
        --extern "owned_memfd=$library" -L "dependency=${library%/*}/deps" - >"$log" 2>&1 <<'END' &&
use owned_memfd::{Errno, OwnedMemFd};
pub fn first(file: OwnedMemFd) -> Result<u8, Errno> {
    let bytes = file.map()?;
    Ok(bytes[0])
}
// Something that lends one.
pub fn second(file: &std::mem::ManuallyDrop<OwnedMemFd>) -> bool {
    file.map().is_ok()
}
END
        stop 'a file that is not sealed is mapped'
    for text in 'is not sealed cannot be mapped' 'file.seal()?.map()?' '`map_shared`'; do
        [ "$(grep -cF "$text" "$log")" -eq 2 ] || stop "the compiler does not say twice: $text"
    done
    # Nothing else distracts from it.
    [ "$(grep -c '^error\[' "$log")" -eq 2 ] || stop 'other errors'
    # A descriptor of std's, without the feature.
    rustc --edition 2024 --crate-type lib --emit metadata --out-dir "$scratch" \
        --extern "owned_memfd=$library" -L "dependency=${library%/*}/deps" - >"$log" 2>&1 <<'END' &&
pub fn first(file: std::fs::File) -> bool {
    owned_memfd::MemFdOptions::new().copy_from_file("copy", file, 1).is_ok()
}
END
        stop "without std, std's descriptors are taken"
    for text in 'the feature `std` of owned-memfd' '`rustix-1`'; do
        grep -qF "$text" "$log" || stop "the compiler does not say: $text"
    done
}

# Reads the features from Cargo.toml, so that no script names them:
# - feature_sets: no feature, each alone, and all together, for what is built;
# - without_std, with_std: all features that do not need `std`, and all, for what is run;
# - brings: for each feature set, or `none`, the optional dependencies that come with it.
read_features() {
    cargo metadata --locked --no-deps --format-version 1 >"$scratch/manifest" 2>"$log" || stop 'cargo metadata'
    python3 - "$scratch/manifest" >"$scratch/features" 2>"$log" <<'END' || stop 'the features are read from Cargo.toml'
import json, sys

[package] = json.load(open(sys.argv[1]))["packages"]
features = package["features"]
optional = {d["rename"] or d["name"]: d["name"] for d in package["dependencies"] if d["optional"]}


def closure(names):
    """All that these features enable: features, and entries that are none."""
    found, pending = set(), list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += features.get(name, [])
    return found


def brings(names):
    entries = (e.removeprefix("dep:").split("/")[0] for e in closure(names))
    return sorted({optional[e] for e in entries if e in optional})


every = sorted(features.keys() - {"default"})
sets = [[]] + [[name] for name in every] + [every]
print(",".join(name for name in every if "std" not in closure([name])))
print(",".join(every))
for names in sets:
    print(",".join(names) or "-", *brings(names))
END
    feature_sets=()
    declare -gA brings=()
    local set dependencies
    {
        read -r without_std
        read -r with_std
        while read -r set dependencies; do
            set=${set#-}
            feature_sets+=("$set")
            brings[${set:-none}]=$dependencies
        done
    } <"$scratch/features"
    [ "${#feature_sets[@]}" -gt 1 ] || stop 'Cargo.toml has features'
}

# refuses COMMAND…: runs cargo for a target that the library does not support. It fails with
# one error, which is the library's own.
refuses() {
    local check=("$@" --message-format short) errors
    if "${check[@]}" >"$log" 2>&1; then
        echo 'an unsupported target compiles' >>"$log"
        stop "${check[@]}"
    fi
    # The last one is cargo's own.
    mapfile -t errors < <(grep -E '(^|: )error(\[|:)' "$log" | grep -v '^error: could not compile')
    if [ "${#errors[@]}" -ne 1 ] || [[ ${errors[0]} != *'owned-memfd supports '* ]]; then
        echo 'expected one error, which says what owned-memfd supports' >>"$log"
        stop "${check[@]}"
    fi
}

# The directory that cargo builds the package of the current directory in.
target_directory() {
    cargo metadata --locked --no-deps --format-version 1 |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# variant CPU NAME FLAG…: builds the package of the current directory for the CPU, optimized
# for speed and with these flags of the compiler's after its own, and prints the directory
# that the programs are in.
variant() {
    local cpu=$1 name=$2 flags
    shift 2
    flags=$(printf '"%s", ' "$@")
    quietly cargo build --locked --target "$cpu" --profile "$name" \
        --config "profile.$name.inherits = 'release'" \
        --config "profile.$name.opt-level = 3" \
        --config "target.$cpu.rustflags = [$flags]"
    echo "$(target_directory)/$cpu/$name"
}

# The variants that use vector registers which the kernel does not keep, as CPU, NAME and FLAG.
vectors=(
    'aarch64-unknown-linux-gnu sve -Ctarget-feature=+sve'
    'aarch64-unknown-linux-gnu neoverse-v1 -Ctarget-cpu=neoverse-v1'
    'riscv64gc-unknown-linux-gnu rvv -Ctarget-feature=+v'
)

# claims_about_vectors CPU NAME FLAG: builds the claims about vector registers for one of
# these, and prints the program's path. They need a real kernel.
claims_about_vectors() {
    (
        # From inside: the package has a configuration of its own, to which this is added.
        # Flags from outside would replace both.
        cd tests/freestanding
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
        # Nothing is too long to be inlined: what a loop calls is in it, down to what enters
        # the kernel.
        programs=$(variant "$@" --cfg=vectors -Cllvm-args=-inline-threshold=10000)
        echo "$programs/freestanding"
    )
}

# Where the tests run, for tests/suite/src/skips.rs. It says which skips are allowed there; any other
# is a failure.
place=host

# Of how many tests one may be skipped there, whatever the reasons: a third, or half. An ordinary
# user skips a sixth, vm.memfd_noexec=2 makes it a fifth, and QEMU user-mode more than a quarter.
declare -A one_of=([host]=3 [emulated]=2)

# The lines about what drivers have skipped and why: each is printed once.
declare -A told

# bounds COMMAND…: runs a claim that is skipped here with these arguments, at the place where no
# skip is allowed. It must fail and say why, or no skip could fail anywhere.
bounds() {
    ! OWNED_MEMFD_PLACE=nowhere "$@" >"$log" 2>&1 || stop 'a skip that is not allowed is a failure:' "$@"
    grep -q 'must not be skipped on nowhere: ' "$log" || stop 'it is a failure because it is not allowed:' "$@"
}

# bounds_their_number: skips one more than half and one more than a third of the tests, which must
# fail where so much may not be skipped, and nowhere else.
bounds_their_number() {
    local skips result
    # shellcheck disable=SC2329 # the driver calls it
    tests() {
        seq -f 'skip skips::%g: for a reason' "$1"
        echo "$((10 - $1)) passed, 0 failed, $1 skipped"
    }
    while read -r place skips result; do
        (
            driver "$skips of 10 on $place" tests "$skips" >/dev/null 2>&1
            [ "$failures" = "$result" ]
        ) || stop "$skips of 10 skipped on $place: failures must be $result"
    done <<'END'
host 3 0
host 4 1
emulated 5 0
emulated 6 1
END
    place=host
}

# driver NAME COMMAND…: runs tests and prints `NAME: N passed, N failed, N skipped`, and
# under it each reason for skipping, with what was skipped, unless it was printed before. A run
# that fails, counts nothing, skips too much, or skips without a reason shows all that it printed,
# and is never counted as passed.
driver() {
    local name=$1 status=0 passed failed skipped explained reasons line same=0
    shift
    OWNED_MEMFD_PLACE=$place "$@" >"$log" 2>&1 || status=$?
    read -r passed failed skipped explained < <(awk '
        # libtest: test result: ok. 1 passed; 0 failed; 0 ignored; …
        /^test result: / { passed += $4; failed += $6; skipped += $8 }
        # tests/freestanding
        /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { passed += $1; failed += $3; skipped += $5 }
        /^skip [^ ]+: ./ { explained++ }
        END { print passed + 0, failed + 0, skipped + 0, explained + 0 }
    ' "$log")
    if [ "$skipped" -ne "$explained" ]; then
        echo "$skipped skipped, $explained with a reason" >>"$log"
        status=1
    fi
    if [ "$passed" -eq 0 ]; then
        echo 'nothing passed' >>"$log"
        status=1
    fi
    if [ $((skipped * one_of[$place])) -gt $((passed + failed + skipped)) ]; then
        echo "$skipped skipped, more than one of ${one_of[$place]}" >>"$log"
        status=1
    fi
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    echo "$name: $passed passed, $failed failed, $skipped skipped"
    # From `skip CLAIM: REASON` to `skipped, REASON: CLAIM, CLAIM`.
    reasons=$(sed -nE 's/^skip ([^ ]+): (.+)/\2\t\1/p' "$log" | sort | awk -F '\t' '
        { printf "%s%s", $1 == reason ? ", " : (NR > 1 ? "\n" : "") "  skipped, " $1 ": ", $2; reason = $1 }
    ')
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        if [ -n "${told[$line]-}" ]; then
            same=$((same + 1))
        else
            told[$line]=1
            echo "$line"
        fi
    done <<<"$reasons"
    [ "$same" -eq 0 ] || echo "  skipped as above, for $same reasons"
    if [ "$failed" -ne 0 ]; then
        show "$@"
        failures=1
    fi
}
