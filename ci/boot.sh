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

# What /init ends the machine with if no claim has failed.
passed_status=85
# Many times what a boot takes, in seconds.
patience=200

ci/setup.sh boot
ci/kernels.sh "$@" >"$scratch/kernels"
export LC_ALL=C

# What a kernel is there to show: where one of these is skipped, it has failed. As a pattern
# of the names below, and the claim.
shown() {
    cat <<'END'
* init::process_1_runs_from_a_sealed_memory_file
* options::sealable_huge_pages_have_all_that_was_asked_for
* descriptors::a_file_of_a_hugetlbfs_is_not_taken
* limits::an_allocation_under_a_timer_ends
* limits::what_needs_memory_is_an_error_where_it_has_run_out
* options::kernels_without_the_exec_flags_get_none_and_the_mode_is_set
* booting::a_module_in_a_sealed_file_is_loaded
* booting::an_image_in_a_sealed_file_is_mounted
*-newest options::the_exec_setting_refuses_and_the_refusal_comes_back
*-6.12* options::the_exec_setting_refuses_and_the_refusal_comes_back
*-newest proving::doubtful_seals_are_proof_where_none_can_be_forged
*-6.12 proving::doubtful_seals_are_proof_where_none_can_be_forged
*-6.12.43 proving::forged_seals_are_refused_where_they_can_be_forged
*-5.10-old mapping::a_map_is_made_where_this_kernel_refuses_shared_ones
*-5.10-old init::where_a_missing_dev_fd_forbids_that_proc_allows_it
*-newest init::a_memory_file_runs_before_anything_is_mounted
*-newest-* vectors::a_bare_inlined_call_loses_the_vector_state
*-kexec kexec::a_machine_goes_on_with_what_was_loaded
END
}

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

# The kernels that are there, and the target of each.
while read -r _ name cpu directory _; do
    [ "$directory" = - ] || echo "$name $(target_of "$cpu")"
done <"$scratch/kernels" >"$scratch/targets"

# program TARGET: builds tests/freestanding.
program() {
    (
        # From inside: the package has a configuration of its own.
        cd tests/freestanding
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
        quietly cargo build --locked --release --target "$1"
        cp "$(target_directory)/$1/release/freestanding" "$scratch/$1"
    )
}

# The programs that use vectors, at the same time as the rest: neither waits for the other.
(
    log=$scratch/log.vectors
    for variant in "${vectors[@]}"; do
        read -r target name flag <<<"$variant"
        ! grep -q -- "-newest $target\$" "$scratch/targets" || cp "$(claims_about_vectors "$target" "$name" "$flag")" "$scratch/$name"
    done
) &
building=$!
# One that runs here says which claims there are.
for target in $({ echo x86_64-unknown-linux-gnu; cut -d' ' -f2 "$scratch/targets"; } | sort -u); do
    program "$target"
done
"$scratch/x86_64-unknown-linux-gnu" --list >"$scratch/claims"
(
    cd examples/init
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET INIT_PROGRAM
    built=$(target_directory)
    quietly cargo build --locked --release
    # And one that carries what is no program.
    INIT_PROGRAM=Cargo.toml quietly cargo build --locked --release --target-dir "$built/broken"
    for target in "${cpus[@]}"; do
        mkdir -p "$scratch/example-$target" "$scratch/broken-$target"
        cp "$built/$target/release/init" "$scratch/example-$target"
        cp "$built/broken/$target/release/init" "$scratch/broken-$target"
        initramfs "$scratch/example-$target"
        initramfs "$scratch/broken-$target"
    done
)
wait "$building"

# What the claims about loop devices find on the disk that they attach.
mkdir "$scratch/disk"
echo 'hello from a loop device' >"$scratch/disk/greeting"
quietly mksquashfs "$scratch/disk" "$scratch/image.squashfs" -comp gzip -all-root -no-progress

# A line each of name, CPU, kernel, initramfs, and what /init is told: for the claims,
# `machine`, and what their names begin with.
boots=$scratch/boots
examples=$scratch/examples
: >"$boots"
: >"$examples"

# add NAME [ARGUMENT…]: boots the kernel that is looked at with the initramfs $scratch/NAME.
add() {
    local name=$1
    shift
    initramfs "$scratch/$name"
    cp "$directory/release" "$scratch/$name.release"
    echo "$name $cpu $directory/vmlinuz $scratch/$name.cpio $*" >>"$boots"
}

