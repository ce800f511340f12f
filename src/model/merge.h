/* merge.h - a piece of text to tokens: neighbours merge, best rank first, leftmost first among equals.
 * O(n log n) for a piece of n bytes, whatever the piece. Private to src/model.
 * Thread: a merger belongs to one caller; the vocabulary is shared. */
#ifndef SEAM_MODEL_MERGE_H
#define SEAM_MODEL_MERGE_H

#include "model/tokenizer.h"
#include "model/vocab.h"

struct seam_merge_symbol;
struct seam_merge_pair;

struct seam_merger { /* zero-initialise but for v; keeps its memory from piece to piece */
    const struct seam_vocab *v;
    struct seam_merge_symbol *symbol;
    struct seam_merge_pair *heap;
    size_t n_heap, cap; /* symbols; the heap has room for 3 * cap: n - 1 pairs, 2 more a merge */
};

/* Appends the tokens of `piece` to *out. SEAM_ENOMEM only. */
seam_status seam_merge_piece(struct seam_merger *m, const char *piece, size_t len,
                             struct seam_tokens *out, struct seam_err *err);
void seam_merger_release(struct seam_merger *m);

#endif
