"""Golden logits for llama, qwen3, qwen3moe, qwen35 and qwen35moe: transformers' models on small random
configurations -> tests/golden/ARCH-NAME.{gguf,json,f32}. Where it runs: README.md. Tensors and keys as
llama.cpp 0.7.0's converters write them (conversion/{llama,qwen}.py)."""
import json
import math
import os
import sys

import torch
import transformers

from deepseek2 import SPECIAL, VOCAB, tokenizer_metadata
from gguf_writer import gguf

LAST = 24  # logits are kept for the last LAST positions

DENSE = dict(vocab_size=VOCAB, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, max_position_embeddings=512, rms_norm_eps=1e-6,
             tie_word_embeddings=False, attention_bias=False)
MOE = DENSE | dict(num_experts=8, num_experts_per_tok=3, moe_intermediate_size=24, norm_topk_prob=True,
                   decoder_sparse_step=1, mlp_only_layers=[])
DELTA = DENSE | dict(num_hidden_layers=4, full_attention_interval=4, linear_conv_kernel_dim=4, linear_key_head_dim=16,
                     linear_value_head_dim=16, linear_num_key_heads=2, linear_num_value_heads=6)
DELTA_MOE = DELTA | dict(num_experts=8, num_experts_per_tok=3, moe_intermediate_size=24,
                         shared_expert_intermediate_size=40, norm_topk_prob=True)
DELTA_MOE.pop("intermediate_size")
PLAIN = dict(rope_type="default", rope_theta=10000.0)
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", rope_theta=1000000.0, factor=4.0, original_max_position_embeddings=64)


def partial(fraction):
    return PLAIN | dict(partial_rotary_factor=fraction)


CLASSES = {"llama": ("LlamaConfig", "LlamaForCausalLM"), "qwen3": ("Qwen3Config", "Qwen3ForCausalLM"),
           "qwen3moe": ("Qwen3MoeConfig", "Qwen3MoeForCausalLM"),
           "qwen35": ("Qwen3_5TextConfig", "Qwen3_5ForCausalLM"),
           "qwen35moe": ("Qwen3_5MoeTextConfig", "Qwen3_5MoeForCausalLM")}

# (architecture, name) -> (configuration, tokens)
CASES = {
    ("llama", "gqa"): (DENSE | dict(rope_parameters=PLAIN), 70),
    ("llama", "scaled-tied"): (DENSE | dict(rope_parameters=LLAMA3, tie_word_embeddings=True), 200),
    ("llama", "wide-heads"): (DENSE | dict(rope_parameters=PLAIN, head_dim=24, num_key_value_heads=1), 70),
    ("qwen3", "gqa"): (DENSE | dict(rope_parameters=PLAIN), 70),
    ("qwen3", "yarn-tied"): (DENSE | dict(rope_parameters=YARN, tie_word_embeddings=True), 200),
    ("qwen3moe", "gqa"): (MOE | dict(rope_parameters=PLAIN), 70),
    ("qwen3moe", "yarn"): (MOE | dict(rope_parameters=YARN, num_key_value_heads=4), 200),
    ("qwen35", "tiled"): (DELTA | dict(rope_parameters=partial(0.25)), 70),
    ("qwen35", "every-second"): (DELTA | dict(rope_parameters=partial(0.5), full_attention_interval=2,
                                              linear_num_value_heads=2, tie_word_embeddings=True), 200),
    ("qwen35moe", "tiled"): (DELTA_MOE | dict(rope_parameters=partial(0.25)), 70),
    ("qwen35moe", "long"): (DELTA_MOE | dict(rope_parameters=partial(0.5), linear_num_value_heads=4), 200),
}


