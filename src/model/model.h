/* model.h - a catalogue understood: architecture, hyper-parameters, and each layer's tensors by
 * role and by part. One row per architecture in a table (arch.c); one file per architecture
 * (arch_deepseek2.c). Sources: shared facts/models.md sections 2 and 3 (GGUF keys and tensors as
 * written by llama.cpp's converters; DeepSeek-V3 paper arXiv 2412.19437 for MLA and routing;
 * YaRN paper arXiv 2309.00071). Thread: immutable after open. */
#ifndef SEAM_MODEL_MODEL_H
#define SEAM_MODEL_MODEL_H

#include <stdint.h>

#include "model/catalog.h"

#define SEAM_MODEL_MAX_LAYERS 1024u

/* What a tensor is for. Per-layer roles first, then global ones. */
enum seam_role {
    SEAM_ROLE_ATTN_NORM,      /* [n_embd] */
    SEAM_ROLE_ATTN_Q,         /* [n_embd, n_head*(nope+rope)]: models without q_lora */
    SEAM_ROLE_ATTN_Q_A,       /* [n_embd, q_lora] */
    SEAM_ROLE_ATTN_Q_A_NORM,  /* [q_lora] */
    SEAM_ROLE_ATTN_Q_B,       /* [q_lora, n_head*(nope+rope)], per head nope | rope */
    SEAM_ROLE_ATTN_KV_A,      /* [n_embd, kv_lora+rope]: latent | shared rope key */
    SEAM_ROLE_ATTN_KV_A_NORM, /* [kv_lora] */
    SEAM_ROLE_ATTN_K_B,       /* [nope, kv_lora, n_head]: W_UK transposed per head */
    SEAM_ROLE_ATTN_V_B,       /* [kv_lora, v, n_head] */
    SEAM_ROLE_ATTN_KV_B,      /* [kv_lora, n_head*(nope+v)]: old files, instead of K_B and V_B */
    SEAM_ROLE_ATTN_K,         /* [n_embd, n_head_kv*d_head]: grouped-query attention */
    SEAM_ROLE_ATTN_V,         /* [n_embd, n_head_kv*v] */
    SEAM_ROLE_ATTN_Q_NORM,    /* [d_head], per head */
    SEAM_ROLE_ATTN_K_NORM,    /* [d_head], per head */
    SEAM_ROLE_ROPE_FREQS,     /* [rope/2] F32, one for all layers: divides each frequency */
    SEAM_ROLE_ATTN_OUT,       /* [n_head*v, n_embd] */
    SEAM_ROLE_SSM_QKV,        /* [n_embd, 2*key heads*state + inner]: gated DeltaNet, q | k | v */
    SEAM_ROLE_SSM_GATE,       /* [n_embd, inner]: z */
    SEAM_ROLE_SSM_CONV,       /* [kernel, channels of qkv] F32, depthwise */
    SEAM_ROLE_SSM_DT,         /* [value heads] F32 */
    SEAM_ROLE_SSM_A,          /* [value heads] F32: -exp(A_log) */
    SEAM_ROLE_SSM_ALPHA,      /* [n_embd, value heads] */
    SEAM_ROLE_SSM_BETA,       /* [n_embd, value heads] */
    SEAM_ROLE_SSM_NORM,       /* [inner / value heads] F32 */
    SEAM_ROLE_SSM_OUT,        /* [inner, n_embd] */
    SEAM_ROLE_FFN_NORM,       /* [n_embd] */
    SEAM_ROLE_FFN_GATE,       /* [n_embd, n_ff] dense layers */
    SEAM_ROLE_FFN_UP,
    SEAM_ROLE_FFN_DOWN,    /* [n_ff, n_embd] */
    SEAM_ROLE_ROUTER,      /* [n_embd, n_expert] F32 */
    SEAM_ROLE_ROUTER_BIAS, /* [n_expert] F32, selection only; optional */
    SEAM_ROLE_EXP_GATE,    /* [n_embd, n_ff_exp, n_expert] */
    SEAM_ROLE_EXP_UP,
    SEAM_ROLE_EXP_GATE_UP, /* [n_embd, 2*n_ff_exp, n_expert], gate rows first; instead of both */
    SEAM_ROLE_EXP_DOWN,    /* [n_ff_exp, n_embd, n_expert] */
    SEAM_ROLE_SHEXP_GATE,  /* [n_embd, n_ff_shexp] */
    SEAM_ROLE_SHEXP_UP,
    SEAM_ROLE_SHEXP_DOWN,
    SEAM_ROLE_SHEXP_ROUTER, /* [n_embd] F32: its sigmoid scales the shared expert; optional */
    SEAM_ROLE_LAYER_COUNT,
    SEAM_ROLE_TOKEN_EMBD = SEAM_ROLE_LAYER_COUNT, /* [n_embd, n_vocab] */
    SEAM_ROLE_OUTPUT_NORM,                        /* [n_embd] */
    SEAM_ROLE_OUTPUT, /* [n_embd, n_vocab]; absent: tied to TOKEN_EMBD */
    SEAM_ROLE_COUNT
};
const char *seam_role_name(enum seam_role role);

/* A layer is loaded and used in two parts: attention, then feed-forward. A part is the unit of
 * residency and streaming (docs/decisions/: halves what double buffering needs). */
enum seam_part { SEAM_PART_ATTN, SEAM_PART_FFN, SEAM_PART_COUNT };

