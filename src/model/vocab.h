/* vocab.h - the tokens of a tokenizer: bytes of each, id of bytes, and which pairs merge.
 * Private to src/model. Immutable after open. */
#ifndef SEAM_MODEL_VOCAB_H
#define SEAM_MODEL_VOCAB_H

#include <stdbool.h>
#include <stdint.h>

#include "model/catalog.h"

enum seam_token_kind { /* tokenizer.ggml.token_type */
                       SEAM_TOKEN_NORMAL = 1,
                       SEAM_TOKEN_UNKNOWN,
                       SEAM_TOKEN_CONTROL,
                       SEAM_TOKEN_USER, /* special for the encoder, text for the reader: <think> */
                       SEAM_TOKEN_UNUSED,
                       SEAM_TOKEN_BYTE /* named "<0xNN>": the byte NN */
};

struct seam_pair { /* an entry of the merge table; rank UINT32_MAX: empty */
    int32_t left, right;
    uint32_t rank;
    int32_t merged;
};

struct seam_vocab {
    uint32_t n;
    char *pool;    /* bytes of all tokens */
    uint32_t *off; /* n + 1 */
    uint8_t *kind;
    int32_t *slot[2]; /* open addressing, id or -1; [0] normal tokens, [1] special ones */
    uint32_t mask[2];
    int32_t byte_id[256];   /* the normal token of that byte alone, else the token "<0xNN>" */
    uint32_t max_len;       /* of a normal token */
    bool by_id;             /* any two neighbours merge whose bytes are a token; rank = its id */
    struct seam_pair *pair; /* otherwise */
    uint32_t pair_mask;
    int32_t *special; /* ids of control and user tokens, longest name first */
    size_t n_special;
    bool special_first[256]; /* does a special token begin with this byte? */
};

/* Reads tokenizer.ggml.tokens, token_type and merges. prefer_id: the original tokenizer merges by
 * token id (tiktoken); used when there are no merges, or when their order says the same.
 * SEAM_EFORMAT: inconsistent. On failure *v is released. */
seam_status seam_vocab_open(struct seam_vocab *v, const struct seam_catalog *c, bool prefer_id,
                            struct seam_err *err);
void seam_vocab_release(struct seam_vocab *v);

struct seam_str seam_vocab_bytes(const struct seam_vocab *v, int32_t id);
int32_t seam_vocab_find(const struct seam_vocab *v, const char *bytes, size_t len);        /* -1 */
int32_t seam_vocab_find_special(const struct seam_vocab *v, const char *name, size_t len); /* -1 */
/* May these neighbours merge? Their bytes lie next to each other at `bytes`. */
bool seam_vocab_merge(const struct seam_vocab *v, int32_t left, int32_t right, const char *bytes,
                      size_t len, uint32_t *rank, int32_t *merged);
/* The longest special token that begins at p; -1: none. */
int32_t seam_vocab_special_at(const struct seam_vocab *v, const char *p, size_t len);

#endif
