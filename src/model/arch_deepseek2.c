/* arch_deepseek2.c - DeepSeek V2/V3, Kimi K2, Moonlight: multi-head latent attention and routed
 * experts. Keys: shared facts/models.md 2.1; tensors: 2.2; rope and scales: 3.1; routing: 3.2. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "model/arch.h"

#define ARCH "deepseek2"

#define U32(suffix, field, required) SEAM_KEY(suffix, U32, field, required)
#define F32(suffix, field, required) SEAM_KEY(suffix, F32, field, required)

static const struct seam_key_row keys[] = {
    U32("block_count", n_layer, true),
    U32("context_length", n_ctx_train, true),
    U32("embedding_length", n_embd, true),
    U32("attention.head_count", n_head, true),
    U32("feed_forward_length", n_ff, false),
    U32("leading_dense_block_count", n_dense, false),
    F32("attention.layer_norm_rms_epsilon", eps, true),
    U32("attention.q_lora_rank", q_lora, false),
    U32("attention.kv_lora_rank", kv_lora, true),
    U32("rope.dimension_count", d_rope, true),
    F32("rope.freq_base", rope_base, false),
    U32("rope.scaling.original_context_length", n_ctx_orig, false),
    F32("rope.scaling.yarn_beta_fast", beta_fast, false),
    F32("rope.scaling.yarn_beta_slow", beta_slow, false),
    U32("expert_count", n_expert, false),
    U32("expert_used_count", n_expert_used, false),
    U32("expert_shared_count", n_expert_shared, false),
    U32("expert_feed_forward_length", n_ff_exp, false),
    U32("expert_group_count", n_group, false),
    U32("expert_group_used_count", n_group_used, false),
    F32("expert_weights_scale", expert_scale, false),
};

/* Head sizes: new files have *_mla keys (key_length is then that of the cache), old ones have not. */
static seam_status read_heads(struct seam_hparams *hp, const struct seam_catalog *c,
                              struct seam_err *err)
{
    bool mla = seam_key_find(c, ARCH, "attention.key_length_mla") != NULL;
    uint32_t k = 0;
    seam_status st =
        seam_key_u32(c, ARCH, mla ? "attention.key_length_mla" : "attention.key_length", true, &k,
                     err);
    if (st == SEAM_OK)
        st = seam_key_u32(c, ARCH, mla ? "attention.value_length_mla" : "attention.value_length",
                          true, &hp->d_v, err);
    if (st != SEAM_OK)
        return st;
    if (k <= hp->d_rope)
        return seam_fail(err, SEAM_EFORMAT,
                         "key length %" PRIu32 " leaves nothing beside %" PRIu32 " rope values", k,
                         hp->d_rope);
    hp->d_nope = k - hp->d_rope;
    hp->d_head = k;
    return SEAM_OK;
}

static seam_status read_experts(struct seam_hparams *hp, const struct seam_catalog *c,
                                struct seam_err *err)
{
    uint32_t gating = 0;
    seam_status st = seam_key_u32(c, ARCH, "expert_gating_func", false, &gating, err);
    if (st != SEAM_OK)
        return st;
    if (gating > SEAM_GATING_SIGMOID)
        return seam_fail(err, SEAM_EUNSUPPORTED,
                         ARCH ".expert_gating_func %" PRIu32 "; Seam knows 1 (softmax) and 2 "
                              "(sigmoid)",
                         gating);
    hp->gating = gating == SEAM_GATING_SIGMOID ? SEAM_GATING_SIGMOID : SEAM_GATING_SOFTMAX;
    const struct seam_meta *norm = seam_key_find(c, ARCH, "expert_weights_norm");
    if (norm && !seam_meta_bool(norm, &hp->expert_norm))
        return seam_fail(err, SEAM_EFORMAT, "the key " ARCH ".expert_weights_norm is not a bool");
    if (hp->expert_scale == 0)
        hp->expert_scale = 1;
    if (hp->n_group == 0)
        hp->n_group = 1;
    if (hp->n_group_used == 0 || hp->n_group == 1)
        hp->n_group_used = hp->n_group;
    hp->n_ff_shexp = hp->n_ff_exp * hp->n_expert_shared;
    if (hp->n_expert == 0)
        hp->n_dense = hp->n_layer;
    return SEAM_OK;
}

