/* arch_qwen3.c - Qwen3, dense and MoE: grouped-query attention with a norm on each query and key
 * head, rope pairs (i, i + half); experts by softmax, renormalised, none shared. */
#include "model/arch_gqa.h"

#define D(x) SEAM_DIM_##x

static seam_status hparams_dense(struct seam_hparams *hp, const struct seam_catalog *c,
                                 struct seam_err *err)
{
    hp->rope_neox = true;
    return seam_gqa_hparams(hp, c, "qwen3", err);
}

static seam_status hparams_moe(struct seam_hparams *hp, const struct seam_catalog *c,
                               struct seam_err *err)
{
    hp->rope_neox = true;
    return seam_gqa_hparams(hp, c, "qwen3moe", err);
}

static const struct seam_role_row rows[] = {
    SEAM_ROW(ATTN_NORM, "attn_norm.weight", ALWAYS, REQUIRED, true, D(EMBD)),
    SEAM_ROW(ATTN_Q, "attn_q.weight", ALWAYS, REQUIRED, false, D(EMBD), D(GQA_Q)),
    SEAM_ROW(ATTN_K, "attn_k.weight", ALWAYS, REQUIRED, false, D(EMBD), D(GQA_K)),
    SEAM_ROW(ATTN_V, "attn_v.weight", ALWAYS, REQUIRED, false, D(EMBD), D(GQA_V)),
    SEAM_ROW(ATTN_Q_NORM, "attn_q_norm.weight", ALWAYS, REQUIRED, true, D(D_HEAD)),
    SEAM_ROW(ATTN_K_NORM, "attn_k_norm.weight", ALWAYS, REQUIRED, true, D(D_HEAD)),
    SEAM_ROW(ATTN_OUT, "attn_output.weight", ALWAYS, REQUIRED, false, D(ATTN_OUT), D(EMBD)),
    SEAM_ROW(FFN_NORM, "ffn_norm.weight", ALWAYS, REQUIRED, true, D(EMBD)),
    SEAM_GQA_ROWS_FFN,
    SEAM_GQA_ROWS_ENDS,
};

const struct seam_arch seam_arch_qwen3 = {
    .name = "qwen3",
    .hparams = hparams_dense,
    .row = rows,
    .n_row = sizeof rows / sizeof *rows,
    .alt = seam_gqa_alternatives,
    .n_alt = SEAM_GQA_ALTERNATIVES,
};

const struct seam_arch seam_arch_qwen3moe = {
    .name = "qwen3moe",
    .hparams = hparams_moe,
    .row = rows,
    .n_row = sizeof rows / sizeof *rows,
    .alt = seam_gqa_alternatives,
    .n_alt = SEAM_GQA_ALTERNATIVES,
};
