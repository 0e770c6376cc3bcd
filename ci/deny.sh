#!/usr/bin/env bash
# What comes with the library is what ci/deny.toml allows: packages, licenses and sources.
#
# No package comes in two versions, but for what rustix has of its own, and none has a known
# vulnerability: for that the database of RustSec is fetched, from GitHub. Where it cannot be, that
# is skipped by name; in CI, it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

tool deny 0.20.2
deny() {
    cargo deny --locked --config "$1" check "${@:2}"
}

quietly deny ci/deny.toml bans licenses sources
# What is not allowed is seen.
for change in 's/"sc", //' 's/"MIT", "Apache-2.0"/"Zlib"/'; do
    sed "$change" ci/deny.toml >"$scratch/deny.toml"
    ! deny "$scratch/deny.toml" bans licenses >"$log" 2>&1 || stop "ci/deny.toml allows too much: $change"
done

advisories='no known vulnerability'
if ! deny ci/deny.toml advisories >"$log" 2>&1; then
    grep -q 'failed to fetch advisory database' "$log" && [ -z "${CI-}" ] || stop 'no package has a known vulnerability'
    advisories='vulnerabilities not looked up'
    left_out 'the database of vulnerabilities cannot be fetched: whether a package has one'
fi

cargo tree --locked --edges normal --all-features --target "${cpus[0]}" --prefix none >"$scratch/tree" 2>"$log" || stop cargo tree
packages=$(cut -d' ' -f1 "$scratch/tree" | sort -u | wc -l)
echo "deny: $((packages - 1)) packages come with the library and all features, as ci/deny.toml allows; $advisories"
