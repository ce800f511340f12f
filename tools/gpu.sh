#!/usr/bin/env bash
# make gpu-test, make gpu-bench: what is run on a machine with an NVIDIA GPU, and what came out of it on an H100 under
# bench/results. usage: gpu.sh test|bench BUILD
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build="$(cd "$2" && pwd)"
model="$root/models/thimble-q8_0.gguf"
work="$(mktemp -d "${TMPDIR:-/tmp}/seam-gpu.XXXXXX")"
trap 'rm -rf "$work"' EXIT

run_test() {
    "$build/tests/gpu_kernels_test"
    python3 "$root/tests/gpu/prompts.py" >"$work/prompts"
    # Weights of F32 and BF16, so that the CPU's side rounds no activations; the second of Kimi's widths.
    "$build/seam" synth --like thimble --type F32 -o "$work/f32.gguf"
    "$build/seam" synth --like kimi-k2.6 --layers 3 --experts 16 --vocab 4096 --type BF16 -o "$work/bf16.gguf"
    "$build/seam" synth --like qwen3moe-bench --layers 3 --vocab 4096 --type BF16 -o "$work/qwen3moe.gguf"
    "$build/tests/gpu_sweep_test" -n 1000 "$model"
    "$build/tests/gpu_sweep_test" -n 5000 -k 12000000 "$model" # streamed
    "$build/tests/gpu_sweep_test" -n 1500 "$work/f32.gguf" "$work/bf16.gguf" "$work/qwen3moe.gguf"
    "$build/tests/gpu_sweep_test" -p "$work/prompts" "$model"
}

# mix FILE-NAME TYPE LENGTHS
run_bench() {
    local out="$root/bench/results/sweep-kimi-$1-$gpu"
    "$build/seam" synth --like kimi-k2.6 --layers 5 --vocab 16384 --type "$2" -o "$work/kimi.gguf"
    "$build/seam" bench sweep -m "$work/kimi.gguf" -p "$3" -r 2 --device cuda --json >"$out.json"
    if [ "$1" = q8 ]; then # weights from disk, past the page cache if this user may empty it
        sync
        { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || echo "gpu.sh: the page cache stays: reads may be too fast" >&2
        "$build/seam" bench sweep -m "$work/kimi.gguf" -p 32768 -r 1 --no-warmup --weights-memory 22G --device cuda \
            --json >"$root/bench/results/sweep-kimi-q8-streamed-$gpu.json"
        python3 "$root/tools/sweep_plot.py" "$out.json" >"$out.svg"
    fi
    rm "$work/kimi.gguf"
}

case "$1" in
test) run_test ;;
bench)
    gpu="$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr 'A-Z ' 'a-z-' | sed 's/^nvidia-//; s/-.*//')"
    run_bench q8 UD-Q8_K_XL 2048,4096,8192,16384,32768,65536,131072,262144
    run_bench q2 UD-Q2_K_XL 2048,8192,32768,131072
    ;;
esac
