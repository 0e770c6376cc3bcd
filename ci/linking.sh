#!/usr/bin/env bash
# The package in the guide, without libc and std, builds for every CPU in debug and release, and runs.
#
# Its three files are taken from src/guide/no_std_and_linking.md as they stand there. It gets two
# dependencies more: one with a build script, and one that is a procedural macro. Both are programs
# of this machine, with a libc, and the flags of the package must not reach them. What the page says
# of the errors is tried, too: without one of its lines, the build fails with that message. The
# page's recipe for std and musl builds a program that runs.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

page=src/guide/no_std_and_linking.md
root=$PWD
# Flags and targets from outside would replace the package's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
# Outside of the repository, whose configuration must not reach the package.
export CARGO_TARGET_DIR=$scratch/target
# readelf speaks English.
export LC_ALL=C

# block AFTER: prints the first block of the page after the line that is this, as a reader sees it.
block() {
    awk -v after="$1" '
        !found { found = $0 == after; next }
        !inside { inside = /^```./; next }
        /^```$/ { exit }
        !/^# (#\[|extern )/
    ' "$page"
}

sealer=$scratch/sealer
mkdir -p "$sealer/.cargo" "$sealer/src" "$scratch/built/src" "$scratch/derived/src"
for file in Cargo.toml .cargo/config.toml src/main.rs; do
    block "\`$file\`:" >"$sealer/$file"
    [ -s "$sealer/$file" ] || stop "$page has $file"
done

# The versions of the dependencies are those that all tests have.
cp Cargo.lock "$sealer"
grep -q '^owned-memfd = "0.1"$' "$sealer/Cargo.toml" || stop "$page depends on owned-memfd as a user would"
sed -i "s|^owned-memfd = \"0.1\"\$|owned-memfd = { path = \"$root\" }\nbuilt = { path = \"../built\" }\nderived = { path = \"../derived\" }|" "$sealer/Cargo.toml"
cat >"$scratch/built/Cargo.toml" <<'END'
[package]
name = "built"
version = "0.1.0"
edition = "2024"
END
echo 'fn main() { println!("cargo::rustc-env=BUILT=yes"); }' >"$scratch/built/build.rs"
cat >"$scratch/built/src/lib.rs" <<'END'
#![no_std]
use core::sync::atomic::{AtomicU32, Ordering};
pub const BUILT: &str = env!("BUILT");
static COUNTED: AtomicU32 = AtomicU32::new(0);
pub fn count() -> u32 {
    COUNTED.fetch_add(1, Ordering::SeqCst)
}
END
cat >"$scratch/derived/Cargo.toml" <<'END'
[package]
name = "derived"
version = "0.1.0"
edition = "2024"

[lib]
proc-macro = true
END
cat >"$scratch/derived/src/lib.rs" <<'END'
#[proc_macro]
pub fn yes(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    "\"yes\"".parse().unwrap()
}
END
cd "$sealer"
# Where atomic operations are functions, the program calls one.
sed -i 's/^fn main() -> .* {$/&\n    built::count();/' src/main.rs
echo 'const _: () = assert!(built::BUILT.len() == derived::yes!().len());' >>src/main.rs

programs=0
sizes=()
for profile in debug release; do
    options=()
    [ "$profile" = debug ] || options=(--release)
    quietly cargo build "${options[@]}"
    for cpu in "${cpus[@]}"; do
        program=$CARGO_TARGET_DIR/$cpu/$profile/sealer
        readelf --wide --file-header --program-headers --section-headers "$program" >"$log" 2>&1 || stop "readelf $program"
        grep -qE '^ +Type: +EXEC ' "$log" || stop "$program is a static executable at a fixed address"
        ! grep -qE '\b(INTERP|DYNAMIC)\b|\.(interp|dynamic|dynsym)\b' "$log" || stop "$program has nothing dynamic"
        quietly "${emulator[$cpu]}" "$program"
        programs=$((programs + 1))
    done
done
for cpu in "${cpus[@]}"; do
    sizes+=("$(stat -c %s "$CARGO_TARGET_DIR/$cpu/release/sealer")")
done

# It would notice: the program's status is the errno.
sed -i.kept 's/b"hello" {/b"other" {/' src/main.rs
quietly cargo build
status=0
"$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/debug/sealer" || status=$?
[ "$status" -eq 5 ] || stop "a program that returns EIO ends with status $status"
mv src/main.rs.kept src/main.rs

# fails_with MESSAGE [OPTION…]: builds the package, which fails and says so.
fails_with() {
    local message=$1
    shift
    ! cargo build "$@" >"$log" 2>&1 && grep -qF "$message" "$log" || stop "the build fails with: $message"
}
# without NAME CPU: builds the package for the CPU without this function, which the linker misses.
without() {
    sed -i.kept "s/ fn $1(/ fn other_$1(/" src/main.rs
    ! diff src/main.rs src/main.rs.kept >"$log" || stop "$page has $1"
    fails_with "undefined symbol: $1" --target "$2"
    mv src/main.rs.kept src/main.rs
}
one=(--target x86_64-unknown-linux-gnu)

without rust_eh_personality x86_64-unknown-linux-gnu
without memset x86_64-unknown-linux-gnu
without getauxval aarch64-unknown-linux-gnu
sed -i.kept '/^target = \[$/,/^\]$/d' .cargo/config.toml
fails_with 'cannot produce proc-macro for `derived'
# Without the macro, it is the build script.
sed -i.kept '/^derived/d' Cargo.toml
sed -i.kept 's/derived::yes!()/"yes"/' src/main.rs
fails_with 'unable to find library -lc'
for file in .cargo/config.toml Cargo.toml src/main.rs; do
    mv "$file.kept" "$file"
done
# With `linker`, too, although there is a target.
sed -i.kept 's/^rustflags = /linker = "rust-lld"\n&/; s/cfg(target_os = "linux")/x86_64-unknown-linux-gnu/; s/'"'"'//g; /-Clinker=/d' .cargo/config.toml
fails_with 'unable to find library -lc' "${one[@]}"
mv .cargo/config.toml.kept .cargo/config.toml
# Flags in the environment replace those of the package.
RUSTFLAGS=-Cdebuginfo=0 fails_with '_start' "${one[@]}"
quietly cargo build

# Programs with std: the last block of the page.
musl=$scratch/musl
mkdir -p "$musl/.cargo" "$musl/src"
(cd "$root" && block '# Programs with std') >"$musl/.cargo/config.toml"
cat >"$musl/Cargo.toml" <<END
[package]
name = "musl"
version = "0.1.0"
edition = "2024"

[dependencies]
owned-memfd = { path = "$root", features = ["std"] }
built = { path = "../built" }
END
cp "$root/Cargo.lock" "$musl"
cat >"$musl/src/main.rs" <<'END'
fn main() -> std::io::Result<()> {
    let sealed = owned_memfd::SealedMemFd::copy_from_slice(built::BUILT, b"hello")?;
    assert_eq!(&sealed.map()?[..], b"hello");
    Ok(())
}
END
cd "$musl"
quietly cargo build --target aarch64-unknown-linux-musl
quietly qemu-aarch64-static "$CARGO_TARGET_DIR/aarch64-unknown-linux-musl/debug/musl"

echo "linking: the guide's package runs as $programs programs, of $(printf '%s, ' "${sizes[@]}" | sed 's/, $//') bytes in release"
