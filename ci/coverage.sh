#!/usr/bin/env bash
# Every line of the library is run by a test, on this machine or where tests/coverage.txt says.
#
# With and without std, the library runs all tests that this machine can, and so do tests/crates and,
# for what only a failing call reaches, the quick form of ci/faults.sh. The lines that none of them
# runs must be those of tests/coverage.txt, which names for each the script that does, and claims that
# are skipped here, or says why none can. A line that is missing there fails, and so does one that
# needs no entry.
#
# Tests end processes with signals and replace them by others. So each process counts in a file that
# it maps, which has the counts whatever its end is. One that gets no environment from a test does
# not know where; it writes `default_*.profraw` here when it ends.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

tools=$(rustc --print target-libdir)/../bin
[ -x "$tools/llvm-profdata" ] && [ -x "$tools/llvm-cov" ] || {
    echo 'to get them: rustup component add llvm-tools' >"$log"
    stop "there are the LLVM tools of $(rustc --version)"
}

read_features
target=${cpus[0]}
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/coverage
export RUSTFLAGS='-Cinstrument-coverage -Cllvm-args=-runtime-counter-relocation'
# By process and program, and with counters that are mapped.
mkdir "$scratch/counts"
export LLVM_PROFILE_FILE=$scratch/counts/%c%p-%m.profraw

at_end() { rm -f default_*.profraw; }

objects=()
: >"$scratch/ran"
# run OPTION…: runs the tests of the package of the current directory, and remembers which they are.
run() {
    local test=(cargo test --locked --target "$target" "$@") built
    quietly "${test[@]}" --no-run --message-format json
    mapfile -t built < <(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$log")
    [ "${#built[@]}" -gt 0 ] || stop "tests are built: ${test[*]}"
    objects+=("${built[@]/#/--object=}")
    OWNED_MEMFD_PLACE=$place quietly "${test[@]}"
    cat "$log" >>"$scratch/ran"
}
run --features "$without_std" --tests
run --features "$with_std" --tests
cd tests/crates
for combination in '' std rustix-std 'std rustix-std'; do
    run --no-default-features --lib --features "$combination"
done
run --no-default-features --features graph --tests
cd ../..

# As ci/faults.sh does it. A program that is stripped of everything has no lines, and one with
# everything is too long for the operations that copy it.
export CARGO_PROFILE_DEV_STRIP=debuginfo
while read -r name options operations; do
    quietly cargo build --locked --manifest-path tests/hostile/Cargo.toml --target "$target" --bin faults "$options"
    cp "$CARGO_TARGET_DIR/$target/debug/faults" "$scratch/$name"
    objects+=("--object=$scratch/$name")
    quietly "$scratch/$name" ${operations:+"$operations"}
done <<'END'
faults --no-default-features
faults-std --features=std std::
END

find . -maxdepth 1 -name 'default_*.profraw' -exec mv {} "$scratch/counts" ';'
"$tools/llvm-profdata" merge --sparse --output "$scratch/profile" "$scratch"/counts/*.profraw 2>"$log" || stop 'llvm-profdata merge'
"$tools/llvm-cov" export --format lcov --instr-profile "$scratch/profile" "${objects[@]}" \
    --sources "$PWD/src" "$PWD/arch" >"$scratch/lines" 2>"$log" || stop 'llvm-cov export'

python3 - "$scratch" >"$log" 2>&1 <<'END_OF_PYTHON' || stop 'tests/coverage.txt has the lines that no test runs here, and no other'
import os, re, sys
from collections import Counter

scratch, wrong = sys.argv[1], []

# The lines that are code, by file and number, and those that nothing has run.
code, not_run = 0, []
for record in open(f"{scratch}/lines"):
    kind, _, value = record.strip().partition(":")
    if kind == "SF":
        file, text = os.path.relpath(value), open(value).read().splitlines()
    elif kind == "DA":
        number, count = map(int, value.split(",")[:2])
        code += 1
        if count == 0:
            not_run.append((file, number, text[number - 1].strip()))
assert code > 1000, f"only {code} lines are code"

# The claims that hold here, and those that are skipped.
ran = open(f"{scratch}/ran").read()
hold = set(re.findall(r"^test (\w+::\w+) +\.\.\. ok$", ran, re.M))
skips = set(re.findall(r"^skip (\w+::\w+): ", ran, re.M))

# Why no test can run a line, by what one of the lines in such a paragraph says then.
reasons = {
    "the compiler evaluates it": "const fn ",
    "nobody can call it, as ci/host.sh shows": "Self: Proven<",
    "only an emulator of another CPU can run it, as ci/emulated.sh does": "emulator",
}

# Each line that is explained, with whether what runs it was skipped here.
explained = Counter()
for paragraph in open("tests/coverage.txt").read().split("\n\n"):
    head, *lines = [line for line in paragraph.splitlines() if not line.startswith("#")] or [""]
    if head in reasons:
        assert any(reasons[head] in line for line in lines), f"this is not so: {head}: {lines}"
        skipped = True
    elif head:
        script, _, claims = head.partition(": ")
        claims = set(claims.split(", "))
        assert os.access(script, os.X_OK), f"no such script: {head}"
        assert claims <= hold | skips, f"no such claims: {head}"
        skipped = claims <= skips
    for line in lines:
        assert line.startswith("  "), f"not a line of the library: {line}"
        file, _, text = line.strip().partition(": ")
        if text not in (known.strip() for known in open(file)):
            wrong.append(f"no such line: {line.strip()}")
        explained[file, text, skipped] += 1

for file, number, text in not_run:
    if explained[file, text, True] > 0:
        explained[file, text, True] -= 1
    else:
        wrong.append(f"no test runs {file}:{number}: {text}")
wrong += [f"{n} more than are needed here: {f}: {t}" for (f, t, skip), n in explained.items() if skip and n > 0]

if wrong:
    print(*wrong, sep="\n")
    sys.exit(1)
here = 100 * (code - len(not_run)) / code
print(f"{here:.1f} % of {code} lines on this machine, {len(not_run)} of tests/coverage.txt, 0 others")
END_OF_PYTHON

echo "coverage: $(cat "$log")"
