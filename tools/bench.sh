#!/usr/bin/env bash
# Compares Seam with llama-bench on a list of files and keeps the raw JSON of each in a folder.
#
#   tools/bench.sh [-b SEAM] [-l LLAMA_BENCH] [-o FOLDER] [-a 'MORE OPTIONS'] [FILE...]
#
# Files: thimble by default; `seam synth --like kimi-bench` and its like make larger ones. Without -l (and without
# llama-bench in PATH) Seam is measured alone. -o: default a temporary folder; bench/results/ holds what the README shows, and
# tools/bench_table.py makes the table. Nothing else may run on the machine.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
seam="$root/build/seam" peer="$(command -v llama-bench || true)" out="" more="-p 512 -n 32 -d 0 -r 3 --load --limit"
while getopts b:l:o:a: o; do
    case $o in
    b) seam="$OPTARG" ;;
    l) peer="$OPTARG" ;;
    o) out="$OPTARG" ;;
    a) more="$OPTARG" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- "$root/models/thimble-q8_0.gguf"
[ -n "$out" ] || out="$(mktemp -d)"
mkdir -p "$out"
against=()
[ -z "$peer" ] || against=(--against "llama-bench=$peer")
[ -n "$peer" ] || echo "bench: no llama-bench (give one with -l): Seam alone" >&2
for file in "$@"; do
    name="$(basename "$file" .gguf)"
    echo "bench: $name" >&2
    # shellcheck disable=SC2086 # $more is words
    "$seam" bench -m "$file" $more "${against[@]}" --json >"$out/$name.json.part"
    mv "$out/$name.json.part" "$out/$name.json"
done
python3 "$root/tools/bench_table.py" --print "$out"
echo "bench: raw results in $out" >&2
