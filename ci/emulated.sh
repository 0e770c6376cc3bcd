#!/usr/bin/env bash
# The tests pass on the other CPUs and with musl, as static programs.
#
# QEMU runs those of the other CPUs. With arguments, only these targets are tested.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

if [ $# -eq 0 ]; then
    set -- "${cpus[@]:1}" "${musl[@]}"
fi

# Where the packages are missing, `cargo test --target …` names them.
for cpu in "${cpus[@]:1}"; do
    name=${binutils[$cpu]%-}
    for script in "${name}-gcc" "emulate ${name%%-*}"; do
        # shellcheck disable=SC2086 # The emulator has an argument.
        ! PATH=$scratch/empty /bin/sh .cargo/$script >"$log" 2>&1 || stop ".cargo/$script fails without packages"
        grep -q 'apt-get install .*qemu-user-static' "$log" || stop ".cargo/$script names the packages"
    done
    { PATH=$scratch/empty /bin/sh ".cargo/$name-gcc" 2>&1 || true; } | grep -q "gcc-$name libc6-dev-${debian[$cpu]}-cross" ||
        stop ".cargo/$name-gcc names those that ci/setup.sh installs"
done

# These variables win over every configuration file.
export RUSTFLAGS="${RUSTFLAGS-} -C target-feature=+crt-static"
export RUSTDOCFLAGS="${RUSTDOCFLAGS-} -C target-feature=+crt-static"
# Without the directory of a libc: a program that is not static does not start.
for cpu in "${cpus[@]}"; do
    variable=CARGO_TARGET_${cpu^^}_RUNNER
    export "${variable//-/_}=${emulator[$cpu]}"
done

read_features
# Compiled for all of them side by side, before the first one runs.
quietly cargo test --locked --no-run --features "$with_std" "${@/#/--target=}"
for target; do
    place=emulated
    # This machine runs these itself.
    [[ $target != x86_64-* ]] || place=host
    test=(cargo test --locked --no-fail-fast --target "$target")
    # Without std, ci/freestanding.sh runs the claims on the other CPUs. What is not emulated is fast.
    [ "$place" = emulated ] || driver "$target" "${test[@]}" --features "$without_std"
    driver "$target, std" "${test[@]}" --features "$with_std"
done
