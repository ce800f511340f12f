#!/usr/bin/env bash
# `seam check`: nothing to say about a healthy pool; each of the faults planted below is found under its own id, with
# a line that mends it and the right exit status, and nothing else is blamed for it.
set -uo pipefail
. "$SEAM_SOURCE_DIR/tests/stories/_cli.sh"
. "$SEAM_SOURCE_DIR/tests/stories/_node.sh"
gguf() { python3 "$SEAM_SOURCE_DIR/tests/stories/_gguf.py" "$@"; }
planted=0 found=0
READY=0 DEGRADED=20 NOT_READY=21

# check NAME OPTIONS... : JSON into $HERE/check.json, $status. The port is any: others may use 7330 on this machine.
check() { seam_status check --json --listen 127.0.0.1:0 "$@" && true; }

# finds STATUS IDS PATTERN OPTIONS... : exactly these checks (a,b) complain; the first one's story or mend matches; all mend.
finds() {
    local want="$1" ids="$2" pattern="$3"
    shift 3
    planted=$((planted + 1))
    check "$@"
    if [ "$status" != "$want" ]; then
        bad "planted $ids ($pattern): exit status $status, not $want: $(head -c 2000 "$out") $(head -c 300 "$err")"
    elif python3 - "$out" "$ids" "$pattern" "$want" <<'PY'; then
import json, re, sys
report, ids, pattern, want = json.load(open(sys.argv[1])), sys.argv[2].split(","), sys.argv[3], sys.argv[4]
blamed = [f for f in report["findings"] if f["result"] in ("warn", "fail")]
assert {f["id"] for f in blamed} == set(ids), (sorted({f["id"] for f in blamed}), ids)
assert all(f["mend"] for f in blamed), blamed
assert all(not f["mend"] for f in report["findings"] if f not in blamed)
first = [f for f in blamed if f["id"] == ids[0]]
assert any(re.search(pattern, f["where"] + ": " + f["story"]) for f in first), (pattern, first)
assert report["verdict"] == {"20": "degraded", "21": "not-ready"}[want], report["verdict"]
assert ("fail" in {f["result"] for f in blamed}) == (want == "21")
print("found:", next(f["where"] + ": " + f["story"] for f in first if re.search(pattern, f["where"] + ": " + f["story"])))
PY
        found=$((found + 1))
    else
        bad "planted $ids, /$pattern/: see above"
    fi
}

# ---- a healthy pool ----
node one --role decode
node two --role sweep --weights-memory 12M
pool=(--node "${node_addr[one]}" --node "${node_addr[two]}")
cat >"$HERE/pool.yaml" <<YAML
machines:
  - name: this
    vendor: other
$(python3 - <<'PY'
import os
n = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
try:
    n = min(n, int(open("/sys/fs/cgroup/memory.max").read()))
except (OSError, ValueError):
    pass
for key, value in dict(memory=f"{n / 1e9:.3f} GB", usable=f"{n * 0.9 / 1e9:.3f} GB", bandwidth="20 GB/s", decode="60 %",
                       matmul="0.1 TFLOPS", attention="0.1 TFLOPS", disk="1 GB/s", contention="10 %", layer="10 us",
                       power="50 W", idle="20 W").items():
    print(f"    {key}: {{is: {value}, from: this story}}")
PY
)
nodes:
  - name: one
    machine: this
  - name: two
    machine: this
links:
  - between: [one, two]
    cable: 10gbe
YAML
(cd "$(dirname "$model")" && sha256sum "$(basename "$model")") >"$HERE/SUMS"
check "${pool[@]}" --write-lock "$HERE/pool.lock"
[ "$status" = $READY ] || bad "no lock was written: $(cat "$err" "$out")"
check -m "$model" "${pool[@]}" --lock "$HERE/pool.lock" --cluster "$HERE/pool.yaml" --sums "$HERE/SUMS" --role both --ctx $CTX
python3 - "$out" <<'PY' && [ "$status" = $READY ] && ok "a healthy pool is ready" || bad "a healthy pool: $status $(cat "$out" "$err")"
import json, sys
report = json.load(open(sys.argv[1]))
assert report["verdict"] == "ready" and report["counts"]["warn"] == 0 and report["counts"]["fail"] == 0, report
made = {f["id"] for f in report["findings"] if f["result"] == "ok"}
assert made >= {"versions", "lock", "known", "devices", "golden", "files", "types", "sums", "architecture", "chat", "budget",
                "memory", "disk", "speed", "port", "nodes", "wire", "model", "roles", "agree", "clock", "cluster"}, made
