#!/usr/bin/env bash
# Every command, path and link in README, the guide and the other texts leads to what is there.
#
# The commands of README that take seconds are run. Of the others, the script or example, its options
# and what they name exist. Links to docs.rs are looked up in the documentation that is built here,
# and so are those within it. Links to other sites are not followed: ci/readme.sh --external prints
# them.
set -euo pipefail
cd "$(dirname "$0")/.."
. ci/common.sh

case $* in
'' | --external) ;;
*) stop "unknown options: $*" ;;
esac

# README's figures are those that the scripts wrote.
while IFS= read -r line; do
    grep -qFx "$line" README.md || stop "README has this line of tests/bench/summary.md: $line"
done <tests/bench/summary.md
# The least and the most at the three optimizations.
instructions=$(awk -F'|' '$2 ~ /owned-memfd/ { print $3; exit }' tests/footprint/results.md | tr -d ' ' | tr / '\n' | sort -n | sed -n '1p; $p' | paste -s -d ' ')
grep -qF "${instructions/ / to } instructions" README.md || stop "README says: ${instructions/ / to } instructions"

read_features
quietly cargo doc --locked --no-deps --features "$with_std"
docs=$(target_directory)/doc
cargo metadata --locked --no-deps --format-version 1 >"$scratch/manifest" 2>"$log" || stop 'cargo metadata'
ci/test.sh --list >"$scratch/checks" 2>"$log" || stop 'ci/test.sh --list'

cat >"$scratch/read.py" <<'END'
import collections, glob, html, json, os, re, shlex, sys

scratch, docs, external = sys.argv[1], sys.argv[2], sys.argv[3:] == ["--external"]
[package] = json.load(open(f"{scratch}/manifest"))["packages"]
targets = {kind: {t["name"] for t in package["targets"] if kind in t["kind"]} for kind in ("example", "test")}
checks = set(re.findall(r"^  (\w+) ", open(f"{scratch}/checks").read(), re.M))
SITE = f"https://docs.rs/owned-memfd/latest/"

texts = {}
for directory, inside, files in os.walk("."):
    inside[:] = [name for name in inside if name not in ("target", ".git", "node_modules")]
    for name in files:
        if name.endswith(".md"):
            path = os.path.normpath(os.path.join(directory, name))
            texts[path] = open(path, encoding="utf-8").read()

problems, counts, others = [], collections.Counter(), set()


def wrong(path, what):
    problems.append(f"{path}: {what}")


