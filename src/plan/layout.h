/* layout.h - who does what: every subset and order of nodes as a pipeline with its best split of
 * layers, alone or with any subset of nodes sweeping prompts for it; costed and ranked.
 * docs/cost-model.md sections 4 to 6. Pure. Units: seconds, bytes, tokens, joules. */
#ifndef SEAM_PLAN_LAYOUT_H
#define SEAM_PLAN_LAYOUT_H

#include "plan/cost.h"

#define SEAM_PLAN_CELLS 32u

struct seam_layout {
    uint32_t n_stage, stage[SEAM_PLAN_NODES]; /* decode nodes in order */
    uint32_t first[SEAM_PLAN_NODES + 1];      /* layers [first[i], first[i + 1]) of stage i */
    uint32_t sweep;                           /* mask of nodes that sweep; 0: none */
    bool raised;                              /* needs the macOS wired limit raised somewhere */
    double score;                             /* geometric mean of answer times, mid case */
};

struct seam_work { /* one prompt and its answer */
    double prompt, cached, output;
};

struct seam_answer {       /* one case */
    struct seam_cost ttft; /* parts of the path taken */
    struct seam_cost step; /* of one decoded token, half way through the output */
    double ttft_s, step_s, total_s, joules;
    bool swept; /* the prompt went to the sweep nodes */
};

/* Fills *out (malloc'd, *n of them), best first, of those whose memory suffices for n_ctx tokens.
 * None: *n = 0. SEAM_ENOMEM. */
seam_status seam_layouts_find(struct seam_layout **out, size_t *n, const struct seam_inventory *v,
                              const struct seam_shape *s, uint32_t n_ctx,
                              const struct seam_work *work, size_t n_work, struct seam_err *err);
struct seam_answer seam_layout_answer(const struct seam_layout *l, const struct seam_inventory *v,
                                      const struct seam_shape *s, const struct seam_work *w,
                                      enum seam_case c);
/* What node i holds under a layout; all zero: it has no part in it. */
struct seam_hold seam_layout_hold(const struct seam_layout *l, const struct seam_shape *s,
                                  uint32_t node, uint32_t n_ctx);
/* Bytes that a node may give; *raised: only beyond its default limit. */
double seam_node_room(const struct seam_plan_node *n, double want, bool *raised);
/* New tokens from which on the sweep is faster than the decode nodes themselves (mid case); 0: never
 * within 1 M. */
double seam_layout_break_even(const struct seam_layout *l, const struct seam_inventory *v,
                              const struct seam_shape *s);
uint32_t seam_layout_nodes(const struct seam_layout *l); /* mask of all that take part */

#endif