assert {f["where"] for f in report["findings"] if f["id"] == "golden"} >= {"one", "two"}
PY
seam_status check -m "$model" "${pool[@]}" --listen 127.0.0.1:0
[ "$status" = $READY ] && tail -1 "$out" | grep -q '^ready: ' && ok "$(tail -1 "$out")" || bad "the page: $(cat "$out" "$err")"
grep -q $'\033' "$out" && bad "colour in a pipe"
seam_status check -m "$model" --verbose --listen 127.0.0.1:0
grep -q 'no node was named' "$out" && grep -q 'what no program can see' "$out" || bad "--verbose: $(cat "$out")"

# ---- files ----
mkdir "$HERE/"{missing,short,extra,flip}
for d in missing short extra; do gguf split "$model" "$HERE/$d/m" 3; done
rm "$HERE/missing/m-00002-of-00003.gguf"
truncate -s -100 "$HERE/short/m-00003-of-00003.gguf"
cp "$HERE/extra/m-00003-of-00003.gguf" "$HERE/extra/m-00004-of-00003.gguf"
ln -s loop "$HERE/loop"
head -c 100 "$model" >"$HERE/head.gguf"
gguf patch "$model" "$HERE/flip/$(basename "$model")" last-bit
for p in arch type-999 template version-99; do gguf patch "$model" "$HERE/$p.gguf" $p; done
finds $NOT_READY files 'shard 2 of 3 is missing' -m "$HERE/missing/m-00001-of-00003.gguf"
finds $NOT_READY files 'm-00003-of-00003' -m "$HERE/short/m-00001-of-00003.gguf"
finds $NOT_READY files 'm-00004-of-00003' -m "$HERE/extra/m-00001-of-00003.gguf"
finds $NOT_READY files 'loop' -m "$HERE/loop"
finds $NOT_READY files 'head.gguf' -m "$HERE/head.gguf"
finds $NOT_READY types '999' -m "$HERE/type-999.gguf"
finds $NOT_READY types 'version' -m "$HERE/version-99.gguf"
finds $NOT_READY architecture 'deepsink9' -m "$HERE/arch.gguf"
finds $DEGRADED chat 'template' -m "$HERE/template.gguf"
finds $NOT_READY sums 'SHA-256 is' -m "$HERE/flip/$(basename "$model")" --sums "$HERE/SUMS"
finds $DEGRADED sums 'no sum' -m "$HERE/flip/$(basename "$model")" --hash
sed 's/ .*/  other.gguf/' "$HERE/SUMS" >"$HERE/OTHER"
finds $DEGRADED sums 'no sum' -m "$model" --sums "$HERE/OTHER"
cp "$HERE/SUMS" "$HERE/flip/$(basename "$model").sha256" # as `seam pull` leaves it
finds $NOT_READY sums 'SHA-256 is' -m "$HERE/flip/$(basename "$model")" --hash

# ---- this machine ----
finds $NOT_READY budget 'smallest that works' -m "$model" --memory 1M
finds $NOT_READY budget 'weights budget' -m "$model" --weights-memory 100K
SEAM_FAULT=memory=20 finds $NOT_READY memory 'needs' -m "$model" --role both
SEAM_FAULT=wrong-compute finds $NOT_READY devices,golden 'wrongly'
mkdir "$HERE/tmpfs"
if mount -t tmpfs -o size=30m seam-check "$HERE/tmpfs" 2>/dev/null; then
    cp "$model" "$HERE/tmpfs/m.gguf"
    finds $NOT_READY disk 'free where the model lies' -m "$HERE/tmpfs/m.gguf"
    umount "$HERE/tmpfs"
else # not allowed here: the same with more wanted than any disk has
    finds $NOT_READY disk 'free where the model lies' -m "$model" --space 1000T
fi
python3 -c 'import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.read()' < <(sleep 120) >"$HERE/stranger" &
for _ in $(seq 100); do [ -s "$HERE/stranger" ] && break; sleep 0.1; done
stranger="127.0.0.1:$(cat "$HERE/stranger")"
finds $NOT_READY port 'no node answers' --listen "$stranger"
seam_status check --listen "${node_addr[one]}"
grep -q 'node one listens' "$out" && [ "$status" = $READY ] && ok "a port that a node has" || bad "a node's port: $(cat "$out")"

