# What ci/address.sh, ci/leak.sh and ci/thread.sh share, which source this after ci/common.sh. Each
# has the name of the compiler's sanitizer that it uses.
#
# A sanitizer sees what is compiled for it: the library, the tests, std and the other crates. It does
# not see what assembly does, and the library's system calls and its accesses to memory that others
# write are that.
sanitizer=$(basename "$0" .sh)
declare -A options=([address]=ASAN_OPTIONS [leak]=LSAN_OPTIONS [thread]=TSAN_OPTIONS)
reports=$scratch/report
tests=0

sources=$(rustc +nightly --print sysroot 2>"$log" || true)/lib/rustlib/src/rust/library
if ! [ -d "$sources" ]; then
    echo 'to get it: rustup toolchain install nightly --profile minimal --component rust-src' >>"$log"
    stop 'there is a nightly toolchain with the source of std'
fi
CARGO_TARGET_DIR=$(target_directory)/$sanitizer
export CARGO_TARGET_DIR

# sees [NAME=VALUE]…: sets these options of the sanitizer, too. Each process reports into a file of
# its own, also one that has closed its output. Functions are named by `addr2line` of binutils if
# there is nothing faster.
sees() {
    local all=("log_path=$reports" allow_addr2line=1 "$@")
    export "${options[$sanitizer]}=$(IFS=: && echo "${all[*]}")"
}
sees

# compiled COMMAND ARGUMENT…: runs cargo, with std compiled for the sanitizer too.
compiled() {
    local command=$1
    shift
    RUSTFLAGS=-Zsanitizer=$sanitizer RUSTDOCFLAGS=-Zsanitizer=$sanitizer \
        cargo +nightly "$command" --locked -Zbuild-std --target x86_64-unknown-linux-gnu "$@"
}

# passes ARGUMENT…: runs tests, which pass without a report.
passes() {
    local status=0
    OWNED_MEMFD_PLACE=$place compiled test --no-fail-fast "$@" >"$log" 2>&1 || status=$?
    cat "$reports".* >>"$log" 2>"$scratch/none" && stop "nothing is reported: $*"
    [ "$status" -eq 0 ] || stop "the tests pass: $*"
    tests=$((tests + $(awk '/^test result: / { passed += $4 } END { print passed + 0 }' "$log")))
}

# passes_with_std [ARGUMENT…]: the same of all tests but the claims, and of the examples in the
# documentation, which have no arguments.
passes_with_std() {
    local file names=()
    for file in tests/*.rs; do
        [ "$file" = tests/suite.rs ] || names+=(--test "$(basename "$file" .rs)")
    done
    passes --features "$with_std" "${names[@]}" -- "$@"
    passes --features "$with_std" --doc
}

# notices TEXT: runs the program of tests/sanitizers that is wrong for this sanitizer. Its report has
# this text, and the function of the library that was misled: what is not compiled for the sanitizer
# could not be in it.
notices() {
    ! compiled run --manifest-path tests/sanitizers/Cargo.toml --bin "$sanitizer" >"$log" 2>&1 ||
        stop 'a program that is wrong fails'
    cat "$reports".* >"$log" 2>&1 || stop 'its mistake is reported'
    grep -q "$1" "$log" || stop "its mistake is reported: $1"
    grep -q '#[0-9]* .*owned_memfd' "$log" || stop 'the report names a function of the library'
    rm "$reports".*
}

# summary: the figures, for the end of the script.
summary() {
    [ "$tests" -gt 0 ] || stop 'tests were run'
    echo "$sanitizer: $tests tests, 0 findings"
}
