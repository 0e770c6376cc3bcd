#!/usr/bin/env bash
# The documentation is built as docs.rs builds it, and says of each item which feature it needs.
#
# It is built without a warning for each target that Cargo.toml names to docs.rs. An item that is not
# there without features has a label with the feature, no other item has one, and each feature has
# items. No text but the guide names a private item, or a file that docs.rs does not have.
#
# That needs a nightly toolchain, and its component rust-src for the std of a target that is not
# installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

if ! sysroot=$(rustc +nightly --print sysroot 2>"$log") || [ ! -d "$sysroot/lib/rustlib/src" ]; then
    echo 'to get it: rustup toolchain install nightly --profile minimal --component rust-src' >>"$log"
    stop 'there is a nightly toolchain with the sources of std'
fi

cargo metadata --locked --no-deps --format-version 1 >"$scratch/manifest" 2>"$log" || stop 'cargo metadata'
python3 - "$scratch/manifest" >"$scratch/targets" 2>"$log" <<'END' || stop 'Cargo.toml names targets to docs.rs'
import json, sys

docs = json.load(open(sys.argv[1]))["packages"][0]["metadata"]["docs"]["rs"]
assert docs.pop("all-features") is True
print(*docs.pop("targets"), sep="\n")
assert not docs, f"ci/docs.sh does not know {docs}"
END
mapfile -t targets <"$scratch/targets"

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(target_directory)/docs
export RUSTDOCFLAGS='--cfg docsrs --deny warnings --deny rustdoc::all'

# document TARGET OPTION…: documents the library for it.
document() {
    local target=$1 std=()
    shift
    [ -d "$(rustc +nightly --print target-libdir --target "$target")" ] || std=(-Zbuild-std=std)
    rm -rf "$CARGO_TARGET_DIR/$target/doc"
    quietly cargo +nightly doc --locked --no-deps --target "$target" "${std[@]}" "$@"
}

for target in "${targets[@]}"; do
    document "$target" --all-features
    mv "$CARGO_TARGET_DIR/$target/doc" "$scratch/$target"
done
document "${targets[0]}"
mv "$CARGO_TARGET_DIR/${targets[0]}/doc" "$scratch/without"

cat >"$scratch/judge.py" <<'END'
import collections, glob, html, json, os, re, sys

scratch, targets = sys.argv[1], sys.argv[2:]
features = json.load(open(f"{scratch}/manifest"))["packages"][0]["features"].keys() - {"default"}

# A label, what it may belong to, and where other crates' items begin and end.
TOKENS = re.compile(
    r'<section id="(?P<id>[^"]*)" class="(?P<kind>[a-z]+)[ "]'
    r'|<(?:div|span) class="stab portability"[^>]*>(?P<label>.*?)</(?:div|span)>'
    r'|<dt>(?:(?!</dt>).)*?href="(?P<entry>[^"]*)"(?P<rest>.*?)</dt>'
    r'|id="(?P<part>deref-methods-|trait-implementations|synthetic-implementations|blanket-implementations)',
    re.S,
)
ITEMS = {"method", "impl", "associatedconstant", "variant", "structfield"}


def text(fragment):
    return html.unescape(re.sub("<[^>]*>", "", fragment))


def parse(root):
    """What each page has, and how often: (item, its label). The page itself is the item ''."""
    pages = {}
    for path in glob.glob(f"{root}/owned_memfd/**/*.html", recursive=True):
        source = open(path, encoding="utf-8").read()
        page = os.path.relpath(path, f"{root}/owned_memfd")
        # A page that leads to another one, a list, and what is std's, which differs without std.
        if 'http-equiv="refresh"' in source or page in ("all.html", "enum.SeekFrom.html"):
            continue
        items, part = [["", ""]], ""
        for token in TOKENS.finditer(source):
            if token["part"]:
                part = token["part"]
            elif token["label"] and part in ("", "trait-implementations"):
                items[-1][1] += text(token["label"])
            elif token["entry"] and page.endswith("index.html"):
                label = re.search('class="stab portability"[^>]*>(.*?)</span>', token["rest"])
                items.append([token["entry"], text(label[1]) if label else ""])
            elif token["kind"] in ITEMS and part in ("", "trait-implementations"):
                # Those that are called alike are numbered. The methods of a trait have the label of
                # its implementation.
                name = re.sub(r"-\d+$", "", token["id"])
                if name.startswith("impl-") and "-for-" not in name:
                    continue
                if part and not name.startswith("impl-"):
                    continue
                items.append([name, ""])
        pages[page] = collections.Counter(tuple(item) for item in items)
    return pages


