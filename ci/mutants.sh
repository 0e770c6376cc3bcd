#!/usr/bin/env bash
# No change of one expression in the library goes unseen, except for those in tests/mutants.txt.
#
#   ci/mutants.sh          the whole library, which takes hours
#   ci/mutants.sh FILE…    these files, such as src/proof.rs
#   ci/mutants.sh --list   only checks that every file is listed below, as ci/boundaries.sh does
#
# cargo-mutants replaces what a function returns, an operator, a match arm or a field, one at a
# time, and the claims of tests/suite must notice it on this machine. What they do not notice must
# be explained in tests/mutants.txt. An explanation that no change needs is reported.
#
# A copy of the repository is changed, not the repository itself. arch/ is not changed: a macro makes
# its functions, and cargo-mutants looks into none. Each is one system call, which claims make.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# What is most likely to notice a change in a file runs first: the beginnings of claims' names.
# The rest runs only if these notice nothing. In the order of what depends most on each file.
files=()
declare -A claims
while read -r file first; do
    files+=("$file")
    claims[$file]=$first
done <<'END'
src/proof.rs proving:: descriptors:: executing:: building::
src/region.rs mapping:: shared:: building::
src/socket.rs passing:: addressing:: deadlines::
src/transfer.rs copying:: io:: limits:: building::
src/sealing.rs building:: proving:: sealing::
src/sealed.rs mapping:: proving:: copies::
src/shared.rs shared:: ranges:: growing:: integers:: waiting::
src/stream.rs streaming::
src/extents.rs filling::
src/fd.rs fd:: descriptors::
src/exec.rs executing::
src/memfd.rs descriptors:: io:: seals:: limits::
src/errno.rs errno::
src/options.rs options:: creating::
src/path.rs descriptors::
src/flags.rs flags::
src/sys/mod.rs io:: copying::
src/sys/memfd.rs io:: descriptors:: seals::
src/sys/region.rs mapping::
src/sys/sealing.rs building::
src/sys/shared.rs shared:: waiting::
src/sys/socket.rs passing:: addressing:: deadlines::
src/sys/transfer.rs copying:: building::
src/sys/exec.rs executing::
src/sys/boot.rs booting::
src/boot.rs booting::
src/with_embedded_io.rs traits::
src/with_rustix.rs traits:: errno::
src/with_stable_deref.rs traits::
src/with_std.rs -
src/with_std/command.rs -
src/exec/with_std.rs -
END
while read -r file; do
    # Neither of the two has code.
    [ "$file" = src/lib.rs ] || [ "$file" = src/guide.rs ] || [ -n "${claims[$file]-}" ] || stop "ci/mutants.sh lists $file"
done < <(find src -name '*.rs')
for file in "${files[@]}"; do
    [ -e "$file" ] || stop "$file, which ci/mutants.sh lists, is there"
done
case ${1-} in
--list) exit ;;
'') ;;
*) files=("$@") ;;
esac
for file in "${files[@]}"; do
    [ -n "${claims[$file]-}" ] || stop "$file is a file of the library"
done

tool mutants 27.1.0

work=$(target_directory)/mutants
tree=$work/tree
rm -rf "$tree"
mkdir -p "$tree"
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents --target-directory "$tree"
# cargo-mutants finds no module in a macro.
sed -i -e '/^cfg_if! {$/d' -e '/^    if #\[cfg(supported)\] {$/d' -e '/^    }$/d' -e '/^}$/d' "$tree/src/lib.rs"
cat >"$work/run" <<'END'
#!/bin/sh
for claims in $FIRST_CLAIMS; do
    timeout 100 "$1" "$claims" || exit
done
exec "$1"
END
chmod +x "$work/run"

host=$(rustc --version --verbose | sed -n 's/^host: //p')
runner=${host^^}
export "CARGO_TARGET_${runner//-/_}_RUNNER=$work/run"
export CARGO_TARGET_DIR=$work/target CARGO_PROFILE_DEV_DEBUG=0
# Flags from outside would make the lints errors, and what does not compile is not tried.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS

# What survives, without line and column, which change with every edit.
survivors=$scratch/survivors
: >"$survivors"
tried=
for file in "${files[@]}"; do
    # The claims switch the features on that need no std.
    features=
    tests=(--test suite)
    if [[ $file == */with_std* ]]; then
        features=std
        tests=(--test with_std --test exec)
    fi
    # Tests that fail anyway notice nothing.
    if [[ $tried != *"${tests[*]};"* ]]; then
        (cd "$tree" && FIRST_CLAIMS='' quietly nice -n 10 cargo test --locked --features "$features" "${tests[@]}")
        tried+="${tests[*]};"
    fi
    export FIRST_CLAIMS=${claims[$file]#-}
    status=0
    nice -n 10 cargo mutants --dir "$tree" --in-place --no-config --file "$file" --output "$work" \
        --features "$features" --cap-lints true --baseline skip --timeout 600 \
        --build-timeout 900 --colors never --annotations none -- --locked "${tests[@]}" \
        >"$log" 2>&1 || status=$?
    # 2: something survives. 3: something did not end in time, which is noticed.
    case $status in 0 | 2 | 3) ;; *) stop "cargo mutants --file $file" ;; esac
    sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' "$work/mutants.out/missed.txt" >>"$survivors"
    echo "mutants, $file: $(grep -cE . "$work/mutants.out/caught.txt") noticed," \
        "$(grep -cE . "$work/mutants.out/timeout.txt") without end," \
        "$(grep -cE . "$work/mutants.out/missed.txt") not noticed"
done

# Each explained line, under its reason. A line that occurs twice explains two.
awk '
    /^#/ { next }
    /^$/ { reason = ""; next }
    /^  / { if (reason == "") { print "no reason: " $0 > "/dev/stderr"; exit 1 } print substr($0, 3); next }
    { reason = $0 }
' tests/mutants.txt 2>"$log" >"$scratch/all" || stop 'tests/mutants.txt gives a reason for each mutant'
for file in "${files[@]}"; do
    grep -F "$file: " "$scratch/all" || true
done | LC_ALL=C sort >"$scratch/explained"
LC_ALL=C sort -o "$survivors" "$survivors"

LC_ALL=C comm -13 "$scratch/explained" "$survivors" >"$log"
if [ -s "$log" ]; then
    show 'every mutant is noticed, or explained in tests/mutants.txt'
    failures=1
fi
LC_ALL=C comm -23 "$scratch/explained" "$survivors" | sed 's/^/mutants: explained, but noticed here or gone: /'
echo "mutants: $(wc -l <"$survivors") not noticed, $(LC_ALL=C comm -12 "$scratch/explained" "$survivors" | wc -l) of them explained"