def make(arch, config, seed):
    torch.manual_seed(seed)
    config_class, model_class = (getattr(transformers, n) for n in CLASSES[arch])
    c = config_class(**(config | dict(rope_parameters=dict(config["rope_parameters"]))))
    c._attn_implementation = "eager"
    model = model_class(c).float().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("norm.weight"):  # Qwen3.5's norms add one themselves, but for DeltaNet's own
                plus = arch.startswith("qwen35") and "linear_attn" not in name
                p.copy_((0 if plus else 1) + 0.3 * torch.randn(p.shape))
            elif name.endswith("A_log"):
                p.copy_(torch.log(torch.rand(p.shape) * 3 + 0.2))
            elif name.endswith("dt_bias"):
                p.copy_(torch.randn(p.shape))
            elif "embed_tokens" in name or "lm_head" in name:
                p.copy_(torch.randn(p.shape))
            else:
                p.copy_(torch.randn(p.shape) * 1.3 / p.shape[-1] ** 0.5)
    if c.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return c, model


def metadata(arch, name, c):
    a, rope = arch + ".", c.rope_parameters
    m = {"general.architecture": arch, "general.name": f"golden-{arch}-{name}", a + "block_count": c.num_hidden_layers,
         a + "context_length": c.max_position_embeddings, a + "embedding_length": c.hidden_size,
         a + "attention.head_count": c.num_attention_heads, a + "attention.head_count_kv": c.num_key_value_heads,
         a + "attention.key_length": c.head_dim, a + "attention.value_length": c.head_dim,
         a + "attention.layer_norm_rms_epsilon": float(c.rms_norm_eps),
         a + "rope.freq_base": float(rope["rope_theta"]),
         a + "rope.dimension_count": int(c.head_dim * rope.get("partial_rotary_factor", 1))}
    if "moe" in arch:
        m |= {a + "expert_count": c.num_experts, a + "expert_used_count": c.num_experts_per_tok,
              a + "expert_feed_forward_length": c.moe_intermediate_size}
    else:
        m[a + "feed_forward_length"] = c.intermediate_size
    if arch == "qwen35moe":
        m[a + "expert_shared_feed_forward_length"] = c.shared_expert_intermediate_size
    if arch.startswith("qwen35"):
        heads = c.linear_num_value_heads
        interval = c.layer_types.index("full_attention") + 1
        m |= {a + "ssm.conv_kernel": c.linear_conv_kernel_dim, a + "ssm.state_size": c.linear_key_head_dim,
              a + "ssm.group_count": c.linear_num_key_heads, a + "ssm.time_step_rank": heads,
              a + "ssm.inner_size": heads * c.linear_value_head_dim, a + "full_attention_interval": interval}
    if rope["rope_type"] == "yarn":
        m |= {a + "rope.scaling.type": "yarn", a + "rope.scaling.factor": float(rope["factor"]),
              a + "rope.scaling.original_context_length": rope["original_max_position_embeddings"]}
    return m | tokenizer_metadata()


