# demo_pool.sh - a sweep node, a decode node and a server on this machine, for demo.sh and run.sh. Sourced.
#
# The sweep node may hold less than half of the model's weights, so it must stream them. Everything listens on free
# ports of 127.0.0.1 and is stopped when the script that sourced this ends, however it ends.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
SEAM="${SEAM:-$root/build/seam}"
MODEL="${MODEL:-$root/models/thimble-q8_0.gguf}"
# Percent of the model's weight bytes that the sweep node may hold.
WEIGHTS_PERCENT="${WEIGHTS_PERCENT:-45}"
PORT="${PORT:-0}"
# Compute threads of each process, for more than one pool on a machine; empty: each takes the performance cores.
THREADS="${THREADS:-}"
pool_dir="$(mktemp -d "${TMPDIR:-/tmp}/seam-demo.XXXXXX")"
pool_pids=()

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

pool_stop() {
    local pid status=$?
    trap - EXIT INT TERM HUP
    set +e
    for pid in "${pool_pids[@]-}"; do [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; done
    for pid in "${pool_pids[@]-}"; do
        [ -n "$pid" ] || continue
        for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf "$pool_dir"
    exit "$status"
}
trap pool_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start NAME WORDS... : runs seam in the background, waits for its first line on stdout. $pid is its process.
start() {
    local name="$1"
    shift
    : >"$pool_dir/$name.out"
    "$SEAM" "$@" >"$pool_dir/$name.out" 2>"$pool_dir/$name.log" </dev/null &
    pid=$!
    pool_pids+=("$pid")
    for _ in $(seq 600); do
        grep -q . "$pool_dir/$name.out" && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    sed "s/^/$name: /" "$pool_dir/$name.log" >&2
    die "the $name does not start (above: its log)"
}

field() { # FILE KEY: a member of a JSON object on the first line
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"
}

# pool_start [NUMBER]: one pool; the number tells several apart. Leaves $base, $sweep_pid, $decode_pid.
pool_start() {
    local n="${1:-}"
    [ -x "$SEAM" ] || die "no $SEAM: build first (make)"
    [ -f "$MODEL" ] || die "no $MODEL: it comes with the repository (git lfs? a shallow copy?)"
    "$SEAM" inspect --json "$MODEL" >"$pool_dir/model.json"
    weights=$(field "$pool_dir/model.json" weight_bytes)
    budget=$((weights * WEIGHTS_PERCENT / 100))
    start "sweep-node$n" node -m "$MODEL" --json --role sweep --name sweep --listen 127.0.0.1:0 \
        --weights-memory "$budget" --memory "${SWEEP_MEMORY:-512M}" ${THREADS:+--threads "$THREADS"}
    sweep_pid=$pid
    start "decode-node$n" node -m "$MODEL" --json --role decode --name decode --listen 127.0.0.1:0 \
        ${THREADS:+--threads "$THREADS"}
    decode_pid=$pid
    start "server$n" serve -m "$MODEL" --port "$PORT" \
        --node "$(field "$pool_dir/sweep-node$n.out" ready)" --node "$(field "$pool_dir/decode-node$n.out" ready)"
    base="$(sed -n 's/^listening //p' "$pool_dir/server$n.out")"
    [ -n "$base" ] || die "the server did not say where it listens"
}

rss_kb() { ps -o rss= -p "$1" | tr -d ' '; }
