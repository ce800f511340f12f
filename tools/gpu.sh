#!/usr/bin/env bash
# make gpu-test, make gpu-bench: what is run on a machine with an NVIDIA GPU, and what came out of it on an H100 under
# bench/results. BUILD may come from another machine of the same system: what it needs there is Seam's libraries and, where
# CUDA's are not in the usual places, LD_LIBRARY_PATH (docs/gpu.md). usage: gpu.sh test|bench BUILD
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build="$(cd "$2" && pwd)"
model="$root/models/thimble-q8_0.gguf"
work="$(mktemp -d "${TMPDIR:-/tmp}/seam-gpu.XXXXXX")"
trap 'rm -rf "$work"' EXIT

# A failed check does not keep the others from running.
failed=()
try() { "$@" || failed+=("$*"); }

# A model of random weights in $work: synth NAME OPTIONS...
synth() { "$build/seam" synth "${@:2}" -o "$work/$1.gguf"; }

# Weights of F32 and BF16, for which the CPU rounds no activations; Kimi's widths, and heads of 64 and 128 in groups.
run_sweeps() {
    local sweep="$build/tests/gpu_sweep_test" kimi=(--like kimi-k2.6 --layers 3 --experts 16 --vocab 4096)
    synth f32 --like thimble --type F32
    synth bf16 "${kimi[@]}" --type BF16
    synth qwen3moe --like qwen3moe-bench --layers 3 --vocab 4096 --type BF16
    synth qwen3 --like qwen3-8b --layers 2 --vocab 4096 --type BF16
    synth llama --like llama-3.1-8b --layers 2 --vocab 4096 --type BF16
    synth llama64 --like llama-3.1-8b --layers 2 --vocab 4096 --type BF16 --set embedding_length=1024 --set rope.dimension_count=64 \
        --set attention.head_count=16 --set attention.head_count_kv=4 --set feed_forward_length=2048
    try "$sweep" -n 1000 "$model"
    try "$sweep" -n 5000 -k 12000000 "$model" # streamed
    synth qwen35moe --like qwen35moe-bench --layers 5 --vocab 4096 --type BF16
    synth qwen35 --like qwen3.5-4b --layers 4 --vocab 4096 --type BF16
    try "$sweep" -n 1500 "$work"/{f32,bf16,qwen3moe,qwen3,llama,llama64,qwen35moe,qwen35}.gguf
    rm "$work"/*.gguf
    # Quantised, every layer with experts, against the CPU on the same weights as F32: of the blocks themselves it rounds
    # activations to eight bits. All experts are used: with random routers many are nearly equal, and who is chosen hangs on less.
    for type in UD-Q8_K_XL UD-Q2_K_XL; do
        synth quantised "${kimi[@]}" --set leading_dense_block_count=0 --set expert_used_count=16 --type "$type"
        "$build/seam" quantize "$work/quantised.gguf" "$work/exact.gguf" --type F32
        try "$sweep" -n 1500 -e "$work/exact.gguf" "$work/quantised.gguf"
        rm "$work"/*.gguf
    done
}

run_test() {
    try "$build/tests/gpu_kernels_test"
    run_sweeps
    python3 "$root/tests/gpu/prompts.py" >"$work/prompts"
    try "$build/tests/gpu_sweep_test" -p "$work/prompts" "$model"
    try python3 "$root/tests/gpu/two_nodes.py" "$build/seam" "$model" "$work/prompts"
    # Decoding there too, where the ggml that is installed has CUDA.
    try env SEAM_TEST_DEVICE=cuda "$build/tests/engine_test"
    try python3 "$root/tests/gpu/two_nodes.py" "$build/seam" "$model" "$work/prompts" cuda
    [ ${#failed[@]} = 0 ] && echo "gpu-test: all good" && return
    printf 'gpu-test: FAILED: %s\n' "${failed[@]}"
    exit 1
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