def names(page):
    return collections.Counter({name: sum(n for (other, _), n in page.items() if other == name) for name, _ in page})


def judge(all_of_it, without):
    problems, named = [], set()
    for page, items in sorted(all_of_it.items()):
        before = names(without[page]) if page in without else None
        for (name, label), count in items.items():
            found = re.fullmatch(r"Available on crate feature (\S+) only\.|(\S+)", label)
            if label and (not found or not (found[1] or found[2]) in features):
                problems.append(f"{page}: {name or 'the page'} has the label {label!r}")
            if label:
                named.add(found and (found[1] or found[2]))
        for name, count in names(items).items():
            if before is None and name:
                # The page has the label.
                continue
            labelled = sum(n for (other, label), n in items.items() if other == name and label)
            new = max(0, count - (before[name] if before else 0))
            if labelled != new:
                problems.append(f"{page}: {name or 'the page'} has {labelled} labels, and {new} are for features")
    problems += [f"no item has the label of {feature}" for feature in sorted(features - named)]
    return problems


without, problems, labels = parse(f"{scratch}/without"), [], 0
for target in targets:
    pages = parse(f"{scratch}/{target}")
    problems += judge(pages, without)
    labels = sum(n for page in pages.values() for (_, label), n in page.items() if label)
if len(pages) < 40 or labels < 60:
    problems.append(f"there are more than {len(pages)} pages and {labels} labels")

# It would be noticed if an item had no label, one more, or another.
for page, item, label in [
    ("struct.OwnedMemFd.html", "method.attach_loop", ""),
    ("struct.OwnedMemFd.html", "method.create", "Available on crate feature std only."),
    ("struct.OwnedMemFd.html", "impl-From%3COwnedMemFd%3E-for-File", ""),
    ("struct.SealedMap.html", "impl-StableDeref-for-SealedMap", "Available on Linux only."),
    ("exec/struct.OwnedArgs.html", "", ""),
    ("exec/index.html", "struct.OwnedArgs.html", ""),
]:
    wrong = collections.Counter({(i, label if i == item else old): n for (i, old), n in pages[page].items()})
    if wrong == pages[page] or not judge({**pages, page: wrong}, without):
        problems.append(f"{page}: nobody would notice the label {label!r} of {item}")

# Names of the library's own that no page has, and that are not an argument's.
sources = [open(path).read() for path in glob.glob("src/**/*.rs", recursive=True) if "/sys/" not in path]
ITEM = r"^ *(?:pub\(crate\) )?(?:(?:const|unsafe) )*(?:fn|struct|enum|trait|mod|const|static|type) (\w+)"
private = set(re.findall(ITEM, "\n".join(sources), re.M))
private -= set(re.findall(r"\b(\w+): ", "\n".join(sources)))
public, code = set(), collections.defaultdict(set)
for path in glob.glob(f"{scratch}/{targets[0]}/owned_memfd/**/*.html", recursive=True):
    page = os.path.relpath(path, f"{scratch}/{targets[0]}/owned_memfd")
    public |= set(re.split(r"[./]", page))
    source = open(path, encoding="utf-8").read()
    public |= set(re.findall(r'id="\w+\.(\w+?)(?:-\d+)?"', source))
    source = re.split('id="deref-methods-%5B|id="synthetic-implementations', source)[0]
    source = re.sub("<pre.*?</pre>", "", source, flags=re.S)
    for link, found in re.findall(r"(<a [^>]*>)?<code>(.*?)</code>", source, re.S):
        if not link:
            code[text(found)].add(page)
for found, where in sorted(code.items()):
    name = re.split(r"[(<]", found)[0].split("::")[-1]
    # The guide speaks of other crates, too, and of the repository by name.
    where = {page for page in where if not page.startswith("guide/")}
    if where and name in private - public:
        problems.append(f"{min(where)} names `{found}`, which is private")
    if where and "/" in found and os.path.exists(found) and not found.startswith("/"):
        problems.append(f"{min(where)} names `{found}`, which docs.rs does not have")

if len(private - public) < 100 or len(code) < 300:
    problems.append(f"there are more than {len(private - public)} private names and {len(code)} pieces of code")
print("\n".join(problems) or f"docs: {len(targets)} targets, {len(pages)} pages and {labels} labels as docs.rs shows them")
sys.exit(bool(problems))
END
python3 "$scratch/judge.py" "$scratch" "${targets[@]}" >"$log" 2>&1 || stop 'the documentation is right as docs.rs shows it'
cat "$log"
