#!/usr/bin/env bash
# seam plan --fit: the cost model against measurements that it was not fitted to. The bars of the held half (median 15 %, worst 35 %)
# hold for the built-in cards and after a refit; the halves are those of the rule in the file; fitted cards can be used; and
# files that make no sense.
. "$(dirname "$0")/_cli.sh"
published="$SEAM_SOURCE_DIR/bench/published.yaml"
desk="$SEAM_SOURCE_DIR/examples/desk.yaml"
cd "$HERE"

seam_status plan --fit --published "$published" --no-log --json --cards-to fitted.yaml
[ $status = 0 ] || bad "seam plan --fit ended with $status: $(cat "$err")"
python3 - "$out" <<'PY' && ok "the held half: $(grep -A4 '"after"' "$out" | tr -d '\n ' | head -c 10)..." || bad "the bars do not hold"
import json, sys
r = json.load(open(sys.argv[1]))
rows = r["rows"]
assert r["version"] == 1 and len(rows) >= 60, len(rows)
assert [x["source"] for x in rows] == sorted(x["source"] for x in rows), "rows are sorted by source"
assert [x["half"] for x in rows] == ["fit", "held"] * (len(rows) // 2), "halves alternate"
for when in ("before", "after"):
    for half in ("fit", "held"):
        print(when, half, r[when][half])
    held = r[when]["held"]
    assert held["rows"] * 2 == len(rows) and held["median"] <= 0.15 and held["worst"] <= 0.35, (when, held)
assert r["after"]["fit"]["median"] <= r["before"]["fit"]["median"] + 0.01
error = lambda x: abs(x["predicted"] / x["measured"] - 1)
for x in rows:
    assert x["measured"] > 0 and x["predicted"] > 0, x
assert abs(max(error(x) for x in rows if x["half"] == "held") - r["after"]["held"]["worst"]) < 1e-9
machines = {x["machine"] for x in rows if x["half"] == "held"}
assert machines == {"m3-ultra-512", "m5-max-128", "dgx-spark"}, machines
for m in machines:  # each machine has both kinds in the held half
    assert {x["what"] for x in rows if x["half"] == "held" and x["machine"] == m} == {"prefill", "decode"}, m
assert len({x["after"] for x in rows if x["what"] == "prefill"}) > 5  # growth over depth
PY
seam_status plan --fit --published "$published" --no-log
[ $status = 0 ] && grep -q 'held out' "$out" && grep -q 'm3-ultra-512.matmul' "$out" || bad "the page: $(head -3 "$out" "$err")"

# ---- what was fitted can be used; built-in cards stay ----
[ "$(grep -c '^  - name:' fitted.yaml)" = 3 ] || bad "three cards were fitted: $(cat fitted.yaml)"
seam_status plan --cluster "$desk" --model kimi-k2.6:UD-Q4_K_XL --cards-from fitted.yaml --no-log --explain A.decode.8k+0
[ $status = 0 ] && grep -q 'seam plan --fit' "$out" || bad "fitted cards are not used: $(cat "$err")"
seam_status plan --cluster "$desk" --model kimi-k2.6:UD-Q4_K_XL --no-log --explain A.decode.8k+0
[ $status = 0 ] && ! grep -q '^ *seam plan --fit$' "$out" || bad "a fit changed the built-in cards"
cp fitted.yaml before.yaml
refuses 3 "write /nonexistent/x.yaml" plan --fit --published "$published" --no-log --json --cards-to /nonexistent/x.yaml
cmp -s before.yaml fitted.yaml || bad "fitted.yaml changed"

# ---- what cannot be ----
refuses 8 "nothing.yaml: No such file" plan --fit --no-log --published nothing.yaml
refuses 2 "nothing to fit to" plan --fit --no-log
printf 'series: [\n' >broken.yaml
refuses 4 "broken.yaml:[0-9]+" plan --fit --no-log --published broken.yaml
sed 's/engine: mlx/engine: nemo/' "$published" >engine.yaml
refuses 2 "no engine 'nemo'" plan --fit --no-log --published engine.yaml
sed 's/machine: m5-max-128/machine: m9-max/' "$published" >machine.yaml
refuses 2 "no machine 'm9-max'" plan --fit --no-log --published machine.yaml
sed 's/  - m3-ultra-512.layer/  - m3-ultra-512.colour/' "$published" >knob.yaml
refuses 2 "no number 'm3-ultra-512.colour'" plan --fit --no-log --published knob.yaml
sed 's/rate: 18.85/rate: -1/' "$published" >rate.yaml
refuses 2 "no such length or rate" plan --fit --no-log --published rate.yaml
sed 's/layers: 62/layers: 70000/' "$published" >layers.yaml
refuses 2 "minimax-m2: these sizes make no model" plan --fit --no-log --published layers.yaml

# ---- the journal: every plan is in it, and a plan does not fail for it ----
plan=(plan --cluster "$desk" --model kimi-k2.6:UD-Q4_K_XL)
seam_status "${plan[@]}"
[ $status = 0 ] && [ ! -s "$err" ] || bad "a plan with its journal: $(cat "$err")"
seam_status "${plan[@]}" --json
python3 - "$out" "$XDG_STATE_HOME/seam/journal.db" <<'PY' && ok "two plans in the journal" || bad "the journal"
import json, sqlite3, sys
numbers = json.load(open(sys.argv[1]))["numbers"]
db = sqlite3.connect(sys.argv[2])
assert db.execute("pragma user_version").fetchone() == (1,)
plans = db.execute("select id, at, model, cluster, context from plans").fetchall()
assert len(plans) == 2 and plans[1][2] == "kimi-k2.6:UD-Q4_K_XL" and plans[1][3].endswith("desk.yaml"), plans
got = {k: (w, l, b, u) for k, u, w, l, b in db.execute("select key, unit, worst, likely, best from numbers where plan = 2")}
assert set(got) == set(numbers) and len(got) > 20
for k, x in numbers.items():
    assert got[k] == (x["worst"], x["likely"], x["best"], x["unit"]), (k, x, got[k])
PY
seam_status "${plan[@]}" --no-log --log no.db
[ $status = 0 ] && [ ! -e no.db ] || bad "--no-log"
warned() { # FILE PATTERN : a plan, one warning, the file as it was
    local before
    before="$(md5sum "$1" 2>/dev/null || true)"
    seam_status "${plan[@]}" --log "$1"
    [ $status = 0 ] && [ "$(wc -l <"$err")" = 1 ] && grep -Eq "this plan is not logged: .*$2" "$err" && grep -q 'Layouts' "$out" &&
        [ "$(md5sum "$1" 2>/dev/null || true)" = "$before" ] && ok "$(cat "$err")" || bad "a plan with --log $1: $status $(cat "$err")"
}
warned /nonexistent/j.db "unable to open"
printf 'not a database, and long enough to be looked at: %0200d\n' 7 >text.db
warned text.db "damaged, or no journal of Seam"
python3 -c 'import sqlite3; sqlite3.connect("mine.db").execute("create table mine(x)")'
warned mine.db "no journal of Seam"
cp "$XDG_STATE_HOME/seam/journal.db" newer.db
python3 -c 'import sqlite3; sqlite3.connect("newer.db").execute("pragma user_version=9")'
warned newer.db "version 9 of the journal"
refuses 5 "version 9 of the journal" plan --fit --log newer.db
refuses 4 "damaged, or no journal" plan --fit --log text.db
refuses 8 "none.db: No such file" plan --fit --log none.db
refuses 2 "nothing to fit to" plan --fit
# a full disk: no file may grow beyond 4 KiB
(trap '' XFSZ; ulimit -f 4; "$SEAM" "${plan[@]}" --log full.db 2>&1 >&3 3>&- | cat >&4) 3>&1 4>"$err" | cat >"$out"
grep -Eq "this plan is not logged: full.db: (disk I/O error|database or disk is full)" "$err" && grep -q 'Layouts' "$out" && ok "$(cat "$err")" ||
    bad "a plan on a full disk: $(cat "$err")"
story_end