def permuted(w, heads):
    """Rows from pairs (i, i + half) to pairs (2i, 2i + 1)."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(w.shape)


def tiled(w, c, axis=0):
    """Value heads from grouped by key head to tiled: head h then uses key head h % key heads."""
    w = w.movedim(axis, 0)
    k, v = c.linear_num_key_heads, c.linear_num_value_heads
    out = w.reshape(k, v // k, w.shape[0] // v, *w.shape[1:]).swapaxes(0, 1).reshape(w.shape)
    return out.movedim(0, axis)


def delta(w, p, b, c):
    key = c.linear_num_key_heads * c.linear_key_head_dim
    qkv, conv = w[p + "in_proj_qkv.weight"], w[p + "conv1d.weight"].squeeze(1)
    with_v = lambda t: torch.cat([t[:2 * key], tiled(t[2 * key:], c)])
    return [(b + "attn_qkv.weight", with_v(qkv)), (b + "attn_gate.weight", tiled(w[p + "in_proj_z.weight"], c)),
            (b + "ssm_conv1d.weight", with_v(conv)), (b + "ssm_dt.bias", tiled(w[p + "dt_bias"], c)),
            (b + "ssm_a", -torch.exp(tiled(w[p + "A_log"], c))),
            (b + "ssm_alpha.weight", tiled(w[p + "in_proj_a.weight"], c)),
            (b + "ssm_beta.weight", tiled(w[p + "in_proj_b.weight"], c)),
            (b + "ssm_norm.weight", w[p + "norm.weight"]), (b + "ssm_out.weight", tiled(w[p + "out_proj.weight"], c, 1))]


def feed_forward(arch, w, p, b, c):
    if "moe" not in arch:
        return [(f"{b}ffn_{k}.weight", w[f"{p}{k}_proj.weight"]) for k in ("gate", "up", "down")]
    gate_up, ff = w[p + "experts.gate_up_proj"], c.moe_intermediate_size
    out = [(b + "ffn_gate_inp.weight", w[p + "gate.weight"]), (b + "ffn_gate_exps.weight", gate_up[:, :ff]),
           (b + "ffn_up_exps.weight", gate_up[:, ff:]), (b + "ffn_down_exps.weight", w[p + "experts.down_proj"])]
    if arch == "qwen35moe":
        out += [(f"{b}ffn_{k}_shexp.weight", w[f"{p}shared_expert.{k}_proj.weight"]) for k in ("gate", "up", "down")]
        out.append((b + "ffn_gate_inp_shexp.weight", w[p + "shared_expert_gate.weight"].squeeze(0)))
    return out


def tensors(arch, model, c):
    w = {k: v.detach() for k, v in model.state_dict().items()}
    plus = 1 if arch.startswith("qwen35") else 0
    second = "post_attention_norm" if plus else "ffn_norm"
    out = [("token_embd.weight", w["model.embed_tokens.weight"]), ("output_norm.weight", w["model.norm.weight"] + plus)]
    if not c.tie_word_embeddings:
        out.append(("output.weight", w["lm_head.weight"]))
    if c.rope_parameters["rope_type"] == "llama3":
        rotary = model.model.rotary_emb.inv_freq
        plain = c.rope_parameters["rope_theta"] ** -(torch.arange(0, c.head_dim, 2).float() / c.head_dim)
        out.append(("rope_freqs.weight", plain / rotary))
    for layer in range(c.num_hidden_layers):
        p, b = f"model.layers.{layer}.", f"blk.{layer}."
        out += [(b + "attn_norm.weight", w[p + "input_layernorm.weight"] + plus),
                (f"{b}{second}.weight", w[p + "post_attention_layernorm.weight"] + plus)]
        if p + "linear_attn.A_log" in w:
            out += delta(w, p + "linear_attn.", b, c)
        else:
            s = p + "self_attn."
            q, k = w[s + "q_proj.weight"], w[s + "k_proj.weight"]
            if arch == "llama":
                q, k = permuted(q, c.num_attention_heads), permuted(k, c.num_key_value_heads)
            else:
                out += [(b + "attn_q_norm.weight", w[s + "q_norm.weight"] + plus),
                        (b + "attn_k_norm.weight", w[s + "k_norm.weight"] + plus)]
            out += [(b + "attn_q.weight", q), (b + "attn_k.weight", k), (b + "attn_v.weight", w[s + "v_proj.weight"]),
                    (b + "attn_output.weight", w[s + "o_proj.weight"])]
        out += feed_forward(arch, w, p + "mlp.", b, c)
    return [(name, t.contiguous().numpy()) for name, t in out]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for i, ((arch, name), (config, n)) in enumerate(CASES.items()):
        c, model = make(arch, config, seed=2000 + i)
        ids = torch.randint(0, VOCAB - len(SPECIAL), (1, n), generator=torch.Generator().manual_seed(i))
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[0].float()
        stem = f"{folder}/{arch}-{name}"
        with open(stem + ".gguf", "wb") as f:
            f.write(gguf(metadata(arch, name, c), tensors(arch, model, c)))
        positions = list(range(n - LAST, n))
        logits[positions].numpy().astype("<f4").tofile(stem + ".f32")
        changes = {k: v for k, v in config.items() if k not in ("mlp_only_layers",)}
        with open(stem + ".json", "w") as f:
            json.dump({"tokens": ids[0].tolist(), "n_vocab": VOCAB, "positions": positions,
                       "reference": f"transformers {transformers.__version__} {CLASSES[arch][1]}",
                       "torch": torch.__version__, "changes": changes}, f)
            f.write("\n")
        assert math.isfinite(logits.std())
        print(f"{arch}-{name}: spread {logits.std():.2f}, {os.path.getsize(stem + '.gguf')} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
