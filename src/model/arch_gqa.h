/* arch_gqa.h - keys and rows that the architectures with grouped-query attention share. Private to
 * src/model. Sources: shared facts/models.md 1C, 2.3; key names as llama.cpp's converters write. */
#ifndef SEAM_MODEL_ARCH_GQA_H
#define SEAM_MODEL_ARCH_GQA_H

#include "model/arch.h"

/* Read and check them. With an expert_count every layer has experts, routed by softmax over all and
 * renormalised. SEAM_EFORMAT: a key is missing or out of range. */
seam_status seam_gqa_hparams(struct seam_hparams *hp, const struct seam_catalog *c,
                             const char *arch, struct seam_err *err);

#define SEAM_ROW(role, name, when, need, f32, ...)                                            \
    {                                                                                         \
        SEAM_ROLE_##role, name, {__VA_ARGS__}, SEAM_WHEN_##when, SEAM_NEED_##need, f32, false \
    }

/* Rows that these architectures have alike: the feed-forward part, dense or of experts; and what stands
 * before the first layer and after the last. */
#define SEAM_GQA_ROWS_FFN                                                                          \
    SEAM_ROW(FFN_GATE, "ffn_gate.weight", DENSE, REQUIRED, false, SEAM_DIM_EMBD, SEAM_DIM_FF),     \
        SEAM_ROW(FFN_UP, "ffn_up.weight", DENSE, REQUIRED, false, SEAM_DIM_EMBD, SEAM_DIM_FF),     \
        SEAM_ROW(FFN_DOWN, "ffn_down.weight", DENSE, REQUIRED, false, SEAM_DIM_FF, SEAM_DIM_EMBD), \
        SEAM_ROW(ROUTER, "ffn_gate_inp.weight", MOE, REQUIRED, false, SEAM_DIM_EMBD,               \
                 SEAM_DIM_EXPERT),                                                                 \
        SEAM_ROW(EXP_GATE, "ffn_gate_exps.weight", MOE, ALTERNATIVE, false, SEAM_DIM_EMBD,         \
                 SEAM_DIM_FF_EXP, SEAM_DIM_EXPERT),                                                \
        SEAM_ROW(EXP_UP, "ffn_up_exps.weight", MOE, ALTERNATIVE, false, SEAM_DIM_EMBD,             \
                 SEAM_DIM_FF_EXP, SEAM_DIM_EXPERT),                                                \
        SEAM_ROW(EXP_GATE_UP, "ffn_gate_up_exps.weight", MOE, ALTERNATIVE, false, SEAM_DIM_EMBD,   \
                 SEAM_DIM_2FF_EXP, SEAM_DIM_EXPERT),                                               \
        SEAM_ROW(EXP_DOWN, "ffn_down_exps.weight", MOE, REQUIRED, false, SEAM_DIM_FF_EXP,          \
                 SEAM_DIM_EMBD, SEAM_DIM_EXPERT)
#define SEAM_GQA_ROWS_ENDS                                                                  \
    SEAM_ROW(TOKEN_EMBD, "token_embd.weight", ALWAYS, REQUIRED, false, SEAM_DIM_EMBD,       \
             SEAM_DIM_VOCAB),                                                               \
        SEAM_ROW(OUTPUT_NORM, "output_norm.weight", ALWAYS, REQUIRED, true, SEAM_DIM_EMBD), \
        SEAM_ROW(OUTPUT, "output.weight", ALWAYS, OPTIONAL, false, SEAM_DIM_EMBD, SEAM_DIM_VOCAB)

#define SEAM_GQA_ALTERNATIVES 1u
extern const struct seam_alternative seam_gqa_alternatives[SEAM_GQA_ALTERNATIVES];

#endif
