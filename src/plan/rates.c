#include "plan/rates.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "model/footprint.h"

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static bool same_type(const char *a, const char *b)
{
    return a && b ? strcasecmp(a, b) == 0 : a == b;
}

double seam_rates_at(const struct seam_plan_machine *m, enum seam_point of, const char *type,
                     double at, enum seam_case c)
{
    const struct seam_plan_point *below = NULL, *above = NULL;
    for (uint32_t i = 0; i < m->n_point; i++) {
        const struct seam_plan_point *p = &m->point[i];
        if (p->of != of || !same_type(p->type, type))
            continue;
        if (p->at <= at && (!below || p->at > below->at))
            below = p;
        if (p->at >= at && (!above || p->at < above->at))
            above = p;
    }
    if (!below || !above || above->at <= below->at)
        return below ? below->rate.v[c] : above ? above->rate.v[c] : 0;
    double share = log((at + 1) / (below->at + 1)) / log((above->at + 1) / (below->at + 1));
    return below->rate.v[c] + share * (above->rate.v[c] - below->rate.v[c]);
}

/* ---- products ---- */

static double product_rate(const struct seam_plan_machine *m, const struct seam_type *type,
                           double columns, enum seam_case c)
{
    double rate = seam_rates_at(m, SEAM_POINT_PRODUCT, type->name, columns, c);
    if (rate > 0)
        return rate;
    double bytes = (double)type->block_bytes / (double)type->block;
    double memory =
        2 * columns / bytes * m->rate[SEAM_RATE_BANDWIDTH].v[c] * m->rate[SEAM_RATE_DECODE].v[c];
    return memory < m->rate[SEAM_RATE_MATMUL].v[c] ? memory : m->rate[SEAM_RATE_MATMUL].v[c];
}

/* A share of a part's matrices times `columns` vectors. */
static double products(const struct seam_shape_part *p, double share, double columns,
                       const struct seam_plan_machine *m, enum seam_case c)
{
    double t = 0;
    for (uint32_t i = 0; columns > 0 && i < p->n_of; i++)
        t += 2 * columns * share * p->of[i].values / product_rate(m, p->of[i].type, columns, c);
    return t;
}

/* n tokens in chunks: all but the last one are full. */
static double chunked(const struct seam_shape_part *p, double share, double n,
                      const struct seam_plan_machine *m, enum seam_case c)
{
    double full = floor(n / SEAM_ENGINE_CHUNK);
    return full * products(p, share, SEAM_ENGINE_CHUNK, m, c) +
           products(p, share, n - full * SEAM_ENGINE_CHUNK, m, c);
}

/* Every expert that the chunk reaches multiplies its tokens as one matrix. */
static double routed_chunk(const struct seam_shape *s, const struct seam_shape_layer *l, double n,
                           const struct seam_plan_machine *m, enum seam_case c)
{
    double used = s->hp.n_expert_used, all = s->hp.n_expert, rows = n * used;
    if (!(n > 0) || !(all > 0))
        return 0;
    if (rows < SEAM_ENGINE_TOKENS_AN_EXPERT * all) /* fewer: row by row */
        return rows * products(&l->routed, 1 / all, 1, m, c);
    double touched = seam_cost_experts(all, used, n);
    return touched * products(&l->routed, 1 / all, rows / touched, m, c);
}

static double routed(const struct seam_shape *s, const struct seam_shape_layer *l, double n,
                     const struct seam_plan_machine *m, enum seam_case c)
{
    double full = floor(n / SEAM_ENGINE_CHUNK);
    return full * routed_chunk(s, l, SEAM_ENGINE_CHUNK, m, c) +
           routed_chunk(s, l, n - full * SEAM_ENGINE_CHUNK, m, c);
}

/* ---- attention, and the rest ---- */

static double attention_rate(const struct seam_plan_machine *m, enum seam_point of, double depth,
                             enum seam_case c)
{
    double rate = seam_rates_at(m, of, NULL, depth, c);
    return rate > 0 ? rate : m->rate[SEAM_RATE_ATTENTION].v[c];
}

static double pair_ops(const struct seam_hparams *hp, bool absorbed)
{
    return 2 * hp->n_head * seam_cost_pair_width(hp, absorbed);
}

static double attention(const struct seam_shape *s, const struct seam_shape_layer *l, double n,
                        double cached, bool absorbed, const struct seam_plan_machine *m,
                        enum seam_case c)
{
    const struct seam_hparams *hp = &s->hp;
    if (l->memory == SEAM_MEMORY_DELTA)
        return n * seam_cost_delta_flops(hp) / attention_rate(m, SEAM_POINT_STATE, n, c);
    double pairs = n * cached + n * (n + 1) / 2;
    return pairs * pair_ops(hp, absorbed) /
           attention_rate(m, absorbed ? SEAM_POINT_ABSORBED : SEAM_POINT_PREFILL, cached + n / 2,
                          c);
}

