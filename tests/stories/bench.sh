#!/usr/bin/env bash
# seam bench: the shape of its table and its JSON, a lane that goes back to a depth (rows and states), turns with another program
# (a script that prints what llama-bench prints), and programs that do not do what they should. No number is judged.
. "$(dirname "$0")/_cli.sh"

model="${SEAM_STORY_MODEL:-$SEAM_SOURCE_DIR/models/thimble-q8_0.gguf}"
[ -f "$model" ] || { echo "FAILED: $model is not there" >&2; exit 1; }
cd "$HERE"
check() { python3 - "$out" "$@" || bad "JSON of seam bench: $*"; }

# ---- alone ----
seam_status bench -m "$model" -p 40,16 -n 3 -d 0,24 -r 2 -t 2 --load --limit --json
[ $status = 0 ] || bad "seam bench ended with $status: $(tail -1 "$err")"
check <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
assert r["format"] == 1 and r["threads"] == 2 and r["repeats"] == 2, r
assert [(t["kind"], t["n_prompt"], t["n_gen"], t["depth"]) for t in r["tests"]] == [
    ("prefill", 40, 0, 0), ("prefill", 16, 0, 0), ("decode", 0, 3, 0),
    ("prefill", 40, 0, 24), ("prefill", 16, 0, 24), ("decode", 0, 3, 24), ("load", 0, 0, 0)], r["tests"]
for t in r["tests"]:
    rate = t["seconds" if t["kind"] == "load" else "tokens_per_s"]
    assert len(t["samples_ns"]) == 2 and min(t["samples_ns"]) > 0, t
    assert rate["min"] <= rate["median"] <= rate["max"], t
    n = t["n_prompt"] + t["n_gen"]
    if n:
        assert abs(rate["max"] - n * 1e9 / min(t["samples_ns"])) < 1e-6 * rate["max"], t
    if t["kind"] != "load":
        assert abs(t["share_of_limit"] * sorted(t["samples_ns"])[0] - t["limit_ns"]) <= t["limit_ns"], t
assert len(r["limits"]["memory_bytes_per_s"]) == 4 and len(r["limits"]["disk_bytes_per_s"]) == 2, r["limits"]
assert r["limits"]["matrices"][0]["type"] == "Q8_0" and r["limits"]["attention"]["ops_per_s"] > 0, r["limits"]
assert r["machine"]["cpu"] and r["seam"]["version"] and r["command"][:3] == ["seam", "bench", "-m"], r
assert 0 < r["memory"]["planned"] and r["memory"]["rss"] > r["memory"]["weights"] // 2, r["memory"]
PY
seam_status bench -m "$model" -p 16 -n 2 -d 0 -r 1
[ $status = 0 ] && grep -q '^prefill 16 ' "$out" && grep -q '^decode 2 ' "$out" && ! grep -q '^load' "$out" ||
    bad "the table: $(cat "$out")"

# ---- a model with states, which cannot be cut ----
"$SEAM" synth --like qwen3.5-4b --layers 4 --vocab 1024 --ctx 64 --set embedding_length=256 --type Q4_0 -o delta.gguf >/dev/null
seam_status bench -m delta.gguf -p 8 -n 2 -d 0,16 -r 2 --json
[ $status = 0 ] || bad "seam bench of a recurrent model: $(tail -1 "$err")"
refuses 2 "context of 2064 tokens is more than the 64" bench -m delta.gguf -p 16 -n 0 -d 2048

# ---- beside another program ----
cat >fake <<'SH'
#!/bin/sh
# Answers as llama-bench does, and keeps what it was asked.
echo "$@" >>asked
while [ $# -gt 0 ]; do
    case "$1" in -p) p=$2 ;; -n) n=$2 ;; -d) d=$2 ;; -fa) fa=$2 ;; esac
    shift
done
echo "load_backend: loaded CPU backend from /x/libggml-cpu-fake.so" >&2
[ "$fa" = 1 ] && ns=2000000 || ns=1000000
echo "[{\"build_commit\": \"abc\", \"build_number\": 7, \"n_prompt\": $p, \"n_gen\": $n, \"n_depth\": $d, \"samples_ns\": [ $ns ]}]"
SH
chmod +x fake
seam_status bench -m "$model" -p 8 -n 2 -d 0,4 -r 2 -t 1 --load --json --against "llama-bench=$HERE/fake"
[ $status = 0 ] || bad "seam bench --against ended with $status: $(tail -1 "$err")"
check <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
assert r["against"]["build"] == "abc (7)" and r["against"]["variant"] == "/x/libggml-cpu-fake.so", r["against"]
for t in r["tests"]:
    a = t["against"]
    if t["kind"] != "load":
        assert a["samples_ns"] == [1000000, 1000000] and a["flash_attention"] is False, a  # the faster way
        assert a["tried_with_ns"] == 2000000 and a["tried_without_ns"] == 1000000, a
    ratios = sorted(x / y for x, y in zip(a["samples_ns"], t["samples_ns"]))
    assert abs(t["ratio"]["min"] - ratios[0]) < 1e-3 * ratios[0] and abs(t["ratio"]["max"] - ratios[1]) < 1e-3 * ratios[1], t
    assert a["rss_peak_bytes"] > 0 and t["rss_peak_bytes"] > 0, t
asked = open("asked").read().splitlines()
assert len(asked) == 4 * 4 + 3, asked  # two tries and two repeats; for load one and two
assert all("-t 1" in words and "-r 1" in words for words in asked), asked
assert sum("--no-warmup" in words for words in asked) == 3 + 4 * 2, asked
PY
seam_status bench -m "$model" -p 8 -n 0 -d 0 -r 1 --against "llama-bench=$HERE/fake"
[ $status = 0 ] && grep -q 'llama.cpp.*ratio' "$out" || bad "the table of two: $(cat "$out")"

# ---- what cannot be ----
quick=(bench -m "$model" -p 8 -n 0 -d 0 -r 1)
script() { printf '#!/bin/sh\n%s\n' "$1" >peer && chmod +x peer; }
refuses 8 "start /nonexistent/llama-bench: No such file" "${quick[@]}" --against llama-bench=/nonexistent/llama-bench
refuses 2 "only llama-bench is known" "${quick[@]}" --against ollama=/bin/true
refuses 12 "ended with status 5: .*no device 'abacus'" "${quick[@]}" --decode-device abacus --against "llama-bench=$HERE/fake"
refuses 2 "only llama-bench is known" "${quick[@]}" --against llama-bench=
script 'echo "error: failed to load model" >&2; exit 1'
refuses 12 "peer ended with status 1: error: failed to load model" "${quick[@]}" --against "llama-bench=$HERE/peer"
script 'kill -9 $$'
refuses 12 "peer ended with status 137: it said nothing" "${quick[@]}" --against "llama-bench=$HERE/peer"
script 'echo "| model | size |"'
refuses 12 "peer: printed no JSON" "${quick[@]}" --against "llama-bench=$HERE/peer"
script 'echo "[]"'
refuses 12 "peer: printed JSON without the result" "${quick[@]}" --against "llama-bench=$HERE/peer"
refuses 2 "which model" bench
refuses 2 "is no list" bench -m "$model" -p 12,x
refuses 2 "is no list" bench -m "$model" -d ,
refuses 2 "is no list" bench -m "$model" -n -5
refuses 2 "from 1 to 64" bench -m "$model" -r 0
refuses 8 "No such file" bench -m nothing.gguf
story_end
