/* footprint.h - what computing takes beside weights and KV, from hyper-parameters alone. The engine measures
 * its graphs when it opens; these formulas say beforehand what it will find, and the sizes that both must
 * choose alike are here. Pure. Units: values are 4 bytes; the rest is bytes.
 * tests/unit/plan_memory_test.c holds them against engines. */
#ifndef SEAM_MODEL_FOOTPRINT_H
#define SEAM_MODEL_FOOTPRINT_H

#include "model/model.h"

#define SEAM_ENGINE_CHUNK 512u /* tokens per graph in prefill, unless told */
/* ggml multiplies one token's row at a time when each goes to experts of its own, and four or more at
 * once in a plain product: 1.3 to 2 times as fast from about this many an expert
 * (docs/decisions/0005-blas.md). */
#define SEAM_ENGINE_TOKENS_AN_EXPERT 4u
/* Has the absorbed form of MLA fewer operations than the expanded one, for n new tokens after `cached`
 * (facts/models.md 3.1)? The expanded form pays for every cached row once, the absorbed form for every
 * pair of query and key. False without MLA. */
bool seam_hparams_absorbs(const struct seam_hparams *hp, double n, double cached);

/* KV heads that a prefill's attention has as f32 at a time: work for several threads in each product. */
#define SEAM_ATTEND_HEADS 4u
/* Queries of one product of queries and keys: few enough columns for the scores to stay in a cache, enough
 * for the product to run at full rate. */
uint32_t seam_hparams_attend_rows(const struct seam_hparams *hp);
/* Nodes of the largest graph. */
size_t seam_hparams_graph_nodes(const struct seam_hparams *hp, uint32_t chunk);
/* Values per token of the widest second operand of a matrix product. */
uint64_t seam_hparams_operand(const struct seam_hparams *hp);
/* Values of the longest row of a matrix. */
uint64_t seam_hparams_row(const struct seam_hparams *hp);

struct seam_compute {
    uint64_t graph;  /* tensors of the widest graph at the end of the context */
    uint64_t work;   /* converted operands, and a tile per thread */
    uint64_t books;  /* the graph itself */
    uint64_t groups; /* a chunk's tokens in order of their experts */
};
struct seam_compute seam_hparams_compute(const struct seam_hparams *hp, uint32_t n_ctx,
                                         uint32_t chunk, uint32_t n_threads);

#endif
