#!/usr/bin/env bash
# seam plan on the desk: the page as it was read and approved (tests/golden/plan), JSON as documented, every number
# explained, wrong inventories refused, colour on terminals only. When constants change, look at the difference and write anew:
#     UPDATE=1 bash tests/stories/plan.sh
. "$(dirname "$0")/_cli.sh"
DESK="$SEAM_SOURCE_DIR/examples/desk.yaml"
GOLDEN="$SEAM_SOURCE_DIR/tests/golden/plan"

# ---- the page ----
for q in Q2 Q4 Q8; do
    seam_status plan --cluster "$DESK" --model "kimi-k2.6:UD-${q}_K_XL"
    [ "$status" = 0 ] || bad "plan $q: $status: $(cat "$err")"
    [ -z "${UPDATE:-}" ] || cp "$out" "$GOLDEN/$q.txt"
    diff -u "$GOLDEN/$q.txt" "$out" >"$HERE/diff" ||
        bad "the page of $q is not tests/golden/plan/$q.txt (UPDATE=1 bash tests/stories/plan.sh writes it): $(head -40 "$HERE/diff")"
    LC_ALL=C awk 'length($0) > 100 { exit 1 }' "$out" || bad "$q: a line of more than 100 columns"
    LC_ALL=C grep -q '[^ -~]' "$out" && bad "$q: something but printable ASCII in a pipe"
    for part in 'In short' 'The pool' 'Memory of layout A' 'Layouts, fastest first' 'Break-even' \
        'Does adding the NVIDIA machines make it slower' 'What one change would buy' '9.21' 'not the 65'; do
        grep -q "$part" "$out" || bad "the page of $q does not have '$part'"
    done
done
ok "three pages as approved, in 100 columns of ASCII"

# ---- JSON ----
"$SEAM" plan -c "$DESK" -m kimi-k2.6:UD-Q8_K_XL --json >"$HERE/json" || bad "--json"
python3 - "$HERE/json" "$SEAM_SOURCE_DIR/docs/plan.md" <<'PY' && ok "JSON has the documented fields and adds up" || bad "JSON is not what docs/plan.md says"
import json, re, sys
p = json.load(open(sys.argv[1]))
doc = open(sys.argv[2]).read()
wrong = []
want = {"version", "model", "context", "layouts_costed", "layouts", "numbers", "limited_by"}
if set(p) != want or p["version"] != 1:
    wrong.append(f"fields {sorted(p)}")
wrong += [f"docs/plan.md does not name `{f}`" for f in want if not re.search(rf"`{f}(\[\])?`", doc)]
for l in p["layouts"]:
    if set(l) != {"letter", "shown_as", "runs_today", "raised_limit", "stages", "sweep"}:
        wrong.append(f"layout {l}")
    if sum(s["layers"] for s in l["stages"]) != 61 or l["stages"][0]["first_layer"] != 0:
        wrong.append(f"layers of {l['letter']} are not 61")
numbers = p["numbers"]
for key, n in numbers.items():
    if set(n) != {"worst", "likely", "best", "unit"} or not all(isinstance(n[c], (int, float)) for c in n if c != "unit"):
        wrong.append(f"{key}: {n}")
    low, high = sorted((n["worst"], n["best"]))
    if not low * (1 - 1e-12) <= n["likely"] <= high * (1 + 1e-12):
        wrong.append(f"{key}: likely is outside of worst and best: {n}")
mid = lambda k: numbers[k]["likely"]
if mid("model.kv") != (512 + 64) * 61 * 2 or mid("model.kv128k") != 131072 * 70272:
    wrong.append("KV per token")
for l in p["layouts"]:
    for s in l["stages"]:
        part = lambda x: mid(f"{l['letter']}.memory.{s['node']}.{x}")
        total = sum(part(x) for x in ("weights", "kv", "activations", "compute", "transfer"))
        if abs(total - part("sum")) > 1 or abs(part("room") - part("sum") - part("headroom")) > 1 or part("headroom") < 0:
            wrong.append(f"memory of {l['letter']} {s['node']}")
for k in ("A.ttft.8k+0", "A.decode.128k+0"):
    if k not in p["limited_by"]:
        wrong.append(f"limited_by has no {k}")
