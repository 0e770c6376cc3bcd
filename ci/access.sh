#!/usr/bin/env bash
# Accesses to memory that others write are the instructions that compilers map them to.
#
# A copy is one call of one function without a loop over bytes, except at the ends on riscv64, and
# instruction caches are made to follow in the right order. tests/footprint/src/bin/access.rs has a
# function for each access and is disassembled here. To show that a fault would be found, so are
# builds of it with a copy of the library that has one.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# Flags from outside would replace the package's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
# objdump speaks English.
export LC_ALL=C

# What accesses memory, orders that, or calls, by function: on x86_64, on aarch64 without and with
# LSE, and on riscv64 as the psABI maps it with trailing fences.
cat >"$scratch/table" <<'END'
load_relaxed              mov           ldr           ldr    lw
load_acquire              mov           ldar          ldar   lw,fence-r-rw
load_release              mov           ldar          ldar   fence-rw-rw,lw,fence-r-rw
load_acqrel               mov           ldar          ldar   fence-rw-rw,lw,fence-r-rw
load_seqcst               mov           ldar          ldar   fence-rw-rw,lw,fence-r-rw
store_relaxed             mov           str           str    sw
store_acquire             xchg          stlr          stlr   fence-rw-w,sw,fence-rw-rw
store_release             mov           stlr          stlr   fence-rw-w,sw
store_acqrel              xchg          stlr          stlr   fence-rw-w,sw,fence-rw-rw
store_seqcst              xchg          stlr          stlr   fence-rw-w,sw,fence-rw-rw
swap_relaxed              xchg          ldxr,stxr     swp    amoswap.w
swap_acquire              xchg          ldaxr,stxr    swpa   amoswap.w.aq
swap_release              xchg          ldxr,stlxr    swpl   amoswap.w.rl
swap_acqrel               xchg          ldaxr,stlxr   swpal  amoswap.w.aqrl
swap_seqcst               xchg          ldaxr,stlxr   swpal  amoswap.w.aqrl
add_relaxed               lock-xadd     ldxr,stxr     ldadd   amoadd.w
add_acquire               lock-xadd     ldaxr,stxr    ldadda  amoadd.w.aq
add_release               lock-xadd     ldxr,stlxr    ldaddl  amoadd.w.rl
add_acqrel                lock-xadd     ldaxr,stlxr   ldaddal amoadd.w.aqrl
add_seqcst                lock-xadd     ldaxr,stlxr   ldaddal amoadd.w.aqrl
exchange_relaxed_relaxed  lock-cmpxchg  ldxr,stxr     cas    lr.w,sc.w
exchange_relaxed_acquire  lock-cmpxchg  ldaxr,stxr    casa   lr.w.aq,sc.w
exchange_acquire_relaxed  lock-cmpxchg  ldaxr,stxr    casa   lr.w.aq,sc.w
exchange_release_relaxed  lock-cmpxchg  ldxr,stlxr    casl   lr.w,sc.w.rl
exchange_release_acquire  lock-cmpxchg  ldaxr,stlxr   casal  lr.w.aq,sc.w.rl
exchange_acqrel_acquire   lock-cmpxchg  ldaxr,stlxr   casal  lr.w.aq,sc.w.rl
exchange_relaxed_release  lock-cmpxchg  ldaxr,stlxr   casal  lr.w.aqrl,sc.w.rl
exchange_relaxed_seqcst   lock-cmpxchg  ldaxr,stlxr   casal  lr.w.aqrl,sc.w.rl
exchange_seqcst_relaxed   lock-cmpxchg  ldaxr,stlxr   casal  lr.w.aqrl,sc.w.rl
copy_one                  call-copy     call-copy     call-copy  call-copy
copy_many                 call-copy     call-copy     call-copy  call-copy
wait                      -             call-futex    call-futex call-futex
make_executable           -             dc-cvau,dsb-ish,ic-ivau,dsb-ish,isb dc-cvau,dsb-ish,ic-ivau,dsb-ish,isb call-riscv_flush_icache
END
# Loops in which single bytes are moved.
declare -A byte_loops=([x86_64]=0 [aarch64]=0 [riscv64]=2)

