#!/usr/bin/env bash
# seam bench --phase on this machine: solo, the decode node of a pool, and that with a sweep node in turns, on loopback. The shape of
# what is printed, finite numbers, and the journal, which holds each run beside its prediction and which seam plan --fit
# reads. No time is judged.
. "$(dirname "$0")/_cli.sh"
. "$(dirname "$0")/_node.sh"
cd "$HERE"
cat >pool.yaml <<'YAML'
nodes:
  - {name: mac, machine: this}
  - {name: spark, machine: this, disk: {is: 50 GB/s}, matmul: {is: 4 TFLOPS}, attention: {is: 4 TFLOPS}}
links:
  - {between: [mac, spark], cable: cx7}
YAML
small=(-m "$model" -p 24 -d 0,128 -n 4 -r 2 -t 1)

# ---- solo ----
seam_status bench --phase solo "${small[@]}" --cluster pool.yaml --as mac --log j.db --json
[ $status = 0 ] || bad "solo ended with $status: $(tail -1 "$err")"
cat >check.py <<'PY'
import json, math, sqlite3, sys
r, db = json.load(open(sys.argv[1])), sqlite3.connect(sys.argv[2])
phase, layouts = sys.argv[3], sys.argv[4].split(";")
assert r["format"] == 1 and r["phase"] == phase and r["repeats"] == 2 and r["model"] == "thimble", r
assert [(t["prompt"], t["depth"], t["output"]) for t in r["tests"]] == [(24, 0, 4), (24, 128, 4)]
rows = db.execute("select what, tokens, after, repeats, median, least, most, worst, likely, best, machine, model, alone, layout"
                  " from runs where phase = ? order by id", [phase]).fetchall()
assert len(rows) == 2 * len(layouts) * 2, len(rows)
i = 0
for t in r["tests"]:
    assert [w["layout"] for w in t["layouts"]] == layouts, t
    for w in t["layouts"]:
        for kind in ("first_token_s", "tokens_per_s"):
            x = w[kind]
            assert len(x["samples"]) == 2 and all(math.isfinite(v) and v > 0 for v in x["samples"]), x
            assert x["min"] <= x["median"] <= x["max"], x
            p = x["predicted"]
            if p:
                assert all(math.isfinite(v) and v > 0 for v in p.values()), p
                assert abs(x["error"] - (p["likely"] / x["median"] - 1)) < 1e-9, x
        what, tokens, after, repeats, median, least, most, worst, likely, best, machine, model, alone, layout = rows[i]
        assert (what, tokens, after, repeats) == ("prefill", t["prompt"], t["depth"], 2), rows[i]
        assert layout == w["layout"] and machine == "this" and model.endswith(".gguf") and alone == (phase == "solo"), rows[i]
        assert abs(median - t["prompt"] / w["first_token_s"]["median"]) < 1e-6 * median and least <= median <= most
        p = w["first_token_s"]["predicted"]
        assert abs(likely - (t["prompt"] / p["likely"] if p else 0)) <= 1e-6 * likely, rows[i]
        d = rows[i + 1]
        assert d[:3] == ("decode", 4, t["prompt"] + t["depth"]) and abs(d[4] - w["tokens_per_s"]["median"]) < 1e-6 * d[4], d
        i += 2
    if phase == "full":
        v = t["ratio"]
        assert 0 < v["min"] <= v["median"] <= v["max"], v
        assert t["verdict"] == ("slower" if v["min"] > 1 else "faster" if v["max"] < 1 else "no difference seen"), t
    else:
        assert "ratio" not in t
if "planned" in sys.argv:
    assert all(w["tokens_per_s"]["predicted"] for t in r["tests"] for w in t["layouts"])
PY
check() { python3 check.py "$out" "$1" "${@:2}" && ok "${*:2}" || bad "seam bench --phase: $*"; }
check j.db solo mac planned

# ---- what was measured refits what was predicted ----
seam_status plan --fit --log j.db --json --cards-to fitted.yaml
[ $status = 0 ] || bad "a fit to the journal ended with $status: $(cat "$err")"
python3 - "$out" <<'PY' && ok "the fit" || bad "a fit to the journal"
import json, sys
r = json.load(open(sys.argv[1]))
assert len(r["rows"]) == 4 and {x["source"] for x in r["rows"]} == {"journal"} and {x["engine"] for x in r["rows"]} == {"seam"}
assert {x["name"] for x in r["numbers"]} == {"this." + k for k in ("matmul", "attention", "decode", "layer")}
assert all(x["rows"] == 4 and x["after"] > 0 for x in r["numbers"])
sum2 = lambda when: r[when]["fit"]["median"]
assert r["before"]["fit"]["rows"] == 4 and sum2("after") <= sum2("before"), r["after"]
PY
seam_status plan --cluster pool.yaml --cards-from fitted.yaml --model "$model" -p 512 --no-log --explain A.decode.512+0
[ $status = 0 ] && grep -q 'seam plan --fit' "$out" || bad "the fitted card: $(cat "$err")"

# ---- a pool ----
node mac --role decode
node spark --role sweep
nodes=(--node "${node_addr[mac]}" --node "${node_addr[spark]}")
seam_status bench --phase apple "${small[@]}" --node "${node_addr[mac]}" --cluster pool.yaml --log j.db --json
[ $status = 0 ] || bad "apple ended with $status: $(tail -1 "$err")"
check j.db apple mac planned
seam_status bench --phase full "${small[@]}" "${nodes[@]}" --cluster pool.yaml --log j.db --json
[ $status = 0 ] || bad "full ended with $status: $(tail -1 "$err")"
check j.db full "mac;mac, swept by spark"
seam_status bench --phase full "${small[@]}" "${nodes[@]}" --no-log
[ $status = 0 ] && grep -q 'Does adding the sweep node make it slower' "$out" && grep -q 'B  mac, swept by spark' "$out" ||
    bad "the page: $(cat "$err" "$out")"
[ ! -e "$XDG_STATE_HOME/seam/journal.db" ] || bad "--no-log and --log wrote to the usual place"

# ---- what cannot be ----
refuses 2 "full needs a node that sweeps" bench --phase full "${small[@]}" --node "${node_addr[mac]}" --no-log
refuses 5 "kept 0 of the 3 tokens" bench --phase apple -m "$model" -p 24 -d 3 -n 4 --node "${node_addr[mac]}" --no-log
refuses 7 "the decode node's context is 4096" bench --phase apple -m "$model" -p 9000 -d 0 -n 4 --node "${node_addr[mac]}" --no-log
refuses 2 "which nodes" bench --phase full "${small[@]}"
refuses 2 "no --node" bench --phase solo "${small[@]}" "${nodes[@]}"
refuses 2 "no node 'nobody' in pool.yaml" bench --phase solo "${small[@]}" --cluster pool.yaml --as nobody --no-log
refuses 2 "'pooled'" bench --phase pooled "${small[@]}"
refuses 2 "go with --phase" bench -m "$model" --cluster pool.yaml
refuses 2 "goes without --against" bench --phase solo "${small[@]}" --limit
refuses 2 "one --gen, of at least 2" bench --phase solo -m "$model" -n 1
refuses 2 "at least 2 tokens" bench --phase solo -m "$model" -p 1 -n 4
printf 'no journal, but a text that is long enough: %0200d\n' 7 >text.db
refuses 4 "damaged, or no journal" bench --phase solo "${small[@]}" --log text.db
node_end spark 0
node_end mac 0
story_end