enum seam_gating { SEAM_GATING_SOFTMAX = 1, SEAM_GATING_SIGMOID = 2 }; /* GGUF expert_gating_func */

/* How a layer remembers. MLA: a row of latent | rope key per token. GQA: a row of the keys, then the
 * values, of every KV head per token. DELTA: no rows, one state of fixed size. */
enum seam_memory { SEAM_MEMORY_MLA, SEAM_MEMORY_GQA, SEAM_MEMORY_DELTA };

struct seam_hparams {
    uint32_t n_layer, n_dense; /* layers; the first n_dense have a dense FFN */
    uint32_t n_embd, n_vocab, n_ctx_train, n_head, n_ff;
    float eps;
    /* attention: of every layer but those that `recurrent` marks */
    bool mla;
    uint32_t d_head; /* width of a query and key; MLA: d_nope + d_rope */
    uint32_t d_rope; /* of which rotated: the last ones (MLA) or the first ones */
    uint32_t d_v;
    uint32_t n_head_kv;       /* not MLA */
    uint32_t q_lora;          /* MLA; 0: SEAM_ROLE_ATTN_Q instead */
    uint32_t kv_lora, d_nope; /* MLA */
    float kq_scale;           /* includes YaRN's m^2: facts 3.1 */
    /* gated DeltaNet (facts 3.3) */
    uint32_t ssm_kernel, ssm_state, ssm_heads_k, ssm_heads_v, ssm_inner;
    uint32_t n_recurrent;
    bool recurrent[SEAM_MODEL_MAX_LAYERS];
    /* what ggml_rope_ext takes */
    bool rope_neox; /* pairs (i, i + d_rope/2), not (2i, 2i + 1) */
    float rope_base, rope_freq_scale, rope_ext_factor, rope_attn_factor, beta_fast, beta_slow;
    uint32_t n_ctx_orig;
    /* MoE */
    uint32_t n_expert, n_expert_used, n_expert_shared, n_ff_exp, n_ff_shexp, n_group, n_group_used;
    enum seam_gating gating;
    bool expert_norm;   /* weights divided by their sum */
    float expert_scale; /* then multiplied by this (1 when the key is absent or 0) */
};

struct seam_layer {
    bool dense; /* FFN roles, else expert roles */
    enum seam_memory memory;
    const struct seam_tensor *role[SEAM_ROLE_LAYER_COUNT]; /* NULL: this layer has none */
    /* F32, of matrices only: y = scale * (W x) + bias. NULL: none. */
    const struct seam_tensor *scale[SEAM_ROLE_LAYER_COUNT]; /* [1], or [n_expert] */
    const struct seam_tensor *bias[SEAM_ROLE_LAYER_COUNT];  /* [rows of W] */
};

struct seam_model;

/* Takes FILE as seam_catalog_open does. SEAM_EUNSUPPORTED: architecture (the story lists those
 * supported). SEAM_EFORMAT: a required key or tensor is missing or of the wrong shape (the story
 * names the first and counts the rest). On success the caller owns *out. */
seam_status seam_model_open(struct seam_model **out, const char *file, struct seam_err *err);
/* From an open catalogue, whose ownership moves to the model on success only. */
seam_status seam_model_from_catalog(struct seam_model **out, struct seam_catalog *c,
                                    struct seam_err *err);
void seam_model_close(struct seam_model *m);

const struct seam_catalog *seam_model_catalog(const struct seam_model *m);
const struct seam_hparams *seam_model_hparams(const struct seam_model *m);
const char *seam_model_arch(const struct seam_model *m); /* "deepseek2" */
const char *seam_model_name(const struct seam_model *m); /* general.name, or the file's stem */
const struct seam_layer *seam_model_layer(const struct seam_model *m, uint32_t layer);
/* Global roles only; OUTPUT falls back to TOKEN_EMBD when tied. */
const struct seam_tensor *seam_model_global(const struct seam_model *m, enum seam_role role);
enum seam_part seam_role_part(enum seam_role role); /* for per-layer roles */
/* Has this tensor of the model's catalogue a role? The others (prediction heads, a joined kv_b
 * beside the split ones) are ignored. */
bool seam_model_uses(const struct seam_model *m, const struct seam_tensor *t);

/* Arithmetic that inspect, the engine and the planner share. */
uint32_t seam_hparams_kv_values(const struct seam_hparams *hp, enum seam_memory memory);
uint32_t seam_hparams_state_values(const struct seam_hparams *hp, enum seam_memory memory);
/* What an engine holds for a context beside weights and KV: hidden states, then keys and values of
 * one layer expanded from latents, and its transposed k_b. Bytes. */
struct seam_activations {
    uint64_t hidden, k, v, k_b;
};
struct seam_activations seam_hparams_activations(const struct seam_hparams *hp, uint32_t n_ctx,
                                                 uint64_t value_bytes);
uint32_t seam_model_kv_values(const struct seam_model *m, uint32_t layer);    /* per token */
uint32_t seam_model_state_values(const struct seam_model *m, uint32_t layer); /* F32, per lane */
bool seam_model_recurrent(const struct seam_model *m); /* has any layer a state? */
uint64_t seam_model_part_bytes(const struct seam_model *m, uint32_t layer, enum seam_part part);
uint64_t seam_model_active_bytes(
    const struct seam_model *m); /* weight bytes read per decoded token */

/* The architectures this build supports, "deepseek2, ..." */
const char *seam_model_arch_list(void);

#endif
