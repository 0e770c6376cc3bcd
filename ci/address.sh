#!/usr/bin/env bash
# No test accesses memory that is freed, out of bounds or out of scope.
#
# The address sanitizer says so of all tests, with and without std, and of the examples in the
# documentation. A claim that expects a signal gets it: the sanitizer leaves signals alone. Leaks are
# left to ci/leak.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh
. ci/sanitizers.sh

sees detect_leaks=0 detect_stack_use_after_return=1 \
    handle_abort=0 handle_segv=0 handle_sigbus=0 handle_sigfpe=0 handle_sigill=0
notices heap-use-after-free

# Two threads of such a claim share the thread-local storage in which the sanitizer keeps a stack.
threads=(
    integers::additions_of_threads_and_processes_are_exact
    waiting::a_wake_reaches_another_thread
)
skips=()
for claim in "${threads[@]}"; do
    skips+=(--skip "$claim")
done

read_features
for features in "$without_std" "$with_std"; do
    passes --features "$features" --lib --tests -- "${skips[@]}"
done
passes --features "$with_std" --doc

summary
left_out "threads that the sanitizer does not know: ${threads[*]}"
