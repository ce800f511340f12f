#include "model/arch_gqa.h"

#include <string.h>

#define U32(suffix, field, required) SEAM_KEY(suffix, U32, field, required)
#define F32(suffix, field, required) SEAM_KEY(suffix, F32, field, required)

const struct seam_alternative seam_gqa_alternatives[SEAM_GQA_ALTERNATIVES] = {
    {SEAM_ROLE_EXP_GATE_UP, {SEAM_ROLE_EXP_GATE, SEAM_ROLE_EXP_UP}},
};

static const struct seam_key_row keys[] = {
    U32("block_count", n_layer, true),
    U32("context_length", n_ctx_train, true),
    U32("embedding_length", n_embd, true),
    U32("feed_forward_length", n_ff, false),
    U32("attention.head_count", n_head, true),
    U32("attention.head_count_kv", n_head_kv, false),
    U32("attention.key_length", d_head, false),
    U32("attention.value_length", d_v, false),
    F32("attention.layer_norm_rms_epsilon", eps, true),
    U32("rope.dimension_count", d_rope, false),
    F32("rope.freq_base", rope_base, false),
    U32("rope.scaling.original_context_length", n_ctx_orig, false),
    F32("rope.scaling.yarn_beta_fast", beta_fast, false),
    F32("rope.scaling.yarn_beta_slow", beta_slow, false),
    U32("expert_count", n_expert, false),
    U32("expert_used_count", n_expert_used, false),
    U32("expert_feed_forward_length", n_ff_exp, false),
    U32("expert_shared_feed_forward_length", n_ff_shexp, false),
    F32("expert_weights_scale", expert_scale, false),
};

static seam_status check(const struct seam_hparams *hp, const char *arch, struct seam_err *err)
{
    const bool moe = hp->n_expert > 0;
    const struct seam_key_rule rule[] = {
        {hp->n_embd >= 1 && hp->n_embd <= 1u << 20, "embedding_length", hp->n_embd},
        {hp->n_ctx_train >= 1, "context_length", hp->n_ctx_train},
        {hp->n_ctx_orig >= 1, "rope.scaling.original_context_length", hp->n_ctx_orig},
        {hp->n_head >= 1 && hp->n_head <= 4096, "attention.head_count", hp->n_head},
        {hp->n_head_kv >= 1 && hp->n_head_kv <= hp->n_head && hp->n_head % hp->n_head_kv == 0,
         "attention.head_count_kv", hp->n_head_kv},
        {hp->d_head >= 1 && hp->d_head <= 4096, "attention.key_length", hp->d_head},
        {hp->d_v >= 1 && hp->d_v <= 4096, "attention.value_length", hp->d_v},
        {hp->d_rope >= 2 && hp->d_rope % 2 == 0 && hp->d_rope <= hp->d_head, "rope.dimension_count",
         hp->d_rope},
        {moe || (hp->n_ff >= 1 && hp->n_ff <= 1u << 22), "feed_forward_length", hp->n_ff},
        {hp->eps > 0 && hp->eps < 1, "attention.layer_norm_rms_epsilon", (double)hp->eps},
        {hp->rope_base > 1, "rope.freq_base", (double)hp->rope_base},
        {hp->beta_fast > 0, "rope.scaling.yarn_beta_fast", (double)hp->beta_fast},
        {hp->beta_slow > 0 && hp->beta_slow <= hp->beta_fast, "rope.scaling.yarn_beta_slow",
         (double)hp->beta_slow},
        {!moe || hp->n_expert <= 4096, "expert_count", hp->n_expert},
        {!moe || (hp->n_expert_used >= 1 && hp->n_expert_used <= hp->n_expert), "expert_used_count",
         hp->n_expert_used},
        {!moe || (hp->n_ff_exp >= 1 && hp->n_ff_exp <= 1u << 22), "expert_feed_forward_length",
         hp->n_ff_exp},
        {hp->n_ff_shexp <= 1u << 22, "expert_shared_feed_forward_length", hp->n_ff_shexp},
        {hp->expert_scale > 0, "expert_weights_scale", (double)hp->expert_scale},
    };
    return seam_keys_check(arch, rule, sizeof rule / sizeof *rule, err);
}

/* What a missing key stands for. */
static void defaults(struct seam_hparams *hp)
{
    if (!hp->n_head_kv)
        hp->n_head_kv = hp->n_head;
    if (!hp->d_head && hp->n_head)
        hp->d_head = hp->n_embd / hp->n_head;
    if (!hp->d_v)
        hp->d_v = hp->d_head;
    if (!hp->d_rope)
        hp->d_rope = hp->d_head;
    if (!hp->n_ctx_orig)
        hp->n_ctx_orig = hp->n_ctx_train;
    if (hp->expert_scale == 0)
        hp->expert_scale = 1;
    if (hp->n_expert && !hp->n_ff_exp)
        hp->n_ff_exp = hp->n_ff;
    if (hp->n_ff_shexp)
        hp->n_expert_shared = 1;
}

seam_status seam_gqa_hparams(struct seam_hparams *hp, const struct seam_catalog *c,
                             const char *arch, struct seam_err *err)
{
    hp->rope_base = 10000;
    hp->beta_fast = 32;
    hp->beta_slow = 1;
    hp->expert_scale = 1;
    hp->gating = SEAM_GATING_SOFTMAX;
    hp->expert_norm = true;
    hp->n_group = hp->n_group_used = 1;
    seam_status st = seam_keys_read(c, arch, keys, sizeof keys / sizeof *keys, hp, err);
    if (st != SEAM_OK)
        return st;
    defaults(hp);
    st = seam_nextn_drop(c, arch, hp, err);
    if (st == SEAM_OK)
        st = seam_rope_read(c, arch, hp, err);
    if (st == SEAM_OK)
        st = check(hp, arch, err);
    hp->n_dense = hp->n_expert ? 0 : hp->n_layer;
    return st;
}