/* Ranges: what is in here, the engine need not doubt. `ok` false names the value. */
static seam_status check(const struct seam_hparams *hp, struct seam_err *err)
{
    const bool moe = hp->n_dense < hp->n_layer;
    const struct seam_key_rule rule[] = {
        {hp->n_embd >= 1 && hp->n_embd <= 1u << 20, "embedding_length", hp->n_embd},
        {hp->n_ctx_train >= 1, "context_length", hp->n_ctx_train},
        {hp->n_ctx_orig >= 1, "rope.scaling.original_context_length", hp->n_ctx_orig},
        {hp->n_head >= 1 && hp->n_head <= 4096, "attention.head_count", hp->n_head},
        {hp->n_dense <= hp->n_layer, "leading_dense_block_count", hp->n_dense},
        {hp->n_dense == 0 || (hp->n_ff >= 1 && hp->n_ff <= 1u << 22), "feed_forward_length",
         hp->n_ff},
        {hp->eps > 0 && hp->eps < 1, "attention.layer_norm_rms_epsilon", (double)hp->eps},
        {hp->q_lora <= 1u << 20, "attention.q_lora_rank", hp->q_lora},
        {hp->kv_lora >= 1 && hp->kv_lora <= 1u << 16, "attention.kv_lora_rank", hp->kv_lora},
        {hp->d_rope >= 2 && hp->d_rope % 2 == 0 && hp->d_rope <= 4096, "rope.dimension_count",
         hp->d_rope},
        {hp->d_nope <= 4096, "attention.key_length", hp->d_nope + hp->d_rope},
        {hp->d_v >= 1 && hp->d_v <= 4096, "attention.value_length", hp->d_v},
        {hp->rope_base > 1, "rope.freq_base", (double)hp->rope_base},
        {hp->beta_fast > 0, "rope.scaling.yarn_beta_fast", (double)hp->beta_fast},
        {hp->beta_slow > 0 && hp->beta_slow <= hp->beta_fast, "rope.scaling.yarn_beta_slow",
         (double)hp->beta_slow},
        {!moe || hp->n_expert <= 4096, "expert_count", hp->n_expert},
        {!moe || (hp->n_expert_used >= 1 && hp->n_expert_used <= hp->n_expert), "expert_used_count",
         hp->n_expert_used},
        {!moe || hp->n_expert_shared <= 4096, "expert_shared_count", hp->n_expert_shared},
        {(uint64_t)hp->n_ff_exp * hp->n_expert_shared <= 1u << 24, "expert_shared_count",
         hp->n_expert_shared},
        {!moe || (hp->n_ff_exp >= 1 && hp->n_ff_exp <= 1u << 22), "expert_feed_forward_length",
         hp->n_ff_exp},
        {!moe || hp->n_group == 1 ||
             (hp->n_group <= hp->n_expert && hp->n_expert % hp->n_group == 0),
         "expert_group_count", hp->n_group},
        /* a group's score is the sum of its two best */
        {!moe || hp->n_group == 1 || hp->n_expert / hp->n_group >= 2, "expert_group_count",
         hp->n_group},
        {!moe || (hp->n_group_used >= 1 && hp->n_group_used <= hp->n_group &&
                  hp->n_expert_used <= hp->n_group_used * (hp->n_expert / hp->n_group)),
         "expert_group_used_count", hp->n_group_used},
        {!moe || hp->expert_scale > 0, "expert_weights_scale", (double)hp->expert_scale},
    };
    return seam_keys_check(ARCH, rule, sizeof rule / sizeof *rule, err);
}

static seam_status hparams(struct seam_hparams *hp, const struct seam_catalog *c,
                           struct seam_err *err)
{
    hp->mla = true;
    hp->rope_base = 10000;
    hp->beta_fast = 32;
    hp->beta_slow = 1;
    hp->expert_scale = 1;
    seam_status st = seam_keys_read(c, ARCH, keys, sizeof keys / sizeof *keys, hp, err);
    if (st != SEAM_OK)
        return st;
    if (hp->n_ctx_orig == 0)
        hp->n_ctx_orig = hp->n_ctx_train;
    st = seam_nextn_drop(c, ARCH, hp, err);
    if (st == SEAM_OK)
        st = read_heads(hp, c, err);
    if (st == SEAM_OK)
        st = seam_rope_read(c, ARCH, hp, err);
    if (st == SEAM_OK)
        st = read_experts(hp, c, err);
    if (st == SEAM_OK)
        st = check(hp, err);
    return st;
}

#define D(x) SEAM_DIM_##x
#define REQ  SEAM_NEED_REQUIRED
#define OPT  SEAM_NEED_OPTIONAL
#define ALT  SEAM_NEED_ALTERNATIVE
#define ROW(role, name, when, need, f32, ...)                                     \
    {                                                                             \
        SEAM_ROLE_##role, name, {__VA_ARGS__}, SEAM_WHEN_##when, need, f32, false \
    }