# ---- the lock ----
for field in seam ggml backends libfabric system; do
    sed "s/\"$field\": \".*\"/\"$field\": \"9.9.9\"/" "$HERE/pool.lock" >"$HERE/lock.$field"
    finds $DEGRADED lock "$field is '.*', the lock says '9.9.9'" "${pool[@]}" --lock "$HERE/lock.$field"
done
sed 's/"two"/"three"/' "$HERE/pool.lock" >"$HERE/lock.name"
finds $DEGRADED lock 'two: is not in' "${pool[@]}" --lock "$HERE/lock.name"

# ---- nodes ----
finds $NOT_READY nodes 'nobody listens' --node 127.0.0.1:1 --node "${node_addr[one]}"
finds $NOT_READY nodes "$stranger" --node "$stranger" --node "${node_addr[one]}"
SEAM_FAULT=wrong-version node version --role decode
finds $NOT_READY wire 'wire version 2' "${pool[@]}" --node "${node_addr[version]}"
SEAM_FAULT=wrong-compute node wrong --role decode
finds $NOT_READY golden 'wrong: .*logits are wrong' "${pool[@]}" --node "${node_addr[wrong]}"
SEAM_FAULT=clock=90 node clock --role decode
finds $DEGRADED clock 'clock: (89|90)\.[0-9]+ s ahead' "${pool[@]}" --node "${node_addr[clock]}"
SEAM_FAULT=other-ggml node ggml --role decode
finds $DEGRADED agree 'ggml: has ggml 0\.0\.0' "${pool[@]}" --node "${node_addr[ggml]}"
SEAM_FAULT=memory=20 node poor --role decode
finds $DEGRADED memory 'poor: only 21.0 MB' "${pool[@]}" --node "${node_addr[poor]}"
node wide --role sweep --kv f32
finds $NOT_READY roles 'wide: keeps KV' "${pool[@]}" --node "${node_addr[wide]}"
finds $NOT_READY roles 'decodes' --node "${node_addr[two]}"
CTX=512
node small --role sweep
CTX=4096
finds $DEGRADED roles 'sweeps at most 512 tokens' "${pool[@]}" --node "${node_addr[small]}"
thimble="$model" model="$SEAM_SOURCE_DIR/tests/golden/deepseek2-kimi.gguf" CTX=64
node other --role decode
model="$thimble" CTX=4096
finds $NOT_READY model 'other: holds' -m "$model" "${pool[@]}" --node "${node_addr[other]}"
sed 's/name: two/name: ghost/; s/one, two/one, ghost/' "$HERE/pool.yaml" >"$HERE/ghost.yaml"
finds $NOT_READY cluster 'ghost: is in' --node "${node_addr[one]}" --cluster "$HERE/ghost.yaml"
finds $DEGRADED cluster,agree 'ggml: answers, but is not in' "${pool[@]}" --node "${node_addr[ggml]}" --cluster "$HERE/pool.yaml"
sed 's/is: [0-9.]* GB, from: this story/is: 900 GB, from: this story/' "$HERE/pool.yaml" >"$HERE/large.yaml"
finds $DEGRADED cluster 'one: has .* of memory' "${pool[@]}" --cluster "$HERE/large.yaml"
echo 'nodes: 7' >"$HERE/seven.yaml"
finds $NOT_READY cluster 'seven.yaml' "${pool[@]}" --cluster "$HERE/seven.yaml"

# ---- what keeps it from checking at all ----
echo '{"seam_lock": 1, "machines": [{"name": "one", "gmgl": "1"}]}' >"$HERE/typo.lock"
refuses 4 'gmgl' check --lock "$HERE/typo.lock"
echo 'no sum at all' >"$HERE/BAD"
refuses 4 'BAD:1' check --sums "$HERE/BAD"
refuses 8 'nothing' check --lock "$HERE/nothing"
refuses 2 'sweep|decode|both' check --role cook
for n in one two; do node_alive $n; done
[ $found = $planted ] && [ $planted -ge 20 ] && ok "found $found of $planted planted faults" || bad "found $found of $planted"
story_end
