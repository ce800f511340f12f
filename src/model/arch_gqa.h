/* arch_gqa.h - keys that the architectures with grouped-query attention share. Private to
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

#endif
