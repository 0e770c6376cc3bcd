#!/usr/bin/env bash
# The claims of tests/suite hold on real kernels, in a program that is process 1 and came from
# a memory file: tests/freestanding, booted as the /init of an initramfs in QEMU. So does what
# examples/init says of itself, and so do, on the newest kernels, the claims about vector
# registers in programs that use them, and those about kexec, to the second kernel's end.
# Prints a table of the kernels and claims. With an argument, on the kernels that
# ci/kernels.sh chooses by it: `required`, for one.
#
# QEMU translates instructions, without KVM. It ends with 0 when a machine is switched off and
# when its kernel panics: /init ends it with a status of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

passed_status=85
failed_status=87
# Many times what a boot takes, in seconds.
patience=200

ci/setup.sh
ci/kernels.sh "$@" >"$scratch/kernels"
export LC_ALL=C

# The target that a kernel's CPU is.
target_of() {
    case $1 in
    amd64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    riscv64) echo riscv64gc-unknown-linux-gnu ;;
    esac
}

# initramfs DIRECTORY: of the files in it, DIRECTORY.cpio.
initramfs() {
    (cd "$1" && find . | sort | cpio --create --format newc --owner 0:0 --quiet >"$1.cpio")
}

# What the claims about loop devices find on the disk that they attach.
mkdir "$scratch/disk"
echo 'hello from a loop device' >"$scratch/disk/greeting"
quietly mksquashfs "$scratch/disk" "$scratch/image.squashfs" -comp gzip -all-root -no-progress

# A line each of name, CPU, kernel, initramfs, and of the claims, what their names begin with.
boots=$scratch/boots
examples=$scratch/examples
: >"$boots"
: >"$examples"
for target in "${cpus[@]}"; do
    (
        # From inside: the package has a configuration of its own.
        cd tests/freestanding
        unset RUSTFLAGS
        quietly cargo build --locked --release --target "$target"
        cp "$(target_directory)/$target/release/freestanding" "$scratch/$target"
    )
done
"$scratch/x86_64-unknown-linux-gnu" --list >"$scratch/claims"
(
    cd examples/init
    unset RUSTFLAGS CARGO_BUILD_TARGET INIT_PROGRAM
    built=$(target_directory)
    quietly cargo build --locked --release
    # And one that carries what is no program.
    INIT_PROGRAM=Cargo.toml quietly cargo build --locked --release --target-dir "$built/carrying"
    for target in "${cpus[@]}"; do
        mkdir -p "$scratch/example-$target" "$scratch/broken-$target"
        cp "$built/$target/release/init" "$scratch/example-$target"
        cp "$built/carrying/$target/release/init" "$scratch/broken-$target"
        initramfs "$scratch/example-$target"
        initramfs "$scratch/broken-$target"
    done
)

# The programs that use vectors, as TARGET and NAME.
for variant in "${vectors[@]}"; do
    read -r target name flag <<<"$variant"
    program=$(claims_about_vectors "$target" "$name" "$flag")
    mkdir "$scratch/$name"
    cp "$program" "$scratch/$name/init"
    initramfs "$scratch/$name"
    echo "$target $name"
done >"$scratch/variants"