static const struct seam_role_row rows[] = {
    ROW(ATTN_NORM, "attn_norm.weight", ALWAYS, REQ, true, D(EMBD)),
    ROW(ATTN_Q, "attn_q.weight", NO_Q_LORA, REQ, false, D(EMBD), D(Q)),
    ROW(ATTN_Q_A, "attn_q_a.weight", Q_LORA, REQ, false, D(EMBD), D(Q_LORA)),
    ROW(ATTN_Q_A_NORM, "attn_q_a_norm.weight", Q_LORA, REQ, true, D(Q_LORA)),
    ROW(ATTN_Q_B, "attn_q_b.weight", Q_LORA, REQ, false, D(Q_LORA), D(Q)),
    ROW(ATTN_KV_A, "attn_kv_a_mqa.weight", ALWAYS, REQ, false, D(EMBD), D(KV_A)),
    ROW(ATTN_KV_A_NORM, "attn_kv_a_norm.weight", ALWAYS, REQ, true, D(KV_LORA)),
    ROW(ATTN_K_B, "attn_k_b.weight", ALWAYS, ALT, false, D(NOPE), D(KV_LORA), D(HEAD)),
    ROW(ATTN_V_B, "attn_v_b.weight", ALWAYS, ALT, false, D(KV_LORA), D(V), D(HEAD)),
    ROW(ATTN_KV_B, "attn_kv_b.weight", ALWAYS, ALT, false, D(KV_LORA), D(KV_B)),
    ROW(ATTN_OUT, "attn_output.weight", ALWAYS, REQ, false, D(ATTN_OUT), D(EMBD)),
    ROW(FFN_NORM, "ffn_norm.weight", ALWAYS, REQ, true, D(EMBD)),
    ROW(FFN_GATE, "ffn_gate.weight", DENSE, REQ, false, D(EMBD), D(FF)),
    ROW(FFN_UP, "ffn_up.weight", DENSE, REQ, false, D(EMBD), D(FF)),
    ROW(FFN_DOWN, "ffn_down.weight", DENSE, REQ, false, D(FF), D(EMBD)),
    ROW(ROUTER, "ffn_gate_inp.weight", MOE, REQ, false, D(EMBD), D(EXPERT)),
    ROW(ROUTER_BIAS, "exp_probs_b.bias", MOE, OPT, true, D(EXPERT)),
    ROW(EXP_GATE, "ffn_gate_exps.weight", MOE, ALT, false, D(EMBD), D(FF_EXP), D(EXPERT)),
    ROW(EXP_UP, "ffn_up_exps.weight", MOE, ALT, false, D(EMBD), D(FF_EXP), D(EXPERT)),
    ROW(EXP_GATE_UP, "ffn_gate_up_exps.weight", MOE, ALT, false, D(EMBD), D(2FF_EXP), D(EXPERT)),
    ROW(EXP_DOWN, "ffn_down_exps.weight", MOE, REQ, false, D(FF_EXP), D(EMBD), D(EXPERT)),
    ROW(SHEXP_GATE, "ffn_gate_shexp.weight", SHARED, REQ, false, D(EMBD), D(FF_SHEXP)),
    ROW(SHEXP_UP, "ffn_up_shexp.weight", SHARED, REQ, false, D(EMBD), D(FF_SHEXP)),
    ROW(SHEXP_DOWN, "ffn_down_shexp.weight", SHARED, REQ, false, D(FF_SHEXP), D(EMBD)),
    ROW(TOKEN_EMBD, "token_embd.weight", ALWAYS, REQ, false, D(EMBD), D(VOCAB)),
    ROW(OUTPUT_NORM, "output_norm.weight", ALWAYS, REQ, true, D(EMBD)),
    ROW(OUTPUT, "output.weight", ALWAYS, OPT, false, D(EMBD), D(VOCAB)),
};

static const struct seam_alternative alternatives[] = {
    {SEAM_ROLE_ATTN_KV_B, {SEAM_ROLE_ATTN_K_B, SEAM_ROLE_ATTN_V_B}},
    {SEAM_ROLE_EXP_GATE_UP, {SEAM_ROLE_EXP_GATE, SEAM_ROLE_EXP_UP}},
};

const struct seam_arch seam_arch_deepseek2 = {
    .name = ARCH,
    .hparams = hparams,
    .row = rows,
    .n_row = sizeof rows / sizeof *rows,
    .alt = alternatives,
    .n_alt = sizeof alternatives / sizeof *alternatives,
};