print("\n".join(wrong), file=sys.stderr)
sys.exit(bool(wrong))
PY

# ---- every number is explained ----
cat >"$HERE/two.yaml" <<'YAML'
nodes:
  - {name: mac, machine: m3-ultra-512}
  - {name: spark, machine: dgx-spark}
links:
  - {between: [mac, spark], cable: 10gbe}
YAML
explained() { # FILE MODEL PROMPTS KEY...
    local file="$1" model="$2" prompts="$3" key
    shift 3
    for key in "$@"; do
        seam_status plan -c "$file" -m "$model" -p "$prompts" --explain "$key"
        [ "$status" = 0 ] || bad "--explain $key: $(cat "$err")"
        [ "$(head -c $((${#key} + 1)) "$out")" = "$key:" ] || bad "--explain $key begins with something else"
        [ "$(wc -l <"$out")" -ge 2 ] || bad "--explain $key says nothing"
        case "$key" in
        node.* | link.*) grep -q 'source: ' "$out" || bad "--explain $key names no source" ;;
        *.ttft.* | *.decode.* | *.energy.* | use.*)
            grep -q 'facts/' "$out" && grep -q 'bandwidth ' "$out" && grep -q 'sum ' "$out" ||
                bad "--explain $key does not reach constants and sources" ;;
        esac
    done
}
"$SEAM" plan -c "$HERE/two.yaml" -m thimble -p 8k --json >"$HERE/json2"
keys=$(python3 -c 'import json,sys; print("\n".join(json.load(open(sys.argv[1]))["numbers"]))' "$HERE/json2")
[ "$keys" = "$("$SEAM" plan -c "$HERE/two.yaml" -m thimble -p 8k --explain list)" ] || bad "--explain list is not --json's keys"
# shellcheck disable=SC2086
explained "$HERE/two.yaml" thimble 8k $keys
explained "$DESK" kimi-k2.6:UD-Q8_K_XL 8k,32k,128k model.bytes A.memory.mbp.compute A.ttft.128k+0 A.energy.8k+0 A.breakeven \
    use.notes.sweep change.q4 node.spark1.matmul link.studio.spark1.rate
ok "$(echo "$keys" | wc -l) numbers explained"
refuses 8 "no number is called 'A.nothing'" plan -c "$DESK" -m thimble --explain A.nothing

# ---- wrong inventories ----
n=0
for f in "$SEAM_SOURCE_DIR"/tests/data/inventories/*.yaml; do
    seam_status plan -c "$f" -m thimble
    { [ "$status" != 0 ] && [ "$status" -lt 100 ]; } || bad "$f: exit status $status"
    [ ! -s "$out" ] || bad "$f: printed a result"
    grep -Eq "^seam plan: $f:[0-9]+: ." "$err" || bad "$f: said '$(cat "$err")'"
    n=$((n + 1))
done
[ $n -ge 40 ] || bad "only $n wrong inventories"
ok "$n wrong inventories refused with file and line"

# ---- colour, on terminals only ----
python3 - "$SEAM" "$DESK" <<'PY' && ok "bold on a terminal, nothing with NO_COLOR or in a pipe" || bad "colour"
import os, pty, sys
def page(env):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ.update(env)
        os.execv(sys.argv[1], [sys.argv[1], "plan", "-c", sys.argv[2], "-m", "kimi-k2.6:UD-Q2_K_XL"])
    text = b""
    try:
        while chunk := os.read(fd, 65536):
            text += chunk
    except OSError:
        pass
    os.waitpid(pid, 0)
    return text
bold = page({})
sys.exit(not (b"\x1b[1m" in bold and b"\x1b[0m" in bold and b"\x1b" not in page({"NO_COLOR": "1"})))
PY

# ---- what is asked wrongly ----
refuses 2 "cluster FILE is missing" plan -m thimble
refuses 2 "model is missing" plan -c "$DESK"
refuses 8 "no model 'kimi'" plan -c "$DESK" -m kimi
refuses 8 "nowhere.yaml" plan -c nowhere.yaml -m thimble
refuses 2 "is no list" plan -c "$DESK" -m thimble -p 8x
story_end