while read -r need name cpu directory reason; do
    if [ "$directory" = - ]; then
        echo "boot, $name: 0 passed, $([ "$need" = required ] && echo '1 failed, 0' || echo '0 failed, 1') skipped"
        echo "  $reason"
        [ "$need" != required ] || failures=1
        continue
    fi
    root=$scratch/$name
    mkdir -p "$root/boot"
    cp "$scratch/$(target_of "$cpu")" "$root/init"
    cp "$scratch/image.squashfs" "$root/boot"
    for module in loop squashfs; do
        [ ! -e "$directory/$module.ko" ] || cp "$directory/$module.ko" "$root/boot"
    done
    initramfs "$root"
    cp "$directory/release" "$scratch/$name.release"
    echo "$name $cpu $directory/vmlinuz $root.cpio" >>"$boots"
    case $name in
    *-newest | *-old)
        echo "example-$name $cpu $directory/vmlinuz $scratch/example-$(target_of "$cpu").cpio" >>"$examples"
        ;;
    esac
    case $name in
    *-newest)
        echo "broken-$name $cpu $directory/vmlinuz $scratch/broken-$(target_of "$cpu").cpio" >>"$examples"
        while read -r _ variant; do
            echo "$name-$variant $cpu $directory/vmlinuz $scratch/$variant.cpio vectors::" >>"$boots"
        done < <(grep "^$(target_of "$cpu") " "$scratch/variants")
        ;;
    esac
    # Debian's kernels have kexec_file_load for this CPU only. The second kernel is the first
    # one again, with a disk of its own.
    if [ "$name" = x86_64-newest ]; then
        root=$scratch/$name-kexec
        mkdir -p "$root/boot" "$scratch/second"
        cp "$scratch/$(target_of "$cpu")" "$scratch/second/init"
        initramfs "$scratch/second"
        cp "$scratch/second/init" "$root"
        cp "$scratch/second.cpio" "$root/boot/initrd"
        cp "$directory/vmlinuz" "$root/boot"
        initramfs "$root"
        echo "$name-kexec $cpu $directory/vmlinuz $root.cpio kexec::" >>"$boots"
    fi
done <"$scratch/kernels"

# machine CPU KERNEL INITRAMFS ARGUMENTS…: runs it to its end. The CPUs are those that are
# fastest to emulate; the memory is for two kernels, and what the second is loaded from.
machine() {
    local cpu=$1 kernel=$2 initrd=$3 qemu console=ttyS0
    shift 3
    case $cpu in
    amd64)
        qemu=(qemu-system-x86_64 -M pc -cpu qemu64 -device 'isa-debug-exit,iobase=0xf4,iosize=4')
        ;;
    arm64)
        # Authenticated pointers take long to emulate, and nothing here is about them.
        qemu=(qemu-system-aarch64 -M virt -cpu 'max,pauth=off')
        console=ttyAMA0
        ;;
    riscv64) qemu=(qemu-system-riscv64 -M virt -cpu 'rv64,v=true') ;;
    esac
    [ "$cpu" = amd64 ] || qemu+=(-semihosting-config 'enable=on,userspace=on,target=native')
    timeout --kill-after 5 "$patience" "${qemu[@]}" -accel tcg -m 512 -smp 1 -nodefaults \
        -no-user-config -display none -monitor none -serial stdio -no-reboot \
        -kernel "$kernel" -initrd "$initrd" \
        -append "console=$console loglevel=1 panic=-1 secretmem.enable=1 $*" </dev/null 2>&1 | tr -d '\r'
    return "${PIPESTATUS[0]}"
}

# boot_example NAME CPU KERNEL INITRAMFS: the line that /init or its program prints.
boot_example() {
    local name=$1
    shift
    machine "$@" >"$scratch/$name.out" || true
}

# boot NAME CPU KERNEL INITRAMFS [CLAIMS]: runs the claims there. A machine that does
# not come to an end of its own has a second chance.
boot() {
    local name=$1 status attempt
    shift
    for attempt in first second; do
        status=0
        machine "${@:1:3}" -- machine "${@:4}" >"$scratch/$name.out" || status=$?
        [ "$status" -ne "$passed_status" ] && [ "$status" -ne "$failed_status" ] || break
        echo "the $attempt attempt ended with $status" >>"$scratch/$name.attempts"
    done
    echo "$status" >"$scratch/$name.status"
}

# As many at a time as there are processors.
while read -r -a line; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    "${line[@]}" &
done < <(sed 's/^/boot /' "$boots"; sed 's/^/boot_example /' "$examples")
wait