double seam_rates_rest_bytes(const struct seam_shape *s, uint32_t layer)
{
    const struct seam_hparams *hp = &s->hp;
    const struct seam_shape_layer *l = &s->layer[layer];
    double heads = (double)hp->n_head * ((double)hp->d_head + hp->d_v), values = 8.0 * hp->n_embd;
    values += l->memory == SEAM_MEMORY_DELTA ? 6.0 * hp->ssm_inner : 3 * heads;
    if (l->routed.values > 0)
        values += hp->n_expert_used * (3.0 * hp->n_ff_exp + 3.0 * hp->n_embd) + 4.0 * hp->n_expert +
                  3.0 * hp->n_ff_shexp;
    else
        values += 3.0 * hp->n_ff;
    return values * sizeof(float);
}

static double rest(const struct seam_shape *s, uint32_t layer, double n,
                   const struct seam_plan_machine *m, enum seam_case c)
{
    enum seam_point of = s->layer[layer].routed.values > 0 ? SEAM_POINT_MIXTURE : SEAM_POINT_DENSE;
    double rate = seam_rates_at(m, of, NULL, 0, c);
    return rate > 0 ? n * seam_rates_rest_bytes(s, layer) / rate : 0;
}

/* ---- layers ---- */

static double matrix_values(const struct seam_shape_part *p)
{
    double sum = 0;
    for (uint32_t i = 0; i < p->n_of; i++)
        sum += p->of[i].values;
    return sum;
}

/* The share of the last layer's attention part that its KV rows need. */
static double last_share(const struct seam_shape *s, const struct seam_shape_layer *l)
{
    if (l->memory == SEAM_MEMORY_DELTA || !l->attn.n_of)
        return 1;
    return s->hp.n_embd * (l->kv_bytes / sizeof(uint16_t)) / matrix_values(&l->attn);
}

struct seam_cost seam_rates_prefill_as(const struct seam_shape *s, uint32_t layer, double n,
                                       double cached, bool absorbed,
                                       const struct seam_plan_machine *m, enum seam_case c)
{
    const struct seam_shape_layer *l = &s->layer[layer];
    struct seam_cost cost = {0};
    if (layer + 1 == s->hp.n_layer) {
        cost.matmul = chunked(&l->attn, last_share(s, l), n, m, c);
        return cost;
    }
    cost.matmul =
        chunked(&l->attn, 1, n, m, c) + chunked(&l->ffn, 1, n, m, c) + routed(s, l, n, m, c);
    if (l->expand_values > 0 && !absorbed)
        cost.matmul += chunked(&l->attn, l->expand_values / matrix_values(&l->attn), cached, m, c);
    cost.attention = attention(s, l, n, cached, absorbed, m, c);
    cost.fixed = rest(s, layer, n, m, c);
    return cost;
}

struct seam_cost seam_rates_prefill(const struct seam_shape *s, uint32_t layer, double n,
                                    double cached, const struct seam_plan_machine *m,
                                    enum seam_case c)
{
    return seam_rates_prefill_as(s, layer, n, cached, seam_hparams_absorbs(&s->hp, n, cached), m,
                                 c);
}

struct seam_cost seam_rates_decode(const struct seam_shape *s, uint32_t layer, double depth,
                                   const struct seam_plan_machine *m, enum seam_case c)
{
    const struct seam_shape_layer *l = &s->layer[layer];
    const struct seam_hparams *hp = &s->hp;
    struct seam_cost cost = {.fixed = m->rate[SEAM_RATE_LAYER].v[c]};
    cost.weights = products(&l->attn, 1, 1, m, c) + products(&l->ffn, 1, 1, m, c);
    if (l->routed.values > 0)
        cost.weights += products(&l->routed, (double)hp->n_expert_used / hp->n_expert, 1, m, c);
    if (l->memory != SEAM_MEMORY_DELTA) /* a state's step is in the fixed time */
        cost.attention =
            depth * pair_ops(hp, hp->mla) / attention_rate(m, SEAM_POINT_STEP, larger(depth, 1), c);
    return cost;
}

struct seam_cost seam_rates_head(const struct seam_shape *s, const struct seam_plan_machine *m,
                                 enum seam_case c)
{
    struct seam_cost cost = {.weights = products(&s->head, 1, 1, m, c)};
    return cost;
}
