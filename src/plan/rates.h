/* rates.h - what layers cost on a machine that `seam probe` measured: the same sums as cost.h's, with a
 * rate for each type and batch, each form of attention and depth, instead of one rate for all
 * (docs/probe.md). cost.c comes here for a machine that has points; nobody else needs to.
 * Everything is pure. Units: seconds, operations, tokens. */
#ifndef SEAM_PLAN_RATES_H
#define SEAM_PLAN_RATES_H

#include "plan/cost.h"

/* Between points linear in the logarithm of `at`, beyond the last ones constant. 0: nothing of that kind
 * (and type; NULL but for products) was measured. */
double seam_rates_at(const struct seam_plan_machine *m, enum seam_point of, const char *type,
                     double at, enum seam_case c);

/* As the functions of cost.h with these names. Types that were not measured: the roofline of the
 * machine's matmul and bandwidth. Attention that was not: its attention rate. */
struct seam_cost seam_rates_prefill(const struct seam_shape *s, uint32_t layer, double n,
                                    double cached, const struct seam_plan_machine *m,
                                    enum seam_case c);
/* The same in a form of MLA of the caller's choice. */
struct seam_cost seam_rates_prefill_as(const struct seam_shape *s, uint32_t layer, double n,
                                       double cached, bool absorbed,
                                       const struct seam_plan_machine *m, enum seam_case c);
struct seam_cost seam_rates_decode(const struct seam_shape *s, uint32_t layer, double depth,
                                   const struct seam_plan_machine *m, enum seam_case c);
struct seam_cost seam_rates_head(const struct seam_shape *s, const struct seam_plan_machine *m,
                                 enum seam_case c);

/* What norms, gates, rotations, copies and routing move for one token of a layer, in bytes: what the
 * points `dense` and `mixture` are rates of. */
double seam_rates_rest_bytes(const struct seam_shape *s, uint32_t layer);

#endif
