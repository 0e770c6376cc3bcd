#!/usr/bin/env bash
# The library cannot panic, needs no C library, and makes five system calls in a lifecycle.
#
#   ci/footprint.sh            checks that, and the figures in tests/footprint/results.md
#   ci/footprint.sh --update   writes results.md and sizes.svg anew
#   ci/footprint.sh --times    the same, and measures how long the crates take to compile, on a
#                              machine that does nothing else
#
# tests/footprint/src/bin/surface.rs calls all of the library except the printing of values, and
# traits.rs there what it implements of other crates' traits. They are linked for each CPU and
# optimization without any mem* function, and with a panic handler that no linker can resolve.
#
# Then the lifecycle, ours and that of the others in tests/footprint-peers, is counted: instructions,
# bytes, system calls, and the crates that are compiled. That is done with the Rust that results.md
# names, which is installed if it is missing, or the figures would be others; writing them anew takes
# the active one. Those of C are compared if GCC and musl are those of results.md, too.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

update= times=
case $* in
'') ;;
--update) update=yes ;;
--times) update=yes times=yes ;;
*)
    echo "usage: $0 [--update | --times]" >&2
    exit 2
    ;;
esac

command -v musl-gcc >/dev/null || stop 'musl-gcc is installed, as by ci/setup.sh'
results=tests/footprint/results.md
chart=tests/footprint/sizes.svg

# Flags from outside would replace the packages' own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
# From inside: the packages have configurations of their own.
(
    cd tests/footprint
    for profile in s z release thick thick-z; do
        quietly cargo build --locked --profile "$profile" "${all_cpus[@]}"
    done
)

# The programs, in the order of the tables: what each is called there, and its kind, which says how
# it is built. Those of ours are counted for themselves, too.
profiles=(s z release)
declare -A title kind
programs=()
while IFS='|' read -r program built_as name; do
    programs+=("$program")
    kind[$program]=$built_as
    title[$program]=$name
done <<'END'
assembly|free|assembly
bare|free|**owned-memfd**
c|c|C without libc
rustix|free|rustix, `no_std`
musl|musl|C with musl
nix|std|nix
memfile|std|memfile
memfd|std|memfd
END
ours=(bare matched policy proof)
# What the others are compared with.
kind[nothing]=std
kind[matched]=free
kind[policy]=free
kind[proof]=free
# The crate's versions, and their features in tests/footprint-peers, by what they are called.
crates=(owned-memfd rustix nix memfile memfd)
declare -A feature=([owned-memfd]=ours [rustix]=rustix [nix]=nix [memfile]=memfile [memfd]=memfd)

std_target=${musl[0]}
# Where a program is, by its CPU and optimization.
binary() {
    local target=$2
    case ${kind[$1]} in
    std) target=$std_target ;;
    c | musl)
        echo "$scratch/$1-$2-$3"
        return
        ;;
    esac
    echo "$built/$target/$3/$1"
}

if [ ! "$update" ]; then
    recorded=$(sed -n 's/^- Rust: \([^ ,]*\),.*/\1/p' $results)
    [ -n "$recorded" ] || stop "$results names a Rust"
    if [ "$(rustc --version | cut -d' ' -f2)" != "$recorded" ]; then
        quietly rustup toolchain install "$recorded" --profile minimal "${all_cpus[@]}" --target="$std_target"
        export RUSTUP_TOOLCHAIN=$recorded
    fi
fi

root=$PWD
cd tests/footprint-peers
built=$(target_directory)
for profile in "${profiles[@]}"; do
    for feature in assembly ours rustix; do
        quietly cargo build --locked --features "$feature" --bins --profile "$profile" "${all_cpus[@]}"
    done
    for feature in nothing nix memfile memfd; do
        quietly cargo build --locked --features "$feature" --bins --profile "$profile" --target "$std_target"
    done
done

