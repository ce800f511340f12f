#!/usr/bin/env bash
# A decode node on a device of ggml's: here ggml's CPU device, as if it were one (a GPU is run by
# make gpu-test). Two turns of a conversation give by every path what one process on the CPU gives.
# The device reads host memory, so both have one copy of KV; engine_test has them apart.
set -uo pipefail
. "$SEAM_SOURCE_DIR/tests/stories/_cli.sh"
. "$SEAM_SOURCE_DIR/tests/stories/_node.sh"

node sweep --role sweep --device cpu
node decode --role decode --decode-device CPU
grep -q 'device CPU .* decodes' "$HERE/decode.err" || bad "the device does not decode: $(cat "$HERE/decode.err")"

tell() { printf 'The passcode for kobrea is 4711. %s' "$(printf 'Rows of letters follow each other quietly. %.0s' $(seq "$1"))"; }
tell 40 >"$HERE/first"
{ tell 40; tell 25; printf 'What is the passcode for kobrea?'; } >"$HERE/second"

run() { # name, prompt, options
    seam_status run -m "$model" -f "$HERE/$2" --chat -n 40 --ignore-eos --temp 0 --chunk 128 --json "${@:3}"
    [ "$status" = 0 ] || bad "run $* failed: $(cat "$err")"
    cp "$out" "$HERE/$1.$2.json"
}
for prompt in first second; do # the second one continues the first one's lane
    run alone $prompt --ctx $CTX --threads 1 --device cpu --decode-device cpu
    run device $prompt --ctx $CTX --threads 1 --decode-device CPU
    run pooled $prompt --node "${node_addr[sweep]}" --node "${node_addr[decode]}" --path sweep
    run local $prompt --node "${node_addr[decode]}" --path local
done
python3 - "$HERE" <<'PY' || bad "other tokens"
import json, sys
for prompt in ("first", "second"):
    r = {k: json.load(open(f"{sys.argv[1]}/{k}.{prompt}.json")) for k in ("alone", "device", "pooled", "local")}
    assert r["pooled"]["path"] == "sweep" and not r["pooled"]["fallback"], r["pooled"]["path"]
    for k, v in r.items():
        assert len(v["tokens"]) == 40 and v["tokens"] == r["alone"]["tokens"], f"{prompt}, {k}: {v['tokens']} {r['alone']['tokens']}"
    print(f"{prompt}: {r['alone']['prompt_tokens']} tokens, the same four times")
PY

refuses 5 "no device 'abacus'" run -m "$model" -p hello -n 1 --decode-device abacus
node_end sweep 0
node_end decode 0
story_end
