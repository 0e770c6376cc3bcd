#!/usr/bin/env bash
# The claims of tests/suite hold in a static program without libc and std, on every CPU.
#
# The program has no undefined symbol, no dynamic section and no interpreter. QEMU runs those of
# the other CPUs. A skip that tests/suite/src/skips.rs does not allow is a failure, which is tried.
# Then a process of each CPU takes part in what tests/suite/src/meeting.rs says, on one memory file.
# The unit tests of tests/kernels run here too, so that a line there which ci/boot.sh cannot apply
# is noticed without booting a kernel.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# From inside: each package is a workspace of its own, and the next one has a configuration.
(cd tests/kernels && quietly cargo test --locked)
cd tests/freestanding
# Flags from outside would replace the package's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
built=$(target_directory)
# readelf speaks English.
export LC_ALL=C

quietly cargo build --locked --release "${all_cpus[@]}"
for cpu in "${cpus[@]}"; do
    program=$built/$cpu/release/freestanding

    readelf --wide --file-header --program-headers --section-headers --symbols \
        --string-dump=.comment "$program" >"$log" 2>&1 || stop "readelf $program"
    grep -qE '^ +Type: +EXEC ' "$log" || stop "$program is a static executable at a fixed address"
    ! grep -qE '\b(INTERP|DYNAMIC)\b|\.(interp|dynamic|dynsym)\b' "$log" || stop "$program has nothing dynamic"
    grep -q 'Linker: LLD' "$log" || stop "$program is linked by rust-lld"
    # Its symbols are there to be looked at, and none is left open.
    grep -qE ' GLOBAL .* _start$' "$log" || stop "$program has its symbols"
    ! grep -E '^ +[0-9]+: .* UND .' "$log" | grep -vE '^ +0: ' || stop "$program has no undefined symbol"

    place=emulated
    [ "${emulator[$cpu]}" != env ] || place=host
    driver "freestanding, $cpu" "${emulator[$cpu]}" "$program" --place "$place"
    # It wants a machine of its own.
    bounds "${emulator[$cpu]}" "$program" --place nowhere kexec::what_is_no_kernel
done

# meet: the process of the first CPU makes the memory file and says where it is.
meet() {
    local place=$scratch/place who=0 status=0 cpu pid processes=() path=
    : >"$place"
    "${emulator[${cpus[0]}]}" "$built/${cpus[0]}/release/freestanding" --meet "${#cpus[@]}" >"$place" &
    processes=($!)
    until path=$(grep '^/proc/' "$place"); do
        kill -0 "${processes[0]}" 2>/dev/null || break
        sleep 0.1
    done
    for cpu in "${cpus[@]:1}"; do
        who=$((who + 1))
        "${emulator[$cpu]}" "$built/$cpu/release/freestanding" --meet "${#cpus[@]}" "$who" "$path" &
        processes+=($!)
    done
    for pid in "${processes[@]}"; do
        wait "$pid" || status=1
    done
    cat "$place"
    return "$status"
}
place=host
driver 'freestanding, every CPU at once' meet