# The C programs: with the flags of the others, and the linker that comes with Rust.
linker=$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld
link() {
    quietly "$linker" -flavor gnu -static --gc-sections --no-eh-frame-hdr --build-id=none \
        --strip-all -Tsmall.ld -o "$@"
}
libc=/usr/lib/x86_64-linux-musl
for profile in "${profiles[@]}"; do
    level=-O${profile/release/3}
    # GCC knows it from version 12 on.
    [ "$level" != -Oz ] || gcc -Oz -E -x c /dev/null >"$log" 2>&1 || level=-Os
    # Without what some distributions add, and nothing here uses.
    compile=("$level" -Wall -Wextra -Werror -fno-pic -ffunction-sections -fno-stack-protector
        -fno-stack-clash-protection -U_FORTIFY_SOURCE -fno-asynchronous-unwind-tables -c src/lifecycle.c)
    for cpu in "${cpus[@]}"; do
        only=()
        case $cpu in
        x86_64-*) only=(-fcf-protection=none) ;;
        aarch64-*) only=(-mbranch-protection=none) ;;
        esac
        quietly "${binutils[$cpu]}gcc" "${compile[@]}" "${only[@]}" -DWITHOUT_LIBC -ffreestanding -o "$scratch/c.o"
        link "$scratch/c-$cpu-$profile" "$scratch/c.o"
    done
    for program in musl nothing; do
        only=(-fcf-protection=none)
        [ "$program" = musl ] || only+=(-DNOTHING)
        quietly musl-gcc "${compile[@]}" "${only[@]}" -o "$scratch/musl.o"
        link "$scratch/$program-${cpus[0]}-$profile" $libc/crt1.o $libc/crti.o "$scratch/musl.o" $libc/libc.a $libc/crtn.o
    done
done

# emulate BINARY FLAG…: runs it in QEMU, for each program with the same arguments and no environment.
emulate() {
    env -i "$(command -v qemu-x86_64-static)" -0 program "${@:2}" "$1" 2>"$scratch/calls" || stop "$1 under QEMU"
}

# calls BINARY: how many system calls it makes, but for the one that ends it. One line each.
calls() {
    emulate "$1" -strace
    local count
    count=$(grep -cE '^[0-9]+ [A-Za-z0-9_]+[ (]' "$scratch/calls") || stop "QEMU shows the calls of $1"
    echo $((count - 1))
}

# QEMU calls it so from version 8.1 on, and knows the older name until 9.
step=-singlestep
! qemu-x86_64-static --help | grep -- -one-insn-per-tb >"$log" || step=-one-insn-per-tb

# instructions BINARY: how many instructions it executes. One line each.
instructions() {
    emulate "$1" "$step" -d exec,nochain -D "$scratch/trace"
    grep -c '^Trace' "$scratch/trace" || stop "QEMU shows the instructions of $1"
}

# Counted on x86_64, by program and optimization: instructions, calls at the start and in the
# lifecycle. What starts and ends a program is subtracted: without libc the six instructions of
# `_start` in tests/start and the `ret` that comes back to it, and else what the program executes
# that does nothing, except one for the status it sets, as all do.
declare -A counted at_start in_lifecycle
for profile in "${profiles[@]}"; do
    declare -A idle=([free]=7 [c]=7) idle_calls=([free]=0 [c]=0)
    for empty in std musl; do
        nothing=$scratch/nothing-${cpus[0]}-$profile
        [ "$empty" = musl ] || nothing=$built/$std_target/$profile/nothing
        executed=$(instructions "$nothing")
        idle[$empty]=$((executed - 1))
        idle_calls[$empty]=$(calls "$nothing")
    done
    for program in "${programs[@]}" matched policy proof; do
        file=$(binary "$program" "${cpus[0]}" "$profile")
        quietly "$file"
        as=${kind[$program]}
        # In two steps: a failure within an arithmetic expansion would not be noticed.
        executed=$(instructions "$file")
        called=$(calls "$file")
        counted[$program,$profile]=$((executed - idle[$as]))
        at_start[$program,$profile]=${idle_calls[$as]}
        in_lifecycle[$program,$profile]=$((called - idle_calls[$as]))
        [ "${counted[$program,$profile]}" -gt 0 ] && [ "${in_lifecycle[$program,$profile]}" -gt 0 ] ||
            stop "$program at $profile executes more than what does nothing"
    done
    # What holds with any toolchain. The proof asks for the length, too.
    for program in "${ours[@]}"; do
        expected=5
        [ "$program" != proof ] || expected=6
        [ "${in_lifecycle[$program,$profile]}" -eq "$expected" ] ||
            stop "$program at $profile: ${in_lifecycle[$program,$profile]} calls, not $expected"
    done
