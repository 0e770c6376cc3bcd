#!/usr/bin/env bash
# A release breaks no program that the last one compiled, unless its version says so.
#
# cargo-semver-checks compares the library with the last release, which is the last tag. Before the
# first one there is nothing to compare.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

tool semver-checks 0.51.0
shallow=$(git rev-parse --is-shallow-repository 2>"$log") || stop "git knows this repository; if it belongs to another user: git config --global --add safe.directory '$PWD'"
[ "$shallow" = false ] || stop 'the history is there: git fetch --unshallow --tags'
tag=$(git tag --merged HEAD --sort -version:refname --list 'v[0-9]*' 2>"$log" | head -n 1) || stop git tag
if [ -z "$tag" ]; then
    left_out 'there is no release yet: what it would break'
    echo 'semver: there is no release to compare with'
    exit
fi

read_features
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/semver
for features in "$without_std" "$with_std"; do
    quietly cargo semver-checks --only-explicit-features --features "$features" --baseline-rev "$tag"
done

echo "semver: nothing that $tag compiled is broken beyond what the version says"