# judge NAME [CLAIMS]: what became of each claim, as lines of how it ended, its name, and why.
# One that has printed nothing has failed.
judge() {
    awk -F '\t' -v OFS='\t' -v status="$(cat "$scratch/$1.status")" -v passed="$passed_status" -v begin="${2-}" '
        FNR == NR { if (index($0, begin) == 1) { claims[++count] = $0; ended[$0] = "" } next }
        match($0, /^ok [^ ]+$/) { ended[substr($0, 4)] = "passed"; next }
        match($0, /^skip [^ ]+: /) { claim = substr($0, 6, RLENGTH - 7); ended[claim] = "skipped"; why[claim] = substr($0, RLENGTH + 1) }
        match($0, /^FAILED [^:]+(::[^:]+)?: /) {
            claim = substr($0, 8, RLENGTH - 9)
            if (!(claim in ended)) claims[++count] = claim
            ended[claim] = "FAILED"; why[claim] = substr($0, RLENGTH + 1)
        }
        END {
            for (i = 1; i <= count; i++) {
                claim = claims[i]
                if (ended[claim] == "") { ended[claim] = "FAILED"; why[claim] = "printed nothing" }
                if (ended[claim] == "FAILED") failed = 1
                print ended[claim], claim, why[claim]
            }
            if (status != passed && !failed) print "FAILED", "init::the_machine_ends", "with status " status
        }
    ' "$scratch/claims" "$scratch/$1.out"
}

columns=()
while read -r name _ _ _ begin; do
    judge "$name" "$begin" >"$scratch/$name.results"
    read -r passed failed skipped < <(awk -F '\t' '
        { count[$1]++ }
        END { print count["passed"] + 0, count["FAILED"] + 0, count["skipped"] + 0 }
    ' "$scratch/$name.results")
    echo "boot, $name: $passed passed, $failed failed, $skipped skipped"
    [ ! -e "$scratch/$name.attempts" ] || sed 's/^/  /' "$scratch/$name.attempts"
    if [ "$failed" -ne 0 ]; then
        failures=1
        {
            echo "failed: $name, of which the last lines are:"
            tail -n 20 "$scratch/$name.out"
        } >&2
    fi
    [ -n "$begin" ] || columns+=("$name")
done <"$boots"

# A machine that is switched off, or whose kernel panics, ends as any other: the line counts.
said=$(while read -r name _; do
    case $name in
    example-*) line='^program: runs from memory as process 1$' ;;
    broken-*) line='^init: cannot run the program: ENOEXEC$' ;;
    esac
    if grep -qaE "$line" "$scratch/$name.out"; then
        echo "passed"
    else
        echo "failed $name"
        { echo "failed: $name, which says:"; tail -n 20 "$scratch/$name.out"; } >&2
    fi
done <"$examples")
passed=$(grep -c '^passed' <<<"$said") || true
failed=$(grep -c '^failed' <<<"$said") || true
if [ -s "$examples" ]; then
    echo "boot, examples/init: $passed passed, $failed failed, 0 skipped"
    [ "$failed" -eq 0 ] || failures=1
fi

[ "${#columns[@]}" -gt 0 ] || exit 0

# A row for each claim that has not passed everywhere; a number for each reason.
for name in "${columns[@]}"; do
    read -r release <"$scratch/$name.release"
    sed "s/^/$name, $release\t/" "$scratch/$name.results"
done | awk -F '\t' '
    !($1 in column) { column[$1] = ++columns; names[columns] = $1 }
    !($3 in row) { row[$3] = ++rows; claims[rows] = $3 }
    $2 == "passed" { cell[row[$3], column[$1]] = "+"; good[row[$3]]++; next }
    {
        reason = $2 ": " $4
        if (!(reason in mark)) { marks++; mark[reason] = marks; reasons[marks] = reason }
        cell[row[$3], column[$1]] = $2 == "FAILED" ? "F" mark[reason] : mark[reason]
    }
    END {
        for (c = 1; c <= columns; c++) printf "%*s %s\n", 4 * c, c, names[c]
        for (r = 1; r <= rows; r++) if (good[r] == columns) everywhere++
        for (c = 1; c <= columns; c++) printf "%4s", "+"
        printf "  %d claims\n", everywhere
        for (r = 1; r <= rows; r++) {
            if (good[r] == columns) continue
            for (c = 1; c <= columns; c++) printf "%4s", (r, c) in cell ? cell[r, c] : "-"
            printf "  %s\n", claims[r]
        }
        for (m = 1; m <= marks; m++) printf "%4d %s\n", m, reasons[m]
    }
'
