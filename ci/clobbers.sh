#!/usr/bin/env bash
# Where the kernel destroys vector registers, each system call is a function that is never inlined.
#
# Such a function moves its arguments, enters the kernel and returns, with and without vector
# instructions in its callers. tests/footprint/src/bin/surface.rs and access.rs call the library and
# are disassembled here. To show that a fault would be found, so is a build of them with a copy of
# the library that inlines its calls.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# Flags from outside would replace the package's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
# objdump speaks English.
export LC_ALL=C

# calls CPU: the system calls that arch/mod.rs lists for it. A list can be for one CPU only.
calls() {
    awk -v cpu="${1%%[-g]*}" '
        /^ +system_calls! [{]$/ {
            only = before
            if (!sub(/.*target_arch = "/, "", only)) only = cpu
            sub(/".*/, "", only)
        }
        /^ +fn [a-z0-9_]+ = / && only == cpu { print $2 }
        { before = $0 }
    ' arch/mod.rs | sort
}

lost=()
for cpu in "${cpus[@]}"; do
    [ "${vector_registers[$cpu]}" = kept ] || lost+=("$cpu")
done
[ "${#lost[@]}" -gt 0 ] || stop 'some kernels do not keep the vector registers'

# Takes both programs apart and says of each of their functions that enters the kernel the name of
# the system call that it is, or what it is instead.
entries() {
    "${binutils[$1]}objdump" --disassemble --demangle=rust --no-show-raw-insn "$2/surface" "$2/access" >"$scratch/code"
    awk -F '\t' '
        # What a function does, by instruction: Number, move, Enter, return, anything else.
        function ended() {
            if (does !~ /E/) return
            # The program itself ends here.
            if (name == "_start") return
            if (name ~ /^(owned_memfd|access)::arch::[a-z0-9_]+$/ && does ~ /^m*Nm*Er$/) {
                sub(/.*::/, "", name)
                print name
            } else {
                print "enters the kernel: " name
            }
        }
        # Labels within a function are no other one.
        /^[0-9a-f]+ <\.L.*>:$/ { next }
        /^[0-9a-f]+ <.*>:$/ { ended(); name = $0; gsub(/^[0-9a-f]+ <|>:$/, "", name); does = "" }
        /^ *[0-9a-f]+:\t/ {
            what = "x"
            if ($2 ~ /^(svc|ecall)$/) what = "E"
            else if ($2 == "ret") what = "r"
            # What fills up to the next function.
            else if ($2 ~ /^(nop|udf|unimp)$/) what = ""
            else if ($2 == "mov" && $3 ~ /^[wx]8, #/ || $2 == "li" && $3 ~ /^a7,/) what = "N"
            # Between general registers only: those of vectors have other names.
            else if ($2 ~ /^(mov|movk|add|adr|adrp)$/ && $3 ~ /^[wx][0-9]/) what = "m"
            else if ($2 ~ /^(mv|li|lui|auipc|addi?|slli?|srli?)$/) what = "m"
            does = does what
        }
        END { ended() }
    ' "$scratch/code" | sort -u
}

# Succeeds if the entries are the listed calls. The log has the difference.
holds() {
    calls "$1" >"$scratch/calls"
    [ -s "$scratch/calls" ] || stop 'arch/mod.rs lists the system calls'
    entries "$@" >"$scratch/entries"
    diff "$scratch/calls" "$scratch/entries" >"$log"
}

for cpu in "${lost[@]}"; do
    for built in "$cpu plain" "${vectors[@]}"; do
        read -r target name flag <<<"$built"
        [ "$target" = "$cpu" ] || continue
        # Its symbols stay.
        programs=$(cd tests/footprint && variant "$cpu" "$name" ${flag:+"$flag"} -Clink-arg=--strip-debug)
        holds "$cpu" "$programs" || stop "$cpu, $name: each system call is a function of its own"
    done
done

mkdir "$scratch/copy"
tar -c --exclude target Cargo.* README.md src arch tests examples | tar -x -C "$scratch/copy"
sed -i 's/^\( *\)#\[inline(never)\]$/\1#[inline(always)]/' "$scratch"/copy/arch/*.rs
export CARGO_TARGET_DIR=$scratch/target
for cpu in "${lost[@]}"; do
    programs=$(cd "$scratch/copy/tests/footprint" && variant "$cpu" inlined -Clink-arg=--strip-debug)
    ! holds "$cpu" "$programs" || stop "$cpu: inlined calls are seen"
    grep -q '^> enters the kernel: surface::' "$log" || stop "$cpu: inlined calls are seen as such"
done

echo "clobbers: $(wc -l <"$scratch/calls") system calls, each in a function of its own; inlined ones are seen"
