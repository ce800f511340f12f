/* arch_llama.c - Llama 2 and 3: grouped-query attention, dense feed-forward or (Mixtral) experts as wide as it. Rope pairs (2i, 2i+1):
 * the converter has permuted the rows of q and k. rope_freqs is Llama 3.1's scaling. */
#include "model/arch_gqa.h"

#define D(x) SEAM_DIM_##x

static seam_status hparams(struct seam_hparams *hp, const struct seam_catalog *c,
                           struct seam_err *err)
{
    return seam_gqa_hparams(hp, c, "llama", err);
}

static const struct seam_role_row rows[] = {
    SEAM_ROW(ATTN_NORM, "attn_norm.weight", ALWAYS, REQUIRED, true, D(EMBD)),
    SEAM_ROW(ATTN_Q, "attn_q.weight", ALWAYS, REQUIRED, false, D(EMBD), D(GQA_Q)),
    SEAM_ROW(ATTN_K, "attn_k.weight", ALWAYS, REQUIRED, false, D(EMBD), D(GQA_K)),
    SEAM_ROW(ATTN_V, "attn_v.weight", ALWAYS, REQUIRED, false, D(EMBD), D(GQA_V)),
    {SEAM_ROLE_ROPE_FREQS,
     "rope_freqs.weight",
     {D(ROPE_HALF)},
     SEAM_WHEN_ALWAYS,
     SEAM_NEED_OPTIONAL,
     true,
     true},
    SEAM_ROW(ATTN_OUT, "attn_output.weight", ALWAYS, REQUIRED, false, D(ATTN_OUT), D(EMBD)),
    SEAM_ROW(FFN_NORM, "ffn_norm.weight", ALWAYS, REQUIRED, true, D(EMBD)),
    SEAM_GQA_ROWS_FFN,
    SEAM_GQA_ROWS_ENDS,
};

const struct seam_arch seam_arch_llama = {
    .name = "llama",
    .hparams = hparams,
    .row = rows,
    .n_row = sizeof rows / sizeof *rows,
    .alt = seam_gqa_alternatives,
    .n_alt = SEAM_GQA_ALTERNATIVES,
};
