#!/usr/bin/env bash
# seam probe: rates that seam plan takes, JSON with every field, a link to a running node, refusals, Ctrl-C. How fast
# anything was is not asserted: a busy machine ends with 14 ("noisy"), and gives its results all the same.
set -uo pipefail
. "$SEAM_SOURCE_DIR/tests/stories/_cli.sh"
. "$SEAM_SOURCE_DIR/tests/stories/_node.sh"

probed() { [ "$status" = 0 ] || { [ "$status" = 14 ] && grep -q 'noisy, not exact' "$err"; }; }
cd "$HERE"

# ---- synthetic layers of a card's kind, and a plan of them
seam_status probe --quick --rounds 2 --model thimble:Q8_0 --name box -o box.yaml --json
probed && ok "probe ended with $status" || bad "probe: $status, $(tail -2 "$err")"
ls seam-probe-* >/dev/null 2>&1 && bad "a file of layers was left behind: $(ls)"
cp "$out" box.json
python3 - box.json <<'PY' && ok "every rate is positive and in order" || bad "the JSON"
import json, math, sys
r = json.load(open(sys.argv[1]))
assert r["version"] == 1 and r["machine"] == "box" and r["rounds"] == 2 and r["links_encrypted"] is False
assert r["exact"] is not any(x["noisy"] for x in r["rates"])
names = {x["name"] for x in r["rates"]}
for want in ("memory", "product Q8_0 x 1", "disk, 1 read", "disk, 8 reads", "contention", "layer", "decode", "dense", "mixture"):
    assert want in names, (want, names)
for x in r["rates"] + r["times"]:
    assert all(math.isfinite(v) for v in x["samples"]) and 1 <= len(x["samples"]) <= 2, x
    if x["name"] not in ("contention", "layer"):  # shares and residues may be nothing
        assert min(x["samples"]) > 0, x
    assert (x["worst"] - x["median"]) * (x["median"] - x["best"]) >= 0, x
    assert x["noisy"] == (x["spread"] > r["most_spread"]), x
PY
seam_status plan -c box.yaml -m thimble:Q8_0 -p 1k,4k --json
[ "$status" = 0 ] && ok "the plan takes it" || bad "plan: $status, $(cat "$err")"
python3 - "$out" <<'PY' || bad "the plan's numbers"
import json, sys
n = json.load(open(sys.argv[1]))["numbers"]
assert 0 < n["A.ttft.1k+0"]["likely"] < n["A.ttft.4k+0"]["likely"], n
assert n["A.decode.1k+0"]["likely"] > 0
PY
seam_status plan -c box.yaml -m thimble:Q8_0 -p 1k --explain A.ttft.1k+0
grep -q 'measured by seam probe' "$out" && ok "the plan names the probe as its source" || bad "explain: $(cat "$out")"

# ---- the page, YAML on stdout, a file of one's own, and a link
node decode --role decode
seam_status probe --quick --rounds 2 --model "$model" --threads 1 --node "${node_addr[decode]}"
probed && grep -q 'not encrypted' "$out" && grep -q "^to ${node_addr[decode]}" "$out" && ok "a link, and that nothing encrypts it" ||
    bad "probe --node: $status, $(cat "$out" "$err")"
seam_status probe --quick --rounds 2 --model "$model" --threads 1 --node "${node_addr[decode]}" -o -
cp "$out" link.yaml
cat >>link.yaml <<YAML
  - name: other
    machine: dgx-spark
links:
  - between: [$(awk '/^nodes:/ {getline; print $3}' link.yaml), other]
    cable: to-decode
YAML
probed && seam_status plan -c link.yaml -m thimble:Q8_0 -p 1k && [ "$status" = 0 ] && grep -q to-deco "$out" &&
    ok "the plan takes the link" || bad "a plan with a link: $(cat "$err" link.yaml)"
# what a guest measured does not disturb the node
prompt 1 80
alone 1
ask pooled 1 --node "${node_addr[decode]}" && same pooled 1
node_end decode 0

# ---- refusals
refuses 2 'rounds 1' probe --rounds 1
refuses 2 "name 'a: b'" probe --name 'a: b' --quick -m thimble:Q8_0
refuses 8 "no model or file" probe --quick -m nothing
refuses 2 "no model 'nothing'" probe --quick -m nothing:Q8_0
refuses 6 '--memory is' probe --quick -m thimble:Q8_0 --memory 1M
refuses 12 '127.0.0.1:1' probe --quick -m thimble:Q8_0 --node 127.0.0.1:1
refuses 3 'no/such/folder' probe --quick -m thimble:Q8_0 --disk no/such/folder

# ---- Ctrl-C: canceled, and nothing is left behind
"$SEAM" probe -m thimble:Q8_0 --rounds 9 -o never.yaml >"$out" 2>"$err" </dev/null &
pid=$!
for _ in $(seq 200); do
    grep -q 'round 1' "$err" && break
    sleep 0.05
done
kill -INT $pid
status=0
wait $pid || status=$?
[ "$status" = 13 ] && [ -z "$(ls seam-probe-* never.yaml 2>/dev/null)" ] && ok "Ctrl-C: $status, nothing left" ||
    bad "Ctrl-C: $status, left: $(ls), said: $(tail -1 "$err")"
story_end
