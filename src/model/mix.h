/* mix.h - which type each tensor of a file gets: a plain type for every matrix, or one of the
 * mixes that published files have, by name. A row per mix in mix.c.
 * Norms, biases, routers and convolutions stay F32 in all, as llama.cpp has them. */
#ifndef SEAM_MODEL_MIX_H
#define SEAM_MODEL_MIX_H

#include "model/catalog.h"

struct seam_mix;

/* A mix of that name, or a plain type (any case). SEAM_EINVAL: the story lists them. */
seam_status seam_mix_find(const struct seam_mix **out, const char *name, struct seam_err *err);
const char *seam_mix_name(const struct seam_mix *m);
uint32_t seam_mix_file_type(const struct seam_mix *m); /* general.file_type */
/* "UD-Q8_K_XL, ..." */
const char *seam_mix_list(void);

/* The type of a tensor, by its name and shape, in a model of n_layer layers. *wanted (may be NULL)
 * is what the mix says; the result differs from it when the width is no multiple of its block, and
 * is then what llama.cpp falls back to. */
const struct seam_type *seam_mix_type(const struct seam_mix *m, const char *tensor, uint32_t n_dims,
                                      const uint64_t *ne, uint32_t n_layer,
                                      const struct seam_type **wanted);

#endif
