#!/usr/bin/env bash
# 20 prompts from 50 to 12,000 tokens, 64 greedy tokens each: resident weights, the same mapped, weights streamed
# through less than half of the model, and two nodes (a streaming sweep node, a decode node) give the same tokens.
# IDENTICAL_PROMPTS=N runs only the N shortest (sanitizer builds: 6).
set -euo pipefail
model=$SEAM_SOURCE_DIR/models/thimble-q8_0.gguf
[ -e "$model" ] || { echo "skipped: $model is not there"; exit 77; }
prompts=${IDENTICAL_PROMPTS:-$([ -n "${SEAM_SANITIZE:-}" ] && echo 6 || echo 20)}
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

python3 - "$work" <<'PY'
import random, sys
r = random.Random(20261123)
words = ("the a of to in and that is was for on with as by at from this which are be or an have not "
         "machine layer memory weight token prompt expert river window garden paper letter small "
         "quiet answer question number station morning written reads moves keeps follows between "
         "system file process signal buffer returns value pointer called option default").split()
lengths = [round(50 * (12000 / 50) ** (i / 19)) for i in range(20)]
for i, tokens in enumerate(lengths):
    text = []
    while len(text) < (tokens - 44) * 0.555:  # about 1.8 tokens a word; 44 for the fact, the question, the chat format
        text.append(r.choice(words) + r.choice(["", "", "", ",", ".", ".\n"]))
    key, value = r.choice(["kobrea", "stimou", "plaigro"]), r.randint(1000, 9999)
    text.insert(r.randrange(len(text)), f"\nThe passcode for {key} is {value}.\n")
    text.append(f"\nWhat is the passcode for {key}?")
    open(f"{sys.argv[1]}/p{i:02}.txt", "w").write(" ".join(text))
PY

bytes=$("$SEAM" inspect "$model" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["weight_bytes"])')
budget=$((bytes * 45 / 100))
"$SEAM" node -m "$model" --role sweep --listen 127.0.0.1:0 --weights-memory "$budget" >"$work/sweep" 2>"$work/sweep.err" &
pids+=($!)
"$SEAM" node -m "$model" --role decode --listen 127.0.0.1:0 >"$work/decode" 2>"$work/decode.err" &
pids+=($!)
for node in sweep decode; do
    for _ in $(seq 300); do [ -s "$work/$node" ] && break; sleep 0.1; done
    [ -s "$work/$node" ] || { echo "$node node did not start:"; cat "$work/$node.err"; exit 1; }
done
address() { awk '/^ready/ {print $2; exit}' "$work/$1"; }

run() { # name, prompt number, options
    local out=$work/$1.$2.json
    "$SEAM" run -m "$model" -f "$work/p$2.txt" --chat -n 64 --ignore-eos --temp 0 --json "${@:3}" >"$out" 2>"$work/err" ||
        { echo "run $* failed:"; cat "$work/err"; exit 1; }
}
for i in $(seq -f %02g 0 $((prompts - 1))); do
    run resident "$i" --mmap off
    run mapped "$i" # where the page cache has it and the processor wants no other order
    run streamed "$i" --weights-memory "$budget"
    run pooled "$i" --node "$(address sweep)" --node "$(address decode)" --path sweep
    python3 - "$work" "$i" "$budget" <<'PY'
import json, sys
work, i, budget = sys.argv[1], sys.argv[2], int(sys.argv[3])
r, m, s, p = (json.load(open(f"{work}/{kind}.{i}.json")) for kind in ("resident", "mapped", "streamed", "pooled"))
print(f"prompt {i}: {r['prompt_tokens']} tokens", end=": ", flush=True)
assert len(r["tokens"]) == 64, f"resident gave {len(r['tokens'])} tokens"
assert s["memory"]["streamed"] and s["memory"]["weights_peak"] <= budget, s["memory"]
assert p["path"] == "sweep" and not p["fallback"], (p["path"], p["fallback"])
assert not r["memory"]["mapped"] and not s["memory"]["mapped"]
assert m["tokens"] == r["tokens"], f"mapped differs:\n{r['tokens']}\n{m['tokens']}"
assert s["tokens"] == r["tokens"], f"streamed differs:\n{r['tokens']}\n{s['tokens']}"
assert p["tokens"] == r["tokens"], f"pooled differs:\n{r['tokens']}\n{p['tokens']}"
print("identical")
PY
done