def plain(text):
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def slugs(path):
    """The anchors that a page of Markdown has on GitHub."""
    heads = re.findall(r"^#+ +(.*)$", plain(texts[path]), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


pages = {}


def anchors(page):
    if page not in pages:
        pages[page] = set(map(html.unescape, re.findall(r'id="([^"]*)"', open(page, encoding="utf-8").read())))
    return pages[page]


def check_page(path, target):
    """A page of the documentation, with its anchor."""
    page, _, anchor = target.partition("#")
    page = os.path.join(docs, page)
    if os.path.isdir(page):
        page = os.path.join(page, "index.html")
    if not os.path.isfile(page):
        wrong(path, f"the documentation has no page {target}")
    elif anchor and anchor not in anchors(page):
        wrong(path, f"the documentation has no anchor {target}")
    counts["pages"] += 1


def check_link(path, target):
    if target.startswith(SITE):
        check_page(path, target.removeprefix(SITE))
    elif re.match(r"https?:|mailto:", target):
        others.add(target)
    elif path.startswith("src/"):
        # rustdoc resolves names, and what it makes of them is looked up below.
        if not re.fullmatch(r"#[\w-]+|(\w+@)?[\w:]+!?(\(\))?(#[\w.-]+)?", target):
            wrong(path, f"docs.rs does not have {target}")
    else:
        file, _, anchor = target.partition("#")
        found = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if not os.path.exists(found):
            wrong(path, f"there is no {target}")
        elif anchor and (found not in texts or anchor not in slugs(found)):
            wrong(path, f"there is no anchor {target}")
        counts["files"] += 1


def check_script(path, words):
    script, options = words[0], words[1:]
    if not os.path.isfile(script) or options and not os.access(script, os.X_OK):
        return wrong(path, f"there is no script {script}")
    # A script may leave its options to the program of the same name.
    name = os.path.basename(script).removesuffix(".sh")
    sources = [script, *glob.glob(f"tests/{name}/src/*.rs")]
    source = "\n".join(open(source, encoding="utf-8").read() for source in sources)
    for option in options:
        if option.startswith("-") and not re.search(rf"(^|[\s'|(\"]){re.escape(option)}([\s)'\"\\]|$)", source, re.M):
            wrong(path, f"{script} has no option {option}")
        elif script == "ci/test.sh" and not option.startswith("-") and option not in checks and not option.isupper():
            wrong(path, f"{script} has no check {option}")


def check_cargo(path, words, directory):
    names = {"--example": targets["example"], "--test": targets["test"]} if directory == "." else {}
    if "--" in words:
        words = words[: words.index("--")]
    options = dict(zip(words, words[1:]))
    needs = None
    for option, known in names.items():
        name = options.get(option)
        if name and not name.isupper() and name not in known:
            wrong(path, f"there is no {option[2:]} {name}: {' '.join(words)}")
        if option == "--example" and name:
            needs = next((t.get("required-features", []) for t in package["targets"] if t["name"] == name), None)
    features = re.split("[ ,]", options.get("--features", "")) if "--features" in options else []
    for feature in features:
        if directory == "." and feature not in package["features"] and "add" not in words:
            wrong(path, f"there is no feature {feature}")
    if needs and not set(needs) <= set(features):
        wrong(path, f"it needs --features {','.join(needs)}: {' '.join(words)}")
    if "--fuzz-dir" in words:
        at = words.index("--fuzz-dir")
        target = os.path.join(words[at + 1], "fuzz_targets", words[at + 2] + ".rs")
        if not os.path.isfile(target):
            wrong(path, f"there is no {target}")


def check_command(path, line, directory="."):
    """The commands of a line, and in which directory the next one runs."""
    line = line.strip().removeprefix("(").removesuffix(")")
    for command in re.split(r"&&|;", line):
        try:
            words = [word for word in shlex.split(command, comments=True) if not re.match(r"\w+=", word)]
        except ValueError:
            wrong(path, f"no shell reads {command}")
            continue
        # What may be left out is checked too. A name in capitals stands for others.
        words = [word.strip("[]") for word in words if word.strip("[]") not in ("…", "...")]
        words = [word.removesuffix("…") for word in words]
        if not words:
            continue
        counts["commands"] += 1
        if words[0] == "cd":
            directory = os.path.join(directory, words[1])
            # The guide's commands run in a package of the reader's.
            if not path.startswith("src/") and not os.path.isdir(directory):
                wrong(path, f"there is no directory {directory}")
        elif words[0] == "cargo":
            check_cargo(path, words[1:], directory)
        elif words[0].startswith("ci/"):
            check_script(path, words)
    return directory


# What stands for an entry of the repository's top level, as a path in code does.
tops = set(os.listdir(".")) - {"target"}


def expand(pattern):
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    return [e for part in match[1].split(",") for e in expand(pattern[: match.start()] + part + pattern[match.end() :])]


for path, text in sorted(texts.items()):
    for kind, block in re.findall(r"^ *```(\w*).*?\n(.*?)^ *```$", text, re.M | re.S):
        directory = "."
        for line in block.replace("\\\n", " ").splitlines() if kind == "sh" else []:
            parenthesis = line.strip().startswith("(")
            after = check_command(path, line, directory)
            directory = directory if parenthesis else after
        for version in re.findall(r'owned-memfd = (?:\{ version = )?"([^"]+)"', block) if kind == "toml" else []:
            if not package["version"].startswith(version):
                wrong(path, f"this is not version {version}")
    prose = plain(text)
    for code in re.findall(r"`([^`\n]+)`", prose):
        if re.match(r"cargo |ci/[\w-]+\.sh", code):
            check_command(path, code)
        elif "/" in code and code.split("/")[0] in tops and re.fullmatch(r"[\w.{},*/-]+", code):
            if not code.isupper() and not path.startswith("src/"):
                counts["paths"] += 1
                for name in expand(code):
                    # tests/README.md speaks of the packages beside it, and an example may lack its ending.
                    places = [name, f"{name}.rs", *([f"tests/*/{name}"] if path.startswith("tests/") else [])]
                    if not any(map(glob.glob, places)) and "NAME" not in name:
                        wrong(path, f"there is no {name}")
    without_code = re.sub(r"`[^`\n]+`", lambda code: "`" + "x" * (len(code[0]) - 2) + "`", prose)
    for match in re.finditer(r"\]\(([^()\s]*(?:\([^()]*\))?[^()\s]*)\)", without_code):
        check_link(path, prose[match.start(1) : match.end(1)])
    defined = dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", prose, re.M))
    for target in defined.values():
        check_link(path, target)
    if not path.startswith("src/"):
        used = set(re.findall(r"\[[^\[\]]+\]\[([^\[\]]+)\]", prose)) | set(re.findall(r"\[(`[^`]+`)\](?![\[(:])", prose))
        used |= {name for name in defined if re.search(rf"\[{re.escape(name)}\](?![(:])", prose)}
        for name in used - defined.keys():
            wrong(path, f"[{name}] leads nowhere")
        for name in defined.keys() - used:
            wrong(path, f"[{name}] is not used")

# What rustdoc made of the links, and the anchors that it does not look up.
for page in glob.glob(f"{docs}/owned_memfd/**/*.html", recursive=True):
    source = open(page, encoding="utf-8").read()
    # Those that rustdoc makes by itself have a class.
    for target in map(html.unescape, re.findall(r'<a href="([^"]*)"', source)):
        if re.match(r"https?:", target):
            others.add(target)
            continue
        file, _, anchor = target.partition("#")
        found = os.path.normpath(os.path.join(os.path.dirname(page), file) if file else page)
        # Those of std's texts lead out of it.
        if found.startswith(f"{docs}/owned_memfd/"):
            where = os.path.relpath(found, docs) + (f"#{anchor}" if anchor else "")
            check_page(os.path.relpath(page, docs), where)

# The examples, each of which README names.
for name in sorted(targets["example"]):
    if not re.search(rf"\(examples/{name}(\.rs)?\)", texts["README.md"]):
        wrong("README.md", f"the example {name} is not there")

for name, least in {"commands": 40, "files": 10, "paths": 60, "pages": 300}.items():
    if counts[name] < least:
        problems.append(f"there are more than {counts[name]} {name}")
if external:
    print("\n".join(sorted(others)))
elif problems:
    print("\n".join(dict.fromkeys(problems)))
else:
    links = counts["files"] + counts["pages"]
    print(f"readme: {counts['paths']} paths and {links} links lead to what is there, and so do {counts['commands']} commands")
sys.exit(bool(problems) and not external)
END

if [ "${1-}" = --external ]; then
    python3 "$scratch/read.py" "$scratch" "$docs" --external
    exit
fi
python3 "$scratch/read.py" "$scratch" "$docs" >"$scratch/found" 2>&1 || {
    cp "$scratch/found" "$log"
    stop 'what the texts name is there'
}

# What README says to run, and that each example says what it is for.
run=0
while read -r command; do
    # shellcheck disable=SC2086 # its words
    quietly $command </dev/null
    run=$((run + 1))
done < <(sed -n '/^```sh$/,/^```$/s/^\(cargo run --example [a-z]*\)\( *#.*\)\{0,1\}$/\1/p' README.md)
[ "$run" -gt 0 ] || stop 'README has an example to run'
helps=0
while read -r name; do
    quietly cargo run --locked --quiet --features std --example "$name" -- --help </dev/null
    [ -s "$log" ] || stop "the example $name says what it is for"
    helps=$((helps + 1))
done < <(sed -nE 's/^\| \[([a-z]+)\]\(examples\/\1(\.rs)?\) \|.*/\1/p' README.md | grep -vx init)
examples=$(grep -o '"kind":\["example"\]' "$scratch/manifest" | wc -l)
[ "$helps" -eq "$examples" ] || stop "README's table has $helps of $examples examples"

echo "$(cat "$scratch/found"), of which $((run + helps)) are run"
