/* pretok.h - the pre-tokenizers that Seam knows: text is cut into pieces by a pattern, and only
 * inside a piece do tokens merge. Private to src/model. */
#ifndef SEAM_MODEL_PRETOK_H
#define SEAM_MODEL_PRETOK_H

#include <stdbool.h>

#include "model/catalog.h"

struct seam_pretok {
    const char *name;    /* tokenizer.ggml.pre */
    const char *pattern; /* PCRE2, UTF mode; what it leaves out is a piece too */
    bool by_id;          /* the original merges by token id (tiktoken): see vocab.h */
    bool whole;          /* a piece that is a token is that token ("ignore_merges") */
    bool add_bos;        /* where the file does not say (tokenizer.ggml.add_bos_token) */
};

/* NULL: unknown. */
const struct seam_pretok *seam_pretok_find(struct seam_str name);
/* Row i; NULL behind the last. */
const struct seam_pretok *seam_pretok_at(size_t i);

#endif