done

# near VALUES KEY PARTS COLUMN ROW: where the figures of results.md in that row and column differ from
# these by less than one of so many parts, they are kept.
near() {
    local -n values=$1
    local index now before apart recorded
    read -r -a recorded < <(awk -F'|' -v row=" $5 " -v column="$4" '$2 == row { gsub("/", "", $column); print $column; exit }' \
        "$scratch/recorded") || true
    for index in "${!profiles[@]}"; do
        # One figure is that of all.
        before=${recorded[index]-${recorded[0]-0}} now=${values[$2,${profiles[index]}]}
        apart=$((now - before))
        [ $((${apart#-} * $3)) -gt "$before" ] || values[$2,${profiles[index]}]=$before
    done
}
sed -E 's/^With std, (.*nothing) has ([0-9 /]*) bytes;.*/| \1 | | \2 |/' ../../$results >"$scratch/recorded"
# The set of seals that memfd returns hashes with random keys, so its instructions differ by some from
# run to run.
near counted memfd 20 3 "${title[memfd]}"

# each VALUES PROGRAM: the value for all optimizations, or all three.
each() {
    local -n values=$1
    local program=$2 s z three
    s=${values[$program,s]} z=${values[$program,z]} three=${values[$program,release]}
    if [ "$s" = "$z" ] && [ "$z" = "$three" ]; then echo "$s"; else echo "$s / $z / $three"; fi
}
# each_size CPU PROGRAM: the same of the bytes.
each_size() {
    local -A of=([$2,s]=${bytes[$1,$2,s]} [$2,z]=${bytes[$1,$2,z]} [$2,release]=${bytes[$1,$2,release]})
    each of "$2"
}
declare -A bytes
for program in "${programs[@]}" matched policy proof nothing; do
    for profile in "${profiles[@]}"; do
        for cpu in "${cpus[@]}"; do
            file=$(binary "$program" "$cpu" "$profile")
            case ${kind[$program]},$cpu in std,${cpus[0]} | musl,${cpus[0]} | free,* | c,*) ;; *) continue ;; esac
            bytes[$cpu,$program,$profile]=$(stat -c %s "$file")
        done
    done
    # Programs with std differ by some bytes from directory to directory.
    case $program in
    nothing) near bytes "${cpus[0]},nothing" 500 4 'a program that does nothing' ;;
    *) [ "${kind[$program]}" != std ] || near bytes "${cpus[0]},$program" 500 4 "${title[$program]}" ;;
    esac
done

# The crates that are compiled for each, itself among them, besides the package that wants it.
declare -A compiled version
for crate in "${crates[@]}"; do
    cargo tree --locked --features "${feature[$crate]}" --edges normal,build --prefix none --target "$std_target" \
        >"$scratch/tree" 2>"$log" || stop "cargo tree for $crate"
    compiled[$crate]=$(grep -vE '^(footprint-peers|start) ' "$scratch/tree" | cut -d' ' -f1,2 | sort -u | wc -l)
    version[$crate]=$(sed -n "s/^$crate v\([^ ]*\).*/\1/p" "$scratch/tree" | head -n 1)
done