while read -r need name cpu directory reason; do
    if [ "$directory" = - ]; then
        echo "boot, $name: 0 passed, $([ "$need" = required ] && echo '1 failed, 0' || echo '0 failed, 1') skipped"
        echo "  $reason"
        [ "$need" != required ] || failures=1
        continue
    fi
    target=$(target_of "$cpu")
    root=$scratch/$name
    mkdir -p "$root/boot"
    cp "$scratch/$target" "$root/init"
    cp "$scratch/image.squashfs" "$directory"/*.ko "$root/boot"
    add "$name" machine
    case $name in
    *-newest | *-old)
        echo "example-$name $cpu $directory/vmlinuz $scratch/example-$target.cpio" >>"$examples"
        ;;
    esac
    case $name in
    *-newest)
        echo "broken-$name $cpu $directory/vmlinuz $scratch/broken-$target.cpio" >>"$examples"
        for variant in "${vectors[@]}"; do
            read -r of variant _ <<<"$variant"
            [ "$of" = "$target" ] || continue
            root=$scratch/$name-$variant
            mkdir "$root"
            cp "$scratch/$variant" "$root/init"
            add "$name-$variant" machine vectors::
        done
        ;;
    esac
    # Debian's kernels have kexec_file_load for this CPU only. The second kernel is the first
    # one again, with a disk of its own.
    if [ "$name" = x86_64-newest ]; then
        root=$scratch/$name-kexec
        mkdir -p "$root/boot" "$scratch/second"
        cp "$scratch/$target" "$scratch/second/init"
        initramfs "$scratch/second"
        cp "$scratch/$target" "$root/init"
        cp "$scratch/second.cpio" "$root/boot/initrd"
        cp "$directory/vmlinuz" "$root/boot"
        add "$name-kexec" machine kexec::
    fi
done <"$scratch/kernels"

# machine CPU KERNEL INITRAMFS [ARGUMENT…]: runs it to its end. The CPUs are those that are
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
    timeout --foreground --kill-after 5 "$patience" "${qemu[@]}" -accel tcg -m 512 -smp 1 \
        -nodefaults -no-user-config -display none -monitor none -serial stdio -no-reboot \
        -kernel "$kernel" -initrd "$initrd" \
        -append "console=$console loglevel=1 panic=-1 secretmem.enable=1 -- $*" \
        </dev/null 2>&1 | tr -d '\r'
    return "${PIPESTATUS[0]}"
}

# boot NAME CPU KERNEL INITRAMFS [ARGUMENT…]: the machine's console and status. One that does
# not come to an end, or that QEMU does not start, has a second chance.
boot() {
    local name=$1 status=0
    shift
    machine "$@" >"$scratch/$name.out" || status=$?
    case $status in
    1 | 124 | 137)
        {
            echo "  the first attempt ended with $status; its last line:"
            tail -n 1 "$scratch/$name.out" | sed 's/^/  /'
        } >"$scratch/$name.first"
        status=0
        machine "$@" >"$scratch/$name.out" || status=$?
        ;;
    esac
    echo "$status" >"$scratch/$name.status"
}

# Each job has a process group of its own, which ends with this script.
set -m
trap 'for job in $(jobs -p); do kill -- "-$job"; done; exit 130' INT TERM
# As many at a time as there are processors.
while read -r -a arguments; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    boot "${arguments[@]}" &
done < <(cat "$boots" "$examples")
wait
trap - INT TERM
set +m

# judge NAME [CLAIMS]: what became of each claim, as lines of how it ended, its name, and why.
# One that has printed nothing has failed.
judge() {
    local pattern claim
    shown | while read -r pattern claim; do
        # shellcheck disable=SC2053 # a pattern
        [[ $1 != $pattern ]] || echo "$claim"
    done >"$scratch/shown"
    awk -F '\t' -v OFS='\t' -v status="$(cat "$scratch/$1.status")" -v passed="$passed_status" -v begin="${2-}" '
        function end(claim, how, reason) {
            if (!(claim in ended)) { claims[++count] = claim; ended[claim] = "" }
            # Whatever a process that should not be there says after it.
            if (ended[claim] == "FAILED") return
            ended[claim] = how; why[claim] = reason
        }
        FILENAME ~ /claims$/ { if (begin == "" || index($0, begin) == 1) { claims[++count] = $0; ended[$0] = "" } next }
        FILENAME ~ /shown$/ { shown[$0]; next }
        match($0, /^ok [^ ]+$/) { end(substr($0, 4), "passed"); next }
        match($0, /^skip [^ ]+: /) { end(substr($0, 6, RLENGTH - 7), "skipped", substr($0, RLENGTH + 1)); next }
        match($0, /^FAILED [^:]+(::[^:]+)?: /) { end(substr($0, 8, RLENGTH - 9), "FAILED", substr($0, RLENGTH + 1)) }
        END {
            for (i = 1; i <= count; i++) {
                claim = claims[i]
                if (ended[claim] == "") { ended[claim] = "FAILED"; why[claim] = "printed nothing" }
                if (ended[claim] == "skipped" && claim in shown) { ended[claim] = "FAILED"; why[claim] = "is to be shown here: " why[claim] }
                if (ended[claim] == "FAILED") failed = 1
                if (ended[claim] == "passed") some = 1
                print ended[claim], claim, why[claim]
            }
            if (!failed && (status != passed || !some)) print "FAILED", "init::the_machine_ends", "with status " status
        }
    ' "$scratch/claims" "$scratch/shown" "$scratch/$1.out"
}

# console NAME: what is shown of a failure.
console() {
    {
        echo "failed: $1, of which the last lines are:"
        tail -n 20 "$scratch/$1.out"
    } >&2
}

while read -r name _ _ _ _ begin; do
    judge "$name" "$begin" >"$scratch/$name.results"
    read -r passed failed skipped < <(awk -F '\t' '
        { count[$1]++ }
        END { print count["passed"] + 0, count["FAILED"] + 0, count["skipped"] + 0 }
    ' "$scratch/$name.results")
    echo "boot, $name: $passed passed, $failed failed, $skipped skipped"
    [ ! -e "$scratch/$name.first" ] || cat "$scratch/$name.first"
    if [ "$failed" -ne 0 ]; then
        failures=1
        console "$name"
    fi
done <"$boots"

# That a machine is switched off, or that its kernel panics, is how these end: the line counts
# too.
passed=0 failed=0
while read -r name _; do
    case $name in
    example-*) said='^program: runs from memory as process 1$' ;;
    broken-*) said='^init: cannot run the program: ENOEXEC$' ;;
    esac
    [ ! -e "$scratch/$name.first" ] || cat "$scratch/$name.first"
    if [ "$(cat "$scratch/$name.status")" -eq 0 ] && grep -qaE "$said" "$scratch/$name.out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures=1
        console "$name"
    fi
done <"$examples"
[ ! -s "$examples" ] || echo "boot, examples/init: $passed passed, $failed failed, 0 skipped"

# A column for each machine that claims were run on, and a row for each claim that has not
# passed on all of them; a letter for each reason.
while read -r name _; do
    read -r release <"$scratch/$name.release"
    sed "s/^/$name, $release\t/" "$scratch/$name.results"
done <"$boots" | awk -F '\t' '
    function letters(number) {
        return (number > 26 ? sprintf("%c", 96 + int((number - 1) / 26)) : "") sprintf("%c", 97 + (number - 1) % 26)
    }
    !($1 in column) { column[$1] = ++columns; names[columns] = $1 }
    !($3 in row) { row[$3] = ++rows; claims[rows] = $3 }
    $2 == "passed" { cell[row[$3], column[$1]] = "+"; next }
    {
        reason = $2 ": " $4
        if (!(reason in mark)) { mark[reason] = letters(++marks); reasons[marks] = reason }
        cell[row[$3], column[$1]] = ($2 == "FAILED" ? "!" : "") mark[reason]
        differs[row[$3]]
    }
    END {
        if (columns) print "+ passed, a letter: skipped, with !: failed, and why below; nothing: not asked there"
        for (c = 1; c <= columns; c++) printf "%*s %s\n", 4 * c, c, names[c]
        for (r = 1; r <= rows; r++) {
            if (!(r in differs)) { everywhere++; continue }
            for (c = 1; c <= columns; c++) printf "%4s", cell[r, c]
            printf "  %s\n", claims[r]
        }
        if (columns) printf "%*s  %d others passed wherever they were asked for\n", 4 * columns, "", everywhere
        for (m = 1; m <= marks; m++) printf "%4s %s\n", mark[reasons[m]], reasons[m]
    }
'
