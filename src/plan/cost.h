/* cost.h - THE cost model: how long machines need for layers, and what they must hold. Nothing else in
 * Seam estimates time. Formulas and their constants: docs/cost-model.md, section by section.
 * Everything is pure. Units: seconds, bytes, tokens. */
#ifndef SEAM_PLAN_COST_H
#define SEAM_PLAN_COST_H

#include "plan/shape.h"

/* Where time goes; what is not a machine's (link) is added by layout.c. */
struct seam_cost {
    double weights;   /* reading weights from memory, where that is what limits */
    double matmul;    /* multiplying, where that limits */
    double attention; /* pairs of query and key, or reading KV */
    double fixed;     /* launches and synchronisation */
    double disk, link;
};
double seam_cost_sum(const struct seam_cost *c);
void seam_cost_add(struct seam_cost *to, const struct seam_cost *c, double times);
/* "weights from memory", "disk", ...: the largest. */
const char *seam_cost_bottleneck(const struct seam_cost *c);

/* Constants of ours, not of a machine (docs/cost-model.md). */
#define SEAM_COST_DELTA 0.4 /* of the rate of attention, in gated DeltaNet, where a card has none */
#define SEAM_COST_CHUNK 2048 /* tokens per graph of a resident prefill */

/* Experts that T tokens reach, of n with k each: n (1 - (1 - k/n)^T). */
double seam_cost_experts(double n, double k, double tokens);
/* Rows that a kernel multiplies for an expert that gets `rows` of them on average. */
double seam_cost_rows(double rows, double tile);
/* Multiplications per pair of query and key, and head. */
double seam_cost_pair_width(const struct seam_hparams *hp, bool absorbed);
/* Of a DeltaNet layer, per token: S k, the update and S q, for each value of the state. */
double seam_cost_delta_flops(const struct seam_hparams *hp);

/* One layer: `n` new tokens after `cached` ones. last: only its KV rows are computed. */
struct seam_cost seam_cost_prefill(const struct seam_shape *s, uint32_t layer, double n,
                                   double cached, double chunk, const struct seam_plan_machine *m,
                                   enum seam_case c);
/* One layer: one token after `depth` others. */
struct seam_cost seam_cost_decode(const struct seam_shape *s, uint32_t layer, double depth,
                                  const struct seam_plan_machine *m, enum seam_case c);
struct seam_cost seam_cost_head(const struct seam_shape *s, const struct seam_plan_machine *m,
                                enum seam_case c);

/* Links of a node and its books: three links with 8 MiB each way and 4 MiB of heap; what
 * `seam node` sets aside (src/pool/node.c). */
#define SEAM_COST_LINKS   55e6
#define SEAM_COST_THREADS 16u /* of an engine: each a few MB */

/* What a node holds for layers [first, end) with a context, or for a sweep over all layers. */
struct seam_hold {
    double weights, kv, activations, compute, transfer;
};
double seam_hold_sum(const struct seam_hold *h);
struct seam_hold seam_cost_hold(const struct seam_shape *s, uint32_t first, uint32_t end,
                                uint32_t n_ctx);
struct seam_hold seam_cost_hold_sweep(const struct seam_shape *s, uint32_t n_ctx);

#endif