# How long each takes from nothing, in milliseconds, the median of several times in turns.
declare -A ratio
if [ "$times" ]; then
    quietly cargo fetch --locked
    # A package that wants the crate as tests/footprint-peers does, and nothing else.
    for crate in "${crates[@]}"; do
        mkdir -p "$scratch/$crate/src"
        touch "$scratch/$crate/src/lib.rs"
        cp Cargo.lock "$scratch/$crate"
        {
            printf '[package]\nname = "wants"\nedition = "2024"\n[workspace]\n[dependencies]\n'
            sed -n "1,/^\[dependencies\]/d; s|, optional = true||; s|\.\./\.\.|$root|; /^$crate = /p" Cargo.toml
        } >"$scratch/$crate/Cargo.toml"
    done
    for round in {1..8}; do
        for crate in "${crates[@]}"; do
            rm -rf "$scratch/cold"
            begun=$(date +%s%N)
            CARGO_TARGET_DIR=$scratch/cold quietly cargo build --offline --release --target "$std_target" \
                --manifest-path "$scratch/$crate/Cargo.toml" --package "$crate"
            # The first time it also reads the sources from the disk.
            [ "$round" -eq 1 ] || echo "$crate $((($(date +%s%N) - begun) / 1000000))" >>"$scratch/times"
        done
    done
    for crate in "${crates[@]}"; do
        ratio[$crate]=$(sed -n "s/^$crate //p" "$scratch/times" | sort -n | sed -n 4p)
    done
    one=${ratio[owned-memfd]}
    for crate in "${crates[@]}"; do
        ratio[$crate]=$(awk "BEGIN { printf \"%.1f\", ${ratio[$crate]} / $one }")
    done
    timed=$(rustc --version | cut -d' ' -f2)
else
    timed=$(sed -n 's/.* divided by ours, with Rust \(.*\)\.$/\1/p' ../../$results)
    [ -n "$timed" ] || stop "$results says which Rust the times were measured with"
    for crate in "${crates[@]}"; do
        ratio[$crate]=$(sed -n "/^## To compile it/,\$s/^| [*]*$crate[*]* |.* | \([0-9.]*\) |$/\1/p" ../../$results)
    done
fi
cd ../..

toolchain() {
    echo "- Rust: $(rustc --version | cut -d' ' -f2), its linker $("$linker" -flavor gnu --version | sed -n 's/^LLD \([^ ]*\).*/LLD \1/p')"
    echo "- C: GCC $(for cpu in "${cpus[@]}"; do "${binutils[$cpu]}gcc" -dumpfullversion; done | uniq | paste -s -d ' '), musl $(dpkg-query -W -f '${Version}' musl-dev)"
    echo "- counted by $(qemu-x86_64-static --version | sed -n 's/^qemu-x86_64 version \([0-9.]*\).*/QEMU \1/p')"
}

report() {
    local program cpu
    cat <<'END'
# Footprint

By `ci/footprint.sh`, which also checks that these figures are those of the code. Each program makes
one memory file: it creates it with two flags, writes one page, adds three seals, reads them back and
compares them, and closes it. It checks what each call returns, except for closing. The programs are
`tests/footprint/src/bin/bare.rs` and those in `tests/footprint-peers/src`.

END
    toolchain
    cat <<'END'

![Instructions and bytes of each program](sizes.svg)

## The lifecycle on x86_64

Three figures are those of `opt-level` `s`, `z` and `3`; one figure is that of all. Bytes are those of
the file as `ls` shows it, static, stripped, linked by the same linker with the same flags: 4096 of
them are the page that is written. Instructions are those executed by the lifecycle in user space,
without what starts and ends the program. The standard library is the one that comes with Rust,
which is compiled for speed.

| program | instructions | bytes | system calls | system calls at start-up |
|---|--:|--:|--:|--:|
END
    for program in "${programs[@]}"; do
        echo "| ${title[$program]} | $(each counted "$program") | $(each_size "${cpus[0]}" "$program") | $(each in_lifecycle "$program") | $(each at_start "$program") |"
    done
    cat <<'END'

END
    echo "With std, a program that does nothing has $(each_size "${cpus[0]}" nothing) bytes; the rest is what the lifecycle brings."
    cat <<'END'
memfd returns the seals as a `HashSet`: one of its system calls gets the random keys that the set hashes
with, and five are the first allocation, which is the set's. Its instructions differ by some from run
to run, as the keys do.

C with nolibc is not here: Debian has it only inside the source of Linux. "C without libc" enters the
kernel in the same way.

More of owned-memfd:

| program | instructions | bytes | system calls |
|---|--:|--:|--:|
END
    while IFS='|' read -r program name; do
        echo "| $name | $(each counted "$program") | $(each_size "${cpus[0]}" "$program") | $(each in_lifecycle "$program") |"
    done <<'END'
bare|the lifecycle, with `?`
matched|the same, each `Result` compared as a whole
policy|`MemFdOptions`, for every kernel, and `write_all`
proof|the same, sealed and proven by `seal`
END
    cat <<'END'

## Bytes on other CPUs

| program | x86_64 | aarch64 | riscv64 |
|---|--:|--:|--:|
END
    for program in "${programs[@]}"; do
        case ${kind[$program]} in std | musl) continue ;; esac
        printf '| %s |' "${title[$program]}"
        for cpu in "${cpus[@]}"; do
            printf ' %s |' "$(each_size "$cpu" "$program")"
        done
        echo
    done
    cat <<END

