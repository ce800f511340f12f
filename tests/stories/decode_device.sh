#!/usr/bin/env bash
# A decode node on a device of ggml's: here ggml's CPU device, as if it were one (a GPU is run by
# make gpu-test). Two turns of a conversation give by every path what one process on the CPU gives.
# The device reads host memory, so both have one copy of KV; engine_test has them apart.
set -euo pipefail
model=$SEAM_SOURCE_DIR/models/thimble-q8_0.gguf
[ -e "$model" ] || { echo "skipped: $model is not there"; exit 77; }
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

start() { # name, options
    "$SEAM" node -m "$model" --listen 127.0.0.1:0 "${@:2}" >"$work/$1" 2>"$work/$1.err" &
    pids+=($!)
    for _ in $(seq 300); do [ -s "$work/$1" ] && break; sleep 0.1; done
    [ -s "$work/$1" ] || { echo "$1 node did not start:"; cat "$work/$1.err"; exit 1; }
}
address() { awk '/^ready/ {print $2; exit}' "$work/$1"; }
start sweep --role sweep --device cpu
start decode --role decode --decode-device CPU
grep -q 'device CPU .* decodes' "$work/decode.err" || { echo "the device does not decode:"; cat "$work/decode.err"; exit 1; }

tell() { printf 'The passcode for kobrea is 4711. %s' "$(printf 'Rows of letters follow each other quietly. %.0s' $(seq "$1"))"; }
tell 40 >"$work/first"
{ tell 40; tell 25; printf 'What is the passcode for kobrea?'; } >"$work/second"

run() { # name, prompt, options
    "$SEAM" run -m "$model" -f "$work/$2" --chat -n 40 --ignore-eos --temp 0 --json "${@:3}" >"$work/$1.$2.json" 2>"$work/err" ||
        { echo "run $* failed:"; cat "$work/err"; exit 1; }
}
for prompt in first second; do # the second one continues the first one's lane
    run alone $prompt --device cpu --decode-device cpu
    run device $prompt --decode-device CPU
    run pooled $prompt --node "$(address sweep)" --node "$(address decode)" --path sweep
    run local $prompt --node "$(address decode)" --path local
done
python3 - "$work" <<'PY'
import json, sys
for prompt in ("first", "second"):
    r = {k: json.load(open(f"{sys.argv[1]}/{k}.{prompt}.json")) for k in ("alone", "device", "pooled", "local")}
    assert r["pooled"]["path"] == "sweep" and not r["pooled"]["fallback"], r["pooled"]["path"]
    for k, v in r.items():
        assert len(v["tokens"]) == 40 and v["tokens"] == r["alone"]["tokens"], f"{prompt}, {k}: {v['tokens']} {r['alone']['tokens']}"
    print(f"{prompt}: {r['alone']['prompt_tokens']} tokens, the same four times")
PY

out=$("$SEAM" run -m "$model" -p hello -n 1 --decode-device abacus 2>&1) && { echo "an unknown device was taken"; exit 1; }
grep -q "no device 'abacus'" <<<"$out" || { echo "not told by name: $out"; exit 1; }
