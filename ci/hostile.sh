# What ci/faults.sh and ci/steps.sh share, which source this after ci/common.sh with their arguments.
# Each runs the program of tests/hostile that has its name.
program=$(basename "$0" .sh)
case ${1-} in
'') full=() only=std:: ;;
--full) full=(--full) only='' ;;
*)
    echo "usage: ci/$program.sh [--full]" >&2
    exit 2
    ;;
esac
[ "$(uname -m)" = x86_64 ] || stop 'the tracer knows the registers of x86_64'

# run FEATURES PREFIX: runs the operations whose names begin so, and keeps the last line.
run() {
    quietly cargo build --locked --bin "$program" "$1"
    quietly "$(target_directory)/debug/$program" "${full[@]}" "$2"
    tail -n 1 "$log" >>"$scratch/figures"
}

cd tests/hostile
run --no-default-features ''
run --features=std "$only"
# The sums of both, in the same words.
awk -v program="$program:" '
    { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+$/) $i = sum[i] += $i }
    END { print program, $0 }
' "$scratch/figures"
