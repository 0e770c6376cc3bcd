#!/usr/bin/env bash
# No word is misspelled, in texts, comments, names and messages.
#
# typos looks at every file that is text. ci/typos.toml has the words that it takes for mistakes and
# that are none, each with its reason; one that no file has any more fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

# Another version knows other mistakes.
typos --version >"$log" 2>&1 && grep -qx 'typos-cli 1\.52\.0' "$log" || {
    echo 'to get it: cargo install typos-cli --locked --version 1.52.0' >>"$log"
    stop 'there is typos, of this version'
}

check() {
    typos --config "$1" --format brief . >"$log" 2>&1
}
check ci/typos.toml || stop 'every word is one, or ci/typos.toml has a reason'
files=$(typos --config ci/typos.toml --files . | wc -l)

# Each word that is accepted is still needed, which shows that typos finds it.
accepted=$(sed -n 's/^\([a-z]*\) = "\1"$/\1/p' ci/typos.toml)
[ -n "$accepted" ] || stop 'ci/typos.toml accepts some words'
while read -r word; do
    grep -v "^$word = " ci/typos.toml >"$scratch/typos.toml"
    ! check "$scratch/typos.toml" || stop "nothing needs the word $word of ci/typos.toml"
    # It may be part of a name, and in any case.
    grep -qiF "error: \`$word\` should be " "$log" || stop "typos finds the word $word"
done <<<"$accepted"

echo "spelling: $files files without a mistake, $(wc -l <<<"$accepted") words accepted"