# Prints for each function that accesses memory what it does, in the form of the table, and how
# many functions copy, and how many of their loops move single bytes.
accesses() {
    "${binutils[$1]}objdump" --disassemble --demangle=rust --no-show-raw-insn "$2" >"$scratch/code"
    awk -F '\t' '
        function does(what) { list[name] = list[name] (list[name] == "" ? "" : ",") what }
        # Labels within a function are no other one.
        /^[0-9a-f]+ <\.L.*>:$/ { next }
        /^[0-9a-f]+ <.*>:$/ {
            name = $0
            gsub(/^[0-9a-f]+ <|>:$/, "", name)
            if (name ~ /^access::arch::[a-z0-9_]+::copy$/) { name = "copy"; copies++ }
            else if (name ~ /^access::arch::[a-z0-9_]+::make_executable$/) name = "make_executable"
            else if (name ~ /^access::[a-z_]+$/) sub(/^access::/, "", name)
            else name = ""
            if (name != "" && !(name in list)) list[name] = ""
        }
        name == "" || !/^ *[0-9a-f]+:\t/ { next }
        {
            at = $1
            gsub(/[ :]/, "", at)
            what = $2
            # x86_64 has no tab before the operands.
            operands = $3
            if (operands == "") { operands = what; sub(/^(lock |rep )?[a-z0-9.]+ */, "", operands) }
            if (match(what, /^lock [a-z]+/)) what = "lock-" substr(what, 6, RLENGTH - 5)
            else sub(/ .*/, "", what)
        }
        name == "copy" {
            if (what ~ /^(movzbl|ldrb|strb|lb|lbu|sb)$/ || operands ~ /%[a-d]l,.*\(/) moved[++bytes] = at
            # Backwards and on a condition: a loop. Addresses have one length.
            if (what ~ /^(j[a-z]+|b\..*|cbn?z|tbn?z|b[a-z]+)$/ && what !~ /^(jmp|j)$/) {
                target = operands
                sub(/ *<.*/, "", target)
                sub(/.*[, ](0x)?/, "", target)
                sub(/^0x/, "", target)
                if (length(target) == length(at) && target < at) {
                    for (i in moved) if (moved[i] >= target && moved[i] <= at) { loops++; break }
                }
            }
            next
        }
        # A call, or a jump in its place.
        operands ~ /<access::arch::[^+]*>/ && what != "auipc" {
            callee = operands
            gsub(/.*::|>.*/, "", callee)
            # What is only jumped to here is there under the same name.
            if (callee != name) does("call-" callee)
            next
        }
        what == "fence" { gsub(/,/, "-", operands); does("fence-" operands); next }
        what ~ /^(dc|ic|dsb|isb|dmb)$/ { sub(/,.*/, "", operands); does(what (operands == "" || what == "isb" ? "" : "-" operands)); next }
        # Not on the stack.
        operands ~ /\(%|\[|\([a-z]/ && operands !~ /\[sp|\(sp\)/ && what !~ /^(lea|nop|nopw|nopl|jalr|ret)$/ { does(what) }
        END {
            for (name in list) if (name !~ /^(copy|main|start)$/) print name, list[name] == "" ? "-" : list[name]
            print "copies", copies + 0
            print "loops", loops + 0
        }
    ' "$scratch/code" | sort
}

# holds CPU COLUMN PROGRAM: succeeds if they are what the table says. The log has the difference.
holds() {
    {
        awk -v column="$2" '{ print $1, $column }' "$scratch/table"
        echo 'copies 1'
        echo "loops ${byte_loops[${1%%[-g]*}]}"
    } | sort >"$scratch/expected"
    accesses "$1" "$3" >"$scratch/found"
    diff "$scratch/expected" "$scratch/found" >"$log"
}

built() {
    (cd tests/footprint && variant "$@" -Clink-arg=--strip-debug)
}

builds=(
    'x86_64-unknown-linux-gnu 2 plain'
    'aarch64-unknown-linux-gnu 3 plain'
    'aarch64-unknown-linux-gnu 4 lse -Ctarget-feature=+lse'
    'riscv64gc-unknown-linux-gnu 5 plain'
)
for build in "${builds[@]}"; do
    read -r cpu column name flag <<<"$build"
    programs=$(built "$cpu" "$name" ${flag:+"$flag"})
    holds "$cpu" "$column" "$programs/access" || stop "$cpu, $name: the accesses are those of the table"
done

# Faults, and where each is seen: a store that is not ordered before later loads, a barrier less
# while the caches are made to follow, a fence less, and loops over bytes.
mkdir "$scratch/copy"
tar -c --exclude target Cargo.* README.md src arch tests examples | tar -x -C "$scratch/copy"
faults=(
    'x86_64-unknown-linux-gnu 2 store_seqcst s/"xchg \[{to}]/"mov [{to}]/'
    'x86_64-unknown-linux-gnu 2 loops s/"jz 9f",/"7:", "mov [rdi], al", "jnz 7b",/'
    'aarch64-unknown-linux-gnu 3 make_executable /"dsb ish",/d'
    'aarch64-unknown-linux-gnu 3 loops s/"cbz {len}, 9f",/"8:", "ldrb {a:w}, [{from}]", "cbnz {len}, 8b",/'
    'riscv64gc-unknown-linux-gnu 5 load_seqcst /"fence rw, rw",/d'
)
export CARGO_TARGET_DIR=$scratch/target
for fault in "${faults[@]}"; do
    read -r cpu column place change <<<"$fault"
    file=arch/${cpu%%[-g]*}.rs
    sed "$change" "$file" >"$scratch/copy/$file"
    ! cmp -s "$file" "$scratch/copy/$file" || stop "$cpu: the copy has a fault"
    programs=$(cd "$scratch/copy/tests/footprint" && variant "$cpu" faulty -Clink-arg=--strip-debug)
    ! holds "$cpu" "$column" "$programs/access" || stop "$cpu: a fault is seen"
    grep -q "^> $place " "$log" || stop "$cpu: a fault is seen where it is, at $place"
    cp "$file" "$scratch/copy/$file"
done

echo "access: $(wc -l <"$scratch/table") accesses are what they are to be, on ${#builds[@]} kinds of CPUs; faults are seen"