## To compile it

Crates are those that cargo compiles for the target, the crate itself among them. The time is that of
a cold \`cargo build --release\` of the crate, divided by ours, with Rust $timed.

| crate | version | crates | time |
|---|---|--:|--:|
END
    for program in "${crates[@]}"; do
        local shown=$program
        [ "$program" != owned-memfd ] || shown="**$program**"
        echo "| $shown | ${version[$program]} | ${compiled[$program]} | ${ratio[$program]} |"
    done
}

# panel LEFT TITLE VALUE…: bars from there on, 220 long for the largest value.
panel() {
    local left=$1 top=48 largest=0 index value
    echo "<text class=\"head\" x=\"$left\" y=\"24\">$2</text>"
    shift 2
    for value; do [ "$value" -le "$largest" ] || largest=$value; done
    for index in "${!programs[@]}"; do
        local width=$((1 + 219 * $1 / largest)) of=
        [ "${programs[index]}" != bare ] || of=' class="ours"'
        echo "<rect$of x=\"$left\" y=\"$((top + 28 * index - 12))\" width=\"$width\" height=\"16\"/>"
        echo "<text x=\"$((left + width + 6))\" y=\"$((top + 28 * index + 1))\">$1</text>"
        shift
    done
}

draw() {
    local index instructions=() sizes=() name of
    cat <<END
<svg xmlns="http://www.w3.org/2000/svg" width="800" height="$((48 + 28 * ${#programs[@]}))" viewBox="0 0 800 $((48 + 28 * ${#programs[@]}))">
<title>Instructions and bytes of the lifecycle at opt-level z on x86_64, as in results.md</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
text.note { font-size: 11px }
.head, .ours { font-weight: 600 }
rect { fill: #8c959f }
rect.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  rect { fill: #6e7681 }
  rect.ours { fill: #4493f8 }
}
</style>
END
    for index in "${!programs[@]}"; do
        name=${title[${programs[index]}]//[\*\`]/} of=
        [ "${programs[index]}" != bare ] || of=' class="ours"'
        echo "<text$of x=\"12\" y=\"$((49 + 28 * index))\">$name</text>"
        instructions+=("${counted[${programs[index]},z]}")
        sizes+=("${bytes[${cpus[0]},${programs[index]},z]}")
    done
    echo '<text class="note" x="12" y="24">x86_64, z</text>'
    panel 140 'Instructions in the lifecycle' "${instructions[@]}"
    panel 480 'Bytes of the program' "${sizes[@]}"
    echo '</svg>'
}

report >"$scratch/results.md"
draw >"$scratch/sizes.svg"
if [ "$update" ]; then
    cp "$scratch/results.md" $results
    cp "$scratch/sizes.svg" $chart
else
    # QEMU counts what the CPU executes, whatever its version.
    same=(-e '^- counted by ')
    if [ "$(grep '^- C: ' $results)" != "$(grep '^- C: ' "$scratch/results.md")" ]; then
        left_out "another GCC or musl than in $results: comparing the instructions and bytes of C"
        same+=(-e '^- C: ' -e '^| C with')
        cp $chart "$scratch/sizes.svg"
    fi
    diff <(grep -v "${same[@]}" $results) <(grep -v "${same[@]}" "$scratch/results.md") >"$log" &&
        diff $chart "$scratch/sizes.svg" >>"$log" ||
        stop "$results (<) has the figures of the code (>); else run ci/footprint.sh --update"
fi
echo "footprint: no panic, no function of a C library, 5 system calls, $(each counted bare) instructions at s / z / 3"
