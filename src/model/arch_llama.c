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
    SEAM_ROW(FFN_GATE, "ffn_gate.weight", DENSE, REQUIRED, false, D(EMBD), D(FF)),
    SEAM_ROW(FFN_UP, "ffn_up.weight", DENSE, REQUIRED, false, D(EMBD), D(FF)),
    SEAM_ROW(FFN_DOWN, "ffn_down.weight", DENSE, REQUIRED, false, D(FF), D(EMBD)),
    SEAM_ROW(ROUTER, "ffn_gate_inp.weight", MOE, REQUIRED, false, D(EMBD), D(EXPERT)),
    SEAM_ROW(EXP_GATE, "ffn_gate_exps.weight", MOE, ALTERNATIVE, false, D(EMBD), D(FF_EXP),
             D(EXPERT)),
    SEAM_ROW(EXP_UP, "ffn_up_exps.weight", MOE, ALTERNATIVE, false, D(EMBD), D(FF_EXP), D(EXPERT)),
    SEAM_ROW(EXP_GATE_UP, "ffn_gate_up_exps.weight", MOE, ALTERNATIVE, false, D(EMBD), D(2FF_EXP),
             D(EXPERT)),
    SEAM_ROW(EXP_DOWN, "ffn_down_exps.weight", MOE, REQUIRED, false, D(FF_EXP), D(EMBD), D(EXPERT)),
    SEAM_ROW(TOKEN_EMBD, "token_embd.weight", ALWAYS, REQUIRED, false, D(EMBD), D(VOCAB)),
    SEAM_ROW(OUTPUT_NORM, "output_norm.weight", ALWAYS, REQUIRED, true, D(EMBD)),
    SEAM_ROW(OUTPUT, "output.weight", ALWAYS, OPTIONAL, false, D(EMBD), D(VOCAB)),
};

static const struct seam_alternative alternatives[] = {
    {SEAM_ROLE_EXP_GATE_UP, {SEAM_ROLE_EXP_GATE, SEAM_ROLE_EXP_UP}},
};

const struct seam_arch seam_arch_llama = {
    .name = "llama",
    .hparams = hparams,
    .row = rows,
    .n_row = sizeof rows / sizeof *rows,
    .alt = alternatives,
    .n_alt = sizeof alternatives / sizeof *alternatives,
};
